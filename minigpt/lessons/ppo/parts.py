"""What does each part of PPO mend here? Parts added one by one, and the gain apart; three seeds.

- `steps`: from the talk's version to PPO, each arm with one part more, at equal rounds. What the
  answers' tokens are weighted with: the reward model's own scores; scores of mean 0; these less the
  batch's mean; with the price of KL; with ratio and clip; with value function and GAE. All arms
  have the same rates, prompts and pretraining term, and weights of size 1, so that only their
  directions differ.
- `epochs`: PPO with and without the clip where much is learned from each round: eight epochs.
- `gain`: the gain of the last norm, one number that makes the model surer of each token, learned
  alone, at a high rate; and all else without it. What a temperature can do, the gain can, too.

    python3 -m minigpt experiment parts        # eight minutes on two cores

Each run of the results holds `part`, `arm` and `seed`; `points`, what `runs.measure` finds on 300
questions of split V before the first and after the last round (KEPT; `kl` in nats an answer);
`clip_share`, the mean over the rounds, and `last_clip_share`, that of each round's last epoch;
`explained_variance` and `entropy`, of the last round; and `gain`, at the end. `other_uses` is what
the SFT model reaches untrained on the same questions. A call goes on where an earlier one stopped.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from minigpt.engine.answers import masked_mean, whiten
from minigpt.lessons.ppo.instruments import derived
from minigpt.lessons.ppo.runs import Setup, Sizes, follow_ppo, other_uses
from minigpt.ppo import PPOConfig, Rollout, Steps, gae, kl_rewards, ppo_loss
from minigpt.reward import RewardModel
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
    learns: str = "all"  # which weights: "all", "gain" of the last norm alone, or the "rest"


STEPS = {
    "own scores": Parts("none", False, reinforce, own_zero=True),
    "scores of mean 0": Parts("none", False, reinforce),
    "+ baseline": Parts("mean", False, reinforce),
    "+ KL": Parts("mean", True, reinforce),
    "+ clip": Parts("mean", True),
    "PPO": Parts(),
}
EPOCHS = {"without clip": Parts(loss=without_clip), "with clip": Parts()}
GAIN = {"gain alone": Parts(learns="gain"), "gain frozen": Parts(learns="rest")}
ARMS = {"steps": STEPS, "epochs": EPOCHS, "gain": GAIN}
GAIN_RATE = 0.05  # of the gain alone


@dataclass(frozen=True)
class PartSizes:
    """How much the experiment uses; tests use little."""

    runs: Sizes = field(default_factory=lambda: Sizes(answers=64, every=20))
    epoch_rounds: int = 10  # rounds of the runs with many epochs
    epochs: int = 8  # their epochs


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
    """The course's settings, on fewer answers; of `epochs`, with more epochs."""
    config = PPOConfig(sizes.runs.rounds, sizes.runs.answers, minibatch=32, seed=seed)
    if part != "epochs":
        return config
    return replace(config, iterations=sizes.epoch_rounds, epochs=sizes.epochs)


def train_and_measure(setup: Setup, config: PPOConfig, parts: Parts) -> dict:
    """One run."""
    reward, policy, shares = setup.reward.model, setup.policy(), []
    if parts.learns == "gain":
        policy.requires_grad_(False)
        config = replace(config, lr=GAIN_RATE)
    policy.gain.requires_grad_(parts.learns != "rest")
    steps = steps_with(parts, reward, shares)
    points, last = follow_ppo(setup, reward, config, policy, steps)
    by_epoch = np.reshape(shares, (config.iterations, config.epochs, -1))
    out = {
        "points": [{name: point[name] for name in KEPT} for point in points],
        "clip_share": float(by_epoch.mean()),
        "last_clip_share": float(by_epoch[:, -1].mean()),
        "entropy": last.entropy,
        "gain": policy.gain.item(),
    }
    if parts.baseline == "value":
        out["explained_variance"] = derived(last)["explained_variance"]
    return out


# ---- all runs -----------------------------------------------------------------------------------


OPTIONS = {"seeds": SEEDS}


def run(seeds=SEEDS, out: Path | None = None, sizes: PartSizes = PartSizes()) -> dict:  # noqa: B008
    """Run what the results lack, seed by seed."""
    setup = Setup(sizes.runs)
    setup.questions = sample_questions(setup.world, "V", sizes.runs.questions, seed=606)

    def one(part: str, arm: str, seed: int) -> dict:
        found = train_and_measure(setup, settings(part, seed, sizes), ARMS[part][arm])
        return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in found.items()}

    keys = [
        {"part": p, "arm": arm, "seed": seed} for seed in seeds for p in ARMS for arm in ARMS[p]
    ]
    uses = {"other_uses": lambda: other_uses(setup)}
    return complete(NAME, {"sizes": asdict(sizes)}, keys, one, out, uses)
