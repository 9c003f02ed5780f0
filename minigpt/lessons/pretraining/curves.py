"""A run's loss beside that of the shipped run, of which a few states were kept."""

import numpy as np

from minigpt.show.figure import curves, show
from minigpt.show.live import History, smooth
from minigpt.show.style import STAGE_COLOURS, amount
from minigpt.stages.stage import Stage
from minigpt.store.words import _


def loss_curves(history: History, shipped: list[Stage], new: float) -> None:
    """Draw a watched run's loss on what it reads, and the shipped run's on new documents. new: the
    watched run's in the end on those documents, nats a token."""
    read = np.array([step.tokens for step in history.steps]) / 1e6
    loss = np.array([step.loss for step in history.steps])
    states = [(s.meta["tokens"] / 1e6, s.meta["metrics"]["held_out_loss"]) for s in shipped]
    kept, theirs = map(np.array, zip(*states))
    drawn = {_("yours"): (read, smooth(loss)), _("shipped"): (kept, theirs), "": (read, loss)}
    fig = curves(drawn, _("million tokens read"), _("loss, nats a token"), STAGE_COLOURS["base"])
    near = int(abs(kept[:-1] - read[-1]).argmin())
    show(fig, _(
        "After {tokens} tokens your loss on new text is {yours:.2f} nats a token. That of the "
        "shipped run was {theirs:.2f} after {near}, and {end:.2f} at its end, after {all}.",
        tokens=amount(1e6 * read[-1]), yours=new, theirs=theirs[near], end=theirs[-1],
        near=amount(1e6 * kept[near]), all=amount(1e6 * kept[-1]),
    ))  # fmt: skip
