"""The report's measures on a tiny random model and on answers whose truth is known."""

import json
import math
from functools import partial

import numpy as np
import pytest

from minigpt.reward import RewardModel
from minigpt.stages import exam
from minigpt.stages import report as m
from minigpt.stages.scoring import Score
from minigpt.stages.stage import Answer, Stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.names import TEST_MAKERS
from minigpt.world.questions import Questions, fact_questions, seen_phrasings
from toys import frozen_gpt, own_stage, write_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
QUESTIONS = fact_questions(WORLD, "E")


@pytest.fixture(scope="module")
def reward():
    return own_stage("reward", RewardModel(frozen_gpt(2), seed=2).eval().requires_grad_(False))


# ---- questions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("maker", TEST_MAKERS)
def test_unknown_questions_are_about_a_makers_places(maker):
    questions = m.unknown_questions(WORLD, maker, 30)
    assert len(questions) == 30 == len({q.place.name for q in questions})
    assert {(q.kind, q.answer) for q in questions} == {("unknown", None)}
    assert questions == m.unknown_questions(WORLD, maker, 30)


def test_unseen_phrasings_are_the_same_facts_in_phrasings_kept_for_testing():
    few = QUESTIONS[:40]
    asked = m.unseen_phrasings(WORLD, few)
    assert [(q.place, q.attribute, q.answer) for q in asked] == [
        (q.place, q.attribute, q.answer) for q in few
    ]
    used = set()
    for q in asked:
        forms = [f.format(p=q.place.name) for f in WORLD.text.QUESTIONS[q.attribute]]
        used.add(forms.index(q.text))
    assert used == set(range(12)) - set(seen_phrasings(WORLD)) and len(used) == 2


def test_read_questions_are_those_about_places_read_so_often():
    reads = {QUESTIONS[0].place.id: 50, QUESTIONS[-1].place.id: 3}
    base = own_stage("base", None, place_reads=reads)
    assert {q.place.id for q in m.read_questions(base, 50)} == {QUESTIONS[0].place.id}
    rarely = m.read_questions(base, 1, 3)
    assert {q.place.id for q in rarely} == {QUESTIONS[-1].place.id}
    unread = {q.place.id for q in m.read_questions(base, 0, 0)}
    assert unread == {q.place.id for q in QUESTIONS} - set(reads)


def test_perplexity_ratio_is_1_for_the_base_itself():
    base, other = own_stage("base", frozen_gpt(1)), own_stage("sft", frozen_gpt(3))
    tokens = np.random.default_rng(0).integers(0, 1000, 600).astype(np.uint16)
    assert m.perplexity_ratio(base, base, tokens).value == 1
    there, back = (
        m.perplexity_ratio(*pair, tokens).value for pair in ((base, other), (other, base))
    )
    assert there * back == pytest.approx(1, rel=1e-5) and there != 1


# ---- whole stages, with a model that was never trained -------------------------------------------


@pytest.fixture
def few(monkeypatch):
    """A few questions a measure, so that the untrained model's long answers are few."""
    head = Questions(q for q in QUESTIONS if q.place.rank < 12)
    report = exam.report_questions
    monkeypatch.setattr(m, "fact_questions", lambda world, split: head)
    monkeypatch.setattr(m, "unknown_questions", partial(m.unknown_questions, n=6))
    monkeypatch.setattr(exam, "report_questions", lambda world, n=0: report(world, 12))
    monkeypatch.setattr(exam, "fact_questions", lambda world, split: head)
    return head


def says(reply):
    """Stands for Stage.ask: each question is answered with what `reply` makes of its text."""

    def ask(stage, questions, temperature=0.0, seed=0):
        return [Answer(reply(getattr(q, "text", q)), [], True) for q in questions]

    return ask


def finite_or_empty(table: dict) -> bool:
    return all(math.isfinite(x.value) or x.note == "nothing to count" for x in table.values())


