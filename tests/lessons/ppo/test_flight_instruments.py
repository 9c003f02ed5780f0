"""The flight instruments without a kernel: their static form, the slider, and bad input."""

import copy
from dataclasses import replace

import pytest

from minigpt.lessons.ppo.flight_instruments import (
    ANSWERS,
    FlightInstruments,
    flight_instruments,
)
from minigpt.lessons.ppo.instruments import LIGHTS, NAMES, Evaluation, readings
from minigpt.ppo import PPOConfig, ppo
from minigpt.reward import RewardModel, reward_input
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.style import escape
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world
from minigpt.world.questions import sample_questions
from toys import tiny_gpt, toy_stage

ROUNDS, PROMPTS = 3, 8


@pytest.fixture(scope="module")
def questions():
    return sample_questions(load_world("en"), "A", 20, seed=1)


@pytest.fixture(scope="module")
def reward(tmp_path_factory):
    path = tmp_path_factory.mktemp("stages") / "reward"
    return toy_stage("reward", RewardModel(tiny_gpt(head=0.3, block_size=96)), path=path)


@pytest.fixture(scope="module")
def steps(questions, reward):
    """A short run of a small policy that knows nothing."""
    encoding, policy = reward.encoding, copy.deepcopy(reward.model.gpt).requires_grad_(True)
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    tokens = build_corpus(reward.world, encoding, 2000, seed=7).tokens
    config = PPOConfig(ROUNDS, PROMPTS, max_new_tokens=6, minibatch=4, block_size=64)
    return list(ppo(policy, reward.model, prompts, tokens, encoding, config))


@pytest.fixture
def instruments(steps, questions, reward):
    evaluations = [Evaluation(0, 0.1, 0.5, 0.1), Evaluation(3, 0.4, 0.9, 0.1)]
    return FlightInstruments(steps, questions, reward, evaluations)


def test_the_slider_goes_through_the_rounds_and_begins_at_the_last(instruments, steps):
    assert (instruments.round.min, instruments.round.max) == (1, ROUNDS)
    for n in (3, 1, 2):
        instruments.round.value = n
        shown = instruments.shown.value.replace("\u00a0", " ")
        for now in readings(steps[:n], [e for e in instruments.evaluations if e.step <= n]):
            told = (now.label, now.text, now.sentence, f"{now.light}: {now.word}")
            assert all(escape(text) in shown for text in told)
        assert f"Round {n}" in instruments.answers.value


def test_a_light_is_a_shape_and_a_word_as_well_as_a_colour(instruments, steps, questions, reward):
    bad = [*steps[:-1], replace(steps[-1], first_ratio=0.5, ended=0.8)]
    shown = FlightInstruments(bad, questions, reward).shown.value
    for light, word in (("red", "not one"), ("amber", "some do not"), ("green", "near")):
        symbol, colour = LIGHTS[light]
        assert f"{light}: {word}" in shown and symbol in shown and colour in shown
    assert len({symbol for symbol, *_ in LIGHTS.values()}) == len(LIGHTS)


def test_the_answers_are_the_rounds_own_with_the_reward_models_score(instruments, steps, reward):
    instruments.round.value = 2
    step = steps[1]
    rows = instruments.answer_table().rows
    assert len(rows) == ANSWERS
    for row, index, sample in zip(rows, step.prompts, step.rollout.samples):
        question = instruments.questions[index]
        assert row[:2] == [question.text, answer_text(reward.encoding, sample.ids)]
        prompt = chat_prompt(reward.encoding, question.text)
        score = reward.model.score([reward_input(reward.encoding, prompt, sample.ids)]).item()
        written = f"{score:+.2f}".replace("-", "\u2212")
        assert row[2] == (written if sample.ended else "cut off")


def test_more_answers_goes_on_and_then_begins_again(instruments):
    seen = [instruments.answers.value]
    instruments.more.click()
    seen.append(instruments.answers.value)
    assert f"answers {ANSWERS + 1} to {PROMPTS} of {PROMPTS}" in seen[1]
    instruments.more.click()
    assert instruments.answers.value == seen[0] != seen[1]


def test_the_last_round_before_an_evaluation_knows_nothing_of_it(instruments):
    instruments.round.value = 2
    assert "off: not measured" in instruments.shown.value
    instruments.round.value = 3
    assert "green: together" in instruments.shown.value


def test_no_rounds_and_other_questions_become_a_sentence(steps, questions, reward, capsys):
    flight_instruments([], questions, reward)
    assert "run the cell with the training first" in capsys.readouterr().out
    flight_instruments(steps, questions[:1], reward)
    assert "only 1 questions were given" in capsys.readouterr().out


def test_without_a_learner_the_table_of_the_last_round_stays(instruments):
    (table,) = instruments.static()
    assert f"After round {ROUNDS} of {ROUNDS}" == table.caption and len(table.rows) == len(NAMES)
