"""The worksheet: solved it passes for everybody, released it gives nothing away, and nbgrader and
`grade` take it as it is."""

import ast
import html
import json
import os
import re
import subprocess
import sys

import pytest

from minigpt.classroom.grading.marking import grade_notebook
from minigpt.classroom.grading.repair import mark
from minigpt.classroom.notebook import exercises, read_notebook, sources, to_bytes
from minigpt.classroom.worksheet import variant
from minigpt.classroom.worksheet import worksheet as writing
from minigpt.classroom.worksheet.tasks import MAKERS
from minigpt.classroom.worksheet.variant import check_answer, solution, tasks
from minigpt.classroom.worksheet.words import QUESTIONS, TEXT
from minigpt.classroom.worksheet.worksheet import EXAMPLE, POINTS, released, rubric, worksheet
from minigpt.store.files import ROOT

ODD = ["o'brien", '"', "学生", "</code><script>alert(1)</script>", "x" * 300, "*_[a](b)|$x$\\"]


@pytest.fixture(autouse=True)
def nobody_is_graded(monkeypatch):
    monkeypatch.delenv(variant.GRADER, raising=False)
    monkeypatch.setattr(variant, "AT_START", "")


def cell(notebook: dict, name: str) -> dict:
    return next(one for one in notebook["cells"] if one["id"] == name)


def run(notebook: dict) -> int:
    """Run all code cells in order, as a kernel would; how many checks passed."""
    namespace, passed = {"__name__": "__main__"}, 0
    for one in notebook["cells"]:
        if one["cell_type"] == "code":
            exec(compile(one["source"], one["id"], "exec"), namespace)
            passed += bool(mark(one).get("grade"))
    return passed


# ---- the source ----------------------------------------------------------------------------------


def test_it_is_a_notebook_with_everything_that_nbgrader_asks_for():
    notebook = worksheet()
    names = [one["id"] for one in notebook["cells"]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)
    pytest.importorskip("nbformat").validate(json.loads(to_bytes(notebook)))
    keys = {"grade", "grade_id", "locked", "schema_version", "solution", "task"}
    for one in notebook["cells"]:
        found = one["metadata"].get("nbgrader")
        if found:
            assert set(found) - {"points"} == keys and found["grade_id"] == one["id"]
            assert found["schema_version"] == 3 and ("points" in found) == found["grade"]
            assert found["locked"] == (found["grade"] and not found["solution"])
    assert [e.answer for e in exercises(notebook)] == list(MAKERS)
    assert [e.name for e in exercises(notebook)] == [f"{name}-check" for name in MAKERS]
    assert [e.points for e in exercises(notebook)] == [points for _, points, *_ in MAKERS.values()]
    by_hand = [one for one in notebook["cells"] if mark(one).get("solution") and mark(one)["grade"]]
    assert [one["id"] for one in by_hand] == [f"words-{number:02}" for number in range(8)]
    assert {one["cell_type"] for one in by_hand} == {"markdown"}
    assert {mark(one)["points"] for one in by_hand} == {POINTS}


def test_its_first_code_cell_is_that_of_every_notebook():
    for path in sources("en"):
        cells = read_notebook(path)["cells"]
        first = next(one["source"] for one in cells if one["cell_type"] == "code")
        assert cell(worksheet(), "bootstrap")["source"] == first


def test_it_names_all_its_points_and_questions():
    notebook = worksheet()
    points = sum(mark(one).get("points", 0) for one in notebook["cells"])
    title = cell(notebook, "title")["source"]
    assert f"{points} points" in " ".join(title.split()) and f"{len(MAKERS)} tasks" in title


def test_what_to_read_again_are_headings_of_the_notebooks():
    for exercise, (lesson, *_) in zip(exercises(worksheet()), MAKERS.values(), strict=True):
        number, heading = re.fullmatch(r"notebook (\d\d), (.+)", exercise.again).groups()
        (path,) = (p for p in sources("en") if p.stem.startswith(number))
        texts = [one["source"] for one in read_notebook(path)["cells"]]
        assert number == lesson
        assert any(re.search(rf"^##+ {re.escape(heading)}$", text, re.M) for text in texts), heading
        assert exercise.title.endswith(f"(notebook {lesson})")


