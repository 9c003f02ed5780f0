"""Results of experiments are written whole, name their command, and are found again."""

import pytest

from minigpt.show import results as experiments


def test_results_come_back_with_their_command(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path / "results")
    experiments.save_results("parts", {"rows": [1, 2.5]})
    assert experiments.load_results("parts") == {
        "command": "python3 -m minigpt.lessons.ppo.parts", "rows": [1, 2.5],
    }  # fmt: skip


def test_missing_results_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError, match="python3 -m minigpt.lessons.ppo.parts"):
        experiments.load_results("parts")


def test_every_shipped_result_belongs_to_an_experiment():
    for path in experiments.RESULTS.glob("*.json"):
        assert len(list(experiments.PACKAGE.rglob(f"{path.stem}.py"))) == 1, path.stem
        assert experiments.load_results(path.stem)["command"] == experiments.command(path.stem)


def test_lacking_runs_are_made_in_order_and_kept_one_by_one(tmp_path):
    out, made = tmp_path / "toy.json", []

    def one(seed, size):
        if size == 3:
            raise KeyboardInterrupt
        made.append((seed, size))
        return {"sum": seed + size}

    keys = [{"seed": seed, "size": size} for seed in (0, 1) for size in (1, 2)]
    with pytest.raises(KeyboardInterrupt):
        experiments.complete("parts", {"threads": 1}, [*keys[:2], {"seed": 0, "size": 3}], one, out)
    found = experiments.complete("parts", {"threads": 1}, keys, one, out)
    assert made == [(0, 1), (0, 2), (1, 1), (1, 2)]  # what was there is not made again
    assert found["runs"][1] == {"seed": 0, "size": 2, "sum": 2}
    assert experiments.resume("parts", {"threads": 1}, out)["runs"] == found["runs"]
    with pytest.raises(ValueError, match="threads"):
        experiments.complete("parts", {"threads": 2}, keys, one, out)
    assert len(made) == 4


def test_every_experiment_can_be_told_seeds_and_a_file(capsys):
    parser = experiments.arguments("parts", "What it finds.\n\nMore.", (0, 1))
    assert parser.parse_args([]).seeds == (0, 1) and parser.parse_args([]).out is None
    assert parser.parse_args(["--seeds", "4", "--out", "x.json"]).seeds == [4]
    assert "What it finds." in parser.format_help() and "More." not in parser.format_help()
