"""What a check sees of a student's function that runs elsewhere: all that it would see here."""

import pytest

from minigpt.classroom.grading.marking import grade_notebook

# name: (the answer, the check)
RIGHT = {
    "prints": ("def prints(x):\n    print('x is', x)",
               "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as said:\n"
               "    own = your_own(prints)\n    own(3)\nassert said.getvalue() == 'x is 3\\n'"),
    "grows": ("def grows(items, table, row, n):\n    items.append([items[0]])\n    table['n'] = 1\n"
              "    items[0].add(5)\n    row += 1",
              "import numpy\nfirst, items, table = {1}, [], {}\nitems.append(first)\n"
              "row = numpy.zeros(2)\ngrows(items, table, row, numpy.float64(1))\n"
              "assert items == [{1, 5}, [{1, 5}]] and table == {'n': 1}\n"
              "assert row.tolist() == [1, 1]"),
    "raises": ("class Mine(KeyError):\n    pass\ndef raises(kind):\n    raise kind and Mine('k')"
               " or UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')",
               "for kind, error in ((1, KeyError), (0, UnicodeDecodeError)):\n    try:\n"
               "        raises(kind)\n    except error as found:\n"
               "        assert str(found) == (\"'k'\" if kind else "
               "\"'utf-8' codec can't decode byte 0x78 in position 0: bad\")\n"
               "    else:\n        assert False"),
    "calls": ("def calls(score, items):\n    return [score(i) for i in items]",
              "seen = []\nassert calls(lambda i: seen.append(i) or len(seen), 'ab') == [1, 2]\n"
              "assert seen == ['a', 'b'] and calls(len, ['abc']) == [3]\n"
              "try:\n    calls(lambda i: 1 / i, [0])\nexcept ZeroDivisionError:\n    pass\n"
              "else:\n    assert False\nassert calls(prints, [1]) == [None]\n"
              "assert calls(lambda i: calls(len, [i]), ['ab']) == [[2]]"),
    "reads": ("def reads(place):\n    place.seen = True\n    return place.name",
              "from types import SimpleNamespace\n"
              "assert reads(SimpleNamespace(name='Peru')) == 'Peru'"),
    "squares": ("import torch\ndef squares(a, b, rows):\n"
                "    return (a * a).sum() + 3 * b, rows[0] * 2",
                "import torch\na = torch.ones(2, requires_grad=True)\n"
                "b = torch.tensor(1.0, requires_grad=True)\nrows = [torch.ones(2)]\n"
                "found, plain = squares(a * 2, b, rows)\n"
                "assert found.requires_grad and not plain.requires_grad\n"
                "assert plain.tolist() == [2, 2]\n(found * 2).backward()\n"
                "assert a.grad.tolist() == [16, 16] and b.grad == 6\n"
                "with torch.no_grad():\n    assert not squares(a, b, rows)[0].requires_grad"),
    "cut": ("import torch\ndef cut(a):\n    return (a.detach() * 2).sum()",
            "a = torch.ones(2, requires_grad=True)\nassert not cut(a).requires_grad"),
    "in_place": ("def in_place(a):\n    a.mul_(2)\n    return a",
                 "a = torch.ones(2)\nassert in_place(a).tolist() == [2, 2] == a.tolist()"),
    "number": ("number = 17\ndef helper():\n    return 2", "assert number == 17 and helper() == 2"),
    "uses": ("def uses(text):\n    return math.prod(map(int, json.loads(text)))",
             "import json, math\nuses('[1]') if 0 else None"),
    "later": ("def later():\n    return json.dumps([math.pi > 3])", "assert later() == '[true]'"),
}  # fmt: skip
WRONG = {  # name: (the answer, the check, what the student is told)
    "prints": ("def prints(x):\n    return map(abs, [x])", "assert prints(3) == [3]",
               "prints gives back something of type map: put list(...) around it"),
    "grows": ("class Big:\n    pass\ndef grows(x):\n    return {'a': [Big()]}", "grows(1)",
              "grows gives back something of type Big: give back plain numbers, texts, lists"),
    "calls": ("calls = map(abs, [1])", "assert list(calls) == [1]",
              "calls is something of type map: put list(...) around it"),
    "raises": ("def raises():\n    x = 1\n    raise LookupError('nothing')", "raises()",
               "LookupError: nothing (line 3 of the answer)"),
    "reads": ("def reads(x):\n    return 1", "import datetime\nreads(datetime.date(2026, 1, 1))",
              "TypeError: the check passes reads something that cannot travel: date"),
    "squares": ("import torch\ndef squares(a):\n    return (a * 2).round().sum()",
                "import torch\na = torch.ones(2, requires_grad=True)\nsquares(a).backward()\n"
                "assert (a.grad == 2).all(), 'no slope'", "no slope"),
}  # fmt: skip


def notebook(parts: dict) -> dict:
    cells = []
    for name, (answer, check, *_) in parts.items():
        for source, marks in (
            (answer, {"grade_id": name, "solution": True}),
            (check, {"grade_id": f"{name}-check", "grade": True, "points": 1}),
        ):
            metadata = {"nbgrader": {"solution": False, "grade": False, **marks}}
            cells.append({"cell_type": "code", "source": source, "metadata": metadata})
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}  # fmt: skip


@pytest.fixture(scope="module")
def told():
    """{exercise: what is said of it}, of the right ones and of the wrong ones."""
    found = {}
    for kind, parts in (("right", RIGHT), ("wrong", WRONG)):
        report = grade_notebook(notebook(parts), notebook(parts), 30)
        found |= {(kind, r.exercise.answer): (r.points, r.message) for r in report.results}
    return found


@pytest.mark.parametrize("name", RIGHT)
def test_a_check_passes_as_it_would_beside_the_answer(name, told):
    assert told["right", name] == (1, "all checks pass")


@pytest.mark.parametrize("name", WRONG)
def test_a_student_is_told_what_was_wrong(name, told):
    points, message = told["wrong", name]
    assert points == 0 and WRONG[name][2] in message


def test_the_trial_seed_is_not_in_the_box():
    answer = "import os\nseed = os.environ.get('MINIGPT_SECRET', 'none')"
    check = ("import random\nassert seed == 'none'\n"
             "assert trial_random().random() == random.Random('7').random()")  # fmt: skip
    one = notebook({"seed": (answer, check)})
    assert grade_notebook(one, one, seed="7").points == 1
