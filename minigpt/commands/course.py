"""Lays out a course folder for nbgrader, one assignment a notebook: course DIR [--lang en|zh].

The last assignment is the worksheet, in which each student has tasks with numbers of their own.
"""

import re
import secrets
from pathlib import Path

from minigpt.classroom.notebook import sources, to_bytes
from minigpt.classroom.worksheet.worksheet import worksheet
from minigpt.commands import speak
from minigpt.setup.common import option_parser, outside_course
from minigpt.store.files import PROGRAM, ROOT, Problem, atomic_write
from minigpt.store.words import language

ENVIRONMENT = None
CONFIG = '''"""nbgrader's settings for this course; made by `{program} course`."""

import os
import sys

c = get_config()
c.CourseDirectory.course_id = "minigpt"
c.Execute.timeout = 120  # seconds a cell; then it is stopped, and the next one runs
c.Execute.interrupt_on_timeout = True

# A notebook's kernel is started with these.
root = {root!r}
paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
os.environ["PYTHONPATH"] = os.pathsep.join([root, *(p for p in paths if p and p != root)])
os.environ["MINIGPT_TRIAL_SEED"] = "{seed}"  # of the checks' random inputs: tell no student
os.environ["MINIGPT_HOME"] = os.path.join(os.getcwd(), ".minigpt")  # not your own checkpoints

# Exercises are graded, so the cells that train do a few steps.
sys.path.insert(0, root)
from minigpt.classroom.notebook import with_short_budget
from nbgrader.converters import Autograde
from nbgrader.preprocessors import NbGraderPreprocessor


class ShortBudget(NbGraderPreprocessor):
    def preprocess(self, nb, resources):
        try:
            return with_short_budget(nb), resources
        except (SyntaxError, ValueError):  # a student has changed the budgets
            return nb, resources


c.Autograde.autograde_preprocessors = [ShortBudget, *Autograde.autograde_preprocessors.default()]
'''


def trial_seed(folder: Path) -> str:
    """The seed of the checks' random inputs in a course folder's settings, else a new one: who is
    graded again gets the same points, and no student can know the inputs."""
    settings = folder / "nbgrader_config.py"
    text = settings.read_text(encoding="utf-8", errors="replace") if settings.is_file() else ""
    found = re.search(r'MINIGPT_TRIAL_SEED"\] = "(\d+)"', text)
    return found[1] if found else str(secrets.randbelow(10**9))


def lay_out(folder: Path) -> tuple[list[str], list[str]]:
    """Write nbgrader_config.py and source/ASSIGNMENT/ASSIGNMENT.ipynb for each notebook.

    What is there already stays as it is, for a teacher may have changed it. Returns the names of
    the assignments, and what was kept.
    """
    settings = CONFIG.format(program=PROGRAM, root=str(ROOT), seed=trial_seed(folder))
    files, kept = {"nbgrader_config.py": settings.encode("utf-8")}, []
    notebooks = {path.stem: path.read_bytes() for path in sources(language())}
    notebooks["worksheet"] = to_bytes(worksheet())
    for name, data in notebooks.items():
        files[f"source/{name}/{name}.ipynb"] = data
    for name, data in files.items():
        target = folder / name
        if not target.exists():
            atomic_write(target, data)
        elif target.read_bytes() != data:
            kept.append(name)
    return list(notebooks), kept


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("course", __doc__, edition=True)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder, or a course's")
    args = parser.parse_args(argv)
    speak(args.lang)
    folder = args.folder.expanduser().resolve()
    outside_course(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "nbgrader_config.py").is_file():
        raise Problem(f"{folder} holds other files: choose a new folder.")
    try:
        names, kept = lay_out(folder)
    except OSError as error:
        raise Problem(f"The course cannot be written into {folder}: {error}") from None
    print(f"{folder} is a course with {len(names)} assignments: {', '.join(names)}")
    if kept:
        print(f"These differ from the course's and stay as they are: {', '.join(kept)}")
    print(f"""Next, with nbgrader installed (pip install 'nbgrader>=0.9.6'):
    cd {folder}
    nbgrader generate_assignment {names[0]}   # into release/, without the solutions
and with what comes back in submitted/STUDENT/{names[0]}/:
    {PROGRAM} grade {folder}
TEACHING.md tells the rest.""")
    return 0
