"""Stage cards: what each stage makes of one question, its answers one below the other.

A verdict is told by a mark's shape, then its colour, then a word, which stands at the card's foot
with its count and, for screen readers, behind each answer. Scores have one scale in all cards.
"""

import json
import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minigpt.show.style import IGNORE_MATH, escape, signed, stage_colour
from minigpt.store import words
from minigpt.store.words import _
from minigpt.world.facts import World
from minigpt.world.judge import judge
from minigpt.world.questions import Question

LEAST_SCALE = 1.5  # a score that fills half a bar, where none is larger
PAGE = Path(__file__).parents[1] / "page"  # for browsers, which has the same cards
SIGNS = {"right": "+", "wrong": "x", "unsure": "-", "rude": "!", "none": "."}  # in plain text


@cache
def look() -> tuple[dict[str, str], dict[str, dict[str, str]], str]:
    """The page's marks, its {verdict: {mark: word}}, and its style of cards, of what is inside a
    `.page` alone: a notebook's styles are global."""
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    marks = {m[1]: m[0] for m in re.finditer(r'<svg class="mark (\w+)".*</svg>', html)}
    said = json.loads(re.search(r'(?s) id="words">(.*?)</script>', html)[1])["verdicts"]
    style = re.sub(r"(?s)/\*.*?\*/", "", (PAGE / "cards.css").read_text(encoding="utf-8"))

    def inside(found: re.Match) -> str:
        parts = [part.strip() for part in found[0].split(",")]
        return ",".join(p if ".page" in p else f".page {p}" for p in parts if p != ":root")

    style = re.sub(r"(?<=[{}])\s*(?!@)[^{}\s][^{}]*(?=\{)", inside, "}" + style)[1:]
    return marks, said, re.sub(r"\.(?=[a-z])", ".mg-", style)


def named_apart(html: str) -> str:
    """The HTML with names of classes that a notebook's own styles cannot know."""
    return re.sub(r'(?<= class=")[\w ]+', lambda m: re.sub(r"\b(?=[a-z])", "mg-", m[0]), html)


@dataclass(frozen=True)
class Draw:
    """One answer, the mark of its verdict with the word for it, and scores where it has some."""

    text: str
    mark: str  # one of SIGNS
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
        """(mark, word, how many), in the order of SIGNS."""
        found = Counter((draw.mark, draw.word) for draw in self.draws)
        order = sorted(found, key=lambda pair: [*SIGNS].index(pair[0]))
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
                lines += [f"  {SIGNS[draw.mark]} {score}{textwrap.shorten(draw.text, 76)}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        scores = [abs(d.score) for c in self.cards for d in c.draws if d.score is not None]
        scale = max([LEAST_SCALE, *scores])
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        inner = named_apart(
            f'<div class="page">{caption}<p class="sr" role="status">{escape(self.status())}</p>'
            f'<div class="cards" style="--scale:{scale:.2f}">{"".join(map(_card, self.cards))}'
            "</div></div>"
        )
        return f'<style>{look()[2]}</style><div class="{IGNORE_MATH}">{inner}</div>'


def verdict(world: World, asked: Question | None, text: str, bare: bool) -> tuple[str, str]:
    """An answer's mark, and the word for it. asked: None where nobody can judge. bare: the answer
    is how a document goes on, of which the first line counts."""
    lines = text.split("\n") if bare else [text]
    if bare and any(line.rstrip().endswith("?") for line in lines):
        found = "asks on"
    else:
        found = judge(world, asked, lines[0]) if asked else "open"
    kind, table = f"{found} of {asked.kind}" if asked else found, look()[1]
    key = next(key for key in (f"{kind} bare" if bare else kind, kind, found) if key in table)
    ((mark, word),) = table[key].items()
    return mark, words._(word)


def _foot(card: StageCard) -> str:
    return ", ".join(f"{n} {word}" for _mark, word, n in card.counts())


def _card(card: StageCard) -> str:
    label, marks = escape(f"{card.name}, {card.how}"), look()[0]
    scored = any(draw.score is not None for draw in card.draws)
    head = f'<div class="head">{escape(_("Reward model’s score"))}</div>' if scored else ""
    foot = " ".join(f"<span>{marks[m]}{n} {escape(word)}</span>" for m, word, n in card.counts())
    return (
        f'<div class="card" role="group" aria-label="{label}" '
        f'style="--c:{stage_colour(card.stage)}"><div class="top"><b>{escape(card.name)}</b> '
        f'<span class="how">{escape(card.how)}</span></div><div class="body">{head}'
        f'<div class="draws" role="list">{"".join(map(_row, card.draws))}</div></div>'
        f'<div class="foot">{foot}</div></div>'
    )


def _row(draw: Draw) -> str:
    text = re.sub(r"(?<=\d) (?=[a-z])", "\u00a0", draw.text.replace("\n", " / "))
    words = f'{escape(text)}<span class="sr"> ({escape(draw.word)})</span>'
    said = f'{look()[0][draw.mark]}<span class="said">{words}</span> {_score(draw)}'
    return f'<div class="draw" role="listitem" data-verdict="{draw.mark}">{said}</div>'


def _score(draw: Draw) -> str:
    if draw.score is None:
        return ""
    own = ""
    if draw.own_score is not None:
        own = "<br>" + escape(_("yours {score}", score=signed(draw.own_score)))
    return (
        f'<span class="score" style="--score:{draw.score:.2f}"><span class="bar"><i></i></span>'
        f"<b>{signed(draw.score)}{own}</b></span>"
    )
