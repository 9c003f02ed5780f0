"""The learner's notebooks: never overwritten, refreshed when untouched, restored on demand."""

import json

import pytest

from minigpt.commands import lab, reset
from minigpt.setup import common, working_copy
from minigpt.store.files import Problem


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with two English notebooks, and a learner's home with a space in its name."""
    root = tmp_path / "course"
    for name in ("00_overview", "03_prompting"):
        write(root / "notebooks" / "en" / f"{name}.ipynb", name)
    (root / "requirements.txt").touch()
    monkeypatch.setattr(common, "ROOT", root)
    monkeypatch.setattr(working_copy, "ROOT", root)
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "my home"))
    return root / "notebooks" / "en"


def write(path, text):
    """A notebook of one cell that has run."""
    outputs = [{"name": "stdout", "output_type": "stream", "text": ["the answer\n"]}]
    cell = {"cell_type": "code", "source": [text], "outputs": outputs, "execution_count": 1}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")


def mine(name):
    return working_copy.copies_folder("en") / f"{name}.ipynb"


def test_copies_are_made_once_and_silently(course):
    assert working_copy.update_copies("en") == []
    (cell,) = json.loads(mine("03_prompting").read_text(encoding="utf-8"))["cells"]
    assert cell == {
        "cell_type": "code", "source": ["03_prompting"], "outputs": [], "execution_count": None
    }  # fmt: skip
    assert "the answer" in (course / "03_prompting.ipynb").read_text(encoding="utf-8")
    assert working_copy.update_copies("en") == []
    assert not list(working_copy.copies_folder("en").glob("*.part"))


def test_changed_copy_is_kept_whatever_the_course_does(course):
    working_copy.update_copies("en")
    write(mine("03_prompting"), "my answer")
    assert working_copy.update_copies("en") == []  # nothing new: nothing to say
    write(course / "03_prompting.ipynb", "second edition")
    (note,) = working_copy.update_copies("en")
    assert "reset 03" in note and "kept" in note
    assert "my answer" in mine("03_prompting").read_text(encoding="utf-8")


def test_untouched_copy_follows_the_course(course):
    working_copy.update_copies("en")
    write(course / "03_prompting.ipynb", "second edition")
    (note,) = working_copy.update_copies("en")
    assert "you have it now" in note
    assert "second edition" in mine("03_prompting").read_text(encoding="utf-8")
    assert working_copy.update_copies("en") == []


def test_a_copy_with_outputs_that_was_not_touched_gives_way_to_one_without(course):
    """Copies made before they lost their outputs have the course's own hash."""
    source = course / "03_prompting.ipynb"
    working_copy.update_copies("en")
    mine("03_prompting").write_bytes(source.read_bytes())
    origins = {"03_prompting.ipynb": working_copy.digest(source.read_bytes())}
    record = working_copy.copies_folder("en") / working_copy.ORIGIN
    record.write_text(json.dumps(origins), encoding="utf-8")
    (note,) = working_copy.update_copies("en")
    assert "you have it now" in note
    assert mine("03_prompting").read_bytes() == working_copy.without_outputs(source)


def test_binders_image_has_the_courses_notebooks_without_outputs(course):
    working_copy.clear_course()
    for path in course.iterdir():
        assert path.read_bytes() == working_copy.without_outputs(path)
        assert b"the answer" not in path.read_bytes() and path.stem.encode() in path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"{}", b'{"cells": [1]}'])
def test_what_is_no_notebook_is_copied_as_it_is(course, content):
    (course / "00_overview.ipynb").write_bytes(content)
    assert working_copy.update_copies("en") == []
    assert mine("00_overview").read_bytes() == content


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_lost_record_never_costs_a_learner_the_file(course, content):
    working_copy.update_copies("en")
    (working_copy.copies_folder("en") / working_copy.ORIGIN).write_text(content, encoding="utf-8")
    write(course / "03_prompting.ipynb", "second edition")
    (note,) = working_copy.update_copies("en")
    assert "reset 03" in note
    assert "03_prompting" in mine("03_prompting").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["3", "03", "03_prompting", "03_prompting.ipynb"])
def test_reset_keeps_the_learners_version_beside_it(course, name, capsys):
    working_copy.update_copies("en")
    for answer in ("first", "second"):  # twice in a second: two backups
        write(mine("03_prompting"), answer)
        assert reset.main([name]) == 0
    fresh = working_copy.without_outputs(course / "03_prompting.ipynb")
    assert mine("03_prompting").read_bytes() == fresh and b"the answer" not in fresh
    backups = sorted(working_copy.copies_folder("en").glob("03_prompting.2*.ipynb"))
    kept = [json.loads(b.read_text(encoding="utf-8"))["cells"][0]["source"] for b in backups]
    assert sorted(kept) == [["first"], ["second"]]
    assert backups[0].name in capsys.readouterr().out
    assert working_copy.update_copies("en") == []


def test_reset_of_an_unchanged_or_absent_copy_makes_no_backup(course):
    source = course / "00_overview.ipynb"
    folder = working_copy.copies_folder("en")
    assert working_copy.reset_copy(source, folder) is None
    assert working_copy.reset_copy(source, folder) is None
    assert [path.name for path in folder.glob("*.ipynb")] == ["00_overview.ipynb"]


def test_reset_of_an_unknown_notebook_lists_them(course):
    with pytest.raises(Problem, match="00_overview"):
        reset.main(["9"])


def test_absent_edition_names_the_one_that_is_there(course):
    with pytest.raises(Problem, match="no edition .* language: zh.*\n.*lab --lang en"):
        lab.main(["--lang", "zh"])


def test_wrong_folder(course):
    for path in course.iterdir():
        path.unlink()
    course.rmdir()
    course.parent.rmdir()
    with pytest.raises(Problem, match="cd minigpt"):
        lab.main([])


def test_lab_opens_the_learners_copy_of_the_first_notebook(course, monkeypatch):
    monkeypatch.setattr(lab, "become", lambda arguments: arguments)
    passed_on = ["--no-browser", "--port", "9001", "--ServerApp.token=x"]
    arguments = lab.main(["--lang", "en", *passed_on])
    home = common.learner_home()
    assert mine("00_overview").exists()
    assert f"--ServerApp.root_dir={home / 'notebooks'}" in arguments
    assert "--LabApp.default_url=/lab/tree/en/00_overview.ipynb" in arguments
    assert arguments[-4:] == passed_on


def test_lab_lets_root_in_and_nobody_else(tmp_path, monkeypatch):
    first = tmp_path / "en" / "00_overview.ipynb"
    monkeypatch.setattr(lab.os, "getuid", lambda: 0, raising=False)
    assert "--allow-root" in lab.lab_arguments(first)
    monkeypatch.setattr(lab.os, "getuid", lambda: 1000, raising=False)
    assert "--allow-root" not in lab.lab_arguments(first)
    monkeypatch.delattr(lab.os, "getuid")  # Windows
    assert "--allow-root" not in lab.lab_arguments(first)
