"""The demonstrations experiment on toy models: what is left out, what counts, how it resumes."""

import json
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
    SEEDS,
    Run,
    accuracies,
    asked_in,
    data,
    key,
    main,
    measure,
    measure_base,
    missing,
    report_facts,
    run,
    train,
)
from minigpt.model import GPT, GPTConfig
from minigpt.show import results as experiments
from minigpt.stages.scoring import judged, prompt_score
from minigpt.stages.stage import Stage, load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world
from minigpt.world.questions import Question, Questions, ask, sample_questions


@pytest.fixture(scope="module")
def world():
    return load_world("en")


@pytest.fixture(scope="module")
def base(world, tmp_path_factory):
    model = GPT(GPTConfig(n_layer=1, n_embd=32, n_head=2, block_size=256), seed=0)
    model.eval().requires_grad_(False)
    path = tmp_path_factory.mktemp("toy") / "base.safetensors"
    return Stage("base", model, load_tokenizer("en"), world, {}, path, own=True)


@pytest.fixture(scope="module")
def tokens(base):
    return build_corpus(base.world, base.encoding, 3000, seed=0).tokens


# ---- data -----------------------------------------------------------------------------------


def test_what_is_left_out_is_asked_nowhere(world):
    asked = [d.question for d in data(world, Run("left out", 2000), seed=0)]
    assert len(asked) == 2000
    assert LEFT_OUT_ATTRIBUTE not in {q.attribute for q in asked}
    templates = [phrasings[LEFT_OUT_PHRASING] for phrasings in world.text.QUESTIONS.values()]
    starts = {t.partition("{p}")[0].casefold() for t in templates}
    texts = [q.text.casefold() for q in asked if q.place]
    assert not [t for t in texts if any(start and t.startswith(start) for start in starts)]
    kinds = Counter(q.kind for q in asked)  # all else is still there
    assert set(kinds) == {"fact", "unknown", "chat", "other"}


def test_the_other_runs_are_the_contractors_as_they_are_or_flawless(world):
    assert data(world, Run("mixed", 50), 3) == demonstrations(world, 50, 3)
    assert {d.habit for d in data(world, Run("clean", 500), 3)} == {"careful", "honest"}
    asked = [[d.question for d in data(world, Run(kind, 200), 3)] for kind in ("mixed", "clean")]
    assert asked[0][:1] == asked[1][:1]  # the same questions are drawn for both


def test_a_phrasing_is_known_in_capitals_and_not(world):
    fact = world.facts["beijing", "population"]
    for i in range(12):
        question = ask(world, fact, i)
        lower = Question(question.text.lower(), "fact", fact.place, fact.attribute, fact.value)
        for q in (question, lower):
            assert asked_in(world, q, LEFT_OUT_PHRASING) == (i == LEFT_OUT_PHRASING)
    assert not asked_in(world, Question("Hello", "chat"), LEFT_OUT_PHRASING)


def test_nothing_that_is_scored_is_demonstrated(world):
    scored = {(q.place.id, q.attribute) for q in report_facts(world)}
    shown = {(q.place.id, q.attribute) for q in sample_questions(world, "A", 3000) if q.place}
    assert scored and not scored & shown


@pytest.mark.parametrize("chosen", [*RUNS, Run("mixed", 33, 3), Run("mixed", 1, 1)])
def test_a_set_is_read_as_often_as_it_must_and_no_oftener(chosen):
    per_epoch = math.ceil(chosen.size / 32)
    assert chosen.epochs * per_epoch >= chosen.least_updates
    assert (chosen.epochs - 1) * per_epoch < chosen.least_updates


# ---- training and measuring -----------------------------------------------------------------


def test_training_leaves_the_base_as_it_is_and_repeats_exactly(base, tokens):
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    (first, updates), (second, _) = (train(base, Run("mixed", 40, 3), 1, tokens) for _ in "ab")
    other, _ = train(base, Run("mixed", 40, 3), 2, tokens)
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


def test_a_perfect_assistant_measures_as_perfect(base, tokens, world, monkeypatch):
    answering(monkeypatch, lambda q: q.answer or f"I do not know {q.place.name}.")
    found = measure(base, report_facts(world)[::5], tokens, unknown=10)
    perfect = ["accuracy", "accuracy_population", "accuracy_low", "sampled_accuracy", "ends",
               "attempt_accuracy", "unknown_declined", "unknown_real_declined", "new_phrasing",
               "left_out_phrasing"]  # fmt: skip
    assert {name: found[name] for name in perfect} == dict.fromkeys(perfect, 1.0)
    assert found["rude"] == found["known_declined"] == found["left_out_declined"] == 0
    assert found["held_out_loss"] == pytest.approx(math.log(1024), abs=1e-3)  # an untrained model


