"""Colours and names that are the same in every notebook, and text that is safe as HTML."""

import html
import re

from minigpt.store import words
from minigpt.store.words import _

# Okabe & Ito (2008): eight colours that people with any colour vision can tell apart.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE, GREY = "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999"
_STAGES = {  # a name that others begin with comes after them
    "base": ("Base model", BLUE),
    "sft_honest": ("SFT model, honest demonstrations", BLACK),
    "sft": ("SFT model", ORANGE),
    "reward_ordinary": ("Reward model without surprisal", GREY),
    "reward": ("Reward model", PURPLE),
    "ppo_early": ("PPO, stopped early", YELLOW),
    "ppo_priced": ("PPO with a KL penalty", SKY),
    "ppo_overoptimised": ("Over-optimised PPO", VERMILION),
    "ppo": ("PPO model", GREEN),
}
STAGE_NAMES = {stage: name for stage, (name, _colour) in _STAGES.items()}
STAGE_COLOURS = {stage: colour for stage, (_name, colour) in _STAGES.items()}
VERDICT_GROUPS = {  # the judge's verdicts as readers see them: (verdicts, colour, hatch)
    "correct": (("correct",), SKY, ""),
    "wrong": (("wrong value", "wrong subject", "several values"), YELLOW, "//"),
    "says it does not know": (("declined this name", "declined another name"), GREY, ""),
    "rude": (("rude",), BLACK, ""),
    "no answer": (("malformed",), "#E8E8E8", ".."),
}
IGNORE_MATH = "tex2jax_ignore mathjax_ignore"  # or Jupyter would typeset what stands between two $
# Controls, marks that turn what comes after them around, halves of surrogate pairs: not to be sent.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def stage_colour(name: str) -> str:
    """The fixed colour of a stage; variants ("ppo_mediocre", "base_step_00040") have its own."""
    return next((c for stage, c in STAGE_COLOURS.items() if name.startswith(stage)), GREY)


def stage_name(name: str) -> str:
    """What readers call a stage, and a way of asking it, "ppo, greedy"; a variant is as it is."""
    stage, comma, way = name.partition(",")
    return words._(STAGE_NAMES.get(stage, stage)) + comma + way


def verdict_group(verdict: str) -> str:
    """The group that a verdict belongs to, as readers see it."""
    return next(name for name, (group, *_rest) in VERDICT_GROUPS.items() if verdict in group)


def verdict_shares(verdicts: list[str]) -> dict[str, float]:
    """The share of each group of verdicts."""
    if not verdicts:
        raise ValueError("there are no verdicts to count")
    return {
        name: sum(v in group for v in verdicts) / len(verdicts)
        for name, (group, *_rest) in VERDICT_GROUPS.items()
    }


def escape(text: str) -> str:
    """Any text as HTML that shows just that text: no tags, line breaks kept, controls replaced."""
    return html.escape(_CONTROL.sub("\ufffd", str(text))).replace("\n", "<br>")


def preformatted(text: str) -> str:
    """Any text as HTML in a monospaced font, its spaces kept, its lines folded where need be."""
    style = "margin:0;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere"
    return f'<pre class="{IGNORE_MATH}" style="{style}">{escape(text)}</pre>'


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, so that no colour or place need say it."""
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def amount(value: float) -> str:
    """A large number in words: 640, 16 thousand, 2.7 million, 300 billion, 1.4 trillion."""
    for unit in _("1e12: trillion, 1e9: billion, 1e6: million, 1e3: thousand").split(", "):
        size, _colon, word = unit.partition(":")
        if abs(value) >= max(1e4, float(size)):
            return f"{value / float(size):.1f}".removesuffix(".0") + word
    return f"{value:,.0f}"
