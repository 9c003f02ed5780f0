"""The report's measures on a tiny random model and on answers whose truth is known."""

import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from minigpt.commands.report import report_on
from minigpt.generate import Sample
from minigpt.reward import RewardModel, normalise, reward_input
from minigpt.sft import chat_answer, chat_prompt
from minigpt.stages import report as m
from minigpt.stages import train
from minigpt.stages.scoring import Score, judged
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.names import TEST_MAKERS
from minigpt.world.questions import Question, Questions, fact_questions, seen_phrasings
from toys import awake_gpt, toy_stage, write_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
QUESTIONS = fact_questions(WORLD, "E")


def awake_model(seed=1):
    return awake_gpt(seed, n_embd=16).eval().requires_grad_(False)


def stage(name: str, model, **meta):
    return toy_stage(name, model, meta, own=True)


@pytest.fixture(scope="module")
def reward():
    return stage("reward", RewardModel(awake_model(2), seed=2).eval().requires_grad_(False))


# ---- shares and intervals -----------------------------------------------------------------------


def test_share_of_hits_and_its_interval():
    hits = [i % 4 == 0 for i in range(200)]
    found = m.share(QUESTIONS[:200], hits, "some")
    assert found.value == 0.25 and found.note == "some"
    assert 0 < found.low < 0.25 < found.high < 0.5
    assert m.share(QUESTIONS[:200], np.array(hits)) == replace(found, note="")  # any truth values
    for all_alike in (0, 1):
        whole = m.share(QUESTIONS[:50], [all_alike] * 50)
        assert (whole.value, whole.low, whole.high) == (all_alike,) * 3


def test_share_by_attribute_is_the_mean_of_the_attributes():
    population = [q for q in QUESTIONS if q.attribute == "population"][:30]
    currency = [q for q in QUESTIONS if q.attribute == "currency"][:10]
    hits = [True] * 30 + [False] * 10
    assert m.share(population + currency, hits).value == 0.75
    assert m.share(population + currency, hits, by_attribute=True).value == 0.5


