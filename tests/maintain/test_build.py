"""Building the editions: released, executed, tidied, and never at the cost of somebody's work."""

import json
import os
import subprocess

import pytest

from minigpt.classroom import notebook as files
from minigpt.maintain import build
from minigpt.store.files import Problem

MARKS = {"locked": False, "schema_version": 3, "task": False}
SOLUTION = {**MARKS, "grade": False, "grade_id": "double", "solution": True}
CHECK = {**MARKS, "grade": True, "grade_id": "double-check", "points": 1, "solution": False}

SOLVED = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"


def code(id, source, outputs=(), **metadata):
    return {
        "cell_type": "code", "id": id, "metadata": metadata, "source": source,
        "execution_count": None, "outputs": list(outputs),
    }  # fmt: skip


def notebook(*cells):
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def lesson():
    return notebook(
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Title\n\nText."},
        code("import", "import os\nprint(os.environ['MINIGPT_HOME'] != '', os.listdir())"),
        code("double", SOLVED, nbgrader=SOLUTION),
        code("double-check", "assert double(2) == 4", nbgrader=CHECK),
        code("after", "1 + 1"),
    )  # fmt: skip


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with one source notebook."""
    root = tmp_path / "course"
    (root / "notebooks" / "source" / "en").mkdir(parents=True)
    (root / "requirements.txt").touch()
    for module in (files, build):
        monkeypatch.setattr(module, "ROOT", root)
    path = root / "notebooks" / "source" / "en" / "01_lesson.ipynb"
    path.write_bytes(build.to_bytes(lesson()))
    return root


def edition(course):
    return course / "notebooks" / "en" / "01_lesson.ipynb"


# ---- tidying ----------------------------------------------------------------------------------


def test_tidy_notebook_has_no_trace_of_machine_widgets_or_time():
    raw = notebook(
        code("a", "x", [
            {"output_type": "stream", "name": "stdout", "text": "one\n"},
            {"output_type": "stream", "name": "stdout", "text": "two\n"},
            {"output_type": "stream", "name": "stderr", "text": "err"},
            {"output_type": "display_data", "data": {build.WIDGET_VIEW: {}, "text/plain": "VBox"}},
            {"output_type": "execute_result", "data": {"text/plain": "2"}, "execution_count": 9},
        ], execution={"iopub.execute_input": "now"}, tags=["kept"], collapsed=True),
        code("b", "y", [{"output_type": "error"}], nbgrader=CHECK),
        code("c", "z"),
    )  # fmt: skip
    raw["metadata"] = {"widgets": {"state": {}}, "kernelspec": {"name": "my-env"}, "zoo": 1}
    tidy = build.normalise(raw)
    assert tidy["metadata"] == {"kernelspec": files.KERNELSPEC, "language_info": {"name": "python"}}
    first, exercise, last = tidy["cells"]
    assert [o["output_type"] for o in first["outputs"]] == ["stream", "stream", "execute_result"]
    assert first["outputs"][0]["text"] == "one\ntwo\n"
    assert first["outputs"][-1]["execution_count"] == first["execution_count"] == 1
    assert first["metadata"] == {"tags": ["kept"]}
    assert exercise["execution_count"] is None and exercise["outputs"] == []
    assert last["execution_count"] == 2
    assert raw["metadata"]["zoo"] == 1  # the input is as it was


def test_same_notebook_gives_same_bytes_and_reads_back(tmp_path):
    made = build.to_bytes(lesson())
    path = tmp_path / "x.ipynb"
    path.write_bytes(made)
    assert made.endswith(b"}\n") and b'\n "cells": [\n' in made
    assert build.read_notebook(path) == lesson()
    assert build.to_bytes(build.read_notebook(path)) == made


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": [{"id": 1}]}'])
def test_what_is_no_notebook_is_named(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match="x.ipynb is not a notebook"):
        build.read_notebook(path)


# ---- drift ------------------------------------------------------------------------------------


def released():
    return build.mark_exercises(notebook(code("a", "1"), code("b", "raise", nbgrader=CHECK)))


def test_no_drift_from_outputs_alone(tmp_path):
    path = tmp_path / "x.ipynb"
    made = released()
    made["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]
    path.write_bytes(build.to_bytes(build.normalise(made)))
    assert build.drift(released(), path) == []


def test_drift_names_the_cells(tmp_path):
    path = tmp_path / "x.ipynb"
    assert build.drift(released(), path) == ["has not been built"]
    other = released()
    other["cells"][0]["source"] = "2"
    path.write_bytes(build.to_bytes(other))
    assert build.drift(released(), path) == ["cell a is not the source's"]
    other = released()
    other["cells"][1]["metadata"]["tags"] = []
    path.write_bytes(build.to_bytes(other))
    assert build.drift(released(), path) == ["cell b is not the source's"]
    path.write_bytes(build.to_bytes(notebook(*released()["cells"][:1])))
    assert "other cells" in build.drift(released(), path)[0]


def test_a_solution_that_is_left_stops_the_build():
    with pytest.raises(Problem, match="still has a solution, in cell b"):
        build.mark_exercises(notebook(code("b", "### BEGIN SOLUTION\n1\n### END SOLUTION")))


# ---- safety -----------------------------------------------------------------------------------


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_uncommitted_work_is_seen(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("1", encoding="utf-8")
    assert not build.uncommitted(path)  # no repository
    git(tmp_path, "init", "-q")
    assert build.uncommitted(path)  # never committed
    git(tmp_path, "add", "a.ipynb")
    git(tmp_path, "commit", "-q", "-m", "a")
    assert not build.uncommitted(path)
    path.write_text("2", encoding="utf-8")
    assert build.uncommitted(path)
    assert not build.uncommitted(tmp_path / "absent.ipynb")


@pytest.fixture
def stubbed(course, monkeypatch):
    """A build that neither releases nor runs."""
    monkeypatch.setattr(build, "release", lambda path: released())
    monkeypatch.setattr(build, "execute", lambda notebook, name: notebook)
    return course


def test_build_replaces_what_it_made_and_nothing_else(stubbed, capsys):
    assert build.main([]) == 0
    mine = stubbed / "notebooks" / "en" / "README.md"
    mine.write_text("mine", encoding="utf-8")
    assert build.main(["1"]) == 0
    assert mine.read_text(encoding="utf-8") == "mine"
    assert sorted(p.name for p in mine.parent.iterdir()) == ["01_lesson.ipynb", "README.md"]


def test_build_refuses_to_replace_uncommitted_work(stubbed):
    git(stubbed, "init", "-q")
    edition(stubbed).parent.mkdir()
    edition(stubbed).write_text("somebody's work", encoding="utf-8")
    with pytest.raises(Problem, match="no commit(.|\n)*--force"):
        build.main([])
    assert edition(stubbed).read_text(encoding="utf-8") == "somebody's work"
    assert build.main(["--force"]) == 0
    assert build.drift(released(), edition(stubbed)) == []


def test_failed_run_leaves_the_old_edition(stubbed, monkeypatch):
    def fail(notebook, name):
        raise Problem(f"{name} does not run")

    build.main([])
    before = edition(stubbed).read_bytes()
    monkeypatch.setattr(build, "execute", fail)
    with pytest.raises(Problem, match="01_lesson does not run"):
        build.main([])
    assert edition(stubbed).read_bytes() == before


def test_check_says_what_is_wrong_and_changes_nothing(stubbed, capsys):
    assert build.main(["--check"]) == 1
    assert "01_lesson: has not been built" in capsys.readouterr().out
    build.main([])
    (stubbed / "notebooks" / "en" / "09_old.ipynb").write_bytes(build.to_bytes(released()))
    assert build.main(["--check"]) == 1
    assert "09_old: has no source" in capsys.readouterr().out
    assert build.main(["--check", "01"]) == 0
    assert "agree" in capsys.readouterr().out


def test_unknown_notebook_or_language_without_sources(course):
    with pytest.raises(Problem, match="no notebook '7'(.|\n)*01_lesson"):
        build.main(["7"])
    with pytest.raises(Problem, match="no sources"):
        build.main(["--lang", "zh"])


def test_kernel_gets_nothing_of_the_person_who_builds(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", "/home/learner")
    before = dict(os.environ)
    found = build.kernel_environment(tmp_path)
    assert found["MINIGPT_HOME"] == str(tmp_path / "home")
    assert found["PYTHONPATH"] == str(build.ROOT) and found["PATH"] == os.environ["PATH"]
    assert dict(os.environ) == before


# ---- with nbgrader, and with a kernel -----------------------------------------------------------


@pytest.mark.slow
def test_a_release_is_what_nbgrader_makes_of_the_source(nbgrader, course):
    path = course / "notebooks" / "source" / "en" / "01_lesson.ipynb"
    folder = course / "source" / "lesson"
    folder.mkdir(parents=True)
    (folder / path.name).write_bytes(path.read_bytes())
    nbgrader(course, "generate_assignment", "lesson", "--no-db")
    made = build.mark_exercises(build.read_notebook(course / "release" / "lesson" / path.name))
    assert build.normalise(build.release(path)) == build.normalise(made)
    marks = [cell["metadata"].get("editable", True) for cell in made["cells"]]
    assert marks == [True, True, True, False, True]


@pytest.mark.notebook
def test_whole_build_of_a_small_lesson(course, capsys):
    pytest.importorskip("nbclient", reason="needs nbclient: run `python3 -m minigpt test`")
    assert build.main([]) == 0
    made = json.loads(edition(course).read_text(encoding="utf-8"))
    cells = {cell["id"]: cell for cell in made["cells"]}
    assert list(cells) == ["title", "import", "double", "double-check", "after"]
    assert cells["import"]["outputs"][0]["text"] == ["True []\n"]  # a home of its own, no files
    solution = "".join(cells["double"]["source"])
    assert "return 2 * x" not in solution and "NotImplementedError" in solution
    for name in ("double", "double-check"):
        assert cells[name]["outputs"] == []
        assert cells[name]["metadata"]["tags"] == ["raises-exception"]
    assert cells["after"]["outputs"][0]["data"]["text/plain"] == ["2"]
    assert [cells[name]["execution_count"] for name in list(cells)[1:]] == [1, None, None, 2]
    assert build.main(["--check"]) == 0
    first = edition(course).read_bytes()
    build.main(["--force"])
    assert edition(course).read_bytes() == first


@pytest.mark.notebook
def test_a_lesson_that_fails_or_checks_nothing_is_not_built():
    pytest.importorskip("nbclient", reason="needs nbclient: run `python3 -m minigpt test`")
    broken = build.mark_exercises(notebook(code("a", "1 / 0")))
    with pytest.raises(Problem, match="broken does not run(.|\n)*ZeroDivisionError"):
        build.execute(broken, "broken")
    empty = build.mark_exercises(notebook(code("b", "assert True", nbgrader=CHECK)))
    with pytest.raises(Problem, match="the check b passes though nothing is solved"):
        build.execute(empty, "empty")


def test_an_edition_says_below_its_title_how_to_clear_its_outputs():
    title = f"# Title\n\n[Open it]({build.COLAB}x.ipynb), or elsewhere.\n\nText."
    made = notebook({"cell_type": "markdown", "id": "t", "metadata": {}, "source": title})
    build.tell_how_to_clear(made, " Clear all.")
    assert made["cells"][0]["source"] == title.replace("elsewhere.", "elsewhere. Clear all.")
