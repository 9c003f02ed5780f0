"""Every loss's gradient against finite differences, through a whole small model."""

import random

import pytest
import torch

from exact import END, REWARD, V, exact_gpt, exact_reward_model, noise, text
from minigpt.engine.batching import by_length, pad_right
from minigpt.model import next_token_loss
from minigpt.ppo import (
    PPOConfig,
    clipped_loss,
    logprobs_on,
    new_value_function,
    reinforce_loss,
    rollout,
    value_loss_on,
)
from minigpt.reward import bradley_terry
from minigpt.sft import sft_batch, sft_loss
from toys import ToyEncoding

STEP = 1e-5  # in double precision: both errors of a difference are near 1e-10


def check(loss_of, module, rng):
    """Of each tensor of weights, along two random directions."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss_of(), list(named.values()))
    for (name, p), gradient in zip(named.items(), found):
        for _ in range(2):
            direction, ends = noise(rng, *p.shape), []
            direction = direction / direction.norm()
            with torch.no_grad():
                start = p.clone()
                for sign in (1, -1):
                    p.copy_(start + sign * STEP * direction)
                    ends.append(loss_of().item())
                p.copy_(start)
            slope = (ends[0] - ends[1]) / (2 * STEP)
            assert slope == pytest.approx(
                (gradient * direction).sum().item(), rel=1e-6, abs=1e-8
            ), name
        if name != "head.bias":  # which no difference of two scores depends on
            assert gradient.abs().max() > 1e-6, name


def losses(rng):
    """{name: (the loss as a function of nothing, the module that it trains)}."""
    model, reward, policy = exact_gpt(2), exact_reward_model(), exact_gpt(1)
    ids = torch.tensor([text(rng, 8, 8) for _ in range(3)])
    inputs, targets = sft_batch([(text(rng), [*text(rng), END]) for _ in range(4)], V - 1)
    rows = [[*text(rng), *text(rng), REWARD] for _ in range(6)]
    idx, last = pad_right(rows)

    def comparisons():
        (scores,) = by_length(reward.raw_score, list(map(len, rows)), idx, last, rows=2)
        return bradley_terry(scores[:3], scores[3:])

    layers, c = new_value_function(reward), PPOConfig(max_new_tokens=6)
    with torch.no_grad():
        layers.head.weight.add_(0.3 * noise(rng, 1, 8))
    asked, toy = [text(rng) for _ in range(5)], ToyEncoding(END, REWARD)
    r = rollout(policy, reward.gpt, reward, layers, asked, list(range(5)), toy, c)
    with torch.no_grad():  # some updates later: some ratios and values are clipped, some not
        for p in (policy.head.weight, layers.head.weight):
            p.add_(0.15 * noise(rng, *p.shape))
    advantages, returns = noise(rng, *r.mask.shape), noise(rng, *r.mask.shape)
    rows_of = torch.tensor([3, 0, 4])

    def surrogate(loss_of):
        logp, old, mask = logprobs_on(policy, r, rows_of)
        return loss_of(logp, old, mask)

    return {
        "next token": (lambda: next_token_loss(model(ids[:, :-1]), ids[:, 1:]), model),
        "answers": (lambda: sft_loss(model(inputs), targets), model),
        "comparisons": (comparisons, reward.layers),
        "REINFORCE": (
            lambda: surrogate(lambda logp, old, m: reinforce_loss(logp, r.score[rows_of], m)),
            policy,
        ),
        "clipped": (
            lambda: surrogate(lambda x, old, m: clipped_loss(x, old, advantages[rows_of], m, 0.1)),
            policy,
        ),
        "values": (lambda: value_loss_on(layers, r, rows_of, returns, c), layers),
    }


NAMES = ("next token", "answers", "comparisons", "REINFORCE", "clipped", "values")


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_the_slope_of_the_loss(float64, name):
    rng = random.Random(3)
    made = losses(rng)
    assert tuple(made) == NAMES
    check(*made[name], rng)
