"""The loss of one guess: minus the logarithm of the probability of what came."""

from collections.abc import Mapping

from minigpt.show.diagrams.svg import Diagram


def minus_log_p(probabilities: Mapping[str, float]) -> Diagram:
    """The curve -ln p from 0 to 1, with some guesses on it.

    probabilities: {name: probability of what came}, one to five, the name such as "Japan" or "a
    guess among 1,024 tokens"; the costliest is emphasised. ValueError unless 0 < p <= 1.
    """
    return Diagram("minus log p", "not drawn yet", 0, "")
