"""A run's loss beside that of the shipped run, of which a few states were kept."""

import numpy as np

from minigpt.show.figure import curves, show
from minigpt.show.live import History, smooth
from minigpt.show.style import STAGE_COLOURS, amount
from minigpt.stages.stage import Stage
from minigpt.store.words import _


def loss_curves(history: History, shipped: list[Stage]) -> None:
    """Draw a watched run's loss on what it reads, and the shipped run's on new documents."""
    read = np.array([step.tokens for step in history.steps]) / 1e6
    loss = np.array([step.loss for step in history.steps])
    states = [(s.meta["tokens"] / 1e6, s.meta["metrics"]["held_out_loss"]) for s in shipped]
    kept, theirs = map(np.array, zip(*states))
    drawn = {_("yours"): (read, smooth(loss)), _("shipped"): (kept, theirs), "": (read, loss)}
    fig = curves(drawn, _("million tokens read"), _("loss, nats a token"), STAGE_COLOURS["base"])
    show(fig, _(
        "After {tokens} tokens your loss on new text is {yours:.2f} nats a token; the shipped run "
        "lay at about {theirs:.2f} after as many, and ended at {end:.2f} after {all}.",
        tokens=amount(1e6 * read[-1]), yours=history.held_out[-1][1],
        theirs=np.interp(read[-1], kept, theirs), end=theirs[-1], all=amount(1e6 * kept[-1]),
    ))  # fmt: skip
