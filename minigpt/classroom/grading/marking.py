"""The points of a notebook: each exercise on its own, so that none costs another one's points.

A submitted notebook is first put in order (repair.py). Then its answers run one after the
other, each followed by its check, in a process apart (process.py) with a time limit for every cell.
What is left of the notebook around them does not run: exercises need no lesson. Only the learner's
own further cells do, and the imports of lesson cells whose names the answers use.
"""

import ast
import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minigpt.classroom.grading.process import Process
from minigpt.classroom.grading.repair import is_code, mark, repaired, text
from minigpt.classroom.notebook import Exercise, exercises, without_solutions

SECONDS = 60.0  # of one cell
IMPORTED_FIRST = {"IPython", "ipywidgets", "matplotlib", "minigpt", "numpy", "tiktoken", "torch"}
IMPORTS = "imports of the lesson"  # the name of the step that runs them
CHECKERS = "minigpt.classroom.grading.your_own"
GIVEN = ("check_passed", "trial_random", "your_own")  # an answer leaves these names alone
TEACHERS = "minigpt.classroom"  # there a worksheet's tasks and their answers can be looked up


@dataclass
class Result:
    """What an exercise earned, and what to tell the student."""

    exercise: Exercise
    points: float
    message: str
    unsafe: bool = False  # it crashed, ran too long or did what an answer has no use for


@dataclass
class Report:
    """A submitted notebook, graded."""

    results: list[Result]
    problems: list[str]  # what happened to its cells
    notebook: dict  # put in order
    waiting: float = 0  # points of questions that a person grades
    failed: list[str] = field(default_factory=list)  # the student's own cells that do not run
    notes: list[str] = field(default_factory=list)  # what a teacher should know beside the points

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def most(self) -> float:
        return sum(result.exercise.points for result in self.results)


def grade_notebook(
    source: dict, submitted: dict, seconds: float = SECONDS, private: Sequence[Path] = (),
    student: str = "", seed: str = "",
) -> Report:  # fmt: skip
    """Grade a submitted notebook by the teacher's source, hidden tests included.

    private: folders that no answer may read, beside the course's notebooks and tests.
    student: whose variant it is; without, the one that the notebook names.
    seed: of the checks' random inputs; without, they are other ones each time.
    ValueError if `submitted` is no notebook.
    """
    notebook, problems = repaired(without_solutions(source), submitted)
    given = f"from {CHECKERS} import {', '.join(GIVEN)}\n"
    checks = {mark(c)["grade_id"]: given + text(c) for c in source["cells"] if mark(c)}
    by_hand = [m for m in map(mark, source["cells"]) if m.get("solution") and m.get("grade")]
    report = Report([], problems, notebook, sum(m.get("points", 0) for m in by_hand))
    by_answer = {exercise.answer: exercise for exercise in exercises(source)}
    steps = own_steps(source, notebook)
    sources = [code for _, code in steps] + [checks[e.name] for e in by_answer.values()]
    first = [ast.unparse(s) for s in import_statements(sources) if root_of(s) in IMPORTED_FIRST]
    done, process = [], None  # the steps that a new process runs again
    try:
        for name, code in steps:
            if process is None:
                process = Process(seconds, private, student, seed)
                process.ask(do="import", lines=first)
                for earlier, its_code in done:
                    process.ask(do="run", name=earlier, code=its_code)
            exercise = by_answer.get(name)
            reply = refusal(code) or process.ask(do="run", name=name, code=code)
            if reply and exercise and not reply["error"] and not reply["noticed"]:
                reply = process.ask(do="check", code=checks[exercise.name])
            unsafe = reply is None or bool(reply["noticed"])
            why = message(reply, process.over)
            if exercise:
                points = 0 if unsafe or reply["error"] else exercise.points
                report.results.append(Result(exercise, points, why, unsafe))
                if TEACHERS in code:
                    report.notes.append(f"{name}: it names {TEACHERS}, read it")
            elif unsafe or reply["error"]:
                report.failed.append(name)
            if unsafe or name in report.failed:
                report.notes.append(f"{exercise.name if exercise else name}: {why}")
            if unsafe:
                process.close()
                process = None
            else:
                done.append((name, code))
    finally:
        if process:
            process.close()
    return report


