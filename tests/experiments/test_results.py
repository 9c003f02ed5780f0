"""Results of experiments are written whole, name their command, and are found again."""

import pytest

from minigpt import experiments


def test_results_come_back_with_their_command(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path / "results")
    experiments.save_results("toy", {"rows": [1, 2.5]})
    assert experiments.load_results("toy") == {
        "command": "python3 -m minigpt.experiments.toy", "rows": [1, 2.5],
    }  # fmt: skip


def test_missing_results_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError, match="python3 -m minigpt.experiments.toy"):
        experiments.load_results("toy")


def test_every_shipped_result_belongs_to_an_experiment():
    for path in experiments.RESULTS.glob("*.json"):
        name = path.stem
        assert (experiments.Path(experiments.__file__).parent / f"{name}.py").is_file(), name
        assert experiments.load_results(name)["command"] == experiments.command(name)
