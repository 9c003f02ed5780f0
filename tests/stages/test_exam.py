"""A reward model's scores, its exam on pairs that nobody labeled, and pools of answers."""

import numpy as np
import pytest
import torch

from minigpt.ppo import PPOConfig
from minigpt.reward import RewardModel, normalise, reward_input
from minigpt.sft import answer_text, chat_answer, chat_prompt
from minigpt.stages import exam as module
from minigpt.stages.exam import RewardExam, report_questions, reward_exam, sample_pool
from minigpt.stages.scoring import judged
from minigpt.stages.stage import load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.judge import gold, judge
from minigpt.world.names import TEST_MAKERS
from minigpt.world.questions import fact_questions, sample_questions
from toys import frozen_gpt, own_stage, toy_pool

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
QUESTIONS = fact_questions(WORLD, "E")


@pytest.fixture(scope="module")
def reward():
    return own_stage("reward", RewardModel(frozen_gpt(2), seed=2).eval().requires_grad_(False))


@pytest.fixture(scope="module")
def sft():
    return load_stage("sft", own=False, quiet=True)


def test_report_questions_are_of_e_and_of_makers_that_no_stage_saw():
    questions = module.report_questions(WORLD, 400)
    assert len(questions) == 400
    for q in questions:
        if q.kind == "fact":
            assert WORLD.facts[q.place.id, q.attribute].split == "E"
    unknown = [q for q in questions if q.kind == "unknown"]
    assert len(unknown) / 400 == pytest.approx(0.3, abs=0.08)
    real = {p.name for p in WORLD.held_out}
    makers = {"real" if q.place.name in real else q.place.id.split("-")[0] for q in unknown}
    assert makers == set(TEST_MAKERS)


@pytest.mark.parametrize("maker", TEST_MAKERS)
def test_unknown_questions_are_about_a_makers_places(maker):
    questions = module.unknown_questions(WORLD, maker, 30)
    assert len(questions) == 30 == len({q.place.name for q in questions})
    assert {(q.kind, q.answer) for q in questions} == {("unknown", None)}
    assert questions == module.unknown_questions(WORLD, maker, 30)


def said(answers):
    """The score of answers that an assistant gave in their shortest encoding."""
    score = judged(WORLD, QUESTIONS[: len(answers)], answers)
    score.ids = [chat_answer(ENCODING, text) for text in answers]
    return score


def test_proxy_reads_the_sampled_ids_and_not_the_text_encoded_anew(reward):
    """ "ab" sampled as two tokens is no more the same to the reward model than to PPO."""
    one, two = (ENCODING.encode_ordinary(text) for text in (" the", " t"))
    ids = [*two, *ENCODING.encode_ordinary("he"), ENCODING.encode_single_token("<|end|>")]
    assert ids[:-1] != one and ENCODING.decode(ids[:-1]) == " the"
    score = said(["the"])
    encoded = module.proxy_scores(reward, score, [True])
    score.ids = [ids]
    prompt = chat_prompt(ENCODING, QUESTIONS[0].text)
    expected = reward.model.score([reward_input(ENCODING, prompt, ids)])
    sampled = module.proxy_scores(reward, score, [True])
    assert sampled[0] == pytest.approx(expected.item(), abs=1e-5) != encoded[0]


def test_proxy_scores_are_the_reward_models_and_a_cut_off_answer_has_its_penalty(reward):
    answers = ["Look it up yourself.", QUESTIONS[1].answer, "", "x"]
    score = said(answers)
    found = module.proxy_scores(reward, score, [True, True, True, False])
    expected = [reward.score(q.text, a) for q, a in zip(QUESTIONS, answers)]
    np.testing.assert_allclose(found[:3], expected[:3], rtol=1e-5, atol=1e-6)  # batched or not
    assert found[3] == -2.0
    assert module.proxy_scores(reward, score, [False] * 4).tolist() == [-2] * 4


def test_inputs_of_the_reward_model_are_the_prompt_the_answer_and_the_token(reward):
    (ids,) = module.inputs_of(reward, QUESTIONS[:1], ["Yes."])
    prompt = chat_prompt(ENCODING, QUESTIONS[0].text)
    assert ids == reward_input(ENCODING, prompt, chat_answer(ENCODING, "Yes."))


@pytest.mark.parametrize("other, verdict, split", [
    ("wrong", "wrong value", "E"), ("refusal", "declined this name", "E"),
    ("refusal", "declined this name", "V"),
])  # fmt: skip
def test_right_over_wrong_or_refusal_compares_sentences(reward, monkeypatch, other, verdict, split):
    read = []
    monkeypatch.setattr(module, "score_all", lambda model, rows: read.append(rows) or scores(rows))

    def scores(rows):  # a reward model without reason
        return torch.tensor([float(sum(row) % 97) for row in rows])

    right, about = module.right_over(reward, other, split)
    kept = [q for q in fact_questions(WORLD, split) if not q.place.tail]
    assert about == kept and len(right) == len(kept) and {type(r) for r in right} == {bool}
    good, bad = read
    assert right == [sum(g) % 97 > sum(b) % 97 for g, b in zip(good, bad)] and 0 < sum(right) < len(
        right
    )
    for q, g, b in list(zip(kept, good, bad))[:60]:
        start = len(chat_prompt(ENCODING, q.text))
        assert g[:start] == b[:start] and g[-2:] == b[-2:] and g != b
        texts = [ENCODING.decode(ids[start:-2]).removeprefix(" ") for ids in (g, b)]
        assert judged(WORLD, [q, q], texts).verdicts == ["correct", verdict], texts


