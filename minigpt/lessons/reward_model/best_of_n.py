"""Best of n: the reward model used with no reinforcement learning, on a slider from 1 to 64.

Many answers to each question were sampled and scored once. The slider says how many of them the
reward model may choose from; the chosen answers, their mean score (the proxy) and the expert's
mean utility (gold) follow at once. `best_of_n_explorer(pool)` shows the curves, which stay in the
file, and under them the controls.
"""

from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np

from minigpt.reward import expected_best, kl_bound
from minigpt.show.figure import figure
from minigpt.show.style import BLUE, IGNORE_MATH, STAGE_COLOURS, escape, signed
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, rendered, side_by_side
from minigpt.stages.exam import Pool
from minigpt.stages.scoring import bootstrap
from minigpt.store.words import _

SHOWN = 6  # questions whose chosen answers are listed
POWERS = (1, 2, 4, 8, 16, 32, 64)


@dataclass
class Curve:
    """Proxy and gold against n, each with its 95 % interval, drawn by place."""

    ns: list[int]
    proxy: list[float]
    gold: list[float]
    low: list[float]  # of gold
    high: list[float]

    @property
    def peak(self) -> int:
        """The n with the highest gold."""
        return self.ns[int(np.argmax(self.gold))]


def best_of_n_curve(pool: Pool) -> Curve:
    """What choosing the best scored of n does to proxy and gold."""
    ns = [n for n in POWERS if n <= pool.scores.shape[1]]
    groups, curve = [q.entity for q in pool.questions], Curve(ns, [], [], [], [])
    for n in ns:
        proxy, true = (expected_best(pool.scores, v, n) for v in (pool.scores, pool.golds))
        low, high = bootstrap(groups, lambda rows: float(true[rows].mean()), 300)  # noqa: B023
        for values, value in zip((curve.proxy, curve.gold, curve.low, curve.high),
                                 (proxy.mean(), true.mean(), low, high)):  # fmt: skip
            values.append(float(value))
    return curve


def curve_figure(curves: dict[str, Curve]):
    """Proxy and gold against n, a panel for each named curve; the shade is gold's interval."""
    fig, axes = figure(4 * len(curves), 2.9, columns=len(curves))
    for ax, (name, curve) in zip(np.atleast_1d(axes), curves.items()):
        ax.plot(curve.ns, curve.proxy, "s--", color=STAGE_COLOURS["reward"], label="proxy")
        ax.plot(curve.ns, curve.gold, "o-", color=BLUE, label="gold")
        ax.fill_between(curve.ns, curve.low, curve.high, color=BLUE, alpha=0.2, linewidth=0)
        ax.set_xscale("log", base=2)
        ax.set_xticks(curve.ns, [str(n) for n in curve.ns])
        ax.set(xlabel="n", ylabel="mean over the questions")
        ax.set_title(name, fontsize=9)  # two long ones stand side by side
        ax.legend(frameon=False)
    return fig


class BestOfN(Widget):
    """A slider for n, and some questions with the answer that is chosen of the first n."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        words = {"fact": _("known places"), "unknown": _("unknown places")}
        self.words = {k: w for k, w in words.items() if any(q.kind == k for q in pool.questions)}
        self.pools = {kind: pool.of_kind(kind) for kind in self.words}
        self.peaks = {kind: best_of_n_curve(part).peak for kind, part in self.pools.items()}
        self.first, self.most = 0, pool.scores.shape[1]
        options = [(word, kind) for kind, word in self.words.items()]
        self.kind = self.control(
            widgets.Dropdown, _("Questions"), self._kind_picked, options=options
        )
        self.n = self.control(
            widgets.IntSlider, _("n"), self.refresh, value=1, min=1, max=self.most
        )
        controls = side_by_side(self.kind, self.n, self.button(_("Other questions"), self.go_on))
        self.view = widgets.VBox([controls, self.status, self.shown])
        self.refresh()

    def static(self) -> list:
        return [self.table(1), self.table(self.most)]

    def go_on(self) -> None:
        """List the next questions."""
        self.first = (self.first + SHOWN) % len(self.pools[self.kind.value].questions)
        self.refresh()

    def _kind_picked(self) -> None:
        self.first = 0
        self.refresh()

    def refresh(self) -> None:
        n, kind = self.n.value, self.kind.value
        pool = self.pools[kind]
        proxy, true = (expected_best(pool.scores, v, n).mean() for v in (pool.scores, pool.golds))
        said = escape(_(
            "n = {n}, {kind}: the chosen answers' mean score (proxy) is {proxy}, the expert's mean "
            "utility of them (gold) {gold}. KL from the SFT model: at most {kl} nats. Gold is "
            "highest at n = {peak}.",
            n=n, kind=self.words[kind], proxy=signed(proxy), gold=signed(true),
            kl=f"{kl_bound(n):.2f}", peak=self.peaks[kind],
        ))  # fmt: skip
        self.status.value = f'<div class="{IGNORE_MATH}" role="status">{said}</div>'
        self.shown.value = rendered(self.table(n))

    def table(self, n: int) -> Table:
        """Some questions and the answers that are chosen of the first n."""
        kind, rows = self.kind.value, []
        pool = self.pools[kind]
        for i in range(self.first, min(self.first + SHOWN, len(pool.questions))):
            best = int(pool.scores[i, :n].argmax())
            rows.append([pool.questions[i].text, pool.texts[i][best],
                         signed(pool.scores[i, best]), signed(pool.golds[i, best], 1)])  # fmt: skip
        header = [_("question"), _("best scored of the first {n}", n=n), _("score"), _("expert")]
        caption = _("Best of {n}, for some of the {all} questions about {kind}",
                    n=n, all=len(pool.questions), kind=self.words[kind])  # fmt: skip
        return Table(header, rows, caption, width=40)


def best_of_n_explorer(pool: Pool) -> None:
    """Show the chosen answers at n = 1 and at all n, and the controls."""
    present(lambda: BestOfN(pool))
