"""Curves and tables of runs of PPO: made-up runs whose answers are known."""

from types import SimpleNamespace

import pytest
import torch

from minigpt import ppo
from minigpt.lessons.ppo.results import (
    beside_shipped,
    followed,
    fresh_answers,
    labelers_table,
    one_answer,
    over_figure,
    reward_lines,
)
from minigpt.reward import RewardModel
from minigpt.sft import chat_prompt
from toys import tiny_gpt, toy_stage

CURVES = {
    "no price": [{"step": 4, "gold": 0.9, "proxy": 0.3}, {"step": 8, "gold": 0.1, "proxy": 2}],
    "price": [{"step": 4, "gold": 0.8, "proxy": 0.2}, {"step": 8, "gold": 1.1, "proxy": 0.5}],
}


def test_over_optimisation_has_an_axis_for_each_score_and_tells_the_turn():
    fig, said = over_figure(CURVES, 8)
    assert "no price: after round 4 score +0.30 and gold +0.90, after round 8 score +2.00" in said
    assert "price: after round 8 score +0.50 and gold +1.10." in said
    for ax, lines in zip(fig.axes, ([[0.3, 2], [0.2, 0.5]], [[0.9, 0.1], [0.8, 1.1]])):
        assert [list(line.get_ydata()) for line in ax.lines] == lines
        assert all(list(line.get_xdata()) == [4, 8] for line in ax.lines)


def test_gold_is_left_out_where_it_is_covered():
    fig, said = over_figure({"no price": CURVES["no price"]}, 8, covered=True)
    assert "gold" not in said and len(fig.axes[1].lines) == 0
    marked, _said = over_figure({"no price": CURVES["no price"]}, 8, stop=4)
    assert [list(ax.lines[-1].get_xdata()) for ax in marked.axes] == [[4, 4]] * 2


def test_the_own_run_stands_beside_the_shipped_one_by_answers_learned_from():
    shipped = SimpleNamespace(meta={"curve": CURVES["price"], "settings": {"prompts": 256}})
    own = [SimpleNamespace(step=n, gold=n / 10) for n in (0, 6)]
    fig, said = beside_shipped(own, 64, shipped)
    (ax,) = fig.axes
    assert [list(line.get_xdata()) for line in ax.lines] == [[0, 384], [1024, 2048]]
    assert said == "gold, split V, at the end: your run +0.60; shipped run +1.10."


def test_scores_are_means_of_the_latest_five_rounds():
    steps = [SimpleNamespace(reward=float(n)) for n in range(7)]
    fig, said = reward_lines({"run": steps})
    (line,) = fig.axes[0].lines
    assert list(line.get_ydata()) == [0, 0.5, 1, 1.5, 2, 3, 4] and "run +4.00" in said


def test_runs_are_followed_one_after_the_other(capsys):
    found = followed({"a": iter("xy"), "b": iter("z")}, 3)
    assert found == {"a": ["x", "y"], "b": ["z"]}
    assert "3 of 3" in capsys.readouterr().out


def test_labelers_stand_in_order():
    names = ("coin", "expert", "oracle", "sft")  # as a file that is sorted by key has them
    keys = ("polite", "unread_invented", "utility_change", "gold_over_sft_greedy", "kl")
    measures = {f"{name}.{key}": [i / 4 - 0.25, 0.0, 1.0] for name in names
                for i, key in enumerate(keys)}  # fmt: skip
    table = labelers_table({"measures": measures})
    assert [row[0] for row in table.rows] == [
        "nobody: the SFT model", "expert", "coin", "oracle"]  # fmt: skip
    assert table.rows[0][1:] == ["-25%", "0%", "+0.25", "+0.50"]
    assert len(table.header) == 5


# ---- rounds, on toys ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stages():
    sft = toy_stage("sft", tiny_gpt(head=0.3, block_size=96))
    return sft, toy_stage("reward", RewardModel(sft.model))


@pytest.fixture(scope="module")
def prompts(stages):
    return [chat_prompt(stages[0].encoding, f"What is {n}?") for n in range(6)]


def test_fresh_answers_are_of_the_policy_as_it_is(stages, prompts):
    sft, judge = stages
    policy = tiny_gpt(head=0.3, block_size=96).requires_grad_(True)
    config = ppo.PPOConfig(2, 4, max_new_tokens=6)
    rounds = fresh_answers(policy, sft, judge, prompts, config)
    r, record = next(rounds)
    assert record.reward == r.score.mean().item() and (record.step, record.steps) == (1, 2)
    with torch.no_grad():
        policy.head.weight.mul_(1.5)
    r, record = next(rounds)
    logp, old_logp, _mask = ppo.logprobs_on(policy, r, torch.arange(4))
    torch.testing.assert_close(logp, old_logp)
    assert record.tokens > r.idx.numel() and list(rounds) == []


def test_one_answer_as_four_models_see_it(stages, prompts):
    sft, judge = stages
    question, tokens, price, score, values, advantages = one_answer(
        sft, sft, judge, prompts, answers=6, updates=2)  # fmt: skip
    assert question.startswith("What is") and isinstance(score, float)
    assert len(tokens) == len(price) == len(values) == len(advantages) > 0
    assert price == pytest.approx([0] * len(price), abs=1e-3)  # the policy is the reference
    # the last token's advantage is what was not expected of the score
    assert advantages[-1] == pytest.approx(score + price[-1] - values[-1], abs=2e-3)
