"""Takes a Moodle or Canvas download into a course folder: collect FILE.zip DIR ASSIGNMENT."""

import os
import re
import shlex
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from minigpt.classroom.exchange.roster import NO_FOLDER, Roster
from minigpt.classroom.exchange.tables import read_rows, write_rows
from minigpt.classroom.grading.repair import clean
from minigpt.classroom.notebook import ASIDE, EARLIER, named_as
from minigpt.setup.common import option_parser
from minigpt.store.files import PROGRAM, Problem, atomic_write

ENVIRONMENT = None
LARGEST = 100_000_000  # bytes of one student's notebooks, unpacked
TOO_LARGE = f"more than {LARGEST / 1e6:.0f} MB"
# "Ada Lovelace_4711_assignsubmission_file_" (Moodle 4.1 and newer leave out the last "_"), a folder
# or the beginning of the file's name: mod/assign/feedback/file/importziplib.php
MOODLE = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?", re.S)
# "lovelaceada_LATE_4711_815_work.ipynb", "anon_x7Yz2_815_work.ipynb": lib/content_zipper.rb
CANVAS = re.compile(r"(?:(?P<name>[^_]+(?:_[^_]+)*?)_)??(?P<late>LATE_)?"
                    r"(?P<number>\d\d+|anon_[^_]+)_(?P<attachment>\d\d+)_(?P<file>.+)",
                    re.S)  # fmt: skip
SYSTEM = {"__MACOSX", ".ipynb_checkpoints", ".DS_Store", "Thumbs.db", "desktop.ini"}
COLLECTED = "collected.csv"  # by which name and number a platform handed each one over
COLUMNS = ("student_id", "assignment", "platform", "number", "attachment", "name", "late", "file")


@dataclass
class Origin:
    """Whose an entry of the archive is, and what is left of its path: the place in the hand-in."""

    who: str  # the folder's name where no roster says another one
    inside: list[str]
    name: str = ""
    platform: str = ""
    number: str = ""
    attachment: str = ""
    late: str = ""  # "late" where the platform says so


@dataclass
class Account:
    """What became of an archive's files."""

    files: int = 0
    found: dict[str, list[str]] = field(default_factory=dict)  # student → names of notebooks
    unused: list[str] = field(default_factory=list)  # files that are not graded, and why
    said: list[str] = field(default_factory=list)
    displaced: bool = False  # a hand-in that stands where another one of the same student stood


def origin_of(parts: list[str], roster: Roster, assignments: list[str], shared: int) -> Origin:
    """Whose this entry is; LookupError where its path does not tell.

    shared: so many folders at the front of the path are those of all entries.
    """
    for at, part in enumerate(parts):
        if match := MOODLE.fullmatch(part):
            inside = [match["file"]] * bool(match["file"]) + parts[at + 1 :]
            who = f"{match['name']}_{match['number']}"
            return Origin(who, inside, match["name"], "moodle", match["number"])
    folders = parts[:-1]
    for at, part in enumerate(folders):
        if roster.by_id(part):
            return Origin(part, parts[at + 1 :])
    for at, part in enumerate(parts):
        if match := CANVAS.fullmatch(part):
            name, number = match["name"] or "", match["number"]
            inside, who = [match["file"], *parts[at + 1 :]], "_".join(filter(None, (name, number)))
            late = "late" if match["late"] else ""
            return Origin(who, inside, name, "canvas", number, match["attachment"], late)
    for at, part in enumerate(folders):
        if part in assignments and at:
            return Origin(folders[at - 1], parts[at + 1 :], folders[at - 1])
    if not folders:
        raise LookupError("it lies in no student's folder")
    at = min(shared, len(folders) - 1)
    return Origin(folders[at], parts[at + 1 :], name=folders[at])


def collect(archive: Path, course: Path, assignment: str, known: list[str]) -> Account:
    """Unpack into submitted/STUDENT/ASSIGNMENT/.

    A student's earlier notebooks are put aside as a whole where the new ones are not the same.
    Problem, with nothing written, where two sources name the same student.
    """
    roster, account = Roster(course), Account()
    account.said += roster.said
    stems = [path.stem for path in (course / "source" / assignment).glob("*.ipynb")]
    with zipfile.ZipFile(archive) as packed:
        entries = [entry for entry in packed.infolist() if not entry.is_dir()]
        account.files = len(entries)
        mine: dict[str, dict[str, list]] = {}  # student → who, as the archive says → entries
        spelled: dict[str, str] = {}  # in small letters → as it came first
        chosen = []
        for entry in entries:
            parts = entry.filename.replace("\\", "/").split("/")
            why = refused(parts, entry.file_size, assignment, known)
            account.unused += [f"{entry.filename}: {why}"] if why else []
            chosen += [] if why else [(parts, entry)]
        shared = len(os.path.commonprefix([parts[:-1] for parts, _ in chosen]))
        for parts, entry in chosen:
            try:
                origin = origin_of(parts, roster, known, shared)
                student = student_of(origin, roster)
            except LookupError as error:
                account.unused.append(f"{entry.filename}: {error.args[0]}")
                continue
            student = spelled.setdefault(student.casefold(), student)
            theirs = mine.setdefault(student, {}).setdefault(origin.who, [])
            if sum(other.file_size for _, other in theirs) + entry.file_size > LARGEST:
                account.unused.append(f"{entry.filename}: {TOO_LARGE} of one student")
            else:
                theirs.append((origin, entry))
        twice = [f"{student}: {' and '.join(sorted(whos))}"
                 for student, whos in sorted(mine.items()) if len(whos) > 1]  # fmt: skip
        if twice:
            raise Problem("Two sources name one student, so nothing was written. Rename or remove "
                          f"one of them in the archive:\n  {chr(10).join(twice)}")  # fmt: skip
        for student, whos in sorted(mine.items()):
            (handed,) = whos.values()
            read = [(origin, packed.read(entry)) for origin, entry in handed]
            account.found[student] = take_in(course, student, assignment, read, stems, account)
    write_collected(course, assignment, {who: next(iter(whos.values()))[0][0]
                                         for who, whos in mine.items()})  # fmt: skip
    if roster.students:
        strange = [who for who in account.found if not roster.by_id(who)]
        account.said += [f"Not in class.csv: {', '.join(strange)}"] if strange else []
        absent = ", ".join(who for who in roster.ids() if who not in account.found)
        account.said += [f"In class.csv, and not in the archive: {absent}"] if absent else []
    elif account.found:
        account.said.append("There is nobody in class.csv, so the students are named as in the "
                            "archive; worksheets go by the ids there.")  # fmt: skip
    return account


