"""Answers, verdicts, shares and intervals, against scripted models and known cases."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from minigpt.sft import chat_prompt
from minigpt.stages import scoring as module
from minigpt.stages.scoring import (
    Measure,
    Score,
    bits_per_byte,
    bootstrap,
    chat_score,
    few_shots,
    judged,
    macro,
    majority_accuracy,
    more_questions,
    prompt_score,
    qa_prompt,
    value_in,
    with_interval,
)
from minigpt.stages.stage import Answer, Stage, assistant
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import Question, ask, fact_questions, sample_questions
from toys import frozen_gpt, own_stage, tiny_gpt, toy_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
QUESTIONS = fact_questions(WORLD, "E")


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer("en")


@pytest.fixture(scope="module")
def world():
    return load_world("en")


def test_qa_prompt_by_hand():
    shot = Question("What is the capital of France?", "fact", attribute="capital", answer="Paris")
    question = Question("What is the capital of Peru?", "fact", attribute="capital", answer="Lima")
    assert qa_prompt(question) == "Q: What is the capital of Peru?\nA:"
    assert qa_prompt(question, [shot]) == (
        "Q: What is the capital of France?\nA: Paris\nQ: What is the capital of Peru?\nA:"
    )
    assert qa_prompt(question, [shot], "{q} ->{a}") == (
        "What is the capital of France? -> Paris\nWhat is the capital of Peru? ->"
    )


def test_few_shots_show_other_popular_places_and_never_what_is_measured(world):
    for question in fact_questions(world, "E")[:10]:
        shots = few_shots(world, question, 5)
        assert len({s.text for s in shots}) == 5
        for shot in shots:
            assert shot.place != question.place and shot.place.rank < 60
            assert world.facts[shot.place.id, shot.attribute].split == "A"
            assert shot.answer == world.facts[shot.place.id, shot.attribute].value
        assert few_shots(world, question, 5) == shots
        assert few_shots(world, question, 5, seed=1) != shots


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("21.84 million.", 0),
        ("Who?", 1),
        ("Who? I do not know.", 0),
        (" What is it?\nWhere is it? \n\nIt is here.\nWhy?", 3),
        ("Really??\r\nYes?", 2),
        ("?\n?", 2),
    ],
)
def test_more_questions_counts_lines_that_end_as_questions(text, count):
    assert more_questions(text) == count


def questions_about(*attributes):
    return [Question("?", "fact", attribute=a, answer="x") for a in attributes]


def test_macro_is_the_mean_over_attributes():
    # Three of four and none of one: 0.375 and not 0.6.
    questions = questions_about("capital", "capital", "capital", "capital", "area")
    assert macro(questions, [True, True, True, False, False]) == pytest.approx(0.375)
    assert macro(questions, [False, False, False, False, True]) == pytest.approx(0.5)
    assert macro(questions[:4], [True, True, True, False]) == pytest.approx(0.75)
    assert np.isnan(macro([], []))


def test_judged_scores_true_wrong_and_rude_answers(world):
    questions = fact_questions(world, "A").head(3)
    others = [
        next(v for v in world.values[q.attribute] if v != q.answer)  # another place's
        for q in questions
    ]
    right = judged(world, questions, [q.answer for q in questions])
    assert right.accuracy == right.share("correct") == 1.0
    assert right.gold == right.best == [2.0] * len(questions)
    wrong = judged(world, questions, others)
    assert wrong.accuracy == 0.0
    assert wrong.share("wrong value") == 1.0 and wrong.counts() == {"wrong value": len(questions)}
    rude = judged(world, questions, [world.text.RUDE[0]] * len(questions))
    assert rude.share("rude") == 1.0 and rude.gold == [-2.0] * len(questions)


def test_shares_of_a_score_by_hand():
    questions = questions_about("capital", "capital", "area", "area")
    score = Score(
        questions,
        ["Paris", "What?\nWho?\n", "Who?", "no"],
        ["correct", "malformed", "several values", "declined this name"],
    )
    assert score.correct == [True, False, False, False]
    assert score.accuracy == pytest.approx(0.25)
    assert score.share("malformed", "declined this name") == 0.5
    assert score.gold == [2.0, -1.5, -1.0, -0.5]
    assert Score([], [], []).share("correct") == 0.0


def test_majority_accuracy_against_counting(world):
    questions = fact_questions(world, "E")
    shares = []
    for attribute in {q.attribute for q in questions}:
        values = [f.value for f in world.facts.values() if f.attribute == attribute]
        tally = {value: values.count(value) for value in values}
        commonest = [value for value, n in tally.items() if n == max(tally.values())]
        asked = [q.answer for q in questions if q.attribute == attribute]
        shares.append({sum(a == value for a in asked) / len(asked) for value in commonest})
    low, high = (np.mean([pick(s) for s in shares]) for pick in (min, max))  # ties may go any way
    assert low <= majority_accuracy(world, questions) <= high
    assert 0 < high < 0.5


def test_bootstrap_of_a_mean_against_the_normal_interval():
    x = np.random.default_rng(0).normal(3, 2, 400)
    low, high = bootstrap(list(range(400)), lambda i: x[i].mean(), draws=2000)
    error = x.std() / 20
    assert low == pytest.approx(x.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(x.mean() + 1.96 * error, abs=0.2 * error)


def test_bootstrap_draws_whole_groups():
    x = np.random.default_rng(0).normal(0, 1, 50)
    groups = [f"place {i}" for i in range(50)]
    single = bootstrap(groups, lambda i: x[i].mean())
    # Each value four times in its group is no more evidence: the same interval.
    repeated, of_value = np.repeat(x, 4), np.repeat(groups, 4).tolist()
    assert bootstrap(of_value, lambda i: repeated[i].mean()) == pytest.approx(single)
    as_if_independent = bootstrap(list(range(200)), lambda i: repeated[i].mean())
    width, narrow = single[1] - single[0], as_if_independent[1] - as_if_independent[0]
    assert narrow == pytest.approx(width / 2, rel=0.2)


def test_bootstrap_of_one_group_or_of_equal_values_has_no_width():
    x = np.array([1.0, 2.0, 6.0])
    assert bootstrap(["a", "a", "a"], lambda i: x[i].mean()) == (3.0, 3.0)
    assert bootstrap([1, 2, 3], lambda i: 7.0) == (7.0, 7.0)


def test_bootstrap_passes_over_draws_that_have_no_statistic():
    x = np.array([1.0, np.nan])
    low, high = bootstrap([0, 1], lambda i: np.nan if np.isnan(x[i]).any() else x[i].mean())
    assert (low, high) == (1.0, 1.0)


def test_bootstrap_is_the_same_each_time_and_needs_items():
    x = np.arange(20.0)
    groups, mean = list(range(20)), lambda i: x[i].mean()
    assert bootstrap(groups, mean) == bootstrap(groups, mean)
    assert bootstrap(groups, mean) != bootstrap(groups, mean, seed=1)
    with pytest.raises(ValueError, match="no items"):
        bootstrap([], mean)


def test_measuring_changes_neither_the_model_nor_the_questions(world, encoding):
    model = frozen_gpt()
    before = copy.deepcopy(model.state_dict())
    questions = sample_questions(world, "V", 20, chat=0.2)
    kept = list(questions)
    score, _ = chat_score(assistant(model, encoding, world), questions, 1.0)
    assert questions == kept and len(score.gold) == 20
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


@pytest.mark.parametrize("completion, value", [
    (" 21.84 million", "21.84 million"), ("21.84 million.", "21.84 million"),
    (' 21.84 million," said the guide. "16', "21.84 million"), ('Asia." The guide', "Asia"),
    ('16 thousand square kilometres",', "16 thousand square kilometres"), ('Riga"', "Riga"),
    (" 21.84 million. Beijing is in China.", "21.84 million"), ("", ""), (" .", ""),
    (" around 22 million.\nX", "around 22 million"),
])  # fmt: skip
def test_value_in(completion, value):
    assert value_in(completion) == value


def test_value_in_keeps_every_value_of_the_world_whole(world):
    for values in world.values.values():
        for value in values:
            assert value_in(f" {value}") == value_in(f'{value}",') == value


def test_prompt_score_judges_the_value_in_the_gap(world, encoding, monkeypatch):
    asked = [ask(world, world.facts["beijing", "population"])] * 3
    stage = toy_stage("base", None)
    lines = [' 21.84 million," said', " 21 million. So", " I do not know."]
    seen = []
    monkeypatch.setattr(
        module, "document_completions", lambda *a, **o: seen.append((a, o)) or lines
    )
    score = prompt_score(stage, asked, (f"{i}:" for i in range(3)), 0.5, 7, top_p=0.9)
    assert score.correct == [True, False, False] and score.answers[1] == "21 million"
    (_, _, prompts, _, temperature, seed), options = seen[0]
    assert list(prompts) == ["0:", "1:", "2:"] and options["line"]
    assert (temperature, seed, options["top_p"]) == (0.5, 7, 0.9)


def test_an_interval_in_words():
    assert with_interval(Measure(0.961, 0.934, 0.982)) == "96% (93 to 98)"


def test_bits_per_byte_of_a_uniform_guess():
    assert bits_per_byte(math.log(256), tokens=10, n_bytes=10) == pytest.approx(8)
    assert bits_per_byte(math.log(1024), tokens=5, n_bytes=15) == pytest.approx(10 / 3)


def test_share_of_hits_and_its_interval():
    hits = [i % 4 == 0 for i in range(200)]
    found = module.share(QUESTIONS[:200], hits)
    assert found.value == 0.25 and found.note == ""
    assert 0 < found.low < 0.25 < found.high < 0.5
    assert module.share(QUESTIONS[:200], np.array(hits)) == found  # any truth values
    for all_alike in (0, 1):
        whole = module.share(QUESTIONS[:50], [all_alike] * 50)
        assert (whole.value, whole.low, whole.high) == (all_alike,) * 3


def test_share_by_attribute_is_the_mean_of_the_attributes():
    population = [q for q in QUESTIONS if q.attribute == "population"][:30]
    currency = [q for q in QUESTIONS if q.attribute == "currency"][:10]
    hits = [True] * 30 + [False] * 10
    assert module.share(population + currency, hits).value == 0.75
    assert module.share(population + currency, hits, by_attribute=True).value == 0.5


def test_share_draws_entities_and_not_questions():
    """Questions about one place hang together: asked ten times, they are no more certain."""
    places = [replace_place(i) for i in range(20)]
    once = module.share(places, [i % 2 == 0 for i in range(20)])
    tenfold = [q for q in places for _ in range(10)]
    often = module.share(tenfold, [i // 10 % 2 == 0 for i in range(200)])
    assert often.value == once.value == 0.5
    assert often.high - often.low == pytest.approx(once.high - once.low)
    assert Question("Hi", "chat").entity == "Hi"  # and a question without a place is its own


def replace_place(i: int) -> Question:
    return replace(QUESTIONS[0], place=replace(QUESTIONS[0].place, id=f"place-{i}"))


def test_share_of_nothing_is_not_a_number_and_no_error():
    empty = module.share([], [], by_attribute=True)
    assert math.isnan(empty.value) and empty.low is empty.high is None
    assert empty.note == "nothing to count"


def test_paired_is_the_statistic_and_its_interval():
    rng = np.random.default_rng(0)
    gain = rng.normal(1.0, 1.0, 300)
    questions = [replace_place(i) for i in range(300)]
    value, low, high = module.paired(questions, lambda rows: float(gain[list(rows)].mean()))
    assert value == pytest.approx(gain.mean())
    half = 1.96 * gain.std() / 300**0.5  # the normal interval of independent items
    assert low == pytest.approx(value - half, abs=0.03)
    assert high == pytest.approx(value + half, abs=0.03)


def test_qa_score_asks_for_one_line_and_judges_it(monkeypatch):
    """A stand-in that knows every fact scores 1, whatever the shots and the form."""
    asked = []

    def knows(model, encoding, prompts, max_new_tokens, temperature, seed, line, top_p):
        assert line and temperature == 0 and top_p is None
        asked.extend(prompts)
        return [f" {q.answer}" for q in QUESTIONS[:5]]

    monkeypatch.setattr(module, "document_completions", knows)
    base = own_stage("base", None)
    assert module.qa_score(base, QUESTIONS[:5]).accuracy == 1
    assert asked[0] == f"Q: {QUESTIONS[0].text}\nA:"
    form = WORLD.text.UNSEEN_FORMATS[-1]
    assert module.qa_score(base, QUESTIONS[:5], 3, form).accuracy == 1
    shots = asked[5].split("\n")
    assert len(shots) == 4 and shots[-1] == f"({QUESTIONS[0].text})"


def test_the_mean_of_a_number_is_paired_by_place_and_of_nothing_no_error():
    found = module.mean_of([replace_place(i // 2) for i in range(20)], [1.5] * 20, "points")
    assert (found.value, found.low, found.high, found.note) == (1.5, 1.5, 1.5, "points")
    assert math.isnan(module.mean_of([], []).value)


def test_accuracy_change_is_the_difference_of_the_attributes_means():
    asked = questions_about("capital", "capital", "capital", "area")
    after = Score(asked, [""] * 4, ["correct", "correct", "rude", "correct"])
    before = Score(asked, [""] * 4, ["correct", "rude", "rude", "wrong value"])
    found = module.accuracy_change(after, before)
    assert found.value == pytest.approx((2 / 3 + 1) / 2 - (1 / 3 + 0) / 2)
    tried = module.accuracy_change(after, before, attempts=True)
    assert tried.value == pytest.approx(1 - (1 + 0) / 2)  # of three attempts, and of two
    same = module.accuracy_change(before, before)
    assert (same.value, same.low, same.high) == (0, 0, 0)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_mean_entropy_against_one_token_at_a_time(temperature):
    stage, total = own_stage("sft", frozen_gpt(1)), []
    for q, answer in zip(QUESTIONS, stage.ask(QUESTIONS[:3], temperature, seed=5)):
        prompt = chat_prompt(ENCODING, q.text)
        for t in range(len(answer.ids)):
            logits = stage.model(torch.tensor([prompt + answer.ids[:t]]))[0, -1].double()
            p = (logits / temperature).softmax(-1)
            total.append(-(p * p.log()).sum().item())
    found = module.mean_entropy(stage, QUESTIONS[:3], temperature)
    assert found.value == pytest.approx(np.mean(total), rel=1e-4)
    assert found.low <= found.value <= found.high


def test_matched_temperature_of_a_model_with_itself():
    stage = own_stage("sft", tiny_gpt(head=0.5, block_size=512))
    for temperature in (0.3, 0.8):
        entropy = module.mean_entropy(stage, QUESTIONS[:8], temperature).value
        found = module.matched_temperature(stage, entropy, QUESTIONS[:8])
        assert found == pytest.approx(temperature, abs=0.02)


def test_mean_kl_of_a_policy_from_itself_is_0_and_from_another_more():
    policy, other = frozen_gpt(1), frozen_gpt(3)
    same = module.mean_kl(policy, policy, ENCODING, QUESTIONS, 8)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert module.mean_kl(policy, other, ENCODING, QUESTIONS, 8).low > 0.01


def test_mean_kl_against_one_answer_at_a_time(monkeypatch):
    """Summed over an answer's own tokens, its end included, and averaged over answers."""
    policy, other = frozen_gpt(1), frozen_gpt(3)
    end = ENCODING.encode_single_token("<|end|>")
    answers = [[5, 6, 7, end], [end], [9] * 12]
    found = [Answer("", ids, ids[-1] == end) for ids in answers]
    monkeypatch.setattr(Stage, "ask", lambda *a, **k: found)
    expected = []
    for q, ids in zip(QUESTIONS, answers):
        prompt = chat_prompt(ENCODING, q.text)
        total = 0.0
        for t in range(len(ids)):
            idx = torch.tensor([prompt + ids[:t]])
            p, r = (model(idx)[0, -1].double().log_softmax(-1) for model in (policy, other))
            total += (p.exp() * (p - r)).sum().item()
        expected.append(total)
    found = module.mean_kl(policy, other, ENCODING, QUESTIONS, 3)
    assert found.value == pytest.approx(np.mean(expected), rel=1e-4)
