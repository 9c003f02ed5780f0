"""The report command: its table, its JSON, its seeds, and what it says where nothing is."""

import json

import pytest

from minigpt.commands import report
from minigpt.engine import device as device_module
from minigpt.stages import report as measures
from minigpt.stages import stage as stages_module
from minigpt.stages.scoring import Measure
from minigpt.store.files import Problem
from toys import write_stage

TABLE = {
    "base.qa_accuracy_head": Measure(0.875, 0.8, 0.95),
    "train.base.tokens": Measure(3_600_384.0),
    "ppo.beijing_correct": Measure(1.0, note="The population of Beijing is 21.84 million."),
    "sft.attempt_accuracy": Measure(float("nan"), note="nothing to count"),
    "ppo.blind_share": Measure(float("nan"), float("nan"), float("nan")),
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
    monkeypatch.setattr(measures, "report_on", lambda path, lang: asked.append(path) or TABLE)
    return asked


def test_json_is_one_flat_object_of_numbers(reported, folders, capsys):
    assert report.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # NaN is no JSON
    assert found == {
        "base.qa_accuracy_head": 0.875,
        "base.qa_accuracy_head.low": 0.8,
        "base.qa_accuracy_head.high": 0.95,
        "train.base.tokens": 3_600_384.0,
        "ppo.beijing_correct": 1.0,
        "sft.attempt_accuracy": None,
        "ppo.blind_share": None,
        "ppo.blind_share.low": None,
        "ppo.blind_share.high": None,
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
    assert set(found) == {"0", "1", "2"} and set(found["2"]) == {*TABLE, *(
        f"{key}.{end}" for key in ("base.qa_accuracy_head", "ppo.blind_share")
        for end in ("low", "high")
    )}  # fmt: skip
    assert reported == [folders[0], "seed 1 True", "seed 2 True"]  # quiet: only JSON is printed


@pytest.mark.parametrize("seeds", ["0", "-2", "1" + "0" * 23])
def test_seeds_that_nobody_can_train_are_a_problem(reported, seeds):
    with pytest.raises(Problem, match=f"--seeds is {seeds}: give 1 to 99"):
        report.main(["--seeds", seeds])
    assert reported == []


@pytest.mark.parametrize("arguments", [[], ["--own"], ["--json"]])
def test_without_checkpoints_it_says_how_to_make_them(monkeypatch, tmp_path, arguments):
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(device_module, "set_threads", lambda n=None: 1)
    with pytest.raises(Problem, match="There are no checkpoints in .*: `.* train` makes them"):
        report.main(arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--lang", "xx"], "language 'xx': choose 'en'"),
        (["--size", "huge"], "no size 'huge'. Choo"),
    ],
)
def test_what_there_is_not_is_no_matter_of_training(reported, arguments, message):
    with pytest.raises(Problem, match=message):
        report.main(arguments)
    assert reported == []


def test_a_damaged_checkpoint_is_a_problem_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path)
    (tmp_path / "en").mkdir()
    for name in ("base", "sft"):
        write_stage(tmp_path / "en", name)
    path = tmp_path / "en" / "sft.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(Problem, match="sft.safetensors is damaged or cut off"):
        report.main([])
