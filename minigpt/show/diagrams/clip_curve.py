"""The clip of PPO: where a change of probability no longer pays."""

from minigpt.show.diagrams.svg import Diagram
from minigpt.store.words import _

SIDE, ZERO = 46, 128  # pixels of one clip ratio; the y of no gain


def clip_curve(clip_ratio: float = 0.2, clipped: float | None = None) -> Diagram:
    """What a token's new probability pays, against its ratio to the old: a good token, a bad one.

    clip_ratio: ε, how far from 1 the ratio pays off. clipped: the share of a run's tokens that lay
    on a flat part, 0 to 1, which is then said. ValueError unless 0 < ε < 1.
    """
    if not 0 < clip_ratio < 1:
        raise ValueError(f"clip_ratio is {clip_ratio}: give a number between 0 and 1")
    low, high = f"{1 - clip_ratio:.3g}", f"{1 + clip_ratio:.3g}"
    pic, flat, axis = Diagram(_("The clip")), ZERO - SIDE, ZERO + 116
    pic.text(14, 66, _("gain"), "s")
    for middle, way in ((130, 1), (390, -1)):  # way: the side on which it is flat
        edge = middle + way * SIDE
        title = _("a better token, A > 0") if way > 0 else _("a worse token, A < 0")
        pic.text(middle, 28, title, "b m")
        pic.path(f"M{middle - 116} {ZERO}h232M{middle} {flat - 20}V{axis}", "hair")
        pic.path(f"M{edge} {flat}L{middle + way * 1.9 * SIDE} {ZERO - 1.9 * SIDE}", "same")
        pic.path(f"M{middle - way * 2.4 * SIDE} {ZERO + 2.4 * SIDE}L{edge} {flat}", "ink")
        pic.path(f"M{edge} {flat}H{middle + way * 2.4 * SIDE}", "ppo wide")
        pic.path(f"M{edge} {flat + 6}V{axis}", "same")
        pic.path(f"M{middle - 116} {axis}h232", "axis")
        pic.text(middle + way * 1.8 * SIDE, flat + 28, _("no gain"), "s m")
        for i, name in ((-1, low), (0, "1"), (1, high)):
            pic.text(middle + i * (SIDE + 4), axis + 26, name, "b m" if i == way else "s m")
    pic.text(260, axis + 56, _("new probability ÷ old"), "s m")
    told = _("What PPO pays for a new probability of a token, against its ratio to the old one. "
             "For one of positive advantage it rises with the ratio up to {high}, then is flat; "
             "for one of negative advantage it rises as the ratio falls to {low}, then is flat. "
             "The clip takes away gains, never losses.", low=low, high=high)  # fmt: skip
    if clipped is None:
        return pic.done(told, axis + 72)
    line, share = _("{} of the tokens lay on a flat part."), f"{float(clipped):.1%}"
    pic.said(260, axis + 88, line, share, "s m")
    return pic.done(f"{told} {line.replace('{}', share)}", axis + 104)
