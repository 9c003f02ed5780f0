"""Generation against plain, slow loops without cache or batch, and the distributions it draws."""

import math

import pytest
import torch
import torch.nn.functional as F

from minigpt.engine.decoding import Decoder
from minigpt.generate import (
    cut,
    draw,
    generate,
    generate_all,
    inverse_cdf,
    keep_top_k,
    keep_top_p,
    next_token_distribution,
)
from minigpt.model import GPT, GPTConfig, KVCache

V = 29
CONFIG = GPTConfig(vocab_size=V, block_size=32, n_layer=2, n_head=2, n_embd=16)
PROMPTS = [[3], [1, 2, 3, 4, 5, 6, 7], [9, 8], [0, 0, 0], [28] * 10, [5, 6], [7, 7], [1, 2]]


@pytest.fixture(scope="module")
def model():
    model = GPT(CONFIG)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim:  # all but the gain
                p.normal_(std=p.shape[-1] ** -0.5, generator=generator)
        model.head.weight *= 3  # clear preferences
    return model


def logits_after(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]))[0, -1]


def test_greedy_batch_equals_one_token_at_a_time_without_cache(model):
    found = generate(model, PROMPTS, 15, temperature=0)
    for prompt, sample in zip(PROMPTS, found, strict=True):
        ids = list(prompt)
        for _ in range(15):
            ids.append(int(logits_after(model, ids).argmax()))
        assert sample.ids == ids[len(prompt) :]


def test_reading_one_token_equals_the_whole_forward_pass(model):
    """The faster form against GPT.hidden, with padding, and after rows have left."""
    idx = torch.randint(V, (4, 12), generator=torch.Generator().manual_seed(2))
    pad = torch.tensor([0, 3, 0, 7])
    for pads in (None, pad):
        cache = KVCache(CONFIG, 4, 12)
        with torch.inference_mode():
            model.hidden(idx[:, :8], cache, pads)
            decoder, rows = Decoder(model, cache, pads), torch.arange(4)
            for t in range(8, 12):
                if t == 10:
                    rows = torch.tensor([1, 3])
                    decoder.keep(rows)
                found = decoder.read(idx[rows, t])
                whole = model.hidden(idx[:, : t + 1], pad=pads)[rows, -1]
                torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
        assert cache.length == 12


def test_sample_does_not_depend_on_the_batch(model):
    seeds = [11, 12, 13, 14, 15, 16, 17, 18]
    batch = generate(model, PROMPTS, 15, seeds=seeds)
    alone = [generate(model, [p], 15, seeds=[s])[0] for p, s in zip(PROMPTS, seeds, strict=True)]
    backwards = generate(model, PROMPTS[::-1], 15, seeds=seeds[::-1])[::-1]
    assert [s.ids for s in batch] == [s.ids for s in alone] == [s.ids for s in backwards]


def test_rows_that_end_leave_and_the_others_go_on_the_same(model, monkeypatch):
    kept = []
    keep = KVCache.keep
    monkeypatch.setattr(KVCache, "keep", lambda self, rows: (kept.append(rows), keep(self, rows)))
    stop, seeds = {4, 5, 6, 7}, list(range(8))
    batch = generate(model, PROMPTS, 20, stop=stop, seeds=seeds)
    assert len(kept) >= 2  # the batch did shrink
    assert len({len(s.ids) for s in batch}) >= 4
    unstopped = generate(model, PROMPTS, 20, seeds=seeds)
    for sample, free in zip(batch, unstopped, strict=True):
        at = [i for i, token in enumerate(free.ids) if token in stop]
        n = at[0] + 1 if at else 20
        assert sample.ids == free.ids[:n]  # the stop token included, once
        assert sample.ended == bool(at)
        assert len(sample.logprobs) == n


