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

    python3 -m minigpt.lessons.ppo.parts        # half an hour on one core

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

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from minigpt.engine.batching import pad_right
from minigpt.engine.optim import make_optimizer
from minigpt.generate import generate
from minigpt.lessons.ppo.runs import Setup, Sizes, at_rate, measure, other_uses
from minigpt.model import GPT, next_token_loss
from minigpt.ppo import (
    PPOConfig,
    answer_mask,
    explained_variance,
    gae,
    kl_and_entropy,
    kl_rewards,
    masked_mean,
    new_value_function,
    ppo_loss,
    token_logprobs,
    value_loss,
    whiten,
)
from minigpt.pretrain import PretrainConfig, batches
from minigpt.reward import RewardModel, reward_input
from minigpt.show.results import complete, run_from_command_line
from minigpt.world.questions import sample_questions

NAME = "parts"
SEEDS = (0, 1, 2)
KEPT = ("round", "gold", "proxy", "kl", "correct", "attempts_right", "ended", "answer_tokens")


@dataclass(frozen=True)
class Parts:
    """Which parts of PPO are there."""

    baseline: str = "value"  # what is taken off: "none", "mean" of the batch, "value" and GAE
    price: bool = True  # whether leaving the SFT model costs
    loss: str = "clip"  # "reinforce", "ratio" without a clip, or "clip"
    own_zero: bool = False  # whether scores keep the reward model's own zero point


STEPS = {
    "own scores": Parts("none", False, "reinforce", own_zero=True),
    "scores of mean 0": Parts("none", False, "reinforce"),
    "+ baseline": Parts("mean", False, "reinforce"),
    "+ KL": Parts("mean", True, "reinforce"),
    "+ clip": Parts("mean", True, "clip"),
    "PPO": Parts(),
}
EPOCHS = {"without clip": Parts(loss="ratio"), "with clip": Parts()}
GRADIENTS = {  # baseline, own zero point, λ
    "own scores": ("none", True, 1.0),
    "scores of mean 0": ("none", False, 1.0),
    "batch mean": ("mean", False, 1.0),
    "value function": ("value", False, 1.0),
    "value function, GAE": ("value", False, 0.95),
}


@dataclass(frozen=True)
class PartSizes:
    """How much the experiment uses; tests use little."""

    runs: Sizes = field(default_factory=lambda: Sizes(2000, 200, rounds=20, answers=64, every=5))
    epoch_rounds: int = 12  # rounds of the runs with many epochs
    epochs: int = 8  # their epochs
    rate: float = 3.0  # times the policy's rates
    batches: int = 40  # batches whose gradients are compared
    value_rounds: int = 15  # rounds on which the value function is trained before


PART_SIZES = PartSizes()


# ---- one round, with parts that can be left out -------------------------------------------------


@dataclass
class Batch:
    """A round's answers and what was read of them; tensors are (B, T - 1) unless told."""

    idx: Tensor  # (B, T) prompts and answers
    mask: Tensor  # 1 where the next token is the answer's
    last: Tensor  # (B,) the entry of each answer's last token
    score: Tensor  # (B,) normalised scores, the fixed one where an answer was cut off
    read: list[Tensor]  # what a value function reads
    logp: Tensor  # of the policy that sampled
    ref_logp: Tensor  # of the SFT model
    kl: float  # exact, in nats an answer
    entropy: float  # in nats a token
    ended: float  # share of answers


