"""The results of the experiments on PPO as tables and figures, each with a sentence.

What the runs hold is told by the experiments: `ppo_parts`, `kl_strength`, `labelers`, `taste`.
Means are of the seeds, with the lowest and the highest; two seeds are shown as they are.
"""

import re
from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure

from minigpt.lessons.ppo.kl_strength import ends_below_sft
from minigpt.lessons.ppo.other_uses import Contender
from minigpt.lessons.ppo.runs import at_kl
from minigpt.lessons.ppo.thirty_labels import length_ratio
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


# ---- what each part mends -----------------------------------------------------------------------


def parts_tables(results: dict) -> tuple[Table, Table]:
    """Versions of PPO after their last round, and how far single gradients agree."""
    trained = [run for run in results["runs"] if run["part"] != "gradients"]
    gradients = [run for run in results["runs"] if run["part"] == "gradients"]
    rows = []
    for arm, runs in by(trained, "arm").items():
        shares = [run["last_clip_share"] for run in runs]
        clipped = spread(shares, ".1%") if any(shares) else "-"  # most versions have no clip
        rows.append([arm, *(spread(last(runs, k)) for k in ("gold", "proxy", "kl")), clipped])
    seeds = len({run["seed"] for run in results["runs"]})
    versions = Table(
        ["version", "gold", "proxy", "KL, nats", "clipped in the last epoch"], rows,
        f"After the last round, on split V; {seeds} seeds: mean (lowest to highest)",
    )  # fmt: skip
    noise = Table(
        ["tokens are weighted with", "noise: variance of one batch's gradient",
         "cosine with all others' gradients"],
        [
            [arm, *(spread(run[name] for run in runs) for name in ("noise", "cosine"))]
            for arm, runs in by(gradients, "arm").items()
        ],
    )  # fmt: skip
    return versions, noise


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
    ax.axhline(start, color=ORANGE, linestyle="--")
    ax.annotate("SFT", (len(arms) - 0.8, start), (0, 3), textcoords="offset points", fontsize=8)
    together: dict[float, list[dict]] = {}  # lines that nearly coincide share a label
    for use in results["other_uses"]:
        ax.axhline(use["gold"], color=ORANGE, linestyle=":", linewidth=1)
        together.setdefault(round(use["gold"], 1), []).append(use)
    for uses in together.values():
        ax.annotate("\n".join(use["use"] for use in uses), (len(arms) - 0.25, uses[0]["gold"]),
                    fontsize=7, va="bottom", annotation_clip=False)  # fmt: skip
    ax.axvline(sum(runs[0]["part"] == "steps" for runs in arms.values()) - 0.5, color=GREY, lw=0.8)
    ax.set_xticks(
        range(len(arms)), [re.sub(r"(?<=\w) ", "\n", a, count=1) for a in arms], fontsize=8
    )
    ax.set(ylabel="gold at the end", xlim=(-0.5, len(arms) - 0.3))
    return fig, (
        f"Gold at the end, mean of the seeds: {', '.join(said)}; SFT {start:.2f}. Right of the "
        "line: eight epochs at three times the rates. Dotted, without any training: "
        + ", ".join(f"{use['use']} {use['gold']:.2f}" for use in results["other_uses"])
        + "."
    )


# ---- price and rate -----------------------------------------------------------------------------


def price_figure(results: dict, contenders: list[Contender]) -> tuple[Figure, str]:
    """Gold against √KL for each price of KL, mean of the seeds; crosses: the SFT model's other
    uses among the contenders."""
    fig, ax = figure(7.5, 3.4)
    said = []
    usual = [run for run in results["runs"] if run["rate"] == 1]
    for (price, runs), (colour, style) in zip(sorted(by(usual, "kl_coef").items()), STYLES):
        kl, gold = (
            np.mean([[p[name] for p in run["points"]] for run in runs], axis=0)
            for name in ("kl", "gold")
        )
        ax.plot(
            np.sqrt(np.maximum(kl, 0)), gold, style, color=colour, label=f"PPO, price {price:g}"
        )
        said.append(f"{price:g}: KL {kl[-1]:.2f}, gold {gold[-1]:.2f}")
    uses = sorted((c for c in contenders if c.name.startswith("SFT")), key=lambda c: c.kl)
    for i, c in enumerate(uses):  # the names above and below in turn, or neighbours overlap
        ax.plot(c.kl**0.5, c.gold()[0], "x", color=ORANGE, markersize=8)
        ax.annotate(c.name, (c.kl**0.5, c.gold()[0]), (4, -10 if i % 2 else 4), fontsize=7,
                    textcoords="offset points")  # fmt: skip
    ax.set(xlabel="square root of KL from the SFT model (nats an answer)", ylabel="gold")
    ax.legend(frameon=False, fontsize=8)
    return fig, f"After the last round, by price of KL (mean of {len(runs)} seeds): " + "; ".join(
        said
    ) + ". Crosses: the SFT model used in other ways."


def price_table(results: dict) -> Table:
    """A row a price of KL: where its runs ended."""
    usual = [run for run in results["runs"] if run["rate"] == 1]
    names = {"KL, nats": "kl", "proxy": "proxy", "gold": "gold", "correct": "correct",
             "says so, unknown": "unknown_declined"}  # fmt: skip
    rows = [
        [f"{price:g}", *(spread(last(runs, name)) for name in names.values())]
        for price, runs in sorted(by(usual, "kl_coef").items())
    ]
    return Table(["price of KL", *names], rows, "Mean (lowest to highest) of the seeds")


