"""Worksheets with each student's own tasks: variant DIR for a class, --student ID for one."""

import hashlib
import re
import sys
from pathlib import Path

from minigpt.classroom.exchange.roster import Roster
from minigpt.classroom.grading.repair import mark, text
from minigpt.classroom.notebook import read_notebook, to_bytes
from minigpt.classroom.worksheet.variant import comparable, tasks
from minigpt.classroom.worksheet.worksheet import filled, is_worksheet, personal
from minigpt.commands.course import secret_of
from minigpt.setup.common import option_parser, outside_course
from minigpt.store.files import Problem, as_problem, write_new

ENVIRONMENT = None
PLAIN = re.compile(r"[a-z0-9]([a-z0-9._@-]{0,58}[a-z0-9])?")  # ids that are file names as they are


def file_name(student: str) -> str:
    """The worksheet's file of a student: no two ids have the same one, on any system."""
    key = comparable(student)
    if PLAIN.fullmatch(key):
        return f"worksheet-{key}.ipynb"
    kept = re.sub(r"[^a-z0-9]+", "-", key).strip("-")[:30]
    return f"worksheet-{kept}~{hashlib.sha256(key.encode('utf-8')).hexdigest()[:16]}.ipynb"


def read_source(course: Path) -> dict:
    """The worksheet of a course folder, as its teacher left it."""
    path = course / "source" / "worksheet" / "worksheet.ipynb"
    if not path.is_file():
        raise Problem(f"There is no {path}. `course DIR` makes a course folder.")
    source = read_notebook(path)
    if not is_worksheet(source):
        raise Problem(f"{path} is no worksheet: its cell with the id 'student' is missing.")
    return source


def print_tasks(source: dict, student: str, secret: str, answers: bool) -> None:
    """Print a student's tasks, or the right answer to each."""
    print(f"Student {student}:")
    for task in tasks(student, secret) if answers else ():
        off = f"   (± {task.tolerance:.3g}{' of it' * task.relative})" if task.numeric else ""
        print(f"  {task.variable} = {task.expected!r}{off}")
    for cell in () if answers else filled(source, student, secret)["cells"]:
        if cell["cell_type"] == "markdown" and not mark(cell):
            print(f"\n{text(cell)}")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("variant", __doc__)
    parser.add_argument("course", type=Path, metavar="DIR", help="the course folder")
    parser.add_argument("--student", metavar="ID", help="one alone (default: all of class.csv)")
    parser.add_argument("--out", type=Path, metavar="FOLDER",
                        help="where the worksheets go (default: DIR/worksheets)")  # fmt: skip
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--show", action="store_true", help="print the tasks; writes nothing")
    instead.add_argument("--answers", action="store_true",
                         help="for the teacher: print the answers; writes nothing")  # fmt: skip
    args = parser.parse_args(argv)
    course = args.course.expanduser().resolve()
    source, secret = read_source(course), secret_of(course)
    if args.student is not None:
        with as_problem(ValueError, of="--student: "):
            comparable(args.student)
        students = [args.student.strip()]
    else:
        roster = Roster(course)
        print(*roster.said, sep="\n", end="\n" if roster.said else "", file=sys.stderr)
        students = roster.ids()
    if not students:
        raise Problem(f"There is nobody in {course / 'class.csv'}: write an id a line into it, or "
                      "name one student with --student ID.")  # fmt: skip
    if args.show or args.answers:
        for number, student in enumerate(students):
            print("\n" if number else "", end="")
            print_tasks(source, student, secret, args.answers)
        return 0
    folder = (args.out or course / "worksheets").expanduser().resolve()
    outside_course(folder)
    with as_problem(OSError, of=f"The worksheets cannot be written into {folder}: "):
        files = {file_name(who): to_bytes(personal(source, who, secret)) for who in students}
        kept = write_new(folder, files)
    if there := [name for name in files if name not in kept]:
        print(f"{len(there)} in {folder}: {', '.join(there)}")
    if kept:
        raise Problem(f"""\
These files have other contents than would be written, perhaps a student's work, and \
stay as they are: {", ".join(kept)}
Move them away to have them written anew.""")
    return 0
