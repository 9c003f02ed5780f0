"""Questions about the micro-web and their true answers."""

import random
import re
from collections import Counter
from dataclasses import dataclass, replace

from minigpt.world.facts import ATTRIBUTES, Fact, Place, World
from minigpt.world.names import TRAIN_MAKERS, unknown_places


@dataclass(frozen=True)
class Question:
    """What somebody typed, and what is true. `kind`: "fact", "unknown" (a place that nobody has
    written about), "chat" (small talk) or "other" (a question outside the world)."""

    text: str
    kind: str
    place: Place | None = None
    attribute: str | None = None
    answer: str | None = None  # the true value; None where there is none
    replies: tuple = ()  # what a kind assistant may say, for "chat" and "other"

    @property
    def entity(self) -> str:
        """What questions hang together by: the place, or the question itself without one."""
        return self.place.id if self.place else self.text


class Questions(list):
    """A list of questions, most popular place first."""

    def head(self, n: int) -> "Questions":
        """The questions about the `n` most popular places among them."""
        ranks = sorted({q.place.rank for q in self if q.kind == "fact"})[:n]
        return Questions(q for q in self if q.kind == "fact" and q.place.rank in set(ranks))


def ask(world: World, fact: Fact, phrasing: int = 0) -> Question:
    """The fact asked for in the given phrasing, an index into the language's QUESTIONS."""
    text = world.text.QUESTIONS[fact.attribute][phrasing].format(p=fact.place.name)
    return Question(text, "fact", fact.place, fact.attribute, fact.value)


def fact_questions(world: World, split: str = "E", phrasing: int = 0) -> Questions:
    """Every fact of a split asked once, in order of popularity; the tail is among them."""
    return Questions(ask(world, fact, phrasing) for fact in world.of_split(split))


def understood(world: World, text: str) -> Question | None:
    """What somebody typed, as a question whose answers can be judged: a fact in one of the world's
    phrasings, the same of a place that the world does not have, small talk, or a question outside
    the world. None for other words."""
    said, typed, nobody = world.text, world.text.tidy(text), []
    for attribute, templates in said.QUESTIONS.items():
        for template in templates:
            if not (name := _filled(template, typed)):
                continue
            known = [p for p in world.places if p.name.casefold() == name.casefold()]
            if known and attribute in known[0].values:
                return Question(text, "fact", known[0], attribute, known[0].values[attribute])
            if not known:
                nobody.append((name, attribute))
    if nobody:  # the shortest name: the others have words of the question in them
        name, attribute = min(nobody, key=lambda found: len(found[0]))
        nowhere = Place("typed", "city", name, -1, True, False, {}, {})
        return Question(text, "unknown", nowhere, attribute)
    for asks, kind in said.SMALL_TALK:
        if typed.casefold() in map(str.casefold, asks):
            return Question(text, "chat", replies=tuple(kind))
    if any(_filled(template, typed) is not None for template in said.OFF_WORLD):
        return Question(text, "other", replies=tuple(said.OFF_WORLD_REPLY))
    return None


def _filled(template: str, typed: str) -> str | None:
    """What stands in the template's first gap; "" where it has none, None for another text."""
    pattern = re.sub(r"\\\{\w\\\}", "(.+)", re.escape(template))
    match = re.fullmatch(pattern, typed, re.IGNORECASE)
    return match and "".join(match.groups()[:1])


def seen_phrasings(world: World) -> range:
    """The phrasings that demonstrations use; those after them are kept for testing."""
    count = len(next(iter(world.text.QUESTIONS.values())))
    return range(count - world.text.HELD_OUT_PHRASINGS)


def sample_questions(
    world: World, splits: str | tuple, n: int, seed: int = 0, unknown: float = 0.3,
    makers: tuple = TRAIN_MAKERS, chat: float = 0.0, lower: float = 0.1, popular: bool = True,
) -> Questions:  # fmt: skip
    """`n` questions as people would ask them, of one split or several: popular places more often
    (`popular=False`: all but the tail's alike), any seen phrasing.

    `unknown`: share about places that do not stand in the corpus, from `makers`; `chat`: share of
    small talk and questions outside the world; `lower`: share typed in haste.
    """
    splits = (splits,) if isinstance(splits, str) else splits
    rng = random.Random(f"questions/{'+'.join(splits)}/{seed}")
    facts = world.of_split(*splits)
    place_weights = world.weights() if popular else [float(not p.tail) for p in world.places]
    per_place = Counter(fact.place.id for fact in facts)
    weights = [place_weights[f.place.rank] / per_place[f.place.id] for f in facts]
    nobody = [p for m in makers for p in unknown_places(world, m, 1 + n // len(makers), seed)]
    out = Questions()
    while len(out) < n:
        draw = rng.random()
        if draw < chat:
            question = _chat(world, rng)
        elif draw < chat + unknown:
            question = ask_unknown(world, rng.choice(nobody), rng)
        else:
            fact = rng.choices(facts, weights)[0]
            question = ask(world, fact, rng.choice(seen_phrasings(world)))
        if question.kind in ("fact", "unknown") and rng.random() < lower:
            question = replace(question, text=world.text.casual(question.text))
        out.append(question)
    return out


def ask_unknown(world: World, place: Place, rng: random.Random) -> Question:
    """A question that cannot be answered, about a place that stands nowhere in the corpus."""
    attributes = [a for a in ATTRIBUTES[place.kind] if a not in ("area", "districts")]
    attribute = rng.choice(attributes if place.kind == "city" else attributes + ["area"])
    template = world.text.QUESTIONS[attribute][rng.choice(seen_phrasings(world))]
    return Question(template.format(p=place.name), "unknown", place, attribute)


def _chat(world: World, rng: random.Random) -> Question:
    text = world.text
    if rng.random() < 0.6:
        asks, replies = rng.choice(text.SMALL_TALK)
        return Question(rng.choice(asks), "chat", replies=tuple(replies))
    a, b, t = rng.randint(1, 20), rng.randint(1, 20), rng.choice(text.TOPICS)
    asked = rng.choice(text.OFF_WORLD).format(a=a, b=b, t=t)
    return Question(asked, "other", replies=tuple(text.OFF_WORLD_REPLY))
