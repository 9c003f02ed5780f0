"""The points of a notebook: each exercise on its own, so that none costs another one's points.

A submitted notebook is first put in order (repair.py). Then its answers run one after the other in
a box (box.py, student.py), each followed by its check, which runs outside (checker.py), with a time
limit for every cell. What is left of the notebook around them does not run: exercises need no
lesson. Only the learner's own further cells do, what they define in cells of the lesson, and the
imports of lesson cells whose names the answers use.
"""

import ast
import copy
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field

from minigpt.classroom.grading.checker import GIVEN
from minigpt.classroom.grading.process import Process
from minigpt.classroom.grading.repair import clean, defined, is_code, mark, nodes, repaired, text
from minigpt.classroom.notebook import OPEN, Exercise, exercises, without_solutions

SECONDS = 60.0  # of one cell
IMPORTED_FIRST = {"IPython", "ipywidgets", "matplotlib", "minigpt", "numpy", "tiktoken", "torch"}
IMPORTS = "imports of the lesson"  # the name of the step that runs them
CHECKERS = "minigpt.classroom.grading.your_own"
TEACHERS = "minigpt.classroom"  # there a worksheet's tasks and their answers can be looked up


@dataclass
class Result:
    """What an exercise earned, and what to tell the student."""

    exercise: Exercise
    points: float
    message: str
    unsafe: bool = False  # it crashed, ran too long or took a name of the checks


@dataclass
class Report:
    """A submitted notebook, graded."""

    results: list[Result]
    problems: list[str]  # what happened to its cells
    notebook: dict  # put in order
    failed: list[str] = field(default_factory=list)  # the student's own cells that were stopped
    notes: list[str] = field(default_factory=list)  # what a teacher should know beside the points

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def most(self) -> float:
        return sum(result.exercise.points for result in self.results)


def grade_notebook(
    source: dict, submitted: dict, seconds: float = SECONDS, student: str = "", seed: str = ""
) -> Report:
    """Grade a submitted notebook by the teacher's source, hidden tests included.

    student: whose variant it is; without, the one that the notebook names.
    seed: of the checks' random inputs, which no answer gets; without, other ones each time.
    ValueError if `submitted` is no notebook.
    """
    notebook, problems = repaired(without_solutions(source), submitted)
    cells = {mark(c)["grade_id"]: text(c) for c in source["cells"] if mark(c)}
    code = [text(cell) for cell in source["cells"] if is_code(cell)]
    report = Report([], problems, notebook)
    by_answer = {exercise.answer: exercise for exercise in exercises(source)}
    steps = own_steps(source, notebook)
    sources = [code for _, code in steps] + [cells[e.name] for e in by_answer.values()]
    first = sorted(IMPORTED_FIRST & set(re.findall(r"\w+", "\n".join(sources))))
    done, process = [], None  # the steps that a new process runs again
    end = time.monotonic() + seconds * (2 * len(by_answer) + 3)  # of what is no exercise
    try:
        for name, answer in steps:
            if name not in by_answer and time.monotonic() > end:
                report.notes.append(f"{name}: not run, the time of this notebook is used up")
                continue
            if process is None:
                process = Process(seconds, student, seed)
                process.ask(do="import", lines=[f"import {name}" for name in first])
                for earlier, its_code in done:
                    if time.monotonic() < end:
                        process.ask(do="run", name=earlier, code=its_code)
            exercise = by_answer.get(name)
            reply = refusal(answer) or process.ask(do="run", name=name, code=answer)
            if exercise and reply and "refused" not in reply:
                check = cells[exercise.name]
                found = process.ask(
                    do="check", code=check, answers=sorted(defined(cells[name])),
                    imports=imports_for(code, check).splitlines(),
                )  # fmt: skip
                passed = found and not found["error"]  # also where an error came below the answer
                reply = reply if reply["error"] and found and not passed else found
            unsafe = reply is None or "refused" in reply
            why = clean(message(reply, process.over) + elsewhere(reply, notebook))
            if exercise:
                points = 0 if unsafe or reply["error"] else exercise.points
                report.results.append(Result(exercise, points, why, unsafe))
                if TEACHERS in answer:
                    report.notes.append(f"{name}: it names {TEACHERS}, read it")
            elif unsafe:
                report.failed.append(name)
            if unsafe or (reply["error"] and not exercise):
                report.notes.append(f"{exercise.name if exercise else name}: {why}")
            if unsafe:
                process.close()
                process = None
            else:
                done.append((name, answer))
    finally:
        if process:
            process.close()
    return report


