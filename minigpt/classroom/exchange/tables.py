"""Tables in CSV: read as spreadsheets write them, written with no cell that is a formula."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from minigpt.store.files import Problem, atomic_write

FORMULA = re.compile(r"[=+\-@\t\r]")  # what a spreadsheet program may carry out begins so (OWASP)
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
LONGEST = 30_000  # characters of a cell: spreadsheet programs take some more


def neutral(cell: object) -> str:
    """A cell that no program carries out: an apostrophe stands before what would be a formula. Of
    fractions four decimals, of NaN nothing."""
    if isinstance(cell, float):
        cell = "" if math.isnan(cell) else f"{cell:.4f}"
    text = str(cell).replace("\0", "")[:LONGEST]
    formula = FORMULA.match(text.lstrip(" '")) and not NUMBER.fullmatch(text)
    return f"'{text}" if formula else text


def as_written(cell: str | None) -> str:
    """The inverse of `neutral`."""
    cell = cell or ""
    return cell[1:] if cell[:1] == "'" and neutral(cell[1:]) == cell else cell


def parse(path: Path) -> tuple[list[list[str]], str]:
    """The rows of a CSV file in UTF-8, and the sign between its cells. Problem says what is wrong.

    A row's place in the list is its line, where no cell has several.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        why = "is no text in UTF-8: save it as CSV UTF-8 or as plain text."
        raise Problem(f"{path} {why}") from None
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror or error}") from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = re.search(r"[,;\t]", re.sub(r'"[^"]*"', "", first))
    sign = found[0] if found else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    try:
        return list(rows), sign
    except csv.Error as error:
        raise Problem(f"{path}, line {rows.line_num}, cannot be read: {error}") from None


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of one of the course folder's own tables, by column; none where there is no file."""
    if not path.is_file():
        return []
    header, *rows = parse(path)[0] or [[]]
    return [dict(zip(header, map(as_written, row))) for row in rows if any(row)]


def read_points(course: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The course folder's table of points, by student and assignment."""
    return {(row["student_id"], row.get("assignment", "")): row
            for row in read_rows(course / "points.csv") if row.get("student_id")}  # fmt: skip


def table_bytes(
    header: Sequence, rows: Iterable[Sequence], sign: str = ",", ours: bool = True,
    comment: str = "",
) -> bytes:  # fmt: skip
    """A table as CSV in UTF-8; one that is not `ours` goes back as it came, formulas included."""
    out = io.StringIO(newline="")
    out.write(f"# {comment}\n" if comment else "")
    writer = csv.writer(out, delimiter=sign, lineterminator="\n")
    safe = neutral if ours else str
    writer.writerows([[safe(cell) for cell in row] for row in [header, *rows]])
    return out.getvalue().encode("utf-8", "backslashreplace")


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    """Write one of the course folder's own tables."""
    atomic_write(path, table_bytes(columns, [[row.get(c, "") for c in columns] for row in rows]))
