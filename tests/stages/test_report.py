"""The report's measures on a tiny random model and on answers whose truth is known."""

import json
import math
from functools import partial

import numpy as np
import pytest

from minigpt.commands.report import values
from minigpt.pretrain import evaluate_loss
from minigpt.stages import exam, rlhf
from minigpt.stages import report as m
from minigpt.stages.scoring import judged, macro
from minigpt.stages.stage import SHIPPED, Stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import Questions, fact_questions, seen_phrasings
from toys import frozen_gpt, own_stage, perfect, says, write_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
QUESTIONS = fact_questions(WORLD, "E")


# ---- questions ----------------------------------------------------------------------------------


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
    tokens = np.random.default_rng(0).integers(0, 1000, 3000).astype(np.uint16)
    same = m.perplexity_ratio(base, base, tokens)
    assert (same.value, same.low, same.high) == (1, 1, 1)
    there, back = (m.perplexity_ratio(*pair, tokens) for pair in ((base, other), (other, base)))
    assert there.value * back.value == pytest.approx(1, rel=1e-5)
    assert there.low * back.high == pytest.approx(1, rel=1e-5)
    assert there.low < there.value < there.high and there.value != 1
    whole = [evaluate_loss(stage.model, tokens) for stage in (base, other)]
    assert there.value == pytest.approx(math.exp(whole[0] - whole[1]), rel=1e-5)


# ---- whole stages, with a model that was never trained -------------------------------------------


@pytest.fixture
def few(monkeypatch):
    """A few questions a measure, so that the untrained model's long answers are few."""
    head = Questions(q for q in QUESTIONS if q.place.rank < 12)
    report = exam.report_questions
    for module in (m, exam, rlhf):
        monkeypatch.setattr(module, "fact_questions", lambda world, split: head)
    monkeypatch.setattr(rlhf, "NAMES", 6)
    monkeypatch.setattr(exam, "report_questions", lambda world, n=0: report(world, 12))
    return head


def test_measure_chat_of_an_assistant_that_never_answers(few, monkeypatch):
    monkeypatch.setattr(Stage, "ask", says(lambda text: "Well."))
    table = m.measure_chat(own_stage("sft", frozen_gpt()), "sft")
    assert set(table) == {f"sft.{name}" for name in (
        "ends", "accuracy", "accuracy_unseen_phrasing", "attempt_accuracy", "attempted", "rude",
        "small_talk", "beijing_correct")}  # fmt: skip
    assert table["sft.accuracy"].value == table["sft.attempted"].value == 0
    assert math.isnan(table["sft.attempt_accuracy"].value)  # of no attempts
    assert table["sft.beijing_correct"].value == 0 and table["sft.beijing_correct"].note


def test_measure_chat_of_an_assistant_that_knows_all(few, monkeypatch):
    truth = {q.text: q.answer for q in [*few, *m.unseen_phrasings(WORLD, few)]}

    monkeypatch.setattr(
        Stage, "ask", says(lambda q: truth.get(getattr(q, "text", q), "Look it up."))
    )
    table = {k.removeprefix("ppo."): x.value
             for k, x in m.measure_chat(own_stage("ppo", frozen_gpt()), "ppo").items()}  # fmt: skip
    for name in ("ends", "accuracy", "accuracy_unseen_phrasing", "attempt_accuracy", "attempted"):
        assert table[name] == 1, name
    assert table["rude"] == table["small_talk"] == 0


def test_gaps_are_paired_over_the_same_questions(few, monkeypatch):
    """The base knows all, and an assistant all but what stands in every other place's facts."""
    base = own_stage("base", None, place_reads={q.place.id: 60 for q in few})
    odd = {q.place.id for q in few if q.place.rank % 2}
    knows = lambda stage, asked, shots: judged(WORLD, asked, [q.answer for q in asked])  # noqa: E731
    monkeypatch.setattr(m, "qa_score", knows)
    monkeypatch.setattr(Stage, "ask", says(lambda q: "?" if q.place.id in odd else q.answer))
    table = m.measure_gaps(base, own_stage("sft", None))
    gap = macro(few, [q.place.id in odd for q in few])
    for key in ("sft.accuracy_gap_to_base", "sft.accuracy_unseen_phrasing_gap_to_base"):
        assert table[key].value == pytest.approx(gap) and 0 < table[key].low < gap < table[key].high
    monkeypatch.setattr(Stage, "ask", says(lambda q: q.answer))
    same = m.measure_gaps(base, own_stage("sft", None))["sft.accuracy_gap_to_base"]
    assert (same.value, same.low, same.high) == (0, 0, 0)


# ---- a folder -----------------------------------------------------------------------------------


def write(folder, *names):
    reads = {q.place.id: 60 if q.place.rank < 12 else 1 for q in QUESTIONS}
    for seed, name in enumerate(names, 1):
        write_stage(folder, name, seed, {"place_reads": reads}, n_embd=16)