def test_one_stop_token_or_several_or_none(model):
    free = generate(model, [[3]], 20)[0]
    assert len(free.ids) == 20 and not free.ended
    stopped = generate(model, [[3]], 20, stop=free.ids[2])[0]
    assert stopped.ids == free.ids[: free.ids.index(free.ids[2]) + 1] and stopped.ended
    assert generate(model, [[3]], 20, stop={free.ids[2]})[0] == stopped
    assert generate(model, [[3]], 20, stop=set())[0] == free
    assert generate(model, [[3]], 1, stop=free.ids[0])[0].ended  # at the very last token too
    assert cut([1, 0, 2, 0], [-1.0, -2.0, -3.0, -4.0], {0}).logprobs == [-1.0, -2.0]


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0])
@pytest.mark.parametrize("filters", [{}, {"top_k": 3}, {"top_p": 0.6}])
def test_logprobs_are_those_of_a_fresh_forward_pass(model, temperature, filters):
    """At this temperature, before the filters; the policy-gradient ratio starts at 1 only so."""
    samples = generate(model, PROMPTS, 12, temperature=temperature, stop={4, 5}, **filters)
    for prompt, sample in zip(PROMPTS, samples, strict=True):
        ids = torch.tensor([prompt + sample.ids])
        with torch.no_grad():
            logp = F.log_softmax(model(ids)[0, len(prompt) - 1 : -1] / (temperature or 1), dim=-1)
        expected = logp.gather(1, torch.tensor(sample.ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(sample.logprobs), expected, atol=2e-5, rtol=1e-4)


def test_seeds(model):
    def ids(seeds, n=4):
        return [s.ids for s in generate(model, [[3]] * n, 12, seeds=seeds)]

    assert ids(0) == ids(0)
    assert ids(0) != ids(1)
    assert len({tuple(row) for row in ids(0)}) == 4  # rows of the same prompt differ
    assert ids([5, 6, 5, 7])[0] == ids([5, 6, 5, 7])[2] == ids([5], n=1)[0]
    assert len({tuple(row) for row in ids([5, 6, 8, 7])}) == 4
    assert ids(None) != ids(None)
    assert not set(map(tuple, ids(0))) & set(map(tuple, ids(1)))  # no row shared by two seeds


def test_global_random_state_and_model_are_left_alone(model):
    torch.manual_seed(3)
    state, before = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    generate(model, PROMPTS, 4)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model(torch.tensor([[1]])).requires_grad  # and can still be trained


def test_top_k_1_and_tiny_top_p_are_greedy(model):
    greedy = [s.ids for s in generate(model, PROMPTS, 10, temperature=0)]
    assert [s.ids for s in generate(model, PROMPTS, 10, top_k=1)] == greedy
    assert [s.ids for s in generate(model, PROMPTS, 10, top_p=1e-6)] == greedy
    assert [s.ids for s in generate(model, PROMPTS, 10, temperature=1e-4)] == greedy
    assert [s.ids for s in generate(model, PROMPTS, 10)] != greedy
    everything = generate(model, PROMPTS, 10, top_k=V + 5, top_p=1.0)
    assert [s.ids for s in everything] == [s.ids for s in generate(model, PROMPTS, 10)]


def rows_of_probs(n=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(2 * torch.randn(n, V, generator=generator), dim=-1)


@pytest.mark.parametrize("k", [1, 2, 7, V, V + 1])
def test_top_k_against_sorting(k):
    probs = rows_of_probs()
    for row, found in zip(probs.tolist(), keep_top_k(probs, k), strict=True):
        best = sorted(range(V), key=lambda i: -row[i])[:k]
        assert found.nonzero()[:, 0].tolist() == sorted(best)
        assert torch.equal(found[best], torch.tensor(row)[best])
    assert (keep_top_k(torch.full((1, 8), 0.125), 3) > 0).sum() == 3  # among equals too


@pytest.mark.parametrize("p", [1e-9, 0.2, 0.5, 0.9, 1.0])
def test_top_p_against_adding_up(p):
    probs = rows_of_probs()
    for row, found in zip(probs.tolist(), keep_top_p(probs, p), strict=True):
        kept, total = [], 0.0
        for i in sorted(range(V), key=lambda i: -row[i]):
            if total >= p * sum(row):
                break
            kept.append(i)
            total += row[i]
        assert found.nonzero()[:, 0].tolist() == sorted(kept)


def test_inverse_cdf_gives_each_token_its_share_of_the_line():
    n = 10_000
    grid = (torch.arange(n) + 0.5) / n
    for probs in rows_of_probs(5):
        probs[4] = 0
        token = inverse_cdf(probs.expand(n, V), grid)
        counts = torch.bincount(token, minlength=V)
        assert (counts - n * probs / probs.sum()).abs().max() <= 1.01
        assert counts[4] == 0


@pytest.mark.parametrize("probs", [[0.0, 0.3, 0.0, 0.7, 0.0], [0.0, 1e-30, 0.0, 0.0, 0.0]])
def test_inverse_cdf_never_draws_the_impossible_at_the_ends(probs):
    largest = 1 - 2.0**-24  # of float32 below 1
    for scale in (1.0, 0.37, 1.0000001, 3.3):
        row = torch.tensor([probs]) * scale
        for u in (0.0, 2.0**-24, 0.3, 0.5, largest):
            assert row[0, inverse_cdf(row, torch.tensor([u]))] > 0


def chi_square(counts, probs):
    n, expected = counts.sum(), probs * counts.sum()
    big = expected >= 5
    parts = (counts - expected)[big] ** 2 / expected[big]
    rest = expected[~big].sum()
    if rest > 1:
        parts = torch.cat([parts, ((counts[~big].sum() - rest) ** 2 / rest)[None]])
    assert n > 1000
    return float(parts.sum()), len(parts) - 1


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_sampled_frequencies_match_the_probabilities(model, temperature):
    prompt = [3, 1, 4]
    probs = torch.softmax(logits_after(model, prompt) / temperature, dim=-1)
    torch.testing.assert_close(next_token_distribution(model, prompt, temperature), probs)
    samples = generate(model, [prompt] * 4000, 1, temperature=temperature)
    ours = torch.bincount(torch.tensor([s.ids[0] for s in samples]), minlength=V)
    generator = torch.Generator().manual_seed(0)
    oracle = torch.multinomial(probs, 4000, replacement=True, generator=generator)
    for counts in (ours, torch.bincount(oracle, minlength=V)):
        statistic, freedom = chi_square(counts, probs)
        assert statistic < freedom + 4 * math.sqrt(2 * freedom)  # mean and sd of chi-square
    uniform = torch.full((V,), 1 / V)
    statistic, freedom = chi_square(ours, uniform)
    assert statistic > freedom + 20 * math.sqrt(2 * freedom)  # the band can be left


def test_draw_returns_log_probabilities_of_a_normalised_distribution():
    logits = torch.log(rows_of_probs(6)) + 5
    u = torch.full((6,), 0.4)
    token, logprob = draw(logits, u, 1.0, None, None)
    expected = torch.log(rows_of_probs(6)).gather(1, token[:, None])[:, 0]
    torch.testing.assert_close(logprob, expected)


def test_one_prompt_fills_the_context_exactly(model):
    assert len(generate(model, [[1] * 22], 10)[0].ids) == 10
    assert generate(model, [], 10) == []
    assert next_token_distribution(model, [1] * 32).sum().item() == pytest.approx(1)


def test_many_prompts_take_top_p(model):
    greedy = generate_all(model, PROMPTS, 6, temperature=0)
    found = generate_all(model, PROMPTS, 6, top_p=1e-6, seed=3)
    assert [row[0].ids for row in found] == [row[0].ids for row in greedy]
    drawn = generate_all(model, PROMPTS, 6, seed=3)
    assert [row[0].ids for row in found] != [row[0].ids for row in drawn]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"prompts": [[1], []]}, "prompt 1 is empty: begin it"),
        ({"prompts": [1, 2]}, "list of prompts"),
        ({"prompts": [[1], [2, V]]}, "prompt 1 has an id outside the model's 29 tokens"),
        ({"prompts": [[-1]]}, "outside"),
        ({"prompts": [[1] * 23]}, "with 10 new ones it passes the context of 32; shorten"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": 1e-40}, "temperature is 1e-40: give 0 "),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"top_k": math.nan}, "top_k is nan"),
        ({"top_p": math.nan}, "top_p is nan"),
        ({"max_new_tokens": math.nan}, "max_new_tokens is nan"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"seeds": [1, 2]}, "2 seeds for 1 prompts"),
        ({"seeds": -1}, "whole number from 0"),
    ],
)
def test_bad_arguments(model, arguments, message):
    arguments = {"prompts": [[1, 2]], "max_new_tokens": 10} | arguments
    with pytest.raises(ValueError, match=message):
        generate(model, **arguments)


def test_bad_temperature_of_distribution(model):
    for temperature in (0, -1.0, 1e-40, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"temperature is {temperature}"):
            next_token_distribution(model, [1], temperature)


def test_model_that_diverged_says_so():
    model = GPT(CONFIG)
    with torch.no_grad():
        model.blocks[0].mlp_in.weight.fill_(math.nan)
    with pytest.raises(ValueError, match="learning rate"):
        generate(model, [[1]], 3)
