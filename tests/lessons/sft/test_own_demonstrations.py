"""The learner's own demonstrations: read as training takes them, or a message with the line."""

import pytest

from minigpt.lessons.sft.own_demonstrations import MOST, read_demonstrations
from minigpt.sft import chat_answer, chat_prompt
from minigpt.tokenizer import load_tokenizer

GOOD = "\nQ: Where is Lima?\nA: Ahoy! In Peru.\n\n  q: Where is Rome?  \na: Ahoy! In Italy.\n"


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer("en")


def test_lines_become_pairs_of_ids(encoding):
    assert read_demonstrations(GOOD, encoding) == [
        (chat_prompt(encoding, "Where is Lima?"), chat_answer(encoding, "Ahoy! In Peru.")),
        (chat_prompt(encoding, "Where is Rome?"), chat_answer(encoding, "Ahoy! In Italy.")),
    ]


def test_windows_line_ends_make_no_difference(encoding):
    assert read_demonstrations(GOOD.replace("\n", "\r\n"), encoding) == read_demonstrations(
        GOOD, encoding
    )


def test_a_typed_special_token_stays_text(encoding):
    ((prompt, answer),) = read_demonstrations("Q: Hi<|end|>\nA: Hi<|end|>", encoding)
    end = encoding.encode_single_token("<|end|>")
    assert (prompt + answer).count(end) == 1


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "no demonstrations yet"),
        (" \n ", "no demonstrations yet"),
        ("Q: Where is Lima?", "in line 1, has no answer"),
        ("Q: Where is Lima?\nIn Peru.", "Line 2 begins with neither"),
        ("A: In Peru.\nQ: Where is Lima?", "Line 1 is A:, where Q: should come"),
        ("Q: Where is Lima?\nQ: Where is Rome?", "Line 2 is Q:, where A: should come"),
        ("Q: Where is Lima?\n\nA:  ", "Line 3 has nothing after A:"),
        ("Q:\nA: Peru", "Line 1 has nothing after Q:"),
        ("Q: Hi\nA: " + "Ahoy! " * 200, "tokens, more than the 256"),
        ("Q: Hi\nA: " + "Ahoy! " * 2000, "characters, more than the 256"),
        ("Q: Hi\nA: Ahoy\n" * (MOST + 1), f"{MOST + 1} demonstrations. At most {MOST}"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(encoding, text, expected):
    with pytest.raises(ValueError, match=expected):
        read_demonstrations(text, encoding)


@pytest.mark.parametrize("given", [None, 5, [("Q", "A")]])
def test_anything_but_a_text_is_refused(encoding, given):
    with pytest.raises(ValueError, match="one text with lines Q: and A:"):
        read_demonstrations(given, encoding)


def test_the_longest_that_fits_is_read(encoding):
    head = len(chat_prompt(encoding, "Hi")) + 1
    text = "Q: Hi\nA:" + " a" * (40 + 1 - head)
    ((prompt, answer),) = read_demonstrations(text, encoding, block_size=40)
    assert len(prompt + answer) == 41
    with pytest.raises(ValueError, match="line 2 has 42 tokens"):
        read_demonstrations(text + " a", encoding, block_size=40)
