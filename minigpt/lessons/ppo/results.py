"""The results of the experiments on PPO as tables and figures, each with a sentence.

What the runs hold is told by the experiments: `parts`, `kl_strength` and `whose_taste`.
Means are of the seeds, with the lowest and the highest; two seeds are shown as they are.
"""

import re
from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure

from minigpt.lessons.ppo.other_uses import Contender
from minigpt.show.figure import figure
from minigpt.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, YELLOW
from minigpt.show.table import Table

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


def level(ax, x: float, y: float, name: str, **style) -> None:
    """A line through the figure at the gold of something untrained."""
    ax.axhline(y, color=ORANGE, linestyle="--", **style)
    ax.annotate(name, (x, y), (0, 3), textcoords="offset points", fontsize=8)


# ---- what each part mends -----------------------------------------------------------------------


def parts_tables(results: dict) -> tuple[Table, Table]:
    """Versions of PPO after their last round, and how far single gradients agree."""
    trained = [run for run in results["runs"] if run["part"] != "gradients"]
    gradients = [run for run in results["runs"] if run["part"] == "gradients"]
    versions, seeds = [], len({run["seed"] for run in results["runs"]})
    for arm, runs in by(trained, "arm").items():
        shares = [run["last_clip_share"] for run in runs]
        clipped = spread(shares, ".1%") if any(shares) else "-"  # most versions have no clip
        versions.append([arm, *(spread(last(runs, k)) for k in ("gold", "proxy", "kl")), clipped])
    noise = [
        [arm, *(spread(run[name] for run in runs) for name in ("noise", "cosine"))]
        for arm, runs in by(gradients, "arm").items()
    ]
    return (
        Table(["version", "gold", "proxy", "KL, nats", "clipped in the last epoch"], versions,
              f"After the last round, on split V; {seeds} seeds: mean (lowest to highest)"),
        Table(["tokens are weighted with", "noise: variance of one batch's gradient",
               "cosine with all others' gradients"], noise),
    )  # fmt: skip


def parts_figure(results: dict) -> tuple[Figure, str]:
    """Gold at the end of every run, by version; the lines are the SFT model they began with."""
    trained = [run for run in results["runs"] if run["part"] != "gradients"]
    fig, ax = figure(9, 2.8)
    arms, said = by(trained, "arm"), []
    for i, (arm, runs) in enumerate(arms.items()):
        gold = last(runs, "gold")
        ax.plot([i] * len(gold), gold, "o", color=BLUE, alpha=0.6)
        ax.plot(i, np.mean(gold), "_", color=BLUE, markersize=22)
        said.append(f"{arm} {np.mean(gold):.2f}")
    start = float(np.mean([run["points"][0]["gold"] for run in trained]))
    level(ax, len(arms) - 0.8, start, "SFT")
    together: dict[float, list[dict]] = {}  # lines that nearly coincide share a label
    for use in results["other_uses"]:
        ax.axhline(use["gold"], color=ORANGE, linestyle=":", linewidth=1)
        together.setdefault(round(use["gold"], 1), []).append(use)
    for uses in together.values():
        ax.annotate("\n".join(use["use"] for use in uses), (len(arms) - 0.25, uses[0]["gold"]),
                    fontsize=7, va="bottom", annotation_clip=False)  # fmt: skip
    ax.axvline(sum(runs[0]["part"] == "steps" for runs in arms.values()) - 0.5, color=GREY, lw=0.8)
    names = [re.sub(r"(?<=\w) ", "\n", arm, count=1) for arm in arms]
    ax.set_xticks(range(len(arms)), names, fontsize=8)
    ax.set(ylabel="gold at the end", xlim=(-0.5, len(arms) - 0.3))
    untrained = ", ".join(f"{use['use']} {use['gold']:.2f}" for use in results["other_uses"])
    return fig, (
        f"Gold at the end, mean of the seeds: {', '.join(said)}; SFT {start:.2f}. Right of the "
        f"line: eight epochs at three times the rates. Dotted, without any training: {untrained}."
    )


# ---- price and rate -----------------------------------------------------------------------------


def by_price(results: dict) -> dict[float, list[dict]]:
    """The runs at the course's rates by their price of KL, the lowest first."""
    usual = [run for run in results["runs"] if run["rate"] == 1]
    return dict(sorted(by(usual, "kl_coef").items()))


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


def ends_below_sft(run: dict) -> bool:
    """Whether the policy has less gold after the last round than before the first."""
    return run["points"][-1]["gold"] < run["points"][0]["gold"]


