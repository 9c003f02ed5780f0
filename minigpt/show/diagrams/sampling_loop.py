"""How text is written: draw a token, append it, ask again."""

from collections.abc import Mapping, Sequence

from minigpt.show.diagrams.svg import Diagram, listed, plain, token_width, visible, width
from minigpt.store.words import _

ROW, TOP, BARS, FULL = 42, 146, 156, 200


def sampling_loop(
    tokens: Sequence[str], probabilities: Mapping[str, float], drawn: str | None = None
) -> Diagram:
    """One turn of generation: what the model reads, the next token's probabilities, the draw.

    tokens: read so far, the last ones are shown. probabilities: {token: probability}; the five
    likeliest are drawn, with the one that was drawn, and the rest as one bar. drawn: the token that
    was drawn, one of those given; without it the likeliest. ValueError if it is not among them.
    """
    chances = {t: float(p) for t, p in probabilities.items()}
    likeliest = sorted(chances, key=lambda t: -chances[t])
    drawn = likeliest[0] if drawn is None and likeliest else drawn
    if drawn not in chances or not tokens:
        raise ValueError(f"{drawn!r} is none of the tokens {likeliest}, or there is no text so far")
    shown = likeliest[:5] if drawn in likeliest[:5] else [*likeliest[:4], drawn]
    rest = max(0.0, 1 - sum(chances[t] for t in shown))
    longest = max(rest, *(chances[t] for t in shown), 0.001)

    pic, read = Diagram(_("Draw, append, ask again")), []
    x = 508 - token_width(drawn)  # the row of tokens ends with the new one
    pic.token(x, 40, 508 - x, drawn, "base next")
    for t in reversed(tokens):
        size = token_width(t)
        if x - size - 6 < 12 + 30 * (len(read) + 1 < len(tokens)):
            pic.text(x - 8, 64, "…", "s e")
            break
        x -= size + 6
        read.insert(0, t)
        pic.token(x, 40, size, t)
    pic.text(12, 26, _("1 The model reads"), "s")
    pic.arrow("M40 84", 40, 106, "down")
    pic.text(56, 104, _("2 gives each next token a p"), "s")
    pic.text(12, 134, _("3 one is drawn"), "s")
    pic.text(478, 134, _("4 append, ask again"), "s e")
    for i, t in enumerate([*shown, None]):
        y, p = TOP + ROW * i, rest if t is None else chances[t]
        length = max(1.0, FULL * p / longest)
        kind, number = ("base model", "b") if t == drawn else ("box", "s")
        if t is None:
            pic.text(12, y + 23, _("all others"), "s", room=134)
        else:
            pic.token(12, y, 134, t, kind, 34)
        pic.box(BARS, y + 6, length, 22, "base bar" if t == drawn else "bar", 0)
        pic.text(BARS + length + 10, y + 23, plain(p), number)
        if t == drawn:
            start = BARS + length + 20 + width(plain(p), "b")
            way = f"M{start} {y + 17}H482q8 0 8 -8V108"
            pic.arrow(way, 490, 80, "up", "base main")
    told = _("The model has read {read}. It gives each token that may come next a probability: "
             "{chances}, all others {rest}. One is drawn: {drawn}. It is appended to the text, and "
             "the model is asked again.", read=" ".join(map(visible, read)), rest=plain(rest),
             chances=listed(shown, lambda t: f"{visible(t)} {plain(chances[t])}"),
             drawn=visible(drawn))  # fmt: skip
    return pic.done(told, TOP + ROW * len(shown) + 48)
