"""The test command's tiers as pytest command lines, and what tests/conftest.py promises."""

import json
import os
import re
import subprocess
import sys

import pytest

from minigpt.commands import test as command
from minigpt.store import files as common
from minigpt.store.files import ROOT, Problem

TIERS = """
import pytest
def test_plain(): pass
@pytest.mark.slow
def test_slow(): pass
@pytest.mark.notebook
def test_notebook(): pass
@pytest.mark.browser
def test_browser(): pass
"""
OVERVIEW = {
    "cells": [{"cell_type": "code", "execution_count": None, "id": "a", "metadata": {},
               "outputs": [], "source": "1 + 1"}],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python",
                                "name": "python3"}},
    "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with one notebook and a test of each tier."""
    for path, text in {
        "notebooks/en/00_overview.ipynb": json.dumps(OVERVIEW),
        "tests/test_a.py": TIERS,
        "requirements.txt": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(common, "ROOT", tmp_path)
    return tmp_path


def ran(folder, *options):
    """The tests that pass with these options of ours, run by pytest."""
    for package in ("nbval", "xdist"):
        pytest.importorskip(package, reason=f"needs {package}: run `python3 -m minigpt test`")
    plugins = ["-p", "nbval.plugin", "-p", "xdist", "-rp"]
    arguments = [*command.pytest_arguments([*options]), "-n", "0"]  # here, which is quicker
    output, status = run_project(folder, *plugins, *arguments)
    assert status == 0, output
    return set(re.findall(r"^PASSED \S+::(.+)$", output, re.MULTILINE))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"test_plain", "test_notebook", "test_browser", "Cell 0"}),
        (["--quick"], {"test_plain"}),
        (["--all"], {"test_plain", "test_slow", "test_notebook", "test_browser", "Cell 0"}),
        (["--all", "-k", "slow"], {"test_slow"}),
        (["tests/test_a.py::test_plain"], {"test_plain"}),
        (["notebooks/en/00_overview.ipynb"], {"Cell 0"}),
    ],
)
def test_each_tier_runs_its_tests_and_named_files_are_run_alone(course, options, expected):
    assert ran(course, *options) == expected


def test_without_notebooks_only_the_tests(course):
    (course / "notebooks/en/00_overview.ipynb").unlink()
    assert ran(course) == {"test_plain", "test_notebook", "test_browser"}


@pytest.mark.parametrize("options", [["tests/test_a.py"], ["--quick", "-n", "0"], ["-s"]])
def test_one_process_for_named_files_and_where_somebody_says_so(course, options):
    arguments = command.pytest_arguments(options)
    assert "--dist" not in arguments and "--dist" in command.pytest_arguments([])


def test_there_is_one_tier_at_a_time(course):
    with pytest.raises(Problem, match="Choose one of --quick and --all"):
        command.pytest_arguments(["--all", "--quick"])


def test_home_is_empty_and_gone_afterwards(course, monkeypatch):
    seen = {}

    def run(arguments, cwd, env):
        seen["home"] = env["MINIGPT_HOME"]
        seen["empty"] = os.listdir(env["MINIGPT_HOME"]) == []
        seen["utf8"] = env.get("PYTHONUTF8") == os.environ.get("PYTHONUTF8")
        return 3

    monkeypatch.setattr(command, "wait_for", run)
    assert command.main(["--quick"]) == 3
    assert seen["empty"] and seen["utf8"] and not os.path.exists(seen["home"])


def test_this_run_has_one_thread():
    torch = sys.modules.get("torch")
    assert torch is None or torch.get_num_threads() == 1


PROJECT = """
import pytest
@pytest.mark.slow
def test_slow(): pass
def test_quick(): pass
"""
EXTRA = "import nbclient\ndef test_it(): pass\n"


