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
from minigpt.store.files import Problem

MARKS = ("email address", "id number", "username", "sis user id", "sis login id", "integration id")
NAMES = ("full name", "student")


@dataclass
class Filled:
    """A platform's table with points in it, and what there is to say."""

    data: bytes
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

    def total(row: dict[str, str], *columns: str) -> float:
        return sum(float(row.get(column) or 0) for column in columns)

    try:
        points = {who: total(row, "score", "words") for who, row in found.items()}
        most = max(total(row, "max_score", "max_words") for row in found.values())
        waiting = [who for who, row in found.items() if total(row, "waiting")]
    except ValueError as error:
        raise Problem(f"points.csv, {assignment}: {error}") from None
    return Points(points, most, waiting)


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
    header, *rows = rows
    out = Filled(b"")
    for assignment, points in wanted.items():
        heading = column or ("Grade" if platform == "moodle" else assignment)
        fill_one(path, platform, header, rows, assignment, points, heading, roster, collected, out)
    out.data = table_bytes(header, rows, sign, ours=False)
    if path.read_bytes().startswith(b"\xef\xbb\xbf"):
        out.data = b"\xef\xbb\xbf" + out.data
    return out


def fill_one(
    path: Path, platform: str, header: list[str], rows: list[list[str]], assignment: str,
    points: Points, heading: str, roster: Roster, collected: list[dict], out: Filled,
) -> None:  # fmt: skip
    """Fill in one column of the rows, in place."""
    names = [re.sub(r" \(\d+\)$", "", name).strip().casefold() for name in header]
    wanted = [
        i for i, name in enumerate(names) if heading.casefold() in (name, header[i].casefold())
    ]
    if len(wanted) != 1 or (platform == "canvas" and "id" not in names):
        there = ", ".join(header)
        raise Problem(f"{path} has {len(wanted)} columns {heading!r}, or none that says who is "
                      f"who. There are: {there}. --column names another one.")  # fmt: skip
    at, comma = wanted[0], False
    number = 0 if platform == "moodle" else names.index("id")
    numbers = {row["number"]: row["student_id"] for row in collected
               if row["platform"] == platform and row["number"]
               and (platform == "canvas" or row["assignment"] == assignment)}  # fmt: skip
    seen: dict[str, str] = {}
    most = points.most
    for row in rows:
        row += [""] * (len(header) - len(row))
        told = dict(zip(names, (cell.strip() for cell in row)))
        mark = re.sub(r".*?(\d*)$", r"\1", told[names[number]])
        if platform == "canvas" and not mark:  # a row of other things
            possible = amount(row[at])
            most = possible if told[names[0]] == "Points Possible" and possible else most
            comma = "," in row[at]
            continue
        who = who_is(told, platform, mark, numbers, roster, points)
        if who is None:
            out.said.append(f"{told.get('full name') or row[0]}: nobody of that name has points")
            continue
        if who in seen:
            raise Problem(f"{path}: {seen[who]} and {row[0]} are both taken for {who!r}. Say in "
                          "class.csv who is who.")  # fmt: skip
        seen[who] = row[0]
        if platform == "moodle":
            highest = told.get("maximum grade", "")
            comma, most = "," in highest, amount(highest) or points.most
            if told.get("grade can be changed", "").casefold() == "no":
                out.lost.append(f"{who}: Moodle has locked this grade")
                continue
        if row[at].strip() in ("N/A", "EX"):
            out.lost.append(f"{who}: Canvas has {row[at].strip()} there")
            continue
        text = f"{points.points[who] * most / points.most:.2f}" if points.most else "0.00"
        row[at] = text.replace(".", ",") if comma else text
        out.written += 1
    if most != points.most:
        out.said.append(f"{assignment}: {points.most:g} points are {most:g} on the platform")
    out.lost += [f"{who}: no row of the table is theirs" for who in points.points
                 if who not in seen]  # fmt: skip


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


def feedback(course: Path, assignment: str, collected: list[dict]) -> tuple[bytes, Filled]:
    """returned/STUDENT/ASSIGNMENT.html of all who were collected, packed as the platform wants it.

    Moodle finds the student by "name_4711_assignfeedback_file_", Canvas by "name_4711_815_".
    """
    out, buffer = Filled(b""), io.BytesIO()
    rows = {row["student_id"]: row for row in collected if row["assignment"] == assignment}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
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
            info = zipfile.ZipInfo(name)
            packed.writestr(info, page.read_bytes(), zipfile.ZIP_DEFLATED)
            out.written += 1
    return buffer.getvalue(), out
