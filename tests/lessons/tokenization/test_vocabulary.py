"""The vocabulary experiment on toy models: what is counted, and when it measures."""

import itertools
from functools import partial

import pytest
import torch

from minigpt.lessons.tokenization import vocabulary as module
from minigpt.lessons.tokenization.vocabulary import (
    SIZES,
    Budget,
    by_vocabulary,
    keep_average,
    our_encoding,
    token_row,
    train_one,
)
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig
from minigpt.stages.scoring import count_bytes
from minigpt.tokenizer import load_tokenizer, special

TOY = partial(GPTConfig, n_layer=1, n_embd=32, n_head=2, block_size=64)
SETTINGS = partial(PretrainConfig, batch_size=2, block_size=32)
UPDATE = 2 * 32  # tokens an update
TEXTS = ["The capital of France is Paris. " * 20, "Lima is in Peru. " * 30, "Zürich 北京 " * 20]


@pytest.fixture
def toy(monkeypatch):
    """Trains a toy model of `size` ids in a budget; each update takes a second."""
    monkeypatch.setattr(module, "GPTConfig", TOY)
    monkeypatch.setattr(module, "PretrainConfig", SETTINGS)
    monkeypatch.setattr(module, "perf_counter", itertools.count().__next__)
    return lambda budget, size=300: train_one(our_encoding(size), TEXTS, TEXTS[:1], budget)


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


# ---- the average of the weights -----------------------------------------------------------------


def test_the_average_starts_at_the_model_and_spans_about_the_last_tenth():
    model, average = GPT(TOY(), seed=1), GPT(TOY(), seed=2).requires_grad_(False)
    with torch.no_grad():
        for step in range(1, 2001):
            model.gain.fill_(step)
            keep_average(average, model, step)
            if step == 1:
                assert all(map(torch.equal, average.parameters(), model.parameters()))
    # weights that grow as step**9: their mean position is 10 / 11 of the way
    assert average.gain.item() == pytest.approx(2000 * 10 / 11, rel=0.005)
    assert torch.allclose(average.head.weight, model.head.weight)  # what never moved stays


# ---- one training -------------------------------------------------------------------------------


def test_measures_when_each_budget_is_reached_and_not_before(toy):
    encoding = our_encoding(300)
    per_update = UPDATE * count_bytes(TEXTS) / len(token_row(encoding, TEXTS))
    row = toy(Budget(bytes=int(4.5 * per_update), seconds=2))
    assert row["at_bytes"]["updates"] == 5 and row["at_seconds"]["updates"] == 2
    assert row["at_bytes"]["bytes"] == pytest.approx(5 * per_update)
    assert (row["at_bytes"]["seconds"], row["at_seconds"]["seconds"]) == (5, 2)
    assert row["tokens_per_second"] == UPDATE


def test_what_is_measured_depends_on_the_updates_alone(toy):
    encoding = our_encoding(300)
    per_update = UPDATE * count_bytes(TEXTS) / len(token_row(encoding, TEXTS))
    one = toy(Budget(bytes=int(5.5 * per_update), seconds=3))
    other = toy(Budget(bytes=int(2.5 * per_update), seconds=6))
    assert one["at_bytes"]["bits_per_byte"] == other["at_seconds"]["bits_per_byte"]
    assert one["at_seconds"]["bits_per_byte"] == other["at_bytes"]["bits_per_byte"]
    assert one["at_bytes"]["bits_per_byte"] < one["at_seconds"]["bits_per_byte"]  # it learns


def test_parameters_are_those_of_the_model(toy):
    row = toy(Budget(bytes=1, seconds=1))
    assert row["vocabulary_parameters"] == 2 * 300 * 32
    assert row["parameters"] == GPT(TOY(vocab_size=300)).num_params()
    test = token_row(our_encoding(300), TEXTS[:1])
    assert row["bytes_per_token"] == count_bytes(TEXTS[:1]) / len(test)


def test_results_are_read_by_vocabulary():
    runs = [
        {"vocab_size": size, "seed": seed, "at_bytes": {"bits_per_byte": bits}}
        for size, seed, bits in [(262, 0, 3.0), (262, 1, 3.5), (512, 0, 2.0)]
    ]
    assert by_vocabulary({"runs": runs}, "at_bytes") == {262: [3.0, 3.5], 512: [2.0]}
