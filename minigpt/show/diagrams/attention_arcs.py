"""Attention: where one head looks back to from the last token."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram


def attention_arcs(
    tokens: Sequence[str], weights: Sequence[float], following: str | None = None
) -> Diagram:
    """Where one head looks from the last token: arcs as thick as its weights.

    tokens: (T,) texts, as `pieces` gives them. weights: (T,) of the last token on each, they sum
    to 1; or (T, T), of which the last row is taken. following: the token that the model thinks
    next; if it is the one most looked at, an arrow says that it is copied. Of many tokens the last
    and the most looked at are drawn, others as one "…". ValueError if the numbers do not fit.
    """
    return Diagram("attention arcs", "not drawn yet", 0, "")
