"""The worksheet: a notebook with every student's own tasks, and questions to answer in words.

`worksheet()` is the teacher's source of it, one for the whole class, as nbgrader takes it: the
answers stand between ### BEGIN SOLUTION and ### END SOLUTION, the rubrics where students write.
`worksheet(student="ann")` has that id and the text of its tasks in it already, and `released`
takes the solutions out. Python alone suffices for all of it.
"""

from minigpt.classroom.notebook import (
    mark_exercises,
    new_notebook,
    read_notebook,
    sources,
    without_solutions,
)
from minigpt.classroom.worksheet.checks import Task
from minigpt.classroom.worksheet.variant import tasks
from minigpt.classroom.worksheet.words import QUESTIONS, TEXT
from minigpt.store.words import language

EXAMPLE = "example"  # whose tasks the teacher's edition shows, where no grader names a student
POINTS = 2  # of each question in words
BAR = "\\|"  # the sign | inside a table of Markdown


def worksheet(student: str = "") -> dict:
    """The teacher's source as a notebook in JSON, in the language in use; with a student, that
    student's own edition.

    ValueError for a language without texts or an id that cannot be used, Problem where the
    notebooks are not beside the package.
    """
    lang = language()
    if lang not in TEXT:
        raise ValueError(f"there is no worksheet in the language {lang!r}: choose 'en'")
    words, questions, found = TEXT[lang], QUESTIONS[lang], tasks(student or EXAMPLE)
    points = sum(task.points for task in found) + POINTS * len(questions)
    told = {"tasks": len(found), "questions": len(questions), "points": points}
    how = words["own" if student else "shared"].format(student=as_code(student))
    cells = [
        markdown("title", words["title"].format(how=how, **told)),
        bootstrap(),
        student_cell(words, student.strip()),
    ]
    for number, task in enumerate(found, start=1):
        cells += task_cells(number, task, words, bool(student))
    cells.append(markdown("words", words["in words"].format(**told)))
    for question in questions:
        cells += question_cells(question, words)
    return new_notebook(cells)


def released(student: str = "") -> dict:
    """The same without solutions and rubrics, as students get it: open tasks stop no "Run all"."""
    return mark_exercises(without_solutions(worksheet(student)))


def rubric() -> str:
    """The questions in words and what earns 2, 1 and 0 points, as a table in Markdown."""
    lines = [f"| {' | '.join(TEXT[language()]['columns'])} |", "|---|---|---|---|---|"]
    for q in QUESTIONS[language()]:
        cells = (q.lesson, f"**{q.title}.** {q.text}", q.full, q.half, q.none)
        lines.append(f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |")
    return "\n".join(lines) + "\n"


# ---- cells ----------------------------------------------------------------------------------


def markdown(name: str, source: str, **marks) -> dict:
    """A text cell; with marks, a graded one, with all that nbgrader wants to know of it."""
    if marks:
        common = {"grade": False, "locked": False, "schema_version": 3, "solution": False}
        marks = {"nbgrader": {**common, "grade_id": name, "task": False, **marks}}
    return {"cell_type": "markdown", "id": name, "metadata": marks, "source": source}


def code(name: str, source: str, **marks) -> dict:
    """A code cell without outputs; with marks, a graded one."""
    cell = markdown(name, source, **marks)
    return {**cell, "cell_type": "code", "execution_count": None, "outputs": []}


def bootstrap() -> dict:
    """The first code cell of the course's notebooks, which finds the package."""
    cells = read_notebook(sources(language())[0])["cells"]
    return code("bootstrap", next(c["source"] for c in cells if c["cell_type"] == "code"))


def student_cell(words: dict, student: str) -> dict:
    """Where the id is written. An answer cell, because graders run no others."""
    source = "from minigpt.classroom.worksheet.variant import show_task, show_tasks, student_id\n"
    if language() != "en":
        source += "from minigpt.store.words import use_language\n\n"
        source += f'use_language("{language()}")'
    if student:
        source += f"\nSTUDENT = {student!r}\n"
    else:
        source += f'\nSTUDENT = ""  # {words["id"]}\nif not STUDENT:\n'
        source += f'    ### BEGIN SOLUTION\n    STUDENT = "{EXAMPLE}"  # {words["example"]}\n'
        source += "    ### END SOLUTION\n"
    return code("student", f"{source}show_tasks(student_id(STUDENT))", solution=True)


def task_cells(number: int, task: Task, words: dict, personal: bool) -> list[dict]:
    """Heading, text, answer and check of a task. Only a personal worksheet has the text itself."""
    name, variable = task.name, task.variable
    heading = words["task"].format(number=number, title=task.title, lesson=task.lesson)
    if personal:
        text = [markdown(f"{name}-task", f"{heading}\n\n{task.text}")]
    else:
        shown = f'show_task("{name}", student_id(STUDENT))'
        text = [markdown(f"{name}-task", heading), code(f"{name}-show", shown)]
    answer = code(
        name,
        f"{variable} = None  # {words['forms'][task.form]}\n### BEGIN SOLUTION\n"
        "from minigpt.classroom.worksheet.variant import solution\n\n"
        f'{variable} = solution("{name}", student_id(STUDENT))\n### END SOLUTION',
        solution=True,
    )
    check = code(
        f"{name}-check",
        "from minigpt.classroom.worksheet.variant import check_answer, student_id\n\n"
        f'check_answer("{name}", {variable}, student_id(STUDENT))\nprint("{words["pass"]}")',
        grade=True, locked=True, points=task.points,
    )  # fmt: skip
    check["metadata"]["minigpt"] = {"again": words["again"].format(heading=task.again)}
    return [*text, answer, check]


def question_cells(question, words: dict) -> list[dict]:
    """A question in words, and the cell for its answer with the rubric in it."""
    name = f"words-{question.lesson}"
    points = (question.full, question.half, question.none)
    rubric = "\n".join(f"- **{2 - i}**: {text}" for i, text in enumerate(points))
    asked = markdown(f"{name}-question", f"### {question.title}\n\n{question.text}")
    text = f"{words['rubric']}\n\n{rubric}"
    return [asked, markdown(name, text, grade=True, points=POINTS, solution=True)]


def as_code(text: str) -> str:
    """Any text inside Markdown, letter by letter: no sign of it means anything to Markdown, HTML
    or what sets formulas."""
    signs = (c if c.isalnum() else f"&#{ord(c)};" for c in text.strip())
    return f"<code>{''.join(signs)}</code>"