def test_share_draws_entities_and_not_questions():
    """Questions about one place hang together: asked ten times, they are no more certain."""
    places = [replace_place(i) for i in range(20)]
    once = m.share(places, [i % 2 == 0 for i in range(20)])
    tenfold = [q for q in places for _ in range(10)]
    often = m.share(tenfold, [i // 10 % 2 == 0 for i in range(200)])
    assert often.value == once.value == 0.5
    assert often.high - often.low == pytest.approx(once.high - once.low)
    assert m.entity(Question("Hi", "chat")) == "Hi"  # and a question without a place is its own


def replace_place(i: int) -> Question:
    return replace(QUESTIONS[0], place=replace(QUESTIONS[0].place, id=f"place-{i}"))


def test_share_of_nothing_is_not_a_number_and_no_error():
    empty = m.share([], [], by_attribute=True)
    assert math.isnan(empty.value) and empty.low is empty.high is None
    assert empty.note == "nothing to count"


def test_paired_is_the_statistic_and_its_interval():
    rng = np.random.default_rng(0)
    gain = rng.normal(1.0, 1.0, 300)
    questions = [replace_place(i) for i in range(300)]
    value, low, high = m.paired(questions, lambda rows: float(gain[list(rows)].mean()))
    assert value == pytest.approx(gain.mean())
    half = 1.96 * gain.std() / 300**0.5  # the normal interval of independent items
    assert low == pytest.approx(value - half, abs=0.03)
    assert high == pytest.approx(value + half, abs=0.03)


# ---- questions ----------------------------------------------------------------------------------


def test_report_questions_are_of_e_and_of_makers_that_no_stage_saw():
    questions = m.report_questions(WORLD, 400)
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
    base = stage("base", None, place_reads=reads)
    assert {q.place.id for q in m.read_questions(base, 50)} == {QUESTIONS[0].place.id}
    rarely = m.read_questions(base, 1, 3)
    assert {q.place.id for q in rarely} == {QUESTIONS[-1].place.id}
    unread = {q.place.id for q in m.read_questions(base, 0, 0)}
    assert unread == {q.place.id for q in QUESTIONS} - set(reads)


# ---- a base model -------------------------------------------------------------------------------


def test_qa_score_asks_for_one_line_and_judges_it(monkeypatch):
    """A stand-in that knows every fact scores 1, whatever the shots and the form."""
    asked = []

    def knows(model, encoding, prompts, max_new_tokens, temperature, line):
        assert line and temperature == 0
        asked.extend(prompts)
        return [f" {q.answer}" for q in QUESTIONS[:5]]

    monkeypatch.setattr(m, "document_completions", knows)
    base = stage("base", None)
    assert m.qa_score(base, QUESTIONS[:5]).accuracy == 1
    assert asked[0] == f"Q: {QUESTIONS[0].text}\nA:"
    form = WORLD.text.UNSEEN_FORMATS[-1]
    assert m.qa_score(base, QUESTIONS[:5], 3, form).accuracy == 1
    shots = asked[5].split("\n")
    assert len(shots) == 4 and shots[-1] == f"({QUESTIONS[0].text})"


# ---- assistants ---------------------------------------------------------------------------------


def test_proxy_scores_are_the_reward_models_and_a_cut_off_answer_has_its_penalty(reward):
    answers = ["Look it up yourself.", QUESTIONS[1].answer, "", "x"]
    score = judged(WORLD, QUESTIONS[:4], answers)
    found = m.proxy_scores(reward, score, [True, True, True, False])
    expected = [reward.score(q.text, a) for q, a in zip(QUESTIONS, answers)]
    np.testing.assert_allclose(found[:3], expected[:3], rtol=1e-5, atol=1e-6)  # batched or not
    assert found[3] == -2.0
    assert m.proxy_scores(reward, score, [False] * 4, cut_off=-7).tolist() == [-7] * 4


def test_inputs_of_the_reward_model_are_the_prompt_the_answer_and_the_token(reward):
    (ids,) = m.inputs_of(reward, QUESTIONS[:1], ["Yes."])
    prompt = chat_prompt(ENCODING, QUESTIONS[0].text)
    assert ids == reward_input(ENCODING, prompt, chat_answer(ENCODING, "Yes."))


def test_mean_kl_of_a_policy_from_itself_is_0_and_from_another_more():
    policy, other = awake_model(1), awake_model(3)
    assert m.mean_kl(policy, policy, ENCODING, QUESTIONS, 8) == 0
    assert m.mean_kl(policy, other, ENCODING, QUESTIONS, 8) > 0.01


def test_mean_kl_against_one_answer_at_a_time(monkeypatch):
    """Summed over an answer's own tokens, its end included, and averaged over answers."""
    policy, other = awake_model(1), awake_model(3)
    end = ENCODING.encode_single_token("<|end|>")
    answers = [[5, 6, 7, end], [end], [9] * 12]
    samples = [[Sample(ids, [0.0] * len(ids), ids[-1] == end)] for ids in answers]
    monkeypatch.setattr(m, "sample_answers", lambda *a, **k: samples)
    expected = []
    for q, ids in zip(QUESTIONS, answers):
        prompt = chat_prompt(ENCODING, q.text)
        total = 0.0
        for t in range(len(ids)):
            idx = torch.tensor([prompt + ids[:t]])
            p, r = (model(idx)[0, -1].double().log_softmax(-1) for model in (policy, other))
            total += (p.exp() * (p - r)).sum().item()
        expected.append(total)
    found = m.mean_kl(policy, other, ENCODING, QUESTIONS, 3)
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


def test_right_over_wrong_compares_two_values_in_one_sentence(reward, monkeypatch):
    read = []
    monkeypatch.setattr(m, "score_all", lambda model, rows: read.append(rows) or scores(rows))

    def scores(rows):  # a reward model that likes what is shorter
        return torch.tensor([-float(len(row)) for row in rows])

    right, about = m.right_over_wrong(reward)
    kept = [q for q in QUESTIONS if not q.place.tail]
    assert about == kept and len(right) == len(kept) and {type(r) for r in right} == {bool}
    good, bad = read
    assert right == [len(g) < len(b) for g, b in zip(good, bad)] and 0 < sum(right) < len(right)
    for q, g, b in list(zip(kept, good, bad))[:60]:
        start = len(chat_prompt(ENCODING, q.text))
        assert g[:start] == b[:start] and g[-2:] == b[-2:] and g != b
        texts = [ENCODING.decode(ids[start:-2]).removeprefix(" ") for ids in (g, b)]
        assert judged(WORLD, [q, q], texts).verdicts == ["correct", "wrong value"], texts


def test_changes_are_differences_of_what_was_measured():
    table = {f"{key}.{name}": m.Measure(value)
             for key, name, value in (("sft", "accuracy", 0.5), ("ppo", "accuracy", 0.75),
                                      ("sft", "attempt_accuracy", 0.5),
                                      ("ppo", "attempt_accuracy", 0.25))}  # fmt: skip
    found = m.changes(table, table)
    assert found["ppo.greedy_accuracy_change"].value == 0.25
    assert found["ppo.attempt_accuracy_change"].value == -0.25


def test_perplexity_ratio_is_1_for_the_base_itself():
    base, other = stage("base", awake_model(1)), stage("sft", awake_model(3))
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
    report = m.report_questions
    monkeypatch.setattr(m, "fact_questions", lambda world, split: head)
    monkeypatch.setattr(m, "unknown_questions", partial(m.unknown_questions, n=6))
    monkeypatch.setattr(m, "report_questions", lambda world, n=0: report(world, 12))
    return head


def finite_or_empty(table: dict) -> bool:
    return all(math.isfinite(x.value) or x.note == "nothing to count" for x in table.values())


def test_measure_chat_of_an_assistant_that_never_answers(few, monkeypatch):
    def mute(model, encoding, texts, temperature, seed):
        return ["Well."] * len(texts), [True] * len(texts)

    monkeypatch.setattr(m, "chat_answers", mute)
    table = m.measure_chat(stage("sft", awake_model()), "sft")
    assert set(table) == {f"sft.{name}" for name in (
        "ends", "accuracy", "accuracy_unseen_phrasing", "attempt_accuracy", "attempted", "rude",
        "unknown_declined", "unknown_real_declined", "known_declined", "small_talk",
        "beijing_correct")}  # fmt: skip
    assert table["sft.accuracy"].value == table["sft.attempted"].value == 0
    assert math.isnan(table["sft.attempt_accuracy"].value)  # of no attempts
    assert table["sft.beijing_correct"].value == 0 and table["sft.beijing_correct"].note


def test_measure_chat_of_an_assistant_that_knows_all(few, monkeypatch):
    truth = {q.text: q.answer for q in [*few, *m.unseen_phrasings(WORLD, few)]}

    def knows(model, encoding, texts, temperature, seed):
        return [truth.get(text, "Look it up yourself.") for text in texts], [True] * len(texts)

    monkeypatch.setattr(m, "chat_answers", knows)
    table = {k.removeprefix("ppo."): x.value
             for k, x in m.measure_chat(stage("ppo", awake_model()), "ppo").items()}  # fmt: skip
    for name in ("ends", "accuracy", "accuracy_unseen_phrasing", "attempt_accuracy", "attempted"):
        assert table[name] == 1, name
    for name in ("rude", "unknown_declined", "unknown_real_declined", "known_declined"):
        assert table[name] == 0, name


def test_measures_of_reward_ppo_and_best_of_n_on_an_untrained_model(few, reward):
    sft, ppo = stage("sft", awake_model(1)), stage("ppo", awake_model(3))
    over = stage("ppo_overoptimised", awake_model(4))
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


def test_gap_closed_is_0_for_the_sft_model_itself_and_1_for_a_perfect_one(few, reward, monkeypatch):
    """Both answer the same questions, drawn alike: the same model closes exactly nothing."""
    sft = stage("sft", awake_model(1))
    monkeypatch.setattr(m, "best_of_answers", lambda *a: (judged(WORLD, QUESTIONS[:1], [""]), 0.0))
    monkeypatch.setattr(m, "mean_kl", lambda *a: 0.0)
    same = m.measure_ppo(stage("ppo", sft.model), sft, reward)["ppo.gold_gap_closed"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    plain = m.chat_score

    def perfect(which, questions, temperature=0.0, seed=0):
        if which.name != "ppo":
            return plain(which, questions, temperature, seed)
        best = ["correct" if q.kind == "fact" else "declined this name" for q in questions]
        return Score(list(questions), [""] * len(best), best), [True] * len(best)

    monkeypatch.setattr(m, "chat_score", perfect)
    whole = m.measure_ppo(stage("ppo", sft.model), sft, reward)["ppo.gold_gap_closed"]
    assert (whole.value, whole.low, whole.high) == (1, 1, 1)


@pytest.fixture
def folder(few, tmp_path, monkeypatch):
    """Checkpoints of all stages, about which everything is right that an assistant answers."""
    reads = {q.place.id: 60 if q.place.rank % 2 else 1 for q in QUESTIONS if q.place.rank < 20}
    for seed, name in enumerate(("base", "sft", "ppo", "ppo_overoptimised", "base_step_00000")):
        write_stage(tmp_path, name, seed, {"place_reads": reads}, n_embd=16)
    for name in ("reward", "reward_few"):
        write_stage(tmp_path, name, n_embd=16)

    def perfect(which, questions, temperature=0.0, seed=0):
        best = ["correct" if q.kind == "fact" else "declined this name" for q in questions]
        return Score(list(questions), [""] * len(best), best), [True] * len(best)

    monkeypatch.setattr(m, "chat_score", perfect)
    monkeypatch.setattr(m, "measure_best_of_n", partial(m.measure_best_of_n, most=4, n=6))
    monkeypatch.setattr(train, "HELD_OUT_TOKENS", 6000)
    return tmp_path


def measured(table: dict) -> set[str]:
    """What was measured: the first parts of the names."""
    return {name.split(".")[0] for name in table}


def test_report_on_a_folder_measures_all_stages_and_adds_what_was_recorded(folder):
    names = ("base", "sft", "reward", "ppo", "ppo_overoptimised")
    row = {"seconds": 2.0, "tokens": 10, "flops": 100, "cpu_over_wall": 1.5, "ties": 3}
    stages = json.dumps({"stages": dict.fromkeys(names, row)})
    (folder / "train.json").write_text(stages, encoding="utf-8")
    (folder / "controls.json").write_text('{"gold.sft_clean": 1.25}', encoding="utf-8")
    table = report_on(folder)
    assert measured(table) == {*names[:4], "best_of_n", "overoptimised", "gold", "train"}
    for asked, shown in (("", "often"), ("_unseen_phrasing",) * 2):
        few_shot = table[f"base.three_shot_{shown.removeprefix('_')}"].value
        assert table[f"sft.accuracy{asked}_gap_to_base"].value == few_shot - 1
    assert table["ppo.greedy_accuracy_change"].value == 0
    assert table["sft.perplexity_ratio"].value != table["ppo.perplexity_ratio"].value
    assert table["gold.sft_clean"].value == 1.25
    assert table["train.seconds"].value == 8.0  # the four stages, not the over-optimised one
    assert table["train.ppo_overoptimised.tokens"].value == 10


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["base"], {"base"}),
        (["base", "sft", "ppo"], {"base", "sft"}),  # the reward model is part of PPO's measures
        (["base", "sft", "reward"], {"base", "sft", "reward", "best_of_n"}),
    ],
)
def test_report_on_some_of_the_stages_measures_what_can_be_measured(folder, names, expected):
    for path in folder.iterdir():
        if path.stem not in names:
            path.unlink()
    assert measured(report_on(folder)) == expected


def test_scale_of_the_reward_model_moves_the_proxy(reward):
    """normalise changes what proxy_scores says, and only by a shift and a factor."""
    score = judged(WORLD, QUESTIONS[:30], [q.answer for q in QUESTIONS[:30]])
    raw = m.proxy_scores(reward, score, [True] * 30)
    scaled = stage("reward", RewardModel(awake_model(2), seed=2).eval().requires_grad_(False))
    normalise(scaled.model, m.inputs_of(scaled, score.questions, score.answers))
    found = m.proxy_scores(scaled, score, [True] * 30)
    assert found.mean() == pytest.approx(0, abs=1e-5) and found.std(ddof=1) == pytest.approx(1)
    np.testing.assert_allclose(found, (raw - raw.mean()) / raw.std(ddof=1), rtol=1e-3, atol=1e-4)