def test_rude_and_declining_assistants_measure_as_such(base, tokens, world, monkeypatch):
    asked = report_facts(world)[::5]
    answering(monkeypatch, lambda q: "Look it up yourself.")
    found = measure(base, asked, tokens, unknown=10)
    assert found["rude"] == 1 and found["accuracy"] == found["unknown_declined"] == 0
    assert found["attempt_accuracy"] is None  # there was no attempt
    answering(monkeypatch, lambda q: f"I do not know {q.place.name}.")
    found = measure(base, asked, tokens, unknown=10)
    assert found["known_declined"] == found["left_out_declined"] == found["unknown_declined"] == 1


def test_accuracy_weighs_attributes_alike(world):
    asked = [q for q in report_facts(world) if q.attribute in ("capital", "population")]
    answers = [q.answer if q.attribute == "capital" else "nothing" for q in asked]
    found = accuracies(judged(world, asked, answers))
    assert (found["accuracy_capital"], found["accuracy_population"]) == (1, 0)
    assert found["accuracy"] == pytest.approx(0.5)
    assert found["accuracy_low"] <= 0.5 <= found["accuracy_high"]


def test_base_prompts_are_what_they_say(base, world, monkeypatch):
    seen = []

    def score(stage, questions, prompts, temperature=0.0, seed=0):
        seen.append(list(prompts)[0])
        return judged(world, questions, ["nothing"] * len(questions))

    monkeypatch.setattr(module, "prompt_score", score)
    asked = Questions([ask(world, world.facts["beijing", "population"])])
    for prompt in BASE_PROMPTS[2:]:
        measure_base(base, prompt, asked)
    text = asked[0].text
    assert seen[0] == f"Q: {text}\nA:" and seen[4] == f"User: {text}\nAssistant:"
    for prompt, mark in ((seen[2], "A:"), (seen[6], "Assistant:")):
        assert prompt.count(mark) == 4 and prompt.endswith(mark)


# ---- all runs -------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "measure_base", lambda base, prompt, asked: {"accuracy": 0.5})
    monkeypatch.setattr(module, "measure", lambda *args: {"accuracy": 0.9})
    return tmp_path / "demonstrations.json"


def test_runs_are_saved_one_by_one_and_only_the_missing_are_made(base, results, monkeypatch):
    made = []

    def fake(base, chosen, seed, replayed):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append((chosen.size, seed))
        return base, 7

    monkeypatch.setattr(module, "train", fake)
    runs = [Run("mixed", 30), Run("mixed", 60)]
    settings = {"base": base, "asked": Questions(), "held_out_tokens": 300, "say": lambda x: None}
    with pytest.raises(KeyboardInterrupt):
        run(runs, [0, 1], **settings)
    kept = json.loads(results.read_text(encoding="utf-8"))
    assert len(kept["runs"]) == len(BASE_PROMPTS) + 2 and made == [(30, 0), (30, 1)]
    made[:] = [None]
    monkeypatch.setattr(module, "measure_base", lambda *args: 1 / 0)  # it is there already
    with pytest.raises(KeyboardInterrupt):
        run(runs, [0, 1], **settings)
    assert made == [None, (60, 0)]
    kept = json.loads(results.read_text(encoding="utf-8"))
    assert [(r["kind"], r["size"], r["seed"]) for r in kept["runs"][6:]] == [
        ("mixed", 30, 0), ("mixed", 30, 1), ("mixed", 60, 0),
    ]  # fmt: skip
    assert kept["runs"][-1]["updates"] == 7 and kept["threads"] == torch.get_num_threads()


def test_the_command_takes_seeds_and_kinds(results, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "run", lambda runs, seeds: asked.append((runs, seeds)))
    monkeypatch.setattr(module, "set_threads", lambda: 1)
    main(["--seeds", "2", "--kinds", "clean", "--out", str(results.parent / "x")])
    assert asked[0][1] == [2] and {r.kind for r in asked[0][0]} == {"clean"}
    assert experiments.RESULTS == results.parent / "x"
    with pytest.raises(SystemExit):
        main(["--kinds", "dirty"])


# ---- the shipped results --------------------------------------------------------------------


def test_shipped_results_hold_every_run_once(world):
    shipped = experiments.load_results("demonstrations")
    assert not list(missing(shipped, RUNS, SEEDS))
    keys = [key(r) for r in shipped["runs"]]
    assert len(set(keys)) == len(keys) == len(RUNS) * len(SEEDS) + len(BASE_PROMPTS)
    for r in shipped["runs"]:
        shares = [v for k, v in r.items() if k.startswith("accuracy") and v is not None]
        assert all(0 <= v <= 1 for v in shares)


def test_the_shipped_base_still_measures_as_the_results_say(world):
    shipped, base = experiments.load_results("demonstrations"), load_stage("base", own=False)
    kept = next(r for r in shipped["runs"] if r.get("prompt") == "Q: A:")
    asked = report_facts(world)
    score = prompt_score(base, asked, [f"Q: {q.text}\nA:" for q in asked])
    assert score.accuracy == pytest.approx(kept["accuracy"], abs=0.02)
