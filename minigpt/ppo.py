"""Stage 4, reinforcement learning: write answers, have them scored, do more of what scored well.

The talk shows the first step: the language-model loss on the model's own answers, each weighted by
its reward (`reinforce_loss`). PPO (Schulman et al. 2017) adds a value function, so that an answer
is compared with what was expected; a clip, so that one batch cannot move the policy far; and RLHF
adds a price for leaving the SFT model (KL), since the reward model is right only near the answers
that it was trained on. As in InstructGPT, pretraining documents are mixed in (PPO-ptx).
The names are those of the paper and of its well-known implementations.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from minigpt.engine.batching import by_length, pad_right
from minigpt.engine.optim import make_optimizer
from minigpt.generate import Sample, generate
from minigpt.model import GPT, next_token_loss
from minigpt.pretrain import PretrainConfig, batches
from minigpt.reward import RewardModel, reward_input


@dataclass
class PPOConfig:
    iterations: int = 40  # rounds of sampling and learning
    prompts: int = 128  # answers sampled a round, one a prompt
    max_new_tokens: int = 40  # longest answer
    epochs: int = 1  # times that each round's answers are learned from
    minibatch: int = 64  # answers an update
    muon_lr: float = 0.0015  # rate of the matrices inside the blocks; all of the policy's rates
    lr: float = 2e-4  # of embedding and head                        fall linearly to 0
    gain_lr: float = 0.05  # of the last norm's gain: how sure of itself the policy is
    value_lr: float = 0.002  # value function's rate
    kl_coef: float = 0.05  # β: price of one nat of KL from the SFT model, in rewards
    clip_ratio: float = 0.2  # ε: how far a probability ratio may pay off
    gamma: float = 1.0  # discount: none, answers are short
    lam: float = 0.95  # λ of GAE
    value_clip: float = 0.2  # how far a value may move in one round
    cut_off_reward: float = -2.0  # score of an answer that did not end in time
    ptx_coef: float = 0.1  # weight of the pretraining loss in each update
    ptx_windows: int = 2  # windows of the pretraining corpus an update
    block_size: int = 256  # tokens a window
    kl_budget: float | None = None  # stop when the mean KL of a round passes this, in nats
    max_grad_norm: float = 1.0  # gradients longer than this are shortened
    seed: int = 0  # prompts, sampling and minibatches


def token_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each token under the logits of the position before it.

    logits: (B, T, V); tokens: (B, T). Returns (B, T - 1): entry t is of token t + 1.
    """
    logp = torch.log_softmax(logits[:, :-1], dim=-1)
    return logp.gather(-1, tokens[:, 1:, None])[..., 0]


def kl_rewards(logp: Tensor, ref_logp: Tensor, score: Tensor, last: Tensor, kl_coef: float, mask):
    """Reward of each token: -β (log π - log π_ref), and the score added once, at the last token.

    logp, ref_logp, mask: (B, T); score, last: (B,). Ziegler et al. (2019), equation 2.
    """
    rewards = -kl_coef * (logp - ref_logp) * mask
    return rewards.scatter_add(1, last[:, None], score[:, None])


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float):
    """Advantages and returns (B, T) by generalized advantage estimation.

    Schulman et al. (2015), equations 11-16. values[:, t] is the expectation before token t; after
    the end it is 0. Entries outside `mask` are 0. returns = advantages + values, before whitening.
    """
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[:, 0])
    next_value = torch.zeros_like(running)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        running = (delta + gamma * lam * running) * mask[:, t]
        advantages[:, t] = running
        next_value = values[:, t] * mask[:, t]
    return advantages, (advantages + values) * mask


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the entries where mask is 1."""
    return (x * mask).sum() / mask.sum()


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the entries where mask is 1; 0 elsewhere."""
    centered = (x - masked_mean(x, mask)) * mask
    return centered / (masked_mean(centered**2, mask) + 1e-8).sqrt()


def explained_variance(returns: Tensor, values: Tensor, mask: Tensor) -> float:
    """How much of the variance of the returns the values foresaw: 1 is all, 0 none. All (B, T)."""
    rest, spread = (
        masked_mean((x - masked_mean(x, mask)) ** 2, mask) for x in (returns - values, returns)
    )
    return (1 - rest / (spread + 1e-8)).item()


def reinforce_loss(logp: Tensor, reward: Tensor, mask: Tensor) -> Tensor:
    """The talk's version: the loss of each answer's tokens, weighted by the answer's reward.

    logp, mask: (B, T); reward: (B,). Williams (1992). It is a policy gradient only for fresh
    samples of the policy itself.
    """
    return -masked_mean(logp * reward[:, None], mask)


def ppo_loss(logp, old_logp, advantages, mask, clip_ratio: float) -> tuple[Tensor, Tensor]:
    """Clipped surrogate loss (Schulman et al. 2017, equation 7) and the share of clipped tokens.

    The larger of two losses is taken: the clip can take away a gain, never a loss. All (B, T).
    """
    ratio = (logp - old_logp).exp()
    unclipped = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
    share = masked_mean((clipped > unclipped).float(), mask)
    return masked_mean(torch.maximum(unclipped, clipped), mask), share


