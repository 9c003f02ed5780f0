"""Tokens as coloured pieces: nothing hidden, nothing unescaped, one colour and title a token."""

import re

import pytest

from minigpt.engine.ranks import gpt4
from minigpt.show.strip import RAMP, TURNS, Strip, pieces, shades, visible
from minigpt.tokenizer import load_tokenizer, special


def test_pieces_join_to_the_visible_text():
    enc = load_tokenizer("en")
    text = "Paris is\n a city.\tYes"
    assert "".join(pieces(enc, enc.encode_ordinary(text))) == "Paris·is↵·a·city.→Yes"


def test_special_tokens_show_their_names_and_typed_ones_do_not_become_special():
    enc = load_tokenizer("en")
    assert pieces(enc, [special(enc, "<|end|>")]) == ["<|end|>"]
    assert len(pieces(enc, enc.encode_ordinary("<|end|>"))) > 1


def test_parts_of_a_character_are_shown_as_bytes():
    assert visible("é".encode()[:1]) == "\\xc3"
    whole = b"".join(gpt4().decode_single_token_bytes(i) for i in gpt4().encode_ordinary("北京"))
    assert visible(whole) == "北京"


def test_shades_span_the_ramp_in_order():
    values = [0, 1, 2, 3, 4, 5, 6, 7.9]
    assert shades(values, 0, 8) == list(RAMP)
    assert shades([-5, 99], 0, 8) == [RAMP[0], RAMP[-1]]
    with pytest.raises(ValueError, match="low must be below high"):
        shades([1], 2, 2)


def test_html_escapes_texts_titles_and_caption():
    strip = Strip(["<b>", '"'], titles=["<i>", '"x'], caption="<u>")
    page = strip._repr_html_()
    assert "<b>" not in page and "<i>" not in page and "<u>" not in page
    assert 'title="&quot;x"' in page
    assert len(re.findall(r"<span style=\"background", page)) == 2


def test_borders_are_seen_where_styles_are_dropped():
    page = re.sub(r' style="[^"]*"', "", Strip(["Par", "is"])._repr_html_())
    assert "<span>Par</span><span>|</span><wbr><span>is</span>" in page


def test_one_colour_and_title_a_token():
    with pytest.raises(ValueError, match="1 fills for 2 tokens"):
        Strip(["a", "b"], fills=["#fff"])
    with pytest.raises(ValueError, match="3 titles for 2 tokens"):
        Strip(["a", "b"], titles=["x", "y", "z"])


def test_text_form_shows_the_borders():
    assert repr(Strip(["Par", "is"], caption="two tokens")) == "two tokens\nPar|is"


def test_the_marked_token_has_a_frame_and_line_breaks_are_kept():
    page = Strip(["a", "↵", "b"], marked=2)._repr_html_()
    assert page.count("3px solid") == 1 and page.index("3px solid") > page.index("↵</span><br>")


def test_what_is_written_on_a_colour_can_be_read():
    def light(colour: str) -> float:  # relative luminance, WCAG 2.2
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(share * p for share, p in zip((0.2126, 0.7152, 0.0722), linear)) + 0.05

    page = Strip(["x"] * 12, fills=[*RAMP, *TURNS])._repr_html_()
    pairs = re.findall("background:(#......);color:(#...);", page)
    assert len(pairs) == 12
    for fill, ink in pairs:
        darker, lighter = sorted((light(fill), light(ink + ink[1:])))
        assert lighter / darker >= 4.5, (fill, ink)
