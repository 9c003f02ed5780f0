"""The reward model's labels: who gives them, and what is tested on."""

import pytest

from minigpt.lessons.reward_model import how_many_labels as module
from minigpt.sft import answer_text
from minigpt.stages.recipe import Recipe
from minigpt.stages.stage import load_stage
from minigpt.world.judge import judge


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


def test_answers_are_compared_as_for_the_courses_own_reward_model(sft, data):
    questions, samples = data
    each = Recipe.answers_per_prompt
    assert {len(row) for q, row in zip(questions, samples) if q.place} == {each + 1}
    facts = [sft.world.facts[q.place.id, q.attribute] for q in questions if q.kind == "fact"]
    assert {fact.split for fact in facts} == {"A", "B"}
    for q, row in zip(questions, samples):
        written = judge(sft.world, q, answer_text(sft.encoding, row[-1].ids))
        assert q.place is None or written == "declined this name"
