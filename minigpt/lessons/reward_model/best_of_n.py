"""Best of n: the reward model used with no reinforcement learning, on a slider from 1 to 64.

Many answers to each question were sampled and scored once. The slider says how many of them the
reward model may choose from; the chosen answers, their mean score (the proxy) and the expert's
mean utility (gold) follow at once. `best_of_n_explorer(pool)` shows the curves, which stay in the
file, and under them the controls.
"""

import ipywidgets as widgets
import numpy as np

from minigpt.reward import expected_best, kl_bound
from minigpt.show.figure import figure
from minigpt.show.style import BLUE, IGNORE_MATH, STAGE_COLOURS, escape, signed
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, rendered, side_by_side
from minigpt.stages.exam import Pool
from minigpt.stages.scoring import Measure, mean_of
from minigpt.store.words import _

SHOWN = 6  # questions whose chosen answers are listed
POWERS = (1, 2, 4, 8, 16, 32, 64)


def best_of_n_curve(pool: Pool) -> dict[int, tuple[Measure, Measure]]:
    """What choosing the best scored of n does: {n: (proxy, gold)}, each with its interval."""

    def best(values: np.ndarray, n: int) -> Measure:
        return mean_of(pool.questions, expected_best(pool.scores, values, n))

    ns = [n for n in POWERS if n <= pool.scores.shape[1]]
    return {n: (best(pool.scores, n), best(pool.golds, n)) for n in ns}


def gold_change(pool: Pool, n: int, few: int) -> Measure:
    """By how much the best of `n` is better than the best of `few`, in gold, by place."""
    more, less = (expected_best(pool.scores, pool.golds, k) for k in (n, few))
    return mean_of(pool.questions, more - less)


def curve_figure(curves: dict[str, dict]):
    """Proxy and gold against n, a panel for each named curve; the shade is gold's interval."""
    fig, axes = figure(4 * len(curves), 2.9, columns=len(curves))
    for ax, (name, curve) in zip(np.atleast_1d(axes), curves.items()):
        proxy, gold = zip(*curve.values())
        low, high = zip(*((m.low, m.high) for m in gold))
        ax.plot([*curve], [m.value for m in proxy], "s--", color=STAGE_COLOURS["reward"],
                label="proxy")  # fmt: skip
        ax.plot([*curve], [m.value for m in gold], "o-", color=BLUE, label="gold")
        ax.fill_between([*curve], low, high, color=BLUE, alpha=0.2, linewidth=0)
        ax.set_xscale("log", base=2)
        ax.set_xticks([*curve], [str(n) for n in curve])
        ax.set(xlabel="n", ylabel="mean over the questions")
        ax.set_title(name, fontsize=9)  # two long ones stand side by side
        ax.legend(frameon=False)
    return fig


class BestOfN(Widget):
    """A slider for n, and some questions with the answer that is chosen of the first n."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool, self.first, self.most = pool, 0, pool.scores.shape[1]
        self.n = self.control(
            widgets.IntSlider, _("n"), self.refresh, value=1, min=1, max=self.most
        )
        controls = side_by_side(self.n, self.button(_("Other questions"), self.go_on))
        self.view = widgets.VBox([controls, self.status, self.shown])
        self.refresh()

    def static(self) -> list:
        return [self.table(1), self.table(self.most)]

    def go_on(self) -> None:
        """List the next questions."""
        self.first = (self.first + SHOWN) % len(self.pool.questions)
        self.refresh()

    def refresh(self) -> None:
        n, pool = self.n.value, self.pool
        proxy, true = (expected_best(pool.scores, v, n).mean() for v in (pool.scores, pool.golds))
        said = escape(_(
            "n = {n}: the chosen answers' mean score (proxy) is {proxy}, the expert's mean utility "
            "of them (gold) {gold}. KL from the SFT model: at most {kl} nats.",
            n=n, proxy=signed(proxy), gold=signed(true), kl=f"{kl_bound(n):.2f}",
        ))  # fmt: skip
        self.status.value = f'<div class="{IGNORE_MATH}" role="status">{said}</div>'
        self.shown.value = rendered(self.table(n))

    def table(self, n: int) -> Table:
        """Some questions and the answers that are chosen of the first n."""
        rows, pool = [], self.pool
        for i in range(len(pool.questions))[self.first : self.first + SHOWN]:
            best = int(pool.scores[i, :n].argmax())
            rows.append([pool.questions[i].text, pool.texts[i][best],
                         signed(pool.scores[i, best]), signed(pool.golds[i, best], 1)])  # fmt: skip
        header = [_("question"), _("best scored of the first {n}", n=n), _("score"), _("expert")]
        caption = _("Best of {n}, for some of the {all} questions", n=n, all=len(pool.questions))
        return Table(header, rows, caption, width=40)


def best_of_n_explorer(pool: Pool) -> None:
    """Show the chosen answers at n = 1 and at all n, and the controls."""
    present(lambda: BestOfN(pool))
