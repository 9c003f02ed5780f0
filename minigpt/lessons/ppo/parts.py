"""What does each part of PPO mend here? Parts added one by one; gradients measured; three seeds.

- `steps`: from the talk's version to PPO, each arm with one part more, at equal rounds. What the
  answers' tokens are weighted with: the reward model's own scores; scores of mean 0; these less the
  batch's mean; with the price of KL; with ratio and clip; with value function and GAE. All arms
  have the same rates, prompts and pretraining term, and weights of size 1, so that only their
  directions differ.
- `epochs`: PPO with and without the clip where much is learned from each round: eight epochs at
  three times the policy's rates.
- `gradients`: the SFT model's policy gradient from many batches of fresh answers, by what is taken
  off the score: nothing, the batch's mean, or what a value function expects that was trained before
  on other answers of the SFT model.

    python3 -m minigpt experiment parts        # half an hour on one core

Each run of the results holds `part`, `arm` and `seed`. Of `steps` and `epochs`: `points`, what
`runs.measure` finds on 200 questions of split V after some rounds (`gold`, `proxy`, `kl` in
nats an answer, `correct`, `attempts_right`, `ended`, `answer_tokens`, `round`); `clip_share`, the
mean over the rounds, and `last_clip_share`, that of each round's last epoch; `explained_variance`
and `entropy`, of the last round. Of `gradients`: `noise`, the variance of one batch's gradient,
summed over all weights; `signal`, the square of the mean's length less the noise in it, which may
come out below 0; `cosine`, of one batch's gradient with the mean of all others', averaged;
`weight_size`, the root mean square of what a token is weighted with; and `explained_variance`.
`other_uses` is what the SFT model reaches untrained on the questions of split V. A call goes on
where an earlier one stopped.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from minigpt.engine.answers import masked_mean, whiten
from minigpt.engine.optim import make_optimizer
from minigpt.lessons.ppo.instruments import derived, explained_variance
from minigpt.lessons.ppo.runs import Setup, Sizes, at_rate, follow_ppo, other_uses
from minigpt.ppo import (
    PPOConfig,
    Rollout,
    Steps,
    gae,
    kl_rewards,
    policy_loss_on,
    ppo_loss,
    rollout,
    value_loss_on,
)
from minigpt.reward import RewardModel, new_value_function
from minigpt.show.results import complete
from minigpt.world.questions import sample_questions

NAME = "parts"
SEEDS = (0, 1, 2)
KEPT = ("round", "gold", "proxy", "kl", "correct", "attempts_right", "ended", "answer_tokens")


def reinforce(logp, old_logp, weights, mask, clip_ratio) -> tuple[Tensor, Tensor]:
    """The loss of the answers' tokens (B, A), weighted; nothing is clipped."""
    return -masked_mean(logp * weights, mask), torch.zeros(())


def without_clip(logp, old_logp, weights, mask, clip_ratio) -> tuple[Tensor, Tensor]:
    """PPO's loss with the ratio alone."""
    return ppo_loss(logp, old_logp, weights, mask, torch.inf)


class Parts(NamedTuple):
    """Which parts of PPO are there."""

    baseline: str = "value"  # what is taken off: "none", "mean" of the batch, "value" and GAE
    price: bool = True  # whether leaving the SFT model costs
    loss: Callable = ppo_loss
    own_zero: bool = False  # whether scores keep the reward model's own zero point


STEPS = {
    "own scores": Parts("none", False, reinforce, own_zero=True),
    "scores of mean 0": Parts("none", False, reinforce),
    "+ baseline": Parts("mean", False, reinforce),
    "+ KL": Parts("mean", True, reinforce),
    "+ clip": Parts("mean", True),
    "PPO": Parts(),
}
EPOCHS = {"without clip": Parts(loss=without_clip), "with clip": Parts()}
GRADIENTS = {  # parts, and λ
    "own scores": (Parts("none", False, own_zero=True), 1.0),
    "scores of mean 0": (Parts("none", False), 1.0),
    "batch mean": (Parts("mean", False), 1.0),
    "value function": (Parts("value", False), 1.0),
    "value function, GAE": (Parts("value", False), 0.95),
}
ARMS = {"steps": STEPS, "epochs": EPOCHS, "gradients": GRADIENTS}


