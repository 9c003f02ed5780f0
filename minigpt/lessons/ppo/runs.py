"""What the experiments on PPO share: a run from the shipped SFT model, measured as it goes.

All measures are on split E (of `parts` on split V), on the same questions in every run. Nothing is
chosen by them: a run is looked at after a fixed number of rounds, or between two looks at the same
distance (KL) from the SFT model.
"""

import copy
from dataclasses import dataclass, replace

import numpy as np

from minigpt.lessons.ppo.other_uses import contend
from minigpt.model import GPT
from minigpt.ppo import PPOConfig, PPOStep, Steps, ppo
from minigpt.reward import RewardModel
from minigpt.sft import chat_answer, chat_prompt
from minigpt.stages.exam import proxy_scores
from minigpt.stages.scoring import ATTEMPTS, Score, chat_score, mean_kl
from minigpt.stages.stage import Stage, assistant, load_stage
from minigpt.world.corpus import build_corpus
from minigpt.world.labelers import EXPERT, Labeler, utility
from minigpt.world.names import TEST_MAKERS
from minigpt.world.questions import sample_questions


@dataclass(frozen=True)
class Sizes:
    """How much of everything an experiment uses; tests use little."""

    rl_prompts: int = 4000  # questions of split A that PPO draws from
    questions: int = 300  # questions of split E on which a policy is measured
    corpus_tokens: int = 200_000  # pretraining documents for PPO's pretraining term
    rounds: int = 24  # rounds of PPO
    answers: int = 128  # answers sampled a round
    every: int = 8  # rounds between two looks


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
        asked = sample_questions(self.world, "A", self.sizes.rl_prompts, seed + 23)
        return [chat_prompt(self.encoding, q.text) for q in asked]

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


def measure(policy: GPT, setup: Setup, reward: RewardModel, labeler: Labeler = EXPERT) -> dict:
    """A policy's answers to the setup's questions at temperature 1: `in_numbers`, and `utility` by
    `labeler`, `proxy`, the reward model's score, `ended`, a share of all, and `kl` from SFT, nats
    an answer."""
    asked, world, encoding = setup.questions, setup.world, setup.encoding
    score, ended = chat_score(assistant(policy, encoding, world), asked, 1.0)
    stage = Stage("reward", reward, encoding, world, {}, setup.sft.path, True)
    felt = [utility(world, labeler, q, a) for q, a in zip(asked, score.answers)]
    proxy = proxy_scores(stage, score, ended)
    found = in_numbers(setup, score, utility=felt, proxy=proxy, ended=ended)
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
    setup: Setup, reward: RewardModel, config: PPOConfig, labeler: Labeler = EXPERT,
    steps: Steps = Steps(),  # noqa: B008
) -> tuple[list[dict], GPT, PPOStep]:  # fmt: skip
    """Run PPO, or a variant of it, from the SFT model. What `measure` finds every few rounds, the
    first at round 0; the policy; and the last round."""
    policy, prompts = setup.policy(), setup.prompts(config.seed)
    points = [{"round": 0, **measure(policy, setup, reward, labeler)}]
    for done in ppo(policy, reward, prompts, setup.tokens, setup.encoding, config, steps):
        if done.step % setup.sizes.every == 0 or done.step == done.steps:
            points.append({"round": done.step, **measure(policy, setup, reward, labeler)})
    return points, policy, done


def at_rate(config: PPOConfig, rate: float) -> PPOConfig:
    """The same settings with all of the policy's rates multiplied."""
    rates = ("muon_lr", "lr")
    return replace(config, **{name: getattr(config, name) * rate for name in rates})
