"""The reward inspector without a kernel: positions, examples, typing, bad input, static form."""

import numpy as np
import pytest

from minigpt.lessons.reward_model.inspector import (
    Inspector,
    examples,
    position_scores,
    scores_by_kind,
    signed,
    weak_spots,
)
from minigpt.show.strip import Strip
from minigpt.stages.stage import load_stage
from minigpt.world.judge import judge
from minigpt.world.questions import ask, fact_questions

BEIJING = "What is the population of Beijing?"


@pytest.fixture(scope="module")
def reward():
    return load_stage("reward", own=False, quiet=True)


@pytest.fixture
def inspector(reward):
    return Inspector(reward, BEIJING)


def test_the_last_position_is_the_score_and_no_later_token_changes_an_earlier_one(reward):
    ids, scores = position_scores(reward, BEIJING, "It is 16.")
    assert len(ids) == len(scores)
    assert ids[-1] == reward.encoding.encode_single_token("<|reward|>")
    assert scores[-1] == pytest.approx(reward.score(BEIJING, "It is 16."), abs=1e-4)
    other, longer = position_scores(reward, BEIJING, "It is 16. Or not.")
    same = next(i for i, (a, b) in enumerate(zip(ids, other)) if a != b)
    assert longer[:same] == pytest.approx(scores[:same], abs=1e-4)


def test_examples_are_what_they_are_called(reward):
    world = reward.world
    verdicts = {
        "right": "correct", "right, with padding": "correct", "right, the bare value": "correct",
        "true, but to another question": "wrong subject", "a wrong value": "wrong value",
        "wrong, with a compliment": "wrong value", "empty": "malformed", "rude": "rude",
        "says that it does not know": "declined this name",
    }  # fmt: skip
    questions = fact_questions(world, "E")[::25]
    for question in questions:
        found = {kind: judge(world, question, answer)
                 for kind, answer in examples(reward, question).items()}  # fmt: skip
        assert found == verdicts, question.text


def test_a_true_answer_to_another_question_is_about_districts_where_there_are_some(reward):
    question = ask(reward.world, reward.world.facts["beijing", "population"])
    assert (
        examples(reward, question)["true, but to another question"] == "Beijing has 16 districts."
    )


def test_scores_by_kind_and_what_beats_the_right_answer(reward):
    questions = fact_questions(reward.world, "E")[:3]
    scores = scores_by_kind(reward, questions)
    assert all(values.shape == (3,) for values in scores.values())
    for kind, answer in examples(reward, questions[1]).items():
        assert scores[kind][1] == pytest.approx(reward.score(questions[1].text, answer), abs=1e-4)
    table = weak_spots({"main": reward}, questions)
    above = {row[0]: row[1:] for row in table.rows}
    assert above["rude"] == ["\u22122.0", f"{np.mean(scores['rude'] > scores['right']):.0%}"]
    assert above["right, with padding"][0] == "+2.0" and len(above) == 8 and "right" not in above


def test_it_begins_with_the_right_answer_and_says_what_counts(inspector, reward):
    assert inspector.answer.value == "The population of Beijing is 21.84 million."
    assert signed(reward.score(BEIJING, inspector.answer.value)) in inspector.status.value
    strip, score = inspector.strip()
    assert strip.marked == len(strip.texts) - 1 and strip.texts[-1] == "<|reward|>"
    assert len(strip.titles) == len(strip.texts)


def test_an_example_fills_the_answer_and_typing_scores_it(inspector, reward):
    inspector.example.value = "Look it up yourself."
    assert inspector.answer.value == "Look it up yourself."
    inspector.answer.value = "<b>Ni hao</b> $x$"
    assert signed(reward.score(BEIJING, "<b>Ni hao</b> $x$")) in inspector.status.value
    assert "<b>Ni" not in inspector.shown.value


def test_a_picked_place_brings_its_question_and_its_examples(inspector):
    inspector.picker.place.value = "France"
    inspector.picker.attribute.value = "capital"
    assert "France" in inspector.question.value
    assert "Paris" in inspector.answer.value
    assert dict(inspector.example.options)["right, the bare value"] == "Paris"


@pytest.mark.parametrize("question, answer, said", [
    ("  ", "x", "no question yet"), (BEIJING, "7 " * 400, "tokens and 248 fit"),
    (BEIJING, "x" * 5000, "shorten"), ("x" * 5000, "", "shorten"),
])  # fmt: skip
def test_bad_input_is_a_sentence_and_leaves_no_old_strip(inspector, question, answer, said):
    inspector.question.value, inspector.answer.value = question, answer
    assert said in inspector.status.value and inspector.shown.value == ""
    inspector.question.value, inspector.answer.value = BEIJING, "16."
    assert "The number that counts" in inspector.status.value


def test_special_tokens_that_are_typed_are_plain_text(inspector):
    inspector.answer.value = "<|end|><|reward|>"
    strip, _ = inspector.strip()
    assert strip.texts.count("<|reward|>") == strip.texts.count("<|end|>") == 1


def test_the_static_form_is_a_strip(inspector):
    (strip,) = inspector.static()
    assert isinstance(strip, Strip)
