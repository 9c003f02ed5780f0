"""Grading one notebook: points, messages, and code that crashes, loops or tries a trick."""

import copy
import json

import pytest

from minigpt.classroom.grading.marking import for_nbgrader, grade_notebook, imports_for
from minigpt.classroom.notebook import (
    belongs_to,
    exercises,
    with_short_budget,
    without_solutions,
)

HIDDEN = "### BEGIN HIDDEN TESTS\nassert double(7919) == 15838, 'hidden'\n### END HIDDEN TESTS\n"


def code(source, **marks):
    metadata = {"nbgrader": {"solution": False, "grade": False, **marks}} if marks else {}
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [],
            "execution_count": None}  # fmt: skip


def text(source, **marks):
    return {key: value for key, value in code(source, **marks).items()
            if key in ("source", "metadata")} | {"cell_type": "markdown"}  # fmt: skip


def solved(name, body):
    return f"def {name}(x):\n    ### BEGIN SOLUTION\n    return {body}\n    ### END SOLUTION\n"


def notebook(*cells):
    return {"cells": copy.deepcopy(list(cells)), "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


CHECK = ("import math\n\nown = your_own(double)\n"
         f"assert own(2) == 4, 'twice 2 is 4'\n{HIDDEN}"
         "assert abs(own(math.pi) - 2 * math.pi) < 1e-9, 'not only integers'\n")  # fmt: skip
SOURCE = notebook(
    code("import itertools as it, math\nimport torch\nslow = torch.ones(3)"),
    text("### 1. Double it"),
    code(solved("double", "2 * x"), grade_id="double", solution=True),
    code(CHECK, grade_id="double-check", grade=True, points=2),
    text("### 2. Halve it"),
    code(solved("half", "x / 2"), grade_id="half", solution=True),
    code("assert half(3) == 1.5, 'half of 3 is 1.5'", grade_id="half-check", grade=True, points=1),
    text(
        "**Why?** 2 points are for a reason.", grade_id="why", solution=True, grade=True, points=2
    ),
)
SOURCE["cells"][3]["metadata"]["minigpt"] = {"again": "What twice means"}


def answers(first, second="def half(x):\n    return x / 2", *others):
    """A submission with these answers, and further cells before the first of them."""
    made = without_solutions(SOURCE)
    made["cells"][2]["source"], made["cells"][5]["source"] = first, second
    made["cells"][2:2] = map(code, others)
    return made


def points(submitted, **options):
    report = grade_notebook(SOURCE, submitted, **options)
    return [r.points for r in report.results], [r.message for r in report.results], report


def test_the_release_has_no_solution_and_earns_nothing():
    release = without_solutions(SOURCE)
    assert "SOLUTION" not in json.dumps(release) and "7919" not in json.dumps(release)
    assert "2 * x" not in json.dumps(release) and "a reason" not in json.dumps(release)
    found, messages, _ = points(release)
    open_ = "not answered yet: `raise NotImplementedError()` still stands in it (line 3 of the"
    assert found == [0, 0] and [message.startswith(open_) for message in messages] == [True, True]


def test_solutions_earn_all_points():
    found, messages, report = points(SOURCE)
    assert found == [2, 1] and messages == ["all checks pass"] * 2
    assert (report.points, report.most) == (3, 3)
    assert report.problems == [] and report.notes == []


def test_exercises_are_listed_with_what_to_read_again():
    found = [(e.name, e.answer, e.points, e.title, e.again) for e in exercises(SOURCE)]
    assert found == [("double-check", "double", 2, "1. Double it", "What twice means"),
                     ("half-check", "half", 1, "2. Halve it", "")]  # fmt: skip
    with pytest.raises(ValueError, match="'half-check' stands behind no answer"):
        exercises(notebook(*SOURCE["cells"][:5], *SOURCE["cells"][6:]))


@pytest.mark.parametrize(
    "answer, expected",
    [
        ("def double(x):\n    return x + 2", "hidden"),  # 2 + 2 is 4 too
        ("def double(x):\n    return 3 * x", "twice 2 is 4"),
        ("def double(x):\n    return 2 * y", "NameError: name 'y' is not defined (line 2 of the"),
        ("def double(x)\n    return 2 * x", "SyntaxError: expected ':' (line 1 of the answer)"),
        ("", "NameError: name 'double' is not defined"),
        ("double = 5", "TypeError"),
        ("def double(x):\n    assert x != 2\n    return 2 * x", "(line 2 of the answer)"),
        ("raise SystemExit(0)", "SystemExit"),
        ("def double(x):\n    raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def double(x):\n    return double(x)", "RecursionError"),
        ("def double(x):\n    y = 2 * x\n    raise NotImplementedError()\n    return y",
         "`raise NotImplementedError()` still stands in it (line 3 of the answer)"),
        ("def double(x):\n    raise NotImplementedError('no sum of Long')",
         "NotImplementedError: no sum of Long (line 2"),
    ],
)  # fmt: skip
def test_a_wrong_answer_costs_its_own_points_and_says_why(answer, expected):
    found, messages, _ = points(answers(answer))
    assert found == [0, 1] and expected in messages[0]


@pytest.mark.parametrize(
    "answer, expected",
    [
        ("while True:\n    pass", "it ran longer than 2 seconds"),
        ("def double(x):\n    while True:\n        try:\n            x = x + 1\n"
         "        except BaseException:\n            pass", "it ran longer than 2 seconds"),
        ("import os\nos._exit(0)", "it ended Python itself"),
        ("def double(x):\n    import os, signal\n    os.abort()", "it ended Python itself"),
    ],
)  # fmt: skip
def test_a_crash_or_a_loop_costs_its_own_points_alone(answer, expected):
    found, messages, report = points(answers(answer), seconds=2)
    assert found == [0, 1] and expected in messages[0] and report.results[0].unsafe


def test_a_cell_of_the_students_own_is_run_and_may_fail():
    helper = "def twice(x):\n    return x + x"
    use = "def double(x):\n    return twice(x)"
    assert points(answers(use, *SOLVED_HALF, helper))[0] == [2, 1]
    found, _, report = points(answers(use, *SOLVED_HALF, helper, "1 / 0", "while True: pass"),
                              seconds=2)  # fmt: skip
    assert found == [2, 1]  # what was defined before the loop is there again
    assert [note.split(": ")[1] for note in report.notes] == [
        "ZeroDivisionError", "it ran longer than 2 seconds, and was stopped"]  # fmt: skip


SOLVED_HALF = ["def half(x):\n    return x / 2"]


def test_names_that_the_lesson_imports_are_there_and_its_variables_are_not():
    use = "def double(x):\n    return next(it.islice(it.count(2 * x), 1))"
    assert points(answers(use))[0] == [2, 1]
    found, messages, _ = points(answers("def double(x):\n    return len(slow) * x"))
    assert found == [0, 1] and "name 'slow' is not defined" in messages[0]
    lesson = ["import a.b as c, d\nfrom e import f, g as h", "not python ("]
    assert imports_for(lesson, "h(1)") == "from e import f, g as h"
    assert imports_for(lesson, "b, cc") == "" and imports_for(lesson, "d") == "import a.b as c, d"


def test_checks_have_your_own_and_its_inputs_from_the_grader():
    source = copy.deepcopy(SOURCE)
    drawn = "assert 0 <= trial_random().random() < 1\nassert next(it.count(half(3))) == 1.5\n"
    source["cells"][6]["source"] = "assert math.isclose(your_own(half)(3), 1.5)\n" + drawn
    report = grade_notebook(source, answers(DOUBLE), seed="1")
    assert [result.points for result in report.results] == [2, 1]
    made = [cell["source"] for cell in for_nbgrader(report, source)["cells"]]
    assert made[0] == "import itertools as it, math", "the lesson's imports that checks need"


DOUBLE = "def double(x):\n    return 2 * x"
PACKAGES = (
    "def double(x):\n    from minigpt.arena import elo_update\n"
    "    return elo_update(2 * x, 0, 1, 0)[0]\n"
)
NAMES_OF_CHECKS = [
    "def your_own(f, allowed=()):\n    return f", "class your_own(int): pass",
    "your_own = lambda f: f", "global your_own\nfor your_own in [abs]: pass", "del your_own",
    "from builtins import id as your_own", "import math as trial_random",
    "from minigpt.classroom.grading import your_own",
    "def use():\n    global trial_random\n    trial_random = None",
]  # fmt: skip


@pytest.mark.parametrize("trick", NAMES_OF_CHECKS)
def test_an_answer_that_takes_a_name_of_the_checks_is_refused(trick):
    found, messages, report = points(answers(f"{DOUBLE}\n{trick}"))
    name = "trial_random" if "trial_random" in trick else "your_own"
    assert found == [0, 1] and report.results[0].unsafe
    assert messages[0] == f"refused: the checks use {name}(): give yours another name"
    made = [cell["source"] for cell in for_nbgrader(report, SOURCE)["cells"]]
    assert f"{DOUBLE}\n{trick}" not in made, "nbgrader runs it no more than the grader does"


def test_an_answer_may_import_what_checks_use():
    given = "from minigpt.classroom.grading.your_own import trial_random, your_own\n"
    assert points(answers(given + DOUBLE))[0] == [2, 1]


def test_a_name_of_the_checks_that_is_taken_at_run_time_changes_nothing():
    watched = points(answers(PACKAGES))
    assert watched[0] == [0, 1] and "lets minigpt's elo_update() do the work" in watched[1][0]
    taken = "globals()['your_own'] = lambda f: f\n"
    assert points(answers(taken + PACKAGES))[:2] == watched[:2]
    assert points(answers(PACKAGES, *SOLVED_HALF, taken, "your_own = abs"))[:2] == watched[:2]


def test_lines_of_ipython_are_left_out():
    assert points(answers("%matplotlib inline\n!ls\ndef double(x):\n    return 2 * x"))[0] == [2, 1]


def test_honest_work_is_not_refused():
    """Temporary files, printing, dataclasses, named tuples, numpy and torch are everyday things."""
    honest = (
        "import collections, dataclasses, io, os, tempfile, warnings\nimport numpy as np\n"
        "import torch\nPoint = collections.namedtuple('Point', 'x y')\n\n"
        "@dataclasses.dataclass\nclass Mine:\n    x: float = 1\n\n"
        "with open('note.txt', 'w') as f:\n    f.write('mine')\n"
        "with tempfile.TemporaryFile() as f:\n    f.write(b'x')\n"
        "print(os.listdir('.'), open('note.txt').read())\n\n"
        "def double(x):\n    warnings.warn('slow')\n    print(x)\n"
        "    two = torch.tensor([2.0], dtype=torch.float64)\n"
        "    return float(two.mul(x).sum()) + float(np.zeros(1)[0])"
    )
    found, messages, _ = points(answers(honest))
    assert found == [2, 1], messages


def test_points_and_checks_in_a_submission_count_for_nothing():
    submitted = answers("def double(x):\n    return 0")
    marks = submitted["cells"][3]["metadata"]["nbgrader"]
    marks |= {"points": 100, "locked": False}
    submitted["cells"][3]["source"] = "pass"
    found, _, report = points(submitted)
    assert found == [0, 1] and report.most == 3
    mended = [c for c in report.notebook["cells"] if c["metadata"].get("nbgrader")][1]
    assert mended["metadata"]["nbgrader"]["points"] == 2 and "assert own(2)" in mended["source"]


def test_nbgrader_gets_a_notebook_that_cannot_stop_it():
    loop = "def double(x):\n    while True:\n        pass"
    helper, broken = "def help_me():\n    return it", "while True: pass"
    report = points(answers(loop, *SOLVED_HALF, helper, broken), seconds=2)[2]
    made = for_nbgrader(report, SOURCE)
    sources = [cell["source"] for cell in made["cells"]]
    assert sources[0] == "import itertools as it, math"
    stopped = next(s for s in sources if s.startswith("raise RuntimeError('it ran longer than 2"))
    assert "#     while True:" in stopped and loop not in sources
    skipped = [
        c["source"] for c in made["cells"] if "skip-execution" in c["metadata"].get("tags", [])
    ]
    assert skipped == [SOURCE["cells"][0]["source"], broken]
    assert (
        report.notebook
        == points(answers(loop, *SOLVED_HALF, helper, broken), seconds=2)[2].notebook
    )


def test_a_renamed_file_is_known_by_its_cells():
    other = notebook(code("def f(): pass", grade_id="f", solution=True))
    assert belongs_to(without_solutions(SOURCE), {"other": other, "this": SOURCE}) == "this"
    assert belongs_to(notebook(code("1")), {"this": SOURCE}) is None
    for junk in (
        [],
        {"cells": 3},
        {"cells": [None, {"metadata": 3}, {"metadata": {"nbgrader": 1}}]},
    ):
        assert belongs_to(junk, {"this": SOURCE}) is None


def test_an_answer_that_names_the_teachers_part_is_remarked():
    given = "from minigpt.classroom.worksheet.variant import student_id\n"
    answer = f"{given}def double(x):\n    return 2 * x"
    found, _, report = points(answers(answer))
    assert found == [2, 1] and report.notes == ["double: it names minigpt.classroom, read it"]


# ---- budgets ------------------------------------------------------------------------------------


def budget(source, tag="budget", **short):
    cell = code(source)
    cell["metadata"] = {"tags": [tag], "minigpt": {"short": short}}
    return cell


def test_a_budget_cell_gets_short_values_and_keeps_its_form():
    source = """\
STEPS = 6_000  # updates: ü
QUESTIONS, few = 5, 7
BUDGET = "full"    # or "short"
SIZES = [100, 200]
RATE = 0.5
LEAST = 3
half = 400
# the end"""
    short = {"BUDGET": "short", "SIZES": [10], "LEAST": 2, "STEPS": 300}
    given = notebook(code("STEPS = 6_000"), budget(source, **short))
    first, second = with_short_budget(given)["cells"]
    assert first["source"] == "STEPS = 6_000"  # that cell has no tag
    assert (
        second["source"]
        == """\
STEPS = 300  # updates: ü
QUESTIONS, few = 5, 7
BUDGET = 'short'    # or "short"
SIZES = [10]
RATE = 0.5
LEAST = 2
half = 400
# the end"""
    )
    assert given["cells"][1]["source"] == source