def own_steps(source: dict, notebook: dict) -> list[tuple[str, str]]:
    """(name, code) of the cells to run: the lesson's imports, answers, and the student's own."""
    lesson = {text(cell) for cell in source["cells"] if not mark(cell)}
    ids = {cell.get("id") for cell in source["cells"]} - {None}
    steps = []
    for number, cell in enumerate(notebook["cells"], start=1):
        code, known = text(cell), mark(cell)
        if not is_code(cell) or (known and not known.get("solution")):
            continue
        if known:
            steps.append((known["grade_id"], plain(code)))
        elif code.strip() and code not in lesson and cell.get("id") not in ids:
            steps.append((f"your own cell {number}", plain(code)))
    code = [cell for cell in source["cells"] if is_code(cell)]
    used = [code for _, code in steps] + [text(c) for c in code if mark(c).get("grade")]
    imports = imports_for([text(c) for c in code if not mark(c)], "\n".join(used))
    return [(IMPORTS, imports), *steps] if imports else steps


def root_of(statement: ast.Import | ast.ImportFrom) -> str:
    name = statement.module if isinstance(statement, ast.ImportFrom) else statement.names[0].name
    return (name or "").split(".")[0]


def refusal(code: str) -> dict | None:
    """The reply to code that gives a name of the checks another meaning; it is not run."""
    for name in GIVEN:
        if name in bound_names(code):
            why = f"the checks use {name}(): give yours another name"
            return {"error": None, "noticed": [why]}
    return None


def message(reply: dict | None, over: str) -> str:
    """What to tell the student about a step."""
    if reply is None:
        return over
    if reply["noticed"]:
        return f"refused: {reply['noticed'][0]}"
    error = reply["error"]
    if error is None:
        return "all checks pass"
    if error["kind"] == "NotImplementedError":
        return "not answered yet"
    place = f" (line {error['line']} of the answer)" if error["line"] else ""
    kind = "" if error["kind"] == "AssertionError" else f"{error['kind']}: "
    return f"{kind}{error['text']}{place}"


def for_nbgrader(report: Report, source: dict) -> dict:
    """The notebook for `nbgrader autograde`: it earns there what it earned here.

    Lesson cells are left out of the run, and an answer that could stop the kernel, or that was
    refused, is a raised error, with what the student wrote below it.
    """
    notebook = copy.deepcopy(report.notebook)
    unsafe = {result.exercise.answer: result.message for result in report.results if result.unsafe}
    steps = dict(own_steps(source, notebook))
    for number, cell in enumerate(notebook["cells"], start=1):
        name = mark(cell).get("grade_id") or f"your own cell {number}"
        if name in unsafe:
            below = "\n".join(f"# {line}" for line in text(cell).splitlines())
            cell["source"] = f"raise RuntimeError({unsafe[name]!r})\n\n{below}"
        elif is_code(cell) and not mark(cell) and (name not in steps or name in report.failed):
            cell["metadata"].setdefault("tags", []).append("skip-execution")
    if imports := steps.get(IMPORTS):
        made = {"cell_type": "code", "metadata": {}, "source": imports, "outputs": [],
                "execution_count": None}  # fmt: skip
        if any("id" in cell for cell in notebook["cells"]):
            made["id"] = "imports-of-the-lesson"
        notebook["cells"].insert(0, made)
    return notebook


# ---- what is run -----------------------------------------------------------------------------


def imports_for(lesson: list[str], used: str) -> str:
    """Those import statements of lesson cells that bring a name which occurs in the code `used`."""
    words = set(re.findall(r"\w+", used))
    wanted = [
        ast.unparse(statement) for statement in import_statements(lesson)
        if words & {(a.asname or a.name).split(".")[0] for a in statement.names}
    ]  # fmt: skip
    return "\n".join(dict.fromkeys(wanted))


def import_statements(sources: list[str]) -> list[ast.Import | ast.ImportFrom]:
    """The imports anywhere in code."""
    found = (node for source in sources for node in nodes(source))
    return [node for node in found if isinstance(node, (ast.Import, ast.ImportFrom))]


def bound_names(code: str) -> set[str]:
    """The names that code assigns, deletes, defines or imports, but for CHECKERS' own."""
    names = set()
    for node in nodes(code):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            elsewhere = getattr(node, "module", "") != CHECKERS
            names |= {a.asname or a.name for a in node.names if a.asname or elsewhere}
    return names


def nodes(source: str) -> list[ast.AST]:
    """All parts of code; code that is no Python has none."""
    try:
        return list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return []


def plain(source: str) -> str:
    """Code without IPython's own lines: the grading process has no notebook around it."""
    if source.lstrip().startswith("%%"):
        return ""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)
