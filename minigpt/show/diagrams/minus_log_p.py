"""The loss of one guess: minus the logarithm of the probability of what came."""

import math
from collections.abc import Mapping

from minigpt.show.diagrams.svg import Diagram, plain
from minigpt.store.words import _

LEFT, RIGHT, TOP, BOTTOM, WORDS = 46, 256, 50, 310, 286


def minus_log_p(probabilities: Mapping[str, float]) -> Diagram:
    """The curve -ln p from 0 to 1, with some guesses on it.

    probabilities: {name: probability of what came}, one to five, the name such as "Japan" or "a
    pure guess"; the costliest is emphasised. ValueError unless 0 < p <= 1.
    """
    if not 1 <= len(probabilities) <= 5 or not all(0 < p <= 1 for p in probabilities.values()):
        raise ValueError(f"give one to five probabilities above 0 and up to 1: {probabilities}")
    guesses = sorted((float(p), str(name)) for name, p in probabilities.items())
    high = max(5, math.ceil(-math.log(guesses[0][0])))

    def place(loss: float) -> tuple[float, float]:
        return LEFT + (RIGHT - LEFT) * math.exp(-loss), BOTTOM - (BOTTOM - TOP) * loss / high

    pic = Diagram(_("The loss of a guess"))
    pic.path(f"M{LEFT} {TOP - 8}V{BOTTOM}H{RIGHT}", "axis")
    pic.text(12, 24, _("loss, −ln p"), "s")
    pic.text(LEFT, BOTTOM + 54, _("p of what came"), "s")
    for loss in range(0, high + 1, 2 if high < 9 else 4):
        pic.path(f"M{LEFT} {place(loss)[1]}h-5", "axis")
        pic.text(LEFT - 10, place(loss)[1] + 6, str(loss), "s e")
    for p in (0, 0.5, 1):
        pic.text(LEFT + (RIGHT - LEFT) * p, BOTTOM + 26, f"{p:g}", "s m")
    pic.path("M" + " ".join("{} {}".format(*place(high * i / 60)) for i in range(61)), "ink")
    told, lowest = [], TOP - 56
    for i, (p, name) in enumerate(guesses):
        loss = -math.log(p)
        x, y = place(loss)
        below = len(guesses) - 1 - i  # names that need room under this one
        lowest = max(lowest + 52, min(y, BOTTOM - 20 - 52 * below))
        pic.path(f"M{x + 8} {y}L{WORDS - 8} {lowest}", "same")
        pic.dot(x, y, "base")
        pic.text(WORDS, lowest - 2, name, "s" if i else "b", room=508 - WORDS)
        pic.text(WORDS, lowest + 22, _("p {p}: ", p=plain(p)), "s", plain(loss))
        told.append(_("{name}: p {p}, loss {loss}", name=name, p=plain(p), loss=plain(loss)))
    desc = _("The loss of a guess is minus the logarithm of the probability that the model gave to "
             "what came: 0 for p = 1, 0.69 for p = 0.5, without bound towards 0.")  # fmt: skip
    return pic.done(f"{desc} {'; '.join(told)}.", BOTTOM + 68)
