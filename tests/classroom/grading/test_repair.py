"""Notebooks as students hand them in: each kind of damage is mended, named, and loses nothing."""

import copy

import pytest

from minigpt.classroom.grading.repair import repaired

STUB = "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
MINE = "def double(x):\n    return 2 * x"


def cell(source, kind="code", **marks):
    """A cell; with `grade_id` a graded one."""
    metadata = {}
    if marks:
        metadata["nbgrader"] = {"solution": False, "grade": False, **marks}
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": metadata, **extra}


def answer(source, grade_id="double"):
    return cell(source, grade_id=grade_id, solution=True)


def check(source="assert double(2) == 4", grade_id="double-check", points=2):
    return cell(source, grade_id=grade_id, grade=True, points=points)


def notebook(*cells):
    return {"cells": list(cells), "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4}


OTHER = [answer("def half(x):\n    raise NotImplementedError()", "half"),
         check("assert half(2) == 1", "half-check", 1)]  # fmt: skip
RELEASE = notebook(
    cell("import math"), cell("Double it.", "markdown"), answer(STUB), check(), *OTHER
)


def mended(*cells):
    submitted = notebook(*cells)
    before = copy.deepcopy(submitted)
    found, problems = repaired(RELEASE, submitted)
    assert submitted == before  # the file as it came is kept
    ids = [c["metadata"]["nbgrader"]["grade_id"] for c in found["cells"] if c["metadata"]]
    assert ids == ["double", "double-check", "half", "half-check"]  # whatever came in
    again, nothing = repaired(RELEASE, found)
    assert again == found and nothing == []
    return found, problems


def graded(found, grade_id="double"):
    cells = [c for c in found["cells"] if c["metadata"]]
    return next(c for c in cells if c["metadata"]["nbgrader"]["grade_id"] == grade_id)


def test_a_notebook_as_it_should_be_stays_as_it_is():
    found, problems = mended(cell("import math"), answer(MINE), check(), *OTHER)
    assert problems == [] and graded(found)["source"] == MINE
    assert found["cells"] == [cell("import math"), answer(MINE), check(), *OTHER]


def test_a_copied_cell_counts_once_and_the_one_that_was_worked_on_counts():
    for pair in ([answer(STUB), answer(MINE)], [answer(MINE), answer(STUB)]):
        found, problems = mended(*pair, check(), *OTHER)
        assert graded(found)["source"] == MINE
        assert problems == [f"cell 'double' is there 2 times: number {pair.index(answer(MINE)) + 1}"
                            " is graded"]  # fmt: skip
        aside = [c for c in found["cells"] if c["cell_type"] == "raw"]
        assert [c["source"] for c in aside] == [STUB] and "outputs" not in aside[0]
    found, _ = mended(answer(MINE), answer(MINE + " + 0"), check(), *OTHER)
    assert graded(found)["source"] == MINE + " + 0"  # of two answers the last


def test_a_split_cell_is_joined():
    parts = [answer("def double(x):"), answer("    y = 2 * x"), answer("    return y")]
    found, problems = mended(*parts, check(), *OTHER)
    assert graded(found)["source"] == "def double(x):\n    y = 2 * x\n    return y"
    assert problems == ["cell 'double' was split into 3: they are joined again"]
    assert len(found["cells"]) == 4


def test_a_split_cell_is_joined_also_where_its_first_part_is_python():
    parts = [answer("def double(x):\n    y = 2 * x"), answer("    return y")]
    found, problems = mended(*parts, check(), *OTHER)
    assert graded(found)["source"] == "def double(x):\n    y = 2 * x\n    return y"
    assert problems == ["cell 'double' was split into 2: they are joined again"]
    found, problems = mended(answer(MINE), answer("and then (I do not know"), check(), *OTHER)
    assert graded(found)["source"] == MINE
    assert problems == ["cell 'double' is there 2 times: number 1 is graded"]


def test_a_deleted_answer_is_put_back_unsolved():
    found, problems = mended(check(), *OTHER)
    assert graded(found)["source"] == STUB
    assert problems == ["cell 'double' is missing: 0 points"]


def test_a_deleted_check_is_put_back():
    found, problems = mended(answer(MINE), *OTHER)
    assert graded(found, "double-check") == check()
    assert problems == ["cell 'double-check' is missing: it was put back"]
    found, problems = mended()
    assert len(problems) == 4 and len(found["cells"]) == 4


@pytest.mark.parametrize("renamed", [cell(MINE), answer(MINE, "dubble")])
def test_an_answer_without_its_id_is_found_by_what_it_defines(renamed):
    found, problems = mended(renamed, check(), *OTHER)
    assert graded(found)["source"] == MINE
    assert problems[-1] == "cell 'double' lost its id: it was found by what it defines"


def test_an_answer_that_was_made_text_is_code_again():
    text = answer(MINE)
    text["cell_type"] = "markdown"
    found, problems = mended(text, check(), *OTHER)
    assert graded(found)["cell_type"] == "code" and "turned into text" in problems[0]


def test_a_check_that_was_moved_stands_behind_its_answer_again():
    found, problems = mended(check(), answer(MINE), *OTHER)
    assert graded(found)["source"] == MINE and "'double-check' was moved up" in problems[0]


def test_a_student_can_change_neither_points_nor_checks_nor_the_kernel():
    sly = check("print('All checks pass.')", points=100)
    found, problems = mended(answer(MINE), sly, check(), *OTHER)
    assert graded(found, "double-check") == check()
    assert problems == ["cell 'double-check' is there 2 times: one was kept"]
    submitted = notebook(answer(MINE), cell("1", grade_id="bonus", grade=True, points=50), check())
    submitted["metadata"] = {"kernelspec": {"name": "mine"}}
    submitted["cells"][0]["metadata"]["nbgrader"]["points"] = 7
    found, problems = repaired(RELEASE, submitted)
    assert "unknown id 'bonus'" in problems[0]
    assert found["metadata"] == RELEASE["metadata"]
    points = [c["metadata"].get("nbgrader", {}).get("points") for c in found["cells"]]
    assert [p for p in points if p] == [2, 1]
    found, problems = mended(answer(MINE), sly, *OTHER)  # in place of the release's
    assert graded(found, "double-check") == check() and problems == []


def test_sources_may_be_lists_of_lines_and_equal_cells_are_told_apart():
    lines = answer(["def double(x):\n", "    return 2 * x"])
    found, problems = mended(cell("1"), cell("1"), lines, check(), cell("1"), *OTHER)
    assert problems == [] and len(found["cells"]) == 7


@pytest.mark.parametrize(
    "damaged, message",
    [([], "no notebook"), ({"cells": 3}, "no list of cells"), ({"cells": ["x"]}, "at cell 1"),
     ({"cells": [{"metadata": []}]}, "at cell 1")],
)  # fmt: skip
def test_what_is_no_notebook_is_said(damaged, message):
    with pytest.raises(ValueError, match=message):
        repaired(RELEASE, damaged)


def test_metadata_that_is_no_metadata_is_dropped():
    junk = cell("1")
    junk["metadata"]["nbgrader"] = "yes"
    found, problems = mended(junk, answer(MINE), check(), *OTHER)
    assert found["cells"][0]["metadata"] == {} and problems == []


def test_checks_that_lost_their_metadata_are_known_by_their_text():
    rebinds = check("double = watched(double)\nassert double(2) == 4")
    release = notebook(answer(STUB), rebinds)
    found, problems = repaired(release, notebook(cell(MINE), cell(rebinds["source"])))
    assert found["cells"] == [answer(MINE), rebinds]
    assert problems == ["cell 'double-check' lost its id: it was found by its text",
                        "cell 'double' lost its id: it was found by what it defines"]  # fmt: skip


def test_answers_in_words_stay_words():
    marks = {"grade_id": "why", "solution": True, "grade": True, "points": 2}
    words = cell("YOUR ANSWER HERE", "markdown", **marks)
    release = notebook(answer(STUB), check(), words)
    mine = copy.deepcopy(words) | {"source": "Because the mask leaves out the prompt."}
    for kind in ("markdown", "code"):  # also where it was turned into code
        given = notebook(answer(MINE), check(), mine | {"cell_type": kind})
        found, problems = repaired(release, given)
        assert graded(found, "why")["source"] == mine["source"] and problems == []
        assert graded(found, "why")["cell_type"] == "markdown"
    found, problems = repaired(release, notebook(answer(MINE), check()))
    assert problems == ["cell 'why' is missing: 0 points"]
    parts = [mine, copy.deepcopy(words) | {"source": "And because it shifts."}]
    found, problems = repaired(release, notebook(answer(MINE), check(), *parts))
    assert graded(found, "why")["source"].splitlines() == [p["source"] for p in parts]
    assert problems == ["cell 'why' was split into 2: they are joined again"]
