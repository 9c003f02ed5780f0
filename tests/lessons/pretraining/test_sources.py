"""The experiment on sources: what its corpora hold, and its measures."""

import re
from functools import partial

import numpy as np
import pytest

from minigpt.lessons.pretraining import sources
from minigpt.lessons.pretraining.sources import VARIANTS, train
from minigpt.model import GPTConfig
from minigpt.stages.scoring import qa_score
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import MIXTURE
from minigpt.world.facts import load_world
from toys import TINY, tiny_gpt, toy_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
TOKENS = 150_000
QUESTIONS = sources.head_questions(WORLD)[:60]
MARKED = re.compile(r"^\S.{0,30}? (?:What|Which|How|Where|In|Into|On)\b[^?\n]*\?\n", re.M)


def stage():
    return toy_stage("base", tiny_gpt())


@pytest.fixture(scope="module")
def corpora():
    return {name: v.corpus(WORLD, ENCODING, TOKENS, 0) for name, v in VARIANTS.items()}


# ---- the corpora ------------------------------------------------------------------------------


def test_each_variant_reads_its_sources_and_as_many_tokens(corpora):
    for name, corpus in corpora.items():
        assert set(corpus.sources) == set(VARIANTS[name].sources), name
        assert TOKENS <= len(corpus.tokens) < TOKENS * 1.01, name
    rest = 1 - MIXTURE["CommonCrawl"] - MIXTURE["C4"]
    shares = corpora["the other 18 % alone"].shares()
    assert shares["GitHub"] == pytest.approx(MIXTURE["GitHub"] / rest, abs=0.02)


@pytest.mark.parametrize("name", ["without StackExchange", "18 % without StackExchange"])
def test_without_stackexchange_no_document_asks_under_a_mark_and_answers(corpora, name):
    """Else the model could learn `Q: … A:` from pages that look like it."""
    for document in corpora[name].documents:
        if MARKED.search(document) and '"' not in document:  # what is left asks in every line
            lines = document.split("\n")
            lines = lines[1:] if lines[0] in WORLD.text.LIST_HEADERS else lines
            assert all(line.endswith("?") for line in lines), document
    assert not any("Q: " in d for d in corpora[name].documents)


def test_marks_that_ask_and_answer_stand_elsewhere_in_the_crawl_alone(corpora):
    """… so the search above can find, and only the full mix needs its quizzes left out."""
    for name, sources_of in (("full", {"CommonCrawl", "C4", "StackExchange"}),
                             ("without Books", {"CommonCrawl", "C4", "StackExchange"}),
                             ("the other 18 % alone", {"StackExchange"}),
                             ("18 % without Books", {"StackExchange"})):  # fmt: skip
        corpus = corpora[name]
        found = {s for s, d in zip(corpus.sources, corpus.documents)
                 if MARKED.search(d) and '"' not in d and not d.endswith("?")}  # fmt: skip
        assert found == sources_of, name


def test_dialogue_stands_in_books_alone(corpora):
    spoken = re.compile(r'\?" (?:asked|The guide said)')
    for name, corpus in corpora.items():
        found = {s for s, d in zip(corpus.sources, corpus.documents) if spoken.search(d)}
        assert found == ({"Books"} & set(VARIANTS[name].sources)), name


@pytest.mark.parametrize("share", [0, 5, 20, 45])
def test_question_lists_have_their_share_of_commoncrawls_documents(corpora, share):
    corpus = corpora[f"lists {share} %"]
    crawl = [d for s, d in zip(corpus.sources, corpus.documents) if s == "CommonCrawl"]
    listed = [all(line.endswith("?") for line in d.split("\n")[1:]) for d in crawl if "\n" in d]
    assert sum(listed) / len(crawl) == pytest.approx(share / 100, abs=0.05 if share else 0)


# ---- training and measuring -------------------------------------------------------------------


