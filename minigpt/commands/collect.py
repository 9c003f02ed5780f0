"""Takes a Moodle or Canvas download into a course folder: collect FILE.zip DIR ASSIGNMENT."""

import re
import zipfile
import zlib
from pathlib import Path

from minigpt.setup.common import option_parser
from minigpt.store.files import PROGRAM, Problem, atomic_write

ENVIRONMENT = None
LARGEST = 100_000_000  # bytes of one notebook, unpacked
# "Ada Lovelace_4711_assignsubmission_file_/work.ipynb", and older ones without a folder
MOODLE = re.compile(r"(?P<student>[^/]+_\d+)_assignsubmission_file_/?(?P<file>[^/]+\.ipynb)$")
# "lovelaceada_LATE_4711_815_work.ipynb"
CANVAS = re.compile(r"(?P<student>[^/_]+)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>[^/]+\.ipynb)$")
PLAIN = re.compile(r"(?P<student>[^/]+)/(?P<file>[^/]+\.ipynb)$")  # a folder a student


def student_of(name: str) -> tuple[str, str] | None:
    """(student, file name) of an entry in the archive; None for what is no notebook."""
    name = name.replace("\\", "/")
    if "__MACOSX/" in name or ".ipynb_checkpoints/" in name or not name.endswith(".ipynb"):
        return None
    found = MOODLE.search(name) or CANVAS.match(name.rsplit("/", 1)[-1]) or PLAIN.search(name)
    if not found:
        return None
    parts = found.groupdict()
    student = "_".join(filter(None, (parts["student"], parts.get("id"))))
    student = re.sub(r"[^\w.@-]+", "-", student).strip("-.")
    return (student, parts["file"]) if student else None


def collect(archive: Path, course: Path, assignment: str) -> tuple[list[str], list[str]]:
    """Unpack into submitted/STUDENT/ASSIGNMENT/; returns the students, and remarks.

    A file that is there already and differs stays, under a name that is not graded.
    """
    students, remarks = [], []
    with zipfile.ZipFile(archive) as packed:
        for entry in (entry for entry in packed.infolist() if not entry.is_dir()):
            found = student_of(entry.filename)
            if found is None or entry.file_size > LARGEST:
                why = f"more than {LARGEST / 1e6:.0f} MB" if found else "no student's notebook"
                remarks.append(f"{entry.filename}: {why}, left out")
                continue
            student, name = found
            data, target = packed.read(entry), course / "submitted" / student / assignment / name
            if target.exists() and target.read_bytes() != data:
                remarks.append(f"{student}: the earlier file is kept as {set_aside(target).name}")
            atomic_write(target, data)
            students.append(student)
    return sorted(set(students)), remarks


def set_aside(path: Path) -> Path:
    """Rename a file so that it is graded no more; returns its new place."""
    number = 1
    while (aside := path.with_name(f"{path.name}.earlier-{number}")).exists():
        number += 1
    return path.rename(aside)


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("collect", __doc__)
    parser.add_argument("archive", type=Path, metavar="FILE.zip",
                        help="all submissions of an assignment, as Moodle or Canvas packs them, "
                        "or one folder a student")  # fmt: skip
    parser.add_argument("course", type=Path, metavar="DIR", help="the course folder (`course DIR`)")
    parser.add_argument("assignment", help="its name, such as 01_tokenization")
    args = parser.parse_args(argv)
    course, archive = (path.expanduser().resolve() for path in (args.course, args.archive))
    names = sorted(p.name for p in (course / "source").glob("*") if p.is_dir())
    if args.assignment not in names:
        there = f"There are: {', '.join(names)}" if names else "`course DIR` makes a course folder."
        raise Problem(f"{course} has no assignment {args.assignment!r}. {there}")
    try:
        students, remarks = collect(archive, course, args.assignment)
    except Problem:  # the course folder cannot be written to
        raise
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        # RuntimeError: it has a password
        raise Problem(f"{archive} cannot be read as a ZIP file: {error}") from None
    for remark in remarks:
        print(f"  {remark}")
    if not students:
        raise Problem(f"{archive} holds no student's notebook.")
    print(f"{len(students)} students: {', '.join(students)}")
    print(f"Next: {PROGRAM} grade {args.course} {args.assignment}")
    return 0
