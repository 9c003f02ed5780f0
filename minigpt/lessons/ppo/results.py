"""The results of the experiments on PPO as tables and figures, each with a sentence.

What the runs hold is told by the experiments: `parts` and `kl_strength`. Means are of the seeds,
with the lowest and the highest; two seeds are shown as they are.
"""

import re
from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure

from minigpt.lessons.ppo.other_uses import Contender
from minigpt.show.figure import figure
from minigpt.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from minigpt.show.table import Table
from minigpt.world.labelers import LABELERS

STYLES = ((BLUE, "o-"), (GREEN, "s--"), (PURPLE, "^-."), (VERMILION, "D:"), (GREY, "v-"))


def spread(values: Iterable[float], form: str = ".2f") -> str:
    """The seeds' values: mean (lowest to highest); two of them with a stroke between."""
    found = [v for v in values if v is not None]
    if len(found) <= 2:
        return " / ".join(f"{v:{form}}" for v in found)
    return f"{np.mean(found):{form}} ({min(found):{form}} to {max(found):{form}})"


def by(runs: list[dict], key: str) -> dict:
    """The runs in groups: {value of the key: its runs}, in order of their first."""
    groups: dict = {}
    for run in runs:
        groups.setdefault(run[key], []).append(run)
    return groups


def last(runs: list[dict], name: str) -> list[float]:
    """A measure after each run's last round."""
    return [run["points"][-1][name] for run in runs]


# ---- what each part mends -----------------------------------------------------------------------


def parts_table(results: dict) -> Table:
    """Versions of PPO after their last round."""
    versions, seeds = [], len({run["seed"] for run in results["runs"]})
    for arm, runs in by(results["runs"], "arm").items():
        shares = [run["last_clip_share"] for run in runs]
        clipped = spread(shares, ".1%") if any(shares) else "-"  # most versions have no clip
        ends = [spread(last(runs, k)) for k in ("gold", "proxy", "kl")]
        random = [spread(run[k] for run in runs) for k in ("entropy", "gain")]
        versions.append([arm, *ends, *random, clipped])
    header = ["version", "gold", "proxy", "KL, nats", "entropy", "gain", "clipped, last epoch"]
    caption = f"After the last round, on split V; {seeds} seeds: mean (lowest to highest)"
    return Table(header, versions, caption)


def parts_figure(results: dict) -> tuple[Figure, str]:
    """Gold at the end of every run, by version; the lines are the SFT model they began with."""
    fig, ax = figure(9, 2.8)
    arms, said = by(results["runs"], "arm"), []
    for i, (arm, runs) in enumerate(arms.items()):
        gold = last(runs, "gold")
        ax.plot([i] * len(gold), gold, "o", color=BLUE, alpha=0.6)
        ax.plot(i, np.mean(gold), "_", color=BLUE, markersize=22)
        said.append(f"{arm} {np.mean(gold):.2f}")
    start = float(np.mean([run["points"][0]["gold"] for run in results["runs"]]))
    ax.axhline(start, color=ORANGE, linestyle="--")
    ax.annotate("SFT", (len(arms) - 0.8, start), (0, 3), textcoords="offset points", fontsize=8)
    together: dict[float, list[dict]] = {}  # lines that nearly coincide share a label
    for use in results["other_uses"]:
        ax.axhline(use["gold"], color=ORANGE, linestyle=":", linewidth=1)
        together.setdefault(round(use["gold"], 1), []).append(use)
    for uses in together.values():
        ax.annotate("\n".join(use["use"] for use in uses), (len(arms) - 0.25, uses[0]["gold"]),
                    fontsize=7, va="bottom", annotation_clip=False)  # fmt: skip
    parts = [runs[0]["part"] for runs in arms.values()]
    for i in (i for i, (a, b) in enumerate(zip(parts, parts[1:])) if a != b):
        ax.axvline(i + 0.5, color=GREY, lw=0.8)
    names = [re.sub(r"(?<=\w) ", "\n", arm, count=1) for arm in arms]
    ax.set_xticks(range(len(arms)), names, fontsize=8)
    ax.set(ylabel="gold at the end", xlim=(-0.5, len(arms) - 0.3))
    untrained = ", ".join(f"{use['use']} {use['gold']:.2f}" for use in results["other_uses"])
    return fig, (
        f"Gold at the end, mean of the seeds: {', '.join(said)}; SFT {start:.2f}. Between the "
        "lines: eight epochs; right of them: the last norm's gain alone, and all else without it. "
        f"Dotted, without any training: {untrained}."
    )


# ---- price ------------------------------------------------------------------------------------


def by_price(results: dict) -> dict[float, list[dict]]:
    """The runs by their price of KL, the lowest first."""
    return dict(sorted(by(results["runs"], "kl_coef").items()))


