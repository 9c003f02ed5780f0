"""What the shipped checkpoints do, measured on split E: each figure of the course within a band.

The bands are what the lessons rely on. Where a lesson would like more than the model does, the
band is around what it does, and the notebook that shows it says so.
"""

import pytest

from minigpt.engine.device import set_threads
from minigpt.stages.report import report_on
from minigpt.stages.stage import SHIPPED

BANDS = {
    "base.bare_continues_with_questions": (0.90, 1),
    "base.bare_answered": (0, 0.02),
    "base.qa_accuracy_head": (0.85, 1),
    "base.qa_population_head": (0.80, 1),
    "base.beijing_fewshot_correct": (1, 1),
    "sft.ends": (0.98, 1),
    "sft.accuracy_gap_to_base": (-1, 0.05),
    "sft.accuracy_unseen_phrasing_gap_to_base": (-1, 0.10),
    "sft.perplexity_ratio": (1, 1.15),
    "sft.small_talk": (0.9, 1),
    "sft.beijing_correct": (1, 1),
    "reward.ceiling": (0.85, 0.95),
    "reward.gold_preference_accuracy": (0.90, 1),
    "reward.right_over_wrong": (0.80, 1),
    "ppo.gold_gap_closed": (0.60, 1),
    "ppo.greedy_accuracy_change": (-0.02, 1),
    "ppo.attempt_accuracy_change": (0, 1),
    "ppo.rude": (0, 0.01),
    "ppo.beijing_correct": (1, 1),
    "ppo.unknown_declined": (0.65, 1),
    "ppo.unknown_real_declined": (0.60, 1),
    "ppo.known_declined": (0, 0.10),
    "overoptimised.gold_gain_upper": (-4, 0),
    "overoptimised.share_of_gain_lost": (0.15, 10),
    "best_of_n.gold_peak_n": (2, 32),
    "best_of_n.fall_from_peak": (0.02, 2),
}


@pytest.fixture(scope="module")
def table():
    set_threads(2)
    return report_on(SHIPPED / "en")


@pytest.mark.slow
@pytest.mark.parametrize("key", BANDS)
def test_figure_is_in_its_band(table, key):
    low, high = BANDS[key]
    assert low <= table[key].value <= high


@pytest.mark.slow
def test_figures_that_belong_together(table):
    value = {key: measure.value for key, measure in table.items()}
    assert value["base.qa_accuracy_often"] - value["base.qa_accuracy_tail"] >= 0.30
    gain = value["base.unseen_format_three_shot"] - value["base.unseen_format_zero_shot"]
    assert gain >= 0.10, "examples in the prompt should help where the format is new"
    assert value["reward.ceiling"] - value["reward.pair_accuracy"] <= 0.05
    assert table["overoptimised.proxy_gain"].low > 0
    proxies = [value[f"best_of_n.proxy_{2**i}"] for i in range(7)]
    assert proxies == sorted(proxies), "the best of more answers never scores lower"


@pytest.mark.slow
def test_all_keys_that_programs_read_are_there(table):
    stages = ("base", "sft", "reward", "ppo")
    recorded = {f"train.{s}.{k}" for s in stages for k in ("seconds", "tokens", "flops")}
    assert {"train.seconds", "overoptimised.proxy_gain", "overoptimised.gold_gain"} <= set(table)
    assert recorded | {f"train.{s}.cpu_over_wall" for s in stages} <= set(table)
