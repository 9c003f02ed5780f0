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
from minigpt.classroom.grading.repair import mark, text
from minigpt.classroom.grading.your_own import SEED
from minigpt.classroom.notebook import exercises, read_notebook, sources, to_bytes
from minigpt.classroom.worksheet import variant
from minigpt.classroom.worksheet import worksheet as writing
from minigpt.classroom.worksheet.tasks import MAKERS
from minigpt.classroom.worksheet.worksheet import fill, filled, personal, solved, worksheet
from minigpt.store.files import ROOT

ODD = ["o'brien", '"', "学生", "</code><script>alert(1)</script>", "x" * 300, "*_[a](b)|$x$\\"]


SECRET, POINTS, QUESTIONS = "0123456789abcdef", 2, 8


@pytest.fixture(autouse=True)
def nobody_is_graded(monkeypatch):
    monkeypatch.delenv(variant.GRADER, raising=False)
    monkeypatch.delenv(SEED, raising=False)
    monkeypatch.setattr(variant, "AT_START", "")


def tasks(student):
    return variant.tasks(student, SECRET)


def solution(name, student):
    return variant.task(name, student, SECRET).expected


def released(student):
    return personal(worksheet(), student, SECRET)


def answered(student):
    """The student's own copy with right answers."""
    notebook = released(student)
    for name in MAKERS:
        cell(notebook, name)["source"] = f"{name.replace('-', '_')} = {solution(name, student)!r}"
    return notebook


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
    assert sum(e.points for e in exercises(notebook)) == 20
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
    title = cell(filled(notebook, "ann", SECRET), "title")["source"]
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
    headings = [re.match(r"### \d+\. (.+) \(notebook", c["source"])[1]
                for c in worksheet()["cells"] if c["id"].endswith("-task")]  # fmt: skip
    for path in sources("en"):
        for one in read_notebook(path)["cells"]:
            headings += re.findall(r"^##+ (?:\d\. )?(.+)$", one["source"], re.M)
    asked = [c["source"] for c in worksheet()["cells"] if c["id"].endswith("-question")]
    named = [name for text in asked for name in re.findall(r"\*([A-Z].+?)\*", text)]
    assert len(named) >= 8 and set(named) <= set(headings)


# ---- solved --------------------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["bob", "o'brien <b>", "学生", "ann@example.org"])
@pytest.mark.parametrize("secret", [SECRET, ""], ids=["grader", "student"])
def test_answered_it_passes_for_everybody(student, secret, monkeypatch, capsys):
    monkeypatch.setenv(SEED, secret)
    assert run(answered(student)) == len(MAKERS)
    assert capsys.readouterr().out.count("All checks pass.") == len(MAKERS)


def test_the_sources_solutions_pass_for_whom_they_are_filled_in(monkeypatch):
    monkeypatch.setenv(SEED, SECRET)
    assert run(solved(worksheet(), "cleo", SECRET)) == len(MAKERS)


@pytest.mark.parametrize("secret", [SECRET, ""], ids=["grader", "student"])
def test_a_friends_answers_earn_nothing(secret, monkeypatch):
    monkeypatch.setenv(SEED, secret)
    mine = {"__name__": "__main__"}
    exec(cell(released("bob"), "student")["source"], mine)
    for name in MAKERS:
        friends = {**mine, name.replace("-", "_"): solution(name, "ann")}
        with pytest.raises(AssertionError):
            exec(cell(worksheet(), f"{name}-check")["source"], friends)


def test_who_writes_another_ones_id_is_graded_by_their_own(monkeypatch):
    monkeypatch.setenv(SEED, SECRET)
    monkeypatch.setenv(variant.GRADER, "bob")
    for name in MAKERS:
        names = {"STUDENT": "ann", "SEAL": {}, name.replace("-", "_"): solution(name, "ann")}
        with pytest.raises(AssertionError):
            exec(cell(worksheet(), f"{name}-check")["source"], names)


# ---- released ------------------------------------------------------------------------------------


def test_the_release_has_nothing_of_the_solutions():
    text = to_bytes(released("ann")).decode("utf-8")
    assert "SOLUTION" not in text and "answer}" not in text
    for earned in re.findall(r"- \*\*\d\*\*: (.{40})", to_bytes(worksheet()).decode("utf-8")):
        assert earned not in text
    assert text.count("raise NotImplementedError()") == len(MAKERS)
    assert text.count("YOUR ANSWER HERE") == QUESTIONS
    for task in tasks("ann"):
        right = task.expected if isinstance(task.expected, list) else [task.expected]
        if task.form in ("number", "numbers"):
            assert not any(f"{value:.3f}" in text for value in right)
        else:
            assert json.dumps(task.expected)[1:-1] not in text


def test_an_answer_in_the_release_is_still_found_when_its_cell_has_lost_its_id():
    notebook = released("bob")
    for one in notebook["cells"]:
        if one["id"] == "preference":
            one["source"] = f"preference = {solution('preference', 'bob')}"
        if mark(one):
            one["metadata"] = {}
    report = grade_notebook(worksheet(), notebook, student="bob", seed=SECRET)
    earned = {result.exercise.answer: result.points for result in report.results}
    assert earned.pop("preference") == 1 and not any(earned.values())


def test_a_lost_first_cell_costs_no_points():
    notebook = answered("bob")
    notebook["cells"].remove(cell(notebook, "student"))
    report = grade_notebook(worksheet(), notebook, student="bob", seed=SECRET)
    assert report.points == report.most


