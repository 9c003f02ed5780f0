"""Attention: where one head looks back to from the last token."""

from collections.abc import Sequence

import torch

from minigpt.show.diagrams.svg import Diagram, listed, plain, token_width, visible
from minigpt.store.words import _

GAP, ROOM, Y = 6, 496, 176


def attention_arcs(
    tokens: Sequence[str], weights: Sequence[float], following: str | None = None
) -> Diagram:
    """Where one head looks from the last token: arcs as thick as its weights.

    tokens: (T,) texts, as `pieces` gives them. weights: (T,) of the last token on each, they sum
    to 1; or (T, T), of which the last row is taken. following: the token that the model thinks
    next; if it is the one most looked at, an arrow says that it is copied. Of many tokens the last
    and the most looked at are drawn, with those before them, others as one "…". ValueError if the
    numbers do not fit.
    """
    T, flat = len(tokens), torch.as_tensor(weights).flatten().tolist()
    if T < 2 or len(flat) not in (T, T * T):
        raise ValueError(f"{len(flat)} weights, {T} tokens: give two tokens or more, a weight each")
    weights, last = flat[-T:], T - 1
    hit = max(range(last), key=lambda i: weights[i])
    after = GAP + token_width(following, 46, 110) if following is not None else 0
    keep, near = {last}, (hit - 2, hit - 1, hit, last - 1)  # with what stands before the two
    for i in sorted(range(last), key=lambda i: (i not in near, -weights[i])):
        if _size(_columns(tokens, weights, keep | {i})) + after <= ROOM:
            keep.add(i)
    columns = _columns(tokens, weights, keep)
    x, middles = 12 + (ROOM - after - _size(columns)) / 2, {}
    for i, _name, _weight, size in columns:
        middles[i] = x + size / 2
        x += size + GAP

    pic = Diagram(_("Attention looks back"))
    pic.said(12, 30, _("where {} looks"), visible(tokens[last]), room=ROOM)
    for i, name, weight, size in columns:
        start, end = middles[last], middles[i]
        high = Y - 20 - 136 * (start - end) / max(250, start - middles[columns[0][0]])
        arc = f"M{start} {Y - 2}C{start} {high} {end} {high} {end} {Y - 2}"
        if i != last:
            pic.path(arc, "base main" if i == hit else "", 1 + 20 * weight, under=i != hit)
        kind = {last: "now", hit: "base model"}.get(i, "box")
        pic.token(end - size / 2, Y, size, name, kind, 40)
        pic.text(end, Y + 66, plain(round(weight, 2)), "b m" if i == hit else "s m")
    told = _("From the last token, {last}, one head looks back: {weights}. What is not yet written "
             "cannot be seen.", last=visible(tokens[last]),
             weights=listed(columns, lambda c: f"{plain(c[2])} {visible(c[1])}"))  # fmt: skip
    if following is None:
        return pic.done(told, Y + 84)
    start, end, low = middles[hit], x + (after - GAP) / 2, Y + 132
    pic.token(x, Y, after - GAP, following, "base next", 40)
    told += " " + _("The next token becomes {token}.", token=visible(following))
    if following != tokens[hit]:
        return pic.done(told, Y + 84)
    way = f"M{start} {Y + 76}C{start} {low} {end} {low} {end} {Y + 56}"
    pic.arrow(way, end, Y + 44, "up", "base use")
    pic.text((start + end) / 2, Y + 142, _("copied"), "s m")
    return pic.done(f"{told} {_('It is copied.')}", Y + 158)


def _columns(tokens: Sequence[str], weights: list[float], keep: set[int]) -> list[tuple]:
    """What is drawn: (place, text, weight, width); what is left out becomes "…", summed."""
    columns: list[tuple] = []
    for i, (name, weight) in enumerate(zip(tokens, weights)):
        if i in keep:
            columns.append((i, name, weight, token_width(name, 48, 120)))
        else:
            more = columns.pop()[2] if columns and columns[-1][0] not in keep else 0.0
            columns.append((i, "…", weight + more, 48))
    return columns


def _size(columns: list[tuple]) -> float:
    return sum(size for *_rest, size in columns) + GAP * (len(columns) - 1)