@torch.no_grad()
def collect(policy, reference, reward_model, asked, seeds, encoding, config: PPOConfig) -> Batch:
    """Sample one answer to each prompt and read it, as `minigpt.ppo.ppo` does."""
    stop = encoding.encode_single_token("<|end|>")
    samples = generate(policy, asked, config.max_new_tokens, stop=stop, seeds=seeds)
    idx, last = pad_right([reward_input(encoding, p, s.ids) for p, s in zip(asked, samples)])
    read = reward_model.read(idx)
    score = reward_model.score_at(last, *read)
    ended = torch.tensor([s.ended for s in samples])
    score = torch.where(ended, score, torch.full_like(score, config.cut_off_reward))
    idx, last, read = idx[:, :-1], last - 1, [x[:, :-1] for x in read]  # without <|reward|>
    mask = answer_mask(asked, last, idx.shape[1])
    logits, ref_logits = policy(idx), reference(idx)
    logp, ref_logp = (token_logprobs(x, idx) for x in (logits, ref_logits))
    kl, entropy = kl_and_entropy(logits[:, :-1], ref_logits[:, :-1])
    return Batch(
        idx, mask, last - 1, score, read, logp, ref_logp, (kl * mask).sum(1).mean().item(),
        masked_mean(entropy, mask).item(), ended.float().mean().item(),
    )  # fmt: skip


def token_weights(batch: Batch, parts: Parts, values: Tensor, zero: float, config: PPOConfig):
    """What each token's log-probability is weighted with, and the value function's targets.

    values: (B, T - 1), used for the baseline "value" alone. zero: the reward model's own zero
    point lies so far below the scores' mean.
    """
    score = batch.score + zero if parts.own_zero else batch.score
    beta = config.kl_coef if parts.price else 0.0
    rewards = kl_rewards(batch.logp, batch.ref_logp, score, batch.last, beta, batch.mask)
    if parts.baseline == "value":
        return gae(rewards, values, batch.mask, config.gamma, config.lam)
    to_go, _ = gae(rewards, torch.zeros_like(rewards), batch.mask, config.gamma, 1.0)
    if parts.baseline == "mean":
        to_go = (to_go - masked_mean(to_go, batch.mask)) * batch.mask
    return to_go, to_go


def of_size_1(weights: Tensor, mask: Tensor, baseline: str) -> Tensor:
    """The weights with a mean square of 1; where there is a baseline their mean is 0, too."""
    if baseline != "none":
        return whiten(weights, mask)
    return weights / (masked_mean(weights**2, mask) + 1e-8).sqrt()


def policy_loss(logp, old_logp, weights, mask, parts: Parts, clip_ratio: float):
    """The loss of the answers' tokens (B, T - 1) and the share of them that were clipped."""
    if parts.loss == "reinforce":
        return -masked_mean(logp * weights, mask), torch.zeros(())
    return ppo_loss(
        logp, old_logp, weights, mask, clip_ratio if parts.loss == "clip" else torch.inf
    )


def value_update(layers, optimizer, batch: Batch, rows, old_values, returns, config) -> None:
    """One update of the value function on some rows of a batch."""
    values = layers(*(x[rows] for x in batch.read))[:, :-1]
    loss = value_loss(values, old_values[rows], returns[rows], batch.mask[rows], config.value_clip)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(layers.parameters(), config.max_grad_norm)
    optimizer.step()


@dataclass
class Round:
    """What one round did."""

    step: int
    clip_share: float  # share of tokens whose gain was clipped, over all updates
    last_clip_share: float  # in the last epoch
    explained_variance: float
    entropy: float


