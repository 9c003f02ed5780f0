"""Best of n: the estimator against brute force, the curve, the slider, the static form."""

import pytest

from minigpt.lessons.reward_model import best_of_n as module
from minigpt.lessons.reward_model.best_of_n import (
    BestOfN,
    best_of_n_curve,
    gold_change,
)
from toys import toy_pool


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


def test_the_slider_chooses_among_the_first_n():
    explorer = BestOfN(toy_pool())
    explorer.n.value = 3
    pool = explorer.pool
    rows = explorer.table(3).rows
    for i, row in enumerate(rows):
        assert row[1] == pool.texts[i][int(pool.scores[i, :3].argmax())]
    assert "n = 3" in explorer.status.value and "0.43 nats" in explorer.status.value


def test_other_questions_go_round_and_round():
    explorer = BestOfN(toy_pool(questions=15))
    seen = []
    for _ in range(4):
        seen.append([row[0] for row in explorer.table(1).rows])
        explorer.go_on()
    assert [len(rows) for rows in seen] == [6, 6, 3, 6]
    assert len({text for rows in seen[:3] for text in rows}) == 15


def test_the_figure_has_a_panel_a_curve():
    curves = {"a few": best_of_n_curve(toy_pool()), "more": best_of_n_curve(toy_pool(12))}
    figure = module.curve_figure(curves)
    assert [ax.get_title() for ax in figure.axes] == ["a few", "more"]
