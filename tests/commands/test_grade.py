"""`grade`: a class of thirty from the course folder to the table of points, and one notebook."""

import copy
import csv
import html
import json
import random
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import pytest

from minigpt.classroom.grading import write
from minigpt.classroom.grading.marking import grade_notebook
from minigpt.classroom.grading.repair import mark
from minigpt.classroom.grading.write import read_json
from minigpt.classroom.notebook import exercises, read_notebook, to_bytes, without_solutions
from minigpt.classroom.worksheet import worksheet as sheets
from minigpt.classroom.worksheet.worksheet import personal, worksheet
from minigpt.commands import collect, course, grade
from minigpt.maintain import build
from minigpt.store.files import ROOT, Problem

pytestmark = pytest.mark.notebook  # it runs the answers in notebooks

STEM = "01_tokenization"
SOURCE = read_json(ROOT / "notebooks" / "source" / "en" / f"{STEM}.ipynb")
ANSWERS = ("count-pairs", "merge", "encode-solution", "decode")  # worth 1, 2, 3 and 2 points


def solved():
    """The release, as students get it, with the solutions pasted into it."""
    notebook = without_solutions(SOURCE)
    for cell, solution in zip(notebook["cells"], SOURCE["cells"], strict=True):
        if mark(cell).get("solution"):
            cell["source"] = re.sub(r"(?m)^ *### (BEGIN|END) SOLUTION\n?", "",
                                    "".join(solution["source"]))  # fmt: skip
    return notebook


def cell(notebook, name):
    return next(c for c in notebook["cells"] if mark(c).get("grade_id") == name)


def place(notebook, name):
    return notebook["cells"].index(cell(notebook, name))


def with_answer(name, old, new):
    """A change: in this answer `new` stands instead of `old`."""

    def change(notebook):
        found = cell(notebook, name)
        assert old in found["source"]
        found["source"] = found["source"].replace(old, new)

    return change


# ---- ten perfect ones ----------------------------------------------------------------------


def nothing(notebook):
    pass


def saved_by_colab(notebook):
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}
    for one in notebook["cells"]:
        one.pop("id", None)
        one["metadata"]["id"] = "x"


def own_helper(notebook):
    at = place(notebook, "count-pairs")
    helper = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 7,
              "source": "def neighbours(word):\n    return list(zip(word, word[1:]))"}  # fmt: skip
    notebook["cells"].insert(at, helper)
    with_answer("count-pairs", "zip(tokens, tokens[1:])", "neighbours(tokens)")(notebook)


