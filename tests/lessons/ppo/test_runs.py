"""The experiments on PPO: what they measure, and at which KL."""

import copy

import pytest
import torch

from minigpt.lessons.ppo.runs import Setup, Sizes, follow_ppo, measure
from minigpt.ppo import PPOConfig
from minigpt.stages.recipe import Plan

TINY = Sizes(questions=30, corpus_tokens=20_000, rounds=2, answers=8, every=1)


@pytest.fixture(scope="module")
def setup():
    return Setup(TINY)


@pytest.fixture(scope="module")
def reward(setup):
    return setup.reward.model


def test_measures_of_the_sft_model_are_shares_and_its_kl_is_0(setup, reward):
    found = measure(setup.sft.model, setup, reward)
    assert found["kl"] == 0
    shares = ("correct", "attempted", "attempts_right", "unknown_declined", "rude", "polite")
    assert all(0 <= found[name] <= 1 for name in shares)
    assert found["correct"] <= found["attempted"]
    assert found["gold"] <= found["best"] <= 2
    assert found["answer_tokens"] > 2


def test_a_run_leaves_the_setup_as_it_was_and_repeats(setup, reward):
    before = copy.deepcopy(setup.sft.model.state_dict())
    config, policy = PPOConfig(TINY.rounds, TINY.answers, seed=3), setup.policy()
    points, last = follow_ppo(setup, reward, config, policy)
    assert last.step == 2 and not torch.equal(policy.head.weight, setup.sft.model.head.weight)
    assert [p["round"] for p in points] == [0, 1, 2]
    assert points[0]["kl"] == 0 and points[-1]["kl"] > 0
    assert all(torch.equal(before[k], v) for k, v in setup.sft.model.state_dict().items())
    assert follow_ppo(setup, reward, config, setup.policy())[0] == points


def test_prompts_are_the_courses_own_and_another_seed_draws_others(setup):
    plan = Plan(seed=3)
    asked = plan.questions("practised")
    assert setup.prompts(3) == plan.prompts(asked) != setup.prompts(4)
    assert {q.kind for q in asked} == {"fact", "unknown", "chat", "other"}
