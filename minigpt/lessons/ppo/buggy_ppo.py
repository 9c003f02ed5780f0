"""A small copy of PPO with switches: one known bug at a time, and the checks that would find it.

`minigpt.lessons.ppo.bugs` shows the bugs and says what each one is.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from minigpt.engine.batching import pad_right
from minigpt.engine.optim import make_optimizer
from minigpt.generate import generate
from minigpt.model import GPT
from minigpt.ppo import (
    PPOConfig,
    PPOStep,
    answer_mask,
    explained_variance,
    gae,
    kl_and_entropy,
    kl_estimates,
    kl_rewards,
    masked_mean,
    new_value_function,
    ppo_loss,
    token_logprobs,
    value_loss,
    whiten,
)
from minigpt.reward import RewardModel, reward_input

MOVES = {  # the keys of the bugs, and the checks that each moves; the instruments show the others
    "alias": set(),
    "clip_min": {"clip"},
    "direction": {"sum"},
    "dropout": set(),
    "every_token": {"sum"},
    "kl_sign": {"sum"},
    "no_penalty": {"cut_off"},
    "none": set(),
    "pad_is_end": {"learned", "sum"},
    "past_end": {"padding", "target"},
    "position": {"alone"},
    "score_sign": {"sum"},
    "shift": {"scored"},
    "temperature": {"scored"},
    "value_after": {"own_token"},
    "whitened": {"target"},
}


def ppo_with(
    bug: str,
    policy: GPT,
    reward_model: RewardModel,
    prompts: list[list[int]],
    encoding,
    config: PPOConfig,
) -> Iterator[tuple[PPOStep, dict[str, float]]]:
    """`minigpt.ppo.ppo` without its pretraining term and with one bug; yields each round's record
    and checks. bug: a key of MOVES; with "none" it trains as `ppo` does."""
    reference = policy if bug == "alias" else copy.deepcopy(policy).requires_grad_(False)
    value_layers = new_value_function(reward_model)
    adam = {"betas": (0.9, 0.95), "eps": 1e-8}
    lr, gain_lr = config.lr, config.gain_lr
    optimizer = make_optimizer(policy, config.muon_lr, lr, lr, gain_lr, **adam)
    value_optimizer = make_optimizer(value_layers, adamw_lr=config.value_lr, **adam)
    rng = np.random.default_rng(config.seed)
    drops = torch.Generator().manual_seed(config.seed)
    temperature = 0.6 if bug == "temperature" else 1.0
    loss_of = ppo_loss_min if bug == "clip_min" else ppo_loss
    stop, tokens = encoding.encode_single_token("<|end|>"), 0

    for iteration in range(config.iterations):
        # Sample.
        chosen = rng.choice(len(prompts), config.prompts, replace=len(prompts) < config.prompts)
        asked = [prompts[i] for i in chosen]
        seeds = [int(s) for s in rng.integers(0, 2**62, config.prompts)]
        samples = generate(
            policy, asked, config.max_new_tokens, stop=stop, seeds=seeds, temperature=temperature
        )

        # Score and read.
        with torch.no_grad():
            inputs = [reward_input(encoding, p, s.ids) for p, s in zip(asked, samples)]
            idx, last = pad_right(inputs)
            read = reward_model.read(idx)
            at = torch.full_like(last, idx.shape[1] - 1) if bug == "position" else last
            score = reward_model.score_at(at, *read)
            ended = torch.tensor([s.ended for s in samples])
            if bug != "no_penalty":
                score = torch.where(ended, score, torch.full_like(score, config.cut_off_reward))
            idx, last = idx[:, :-1], last - 1
            read = [x[:, :-1] for x in read]
            mask = answer_mask(asked, last, idx.shape[1])
            inside, final = mask, last - 1  # of the answers as they are
            if bug == "pad_is_end":  # the end token looks like padding, and is left out
                mask, final = mask * (idx[:, 1:] != stop), final - ended.long()
            logits, ref_logits = policy(idx), reference(idx)
            old_logp, ref_logp = (logprobs(x, idx, bug) for x in (logits, ref_logits))
            exact_kl, entropy = kl_and_entropy(logits[:, :-1], ref_logits[:, :-1])
            pair = (ref_logp, old_logp) if bug == "direction" else (old_logp, ref_logp)
            k1, k3 = ((k * mask).sum(1) for k in kl_estimates(*pair))
            beta = -config.kl_coef if bug == "kl_sign" else config.kl_coef
            counted = torch.where(ended, -score, score) if bug == "score_sign" else score
            rewards = kl_rewards(*pair, counted, final, beta, mask)
            if bug == "every_token":
                rewards = kl_rewards(*pair, 0 * score, final, beta, mask) + score[:, None] * mask
            old_values = values_of(value_layers, read, mask, bug)
            advantages, returns = estimate(rewards, old_values, mask, config, bug)
            explained = explained_variance(returns, old_values, mask)
            advantages = whiten(advantages, mask)
            if bug == "whitened":
                returns = (advantages + old_values) * mask
            checks = cheap_checks(
                config, asked, samples, score, inside, mask, last - 1, old_logp, ref_logp, rewards,
                returns, loss_of,
            )  # fmt: skip
            if iteration + 1 == config.iterations:
                checks |= dear_checks(
                    config, reward_model, value_layers, inputs, ended, score, idx, mask, last,
                    rewards, old_values, bug,
                )  # fmt: skip

        # Learn.
        losses, clip_shares, first_ratio = [], [], None
        optimizer.set_lr_factor(1 - iteration / config.iterations)
        for _ in range(config.epochs):
            order = torch.from_numpy(rng.permutation(config.prompts))
            for rows in order.split(config.minibatch):
                hidden = policy.hidden(idx[rows])
                if bug == "dropout":
                    hidden = hidden * (torch.rand(hidden.shape, generator=drops) >= 0.1) / 0.9
                logp = logprobs(policy.head(hidden), idx[rows], bug)
                if first_ratio is None:
                    change = ((logp - old_logp[rows]).exp() - 1) * mask[rows]
                    first_ratio = change.abs().max().item()
                loss, clip_share = loss_of(
                    logp, old_logp[rows], advantages[rows], mask[rows], config.clip_ratio
                )
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
                optimizer.step()

                values = values_of(value_layers, [x[rows] for x in read], 1.0, bug)
                v_loss = value_loss(
                    values, old_values[rows], returns[rows], mask[rows], config.value_clip
                )
                value_optimizer.zero_grad()
                v_loss.backward()
                nn.utils.clip_grad_norm_(value_layers.parameters(), config.max_grad_norm)
                value_optimizer.step()
                losses.append(loss.item())
                clip_shares.append(clip_share.item())
        tokens += idx.numel()
        yield (
            PPOStep(
                iteration + 1,
                config.iterations,
                score.mean().item(),
                score.std(unbiased=False).item(),
                (exact_kl * mask).sum(1).mean().item(),
                k1.mean().item(),
                (k1.std(unbiased=False) / len(k1) ** 0.5).item(),
                k3.mean().item(),
                masked_mean(entropy, mask).item(),
                ended.float().mean().item(),
                float(np.mean(clip_shares)),
                first_ratio,
                explained,
                float(np.mean(losses)),
                tokens,
                [int(i) for i in chosen],
                samples,
            ),
            checks,
        )


def logprobs(logits: Tensor, tokens: Tensor, bug: str) -> Tensor:
    """Log-probability of each token; with "shift" under the logits that have seen it already."""
    if bug == "shift":
        return logits[:, 1:].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return token_logprobs(logits, tokens)


def values_of(layers: nn.Module, read, mask, bug: str) -> Tensor:
    """Values before each token; with "value_after" after it; with "past_end" also of padding."""
    values = layers(*read)
    values = values[:, 1:] if bug == "value_after" else values[:, :-1]
    return values if bug == "past_end" else values * mask


def estimate(rewards, values, mask, config: PPOConfig, bug: str) -> tuple[Tensor, Tensor]:
    """Advantages and returns; with "past_end" the sum goes on after the end, through padding."""
    if bug != "past_end":
        return gae(rewards, values, mask, config.gamma, config.lam)
    whole = gae(rewards, values, torch.ones_like(mask), config.gamma, config.lam)
    return whole[0] * mask, whole[1] * mask


def ppo_loss_min(logp, old_logp, advantages, mask, clip_ratio: float) -> tuple[Tensor, Tensor]:
    """`ppo_loss` with the smaller of the two losses in place of the larger."""
    ratio = (logp - old_logp).exp()
    unclipped = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
    share = masked_mean((clipped > unclipped).float(), mask)
    return masked_mean(torch.minimum(unclipped, clipped), mask), share


# ---- the checks: what a test of a PPO step looks at; each is 0 where the step is right -----------


def cheap_checks(
    config, asked, samples, score, inside, mask, final, old_logp, ref_logp, rewards, returns,
    loss_of,
) -> dict[str, float]:  # fmt: skip
    """Those that every round can have."""
    sampled = torch.zeros_like(inside)
    for row, (prompt, s) in enumerate(zip(asked, samples)):
        sampled[row, len(prompt) - 1 :][: len(s.ids)] = torch.tensor(s.logprobs)
    cut_off = ~torch.tensor([s.ended for s in samples])
    price = config.kl_coef * ((old_logp - ref_logp) * inside).sum(1)
    at_end = [x.gather(1, final[:, None])[:, 0] for x in (returns, rewards)]
    # A ratio of 1.5 or 0.5, and an advantage of 1 or -1.
    ratio = torch.tensor([[1.5, 0.5, 1.5, 0.5]]).log()
    advantage, one = torch.tensor([[1.0, 1.0, -1.0, -1.0]]), torch.ones(1, 4)
    losses = [f(ratio, 0 * one, advantage, one, config.clip_ratio)[0] for f in (loss_of, ppo_loss)]
    return {
        "scored": masked_mean((old_logp - sampled).abs(), inside).item(),
        "cut_off": float((score - config.cut_off_reward)[cut_off].abs().sum()),
        "learned": (inside - mask).sum(1).mean().item(),
        "sum": ((rewards * inside).sum(1) - (score - price)).abs().mean().item(),
        "target": (at_end[0] - at_end[1]).abs().mean().item(),
        "clip": abs((losses[0] - losses[1]).item()),
    }


def dear_checks(
    config, reward_model, value_layers, inputs, ended, score, idx, mask, last, rewards, old_values,
    bug,
) -> dict[str, float]:  # fmt: skip
    """Those that have to read answers anew."""
    vocabulary = reward_model.gpt.config.vocab_size
    some = [i for i in range(len(inputs)) if ended[i]][:8]
    alone = [reward_model.score([inputs[i]])[0] - score[i] for i in some]
    changed = idx.scatter(1, last[:, None], (idx.gather(1, last[:, None]) + 1) % vocabulary)
    padded = torch.where(torch.arange(idx.shape[1]) > last[:, None], 7, idx)
    values = {
        name: values_of(value_layers, reward_model.read(x), mask, bug)
        for name, x in (("changed", changed), ("padded", padded))
    }
    own = (values["changed"] - old_values).gather(1, last[:, None] - 1)
    returns = [estimate(rewards, v, mask, config, bug)[1] for v in (values["padded"], old_values)]
    return {
        "alone": max((abs(d.item()) for d in alone), default=0.0),
        "own_token": own.abs().max().item(),
        "padding": (returns[0] - returns[1]).abs().max().item(),
    }
