"""The token explorer without a kernel: typing, counts against tiktoken, odd input, static table."""

import pytest

from minigpt.engine.ranks import gpt2, gpt4
from minigpt.lessons.tokenization.token_explorer import (
    LIMIT,
    Explorer,
    encodings,
    example,
    explore_tokens,
)
from minigpt.show.table import Table


@pytest.fixture(scope="module")
def known():
    return encodings()


@pytest.fixture
def explorer(known):
    return Explorer(known, example())


def table(explorer) -> Table:
    (found,) = explorer.static()
    return found


def test_it_has_ours_in_four_sizes_and_openais_two(known):
    sizes = [300, 512, 1024, 4096, 50257, 100261]
    assert all(f"{size:,} ids" in name for name, size in zip(known, sizes))


def test_the_example_has_what_tokenizers_find_hard():
    text = example()
    assert any(c.isdigit() for c in text) and "<|end|>" in text and "    " in text
    assert any(ord(c) > 0xFFFF for c in text) and any("\u4e00" <= c <= "\u9fff" for c in text)


def test_typing_shows_every_tokenizers_tokens(explorer, known):
    explorer.text.value = "Paris is large."
    shown = explorer.shown.value
    for name, encoding in known.items():
        count = len(encoding.encode_ordinary("Paris is large."))
        assert f"{name}: {count} tokens" in shown
        assert explorer.tokens(name) == encoding.encode_ordinary("Paris is large.")
    assert "·is" in shown and "id " in shown


def test_counts_are_tokens_and_bytes_a_token(explorer):
    explorer.text.value = "北京"
    count = len(gpt4().encode_ordinary("北京"))
    assert table(explorer).rows[-1][1:3] == [count, f"{6 / count:.2f}"]


def test_ids_are_shown_when_asked_for(explorer):
    explorer.text.value = "Hello"
    number = f">{gpt2().encode_ordinary('Hello')[0]}<"
    assert number not in explorer.shown.value
    explorer.ids.value = True
    assert number in explorer.shown.value


def test_whitespace_is_visible(explorer):
    explorer.text.value = "a\tb  c\n"
    pieces = "".join(table(explorer).rows[0][-1].split())
    assert pieces == "a→b··c↵"


def test_typed_special_tokens_are_text_and_that_is_said(explorer, known):
    explorer.text.value = "<|end|>"
    for name, encoding in known.items():
        ids = explorer.tokens(name)
        assert len(ids) >= 5 and encoding.decode(ids) == "<|end|>"
    assert "was typed, so it is text" in explorer.status.value
    assert "&lt;|end|&gt;" in explorer.status.value
    explorer.text.value = "plain"
    assert "was typed" not in explorer.status.value


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_text_and_white_space_do_not_break(explorer, text):
    explorer.text.value = text
    assert ("no text yet" in explorer.status.value) is (text == "")
    assert explorer.shown.value.count(" tokens, ") == 6


def test_very_long_text_is_cut_and_that_is_said(explorer, known):
    explorer.text.value = "ab " * 5000
    assert f"15,000 characters; the first {LIMIT:,}" in explorer.status.value
    name = next(iter(known))
    assert len(known[name].decode(explorer.tokens(name))) == LIMIT


def test_half_a_surrogate_pair_is_replaced_as_bpe_training_does(explorer, known):
    explorer.text.value = "a\ud83db"
    assert all(encoding.decode(explorer.tokens(n)) == "a?b" for n, encoding in known.items())
    explorer.shown.value.encode("utf-8")  # it can be sent


def test_the_example_comes_back(explorer):
    explorer.text.value = "other"
    explorer.example.click()
    assert explorer.text.value == example()


def test_table_pieces_join_to_the_text(explorer, known):
    explorer.text.value = "Paris | is"
    for row in table(explorer).rows:
        assert row[-1].replace(" ", "") == "Paris·|·is"
        assert len(row[-1].split(" ")) == row[1]


def test_explore_tokens_begins_with_the_example(capsys):
    explore_tokens()
    assert "Zorblaxia·has" in capsys.readouterr().out
