"""Tables and figures of the experiments on PPO: made-up runs whose answers are known."""

import numpy as np
import pytest

from minigpt.lessons.ppo.other_uses import Contender
from minigpt.lessons.ppo.results import (
    labeler_tables,
    over_figure,
    parts_figure,
    parts_table,
    price_figure,
    price_table,
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
    return {
        "runs": [
            {"kl_coef": price, "seed": seed,
             "points": [point(0), point(8, gold + seed / 10, 0.5)]}
            for seed in range(3) for price, gold in ((0.05, 1.2), (0.0, 0.9))
        ]
    }  # fmt: skip


@pytest.mark.parametrize(
    "values, said",
    [([1, 2, 6], "3.00 (1.00 to 6.00)"), ([1, 2], "1.00 / 2.00"), ([1, None, 2], "1.00 / 2.00")],
)
def test_spread_names_mean_lowest_and_highest_or_both_seeds(values, said):
    assert spread(values) == said


def test_versions_of_ppo_have_a_row_each_and_parts_a_line_between():
    results = {"runs": [], "other_uses": [COOL]}
    for seed, gold in enumerate((1.0, 1.1, 1.5)):
        more = {"seed": seed, "entropy": 0.3, "gain": 1.1}
        for part, arm, share in (("steps", "PPO", 0.02), ("gain", "gain alone", 0.0)):
            run = {"part": part, "arm": arm, "last_clip_share": share, **more}
            results["runs"].append({**run, "points": [point(0), point(20, gold, 0.4)]})
    versions = parts_table(results)
    assert [row[0] for row in versions.rows] == ["PPO", "gain alone"]
    assert versions.rows[0][1] == "1.20 (1.00 to 1.50)" and "3 seeds" in versions.caption
    assert versions.rows[0][-1].startswith("2.0%") and versions.rows[1][-1] == "-"
    assert versions.rows[1][-2] == "1.10 (1.10 to 1.10)"
    fig, said = parts_figure(results)
    (ax,) = fig.axes
    golds = [y for line in ax.lines if line.get_marker() == "o" for y in line.get_ydata()]
    assert sorted(golds) == [1.0, 1.0, 1.1, 1.1, 1.5, 1.5]
    assert [0.5, 0.5] in [list(line.get_xdata()) for line in ax.lines]  # between the two parts
    assert "PPO 1.20" in said and "SFT 0.50" in said and "SFT, cool 1.40" in said


def test_prices_are_shown_in_order():
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


def test_over_optimisation_has_an_axis_for_each_score_and_tells_the_turn():
    curves = {
        "no price": [{"step": 4, "gold": 0.9, "proxy": 0.3}, {"step": 8, "gold": 0.1, "proxy": 2}],
        "price": [{"step": 4, "gold": 0.8, "proxy": 0.2}, {"step": 8, "gold": 1.1, "proxy": 0.5}],
    }
    fig, said = over_figure(curves)
    assert "no price: after round 4 gold 0.90 and proxy 0.30, after round 8 gold 0.10" in said
    assert "price: after round 8 gold 1.10 and proxy 0.50." in said
    for ax, lines in zip(fig.axes, ([[0.9, 0.1], [0.8, 1.1]], [[0.3, 2], [0.2, 0.5]])):
        assert [list(line.get_ydata()) for line in ax.lines] == lines
        assert all(list(line.get_xdata()) == [4, 8] for line in ax.lines)


def test_labelers_stand_in_order_with_their_answers_and_intervals():
    names = ("coin", "expert", "oracle", "sft")  # as a file that is sorted by key has them
    keys = ("polite", "unread_declined", "unread_invented", "known_correct", "tokens", "kl",
            "proxy_change", "utility_change", "gold_change")  # fmt: skip
    measures = {f"{name}.{key}": [i / 4, 0.0, 1.0] for name in names for i, key in enumerate(keys)}
    measures["expert.polite"] = [0.0]  # nothing to draw an interval from
    controls = {"answers": {name: ["Sucre", name] for name in names}, "asked": ["Bolivia?", "Xiq?"],
                "measures": measures}  # fmt: skip
    answers, likes = labeler_tables(controls)
    assert answers.header == ["labeler", "Bolivia?", "Xiq?"]
    assert answers.rows[0] == ["sft", "Sucre", "sft"]
    assert [row[0] for row in likes.rows] == ["sft", "expert", "coin", "oracle"]
    expert = dict(zip(likes.header, likes.rows[1], strict=True))
    assert expert["polite"] == "0%" and expert["declines, unread"] == "25% (0% to 100%)"
    assert (
        expert["KL"] == "1.25 (0.00 to 1.00)" and expert["gold: rise"] == "+2.00 (+0.00 to +1.00)"
    )
