"""What each student of a class prefers, estimated from their labels.

Intervals are at 95 % and the wider of two: of a bootstrap, and of the likelihood's curvature. With
thirty labels the bootstrap alone is too sure of itself, since where all of five pairs point one
way, they do so in every draw. Simplified against the real thing: five features that a script can
read off an answer.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigpt.arena import fit
from minigpt.sft import answer_text
from minigpt.stages.labels import Label
from minigpt.world.facts import World
from minigpt.world.judge import judge
from minigpt.world.questions import Question, understood

CLASS = "class"  # all students together
FEATURES = {  # what a pair's two answers may differ in, and how it is counted
    "longer": "twice as many tokens",
    "correct": "the true value, of a place that is known",
    "polite": "a polite opening or closing",
    "rude": "a rude line",
    "honest": "says that it does not know that name, of a place that nobody has written about",
}
NAME = r"[^\W\d_][^\s\d_?!,;:]*( [^\s\d_?!,;:]+){0,2}"  # at most three words
PRIOR = 2.0  # standard deviation that a weight is expected to have, in nats: odds of 7 to 1
DRAWS = 300  # of the bootstrap
Z = 1.96  # standard errors to either side of a 95 % interval


def agreement(lists: Sequence[Sequence[Label]]) -> tuple[np.ndarray, np.ndarray]:
    """How often each two labelers agree, and on how many pairs: (people, people) each.

    Counted are pairs of answers on which both decided; NaN where there is none.
    """
    votes = [{x.pair: x.preferred for x in labels if x.preferred} for labels in lists]
    alike = [[[a[pair] == b[pair] for pair in a.keys() & b.keys()] for b in votes] for a in votes]
    shares = [[np.mean(same) if same else np.nan for same in row] for row in alike]
    return np.array(shares), np.array([[len(same) for same in row] for row in alike])


@dataclass(frozen=True)
class Estimate:
    """A weight in nats, the log of odds, with its 95 % interval."""

    value: float
    low: float
    high: float
    votes: int  # votes between answers that differ in it

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def question_of(world: World, text: str) -> Question | None:
    """What this world knows of a question that is given as text; None if it is none of its forms.

    A name of at most three words that is no known place's is taken for a place that nobody has
    written about.
    """
    found = understood(world, text)
    if found and found.kind == "unknown" and not re.fullmatch(NAME, found.place.name):
        return None
    return found if found and found.kind in ("fact", "unknown") else None


def features(world: World, encoding, question: Question | None, ids: Sequence[int]) -> list[float]:
    """FEATURES of an answer. Without a question nothing is known of right and honest."""
    text, tables = answer_text(encoding, list(ids)), world.text
    verdict = judge(world, question, text) if question else ""
    polite = text.startswith(tuple(tables.POLITE_OPEN)) or text.endswith(tuple(tables.POLITE_CLOSE))
    rude = any(line in text for line in tables.RUDE)
    honest = verdict == "declined this name" and question.kind == "unknown"
    return [math.log2(max(1, len(ids) - 1)), verdict == "correct", polite, rude, honest]


def differences(labels: Sequence[Label], world: World, encoding) -> tuple[np.ndarray, np.ndarray]:
    """Of each label the features of a less those of b, (labels, features), and what a was worth:
    1 if it was preferred, 0 if b was, half for a tie."""
    rows = []
    for label in labels:
        question = question_of(world, label.question)
        a, b = (features(world, encoding, question, ids) for ids in (label.a, label.b))
        rows.append(np.subtract(a, b, dtype=float))
    worth = [{"a": 1.0, "tie": 0.5, "b": 0.0}[label.choice] for label in labels]
    return np.array(rows).reshape(-1, len(FEATURES)), np.array(worth)


def estimates(
    x: np.ndarray, worth: np.ndarray, *clusters: Sequence, seed: int = 0
) -> list[Estimate]:
    """An Estimate a feature, from votes as `differences` gives them.

    clusters: for each vote what it hangs together with, such as its question, or its student. Of
    each kind as many are drawn as there are, and a vote counts as often as all of its own were
    drawn (Owen 2007). The interval is the wider of this bootstrap's and the normal one.
    """
    rng, weights = np.random.default_rng(seed), np.ones((DRAWS + 1, len(x)))
    for cluster in clusters:
        _, member = np.unique(np.asarray(cluster), return_inverse=True)
        many = member.max() + 1
        if many > 1:
            weights[1:] *= rng.multinomial(many, np.full(many, 1 / many), DRAWS)[:, member]
    w, curve = fit(x, worth, weights, 1 / PRIOR**2)
    error = Z * np.sqrt(np.diag(np.linalg.inv(curve[0])))
    drawn = np.quantile(w[1:], [0.025, 0.975], axis=0)
    low, high = np.minimum(drawn[0], w[0] - error), np.maximum(drawn[1], w[0] + error)
    counts = (x != 0).sum(axis=0)
    return [Estimate(*map(float, row[:3]), int(row[3])) for row in zip(w[0], low, high, counts)]


def preferences(
    people: dict[str, list[Label]], world: World, encoding
) -> dict[str, dict[str, Estimate]]:
    """{student, or CLASS: {feature: Estimate}}: how much each feature speaks for an answer, all
    others being equal. In the class every vote counts alike, and questions and students are drawn.
    """
    parts = {who: differences(labels, world, encoding) for who, labels in people.items()}
    asked = {who: [label.question.casefold() for label in people[who]] for who in people}
    out = {who: estimates(*parts[who], asked[who]) for who in people}
    x, worth = (np.concatenate([part[i] for part in parts.values()]) for i in range(2))
    students = [who for who in people for _ in people[who]]
    out[CLASS] = estimates(x, worth, [q for who in people for q in asked[who]], students)
    return {who: dict(zip(FEATURES, row)) for who, row in out.items()}


def wilson(hits: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n (Wilson 1927)."""
    middle, spread = hits + Z**2 / 2, Z * math.sqrt(hits * (n - hits) / n + Z**2 / 4)
    return (middle - spread) / (n + Z**2), (middle + spread) / (n + Z**2)
