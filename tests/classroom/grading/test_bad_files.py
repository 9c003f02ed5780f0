"""One bad file costs itself alone: damaged notebooks get a remark, and all others are graded."""

import contextlib
import copy
import csv
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from minigpt.classroom.grading import marking, write
from minigpt.classroom.grading.repair import mark
from minigpt.classroom.notebook import without_solutions
from minigpt.commands import grade
from tried import tenth_or_all

pytestmark = pytest.mark.notebook  # it runs the answers in notebooks


def cell(source, kind="code", **marks):
    metadata = {"nbgrader": {"solution": False, "grade": False, **marks}} if marks else {}
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": metadata, **code}


def solved(name, body):
    return f"def {name}(x):\n    ### BEGIN SOLUTION\n    return {body}\n    ### END SOLUTION\n"


SOURCE = {
    "cells": [
        cell("# Two exercises", "markdown"),
        cell(solved("double", "2 * x"), grade_id="double", solution=True),
        cell("assert double(2) == 4", grade_id="double-check", grade=True, points=2),
        cell(solved("half", "x / 2"), grade_id="half", solution=True),
        cell("assert half(3) == 1.5", grade_id="half-check", grade=True, points=1),
    ],
    "metadata": {}, "nbformat": 4, "nbformat_minor": 4,
}  # fmt: skip
NESTED = {"(": ")", "[": "]", "-": "", "not ": "", "lambda: ": "", "{1: ": "}"}
DEEP: list = []
for _ in range(400):
    DEEP = [DEEP]
JUNK = [5, None, [], {}, "", True, -1.5, ["x", 5], [None], {"a": []}, "\ud800", "\x00\x1b[2J", DEEP,
        "=1+1", "x" * 10**5, {"nbgrader": []}, [["double"]], "double", 10**30,
        *(start * 3000 + "1" + end * 3000 for start, end in NESTED.items()),
        "x" + ".y" * 20_000, "1" + "+1" * 20_000, "if x:\n" * 200,
        "%%time\n%%capture\n!!!"]  # fmt: skip


def solution() -> dict:
    notebook = without_solutions(SOURCE)
    for one, its in zip(notebook["cells"], SOURCE["cells"], strict=True):
        if mark(one).get("solution"):
            one["source"] = its["source"]
    return notebook


