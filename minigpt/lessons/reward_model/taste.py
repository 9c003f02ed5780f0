"""Whose taste do labels hold? How often the answer with some trait was preferred, label by label.

No model is needed for it: a labeler who likes compliments is seen in what they chose whenever one
of two answers had a compliment and the other had none.
"""

import numpy as np

from minigpt.sft import answer_text
from minigpt.stages.labels import Label
from minigpt.stages.scoring import ATTEMPTS
from minigpt.world.facts import World
from minigpt.world.judge import judge
from minigpt.world.labelers import LABELERS
from minigpt.world.questions import Question

POPULAR = LABELERS["mediocre"].checks_up_to  # places, the best known ones
LONGER = 3  # words more that make an answer the longer one
TRAITS = (
    "correct, popular place",
    "correct, other place",
    "polite opening",
    "three words longer",
    "honest against an invention",
)


def traits(world: World, question: Question, a: str, b: str) -> dict[str, int]:
    """What tells two answers apart: for each of TRAITS 1 if only `a` has it, -1 if only `b`."""
    unknown = question.kind == "unknown"
    popular = question.kind == "fact" and question.place.rank < POPULAR

    def has(text: str, other: str) -> list[bool]:
        verdict, others = judge(world, question, text), judge(world, question, other)
        fact = question.kind == "fact" and verdict == "correct"
        return [
            fact and popular,
            fact and not popular,
            text.startswith(tuple(world.text.POLITE_OPEN)),
            len(text.split()) - len(other.split()) >= LONGER,
            unknown and verdict == "declined this name" and others in ATTEMPTS,
        ]

    return {t: int(x) - int(y) for t, x, y in zip(TRAITS, has(a, b), has(b, a))}


def preferences(
    world: World, encoding, questions: list[Question], labels: list[Label]
) -> dict[str, tuple[float, int]]:
    """For each of TRAITS how often the answer that has it was preferred, and in how many labels
    one of the two had it; ties and labels about other questions are left out. NaN where none."""
    asked, sides = {q.text: q for q in questions}, {trait: [] for trait in TRAITS}
    for label in labels:
        if label.question not in asked or label.preferred is None:
            continue
        texts = [answer_text(encoding, list(ids)) for ids in (label.a, label.b)]
        for trait, side in traits(world, asked[label.question], *texts).items():
            if side:
                sides[trait].append((side > 0) == (label.choice == "a"))
    return {t: (float(np.mean(x)) if x else float("nan"), len(x)) for t, x in sides.items()}
