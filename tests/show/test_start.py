"""What a notebook says of errors: a check's sentence without a traceback, others with theirs."""

import re

import pytest
from IPython.core.interactiveshell import InteractiveShell

from minigpt.show import start


@pytest.fixture
def shell(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    start.explain_errors()
    return shell


@pytest.mark.parametrize(
    "code, shown",
    [
        ("assert 1 == 2, 'merge gave 1, expected 2: add up'", "merge gave 1, expected 2: add up"),
        ("def f():\n    raise NotImplementedError()\nf()", "Not answered yet. Write your lines"),
    ],
)
def test_a_check_says_its_sentence_alone(shell, code, shown, capsys):
    result = shell.run_cell(code)
    said = capsys.readouterr().out
    assert said.startswith(shown) and "Traceback" not in said and "line" not in said.split("\n")[-1]
    assert isinstance(result.error_in_exec, (AssertionError, NotImplementedError))


@pytest.mark.parametrize(
    "code", ["assert 1 == 2", "1 / 0", "raise NotImplementedError('for Long')"]
)
def test_other_errors_keep_their_traceback(shell, code, capsys):
    shell.run_cell(code)
    assert "Traceback" in capsys.readouterr().out


def test_a_name_that_is_missing_is_told_below_its_traceback(shell, capsys):
    shell.run_cell("print(a_name_of_another_cell)")
    said = capsys.readouterr().out
    traceback, told = said.split("If a cell further up makes ")
    assert "Traceback" in traceback and "NameError" in traceback
    assert told.startswith("`a_name_of_another_cell`, run that cell first.")
    shell.run_cell("def f():\n    print(x)\n    x = 1\nf()")  # a function's own name
    assert "further up" not in capsys.readouterr().out


def test_an_error_of_a_learners_function_shows_its_own_lines(shell, capsys):
    """Not the check's, which nobody has written who reads them."""
    shell.run_cell(
        "from minigpt.classroom.grading.your_own import your_own\n"
        "def total(numbers):\n    return numbers[len(numbers)]"
    )
    for code, line in (("total([1])", "return numbers[len(numbers)]"), ("total()", "missing 1")):
        shell.run_cell(f"a_check = your_own(total)\na_check{code.removeprefix('total')}")
        said = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        assert said.startswith("Called by the check, your function ended in an error of its own:")
        assert line in said and "a_check" not in said and "watched" not in said
    shell.run_cell("def total(numbers):\n    assert numbers, 'give some'\nyour_own(total)([])")
    assert capsys.readouterr().out.strip() == "give some"