def own_steps(source: dict, notebook: dict) -> list[tuple[str, str]]:
    """(name, code) of the cells to run: the lesson's imports, answers, and the student's own."""
    lesson = {text(cell) for cell in source["cells"] if not mark(cell)}
    by_id = {cell["id"]: text(cell) for cell in source["cells"] if "id" in cell}
    steps = []
    for number, cell in enumerate(notebook["cells"], start=1):
        code, known = text(cell), mark(cell)
        if not is_code(cell) or (known and not known.get("solution")):
            continue
        if known:
            steps.append((known["grade_id"], code))
        elif code.strip() and code not in lesson:
            name, original = f"your own cell {number}", by_id.get(cell.get("id"))
            added = code if original is None else added_to(original, code)
            steps += [(name, added)] if added else []
    code = [cell for cell in source["cells"] if is_code(cell)]
    used = [code for _, code in steps] + [text(c) for c in code if mark(c).get("grade")]
    imports = imports_for([text(c) for c in code if not mark(c)], "\n".join(used))
    return [(IMPORTS, imports), *steps] if imports else steps


def added_to(original: str, code: str) -> str:
    """What a student has added to a cell of the lesson and an answer may need: functions, classes,
    imports and plain values."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    known, kept = {ast.dump(node) for node in nodes(original)}, []
    for node in getattr(next(iter(nodes(code)), None), "body", []):
        value = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        with suppress(RecursionError):  # nested too deeply
            if (value or isinstance(node, kinds)) and ast.dump(node) not in known:
                kept.append(ast.unparse(node))
    return "\n".join(kept)


def refusal(code: str) -> dict | None:
    """The reply to code that gives a name of the checks another meaning; it is not run."""
    bound = bound_names(code)
    said = [f"the checks use {name}(): give yours another name" for name in GIVEN if name in bound]
    return {"refused": said[0], "error": None} if said else None


def message(reply: dict | None, over: str) -> str:
    """What to tell the student about a step."""
    if reply is None:
        return over
    if "refused" in reply:
        return f"refused: {reply['refused']}"
    error = reply["error"]
    if error is None:
        return "all checks pass"
    place = f" (line {error['line']} of the answer)" if error["line"] else ""
    if error["kind"] == "NotImplementedError" and not error["text"]:  # PyTorch's have a text
        return f"not answered yet: `{OPEN}` still stands in it{place}"
    kind = "" if error["kind"] == "AssertionError" else f"{error['kind']}: "
    return f"{kind}{error['text']}{place}"


def elsewhere(reply: dict | None, notebook: dict) -> str:
    """Where a name is defined that an answer has not found: in a cell that is not run, or later."""
    error = reply and reply["error"]
    found = error and error["kind"] == "NameError" and re.match(r"name '(\w+)'", error["text"])
    for number, cell in enumerate(notebook["cells"] if found else [], start=1):
        check = mark(cell) and not mark(cell).get("solution")
        if is_code(cell) and not check and found[1] in defined(text(cell)):
            return f". Cell {number} defines it; put that into the answer's own cell"
    return ""


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
        elif is_code(cell) and not mark(cell):
            cell["source"] = steps[name]  # of a cell of the lesson, what the student has added
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
        ast.unparse(node) for source in lesson for node in nodes(source)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and words & {(a.asname or a.name).split(".")[0] for a in node.names}
    ]  # fmt: skip
    return "\n".join(dict.fromkeys(wanted))


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
