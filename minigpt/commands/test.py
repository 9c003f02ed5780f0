"""Runs the tests (--quick: five minutes, --all: everything); other options go to pytest.

They run in two processes; named files, or all of them with -n 0, run in one.

--quick  the unit tests: those that are not marked slow, notebook or browser
         without an option: the tests that are not slow, and the English notebooks, run by nbval
--all    the slow ones too; writes the table of places in README
"""

import os
import sys
import tempfile

from minigpt.setup.common import require_repository, wait_for
from minigpt.store.files import PROGRAM, ROOT, Problem

ENVIRONMENT = "test"
# Two processes, which is what two cores can do at once. Files of few tests take longest (Chromium,
# notebooks), so they must not come last, where one process would wait for the other.
TWO = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
NBVAL = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600"]


def pytest_arguments(argv: list[str]) -> list[str]:
    """pytest's command line for our options; what we do not know is pytest's."""
    quick, everything = "--quick" in argv, "--all" in argv
    if quick and everything:
        raise Problem("Choose one of --quick and --all.")
    rest = [argument for argument in argv if argument not in ("--quick", "--all")]
    marks = ["-m", "not (slow or notebook or browser)"] if quick else []
    marks = ["-m", "slow or not slow"] if everything else marks
    named = [part for part in rest if (ROOT / part.split("::")[0]).exists() and part[0] != "-"]
    notebooks = ROOT / "notebooks" / "en"
    if named:
        paths = []  # the caller's choice
        nbval = NBVAL if any(".ipynb" in part or "notebooks" in part for part in named) else []
    elif not quick and any(notebooks.glob("*.ipynb")):
        paths, nbval = ["tests", "notebooks/en"], NBVAL
    else:
        paths, nbval = ["tests"], []
    alone = named or any(part.startswith(("-n", "--num", "--pdb", "-s")) for part in rest)
    return [*nbval, *marks, *([] if alone else TWO), *paths, *rest]


def main(argv: list[str]) -> int:
    """Run pytest in an environment without the learner's own checkpoints."""
    if {"-h", "--help"} & {*argv}:
        print(f"usage: {PROGRAM} test [--fresh] [--quick|--all] [pytest's options]\n\n{__doc__}")
        return 0
    require_repository()
    arguments = pytest_arguments(argv)
    with tempfile.TemporaryDirectory(prefix="minigpt-test-") as home:
        env = {**os.environ, "MINIGPT_HOME": home}
        if "--all" in argv:
            env.setdefault("MINIGPT_PLACES", "1")
        return wait_for([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=env)
