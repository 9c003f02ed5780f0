"""The report command: its table, its JSON, its seeds, and what it says where nothing is."""

import json
from dataclasses import asdict

import pytest

from minigpt.commands import report
from minigpt.engine import device as device_module
from minigpt.model import GPT, GPTConfig
from minigpt.reward import RewardModel
from minigpt.stages import report as measures_module
from minigpt.stages import stage as stages_module
from minigpt.stages import train as course_module
from minigpt.stages.scoring import Measure
from minigpt.store.checkpoint import file_hash, save_checkpoint
from minigpt.store.files import Problem

TABLE = {
    "base.qa_accuracy_head": Measure(0.875, 0.8, 0.95),
    "train.base.tokens": Measure(3_600_384.0),
    "ppo.beijing_correct": Measure(1.0, note="The population of Beijing is 21.84 million."),
    "sft.attempt_accuracy": Measure(float("nan"), note="nothing to count"),
}


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """The shipped and the own folder, each with a base; a report on either is faked."""
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(device_module, "set_threads", lambda n=None: 1)
    shipped, own = tmp_path / "shipped" / "en", stages_module.own_checkpoints("en")
    for folder in (shipped, own):
        folder.mkdir(parents=True)
        (folder / "base.safetensors").touch()
    return shipped, own


@pytest.fixture
def reported(monkeypatch, folders):
    """The folders that were reported on."""
    asked = []
    monkeypatch.setattr(report, "report_on", lambda path, lang: asked.append(path) or TABLE)
    return asked


def test_json_is_one_flat_object_of_numbers(reported, folders, capsys):
    assert report.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # NaN is no JSON
    assert found == {
        "base.qa_accuracy_head": 0.875,
        "train.base.tokens": 3_600_384.0,
        "ppo.beijing_correct": 1.0,
        "sft.attempt_accuracy": None,
    }
    assert reported == [folders[0]]


def test_a_size_has_its_own_folder_and_is_always_your_own(reported, folders):
    folder = stages_module.own_checkpoints("en", "mini")
    with pytest.raises(Problem, match="en-mini: .* train --size mini` makes them"):
        report.main(["--size", "mini"])
    folder.mkdir()
    (folder / "base.safetensors").touch()
    assert report.main(["--size", "mini", "--json"]) == 0 and reported == [folder]
    with pytest.raises(Problem, match="leave out --size"):
        report.main(["--size", "mini", "--seeds", "2"])


