"""The test command's tiers as pytest command lines, and what tests/conftest.py promises."""

import os
import subprocess
import sys

import pytest

from minigpt.commands import test as command
from minigpt.store import files as common
from minigpt.store.files import ROOT, Problem


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with one notebook and one test file."""
    for path in ("notebooks/en/00_overview.ipynb", "tests/test_a.py", "requirements.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(common, "ROOT", tmp_path)
    return tmp_path


def test_tiers(course):
    two, folders = command.TWO, ["tests", "notebooks/en"]
    assert command.pytest_arguments([]) == [*command.NBVAL, *two, *folders]
    quick = ["-m", "not slow and not notebook"]
    assert command.pytest_arguments(["--quick"]) == [*quick, *two, "tests"]
    assert command.pytest_arguments(["--quick", "-n", "0"]) == [*quick, "tests", "-n", "0"]
    everything = command.pytest_arguments(["--all", "-x"])
    assert everything == [*command.NBVAL, "-m", "slow or not slow", *two, *folders, "-x"]
    with pytest.raises(Problem):
        command.pytest_arguments(["--all", "--quick"])


def test_named_paths_replace_ours(course):
    assert command.pytest_arguments(["tests/test_a.py::test_x", "-k", "y"]) == [
        "tests/test_a.py::test_x",
        "-k",
        "y",
    ]
    notebook = "notebooks/en/00_overview.ipynb"
    assert command.pytest_arguments([notebook]) == [*command.NBVAL, notebook]


def test_without_notebooks_only_the_tests(course):
    (course / "notebooks/en/00_overview.ipynb").unlink()
    assert command.pytest_arguments([]) == [*command.TWO, "tests"]


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
    plugin = "places/table.py"
    (folder / plugin).parent.mkdir(exist_ok=True)
    (folder / plugin).write_bytes((ROOT / "tests" / plugin).read_bytes())
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n notebook\n", encoding="utf-8")
    env = {**os.environ, "MINIGPT_STRICT": "1" if strict else "0", "PYTHONPATH": str(ROOT)}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # seconds a run
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
