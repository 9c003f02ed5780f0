"""The merge stepper without a kernel: it shows just what BPE training does, to the last pair."""

from collections import Counter
from itertools import pairwise

import IPython.display
import pytest

from minigpt.lessons.tokenization.merge_stepper import (
    EXAMPLE,
    LIMIT,
    MADE,
    TEXT,
    Stepper,
    name,
    step_merges,
)
from minigpt.show.table import Table
from minigpt.tokenizer import bpe_encode, bpe_merges, count_words, split_text, train_bpe


@pytest.fixture
def stepper():
    return Stepper(EXAMPLE["en"])


def test_it_starts_with_bytes(stepper):
    words = stepper.tokens(0)
    assert stepper.size(words) == len(EXAMPLE["en"].encode())
    assert "No merge yet" in stepper.status.value and stepper.back.disabled


def test_next_and_back_move_the_slider_and_stop_at_the_ends(stepper):
    stepper.next.click()
    stepper.next.click()
    assert stepper.step.value == 2
    stepper.back.click()
    assert stepper.step.value == 1
    stepper.move(-5)
    assert stepper.step.value == 0 and stepper.back.disabled
    stepper.move(10**6)
    assert stepper.step.value == len(stepper.merges) and stepper.next.disabled
    assert not stepper.back.disabled


def test_tokens_after_each_merge_are_those_of_the_encoder(stepper):
    text = EXAMPLE["en"]
    for step in range(len(stepper.merges) + 1):
        ranks = train_bpe(text, 256 + step)
        for word, tokens in stepper.tokens(step).items():
            assert [ranks[t] for t in tokens] == bpe_encode(word.encode(), ranks)


@pytest.mark.parametrize(
    "text", [EXAMPLE["en"], "aaaa aaa aa", "北京北京 北", "to be or not to be"]
)
def test_the_top_pair_is_the_next_merge_with_its_count(text):
    stepper = Stepper(text)
    assert stepper.merges == list(bpe_merges(count_words(text)))
    for step, merge in enumerate(stepper.merges):
        assert stepper.pairs(stepper.tokens(step))[0] == merge
    assert stepper.pairs(stepper.tokens(len(stepper.merges))) == []


def test_pair_counts_are_those_of_the_whole_text(stepper):
    expected = Counter()
    for word in split_text(EXAMPLE["en"]):
        expected.update(pairwise(bytes([b]) for b in word.encode()))
    assert dict(stepper.pairs(stepper.tokens(0))) == expected


def test_what_was_merged_and_what_comes_next_is_said(stepper):
    stepper.step.value = 1
    first, second = stepper.merges[:2]
    said = stepper.status.value
    assert f"Merge 1 of {len(stepper.merges)} joined" in said
    assert name(first[0]) in said and name(second[0]) in said
    left = len(EXAMPLE["en"]) - first[1]
    assert f"{left} tokens in the text" in said and "257 tokens in the vocabulary" in said


def test_ties_are_said():
    stepper = Stepper("ab, ab, ab, cd, cd, cd")  # "ab" and "cd" three times each
    assert [count for _, count in stepper.pairs(stepper.tokens(0))][:3] == [3, 3, 3]
    assert "3 pairs are as frequent; the one that sorts first" in stepper.status.value
    assert "as frequent" not in Stepper("ab, ab, cd").status.value


def test_the_end_is_said_and_has_no_table(stepper):
    stepper.step.value = len(stepper.merges)
    assert "No pair is left" in stepper.status.value and "<table" not in stepper.shown.value
    assert all(len(tokens) == 1 for tokens in stepper.tokens(stepper.step.value).values())


def test_the_newest_token_has_its_colour(stepper):
    assert MADE not in stepper.shown.value
    stepper.step.value = 1
    assert stepper.shown.value.count(MADE) == stepper.merges[0][1]


def test_another_text_starts_anew(stepper):
    stepper.step.value = 10
    stepper.text.value = "hello hello"
    assert stepper.step.value == 0 and stepper.step.max == len(stepper.merges)
    assert stepper.merges == list(bpe_merges(count_words("hello hello")))


@pytest.mark.parametrize("text", ["", " ", "a", "1 2 3", "?"])
def test_text_without_a_pair_gets_a_sentence(stepper, text):
    stepper.text.value = text
    assert "no pair in this text" in stepper.status.value
    assert stepper.step.disabled and stepper.next.disabled
    stepper.text.value = "hello"
    assert not stepper.step.disabled and not stepper.next.disabled


def test_very_long_text_is_cut_and_that_is_said(stepper):
    stepper.text.value = "word " * 1000
    assert f"5,000 characters; the first {LIMIT:,}" in stepper.status.value
    assert stepper.size(stepper.tokens(0)) == LIMIT


def test_other_scripts_emoji_and_half_surrogates_are_shown(stepper):
    stepper.text.value = "北京 北京 🙂🙂 \ud83d"
    stepper.step.value = len(stepper.merges)
    assert "北京" in stepper.shown.value
    stepper.shown.value.encode("utf-8")


def test_all_text_is_escaped(stepper):
    stepper.text.value = "<b>bold</b> <b>bold</b>"
    for step in range(len(stepper.merges) + 1):
        stepper.step.value = step
        assert "<b>" not in stepper.shown.value and "<b>" not in stepper.status.value
    assert "<b>" not in stepper.first_merges()._repr_html_()


def test_an_error_becomes_a_sentence(stepper, monkeypatch):
    def fail(step):
        raise RuntimeError("<oops>")

    monkeypatch.setattr(stepper, "tokens", fail)
    stepper.next.click()
    assert "did not work: &lt;oops&gt;" in stepper.status.value and stepper.shown.value == ""


def test_static_table_tells_the_first_merges(stepper):
    table = stepper.first_merges()
    sizes = [row[-1] for row in table.rows]
    assert sizes == sorted(sizes, reverse=True)
    for row, ((left, right), count) in zip(table.rows, stepper.merges):
        assert row[2] == count and row[3] == (left + right).decode().replace(" ", "·")


def test_step_merges_displays_the_table_first_then_the_widget(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    assert step_merges("low lower lowest") is None
    assert isinstance(shown[0], Table) and type(shown[1]).__name__ == "VBox"
    step_merges("")
    assert "no pair in this text" in capsys.readouterr().out
    step_merges("x", lang="xx")
    assert "'xx'" in capsys.readouterr().out and len(shown) == 3  # the box to type into


def test_every_control_has_a_label_and_every_language_every_word(stepper):
    controls = (stepper.text, stepper.step, stepper.back, stepper.next)
    assert all(control.description for control in controls)
    assert len({frozenset(words) for words in TEXT.values()}) == 1 and EXAMPLE.keys() == TEXT.keys()
