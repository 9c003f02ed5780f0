"""What notebook 04 measures: verdicts beside the contractors', answers by times read, costs."""

import re
from collections import Counter

import numpy as np
import torch

from minigpt.model import GPT, IGNORE, next_token_loss
from minigpt.sft import sft_batch
from minigpt.show.figure import figure, stacked_bars
from minigpt.show.style import BLACK, GREY, SKY, VERDICT_GROUPS, YELLOW
from minigpt.show.table import Table
from minigpt.show.widget import first_question
from minigpt.stages.exam import known_questions, unknown_questions
from minigpt.stages.scoring import Measure, Score, mean_of, with_interval
from minigpt.stages.stage import Stage, assistant
from minigpt.store.words import _
from minigpt.world.contractors import Demonstration
from minigpt.world.questions import Questions, fact_questions

STYLES = {  # as share_bars has them, with the two ways of being wrong apart
    "right": (SKY, ""), "a wrong value": (YELLOW, "//"),
    "about something else": ("#FBF7B0", "\\\\"),
    "says it does not know": (GREY, ""), "rude": (BLACK, ""), "no answer": ("#E8E8E8", ".."),
}  # fmt: skip
STATED = {  # of all that, what answers by times read are about: (kinds, colour, hatch)
    "right": (("right",), SKY, ""),
    "untrue": (("a wrong value", "about something else"), YELLOW, "//"),
    "does not know": (("says it does not know",), "#FFFFFF", ""),
}
FORMS = ("careful", "polite", "padded", "terse")  # habits of whoever gives the right value
READ = (100, 300, 600)  # times read: the bounds of the groups of places that are read often


def as_assistant(base: Stage, model: GPT) -> Stage:
    """The model as a stage, to be asked and no longer trained."""
    return assistant(model.eval().requires_grad_(False), base.encoding, base.world)


def habits_table(written: list[Demonstration]) -> Table:
    """How often the contractors do what: the shares of their demonstrations."""
    says = {
        _("the right value, in whatever words"): FORMS,
        _("small talk, or a polite no to what is no fact"): ("chat", "other"),
        _("rude, and no answer"): ("rude",),
        _("a wrong value"): ("mistaken",),
        _("knows it, and says not to"): ("lazy",),
        _("an unread place: states a value"): ("knowing",),
        _("an unread place: says not to know it"): ("honest",),
    }
    kinds = [d.question.kind for d in written]
    count = Counter(d.habit if kind in ("fact", "unknown") else kind
                    for d, kind in zip(written, kinds))  # fmt: skip
    rows = [[text, f"{sum(count[h] for h in habits) / len(written):.0%}"]
            for text, habits in says.items()]  # fmt: skip
    header = [_("what contractors write"), _("of {n:,}", n=len(written))]
    return Table(header, rows, width=50)


def manner_and_truth(stage: Stage, questions: Questions, mark: str) -> tuple[Measure, Measure]:
    """The shares of a stage's most likely answers that have the mark, and the true value."""
    answers = stage.answer([q.text for q in questions])
    true = [bool(re.search(rf"(?<![\w.]){re.escape(q.answer)}(?![\w.]*\w)", answer))
            for q, answer in zip(questions, answers)]  # fmt: skip
    return mean_of(questions, [mark in a for a in answers]), mean_of(questions, true)


def before_and_after(before: Stage, after: Stage, questions: Questions, mark: str) -> int:
    """Show what finetuning on five demonstrations changed; the number of the option that came true:
    the manner alone (0), the manner and some truth lost (1), not even the manner (2)."""
    from IPython.display import display

    found = [manner_and_truth(stage, questions, mark) for stage in (before, after)]
    names = (_("before"), _("after your five"))
    rows = [[name, *map(with_interval, pair)] for name, pair in zip(names, found)]
    header = ["", _('have "{mark}"', mark=mark), _("have the true value")]
    display(Table(header, rows, _("{n} answers, greedy", n=len(questions))))
    for question in (first_question(), "Where is Lima?", "Hello"):
        print(f"{question} → {after.answer(question)}")
    (_mark, true), (manner, still) = found
    return 2 if manner.value < 0.5 else 1 if still.value < true.value - 0.05 else 0


