"""The points of a notebook: each exercise on its own, in a process that may crash or run for ever.

A submitted notebook is first put in order (submissions.py). Then its answers run one after the
other, each followed by its check, in a process apart (exercise_process.py) with a time limit for
every cell. What is left of the notebook around them does not run: exercises need no lesson. Only
the learner's own further cells do, and the imports of lesson cells whose names the answers use.
"""

import ast
import json
import os
import queue
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minigpt.commands.common import ROOT
from minigpt.coursework.submissions import MARK, is_code, mark, repaired, text
from minigpt.coursework.your_own import SEED

SECONDS = 60.0  # of one cell
TRIAL_SEED = "2718"  # of the checks' random inputs: who is graded again gets the same points
IMPORTED_FIRST = {"IPython", "ipywidgets", "matplotlib", "minigpt", "numpy", "tiktoken", "torch"}
TEACHERS = "minigpt.coursework"  # there a worksheet's tasks and their answers can be looked up
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
    notes: list[str] = field(
        default_factory=list
    )  # for the teacher: own cells that failed, answers to read

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def most(self) -> float:
        return sum(result.exercise.points for result in self.results)


# ---- the exercises of a notebook ---------------------------------------------------------------


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


def imports_for(lesson: list[str], used: str) -> str:
    """Those import statements of lesson cells that bring a name which occurs in the code `used`."""
    words, wanted = set(re.findall(r"\w+", used)), []
    for statement in import_statements(lesson):
        names = {(a.asname or a.name).split(".")[0] for a in statement.names}
        if names & words:
            wanted.append(ast.unparse(statement))
    return "\n".join(dict.fromkeys(wanted))


def import_statements(sources: list[str]) -> list[ast.Import | ast.ImportFrom]:
    """The imports anywhere in code; code that is no Python has none."""
    found = []
    for source in sources:
        try:
            found += [n for n in ast.walk(ast.parse(source))
                      if isinstance(n, (ast.Import, ast.ImportFrom))]  # fmt: skip
        except (SyntaxError, ValueError):
            continue
    return found


def plain(source: str) -> str:
    """Code without IPython's own lines: the grading process has no notebook around it."""
    if source.lstrip().startswith("%%"):
        return ""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)


# ---- the process -------------------------------------------------------------------------------


class Process:
    """One run of exercise_process.py; `ask` gives its reply, or None once it is over."""

    def __init__(self, seconds: float, private: Sequence[Path], student: str) -> None:
        self.seconds, self.over = seconds, ""
        self.folder = tempfile.TemporaryDirectory(prefix="minigpt-grade-")
        here = self.folder.name
        paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8", "MINIGPT_FAST": "1", "MINIGPT_HOME": f"{here}/home",
            "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": here, "HOME": here,
            "TMPDIR": here, SEED: TRIAL_SEED,
        }  # fmt: skip
        if student:
            environment["MINIGPT_STUDENT"] = student
        self.child = subprocess.Popen(
            [sys.executable, "-m", "minigpt.coursework.exercise_process"],
            cwd=here, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="utf-8",
        )  # fmt: skip
        self.replies: queue.Queue = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        private = [*private, ROOT / "notebooks", ROOT / "tests"]
        self.send({"private": [str(path) for path in private]})

    def listen(self) -> None:
        for line in self.child.stdout:
            self.replies.put(line)
        self.replies.put(None)

    def send(self, order: dict) -> None:
        try:
            print(json.dumps(order), file=self.child.stdin, flush=True)
        except OSError:  # it has ended: the reply will say so
            pass

    def ask(self, **order) -> dict | None:
        """The reply to an order; None if the process has ended or was too slow (`over` says)."""
        token = secrets.token_hex(16)
        self.send(order | {"token": token})
        try:
            line = self.replies.get(timeout=self.seconds)
            reply = json.loads(line) if line else None
        except queue.Empty:
            self.over = f"it ran longer than {self.seconds:g} seconds, and was stopped"
            return None
        except ValueError:
            reply = None
        if reply is None:
            self.over = "it ended Python itself: a crash, or an exit in the code"
        elif reply and reply.get("token") != token:
            self.over = "it wrote a reply in the name of the check"
            return None
        return reply

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        for channel in (self.child.stdin, self.child.stdout):
            channel.close()
        self.folder.cleanup()


# ---- grading -----------------------------------------------------------------------------------


def grade_notebook(
    source: dict, submitted: dict, seconds: float = SECONDS, private: Sequence[Path] = (),
    student: str = "",
) -> Report:  # fmt: skip
    """Grade a submitted notebook by the teacher's source, hidden tests included.

    private: folders that no answer may read, beside the course's notebooks and tests.
    student: whose variant it is; without, the one that the notebook names.
    ValueError if `submitted` is no notebook.
    """
    notebook, problems = repaired(without_solutions(source), submitted)
    checks = {mark(cell)["grade_id"]: text(cell) for cell in source["cells"] if mark(cell)}
    report = Report([], problems, notebook)
    report.waiting = sum(
        mark(c).get("points", 0) for c in source["cells"]
        if mark(c).get("solution") and mark(c).get("grade")
    )  # fmt: skip
    by_answer = {exercise.answer: exercise for exercise in exercises(source)}
    steps = own_steps(source, notebook)
    sources = [code for _, code in steps] + [checks[e.name] for e in by_answer.values()]
    first = [ast.unparse(s) for s in import_statements(sources) if root_of(s) in IMPORTED_FIRST]
    done: list[tuple[str, str]] = []  # what a new process runs again
    process = None
    try:
        for name, code in steps:
            if process is None:
                process = Process(seconds, private, student)
                process.ask(do="import", lines=first)
                for earlier in done:
                    process.ask(do="run", name=earlier[0], code=earlier[1])
            exercise = by_answer.get(name)
            reply = process.ask(do="run", name=name, code=code)
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
                report.notes.append(f"{name}: {why}")
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
    used = "\n".join(code for _, code in steps)
    imports = imports_for([text(c) for c in source["cells"] if is_code(c) and not mark(c)], used)
    return [("imports of the lesson", imports), *steps] if imports else steps


def root_of(statement: ast.Import | ast.ImportFrom) -> str:
    name = statement.module if isinstance(statement, ast.ImportFrom) else statement.names[0].name
    return (name or "").split(".")[0]


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
    notebook = json.loads(json.dumps(report.notebook))
    unsafe = {result.exercise.answer: result.message for result in report.results if result.unsafe}
    steps = dict(own_steps(source, notebook))
    bad = {note.split(": ", 1)[0] for note in report.notes}
    for number, cell in enumerate(notebook["cells"], start=1):
        name = mark(cell).get("grade_id") or f"your own cell {number}"
        if name in unsafe:
            below = "\n".join(f"# {line}" for line in text(cell).splitlines())
            cell["source"] = f"raise RuntimeError({unsafe[name]!r})\n\n{below}"
        elif is_code(cell) and not mark(cell) and (name not in steps or name in bad):
            tags = cell["metadata"].setdefault("tags", [])
            cell["metadata"]["tags"] = [*tags, "skip-execution"]
    imports = steps.get("imports of the lesson")
    if imports:
        made = {"cell_type": "code", "metadata": {}, "source": imports, "outputs": [],
                "execution_count": None}  # fmt: skip
        if any("id" in cell for cell in notebook["cells"]):
            made["id"] = "imports-of-the-lesson"
        notebook["cells"].insert(0, made)
    return notebook


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