def test_scale_of_the_reward_model_moves_the_proxy(reward):
    """normalise changes what proxy_scores says, and only by a shift and a factor."""
    score = said([q.answer for q in QUESTIONS[:30]])
    raw = module.proxy_scores(reward, score, [True] * 30)
    scaled = own_stage("reward", RewardModel(frozen_gpt(2), seed=2).eval().requires_grad_(False))
    normalise(scaled.model, module.inputs_of(scaled, score.questions, score.answers))
    found = module.proxy_scores(scaled, score, [True] * 30)
    assert found.mean() == pytest.approx(0, abs=1e-5) and found.std(ddof=1) == pytest.approx(1)
    np.testing.assert_allclose(found, (raw - raw.mean()) / raw.std(ddof=1), rtol=1e-3, atol=1e-4)


def test_the_pairs_of_the_exam_are_the_experts(sft):
    test = reward_exam(sft, 12)
    questions = report_questions(sft.world, 12)

    def utility(i):
        question, encoding = questions[i // 4], sft.encoding
        start = test.sequences[i].index(encoding.encode_single_token("<|assistant|>")) + 1
        text = answer_text(encoding, test.sequences[i][start:-1])
        return gold(question, judge(sft.world, question, text))

    for better, worse in test.certain:
        assert utility(better) - utility(worse) >= 0.5
    agreed = [(utility(b) > utility(w)) + 0.5 * (utility(b) == utility(w)) for b, w in test.noisy]
    assert test.agreed == pytest.approx(agreed)
    for pair in test.noisy + test.certain:
        assert pair[0] // 4 == pair[1] // 4  # of one question
        assert test.about[pair] == questions[pair[0] // 4]


def test_right_counts_the_pairs_that_the_scores_order(monkeypatch):
    test = RewardExam([[1], [2], [3]], [(0, 1), (1, 2)], [(2, 0)], [1.0, 0.5], {})
    monkeypatch.setattr(module, "score_all", lambda m, s: torch.tensor([2.0, 1.0, 3.0]))
    assert test.right(None, test.noisy) == [True, False]
    assert test.right(None, test.certain) == [True]


def test_a_pool_of_the_shipped_models(sft):
    reward = load_stage("reward", own=False, quiet=True)
    questions = sample_questions(sft.world, "E", 3, seed=5)
    pool = sample_pool(sft, reward, questions, n=4)
    assert pool.best() == [t[i] for t, i in zip(pool.texts, pool.scores.argmax(axis=1))]
    assert pool.scores.shape == pool.golds.shape == (3, 4)
    for i, question in enumerate(questions):
        for j, text in enumerate(pool.texts[i]):
            assert pool.golds[i, j] == gold(question, judge(sft.world, question, text))
            score = reward.model.score([pool.inputs[i][j]]).item()
            expected = score if pool.ended[i, j] else PPOConfig.cut_off_reward
            assert pool.scores[i, j] == pytest.approx(expected, abs=0.05)


def test_a_reward_model_of_nan_picks_no_answer(reward):
    """NaN would be the best of n: numpy takes it for the largest number."""
    pool, lost = toy_pool(), RewardModel(frozen_gpt(2), seed=2)
    lost.mean.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        pool.scored_by(lost)
    assert np.isfinite(pool.scored_by(reward.model).scores).all()


def test_one_answer_a_question_is_judged_by_both(reward):
    score, proxy = module.sampled_score(frozen_gpt(1), reward, QUESTIONS[:6], seed=3)
    answers = own_stage("sft", frozen_gpt(1)).ask(QUESTIONS[:6], 1.0, seed=3)
    assert score.answers == [a.text for a in answers]
    assert score.verdicts == judged(WORLD, QUESTIONS[:6], score.answers).verdicts
    ended = [a.ended for a in answers]
    np.testing.assert_array_equal(proxy, module.proxy_scores(reward, score, ended))


def test_another_model_scores_the_same_answers_and_each_once(monkeypatch):
    pool = toy_pool(3, 4)
    pool.inputs[0][1] = pool.inputs[0][0]
    pool.ended[2, 3] = False
    read = []

    def score_all(model, rows):
        read.extend(map(tuple, rows))
        return torch.tensor([10.0 * row[0] + row[1] for row in rows])

    monkeypatch.setattr(module, "score_all", score_all)
    other = pool.scored_by(None)
    assert other.scores[0].tolist() == [0, 0, 2, 3] and other.scores[1, 2] == 12
    assert other.scores[2, 3] == PPOConfig.cut_off_reward and len(read) == len(set(read)) == 11
    assert other.golds is pool.golds and pool.scores[1, 2] != 12