def notes_and_outputs(notebook):
    for one in notebook["cells"]:
        if one["cell_type"] == "code":
            one["execution_count"] = 3
            one["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 10_000}]
    notebook["cells"].insert(3, {"cell_type": "markdown", "metadata": {}, "source": "My notes"})


def played_in_the_lesson(notebook):
    code = [c for c in notebook["cells"] if c["cell_type"] == "code" and not mark(c)]
    code[2]["source"] += "\nraise ValueError('what happens?')"
    notebook["cells"].remove(code[4])


def imports_of_the_lesson(notebook):
    with_answer("decode", "return ", "assert len(SPLIT_PATTERN) > 9\n    return ")(notebook)


def lists_of_lines(notebook):
    for one in notebook["cells"]:
        one["source"] = "".join(one["source"]).splitlines(keepends=True)


def magics(notebook):
    found = cell(notebook, "merge")
    found["source"] = "%matplotlib inline\n" + found["source"] + "\n!ls"


def chatty(notebook):
    with_answer("encode-solution", "return [", "print(tokens)\n            return [")(notebook)


def checks_edited(notebook):
    cell(notebook, "merge-check")["source"] = "print('let me try')"


PERFECT = [nothing, saved_by_colab, own_helper, notes_and_outputs, played_in_the_lesson,
           imports_of_the_lesson, lists_of_lines, magics, chatty, checks_edited]  # fmt: skip

# ---- ten with a mistake: (answer, what stands there, what the student wrote, points) -----------

MISTAKES = [
    ("count-pairs", "zip(tokens, tokens[1:])", "zip(tokens[:-2], tokens[1:])", 7),
    ("count-pairs", "counts.get(pair, 0) + n", "1", 7),
    ("count-pairs", "    return counts", "    print(counts)", 7),
    ("merge", "i += 2", "i += 1", 6),
    ("merge", "while i < len(tokens):", "while i < len(tokens) - 1:", 6),
    ("merge", "out, i = [], 0", "out, i = tokens, 0", 6),  # grows what it walks along: no end
    ("encode-solution", "min(known)", "known[0]", 5),
    ("encode-solution", "min(known)", "max(known)", 5),
    ("decode", ', errors="replace"', "", 6),
    ("decode", "def decode(ids, vocabulary):", "def decode(ids, vocabulary)", 6),
]


# ---- ten damaged ones ----------------------------------------------------------------------


def copied(notebook):
    """The exercise was tried in a copy of its cell, and the original left open."""
    at = place(notebook, "merge")
    twin = copy.deepcopy(notebook["cells"][at])
    twin["id"] = "merge-2"
    notebook["cells"][at]["source"] = cell(without_solutions(SOURCE), "merge")["source"]
    notebook["cells"].insert(at + 1, twin)


def split(notebook):
    at = place(notebook, "encode-solution")
    lines = notebook["cells"][at]["source"].splitlines(keepends=True)
    rest = copy.deepcopy(notebook["cells"][at]) | {"source": "".join(lines[3:]), "id": "rest"}
    notebook["cells"][at]["source"] = "".join(lines[:3])
    notebook["cells"].insert(at + 1, rest)


def answer_deleted(notebook):
    notebook["cells"].remove(cell(notebook, "encode-solution"))


def check_deleted(notebook):
    notebook["cells"].remove(cell(notebook, "decode-check"))


def id_renamed(notebook):
    cell(notebook, "merge")["metadata"]["nbgrader"]["grade_id"] = "merge (1)"


def metadata_lost(notebook):
    for one in notebook["cells"]:
        if mark(one) and not mark(one)["grade_id"].startswith("count"):
            one["metadata"] = {}


def turned_into_text(notebook):
    found = cell(notebook, "decode")
    found["cell_type"] = "markdown"
    del found["outputs"], found["execution_count"]


def moved(notebook):
    at = place(notebook, "count-pairs-check")
    notebook["cells"].insert(2, notebook["cells"].pop(at))


def loops(notebook):
    with_answer("merge", "out, i = [], 0", "while True: pass")(notebook)


def crashes(notebook):
    with_answer("count-pairs", "counts = {}", "import os; os.abort()")(notebook)


DAMAGED = [  # what happened, points, what the teacher reads
    (copied, 8, "cell 'merge' is there 2 times: number 2 is graded"),
    (split, 8, "cell 'encode-solution' was split into 2: they are joined again"),
    (answer_deleted, 5, "cell 'encode-solution' is missing: 0 points"),
    (check_deleted, 8, "cell 'decode-check' is missing: it was put back"),
    (id_renamed, 8, "cell 'merge' lost its id: it was found by what it defines"),
    (metadata_lost, 8, "cell 'decode' lost its id: it was found by what it defines"),
    (turned_into_text, 8, "cell 'decode' was turned into text: it is run as code again"),
    (moved, 8, "cell 'count-pairs-check' was moved up"),
    (loops, 6, "merge-check: it ran longer than 5 seconds, and was stopped"),
    (crashes, 7, "count-pairs-check: it ended Python itself"),
]


def hand_in(folder: Path, student: str, notebook: dict, name: str = f"{STEM}.ipynb") -> None:
    there = folder / "submitted" / student / STEM
    there.mkdir(parents=True)
    (there / name).write_text(json.dumps(notebook), encoding="utf-8")


def changed(change) -> dict:
    notebook = solved()
    change(notebook)
    return notebook


def a_class(folder: Path) -> dict[str, tuple[float, str]]:
    """Hand in thirty notebooks; what each should earn, and what should be remarked."""
    expected = {}
    for number, change in enumerate(PERFECT):
        hand_in(folder, f"perfect-{number}", changed(change))
        expected[f"perfect-{number}"] = (8, "")
    for number, (name, old, new, points) in enumerate(MISTAKES):
        hand_in(folder, f"mistaken-{number}", changed(with_answer(name, old, new)))
        expected[f"mistaken-{number}"] = (points, "")
    for number, (change, points, remark) in enumerate(DAMAGED):
        hand_in(folder, f"damaged-{number}", changed(change))
        expected[f"damaged-{number}"] = (points, remark)
    return expected


def rows(path: Path) -> dict[str, dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file) if row["assignment"] == STEM}


