"""Stage 4, reinforcement learning: write answers, have them scored, do more of what scored well.

The first step is the language-model loss on the model's own answers, each weighted by its reward
(`reinforce_loss`). PPO (Schulman et al. 2017) adds a value function, so that an answer is compared
with what was expected; a clip, so that one batch cannot move the policy far. RLHF adds a price for
leaving the SFT model (KL), and here pretraining documents (PPO-ptx; Ouyang et al. 2022).
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from minigpt.engine.answers import answer_mask, kl_and_entropy, masked_mean, whiten
from minigpt.engine.batching import by_length, pad_right
from minigpt.engine.checks import Settings, finite_step
from minigpt.engine.optim import Optimizer, make_optimizer
from minigpt.generate import Sample, generate
from minigpt.model import GPT, next_token_loss
from minigpt.pretrain import PretrainConfig, batches
from minigpt.reward import RewardModel, new_value_function, reward_input


@dataclass
class PPOConfig(Settings):
    iterations: int = 60  # rounds of sampling and learning
    prompts: int = 256  # answers sampled a round, one a prompt
    max_new_tokens: int = 40  # longest answer
    epochs: int = 1  # times that each round's answers are learned from
    minibatch: int = 64  # answers an update
    muon_lr: float = 0.005  # rate of the matrices inside the blocks; all of the policy's rates
    lr: float = 1.5e-3  # of all else                                  fall linearly to 0
    value_lr: float = 0.002  # value function's rate
    kl_coef: float = 0.03  # β: price of one nat of KL from the SFT model, in rewards
    clip_ratio: float = 0.2  # ε: how far a probability ratio may pay off
    gamma: float = 1.0  # discount: none, answers are short
    lam: float = 0.95  # λ of GAE
    value_clip: float = 0.2  # how far a value may move in one round
    cut_off_reward: float = -2.0  # score of an answer that did not end in time
    ptx_coef: float = 0.1  # weight of the pretraining loss in each update
    ptx_windows: int = 1  # windows of the pretraining corpus an update
    block_size: int = 256  # tokens a window
    kl_budget: float | None = None  # stop when the mean KL of a round passes this, in nats
    max_grad_norm: float = 1.0  # gradients longer than this are shortened
    seed: int = 0  # prompts, sampling and minibatches


def token_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each token under the logits of the position before it: (B, T, V) and
    (B, T) → (B, T - 1). Entry t is of token t + 1."""
    logp = torch.log_softmax(logits[:, :-1], dim=-1)
    return logp.gather(-1, tokens[:, 1:, None])[..., 0]


def kl_rewards(logp: Tensor, ref_logp: Tensor, score: Tensor, last: Tensor, kl_coef: float, mask):
    """Reward of each token: -β (log π - log π_ref), and the score added once, at the last token
    (Ziegler et al. 2019, equation 2). logp, ref_logp, mask: (B, T); score, last: (B,)."""
    rewards = -kl_coef * (logp - ref_logp) * mask
    return rewards.scatter_add(1, last[:, None], score[:, None])


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
    """Advantages and returns (B, T) by generalized advantage estimation (Schulman et al. 2015,
    equations 11-16). values[:, t] is expected before token t; after the end it is 0. Entries
    outside `mask` are 0. returns = advantages + values, before whitening."""
    advantages = torch.zeros_like(rewards)
    running = next_value = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        running = (delta + gamma * lam * running) * mask[:, t]
        advantages[:, t] = running
        next_value = values[:, t] * mask[:, t]
    return advantages, (advantages + values) * mask


def reinforce_loss(logp: Tensor, reward: Tensor, mask: Tensor) -> Tensor:
    """The loss of each answer's tokens, weighted by the answer's reward (Williams 1992): a policy
    gradient only for fresh samples of the policy itself. logp, mask: (B, T); reward: (B,)."""
    return -masked_mean(logp * reward[:, None], mask)


