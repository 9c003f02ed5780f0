"""A student's own worksheet, or a class's: variant --student ID, or --students FILE [--answers]."""

import csv
import hashlib
import io
import re
import sys
from pathlib import Path

from minigpt.classroom.notebook import to_bytes
from minigpt.classroom.worksheet.variant import comparable, show_tasks, tasks
from minigpt.classroom.worksheet.worksheet import released
from minigpt.commands import speak
from minigpt.setup.common import option_parser, outside_course
from minigpt.store.files import Problem, atomic_write, learner_home

ENVIRONMENT = None
PLAIN = re.compile(r"[a-z0-9]([a-z0-9._@-]{0,58}[a-z0-9])?")  # ids that are file names as they are
HEADINGS = {"id", "student", "student id", "student_id", "username"}  # of a table's first column


def file_name(student: str) -> str:
    """The worksheet's file of a student: no two ids have the same one, on any system."""
    key = comparable(student)
    if PLAIN.fullmatch(key):
        return f"worksheet-{key}.ipynb"
    kept = re.sub(r"[^a-z0-9]+", "-", key).strip("-")[:30]
    return f"worksheet-{kept}~{hashlib.sha256(key.encode('utf-8')).hexdigest()[:16]}.ipynb"


def read_students(path: Path) -> tuple[list[str], list[str]]:
    """The ids of a class from a text file or a table, and what there is to say about them.

    One id a line; in a table (CSV, with comma, semicolon or tab) the first column. Blank lines are
    left out, an id that comes again is named. Problem that names the line for one that is no id.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        why = "is no text in UTF-8: save it as CSV UTF-8 or as plain text."
        raise Problem(f"{path} {why}") from None
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror or error}") from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    sign = re.search(r"[,;\t]", re.sub(r'"[^"]*"', "", first))
    found, said = {}, []  # the id as it is compared → (as it is spelled, its line)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign[0] if sign else ",")
    try:
        for row in rows:
            student, line = (row[0].strip() if row else ""), rows.line_num
            if not student:
                if any(cell.strip() for cell in row):
                    raise Problem(f"{path}, line {line}: the first column has no id.")
                continue
            if not found and student.casefold() in HEADINGS:
                said.append(f"Line {line} is taken as a heading: {student}")
                continue
            try:
                key = comparable(student)
            except ValueError as error:
                raise Problem(f"{path}, line {line}: {error}") from None
            if key in found:
                said.append(f"Line {line} has {student!r} again, after line {found[key][1]}: "
                            "one worksheet is made")  # fmt: skip
            found.setdefault(key, (student, line))
    except csv.Error as error:
        raise Problem(f"{path}, line {rows.line_num}, cannot be read: {error}") from None
    if not found:
        raise Problem(f"{path} has no student's id: write one a line.")
    return [student for student, _ in found.values()], said


def write_worksheets(students: list[str], folder: Path) -> tuple[list[Path], list[Path]]:
    """Write each student's worksheet. Returns the files that are there now as they should be, and
    those that stood there with other contents and stay as they are."""
    there, kept = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for student in students:
        target, data = folder / file_name(student), to_bytes(released(student))
        if not target.exists():
            atomic_write(target, data)
        (there if target.read_bytes() == data else kept).append(target)
    return there, kept


def print_tasks(student: str, answers: bool) -> None:
    """Print a student's tasks, or the right answer to each."""
    if answers:
        print(f"Student {student}:")
    else:
        show_tasks(student)
    for number, task in enumerate(tasks(student), start=1):
        off = f"   (± {task.tolerance:.3g})" if task.form in ("number", "numbers") else ""
        if answers:
            print(f"  {task.variable} = {task.expected!r}{off}")
        else:
            print(f"\n---- {number}. {task.title} ----\n\n{task.text}")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("variant", __doc__, edition=True)
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--student", metavar="ID", help="one student's id")
    whose.add_argument("--students", type=Path, metavar="FILE",
                       help="a class: an id a line, or a CSV table with them in front")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FOLDER",
                        help="where the worksheets go (default: .minigpt/worksheets)")  # fmt: skip
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--show", action="store_true", help="print the tasks; writes nothing")
    instead.add_argument("--answers", action="store_true",
                         help="for the teacher: print the answers; writes nothing")  # fmt: skip
    args = parser.parse_args(argv)
    speak(args.lang)
    if args.students:
        students, said = read_students(args.students.expanduser())
        print(*said, sep="\n", end="\n" if said else "", file=sys.stderr)
    else:
        try:
            comparable(args.student)
        except ValueError as error:
            raise Problem(f"--student: {error}") from None
        students = [args.student.strip()]
    if args.show or args.answers:
        for number, student in enumerate(students):
            print("\n" if number else "", end="")
            print_tasks(student, args.answers)
        return 0
    folder = (args.out or learner_home() / "worksheets").expanduser().resolve()
    outside_course(folder)
    try:
        there, kept = write_worksheets(students, folder)
    except OSError as error:
        raise Problem(f"The worksheets cannot be written into {folder}: {error}") from None
    if there:
        print(f"{len(there)} in {folder}: {', '.join(path.name for path in there)}")
    if kept:
        raise Problem(f"""\
These files have other contents than would be written, perhaps a student's work, and \
stay as they are: {", ".join(path.name for path in kept)}
Move them away to have them written anew.""")
    return 0