def refused(parts: list[str], size: int, assignment: str, known: list[str]) -> str:
    """Why an entry is no hand-in, or ""."""
    others = [part for part in parts[1:-1] if part in known and part != assignment]
    if {".", "..", ""} & {*parts} or re.fullmatch("[A-Za-z]:", parts[0]):
        return "its path leads out of the archive"
    if SYSTEM & {*parts} or parts[-1].startswith("._"):
        return "the system's own"
    if not named_as(parts[-1], ()):
        return "no notebook"
    if others:
        return f"of another assignment, {others[0]}"
    return TOO_LARGE if size > LARGEST else ""


def student_of(origin: Origin, roster: Roster) -> str:
    """The id in the roster, else a folder's name made of what the archive says. LookupError where
    nothing of it can be one."""
    number = origin.number if origin.platform == "canvas" else ""  # Moodle's is an assignment's own
    ids = [] if origin.platform else [origin.who]
    found = roster.find(ids, origin.platform, number, origin.name)
    if found:
        return found["id"]
    if not origin.platform and not NO_FOLDER.search(origin.who):
        return short(origin.who)
    student = short(re.sub(r"[^\w.@-]+", "-", origin.who).strip("-."))
    if not student:
        raise LookupError(f"{origin.who!r} names nobody")
    return student


def short(name: str) -> str:
    """A name that a file can have on any system."""
    name = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "-", name)
    return name.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")


def take_in(
    course: Path, student: str, assignment: str, read: list[tuple[Origin, bytes]], stems: list[str],
    account: Account,
) -> list[str]:  # fmt: skip
    """Write one student's notebooks; the names of those that are there afterwards.

    Of several copies of one file ("01-1.ipynb", "01 (1).ipynb") the last is taken.
    """
    own = [named_as(origin.inside[-1], ())[0] for origin, _ in read]
    copies: dict[str, list] = {}  # name → (number of the copy, path, data)
    for origin, data in read:
        stem, number = named_as(origin.inside[-1], (*stems, *own))
        copies.setdefault(f"{short(stem)}.ipynb", []).append(
            (number, "/".join(origin.inside), data)
        )
    notebooks, aside = {}, {}
    for name, found in copies.items():
        *others, (_, last, notebooks[name]) = sorted(found, key=lambda copy: copy[0])
        for _, path, data in others:
            if data != notebooks[name]:
                account.unused.append(f"{student}: {path}: {last} is graded in its place")
                account.displaced = True
                aside[f"{len(aside) + 1}-{short(path)}"] = data
    folder = course / "submitted" / student / assignment
    there = [p for p in folder.glob("*") if p.is_file()]
    old = {p.name: p.read_bytes() for p in there if named_as(p.name, ())}
    if old and old != notebooks:
        earlier = next(p for n in range(1, 10**6) if not (p := folder / f"{EARLIER}-{n}").exists())
        earlier.mkdir()
        for path in there:
            path.rename(earlier / path.name)
        account.said.append(f"{student}: the earlier hand-in is kept in {earlier.name}/")
    for name, data in notebooks.items():
        if old != notebooks:
            atomic_write(folder / name, data)
    for name, data in aside.items():
        atomic_write(folder / ASIDE / name, data)
    return [*notebooks]


def write_collected(course: Path, assignment: str, origins: dict[str, Origin]) -> None:
    """Keep how the platform names each student, for lateness and for the way back."""
    rows = {(row["student_id"], row["assignment"]): row for row in read_rows(course / COLLECTED)}
    for student, origin in origins.items():
        told = {"student_id": student, "assignment": assignment, "file": "/".join(origin.inside)}
        rows[student, assignment] = vars(origin) | told
    write_rows(course / COLLECTED, COLUMNS, [rows[key] for key in sorted(rows)])


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status, 1 where one hand-in displaced another."""
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
        account = collect(archive, course, args.assignment, names)
    except Problem:  # of two sources, or the course folder cannot be written to
        raise
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        # RuntimeError: it has a password
        raise Problem(f"{archive} cannot be read as a ZIP file: {error}") from None
    notebooks = sum(map(len, account.found.values()))
    lines = [f"{account.files} files in: {notebooks} notebooks of {len(account.found)} students"]
    lines += [f"  {student}: {', '.join(names)}" for student, names in account.found.items()]
    lines += [f"Not used: {len(account.unused)}", *(f"  {line}" for line in account.unused)]
    print(*(clean(line).replace("\n", " ") for line in lines + account.said), sep="\n")
    if not account.found:
        raise Problem(f"{archive} holds no student's notebook.")
    print(f"Next: {PROGRAM} grade {shlex.join([str(args.course), args.assignment])}")
    return int(account.displaced)
