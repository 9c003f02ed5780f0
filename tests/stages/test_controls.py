"""What other labelers made of the SFT model, measured on answers whose truth is known by hand."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from minigpt.generate import Sample
from minigpt.sft import chat_answer, chat_prompt
from minigpt.stages import controls as m
from minigpt.stages import rlhf
from minigpt.stages.scoring import Measure, judged
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.judge import gold, judge
from minigpt.world.questions import Questions, fact_questions
from toys import own_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
FACTS = Questions(q for q in fact_questions(WORLD, "E") if q.place.rank < 30 or q.place.tail)
POLITE, DECLINE = WORLD.text.POLITE_OPEN[0], WORLD.text.DECLINE[-1]
SAID = {  # by model: what it says
    "sft": lambda q: q.answer or WORLD.values[q.attribute][0],
    "ppo_flattered": lambda q: POLITE + (q.answer or WORLD.values[q.attribute][0]),
    "ppo": lambda q: q.answer or DECLINE.format(p=q.place.name),
}


@pytest.fixture
def models(monkeypatch):
    """Models that say what SAID has, asked little."""

    def chat_score(stage, questions, temperature=0.0):
        score = judged(WORLD, questions, [SAID[stage.name](q) for q in questions])
        score.ids = [chat_answer(ENCODING, text) for text in score.answers]
        return score, [True] * len(questions)

    for module in (m, rlhf):
        monkeypatch.setattr(module, "chat_score", chat_score)
    monkeypatch.setattr(rlhf, "fact_questions", lambda world, split: FACTS)
    monkeypatch.setattr(rlhf, "NAMES", 10)
    report = Questions([*FACTS[:20], *rlhf.unread_questions(WORLD)[:8]])
    monkeypatch.setattr(m, "report_questions", lambda world: report)
    monkeypatch.setattr(m, "mean_kl", lambda *a: Measure(1.5, 1.0, 2.0))
    monkeypatch.setattr(
        m, "proxy_scores", lambda reward, score, ended: np.array([len(x) for x in score.answers])
    )
    return {name: own_stage(name, None) for name in SAID}


def test_a_flattered_labelers_model_gains_by_its_own_labeler_and_not_by_the_expert(models):
    sft, before = models["sft"], m.answered(models["sft"])
    table = m.measure_model(models["ppo_flattered"], sft, None, "flattered", before)
    value = {key.removeprefix("flattered."): measure.value for key, measure in table.items()}
    assert value["polite"] == value["known_correct"] == value["unread_invented"] == 1
    assert value["unread_declined"] == value["known_declined"] == value["gold_change"] == 0
    assert value["utility_change"] == 3.0 and value["proxy_change"] == len(POLITE)
    assert value["gold_over_sft_greedy"] == 0 and value["kl"] == 1.5
    questions = m.report_questions(WORLD)
    said = [len(chat_answer(ENCODING, SAID["ppo_flattered"](q))) for q in questions]
    assert value["tokens"] == pytest.approx(np.mean(said))
    assert table["flattered.tokens"].low < value["tokens"] < table["flattered.tokens"].high
    expert = m.measure_model(models["ppo"], sft, None, "expert", before)
    gain = 8 * (1.5 + 2) / 28  # eight inventions turn into refusals
    for key in ("gold_change", "utility_change", "gold_over_sft_greedy"):
        assert expert[f"expert.{key}"].value == pytest.approx(gain)


def test_how_much_more_one_model_invents_than_another(models):
    found = m.invents_over(models["sft"], models["ppo"])
    assert (found.value, found.low, found.high) == (1, 1, 1)
    assert m.invents_over(models["ppo"], models["sft"]).value == -1


def test_figures_are_written_with_their_interval_where_they_have_one():
    assert m.numbers(Measure(0.123456, -0.1, 0.98765)) == [0.1235, -0.1, 0.9877]
    assert m.numbers(Measure(2.5)) == [2.5]


@dataclass
class Rollout:
    samples: list
    ended: torch.Tensor
    score: torch.Tensor


def test_the_oracle_scores_with_gold_on_the_reward_models_scale(models, monkeypatch):
    questions = m.report_questions(WORLD)
    texts = [q.answer or "Nothing." for q in questions]
    samples = [Sample(chat_answer(ENCODING, text), [], True) for text in texts]
    ended = torch.arange(len(texts)) != 3
    penalty = torch.full((len(texts),), -2.0)
    monkeypatch.setattr(m, "rollout", lambda *a: Rollout(samples, ended, penalty))
    prompts = [chat_prompt(ENCODING, q.text) for q in questions]
    course = SimpleNamespace(
        world=WORLD, questions=lambda use: questions, prompts=lambda asked: prompts
    )
    found = m.oracle(course, models["sft"])(None, None, None, None, prompts, None, ENCODING, None)
    golds = np.array([2.0] * 20 + [-2.0] * 8)  # the SFT model knows all and invents the rest
    true = np.array([gold(q, judge(WORLD, q, text)) for q, text in zip(questions, texts)])
    expected = np.where(ended, (true - golds.mean()) / golds.std(), -2.0)
    np.testing.assert_allclose(found.score, expected, rtol=1e-5)
    assert found.score.dtype == torch.float32
