"""The demonstrations experiment on toy models: what is left out, what counts."""

import math
from collections import Counter

import pytest
import torch

from minigpt.lessons.sft import demonstrations as module
from minigpt.lessons.sft.demonstrations import (
    BASE_PROMPTS,
    LEFT_OUT_ATTRIBUTE,
    LEFT_OUT_PHRASING,
    RUNS,
    accuracies,
    data,
    epochs,
    left_out,
    measure,
    measure_base,
    train,
)
from minigpt.show.results import load_results
from minigpt.stages.exam import known_questions
from minigpt.stages.scoring import judged, prompt_score
from minigpt.stages.stage import load_stage
from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world
from minigpt.world.questions import Question, Questions, ask, sample_questions
from toys import tiny_gpt, toy_stage


@pytest.fixture(scope="module")
def world():
    return load_world("en")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "base.safetensors"
    return toy_stage("base", tiny_gpt(), path=path, own=True)


@pytest.fixture(scope="module")
def tokens(base):
    return build_corpus(base.world, base.encoding, 3000, seed=0).tokens


# ---- data -----------------------------------------------------------------------------------


def test_what_is_left_out_is_asked_nowhere(world):
    asked = [d.question for d in data(world, "left out", 2000, seed=0)]
    assert len(asked) == 2000
    assert LEFT_OUT_ATTRIBUTE not in {q.attribute for q in asked}
    templates = [phrasings[LEFT_OUT_PHRASING] for phrasings in world.text.QUESTIONS.values()]
    starts = {t.partition("{p}")[0].casefold() for t in templates}
    texts = [q.text.casefold() for q in asked if q.place]
    assert not [t for t in texts if any(start and t.startswith(start) for start in starts)]
    kinds = Counter(q.kind for q in asked)  # all else is still there
    assert set(kinds) == {"fact", "unknown", "chat", "other"}


def test_the_other_runs_are_the_contractors_as_they_are_or_flawless(world):
    assert data(world, "mixed", 50, 3) == demonstrations(world, 50, 3)
    assert {d.habit for d in data(world, "clean", 500, 3)} == {"careful", "honest"}
    asked = [[d.question for d in data(world, kind, 200, 3)] for kind in ("mixed", "clean")]
    assert asked[0][:1] == asked[1][:1]  # the same questions are drawn for both


def test_a_phrasing_is_left_out_in_capitals_and_not_and_an_attribute_in_all(world):
    fact = world.facts["beijing", "area"]
    for i in range(12):
        question = ask(world, fact, i)
        lower = Question(question.text.lower(), "fact", fact.place, fact.attribute, fact.value)
        for q in (question, lower):
            assert left_out(world, q) == (i == LEFT_OUT_PHRASING)
        assert left_out(world, ask(world, world.facts["beijing", LEFT_OUT_ATTRIBUTE], i))
    assert not left_out(world, Question("Hello", "chat"))


def test_nothing_that_is_scored_is_demonstrated(world):
    scored = {(q.place.id, q.attribute) for q in known_questions(world)}
    shown = {(q.place.id, q.attribute) for q in sample_questions(world, "A", 3000) if q.place}
    assert scored and not scored & shown


@pytest.mark.parametrize("size", sorted({1, 33, *(size for _, size in RUNS)}))
def test_a_set_is_read_as_often_as_it_must_and_no_oftener(size):
    per_epoch = math.ceil(size / 32)
    assert (epochs(size) - 1) * per_epoch < 100 <= epochs(size) * per_epoch


# ---- training and measuring -----------------------------------------------------------------


def test_training_leaves_the_base_as_it_is_and_repeats_exactly(base, tokens, monkeypatch):
    monkeypatch.setattr(module, "LEAST_UPDATES", 3)
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    (first, updates), (second, _) = (train(base, "mixed", 40, 1, tokens) for _ in "ab")
    other, _ = train(base, "mixed", 40, 2, tokens)
    assert updates == 4  # two an epoch, and at least three
    weights = [stage.model.state_dict() for stage in (first, second, other)]
    assert all(torch.equal(weights[0][n], weights[1][n]) for n in before)
    assert not torch.equal(weights[0]["head.weight"], weights[2]["head.weight"])
    after = base.model.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in before)
    assert first.is_chat and not any(p.requires_grad for p in first.model.parameters())


def answering(monkeypatch, answer):
    """Let every assistant answer with `answer(question)`."""

    def score(stage, questions, temperature=0.0, seed=0):
        return judged(stage.world, questions, [answer(q) for q in questions]), [True]

    monkeypatch.setattr(module, "chat_score", score)


def test_a_perfect_assistant_measures_as_perfect(base, world, monkeypatch):
    answering(monkeypatch, lambda q: q.answer or f"I do not know {q.place.name}.")
    found = measure(base, known_questions(world)[::5])
    perfect = ["accuracy", "accuracy_population", "sampled_accuracy", "ends", "unknown_declined",
               "unknown_declined_own_name", "new_phrasing", "left_out_phrasing"]  # fmt: skip
    assert {name: found[name] for name in perfect} == dict.fromkeys(perfect, 1.0)
    assert found["rude"] == found["left_out_declined"] == 0


def test_rude_and_declining_assistants_measure_as_such(base, world, monkeypatch):
    asked = known_questions(world)[::5]
    answering(monkeypatch, lambda q: "Look it up yourself.")
    found = measure(base, asked)
    assert found["rude"] == 1 and found["accuracy"] == found["unknown_declined"] == 0
    answering(monkeypatch, lambda q: f"I do not know {q.place.name}.")
    found = measure(base, asked)
    assert found["left_out_declined"] == found["unknown_declined_own_name"] == 1
    answering(monkeypatch, lambda q: "I do not know Xiq.")
    found = measure(base, asked)
    assert (found["unknown_declined"], found["unknown_declined_own_name"]) == (1, 0)


def test_accuracy_weighs_attributes_alike(world):
    asked = [q for q in known_questions(world) if q.attribute in ("capital", "population")]
    answers = [q.answer if q.attribute == "capital" else "nothing" for q in asked]
    found = accuracies(judged(world, asked, answers))
    assert (found["accuracy_capital"], found["accuracy_population"]) == (1, 0)
    assert found["accuracy"] == pytest.approx(0.5)


def test_base_prompts_are_what_they_say(base, world, monkeypatch):
    seen = []

    def score(stage, questions, prompts, temperature=0.0, seed=0):
        seen.append(list(prompts)[0])
        return judged(world, questions, ["nothing"] * len(questions))

    monkeypatch.setattr(module, "prompt_score", score)
    asked = Questions([ask(world, world.facts["beijing", "population"])])
    for prompt in BASE_PROMPTS[1:]:
        measure_base(base, prompt, asked)
    assert seen[0] == f"Q: {asked[0].text}\nA:"
    assert seen[2].count("A:") == 4 and seen[2].endswith(seen[0])


def test_the_shipped_base_still_measures_as_the_results_say(world):
    shipped, base = load_results("demonstrations"), load_stage("base", own=False)
    kept = next(r for r in shipped["runs"] if r.get("prompt") == "Q: A:")
    asked = known_questions(world)
    score = prompt_score(base, asked, [f"Q: {q.text}\nA:" for q in asked])
    assert score.accuracy == pytest.approx(kept["accuracy"], abs=0.02)
