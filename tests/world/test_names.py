"""Names of places that nobody has written about."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import Writer
from minigpt.world.facts import ASKED, load_world
from minigpt.world.names import (
    MARKOV_LIMIT,
    TEST_MAKERS,
    TRAIN_MAKERS,
    anagram_names,
    markov_names,
    one_off_names,
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


def runs(name: str, n: int) -> set[str]:
    """Each `n` letters in a row of a name, its start and end marked."""
    padded = "^" * (n - 1) + name + "$"
    return {padded[i : i + n] for i in range(len(padded) - n + 1)}


def known_runs(n: int) -> dict[str, set[str]]:
    """The runs of the known names of each kind; pairs without regard to capitals."""
    case = str.lower if n == 2 else str
    return {
        kind: set().union(*(runs(case(p.name), n) for p in WORLD.places if p.kind == kind))
        for kind in ("city", "country")
    }


def test_makers_spell_differently():
    """Each run of three letters of a Markov name stands in some known name of its kind; a syllable
    name, and an anagram, has one that stands in none, and even a pair of letters, and nearly always
    a run of three that stands in no name of either kind."""
    seen, pairs = known_runs(3), known_runs(2)
    for kind in seen:
        assert all(runs(name, 3) <= seen[kind] for name in markov_names(WORLD, kind, 300, 0))
    both = seen["city"] | seen["country"]
    anagrams = [name for kind in seen for name in anagram_names(WORLD, kind, 300, 0)]
    for made in (syllable_names(WORLD, 500, 0), anagrams):
        for kind in seen:
            assert not any(runs(name, 3) <= seen[kind] for name in made)
            assert not any(runs(name.lower(), 2) <= pairs[kind] for name in made)
        assert np.mean([not runs(name, 3) <= both for name in made]) > 0.97


@pytest.mark.parametrize("kind", ["city", "country"])
def test_anagrams_are_the_letters_of_a_known_place_of_their_kind(kind):
    spelled = {"".join(sorted(p.name.lower())) for p in WORLD.places if p.kind == kind}
    made = anagram_names(WORLD, kind, 400, 5)
    letters = ["".join(sorted(name.lower())) for name in made]
    assert set(letters) <= spelled and len(set(letters)) > 30  # of many places
    assert all(name == name.capitalize() for name in made)
    of_any = {"".join(sorted(p.name.lower())) for p in WORLD.places}
    others = syllable_names(WORLD, 500, 0)
    assert of_any.isdisjoint("".join(sorted(name.lower())) for name in others)


def test_training_never_sees_the_test_makers():
    assert not set(TRAIN_MAKERS) & set(TEST_MAKERS)
    asked = [d.question for d in demonstrations(WORLD, 1500, unknown=0.8)]
    for split in (ASKED, "V"):
        asked += sample_questions(WORLD, split, 1500, unknown=0.8)
    places = [q.place for q in asked if q.kind == "unknown"]
    assert len(places) > 3000
    assert {p.id.split("-")[0] for p in places} == set(TRAIN_MAKERS)
    assert {p.name.casefold() for p in places}.isdisjoint(HELD_OUT)
    tested = {n for maker in TEST_MAKERS for n in names(maker, 500, 4242)}
    assert {p.name for p in places}.isdisjoint(tested)


def test_as_many_as_asked_or_as_there_are():
    assert len(unknown_places(WORLD, "real", 10**6)) == len(WORLD.held_out)
    for seed in (0, 11, 23, 77):  # as many as the limit says, whatever the seed
        most = unknown_places(WORLD, "markov", 10**5, seed)
        assert Counter(p.kind for p in most) == MARKOV_LIMIT
    for n in (0, 1, 2, 7):
        for maker in ("markov", "anagrams", "syllables"):
            assert len(unknown_places(WORLD, maker, n)) == n


def test_a_maker_that_runs_out_says_so():
    few = replace(WORLD, places=[p for p in WORLD.places if p.id in ("beijing", "shanghai")])
    with pytest.raises(ValueError, match=r"has about \d+ names: ask for fewer than 5000"):
        markov_names(few, "city", 5000, seed=0)
    with pytest.raises(ValueError, match="no maker 'zipf'"):
        unknown_places(WORLD, "zipf", 3)


@pytest.mark.parametrize("seed", [0, 1, 1000])
def test_one_off_names_of_the_corpus_are_nobody_elses(seed):
    made = {name.casefold() for name in Writer(WORLD, seed).one_off}
    assert len(made) > 2000
    assert made.isdisjoint(KNOWN | HELD_OUT)
    words = {word for name in made for word in name.split()}
    assert words.isdisjoint(HELD_OUT)  # nor is a held-out name a word of one


@pytest.mark.parametrize("seed", [0, 1, 7, 1000, 12345])
def test_one_off_names_could_never_be_an_unknown_places(seed):
    """Each holds three letters in a row that no known city has, and three that no known country
    has, so no chain of order 2 makes it; and pairs alone that one kind has, so no maker of
    syllables or anagrams does."""
    made = one_off_names(WORLD, 1500, seed)
    assert len(made) > 1000
    seen, pairs = known_runs(3), known_runs(2)
    for name in made:
        assert all(not runs(name, 3) <= seen[kind] for kind in seen), name
        assert any(runs(name.lower(), 2) <= pairs[kind] for kind in pairs), name
    folded = {name.casefold() for name in made}
    for maker in MAKERS:
        for other in (0, 11, 23, 77, 555, seed):
            assert folded.isdisjoint(n.casefold() for n in names(maker, 1500, other)), maker
