"""The copy of PPO: without a bug it is the course's, and each bug moves what should tell it."""

import numpy as np
import pytest
import torch

import toys
from minigpt.lessons.ppo.buggy_ppo import MOVES, ppo_with
from minigpt.lessons.ppo.bugs import TEXT
from minigpt.lessons.ppo.instruments import readings
from minigpt.ppo import PPOConfig, ppo
from minigpt.reward import RewardModel
from toys import ToyEncoding

V, END, REWARD = 16, 14, 13
TOY = ToyEncoding(END, REWARD)
PROMPTS = [[1], [2, 3], [4, 5, 6], [7], [8, 9, 10, 11], [12, 1]]
TOKENS = np.random.default_rng(0).integers(0, 12, 300).astype(np.uint16)
ROUND = 1e-4  # what is below is rounding


def awake_gpt(seed=1):
    return toys.awake_gpt(seed, vocab_size=V, block_size=16)


def toy_config(**changed):
    return PPOConfig(**{
        "iterations": 3, "prompts": 24, "max_new_tokens": 6, "minibatch": 12, "epochs": 2,
        "muon_lr": 0.01, "lr": 1e-2, "value_lr": 1e-2, "kl_coef": 0.3, "ptx_coef": 0.0, **changed,
    })  # fmt: skip


def toy_run(bug, **changed):
    """The policy, the records and the largest of each check of a toy run."""
    policy, reward, found, steps = awake_gpt(), RewardModel(awake_gpt(2)), {}, []
    args = policy, reward, PROMPTS * 4, TOY, toy_config(**changed)
    for step, checks in ppo_with(bug, *args):
        steps.append(step)
        found |= {k: max(abs(v), found.get(k, 0.0)) for k, v in checks.items()}
    return policy, steps, found


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.fixture(scope="module")
def healthy():
    return toy_run("none")


@pytest.mark.parametrize("changed", [{}, {"epochs": 1, "minibatch": 5}, {"seed": 7, "prompts": 30}])
def test_without_a_bug_it_is_the_courses_ppo(changed):
    """Both ways: the course's PPO, which saves itself most of the padding, is the plain one."""
    found, steps, _ = toy_run("none", **changed)
    policy = awake_gpt()
    args = policy, RewardModel(awake_gpt(2)), PROMPTS * 4, TOKENS, TOY, toy_config(**changed)
    for ours, plain in zip(ppo(*args), steps, strict=True):
        assert [s.ids for s in ours.samples] == [s.ids for s in plain.samples]
        ours, plain = ({**vars(step), "samples": None} for step in (ours, plain))
        assert ours.pop("prompts") == plain.pop("prompts")
        assert ours == pytest.approx(plain, abs=1e-4)
    for p, q in zip(policy.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-4, rtol=1e-4)


def test_without_a_bug_every_check_is_0(healthy):
    _, steps, found = healthy
    assert set(found) == set(TEXT["en"]["checks"])
    assert max(found.values()) < ROUND
    assert 0 < steps[0].ended < 1 and steps[-1].kl > 0.01  # nothing is trivially 0


@pytest.mark.parametrize("bug", [bug for bug in MOVES if bug != "none"])
def test_each_bug_changes_what_is_learned_and_moves_its_checks_alone(bug, healthy):
    policy, _, found = toy_run(bug)
    assert {name for name, value in found.items() if value > ROUND} == MOVES[bug]
    # At such rates one wrong gradient makes another policy.
    assert not same(policy, healthy[0])


def lights(steps):
    return {r.name: r.light for r in readings(steps)}


def test_bugs_that_no_check_sees_show_in_the_instruments(healthy):
    fine = healthy[1]
    assert lights(fine)["ratio"] == lights(fine)["kl"] == "green"
    assert fine[-1].first_ratio < 1e-5 and fine[-1].kl > 0.01
    dropout, alias = toy_run("dropout")[1], toy_run("alias")[1]
    assert lights(dropout)["ratio"] == "red"
    assert [step.kl for step in alias] == [0, 0, 0] == [step.k1 for step in alias]


def test_the_two_wrong_signs_of_kl_differ_in_what_is_logged():
    reversed_, paid = toy_run("direction")[1][-1], toy_run("kl_sign")[1][-1]
    assert reversed_.kl == paid.kl > 0  # they learn the same
    assert reversed_.k1 == -paid.k1 < 0


def test_rewards_sum_to_a_multiple_of_the_score_when_it_is_counted_at_each_token():
    _, _, found = toy_run("every_token", iterations=1)
    assert found["sum"] > 1
