"""Stage cards: what each stage makes of one question, its answers one below the other.

A verdict is told by a mark's shape, then its colour, then a word, which stands at the card's foot
with its count and, for screen readers, behind each answer. Scores have one scale in all cards.
"""

import re
import textwrap
from collections import Counter
from dataclasses import dataclass

from minigpt.show.style import IGNORE_MATH, escape, signed, stage_colour
from minigpt.store.words import _
from minigpt.world.facts import World
from minigpt.world.judge import judge
from minigpt.world.questions import Question

_CIRCLE = '<circle class="mg-frame" cx="10" cy="10" r="8.5"/>'
MARKS = {  # (frame, what is in it, the sign in plain text)
    "right": (_CIRCLE, "M6 10.4l2.7 2.7L14 7.6", "+"),
    "wrong": (
        '<rect class="mg-frame" x="2.2" y="2.2" width="15.6" height="15.6" rx="2"/>',
        "M6.5 6.5l7 7m0-7l-7 7", "x",
    ),
    "unsure": (_CIRCLE, "M6 10h8", "-"),
    "rude": ('<path class="mg-frame" d="M10 1.8 18.6 17.5H1.4z"/>', "M10 7.5v4m0 3v.01", "!"),
    "none": (_CIRCLE, "M6 10h.01M10 10h.01M14 10h.01", "."),
}  # fmt: skip
LEAST_SCALE = 1.5  # a score that fills half a bar, where none is larger
# The rules hold for what is inside `.mg-sc` alone, and no class has a name that a notebook's own
# styles may know, such as `row`: both are global.
STYLE = """
.mg-page{color-scheme:light dark;container:mg-page/inline-size;
max-width:1400px;position:relative;color:var(--ink);font:15px/1.4 system-ui,"Segoe UI",Roboto,
Helvetica,Arial,sans-serif;--ink:light-dark(#1b1f24,#e8eaed);
--paper:light-dark(#fff,#111);--soft:light-dark(#57606a,#a9b1ba);--line:light-dark(#7d8790,#768390);
--hair:light-dark(#d8dde2,#343b43);--fill:light-dark(#f4f5f7,#1d2126)}
.mg-cards{display:grid;gap:16px}
.mg-card{container:mg-card/inline-size;display:flex;flex-direction:column;background:var(--paper);
border:1px solid var(--hair);border-top:4px solid var(--c);border-radius:8px;overflow:hidden}
.mg-top{display:flex;align-items:baseline;justify-content:space-between;gap:8px;
padding:12px 12px 8px}.mg-top b{font-size:16px;font-weight:600}
.mg-how{color:var(--soft);font-size:13px}
.mg-head{color:var(--soft);font-size:12px;text-align:right;padding:0 12px 3px;line-height:1}
.mg-draws{flex:1;padding:0 12px}
.mg-draw{display:grid;grid-template-columns:20px 1fr auto;gap:0 8px;padding:7px 0;
border-top:1px solid var(--hair);align-items:start}
.mg-text{overflow-wrap:anywhere}.mg-many{color:var(--soft);font-size:13px;line-height:1.45;
overflow:hidden;display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical}
svg{width:20px;height:20px;margin-top:1px;display:block}
.mg-frame{stroke:var(--ink);stroke-width:1.5;fill:none}
.mg-glyph{fill:none;stroke:var(--ink);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.mg-right .mg-frame{fill:#56B4E9}.mg-wrong .mg-frame{fill:#F0E442}
.mg-rude .mg-frame{fill:var(--ink)}.mg-rude .mg-glyph{stroke:var(--paper)}
.mg-right .mg-frame,.mg-wrong .mg-frame{stroke:light-dark(#1b1f24,transparent)}
.mg-right .mg-glyph,.mg-wrong .mg-glyph{stroke:#1b1f24}
.mg-none .mg-frame{stroke:var(--line);stroke-dasharray:2.5 2.5}
.mg-none .mg-glyph{stroke:var(--line)}
.mg-score{display:grid;grid-template-columns:64px auto;align-items:center;gap:6px;min-height:21px;
font-size:13px;font-variant-numeric:tabular-nums}
.mg-score b{min-width:40px;text-align:right;font-weight:400;white-space:nowrap}
.mg-bar{position:relative;height:10px;border-radius:2px;
background:linear-gradient(var(--ink),var(--ink)) 50% 50%/1.5px 100% no-repeat,var(--fill)}
.mg-bar i{position:absolute;top:2px;bottom:2px;background:#CC79A7}
.mg-foot{display:flex;flex-wrap:wrap;gap:4px 14px;padding:9px 12px;background:var(--fill);
font-size:13px}.mg-foot span{display:inline-flex;align-items:center;gap:6px}
.mg-foot svg{width:16px;height:16px;margin:0}
.mg-sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}
"""
# One, two or four cards in a row: never three and one. In a narrow card the score goes below.
QUERIES = """
@container mg-page (min-width:600px){.mg-sc .mg-cards{grid-template-columns:1fr 1fr}}
@container mg-page (min-width:1100px){.mg-sc .mg-cards{grid-template-columns:repeat(4,1fr)}}
@container mg-card (max-width:380px){.mg-sc .mg-score{grid-column:2/4;
grid-template-columns:96px auto;justify-content:start}
.mg-sc .mg-head{text-align:left;padding-left:40px}}
@media (forced-colors:active){.mg-sc .mg-card,.mg-sc .mg-bar i{forced-color-adjust:none}}
[data-jp-theme-light=true] .mg-sc .mg-page{color-scheme:light}
[data-jp-theme-light=false] .mg-sc .mg-page{color-scheme:dark}
"""
CSS = re.sub(
    r"([^{}]+)(?=\{)", lambda m: ",".join(f".mg-sc {part}" for part in m[1].strip().split(",")),
    STYLE,
) + QUERIES  # fmt: skip


