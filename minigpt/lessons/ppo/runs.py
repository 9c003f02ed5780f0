"""What the experiments on PPO share: a run from the shipped SFT model, measured as it goes.

All measures are on split E (of `parts` on split V), on the same questions in every run. Nothing is
chosen by them: a run is looked at after a fixed number of rounds, or between two looks at the same
distance (KL) from the SFT model.
"""

import copy
from dataclasses import dataclass

import numpy as np

from minigpt.lessons.ppo.other_uses import contend
from minigpt.model import GPT
from minigpt.ppo import PPOConfig, PPOStep, Steps, ppo
from minigpt.reward import RewardModel
from minigpt.sft import chat_answer
from minigpt.stages.exam import proxy_scores
from minigpt.stages.recipe import Plan
from minigpt.stages.scoring import ATTEMPTS, Score, chat_score, mean_kl
from minigpt.stages.stage import Stage, assistant, load_stage
from minigpt.world.corpus import build_corpus
from minigpt.world.names import TEST_MAKERS
from minigpt.world.questions import sample_questions


@dataclass(frozen=True)
class Sizes:
    """How much of everything an experiment uses; tests use little."""

    questions: int = 300  # questions of split E on which a policy is measured
    corpus_tokens: int = 200_000  # pretraining documents for PPO's pretraining term
    rounds: int = 20  # rounds of PPO
    answers: int = 128  # answers sampled a round
    every: int = 10  # rounds between two looks


SIZES = Sizes()


class Setup:
    """What every run of an experiment starts from: the shipped SFT model and its data."""

    def __init__(self, sizes: Sizes = SIZES) -> None:
        self.sizes = sizes
        self.sft, self.reward = (
            load_stage(name, own=False, device="cpu", quiet=True) for name in ("sft", "reward")
        )
        self.world, self.encoding = self.sft.world, self.sft.encoding
        self.questions = sample_questions(
            self.world, "E", sizes.questions, seed=4242, makers=TEST_MAKERS
        )
        documents = build_corpus(self.world, self.encoding, sizes.corpus_tokens, seed=7)
        self.tokens = documents.tokens

    def policy(self) -> GPT:
        """The SFT model, to be trained on."""
        return copy.deepcopy(self.sft.model).train().requires_grad_(True)

    def prompts(self, seed: int) -> list[list[int]]:
        """What PPO draws from, as in the course's own run of that seed."""
        plan = Plan(seed=seed)
        return plan.prompts(plan.questions("practised"))

    def config(self, seed: int, **changed) -> PPOConfig:
        """The course's settings, on fewer rounds and answers, and what else is changed."""
        return PPOConfig(self.sizes.rounds, self.sizes.answers, seed=seed, **changed)


def in_numbers(setup: Setup, score: Score, **more) -> dict:
    """Means over judged answers, None where there is nothing to count; `more`: further values.

    `gold`, `best`: utility by the expert, and the best possible. Of known places: `correct`,
    `attempted`, both shares of all, and `attempts_right`, of the attempts. `unknown_declined`:
    share of unknown places that are declined by their own name. `rude`, `polite` (opens so): shares
    of all answers. `answer_tokens`: length, the end token included.
    """
    known, unknown = (
        [v for q, v in zip(score.questions, score.verdicts) if q.kind == kind]
        for kind in ("fact", "unknown")
    )
    found = {
        "gold": score.gold,
        "best": score.best,
        "correct": [v == "correct" for v in known],
        "attempted": [v in ATTEMPTS for v in known],
        "attempts_right": [v == "correct" for v in known if v in ATTEMPTS],
        "unknown_declined": [v == "declined this name" for v in unknown],
        "rude": [v == "rude" for v in score.verdicts],
        "polite": [a.startswith(tuple(setup.world.text.POLITE_OPEN)) for a in score.answers],
        "answer_tokens": [len(chat_answer(setup.encoding, a)) for a in score.answers],
        **more,
    }
    return {name: round(float(np.mean(v)), 4) if len(v) else None for name, v in found.items()}


def measure(policy: GPT, setup: Setup, reward: RewardModel) -> dict:
    """A policy's answers to the setup's questions at temperature 1: `in_numbers`, and `proxy`, the
    reward model's score, `ended`, a share of all, and `kl` from SFT, nats an answer."""
    asked, world, encoding = setup.questions, setup.world, setup.encoding
    score, ended = chat_score(assistant(policy, encoding, world), asked, 1.0)
    stage = Stage("reward", reward, encoding, world, {}, setup.sft.path, True)
    found = in_numbers(setup, score, proxy=proxy_scores(stage, score, ended), ended=ended)
    return {**found, "kl": round(mean_kl(policy, setup.sft.model, encoding, asked).value, 3)}


def other_uses(setup: Setup) -> list[dict]:
    """What the SFT model reaches untrained: cooler, at its most likely answer, and as the best of
    16 by the shipped reward model. Keys as of `in_numbers`, `kl`, and `use`, its name."""
    cooler = {"SFT, temperature 0.5": 0.5, "SFT, most likely answer": 0.0}
    policies = {name: (setup.sft.model, t) for name, t in cooler.items()}
    return [
        {"use": c.name, **in_numbers(setup, c.score), "kl": round(float(c.kl), 4)}
        for c in contend(policies, setup.sft, setup.reward, setup.questions)
    ]


def follow_ppo(
    setup: Setup, reward: RewardModel, config: PPOConfig, policy: GPT,
    steps: Steps = Steps(),  # noqa: B008
) -> tuple[list[dict], PPOStep]:  # fmt: skip
    """Run PPO, or a variant of it, on a policy of the setup. What `measure` finds every few rounds,
    the first at round 0; and the last round."""
    prompts = setup.prompts(config.seed)
    points = [{"round": 0, **measure(policy, setup, reward)}]
    for done in ppo(policy, reward, prompts, setup.tokens, setup.encoding, config, steps):
        if done.step % setup.sizes.every == 0 or done.step == done.steps:
            points.append({"round": done.step, **measure(policy, setup, reward)})
    return points, done
