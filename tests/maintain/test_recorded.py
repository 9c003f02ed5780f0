"""The recorded curves are the shipped runs'."""

from itertools import islice

import pytest

from minigpt.maintain.recorded import EXAMPLES, NAME, UPDATES, losses
from minigpt.show.results import load_results, means
from minigpt.stages import train
from minigpt.stages.recipe import Recipe
from minigpt.stages.stage import load_stage


def curves(stage):
    return [run["losses"] for run in load_results(NAME)["runs"] if run["stage"] == stage]


def test_a_curve_is_the_mean_of_each_few_updates():
    assert means([1.0, 1.0, 2.0, 2.0, 5.0], 2) == [1, 2, 5]
    assert means([], 2) == []


@pytest.mark.parametrize("stage", UPDATES)
def test_a_curve_is_as_long_as_the_shipped_run(stage):
    settings = load_stage(stage, own=False, quiet=True).meta["settings"]
    assert EXAMPLES[stage] == settings["batch_size" if stage == "sft" else "prompts_per_batch"]
    examples = Recipe().demonstrations if stage == "sft" else Recipe().comparison_prompts
    points = -(-examples // EXAMPLES[stage] // UPDATES[stage])
    first, other = curves(stage)
    assert all(
        0.95 * points <= len(losses) <= points for losses in (first, other)
    )  # all ties: none
    assert first != other and first[0] > first[-1] > 0


@pytest.mark.slow
@pytest.mark.parametrize("stage, name", [("sft", "sft"), ("reward", "train_reward")])
def test_a_recorded_curve_begins_as_the_run_does(stage, name, monkeypatch):
    whole, n = getattr(train, name), UPDATES[stage]
    monkeypatch.setattr(train, name, lambda *given: islice(whole(*given), n))
    begun, (first, _other) = means(losses(stage, 0), n), curves(stage)
    assert begun == [pytest.approx(first[0], abs=0.02)]
