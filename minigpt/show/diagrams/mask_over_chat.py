"""The loss mask over a chat: everything is read, the answer alone is scored."""

from collections.abc import Sequence
from itertools import groupby

from minigpt.show.diagrams.svg import Diagram, floats, token_width, visible
from minigpt.store.words import _

ROW, MOST = 40, 60


def mask_over_chat(tokens: Sequence[str], mask: Sequence) -> Diagram:
    """A chat's tokens, those that are scored apart from those that are only read.

    tokens: (T,) texts, as `pieces` gives them, up to 60. mask: (T,) of 0 and 1 (or booleans), 1
    where the token is scored as a target, so `mask[t]` belongs to `tokens[t]`: of targets that say
    `-100` where nothing is scored it is `[False, *(targets != -100)]`, since position t's target is
    token t + 1. ValueError if the numbers do not fit.
    """
    scored = [number != 0 for number in floats(mask, len(tokens))]
    if not 1 <= len(tokens) <= MOST:
        raise ValueError(f"{len(tokens)} tokens: give 1 to {MOST}")
    pic, told, y = Diagram(_("The mask over a chat")), [], -36.0
    for counts, part in groupby(zip(scored, tokens), key=lambda pair: pair[0]):
        names = [name for _counts, name in part]
        x, y = 12.0, y + ROW + 32
        words = _("scored: this it learns to write") if counts else _("read, not scored")
        pic.text(12, y - 10, words, "b" if counts else "s")
        for name in names:
            size = token_width(name, 30, 300)
            if x + size > 508:
                x, y = 12.0, y + ROW
            pic.token(x, y, size, name, "sft model" if counts else "box", 34)
            x += size + 5
        told.append(f"{words}: {' '.join(map(visible, names))}.")
    n = _("{n} of {all}", n=sum(scored), all=len(scored))
    line = _("The loss is the mean over {} tokens.")
    pic.said(12, y + ROW + 26, line, n)
    return pic.done(" ".join([*told, line.replace("{}", n)]), y + ROW + 42)
