"""`variant`: a student's own worksheet, a class's, and what the teacher may print of them."""

import json
import os
import subprocess
import sys

import pytest

from minigpt.classroom.notebook import to_bytes
from minigpt.classroom.worksheet.tasks import MAKERS
from minigpt.classroom.worksheet.variant import solution, tasks
from minigpt.classroom.worksheet.worksheet import released
from minigpt.commands import find_commands, variant
from minigpt.store.files import ROOT, Problem


def test_it_stands_in_the_help_and_needs_python_alone():
    command = find_commands()["variant"]
    assert command.environment is None and "worksheet" in command.summary


def test_one_student_gets_a_worksheet(tmp_path, capsys):
    assert variant.main(["--student", " Ann ", "--out", str(tmp_path / "new" / "folder")]) == 0
    path = tmp_path / "new" / "folder" / "worksheet-ann.ipynb"
    assert path.read_bytes() == to_bytes(released(student="Ann"))
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    said = capsys.readouterr().out
    assert "worksheet-ann.ipynb" in said and str(path.parent) in said


def test_without_a_folder_it_goes_to_the_learners_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    assert variant.main(["--student", "ann"]) == 0
    assert (tmp_path / "worksheets" / "worksheet-ann.ipynb").is_file()


def test_what_differs_is_never_overwritten(tmp_path, capsys):
    ask = ["--student", "ann", "--out", str(tmp_path)]
    path = tmp_path / "worksheet-ann.ipynb"
    assert variant.main(ask) == 0
    before = path.stat().st_mtime_ns
    assert variant.main(ask) == 0, "the same file again is no trouble"
    assert path.stat().st_mtime_ns == before
    path.write_text("my work", encoding="utf-8")
    with pytest.raises(Problem, match="stay as they are: worksheet-ann.ipynb"):
        variant.main(ask)
    assert path.read_text(encoding="utf-8") == "my work"
    students = tmp_path / "class.txt"
    students.write_text("ann\nbob\n", encoding="utf-8")
    with pytest.raises(Problem, match="stay as they are: worksheet-ann.ipynb"):
        variant.main(["--students", str(students), "--out", str(tmp_path)])
    assert (tmp_path / "worksheet-bob.ipynb").is_file(), "the others get theirs"
    assert path.read_text(encoding="utf-8") == "my work"


CLASS = """student_id,name,group
ann,"Lee, A.",1

bob,,2
 ANN ,Lee,1
学生,x,
,,
"a,b",y,3
"""


def test_a_class_from_a_table(tmp_path, capsys):
    path = tmp_path / "class.csv"
    path.write_bytes(("\ufeff" + CLASS.replace("\n", "\r\n")).encode("utf-8"))
    assert variant.main(["--students", str(path), "--out", str(tmp_path / "out")]) == 0
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert files == sorted(map(variant.file_name, ["ann", "bob", "学生", "a,b"]))
    said = capsys.readouterr().err
    assert "Line 1 is taken as a heading: student_id" in said
    assert "Line 5 has 'ANN' again, after line 2" in said


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
    path = tmp_path / "class"
    path.write_bytes(text.encode("utf-8"))
    assert variant.read_students(path)[0] == students


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "no student's id"),
        (b"\n , ,\n", "no student's id"),
        (b"id\n", "no student's id"),
        (b"ann\n,bob\n", "line 2: the first column has no id"),
        ("ann\na\u200bb\n".encode(), "line 2: the id .* holds a character that cannot be seen"),
        ("Jos\u00e9\n".encode("latin-1"), "no text in UTF-8"),
        (b'ann\n"' + b"x" * 200_000 + b'"\n', "line 2, cannot be read"),
    ],
)
def test_lists_that_cannot_be_used_are_told(tmp_path, data, said):
    path = tmp_path / "class.csv"
    path.write_bytes(data)
    with pytest.raises(Problem, match=said):
        variant.main(["--students", str(path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists(), "nothing is written before all ids were read"


def test_other_bad_input_is_told(tmp_path):
    with pytest.raises(Problem, match="cannot be read"):
        variant.main(["--students", str(tmp_path / "none.csv")])
    for student in ("", " ", "a\nb"):
        with pytest.raises(Problem, match="--student: "):
            variant.main(["--student", student])
    with pytest.raises(Problem, match="no language 'zh': choose one of en"):
        variant.main(["--student", "ann", "--lang", "zh"])
    with pytest.raises(Problem, match="inside the course's own folder"):
        variant.main(["--student", "ann", "--out", str(ROOT / "notebooks" / "en")])
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Problem, match="cannot be written"):
        variant.main(["--student", "ann", "--out", str(tmp_path / "file")])
    for arguments in ([], ["--student", "a", "--students", "b"], ["--show"]):
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


def test_the_tasks_can_be_read_in_the_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    assert variant.main(["--student", "ann", "--show"]) == 0
    said = capsys.readouterr().out
    assert all(task.text in said and task.title in said for task in tasks("ann"))
    assert str(solution("false-sentences", "ann")) not in said
    assert list(tmp_path.iterdir()) == []


def test_the_teacher_can_print_the_answers_of_a_class(tmp_path, capsys):
    path = tmp_path / "class.txt"
    path.write_text("ann\nbob\n", encoding="utf-8")
    assert variant.main(["--students", str(path), "--answers"]) == 0
    parts = capsys.readouterr().out.split("Student ")
    assert [part.split(":")[0] for part in parts[1:]] == ["ann", "bob"]
    for student, part in zip(("ann", "bob"), parts[1:], strict=True):
        for name in MAKERS:
            assert f"{name.replace('-', '_')} = {solution(name, student)!r}" in part
    assert [p.name for p in tmp_path.iterdir()] == ["class.txt"]


def test_a_grader_in_the_environment_does_not_change_whose_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGPT_STUDENT", "bob")
    assert variant.main(["--student", "ann", "--out", str(tmp_path)]) == 0
    cells = json.loads((tmp_path / "worksheet-ann.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(cell["source"]) for cell in cells)
    assert tasks("ann")[0].text in text and tasks("bob")[0].text not in text


def test_from_the_command_line(tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "minigpt", "variant", *arguments], cwd=tmp_path,
            capture_output=True, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        )  # fmt: skip

    done = run("--student", "学生", "--out", "out")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").iterdir()
    path.write_text("changed", encoding="utf-8")
    done = run("--student", "学生", "--out", "out")
    assert done.returncode == 1 and path.name in done.stderr and "Traceback" not in done.stderr
