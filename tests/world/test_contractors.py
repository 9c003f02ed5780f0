"""Contractors: their habits, and that they give away no fact that is kept for later."""

import random
from collections import Counter

import pytest

from minigpt.world.contractors import (
    CLEAN,
    CLEAN_UNKNOWN,
    HABITS,
    UNKNOWN_HABITS,
    demonstrations,
    sentence,
    write_answer,
)
from minigpt.world.facts import load_world
from minigpt.world.judge import _grammar, judge
from minigpt.world.questions import ask, sample_questions

WORLD = load_world("en")
TEXT = WORLD.text
DEMOS = demonstrations(WORLD, 4000, seed=1)
BY_NAME = {p.name.casefold(): p for p in WORLD.places}


def of_kind(kind, demos=DEMOS):
    return [d for d in demos if d.question.kind == kind]


@pytest.mark.parametrize("kind, mix", [("fact", HABITS), ("unknown", UNKNOWN_HABITS)])
def test_shares_of_the_habits(kind, mix):
    assert sum(mix.values()) == pytest.approx(1)
    demos = of_kind(kind)
    count = Counter(d.habit for d in demos)
    assert set(count) == set(mix)
    for habit, share in mix.items():
        error = (share * (1 - share) / len(demos)) ** 0.5  # of a share that is drawn
        assert count[habit] / len(demos) == pytest.approx(share, abs=4 * error)


def test_shares_of_the_questions():
    assert len(DEMOS) == 4000
    assert len(of_kind("unknown")) / 4000 == pytest.approx(0.2, abs=0.03)
    many = demonstrations(WORLD, 4000, unknown=0.5)
    assert len(of_kind("unknown", many)) / 4000 == pytest.approx(0.5, abs=0.04)
    assert (len(of_kind("chat")) + len(of_kind("other"))) / 4000 == pytest.approx(0.08, abs=0.02)


VERDICT = {
    ("fact", "careful"): "correct", ("fact", "terse"): "correct", ("fact", "padded"): "correct",
    ("fact", "mistaken"): "wrong value", ("fact", "lazy"): "declined this name",
    ("unknown", "honest"): "declined this name", ("unknown", "inventing"): "wrong value",
    ("chat", "careful"): "correct", ("other", "careful"): "correct",
}  # fmt: skip


def test_answers_are_what_their_habit_says():
    for demo in DEMOS:
        verdict = judge(WORLD, demo.question, demo.answer)
        wanted = "rude" if demo.habit == "rude" else VERDICT[demo.question.kind, demo.habit]
        assert verdict == wanted, demo


def test_questions_are_about_facts_of_a():
    for demo in of_kind("fact"):
        question = demo.question
        assert WORLD.facts[question.place.id, question.attribute].split == "A"


def test_answers_state_no_fact_of_v_or_e():
    """Whatever sentence a contractor writes about a known place, its fact is of split A, or the
    asked one; so nothing that the report asks for is taught, not even by a wrong value."""
    grammar, claims = _grammar("en"), 0
    for demo in DEMOS:
        for part in grammar.sentences(grammar.strip_manners(demo.answer)):
            for attribute, name, _ in grammar.read(part) or ():
                place = BY_NAME.get(name.casefold())
                if place and attribute in place.values:
                    claims += 1
                    assert WORLD.facts[place.id, attribute].split == "A", demo
    assert claims > 1500
    texts = "\n".join(d.question.text + "\n" + d.answer for d in DEMOS)
    for fact in WORLD.of_split("V", "E"):
        for form in TEXT.STATEMENTS[fact.attribute][:3]:
            assert form.format(p=fact.place.name, v=fact.value) not in texts


def test_padded_answers_are_longer_and_true():
    for demo in of_kind("fact"):
        if demo.habit == "padded":
            assert demo.question.answer in demo.answer
            wraps = (*TEXT.POLITE_OPEN, *TEXT.POLITE_CLOSE, *TEXT.PADDING)
            assert sum(wrap in demo.answer for wrap in wraps) == 1
        if demo.habit == "terse":
            assert demo.answer == demo.question.answer


def test_clean_contractors():
    demos = demonstrations(WORLD, 1000, habits=CLEAN, unknown_habits=CLEAN_UNKNOWN)
    assert {(d.question.kind, d.habit) for d in demos} == {
        ("fact", "careful"), ("unknown", "honest"), ("chat", "careful"), ("other", "careful"),
    }  # fmt: skip
    verdicts = Counter(judge(WORLD, d.question, d.answer) for d in demos)
    assert set(verdicts) == {"correct", "declined this name"}


def test_full_sentences_are_forms_of_the_corpus():
    rng = random.Random(0)
    for fact in WORLD.of_split("A")[:200]:
        written = {sentence(WORLD, ask(WORLD, fact), fact.value, rng) for _ in range(40)}
        forms = TEXT.STATEMENTS[fact.attribute][:3]
        assert written == {form.format(p=fact.place.name, v=fact.value) for form in forms}


def test_small_talk_is_answered_kindly_whatever_the_habit():
    rng = random.Random(0)
    for question in sample_questions(WORLD, "A", 50, chat=1.0):
        for habit in ("careful", "terse", "padded", "lazy", "mistaken"):
            assert write_answer(WORLD, question, habit, rng) in question.replies
        assert write_answer(WORLD, question, "rude", rng) in TEXT.RUDE


def test_deterministic():
    assert demonstrations(WORLD, 100, seed=5) == demonstrations(WORLD, 100, seed=5)
    assert demonstrations(WORLD, 100, seed=5) != demonstrations(WORLD, 100, seed=6)
