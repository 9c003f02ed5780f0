"""How text is written: draw a token, append it, ask again."""

from collections.abc import Mapping, Sequence

from minigpt.show.diagrams.svg import Diagram


def sampling_loop(
    tokens: Sequence[str], probabilities: Mapping[str, float], drawn: str | None = None
) -> Diagram:
    """One turn of generation: what the model reads, the next token's probabilities, the draw.

    tokens: read so far, the last ones are shown. probabilities: {token: probability}; the five
    likeliest are drawn, and the rest as one bar. drawn: the token that was drawn, one of those
    given; without it the likeliest. ValueError if it is not among them.
    """
    return Diagram("sampling loop", "not drawn yet", 0, "")