def learn(
    policy: GPT,
    reward_model: RewardModel,
    prompts: list[list[int]],
    pretraining_tokens: np.ndarray,
    encoding,
    config: PPOConfig,
    parts: Parts,
) -> Iterator[Round]:
    """`minigpt.ppo.ppo`, with parts that can be left out; with all of them it trains the same."""
    reference = copy.deepcopy(policy).requires_grad_(False)
    value_layers = new_value_function(reward_model)
    adam = {"betas": (0.9, 0.95), "eps": 1e-8}
    lr = config.lr
    optimizer = make_optimizer(policy, config.muon_lr, lr, lr, config.gain_lr, **adam)
    value_optimizer = make_optimizer(value_layers, adamw_lr=config.value_lr, **adam)
    zero = (reward_model.mean / reward_model.std).item()
    rng = np.random.default_rng(config.seed)
    windows = PretrainConfig(config.ptx_windows, config.block_size, seed=config.seed + 1)
    documents = batches(pretraining_tokens, windows)
    for iteration in range(config.iterations):
        chosen = rng.choice(len(prompts), config.prompts, replace=len(prompts) < config.prompts)
        seeds = [int(s) for s in rng.integers(0, 2**62, config.prompts)]
        asked = [prompts[i] for i in chosen]
        batch = collect(policy, reference, reward_model, asked, seeds, encoding, config)
        with torch.no_grad():
            old_values = value_layers(*batch.read)[:, :-1] * batch.mask
            weights, returns = token_weights(batch, parts, old_values, zero, config)
            explained = explained_variance(returns, old_values, batch.mask)
            weights = of_size_1(weights, batch.mask, parts.baseline)
        shares = []
        optimizer.set_lr_factor(1 - iteration / config.iterations)
        for _ in range(config.epochs):
            order = torch.from_numpy(rng.permutation(config.prompts))
            for rows in order.split(config.minibatch):
                logp = token_logprobs(policy(batch.idx[rows]), batch.idx[rows])
                loss, share = policy_loss(
                    logp, batch.logp[rows], weights[rows], batch.mask[rows], parts,
                    config.clip_ratio,
                )  # fmt: skip
                optimizer.zero_grad()
                loss.backward()
                if config.ptx_coef:
                    x, y = next(documents)
                    (config.ptx_coef * next_token_loss(policy(x), y)).backward()
                nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
                optimizer.step()
                if parts.baseline == "value":
                    value_update(
                        value_layers, value_optimizer, batch, rows, old_values, returns, config
                    )
                shares.append(share.item())
        last = shares[-len(shares) // config.epochs :]
        yield Round(
            iteration + 1, float(np.mean(shares)), float(np.mean(last)), explained, batch.entropy
        )


# ---- gradients of one policy --------------------------------------------------------------------


def trained_value(policy, reward_model, prompts, encoding, config: PPOConfig, rounds: int):
    """A value function trained on fresh answers of a policy that stays as it is."""
    layers = new_value_function(reward_model)
    optimizer = make_optimizer(layers, adamw_lr=config.value_lr, betas=(0.9, 0.95), eps=1e-8)
    for batch in fresh_batches(policy, reward_model, prompts, encoding, config, rounds, "value"):
        with torch.no_grad():
            values = layers(*batch.read)[:, :-1] * batch.mask
            _, returns = token_weights(batch, Parts(), values, 0.0, config)
        for rows in torch.arange(config.prompts).split(config.minibatch):
            value_update(layers, optimizer, batch, rows, values, returns, config)
    return layers


def fresh_batches(policy, reward_model, prompts, encoding, config, n: int, use: str):
    """`n` batches of answers of a policy, the same for the same seed and use."""
    rng = np.random.default_rng([config.seed, len(use)])
    for _ in range(n):
        chosen = rng.choice(len(prompts), config.prompts, replace=len(prompts) < config.prompts)
        seeds = [int(s) for s in rng.integers(0, 2**62, config.prompts)]
        asked = [prompts[i] for i in chosen]
        yield collect(policy, policy, reward_model, asked, seeds, encoding, config)


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


def gradient_noise(setup: Setup, reward_model: RewardModel, seed: int, sizes: PartSizes):
    """One run for each of GRADIENTS, on the same batches of the SFT model's answers."""
    policy, prompts = setup.policy(), setup.prompts(seed)
    config = PPOConfig(prompts=sizes.runs.answers, minibatch=32, seed=seed)
    args = policy, reward_model, prompts, setup.encoding, config
    layers = trained_value(*args, sizes.value_rounds)
    drawn = list(fresh_batches(*args, sizes.batches, "gradients"))
    zero = (reward_model.mean / reward_model.std).item()
    weights = list(policy.parameters())
    for arm, (baseline, own_zero, lam) in GRADIENTS.items():
        parts, with_lam = Parts(baseline, False, own_zero=own_zero), replace(config, lam=lam)
        rows, sizes_seen, explained = [], [], []
        for batch in drawn:
            with torch.no_grad():
                values = layers(*batch.read)[:, :-1] * batch.mask
                weight, returns = token_weights(batch, parts, values, zero, with_lam)
                sizes_seen.append(masked_mean(weight**2, batch.mask).item())
                explained.append(explained_variance(returns, values, batch.mask))
            logp = token_logprobs(policy(batch.idx), batch.idx)
            loss = -masked_mean(logp * weight, batch.mask)
            found = torch.autograd.grad(loss, weights)
            rows.append(torch.cat([g.flatten() for g in found]))
        out = {"part": "gradients", "arm": arm, "seed": seed}
        out |= gradient_statistics(torch.stack(rows))
        out["weight_size"] = float(np.mean(sizes_seen)) ** 0.5
        if baseline == "value":
            out["explained_variance"] = float(np.mean(explained))
        yield rounded(out)


# ---- all runs -----------------------------------------------------------------------------------


def rounded(run: dict) -> dict:
    """The run with five significant digits."""
    return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in run.items()}


