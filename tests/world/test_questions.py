"""Questions: which facts they may ask, and in which words."""

import random
import re
from collections import Counter

import pytest

from minigpt.world.facts import ATTRIBUTES, load_world
from minigpt.world.questions import (
    Questions,
    ask,
    ask_unknown,
    fact_questions,
    sample_questions,
    seen_phrasings,
    understood,
)

WORLD = load_world("en")
TEXT = WORLD.text


def phrasings(which: slice) -> set:
    """The question forms with the name taken out."""
    return {form.casefold() for forms in TEXT.QUESTIONS.values() for form in forms[which]}


def form_of(question) -> str:
    return question.text.casefold().replace(question.place.name.casefold(), "{p}")


def test_tables():
    assert set(TEXT.QUESTIONS) == set(WORLD.values) == {a for k in ATTRIBUTES.values() for a in k}
    counts = {len(forms) for forms in TEXT.QUESTIONS.values()}
    assert counts == {12} and len(seen_phrasings(WORLD)) == 12 - TEXT.HELD_OUT_PHRASINGS == 10
    every = [form for forms in TEXT.QUESTIONS.values() for form in forms]
    assert len({form.casefold() for form in every}) == len(every)
    assert all(form.count("{p}") == 1 for form in every)
    assert all(form.endswith("?") for forms in TEXT.QUESTIONS.values() for form in forms[:6])


@pytest.mark.parametrize("split", ["A", "B", "V", "E"])
def test_only_facts_of_the_split(split):
    asked = sample_questions(WORLD, split, 1500, seed=3, unknown=0, lower=0.5)
    assert len(asked) == 1500
    for question in asked:
        fact = WORLD.facts[question.place.id, question.attribute]
        assert question.kind == "fact" and fact.split == split and question.answer == fact.value
    facts = fact_questions(WORLD, split)
    assert [(q.place, q.attribute) for q in facts] == [
        (f.place, f.attribute) for f in WORLD.of_split(split)
    ]


def test_of_two_splits_both_are_asked_and_no_other():
    asked = sample_questions(WORLD, ("A", "B"), 3000, seed=3, unknown=0)
    count = Counter(WORLD.facts[q.place.id, q.attribute].split for q in asked)
    assert set(count) == {"A", "B"} and min(count.values()) > 1000
    assert sample_questions(WORLD, ("V",), 50) == sample_questions(WORLD, "V", 50)


def test_unpopular_places_are_asked_about_as_often_as_popular_ones():
    """Each place that has a fact there and is not of the tail, whatever its rank and however many
    facts it has: the counts are those of so many throws of a fair die."""
    splits, n = ("A", "B"), 20_000
    asked = sample_questions(WORLD, splits, n, seed=9, unknown=0, popular=False)
    count = Counter(q.place.id for q in asked)
    places = {f.place.id for f in WORLD.of_split(*splits) if not f.place.tail}
    assert set(count) == places and len(places) > 100
    mean = n / len(places)
    assert all(abs(found - mean) < 5 * mean**0.5 for found in count.values())
    chi2 = sum((found - mean) ** 2 / mean for found in count.values())
    freedom = len(places) - 1
    assert abs(chi2 - freedom) < 5 * (2 * freedom) ** 0.5
    facts = Counter((q.place.id, q.attribute) for q in asked)  # each fact of a place alike, too
    assert set(facts) == {(f.place.id, f.attribute) for f in WORLD.of_split(*splits)
                          if not f.place.tail}  # fmt: skip


def test_only_seen_phrasings():
    asked = sample_questions(WORLD, "A", 4000, unknown=0.5)
    forms = {form_of(q) for q in asked}
    assert forms <= phrasings(slice(0, 10))
    assert len(forms) > 0.9 * 80  # and nearly all of them
    held_out = [ask(WORLD, f, phrasing) for f in WORLD.of_split("A", "E") for phrasing in (10, 11)]
    assert {form_of(q) for q in held_out} == phrasings(slice(10, 12))


@pytest.mark.parametrize("chat, unknown", [(0.0, 0.3), (0.2, 0.3), (0.0, 0.0), (0.5, 0.5)])
def test_shares(chat, unknown):
    asked = sample_questions(WORLD, "A", 3000, chat=chat, unknown=unknown)
    kinds = Counter(q.kind for q in asked)
    assert (kinds["chat"] + kinds["other"]) / 3000 == pytest.approx(chat, abs=0.03)
    assert kinds["unknown"] / 3000 == pytest.approx(unknown, abs=0.03)
    assert kinds["fact"] / 3000 == pytest.approx(1 - chat - unknown, abs=0.03)


