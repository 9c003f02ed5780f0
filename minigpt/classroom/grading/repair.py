"""A student's notebook before it is graded: what happened to its graded cells, and the mend.

nbgrader finds exercises by the `grade_id` in a cell's metadata. Students copy cells, split them,
delete them, paste from another notebook; a program that only trusts the ids then stops at the
first such notebook, or grades the wrong cell. Here each graded cell of the release is looked for,
first by its id, then by what it defines, and put back in order. Nothing that a student wrote is
thrown away: what is not graded stays in the notebook, as text that is not run.
"""

import ast
import copy
import re
import warnings

MARK = "nbgrader"  # the metadata that nbgrader reads
LONGEST = 200_000  # letters of a cell


def repaired(release: dict, submitted: dict) -> tuple[dict, list[str]]:
    """The submitted notebook with each graded cell of the release once, and what was wrong.

    Both are notebooks as JSON. Answers are the student's, metadata and checks are the release's.
    ValueError if `submitted` is no notebook of code and text cells.
    """
    if not isinstance(submitted, dict) or not isinstance(submitted.get("cells"), list):
        raise ValueError("it is no notebook: it has no list of cells")
    minor = submitted.get("nbformat_minor")
    notebook = {"nbformat": 4, "nbformat_minor": minor if minor in (*range(6),) else 4,
                "metadata": release.get("metadata", {}),  # it names the kernel
                "cells": submitted["cells"]}  # fmt: skip
    notebook = copy.deepcopy(notebook)
    cells, problems = notebook["cells"], []
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or not isinstance(cell.get("metadata", {}), dict):
            raise ValueError(f"it is damaged at cell {number}")
        if said := wellformed(cell):
            problems.append(f"cell {number} is damaged ({said}): it is taken as text")
    known = {mark(cell)["grade_id"]: cell for cell in release["cells"] if mark(cell)}
    for cell in cells:
        grade_id = mark(cell).get("grade_id")
        if mark(cell) and grade_id not in known:
            problems.append(f"a cell has the unknown id {grade_id!r}: it is not graded under it")
            del cell["metadata"][MARK]
    recognise_checks(cells, known, problems)
    place = 0  # behind the last cell of the release that was found
    for grade_id, original in known.items():
        cell = find(cells, grade_id, original, problems)
        if cell is None:
            cell = copy.deepcopy(original)
            cells.insert(before_the_next(cells, grade_id, list(known)), cell)
        elif index_of(cells, cell) < place:  # checks must stand behind what they check
            problems.append(f"cell {grade_id!r} was moved up: it is back behind the one before it")
            cells.insert(place - 1, cells.pop(index_of(cells, cell)))
        cell["metadata"][MARK] = copy.deepcopy(mark(original))
        if not mark(original)["solution"]:
            cell["source"] = original["source"]
        place = index_of(cells, cell) + 1
    return notebook, problems


def wellformed(cell: dict) -> str:
    """Mend what is of the wrong type in a cell; what was wrong with its text or kind, or ""."""
    said, source = "", cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        said, source = "no text", str(source)[:1000]
    if len(source) > LONGEST:
        said, source = f"more than {LONGEST:,} letters", source[:1000]
    cell["source"] = source.replace("\r\n", "\n").encode("utf-8", "replace").decode("utf-8")
    if cell.get("cell_type") not in ("code", "markdown", "raw"):
        said = said or "no kind of cell"
    marks, tags = cell.setdefault("metadata", {}).get(MARK, {}), cell["metadata"].get("tags", [])
    if not isinstance(marks, dict) or not isinstance(marks.get("grade_id", ""), str):
        del cell["metadata"][MARK]  # it may still be known by what it defines
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        del cell["metadata"]["tags"]
    name = cell.get("id", "x")
    if type(name) is not str or not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII):
        del cell["id"]
    set_kind(cell, "raw" if said else cell["cell_type"])
    if cell["cell_type"] == "code":  # it will run again
        cell |= {"outputs": [], "execution_count": None}
    return said


def from_format_3(notebook: dict) -> dict:
    """A notebook of Jupyter's old format as one of today's; anything else as it is."""
    sheets = notebook.get("worksheets")
    if isinstance(notebook.get("cells"), list) or not isinstance(sheets, list):
        return notebook
    cells = []
    for cell in (c for sheet in sheets if isinstance(sheet, dict) for c in sheet.get("cells", ())):
        if not isinstance(cell, dict):
            continue
        kind, metadata = cell.get("cell_type"), cell.get("metadata", {})
        source = "".join(cell.get("input" if kind == "code" else "source", ""))
        cells.append({"metadata": metadata, "source": source})
        set_kind(cells[-1], kind if kind in ("code", "raw") else "markdown")  # also "heading"
    return {"cells": cells, "metadata": notebook.get("metadata", {})}