def rate_figure(results: dict, kl_coef: float, cool: float) -> tuple[Figure, str]:
    """Gold at the end of each run by how fast it learned, and the SFT model that they began with:
    at temperature 1, as it is trained, and `cool`, its gold at a lower temperature. The sentence
    counts the runs that ended below either."""
    chosen = [run for run in results["runs"] if run["kl_coef"] == kl_coef]
    fig, ax = figure(6, 2.8)
    groups = sorted(by(chosen, "rate").items())
    for i, (_, runs) in enumerate(groups):
        for run, gold in zip(runs, last(runs, "gold")):
            shape, colour = ("s", VERMILION) if ends_below_sft(run) else ("o", GREEN)
            shape, colour = ("^", YELLOW) if shape == "o" and gold < cool else (shape, colour)
            ax.plot(i, gold, shape, color=colour, markeredgecolor="#555555")
    start = float(np.mean([run["points"][0]["gold"] for run in chosen]))
    for level, name in ((start, "SFT"), (cool, "SFT, cooler")):
        ax.axhline(level, color=ORANGE, linestyle="--", linewidth=1)
        ax.annotate(
            name, (len(groups) - 0.7, level), (0, 3), textcoords="offset points", fontsize=8
        )
    ax.set(xlabel="rates of the policy, times the course's", ylabel="gold at the end",
           xlim=(-0.5, len(groups) - 0.1))  # fmt: skip
    ax.set_xticks(range(len(groups)), [f"{rate:g}" for rate, _ in groups])

    def count(below) -> str:
        found = [(rate, sum(map(below, runs)), len(runs)) for rate, runs in groups]
        return f"{sum(n for _, n, _ in found)} of {len(chosen)} (" + ", ".join(
            f"{n} of {many} at rate {rate:g}" for rate, n, many in found
        ) + ")"  # fmt: skip

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
    proxy, gold = [e.proxy for _, e in seen], [e.gold for _, e in seen]
    left.errorbar(kl, gold, [e.gold_error for _, e in seen], fmt="o-", color=GREEN, capsize=2,
                  label="gold (expert)")  # fmt: skip
    left.plot(kl, proxy, "s--", color=PURPLE, label="proxy (reward model)")
    left.set(title="this run", xlabel="square root of KL (nats an answer)", ylabel="mean score")
    left.legend(frameon=False, fontsize=8)
    steps = [point["step"] for point in curve]
    right.plot(steps, [point["gold"] for point in curve], "o-", color=GREEN)
    right.plot(steps, [point["proxy"] for point in curve], "s--", color=PURPLE)
    right.set(title="the shipped run", xlabel="round")
    for ax in fig.axes:
        ax.title.set_fontsize(9)
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
    """The largest KL that every run of `labelers` reached."""
    return min(max(p["kl"] for p in run["points"]) for run in results["runs"])


def labeler_tables(results: dict, kl: float) -> tuple[Table, Table]:
    """One row a labeler: what its model is like, and by how much three judges rate it above the SFT
    model. The first table compares all runs at the same KL, the second after their last round."""
    traits = {"correct, of attempts": "attempts_right", "says so, of unknown": "unknown_declined",
              "polite opening": "polite"}  # fmt: skip
    judges = {"proxy": "proxy", "own utility": "utility", "gold": "gold"}
    start = results["runs"][0]["points"][0]
    before = ["(SFT model)", "0", *(f"{start[t]:.0%}" for t in traits.values()),
              f"{start['answer_tokens']:.1f}", *("" for _ in judges)]  # fmt: skip
    header = ["labeler", "KL", *traits, "tokens", *(f"{judge}: rise" for judge in judges)]
    untrained = [
        [f"({use['use']})", f"{use['kl']:.2f}", *(f"{use[t]:.0%}" for t in traits.values()),
         f"{use['answer_tokens']:.1f}", "", "", f"{use['gold'] - start['gold']:+.2f}"]
        for use in results["other_uses"]
    ]  # fmt: skip

    def table(look, caption: str) -> Table:
        rows = [before, *untrained]
        for name, runs in by(results["runs"], "labeler").items():
            there = [look(run["points"]) for run in runs]
            rises = [
                spread((p[k] - run["points"][0][k] for p, run in zip(there, runs)), "+.2f")
                for k in judges.values()
            ]
            like = [spread((p[t] for p in there), ".0%") for t in traits.values()]
            far, long = (spread((p[k] for p in there), form)
                         for k, form in (("kl", ".2f"), ("answer_tokens", ".1f")))  # fmt: skip
            rows.append([name, far, *like, long, *rises])
        return Table(header, rows, caption, width=16)

    return (
        table(
            lambda points: at_kl(points, kl), f"At the same KL, {kl:.2f}; the seeds side by side"
        ),
        table(lambda points: points[-1], "After the last round"),
    )


def taste_table(results: dict) -> Table:
    """Answers after PPO on thirty labels and on the same labels turned round, every seed."""
    rows = []
    for kind, runs in by(results["runs"], "labels").items():
        ratios = [length_ratio(run) for run in runs]
        rows.append([
            kind, f"{np.median(ratios):.2f}", ", ".join(f"{r:.2f}" for r in ratios),
            spread((run["new_pairs_right"] for run in runs), ".0%"),
            spread(last(runs, "attempts_right"), ".0%"), spread(last(runs, "gold")),
        ])  # fmt: skip
    long = results["runs"][0]["points"][0]["answer_tokens"]
    rows += [
        [f"none: {use['use']}", f"{use['answer_tokens'] / long:.2f}", "", "",
         f"{use['attempts_right']:.0%}", f"{use['gold']:.2f}"]
        for use in results["other_uses"]
    ]  # fmt: skip
    return Table(
        ["labels", "length / SFT's, median", "of each seed", "new pairs in this order",
         "correct, of attempts", "gold"], rows,
        f"PPO on {results['number_of_labels']} labels, after the last round",
    )  # fmt: skip