def places(value: object) -> Iterator[tuple]:
    """(container, key) of everything in a notebook."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places(value[key])


def mutated(seed: int) -> dict:
    trial, notebook = random.Random(seed), {"work": solution()}
    for _ in range(trial.randint(1, 3)):
        container, key = trial.choice(list(places(notebook)))
        how = trial.randrange(4)
        if how == 0:
            del container[key]
        elif how == 1 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[trial.randrange(len(container))]))
        else:
            container[key] = trial.choice(JUNK)
        if not isinstance(notebook.get("work"), dict):
            break
    return notebook.get("work")


class Machine:
    """Stands for the processes: an answer fails. Nothing of a file may reach more than these."""

    over = ""

    def __init__(self, *options):
        pass

    def ask(self, **order):
        json.dumps(order)
        return {"error": {"kind": "ValueError", "text": "\ud800\x1b[2J", "line": 1}}

    def close(self):
        pass


def hand_in(course: Path, student: str, data: bytes) -> Path:
    folder = course / "submitted" / student / "work"
    folder.mkdir(parents=True)
    (folder / "work.ipynb").write_bytes(data)
    return folder


def in_bytes(notebook: object) -> bytes:
    return json.dumps(notebook).encode("utf-8")


@pytest.fixture
def course(tmp_path):
    """A course folder with one assignment."""
    settings = 'os.environ["MINIGPT_SECRET"] = "0123456789abcdef0123456789abcdef"\n'
    (tmp_path / "nbgrader_config.py").write_text(settings, encoding="utf-8")
    (tmp_path / "source" / "work").mkdir(parents=True)
    (tmp_path / "source" / "work" / "work.ipynb").write_bytes(in_bytes(SOURCE))
    return tmp_path


@pytest.fixture
def unrun(monkeypatch):
    """No answer runs, and none earns anything."""
    monkeypatch.setattr(marking, "Process", Machine)
    monkeypatch.setattr(grade, "check_solutions", lambda *given: None)


def rows(course: Path) -> list[tuple[str, str, str]]:
    with (course / "points.csv").open(encoding="utf-8", newline="") as file:
        return [(row["student_id"], row["score"], row["remarks"]) for row in csv.DictReader(file)]


def page(course: Path, student: str) -> str:
    """What the student gets back."""
    return (course / "returned" / student / "work.html").read_text(encoding="utf-8")


def graded(course: Path, n: int) -> dict[str, float]:
    """What `grade DIR` gives n mutated notebooks, each of which has to be in the result."""
    for seed in range(n):
        hand_in(course, f"s{seed}", in_bytes(mutated(seed)))
    assert grade.main([str(course), "--seconds", "5"]) in (0, 1)
    found = rows(course)
    assert {student for student, *_ in found} == {f"s{seed}" for seed in range(n)}
    assert sum(bool(remarks) for *_, remarks in found) > n / 3
    for student, *_ in found:
        work = json.loads((course / "checked" / student / "work" / "work.ipynb").read_bytes())
        ids = [mark(c).get("grade_id") for c in work["cells"] if mark(c)]
        assert ids == ["double", "double-check", "half", "half-check"], student
        assert "of 3 points" in page(course, student)
    return {student: float(score) for student, score, _ in found}


@pytest.mark.parametrize("n", tenth_or_all(400))
def test_mutated_notebooks_are_graded_or_named(n, course, unrun, tried):
    assert set(graded(course, n).values()) == {0}
    tried("notebooks", n)


@pytest.mark.slow
def test_what_is_left_of_mutated_notebooks_earns_its_points(course):
    """In the box, where each runs."""
    found = graded(course, 100)
    assert set(found.values()) <= {0, 1, 2, 3} and list(found.values()).count(3) > 20


BAD = {
    "nested": lambda n: n["cells"][1].update(source="x = " + "(" * 5000 + ")" * 5000),
    "text": lambda n: n["cells"][1].update(source=5),
    "id": lambda n: n["cells"][3]["metadata"]["nbgrader"].update(grade_id=["half"]),
    "kind": lambda n: n["cells"][1].update(cell_type={}),
    "outputs": lambda n: n["cells"][1].update(outputs=5),
    "cells": lambda n: n["cells"].insert(1, [5]),
    "deep": lambda n: n.update(metadata=DEEP),
    "surrogate": lambda n: n["cells"][1].update(source="raise ValueError('\ud800')"),
    "attributes": lambda n: n["cells"][1].update(source="x" + ".y" * 50_000),
}
POINTS = {"nested": 1, "text": 1, "id": 3, "kind": 3, "outputs": 3, "cells": 0, "deep": 3,
          "surrogate": 1, "attributes": 1}  # fmt: skip


def test_a_class_with_bad_files_is_graded(course, capsys):
    for name, change in {**BAD, "a-good": lambda n: None, "z-good": lambda n: None}.items():
        notebook = solution()
        change(notebook)
        hand_in(course, name, in_bytes(notebook))
    assert grade.main([str(course), "--seconds", "10"]) == 0
    said = capsys.readouterr().out
    found = {student: float(score) for student, score, _ in rows(course)}
    assert found == {**POINTS, "a-good": 3, "z-good": 3}
    for remark in ("it is damaged at cell 2", "cell 2 is damaged (no text): it is taken as text",
                   "cell 'half' lost its id: it was found by what it defines"):  # fmt: skip
        assert remark in said


def test_no_file_in_the_folder_of_hand_ins_is_passed_over(course, capsys, unrun):
    folder = hand_in(course, "ada", in_bytes(solution()))
    (folder / "a\x1b[2Jb.pdf").write_bytes(b"x")
    (folder / "lost.ipynb").symlink_to(folder / "nowhere")
    with contextlib.suppress(OSError):  # a system whose names are texts
        (folder / os.fsdecode(b"m\xfcll.pdf")).write_bytes(b"x")
    submitted = course / "submitted"
    for stray in ("bob/work.ipynb", "work.ipynb", "cleo/wrok/work.ipynb"):
        (submitted / stray).parent.mkdir(parents=True, exist_ok=True)
        (submitted / stray).write_bytes(in_bytes(solution()))
    (course / "source" / "other").mkdir()
    hand_in(course, "eve", in_bytes(solution())).rename(submitted / "eve" / "other")
    assert grade.main([str(course)]) == 0
    said = capsys.readouterr().out.encode("utf-8", "replace").decode()
    ada = "ada/work"
    for line in ("bob/work.ipynb: not in STUDENT/ASSIGNMENT/", "  work.ipynb: not in STUDENT/",
                 "cleo/wrok: not in STUDENT/ASSIGNMENT/", f"{ada}/lost.ipynb: a link, not a file",
                 f"{ada}/a\ufffd[2Jb.pdf: no notebook"):  # fmt: skip
        assert line in said
    files = 5 + (folder / os.fsdecode(b"m\xfcll.pdf")).exists()
    assert f"Files not used: {files}\n" in said and "\x1b" not in said
    assert [student for student, *_ in rows(course)] == ["ada"]


def test_who_hands_in_late_under_another_spelling_has_one_line(course, capsys, unrun):
    (course / "class.csv").write_text("id\nAda\nBob\nEve\n", encoding="utf-8")
    hand_in(course, "bob", in_bytes(solution()))
    assert grade.main([str(course), "work"]) == 0
    assert [row[::2] for row in rows(course)] == [
        ("Ada", write.NOTHING), ("Eve", write.NOTHING), ("bob", rows(course)[2][2])]  # fmt: skip
    hand_in(course, "ada", in_bytes(solution()))
    flag = "student_id,assignment,late\nada,work,late\n"  # as Canvas says it
    (course / "collected.csv").write_text(flag, encoding="utf-8")
    assert grade.main([str(course), "work"]) == 0
    assert "0 of 3 points; late</p>" in page(course, "ada")
    assert [student for student, *_ in rows(course)] == ["Eve", "ada", "bob"]
    assert "work: nothing handed in by Eve\n" in capsys.readouterr().out


@pytest.mark.parametrize("how", NESTED)
def test_a_notebook_of_nested_code_tells_what_is_wrong(how):
    notebook = solution()
    notebook["cells"][1]["source"] += f"y = {how * 5000}1{NESTED[how] * 5000}"
    report = marking.grade_notebook(SOURCE, notebook)
    assert [result.points for result in report.results] == [0, 1]
    assert "Error" in report.results[0].message