def test_a_class_of_thirty_gets_exactly_its_points(tmp_path, capsys):
    folder = tmp_path / "class"
    course.main([str(folder)])
    expected = a_class(folder)
    submitted = {p: p.read_bytes() for p in (folder / "submitted").rglob("*.ipynb")}
    assert grade.main([str(folder), STEM, "--seconds", "5"]) == 0
    found = rows(folder / "points.csv")
    scores = {student: (float(row["score"]), float(row["max_score"]))
              for student, row in found.items()}  # fmt: skip
    assert scores == {student: (points, 8) for student, (points, _) in expected.items()}
    said = capsys.readouterr().out
    for student, (_, remark) in expected.items():
        assert remark in found[student]["remarks"] and remark in said
        page = (folder / "returned" / student / f"{STEM}.html").read_text(encoding="utf-8")
        assert f"{scores[student][0]:g} of 8 points" in page
    assert {p: p.read_bytes() for p in (folder / "submitted").rglob("*.ipynb")} == submitted


CHECKED = "--CourseDirectory.submitted_directory=checked"


def test_nbgrader_gives_the_same_points(nbgrader, tmp_path, capsys):
    """By the commands that `grade` prints; what students get stays as it is."""
    folder = tmp_path / "my class"
    course.main([str(folder)])
    release = {path: path.read_bytes() for path in course.release(folder)}
    expected = a_class(folder)
    grade.main([str(folder), STEM, "--seconds", "5"])
    said = capsys.readouterr().out
    (there,) = re.findall(r"^    cd (.+)$", said, re.M)
    assert shlex.split(there) == [str(folder)]
    printed = re.findall(r"^    nbgrader (.+)$", said, re.M)
    assert [line.split()[:2] for line in printed] == [["generate_assignment", STEM],
                                                      ["autograde", STEM]]  # fmt: skip
    for line in printed:
        nbgrader(folder, *line.split())
    assert {path: path.read_bytes() for path in release} == release
    nbgrader(folder, "generate_feedback", STEM, CHECKED)
    nbgrader(folder, "export")
    found = {student: float(row["score"]) for student, row in rows(folder / "grades.csv").items()}
    assert found == {student: points for student, (points, _) in expected.items()}
    ours = {student: float(row["score"]) for student, row in rows(folder / "points.csv").items()}
    assert found == ours
    assert len(list((folder / "feedback").glob(f"*/{STEM}/*.html"))) == 30


def test_every_assignment_goes_through_grade_and_nbgrader(nbgrader, tmp_path):
    """Made by nbgrader, handed in solved and as it came, graded, and graded again by nbgrader."""
    folder = tmp_path / "class"
    course.main([str(folder)])
    names = sorted(path.name for path in (folder / "source").iterdir())
    for name in names:
        nbgrader(folder, "generate_assignment", name)
        for student, kind in (("ada", "source"), ("bob", "release")):
            there = folder / "submitted" / student / name
            there.mkdir(parents=True)
            file = f"{name}.ipynb"
            notebook = read_notebook(folder / kind / name / file)
            if name == "worksheet":
                make = sheets.solved if kind == "source" else personal
                notebook = make(worksheet(), student, course.secret_of(folder))
            (there / file).write_bytes(to_bytes(notebook))
    grade.main([str(folder)])
    for name in names:
        nbgrader(folder, "autograde", name, CHECKED)
    nbgrader(folder, "export")
    table = {}
    for file in ("points.csv", "grades.csv"):
        with (folder / file).open(encoding="utf-8", newline="") as lines:
            table[file] = {(row["student_id"], row["assignment"]): float(row["score"])
                           for row in csv.DictReader(lines)}  # fmt: skip
    sources = {name: read_json(folder / "source" / name / f"{name}.ipynb") for name in names}
    most = {name: sum(e.points for e in exercises(sources[name])) for name in names}
    expected = {("ada", name): most[name] for name in names} | {("bob", name): 0 for name in names}
    assert table["points.csv"] == table["grades.csv"] == expected


