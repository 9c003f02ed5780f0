"""The experiments on PPO: what they measure, and at which KL."""

import copy

import pytest
import torch

from minigpt.lessons.ppo import whose_taste
from minigpt.lessons.ppo.runs import Setup, Sizes, follow_ppo, measure
from minigpt.ppo import PPOConfig
from minigpt.show.results import load_results
from minigpt.world.labelers import LABELERS

TINY = Sizes(rl_prompts=40, questions=30, corpus_tokens=20_000, rounds=2, answers=8, every=1)


@pytest.fixture(scope="module")
def setup():
    return Setup(TINY)


@pytest.fixture(scope="module")
def reward(setup):
    return setup.reward.model


def test_measures_of_the_sft_model_are_shares_and_its_kl_is_0(setup, reward):
    found = measure(setup.sft.model, setup, reward)
    assert found["kl"] == 0
    assert found["gold"] == found["utility"]  # the expert's utility is gold
    shares = ("correct", "attempted", "attempts_right", "unknown_declined", "rude", "polite")
    assert all(0 <= found[name] <= 1 for name in shares)
    assert found["correct"] <= found["attempted"]
    assert found["gold"] <= found["best"] <= 2
    assert found["answer_tokens"] > 2


def test_another_labelers_utility_is_measured_beside_gold(setup, reward):
    expert = measure(setup.sft.model, setup, reward)
    wordy = measure(setup.sft.model, setup, reward, LABELERS["long_winded"])
    assert wordy["gold"] == expert["gold"]
    assert wordy["utility"] > expert["utility"]  # each word is worth something to that labeler


def test_a_run_leaves_the_setup_as_it_was_and_repeats(setup, reward):
    before = copy.deepcopy(setup.sft.model.state_dict())
    config = PPOConfig(TINY.rounds, TINY.answers, seed=3)
    points, policy, last = follow_ppo(setup, reward, config)
    assert last.step == 2 and not torch.equal(policy.head.weight, setup.sft.model.head.weight)
    assert [p["round"] for p in points] == [0, 1, 2]
    assert points[0]["kl"] == 0 and points[-1]["kl"] > 0
    assert all(torch.equal(before[k], v) for k, v in setup.sft.model.state_dict().items())
    assert follow_ppo(setup, reward, config)[0] == points


def test_shipped_results_have_an_answer_of_every_labelers_model_to_each_question():
    runs = [run for run in load_results("whose_taste")["runs"] if run["seed"] == 0]
    said = {run["labeler"]: len(run["answers"]["texts"]) for run in runs}
    assert said == dict.fromkeys(LABELERS, len(whose_taste.ASKED))


def test_all_labelers_see_the_same_answers_in_each_call_of_a_seed(setup, monkeypatch):
    monkeypatch.setattr(whose_taste, "PROMPTS", 12)
    first, second = (whose_taste.answered(setup, 5)[2] for _ in range(2))
    assert first == second != whose_taste.answered(setup, 6)[2]
    assert [len(answers) for answers in first] == [whose_taste.ANSWERS] * 12
