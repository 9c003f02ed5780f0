"""Lays out a course folder for nbgrader, one assignment a notebook: course DIR [--lang en|zh].

The last assignment is the worksheet, in which each student has tasks with numbers of their own.
"""

from __future__ import annotations

import argparse
import re
import secrets
from pathlib import Path

from minigpt.classroom.notebook import sources, to_bytes
from minigpt.classroom.worksheet.worksheet import worksheet
from minigpt.setup.common import outside_course
from minigpt.setup.working_copy import LANGUAGES
from minigpt.store.files import PROGRAM, ROOT, Problem, atomic_write

ENVIRONMENT = None
CONFIG = '''"""nbgrader's settings for this course; made by `{program} course`."""

import os

c = get_config()
c.CourseDirectory.course_id = "minigpt"
c.Execute.timeout = 120  # seconds a cell; then it is stopped, and the next one runs
c.Execute.interrupt_on_timeout = True

# A notebook's kernel is started with these.
root = {root!r}
paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
os.environ["PYTHONPATH"] = os.pathsep.join([root, *(p for p in paths if p and p != root)])
os.environ["MINIGPT_FAST"] = "1"  # cells that train make a twentieth of their steps
os.environ["MINIGPT_TRIAL_SEED"] = "{seed}"  # of the checks' random inputs: tell no student
os.environ["MINIGPT_HOME"] = os.path.join(os.getcwd(), ".minigpt")  # not your own checkpoints
'''


def trial_seed(folder: Path) -> str:
    """The seed of the checks' random inputs in a course folder's settings, else a new one: who is
    graded again gets the same points, and no student can know the inputs."""
    settings = folder / "nbgrader_config.py"
    text = settings.read_text(encoding="utf-8", errors="replace") if settings.is_file() else ""
    found = re.search(r'MINIGPT_TRIAL_SEED"\] = "(\d+)"', text)
    return found[1] if found else str(secrets.randbelow(10**9))


def lay_out(folder: Path, lang: str = "en") -> tuple[list[str], list[str]]:
    """Write nbgrader_config.py and source/ASSIGNMENT/ASSIGNMENT.ipynb for each notebook.

    What is there already stays as it is, for a teacher may have changed it. Returns the names of
    the assignments, and what was kept.
    """
    files = {
        "nbgrader_config.py": CONFIG.format(
            program=PROGRAM, root=str(ROOT), seed=trial_seed(folder)
        ).encode("utf-8")
    }
    notebooks = {path.stem: path.read_bytes() for path in sources(lang)}
    notebooks["worksheet"] = to_bytes(worksheet(lang))
    for name, data in notebooks.items():
        files[f"source/{name}/{name}.ipynb"] = data
    kept = []
    for name, data in files.items():
        target = folder / name
        if not target.exists():
            atomic_write(target, data)
        elif target.read_bytes() != data:
            kept.append(name)
    return list(notebooks), kept


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} course", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder, or a course's")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="edition (default: en)")
    args = parser.parse_args(argv)
    folder = args.folder.expanduser().resolve()
    outside_course(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "nbgrader_config.py").is_file():
        raise Problem(f"{folder} holds other files: choose a new folder.")
    try:
        names, kept = lay_out(folder, args.lang)
    except OSError as error:
        raise Problem(f"The course cannot be written into {folder}: {error}") from None
    print(f"{folder} is a course with {len(names)} assignments: {', '.join(names)}")
    if kept:
        print(f"These differ from the course's and stay as they are: {', '.join(kept)}")
    print("Next, with nbgrader installed (pip install 'nbgrader>=0.9.6'):")
    print(f"    cd {folder}")
    print(f"    nbgrader generate_assignment {names[0]}   # into release/, without the solutions")
    print(f"and with what comes back in submitted/STUDENT/{names[0]}/:")
    print(f"    {PROGRAM} grade {folder}")
    print("TEACHING.md tells the rest.")
    return 0
