"""What a learner is told: a wrong answer in an exercise's cell, and what its check says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from minigpt.classroom.grading.your_own import check_passed, trial_random, your_own
from minigpt.classroom.notebook import read_notebook

SOLUTION = re.compile(r" *### BEGIN SOLUTION.*### END SOLUTION", re.S)


def told(source: Path, name: str, lines: str, monkeypatch) -> str:
    """What the check of exercise `name` says of a solution of these lines; "" if it passes."""
    cells = {cell["id"]: cell["source"] for cell in read_notebook(source)["cells"]}
    monkeypatch.setenv("MINIGPT_SECRET", "1")
    names = {"check_passed": check_passed, "trial_random": trial_random, "your_own": your_own}
    body = "\n".join("    " + line for line in lines.split("\n"))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(SOLUTION.sub(lambda _found: body, cells[name]), names)
        try:
            exec(cells[f"{name}-check"], names)
        except AssertionError as error:
            return str(error)
    return ""


def each(answers: dict[str, dict[str, str]]):
    """Parametrises by exercise, a wrong answer's lines, and a piece of what is said of it."""
    rows = [(name, *row) for name, found in answers.items() for row in found.items()]
    return pytest.mark.parametrize("name, lines, says", rows)
