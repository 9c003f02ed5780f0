"""The loss curve of the shipped reward model: the same run again, for its losses alone.

Seed 0 is the shipped one; another seed draws other questions, answers and slips, so what lies
between the two is noise. A learner's own curve is drawn beside them. `python3 -m minigpt experiment
recorded_reward` writes data/results/recorded_reward.json.
"""

from functools import partial
from pathlib import Path

import numpy as np

from minigpt.reward import RewardConfig, RewardModel, reward_inputs, sample_answers, train_reward
from minigpt.show.figure import figure
from minigpt.show.results import complete, load_results, means
from minigpt.show.style import GREY, STAGE_COLOURS
from minigpt.stages.from_labels import simulated_pairs, with_refusals
from minigpt.stages.recipe import Plan, Recipe
from minigpt.stages.stage import load_stage
from minigpt.store.words import _
from minigpt.world.labelers import chooser

NAME = "recorded_reward"
UPDATES = 3  # whose mean loss is one point of a curve
curve = partial(means, size=UPDATES)
RECIPE = Recipe()
SEEDS = (0, 1)
OPTIONS = {"seeds": SEEDS}


def shipped_run(seed: int) -> list[float]:
    """The losses of the run that makes the shipped reward model, with a seed's data."""
    sft, plan = load_stage("sft", own=False, quiet=True), Plan(seed=seed, recipe=RECIPE)
    questions, encoding, n = plan.questions("compared"), sft.encoding, RECIPE.answers_per_prompt
    prompts = plan.prompts(questions)
    samples = sample_answers(sft.model, encoding, prompts, n, seed + 11)
    samples = with_refusals(sft.world, encoding, questions, samples)
    choose = chooser(sft.world, "expert", seed)
    pairs, _ties = simulated_pairs(encoding, questions, samples, choose)
    sequences = reward_inputs(encoding, prompts, samples)
    steps = train_reward(RewardModel(sft.model, seed), sequences, pairs, plan.settings("reward"))
    return [step.loss for step in steps]


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Run it again and keep the curves that the results lack."""

    def one(seed: int) -> dict:
        return {"losses": curve(shipped_run(seed))}

    return complete(NAME, {"updates": UPDATES}, [{"seed": seed} for seed in seeds], one, out)


def beside_shipped(losses: list[float]):
    """A run's curve beside the shipped one's: the figure, and a sentence that says what is seen.

    losses: of the updates of a run of `RewardConfig.prompts_per_batch` questions each.
    """
    mine, (theirs, other) = curve(losses), (run["losses"] for run in load_results(NAME)["runs"][:2])
    fig, ax = figure(7, 3.2)
    read = RewardConfig.prompts_per_batch * UPDATES  # questions between two points
    accent = STAGE_COLOURS["reward"]
    for values, style, who in (
        (other, (":", GREY, 1), ""), (theirs, ("--", GREY, 1.5), _("the shipped run")),
        (mine, ("-", accent, 2), _("yours")),
    ):  # fmt: skip
        x = read * np.arange(1, len(values) + 1)
        ax.plot(x, values, style[0], color=style[1], linewidth=style[2])
        weight = "bold" if values is mine else "normal"  # below all near it
        ax.text(x[-1], min(values[-8:]) - 0.13, who, ha="right", weight=weight)
    ax.set(xlabel=_("questions read"), ylim=(0, 1), xlim=(0, None), yticks=(0, 0.25, 0.5, 0.75))
    ax.axhline(np.log(2), color=GREY, linewidth=0.8)
    ax.set_title(_("loss, nats a pair; the line is a coin's, ln 2"), loc="left", fontsize=10)
    near = min(len(mine), len(theirs)) - 1
    return fig, _(
        "Loss on pairs that no update has read. After {n:,} questions: yours {mine:.2f} nats, the "
        "shipped run {theirs:.2f}, and {other:.2f} with another seed.",
        n=RewardConfig.prompts_per_batch * len(losses), mine=mine[near], theirs=theirs[near],
        other=other[near])  # fmt: skip
