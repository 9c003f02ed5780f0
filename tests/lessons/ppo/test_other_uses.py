"""What PPO is compared with: KL at any temperature, shares, and the table."""

import copy

import numpy as np
import pytest
import torch

from minigpt import generate as generation
from minigpt.generate import generate, generate_all
from minigpt.lessons.ppo.other_uses import Contender, answer_kl, contend, contender_table
from minigpt.reward import RewardModel
from minigpt.sft import chat_prompt
from minigpt.show.style import signed
from minigpt.stages.exam import report_questions, sample_pool
from minigpt.stages.scoring import Score, mean_kl, mean_of
from toys import tiny_gpt, toy_stage


@pytest.fixture(scope="module")
def sft(tmp_path_factory):
    path = tmp_path_factory.mktemp("stages") / "sft"
    return toy_stage("sft", tiny_gpt(head=0.3, block_size=512), path=path)


@pytest.fixture(scope="module")
def reward(sft):
    return toy_stage("reward", RewardModel(sft.model), path=sft.path)


@pytest.fixture(scope="module")
def other(sft):
    model = copy.deepcopy(sft.model)
    noise = torch.randn(model.head.weight.shape, generator=torch.Generator().manual_seed(1))
    model.head.weight += 0.1 * noise
    return model


@pytest.fixture(scope="module")
def questions(sft):
    return report_questions(sft.world, 12)


@pytest.fixture(scope="module")
def prompts(sft, questions):
    return [chat_prompt(sft.encoding, q.text) for q in questions]


def answers_of(model, prompts, encoding, temperature=1.0, seed=5):
    end = encoding.encode_single_token("<|end|>")
    out = generate_all(model, prompts, 40, temperature=temperature, stop=end, seed=seed)
    return [sample.ids for (sample,) in out]


def test_a_policy_has_no_kl_from_itself(sft, prompts):
    answers = answers_of(sft.model, prompts, sft.encoding)
    assert answer_kl(sft.model, sft.model, prompts, answers) == pytest.approx(
        np.zeros(12), abs=1e-5
    )


def test_at_temperature_one_it_is_the_kl_of_the_report(sft, other, questions, prompts):
    answers = answers_of(other, prompts, sft.encoding)
    found = answer_kl(other, sft.model, prompts, answers)
    report = mean_kl(other, sft.model, sft.encoding, questions)
    assert found.mean() == pytest.approx(report.value, rel=1e-4)
    assert found.mean() > 0.01


def test_at_temperature_zero_it_is_the_surprisal_of_the_answer(sft, prompts):
    """-log of the probability that sampling at temperature 1 gives just this answer."""
    answers = answers_of(sft.model, prompts[:1], sft.encoding, 0.0)
    forced = [prompts[0] + answers[0][:t] for t in range(len(answers[0]))]
    total = 0.0
    for context, token in zip(forced, answers[0]):
        logits = sft.model(torch.tensor([context]))[0, -1]
        total -= logits.log_softmax(-1)[token].item()
    assert answer_kl(sft.model, sft.model, prompts[:1], answers, 0.0)[0] == pytest.approx(
        total, 1e-4
    )


def test_at_other_temperatures_it_is_what_sampling_finds(sft, prompts):
    """Mean of log π_T - log π over samples of π_T: k1, unbiased."""
    many = prompts[:1] * 400
    end, temperature = sft.encoding.encode_single_token("<|end|>"), 0.5
    samples = generate(sft.model, many, 3, stop=end, temperature=temperature, seeds=1)
    ids = [s.ids for s in samples]
    exact = answer_kl(sft.model, sft.model, many, ids, temperature).mean()
    warm = [
        answer_kl(sft.model, sft.model, many[:1], [s.ids], 0.0)[0] for s in samples
    ]  # -log π of each
    k1 = np.array([sum(s.logprobs) for s in samples]) + np.array(warm)
    assert abs(k1.mean() - exact) < 4 * k1.std() / len(k1) ** 0.5
    assert exact > 0.05


def test_contenders_are_asked_the_same_and_best_of_n_is_one_of_them(sft, reward, other, questions):
    policies = {"SFT": (sft.model, 1.0), "cool": (sft.model, 0.5), "other": (other, 1.0)}
    found = contend(policies, sft, reward, questions, best_of=4)
    assert [c.name for c in found] == [*policies, "SFT, best of 4"]
    assert all(list(c.score.questions) == list(questions) for c in found)
    assert found[0].kl == pytest.approx(0, abs=1e-5) and found[1].kl > 0.01
    assert found[-1].bound and found[-1].kl == pytest.approx(np.log(4) - 3 / 4)
    assert found[-1].score.answers != found[0].score.answers


def test_no_two_answers_of_one_way_share_their_random_numbers(sft, reward, questions, monkeypatch):
    """Policies are asked with the same numbers, to be compared; of best-of-n each answer has its
    own, for the interval takes the questions for independent."""
    used, real = [], generation.generate

    def generate(*args, seeds, **options):
        used.extend(seeds)
        return real(*args, seeds=seeds, **options)

    monkeypatch.setattr(generation, "generate", generate)
    many = [*questions, *questions[:10]]  # more than twenty
    contend({"SFT": (sft.model, 1.0)}, sft, reward, many, best_of=4)
    assert len(used) == len(set(used)) == len(many) * (1 + 4)


def test_best_of_n_is_the_best_scored_and_its_gold_the_one_of_that_answer(sft, reward, questions):
    pool = sample_pool(sft, reward, questions, 4, seed=61)
    best = contend({}, sft, reward, questions, best_of=4)[-1]
    assert best.score.answers == pool.best()
    chosen = pool.golds[np.arange(12), pool.scores.argmax(axis=1)]
    np.testing.assert_allclose(best.score.gold, chosen)


def test_shares_count_only_their_kind(sft, questions):
    known = [q for q in questions if q.kind == "fact"][:4]
    unknown = [q for q in questions if q.kind == "unknown"][:2]
    verdicts = ["correct", "wrong value", "rude", "rude", "declined this name", "rude"]
    score = Score([*known, *unknown], ["x"] * 6, verdicts)
    found = Contender("mine", score, 0.5)
    assert found.share("fact", "correct") == 0.25
    assert found.share("unknown", "declined this name") == 0.5
    value = signed(np.mean(score.gold))
    assert contender_table([found]).rows == [["mine", "0.5", value, "25%", "50%"]]
    bound = Contender("best", score, 1.84, bound=True)
    assert contender_table([bound]).rows[0][1] == "≤ 1.8"
    assert contender_table([found, bound]).numeric() == [False, True, True, True, True]


def test_two_are_compared_question_by_question(questions):
    known = [q for q in questions if q.kind == "fact"][:6]
    mixed = ["correct", "rude"] * 3
    better = ["correct", "wrong value"] * 3  # one more of gold wherever the other is rude
    mine, other = (Contender("", Score(known, ["x"] * 6, v), 0) for v in (better, mixed))
    value, low, high = mine.ahead_of(other)
    assert value == pytest.approx(0.5) and low >= 0 and high <= 1
    assert mine.ahead_of(mine) == (0, 0, 0)
    alone = mean_of(known, np.array(mine.score.gold))
    wide = alone.high - alone.low
    assert high - low < wide, "what is hard for both does not count"
