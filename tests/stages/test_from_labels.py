"""Scripted labels, and the taste that a reward model takes from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from labeling import longer
from minigpt.generate import Sample
from minigpt.reward import RewardModel, reward_input, sample_answers, score_all
from minigpt.sft import answer_text, chat_answer, chat_prompt
from minigpt.stages import from_labels as module
from minigpt.stages.from_labels import (
    few_labels_config,
    grouped,
    reward_from_labels,
    simulated_labels,
    simulated_pairs,
    with_refusals,
)
from minigpt.stages.labels import Label
from minigpt.stages.stage import load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.judge import judge
from minigpt.world.labelers import LABELERS, chooser, shorter
from minigpt.world.questions import sample_questions
from toys import turned

ENCODING = load_tokenizer()
QUESTION = "What is the population of Beijing?"


def label(a="21.84 million.", b="It is 16.", choice="a", question=QUESTION):
    return Label(question, chat_answer(ENCODING, a), chat_answer(ENCODING, b), choice)


@pytest.fixture(scope="module")
def sft():
    return load_stage("sft", own=False, quiet=True)


def asked(sft, split, n, seed, each=2):
    questions = sample_questions(sft.world, split, n, seed=seed)
    prompts = [chat_prompt(sft.encoding, q.text) for q in questions]
    return questions, sample_answers(sft.model, sft.encoding, prompts, each, seed=seed)


def test_simulated_labels_are_of_all_pairs_that_differ(sft):
    questions, samples = asked(sft, "A", 6, 3, each=4)
    found = simulated_labels(ENCODING, questions, samples, shorter(ENCODING))
    assert {x.question for x in found} <= {q.text for q in questions}
    assert all(len(x.preferred) == min(len(x.a), len(x.b)) for x in found if x.preferred)
    texts = [{ENCODING.decode(s.ids) for s in row if s.ended} for row in samples]
    assert len({x.pair for x in found}) == sum(len(t) * (len(t) - 1) // 2 for t in texts)


def test_who_asks_about_a_place_is_also_refused_in_writing(sft):
    """By the name as it is spelled, whatever was asked in what spelling; and not in small talk."""
    questions = sample_questions(sft.world, ("A", "B"), 60, seed=4, chat=0.2, lower=0.5)
    given = [[Sample([i], [-0.5], True)] * 2 for i in range(60)]
    found = with_refusals(sft.world, ENCODING, questions, given)
    assert {q.kind for q in questions} >= {"fact", "unknown", "chat"}
    for question, before, row in zip(questions, given, found):
        assert row[:2] == before and len(row) == (3 if question.place else 2)
        if question.place:
            text = answer_text(ENCODING, row[2].ids)
            assert judge(sft.world, question, text) == "declined this name"
            assert question.place.name in text and row[2].ended
            assert row[2].ids == chat_answer(ENCODING, text)  # as an answer that ended
    assert given == [[Sample([i], [-0.5], True)] * 2 for i in range(60)]  # as they were


def test_the_expert_prefers_a_written_refusal_to_an_invention_and_not_to_the_truth(sft):
    questions = [q for q in sample_questions(sft.world, "B", 80, seed=6) if q.place]
    texts = [q.answer or sft.world.values[q.attribute][0] for q in questions]
    given = [[Sample(chat_answer(ENCODING, t), [], True)] for t in texts]
    rows = with_refusals(sft.world, ENCODING, questions, given)
    choose = chooser(sft.world, replace(LABELERS["expert"], noise=0.0), 0)
    pairs, _ = simulated_pairs(ENCODING, questions, rows, choose)
    kinds = {(q.kind, *pair) for q, found in zip(questions, pairs) for pair in found}
    assert kinds == {("fact", 0, 1), ("unknown", 1, 0)}


def test_each_ranking_is_a_group():
    ranking = [label("x", "y"), label("y", "z"), label("x", "z", "b"), label("x", "w", "tie")]
    other = label(question="What is the capital of Peru?")
    sequences, pairs = grouped([*ranking, other, label("y", "x")], ENCODING)
    assert pairs == [[(0, 1), (1, 2), (2, 0)], [(0, 1)], [(0, 1)]]
    assert [len(answers) for answers in sequences] == [3, 2, 2]
    prompt = chat_prompt(ENCODING, QUESTION)
    assert sequences[2][0] == reward_input(ENCODING, prompt, chat_answer(ENCODING, "y"))


def test_labels_of_ties_alone_train_nothing(sft):
    with pytest.raises(ValueError, match="all are ties"):
        reward_from_labels([label(choice="tie")], sft)


@pytest.fixture(scope="module")
def new_pairs(sft):
    """Pairs about facts that nobody labeled, ordered by their length."""
    questions, samples = asked(sft, "E", 120, 901)
    found = simulated_labels(ENCODING, questions, samples, shorter(ENCODING))
    return [x for x in found if x.preferred]


def order_accuracy(model, labels):
    """Share of the labels that the model orders alike."""
    rows = [
        reward_input(ENCODING, chat_prompt(ENCODING, x.question), list(ids))
        for x in labels
        for ids in (x.preferred, turned(x).preferred)
    ]
    better, worse = score_all(model, rows).view(-1, 2).T
    return (better > worse).float().mean().item()


@pytest.mark.slow
def test_thirty_labels_carry_a_taste(sft, new_pairs):
    """The median of three seeds: thirty pairs may happen to agree with another taste, too."""
    found = []
    for seed in range(3):
        questions, samples = asked(sft, "A", 60, 100 + seed)
        labels = simulated_labels(ENCODING, questions, samples, shorter(ENCODING))
        labels = [x for x in labels if x.preferred][:30]
        assert len(labels) == 30 and len(new_pairs) > 80
        model = reward_from_labels(labels, sft, seed)
        found.append(order_accuracy(model, new_pairs))
        scores = score_all(model, module.reference_answers(sft))
        assert abs(scores.mean().item()) < 1e-4 and abs(scores.std().item() - 1) < 1e-4
    assert np.median(found) >= 0.75 and min(found) >= 0.65, found


def test_the_opposite_labels_carry_the_opposite_taste(sft, new_pairs):
    questions, samples = asked(sft, "A", 60, 100)
    labels = simulated_labels(ENCODING, questions, samples, longer(ENCODING))
    model = reward_from_labels([x for x in labels if x.preferred][:30], sft, 0)
    assert order_accuracy(model, new_pairs) <= 0.3


def test_even_attention_is_an_even_mean_and_stays_one(sft):
    steps: list = []
    model = reward_from_labels([label()] * 4, sft, watch=lambda run: steps.extend(run) or steps)
    assert steps[-1].step == steps[-1].steps == len(steps)
    for block in model.layers.blocks:
        queries, keys, values = block.qkv.weight.chunk(3)
        assert queries.abs().max() == keys.abs().max() == 0 < values.abs().max()
    x = torch.randn(1, 7, 128, generator=torch.manual_seed(0))
    block = model.layers.blocks[0]
    seen = block.attention(x, model.layers.rotation[:7, None], None)
    values = x @ block.qkv.weight.chunk(3)[2].T
    even = values.cumsum(1) / torch.arange(1, 8)[:, None] @ block.attn_out.weight.T
    assert torch.allclose(seen, even, atol=1e-5)


def test_an_ordinary_judge_learns_nothing_of_the_surprisal(sft):
    begun = RewardModel(sft.model).layers.direction
    seeing, ordinary = (reward_from_labels([label()] * 4, sft, 0, sees) for sees in (True, False))
    assert seeing.sees_surprisal and not torch.equal(seeing.layers.direction, begun)
    assert not ordinary.sees_surprisal and torch.equal(ordinary.layers.direction, begun)


def test_settings_for_few_and_many_questions():
    for questions in (1, 30, 200, 799, 5000):
        config, passes = few_labels_config(questions)
        assert passes >= 1
        updates = -(-questions * passes // config.prompts_per_batch)
        assert updates <= 2 * module.UPDATES
        assert questions < 8 or updates >= 20


def test_labels_and_pairs_are_the_same_choices(sft):
    """A label holds what its answers' places in `simulated_pairs` say."""
    questions, samples = asked(sft, "A", 6, 3, each=4)
    labels = simulated_labels(ENCODING, questions, samples, chooser(sft.world, "hurried", 1))
    pairs, ties = simulated_pairs(ENCODING, questions, samples, chooser(sft.world, "hurried", 1))
    better = [tuple(row[i].ids) for row, found in zip(samples, pairs) for i, _ in found]
    assert better == [x.preferred for x in labels if x.preferred]
    assert ties == sum(x.preferred is None for x in labels) and ties + len(better) == len(labels)
