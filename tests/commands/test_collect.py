"""`collect`: the archives of Moodle and Canvas, and files that do not belong there."""

import csv
import errno
import os
import re
import shlex
import zipfile

import pytest

from minigpt.classroom.exchange.tables import read_rows
from minigpt.commands import collect, course
from minigpt.store.files import Problem

STEM = "01_tokenization"


@pytest.fixture
def folder(tmp_path):
    course.lay_out(tmp_path / "class")
    return tmp_path / "class"


def packed(path, files):
    with zipfile.ZipFile(path, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


def handed_in(folder):
    return {str(p.relative_to(folder / "submitted").as_posix()): p.read_text(encoding="utf-8")
            for p in sorted((folder / "submitted").rglob("*")) if p.is_file()}  # fmt: skip


def run(folder, archive):
    return collect.main([str(archive), str(folder), STEM])


@pytest.mark.parametrize(
    "entry, student, name",
    [
        ("Ada King Lovelace_4711_assignsubmission_file_/work.ipynb", "Ada-King-Lovelace_4711",
         "work.ipynb"),
        ("Ada King Lovelace_4711_assignsubmission_file/work.ipynb", "Ada-King-Lovelace_4711",
         "work.ipynb"),  # since Moodle 4.1
        ("A-01/Grace Hopper_12_assignsubmission_file_/a_b.ipynb", "Grace-Hopper_12", "a_b.ipynb"),
        ("x/Grace Hopper_12_assignsubmission_file_/my work/src/a.ipynb", "Grace-Hopper_12",
         "a.ipynb"),
        ("Grace Hopper_12_assignsubmission_file_work.ipynb", "Grace-Hopper_12", "work.ipynb"),
        ("Participant 12_12_assignsubmission_file_/work.ipynb", "Participant-12_12", "work.ipynb"),
        ("lovelaceada_4711_815_01_tokenization.ipynb", "lovelaceada_4711", f"{STEM}.ipynb"),
        ("submissions/lovelaceada_4711_815_01_tokenization.ipynb", "lovelaceada_4711",
         f"{STEM}.ipynb"),
        ("lovelaceada_LATE_4711_815_01_tokenization-1.ipynb", "lovelaceada_4711", f"{STEM}.ipynb"),
        ("anon_x7Yz2_815_work.ipynb", "anon_x7Yz2", "work.ipynb"),
        ("LATE_anon_x7Yz2_815_work.ipynb", "anon_x7Yz2", "work.ipynb"),
        ("ada/01_tokenization.ipynb", "ada", f"{STEM}.ipynb"),
        ("ada/01_tokenization (2).ipynb", "ada", f"{STEM}.ipynb"),
        ("class\\ada@uni.edu\\01.ipynb", "ada@uni.edu", "01.ipynb"),
        (f"submitted/ada/{STEM}/deep/er/01.ipynb", "ada", "01.ipynb"),
        (f"ada/{STEM}/01.ipynb", "ada", "01.ipynb"),
        ("李雷_7_assignsubmission_file_/作业.ipynb", "李雷_7", "作业.ipynb"),
        ("ada/01.ipynb.json", "ada", "01.ipynb"),
        ("ada/01.ipynb.txt", "ada", "01.ipynb"),
        ("ada/01.IPYNB", "ada", "01.ipynb"),
        ("ada/what: a? *name*.ipynb", "ada", "what- a- -name-.ipynb"),
        (f"{'x' * 250}/{'学' * 80}.ipynb", "x" * 120, f"{'学' * 40}.ipynb"),
    ],
)  # fmt: skip
def test_each_students_file_goes_where_it_is_graded(folder, tmp_path, entry, student, name):
    archive = packed(tmp_path / "all.zip", {entry: "mine"})
    assert run(folder, archive) == 0
    assert handed_in(folder) == {f"{student}/{STEM}/{name}": "mine"}


@pytest.mark.skipif(os.name == "nt", reason="quotes of a Unix shell")
def test_commands_that_are_printed_can_be_typed_as_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    archive = packed(tmp_path / "all.zip", {"ada/01.ipynb": "mine"})
    course.main(["my class; x"])
    course.main(["--release", "my class; x"])
    collect.main([str(archive), "my class; x", STEM])
    said = capsys.readouterr().out
    printed = [shlex.split(line) for line in re.findall(r"python3 -m minigpt (.+)$", said, re.M)]
    assert [line[0] for line in printed] == ["course", "collect", "grade", "variant", "grade"]
    assert all("my class; x" in line for line in printed)


def test_each_file_is_accounted_for(folder, tmp_path, capsys):
    archive = packed(tmp_path / "all.zip", {
        "ada/01.ipynb": "mine", "ada/notes.pdf": "x", "01.ipynb": "whose?", "ada/": "",
        "__MACOSX/ada/01.ipynb": "x", "ada/.ipynb_checkpoints/01.ipynb": "x",
        "ada/02_pretraining/02.ipynb": "x", "../../x/../outside.ipynb": "up and away",
    })  # fmt: skip
    assert run(folder, archive) == 0
    assert handed_in(folder) == {f"ada/{STEM}/01.ipynb": "mine"}
    said = capsys.readouterr().out
    assert "7 files in: 1 notebooks of 1 students\n  ada: 01.ipynb\nNot used: 6\n" in said
    for file, why in {
        "ada/notes.pdf": "no notebook", "01.ipynb": "it lies in no student's folder",
        "__MACOSX/ada/01.ipynb": "the system's own",
        "ada/.ipynb_checkpoints/01.ipynb": "the system's own",
        "ada/02_pretraining/02.ipynb": "of another assignment, 02_pretraining",
        "../../x/../outside.ipynb": "its path leads out of the archive",
    }.items():  # fmt: skip
        assert f"  {file}: {why}\n" in said
    assert not list(tmp_path.rglob("outside.ipynb"))


def linked(name, target):
    """An entry that other programs unpack as a link."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry, target


def test_tricks_of_archives_write_nothing_elsewhere(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(collect, "LARGEST", 1000)
    (tmp_path / "secret.ipynb").write_text("theirs", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for name in ("/etc/x.ipynb", "C:/x.ipynb", "C:\\x.ipynb", "ada/../../x.ipynb",
                     "ada//x.ipynb", "..\\..\\x.ipynb"):  # fmt: skip
            out.writestr(name, "away")
        out.writestr(*linked("bob/link.ipynb", str(tmp_path / "secret.ipynb")))
        out.writestr("cleo/bomb.ipynb", "0" * 1001)
        for n in range(30):  # each small enough
            out.writestr(f"dan/{n}.ipynb", "0" * 300)
        out.writestr("eve\x1b[2J\nNot used: 0/e.ipynb", "mine")
        out.writestr(f"fay/{STEM} ({'9' * 5000}).ipynb", "mine")
    assert run(folder, tmp_path / "all.zip") == 0
    found = handed_in(folder)
    assert found.pop(f"bob/{STEM}/link.ipynb") == str(tmp_path / "secret.ipynb"), "a text, no link"
    assert not (folder / "submitted" / "bob" / STEM / "link.ipynb").is_symlink()
    assert sum(name.startswith("dan/") for name in found) == 3, "1000 bytes of one student"
    assert {name.split("/")[0] for name in found} == {"dan", "eve-2J-Not-used-0", "fay"}
    assert {p.name for p in tmp_path.iterdir()} == {"class", "all.zip", "secret.ipynb"}
    said = capsys.readouterr().out
    assert said.count("dan/") == 27 and "of one student" in said and "\x1b" not in said
    assert "cleo/bomb.ipynb: more than 100 MB" in said and said.count("\nNot used: ") == 1


def test_a_second_collection_replaces_a_students_notebooks_as_a_whole(folder, tmp_path, capsys):
    archives = ({"ada/a.ipynb": "first", "ada/b.ipynb": "too"}, {"ada/a.ipynb": "second"},
                {"ada/a.ipynb": "second"}, {"ada/a (1).ipynb": "third"},
                {"ada/01_tokenization-3.ipynb": "fourth"})  # fmt: skip
    for files in archives:
        assert run(folder, packed(tmp_path / "all.zip", {**files, "bob/b.ipynb": "mine"})) == 0
    assert handed_in(folder) == {
        f"ada/{STEM}/{STEM}.ipynb": "fourth", f"ada/{STEM}/earlier-1/a.ipynb": "first",
        f"ada/{STEM}/earlier-1/b.ipynb": "too", f"ada/{STEM}/earlier-2/a.ipynb": "second",
        f"ada/{STEM}/earlier-3/a (1).ipynb": "third", f"bob/{STEM}/b.ipynb": "mine",
    }  # fmt: skip
    assert "ada: the earlier hand-in is kept in earlier-3/" in capsys.readouterr().out


def test_of_copies_in_one_hand_in_the_last_is_graded_and_the_status_tells(folder, tmp_path, capsys):
    files = {"ada/01_tokenization.ipynb": "old", "ada/01_tokenization (2).ipynb": "new",
             "ada/01_tokenization (1).ipynb": "new", "bob/x/w.ipynb": "1", "bob/y/w.ipynb": "2",
             "cleo/w.ipynb": "same", "cleo/w-1.ipynb": "same"}  # fmt: skip
    assert run(folder, packed(tmp_path / "all.zip", files)) == 1
    assert handed_in(folder) == {
        f"ada/{STEM}/{STEM}.ipynb": "new", f"ada/{STEM}/not-graded/1-{STEM}.ipynb": "old",
        f"bob/{STEM}/w.ipynb": "2", f"bob/{STEM}/not-graded/1-x-w.ipynb": "1",
        f"cleo/{STEM}/w.ipynb": "same",
    }  # fmt: skip
    said = capsys.readouterr().out
    assert f"ada: {STEM}.ipynb: {STEM} (2).ipynb is graded in its place" in said
    assert "bob: x/w.ipynb: y/w.ipynb is graded in its place" in said


ROSTER = """id,name,email,moodle,canvas
ada,Ada King Lovelace,ada@example.org,,4711
bob,"Fischer, Bob",,,4712
cleo,Cleo Lake,,,
dan,Bob Fischer-Meyer,,,
"""


def test_the_roster_says_who_is_who(folder, tmp_path, capsys):
    (folder / "class.csv").write_text(ROSTER, encoding="utf-8")
    moodle = {"Ada King Lovelace_17_assignsubmission_file_/w.ipynb": "a",
              "Bob Fischer_18_assignsubmission_file_/w.ipynb": "b",
              "Eve Strange_19_assignsubmission_file_/w.ipynb": "e"}  # fmt: skip
    assert run(folder, packed(tmp_path / "m.zip", moodle)) == 0
    assert list(handed_in(folder)) == [f"{who}/{STEM}/w.ipynb"
                                       for who in ("Eve-Strange_19", "ada", "bob")]  # fmt: skip
    said = capsys.readouterr().out
    assert "Not in class.csv: Eve-Strange_19\n" in said
    assert "In class.csv, and not in the archive: cleo, dan\n" in said
    canvas = {"nobody_LATE_4711_20_w.ipynb": "A", "fischerbob_99_21_w.ipynb": "B",
              "lakecleo_98_22_w.ipynb": "C"}  # fmt: skip
    assert run(folder, packed(tmp_path / "c.zip", canvas)) == 0
    now = {name: text for name, text in handed_in(folder).items() if "earlier" not in name}
    expected = {"Eve-Strange_19": "e", "ada": "A", "bob": "B", "cleo": "C"}
    assert now == {f"{who}/{STEM}/w.ipynb": text for who, text in expected.items()}
    rows = {row["student_id"]: row for row in read_rows(folder / collect.COLLECTED)}
    assert (rows["ada"]["late"], rows["ada"]["number"], rows["bob"]["late"]) == ("late", "4711", "")
    assert rows["Eve-Strange_19"]["platform"] == "moodle"


@pytest.mark.parametrize("files", [
    ["Ada Lovelace_17_assignsubmission_file_/w.ipynb", "Ada-Lovelace_17/w.ipynb"],
    ["A/Ada King Lovelace_17_assignsubmission_file_/w.ipynb",
     "B/Ada King Lovelace_18_assignsubmission_file_/w.ipynb"],
    ["ada/w.ipynb", "ADA/w.ipynb"],
    ["lovelaceadaking_4711_33_w.ipynb", "Ada King Lovelace_17_assignsubmission_file_/w.ipynb"],
])  # fmt: skip
def test_two_sources_for_one_student_stop_it_with_nothing_written(folder, tmp_path, files):
    (folder / "class.csv").write_text(ROSTER, encoding="utf-8")
    if "Ada-Lovelace" in files[1] or "ADA" in files[1]:
        (folder / "class.csv").unlink()
    archive = packed(tmp_path / "a.zip", {"cleo/w.ipynb": "c"} | {f: f for f in files})
    with pytest.raises(Problem, match="Two sources name one student") as told:
        run(folder, archive)
    assert " and " in str(told.value) and not (folder / "submitted").exists()
    assert not (folder / collect.COLLECTED).exists()


@pytest.mark.parametrize("text, said", [
    ("id\nada\n,Bob\n", "line 3: the first column has no id"),
    ("a\u200bb\n", "line 1: the id .* holds a character that cannot be seen"),
    ("ada\na/b\n", "line 2: the id 'a/b' cannot be a folder's name"),
])  # fmt: skip
def test_a_roster_that_cannot_be_used_is_told(folder, tmp_path, text, said):
    (folder / "class.csv").write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=said):
        run(folder, packed(tmp_path / "a.zip", {"ada/w.ipynb": "a"}))


def test_names_that_would_be_formulas_are_none_in_the_tables(folder, tmp_path):
    name = "=HYPERLINK(1)"
    files = {f"{name}_17_assignsubmission_file_/w.ipynb": "a",
             f"@b_18_assignsubmission_file_/{name}.ipynb": "b"}  # fmt: skip
    assert run(folder, packed(tmp_path / "a.zip", files)) == 0
    text = (folder / collect.COLLECTED).read_text(encoding="utf-8")
    assert not [cell for line in csv.reader(text.splitlines()) for cell in line
                if cell.startswith(("=", "@", "+", "-"))]  # fmt: skip
    assert {row["name"] for row in read_rows(folder / collect.COLLECTED)} == {name, "@b"}


def test_wrong_archives_and_names_are_told(folder, tmp_path):
    archive = packed(tmp_path / "all.zip", {"readme.txt": "x"})
    with pytest.raises(Problem, match="holds no student's notebook"):
        collect.main([str(archive), str(folder), STEM])
    with pytest.raises(Problem, match="has no assignment '1'. There are: 00_overview"):
        collect.main([str(archive), str(folder), "1"])
    with pytest.raises(Problem, match="`course DIR` makes a course folder"):
        collect.main([str(archive), str(tmp_path / "nowhere"), STEM])
    for bad in (tmp_path / "missing.zip", tmp_path / "text.zip"):
        if bad.stem == "text":
            bad.write_text("no archive", encoding="utf-8")
        with pytest.raises(Problem, match="cannot be read as a ZIP file"):
            collect.main([str(bad), str(folder), STEM])


def test_a_damaged_archive_and_a_full_disk_are_told_apart(folder, tmp_path, monkeypatch):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("ada/01.ipynb", "many words " * 100)
    whole = archive.read_bytes()
    at = whole.index(b"01.ipynb") + len("01.ipynb")
    archive.write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])
    with pytest.raises(Problem, match="cannot be read as a ZIP file"):
        collect.main([str(archive), str(folder), STEM])
    archive.write_bytes(whole)

    def full(*paths):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("minigpt.store.files.os.replace", full)
    with pytest.raises(Problem, match="could not be written: the disk is full"):
        collect.main([str(archive), str(folder), STEM])