def test_questions_name_tasks_and_headings_that_exist():
    headings = [task.title for task in tasks(EXAMPLE)]
    for path in sources("en"):
        for one in read_notebook(path)["cells"]:
            headings += re.findall(r"^##+ (?:\d\. )?(.+)$", one["source"], re.M)
    named = [name for q in QUESTIONS["en"] for name in re.findall(r"\*([A-Z].+?)\*", q.text)]
    assert len(named) >= 8 and set(named) <= set(headings)


# ---- solved --------------------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["", "bob", "o'brien <b>", "学生", "ann@example.org"])
def test_solved_it_passes_for_everybody(student, capsys):
    notebook = worksheet()
    typed = cell(notebook, "student")
    assert 'STUDENT = ""' in typed["source"]
    typed["source"] = typed["source"].replace('STUDENT = ""', f"STUDENT = {student!r}")
    assert run(notebook) == len(MAKERS)
    said = capsys.readouterr().out
    assert f"Student {student or EXAMPLE}:" in said
    assert all(task.text in said for task in tasks(student or EXAMPLE))


def test_solved_it_passes_for_whom_the_grader_names(monkeypatch, capsys):
    monkeypatch.setenv(variant.GRADER, "cleo")
    assert run(worksheet()) == len(MAKERS)
    assert tasks("cleo")[0].text in capsys.readouterr().out


def test_a_friends_solved_worksheet_earns_nothing(monkeypatch):
    notebook = worksheet(student="ann")
    monkeypatch.setenv(variant.GRADER, "bob")
    for name in MAKERS:
        answered = {"STUDENT": "ann", name.replace("-", "_"): solution(name, "ann")}
        with pytest.raises(AssertionError):
            exec(cell(notebook, f"{name}-check")["source"], answered)


# ---- released ------------------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["", "ann"])
def test_the_release_has_nothing_of_the_solutions(student):
    text = to_bytes(released(student=student)).decode("utf-8")
    assert "SOLUTION" not in text and "import solution" not in text and "solution(" not in text
    for question in QUESTIONS["en"]:
        for earned in (question.full, question.half, question.none):
            assert earned[:40] not in text
    assert text.count("raise NotImplementedError()") == len(MAKERS) + (not student)
    assert text.count("YOUR ANSWER HERE") == len(QUESTIONS["en"])
    for task in tasks(student or EXAMPLE):
        right = task.expected if isinstance(task.expected, list) else [task.expected]
        if task.form in ("number", "numbers"):
            assert not any(f"{value:.3f}" in text for value in right)
        else:
            assert json.dumps(task.expected)[1:-1] not in text


def test_an_answer_in_the_release_is_still_found_when_its_cell_has_lost_its_id():
    notebook = released(student="bob")
    for one in notebook["cells"]:
        if one["id"] == "preference":
            one["source"] = f"preference = {solution('preference', 'bob')}"
        if mark(one):
            one["metadata"] = {}
    report = grade_notebook(worksheet(), notebook, student="bob")
    earned = {result.exercise.answer: result.points for result in report.results}
    assert earned.pop("preference") == 1 and not any(earned.values())


def test_without_an_id_the_first_cell_asks_for_it():
    with pytest.raises(NotImplementedError):
        run(released())
    check = cell(released(), "preference-check")["source"]
    with pytest.raises(ValueError, match="Write your id between the quotation marks"):
        exec(check, {"STUDENT": "", "preference": 0.5})


@pytest.mark.parametrize("student", ODD)
def test_a_students_own_release_has_id_and_tasks_in_it(student):
    notebook = json.loads(to_bytes(released(student=student)))
    texts = ["".join(one["source"]) for one in notebook["cells"] if one["cell_type"] == "markdown"]
    for task in tasks(student):
        assert any(task.text in text and task.title in text for text in texts)
    title = texts[0]
    shown = re.search(r"<code>(.*?)</code>", title)[1]
    assert html.unescape(shown) == student
    assert not re.search(r"[^\w&#;]", shown), "no sign of the id means anything to Markdown or HTML"
    (source,) = ("".join(c["source"]) for c in notebook["cells"] if c["id"] == "student")
    (value,) = (node.value for node in ast.parse(source).body if isinstance(node, ast.Assign))
    assert ast.literal_eval(value) == student
    assert not any(one["id"].endswith("-show") for one in notebook["cells"])


