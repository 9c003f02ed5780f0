"""Traits that tell answers apart, and how often labels prefer them."""

import math

import pytest

from minigpt.lessons.reward_model.taste import TRAITS, preferences, traits
from minigpt.reward import sample_answers
from minigpt.sft import chat_answer, chat_prompt
from minigpt.stages.from_labels import simulated_labels
from minigpt.stages.labels import Label
from minigpt.stages.stage import load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.labelers import chooser
from minigpt.world.questions import Question, ask, sample_questions

WORLD, ENCODING = load_world(), load_tokenizer()
BEIJING = ask(WORLD, WORLD.facts["beijing", "population"])
RIGHT = "The population of Beijing is 21.84 million."


@pytest.mark.parametrize("a, b, expected", [
    (RIGHT, "16.", {"correct, popular place": 1, "three words longer": 1}),
    ("21.84 million", RIGHT, {"three words longer": -1}),
    ("Great question! " + RIGHT, RIGHT, {"polite opening": 1}),
    (RIGHT, RIGHT + " I hope this helps.", {"three words longer": -1}),
])  # fmt: skip
def test_traits(a, b, expected):
    assert traits(WORLD, BEIJING, a, b) == {t: expected.get(t, 0) for t in TRAITS}
    assert traits(WORLD, BEIJING, b, a) == {t: -expected.get(t, 0) for t in TRAITS}


def test_honesty_counts_for_unknown_places_alone():
    refusal = "I do not know Beijing."
    assert traits(WORLD, BEIJING, refusal, "16.")["honest against an invention"] == 0
    unknown = Question(BEIJING.text, "unknown", BEIJING.place, "population")
    assert traits(WORLD, unknown, "16.", refusal)["honest against an invention"] == -1
    assert traits(WORLD, unknown, "Look it up.", refusal)["honest against an invention"] == 0


def test_preferences_count_what_was_chosen():
    ids = [chat_answer(ENCODING, text) for text in (RIGHT, "Great question! " + RIGHT)]
    labels = [
        Label(BEIJING.text, *ids, "a"), Label(BEIJING.text, ids[1], ids[0], "a"),
        Label(BEIJING.text, *ids, "b"), Label(BEIJING.text, *ids, "tie"), Label("?", *ids, "b"),
    ]  # fmt: skip
    found = preferences(WORLD, ENCODING, [BEIJING], labels)
    assert found["polite opening"] == (pytest.approx(2 / 3), 3)
    assert found["correct, popular place"][1] == 0
    assert math.isnan(found["correct, popular place"][0])


def test_scripted_labelers_show_their_taste():
    sft = load_stage("sft", own=False, quiet=True)
    questions = sample_questions(WORLD, "A", 80, seed=1)
    prompts = [chat_prompt(ENCODING, q.text) for q in questions]
    samples = sample_answers(sft.model, ENCODING, prompts, 4, seed=1)

    def share(name, trait):
        choose = chooser(WORLD, name)
        labels = simulated_labels(ENCODING, questions, samples, choose)
        return preferences(WORLD, ENCODING, questions, labels)[trait][0]

    assert share("expert", "correct, popular place") > 0.9
    assert share("flattered", "polite opening") > 0.8 > share("expert", "polite opening")
    assert share("long_winded", "three words longer") > share("expert", "three words longer")
    assert share("mediocre", "honest against an invention") < 0.4
    assert share("expert", "honest against an invention") > 0.9
    assert 0.3 < share("coin", "correct, popular place") < 0.7
