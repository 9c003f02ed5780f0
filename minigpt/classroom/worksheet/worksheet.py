"""The worksheet: a notebook with every student's own tasks, and questions to answer in words.

`worksheet()` is the teacher's source of it, one for the whole class, as nbgrader takes it: the
answers stand between ### BEGIN SOLUTION and ### END SOLUTION, the rubrics where students write.
`worksheet(student="ann")` has that id and the text of its tasks in it already, and `released`
takes the solutions out. Python alone suffices for all of it.
"""

from minigpt.classroom.notebook import (
    KERNELSPEC,
    mark_exercises,
    read_notebook,
    sources,
    without_solutions,
)
from minigpt.classroom.worksheet.checks import Task
from minigpt.classroom.worksheet.variant import tasks
from minigpt.classroom.worksheet.words import QUESTIONS, TEXT

EXAMPLE = "example"  # whose tasks the teacher's edition shows, where no grader names a student
POINTS = 2  # of each question in words


def worksheet(lang: str = "en", student: str = "") -> dict:
    """The teacher's source as a notebook in JSON; with a student, that student's own edition.

    ValueError for a language without texts or an id that cannot be used, Problem where the
    notebooks are not beside the package.
    """
    if lang not in TEXT:
        raise ValueError(f"there is no worksheet in the language {lang!r}: choose 'en'")
    words, found = TEXT[lang], tasks(student or EXAMPLE, lang)
    points = sum(task.points for task in found) + POINTS * len(QUESTIONS[lang])
    told = {"tasks": len(found), "questions": len(QUESTIONS[lang]), "points": points}
    how = words["own" if student else "shared"].format(student=as_code(student))
    cells = [
        markdown("title", words["title"].format(how=how, **told)),
        bootstrap(lang),
        student_cell(words, lang, student.strip()),
    ]
    for number, task in enumerate(found, start=1):
        cells += task_cells(number, task, words, bool(student))
    cells.append(markdown("words", words["in words"].format(**told)))
    for question in QUESTIONS[lang]:
        cells += question_cells(question, words)
    return {
        "cells": cells,
        "metadata": {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def released(lang: str = "en", student: str = "") -> dict:
    """The same without solutions and rubrics, as students get it: open tasks stop no "Run all"."""
    return mark_exercises(without_solutions(worksheet(lang, student)))


def rubric(lang: str = "en") -> str:
    """The questions in words and what earns 2, 1 and 0 points, as a table in Markdown."""
    words = TEXT[lang]
    lines = ["| " + " | ".join(words["columns"]) + " |", "|---|---|---|---|---|"]
    for q in QUESTIONS[lang]:
        cells = (q.lesson, f"**{q.title}.** {q.text}", q.full, q.half, q.none)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


# ---- cells ----------------------------------------------------------------------------------


def markdown(name: str, source: str, **marks) -> dict:
    """A text cell; with marks, a graded one."""
    metadata = {"nbgrader": nbgrader(name, **marks)} if marks else {}
    return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": source}


def code(name: str, source: str, **marks) -> dict:
    """A code cell without outputs; with marks, a graded one."""
    cell = markdown(name, source, **marks)
    return {**cell, "cell_type": "code", "execution_count": None, "outputs": []}


def nbgrader(name: str, **marks) -> dict:
    """What nbgrader wants to know of a graded cell."""
    common = {"grade": False, "locked": False, "schema_version": 3, "solution": False}
    return {**common, "grade_id": name, "task": False, **marks}


def bootstrap(lang: str) -> dict:
    """The first code cell of the course's notebooks, which finds the package."""
    cells = read_notebook(sources(lang)[0])["cells"]
    return code("bootstrap", next(c["source"] for c in cells if c["cell_type"] == "code"))


def student_cell(words: dict, lang: str, student: str) -> dict:
    """Where the id is written. An answer cell, because graders run no others."""
    names = "show_task, show_tasks, student_id"
    imports = f"from minigpt.classroom.worksheet.variant import {names}\n\n"
    shown = f"\nshow_tasks(student_id(STUDENT){option(lang)})"
    if student:
        return code("student", f"{imports}STUDENT = {student!r}{shown}", solution=True)
    return code(
        "student",
        f'{imports}STUDENT = ""  # {words["id"]}\nif not STUDENT:\n'
        f'    ### BEGIN SOLUTION\n    STUDENT = "{EXAMPLE}"  # {words["example"]}\n'
        f"    ### END SOLUTION{shown}",
        solution=True,
    )


def option(lang: str) -> str:
    """The language as a further argument; nothing for English."""
    return "" if lang == "en" else f', "{lang}"'


def task_cells(number: int, task: Task, words: dict, personal: bool) -> list[dict]:
    """Heading, text, answer and check of a task. Only a personal worksheet has the text itself."""
    name, variable, lang = task.name, task.variable, option(task.lang)
    heading = words["task"].format(number=number, title=task.title, lesson=task.lesson)
    if personal:
        text = [markdown(f"{name}-task", f"{heading}\n\n{task.text}")]
    else:
        shown = f'show_task("{name}", student_id(STUDENT){lang})'
        text = [markdown(f"{name}-task", heading), code(f"{name}-show", shown)]
    answer = code(
        name,
        f"{variable} = None  # {words['forms'][task.form]}\n### BEGIN SOLUTION\n"
        "from minigpt.classroom.worksheet.variant import solution\n\n"
        f'{variable} = solution("{name}", student_id(STUDENT){lang})\n### END SOLUTION',
        solution=True,
    )
    check = code(
        f"{name}-check",
        "from minigpt.classroom.worksheet.variant import check_answer, student_id\n\n"
        f'check_answer("{name}", {variable}, student_id(STUDENT){lang})\nprint("{words["pass"]}")',
        grade=True, locked=True, points=task.points,
    )  # fmt: skip
    check["metadata"]["minigpt"] = {"again": words["again"].format(heading=task.again)}
    return [*text, answer, check]


def question_cells(question, words: dict) -> list[dict]:
    """A question in words, and the cell for its answer with the rubric in it."""
    name = f"words-{question.lesson}"
    points = (question.full, question.half, question.none)
    rubric = "\n".join(f"- **{2 - i}**: {text}" for i, text in enumerate(points))
    return [
        markdown(f"{name}-question", f"### {question.title}\n\n{question.text}"),
        markdown(
            name, f"{words['rubric']}\n\n{rubric}", grade=True, points=POINTS, solution=True
        ),
    ]  # fmt: skip


def as_code(text: str) -> str:
    """Any text inside Markdown, letter by letter: no sign of it means anything to Markdown, HTML
    or what sets formulas."""
    signs = (c if c.isalnum() else f"&#{ord(c)};" for c in text.strip())
    return f"<code>{''.join(signs)}</code>"
