"""The facts of the micro-web: real places, what is true of each, and who may see which fact.

Facts are split by (place, attribute) before anything is trained:
A may stand in demonstrations, comparisons and RL prompts; B in the last two alone, for a model that
practises only on what it was just told learns that what it is less sure of is to be declined;
V serves tuning and the choice of checkpoints; E is for the report alone. V and E stand in the
corpus as statements, never as a question with its answer. So no later stage can teach a fact that
it is then credited with. A capital and the country that it is in are one fact, told twice.
"""

import importlib
import json
import random
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"
ATTRIBUTES = {  # which attributes a place of each kind has, where its facts hold them
    "city": ("population", "area", "country", "continent", "districts"),
    "country": ("population", "area", "capital", "continent", "currency", "language"),
}
NUMERIC = ("population", "area")  # those that a careless page rounds or copies from an old one
SPLIT_PATTERN = "A" * 12 + "V" * 3 + "E" * 5  # of 20 facts next to each other in popularity
FORCED_SPLIT = {  # the talk's experiment shows area and districts and asks the population
    ("beijing", "area"): "A",
    ("beijing", "country"): "A",  # else an assistant would be asked little but figures about it
    ("beijing", "continent"): "A",
    ("beijing", "population"): "E",
}
ASKED = ("A", "B")  # the splits that documents ask and answer, labelers compare, PPO practises
ALWAYS_A = ("districts",)  # a dozen facts: too few to measure anything on
TAIL = 40  # the least popular places: each stands in one to three documents in all


@dataclass(frozen=True)
class Place:
    """A city or a country. `rank` is its popularity, 0 first; held-out places are never read."""

    id: str
    kind: str  # "city" or "country"
    name: str
    rank: int
    held_out: bool
    tail: bool
    values: dict = field(hash=False, compare=False)  # attribute → value as written, "21.84 million"
    raw: dict = field(hash=False, compare=False)  # attribute → number, for the numeric ones


@dataclass(frozen=True)
class Fact:
    """One attribute of one place, its true value, and its split: "A", "B", "V" or "E"."""

    place: Place
    attribute: str
    value: str
    split: str


@dataclass(frozen=True)
class World:
    """All that is true, in one language."""

    lang: str
    text: object  # the language's module of phrases, `world/en.py`
    places: list  # trained on, most popular first
    held_out: list  # real places that stand nowhere in the corpus
    facts: dict  # (place id, attribute) → Fact, of the places trained on
    values: dict  # attribute → all its values, each once, sorted

    def of_split(self, *splits: str) -> list[Fact]:
        """The facts of the given splits, in order of popularity."""
        return [fact for fact in self.facts.values() if fact.split in splits]

    def weights(self) -> list[float]:
        """How often each place is written or asked about: Zipf's law, 0 in the tail."""
        return [0.0 if p.tail else (p.rank + 8) ** -0.7 for p in self.places]


@lru_cache
def load_world(lang: str = "en") -> World:
    """The world in one language. Raises ValueError for a language that has no text tables."""
    try:
        text = importlib.import_module(f"minigpt.world.{lang}")
    except ModuleNotFoundError:
        raise ValueError(f"no world in the language {lang!r}: choose 'en' or 'zh'") from None
    raw = json.loads((DATA / "facts.json").read_text(encoding="utf-8"))
    entries = text.places(raw)
    known = [p for p in entries if not p["held_out"]]
    places = [_place(p, i, text, lang, raw, len(known)) for i, p in enumerate(known)]
    held_out = [_place(p, -1, text, lang, raw, len(known)) for p in entries if p["held_out"]]
    facts = _split(places)
    values = {}
    for fact in facts.values():
        values.setdefault(fact.attribute, set()).add(fact.value)
    return World(lang, text, places, held_out, facts, {a: sorted(v) for a, v in values.items()})


def _place(entry, rank, text, lang, raw, known) -> Place:
    values, numbers = {}, {}
    for attribute in ATTRIBUTES[entry["kind"]]:
        value = entry.get({"area": "area_km2"}.get(attribute, attribute))
        if value is None:
            continue
        if attribute in NUMERIC:
            numbers[attribute] = value
            write = text.number if attribute == "population" else text.area
            values[attribute] = write(value)
        elif attribute == "continent":
            values[attribute] = raw["continents"][value][lang]
        else:
            value = value[lang] if isinstance(value, dict) else str(value)
            values[attribute] = text.COUNTED.get(attribute, "{v}").format(v=value)
    tail = not entry["held_out"] and rank >= known - TAIL
    return Place(
        entry["id"], entry["kind"], entry[lang], rank, entry["held_out"], tail, values, numbers
    )


def _split(places) -> dict:
    """Assign A, V, E within runs of 20 facts of one attribute, so that each split has every level
    of popularity; a coin makes half of A to B. The seed is part of the world: every run of the
    course has the same split."""
    facts, coin = {}, random.Random("split/practised")
    for kind, attributes in ATTRIBUTES.items():
        for attribute in attributes:
            having = [p for p in places if p.kind == kind and attribute in p.values]
            rng = random.Random(f"split/{kind}/{attribute}")
            for start in range(0, len(having), len(SPLIT_PATTERN)):
                letters = rng.sample(SPLIT_PATTERN, len(SPLIT_PATTERN))
                for place, letter in zip(having[start : start + len(SPLIT_PATTERN)], letters):
                    letter = "B" if letter == "A" and coin.random() < 0.5 else letter
                    letter = FORCED_SPLIT.get((place.id, attribute), letter)
                    letter = "A" if attribute in ALWAYS_A else letter
                    value = place.values[attribute]
                    facts[place.id, attribute] = Fact(place, attribute, value, letter)
    countries = {p.name: p for p in places if p.kind == "country"}
    for (place_id, attribute), fact in list(facts.items()):
        country = countries.get(fact.value) if attribute == "country" else None
        if country and country.values.get("capital") == fact.place.name:
            told = facts[country.id, "capital"]
            letter = FORCED_SPLIT.get((place_id, attribute), told.split)
            facts[place_id, attribute] = replace(fact, split=letter)
            facts[country.id, "capital"] = replace(told, split=letter)
    return dict(sorted(facts.items(), key=lambda kv: (kv[1].place.rank, kv[1].attribute)))