def run_project(folder, *arguments, strict=False):
    """pytest's last line and exit status for a small project under our conftest.py."""
    conftest = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    conftest = conftest.replace('"nbclient"', '"an_extra_nobody_has"')
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    for plugin in ("places/table.py", "tried.py"):
        (folder / plugin).parent.mkdir(exist_ok=True)
        (folder / plugin).write_bytes((ROOT / "tests" / plugin).read_bytes())
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n notebook\n", encoding="utf-8")
    env = {**os.environ, "MINIGPT_STRICT": "1" if strict else "0", "PYTHONPATH": str(ROOT)}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # seconds a run
    env["MINIGPT_PLACES"] = "0"  # README's tables are not written
    command_line = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command_line, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return result.stdout, result.returncode


def test_what_a_test_says_stands_at_the_end_whatever_the_number_of_processes(tmp_path):
    pytest.importorskip("xdist", reason="needs pytest-xdist: run `python3 -m minigpt test`")
    text = "def test_it(say): say('took 3 s')\ndef test_other(): pass\n"
    (tmp_path / "test_project.py").write_text(text, encoding="utf-8")
    for processes in ([], ["-p", "xdist", "-n", "2"]):
        output, status = run_project(tmp_path, *processes)
        assert status == 0 and output.splitlines().count("took 3 s") == 1


def test_what_was_tried_is_added_up_and_counts_where_the_test_passes(tmp_path):
    pytest.importorskip("xdist", reason="needs pytest-xdist: run `python3 -m minigpt test`")
    text = """
import pytest
@pytest.mark.parametrize("n", [1000, 400])
def test_it(n, tried): tried("kills", n)
def test_one(tried): tried("mutants")
def test_not(tried):
    tried("kills", 5)
    assert False
"""
    (tmp_path / "test_project.py").write_text(text, encoding="utf-8")
    for processes in ([], ["-p", "xdist", "-n", "2"]):
        output, status = run_project(tmp_path, *processes)
        said = [line.split()[:3] for line in output.splitlines() if line.startswith("Tried:")]
        assert said == [["Tried:", "1,400", "kills"], ["Tried:", "1", "wrong"]] and status == 1


def test_a_run_begins_with_an_empty_home_whatever_the_learner_has(tmp_path, monkeypatch):
    """Later tests and notebooks may write there."""
    (tmp_path / "learner").mkdir()
    (tmp_path / "learner" / "predictions.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "learner"))
    text = "import os\ndef test_it(): assert os.listdir(os.environ['MINIGPT_HOME']) == []\n"
    (tmp_path / "test_project.py").write_text(text, encoding="utf-8")
    assert "1 passed" in run_project(tmp_path)[0]


def test_slow_tests_wait_to_be_asked_for(tmp_path):
    (tmp_path / "test_project.py").write_text(PROJECT, encoding="utf-8")
    assert "1 passed, 1 skipped" in run_project(tmp_path)[0]
    assert "2 passed" in run_project(tmp_path, "-m", "slow or not slow")[0]
    assert "1 passed, 1 deselected" in run_project(tmp_path, "-m", "slow")[0]
    assert "1 passed, 1 deselected" in run_project(tmp_path, "-m", "not slow and not notebook")[0]


def test_missing_extra_is_a_skip_with_its_name_and_fails_where_strict(tmp_path):
    text = EXTRA.replace("nbclient", "an_extra_nobody_has")
    (tmp_path / "test_extra.py").write_text(text, encoding="utf-8")
    (tmp_path / "test_project.py").write_text(PROJECT, encoding="utf-8")
    output, status = run_project(tmp_path)
    assert status == 0 and "1 passed, 2 skipped" in output
    assert "needs an_extra_nobody_has" in output
    output, status = run_project(tmp_path, strict=True)
    assert status == 1 and "needs an_extra_nobody_has" in output
    (tmp_path / "test_extra.py").unlink()  # a slow test's skip alone is none of strict's business
    assert run_project(tmp_path, strict=True)[1] == 0
