"""class.csv, the roster in a course folder: who is in the class, and how the platforms name them.

    id,name,email,moodle,canvas,01_tokenization
    ada,Ada King Lovelace,ada@example.org,,4711,2026-03-09 12:00

`id` is what everything goes by: folders, tables, worksheets. `moodle` and `canvas` are numbers or
logins there, and may be empty. A column named after an assignment holds extensions. Ids alone, one
a line, are a roster as well. due.csv says until when each assignment is to be handed in.
"""

import re
import unicodedata
from datetime import datetime
from pathlib import Path

from minigpt.classroom.exchange.tables import as_written, parse, read_rows
from minigpt.classroom.worksheet.variant import comparable
from minigpt.store.files import as_problem

FILE, DUE = "class.csv", "due.csv"
COLUMNS = ("id", "name", "email", "moodle", "canvas")
HEADINGS = {"id", "student", "student id", "student_id", "username"}  # of the first column
NO_FOLDER = re.compile(r'[/\\:*?"<>|]|^\.')


class Roster:
    """The students in a course folder's class.csv, in their order; empty where there is none.

    Problem that names the line for an id that is none.
    """

    def __init__(self, course: Path) -> None:
        self.students: dict[str, dict[str, str]] = {}  # rows, by the id as it is compared
        self.said: list[str] = []  # what there is to say about the file
        path = course / FILE
        rows = parse(path)[0] if path.is_file() else []
        header = list(COLUMNS)
        for line, row in enumerate(rows, start=1):
            cells = [as_written(cell.strip()) for cell in row]
            if not any(cells):
                continue
            if not self.students and cells[0].casefold() in HEADINGS:
                header = ["id", *(cell if "_" in cell else cell.casefold() for cell in cells[1:])]
                continue
            told = dict(zip(header, cells))
            with as_problem(ValueError, of=f"{path}, line {line}: "):
                key = key_of(told["id"])
            if self.students.setdefault(key, told) is not told:
                self.said.append(f"{path.name}, line {line}: {told['id']!r} is there already")

    def ids(self) -> list[str]:
        return [told["id"] for told in self.students.values()]

    def by_id(self, student: str) -> dict[str, str] | None:
        try:
            return self.students.get(comparable(student))
        except ValueError:
            return None

    def find(
        self, ids=(), platform: str = "", number: str = "", name: str = ""
    ) -> dict[str, str] | None:  # fmt: skip
        """The row of one of these ids, addresses or logins, of this number on the platform, or
        else the only one of that name, in whatever order its words stand."""
        for mark in filter(None, ids):
            known = (self.only(column, mark) for column in ("email", "moodle", "canvas"))
            if found := self.by_id(mark) or next(filter(None, known), None):
                return found
        if number and (found := self.only(platform, number)):
            return found
        forms = name_forms(name)
        alike = [s for s in self.students.values() if forms & name_forms(s.get("name", ""))]
        return alike[0] if len(alike) == 1 else None

    def only(self, column: str, text: str) -> dict[str, str] | None:
        """The only student who has this text in a column."""
        text = text.casefold()
        found = [s for s in self.students.values() if s.get(column, "").casefold() == text]
        return found[0] if len(found) == 1 else None

    def extension(self, student: str, assignment: str) -> str:
        """The student's own date for an assignment, or ""."""
        return (self.by_id(student) or {}).get(assignment, "")


def key_of(student: str) -> str:
    """An id as it is compared; ValueError for one that no folder can be named after."""
    if not student:
        raise ValueError("the first column has no id.")
    if NO_FOLDER.search(student):
        raise ValueError(f"the id {student!r} cannot be a folder's name: leave out / \\ : * ? \" < "
                         "> | and a point in front")  # fmt: skip
    return comparable(student)


def name_forms(name: str) -> set[str]:
    """A name as it may be written, letters alone: each word may stand first, as in "Lovelace, Ada"
    or Canvas's "lovelaceada"."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", name).casefold().replace("_", " "))
    return {"".join(words[i:] + words[:i]) for i in range(len(words))}


# ---- dates ----------------------------------------------------------------------------------


def read_time(text: str) -> datetime | None:
    """A date, with or without a time ("2026-03-09 12:00"); a date alone lasts to its end. None for
    an empty text, ValueError for another. What names no zone is this computer's time."""
    text = text.strip()
    if not text:
        return None
    short = re.sub(r"(\.\d+)?( ?UTC| ?Z)?$", "", text)  # nbgrader: "... 11:00:00.123456 UTC"
    try:
        found = datetime.fromisoformat(short + "+00:00" * text.endswith(("UTC", "Z")))
    except ValueError:
        raise ValueError(f"{text!r} is no date: write 2026-03-09 or 2026-03-09 12:00") from None
    if found.tzinfo:
        return found.astimezone().replace(tzinfo=None)
    return found.replace(hour=23, minute=59, second=59) if len(short) <= 10 else found


def due(course: Path, roster: Roster, student: str, assignment: str) -> datetime | None:
    """Until when this student may hand in an assignment; None where no date is set."""
    row = next((r for r in read_rows(course / DUE) if r.get("assignment") == assignment), {})
    for file, text in ((FILE, roster.extension(student, assignment)), (DUE, row.get("due", ""))):
        with as_problem(ValueError, of=f"{course / file}, {assignment}: "):
            if found := read_time(text):
                return found
    return None
