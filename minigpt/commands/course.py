"""Lays out a course folder, one assignment a notebook: course DIR. Then --check DIR, --release DIR.

The last assignment is the worksheet, in which each student has tasks with numbers of their own.
"""

import re
import secrets
import shlex
from pathlib import Path

from minigpt.classroom.notebook import read_notebook, released, sources, to_bytes
from minigpt.classroom.worksheet.worksheet import is_worksheet, worksheet
from minigpt.commands import run, speak
from minigpt.setup.common import option_parser, outside_course
from minigpt.store.files import PROGRAM, ROOT, Problem, as_problem, atomic_write, write_new
from minigpt.store.words import language

ENVIRONMENT = None
CONFIG = ROOT / "minigpt" / "data" / "nbgrader_config.py.txt"  # with gaps in braces


SECRET = re.compile(r'MINIGPT_SECRET"\] = "([0-9a-f]+)"')
CLASS = "id,name,email,moodle,canvas\n"


def secret_of(folder: Path) -> str:
    """The secret in a course folder's settings, from which worksheets and the checks' random inputs
    are drawn: who is graded again gets the same points, and no student can know them.

    Problem where there is none, for a new one would make all worksheets others'.
    """
    settings = folder / "nbgrader_config.py"
    text = settings.read_text(encoding="utf-8", errors="replace") if settings.is_file() else ""
    if found := SECRET.search(text):
        return found[1]
    raise Problem(f"{settings} has no MINIGPT_SECRET. `course DIR` makes a course folder.")


def lay_out(folder: Path) -> tuple[list[str], list[str]]:
    """Write nbgrader_config.py, class.csv, due.csv and source/ASSIGNMENT/ASSIGNMENT.ipynb for each
    notebook.

    What is there already stays as it is, for a teacher may have changed it. Returns the names of
    the assignments, and what was kept.
    """
    there = (folder / "nbgrader_config.py").is_file()
    secret = secret_of(folder) if there else secrets.token_hex(16)
    settings = CONFIG.read_text(encoding="utf-8")
    settings = settings.format(program=PROGRAM, root=str(ROOT), secret=secret)
    notebooks = {path.stem: path.read_bytes() for path in sources(language())}
    notebooks["worksheet"] = to_bytes(worksheet())
    files = {f"source/{name}/{name}.ipynb": data for name, data in notebooks.items()}
    kept = write_new(folder, {"nbgrader_config.py": settings.encode("utf-8")} | files)
    lists = {"class.csv": CLASS, "due.csv": "assignment,due\n" + ",\n".join([*notebooks, ""])}
    write_new(folder, {name: text.encode() for name, text in lists.items()})
    return list(notebooks), kept


def release(folder: Path) -> list[Path]:
    """Write what students get, without solutions and hidden tests, into release/; the files.

    The worksheet is not among them: `variant` makes one for each student.
    """
    written = []
    for path in sorted((folder / "source").glob("*/*.ipynb")):
        notebook = read_notebook(path)
        if not is_worksheet(notebook):
            target = folder / "release" / path.parent.name / path.name
            atomic_write(target, to_bytes(released(notebook)))
            written.append(target)
    return written


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("course", __doc__, edition=True)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder, or a course's")
    what = parser.add_mutually_exclusive_group()
    tried = "grade the sources' own solutions: each must earn its points"
    what.add_argument("--check", action="store_true", help=tried)
    given = "write what students get into release/"
    what.add_argument("--release", action="store_true", help=given)
    args = parser.parse_args(argv)
    speak(args.lang)
    folder, typed = args.folder.expanduser().resolve(), shlex.quote(str(args.folder))
    if args.check:
        return run(["grade", str(folder), "--check"])  # which needs the package's environment
    if args.release:
        secret_of(folder)  # or it is no course folder
        written = release(folder)
        print(f"{len(written)} notebooks without solutions in {folder / 'release'}")
        print(f"Worksheets are each student's own: {PROGRAM} variant {typed}")
        return 0
    outside_course(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "nbgrader_config.py").is_file():
        raise Problem(f"{folder} holds other files: choose a new folder.")
    with as_problem(OSError, of=f"The course cannot be written into {folder}: "):
        names, kept = lay_out(folder)
    print(f"{folder} is a course with {len(names)} assignments: {', '.join(names)}")
    if kept:
        print(f"These differ from the course's and stay as they are: {', '.join(kept)}")
    print(f"""Next: write your students into {folder / "class.csv"}, then
    {PROGRAM} course --release {typed}
    {PROGRAM} collect FILE.zip {typed} {names[0]}
    {PROGRAM} grade {typed}
TEACHING.md tells the rest.""")
    return 0