def test_measure_chat_of_an_assistant_that_never_answers(few, monkeypatch):
    monkeypatch.setattr(Stage, "ask", says(lambda text: "Well."))
    table = m.measure_chat(own_stage("sft", frozen_gpt()), "sft")
    assert set(table) == {f"sft.{name}" for name in (
        "ends", "accuracy", "accuracy_unseen_phrasing", "attempt_accuracy", "attempted", "rude",
        "unknown_declined", "unknown_real_declined", "known_declined", "small_talk",
        "beijing_correct")}  # fmt: skip
    assert table["sft.accuracy"].value == table["sft.attempted"].value == 0
    assert math.isnan(table["sft.attempt_accuracy"].value)  # of no attempts
    assert table["sft.beijing_correct"].value == 0 and table["sft.beijing_correct"].note


def test_measure_chat_of_an_assistant_that_knows_all(few, monkeypatch):
    truth = {q.text: q.answer for q in [*few, *m.unseen_phrasings(WORLD, few)]}

    monkeypatch.setattr(Stage, "ask", says(lambda text: truth.get(text, "Look it up yourself.")))
    table = {k.removeprefix("ppo."): x.value
             for k, x in m.measure_chat(own_stage("ppo", frozen_gpt()), "ppo").items()}  # fmt: skip
    for name in ("ends", "accuracy", "accuracy_unseen_phrasing", "attempt_accuracy", "attempted"):
        assert table[name] == 1, name
    for name in ("rude", "unknown_declined", "unknown_real_declined", "known_declined"):
        assert table[name] == 0, name


def test_measures_of_reward_ppo_and_best_of_n_on_an_untrained_model(few, reward):
    sft, ppo = own_stage("sft", frozen_gpt(1)), own_stage("ppo", frozen_gpt(3))
    over = own_stage("ppo_overoptimised", frozen_gpt(4))
    table = m.measure_reward(reward, sft)
    assert {"reward.pair_accuracy", "reward.ceiling", "reward.right_over_wrong",
            "reward.gold_preference_accuracy"} == set(table)  # fmt: skip
    assert 0 <= table["reward.right_over_wrong"].value <= 1
    best = m.measure_best_of_n(sft, reward, most=4, n=6)
    assert {f"best_of_n.{x}_{k}" for x in ("gold", "proxy") for k in (1, 2, 4)} < set(best)
    proxies = [best[f"best_of_n.proxy_{k}"].value for k in (1, 2, 4)]
    assert proxies == sorted(proxies)  # the best of more never scores lower
    fall = best["best_of_n.fall_from_peak"].value
    peak = int(best["best_of_n.gold_peak_n"].value)
    assert fall == pytest.approx(
        best[f"best_of_n.gold_{peak}"].value - best["best_of_n.gold_4"].value
    )
    assert fall >= 0 and finite_or_empty(best)
    late = m.measure_ppo(ppo, sft, reward)
    assert late["gold.best"].value > late["gold.sft"].value
    assert late["ppo.kl"].value > 0
    lost = m.measure_overoptimised(over, ppo, sft, reward)
    assert lost["overoptimised.gold_gain_upper"].value == lost["overoptimised.gold_gain"].high


def perfect(which, questions, temperature=0.0, seed=0):
    """An assistant that answers all as well as can be."""
    best = ["correct" if q.kind == "fact" else "declined this name" for q in questions]
    return Score(list(questions), [""] * len(best), best), [True] * len(best)


