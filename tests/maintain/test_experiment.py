"""`experiment NAME` finds every experiment, tells its options and runs it as its results say."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from minigpt.maintain import experiment
from minigpt.store.files import Problem


@pytest.fixture
def toy(monkeypatch):
    """An experiment that notes what it is told."""
    module = ModuleType("toy", "What it finds.\n\nMore.")
    module.told, module.OPTIONS = [], {"seeds": (0, 1), "kinds": ("5 %", "all")}
    module.run = lambda **options: module.told.append({**options, "n": torch.get_num_threads()})
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.setattr(experiment, "experiments", lambda: {"toy": "toy"})
    return module


def test_it_can_be_told_its_options_and_a_file(toy, capsys):
    assert experiment.main(["toy"]) == 0
    experiment.main(["toy", "--seeds", "4", "--kinds", "5 %", "--out", "x.json"])
    assert toy.told[0] == {"seeds": (0, 1), "kinds": ("5 %", "all"), "out": None, "n": 1}
    assert toy.told[1] == {"seeds": [4], "kinds": ["5 %"], "out": Path("x.json"), "n": 1}
    for wrong in (["--kinds", "6 %"], ["--seeds", "x"], ["--help"]):
        with pytest.raises(SystemExit):
            experiment.main(["toy", *wrong])
    said = capsys.readouterr()
    assert "choose from" in said.err and "invalid int value: 'x'" in said.err
    assert "What it finds." in said.out and "More." not in said.out and "5 %; all" in said.out


@pytest.mark.parametrize(("threads", "found"), [(1, 1), (2, 2), (None, 3)])
def test_it_runs_with_as_many_threads_as_its_results_had(toy, threads, found, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    toy.THREADS = threads
    experiment.main(["toy"])
    assert toy.told[0]["n"] == found


@pytest.mark.parametrize("argv", [[], ["nothing"]])
def test_without_a_known_name_it_lists_them(toy, argv):
    with pytest.raises(Problem, match="Choose one of: toy"):
        experiment.main(argv)


def test_its_help_lists_them(toy, capsys):
    with pytest.raises(SystemExit, match="0"):
        experiment.main(["--help"])
    assert "Choose one of: toy" in capsys.readouterr().out


def test_results_that_do_not_fit_are_a_problem(toy):
    def refuse(**options):
        raise ValueError("toy.json holds runs with other rate")

    toy.run = refuse
    with pytest.raises(Problem, match="other rate"):
        experiment.main(["toy"])