def clipped_loss(logp, old_logp, advantages, mask, clip_ratio: float) -> Tensor:
    """Clipped surrogate loss (Schulman et al. 2017, equation 7), the mean over the answers' tokens:
    of two losses the larger, so the clip can take away a gain, never a loss. All (B, T)."""
    ratio = (logp - old_logp).exp()
    unclipped = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
    return masked_mean(torch.maximum(unclipped, clipped), mask)


def value_loss(values, old_values, returns, mask, value_clip: float) -> Tensor:
    """Half the mean squared error of the values, as pessimistically clipped. All (B, T)."""
    clipped = old_values + (values - old_values).clamp(-value_clip, value_clip)
    worse = torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)
    return 0.5 * masked_mean(worse, mask)


def kl_estimates(logp: Tensor, ref_logp: Tensor) -> tuple[Tensor, Tensor]:
    """k1 and k3, estimates of KL(π ‖ π_ref) from tokens of π (Schulman 2020): k1 = log π -
    log π_ref is unbiased and may be negative; k3 = exp(-k1) - 1 + k1 never is. Any shape."""
    k1 = logp - ref_logp
    return k1, torch.expm1(-k1) + k1


@dataclass(eq=False)
class Rollout:
    """A round's answers and what the models say of them: B rows of T tokens. Each of A columns
    predicts the token after it, from the shortest prompt's last token on. What stands where the
    mask is 0 means nothing."""

    asked: list[list[int]]  # the prompts
    samples: list[Sample]  # the answers
    idx: Tensor  # (B, T) prompts and answers, padded at the right
    lengths: list[int]  # of the rows, without padding
    first: int  # where in idx the A columns begin
    mask: Tensor  # (B, A) 1 where the next token is the answer's
    final: Tensor  # (B,) the column before an answer's last token
    ended: Tensor  # (B,) whether an answer ended by itself
    score: Tensor  # (B,) normalised scores; the fixed one where an answer was cut off
    logp: Tensor  # (B, A) log-probability of the next token under the policy that sampled it
    ref_logp: Tensor  # (B, A) and under the SFT model
    k1: Tensor  # (B, A) estimates of the KL from the tokens alone, 0 outside the mask
    k3: Tensor  # (B, A) and the second; see kl_estimates
    kl: Tensor  # (B, A) KL from the SFT model, exact over the vocabulary, in nats
    entropy: Tensor  # (B, A) of the next token, in nats
    values: Tensor  # (B, A) expected before the next token
    read: list[Tensor]  # what the value function reads: hidden states (B, T, C), surprisal (B, T)


@torch.no_grad()
def rollout(policy, reference, reward_model, layers, asked, seeds, encoding, config) -> Rollout:
    """Answers of the policy as it is, at temperature 1 with no filter, and what all say of them."""
    stop = encoding.encode_single_token("<|end|>")
    samples = generate(policy, asked, config.max_new_tokens, stop=stop, seeds=seeds)
    sequences = [reward_input(encoding, p, s.ids) for p, s in zip(asked, samples)]
    idx, last = pad_right(sequences, policy.embedding.weight.device)
    first = min(map(len, asked)) - 1

    def readings(idx, last):  # of rows that end with <|reward|>, which is for the score alone
        hidden, surprisal = reward_model.read(idx)
        score = reward_model.score_at(last, hidden, surprisal)
        idx, hidden, surprisal = idx[:, :-1], hidden[:, :-1], surprisal[:, :-1]
        ref_hidden = hidden if reference is reward_model.gpt else reference.hidden(idx)
        logits = policy.head(policy.hidden(idx)[:, first:]).float()
        ref_logits = reference.head(ref_hidden[:, first:]).float()
        logps = [token_logprobs(x, idx[:, first:]) for x in (logits, ref_logits)]
        kl, entropy = kl_and_entropy(logits[:, :-1], ref_logits[:, :-1])
        values = layers(hidden, surprisal)[:, first:-1]
        return score, *logps, kl, entropy, values, hidden, surprisal

    lengths = list(map(len, sequences))
    score, logp, ref_logp, kl, entropy, values, *read = by_length(readings, lengths, idx, last)
    ended = torch.tensor([s.ended for s in samples], device=idx.device)
    score = torch.where(ended, score, torch.full_like(score, config.cut_off_reward))
    idx, last, lengths = idx[:, :-1], last - 1, [n - 1 for n in lengths]  # without <|reward|>
    mask = answer_mask(asked, last, idx.shape[1])[:, first:]
    return Rollout(
        asked, samples, idx, lengths, first, mask, last - 1 - first, ended, score, logp, ref_logp,
        *kl_estimates(logp * mask, ref_logp * mask), kl, entropy, values, read,
    )  # fmt: skip