def test_gaps_are_filled_and_other_braces_stay():
    assert (
        fill(r"{x:.2f} $\frac{a}{b}$ {other} {x}", {"x": 1.5}) == r"1.50 $\frac{a}{b}$ {other} 1.5"
    )
    source = worksheet()
    cell(source, "preference-task")["source"] = "My own words: {a} against {b}, {{x}}."
    source["cells"].remove(cell(source, "kept-tokens"))
    source["cells"].remove(cell(source, "kept-tokens-check"))
    mine = personal(source, "ann", SECRET)
    given = variant.task("preference", "ann", SECRET).given
    changed = f"My own words: {given['a']} against {given['b']}, {{{{x}}}}."
    assert cell(mine, "preference-task")["source"] == changed
    assert "12 tasks" in cell(mine, "title")["source"]


@pytest.mark.parametrize("student", ODD)
def test_a_students_own_release_has_id_and_tasks_in_it(student):
    notebook = json.loads(to_bytes(released(student)))
    texts = ["".join(one["source"]) for one in notebook["cells"] if one["cell_type"] == "markdown"]
    for task in tasks(student):
        told = fill(cell(worksheet(), f"{task.name}-task")["source"], task.given)
        assert told in texts
    title = texts[0]
    shown = re.search(r"<code>(.*?)</code>", title)[1]
    assert html.unescape(shown) == student
    assert not re.search(r"[^\w&#;]", shown), "no sign of the id means anything to Markdown or HTML"
    (source,) = ("".join(c["source"]) for c in notebook["cells"] if c["id"] == "student")
    who, _ = (node.value for node in ast.parse(source).body if isinstance(node, ast.Assign))
    assert ast.literal_eval(who) == student


@pytest.mark.parametrize("student", ["a\nb", " ", "a\x1b[31m"])
def test_ids_that_nobody_can_read_make_no_worksheet(student):
    with pytest.raises(ValueError, match="whose tasks|cannot be seen"):
        released(student)


def test_a_language_without_texts_is_told(monkeypatch):
    monkeypatch.setattr(writing, "language", lambda: "zh")
    with pytest.raises(ValueError, match="no worksheet in the language 'zh'"):
        worksheet()


# ---- graded --------------------------------------------------------------------------------------


def test_grade_gives_an_answered_worksheet_all_points_and_a_copied_one_none():
    source, mine = worksheet(), answered("ann")
    report = grade_notebook(source, mine, student="ann", seed=SECRET)
    assert (report.points, report.problems, report.notes) == (20, [], [])
    assert grade_notebook(source, mine, seed=SECRET).points == 20, "the notebook names the student"
    assert grade_notebook(source, mine).points == 20, "its seal suffices"
    assert grade_notebook(source, mine, student="bob", seed=SECRET).points == 0


def test_it_is_written_by_python_alone():
    code = ("import sys\n"
            "from minigpt.classroom.worksheet.worksheet import personal, worksheet\n"
            "personal(worksheet(), 'ann', 's')\n"
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


BAR = "\\|"  # the sign | inside a table of Markdown
COLUMNS = ("notebook", "question", "2 points", "1 point", "0 points")


def rubric(source: dict) -> str:
    """The questions in words and what earns 2, 1 and 0 points, as a table in Markdown."""
    cells = {cell.get("id", ""): text(cell) for cell in source["cells"]}
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|---|---|---|"]
    for name, asked in cells.items():
        if question := re.fullmatch(r"words-(\d\d)-question", name):
            title, _, body = asked.removeprefix("### ").partition("\n\n")
            earns = re.findall(r"^- \*\*\d\*\*: (.+)$", cells[f"words-{question[1]}"], re.M)
            row = (question[1], f"**{title}.** {' '.join(body.split())}", *earns)
            lines.append(f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |")
    return "\n".join(lines) + "\n"


def test_the_rubric_has_a_row_for_each_question():
    notebook = worksheet()
    lines = rubric(notebook).strip().split("\n")
    assert len(lines) == 2 + QUESTIONS
    for number, line in enumerate(lines[2:]):
        parts = re.split(r"(?<!\\)\|", line)[1:-1]
        lesson, question, *earns = [part.strip().replace("\\|", "|") for part in parts]
        assert lesson == f"{number:02}" and len(earns) == 3
        asked = cell(notebook, f"words-{lesson}-question")["source"]
        assert question.split(".** ")[1] in asked
        assert all(part in cell(notebook, f"words-{lesson}")["source"] for part in earns)
    page = (ROOT / "notebooks" / "rubrics.md").read_text(encoding="utf-8")
    assert rubric(notebook) in page


@pytest.mark.slow
def test_nbgrader_releases_and_grades_it(nbgrader, tmp_path):
    settings = ('c = get_config()\nc.CourseDirectory.course_id = "minigpt"\n'
                f'import os\nos.environ["{SEED}"] = "{SECRET}"\n')  # fmt: skip
    (tmp_path / "nbgrader_config.py").write_text(settings, encoding="utf-8")

    def put(place: str, notebook: dict) -> None:
        folder = tmp_path / place / "worksheet"
        folder.mkdir(parents=True)
        (folder / "worksheet.ipynb").write_bytes(to_bytes(notebook))

    put("source", worksheet())
    nbgrader(tmp_path, "generate_assignment", "worksheet")
    work = answered("ann")
    cell(work, "words-05")["source"] = "My own words."
    put("submitted/ann", work)
    put("submitted/bob", work)  # copied
    nbgrader(tmp_path, "autograde", "worksheet")
    nbgrader(tmp_path, "export")
    header, *lines = (tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    scores = {row["student_id"]: float(row["raw_score"]) for row in rows}
    assert scores == {"ann": 20, "bob": 0}
