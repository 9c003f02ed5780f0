"""The exercises of a notebook: which cells they are, and the notebook without their solutions."""

import json
import re
from dataclasses import dataclass

from minigpt.classroom.grading.repair import MARK, is_code, mark, text

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION.*?### END SOLUTION[ \t]*$", re.M | re.S)
HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[ \t]*\n?", re.M | re.S)
OPEN = "raise NotImplementedError()"


@dataclass(frozen=True)
class Exercise:
    """An answer cell and the cell that checks it."""

    name: str  # grade_id of the check
    answer: str  # grade_id of the answer
    points: float
    title: str
    again: str  # the heading to read again, "" where none is named


def without_solutions(source: dict, hidden: bool = False) -> dict:
    """The notebook as students get it; `hidden` keeps the hidden tests."""
    notebook = json.loads(json.dumps(source))
    for cell in notebook["cells"]:
        found = mark(cell)
        if found.get("solution") and not is_code(cell):
            cell["source"] = "YOUR ANSWER HERE"
        elif found.get("solution"):
            cell["source"] = SOLUTION.sub(rf"\1# YOUR CODE HERE\n\1{OPEN}", text(cell))
        elif found and not hidden:
            cell["source"] = HIDDEN.sub("", text(cell))
    return notebook


def exercises(notebook: dict) -> list[Exercise]:
    """The exercises that check themselves, in order. ValueError if a check has no answer."""
    found, answer, title = [], "", ""
    for cell in notebook["cells"]:
        kind = mark(cell)
        headings = re.findall(r"^###? +(.+)$|^\*\*(.+?)\*\*", text(cell), re.M)
        if cell["cell_type"] == "markdown" and headings:
            title = "".join(headings[-1])
        if kind.get("solution") and not kind.get("grade"):
            answer = kind["grade_id"]
        elif kind.get("grade") and not kind.get("solution"):
            name, points = kind["grade_id"], kind.get("points", 0)
            if not answer:
                raise ValueError(f"the check {name!r} stands behind no answer")
            again = cell["metadata"].get("minigpt", {}).get("again", "")
            found.append(Exercise(name, answer, points, title or name, again))
            answer = ""
    return found


def belongs_to(submitted: dict, sources: dict[str, dict]) -> str | None:
    """The name of the source whose graded cells this notebook has, or None: files get renamed."""

    def common(name: str) -> int:
        ids = {mark(cell)["grade_id"] for cell in sources[name]["cells"] if mark(cell)}
        return sum(1 for cell in cells if isinstance(cell, dict) and grade_id(cell) in ids)

    cells = submitted.get("cells") if isinstance(submitted, dict) else None
    if not isinstance(cells, list) or not sources:
        return None
    best = max(sources, key=common)
    return best if common(best) else None


def grade_id(cell: dict) -> str | None:
    """A cell's grade_id, whatever else its metadata may hold."""
    found = cell.get("metadata")
    found = found.get(MARK) if isinstance(found, dict) else None
    return found.get("grade_id") if isinstance(found, dict) else None
