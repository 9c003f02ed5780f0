"""Every experiment in miniature: stopped, gone on with, and compared with one that was not."""

import json
from functools import partial

import pytest

from minigpt.lessons.pretraining import sources
from minigpt.lessons.tokenization import vocabulary
from minigpt.maintain import experiment, recorded
from minigpt.model import GPTConfig
from minigpt.show import results
from minigpt.show.results import command, load_results, save_results
from minigpt.stages.sizes import flops_per_token

TOY = partial(GPTConfig, n_layer=1, n_embd=32, n_head=2)


def check_sources(found):
    assert all(0 <= run["qa"] <= 1 < run["loss"] for run in found["runs"])


def check_vocabulary(found):
    assert [run["vocab_size"] for run in found["runs"]] == [262, 4096, 262, 4096]
    assert all(0 < run["bits_per_byte"] < 16 for run in found["runs"])
    assert all(run["tokens"] == 3 * 16 * 256 for run in found["runs"][::2])


def check_recorded(found):
    assert [run["stage"] for run in found["runs"]] == ["sft", "sft", "reward", "reward"]
    losses = [run["losses"] for run in found["runs"]]
    assert all(len(points) == 1 and 0 < points[0] < 6 for points in losses)
    assert losses[0] != losses[1] and losses[2] != losses[3]


# {module: (its constants that are made small, what `run` is told, a check of the results)}
MINIATURES = {
    vocabulary: (
        {
            "SIZES": (256, vocabulary.SIZES[-1]),
            "GPTConfig": TOY,
            "OPERATIONS": 3 * 16 * 256 * flops_per_token(TOY(vocab_size=262)),  # three updates
            "POOL": 5000,
            "HELD_OUT": 2000,
        },
        {"seeds": (0, 1)},
        check_vocabulary,
    ),
    sources: (
        {"TOKENS": 4096, "PLACES": 4, "HELD_OUT": 3000, "GPTConfig": TOY},
        {"seeds": (0, 1), "variants": ("full", sources.WHOLE)},
        check_sources,
    ),
    recorded: (
        {"RECIPE": recorded.Recipe(corpus_tokens=20_000, demonstrations=64, comparison_prompts=64)},
        {"seeds": (0, 1)},
        check_recorded,
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
    assert experiment.experiments()[module.NAME] == module.__name__
    with pytest.raises(SystemExit):
        experiment.main([module.NAME, "--help"])
    said = capsys.readouterr().out
    assert command(module.NAME) in said and "--seeds" in said and "--out" in said