def settings(part: str, seed: int, sizes: PartSizes) -> PPOConfig:
    """The course's settings, on fewer answers; of `epochs`, with more epochs and higher rates."""
    config = PPOConfig(sizes.runs.rounds, sizes.runs.answers, minibatch=32, seed=seed)
    if part == "epochs":
        config = replace(config, iterations=sizes.epoch_rounds, epochs=sizes.epochs)
        config = at_rate(config, sizes.rate)
    return config


def train_and_measure(setup: Setup, reward_model, part, arm, parts, seed, sizes) -> dict:
    """One run of `steps` or `epochs`."""
    policy, config = setup.policy(), settings(part, seed, sizes)
    points, rounds = [], []

    def look(step: int) -> None:
        found = {"round": step, **measure(policy, setup, reward_model)}
        points.append({name: found[name] for name in KEPT})

    look(0)
    args = policy, reward_model, setup.prompts(seed), setup.tokens, setup.encoding, config, parts
    for done in learn(*args):
        rounds.append(done)
        if done.step % sizes.runs.every == 0 or done.step == config.iterations:
            look(done.step)
    out = {"part": part, "arm": arm, "seed": seed, "points": points}
    out["clip_share"] = float(np.mean([r.clip_share for r in rounds]))
    out["last_clip_share"] = float(np.mean([r.last_clip_share for r in rounds]))
    out["entropy"] = rounds[-1].entropy
    if parts.baseline == "value":
        out["explained_variance"] = rounds[-1].explained_variance
    return rounded(out)


def run(seeds=SEEDS, out: Path | None = None, sizes: PartSizes = PART_SIZES) -> dict:
    """Run what the results lack, seed by seed."""
    setup = Setup(sizes.runs)
    setup.questions = sample_questions(setup.world, "V", sizes.runs.questions, seed=606)
    reward, arms = setup.reward.model, {"steps": STEPS, "epochs": EPOCHS, "gradients": GRADIENTS}

    @lru_cache(1)
    def gradients(seed: int) -> dict[str, dict]:
        return {run["arm"]: run for run in gradient_noise(setup, reward, seed, sizes)}

    def one(part: str, arm: str, seed: int) -> dict:
        if part == "gradients":
            return gradients(seed)[arm]
        return train_and_measure(setup, reward, part, arm, arms[part][arm], seed, sizes)

    keys = [
        {"part": part, "arm": arm, "seed": seed}
        for seed in seeds
        for part in arms
        for arm in arms[part]
    ]
    uses = {"other_uses": lambda: other_uses(setup)}
    return complete(NAME, {"sizes": asdict(sizes)}, keys, one, out, uses)


if __name__ == "__main__":
    run_from_command_line(NAME, __doc__, run, seeds=SEEDS)
