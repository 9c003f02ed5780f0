"""For all tests: an empty home, one thread, slow tests only where asked for.

Bare `pytest` works too: a test that needs a package that is not installed is skipped and says so.
With MINIGPT_STRICT=1, as in .ci/run, such a skip fails the run.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tried import Tried

TESTS = Path(__file__).parent

EXTRAS = {"hypothesis", "nbgrader", "nbclient", "nbval", "transformers", "tokenizers"}
SAID: list[str] = []  # what tests have to say, printed at the end
SECONDS: Counter[str] = Counter()  # by folder: what its tests took, in whichever process
STRICT = os.environ.get("MINIGPT_STRICT") == "1"
HOME = tempfile.TemporaryDirectory(prefix="minigpt-test-")
os.environ["MINIGPT_HOME"] = HOME.name  # before any test module reads it


class SkipWithoutExtra:
    """The last finder that Python asks: an extra that a test imports and nobody has is a skip."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in EXTRAS:
            return None
        caller = sys._getframe(1)
        while caller and caller.f_code.co_filename.startswith("<frozen importlib"):
            caller = caller.f_back
        if caller and Path(caller.f_code.co_filename).is_relative_to(TESTS):
            advice = "run `python3 -m minigpt test`, or pip install -e '.[test]'"
            pytest.skip(f"needs {name}: {advice}", allow_module_level=True)
        return None  # elsewhere it is an optional import


class HomeOfEachNotebook:
    """A notebook that nbval runs has a home of its own: it does not start from the models that
    another one keeps."""

    @staticmethod
    @pytest.hookimpl(tryfirst=True)  # before its kernel starts
    def pytest_runtest_setup(item):
        notebook = item.path.suffix == ".ipynb"
        os.environ["MINIGPT_HOME"] = str(Path(HOME.name, item.path.stem if notebook else ""))


def pytest_configure(config):
    sys.meta_path.append(SkipWithoutExtra)
    config.pluginmanager.register(HomeOfEachNotebook())  # a hook here would be of tests/ alone
    spec = importlib.util.spec_from_file_location("places_table", TESTS / "places" / "table.py")
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    config.pluginmanager.register(table.Places())  # of nbval's items too, which are not in tests/
    config.pluginmanager.register(Tried())


def pytest_runtest_logreport(report):
    SECONDS[folder_of(report.nodeid)] += report.duration
    if report.when == "teardown":
        SAID.extend(line for name, line in report.user_properties if name == "said")


def folder_of(nodeid: str) -> str:
    """Below tests/ its folder; "notebooks" for those that nbval runs as well."""
    folder, *below = nodeid.partition("::")[0].split("/")[:-1] or [""]
    return "".join(below[:1]) if folder == "tests" else folder


def times_by_folder(seconds: Counter[str], shown: float = 30) -> str:
    """`notebooks 6:10, places 3:02, rest 4:25`: folders of half a minute or more, longest first."""
    long = [(folder, s) for folder, s in seconds.most_common() if folder and s >= shown]
    rest = seconds.total() - sum(s for _, s in long)
    times = [(name, divmod(round(s), 60)) for name, s in [*long, ("rest", rest)]]
    return ", ".join(f"{name} {minutes}:{s:02}" for name, (minutes, s) in times)


def pytest_terminal_summary(terminalreporter):
    for line in SAID:
        terminalreporter.write_line(line)
    if SECONDS.total() >= 60:
        terminalreporter.write_line(f"Time of all processes together: {times_by_folder(SECONDS)}")


def pytest_unconfigure(config):
    sys.meta_path.remove(SkipWithoutExtra)
    HOME.cleanup()


def pytest_collection_modifyitems(config, items):
    if "slow" in config.getoption("markexpr"):
        return  # the caller chose
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --all (or pytest -m slow)"))


def pytest_runtest_setup(item):
    torch = sys.modules.get("torch")  # tests without torch do not wait for its import
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)  # sums, and so losses, depend on how many threads add


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return  # one of several processes that run tests; the first one sums up
    reasons = {str(report.longrepr[2]) for report in reporter.stats.get("skipped", [])}
    for reason in sorted(reason for reason in reasons if "no Chromium" in reason):
        reporter.write_line(f"\n{reason}")
    lacking = sorted(reason for reason in reasons if "needs " in reason)
    if STRICT and lacking:
        reporter.write_line("\nSkipped for want of something, which fails here:", red=True)
        for reason in lacking:
            reporter.write_line(f"  {reason}")
        session.exitstatus = exitstatus or 1


@pytest.fixture
def say(request):
    """`say(line)` prints a line at the end of the run: a time or a size, which no test asserts."""
    return lambda line: request.node.user_properties.append(("said", line))


@pytest.fixture
def tried(request):
    """`tried(kind, n)` counts what a test has tried, if it passes: a kind of tests/tried.py."""
    return lambda kind, n=1: request.node.user_properties.append(("tried", (kind, n)))


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The learner's folder, not made yet; what the disk refused belongs to one test alone."""
    from minigpt.store import kept

    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kept, "_unsaved", {})
    return tmp_path / "home"


@pytest.fixture
def nbgrader():
    """Runs the real nbgrader in a folder: nbgrader(folder, "autograde", "01_tokenization")."""
    pytest.importorskip("nbgrader", reason="needs nbgrader: run `python3 -m minigpt test`")
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    paths = os.pathsep.join([str(TESTS.parent), os.environ.get("PYTHONPATH", "")])

    def run(folder: Path, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments], cwd=folder, capture_output=True,
            text=True, encoding="utf-8", errors="replace",
            env={**os.environ, "PATH": path, "PYTHONPATH": paths},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]

    return run