def estimate(r: Rollout, config: PPOConfig) -> tuple[Tensor, Tensor]:
    """Whitened advantages, and the returns that the value function is to learn: (B, A) each."""
    rewards = kl_rewards(r.logp, r.ref_logp, r.score, r.final, config.kl_coef, r.mask)
    advantages, returns = gae(rewards, r.values, r.mask, config.gamma, config.lam)
    return whiten(advantages, r.mask), returns


def logprobs_on(policy: GPT, r: Rollout, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of some rows, (rows, A) each: log-probabilities now and at sampling, and the mask."""

    def logprobs(idx):
        hidden = policy.hidden(idx)
        return token_logprobs(policy.head(hidden[:, r.first :]).float(), idx[:, r.first :])

    (logp,) = by_length(logprobs, [r.lengths[i] for i in rows.tolist()], r.idx[rows])
    return logp * r.mask[rows], r.logp[rows] * r.mask[rows], r.mask[rows]


def value_loss_on(layers: nn.Module, r: Rollout, rows: Tensor, returns, config, loss_of=value_loss):
    """The value function's loss on some rows."""
    (values,) = by_length(layers, [r.lengths[i] for i in rows.tolist()], *(x[rows] for x in r.read))
    values = values[:, r.first : -1]
    return loss_of(values, r.values[rows], returns[rows], r.mask[rows], config.value_clip)


class Steps(NamedTuple):
    """The functions that a run is made of; a variant replaces one: `Steps(estimate=mine)`."""

    rollout: Callable = rollout
    estimate: Callable = estimate
    policy_loss: Callable = clipped_loss
    value_loss: Callable = value_loss


@dataclass(eq=False)
class PPOStep:
    """What one round of PPO did."""

    step: int  # rounds done, this one included
    steps: int  # rounds in all
    reward: float  # mean normalised score of the round's answers
    kl: float  # mean KL from the SFT model along an answer, exact over the vocabulary, in nats
    entropy: float  # mean entropy of the next token, in nats
    ended: float  # share of answers that ended by themselves
    clip_share: float  # share of tokens whose gain was clipped
    first_ratio: float  # largest |ratio - 1| in the first minibatch: 0, or something is wrong
    loss: float  # policy loss
    tokens: int  # tokens sampled and learned from so far
    prompts: list[int]  # indices of the round's prompts
    rollout: Rollout = field(repr=False)  # without `read`, which is large
    returns: Tensor = field(repr=False)  # (B, A) what the value function was to learn


def optimizers(policy: GPT, layers: nn.Module, config: PPOConfig) -> tuple[Optimizer, Optimizer]:
    """The policy's and the value function's."""
    adam, lr = {"betas": (0.9, 0.95), "eps": 1e-8}, config.lr
    policys = make_optimizer(policy, config.muon_lr, lr, lr, lr, **adam)
    return policys, make_optimizer(layers, adamw_lr=config.value_lr, **adam)


def draw(rng, prompts: list[list[int]], config: PPOConfig) -> tuple[list, list, list[int]]:
    """A round's prompts: their indices, themselves, and a seed for each answer."""
    chosen = rng.choice(len(prompts), config.prompts, replace=len(prompts) < config.prompts)
    seeds = rng.integers(0, 2**62, config.prompts).tolist()
    return chosen.tolist(), [prompts[i] for i in chosen], seeds


def minibatches(rng, config: PPOConfig) -> Iterator[Tensor]:
    """The rows of each update of a round, in random order, all of them once an epoch."""
    for _ in range(config.epochs):
        yield from torch.from_numpy(rng.permutation(config.prompts)).split(config.minibatch)


def update_numbers(loss, logp, old_logp, advantages, mask, clip_ratio: float) -> Tensor:
    """(3,) of an update: its loss, the share of clipped tokens, the largest |ratio - 1|."""
    change = (logp.detach() - old_logp).exp() - 1
    clipped = -advantages * (change.clamp(-clip_ratio, clip_ratio) - change) > 0
    return torch.stack([loss.detach(), masked_mean(clipped.float(), mask), change.abs().max()])


def step_record(iteration, chosen, r: Rollout, returns, updates, tokens, config) -> PPOStep:
    """What a round did. updates: `update_numbers` of each. Read once a round: a GPU runs on."""
    seen = torch.stack(updates)
    return PPOStep(
        step=iteration + 1, steps=config.iterations, reward=r.score.mean().item(),
        kl=(r.kl * r.mask).sum(1).mean().item(), entropy=masked_mean(r.entropy, r.mask).item(),
        ended=r.ended.float().mean().item(), clip_share=seen[:, 1].mean().item(),
        first_ratio=seen[0, 2].item(), loss=seen[:, 0].mean().item(), tokens=tokens,
        prompts=chosen, rollout=replace(r, read=[]), returns=returns,
    )  # fmt: skip


def ppo(
    policy: GPT, reward_model: RewardModel, prompts: list[list[int]],
    pretraining_tokens: np.ndarray, encoding, config: PPOConfig, steps: Steps = Steps(),  # noqa: B008
) -> Iterator[PPOStep]:  # fmt: skip
    """Train `policy` in place against `reward_model`; yields a PPOStep after each round. `policy`
    comes in as the SFT model; a frozen copy of it is the reference of the KL price."""
    if not prompts:
        raise ValueError("there are no prompts: give one question or more, as chat_prompt makes it")
    reference = reward_model.gpt  # which read the answers anyway, if it is the SFT model too
    if not all(map(torch.equal, policy.parameters(), reference.parameters())):
        reference = copy.deepcopy(policy).requires_grad_(False)
    layers, tokens = new_value_function(reward_model), 0
    optimizer, value_optimizer = optimizers(policy, layers, config)
    windows = PretrainConfig(config.ptx_windows, config.block_size, seed=config.seed + 1)
    rng, documents = np.random.default_rng(config.seed), batches(pretraining_tokens, windows)
    for iteration in range(config.iterations):
        chosen, asked, seeds = draw(rng, prompts, config)
        r = steps.rollout(policy, reference, reward_model, layers, asked, seeds, encoding, config)
        advantages, returns = steps.estimate(r, config)
        optimizer.set_lr_factor(1 - iteration / config.iterations)
        updates, tokens = [], tokens + r.idx.numel()
        for rows in minibatches(rng, config):
            logp, old_logp, mask = logprobs_on(policy, r, rows)
            given = logp, old_logp, advantages[rows], mask, config.clip_ratio
            loss = steps.policy_loss(*given)
            optimizer.zero_grad()
            loss.backward()
            if config.ptx_coef:
                x, y = (t.to(r.idx.device) for t in next(documents))
                (config.ptx_coef * next_token_loss(policy(x), y)).backward()
            nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
            optimizer.step()
            v_loss = value_loss_on(layers, r, rows, returns, config, steps.value_loss)
            value_optimizer.zero_grad()
            v_loss.backward()
            nn.utils.clip_grad_norm_(layers.parameters(), config.max_grad_norm)
            value_optimizer.step()
            updates.append(update_numbers(loss, *given))
        step = step_record(iteration, chosen, r, returns, updates, tokens, config)
        yield finite_step(step, config, policy)
        if config.kl_budget is not None and step.kl > config.kl_budget:
            return