def test_files_that_cannot_be_read_are_named_and_the_rest_is_graded(tmp_path, capsys):
    folder = tmp_path / "class"
    course.main([str(folder)])
    hand_in(folder, "renamed", solved(), f"{STEM} (1).ipynb")
    hand_in(folder, "twice", solved())
    (folder / "submitted" / "twice" / STEM / "Untitled.ipynb").write_text(
        json.dumps(without_solutions(SOURCE)), encoding="utf-8")  # fmt: skip
    broken = {"cut-off": json.dumps(solved())[:5000].encode(), "empty": b"", "page": b"<html>",
              "latin": "{\"cells\": [], \"x\": \"é\"}".encode("latin-1"),
              "list": b"[1, 2]", "other": json.dumps({"cells": []}).encode()}  # fmt: skip
    for student, data in broken.items():
        hand_in(folder, student, {})
        (folder / "submitted" / student / STEM / f"{STEM}.ipynb").write_bytes(data)
    (folder / "submitted" / "nothing" / STEM).mkdir(parents=True)
    bom = folder / "submitted" / "bom" / STEM
    bom.mkdir(parents=True)
    (bom / f"{STEM}.ipynb").write_text(json.dumps(solved()), encoding="utf-8-sig")
    assert grade.main([str(folder)]) == 1, "one notebook displaced another"
    found = rows(folder / "points.csv")
    full = {student for student, row in found.items() if float(row["score"]) == 8}
    assert full == {"renamed", "twice", "bom"} and len(found) == 4 + len(broken)
    for student, remark in {
        "renamed": f"graded as {STEM}.ipynb", "twice": "a second 01_tokenization, not graded",
        "cut-off": "cut off, or no notebook", "empty": "it is empty", "page": "no notebook",
        "latin": "no text in UTF-8", "list": "no list of cells", "nothing": "nothing to grade",
    }.items():  # fmt: skip
        assert remark in found[student]["remarks"], student
    for student in ("twice", "cut-off", "empty", "page", "latin", "list", "nothing"):
        page = (folder / "returned" / student / f"{STEM}.html").read_text(encoding="utf-8")
        assert html.escape(remarks_of(found[student]), quote=False)[:20] in page, student
    said = capsys.readouterr().out
    assert f"Files not used: {len(broken)}\n" in said  # "other" goes by its name, "twice" has one
    assert f"  cut-off/{STEM}/{STEM}.ipynb: it is empty, cut off" in said


def remarks_of(row: dict) -> str:
    return row["remarks"].split(": ", 1)[1]


def test_random_inputs_go_by_the_course_folders_own_seed(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        course.main([str(folder)])
    one, two = map(course.secret_of, folders)
    assert one != two
    assert course.lay_out(folders[0])[1] == [] and course.secret_of(folders[0]) == one
    source = folders[0] / "source" / STEM / f"{STEM}.ipynb"
    notebook = read_json(source)
    hidden = f"assert trial_random().random() == {random.Random(one).random()!r}"
    cell(notebook, "merge-check")["source"] += [f"\n### BEGIN HIDDEN TESTS\n{hidden}\n",
                                                "### END HIDDEN TESTS"]  # fmt: skip
    source.write_text(json.dumps(notebook), encoding="utf-8")
    hand_in(folders[0], "ada", solved())
    grade.main([str(folders[0]), STEM])
    assert rows(folders[0] / "points.csv")["ada"]["score"] == "8"


def test_points_of_other_assignments_stay(tmp_path):
    folder = tmp_path / "class"
    course.main([str(folder)])
    hand_in(folder, "ada", solved())
    time = folder / "submitted" / "ada" / STEM / "timestamp.txt"
    time.write_text("2026-01-02 03:04:05 UTC", encoding="utf-8")
    line = 'bob,00_overview,3,4,0,0,0,,"said, in class"\n'
    table = folder / "points.csv"
    table.write_text(f"{','.join(write.COLUMNS)}\n{line}", encoding="utf-8")
    grade.main([str(folder), STEM])
    assert table.read_text(encoding="utf-8").splitlines()[1:] == [
        f"ada,{STEM},8,8,0,0,0,,", line.strip()]  # fmt: skip
    checked = folder / "checked" / "ada" / STEM
    assert (checked / "timestamp.txt").read_bytes() == time.read_bytes()  # nbgrader's lateness


def small(folder: Path, *names: str) -> Path:
    """A course folder of these assignments alone."""
    course.lay_out(folder)
    for path in (folder / "source").iterdir():
        if path.name not in names:
            shutil.rmtree(path)
    return folder


def format_3(notebook):
    """The notebook as Jupyter wrote it before 2015."""
    cells = []
    for one in notebook["cells"]:
        source = "".join(one["source"])
        if one["cell_type"] == "code":
            cells.append({"cell_type": "code", "input": source, "outputs": [], "language": "python",
                          "metadata": one["metadata"], "prompt_number": 1})  # fmt: skip
        else:
            cells.append({"cell_type": "markdown", "source": source, "metadata": one["metadata"]})
    cells.insert(0, {"cell_type": "heading", "level": 2, "source": "Mine", "metadata": {}})
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}


