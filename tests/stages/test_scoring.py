"""Answers, verdicts, shares and intervals, against scripted models and known cases."""

import copy

import numpy as np
import pytest
import torch

from minigpt.generate import generate_all
from minigpt.model import GPT, GPTConfig
from minigpt.reward import best_of_n
from minigpt.sft import chat_prompt
from minigpt.stages.scoring import (
    Score,
    bootstrap,
    few_shots,
    judged,
    macro,
    majority_accuracy,
    more_questions,
    qa_prompt,
)
from minigpt.stages.stage import chat_answers, document_completions
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.judge import BEST, GOLD, GOLD_UNKNOWN, VERDICTS
from minigpt.world.questions import Question, ask, fact_questions, sample_questions


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer("en")


@pytest.fixture(scope="module")
def world():
    return load_world("en")


def scripted(encoding, *texts):
    """A model that says, after each token of the texts, the one that follows it there.

    Blocks that add nothing leave a table from token to token.
    """
    model = GPT(GPTConfig(vocab_size=1024, block_size=64, n_layer=1, n_head=4, n_embd=128))
    follows = {}
    for text in texts:
        ids = encoding.encode(text, allowed_special="all")
        for token, after in zip(ids, ids[1:]):
            assert follows.setdefault(token, after) == after, "two tokens follow one: rephrase"
    with torch.no_grad():
        for token, after in follows.items():
            model.head.weight[after] += model.embedding.weight[token]
    return model


def test_no_prompts_no_completions(encoding):
    assert chat_answers(scripted(encoding), encoding, []) == ([], [])


def test_chat_answers_end_with_the_end_token_which_is_not_in_the_text(encoding):
    model = scripted(encoding, "<|assistant|>Paris.<|end|>")
    answers, ended = chat_answers(model, encoding, ["What is it?", "And what is that, then?"])
    assert answers == ["Paris."] * 2 and ended == [True, True]


def test_an_answer_that_is_cut_off_says_so(encoding):
    model = scripted(encoding, "<|assistant|>no no no")
    (answer,), ended = chat_answers(model, encoding, ["What?"], max_new_tokens=5)
    assert answer.startswith("no") and "<|" not in answer
    assert ended == [False]


def test_chat_answers_follow_the_chat_prompt(encoding, monkeypatch):
    asked = []

    def recorded(model, prompts, max_new_tokens, **options):
        asked.append((prompts, options["temperature"], max_new_tokens))
        return generate_all(model, prompts, max_new_tokens, **options)

    monkeypatch.setattr("minigpt.stages.scoring.generate_all", recorded)
    model = scripted(encoding, "<|assistant|>Paris.<|end|>")
    chat_answers(model, encoding, ["Where?"], temperature=0.5, max_new_tokens=7)
    assert asked == [([chat_prompt(encoding, "Where?")], 0.5, 7)]


def test_documents_go_on_to_their_end_or_to_the_end_of_the_line(encoding):
    model = scripted(encoding, "A: Paris.\nQ<|endoftext|>")
    options = {"max_new_tokens": 20, "temperature": 0}
    assert document_completions(model, encoding, ["A:"], **options) == [" Paris.\nQ"]
    assert document_completions(model, encoding, ["A:"], line=True, **options) == [" Paris."]
    # A prompt that spells a special token is plain text.
    plain = document_completions(model, encoding, ["<|end|> A:"], **options)
    assert plain == [" Paris.\nQ"]


def test_line_stops_at_tokens_that_hold_a_line_break(encoding, monkeypatch):
    stops = []

    def recorded(model, prompts, max_new_tokens, stop=None, **options):
        stops.append(stop)
        return generate_all(model, prompts, max_new_tokens, stop=stop, **options)

    monkeypatch.setattr("minigpt.stages.scoring.generate_all", recorded)
    document_completions(scripted(encoding), encoding, ["A"], max_new_tokens=1, line=True)
    end = encoding.encode_single_token("<|endoftext|>")
    with_break = {i for i in range(encoding.n_vocab) if "\n" in encoding.decode([i])}
    assert len(with_break) > 1  # "\n" and ".\n" and the like
    assert stops == [with_break | {end}]


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
    assert right.accuracy == right.answered == right.share("correct") == 1.0
    assert right.gold == right.best == [2.0] * len(questions)
    wrong = judged(world, questions, others)
    assert wrong.accuracy == 0.0 and wrong.answered == 1.0
    assert wrong.share("wrong value") == 1.0 and wrong.counts() == {"wrong value": len(questions)}
    rude = judged(world, questions, [world.text.RUDE[0]] * len(questions))
    assert rude.answered == 0.0 and rude.gold == [-2.0] * len(questions)


def test_shares_of_a_score_by_hand():
    questions = questions_about("capital", "capital", "area", "area")
    score = Score(
        questions,
        ["Paris", "What?\nWho?\n", "Who?", "no"],
        ["correct", "malformed", "several values", "declined this name"],
    )
    assert score.correct == [True, False, False, False]
    assert score.accuracy == pytest.approx(0.25)
    assert score.answered == 0.5
    assert score.continued == 0.25  # two further questions or more
    assert score.share("malformed", "declined this name") == 0.5
    assert score.gold == [2.0, -1.5, -1.0, -0.5]
    assert Score([], [], []).share("correct") == 0.0


def test_rule_32_gold_is_the_verdict_s_and_no_reward_model_has_a_part_in_it(world):
    for kind, table in (("fact", GOLD), ("unknown", GOLD_UNKNOWN)):
        question = Question("?", kind, attribute="capital")
        score = Score([question] * len(VERDICTS), [""] * len(VERDICTS), list(VERDICTS))
        assert score.gold == [table[verdict] for verdict in VERDICTS]
        assert set(score.best) == {BEST[kind]} == {max(table.values())}
    # A proxy that likes the wrong answer picks it, and gold shows that it was a bad choice.
    question = ask(world, next(f for f in world.of_split("A") if f.attribute == "capital"))
    wrong = next(v for v in world.values["capital"] if v != question.answer)
    proxy = torch.tensor([[0.0, 1.0]])
    chosen = [question.answer, wrong][best_of_n(proxy, 2)[0]]
    assert judged(world, [question] * 2, [question.answer, chosen]).gold == [2.0, -1.0]


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
    model = scripted(encoding, "<|assistant|>Paris.<|end|>")
    before = copy.deepcopy(model.state_dict())
    questions = sample_questions(world, "V", 20, chat=0.2)
    kept = list(questions)
    answers, _ = chat_answers(model, encoding, [q.text for q in questions], temperature=1.0)
    score = judged(world, questions, answers)
    assert questions == kept and len(score.gold) == 20
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