@pytest.mark.parametrize("student", ["a\nb", " ", "a\x1b[31m"])
def test_ids_that_nobody_can_read_make_no_worksheet(student):
    with pytest.raises(ValueError, match="whose tasks|cannot be seen"):
        worksheet(student=student)


def test_a_language_without_texts_is_told(monkeypatch):
    monkeypatch.setattr(writing, "language", lambda: "zh")
    with pytest.raises(ValueError, match="no worksheet in the language 'zh'"):
        worksheet()
    assert TEXT.keys() == QUESTIONS.keys()


# ---- graded --------------------------------------------------------------------------------------


def test_grade_gives_a_solved_worksheet_all_points_and_a_copied_one_none():
    source, mine = worksheet(), worksheet(student="ann")
    report = grade_notebook(source, mine, student="ann")
    assert (report.points, report.problems) == (report.most, [])
    assert len(report.notes) == len(MAKERS)  # answers that look their value up are remarked
    assert report.waiting == POINTS * len(QUESTIONS["en"])
    for name in MAKERS:
        value = solution(name, "ann")
        cell(mine, name)["source"] = f"{name.replace('-', '_')} = {value!r}"
    assert grade_notebook(source, mine).points == report.most, "the notebook names the student"
    assert grade_notebook(source, mine, student="bob").points == 0


def test_it_is_written_by_python_alone():
    code = ("import sys\n"
            "from minigpt.classroom.worksheet.worksheet import released, rubric, worksheet\n"
            "worksheet(), released(student='ann'), rubric()\n"
            "print(*{'torch', 'numpy', 'IPython', 'matplotlib'} & set(sys.modules))")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_the_rubric_has_a_row_for_each_question():
    lines = rubric().strip().split("\n")
    assert len(lines) == 2 + len(QUESTIONS["en"])
    for line, question in zip(lines[2:], QUESTIONS["en"], strict=True):
        parts = re.split(r"(?<!\\)\|", line)[1:-1]
        cells = [part.strip().replace("\\|", "|") for part in parts]
        assert cells == [question.lesson, f"**{question.title}.** {question.text}", question.full,
                         question.half, question.none]  # fmt: skip
    notebook = worksheet()
    for question in QUESTIONS["en"]:
        source = cell(notebook, f"words-{question.lesson}")["source"]
        assert all(part in source for part in (question.full, question.half, question.none))


@pytest.mark.slow
def test_nbgrader_releases_and_grades_it(nbgrader, tmp_path):
    settings = 'c = get_config()\nc.CourseDirectory.course_id = "minigpt"\n'
    (tmp_path / "nbgrader_config.py").write_text(settings, encoding="utf-8")

    def put(place: str, notebook: dict) -> None:
        folder = tmp_path / place / "worksheet"
        folder.mkdir(parents=True)
        (folder / "worksheet.ipynb").write_bytes(to_bytes(notebook))

    put("source", worksheet())
    nbgrader(tmp_path, "generate_assignment", "worksheet")
    release = read_notebook(tmp_path / "release" / "worksheet" / "worksheet.ipynb")
    ours = released()
    for theirs, mine in zip(release["cells"], ours["cells"], strict=True):
        assert theirs["source"].strip() == mine["source"].strip(), mine["id"]
    work = released(student="ann")
    for name in MAKERS:
        cell(work, name)["source"] = f"{name.replace('-', '_')} = {solution(name, 'ann')!r}"
    cell(work, "words-05")["source"] = "My own words."
    put("submitted/ann", work)
    put("submitted/bob", work)  # copied
    nbgrader(tmp_path, "autograde", "worksheet")
    nbgrader(tmp_path, "export")
    header, *lines = (tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    scores = {row["student_id"]: float(row["raw_score"]) for row in rows}
    assert scores == {"ann": sum(points for _, points, *_ in MAKERS.values()), "bob": 0}


def test_checks_ask_whose_tasks_they_are():
    for name in MAKERS:
        check = cell(worksheet(), f"{name}-check")["source"]
        assert f'check_answer("{name}", {name.replace("-", "_")}, student_id(STUDENT))' in check
    check_answer("preference", solution("preference", "ann"), "ANN")
