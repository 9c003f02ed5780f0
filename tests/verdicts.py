"""What the tests of the judge are made of, in every language: its verdicts, and cases for them."""

from dataclasses import replace

from minigpt.world.facts import World
from minigpt.world.judge import VERDICTS
from minigpt.world.questions import Question, ask

RIGHT, WRONG, SUBJECT, SEVERAL = "correct", "wrong value", "wrong subject", "several values"
DECLINED, OTHER = "declined this name", "declined another name"
RUDE, BAD = "rude", "malformed"


def about(world: World, place: str, attribute: str, answer: str) -> Question:
    """A question about a fact, as if `answer` were its true value."""
    return replace(ask(world, world.facts[place, attribute]), answer=answer)


def check(cases: list[tuple[Question, str, str]], least: int) -> None:
    """No case stands twice, there are so many, and of all verdicts."""
    assert len({(question, text) for question, text, _ in cases}) == len(cases) >= least
    assert {verdict for _, _, verdict in cases} == set(VERDICTS)
