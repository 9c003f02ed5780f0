"""The loss curve of the shipped SFT run: the same run again, for its losses alone.

Seed 0 is the shipped one; another seed writes other demonstrations and documents, so what lies
between the two curves is noise. A learner's own run is drawn beside them. `python3 -m minigpt
experiment recorded_sft` writes data/results/recorded_sft.json.
"""

import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from minigpt.pretrain import Step
from minigpt.sft import SFTConfig, introduce_chat_tokens, sft
from minigpt.show.figure import figure
from minigpt.show.results import complete, load_results, means
from minigpt.show.style import GREY, ORANGE
from minigpt.stages.recipe import Plan
from minigpt.stages.stage import load_stage
from minigpt.store.words import _

NAME = "recorded_sft"
UPDATES = 8  # whose mean loss is one point of a curve
curve = partial(means, size=UPDATES)
SEEDS = (0, 1)
OPTIONS, THREADS = {"seeds": SEEDS}, 2


def shipped_run(seed: int) -> Iterator[Step]:
    """The run that makes the shipped SFT model, from its parent's file, with a seed's data."""
    plan = Plan(seed=seed, say=lambda said: None)
    model = copy.deepcopy(load_stage("base", own=False, quiet=True).model)
    model.train().requires_grad_(True)
    introduce_chat_tokens(model, plan.encoding)
    pad = plan.encoding.encode_single_token("<|pad|>")
    return sft(model, plan.demonstrations(), plan.corpus.tokens, plan.settings("sft"), pad)


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Run it again and keep the curves that the results lack."""

    def one(seed: int) -> dict:
        return {"losses": curve([step.loss for step in shipped_run(seed)])}

    return complete(NAME, {"updates": UPDATES}, [{"seed": seed} for seed in seeds], one, out)


def beside_shipped(steps: list):
    """A run's curve beside the shipped one's: the figure, and a sentence that says what is seen.

    steps: the records of a run of `SFTConfig.batch_size` demonstrations an update.
    """
    mine, runs = curve([step.loss for step in steps]), load_results(NAME)["runs"]
    theirs, other = (run["losses"] for run in runs[:2])
    fig, ax = figure(7, 3.2)
    read = SFTConfig.batch_size * UPDATES  # demonstrations between two points
    for losses, colour, dash, who, up in (
        (other, GREY, ":", "", 0),
        (theirs, GREY, "--", _("the shipped run (dots: another seed)"), 8),
        (mine, ORANGE, "-", _("yours"), 12),
    ):  # fmt: skip
        x, weight = read * np.arange(1, len(losses) + 1), "bold" if losses is mine else "normal"
        ax.plot(x, losses, dash, color=colour, linewidth=2)
        ax.annotate(who, (x[-1], losses[-1]), (0, up), textcoords="offset points", ha="right",
                    weight=weight)  # fmt: skip
    ax.set(xlabel="demonstrations read", ylim=(0, None), xlim=(0, None), yticks=[0, 1, 2, 3])
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_title("nats a token", loc="left", fontsize=10)
    near = min(len(mine), len(theirs)) - 1
    return fig, _(
        "Loss on the demonstrations as they are read. After {n:,}: yours {mine:.2f} nats, the "
        "shipped run {theirs:.2f}, and {other:.2f} with another seed; it ended at {end:.2f}.",
        n=min(read * (near + 1), SFTConfig.batch_size * len(steps)), mine=mine[near],
        theirs=theirs[near], other=other[near], end=theirs[-1])  # fmt: skip
