"""Tables and figures of the experiments on PPO: made-up runs whose answers are known."""

import numpy as np
import pytest

from minigpt.lessons.ppo.instruments import Evaluation
from minigpt.lessons.ppo.other_uses import Contender
from minigpt.lessons.ppo.results import (
    at_kl,
    common_kl,
    ends_below_sft,
    labeler_tables,
    over_figure,
    parts_figure,
    parts_tables,
    price_figure,
    price_table,
    rate_figure,
    spread,
)
from minigpt.stages.scoring import Score
from minigpt.world.facts import load_world
from minigpt.world.questions import fact_questions


def point(step, gold=0.5, kl=0.0, tokens=10.0, **more):
    usual = {"proxy": 0.0, "utility": gold, "correct": 0.5, "attempts_right": 0.5, "polite": 0.1,
             "unknown_declined": 0.4, "rude": 0.1}  # fmt: skip
    return {"round": step, "gold": gold, "kl": kl, "answer_tokens": tokens, **usual, **more}


COOL = {"use": "SFT, cool", "gold": 1.4, "kl": 0.6, "attempts_right": 0.9, "polite": 0.0,
        "unknown_declined": 0.6, "answer_tokens": 9.0}  # fmt: skip


def strength():
    ends = {(0.0, 1.0): 0.9, (0.05, 1.0): 1.2, (0.05, 10.0): 0.1}
    return {
        "runs": [
            {"kl_coef": price, "rate": rate, "seed": seed,
             "points": [point(0), point(8, gold + seed / 10, 0.5)]}
            for seed in range(3) for (price, rate), gold in ends.items()
        ]
    }  # fmt: skip


@pytest.mark.parametrize(
    "values, said",
    [([1, 2, 6], "3.00 (1.00 to 6.00)"), ([1, 2], "1.00 / 2.00"), ([1, None, 2], "1.00 / 2.00")],
)
def test_spread_names_mean_lowest_and_highest_or_both_seeds(values, said):
    assert spread(values) == said


def test_parts_keep_gradients_apart():
    results = {"runs": [], "other_uses": [COOL]}
    for seed, gold in enumerate((1.0, 1.1, 1.5)):
        run = {"part": "steps", "arm": "PPO", "seed": seed, "last_clip_share": 0.02}
        results["runs"].append({**run, "points": [point(0), point(20, gold, 0.4)]})
        results["runs"].append({"part": "gradients", "arm": "none", "seed": seed, "cosine": 0.3,
                                "noise": 0.17})  # fmt: skip
    versions, noise = parts_tables(results)
    assert [row[0] for row in versions.rows] == ["PPO"] and [r[0] for r in noise.rows] == ["none"]
    assert versions.rows[0][1] == "1.20 (1.00 to 1.50)" and "3 seeds" in versions.caption
    assert noise.rows[0][1].startswith("0.17") and noise.rows[0][2].startswith("0.30")
    fig, said = parts_figure(results)
    (ax,) = fig.axes
    assert sorted(y for line in ax.lines if line.get_marker() == "o" for y in line.get_ydata()) == [
        1.0, 1.1, 1.5,
    ]  # fmt: skip
    assert "PPO 1.20" in said and "SFT 0.50" in said and "SFT, cool 1.40" in said


def test_prices_are_shown_in_order_at_the_usual_rate_alone():
    table = price_table(strength())
    assert [row[0] for row in table.rows] == ["0", "0.05"]
    assert table.rows[1][3] == "1.30 (1.20 to 1.40)"
    questions = fact_questions(load_world("en"), "E")[:4]
    score = Score(questions, ["x"] * 4, ["correct", "correct", "rude", "rude"])
    cool = Contender("SFT, cool", score, np.zeros(4), 0.25)
    fig, said = price_figure(strength(), [cool, Contender("PPO", score, np.zeros(4), 0.3)])
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.texts] == ["SFT, cool"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "x"] == [0.5]
    assert "0.05: KL 0.50, gold 1.30" in said