def rate_figure(results: dict, kl_coef: float, cool: float) -> tuple[Figure, str]:
    """Gold at the end of each run by how fast it learned, and the SFT model that they began with:
    at temperature 1, as it is trained, and `cool`, its gold at a lower temperature. The sentence
    counts the runs that ended below either."""
    chosen = [run for run in results["runs"] if run["kl_coef"] == kl_coef]
    groups, (fig, ax) = sorted(by(chosen, "rate").items()), figure(6, 2.8)
    for i, (_, runs) in enumerate(groups):
        for run, gold in zip(runs, last(runs, "gold")):
            shape = "s" if ends_below_sft(run) else "^" if gold < cool else "o"
            colour = {"s": VERMILION, "^": YELLOW, "o": GREEN}[shape]
            ax.plot(i, gold, shape, color=colour, markeredgecolor="#555555")
    start = float(np.mean([run["points"][0]["gold"] for run in chosen]))
    for gold, name in ((start, "SFT"), (cool, "SFT, cooler")):
        level(ax, len(groups) - 0.7, gold, name, linewidth=1)
    ax.set(xlabel="rates of the policy, times the course's", ylabel="gold at the end",
           xlim=(-0.5, len(groups) - 0.1))  # fmt: skip
    ax.set_xticks(range(len(groups)), [f"{rate:g}" for rate, _ in groups])

    def count(below) -> str:
        each = (f"{sum(map(below, runs))} of {len(runs)} at rate {rate:g}" for rate, runs in groups)
        return f"{sum(map(below, chosen))} of {len(chosen)} ({', '.join(each)})"

    return fig, (
        f"Runs that end with less gold than the SFT model at temperature 1: {count(ends_below_sft)}"
        f"; than the cooler SFT model: {count(lambda run: run['points'][-1]['gold'] < cool)}."
    )


# ---- over-optimisation --------------------------------------------------------------------------


def over_figure(seen: list[tuple], curve: list[dict]) -> tuple[Figure, str]:
    """Proxy and gold: of a run against √KL, and of the shipped run against its rounds.

    seen: (KL, Evaluation) in order, the first before training. curve: the checkpoint's own.
    """
    fig, (left, right) = figure(9, 3.2, columns=2)
    kl = [max(0.0, nats) ** 0.5 for nats, _ in seen]
    gold, proxy, error = zip(*((e.gold, e.proxy, e.gold_error) for _, e in seen))
    shipped = zip(*((point["step"], point["gold"], point["proxy"]) for point in curve))

    def both(ax, title: str, x, gold, proxy, error=None) -> None:
        ax.errorbar(x, gold, error, fmt="o-", color=GREEN, capsize=2, label="gold (expert)")
        ax.plot(x, proxy, "s--", color=PURPLE, label="proxy (reward model)")
        ax.set_title(title, fontsize=9)

    both(left, "this run", kl, gold, proxy, error)
    both(right, "the shipped run", *shipped)
    left.set(xlabel="square root of KL (nats an answer)", ylabel="mean score")
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel="round")
    top = int(np.argmax(gold))
    best = max(curve, key=lambda point: point["gold"])
    return fig, (
        f"This run: gold {gold[0]:.2f} before, best {gold[top]:.2f} at KL {seen[top][0]:.2f}, "
        f"{gold[-1]:.2f} at the end (KL {seen[-1][0]:.2f}); proxy {proxy[0]:.2f}, {proxy[top]:.2f} "
        f"and {proxy[-1]:.2f}. Shipped run: gold {best['gold']:.2f} after round {best['step']}, "
        f"{curve[-1]['gold']:.2f} after round {curve[-1]['step']}; proxy {best['proxy']:.2f} and "
        f"{curve[-1]['proxy']:.2f}."
    )


# ---- labelers -----------------------------------------------------------------------------------


def common_kl(results: dict) -> float:
    """The largest KL that every run of `whose_taste` reached."""
    return min(max(p["kl"] for p in run["points"]) for run in results["runs"])


def at_kl(points: list[dict], kl: float) -> dict | None:
    """The measures at that KL, by straight lines between the looks on either side of it; None
    where the run never came so far."""
    for before, after in zip(points, points[1:]):
        if before["kl"] <= kl <= after["kl"]:
            part = (kl - before["kl"]) / (after["kl"] - before["kl"] or 1.0)
            return {k: v + part * (after[k] - v) for k, v in before.items() if v is not None}
    return None


def labeler_tables(results: dict, kl: float) -> tuple[Table, Table]:
    """One row a labeler: what its model is like, and by how much three judges rate it above the SFT
    model. The first table compares all runs at the same KL, the second after their last round."""
    shares = {"correct, of attempts": "attempts_right", "says so, of unknown": "unknown_declined",
              "polite opening": "polite"}  # fmt: skip
    judges = {"proxy": "proxy", "own utility": "utility", "gold": "gold"}
    start = results["runs"][0]["points"][0]
    header = ["labeler", "KL", *shares, "tokens", *(f"{judge}: rise" for judge in judges)]
    forms = {"kl": ".2f", **dict.fromkeys(shares.values(), ".0%"), "answer_tokens": ".1f"}

    def like(point: dict) -> list[str]:
        return [f"{point[k]:{form}}" for k, form in forms.items()]

    untrained = [["(SFT model)", "0", *like(start)[1:], "", "", ""]]
    for use in results["other_uses"]:
        rise = f"{use['gold'] - start['gold']:+.2f}"
        untrained.append([f"({use['use']})", *like(use), "", "", rise])

    def table(look, caption: str) -> Table:
        rows = list(untrained)
        for name, runs in by(results["runs"], "labeler").items():
            ends = [(look(run["points"]), run["points"][0]) for run in runs]
            traits = [spread((end[k] for end, _ in ends), form) for k, form in forms.items()]
            rises = [spread((end[k] - first[k] for end, first in ends), "+.2f")
                     for k in judges.values()]  # fmt: skip
            rows.append([name, *traits, *rises])
        return Table(header, rows, caption, width=16)

    near = f"At the same KL, {kl:.2f}; the seeds side by side"
    return (
        table(lambda points: at_kl(points, kl), near),
        table(lambda points: points[-1], "After the last round"),
    )
