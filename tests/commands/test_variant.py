"""`variant`: a student's own worksheet, a class's, and what the teacher may print of them."""

import os
import subprocess
import sys

import pytest

from minigpt.classroom.exchange.roster import Roster
from minigpt.classroom.notebook import read_notebook, to_bytes
from minigpt.classroom.worksheet.tasks import MAKERS
from minigpt.classroom.worksheet.variant import task
from minigpt.classroom.worksheet.worksheet import filled, personal, worksheet
from minigpt.commands import course, find_commands, variant
from minigpt.store.files import ROOT, Problem


@pytest.fixture
def folder(tmp_path):
    course.lay_out(tmp_path / "class")
    return tmp_path / "class"


def sheet(folder, student):
    return to_bytes(personal(worksheet(), student, course.secret_of(folder)))


def test_it_stands_in_the_help_and_needs_python_alone():
    command = find_commands()["variant"]
    assert command.environment is None and "Worksheets" in command.summary


def test_one_student_gets_a_worksheet(folder, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert variant.main([str(folder), "--student", " Ann ", "--out", str(out)]) == 0
    path = out / "worksheet-ann.ipynb"
    assert path.read_bytes() == sheet(folder, "Ann")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    said = capsys.readouterr().out
    assert "worksheet-ann.ipynb" in said and str(path.parent) in said


def test_without_a_folder_they_go_into_the_courses(folder):
    assert variant.main([str(folder), "--student", "ann"]) == 0
    assert (folder / "worksheets" / "worksheet-ann.ipynb").is_file()


def test_a_teachers_own_words_and_tasks_are_in_them(folder):
    path = folder / "source" / "worksheet" / "worksheet.ipynb"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("A reward model gives", "Our reward model gives"),
                    encoding="utf-8")  # fmt: skip
    assert variant.main([str(folder), "--student", "ann"]) == 0
    written = (folder / "worksheets" / "worksheet-ann.ipynb").read_text(encoding="utf-8")
    assert "Our reward model gives" in written and "{a}" not in written
    path.write_bytes(to_bytes({**read_notebook(path), "cells": []}))
    with pytest.raises(Problem, match="is no worksheet"):
        variant.main([str(folder), "--student", "ann"])


def test_two_course_folders_draw_different_tasks(folder, tmp_path):
    course.lay_out(tmp_path / "other")
    assert course.lay_out(folder)[1] == [], "and the same folder keeps its secret"
    one, two = (sheet(f, "ann") for f in (folder, tmp_path / "other"))
    assert one != two and sheet(folder, "ANN").count(b"ANN") > 0


def test_what_differs_is_never_overwritten(folder, capsys):
    ask = [str(folder), "--student", "ann"]
    path = folder / "worksheets" / "worksheet-ann.ipynb"
    assert variant.main(ask) == 0
    before = path.stat().st_mtime_ns
    assert variant.main(ask) == 0, "the same file again is no trouble"
    assert path.stat().st_mtime_ns == before
    path.write_text("my work", encoding="utf-8")
    (folder / "class.csv").write_text("ann\nbob\n", encoding="utf-8")
    with pytest.raises(Problem, match="stay as they are: worksheet-ann.ipynb"):
        variant.main([str(folder)])
    assert (folder / "worksheets" / "worksheet-bob.ipynb").is_file(), "the others get theirs"
    assert path.read_text(encoding="utf-8") == "my work"


CLASS = """student_id,name,group
ann,"Lee, A.",1

bob,,2
 ANN ,Lee,1
学生,x,
,,
"a,b",y,3
"""


def test_a_class_from_the_roster(folder, capsys):
    (folder / "class.csv").write_bytes(("\ufeff" + CLASS.replace("\n", "\r\n")).encode("utf-8"))
    assert variant.main([str(folder)]) == 0
    files = sorted(p.name for p in (folder / "worksheets").iterdir())
    assert files == sorted(map(variant.file_name, ["ann", "bob", "学生", "a,b"]))
    assert "line 5: 'ANN' is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, students",
    [
        ("ann\nbob", ["ann", "bob"]),
        ("ann\r\n\r\n  bob  \r\n", ["ann", "bob"]),
        ("ann;Lee, A.;1\nbob;Ray, B.;2\n", ["ann", "bob"]),
        ("ann\tLee, A.\nbob\tRay\n", ["ann", "bob"]),
        ('"Lee; A.",1\nbob,2\n', ["Lee; A.", "bob"]),
        ("ID\n7\n07\n", ["7", "07"]),
        ("o'brien\n北京\n", ["o'brien", "北京"]),
    ],
)
def test_lists_as_teachers_have_them(tmp_path, text, students):
    (tmp_path / "class.csv").write_bytes(text.encode("utf-8"))
    assert Roster(tmp_path).ids() == students


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "There is nobody in"),
        (b"\n , ,\n", "There is nobody in"),
        (b"id\n", "There is nobody in"),
        (b"ann\n,bob\n", "line 2: the first column has no id"),
        ("ann\na\u200bb\n".encode(), "line 2: the id .* holds a character that cannot be seen"),
        ("Jos\u00e9\n".encode("latin-1"), "no text in UTF-8"),
        (b'ann\n"' + b"x" * 200_000 + b'"\n', "line 2, cannot be read"),
    ],
)
def test_lists_that_cannot_be_used_are_told(folder, data, said):
    (folder / "class.csv").write_bytes(data)
    with pytest.raises(Problem, match=said):
        variant.main([str(folder)])
    assert not (folder / "worksheets").exists(), "nothing is written before all ids were read"


