"""The recorded curve is the shipped run's, and the picture of it says what it shows."""

from itertools import islice

import pytest

from minigpt.lessons.sft.recorded_sft import NAME, UPDATES, beside_shipped, curve, shipped_run
from minigpt.pretrain import Step
from minigpt.show.results import load_results
from minigpt.stages.stage import load_stage


@pytest.fixture(scope="module")
def runs():
    return load_results(NAME)["runs"]


def test_a_curve_is_the_mean_of_each_few_updates():
    assert curve([1.0] * UPDATES + [2.0] * UPDATES + [5.0]) == [1, 2, 5]
    assert curve([]) == []


def test_the_curve_is_as_long_as_the_shipped_run(runs):
    meta = load_stage("sft", own=False, quiet=True).meta
    updates = -(-meta["examples"] // meta["settings"]["batch_size"])
    assert [len(run["losses"]) for run in runs] == [-(-updates // UPDATES)] * 2
    first, other = (run["losses"] for run in runs)
    assert first[0] > 2 > first[-1] > 0 and first != other


@pytest.mark.slow
def test_the_recorded_curve_begins_as_the_run_does(runs):
    begun = curve([step.loss for step in islice(shipped_run(0), UPDATES)])
    assert begun[0] == pytest.approx(runs[0]["losses"][0], abs=0.02)


def test_a_run_is_drawn_beside_the_shipped_one(runs):
    steps = [Step(i + 1, 40, 1.25, 0) for i in range(40)]
    fig, said = beside_shipped(steps)
    assert f"yours 1.25 nats, the shipped run {runs[0]['losses'][4]:.2f}" in said
    assert "After 1,280:" in said and f"ended at {runs[0]['losses'][-1]:.2f}" in said
    lengths = [len(line.get_xdata()) for line in fig.axes[0].lines]
    assert lengths == [len(runs[1]["losses"]), len(runs[0]["losses"]), 5]
