"""The window of pretraining: the targets are the inputs, shifted by one."""

import math
from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram, floats, listed, plain, visible
from minigpt.store.words import _

LEFT, RIGHT, HIGH, ZERO = 100, 508, 110, 330


def shifted_window(
    tokens: Sequence[str], probabilities: Sequence[float] | None = None, marked: int | None = None
) -> Diagram:
    """A window and its targets, the same tokens shifted by one, and the loss at each place.

    tokens: T + 1 texts, as `pieces` gives them, T from 2 to 5: inputs are the first T, targets the
    last T. probabilities: (T,) that the model gave to each target; without them no losses. marked:
    the place, from 0, that is emphasised; without it the one whose loss is highest, or the last.
    ValueError if the numbers do not fit.
    """
    T = len(tokens) - 1
    if not 2 <= T <= 5:
        raise ValueError(f"{T + 1} tokens: give 3 to 6, one more than places in the window")
    p = [1.0] * (T - 1) + [0.5] if probabilities is None else floats(probabilities, T)
    if not all(0 < x <= 1 for x in p):
        raise ValueError(f"probabilities lie above 0 and up to 1, these are {p}")
    losses = [-math.log(x) for x in p]
    marked = losses.index(max(losses)) if marked is None else range(T)[marked]
    step = (RIGHT - LEFT) / T
    size = min(step - 8, 96)
    middles = [LEFT + step * (i + 0.5) for i in range(T)]
    pic = Diagram(_("The window, shifted by one"))
    pic.text(12, 42, _("reads"), "s", room=84)
    pic.text(12, 130, _("next"), "s", room=84)
    for i, x in enumerate(middles):
        pic.token(x - size / 2, 18, size, tokens[i])
        kind = "base model" if i == marked else "box"
        pic.token(x - size / 2, 106, size, tokens[i + 1], kind)
        if i:  # the same token, once read and once guessed
            pic.path(f"M{x - 12} {68 if i <= marked else 58}L{middles[i - 1] + 12} 102", "same")
    left = middles[0] - size / 2 - 4
    pic.box(left, 10, middles[marked] + size / 2 + 4 - left, 52, "base ring", 10)
    pic.arrow(f"M{middles[marked]} 64", middles[marked], 103, "down", "base main")
    told = _("The model reads {read}. At each place it guesses the token that comes next: {next}.",
             read=listed(tokens[:-1], visible), next=listed(tokens[1:], visible))  # fmt: skip
    if probabilities is None:
        return pic.done(told, 158)
    pic.text(12, 176, _("given p"), "s", room=84)
    pic.text(12, ZERO - 4, "−ln p", "s")
    for i, (x, loss) in enumerate(zip(middles, losses)):
        bar, number = ("base bar", "b m") if i == marked else ("bar", "s m")
        high = max(1.0, HIGH * loss / max(*losses, 0.01))
        pic.text(x, 176, plain(p[i]), number)
        pic.text(x, ZERO - high - 8, plain(loss), number)
        pic.box(x - 22, ZERO - high, 44, high, bar, 0)
    pic.path(f"M{LEFT} {ZERO}H{RIGHT}", "axis")
    mean = plain(sum(losses) / T)
    pic.said(LEFT, ZERO + 30, _("The loss is their mean, {}."), mean)
    told += " " + _("It gave the right token the probabilities {p}. The loss at each place is "
                    "minus the logarithm of that: {losses}; the mean is {mean}.", mean=mean,
                    p=listed(p), losses=listed(losses))  # fmt: skip
    return pic.done(told, ZERO + 46)
