"""The experiment on taste: thirty labels of somebody who likes short answers, and their control."""

import pytest

from minigpt.lessons.ppo import thirty_labels as taste
from minigpt.lessons.ppo.runs import Setup, Sizes
from minigpt.show.results import load_results

TINY = Sizes(rl_prompts=40, questions=30, corpus_tokens=20_000, rounds=1, answers=8, every=1)


@pytest.fixture(scope="module")
def setup():
    return Setup(TINY)


def test_the_labels_are_by_length_alone_and_about_taught_facts(setup):
    labels = taste.short_labels(setup, 12, seed=0)
    assert len(labels) == 12
    for label in labels:
        better, worse = sorted((label.a, label.b), key=len)
        assert label.preferred == better and len(better) < len(worse)
    assert len({label.question for label in labels}) > 6
    assert taste.short_labels(setup, 12, seed=0) == labels
    assert taste.short_labels(setup, 12, seed=1) != labels


def test_turned_round_the_same_pairs_prefer_the_other_answer(setup):
    for label in taste.short_labels(setup, 5, seed=0):
        turned = label.turned()
        assert turned.pair == label.pair and turned.preferred != label.preferred


def test_length_ratio_is_of_the_sft_models_length():
    assert taste.length_ratio({"points": [{"answer_tokens": 12}, {"answer_tokens": 6}]}) == 0.5


def test_the_shipped_results_show_the_taste_and_the_control_does_not():
    """Median of three seeds: at most two thirds of the SFT model's length, and no shorter."""
    runs = load_results("thirty_labels")["runs"]
    ratios = {
        kind: sorted(taste.length_ratio(r) for r in runs if r["labels"] == kind)
        for kind in taste.KINDS
    }
    assert all(len(values) == 3 for values in ratios.values())
    assert ratios["shorter"][1] <= 2 / 3
    assert ratios["turned round"][1] >= 1


@pytest.mark.slow
def test_thirty_labels_of_short_answers_make_short_answers(setup):
    """One seed, anew, from the labels to the answers."""
    full = Setup()
    short, long = (taste.one_run(full, kind, seed=0) for kind in taste.KINDS)
    assert taste.length_ratio(short) <= 2 / 3
    assert taste.length_ratio(long) >= 1