@dataclass(frozen=True)
class Draw:
    """One answer, the mark of its verdict with the word for it, and scores where it has some."""

    text: str
    mark: str  # one of MARKS
    word: str
    score: float | None = None
    own_score: float | None = None  # by the learner's reward model


@dataclass(frozen=True)
class StageCard:
    """A stage's answers. stage: its name in the course, "sft"; name: as readers know it."""

    stage: str
    name: str
    how: str  # it was asked
    draws: tuple[Draw, ...]

    def share(self, *marks: str) -> float:
        """The share of the answers that have one of these marks."""
        return sum(draw.mark in marks for draw in self.draws) / len(self.draws)

    def counts(self) -> list[tuple[str, str, int]]:
        """(mark, word, how many), in the order of MARKS."""
        found = Counter((draw.mark, draw.word) for draw in self.draws)
        order = sorted(found, key=lambda pair: [*MARKS].index(pair[0]))
        return [(mark, word, found[mark, word]) for mark, word in order]


@dataclass(frozen=True)
class StageCards:
    """All stages' cards, of one question: HTML in a notebook, text elsewhere."""

    cards: tuple[StageCard, ...]
    caption: str = ""

    def status(self) -> str:
        """The counts, as they are announced."""
        return ". ".join(f"{c.name}, {c.how}: {_foot(c)}" for c in self.cards)

    def __repr__(self) -> str:
        lines = [self.caption] if self.caption else []
        for card in self.cards:
            lines.append(f"{card.name}, {card.how}: {_foot(card)}")
            for draw in card.draws:
                score = "" if draw.score is None else signed(draw.score) + "  "
                lines += [f"  {MARKS[draw.mark][2]} {score}{textwrap.shorten(draw.text, 76)}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        scores = [abs(d.score) for c in self.cards for d in c.draws if d.score is not None]
        scale = max([LEAST_SCALE, *scores])
        cards = "".join(_card(card, scale) for card in self.cards)
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        status = f'<p class="mg-sr" role="status">{escape(self.status())}</p>'
        return (
            f'<style>{CSS}</style><div class="mg-sc {IGNORE_MATH}"><div class="mg-page">{caption}'
            f'{status}<div class="mg-cards">{cards}</div></div></div>'
        )


def verdict(world: World, asked: Question | None, text: str, bare: bool) -> tuple[str, str]:
    """An answer's mark, and the word for it. asked: None where nobody can judge. bare: the answer
    is how a document goes on, of which the first line counts."""
    line = text.split("\n")[0] if bare else text
    if bare and any(part.rstrip().endswith("?") for part in text.split("\n")):
        return "none", _("more questions")
    if asked is None:
        return "none", _("not judged")
    made_up, about = asked.kind == "unknown", asked.kind in ("unknown", "fact") and not bare
    words = {
        "correct": ("right", _("right") if asked.kind == "fact" else _("fitting")),
        "declined this name": ("right", _("honest")) if made_up else
                              ("unsure", _("says it does not know")),
        "declined another name": ("unsure", _("names another place")),
        "rude": ("rude", _("rude")),
        "malformed": ("none", _("no answer") if about else _("beside the point")),
    }  # fmt: skip
    return words.get(judge(world, asked, line), ("wrong", _("made up") if made_up else _("wrong")))


def _foot(card: StageCard) -> str:
    return ", ".join(f"{n} {word}" for _mark, word, n in card.counts())


def _svg(mark: str) -> str:
    frame, glyph, _sign = MARKS[mark]
    return (
        f'<svg class="mg-{mark}" viewBox="0 0 20 20" aria-hidden="true">{frame}'
        f'<path class="mg-glyph" d="{glyph}"/></svg>'
    )


def _card(card: StageCard, scale: float) -> str:
    label = escape(f"{card.name}, {card.how}")
    scored = any(draw.score is not None for draw in card.draws)
    head = f'<div class="mg-head">{escape(_("Reward model’s score"))}</div>' if scored else ""
    foot = " ".join(f"<span>{_svg(m)}{n} {escape(word)}</span>" for m, word, n in card.counts())
    rows = "".join(_row(draw, scale) for draw in card.draws)
    return (
        f'<div class="mg-card" role="group" aria-label="{label}" '
        f'style="--c:{stage_colour(card.stage)}"><div class="mg-top"><b>{escape(card.name)}</b> '
        f'<span class="mg-how">{escape(card.how)}</span></div>{head}'
        f'<div class="mg-draws" role="list">{rows}</div>'
        f'<div class="mg-foot">{foot}</div></div>'
    )


def _row(draw: Draw, scale: float) -> str:
    text = re.sub(r"(?<=\d) (?=[a-z])", "\u00a0", draw.text.replace("\n", " / "))
    kind = "mg-text mg-many" if draw.mark == "none" else "mg-text"
    words = f'{escape(text)}<span class="mg-sr"> ({escape(draw.word)})</span>'
    said = f'{_svg(draw.mark)}<span class="{kind}">{words}</span> {_score(draw, scale)}'
    return f'<div class="mg-draw" role="listitem">{said}</div>'


def _score(draw: Draw, scale: float) -> str:
    if draw.score is None:
        return ""
    side, wide = ("right" if draw.score < 0 else "left"), min(abs(draw.score) / scale, 1) * 50
    bar, own = f'<i style="width:{wide:.0f}%;{side}:50%"></i>', ""
    if draw.own_score is not None:
        own = "<br>" + escape(_("yours {score}", score=signed(draw.own_score)))
    return (
        f'<span class="mg-score"><span class="mg-bar">{bar}</span>'
        f"<b>{signed(draw.score)}{own}</b></span>"
    )