def test_everybody_on_the_roster_is_in_the_result_and_the_dates_count(tmp_path, capsys):
    folder = small(tmp_path / "class", STEM)
    (folder / "class.csv").write_text(
        f"id,name,{STEM}\nada,Ada,\nbob,Bob,2026-03-09\ncleo,,\ndan,,\n", encoding="utf-8"
    )
    (folder / "due.csv").write_text(f"assignment,due\n{STEM},2026-03-02\n", encoding="utf-8")
    for student, name in (("ADA", "01.ipynb.txt"), ("bob", "01 (1).IPYNB"), ("cleo", "a.ipynb")):
        hand_in(folder, student, format_3(solved()) if student == "cleo" else solved(), name)
        time = folder / "submitted" / student / STEM / "timestamp.txt"
        time.write_text("2026-03-04 12:00:00.5 UTC", encoding="utf-8")
    hand_in(folder, "=eve", without_solutions(SOURCE))
    (folder / "submitted" / "=eve" / STEM / "notes.pdf").write_bytes(b"x")
    assert grade.main([str(folder), STEM]) == 0
    found = rows(folder / "points.csv")
    assert {who: row["score"] for who, row in found.items()} == {
        "ADA": "8", "bob": "8", "cleo": "8", "'=eve": "0", "dan": "0"}  # fmt: skip
    assert found["dan"]["remarks"] == "nothing handed in" and found["dan"]["max_score"] == "8"
    assert found["ADA"]["late"].endswith(" hours") and 30 < float(found["ADA"]["late"][:4]) < 50
    assert (found["bob"]["late"], found["dan"]["late"]) == ("", "")
    assert "not in class.csv" in found["'=eve"]["remarks"]
    said = capsys.readouterr().out
    assert f"ADA  {STEM}  8 of 8, late: {found['ADA']['late']}\n" in said
    assert f"{STEM}: nothing handed in by dan\n" in said and "Not in class.csv: =eve\n" in said
    assert f"Files not used: 1\n  =eve/{STEM}/notes.pdf: no notebook\n" in said
    hand_in(folder, "dan", solved())
    assert grade.main([str(folder), "--student", "DAN", STEM]) == 0
    assert rows(folder / "points.csv")["dan"]["score"] == "8"
    assert "1 of 1  dan" in capsys.readouterr().out
    (folder / "due.csv").write_text(f"assignment,due\n{STEM},soon\n", encoding="utf-8")
    with pytest.raises(Problem, match="'soon' is no date"):
        grade.main([str(folder), "--student", "dan"])
    hand_in(folder, "Dan", solved())
    with pytest.raises(Problem, match="are one student's"):
        grade.main([str(folder)])


