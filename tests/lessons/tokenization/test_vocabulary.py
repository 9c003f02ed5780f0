"""The vocabulary experiment on toy models: what is counted, and how long each trains."""

from functools import partial

import pytest

from minigpt.lessons.tokenization import vocabulary as module
from minigpt.lessons.tokenization.figures import dots
from minigpt.lessons.tokenization.vocabulary import (
    SIZES,
    held_out_bits,
    our_encoding,
    token_row,
    training,
)
from minigpt.model import GPTConfig
from minigpt.pretrain import PretrainConfig, evaluate_loss
from minigpt.show.results import load_results
from minigpt.stages.scoring import bits_per_byte, count_bytes
from minigpt.stages.sizes import flops_per_token
from minigpt.tokenizer import load_tokenizer, special

TOY = partial(GPTConfig, n_layer=1, n_embd=32, n_head=2, block_size=64)
TEXTS = ["The capital of France is Paris. " * 40, "Lima is in Peru. " * 40, "Zürich 北京 " * 30]


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(module, "GPTConfig", TOY)
    settings = partial(PretrainConfig, batch_size=2, block_size=32)
    settings.block_size = 32
    monkeypatch.setattr(module, "PretrainConfig", settings)


# ---- counting -----------------------------------------------------------------------------------


def test_the_course_tokenizer_is_one_of_ours_and_the_sizes_are_what_they_say():
    assert our_encoding(1024)._mergeable_ranks == load_tokenizer("en")._mergeable_ranks
    assert [our_encoding(size).n_vocab for size in SIZES] == [262, *SIZES[1:]]
    with pytest.raises(ValueError, match="most is 4096"):
        our_encoding(5000)


def test_a_larger_vocabulary_never_needs_more_tokens_and_all_of_them_are_lossless():
    for text in TEXTS:
        counts = [len(our_encoding(size).encode_ordinary(text)) for size in SIZES]
        assert counts == sorted(counts, reverse=True) and counts[0] == len(text.encode())
        for size in SIZES:
            encoding = our_encoding(size)
            assert encoding.decode(encoding.encode_ordinary(text)) == text


def test_a_row_of_tokens_has_an_end_token_before_each_document():
    encoding = our_encoding(300)
    row = token_row(encoding, TEXTS).tolist()
    end = special(encoding, "<|endoftext|>")
    assert row.count(end) == len(TEXTS) and row[0] == end
    assert encoding.decode(row) == "".join("<|endoftext|>" + text for text in TEXTS)


# ---- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [256, 512])
def test_every_vocabulary_gets_the_operations_that_it_is_given(toy, size):
    update = 2 * 32 * flops_per_token(TOY(vocab_size=our_encoding(size).n_vocab))
    model, run = training(our_encoding(size), TEXTS, 7.4 * update)
    *_, last = run
    assert (last.step, last.steps, last.tokens) == (7, 7, 7 * 64)
    assert model.config.vocab_size == our_encoding(size).n_vocab


def test_a_short_text_makes_smaller_updates_and_as_many_operations(toy):
    text = ["Zürich 北京 " * 4]
    assert 33 <= len(token_row(our_encoding(300), text)) < 65  # one window
    update = 32 * flops_per_token(TOY(vocab_size=300))
    *_, last = training(our_encoding(300), text, 5 * update)[1]
    assert (last.steps, last.tokens) == (5, 5 * 32)
    with pytest.raises(ValueError, match="use a larger corpus"):
        next(training(our_encoding(300), ["too short"], 5 * update)[1])


def test_it_learns_and_what_it_needs_is_counted_in_bits_a_byte(toy):
    encoding = our_encoding(300)
    update = 64 * flops_per_token(TOY(vocab_size=300))
    fresh, _ = training(encoding, TEXTS, update)
    model, run = training(encoding, TEXTS, 60 * update)
    list(run)
    tokens = token_row(encoding, TEXTS[:1])
    loss = evaluate_loss(model, tokens, 32)
    found = held_out_bits(model, encoding, TEXTS[:1])
    assert found == pytest.approx(bits_per_byte(loss, len(tokens), count_bytes(TEXTS[:1])))
    assert found < held_out_bits(fresh, encoding, TEXTS[:1]) / 2


# ---- the figure ---------------------------------------------------------------------------------


def test_the_figure_shows_means_ranges_and_what_is_beside():
    fig = dots({"a": [1.0, 2.0, 3.0], "b": [4.0]}, "bits", 1, {"a": 0.5, "b": 1.5}, "at random")
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.texts] == ["2.0", "4.0", "at random"]
    spans = [line.get_segments()[0][:, 1].tolist() for line in ax.collections]
    assert spans == [[1.0, 3.0], [0.5, 0.5], [4.0, 4.0], [1.5, 1.5]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]
    assert ax.get_ylim()[0] == 0 and ax.get_title(loc="left") == "bits"


def test_the_shipped_runs_all_had_the_same_operations():
    found = load_results("vocabulary")
    for run in found["runs"]:
        spent = run["tokens"] * flops_per_token(GPTConfig(vocab_size=run["vocab_size"]))
        assert spent == pytest.approx(found["operations"], rel=0.01)
