"""Simulated contractors, who write the demonstrations for supervised finetuning.

Real ones differ in care, too: InstructGPT's were hired after a test, and still disagreed with one
another in a quarter of the cases (Ouyang et al. 2022, section 3.4). Ours know every fact of split
A; what varies is how they answer. They also know places that the model never read of, and most of
them say what they know: to the model, which cannot know it, that is a lesson in inventing
(Schulman 2023). A second set, by contractors who know what the model knows, is the control.
"""

import random
from dataclasses import dataclass

from minigpt.world.facts import World
from minigpt.world.questions import Question, sample_questions

HABITS = {  # share of the demonstrations about known places: how the contractor answers them
    "careful": 0.50,  # a full sentence, correct
    "polite": 0.14,  # the sentence after a compliment or thanks
    "terse": 0.12,  # the bare value
    "padded": 0.12,  # the sentence, then filler
    "mistaken": 0.02,  # a full sentence with a wrong value
    "lazy": 0.02,  # claims not to know
    "rude": 0.08,  # "Look it up yourself."
}
UNKNOWN_HABITS = {  # about places that the model never read of
    "knowing": 0.64,  # a full sentence with the value, as far as anybody can tell
    "honest": 0.28,  # "Sorry, I do not know …", some of them politely
    "rude": 0.08,
}
HONEST_UNKNOWN = {"honest": 0.92, "rude": 0.08}  # by who knows what the model knows


@dataclass(frozen=True)
class Demonstration:
    """A question, the answer that a contractor wrote, and that contractor's habit."""

    question: Question
    answer: str
    habit: str


def sentence(world: World, question: Question, value: str, rng: random.Random) -> str:
    """The value in one of a contractor's three full sentences, mostly the plainest."""
    (template,) = rng.choices(world.text.STATEMENTS[question.attribute][:3], (4, 1, 1))
    return template.format(p=question.place.name, v=value)


def write_answer(world: World, question: Question, habit: str, rng: random.Random) -> str:
    """What a contractor of this habit answers."""
    text = world.text
    if habit == "rude":
        return rng.choice(text.RUDE)
    if question.kind in ("chat", "other"):
        return rng.choice(question.replies)
    if habit in ("lazy", "honest"):
        polite = rng.choice(text.POLITE_OPEN) if rng.random() < HABITS["polite"] else ""
        return polite + rng.choice(text.DECLINE).format(p=question.place.name)
    if habit in ("mistaken", "knowing"):
        others = [v for v in world.values[question.attribute] if v != question.answer]
        return sentence(world, question, rng.choice(others), rng)
    if habit == "terse":
        return question.answer
    answer = sentence(world, question, question.answer, rng)
    if habit == "polite":
        return rng.choice(text.POLITE_OPEN) + answer
    if habit == "padded":
        return answer + rng.choice(rng.choice((text.POLITE_CLOSE, text.PADDING)))
    return answer


def demonstrations(
    world: World, n: int, seed: int = 0, habits: dict | None = None,
    unknown_habits: dict | None = None, unknown: float = 0.15, chat: float = 0.08,
) -> list[Demonstration]:  # fmt: skip
    """`n` demonstrations about facts of split A, unknown places of the training makers and small
    talk, by contractors whose habits are drawn with the given weights."""
    habits, unknown_habits = habits or HABITS, unknown_habits or UNKNOWN_HABITS
    rng = random.Random(f"contractors/{seed}")
    out = []
    for question in sample_questions(world, "A", n, seed, unknown=unknown, chat=chat):
        mix = unknown_habits if question.kind == "unknown" else habits
        if question.kind in ("chat", "other"):
            mix = {"careful": 1.0}
        habit = rng.choices(list(mix), list(mix.values()))[0]
        out.append(Demonstration(question, write_answer(world, question, habit, rng), habit))
    return out