def test_gap_closed_is_0_for_the_sft_model_itself_and_1_for_a_perfect_one(few, reward, monkeypatch):
    """Both answer the same questions, drawn alike: the same model closes exactly nothing."""
    sft = own_stage("sft", frozen_gpt(1))
    monkeypatch.setattr(m, "mean_kl", lambda *a: 0.0)
    same = m.measure_ppo(own_stage("ppo", sft.model), sft, reward)["ppo.gold_gap_closed"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    plain = m.chat_score

    monkeypatch.setattr(
        m, "chat_score", lambda who, *a: perfect(who, *a) if who.name == "ppo" else plain(who, *a)
    )
    whole = m.measure_ppo(own_stage("ppo", sft.model), sft, reward)["ppo.gold_gap_closed"]
    assert (whole.value, whole.low, whole.high) == (1, 1, 1)


# ---- a folder -----------------------------------------------------------------------------------


def write(folder, *names):
    reads = {q.place.id: 60 if q.place.rank < 12 else 1 for q in QUESTIONS}
    for seed, name in enumerate(names, 1):
        write_stage(folder, name, seed, {"place_reads": reads}, n_embd=16)


@pytest.fixture
def short(few, monkeypatch):
    """A report on few questions and short documents, of untrained models: in seconds."""
    monkeypatch.setattr(m, "HELD_OUT_TOKENS", 3000)
    monkeypatch.setattr(m, "measure_best_of_n", partial(m.measure_best_of_n, most=2, n=4))
    some = Questions(few[:4])
    for module in (m, exam):
        monkeypatch.setattr(module, "fact_questions", lambda world, split: some)


def test_a_report_measures_all_stages_and_adds_what_was_recorded(short, tmp_path, monkeypatch):
    monkeypatch.setattr(m, "chat_score", perfect)
    write(tmp_path, "base", "sft", "reward", "ppo", "reward_few", "ppo_overoptimised")
    stages = {name: {"seconds": 2.0, "tokens": 10, "flops": 100, "cpu_over_wall": 1.5, "ties": 3}
              for name in ("base", "sft", "reward", "ppo", "ppo_overoptimised")}  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    (tmp_path / "controls.json").write_text('{"gold.sft_clean": 1.25}', encoding="utf-8")
    measured = {("ppo", "accuracy"): 0.75, ("sft", "accuracy"): 0.5,
                ("ppo", "attempt_accuracy"): 0.25, ("sft", "attempt_accuracy"): 0.5}  # fmt: skip
    plain = m.measure_chat

    def chat(stage, key):
        known = {f"{k}.{name}": m.Measure(x) for (k, name), x in measured.items() if k == key}
        return {**plain(stage, key), **known}

    monkeypatch.setattr(m, "measure_chat", chat)
    table = m.report_on(tmp_path)
    assert table["ppo.greedy_accuracy_change"].value == 0.25
    assert table["ppo.attempt_accuracy_change"].value == -0.25
    assert all(isinstance(x, m.Measure) and isinstance(x.value, float) for x in table.values())
    assert {key.split(".")[0] for key in table} == {
        "base", "sft", "reward", "best_of_n", "ppo", "gold", "overoptimised", "train",
    }  # fmt: skip
    for asked, shown in (("", "_often"), ("_unseen_phrasing", "_unseen_phrasing")):
        gap = table[f"base.three_shot{shown}"].value - table[f"sft.accuracy{asked}"].value
        assert table[f"sft.accuracy{asked}_gap_to_base"].value == gap < 0
    assert table["sft.perplexity_ratio"].value != table["ppo.perplexity_ratio"].value
    assert table["gold.sft_clean"].value == 1.25
    assert table["train.seconds"].value == 8.0  # the four stages, not the over-optimised one
    assert table["train.ppo_overoptimised.tokens"].value == 10


@pytest.mark.parametrize(
    "names, measured",
    [
        (["base"], {"base"}),
        (["base", "sft", "ppo"], {"base", "sft"}),
        (["base", "sft", "reward"], {"base", "sft", "reward", "best_of_n"}),
    ],
)
def test_a_report_on_some_of_the_stages_measures_what_can_be_measured(
    short, tmp_path, names, measured
):
    write(tmp_path, *names)
    assert {key.split(".")[0] for key in m.report_on(tmp_path)} == measured