@dataclass(frozen=True)
class PartSizes:
    """How much the experiment uses; tests use little."""

    runs: Sizes = field(default_factory=lambda: Sizes(2000, 200, rounds=20, answers=64, every=5))
    epoch_rounds: int = 12  # rounds of the runs with many epochs
    epochs: int = 8  # their epochs
    rate: float = 3.0  # times the policy's rates
    batches: int = 40  # batches whose gradients are compared
    value_rounds: int = 15  # rounds on which the value function is trained before


# ---- what stands in PPO's place where a part is left out ----------------------------------------


def token_weights(r: Rollout, parts: Parts, zero: float, config: PPOConfig):
    """What each token's log-probability is weighted with, and the value function's targets.

    zero: as of `zero_point`.
    """
    score = r.score + zero if parts.own_zero else r.score
    beta = config.kl_coef if parts.price else 0.0
    rewards = kl_rewards(r.logp, r.ref_logp, score, r.final, beta, r.mask)
    if parts.baseline == "value":
        return gae(rewards, r.values, r.mask, config.gamma, config.lam)
    to_go, _ = gae(rewards, torch.zeros_like(rewards), r.mask, config.gamma, 1.0)
    if parts.baseline == "mean":
        to_go = (to_go - masked_mean(to_go, r.mask)) * r.mask
    return to_go, to_go


def of_size_1(weights: Tensor, mask: Tensor, baseline: str) -> Tensor:
    """The weights with a mean square of 1; where there is a baseline their mean is 0, too."""
    if baseline != "none":
        return whiten(weights, mask)
    return weights / (masked_mean(weights**2, mask) + 1e-8).sqrt()


def zero_point(reward_model: RewardModel) -> float:
    """How far below the scores' mean the reward model's own zero lies, in standard deviations."""
    return (reward_model.mean / reward_model.std).item()


def steps_with(parts: Parts, reward_model: RewardModel, shares: list) -> Steps:
    """PPO with these parts alone. Each update's share of clipped tokens is added to `shares`."""
    zero = zero_point(reward_model)

    def estimate(r, config):
        weights, returns = token_weights(r, parts, zero, config)
        return of_size_1(weights, r.mask, parts.baseline), returns

    def policy_loss(*args):
        loss, share = parts.loss(*args)
        shares.append(share.item())
        return loss, share

    return Steps(estimate=estimate, policy_loss=policy_loss)


def settings(part: str, seed: int, sizes: PartSizes) -> PPOConfig:
    """The course's settings, on fewer answers; of `epochs`, with more epochs and higher rates."""
    config = PPOConfig(sizes.runs.rounds, sizes.runs.answers, minibatch=32, seed=seed)
    if part != "epochs":
        return config
    return at_rate(replace(config, iterations=sizes.epoch_rounds, epochs=sizes.epochs), sizes.rate)


def train_and_measure(setup: Setup, config: PPOConfig, parts: Parts) -> dict:
    """One run of `steps` or `epochs`."""
    reward, shares = setup.reward.model, []
    points, _, last = follow_ppo(setup, reward, config, steps=steps_with(parts, reward, shares))
    by_epoch = np.reshape(shares, (config.iterations, config.epochs, -1))
    out = {
        "points": [{name: point[name] for name in KEPT} for point in points],
        "clip_share": float(by_epoch.mean()),
        "last_clip_share": float(by_epoch[:, -1].mean()),
        "entropy": last.entropy,
    }
    if parts.baseline == "value":
        out["explained_variance"] = derived(last)["explained_variance"]
    return out


# ---- gradients of one policy --------------------------------------------------------------------


def fresh_rollouts(setup: Setup, layers: nn.Module, config: PPOConfig, n: int, use: str):
    """`n` rounds of answers of the SFT model, the same for the same seed and use."""
    prompts, rng = setup.prompts(config.seed), np.random.default_rng([config.seed, len(use)])
    for _ in range(n):
        chosen = rng.choice(len(prompts), config.prompts, replace=len(prompts) < config.prompts)
        asked, seeds = [prompts[i] for i in chosen], rng.integers(0, 2**62, config.prompts).tolist()
        models = setup.sft.model, setup.sft.model, setup.reward.model, layers
        yield rollout(*models, asked, seeds, setup.encoding, config)


