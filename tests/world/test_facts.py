"""The world as loaded: names, values, popularity, and the split that all stages rely on."""

import hashlib
import json
from collections import Counter

import pytest

from minigpt.world.facts import (
    ALWAYS_A,
    ATTRIBUTES,
    DATA,
    FORCED_SPLIT,
    SPLIT_PATTERN,
    TAIL,
    load_world,
)

WORLD = load_world("en")
FACTS = WORLD.facts


def test_every_fact_is_in_the_file():
    raw = json.loads((DATA / "facts.json").read_text(encoding="utf-8"))
    known = {p["id"]: p for p in raw["places"] if not p["held_out"]}
    assert [p.id for p in WORLD.places] == list(known)
    for place in WORLD.places:
        entry = known[place.id]
        expected = {"area" if key == "area_km2" else key for key in entry}
        assert set(place.values) == expected & set(ATTRIBUTES[place.kind])
        assert place.name == entry["en"] and place.raw["population"] == entry["population"]
        assert {a for i, a in FACTS if i == place.id} == set(place.values)


def test_values_of_a_fact_its_place_and_the_table_agree():
    for (place_id, attribute), fact in FACTS.items():
        assert fact.place.id == place_id and fact.attribute == attribute
        assert fact.value == fact.place.values[attribute]
        assert fact.value in WORLD.values[attribute]
    for values in WORLD.values.values():
        assert values == sorted(set(values))


def test_numbers_as_written_are_near_the_truth():
    sizes = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
    for fact in FACTS.values():
        if fact.attribute in fact.place.raw:
            number, word = (fact.value + " -").split(" ")[:2]
            written = float(number) * sizes.get(word, 1)
            assert written == pytest.approx(fact.place.raw[fact.attribute], rel=0.05), fact.value


def test_beijing_is_the_seeds():
    values = WORLD.places[0].values
    assert WORLD.places[0].name == "Beijing" and values["population"] == "21.84 million"
    assert values["area"] == "16 thousand square kilometres" and values["districts"] == "16"


def test_split_is_the_one_that_checkpoints_were_trained_with():
    """If this fails, facts that a shipped checkpoint was taught may now stand in its report."""
    lines = sorted(f"{place} {name} {fact.split}" for (place, name), fact in FACTS.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "081ee103577e8eb12a099f99a2626bcb9c9d668e9c1295688b767c023764e878"


def test_forced_splits():
    assert FORCED_SPLIT
    for key, letter in FORCED_SPLIT.items():
        assert FACTS[key].split == letter
    assert FACTS["beijing", "population"].split == "E"
    assert FACTS["beijing", "country"].split == FACTS["china", "capital"].split == "A"


def test_a_capital_and_its_country_are_in_one_split():
    """Who is told that Rome is in Italy, and asked for a capital there, has been told half."""
    countries, pairs = {p.name: p for p in WORLD.places if p.kind == "country"}, Counter()
    for fact in FACTS.values():
        if fact.attribute == "country" and fact.value in countries:
            capital = FACTS.get((countries[fact.value].id, "capital"))
            if capital and capital.value == fact.place.name:
                pairs[fact.split] += 1
                assert capital.split == fact.split, fact
    assert set(pairs) == set("ABVE") and pairs.total() > 50


def test_proportions():
    wanted = {letter: SPLIT_PATTERN.count(letter) / len(SPLIT_PATTERN) for letter in "AVE"}
    wanted["A"] = wanted["B"] = wanted["A"] / 2  # by a coin
    free = [f for f in FACTS.values() if f.attribute not in ALWAYS_A]
    count = Counter(f.split for f in free)
    assert set(count) == set(wanted)
    asked = count["A"] + count["B"]
    assert asked / count.total() == pytest.approx(2 * wanted["A"], abs=0.01)
    assert count["B"] == pytest.approx(asked / 2, abs=3 * (asked / 4) ** 0.5)
    for letter in "VE":
        assert count[letter] / count.total() == pytest.approx(wanted[letter], abs=0.01)


def test_each_attribute_has_each_split_at_each_popularity():
    for attribute in WORLD.values:
        facts = [f for f in FACTS.values() if f.attribute == attribute]
        if attribute in ALWAYS_A:
            assert {f.split for f in facts} == {"A"}, attribute
            continue
        third = len(WORLD.places) // 3
        for start in (0, third, 2 * third):
            part = [f.split for f in facts if start <= f.place.rank < start + third]
            assert set(part) == set("ABVE"), (attribute, start)


def test_of_split_is_a_partition_in_order_of_popularity():
    parts = [WORLD.of_split(letter) for letter in "ABVE"]
    keys = [(f.place.id, f.attribute) for part in parts for f in part]
    assert len(keys) == len(set(keys)) == len(FACTS)
    assert len(WORLD.of_split("V", "E")) == len(parts[2]) + len(parts[3])
    for part in parts:
        ranks = [f.place.rank for f in part]
        assert ranks == sorted(ranks)


def test_popularity():
    weights = WORLD.weights()
    assert [p.rank for p in WORLD.places] == list(range(len(WORLD.places)))
    assert sum(p.tail for p in WORLD.places) == TAIL
    for place, weight in zip(WORLD.places, weights):
        assert (weight == 0) == place.tail
    alive = [w for w in weights if w]
    assert alive == sorted(alive, reverse=True) and alive[0] > 5 * alive[-1]


def test_held_out_places_have_no_facts():
    assert {p.id for p in WORLD.held_out}.isdisjoint(i for i, _ in FACTS)
    assert all(p.held_out and p.rank == -1 and not p.tail for p in WORLD.held_out)
    assert not any(p.held_out for p in WORLD.places)


def test_unknown_language():
    with pytest.raises(ValueError, match="no world in the language 'xx'"):
        load_world("xx")
