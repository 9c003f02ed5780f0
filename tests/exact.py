"""What the tests in double precision build (fixture `float64`), and how they compare.

Test files import it by its name, since `pythonpath` in pyproject.toml has this folder.
"""

import random

import torch
from torch import Tensor

from minigpt.model import GPT, GPTConfig
from minigpt.reward import RewardModel
from toys import awake

V, END, REWARD = 12, 10, 9  # ids below REWARD are text
CONFIG = GPTConfig(vocab_size=V, block_size=16, n_layer=1, n_head=2, n_embd=8)


def exact_gpt(seed: int = 1, std: float = 0.4) -> GPT:
    """A small GPT of doubles in which every weight has a say."""
    model = awake(GPT(CONFIG), seed, std)
    model.dtype = torch.float64
    with torch.no_grad():
        model.gain.fill_(1.3)
    return model


def exact_reward_model(gpt: GPT | None = None, seed: int = 5) -> RewardModel:
    """A reward model of doubles, its scale set to something."""
    model = RewardModel(gpt or exact_gpt())
    awake(model.layers, seed, 0.5)
    model.mean.fill_(0.3)
    model.std.fill_(1.7)
    return model


def text(rng: random.Random, shortest: int = 1, longest: int = 5) -> list[int]:
    """Some ids of text."""
    return [rng.randrange(REWARD) for _ in range(rng.randint(shortest, longest))]


def shuffled(rng: random.Random, n: int) -> list[int]:
    """The numbers below n in random order."""
    return rng.sample(range(n), n)


def random_mask(rng: random.Random, rows: int, columns: int) -> Tensor:
    """(rows, columns): 1 in one run of columns of each row, as an answer stands in its row."""
    mask = torch.zeros(rows, columns)
    for row in mask:
        first = rng.randrange(columns)
        row[first : rng.randint(first + 1, columns)] = 1
    return mask


def noise(rng: random.Random, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    return torch.randn(shape, generator=generator)


def assert_same(found, expected, atol: float = 1e-10) -> None:
    """That all numbers are within `atol`: tensors, numbers, or lists and dicts of them."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_same(found[name], expected[name], atol)
        return
    found, expected = (torch.as_tensor(x, dtype=torch.float64) for x in (found, expected))
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def gradients(loss: Tensor, module) -> dict[str, Tensor]:
    """By name, 0 where the loss does not depend on a weight."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(named.items(), found)}