def trained_value(setup: Setup, config: PPOConfig, rounds: int) -> nn.Module:
    """A value function trained on fresh answers of the SFT model, which stays as it is."""
    layers = new_value_function(setup.reward.model)
    optimizer = make_optimizer(layers, adamw_lr=config.value_lr, betas=(0.9, 0.95), eps=1e-8)
    for r in fresh_rollouts(setup, layers, config, rounds, "value"):
        _, returns = token_weights(r, Parts(), 0.0, config)
        for rows in torch.arange(config.prompts).split(config.minibatch):
            loss = value_loss_on(layers, r, rows, returns, config)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(layers.parameters(), config.max_grad_norm)
            optimizer.step()
    return layers


def gradient_statistics(gradients: Tensor) -> dict:
    """Noise and signal of gradients (batches, weights); from their products with each other alone.

    noise: Σ over weights of the variance of one batch's gradient; signal: |mean|² less the noise in
    it; cosine: of each gradient with the mean of all others', averaged.
    """
    products = (gradients @ gradients.T).double()  # (batches, batches)
    n, own, total = len(products), products.diagonal(), products.sum()
    noise = (own.sum() - total / n) / (n - 1)
    signal = total / n**2 - noise / n
    with_rest = products.sum(1) - own  # g · (sum of the others)
    rest = (total - 2 * products.sum(1) + own).clamp(min=0).sqrt()  # |sum of the others|
    cosine = (with_rest / (own.sqrt() * rest + 1e-12)).mean()
    return {"noise": noise.item(), "signal": signal.item(), "cosine": cosine.item()}


def gradient_noise(setup: Setup, drawn: list[Rollout], config: PPOConfig, parts: Parts) -> dict:
    """The gradients of the SFT model from each round of its own answers, by their weights."""
    policy, zero = setup.policy(), zero_point(setup.reward.model)
    everyone, rows, squares, explained = torch.arange(config.prompts), [], [], []
    for r in drawn:
        weights, returns = token_weights(r, parts, zero, config)
        squares.append(masked_mean(weights**2, r.mask).item())
        explained.append(explained_variance(returns, r.values, r.mask))
        loss, *_ = policy_loss_on(policy, r, everyone, weights, config, reinforce)
        found = torch.autograd.grad(loss, list(policy.parameters()))
        rows.append(torch.cat([g.flatten() for g in found]))
    out = {**gradient_statistics(torch.stack(rows)), "weight_size": float(np.mean(squares)) ** 0.5}
    if parts.baseline == "value":
        out["explained_variance"] = float(np.mean(explained))
    return out


# ---- all runs -----------------------------------------------------------------------------------


OPTIONS = {"seeds": SEEDS}


def run(seeds=SEEDS, out: Path | None = None, sizes: PartSizes = PartSizes()) -> dict:  # noqa: B008
    """Run what the results lack, seed by seed."""
    setup = Setup(sizes.runs)
    setup.questions = sample_questions(setup.world, "V", sizes.runs.questions, seed=606)

    @lru_cache(1)
    def drawn(seed: int) -> list[Rollout]:
        config = settings("gradients", seed, sizes)
        layers = trained_value(setup, config, sizes.value_rounds)
        rollouts = fresh_rollouts(setup, layers, config, sizes.batches, "gradients")
        return [replace(r, read=[]) for r in rollouts]

    def one(part: str, arm: str, seed: int) -> dict:
        config, parts = settings(part, seed, sizes), ARMS[part][arm]
        if part == "gradients":
            parts, lam = parts
            found = gradient_noise(setup, drawn(seed), replace(config, lam=lam), parts)
        else:
            found = train_and_measure(setup, config, parts)
        return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in found.items()}

    keys = [
        {"part": p, "arm": arm, "seed": seed} for seed in seeds for p in ARMS for arm in ARMS[p]
    ]
    uses = {"other_uses": lambda: other_uses(setup)}
    return complete(NAME, {"sizes": asdict(sizes)}, keys, one, out, uses)