def price_figure(results: dict, contenders: list[Contender]) -> tuple[Figure, str]:
    """Gold against √KL for each price of KL, mean of the seeds; crosses: the SFT model's other
    uses among the contenders."""
    (fig, ax), said = figure(7.5, 3.4), []
    for (price, runs), (colour, style) in zip(by_price(results).items(), STYLES):
        kl, gold = (
            np.mean([[p[name] for p in run["points"]] for run in runs], axis=0)
            for name in ("kl", "gold")
        )
        far = np.sqrt(np.maximum(kl, 0))
        ax.plot(far, gold, style, color=colour, label=f"PPO, price {price:g}")
        said.append(f"{price:g}: KL {kl[-1]:.2f}, gold {gold[-1]:.2f}")
    uses = sorted((c for c in contenders if c.name.startswith("SFT")), key=lambda c: c.kl)
    for i, c in enumerate(uses):  # the names above and below in turn, or neighbours overlap
        ax.plot(c.kl**0.5, c.gold()[0], "x", color=ORANGE, markersize=8)
        ax.annotate(c.name, (c.kl**0.5, c.gold()[0]), (4, -10 if i % 2 else 4), fontsize=7,
                    textcoords="offset points")  # fmt: skip
    ax.set(xlabel="square root of KL from the SFT model (nats an answer)", ylabel="gold")
    ax.legend(frameon=False, fontsize=8)
    return fig, (
        f"After the last round, by price of KL (mean of {len(runs)} seeds): {'; '.join(said)}. "
        "Crosses: the SFT model used in other ways."
    )


def price_table(results: dict) -> Table:
    """A row a price of KL: where its runs ended."""
    names = {"KL, nats": "kl", "proxy": "proxy", "gold": "gold", "correct": "correct",
             "says so, unknown": "unknown_declined"}  # fmt: skip
    rows = [
        [f"{price:g}", *(spread(last(runs, name)) for name in names.values())]
        for price, runs in by_price(results).items()
    ]
    return Table(["price of KL", *names], rows, "Mean (lowest to highest) of the seeds")


# ---- over-optimisation --------------------------------------------------------------------------


def over_figure(curves: dict[str, list[dict]]) -> tuple[Figure, str]:
    """Gold and proxy against the rounds, each on an axis of its own; a line a run.

    curves: by the run's name what was measured after some rounds, as a checkpoint keeps it.
    """
    (fig, axes), said = figure(9, 3.2, columns=2), []
    for (name, curve), (colour, style) in zip(curves.items(), STYLES):
        rounds, *both = ([p[key] for p in curve] for key in ("step", "gold", "proxy"))
        for ax, values in zip(axes, both):
            ax.plot(rounds, values, style, color=colour, markersize=4, label=name)
        best = max(curve, key=lambda point: point["gold"])
        said.append(f"{name}: " + ", ".join(
            f"after round {p['step']} gold {p['gold']:.2f} and proxy {p['proxy']:.2f}"
            for p in ([best] if best is curve[-1] else [best, curve[-1]])
        ))  # fmt: skip
    for ax, what in zip(axes, ("gold (expert)", "proxy (reward model)")):
        ax.set(xlabel="round", ylabel=what)
    axes[0].legend(frameon=False, fontsize=8)
    return fig, f"At the most gold and at the end. {'; '.join(said)}."


# ---- labelers -----------------------------------------------------------------------------------


def labeler_tables(results: dict) -> tuple[Table, Table]:
    """Of controls.json, a row a labeler: what its model answers, and what it is like; with by how
    much three judges rate it above the SFT model."""
    shares = {"polite": "polite", "declines, unread": "unread_declined",
              "invents, unread": "unread_invented", "correct, known": "known_correct"}  # fmt: skip
    rises = {"proxy": "proxy_change", "own utility": "utility_change", "gold": "gold_change"}
    forms = dict.fromkeys(shares.values(), ".0%") | {"tokens": ".1f", "kl": ".2f"}
    forms |= dict.fromkeys(rises.values(), "+.2f")

    def cell(name: str, key: str) -> str:
        value, *interval = (f"{x:{forms[key]}}" for x in results["measures"][f"{name}.{key}"])
        return f"{value} ({' to '.join(interval)})" if interval else value

    names = [name for name in ("sft", *LABELERS, "oracle") if name in results["answers"]]
    header = ["labeler", *shares, "tokens", "KL", *(f"{judge}: rise" for judge in rises)]
    return (
        Table(["labeler", *results["asked"]], [[n, *results["answers"][n]] for n in names],
              "The most likely answers after PPO", width=44),
        Table(header, [[n, *(cell(n, key) for key in forms)] for n in names],
              "One seed; 95 % intervals by place. Shares of the most likely answers; else "
              "temperature 1", width=16),
    )  # fmt: skip
