"""The reward model's labels: who gives them, and what is tested on."""

import pytest
import torch

from minigpt.lessons.reward_model import how_many_labels as module
from minigpt.sft import answer_text
from minigpt.stages.stage import load_stage
from minigpt.world.judge import gold, judge


@pytest.fixture(scope="module")
def sft():
    return load_stage("sft", own=False, quiet=True)


@pytest.fixture(scope="module")
def data(sft):
    return module.answered(sft, 12)


def test_a_seed_draws_the_order_of_the_questions_and_the_slips(sft, data):
    first, again, other = (module.label(sft, *data, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert {x.pair for q in first for x in q} == {x.pair for q in other for x in q}
    known = {q.text for q in data[0]}
    assert {x.question for q in first for x in q} <= known


def test_the_test_pairs_are_the_experts(sft):
    test = module.test_pairs(sft, 12)
    questions = module.report_questions(sft.world, 12)

    def utility(i):
        question, encoding = questions[i // module.ANSWERS], sft.encoding
        start = test.sequences[i].index(encoding.encode_single_token("<|assistant|>")) + 1
        text = answer_text(encoding, test.sequences[i][start:-1])
        return gold(question, judge(sft.world, question, text))

    for better, worse in test.certain:
        assert utility(better) - utility(worse) >= 0.5
    agreed = [(utility(b) > utility(w)) + 0.5 * (utility(b) == utility(w)) for b, w in test.noisy]
    assert test.ceiling == pytest.approx(sum(agreed) / len(agreed))
    for pair in test.noisy + test.certain:
        assert pair[0] // module.ANSWERS == pair[1] // module.ANSWERS  # of one question
        assert test.about[pair] == questions[pair[0] // module.ANSWERS]


def test_right_counts_the_pairs_that_the_scores_order(monkeypatch):
    test = module.TestPairs([[1], [2], [3]], [(0, 1), (1, 2)], [(2, 0)], 1.0, {})
    monkeypatch.setattr(module, "score_all", lambda m, s: torch.tensor([2.0, 1.0, 3.0]))
    assert test.right(None, test.noisy) == [True, False]
    assert test.right(None, test.certain) == [True]