def value_loss(values, old_values, returns, mask, value_clip: float) -> Tensor:
    """Half the mean squared error of the values, with the same pessimistic clip. All (B, T)."""
    clipped = old_values + (values - old_values).clamp(-value_clip, value_clip)
    worse = torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)
    return 0.5 * masked_mean(worse, mask)


def kl_estimates(logp: Tensor, ref_logp: Tensor) -> tuple[Tensor, Tensor]:
    """k1 and k3, estimates of KL(π ‖ π_ref) from tokens drawn from π (Schulman 2020). Any shape.

    k1 = log π - log π_ref is unbiased and may be negative; k3 = exp(-k1) - 1 + k1 never is.
    """
    k1 = logp - ref_logp
    return k1, torch.expm1(-k1) + k1


@dataclass
class PPOStep:
    """What one round of PPO did: the flight instruments."""

    step: int  # rounds done, this one included
    steps: int  # rounds in all
    reward: float  # mean normalised score of the round's answers
    reward_std: float  # standard deviation of these scores
    kl: float  # mean KL from the SFT model along an answer, exact over the vocabulary, in nats
    k1: float  # the same, estimated from the sampled tokens alone; may be negative
    k1_error: float  # standard error of that mean over the answers
    k3: float  # the other estimate, never negative
    entropy: float  # mean entropy of the next token, in nats
    ended: float  # share of answers that ended by themselves
    clip_share: float  # share of tokens whose gain was clipped
    first_ratio: float  # largest |ratio - 1| in the first minibatch: 0, or something is wrong
    explained_variance: float  # how much of the returns the value function foresaw
    loss: float  # policy loss
    tokens: int  # tokens sampled and learned from so far
    prompts: list[int]  # indices of the round's prompts
    samples: list[Sample]  # the answers


