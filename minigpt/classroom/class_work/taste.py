"""What each student of a class prefers, estimated from their labels.

Intervals are at 95 % and the wider of two: of a bootstrap, and of the likelihood's curvature. With
thirty labels the bootstrap alone is too sure of itself, since where all of five pairs point one
way, they do so in every draw. Simplified against the real thing: five features that a script can
read off an answer.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigpt.arena import SCALE, START
from minigpt.classroom.class_work.files import question_of
from minigpt.sft import answer_text
from minigpt.stages.labels import (
    Label,
)
from minigpt.world.facts import World
from minigpt.world.judge import judge
from minigpt.world.questions import Question

CLASS = "class"  # all students together
FEATURES = {  # what a pair's two answers may differ in, and how it is counted
    "longer": "twice as many tokens",
    "correct": "the true value, of a place that is known",
    "polite": "a polite opening or closing",
    "rude": "a rude line",
    "honest": "says that it does not know that name, of a place that nobody has written about",
}
PRIOR = 2.0  # standard deviation that a weight is expected to have, in nats: odds of 7 to 1
DRAWS = 300  # of the bootstrap
Z = 1.96  # standard errors to either side of a 95 % interval


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


def fit(x: np.ndarray, worth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest weights of a Bradley–Terry model on features, and the curvature there.

    P(first preferred) = σ(w · x), x being the first's features less the second's; each weight has
    a normal prior of mean 0 and deviation PRIOR. x: (votes, features); worth: (votes,) as
    `differences` gives it; weights: (draws, votes), how often each vote counts. Returns (draws,
    features) and (draws, features, features). Newton's method.
    """
    w = np.zeros((len(weights), x.shape[1]))
    for _ in range(100):
        chance = 1 / (1 + np.exp(-w @ x.T))  # (draws, votes)
        slope = (weights * (worth - chance)) @ x - w / PRIOR**2
        spread = weights * chance * (1 - chance)
        curve = np.einsum("dn,ni,nj->dij", spread, x, x) + np.eye(x.shape[1]) / PRIOR**2
        step = np.linalg.solve(curve, slope[..., None])[..., 0].clip(-1, 1)
        w += step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    return w, curve


def estimates(
    x: np.ndarray, worth: np.ndarray, *clusters: Sequence, relative: bool = False, seed: int = 0
) -> list[Estimate]:
    """An Estimate a feature, from votes as `fit` takes them.

    clusters: for each vote what it hangs together with, such as its question, or its student. Of
    each kind as many are drawn as there are, and a vote counts as often as all of its own were
    drawn (Owen 2007). The interval is the wider of this bootstrap's and the normal one. relative:
    only differences between weights mean anything, so the mean of all is no part of the error.
    """
    rng, weights = np.random.default_rng(seed), np.ones((DRAWS + 1, len(x)))
    for cluster in clusters:
        _, member = np.unique(np.asarray(cluster), return_inverse=True)
        many = member.max() + 1
        if many > 1:
            weights[1:] *= rng.multinomial(many, np.full(many, 1 / many), DRAWS)[:, member]
    w, curve = fit(x, worth, weights)
    covariance, n = np.linalg.inv(curve[0]), x.shape[1]
    if relative:
        centred = np.eye(n) - 1 / n
        covariance = centred @ covariance @ centred
    error = Z * np.sqrt(np.diag(covariance))
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


@dataclass(frozen=True)
class Rated:
    """An answer and its rating among the answers to the same question, whose mean is 1000."""

    question: str
    ids: tuple[int, ...]
    text: str
    rating: float
    low: float
    high: float
    students: int  # who voted on answers to this question
    won: int
    tied: int
    lost: int


def answer_ratings(people: dict[str, list[Label]], encoding) -> list[list[Rated]]:
    """Bradley–Terry ratings of answers, a list a question, the best answer first.

    Of questions on a pair of which two or more students voted: those with the most voters first,
    and of these the ones whose best answer lost the most votes. Intervals are drawn by student.
    """
    votes: dict[str, list[tuple[str, Label]]] = {}
    for who, labels in people.items():
        for label in labels:
            votes.setdefault(label.question, []).append((who, label))
    out = []
    for question, cast in votes.items():
        if max(Counter(label.pair for _, label in cast).values()) < 2:
            continue
        answers = sorted({ids for _, label in cast for ids in (label.a, label.b)})
        x = np.zeros((len(cast), len(answers)))
        for row, (_, label) in zip(x, cast):
            row[answers.index(label.a)], row[answers.index(label.b)] = 1, -1
        worth = np.array([{"a": 1.0, "tie": 0.5, "b": 0.0}[label.choice] for _, label in cast])
        found = estimates(x, worth, [who for who, _ in cast], relative=True)
        students, scale, rated = len({who for who, _ in cast}), SCALE / math.log(10), []
        for column, ids, one in zip(x.T, answers, found):
            mine = np.where(column > 0, worth, 1 - worth)[column != 0].tolist()
            numbers = [START + scale * value for value in (one.value, one.low, one.high)]
            counts = [mine.count(value) for value in (1.0, 0.5, 0.0)]
            text = answer_text(encoding, list(ids))
            rated.append(Rated(question, ids, text, *numbers, students, *counts))
        out.append(sorted(rated, key=lambda one: -one.rating))
    return sorted(out, key=lambda rated: (-rated[0].students, -rated[0].lost))


def wilson(hits: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n (Wilson 1927)."""
    middle, spread = hits + Z**2 / 2, Z * math.sqrt(hits * (n - hits) / n + Z**2 / 4)
    return (middle - spread) / (n + Z**2), (middle + spread) / (n + Z**2)