def test_lower_case():
    asked = sample_questions(WORLD, "A", 3000, unknown=0.3, lower=0.25)
    share = sum(q.text == q.text.lower() for q in asked) / 3000
    assert share == pytest.approx(0.25, abs=0.03)
    for question in asked:  # what is asked stays the same
        assert question.place.name.casefold() in question.text.casefold()
        true = question.place.values.get(question.attribute)
        assert question.answer == (true if question.kind == "fact" else None)
    assert not any(q.text.islower() for q in sample_questions(WORLD, "A", 500, lower=0))


def test_chat_and_other():
    asked = sample_questions(WORLD, "A", 1000, chat=1.0)
    greetings = {a for asks, _ in TEXT.SMALL_TALK for a in asks}
    kinds = Counter(q.kind for q in asked)
    assert kinds["chat"] == pytest.approx(600, abs=60) and set(kinds) == {"chat", "other"}
    for question in asked:
        assert question.place is None and question.answer is None and question.replies
        assert (question.text in greetings) == (question.kind == "chat")
        assert not re.search(r"[{}]", question.text)
    assert {q.text for q in asked if q.kind == "chat"} == greetings


def test_unknown_questions_have_no_answer_and_fit_the_place():
    asked = [q for q in sample_questions(WORLD, "A", 2000, unknown=1.0)]
    for question in asked:
        assert question.kind == "unknown" and question.answer is None
        assert question.attribute in ATTRIBUTES[question.place.kind]
    assert {q.attribute for q in asked} == set(WORLD.values) - {"districts"}


def test_popular_places_are_asked_about_more_often():
    asked = sample_questions(WORLD, "A", 4000, unknown=0)
    ranks = Counter(q.place.rank for q in asked)
    assert not any(q.place.tail for q in asked)
    assert sum(ranks[r] for r in range(30)) > 2 * sum(ranks[r] for r in range(100, 130))


def test_deterministic():
    one, two = (sample_questions(WORLD, "V", 200, seed=5, chat=0.1) for _ in range(2))
    assert one == two != sample_questions(WORLD, "V", 200, seed=6, chat=0.1)


def test_makers_are_those_asked_for():
    asked = sample_questions(WORLD, "E", 400, unknown=1.0, makers=("syllables", "real"))
    count = Counter(q.place.id.split("-")[0] == "syllables" for q in asked)
    assert 100 < count[True] < 300
    assert all(q.place in WORLD.held_out or q.place.id.startswith("syllables") for q in asked)


def test_head():
    every = fact_questions(WORLD, "E")
    head = every.head(10)
    assert isinstance(head, Questions) and len({q.place.id for q in head}) == 10
    worst = max(q.place.rank for q in head)
    assert list(head) == [q for q in every if q.place.rank <= worst]
    mixed = sample_questions(WORLD, "E", 300, unknown=0.5)
    assert {q.kind for q in mixed.head(5)} == {"fact"} and mixed.head(0) == []
    assert mixed.head(10**6) == [q for q in mixed if q.kind == "fact"]


def test_ask_unknown_uses_the_name():
    for place in WORLD.held_out[:50]:
        assert place.name in ask_unknown(WORLD, place, random.Random(0)).text


def test_what_is_typed_in_the_worlds_words_is_understood():
    for split in ("A", "E"):
        for question in fact_questions(WORLD, split)[::7] + sample_questions(
            WORLD, split, 60, seed=5
        ):
            found = understood(WORLD, f"  {question.text} ".replace(" ", "  "))
            assert found.kind == question.kind, question
            if question.kind == "fact":
                same = (found.place, found.attribute, found.answer)
                assert same == (question.place, question.attribute, question.answer)
            elif question.kind == "unknown":
                assert found.place.name.casefold() == question.place.name.casefold()
                assert found.answer is None
    talk = sample_questions(WORLD, "A", 200, chat=1.0, unknown=0)
    assert all(understood(WORLD, q.text).replies == q.replies for q in talk)


@pytest.mark.parametrize(
    "typed", ["", "Beijing", "Which country is France in?", "(.*)", "Is it far?"]
)
def test_other_words_are_not_understood(typed):
    assert understood(WORLD, typed) is None