def ppo(
    policy: GPT,
    reward_model: RewardModel,
    prompts: list[list[int]],
    pretraining_tokens: np.ndarray,
    encoding,
    config: PPOConfig,
) -> Iterator[PPOStep]:
    """Train `policy` in place against `reward_model`; yields a PPOStep after each round.

    `policy` comes in as the SFT model; a frozen copy of it is the reference of the KL price.
    The value function starts as the reward model's layers with a head of zeros: it expects 0.
    """
    if not prompts:
        raise ValueError(
            "there are no prompts: give at least one question, as chat_prompt makes it"
        )
    device = policy.embedding.weight.device
    reference = reward_model.gpt  # which read the answers anyway, if it is the SFT model too
    if not same_weights(policy, reference):
        reference = copy.deepcopy(policy).requires_grad_(False)
    value_layers = new_value_function(reward_model)
    adam = {"betas": (0.9, 0.95), "eps": 1e-8}
    lr, gain_lr = config.lr, config.gain_lr
    optimizer = make_optimizer(policy, config.muon_lr, lr, lr, gain_lr, **adam)
    value_optimizer = make_optimizer(value_layers, adamw_lr=config.value_lr, **adam)
    rng = np.random.default_rng(config.seed)
    documents = batches(
        pretraining_tokens,
        PretrainConfig(config.ptx_windows, config.block_size, seed=config.seed + 1),
    )
    stop, tokens = encoding.encode_single_token("<|end|>"), 0

    def answer_logits(model, hidden):  # no answer begins before column `first`
        return model.head(hidden[:, first:]).float()

    def logprobs(idx):
        return token_logprobs(answer_logits(policy, policy.hidden(idx)), idx[:, first:])

    def readings(idx, last):
        """What all models say of (B, T + 1) ids that end with <|reward|>: see where it is used."""
        hidden, surprisal = reward_model.read(idx)
        score = reward_model.score_at(last, hidden, surprisal)
        idx, hidden, surprisal = idx[:, :-1], hidden[:, :-1], surprisal[:, :-1]
        same = reference is reward_model.gpt
        logits = answer_logits(policy, policy.hidden(idx))
        ref_logits = answer_logits(reference, hidden if same else reference.hidden(idx))
        logps = (token_logprobs(x, idx[:, first:]) for x in (logits, ref_logits))
        kl_entropy = kl_and_entropy(logits[:, :-1], ref_logits[:, :-1])
        values = value_layers(hidden, surprisal)[:, first:-1]
        return score, hidden, surprisal, *logps, *kl_entropy, values

    for iteration in range(config.iterations):
        # Sample answers from the policy as it is now, at temperature 1 with no filter.
        chosen = rng.choice(len(prompts), config.prompts, replace=len(prompts) < config.prompts)
        asked = [prompts[i] for i in chosen]
        seeds = [int(s) for s in rng.integers(0, 2**62, config.prompts)]
        samples = generate(policy, asked, config.max_new_tokens, stop=stop, seeds=seeds)

        # Score them, and read what the policy, the reference and the value function say. A is how
        # many positions there are from the shortest prompt's last token to the last but one.
        first = min(map(len, asked)) - 1
        with torch.no_grad():
            sequences = [reward_input(encoding, p, s.ids) for p, s in zip(asked, samples)]
            idx, last = pad_right(sequences, device)
            score, *read, old_logp, ref_logp, exact_kl, entropy, old_values = by_length(
                readings, list(map(len, sequences)), idx, last
            )
            ended = torch.tensor([s.ended for s in samples], device=device)
            score = torch.where(ended, score, torch.full_like(score, config.cut_off_reward))
            idx, last = idx[:, :-1], last - 1  # without <|reward|>
            lengths = [len(ids) - 1 for ids in sequences]
            mask = answer_mask(asked, last, idx.shape[1])[:, first:]  # (B, A)
            old_logp, ref_logp, old_values = (x * mask for x in (old_logp, ref_logp, old_values))
            k1, k3 = ((k * mask).sum(1) for k in kl_estimates(old_logp, ref_logp))  # (B,) each
            final = last - 1 - first  # the position before <|end|>: its column among A
            rewards = kl_rewards(old_logp, ref_logp, score, final, config.kl_coef, mask)
            advantages, returns = gae(rewards, old_values, mask, config.gamma, config.lam)
            explained = explained_variance(returns, old_values, mask)
            advantages = whiten(advantages, mask)

        # Learn from them.
        losses, clip_shares, first_ratio = [], [], None
        optimizer.set_lr_factor(1 - iteration / config.iterations)
        for _ in range(config.epochs):
            order = torch.from_numpy(rng.permutation(config.prompts))
            for rows in order.split(config.minibatch):
                here = [lengths[i] for i in rows.tolist()]
                (logp,) = by_length(logprobs, here, idx[rows])
                logp = logp * mask[rows]
                if first_ratio is None:
                    change = ((logp - old_logp[rows]).exp() - 1) * mask[rows]
                    first_ratio = change.abs().max()
                loss, clip_share = ppo_loss(
                    logp, old_logp[rows], advantages[rows], mask[rows], config.clip_ratio
                )
                optimizer.zero_grad()
                loss.backward()
                if config.ptx_coef:
                    x, y = (t.to(device) for t in next(documents))
                    (config.ptx_coef * next_token_loss(policy(x), y)).backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
                optimizer.step()

                (values,) = by_length(value_layers, here, *(x[rows] for x in read))
                values = values[:, first:-1]
                v_loss = value_loss(
                    values, old_values[rows], returns[rows], mask[rows], config.value_clip
                )
                value_optimizer.zero_grad()
                v_loss.backward()
                torch.nn.utils.clip_grad_norm_(value_layers.parameters(), config.max_grad_norm)
                value_optimizer.step()
                losses.append(loss.detach())  # numbers are asked for once a round: a GPU runs on
                clip_shares.append(clip_share)
        tokens += idx.numel()
        kl = (exact_kl * mask).sum(1).mean().item()
        yield PPOStep(
            iteration + 1,
            config.iterations,
            score.mean().item(),
            score.std(unbiased=False).item(),
            kl,
            k1.mean().item(),
            (k1.std(unbiased=False) / len(k1) ** 0.5).item(),
            k3.mean().item(),
            masked_mean(entropy, mask).item(),
            ended.float().mean().item(),
            torch.stack(clip_shares).mean().item(),
            first_ratio.item(),
            explained,
            torch.stack(losses).mean().item(),
            tokens,
            [int(i) for i in chosen],
            samples,
        )
        if config.kl_budget is not None and kl > config.kl_budget:
            return


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Whether two modules of one shape hold the same numbers."""
    theirs = b.state_dict()
    return all(
        name in theirs and torch.equal(tensor, theirs[name])
        for name, tensor in a.state_dict().items()
    )


def new_value_function(reward_model: RewardModel) -> nn.Module:
    """The reward model's layers with a head of zeros, to be trained: it expects 0 everywhere."""
    layers = copy.deepcopy(reward_model.layers).requires_grad_(True)
    nn.init.zeros_(layers.head.weight)
    nn.init.zeros_(layers.head.bias)
    return layers


def answer_mask(prompts: list[list[int]], last: Tensor, width: int) -> Tensor:
    """(B, width - 1): 1 where the next token is the answer's. last: where each row ends, (B,)."""
    position = torch.arange(width - 1, device=last.device)  # position t predicts token t + 1
    first = torch.tensor([len(prompt) - 1 for prompt in prompts], device=last.device)
    return ((position >= first[:, None]) & (position < last[:, None])).float()


def kl_and_entropy(logits: Tensor, ref_logits: Tensor) -> tuple[Tensor, Tensor]:
    """KL(π ‖ π_ref) and π's entropy at each position, exact: (B, T, V) twice → (B, T) twice."""
    logp, ref_logp = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    p = logp.exp()
    return (p * (logp - ref_logp)).sum(-1), -(p * logp).sum(-1)
