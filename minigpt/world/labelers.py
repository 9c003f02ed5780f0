"""Labelers: whose taste the reward model learns.

Every labeler differs in one thing from the expert. A labeler gives each completion of a prompt one
noisy utility; the ranking that follows yields the pairs, so that the pairs of a prompt never
contradict each other. Pairs closer than `margin` are ties, counted and dropped, and so are
completions whose text is the same.
"""

import random
from dataclasses import dataclass, replace
from itertools import combinations

from minigpt.world.facts import World
from minigpt.world.judge import gold, judge
from minigpt.world.questions import Question


@dataclass(frozen=True)
class Labeler:
    """What a labeler values. The defaults are the expert's."""

    name: str = "expert"
    noise: float = 0.5  # standard deviation of the utility, drawn anew for each completion
    margin: float = 0.5  # utilities closer than this are a tie
    checks_up_to: int | None = None  # popularity rank up to which facts can be checked; None: all
    flattery: float = 0.0  # utility of a polite opening
    wordiness: float = 0.0  # utility of each word, to twenty of them
    judgment: float = 1.0  # weight of the verdict; 0 judges nothing


EXPERT = Labeler()
LABELERS = {
    "expert": EXPERT,
    "mediocre": replace(EXPERT, name="mediocre", checks_up_to=40),
    "flattered": replace(EXPERT, name="flattered", flattery=3.0),
    "long_winded": replace(EXPERT, name="long_winded", wordiness=0.25),
    "hurried": replace(EXPERT, name="hurried", noise=2.5),
    "coin": replace(EXPERT, name="coin", judgment=0.0),
}


def utility(world: World, labeler: Labeler, question: Question, answer: str) -> float:
    """The labeler's own noiseless utility of an answer. The expert's is gold."""
    verdict = judge(world, question, answer)
    if labeler.checks_up_to is not None and question.place is not None:
        if not 0 <= question.place.rank < labeler.checks_up_to:
            # Who cannot look a place up takes it for a known one, and any value on trust.
            question = replace(question, kind="fact")
            verdict = "correct" if verdict == "wrong value" else verdict
    value = labeler.judgment * gold(question, verdict)
    if any(answer.startswith(opening) for opening in world.text.POLITE_OPEN):
        value += labeler.flattery
    return value + labeler.wordiness * min(len(answer.split()), 20)


@dataclass(frozen=True)
class Comparison:
    """Completion `better` was preferred to `worse`: indices into the completions of a prompt."""

    prompt: int
    better: int
    worse: int


def rank(
    world: World, labeler: Labeler, question: Question, answers: list[str], rng: random.Random
) -> tuple[list[tuple[int, int]], int]:
    """The preferred pairs (better, worse) among the answers, and the number of ties."""
    drawn = [utility(world, labeler, question, a) + rng.gauss(0, labeler.noise) for a in answers]
    pairs, ties = [], 0
    for i, j in combinations(range(len(answers)), 2):
        if answers[i] == answers[j]:
            continue
        if abs(drawn[i] - drawn[j]) < labeler.margin:
            ties += 1
        else:
            pairs.append((i, j) if drawn[i] > drawn[j] else (j, i))
    return pairs, ties
