"""Best of n: the estimator against brute force, the curve, the slider, the static form."""

import pytest

from minigpt.lessons.reward_model import best_of_n as module
from minigpt.lessons.reward_model.best_of_n import (
    BestOfN,
    best_of_n_curve,
)
from toys import toy_pool


def test_the_curve_begins_at_the_mean_and_its_proxy_rises():
    pool = toy_pool()
    curve = best_of_n_curve(pool)
    assert curve.ns == [1, 2, 4, 8]
    assert curve.proxy[0] == pytest.approx(pool.scores.mean())
    assert curve.gold[0] == pytest.approx(pool.golds.mean())
    assert curve.proxy == sorted(curve.proxy)
    assert curve.proxy[-1] == pytest.approx(pool.scores.max(axis=1).mean())
    assert all(low <= g <= high for low, g, high in zip(curve.low, curve.gold, curve.high))
    assert curve.gold[curve.ns.index(curve.peak)] == max(curve.gold)


def test_the_slider_chooses_among_the_first_n():
    explorer = BestOfN(toy_pool())
    explorer.n.value = 3
    pool = explorer.pools["fact"]
    rows = explorer.table(3).rows
    for i, row in enumerate(rows):
        assert row[1] == pool.texts[i][int(pool.scores[i, :3].argmax())]
    assert "n = 3" in explorer.status.value and "0.43 nats" in explorer.status.value


def test_strata_and_other_questions():
    explorer = BestOfN(toy_pool(questions=30))
    first = explorer.table(1).rows
    explorer.go_on()
    assert explorer.table(1).rows != first
    explorer.kind.value = "unknown"
    assert "unknown places" in explorer.status.value
    assert {q.kind for q in explorer.pools["unknown"].questions} == {"unknown"}
    for _ in range(20):  # round and round
        explorer.go_on()
        assert explorer.table(1).rows


def test_changing_the_kind_far_down_the_list_still_shows_questions():
    explorer = BestOfN(toy_pool(questions=30))
    for _ in range(3):
        explorer.go_on()
    explorer.kind.value = "unknown"
    assert explorer.table(1).rows


def test_a_pool_of_one_kind():
    pool = toy_pool().of_kind("fact")
    assert list(BestOfN(pool).pools) == ["fact"]


def test_the_figure_has_a_panel_a_curve():
    curves = {"a few": best_of_n_curve(toy_pool()), "more": best_of_n_curve(toy_pool(12))}
    figure = module.curve_figure(curves)
    assert [ax.get_title() for ax in figure.axes] == ["a few", "more"]
