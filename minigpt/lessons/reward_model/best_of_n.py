"""Best of n: the reward model used with no reinforcement learning, and what the search does.

Many answers to each question are sampled and scored once. Of the first n the best scored one is
taken; its score is the proxy, the expert's noiseless utility of it gold.
"""

from dataclasses import replace

import numpy as np

from minigpt.reward import expected_best, kl_bound
from minigpt.show.figure import figure
from minigpt.show.style import GREY, STAGE_COLOURS, signed
from minigpt.show.table import Table
from minigpt.stages.exam import Pool, sample_pool
from minigpt.stages.scoring import Measure, mean_of
from minigpt.stages.stage import Stage
from minigpt.store.words import _

POWERS = (1, 2, 4, 8, 16, 32, 64)
STYLES = (
    (STAGE_COLOURS["reward"], "-"),
    (STAGE_COLOURS["reward"], "--"),
    (GREY, "-"),
    (GREY, "--"),
)
SHOWN = 4  # questions whose chosen answers are listed


def pools(sft: Stage, judges: dict[str, Stage], parts, n: int = 64) -> dict[str, Pool]:
    """`n` answers to each question, the same ones under each judge. parts: lists of questions,
    sampled and scored one after the other."""
    first, *others = judges.values()
    found = []
    for i, questions in enumerate(parts):
        pool = sample_pool(sft, first, questions, n, seed=31 + i)  # other random numbers each time
        found.append([pool, *(pool.scored_by(judge.model) for judge in others)])
    return {name: joined(of_judge) for name, of_judge in zip(judges, zip(*found))}


def joined(parts: list[Pool]) -> Pool:
    """One pool of several."""
    lists = {k: sum((getattr(p, k) for p in parts), []) for k in ("questions", "texts", "inputs")}
    arrays = {k: np.vstack([getattr(p, k) for p in parts]) for k in ("ended", "scores", "golds")}
    return replace(parts[0], **lists, **arrays)


def best_of_n_curve(pool: Pool, expected=expected_best) -> dict[int, tuple[Measure, Measure]]:
    """What choosing the best scored of n does: {n: (proxy, gold)}, each with its interval.

    expected: the function that has the mean over all draws of n, the learner's for example.
    """

    def best(values: np.ndarray, n: int) -> Measure:
        return mean_of(pool.questions, expected(pool.scores, values, n))

    ns = [n for n in POWERS if n <= pool.scores.shape[1]]
    return {n: (best(pool.scores, n), best(pool.golds, n)) for n in ns}


def gold_change(pool: Pool, n: int, few: int) -> Measure:
    """By how much the best of `n` is better than the best of `few`, in gold, by place."""
    more, less = (expected_best(pool.scores, pool.golds, k) for k in (n, few))
    return mean_of(pool.questions, more - less)


def search_figure(curves: dict[str, dict[int, tuple[Measure, Measure]]]):
    """Proxy and gold, a panel each, against the root of the KL; gold has its intervals. The figure,
    and a sentence. curves: what `best_of_n_curve` gives for each judge."""
    fig, axes = figure(7.4, 3.2, columns=2)
    titles = _("proxy: the judge's own score"), _("gold: the expert's utility")
    for panel, (ax, title) in enumerate(zip(axes, titles)):
        below = -9.0  # where the last name stands: two do not touch
        for name, curve in sorted(curves.items(), key=lambda one: one[1][max(one[1])][panel].value):
            colour, dash = STYLES[[*curves].index(name) % len(STYLES)]
            found, x = [both[panel] for both in curve.values()], [kl_bound(n) ** 0.5 for n in curve]
            y = [m.value for m in found]
            below = max(y[-1], below + 0.19)
            ax.plot(x, y, dash, color=colour, linewidth=2)
            ax.text(x[-1] + 0.06, below, name, va="center", fontsize=8)
            if panel:
                ax.vlines(x, [m.low for m in found], [m.high for m in found], colour, linewidth=0.8)
        ax.set_xticks([kl_bound(n) ** 0.5 for n in (1, 4, 16, 64)], ["1", "4", "16", "64"])
        ax.set(xlabel=_("n, at the root of the KL from SFT"), yticks=(-1, 0, 1, 2), ylim=(-1, 2.1))
        ax.set_title(title, loc="left", fontsize=10)
    said = []
    for name, curve in curves.items():
        low, gold, high, last = (signed(m.value) for n in (1, max(curve)) for m in curve[n])
        said.append(_("{name}: proxy {low} to {high}, gold {gold} to {last}", name=name, low=low,
                      high=high, gold=gold, last=last))  # fmt: skip
    return fig, _("n from 1 to {n}. ", n=max(curve)) + "; ".join(said) + "."


def chosen(pool: Pool, judge: str, n: int = 64) -> Table:
    """Some questions whose first answer was good, to the expert, and the best scored of n is not:
    what a judge of that name was taken in by."""
    rows = []
    for i, question in enumerate(pool.questions):
        best = int(pool.scores[i, :n].argmax())
        if pool.golds[i, best] < 0 < pool.golds[i, 0] and len(rows) < SHOWN:
            rows.append([question.text, pool.texts[i][0], pool.texts[i][best],
                         signed(pool.scores[i, best] - pool.scores[i, 0])])  # fmt: skip
    header = [_("question"), _("first answer"), _("best scored of {n}", n=n), _("higher by")]
    said = _("{judge}: the first answer was right, the chosen one is not", judge=judge)
    return Table(header, rows, said, width=34)