def test_a_worksheet_from_moodle_gets_its_points_and_words_are_merged(tmp_path, capsys):
    folder = small(tmp_path / "class", "worksheet")
    (folder / "class.csv").write_text("id,name\nada,Ada King\nbob,Bob Ray\neve\n", encoding="utf-8")
    secret, settings = "0123456789abcdef", folder / "nbgrader_config.py"  # no task of both is alike
    text = settings.read_text(encoding="utf-8").replace(course.secret_of(folder), secret)
    settings.write_text(text, encoding="utf-8")

    def work(student, words=""):
        notebook = personal(worksheet(), student, secret)
        for one, right in zip(
            notebook["cells"], sheets.solved(worksheet(), student, secret)["cells"]
        ):
            if mark(one).get("solution") and one["cell_type"] == "code" and one["id"] != "student":
                one["source"] = right["source"]
        cell(notebook, "words-03")["source"] = words or "YOUR ANSWER HERE"
        return notebook

    def collected(**handed):
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as out:
            for name, notebook in handed.items():
                place = f"{name.replace('_', ' ')}_17_assignsubmission_file_/ws.ipynb"
                out.writestr(place, to_bytes(notebook))
        assert collect.main([str(tmp_path / "all.zip"), str(folder), "worksheet"]) == 0
        assert grade.main([str(folder)]) == 0
        with (folder / "points.csv").open(encoding="utf-8", newline="") as file:
            return {row["student_id"]: row for row in csv.DictReader(file)}

    found = collected(Ada_King=work("ada", "=My words"), Bob_Ray=work("ada"))
    keys = ("score", "max_score", "words", "max_words", "waiting")
    assert [found["ada"][k] for k in keys] == ["20", "20", "0", "16", "2"]
    assert [found["bob"][k] for k in keys] == ["0", "20", "0", "16", "0"]
    assert [found["eve"][k] for k in keys] == ["0", "20", "0", "16", "0"], "nothing handed in"
    said = "this is the worksheet of 'ada', and it was handed in by 'bob', whose tasks are others"
    assert said in found["bob"]["remarks"] and said not in found["ada"]["remarks"]
    page = (folder / "returned" / "bob" / "worksheet.html").read_text(encoding="utf-8")
    assert html.escape(said, quote=False).split("'")[0] in page
    assert "2 points for answers in words are yours to give" in capsys.readouterr().out
    table = folder / "words.csv"
    text = table.read_text(encoding="utf-8")
    assert "ada,worksheet,words-03,,2,'=My words\n" in text
    table.write_text(text.replace("words-03,,2", "words-03,1.5,2"), encoding="utf-8")
    assert grade.main([str(folder), "--student", "ada"]) == 0
    found = collected(Ada_King=work("ada", "=My words"))
    assert [found["ada"][k] for k in keys] == ["20", "20", "1.5", "16", "0"]
    found = collected(Ada_King=work("ada", "Other words"))
    assert [found["ada"][k] for k in keys] == ["20", "20", "0", "16", "2"]
    assert "words-03: answered anew, it waits" in found["ada"]["remarks"]
    filled = table.read_text(encoding="utf-8").replace("words-03,,2", "words-03,3,2")
    table.write_text(filled, encoding="utf-8")
    with pytest.raises(Problem, match="'3' is no number of points from 0 to 2"):
        grade.main([str(folder), "--student", "ada"])


def test_a_file_in_a_course_folder_is_graded_by_that_folders_source(tmp_path, capsys):
    folder = small(tmp_path / "class", STEM, "worksheet")
    path = folder / "source" / STEM / f"{STEM}.ipynb"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"points": 3', '"points": 13'), encoding="utf-8")
    assert grade.main([str(path)]) == 0
    assert "18 of 18 points" in capsys.readouterr().out
    assert grade.main([str(folder / "source" / "worksheet" / "worksheet.ipynb")]) == 0
    assert "20 of 20 points" in capsys.readouterr().out


def test_a_python_without_torch_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(grade.importlib.util, "find_spec", lambda name: name != "torch")
    with pytest.raises(Problem, match="has no torch, so that right answers would fail"):
        grade.main([str(tmp_path)])


def test_whatever_ends_a_grading_costs_that_student_alone(tmp_path, monkeypatch):
    folder = small(tmp_path / "class", STEM)
    for student in ("ada", "bob"):
        hand_in(folder, student, solved())
    whole = write.grade_notebook

    def breaks(source, handed, seconds, student="", seed=""):
        if student == "ada":
            raise RecursionError("too deep")
        return whole(source, handed, seconds, student, seed)

    monkeypatch.setattr(write, "grade_notebook", breaks)
    assert grade.main([str(folder)]) == 0
    found = rows(folder / "points.csv")
    assert (found["ada"]["score"], found["bob"]["score"]) == ("0", "8")
    assert "it cannot be graded (RecursionError), 0 points" in found["ada"]["remarks"]
    assert (folder / "checked" / "ada" / STEM / f"{STEM}.ipynb").is_file()


