"""The players' measures, by hand."""

import math

import numpy as np
import pytest

from minigpt.generate import next_token_distribution
from minigpt.lessons.arena import players
from minigpt.lessons.arena.players import (
    document_bits,
    first_entropies,
    pick_one,
    places_named,
    ratings_figure,
    repeats_itself,
)
from minigpt.pretrain import evaluate_loss
from minigpt.stages.stage import Stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world
from minigpt.world.questions import fact_questions
from toys import tiny_gpt, toy_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")


def stage(name: str, tmp_path, sharp: float = 1.0) -> Stage:
    return toy_stage(name, tiny_gpt(head=sharp, n_embd=16), path=tmp_path / name)


@pytest.fixture(scope="module")
def questions():
    return fact_questions(WORLD, "E")[:4]


@pytest.mark.parametrize("name", ["base", "sft"])
def test_entropy_is_that_of_the_distribution_before_the_answer(questions, tmp_path, name):
    asked = stage(name, tmp_path, 0.5)
    found = first_entropies(asked, questions)
    for q, nats in zip(questions, found, strict=True):
        p = next_token_distribution(asked.model, asked.prompt(q)[0])
        assert nats == pytest.approx(-(p * p.clamp_min(1e-30).log()).sum().item(), rel=1e-4)


def test_entropy_of_a_model_that_knows_nothing_is_ln_v_and_of_a_sure_one_small(questions, tmp_path):
    flat, sure = stage("ppo", tmp_path, 0.0), stage("ppo", tmp_path, 50.0)
    assert first_entropies(flat, questions) == pytest.approx([math.log(1024)] * len(questions))
    assert np.mean(first_entropies(sure, questions)) < 1


def test_places_are_counted_once_each_and_by_their_whole_names(tmp_path, monkeypatch):
    said = [" Rome.", " Rome again", " Niger", " Nigeria, he said", " nowhere", ""]
    monkeypatch.setattr(players, "document_completions", lambda *a, **k: said)
    assert places_named(stage("base", tmp_path), "Mara had never seen", 6, document=True) == 3
    sft = stage("sft", tmp_path)
    monkeypatch.setattr(sft, "sample", lambda *a, **k: ["Why do you ask?", "Peru.", "Peru"])
    assert places_named(sft, "Name a place.", 3) == 1


@pytest.mark.parametrize(
    "text, found",
    [
        ("", False),
        ("one two three", False),
        ("a b c a b c", True),
        ("a a a a", True),
        ("Sorry, I can. Sorry, I can.", True),
        ("The city of Rome is in Italy. The city is old.", False),
    ],
)
def test_repeats_itself(text, found):
    assert repeats_itself(text) is found


def test_bits_per_byte_of_documents(tmp_path):
    corpus = build_corpus(WORLD, ENCODING, 2000, seed=5)
    base = stage("base", tmp_path)
    n_bytes = sum(len(text.encode("utf-8")) for text in corpus.documents)
    loss = evaluate_loss(base.model, corpus.tokens)
    found = loss * len(corpus.tokens) / n_bytes / math.log(2)
    assert document_bits(base, corpus) == pytest.approx(found)


def test_ratings_figure_says_who_is_first_and_last_and_draws_each_once():
    order = ["base", "sft, greedy", "ppo"]
    found = {
        "expert": {"ppo": (1100.0, 1050.0, 1151.0), "base": (900.0, 850.0, 949.0)},
        "you": {"base": (1000.0, 900.0, 1100.0), "sft, greedy": (990.0, 890.0, 1090.0),
                "one that plays no more": (980.0, 970.0, 990.0)},
    }  # fmt: skip
    fig, sentence = ratings_figure(found, order)
    assert "expert: first PPO model 1100 (1050 to 1151), last Base model 900 (850 to 949);" in (
        sentence
    )
    assert "you: first Base model 1000 (900 to 1100), last one that plays no more" in sentence
    dots = [[(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines
             if line.get_marker() == "o"] for ax in fig.axes]  # fmt: skip
    assert sorted(dots[0]) == [(900.0, 0), (1100.0, 2)]
    assert sorted(dots[1]) == [(990.0, 1), (1000.0, 0)]
    names = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    assert names == ["Base model", "SFT model, greedy", "PPO model"]
    assert not any(label.get_text() for label in fig.axes[1].get_yticklabels())


def test_picking_one_of_n_by_luck_by_score_and_by_truth():
    right = np.array([[True, False, False], [False, True, False], [False, False, False]])
    scores = np.array([[0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [1.0, 0.0, 2.0]])
    for n, model, perfect in [
        (1, [True, False, False], [True, False, False]),
        (2, [False, True, False], [True, True, False]),
        (3, [False, False, False], [True, True, False]),
    ]:
        found = pick_one(right, scores, n)
        assert found["the reward model"] == model and found["a perfect judge"] == perfect
        assert found["a coin"] == [sum(row[:n]) / n for row in right.tolist()]
