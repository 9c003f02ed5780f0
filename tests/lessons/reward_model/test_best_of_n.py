"""Best of n: the curve, the pools of several judges, the figure, what a judge was taken in by."""

from dataclasses import replace

import pytest

from minigpt.lessons.reward_model.best_of_n import (
    best_of_n_curve,
    chosen,
    gold_change,
    pools,
    search_figure,
)
from minigpt.reward import RewardModel, kl_bound
from minigpt.show.style import signed
from minigpt.world.facts import load_world
from minigpt.world.questions import sample_questions
from toys import tiny_gpt, toy_pool, toy_stage


def test_the_curve_begins_at_the_mean_and_its_proxy_rises():
    pool = toy_pool()
    curve = best_of_n_curve(pool)
    proxy, gold = zip(*curve.values())
    assert list(curve) == [1, 2, 4, 8]
    assert proxy[0].value == pytest.approx(pool.scores.mean())
    assert gold[0].value == pytest.approx(pool.golds.mean())
    assert [m.value for m in proxy] == sorted(m.value for m in proxy)
    assert proxy[-1].value == pytest.approx(pool.scores.max(axis=1).mean())
    assert all(m.low < m.value < m.high for m in (*proxy, *gold))


def test_a_change_of_gold_is_that_of_the_curve_and_paired_by_question():
    pool = toy_pool(40)
    curve, found = best_of_n_curve(pool), gold_change(pool, 8, 2)
    assert found.value == pytest.approx(curve[8][1].value - curve[2][1].value)
    assert found.low <= found.value <= found.high and gold_change(pool, 8, 8).high == 0
    apart = sum(curve[n][1].high - curve[n][1].low for n in (8, 2))
    assert found.high - found.low < apart


def test_the_curve_is_computed_by_the_function_that_is_given():
    pool = toy_pool()
    curve = best_of_n_curve(pool, lambda scores, values, n: values[:, n - 1])
    assert curve[4][1].value == pytest.approx(pool.golds[:, 3].mean())


def test_pools_hold_the_same_answers_under_each_judge_and_new_ones_in_each_part():
    stages = {name: toy_stage(name, RewardModel(tiny_gpt(n_embd=16), seed)) for seed, name in
              enumerate(("first", "second"))}  # fmt: skip
    sft = toy_stage("sft", tiny_gpt(n_embd=16, head=0.5))
    asked = sample_questions(load_world(), "E", 4, seed=1)
    found = pools(sft, stages, [asked[:2], asked[2:], asked[:2]], n=3)
    first, second = found.values()
    assert first.questions == second.questions == [*asked, *asked[:2]]
    assert first.inputs == second.inputs and first.scores.shape == first.golds.shape == (6, 3)
    assert first.inputs[:2] != first.inputs[4:]  # other random numbers, though asked the same


def test_the_figure_has_proxy_and_gold_on_axes_of_their_own():
    curves = {"a few": best_of_n_curve(toy_pool()), "more": best_of_n_curve(toy_pool(12))}
    fig, said = search_figure(curves)
    assert [len(ax.lines) for ax in fig.axes] == [2, 2]
    for ax in fig.axes:
        x = ax.lines[0].get_xdata()
        assert x[0] == 0 and x[-1] == pytest.approx(kl_bound(8) ** 0.5)
    for (proxy, gold), name in ((curves[name][8], name) for name in curves):
        assert (
            f"{name}: proxy" in said and signed(gold.value) in said and signed(proxy.value) in said
        )


def test_answers_that_are_chosen_and_wrong_where_the_first_was_right_are_listed():
    pool = toy_pool(30)
    pool = replace(pool, golds=-pool.scores)
    table = chosen(pool, "a judge", 8)
    rows = {row[0]: row for row in table.rows}
    assert table.caption.startswith("a judge: the first answer was right")
    worse = []
    for i, question in enumerate(pool.questions):
        best = int(pool.scores[i].argmax())
        if pool.golds[i, best] < 0 < pool.golds[i, 0]:
            worse.append([question.text, pool.texts[i][0], pool.texts[i][best]])
    assert len(worse) > 4 and [row[:3] for row in rows.values()] == worse[:4]
