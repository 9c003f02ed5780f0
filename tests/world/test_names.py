"""Names of places that nobody has written about."""

import pytest

from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import Writer
from minigpt.world.facts import load_world
from minigpt.world.names import (
    MARKOV_LIMIT,
    TEST_MAKERS,
    TRAIN_MAKERS,
    markov_names,
    syllable_names,
    unknown_places,
)
from minigpt.world.questions import sample_questions

WORLD = load_world("en")
MAKERS = (*TRAIN_MAKERS, *TEST_MAKERS)
KNOWN = {p.name.casefold() for p in WORLD.places}
KNOWN |= {value.casefold() for values in WORLD.values.values() for value in values}
HELD_OUT = {p.name.casefold() for p in WORLD.held_out}


def names(maker: str, n: int = 150, seed: int = 0) -> list[str]:
    return [p.name for p in unknown_places(WORLD, maker, n, seed)]


@pytest.mark.parametrize("maker", MAKERS)
def test_distinct_unknown_and_deterministic(maker):
    made = names(maker)
    folded = {name.casefold() for name in made}
    assert len(made) == len(folded) == 150
    assert folded.isdisjoint(KNOWN)
    assert folded <= HELD_OUT if maker == "real" else folded.isdisjoint(HELD_OUT)
    assert made == names(maker) and set(made) != set(names(maker, seed=1))


@pytest.mark.parametrize("maker", MAKERS)
def test_places_have_no_facts_to_give_away(maker):
    for place in unknown_places(WORLD, maker, 60):
        assert place.held_out and place.rank == -1 and not place.tail
        assert maker == "real" or not place.values
    assert {p.kind for p in unknown_places(WORLD, maker, 60)} == {"city", "country"}


def test_makers_do_not_overlap():
    made = {maker: {n.casefold() for n in names(maker)} for maker in MAKERS}
    for a in MAKERS:
        for b in MAKERS:
            assert a == b or made[a].isdisjoint(made[b]), (a, b)


def test_makers_spell_differently():
    """Each run of four letters of a Markov name stands in some known name of its kind; a syllable
    name nearly always has one that stands in none."""

    def runs(name):
        padded = f"^^^{name}$"
        return {padded[i : i + 4] for i in range(len(padded) - 3)}

    seen = {kind: set().union(*(runs(p.name) for p in WORLD.places if p.kind == kind))
            for kind in ("city", "country")}  # fmt: skip
    for kind in seen:
        assert all(runs(name) <= seen[kind] for name in markov_names(WORLD, kind, 100, 0))
    both = seen["city"] | seen["country"]
    strange = [not runs(name) <= both for name in syllable_names(WORLD, 200, 0)]
    assert sum(strange) >= 195


def test_training_never_sees_the_test_makers():
    assert not set(TRAIN_MAKERS) & set(TEST_MAKERS)
    asked = [d.question for d in demonstrations(WORLD, 1500, unknown=0.8)]
    for split in "AV":
        asked += sample_questions(WORLD, split, 1500, unknown=0.8)
    places = [q.place for q in asked if q.kind == "unknown"]
    assert len(places) > 3000
    assert {p.id.split("-")[0] for p in places} == set(TRAIN_MAKERS)
    assert {p.name.casefold() for p in places}.isdisjoint(HELD_OUT)
    tested = {n for maker in TEST_MAKERS for n in names(maker, 500, 4242)}
    assert {p.name for p in places}.isdisjoint(tested)


def test_as_many_as_asked_or_as_there_are():
    assert len(unknown_places(WORLD, "real", 10**6)) == len(WORLD.held_out)
    assert len(unknown_places(WORLD, "markov", 4001)) == sum(MARKOV_LIMIT.values())
    for n in (0, 1, 2, 7):
        assert len(unknown_places(WORLD, "markov", n)) == n
        assert len(unknown_places(WORLD, "syllables", n)) == n


def test_a_maker_that_runs_out_says_so():
    with pytest.raises(ValueError, match="ask for fewer than 5000"):
        markov_names(WORLD, "country", 5000, seed=0)
    with pytest.raises(ValueError, match="no maker 'zipf'"):
        unknown_places(WORLD, "zipf", 3)


@pytest.mark.parametrize("seed", [0, 1, 1000])
def test_one_off_names_of_the_corpus_are_nobody_elses(seed):
    made = {name.casefold() for name in Writer(WORLD, seed).one_off}
    assert len(made) > 2000
    assert made.isdisjoint(KNOWN | HELD_OUT)
    words = {word for name in made for word in name.split()}
    assert words.isdisjoint(HELD_OUT)  # nor is a held-out name a word of one
