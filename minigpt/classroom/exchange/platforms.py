"""The way back: points into the tables that Moodle and Canvas exported, pages into their archives.

Moodle's grading worksheet (mod/assign/feedback/offline) has the columns Identifier ("Participant
4711"), Full name, Email address, Status, Grade, Maximum grade, Grade can be changed, Last modified
(submission), Last modified (grade), Feedback comments; Moodle reads the identifier, the grade and
the last time. Canvas's gradebook (lib/gradebook_exporter.rb) has Student, ID, SIS User ID, SIS
Login ID, Section, a column for each assignment ("Name (815)"), then totals that are only read;
below the header stand rows of other things, the last of them "    Points Possible".
"""

import io
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from minigpt.classroom.exchange.roster import Roster
from minigpt.classroom.exchange.tables import parse, table_bytes
from minigpt.store.files import Problem, as_problem

MARKS = ("email address", "id number", "username", "sis user id", "sis login id", "integration id")
NAMES = ("full name", "student")


@dataclass
class Filled:
    """A file for a platform, with points or pages in it, and what there is to say."""

    data: bytes = b""
    written: int = 0
    said: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # students whose points went nowhere


@dataclass
class Points:
    """The points of an assignment by student, those for words among them, and of how many."""

    points: dict[str, float]
    most: float
    waiting: list[str]  # students whose answers in words have no points yet


def read_total(rows: dict[tuple[str, str], dict[str, str]], assignment: str) -> Points:
    """The points of one assignment out of points.csv; Problem where it has none."""
    found = {who: row for (who, name), row in rows.items() if name == assignment}
    if not found:
        raise Problem(f"points.csv has no points of {assignment}: `grade` comes first.")

    def total(*columns: str) -> dict[str, float]:
        return {who: sum(float(row.get(column) or 0) for column in columns)
                for who, row in found.items()}  # fmt: skip

    with as_problem(ValueError, of=f"points.csv, {assignment}: "):
        waiting = [who for who, points in total("waiting").items() if points]
        most = max(total("max_score", "max_words").values())
        return Points(total("score", "words"), most, waiting)


def fill(
    path: Path, platform: str, wanted: dict[str, Points], roster: Roster, collected: list[dict],
    column: str = "",
) -> Filled:  # fmt: skip
    """The platform's table with the points of the assignments `wanted` in their columns.

    column: the heading of the points' column, where it is not the usual one. Rows are matched by
    the number under which the hand-in was collected, then by address or login, then by name.
    """
    rows, sign = parse(path)
    if not rows:
        raise Problem(f"{path} is empty.")
    out, header = Filled(), rows.pop(0)
    rows = [row + [""] * (len(header) - len(row)) for row in rows]
    names = [re.sub(r" \(\d+\)$", "", name).strip().casefold() for name in header]
    for assignment, points in wanted.items():
        heading = column or ("Grade" if platform == "moodle" else assignment)
        places = [i for i, name in enumerate(names)
                  if heading.casefold() in (name, header[i].casefold())]  # fmt: skip
        if len(places) != 1 or (platform == "canvas" and "id" not in names):
            raise Problem(
                f"{path} has {len(places)} columns {heading!r}, or none that says who is "
                f"who. There are: {', '.join(header)}. --column names another one."
            )
        at = places[0]
        numbers = {row["number"]: row["student_id"] for row in collected
                   if row["platform"] == platform and row["number"]
                   and (platform == "canvas" or row["assignment"] == assignment)}  # fmt: skip
        scale, seen = "", {}
        for row in rows:
            told = dict(zip(names, map(str.strip, row)))
            number = re.search(r"\d*$", told[names[0] if platform == "moodle" else "id"])[0]
            if platform == "canvas" and not number:  # a row of other things
                scale = row[at] if told[names[0]] == "Points Possible" else scale
                continue
            who = who_is(told, platform, number, numbers, roster, points)
            if who is None:
                name = told.get("full name") or row[0]
                out.said.append(f"{name}: nobody of that name has points")
                continue
            if who in seen:
                raise Problem(f"{path}: {seen[who]} and {row[0]} are both taken for {who!r}. Say "
                              "in class.csv who is who.")  # fmt: skip
            seen[who] = row[0]
            scale = told.get("maximum grade", "") if platform == "moodle" else scale
            locked = told.get("grade can be changed", "").casefold() == "no"
            if locked or row[at].strip() in ("N/A", "EX"):
                there = f"Canvas has {row[at].strip()} there"
                out.lost.append(f"{who}: {'Moodle has locked this grade' if locked else there}")
                continue
            most = amount(scale) or points.most
            text = f"{points.points[who] * most / (points.most or 1):.2f}"
            row[at] = text.replace(".", ",") if "," in scale else text
            out.written += 1
        if (most := amount(scale) or points.most) != points.most:
            out.said.append(f"{assignment}: {points.most:g} points are {most:g} on the platform")
        out.lost += [f"{who}: no row of the table is theirs" for who in points.points
                     if who not in seen]  # fmt: skip
    bom = b"\xef\xbb\xbf" if path.read_bytes().startswith(b"\xef\xbb\xbf") else b""
    out.data = bom + table_bytes(header, rows, sign, ours=False)
    return out


def amount(cell: str) -> float:
    """A number as a table has it, 0 for none."""
    try:
        return float(cell.strip().replace(",", "."))
    except ValueError:
        return 0.0


def who_is(
    told: dict[str, str], platform: str, number: str, numbers: dict[str, str], roster: Roster,
    points: Points,
) -> str | None:  # fmt: skip
    """The student of a row, as points.csv has the id; None for nobody there."""
    name = next((told[n] for n in NAMES if n in told), "")
    name = name or f"{told.get('firstname', '')} {told.get('lastname', '')}"
    found = roster.find([told.get(m, "") for m in MARKS], platform, number, name)
    known = {who.casefold(): who for who in points.points}
    ids = [numbers.get(number), found and found["id"], *(told.get(m) for m in MARKS)]
    return next((known[one.casefold()] for one in ids if one and one.casefold() in known), None)


def feedback(course: Path, assignment: str, collected: list[dict]) -> Filled:
    """returned/STUDENT/ASSIGNMENT.html of all who were collected, packed as the platform wants it.

    Moodle finds the student by "name_4711_assignfeedback_file_", Canvas by "name_4711_815_".
    """
    out, buffer = Filled(), io.BytesIO()
    rows = {row["student_id"]: row for row in collected if row["assignment"] == assignment}
    with zipfile.ZipFile(buffer, "w") as packed:
        for page in sorted((course / "returned").glob(f"*/{assignment}.html")):
            who = page.parent.name
            row = rows.get(who, {"platform": ""})
            clean = re.sub(r"[_/\\\x00-\x1f]+", " ", row.get("name", "")).strip() or who
            if row["platform"] == "moodle":
                name = f"{clean}_{row['number']}_assignfeedback_file_/{page.name}"
            elif row["platform"] == "canvas":
                first = "" if row["number"].startswith("anon_") else f"{clean}_"
                name = f"{first}{row['number']}_{row['attachment']}_{page.name}"
            else:
                out.lost.append(f"{who}: handed in by hand, give the page back by hand")
                continue
            # ZipInfo: of no time, so that the same pages give the same bytes
            packed.writestr(zipfile.ZipInfo(name), page.read_bytes(), zipfile.ZIP_DEFLATED)
            out.written += 1
    out.data = buffer.getvalue()
    return out
