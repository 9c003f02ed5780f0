"""The loss mask over a chat: everything is read, the answer alone is scored."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram


def mask_over_chat(tokens: Sequence[str], mask: Sequence) -> Diagram:
    """A chat's tokens, those that are scored apart from those that are only read.

    tokens: (T,) texts, as `pieces` gives them, up to 60. mask: (T,) of 0 and 1 (or booleans), 1
    where the token is scored as a target, so `mask[t]` belongs to `tokens[t]`: of targets that say
    `-100` where nothing is scored it is `[False, *(targets != -100)]`, since position t's target is
    token t + 1. ValueError if the numbers do not fit.
    """
    return Diagram("mask over chat", "not drawn yet", 0, "")