def recognise_checks(cells: list, known: dict[str, dict], problems: list[str]) -> None:
    """Give checks that lost their metadata their ids again: their text is the release's."""
    present = {mark(cell).get("grade_id") for cell in cells}
    for grade_id, original in known.items():
        if mark(original)["solution"] or grade_id in present:
            continue
        same = [c for c in cells if is_code(c) and not mark(c) and text(c) == text(original)]
        if same:
            problems.append(f"cell {grade_id!r} lost its id: it was found by its text")
            same[-1]["metadata"][MARK] = copy.deepcopy(mark(original))


def find(cells: list, grade_id: str, original: dict, problems: list[str]) -> dict | None:
    """The cell that checks an exercise, of several the last; or the one that holds its answer,
    with several parts of it joined in it."""
    wanted = defined(text(original)) if is_code(original) else set()
    found = [cell for cell in cells if mark(cell).get("grade_id") == grade_id]
    if not mark(original)["solution"]:
        if len(found) != 1:
            several = f"there {len(found)} times: one was kept"
            what = several if found else "missing: it was put back"
            problems.append(f"cell {grade_id!r} is {what}")
        for cell in found[-1:]:
            set_aside(found, cell)
            set_kind(cell, "code")
        return found[-1] if found else None
    if not found:
        found = [c for c in cells if is_code(c) and not mark(c) and wanted & defined(text(c))]
        what = "lost its id: it was found by what it defines" if found else "is missing: 0 points"
        problems.append(f"cell {grade_id!r} {what}")
        return found[-1] if found else None
    for cell in found:
        if not is_code(original):  # a question that is answered in words
            set_kind(cell, original["cell_type"])
        elif not is_code(cell):
            problems.append(f"cell {grade_id!r} was turned into text: it is run as code again")
            set_kind(cell, "code")
    if len(found) == 1:
        return found[0]
    whole = [c for c in found if wanted and wanted <= defined(text(c))]
    joined = "\n".join(text(cell) for cell in found)
    if not whole or (len(whole) == 1 and wanted <= defined(joined)):
        problems.append(f"cell {grade_id!r} was split into {len(found)}: they are joined again")
        found[0]["source"] = joined
        for part in found[1:]:
            del cells[index_of(cells, part)]
        return found[0]
    changed = [c for c in whole if text(c).strip() != text(original).strip()] or whole
    which = found.index(changed[-1]) + 1
    problems.append(f"cell {grade_id!r} is there {len(found)} times: number {which} is graded")
    set_aside(found, changed[-1])
    return changed[-1]


def before_the_next(cells: list[dict], grade_id: str, order: list[str]) -> int:
    """Where a lost cell belongs: before the first that comes after it in the release, or last."""
    later = order[order.index(grade_id) + 1 :]
    places = {mark(cell).get("grade_id"): i for i, cell in enumerate(cells)}
    return next((places[i] for i in later if i in places), len(cells))


def set_aside(found: list[dict], kept: dict) -> None:
    """Make text that is not run of all cells but one, without their ids."""
    for cell in found:
        if cell is not kept:
            set_kind(cell, "raw")
            del cell["metadata"][MARK]


def defined(source: str) -> set[str]:
    """The names of functions, classes and variables that code defines; none if it is no Python."""
    tree = next(iter(nodes(source)), None)
    body = tree.body if tree else []
    names = {node.name for node in body if hasattr(node, "name")}
    other = (part for node in body if not hasattr(node, "name") for part in ast.walk(node))
    return names | {n.id for n in other if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def nodes(source: str) -> list[ast.AST]:
    """All parts of a cell's code; what is no Python has none, and IPython's lines are left out."""
    source = re.sub(r"\A(\s*%%.*\n)+", "", source)
    source = re.sub(
        r"^([ \t]*)([%!?].*|\w[\w.]*\?\??|\w+ *= *[%!].*)$", r"\1pass", source, flags=re.M
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a student's "\d"
            return list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def mark(cell: dict) -> dict:
    """What nbgrader knows of a cell; {} of one that is not graded."""
    found = cell["metadata"].get(MARK)
    graded = isinstance(found, dict) and (found.get("solution") or found.get("grade"))
    return found if graded and isinstance(found.get("grade_id"), str) else {}


def text(cell: dict) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def clean(text: str) -> str:
    """A text from outside without signs that a terminal obeys or no file can hold."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


def is_code(cell: dict) -> bool:
    return cell.get("cell_type") == "code"


def set_kind(cell: dict, kind: str) -> None:
    """Make it a cell of this kind: code alone has outputs and a number."""
    cell["cell_type"] = kind
    for key, empty in (("outputs", []), ("execution_count", None)):
        cell.setdefault(key, empty) if kind == "code" else cell.pop(key, None)


def index_of(cells: list[dict], cell: dict) -> int:
    """Where this very cell stands; another one may be equal to it."""
    return next(i for i, other in enumerate(cells) if other is cell)
