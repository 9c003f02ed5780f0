"""The cockpit: gold is covered until somebody says where to stop."""

import pytest

from minigpt.lessons.ppo.cockpit import Cockpit, recorded_runs

RUNS = {
    "no price": [{"step": n, "gold": g, "proxy": n / 4}
                 for n, g in ((4, 0.25), (8, 0.75), (12, -0.5))],
    "price": [{"step": n, "gold": n / 10, "proxy": n / 8} for n in (4, 8)],
}  # fmt: skip


@pytest.fixture
def cockpit():
    return Cockpit(RUNS)


def test_gold_is_covered_until_it_is_stopped(cockpit):
    assert (cockpit.round.min, cockpit.round.max, cockpit.round.step) == (4, 12, 4)
    cockpit.round.value = 12
    told = cockpit.status.value + cockpit.shown.value
    assert "Round 12: the reward model&#x27;s score is +3.00. Gold is covered." in told
    assert "0.75" not in told and "gold +" not in told and "gold \u2212" not in told
    cockpit.stop.click()
    assert cockpit.stop.disabled
    for said in ("stopped after round 12: gold \u22120.50", "best was round 8: +0.75",
                 "After the last, 12: \u22120.50"):  # fmt: skip
        assert said in cockpit.status.value


def test_where_it_was_stopped_cannot_be_taken_back_and_each_run_has_its_own(cockpit):
    cockpit.round.value = 8
    cockpit.stop.click()
    cockpit.round.value = 4
    assert "stopped after round 8" in cockpit.status.value
    cockpit.run.value = "price"
    assert "covered" in cockpit.status.value and not cockpit.stop.disabled
    assert cockpit.round.max == 8
    cockpit.run.value = "no price"
    assert "stopped after round 8" in cockpit.status.value and cockpit.stop.disabled


def test_the_score_is_drawn_up_to_the_slider_alone(cockpit):
    cockpit.round.value = 8
    assert "after round 8 score +2.00." in cockpit.shown.value
    assert "round 12" not in cockpit.shown.value
    assert 'alt="no price: after' in cockpit.shown.value
    assert cockpit.shown.value.startswith("<img")


def test_without_a_learner_the_turns_stay_in_the_file(cockpit):
    (table,) = cockpit.static()
    assert table.rows[:2] == [["no price", 8, "+2.00", "+0.75"],
                              ["no price", 12, "+3.00", "\u22120.50"]]  # fmt: skip


def test_the_shipped_runs_are_told_apart_by_judge_and_price():
    runs = recorded_runs()
    assert len(runs) == 3 and all(name.startswith("price ") for name in runs)
    assert sum("ordinary judge" in name for name in runs) == 2
    for curve in runs.values():
        assert all({"step", "gold", "proxy"} <= set(point) for point in curve)