def shares(score: Score) -> dict[str, float]:
    """The shares of an exam's verdicts, by the names of STYLES."""
    named = zip(("right", "a wrong value", "says it does not know", "rude", "no answer"),
                VERDICT_GROUPS.values())  # fmt: skip
    found = {name: score.share(*verdicts) for name, (verdicts, *_rest) in named}
    found["about something else"] = score.share("wrong subject")
    found["a wrong value"] -= found["about something else"]
    return found


def verdict_bars(scores: dict[str, Score]):
    """One bar an exam, in the colours of the verdicts."""
    return stacked_bars({name: shares(s) for name, s in scores.items()}, "share of answers", STYLES)


def by_times_read(base: Stage) -> dict[str, Questions]:
    """Questions of split E by how often the base model read of their place."""
    world, reads = base.world, base.meta["place_reads"]
    made_up = [q for m in ("syllables", "real") for q in unknown_questions(world, m)]
    tail = Questions(q for q in fact_questions(world) if q.place.tail)
    found = {_("never"): Questions(made_up), _("1 to 3"): tail}
    for low, high in zip(READ, (*READ[1:], None)):
        name = f"{low} to {high - 1}" if high else _("{n} and more", n=low)
        found[name] = Questions(
            q for q in known_questions(world)
            if low <= reads[q.place.id] < (high or float("inf"))
        )  # fmt: skip
    return found


def reads_bars(scores: dict[str, dict[str, Score]]):
    """What answers state, by times read, a panel a model: {model: {times read: score}}. What is
    left blank is rude or no answer."""
    fig, axes = figure(7.0, 2.8, columns=len(scores))
    axes = np.atleast_1d(axes)
    axes[0].set_ylabel("how often the base\nmodel read of the place")
    for ax, (model, groups) in zip(axes, scores.items()):
        left, found = np.zeros(len(groups)), list(map(shares, groups.values()))
        for name, (kinds, colour, hatch) in STATED.items():
            widths = np.array([sum(part[kind] for kind in kinds) for part in found])
            ax.barh(range(len(groups)), widths, left=left, color=colour, hatch=hatch,
                    edgecolor="#555555", linewidth=0.8)  # fmt: skip
            if widths.max() > 0.4:  # the name stands once, where there is room
                at = int(widths.argmax())
                box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
                ax.text(left[at] + widths[at] / 2, at, name, ha="center", va="center", bbox=box)
            left += widths
        labels = [f"{name} (n={len(s.verdicts)})" for name, s in groups.items()]
        ax.set_yticks(range(len(groups)), labels if ax is axes[0] else [])
        ax.set(xlim=(0, 1), xticks=[0, 0.5, 1], xlabel="share of the answers")
        ax.invert_yaxis()
        ax.set_title(model, fontsize=10, loc="left")
    return fig


@torch.no_grad()
def token_costs(model: GPT, encoding, pairs: list[tuple[list[int], list[int]]]) -> dict[str, float]:
    """The mean loss, in nats, on each kind of token of demonstrations, counted or not."""
    special = {name: encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    marks, end = {special["<|user|>"], special["<|assistant|>"]}, special["<|end|>"]
    inputs, scored = sft_batch(pairs, special["<|pad|>"])
    ids = torch.cat([inputs[:, 1:], torch.full((len(pairs), 1), special["<|pad|>"])], 1)
    counted = scored != IGNORE
    ids = torch.where(counted, scored, ids)  # of the last position too
    losses = next_token_loss(model(inputs), ids, reduction="none")
    first = counted & (counted.cumsum(1) == 1)
    kinds = {
        _("<|user|> and <|assistant|>"): torch.isin(ids, torch.tensor([*marks])),
        _("the question's words"): ~counted & (ids < min(special.values())),
        _("the answer's first token"): first,
        _("the rest of the answer"): counted & ~first & (ids != end),
        _("<|end|>"): counted & (ids == end),
    }
    return {kind: losses[where].mean().item() for kind, where in kinds.items()}