@pytest.fixture
def short(few, monkeypatch):
    """A report on few questions and short documents, of untrained models: in seconds."""
    monkeypatch.setattr(m, "HELD_OUT_TOKENS", 3000)
    monkeypatch.setattr(rlhf, "measure_best_of_n", partial(rlhf.measure_best_of_n, most=2, n=4))
    some, of_v = Questions(few[:4]), rlhf.sample_questions
    for module in (m, exam, rlhf):
        monkeypatch.setattr(module, "fact_questions", lambda world, split: some)
    monkeypatch.setattr(rlhf, "sample_questions", lambda *a, **k: Questions(of_v(*a, **k)[:4]))


NAMES = ("base", "sft", "sft_honest", "reward", "reward_ordinary", "ppo", "ppo_early",
         "ppo_overoptimised", "ppo_priced")  # fmt: skip
WITH_INTERVAL = {
    "base.unseen_format_gain", "sft.unread_invented", "sft_honest.unread_declined",
    "ppo.unread_declined", "ppo.unread_declined_own_name", "ppo.known_declined",
    "ppo.known_declined_rank_0_to_39", "ppo.known_accuracy_change", "ppo.gold_over_sft_greedy",
    "ppo.gold_over_sft_cool", "ppo.gold_over_sft_half", "ppo.blind_share", "ppo.kl", "ppo.entropy",
    "ppo.polite", "ppo.attempt_accuracy_change", "ppo.perplexity_ratio",
    "overoptimised.proxy_change", "overoptimised.gold_change", "overoptimised.kl", "kl_price.gold",
    "best_of_n.ordinary_2_less_2", "best_of_n.main_2_less_2", "reward.right_over_refusal_on_v",
    "reward_ordinary.pair_accuracy", "sft.accuracy_gap_to_base", "sft.perplexity_ratio",
    "flattered.polite", "mediocre.invents_over_expert",
}  # fmt: skip
EXACT = {  # nothing is drawn, one answer is looked at, or it is found by search
    "base.qa_majority_head", "base.qa_majority_tail", "base.beijing_fewshot_correct",
    "sft.beijing_correct", "ppo.beijing_correct", "ppo.matched_temperature", "flattered.kl",
}  # fmt: skip


def test_a_report_measures_all_stages_and_adds_what_was_recorded(short, tmp_path, monkeypatch):
    for module in (m, rlhf):
        monkeypatch.setattr(module, "chat_score", half)
    write(tmp_path, *NAMES)
    stages = {name: {"seconds": 2.0, "tokens": 10, "flops": 100, "cpu_over_wall": 1.5, "ties": 3}
              for name in ("base", "sft", "reward", "ppo", "ppo_overoptimised")}  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    figures = {"flattered.polite": [0.9, 0.8, 0.95], "flattered.kl": [2.5],
               "mediocre.invents_over_expert": [0.2, 0.1, 0.3], "sft.polite": [9]}  # fmt: skip
    text = json.dumps({"measures": figures})
    (tmp_path / "controls.json").write_text(text, encoding="utf-8")
    table = m.report_on(tmp_path)
    assert all(isinstance(x, m.Measure) and isinstance(x.value, float | int)
               for x in table.values())  # fmt: skip
    found = values(table)
    drawn = {key for key in table if not key.startswith("train.") and key not in EXACT}
    lacking = {key for key in drawn if table[key].low is None}
    assert lacking == {key for key in drawn if table[key].note == "nothing to count"}
    assert {f"{key}.{end}" for key in WITH_INTERVAL for end in ("low", "high")} <= set(found)
    assert EXACT <= set(found) and found["flattered.kl"] == 2.5
    assert found["mediocre.invents_over_expert.low"] == 0.1
    assert found["sft.polite"] == 0, "what is measured stands before what was recorded"
    assert found["train.seconds"] == 8.0  # the four stages, not the over-optimised one
    assert found["train.ppo_overoptimised.tokens"] == 10
    assert found["sft.perplexity_ratio"] != found["ppo.perplexity_ratio"]


def test_no_other_language_shows_the_controls_of_english():
    assert m.controls_file(SHIPPED / "en") == m.RESULTS / "controls.json"
    assert "flattered.polite" in m.recorded(SHIPPED / "en")
    assert {key.split(".")[0] for key in m.recorded(SHIPPED / "zh")} == {"train"}


def half(stage, questions, temperature=0.0, seed=0):
    """Stands for chat_score: of two questions an assistant answers one as well as can be."""
    score, ended = perfect(stage, questions)
    score.verdicts = [v if i % 2 else "rude" for i, v in enumerate(score.verdicts)]
    score.answers = [f"{stage.name} {i % 2}" for i in range(len(questions))]
    return score, ended


@pytest.mark.parametrize(
    "names, measured",
    [
        (["base"], {"base"}),
        (["base", "sft", "ppo"], {"base", "sft", "ppo"}),
        (["base", "sft", "reward"], {"base", "sft", "reward", "best_of_n"}),
    ],
)
def test_a_report_on_some_of_the_stages_measures_what_can_be_measured(
    short, tmp_path, names, measured
):
    write(tmp_path, *names)
    assert {key.split(".")[0] for key in m.report_on(tmp_path)} == measured
