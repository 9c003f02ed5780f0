"""The figures of notebook 01: a few groups beside each other, each a mean and how far it varies."""

import numpy as np
from matplotlib.figure import Figure

from minigpt.show.figure import figure
from minigpt.show.style import GREY

INK = "#1b1f24"  # the colours of stages are theirs


def dots(groups: dict[str, list[float]], unit: str, digits: int = 2,
         beside: dict[str, float] | None = None, name: str = "") -> Figure:  # fmt: skip
    """A dot with its value for the mean of each group, and left of it a thin line from its lowest
    to its highest value. beside: what each is compared with, grey; `name` stands at the last."""
    fig, ax = figure(7.0, 3.2)
    for x, (group, values) in enumerate(groups.items()):
        mean = float(np.mean(values))
        ax.vlines(x - 0.12, min(values), max(values), INK, linewidth=1.5)
        ax.plot(x, mean, "o", color=INK, markersize=6)
        ax.annotate(f"{mean:.{digits}f}", (x, mean), xytext=(8, -3), textcoords="offset points")
        if beside:
            ax.hlines(beside[group], x - 0.3, x + 0.3, GREY, linestyle="dashed")
    if beside:
        last = len(groups) - 0.65
        ax.annotate(name, (last, beside[group]), color="#57606a", va="center")
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set(ylim=(0, None), xlim=(-0.5, len(groups) - 0.3))
    ax.locator_params(axis="y", nbins=4)
    ax.set_title(unit, loc="left", fontsize=10)
    return fig
