"""The loss curves of the shipped SFT and reward models: their runs again, for the losses alone.

Seed 0 is the shipped one; another seed draws other data, so what lies between two curves is noise.
A learner's own curve is drawn beside them. `python3 -m minigpt experiment recorded` writes
data/results/recorded.json.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

from minigpt.pretrain import Step
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    RewardStep,
    reward_inputs,
    sample_answers,
    train_reward,
)
from minigpt.sft import SFTConfig, introduce_chat_tokens, sft
from minigpt.show.results import complete, means
from minigpt.stages.from_labels import simulated_pairs, with_refusals
from minigpt.stages.recipe import Plan, Recipe
from minigpt.stages.stage import load_stage
from minigpt.world.labelers import chooser

NAME = "recorded"
EXAMPLES = {"sft": SFTConfig.batch_size, "reward": RewardConfig.prompts_per_batch}  # an update
UPDATES = {"sft": 8, "reward": 3}  # whose mean loss is one point of a curve
RECIPE, SEEDS = Recipe(), (0, 1)
OPTIONS, THREADS = {"seeds": SEEDS}, 2


def sft_run(plan: Plan) -> Iterator[Step]:
    """The run that makes the shipped SFT model, from its parent's file, with the plan's data."""
    model = copy.deepcopy(load_stage("base", own=False, quiet=True).model)
    model.train().requires_grad_(True)
    introduce_chat_tokens(model, plan.encoding)
    pad = plan.encoding.encode_single_token("<|pad|>")
    return sft(model, plan.demonstrations(), plan.corpus.tokens, plan.settings("sft"), pad)


def reward_run(plan: Plan) -> Iterator[RewardStep]:
    """The run that makes the shipped reward model, from the SFT model's file."""
    stage, encoding = load_stage("sft", own=False, quiet=True), plan.encoding
    questions = plan.questions("compared")
    prompts, n = plan.prompts(questions), plan.recipe.answers_per_prompt
    samples = sample_answers(stage.model, encoding, prompts, n, plan.seed + 11)
    samples = with_refusals(plan.world, encoding, questions, samples)
    choose = chooser(plan.world, "expert", plan.seed)
    pairs, _ties = simulated_pairs(encoding, questions, samples, choose)
    sequences = reward_inputs(encoding, prompts, samples)
    model = RewardModel(stage.model, plan.seed)
    return train_reward(model, sequences, pairs, plan.settings("reward"))


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Run them again and keep the curves that the results lack."""

    def one(stage: str, seed: int) -> dict:
        plan = Plan(seed=seed, recipe=RECIPE, say=lambda said: None)
        steps = {"sft": sft_run, "reward": reward_run}[stage](plan)
        return {"losses": means([step.loss for step in steps], UPDATES[stage])}

    keys = [{"stage": stage, "seed": seed} for stage in UPDATES for seed in seeds]
    return complete(NAME, {"examples": EXAMPLES, "updates": UPDATES}, keys, one, out)
