"""Best of n: the reward model used with no reinforcement learning, on a slider from 1 to 64.

Many answers to each question were sampled and scored once. The slider says how many of them the
reward model may choose from; the chosen answers, their mean score (the proxy) and the expert's
mean utility (gold) follow at once. `best_of_n_explorer(pool)` shows the curves, which stay in the
file, and under them the controls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np

from minigpt.reward import expected_best, kl_bound
from minigpt.show.figure import figure
from minigpt.show.style import BLUE, IGNORE_MATH, STAGE_COLOURS, escape, signed
from minigpt.show.table import Table
from minigpt.show.widget import problem, rendered, side_by_side
from minigpt.stages.exam import Pool
from minigpt.stages.scoring import bootstrap

SHOWN = 6  # questions whose chosen answers are listed
POWERS = (1, 2, 4, 8, 16, 32, 64)
TEXT = {
    "en": {
        "n": "n",
        "kind": "Questions",
        "fact": "known places",
        "unknown": "unknown places",
        "question": "question",
        "chosen": "best scored of the first {n}",
        "score": "score",
        "gold": "expert",
        "caption": "Best of {n}, for some of the {q} questions about {kind}",
        "reading": "n = {n}, {kind}: the chosen answers' mean score (proxy) is {proxy}, the "
        "expert's mean utility of them (gold) {gold}. KL from the SFT model: at most {kl:.2f} "
        "nats. Gold is highest at n = {peak}.",
        "proxy_axis": "mean score (proxy)",
        "gold_axis": "mean expert's utility (gold)",
        "n_axis": "n",
        "failed": "This did not work: {error}",
        "next": "Other questions",
    },
}


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


def best_of_n_curve(pool: Pool, ns: Sequence[int] = POWERS) -> Curve:
    """What choosing the best scored of n does to proxy and gold."""
    ns = [n for n in ns if n <= pool.scores.shape[1]]
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


class Explorer:
    """The widget: `view` is what is displayed; `table()` and `sentence()` are its static form."""

    def __init__(self, pool: Pool, lang: str = "en") -> None:
        self.pool, self.words, self.first = pool, TEXT[lang], 0
        kinds = [k for k in ("fact", "unknown") if any(q.kind == k for q in pool.questions)]
        self.pools = {kind: pool.of_kind(kind) for kind in kinds}
        self.curves = {kind: best_of_n_curve(self.pools[kind]) for kind in kinds}
        style = {"description_width": "7em"}
        self.kind = widgets.Dropdown(
            options=[(self.words[k], k) for k in kinds], description=self.words["kind"], style=style
        )
        self.n = widgets.IntSlider(
            value=1, min=1, max=pool.scores.shape[1], description=self.words["n"], style=style,
            continuous_update=False,
        )  # fmt: skip
        self.other = widgets.Button(description=self.words["next"])
        self.status = widgets.HTML(layout=widgets.Layout(width="auto"))
        self.shown = widgets.HTML(layout=widgets.Layout(width="auto"))
        self.other.on_click(self.go_on)
        self.n.observe(self.refresh, "value")
        self.kind.observe(self._kind_picked, "value")
        controls = side_by_side(self.kind, self.n, self.other)
        self.view = widgets.VBox([controls, self.status, self.shown])
        self.refresh()

    def go_on(self, button=None) -> None:
        """List the next questions."""
        self.first = (self.first + SHOWN) % len(self.pools[self.kind.value].questions)
        self.refresh()

    def _kind_picked(self, change) -> None:
        self.first = 0
        self.refresh()

    def refresh(self, change=None) -> None:
        try:
            self.shown.value = rendered(self.table())
            said = escape(self.sentence())
            self.status.value = f'<div class="{IGNORE_MATH}" role="status">{said}</div>'
        except Exception as error:
            self.status.value = problem(error)

    # ---- without widgets --------------------------------------------------------------------

    def sentence(self, n: int | None = None, kind: str | None = None) -> str:
        """Proxy, gold and KL at n in words."""
        n, kind = n or self.n.value, kind or self.kind.value
        pool = self.pools[kind]
        proxy, true = (expected_best(pool.scores, v, n).mean() for v in (pool.scores, pool.golds))
        return self.words["reading"].format(
            n=n, kind=self.words[kind], proxy=signed(proxy), gold=signed(true), kl=kl_bound(n),
            peak=self.curves[kind].peak,
        )  # fmt: skip

    def table(self, n: int | None = None, kind: str | None = None) -> Table:
        """Some questions and the answers that are chosen of the first n."""
        n, kind = n or self.n.value, kind or self.kind.value
        pool, rows = self.pools[kind], []
        for i in range(self.first, min(self.first + SHOWN, len(pool.questions))):
            best = int(pool.scores[i, :n].argmax())
            rows.append([pool.questions[i].text, pool.texts[i][best],
                         signed(pool.scores[i, best]), signed(pool.golds[i, best], 1)])  # fmt: skip
        words = self.words
        header = [words["question"], words["chosen"].format(n=n), words["score"], words["gold"]]
        caption = words["caption"].format(n=n, q=len(pool.questions), kind=words[kind])
        return Table(header, rows, caption, width=40)


def best_of_n_explorer(pool: Pool, lang: str = "en") -> None:
    """Show the chosen answers at n = 1 and n = 64, and the controls."""
    from IPython.display import display

    explorer = Explorer(pool, lang)
    for n in (1, pool.scores.shape[1]):
        display(explorer.table(n))
    display(explorer.view)
