"""Best of n: the estimator against brute force, the curve, the slider, the static form."""

from itertools import combinations

import IPython.display
import numpy as np
import pytest
import torch

from minigpt.lessons.reward_model import best_of_n as module
from minigpt.lessons.reward_model.best_of_n import (
    CUT_OFF,
    Explorer,
    best_of_n_curve,
    best_of_n_explorer,
    kl_bound,
)
from minigpt.reward import expected_best
from minigpt.show.table import Table
from minigpt.stages.exam import Pool, sample_pool
from minigpt.stages.stage import load_stage
from minigpt.world.judge import gold, judge
from minigpt.world.questions import Question, sample_questions


def make_pool(questions=9, n=8, seed=0):
    rng = np.random.default_rng(seed)
    asked = [Question(f"<q{i}>?", "fact" if i % 3 else "unknown") for i in range(questions)]
    scores = rng.normal(size=(questions, n))
    texts = [[f"<b>{i} {j}" for j in range(n)] for i in range(questions)]
    inputs = [[[i, j] for j in range(n)] for i in range(questions)]
    ended = np.ones(scores.shape, dtype=bool)
    return Pool(asked, texts, inputs, ended, scores, scores - 0.3 * scores**2)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_expected_best_is_the_mean_over_all_draws(n):
    rng = np.random.default_rng(1)
    scores, values = rng.normal(size=(2, 3, 6))
    brute = [
        np.mean([v[max(draw, key=lambda i: s[i])] for draw in combinations(range(6), n)])
        for s, v in zip(scores, values)
    ]
    assert np.allclose(expected_best(scores, values, n), brute)


@pytest.mark.parametrize("n", [0, 7, -1])
def test_an_n_that_was_not_sampled_is_refused(n):
    with pytest.raises(ValueError, match="choose from 1 to the 6"):
        expected_best(np.zeros((2, 6)), np.zeros((2, 6)), n)


def test_the_kl_bound():
    assert kl_bound(1) == 0
    assert kl_bound(4) == pytest.approx(np.log(4) - 0.75)


def test_the_curve_begins_at_the_mean_and_its_proxy_rises():
    pool = make_pool()
    curve = best_of_n_curve(pool)
    assert curve.ns == [1, 2, 4, 8]
    assert curve.proxy[0] == pytest.approx(pool.scores.mean())
    assert curve.gold[0] == pytest.approx(pool.golds.mean())
    assert curve.proxy == sorted(curve.proxy)
    assert curve.proxy[-1] == pytest.approx(pool.scores.max(axis=1).mean())
    assert all(low <= g <= high for low, g, high in zip(curve.low, curve.gold, curve.high))
    assert curve.gold[curve.ns.index(curve.peak)] == max(curve.gold)


def test_the_slider_chooses_among_the_first_n():
    explorer = Explorer(make_pool())
    explorer.n.value = 3
    pool = explorer.pools["fact"]
    rows = explorer.table().rows
    for i, row in enumerate(rows):
        assert row[1] == pool.texts[i][int(pool.scores[i, :3].argmax())]
    assert "n = 3" in explorer.status.value and "0.43 nats" in explorer.status.value
    assert "&lt;b&gt;" in explorer.shown.value and "<b>1" not in explorer.shown.value


def test_strata_and_other_questions():
    explorer = Explorer(make_pool(questions=30))
    first = explorer.table().rows
    explorer.go_on()
    assert explorer.table().rows != first
    explorer.kind.value = "unknown"
    assert "unknown places" in explorer.status.value
    assert {q.kind for q in explorer.pools["unknown"].questions} == {"unknown"}
    for _ in range(20):  # round and round
        explorer.go_on()
        assert explorer.table().rows


def test_changing_the_kind_far_down_the_list_still_shows_questions():
    explorer = Explorer(make_pool(questions=30))
    for _ in range(3):
        explorer.go_on()
    explorer.kind.value = "unknown"
    assert explorer.table().rows


def test_a_pool_of_one_kind():
    pool = make_pool().of_kind("fact")
    assert list(Explorer(pool).curves) == ["fact"]


def test_an_error_is_a_sentence(monkeypatch):
    explorer = Explorer(make_pool())
    monkeypatch.setattr(explorer, "table", lambda: 1 / 0)
    explorer.n.value = 2
    assert "This did not work" in explorer.status.value


def test_the_figure_has_a_panel_a_curve():
    curves = {"a few": best_of_n_curve(make_pool()), "more": best_of_n_curve(make_pool(12))}
    figure = module.curve_figure(curves)
    assert [ax.get_title() for ax in figure.axes] == ["a few", "more"]


def test_a_pool_of_the_shipped_models():
    sft, reward = (load_stage(name, own=False, quiet=True) for name in ("sft", "reward"))
    questions = sample_questions(sft.world, "E", 3, seed=5)
    pool = sample_pool(sft, reward, questions, n=4)
    assert pool.scores.shape == pool.golds.shape == (3, 4)
    for i, question in enumerate(questions):
        for j, text in enumerate(pool.texts[i]):
            assert pool.golds[i, j] == gold(question, judge(sft.world, question, text))
            if pool.scores[i, j] != CUT_OFF:
                score = reward.score(question.text, text)
                assert pool.scores[i, j] == pytest.approx(score, abs=0.05)


def test_another_model_scores_the_same_answers_and_each_once(monkeypatch):
    pool = make_pool(3, 4)
    pool.inputs[0][1] = pool.inputs[0][0]
    pool.ended[2, 3] = False
    read = []

    def score_all(model, rows):
        read.extend(map(tuple, rows))
        return torch.tensor([10.0 * row[0] + row[1] for row in rows])

    monkeypatch.setattr(module, "score_all", score_all)
    other = pool.scored_by(None)
    assert other.scores[0].tolist() == [0, 0, 2, 3] and other.scores[1, 2] == 12
    assert other.scores[2, 3] == CUT_OFF and len(read) == len(set(read)) == 11
    assert other.golds is pool.golds and pool.scores[1, 2] != 12


def test_the_explorer_shows_two_tables_then_the_widget(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *things: shown.extend(things))
    best_of_n_explorer(make_pool())
    assert [type(x) for x in shown[:2]] == [Table, Table] and len(shown) == 3
