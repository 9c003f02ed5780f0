"""The worksheet: a notebook with every student's own tasks, and questions to answer in words.

worksheet.ipynb is its source, for a teacher to edit in JupyterLab: `course` lays it into the course
folder. Gaps in braces, `{p:g}`, are filled with a student's numbers (tasks.py says which there
are), `{answer}` with the right answer. `personal` makes what one student gets; without solutions
and rubrics, for nobody else's eyes are in it but the seal of the checks. Python alone suffices.
"""

import copy
import re
from pathlib import Path

from minigpt.classroom.grading.repair import mark, text
from minigpt.classroom.notebook import by_hand, checking, exercises, read_notebook, released
from minigpt.classroom.worksheet.variant import seal, tasks
from minigpt.store.words import language

SOURCE = Path(__file__).with_name("worksheet.ipynb")
GAP = re.compile(r"\{(\w+)(:[^{}]*)?\}")


def worksheet() -> dict:
    """The teacher's source, in the language in use, with the first cell of the notebooks that are
    beside the package. ValueError for a language that has none."""
    if language() != "en":
        raise ValueError(f"there is no worksheet in the language {language()!r}: choose 'en'")
    notebook = read_notebook(SOURCE)
    own = next(cell for cell in notebook["cells"] if cell["id"] == "bootstrap")
    for path in checking(language())[:1]:
        cells = read_notebook(path)["cells"]
        own["source"] = next(cell["source"] for cell in cells if cell["cell_type"] == "code")
    return notebook


def personal(source: dict, student: str, secret: str) -> dict:
    """A student's own worksheet, as it is given out. ValueError for an id that cannot be used."""
    return named(released(filled(source, student, secret)), student, seal(student, secret))


def solved(source: dict, student: str, secret: str) -> dict:
    """The source with this student's tasks and right answers in it: what grading is tried with."""
    return named(filled(source, student, secret), student, {})


def named(notebook: dict, student: str, sealed: dict[str, str]) -> dict:
    lines = "".join(f'    "{name}": "{part}",\n' for name, part in sealed.items())
    for cell in notebook["cells"]:
        if mark(cell).get("grade_id") == "student":
            cell["source"] = f"STUDENT = {student.strip()!r}\nSEAL = {{\n{lines}}}"
    return notebook


def is_worksheet(source: dict) -> bool:
    """Whether a notebook is one with gaps for each student's own tasks."""
    return any(mark(cell).get("grade_id") == "student" for cell in source["cells"])


def filled(source: dict, student: str, secret: str) -> dict:
    """The source with a student's numbers in its gaps; what is no gap of ours stays as it is."""
    notebook, found = copy.deepcopy(source), tasks(student, secret)
    points = sum(mark(cell).get("points", 0) for cell in source["cells"])
    told = {"student": as_code(student), "tasks": len(exercises(source)),
            "questions": len(by_hand(source)), "points": f"{points:g}"}  # fmt: skip
    values = {one.name: {**one.given, "answer": repr(one.expected)} for one in found}
    for cell in notebook["cells"]:
        name = mark(cell).get("grade_id") or cell.get("id", "").removesuffix("-task")
        given = values.get(name, told if cell["cell_type"] == "markdown" else {})
        cell["source"] = fill(text(cell), given)
    return notebook


def fill(source: str, values: dict) -> str:
    """A text with these values in its gaps."""

    def value(gap: re.Match) -> str:
        name, form = gap[1], (gap[2] or ":")[1:]
        return format(values[name], form) if name in values else gap[0]

    return GAP.sub(value, source)


def as_code(text: str) -> str:
    """Any text inside Markdown, letter by letter: no sign of it means anything to Markdown, HTML
    or what sets formulas."""
    signs = (c if c.isalnum() else f"&#{ord(c)};" for c in text.strip())
    return f"<code>{''.join(signs)}</code>"