def test_equal_tokens_whichever_the_corpus(monkeypatch):
    read = {}

    def pretrain(model, tokens, config):
        assert len(tokens) > config.steps * config.batch_size * config.block_size
        read[len(read)] = config.steps
        return iter(())

    monkeypatch.setattr(sources, "pretrain", pretrain)
    for name in ("full", "the other 18 % alone"):
        train(VARIANTS[name], 3 * 4096 + 5, 0)
    assert list(read.values()) == [3, 3]
    with pytest.raises(ValueError, match="100 tokens make no batch: give at least 4096"):
        train(VARIANTS["full"], 100, 0)


def test_a_seed_gives_the_same_model_and_another_seed_another(monkeypatch):
    monkeypatch.setattr(sources, "GPTConfig", partial(GPTConfig, **TINY))

    def weights(seed):
        return train(VARIANTS["full"], 2 * 4096, seed).head.weight.numpy()

    first = weights(0)
    assert np.array_equal(first, weights(0)) and not np.array_equal(first, weights(1))


def answering(monkeypatch, say):
    """Let a completion be what `say(question)` gives; the prompts that were asked are returned."""
    prompts = []

    def complete(model, encoding, asked, *rest, **options):
        prompts.extend(asked)
        return [say(q) for q in QUESTIONS]

    monkeypatch.setattr(sources, "document_completions", complete)
    return prompts


def test_a_statement_is_read_to_its_end(monkeypatch):
    prompts = answering(monkeypatch, lambda q: f" {q.answer}. It is 3.5 km away.")
    score = sources.statement_score(stage(), QUESTIONS)
    assert set(score.verdicts) == {"correct"} and score.accuracy == 1
    assert all(q.place.name in p and q.answer not in p for q, p in zip(QUESTIONS, prompts))
    assert not any(p.endswith(" ") for p in prompts)
    other = {a: values[0] for a, values in WORLD.values.items()}
    answering(monkeypatch, lambda q: f" {other[q.attribute]}.")
    wrong = [q.answer != other[q.attribute] for q in QUESTIONS]
    assert sources.statement_score(stage(), QUESTIONS).share("wrong value") == np.mean(wrong)
    answering(monkeypatch, lambda q: " the the the")
    assert sources.statement_score(stage(), QUESTIONS).accuracy == 0


def test_a_dialogue_is_read_to_the_quotation_mark(monkeypatch):
    prompts = answering(monkeypatch, lambda q: f'{q.answer}," said the guide. "Paris," said Mo.')
    assert sources.dialogue_score(stage(), QUESTIONS).accuracy == 1
    assert all(q.text in p and p.count('"') % 2 for q, p in zip(QUESTIONS, prompts))
    answering(monkeypatch, lambda q: 'Good morning," said the guide.')
    assert sources.dialogue_score(stage(), QUESTIONS).accuracy == 0


def test_the_narrator_stands_nowhere(corpora):
    assert not any(sources.NARRATOR in d for c in corpora.values() for d in c.documents)


def test_after_a_bare_question_more_questions_or_an_answer_are_told_apart(monkeypatch):
    answering(monkeypatch, lambda q: "Where is Rome?\nWhere is Oslo?\nEurope")
    whole, first = sources.bare_scores(stage(), QUESTIONS)
    assert whole.continued == 1 and first.answered == 0
    for mark in ("", "A: "):
        answering(monkeypatch, lambda q, mark=mark: f"{mark}{q.answer}\nWhere is Oslo?")
        whole, first = sources.bare_scores(stage(), QUESTIONS)
        assert whole.continued == 0 and first.answered == 1


def test_measures_are_shares_and_those_of_the_other_modules(monkeypatch):
    monkeypatch.setattr(sources, "PLACES", 4)
    monkeypatch.setattr(sources, "HELD_OUT_TOKENS", 3000)
    found = sources.measure(stage().model, seed=3)
    assert {"qa", "dialogue", "statement", "bare_questions", "bare_answered", "held_out_loss",
            "wrong"} <= set(found)  # fmt: skip
    assert all(0 <= v <= 1 for k, v in found.items() if k != "held_out_loss")
    assert found["held_out_loss"] == pytest.approx(np.log(ENCODING.n_vocab), abs=1.0)
    asked = sources.head_questions(WORLD)
    assert found["qa"] == pytest.approx(qa_score(stage(), asked).accuracy, abs=1e-4)
