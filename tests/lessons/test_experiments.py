"""Every experiment in miniature: stopped, gone on with, and compared with one that was not."""

import itertools
import json
from functools import partial

import pytest

from minigpt.lessons.pretraining import sources
from minigpt.lessons.reward_model import how_many_labels
from minigpt.lessons.sft import demonstrations
from minigpt.lessons.tokenization import vocabulary
from minigpt.maintain import experiment
from minigpt.model import GPTConfig
from minigpt.pretrain import PretrainConfig
from minigpt.show import results
from minigpt.show.results import command, experiments, load_results, save_results
from minigpt.stages.exam import known_questions, unknown_questions
from minigpt.world.questions import Questions

TOY = partial(GPTConfig, n_layer=1, n_embd=32, n_head=2)


def check_demonstrations(found):
    base, trained = found["runs"][:2], found["runs"][2:]
    assert all(0 <= run["accuracy"] <= 1 for run in base)
    assert [run["updates"] for run in trained] == [2] * 4  # one or two an epoch


def check_sources(found):
    assert all(0 <= run["qa"] <= 1 < run["held_out_loss"] for run in found["runs"])


def check_vocabulary(found):
    assert [run["vocab_size"] for run in found["runs"]] == [262, 4096, 262, 4096]
    assert all(run["at_seconds"]["seconds"] == 3 for run in found["runs"])


def check_how_many_labels(found):
    for run in found["runs"]:
        assert 0 < run["pairs"] + run["ties"] <= 10 * run["questions"]  # of five answers to each
        for name in ("best_64_less_4", "known_best_64_less_4"):
            assert run[f"{name}_low"] <= run[name] <= run[f"{name}_high"]
        for share in ("pair_accuracy", "gold_preference", "right_over_wrong", "ceiling"):
            assert 0 <= run[share] <= 1
    assert [run["sees_surprisal"] for run in found["runs"]] == [True, True, False, False]
    by_kind = {run["sees_surprisal"]: run for run in found["runs"]}  # of the same labels
    assert by_kind[True]["pairs"] == by_kind[False]["pairs"]


# {module: (its constants that are made small, what `run` is told, a check of the results)}
MINIATURES = {
    vocabulary: (
        {
            "SIZES": (256, vocabulary.SIZES[-1]),
            "GPTConfig": TOY,
            "PretrainConfig": partial(PretrainConfig, batch_size=2, block_size=32),
            "perf_counter": itertools.count().__next__,  # an update takes a second
        },
        {"seeds": (0, 1), "budget": vocabulary.Budget(900, 3, held_out=2000, pool=5000)},
        check_vocabulary,
    ),
    sources: (
        {"TOKENS": 4096, "PLACES": 4, "HELD_OUT_TOKENS": 3000, "GPTConfig": TOY},
        {"seeds": (0, 1), "variants": ("full", "lists 5 %")},
        check_sources,
    ),
    demonstrations: (
        {
            "RUNS": (("mixed", 33), ("left out", 20)),
            "BASE_PROMPTS": demonstrations.BASE_PROMPTS[:2],
            "LEAST_UPDATES": 2,
            "REPLAYED_TOKENS": 5000,
            "known_questions": lambda world: Questions(known_questions(world)[:9]),
            "unknown_questions": partial(unknown_questions, n=4),
        },
        {"seeds": (0, 1)},
        check_demonstrations,
    ),
    how_many_labels: (
        {"SIZES": (4, 8), "POOL": 6, "reward_exam": partial(how_many_labels.reward_exam, n=8)},
        {"seeds": (0,)},
        check_how_many_labels,
    ),
}
EXPERIMENTS = pytest.mark.parametrize("module", MINIATURES, ids=lambda module: module.NAME)


@EXPERIMENTS
def test_a_stopped_experiment_goes_on_as_if_it_had_not_been_stopped(module, monkeypatch, tmp_path):
    constants, options, check = MINIATURES[module]
    for name, value in constants.items():
        monkeypatch.setattr(module, name, value)
    file, states = tmp_path / "results.json", []

    def save(name, found, path):
        save_results(name, found, path)
        states.append(path.read_bytes())

    monkeypatch.setattr(results, "save_results", save)
    whole = module.run(out=file, **options)
    check(whole)
    assert json.loads(states[-1]) == whole and len(whole["runs"]) > 1
    file.write_bytes(states[len(whole["runs"]) - 2])  # stopped before the last run was there
    made = len(states)
    for _ in "again", "once more":
        assert module.run(out=file, **options) == whole
        assert states[made:] == states[len(whole["runs"]) - 1 : made]  # nothing was made twice


@EXPERIMENTS
def test_the_shipped_results_hold_every_run_once(module, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "complete", lambda *args: asked.append(args))
    module.run()
    (name, fixed, keys, *_), shipped = asked[0], load_results(module.NAME)
    assert name == module.NAME and {key: shipped[key] for key in fixed} == fixed
    found = [[i for i, r in enumerate(shipped["runs"]) if k.items() <= r.items()] for k in keys]
    assert sorted(found) == [[i] for i in range(len(shipped["runs"]))]


@EXPERIMENTS
def test_every_experiment_is_found_by_its_command(module, capsys):
    assert experiments()[module.NAME] == module.__name__
    with pytest.raises(SystemExit):
        experiment.main([module.NAME, "--help"])
    said = capsys.readouterr().out
    assert command(module.NAME) in said and "--seeds" in said and "--out" in said
