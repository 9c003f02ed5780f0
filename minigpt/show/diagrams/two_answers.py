"""Bradley and Terry: two answers, two scores, a probability."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram


def two_answers(scores: Sequence[float], answers: Sequence[str] | None = None) -> Diagram:
    """Two scores, their difference, and its sigmoid: the chance that the second is preferred.

    scores: of the first and the second answer, in nats. answers: their texts, cut off after three
    lines. Put the better one second. ValueError if there are not two.
    """
    return Diagram("two answers", "not drawn yet", 0, "")
