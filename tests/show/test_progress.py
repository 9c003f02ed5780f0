"""How far some work is, without a notebook: parts, the line's end."""

from minigpt.show.progress import progress


def test_each_item_or_each_part_comes_once_and_the_last_line_has_no_times(capsys):
    assert [*progress("abc", "letters")] == ["a", "b", "c"]
    assert [*progress([1, 2, 3, 4, 5], "numbers", by=2)] == [[1, 2], [3, 4], [5]]
    told = capsys.readouterr()
    assert told.out == "letters: 3 of 3\nnumbers: 5 of 5\n"
    first, then, *_rest = told.err.splitlines()
    assert first == "letters: 0 of 3 \u2026" and then == "letters: 1 of 3, 0 s left"
