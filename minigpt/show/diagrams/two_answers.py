"""Bradley and Terry: two answers, two scores, a probability."""

import math
from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram, floats, plain, plus
from minigpt.store.words import _

AXIS, ONE, ZERO, NEAR = 176, 300, 450, 52  # numbers nearer than this would touch


def two_answers(scores: Sequence[float], answers: Sequence[str] | None = None) -> Diagram:
    """Two scores, their difference, and its sigmoid: the chance that the second is preferred.

    scores: of the first and the second answer, in nats. answers: their texts, cut off after three
    lines. Put the better one second. ValueError if there are not two.
    """
    scores = floats(scores, 2)
    answers = (_("first answer"), _("second answer")) if answers is None else list(answers)
    if len(answers) != 2:
        raise ValueError(f"{len(answers)} answers for 2 scores: give one each")
    gap = scores[1] - scores[0]
    p = 1 / (1 + math.exp(-gap))
    low, high = math.floor(min(*scores, 0) - 0.3), math.ceil(max(*scores, 0) + 0.3)
    xs = [40 + 440 * (score - low) / (high - low) for score in scores]
    numbers, side = xs, 37 if gap >= 0 else -37
    if abs(xs[0] - xs[1]) < 74:  # they would touch
        middle = min(max(sum(xs) / 2, 81), 439)
        numbers = [middle - side, middle + side]

    pic = Diagram(_("Two answers, two scores, one probability"))
    pic.path(f"M24 {AXIS}H496", "axis")
    pic.path(f"M{xs[0]} {AXIS}H{xs[1]}", "reward wide")
    for x, number, middle, score, answer in zip(xs, numbers, (132, 388), scores, answers):
        pic.box(middle - 120, 12, 240, 92, "box", 10)
        pic.paragraph(middle, 58, answer, 216, 3, "m")
        pic.path(f"M{middle} 106L{x} {AXIS - 10}", "same")
        pic.dot(x, AXIS, "reward")
        pic.text(number, AXIS + 34, plus(score), "b m")
    for tick in range(low, high + 1, math.ceil((high - low) / 4)):
        x = 40 + 440 * (tick - low) / (high - low)
        pic.path(f"M{x} {AXIS - 6}v12", "axis", under=True)
        if min(abs(x - number) for number in numbers) > NEAR:
            pic.text(x, AXIS + 34, str(tick).replace("-", "−"), "s m")

    reach = max(4, math.ceil(abs(gap)))
    x, y, start = 260 + 200 * gap / reach, ZERO - (ZERO - ONE) * p, sum(xs) / 2
    pic.path(f"M60 {ZERO}H460M260 {ONE - 10}V{ZERO}", "axis")
    pic.path(f"M60 {ONE}H460", "same")
    chances = (1 / (1 + math.exp(-reach * (i / 24 - 1))) for i in range(49))
    curve = (f"{60 + 400 * i / 48} {ZERO - (ZERO - ONE) * c}" for i, c in enumerate(chances))
    pic.path("M" + " ".join(curve), "ink")
    pic.path(f"M{start} {AXIS + 46}C{start} {AXIS + 90} {x} {AXIS + 70} {x} {y - 12}", "same")
    pic.path(f"M{x} {ZERO}V{y}H260", "reward main")
    pic.dot(x, y, "reward")
    right = gap < 0  # the words stand where the curve is not
    beside = min(max(y + 6, ONE + 22), ZERO - 8)
    pic.text(270 if right else 250, beside, plain(p), "b" if right else "b e")
    for i, line in enumerate((_("probability that"), _("the second wins"))):
        pic.text(340 if right else 24, (396 if right else 346) + 24 * i, line, "s")
    pic.text(52, ONE + 6, "1", "s e")
    pic.text(52, ZERO + 6, "0", "s e")
    pic.text(x, ZERO + 28, plain(gap), "b m")
    pic.text(x, ZERO + 54, _("difference"), "s m")
    for at, tick in ((60, f"−{reach}"), (260, "0"), (460, str(reach))):
        if abs(at - x) > NEAR:
            pic.text(at, ZERO + 28, tick, "s m")
    told = _("The reward model gives the first answer, {a}, the score {first}, and the second, "
             "{b}, the score {second}. The difference is {gap}. The sigmoid, an S-curve from "
             "0 to 1, turns it into {p}: the probability that people prefer the second.",
             a=answers[0], b=answers[1], first=plus(scores[0]), second=plus(scores[1]),
             gap=plain(gap), p=plain(p))  # fmt: skip
    return pic.done(told, ZERO + 70)