def test_runs_below_sft_are_counted_and_have_another_shape():
    fig, said = rate_figure(strength(), 0.05, cool=1.25)
    assert "at temperature 1: 3 of 6 (0 of 3 at rate 1, 3 of 3 at rate 10)" in said
    assert "the cooler SFT model: 4 of 6 (1 of 3 at rate 1, 3 of 3 at rate 10)" in said
    shapes = [line.get_marker() for line in fig.axes[0].lines]
    assert [shapes.count(shape) for shape in "s^o"] == [3, 1, 2]


def test_over_optimisation_tells_the_turn():
    seen = [(0.0, Evaluation(0, 0.0, 0.4, 0.1)), (0.5, Evaluation(4, 0.3, 1.0, 0.1)),
            (4.0, Evaluation(24, 0.5, 0.2, 0.1))]  # fmt: skip
    curve = [{"step": 5, "gold": 0.9, "proxy": 0.3}, {"step": 60, "gold": 0.5, "proxy": 0.6}]
    fig, said = over_figure(seen, curve)
    assert "gold 0.40 before, best 1.00 at KL 0.50, 0.20 at the end (KL 4.00)" in said
    assert "proxy 0.00, 0.30 and 0.50" in said and "gold 0.90 after round 5" in said
    proxy = next(line for line in fig.axes[0].lines if line.get_marker() == "s")
    assert list(proxy.get_xdata()) == pytest.approx([0, 0.5**0.5, 2.0])


def test_measures_at_a_kl_lie_on_the_line_between_two_looks():
    points = [{"kl": 0.0, "gold": 1.0, "rude": None}, {"kl": 2.0, "gold": 2.0, "rude": 0.5}]
    assert at_kl(points, 0.5) == {"kl": 0.5, "gold": 1.25}
    assert at_kl(points, 2.0)["gold"] == 2.0
    assert at_kl(points, 2.1) is None
    assert at_kl([*points, {"kl": 1.0, "gold": 9.0, "rude": 0.0}], 1.5)["gold"] == 1.75  # the first


def test_ending_below_sft_is_told_by_gold_not_by_the_proxy():
    start, end = {"gold": 0.5, "proxy": 0.0}, {"gold": 0.4, "proxy": 0.9}
    assert ends_below_sft({"points": [start, end]})
    assert not ends_below_sft({"points": [start, {"gold": 0.6, "proxy": -1.0}]})


def labeler_runs():
    far = {"expert": (1.5, 2.0), "coin": (0.1, 0.0)}
    return {
        "other_uses": [COOL],
        "runs": [
            {"labeler": name, "seed": seed, "points": [
                point(0, utility=0.0),
                point(8, gold, 1.0 + seed, utility=utility, proxy=1.0, tokens=20.0),
            ]}
            for seed in range(2) for name, (gold, utility) in far.items()
        ]
    }  # fmt: skip


def test_labelers_are_compared_at_the_same_kl():
    results = labeler_runs()
    assert common_kl(results) == 1.0
    near, end = labeler_tables(results, 1.0)
    sft, cool, expert, coin = near.rows
    assert [row[0] for row in near.rows] == ["(SFT model)", "(SFT, cool)", "expert", "coin"]
    assert sft[5] == "10.0" and expert[1] == "1.00 / 1.00"
    assert cool[1] == "0.60" and cool[5] == "9.0" and cool[-1] == "+0.90"
    assert expert[5] == "20.0 / 15.0", "the second seed is half as far at this KL"
    rises = dict(zip(near.header, expert))
    assert rises["proxy: rise"] == "+1.00 / +0.50"
    assert rises["own utility: rise"] == "+2.00 / +1.00" and rises["gold: rise"] == "+1.00 / +0.50"
    assert dict(zip(near.header, coin))["own utility: rise"] == "+0.00 / +0.00"
    assert end.rows[2][1] == "1.00 / 2.00" and end.rows[2][5] == "20.0 / 20.0"
