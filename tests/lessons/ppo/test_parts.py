"""PPO's parts: with all of them it is the course's PPO; each one left out changes the run."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import toys
from minigpt.engine.answers import masked_mean
from minigpt.lessons.ppo.parts import (
    EPOCHS,
    STEPS,
    Parts,
    PartSizes,
    of_size_1,
    settings,
    steps_with,
    token_weights,
)
from minigpt.ppo import PPOConfig, ppo
from minigpt.reward import RewardModel
from toys import ToyEncoding

V, END, REWARD = 16, 14, 13
TOY = ToyEncoding(END, REWARD)
PROMPTS = [[1], [2, 3], [4, 5, 6], [7], [8, 9, 10, 11], [12, 1]]
TOKENS = np.random.default_rng(0).integers(0, 12, 300).astype(np.uint16)


def awake_gpt(seed=1):
    return toys.awake_gpt(seed, vocab_size=V, block_size=16)


def toy(parts, **changed):
    """The policy after three toy rounds, what they did, and the shares of clipped tokens."""
    policy, reward, shares = awake_gpt(), RewardModel(awake_gpt(2)), []
    reward.mean.fill_(3.0)  # so that the reward model's own zero point is another one
    config = PPOConfig(3, 6, 6, minibatch=3, block_size=8, lr=1e-2, value_lr=1e-2, **changed)
    steps = steps_with(parts, reward, shares)
    rounds = list(ppo(policy, reward, PROMPTS, TOKENS, TOY, config, steps))
    return policy, reward, rounds, config, shares


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("epochs", [1, 3])
def test_with_all_parts_it_is_the_courses_ppo(epochs):
    found, reward, rounds, config, shares = toy(Parts(), epochs=epochs)
    policy = awake_gpt()
    steps = list(ppo(policy, reward, PROMPTS, TOKENS, TOY, config))
    assert same(policy, found)
    updates = len(shares) // 3  # a round
    for n, (ours, theirs) in enumerate(zip(rounds, steps, strict=True)):
        assert ours.rollout.samples == theirs.rollout.samples and ours.loss == theirs.loss
        share = np.mean(shares[n * updates : (n + 1) * updates])
        assert share == pytest.approx(theirs.clip_share, abs=1e-6)


def test_every_step_changes_the_policy_so_that_no_switch_is_idle():
    policies = [toy(parts, epochs=3)[0] for parts in STEPS.values()]
    for i, a in enumerate(policies):
        assert not any(same(a, b) for b in policies[i + 1 :])
    assert not same(toy(EPOCHS["without clip"], epochs=3)[0], toy(Parts(), epochs=3)[0])


def test_each_step_adds_one_part():
    arms = list(STEPS.values())
    for before, after in zip(arms, arms[1:]):
        assert sum(a != b for a, b in zip(before, after)) == 1
    assert arms[-1] == Parts()


def answers(score, kl=0.0):
    """Two answers, of one token and of three; only what `token_weights` reads."""
    mask = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    return SimpleNamespace(
        mask=mask, final=torch.tensor([0, 2]), score=torch.tensor(score), logp=kl * mask,
        ref_logp=0 * mask,
    )  # fmt: skip


def test_token_weights_by_hand():
    config = PPOConfig(kl_coef=0.5)
    weights = lambda parts, **b: token_weights(answers([4.0, 2.0], **b), parts, 10.0, config)[0]  # noqa: E731
    assert weights(Parts("none", False)).tolist() == [[4, 0, 0], [2, 2, 2]]
    assert weights(Parts("none", False, own_zero=True)).tolist() == [[14, 0, 0], [12, 12, 12]]
    assert weights(Parts("mean", False)).tolist() == [[1.5, 0, 0], [-0.5, -0.5, -0.5]]
    # A price of 0.5 a nat, 0.2 nats a token, to be paid from each token on.
    found = weights(Parts("none", True), kl=0.2)
    torch.testing.assert_close(found, torch.tensor([[3.9, 0, 0], [1.7, 1.8, 1.9]]))


def test_weights_of_size_1_keep_their_mean_only_without_a_baseline():
    mask = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    weights = torch.tensor([[4.0, 0, 0], [2, 2, 2]])
    for baseline, mean in (("none", 10 / 28**0.5 / 2), ("mean", 0.0)):
        found = of_size_1(weights, mask, baseline)
        assert masked_mean(found**2, mask).item() == pytest.approx(1, abs=1e-5)
        assert masked_mean(found, mask).item() == pytest.approx(mean, abs=1e-5)


def test_only_the_epochs_and_rounds_differ_where_much_is_learned_from_each_round():
    usual, many = settings("steps", 0, PartSizes()), settings("epochs", 0, PartSizes())
    assert (usual.epochs, many.epochs) == (1, 8)
    assert replace(many, epochs=1, iterations=usual.iterations) == usual
