"""Labelers: whose taste the reward model learns.

Every labeler differs in one thing from the expert. A labeler gives each completion of a prompt one
noisy utility; the ranking that follows yields the pairs, so that the pairs of a prompt never
contradict each other. Pairs closer than `margin` are ties; completions whose text is the same are
no pair.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, permutations

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
    return value + labeler.wordiness * min(world.text.words(answer), 20)


@dataclass(frozen=True)
class Chooser:
    """Somebody who chooses between answers by how good each one feels."""

    feel: Callable[[Question, str], float]  # may differ each time: a slip of the hand
    margin: float = 0.5  # what feels closer than this is a tie

    def __call__(self, question: Question, a: str, b: str) -> str:
        """A pair on its own: "a", "b" or "tie"."""
        return self.choice(self.feel(question, a), self.feel(question, b))

    def choice(self, a: float, b: float) -> str:
        return "tie" if abs(a - b) < self.margin else "a" if a > b else "b"

    def ranking(self, question: Question, answers: list[str]) -> list[tuple[int, int, str]]:
        """All pairs (i, j, choice) of answers that differ. A slip belongs to an answer: each is
        felt once, so the pairs never contradict each other."""
        felt = [self.feel(question, answer) for answer in answers]
        return [
            (i, j, self.choice(felt[i], felt[j]))
            for i, j in combinations(range(len(answers)), 2)
            if answers[i] != answers[j]
        ]


def ranked_pairs(felt: list[float], margin: float = 0.5) -> list[tuple[int, int]]:
    """All pairs (better, worse) of answers, by their place in `felt`: how good each one felt to who
    ranked them. Answers that felt closer than `margin` are a tie, and no pair."""
    both = permutations(range(len(felt)), 2)
    return [(i, j) for i, j in both if felt[i] - felt[j] >= margin]


def chooser(world: World, labeler: str | Labeler, seed: int | random.Random = 0) -> Chooser:
    """How one of LABELERS chooses, with slips of the hand that the seed draws."""
    who = LABELERS[labeler] if isinstance(labeler, str) else labeler
    slips = seed if isinstance(seed, random.Random) else random.Random(f"labels/{who.name}/{seed}")

    def feel(question: Question, answer: str) -> float:
        return utility(world, who, question, answer) + slips.gauss(0, who.noise)

    return Chooser(feel, who.margin)


def shorter(encoding) -> Chooser:
    """Prefers the answer with fewer tokens."""
    return Chooser(lambda question, text: -len(encoding.encode_ordinary(" " + text)))
