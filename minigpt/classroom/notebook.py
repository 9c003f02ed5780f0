"""Notebooks as JSON: read, written, and their exercises with and without the solutions."""

import copy
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from minigpt.classroom.grading.repair import MARK, is_code, mark, text
from minigpt.store.files import ROOT, Problem, as_problem

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION.*?### END SOLUTION[ \t]*$", re.M | re.S)
HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[ \t]*\n?", re.M | re.S)
NOTEBOOK = re.compile(r"(?P<stem>.+)\.ipynb(\.json|\.txt)?", re.I | re.S)  # as browsers name it
COPY = re.compile(r"(?P<stem>.+?)(?: ?\((?P<browser>\d{1,9})\)|-(?P<canvas>\d{1,9}))", re.S)
EARLIER, ASIDE = "earlier", "not-graded"  # folders of a hand-in that are not graded
OPEN = "raise NotImplementedError()"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
EXPECTED_ERROR = "raises-exception"  # the tag with which "Run all" goes on after an exercise
BUDGET = "budget"  # the tag of the cell whose upper-case constants say how much is computed


def new_notebook(cells: list[dict]) -> dict:
    """A notebook of these cells, as the course keeps it."""
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


# ---- files ----------------------------------------------------------------------------------


def folders(lang: str) -> tuple[Path, Path]:
    """Where the sources of a language are, and where its edition goes."""
    return ROOT / "notebooks" / "source" / lang, ROOT / "notebooks" / lang


def sources(lang: str) -> list[Path]:
    """The source notebooks of a language, in order; Problem where there are none."""
    folder = folders(lang)[0]
    if found := sorted(folder.glob("*.ipynb")):
        return found
    raise Problem(f"There are no sources in {folder}: start in the folder that you cloned.")


def checking(lang: str) -> list[Path]:
    """The notebooks whose checks count: the sources, or in a copy for students, which has none, the
    releases in notebooks/checks/LANG."""
    own = ROOT / "notebooks" / "checks" / lang
    return sorted(folders(lang)[0].glob("*.ipynb")) or sorted(own.glob("*.ipynb"))


def read_notebook(path: Path) -> dict:
    """A notebook as JSON, the text of each cell in one string. Problem if it is none."""
    with as_problem(ValueError, KeyError, TypeError, of=f"{path} is not a notebook: "):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
    return notebook


def named_as(file: str, stems: Collection[str]) -> tuple[str, int] | None:
    """The stem of a notebook's file and which copy of it this is; None of a file that is none.

    "01 (2).ipynb" and "01-2.ipynb" are copies of "01" where `stems` has that one.
    """
    found = NOTEBOOK.fullmatch(file)
    copied = COPY.fullmatch(found["stem"]) if found else None
    if copied and copied["stem"] in stems:
        return copied["stem"], int(copied["browser"] or copied["canvas"])
    return (found["stem"], 0) if found else None


def to_bytes(notebook: dict) -> bytes:
    """The file of a notebook: the same notebook gives the same bytes."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        cell["source"] = in_lines(cell.get("source", ""))
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = in_lines(output["text"])
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output["data"][kind] = in_lines(data)
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode("utf-8")


def with_short_budget(notebook: dict) -> dict:
    """The notebook with less to compute: constants in the cell tagged `budget`, a line each, have
    the values in its metadata, {"minigpt": {"short": {"STEPS": 8}}}."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        tagged = BUDGET in cell["metadata"].get("tags", [])
        for name, value in cell["metadata"]["minigpt"]["short"].items() if tagged else ():
            line = rf"^{name} = .*?(?= *#|$)"
            cell["source"] = re.sub(line, f"{name} = {value!r}", text(cell), flags=re.M)
    return notebook


def in_lines(text: str | list[str]) -> list[str]:
    """A text as notebooks keep it, a string a line, so that git shows changes line by line."""
    return "".join(text).splitlines(keepends=True)


# ---- exercises ------------------------------------------------------------------------------


def is_exercise(cell: dict) -> bool:
    """Whether a learner has to fill in the cell, or it checks what they filled in."""
    return is_code(cell) and bool(mark(cell))


def mark_exercises(notebook: dict) -> dict:
    """Let exercise cells raise, and make sure that no solution is left."""
    for cell in notebook["cells"]:
        if "### BEGIN SOLUTION" in cell["source"] or "### BEGIN HIDDEN" in cell["source"]:
            raise Problem(f"the release still has a solution, in cell {cell.get('id')}")
        if is_exercise(cell):
            tags = cell["metadata"].setdefault("tags", [])
            cell["metadata"]["tags"] = sorted({*tags, EXPECTED_ERROR})
    return notebook


@dataclass(frozen=True)
class Exercise:
    """An answer cell and the cell that checks it."""

    name: str  # grade_id of the check
    answer: str  # grade_id of the answer
    points: float
    title: str
    again: str  # the heading to read again, "" where none is named


def without_solutions(source: dict) -> dict:
    """The notebook with gaps for the answers, and no hidden tests."""
    notebook = copy.deepcopy(source)
    for cell in notebook["cells"]:
        found = mark(cell)
        if found.get("solution") and not is_code(cell):
            cell["source"] = "YOUR ANSWER HERE"
        elif found.get("solution"):
            cell["source"] = SOLUTION.sub(rf"\1# YOUR CODE HERE\n\1{OPEN}", text(cell))
        elif found:
            cell["source"] = HIDDEN.sub("", text(cell))
    return notebook


def released(source: dict) -> dict:
    """The notebook as students get it: without solutions, and exercises may fail there."""
    return mark_exercises(without_solutions(source))


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


def by_hand(notebook: dict) -> list[dict]:
    """What nbgrader knows of the cells whose points a person gives."""
    return [m for m in map(mark, notebook["cells"]) if m.get("solution") and m.get("grade")]


def belongs_to(submitted: dict, sources: dict[str, dict]) -> str | None:
    """The name of the source whose graded cells this notebook has, or None: files get renamed."""
    cells = submitted.get("cells") if isinstance(submitted, dict) else None
    found = {grade_id(cell) for cell in cells} if isinstance(cells, list) else set()
    common = {name: len(found & {mark(cell).get("grade_id", "") for cell in source["cells"]})
              for name, source in sources.items()}  # fmt: skip
    best = max(common, key=common.get, default=None)
    return best if best and common[best] else None


def grade_id(cell: object) -> str | None:
    """A cell's grade_id, whatever a damaged notebook may hold in its place."""
    for key in ("metadata", MARK, "grade_id"):
        cell = cell.get(key) if isinstance(cell, dict) else None
    return cell if isinstance(cell, str) else None
