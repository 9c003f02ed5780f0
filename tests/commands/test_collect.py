"""`collect`: the archives of Moodle and Canvas, and files that do not belong there."""

import errno
import zipfile

import pytest

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


@pytest.mark.parametrize(
    "entry, student, name",
    [
        ("Ada King Lovelace_4711_assignsubmission_file_/work.ipynb", "Ada-King-Lovelace_4711",
         "work.ipynb"),
        ("A-01/Grace Hopper_12_assignsubmission_file_/a_b.ipynb", "Grace-Hopper_12", "a_b.ipynb"),
        ("Grace Hopper_12_assignsubmission_file_work.ipynb", "Grace-Hopper_12", "work.ipynb"),
        ("lovelaceada_4711_815_01_tokenization.ipynb", "lovelaceada_4711", f"{STEM}.ipynb"),
        ("lovelaceada_LATE_4711_815_01_tokenization-1.ipynb", "lovelaceada_4711",
         f"{STEM}-1.ipynb"),
        ("ada/01_tokenization.ipynb", "ada", f"{STEM}.ipynb"),
        ("class\\ada@uni.edu\\01.ipynb", "ada@uni.edu", "01.ipynb"),
        ("李雷_7_assignsubmission_file_/作业.ipynb", "李雷_7", "作业.ipynb"),
    ],
)  # fmt: skip
def test_each_students_file_goes_where_it_is_graded(folder, tmp_path, entry, student, name):
    archive = packed(tmp_path / "all.zip", {entry: "mine"})
    assert collect.main([str(archive), str(folder), STEM]) == 0
    assert handed_in(folder) == {f"{student}/{STEM}/{name}": "mine"}


def test_what_is_no_notebook_is_left_out_and_named(folder, tmp_path, capsys):
    archive = packed(tmp_path / "all.zip", {
        "ada/01.ipynb": "mine", "ada/notes.pdf": "x", "01.ipynb": "whose?", "ada/": "",
        "__MACOSX/ada/01.ipynb": "x", "ada/.ipynb_checkpoints/01.ipynb": "x",
        "../../x/../outside.ipynb": "up and away",
    })  # fmt: skip
    assert collect.main([str(archive), str(folder), STEM]) == 0
    assert handed_in(folder) == {f"ada/{STEM}/01.ipynb": "mine"}
    said = capsys.readouterr().out
    assert "notes.pdf: no student's notebook" in said and "1 students: ada" in said
    assert not list(tmp_path.rglob("outside.ipynb"))


def test_a_second_collection_keeps_the_earlier_file(folder, tmp_path, capsys):
    for text in ("first", "first", "second", "third"):
        collect.main([str(packed(tmp_path / "all.zip", {"ada/01.ipynb": text})), str(folder), STEM])
    assert handed_in(folder) == {
        f"ada/{STEM}/01.ipynb": "third",
        f"ada/{STEM}/01.ipynb.earlier-1": "first",
        f"ada/{STEM}/01.ipynb.earlier-2": "second",
    }
    assert "the earlier file is kept as 01.ipynb.earlier-2" in capsys.readouterr().out


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
