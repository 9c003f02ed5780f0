"""Tokens as coloured pieces of text: where each begins and ends, and a number for each.

What cannot be seen is made visible: a space is `·`, a line break `↵`, a tab `→`, and a byte that
is no whole character `\\xe4`. Special tokens show their names.
"""

from dataclasses import dataclass, field

from minigpt.show.style import IGNORE_MATH, escape

# Light enough for black text, in turn, so that neighbours differ; the borders are drawn as well.
TURNS = ("#CFE8F7", "#FFE3A8", "#CDEBDD", "#F3D9E8")
# From a light to a dark blue: what the value is can be read off in greyscale too.
RAMP = ("#F7FBFF", "#DEEBF7", "#C6DBEF", "#9ECAE1", "#6BAED6", "#4292C6", "#2171B5", "#084594")
# GitHub drops colours and borders; there the bar is seen, and nowhere else.
BORDER = '<span style="font-size:0">|</span><wbr>'
VISIBLE = {" ": "·", "\n": "↵", "\t": "→", "\r": "␍"}


def pieces(encoding, ids: list[int]) -> list[str]:
    """The text of each token, with what is invisible made visible."""
    special = {encoding.encode_single_token(name): name for name in encoding.special_tokens_set}
    return [
        special[i] if i in special else visible(encoding.decode_single_token_bytes(i)) for i in ids
    ]


def visible(token: bytes) -> str:
    """A token's bytes as text in which nothing is hidden."""
    text = token.decode("utf-8", "backslashreplace")
    return "".join(VISIBLE.get(c, c) for c in text)


def shades(values: list[float], low: float, high: float) -> list[str]:
    """A colour for each value: the lightest at `low` and below, the darkest at `high`."""
    if not low < high:
        raise ValueError(f"low is {low} and high is {high}: low must be below high")
    steps = [int((v - low) / (high - low) * len(RAMP)) for v in values]
    return [RAMP[min(max(step, 0), len(RAMP) - 1)] for step in steps]


@dataclass
class Strip:
    """A row of tokens: coloured pieces in a notebook, `piece|piece` elsewhere.

    texts: of the tokens, as `pieces` gives them. fills: a colour a token; without them the colours
    take turns. titles: what is shown when the mouse is over a token. marked: the position that has
    a frame.
    """

    texts: list[str]
    fills: list[str] | None = None
    titles: list[str] = field(default_factory=list)
    caption: str = ""
    marked: int | None = None

    def __post_init__(self) -> None:
        for name in ("fills", "titles"):
            given = getattr(self, name)
            if given and len(given) != len(self.texts):
                raise ValueError(f"{len(given)} {name} for {len(self.texts)} tokens: give one each")

    def _repr_html_(self) -> str:
        spans = []
        for i, text in enumerate(self.texts):
            fill = self.fills[i] if self.fills else TURNS[i % len(TURNS)]
            ink = "#fff" if fill in RAMP[-2:] else "#000"
            frame = "3px solid #D55E00" if i == self.marked else "1px solid #8884"
            title = f' title="{escape(self.titles[i])}"' if self.titles else ""
            spans.append(
                f'<span style="background:{fill};color:{ink};border:{frame};border-radius:3px;'
                f'padding:1px 2px;margin:1px;white-space:pre"{title}>{escape(text)}</span>'
                + ("<br>" if "↵" in text else BORDER)
            )
        caption = f"<div>{escape(self.caption)}</div>" if self.caption else ""
        style = "font-family:monospace;line-height:2;overflow-wrap:anywhere"
        return f'{caption}<div class="{IGNORE_MATH}" style="{style}">{"".join(spans)}</div>'

    def __repr__(self) -> str:
        lines = [self.caption] if self.caption else []
        return "\n".join([*lines, "|".join(self.texts)])
