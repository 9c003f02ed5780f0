"""What a notebook says of errors: a check's sentence without a traceback, others with theirs."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from minigpt.show import start


@pytest.fixture
def shell(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    start.tell_checks()
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