def test_what_a_student_wrote_is_shown_and_not_run_by_the_page(tmp_path):
    folder = tmp_path / "class"
    course.main([str(folder)])
    evil = "raise ValueError('<script>alert(1)</script>')"
    hand_in(folder, "ada", changed(with_answer("merge", "out, i = [], 0", evil)))
    grade.main([str(folder), STEM])
    page = (folder / "returned" / "ada" / f"{STEM}.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_one_notebook_tells_its_points(tmp_path, capsys):
    path = tmp_path / "my work.ipynb"
    path.write_text(json.dumps(changed(with_answer("merge", "i += 2", "i += 1"))), encoding="utf-8")
    assert grade.main([str(path)]) == 1
    said = capsys.readouterr().out
    assert "Your turn: merge a pair: 0 of 2\n" in said and "6 of 8 points" in said
    assert "Read again: " in said
    path.write_text(json.dumps(solved()), encoding="utf-8")
    assert grade.main([str(path)]) == 0


def test_wrong_paths_and_names_are_told(tmp_path):
    with pytest.raises(Problem, match="no notebook and no course folder"):
        grade.main([str(tmp_path / "nowhere")])
    with pytest.raises(Problem, match="is no course folder"):
        grade.main([str(tmp_path)])
    course.main([str(tmp_path / "class")])
    with pytest.raises(Problem, match="Nothing was handed in"):
        grade.main([str(tmp_path / "class")])
    with pytest.raises(Problem, match="--student: whose tasks"):
        grade.main([str(tmp_path / "class"), "--student", " "])
    with pytest.raises(Problem, match="there is no .*/submitted/ann/ASSIGNMENT"):
        grade.main([str(tmp_path / "class"), "--student", "Ann"])
    with pytest.raises(Problem, match="There is no assignment '09'. There are: 00_overview"):
        grade.main([str(tmp_path / "class"), "09"])
    (tmp_path / "x.ipynb").write_text('{"cells": []}', encoding="utf-8")
    with pytest.raises(Problem, match="none of the course's exercises"):
        grade.main([str(tmp_path / "x.ipynb")])


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "source").glob("*/*.ipynb")),
                         ids=lambda p: f"{p.parent.name}-{p.stem}")  # fmt: skip
def test_four_ways(path):
    """The source earns all points, its release none, and the solutions in the release all."""
    source = read_json(path)
    release = read_json(ROOT / "notebooks" / path.parent.name / path.name)  # made by nbgrader
    expected = without_solutions(source)
    expected["cells"][0]["source"] = "".join(expected["cells"][0]["source"])
    build.tell_how_to_clear(expected, build.CLEAR["en"])
    for theirs, mine in zip(release["cells"], expected["cells"], strict=True):
        assert "".join(theirs["source"]).strip() == "".join(mine["source"]).strip()
    most = sum(exercise.points for exercise in exercises(source))
    everything = grade_notebook(source, source)
    assert everything.points == most, [r.message for r in everything.results]
    nothing_yet = grade_notebook(source, release)
    assert nothing_yet.points == 0 and nothing_yet.problems == nothing_yet.notes == []
    pasted = copy.deepcopy(release)
    for one in pasted["cells"]:
        if mark(one).get("solution"):
            one["source"] = cell(source, mark(one)["grade_id"])["source"]
    assert grade_notebook(source, pasted).points == most
    lines = {
        line.strip() for one in source["cells"]
        for part in re.findall(r"### BEGIN SOLUTION\n(.*?)### END", "".join(one["source"]), re.S)
        for line in part.splitlines() if len(line.strip()) > 20
    }  # fmt: skip
    lesson = [c for c in release["cells"] if c["cell_type"] == "code" and not mark(c).get("grade")]
    text = "\n".join("".join(one["source"]) for one in lesson)  # a hint may give a line away
    assert lines and not [line for line in lines if line in text]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "source").glob("*/*.ipynb")),
                         ids=lambda p: f"{p.parent.name}-{p.stem}")  # fmt: skip
def test_what_to_read_again_is_there(path):
    source = read_json(path)
    text = "\n".join("".join(c["source"]) for c in source["cells"] if c["cell_type"] == "markdown")
    headings = set(re.findall(r"^## (.+)$", text, re.M))
    assert {exercise.again for exercise in exercises(source)} <= headings
