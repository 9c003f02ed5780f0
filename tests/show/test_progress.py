"""How far some work is: parts, the line's end, with and without a notebook."""

import sys
from types import SimpleNamespace

import pytest

from minigpt.show.progress import progress

bar = sys.modules[progress.__module__]


def test_each_item_or_each_part_comes_once_and_the_last_line_has_no_times(capsys):
    assert [*progress("abc", "letters")] == ["a", "b", "c"]
    assert [*progress([1, 2, 3, 4, 5], "numbers", by=2)] == [[1, 2], [3, 4], [5]]
    told = capsys.readouterr()
    assert told.out == "letters: 3 of 3\nnumbers: 5 of 5\n"
    first, then, *_rest = told.err.splitlines()
    assert first == "letters: 0 of 3 \u2026" and then == "letters: 1 of 3, 0 s left"


@pytest.mark.parametrize("learner, last", [(False, "letters: 2 of 2"), (True, "")])
def test_in_a_notebook_the_last_line_stays_in_the_file_and_goes_where_a_learner_saw_it(
    learner, last, monkeypatch
):
    shown = []
    monkeypatch.setattr(bar, "get_ipython", object)
    monkeypatch.setattr(bar, "has_learner", lambda: learner)

    def show(data, **options):
        shown.append(data["text/plain"])
        return SimpleNamespace(update=show)

    monkeypatch.setattr(bar, "display", show)
    assert [*bar.progress("ab", "letters")] == ["a", "b"]
    assert shown == ["letters: 0 of 2 \u2026", "letters: 1 of 2, 0 s left", last]
