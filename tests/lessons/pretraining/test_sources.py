"""The experiment on sources: what its corpora hold, its measures, and how they are shown."""

import re
from functools import partial

import numpy as np
import pytest

from minigpt.lessons.pretraining import sources
from minigpt.lessons.pretraining.sources import CUT, VARIANTS, WAYS, WHOLE, accuracy, train
from minigpt.model import GPTConfig
from minigpt.show.results import load_results
from minigpt.stages.scoring import qa_score
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import MIXTURE, build_corpus
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
    return {n: build_corpus(WORLD, ENCODING, TOKENS, m, 0) for n, m in VARIANTS.items()}


# ---- the corpora ------------------------------------------------------------------------------


def test_each_variant_reads_its_sources_in_their_own_proportions(corpora):
    without = {WHOLE: (), CUT[0]: ("StackExchange",), CUT[1]: ("Books",)}
    for name, left_out in without.items():
        expected = set(MIXTURE) - {"CommonCrawl", "C4", *left_out}
        assert set(corpora[name].sources) == set(VARIANTS[name]) == expected
    assert VARIANTS["full"] == MIXTURE
    rest = 1 - MIXTURE["CommonCrawl"] - MIXTURE["C4"]
    assert corpora[WHOLE].shares()["GitHub"] == pytest.approx(MIXTURE["GitHub"] / rest, abs=0.02)


def test_questions_under_marks_are_answered_in_stackexchange_alone(corpora):
    """Within the 18 %; else the model could learn `Q: … A:` from pages that look like it."""
    for name in (WHOLE, *CUT):
        corpus = corpora[name]
        found = {s for s, d in zip(corpus.sources, corpus.documents)
                 if MARKED.search(d) and '"' not in d and not d.endswith("?")}  # fmt: skip
        assert found == {"StackExchange"} & set(VARIANTS[name]), name
        assert any("Q: " in d for d in corpus.documents) == ("StackExchange" in VARIANTS[name])


def test_dialogue_stands_in_books_alone(corpora):
    spoken = re.compile(r'\?" (?:asked|The guide said)')
    for name, corpus in corpora.items():
        found = {s for s, d in zip(corpus.sources, corpus.documents) if spoken.search(d)}
        assert found == ({"Books"} & set(VARIANTS[name])), name


def test_the_narrator_stands_nowhere(corpora):
    assert not any(sources.NARRATOR in d for c in corpora.values() for d in c.documents)


# ---- training and measuring -------------------------------------------------------------------


def test_equal_tokens_whichever_the_corpus(monkeypatch):
    read = {}

    def pretrain(model, tokens, config):
        assert len(tokens) > config.steps * config.batch_size * config.block_size
        read[len(read)] = config.steps
        return iter(())

    monkeypatch.setattr(sources, "pretrain", pretrain)
    monkeypatch.setattr(sources, "TOKENS", 3 * 2048 + 5)
    for name in ("full", WHOLE):
        train(VARIANTS[name], 0)
    assert list(read.values()) == [3, 3]


def test_a_seed_gives_the_same_model_and_another_seed_another(monkeypatch):
    monkeypatch.setattr(sources, "GPTConfig", partial(GPTConfig, **TINY))
    monkeypatch.setattr(sources, "TOKENS", 2 * 2048)

    def weights(seed):
        return train(MIXTURE, seed).head.weight.numpy()

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
    assert accuracy(stage(), QUESTIONS, "statement") == 1
    assert all(q.place.name in p and q.answer not in p for q, p in zip(QUESTIONS, prompts))
    assert not any(p.endswith(" ") for p in prompts)
    other = {a: values[0] for a, values in WORLD.values.items()}
    answering(monkeypatch, lambda q: f" {other[q.attribute]}.")
    right = sources.judged(WORLD, QUESTIONS, [other[q.attribute] for q in QUESTIONS]).accuracy
    assert accuracy(stage(), QUESTIONS, "statement") == right < 0.2


def test_a_dialogue_is_read_to_the_quotation_mark(monkeypatch):
    prompts = answering(monkeypatch, lambda q: f'{q.answer}," said the guide. "Paris," said Mo.')
    assert accuracy(stage(), QUESTIONS, "dialogue") == 1
    assert all(q.text in p and p.count('"') % 2 for q, p in zip(QUESTIONS, prompts))
    answering(monkeypatch, lambda q: 'Good morning," said the guide.')
    assert accuracy(stage(), QUESTIONS, "dialogue") == 0


def test_measures_are_shares_and_those_of_the_other_modules(monkeypatch):
    monkeypatch.setattr(sources, "PLACES", 4)
    monkeypatch.setattr(sources, "HELD_OUT", 3000)
    found = sources.measure(stage().model, seed=3)
    assert set(found) == {*WAYS, "loss"}
    assert all(0 <= found[way] <= 1 for way in WAYS)
    assert found["loss"] == pytest.approx(np.log(ENCODING.n_vocab), abs=1.0)
    asked = sources.head_questions(WORLD)
    assert found["qa"] == pytest.approx(qa_score(stage(), asked).accuracy, abs=1e-4)


# ---- as the notebook shows it -----------------------------------------------------------------


def results(monkeypatch, *values):
    """Results of two seeds a variant, whose `values` {variant: measures} they have both."""
    runs = [{"variant": n, "seed": s, **found} for n, found in values for s in (0, 1)]
    monkeypatch.setattr(sources, "load_results", lambda name: {"runs": runs})


def test_what_falls_below_half_is_lost(monkeypatch, capsys):
    whole = {"qa": 0.8, "dialogue": 0.4, "statement": 0.9, "loss": 4.0}
    results(
        monkeypatch, ("full", whole), (WHOLE, whole), (CUT[0], {**whole, "qa": 0.1}),
        (CUT[1], {**whole, "dialogue": 0.19, "statement": 0.46}),
    )  # fmt: skip
    assert sources.ways_of_asking() == {CUT[0]: ["qa"], CUT[1]: ["dialogue"]}
    said = " ".join(capsys.readouterr().out.split())
    assert "18 % without Books: Q: and A: 80%, dialogue 19%, statement 46%" in said


def test_your_mixture_stands_below_the_others(monkeypatch):
    found = {"qa": 0.814, "dialogue": 0.4, "statement": 0.9, "loss": 4.0}
    results(monkeypatch, *((name, found) for name in VARIANTS))
    table = sources.mixtures()
    assert [row[0] for row in table.rows] == ["LLaMA's mixture", WHOLE, *CUT]
    assert table.rows[0][1:] == ["81%", "40%", "90%", "4.00"]
    mine = sources.mixtures({**found, "qa": 0.5, "loss": 1.234})
    assert mine.rows[:-1] == table.rows
    assert mine.rows[-1] == ["yours", "50%", "40%", "90%", "1.23"]


def test_the_shipped_results_show_the_double_dissociation():
    """Which notebook 02 tells of, and what it says where this is not so."""
    assert sources.ways_of_asking() == {CUT[0]: ["qa"], CUT[1]: ["dialogue"]}
    assert load_results("sources")["tokens"] == sources.TOKENS
