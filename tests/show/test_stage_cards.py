"""Stage cards: a mark, a word and a count for each verdict, one scale of scores, escaped text."""

import re
from dataclasses import replace

import pytest

from minigpt.show.stage_cards import SIGNS, Draw, StageCard, StageCards, look, verdict
from minigpt.show.style import STAGE_COLOURS
from minigpt.world.facts import load_world
from minigpt.world.questions import understood

WORLD = load_world("en")
EVIL = '<img src=x onerror="alert(1)"> & </div>'
MORE = "What is the population of Bursa?\nHow large is Rabat?"


def cards(*draws, **other) -> StageCards:
    return StageCards((StageCard("sft", "SFT model", "as a chat", draws),), **other)


@pytest.mark.parametrize(
    "typed, answer, bare, expected",
    [
        ("What is the population of Beijing?", "21.84 million", False, ("right", "right")),
        ("What is the population of Beijing?", "Beijing has 2 million residents.", False,
         ("wrong", "wrong")),
        ("What is the population of Beijing?", "I do not know Beijing.", False,
         ("unsure", "says it does not know")),
        ("What is the population of Beijing?", "Look it up yourself.", False, ("rude", "rude")),
        ("What is the population of Beijing?", MORE, True, ("none", "more questions")),
        ("What is the population of Beijing?", "21.84 million\nMore.", True, ("right", "right")),
        ("What is the population of Beijing?", "Menu Home", True, ("none", "beside the point")),
        ("What is the population of Beijing?", "Menu Home", False, ("none", "no answer")),
        ("how many people live in zorbania?", "I do not know Zorbania.", False,
         ("right", "honest")),
        ("What is the population of Zorbania?", "2.9 million", False, ("wrong", "made up")),
        ("What is the population of Zorbania?", "I do not know Bursa.", False,
         ("unsure", "names another place")),
        ("hello", "Hello! Ask me about a city or a country.", False, ("right", "fitting")),
        ("hello", "Asia", False, ("none", "beside the point")),
        ("Write a poem about cheese.",
         "Sorry, I can only answer questions about cities and countries.", False,
         ("right", "fitting")),
        ("Is it far to Rome?", "21.84 million", False, ("none", "not judged")),
    ],
)  # fmt: skip
def test_verdicts_are_told_by_mark_and_word(typed, answer, bare, expected):
    found = verdict(WORLD, understood(WORLD, typed), answer, bare)
    assert found == expected and found[0] in SIGNS


def test_a_card_counts_its_marks_in_words_and_in_order():
    wrong, right = Draw("2", "wrong", "made up", -0.5), Draw("no", "right", "honest", 0.25)
    both = cards(wrong, right, wrong)
    assert both.cards[0].counts() == [("right", "honest", 1), ("wrong", "made up", 2)]
    assert both.cards[0].share("wrong") == pytest.approx(2 / 3)
    assert both.cards[0].share("right", "wrong") == 1
    shown = both._repr_html_()
    assert "1 honest</span>" in shown and "2 made up</span>" in shown
    said = re.search(r'role="status">([^<]*)<', shown)[1]
    assert said == "SFT model, as a chat: 1 honest, 2 made up"
    assert shown.count("(made up)") == 2  # behind the answer, for screen readers
    assert f"--c:{STAGE_COLOURS['sft']}" in shown


def test_as_text_each_answer_has_its_sign_and_score():
    shown = repr(cards(Draw("2 m", "wrong", "made up", -0.5), Draw("x", "none", "no answer"),
                       caption="Why?"))  # fmt: skip
    assert shown.split("\n") == [
        "Why?", "SFT model, as a chat: 1 made up, 1 no answer", "  x \u22120.50  2 m", "  . x"
    ]  # fmt: skip


def test_scores_have_one_scale_from_a_line_in_the_middle():
    shown = cards(Draw("a", "wrong", "wrong", -3.0), Draw("b", "right", "right", 1.5))._repr_html_()
    assert re.findall(r"--sc\w+:([^\"]+)", shown) == ["3.00", "-3.00", "1.50"]
    assert "\u22123.00" in shown and "+1.50" in shown
    small = cards(Draw("a", "right", "right", 0.75))._repr_html_()
    assert "--scale:1.50" in small  # or a small score would fill the bar
    assert "Reward model" not in cards(Draw("a", "none", "no answer"))._repr_html_()


def test_the_learners_score_stands_below_the_courses():
    draw = Draw("a", "right", "right", 0.5)
    assert "yours" not in cards(draw)._repr_html_()
    assert "+0.50<br>yours \u22121.50" in cards(replace(draw, own_score=-1.5))._repr_html_()


def test_text_is_escaped_and_numbers_stay_with_their_units():
    shown = cards(Draw(EVIL, "wrong", EVIL, 0.0), Draw("21.84 million", "right", "right"),
                  caption=EVIL)._repr_html_()  # fmt: skip
    assert "<img" not in shown and "&lt;img" in shown
    assert shown.count("<div") == shown.count("</div>")
    assert "21.84\u00a0million" in shown


def test_what_is_no_answer_is_soft_and_on_one_line():
    shown = cards(Draw(MORE, "none", "more questions"))._repr_html_()
    assert 'data-verdict="none"' in shown and "Bursa? / How" in shown


def test_every_rule_is_of_the_cards_alone_and_every_class_has_one():
    """A notebook's styles are global."""
    marks, said, css = look()
    assert set(marks) == set(SIGNS) == {mark for words in said.values() for mark in words}
    bodies = re.sub(r"@[^{]*\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}", r"\1", css)
    selectors = [part for rule in re.findall(r"([^{}]+)\{", bodies) for part in rule.split(",")]
    assert len(selectors) > 30 and all(".mg-page" in part for part in selectors), selectors
    shown = cards(*(Draw("a", mark, "b", 1.0) for mark in SIGNS))._repr_html_()
    named = set(re.findall(r'class="(mg-[^"]*)"', shown))
    assert {name for names in named for name in names.split()} <= {*re.findall(r"mg-\w+", css),
                                                                  "mg-unsure"}  # fmt: skip
    assert not re.search(r'class="(?!mg-|tex2jax)', shown)