def test_other_bad_input_is_told(folder, tmp_path):
    with pytest.raises(Problem, match="`course DIR` makes a course folder"):
        variant.main([str(tmp_path), "--student", "ann"])
    for student in ("", " ", "a\nb"):
        with pytest.raises(Problem, match="--student: "):
            variant.main([str(folder), "--student", student])
    with pytest.raises(Problem, match="inside the course's own folder"):
        out = str(ROOT / "notebooks" / "en")
        variant.main([str(folder), "--student", "ann", "--out", out])
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Problem, match="cannot be written"):
        variant.main([str(folder), "--student", "ann", "--out", str(tmp_path / "file")])
    (folder / "nbgrader_config.py").write_text("", encoding="utf-8")
    with pytest.raises(Problem, match="has no MINIGPT_SECRET"):
        variant.main([str(folder), "--student", "ann"])
    for arguments in ([], ["--show"]):
        with pytest.raises(SystemExit) as stopped:
            variant.main(arguments)
        assert stopped.value.code == 2


def test_file_names_are_safe_and_never_the_same():
    students = ["ann", "a-b", "a b", "a/b", "a\\b", "a_b", "a.b", "../a", "a", "con", ".", "学生",
                "学生们", "x" * 300, "x" * 301, "a@b.org", "<script>", "a~b", "a:b", "a|b", "-",
                "jos\u00e9", "jose"]  # fmt: skip
    names = [variant.file_name(student) for student in students]
    names += [name[len("worksheet-") : -len(".ipynb")] for name in names if "~" in name]
    names += [variant.file_name(name) for name in names[len(students) :]]  # an id like a file name
    assert len({name.casefold() for name in names}) == len(names)
    for name in names[: len(students)]:
        assert name.startswith("worksheet-") and name.endswith(".ipynb") and len(name) < 100
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-_.@~")
    assert variant.file_name("ann") == variant.file_name(" ANN ") == "worksheet-ann.ipynb"


def test_the_tasks_can_be_read_in_the_terminal(folder, capsys):
    before = sorted(folder.rglob("*"))
    assert variant.main([str(folder), "--student", "ann", "--show"]) == 0
    said = capsys.readouterr().out
    secret = course.secret_of(folder)
    for cell in filled(worksheet(), "ann", secret)["cells"]:
        if cell["id"].endswith(("-task", "-question")):
            assert cell["source"] in said
    assert str(task("false-sentences", "ann", secret).expected) not in said
    assert "**2**" not in said and sorted(folder.rglob("*")) == before


def test_the_teacher_can_print_the_answers_of_a_class(folder, capsys):
    (folder / "class.csv").write_text("ann\nbob\n", encoding="utf-8")
    before = sorted(folder.rglob("*"))
    assert variant.main([str(folder), "--answers"]) == 0
    parts = capsys.readouterr().out.split("Student ")
    assert [part.split(":")[0] for part in parts[1:]] == ["ann", "bob"]
    for student, part in zip(("ann", "bob"), parts[1:], strict=True):
        for name in MAKERS:
            right = task(name, student, course.secret_of(folder)).expected
            assert f"{name.replace('-', '_')} = {right!r}" in part
    assert sorted(folder.rglob("*")) == before


def test_from_the_command_line(folder):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "minigpt", "variant", *arguments], cwd=folder.parent,
            capture_output=True, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        )  # fmt: skip

    done = run("class", "--student", "学生", "--out", "out")
    assert done.returncode == 0, done.stderr
    (path,) = (folder.parent / "out").iterdir()
    path.write_text("changed", encoding="utf-8")
    done = run("class", "--student", "学生", "--out", "out")
    assert done.returncode == 1 and path.name in done.stderr and "Traceback" not in done.stderr