def test_table_has_a_line_a_measure_with_interval_and_note(reported, folders, capsys):
    assert report.main(["--own"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert reported == [folders[1]] and str(folders[1]) in lines[1]
    rows = {line.split()[0]: line for line in lines[3:]}
    assert list(rows) == list(TABLE)
    assert rows["base.qa_accuracy_head"].split()[1:] == ["0.875", "0.800", "to", "0.950"]
    assert rows["train.base.tokens"].split()[1:] == ["3,600,384"]
    assert rows["ppo.beijing_correct"].endswith("The population of Beijing is 21.84 million.")
    assert "nothing to count" in rows["sft.attempt_accuracy"]


def test_further_seeds_are_trained_and_each_is_reported(reported, folders, monkeypatch, capsys):
    monkeypatch.setattr(report, "train_seed", lambda seed, lang, quiet: f"seed {seed} {quiet}")
    report.main(["--json", "--seeds", "3"])
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"0", "1", "2"} and set(found["2"]) == set(TABLE)
    assert reported == [folders[0], "seed 1 True", "seed 2 True"]  # quiet: only JSON is printed


def test_a_seed_is_trained_only_as_far_as_it_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    done = []

    class Fake:
        def __init__(self, out, lang, seed, say):
            self.out = out
            done.append((lang, seed))

        def path(self, name):
            return self.out / f"{name}.safetensors"

        def __getattr__(self, name):
            return lambda: done.append(name)

    monkeypatch.setattr(course_module, "Course", Fake)
    out = report.train_seed(4, "en", quiet=True)
    assert out == tmp_path.resolve() / "seeds" / "4" / "en" and out.is_dir()
    assert done == [("en", 4), "base", "sft", "reward", "ppo", "overoptimised"]
    done.clear()
    for name in ("base", "sft", "ppo_overoptimised"):
        (out / f"{name}.safetensors").touch()
    report.train_seed(4, "en", quiet=True)
    assert done == [("en", 4), "reward", "ppo"]


@pytest.mark.parametrize("seeds", ["0", "-2"])
def test_less_than_one_seed_is_a_problem(reported, seeds):
    with pytest.raises(Problem, match=f"--seeds is {seeds}: give 1 or more"):
        report.main(["--seeds", seeds])
    assert reported == []


@pytest.mark.parametrize("arguments", [[], ["--own"], ["--lang", "xx"], ["--json"]])
def test_without_checkpoints_it_says_how_to_make_them(monkeypatch, tmp_path, arguments):
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(device_module, "set_threads", lambda n=None: 1)
    with pytest.raises(Problem, match="There are no checkpoints in .*: `.* train` makes them"):
        report.main(arguments)


# ---- which measures are taken of which checkpoints ----------------------------------------------


CONFIG = GPTConfig(n_layer=1, n_head=2, n_embd=16)


@pytest.fixture
def taken(monkeypatch):
    """Each measure faked; what it was taken of."""
    taken = []

    def fake(name):
        def measure(*stages):
            names = [getattr(s, "name", s) for s in stages]
            taken.append((name, *[n for n in names if isinstance(n, str)]))
            return {f"{name}.x": Measure(1.0)}

        return measure

    for name in ("base", "reward", "ppo", "overoptimised", "best_of_n"):
        monkeypatch.setattr(measures_module, f"measure_{name}", fake(name))
    base = measures_module.measure_base
    monkeypatch.setattr(
        measures_module, "measure_base",
        lambda stage: base(stage)
        | {"base.three_shot_often": Measure(0.75), "base.three_shot_unseen_phrasing": Measure(0.5)},
    )  # fmt: skip
    monkeypatch.setattr(
        measures_module, "measure_chat",
        lambda stage, key: taken.append(("chat", stage.name, key))
        or {f"{key}.accuracy": Measure(0.5), f"{key}.attempt_accuracy": Measure(0.5),
            f"{key}.accuracy_unseen_phrasing": Measure(0.625)},
    )  # fmt: skip
    monkeypatch.setattr(measures_module, "perplexity_ratio", lambda *a: Measure(1.0))
    monkeypatch.setattr(course_module, "HELD_OUT_TOKENS", 6000)
    return taken


def write(folder, *names):
    for name in names:
        meta, state = {"kind": "language model", "config": asdict(CONFIG)}, GPT(CONFIG).state_dict()
        if name.startswith("reward"):
            meta |= {"kind": "reward", "parent": file_hash(folder / "sft.safetensors")}
            state = RewardModel(GPT(CONFIG)).trained()
        save_checkpoint(folder / f"{name}.safetensors", state, meta)


def test_report_takes_every_measure_and_adds_what_was_recorded(taken, tmp_path):
    write(
        tmp_path,
        "base",
        "sft",
        "reward",
        "ppo",
        "ppo_overoptimised",
        "reward_few",
        "base_step_00000",
    )
    stages = {name: {"seconds": 2.0, "tokens": 10, "flops": 100, "cpu_over_wall": 1.5, "ties": 3}
              for name in ("base", "sft", "reward", "ppo", "ppo_overoptimised")}  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    (tmp_path / "controls.json").write_text('{"gold.sft_clean": 1.25}', encoding="utf-8")
    table = report.report_on(tmp_path)
    assert all(isinstance(m, Measure) and isinstance(m.value, float) for m in table.values())
    assert taken == [
        ("base", "base"), ("chat", "sft", "sft"), ("reward", "reward", "sft"),
        ("best_of_n", "sft", "reward"), ("chat", "ppo", "ppo"), ("ppo", "ppo", "sft", "reward"),
        ("overoptimised", "ppo_overoptimised", "ppo", "sft", "reward_few"),
    ]  # fmt: skip
    assert table["sft.accuracy_gap_to_base"].value == 0.25
    assert table["sft.accuracy_unseen_phrasing_gap_to_base"].value == -0.125
    assert table["ppo.greedy_accuracy_change"].value == 0
    assert table["gold.sft_clean"].value == 1.25
    assert table["train.seconds"].value == 8.0  # the four stages, not the over-optimised one
    assert table["train.ppo_overoptimised.tokens"].value == 10
    assert {"sft.perplexity_ratio", "ppo.perplexity_ratio"} <= set(table)


@pytest.mark.parametrize(
    "names, measured",
    [
        (["base"], ["base"]),
        (["base", "sft"], ["base", "chat"]),
        (["base", "sft", "ppo"], ["base", "chat"]),
        (["base", "sft", "reward"], ["base", "chat", "reward", "best_of_n"]),
    ],
)
def test_report_on_some_of_the_stages_measures_what_can_be_measured(
    taken, tmp_path, names, measured
):
    write(tmp_path, *names)
    report.report_on(tmp_path)
    assert [name for name, *_ in taken] == measured


def test_a_damaged_checkpoint_is_a_problem_and_no_traceback(taken, tmp_path, monkeypatch):
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path)
    (tmp_path / "en").mkdir()
    write(tmp_path / "en", "base", "sft")
    path = tmp_path / "en" / "sft.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(Problem, match="sft.safetensors is damaged or cut off"):
        report.main([])
