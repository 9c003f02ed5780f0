"""The retelling with errors: hints for what is missed or wrongly accused, and no number given."""

import re

import pytest

from minigpt.lessons.arena.errata import check_errors, errata_text, retelling
from minigpt.store.files import ROOT

WRONG = [n for n, sentence in enumerate(retelling("en"), 1) if sentence.wrong]


def test_the_right_numbers_leave_nothing_to_say_in_any_order_and_form():
    for numbers in (WRONG, set(WRONG), tuple(reversed(WRONG))):
        assert check_errors(numbers) == ([], [])


def test_a_missed_error_gets_a_hint_without_its_number():
    for number in WRONG:
        (hint,), accused = check_errors([n for n in WRONG if n != number])
        assert accused == []
        assert retelling("en")[number - 1].hint in hint
        assert not re.search(rf"\b{number}\b", hint), hint
        assert retelling("en")[number - 1].text not in hint


def test_a_true_sentence_that_is_accused_is_named():
    for number, sentence in enumerate(retelling("en"), 1):
        if not sentence.wrong:
            missing, (hint,) = check_errors([*WRONG, number])
            assert missing == []
            assert f"Sentence {number} " in hint and sentence.hint in hint


def test_guessing_does_not_pass():
    everything = range(1, len(retelling("en")) + 1)
    assert list(map(len, check_errors(everything))) == [0, len(everything) - len(WRONG)]
    assert list(map(len, check_errors([]))) == [len(WRONG), 0]
    for step in (2, 3):
        assert all(check_errors(everything[::step]))


@pytest.mark.parametrize("numbers", [None, 3, "2", ["2"], [0], [99], [2, 2], [2.0], [True, 2]])
def test_what_are_no_numbers_of_sentences_is_told(numbers):
    with pytest.raises(ValueError, match="whole numbers from 1"):
        check_errors(numbers)


def test_every_sentence_stands_beside_its_number():
    rows = errata_text().rows
    assert rows == [[n, sentence.text] for n, sentence in enumerate(retelling("en"), 1)]


def test_each_language_of_notebooks_has_its_retelling_with_the_same_errors():
    for folder in (ROOT / "notebooks" / "source").iterdir():
        sentences = retelling(folder.name)
        assert [n for n, sentence in enumerate(sentences, 1) if sentence.wrong] == WRONG
    assert 5 <= len(WRONG) <= len(retelling("en")) - 5, "neither answer is the safe one"
