"""The vocabulary experiment on toy models: what is counted, when it measures, how it resumes."""

import json

import pytest
import torch

from minigpt.lessons.tokenization import vocabulary as module
from minigpt.lessons.tokenization.vocabulary import (
    SIZES,
    Budget,
    by_vocabulary,
    keep_average,
    main,
    our_encoding,
    run,
    token_row,
    train_one,
)
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig
from minigpt.stages.scoring import count_bytes
from minigpt.tokenizer import load_tokenizer, special

TOY = GPTConfig(n_layer=1, n_embd=32, n_head=2, block_size=64)
SETTINGS = PretrainConfig(batch_size=2, block_size=32)
UPDATE = 2 * 32  # tokens an update
TEXTS = ["The capital of France is Paris. " * 20, "Lima is in Peru. " * 30, "Zürich 北京 " * 20]


class Clock:
    """A clock that goes on by one second at every second look: each update takes a second."""

    def __init__(self):
        self.looks = 0

    def __call__(self):
        self.looks += 1
        return self.looks // 2


def toy(budget, size=300, seed=0):
    return train_one(our_encoding(size), TEXTS, TEXTS[:1], budget, seed, TOY, SETTINGS, Clock())


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
    model, average = GPT(TOY, seed=1), GPT(TOY, seed=2).requires_grad_(False)
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


def test_measures_when_each_budget_is_reached_and_not_before():
    encoding = our_encoding(300)
    per_update = UPDATE * count_bytes(TEXTS) / len(token_row(encoding, TEXTS))
    row = toy(Budget(bytes=int(4.5 * per_update), seconds=2))
    assert row["at_bytes"]["updates"] == 5 and row["at_seconds"]["updates"] == 2
    assert row["at_bytes"]["bytes"] == pytest.approx(5 * per_update)
    assert (row["at_bytes"]["seconds"], row["at_seconds"]["seconds"]) == (5, 2)
    assert row["tokens_per_second"] == UPDATE


def test_what_is_measured_depends_on_the_updates_alone():
    encoding = our_encoding(300)
    per_update = UPDATE * count_bytes(TEXTS) / len(token_row(encoding, TEXTS))
    one = toy(Budget(bytes=int(5.5 * per_update), seconds=3))
    other = toy(Budget(bytes=int(2.5 * per_update), seconds=6))
    assert one["at_bytes"]["bits_per_byte"] == other["at_seconds"]["bits_per_byte"]
    assert one["at_seconds"]["bits_per_byte"] == other["at_bytes"]["bits_per_byte"]
    assert one["at_bytes"]["bits_per_byte"] < one["at_seconds"]["bits_per_byte"]  # it learns


def test_parameters_are_those_of_the_model():
    row = toy(Budget(bytes=1, seconds=1))
    assert row["vocabulary_parameters"] == 2 * 300 * 32
    fields = {**vars(TOY), "vocab_size": 300}
    assert row["parameters"] == GPT(GPTConfig(**fields)).num_params()
    test = token_row(our_encoding(300), TEXTS[:1])
    assert row["bytes_per_token"] == count_bytes(TEXTS[:1]) / len(test)


# ---- all of them --------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """Replaces training by a list of what was asked for; it breaks when `calls.limit` is hit."""

    class Calls(list):
        limit = 99

    found = Calls()

    def train(encoding, train, held_out, budget, seed):
        if len(found) >= found.limit:
            raise KeyboardInterrupt
        found.append((encoding.n_vocab, seed))
        point = {"bits_per_byte": 1.0, "bytes": 1, "seconds": 1.0, "updates": 1}
        return {"vocab_size": encoding.n_vocab, "seed": seed, "at_bytes": point,
                "at_seconds": point}  # fmt: skip

    monkeypatch.setattr(module, "texts", lambda budget, seed: (["a"], ["b"]))
    found.train = train
    return found


def go(calls, out, budget=None, seeds=2):
    return run(
        budget or Budget(), range(seeds), (256, 512), out, say=lambda line: None, train=calls.train
    )


def test_an_interrupted_run_goes_on_where_it_stood(calls, tmp_path):
    out, calls.limit = tmp_path / "v.json", 3
    with pytest.raises(KeyboardInterrupt):
        go(calls, out)
    assert len(json.loads(out.read_text(encoding="utf-8"))["rows"]) == 3
    calls.limit = 99
    results = go(calls, out)
    assert sorted(calls) == [(262, 0), (262, 1), (512, 0), (512, 1)]  # none of them twice
    assert [(r["vocab_size"], r["seed"]) for r in results["rows"]] == sorted(calls)
    assert json.loads(out.read_text(encoding="utf-8"))["rows"] == results["rows"]


def test_a_complete_run_is_run_anew_and_more_seeds_are_added(calls, tmp_path):
    out = tmp_path / "v.json"
    go(calls, out, seeds=1)
    go(calls, out, seeds=2)
    assert calls == [(262, 0), (512, 0), (262, 1), (512, 1)]
    results = go(calls, out, seeds=2)
    assert len(calls) == 8 and len(results["rows"]) == 4


def test_results_are_read_by_vocabulary():
    rows = [
        {"vocab_size": size, "seed": seed, "at_bytes": {"bits_per_byte": bits}}
        for size, seed, bits in [(262, 0, 3.0), (262, 1, 3.5), (512, 0, 2.0)]
    ]
    assert by_vocabulary({"rows": rows}, "at_bytes") == {262: [3.0, 3.5], 512: [2.0]}


def test_another_budget_starts_anew(calls, tmp_path):
    out = tmp_path / "v.json"
    go(calls, out, seeds=1)
    results = go(calls, out, Budget(bytes=5), seeds=1)
    assert len(calls) == 4 and len(results["rows"]) == 2 and results["budget"]["bytes"] == 5


def test_the_command_takes_budgets_and_refuses_nonsense(monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(module, "run", lambda *a, **k: asked.append((a, k)))
    main(["--bytes", "1000", "--seconds", "0.5", "--seeds", "2", "--out", str(tmp_path / "x")])
    (budget, seeds), options = asked[0]
    assert (budget.bytes, budget.seconds, list(seeds)) == (1000, 0.5, [0, 1])
    assert options["out"] == tmp_path / "x"
    with pytest.raises(SystemExit):
        main(["--seconds", "0"])
    assert "above 0" in capsys.readouterr().err
