"""Contractors: their habits, and that they give away no fact that is kept for later."""

import random
from collections import Counter

import pytest

from minigpt.world.contractors import (
    HABITS,
    HONEST_UNKNOWN,
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


@pytest.mark.parametrize("kind, mix, given", [
    ("fact", HABITS, {}), ("unknown", UNKNOWN_HABITS, {}),
    ("unknown", HONEST_UNKNOWN, {"unknown_habits": HONEST_UNKNOWN}),
])  # fmt: skip
def test_shares_of_the_habits(kind, mix, given):
    assert sum(mix.values()) == pytest.approx(1)
    demos = of_kind(kind, demonstrations(WORLD, 4000, seed=1, unknown=0.5, **given))
    count = Counter(d.habit for d in demos)
    assert set(count) == set(mix)
    for habit, share in mix.items():
        error = (share * (1 - share) / len(demos)) ** 0.5  # of a share that is drawn
        assert count[habit] / len(demos) == pytest.approx(share, abs=4 * error)


def test_shares_of_the_questions():
    assert len(DEMOS) == 4000
    assert len(of_kind("unknown")) / 4000 == pytest.approx(0.15, abs=0.025)
    many = demonstrations(WORLD, 4000, unknown=0.5)
    assert len(of_kind("unknown", many)) / 4000 == pytest.approx(0.5, abs=0.04)
    assert (len(of_kind("chat")) + len(of_kind("other"))) / 4000 == pytest.approx(0.08, abs=0.02)


VERDICT = {
    ("fact", "careful"): "correct", ("fact", "terse"): "correct", ("fact", "padded"): "correct",
    ("fact", "polite"): "correct", ("fact", "mistaken"): "wrong value",
    ("fact", "lazy"): "declined this name", ("unknown", "honest"): "declined this name",
    ("unknown", "knowing"): "wrong value",  # nobody can tell that it is right
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


def test_answers_state_no_fact_of_another_split():
    """Whatever sentence a contractor writes about a known place, its fact is of split A; so
    nothing that the report asks for is taught, not even by a wrong value, nor what is practised."""
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
    for fact in WORLD.of_split("B", "V", "E"):
        for form in TEXT.STATEMENTS[fact.attribute][:3]:
            assert form.format(p=fact.place.name, v=fact.value) not in texts


def test_padded_answers_are_longer_and_true():
    for demo in of_kind("fact"):
        if demo.habit == "padded":
            assert demo.question.answer in demo.answer
            assert sum(demo.answer.endswith(x) for x in (*TEXT.POLITE_CLOSE, *TEXT.PADDING)) == 1
            assert not demo.answer.startswith(tuple(TEXT.POLITE_OPEN))
        if demo.habit == "polite":
            (opening,) = (x for x in TEXT.POLITE_OPEN if demo.answer.startswith(x))
            forms = TEXT.STATEMENTS[demo.question.attribute][:3]
            true = {f.format(p=demo.question.place.name, v=demo.question.answer) for f in forms}
            assert demo.answer.removeprefix(opening) in true
        if demo.habit == "terse":
            assert demo.answer == demo.question.answer


def test_clean_contractors():
    demos = demonstrations(WORLD, 1000, habits={"careful": 1.0}, unknown_habits={"honest": 1.0})
    assert {(d.question.kind, d.habit) for d in demos} == {
        ("fact", "careful"), ("unknown", "honest"), ("chat", "careful"), ("other", "careful"),
    }  # fmt: skip
    verdicts = Counter(judge(WORLD, d.question, d.answer) for d in demos)
    assert set(verdicts) == {"correct", "declined this name"}


def test_refusals_are_as_often_polite_as_answers():
    """Or an opening would tell whether a place is known."""
    many = demonstrations(WORLD, 4000, unknown=1.0, unknown_habits={"honest": 1.0})
    polite = [d.answer for d in many if d.answer.startswith(tuple(TEXT.POLITE_OPEN))]
    refused = [d for d in many if d.question.kind == "unknown"]
    share = HABITS["polite"]
    error = (share * (1 - share) / len(refused)) ** 0.5
    assert len(refused) > 3500 and len(polite) / len(refused) == pytest.approx(share, abs=4 * error)
    assert {x for x in TEXT.POLITE_OPEN for a in polite if a.startswith(x)} == set(TEXT.POLITE_OPEN)


def test_who_knows_no_more_than_the_model_states_nothing_about_an_unknown_place():
    demos = of_kind("unknown", demonstrations(WORLD, 1000, unknown_habits=HONEST_UNKNOWN))
    found = {judge(WORLD, d.question, d.answer) for d in demos}
    assert len(demos) > 100 and found == {"declined this name", "rude"}


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
