"""The model against hand-written formulas, and what must hold for any GPT."""

import math

import pytest
import torch
import torch.nn.functional as F

from minigpt.model import (
    GPT,
    SHARPNESS,
    GPTConfig,
    KVCache,
    attention_mask,
    next_token_loss,
    norm,
    rotate,
    rotations,
)

CONFIG = GPTConfig(vocab_size=31, block_size=24, n_layer=3, n_head=2, n_embd=16)


@pytest.fixture
def model():
    """A model in which no weight is zero, so that every part has a say."""
    model = GPT(CONFIG)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim:  # all but the gain
                p.normal_(std=p.shape[-1] ** -0.5, generator=generator)
    return model


def tokens(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(CONFIG.vocab_size, shape, generator=generator)


def test_the_first_loss_is_ln_v():
    model, idx = GPT(CONFIG), tokens(2, 10)
    assert (model(idx) == 0).all()
    assert next_token_loss(model(idx), tokens(2, 10, seed=1)).item() == pytest.approx(math.log(31))


def test_logits_see_this_token_and_no_later_one(model):
    idx = tokens(2, 12)
    logits = model(idx)
    for t in range(12):
        changed = idx.clone()
        changed[:, t] = (idx[:, t] + 1) % CONFIG.vocab_size
        new = model(changed)
        assert torch.equal(new[:, :t], logits[:, :t])
        assert ((new[:, t:] - logits[:, t:]).abs().amax(dim=(0, 2)) > 1e-4).all()


def test_attention_as_in_the_formula(model):
    """One token, head and pair of numbers at a time, with cosines and sines."""
    block, h, d = model.blocks[0], 2, 8
    x = torch.randn(1, 7, 16, generator=torch.Generator().manual_seed(3))
    q, k, v = (x[0] @ block.qkv.weight.T).view(7, 3, h, d).unbind(1)  # (T, h, d) each

    def at_position(a, t):  # normalised and rotated
        a = (a - a.mean()) / torch.sqrt(a.var(correction=0) + 1e-5)
        out = torch.empty(d)
        for i in range(d // 2):
            angle = t * 1000 ** (-2 * i / d)
            out[2 * i] = a[2 * i] * math.cos(angle) - a[2 * i + 1] * math.sin(angle)
            out[2 * i + 1] = a[2 * i] * math.sin(angle) + a[2 * i + 1] * math.cos(angle)
        return out

    expected = torch.empty(7, h, d)
    for t in range(7):
        for j in range(h):
            scores = [at_position(q[t, j], t) @ at_position(k[s, j], s) for s in range(t + 1)]
            weights = torch.softmax(torch.stack(scores) * SHARPNESS, dim=0)
            expected[t, j] = weights @ v[: t + 1, j]
    found = block.attention(x, model.rotation[:7, None], None)[0]
    torch.testing.assert_close(found, expected.view(7, 16) @ block.attn_out.weight.T)


def test_block_adds_attention_and_squared_relu(model):
    block = model.blocks[1]
    x = torch.randn(2, 5, 16)
    rotation = model.rotation[:5, None]
    middle = x + block.attention(norm(x), rotation, None)
    expected = middle + F.relu(norm(middle) @ block.mlp_in.weight.T) ** 2 @ block.mlp_out.weight.T
    torch.testing.assert_close(block(x, rotation, None), expected)


def test_hidden_is_norm_blocks_norm(model):
    idx = tokens(2, 6)
    x = norm(model.embedding(idx))
    for block in model.blocks:
        x = block(x, model.rotation[:6, None], None)
    assert torch.equal(model.hidden(idx), norm(x))
    with torch.no_grad():
        model.gain.fill_(1.5)
    assert torch.equal(model.hidden(idx), 1.5 * norm(x))


def test_norm_is_mean_zero_variance_one():
    x = torch.randn(3, 64) * 7 + 2
    torch.testing.assert_close(norm(x), F.layer_norm(x, (64,), torch.ones(64), torch.zeros(64)))
    assert norm(x).mean(-1).abs().max() < 1e-5


def test_rotation_keeps_length_and_only_distance_matters():
    q, k = torch.randn(1, 1, 8), torch.randn(1, 1, 8)
    turn = rotations(20, 8)
    score = [(rotate(q, turn[5 + s]) * rotate(k, turn[2 + s])).sum() for s in range(14)]
    torch.testing.assert_close(torch.stack(score), score[0].expand(14))
    torch.testing.assert_close(rotate(q, turn[9]).norm(), q.norm())
    assert torch.equal(rotate(q, turn[0]), q)


def test_scale_of_queries_and_keys_does_not_matter(model):
    idx = tokens(1, 9)
    before = model(idx)
    with torch.no_grad():
        for block in model.blocks:
            block.qkv.weight[:32] *= 10
    torch.testing.assert_close(model(idx), before, atol=1e-3, rtol=1e-3)
    with torch.no_grad():
        model.blocks[0].qkv.weight[32:] *= 10  # the values' scale does
    assert (model(idx) - before).abs().max() > 0.1


@pytest.mark.parametrize("pads", [(0, 3), (5, 0), (2, 2)])
def test_left_padding_changes_nothing(model, pads):
    rows = [tokens(10 - pad, seed=i) for i, pad in enumerate(pads)]
    for filler in (0, 7):
        padded = torch.stack([F.pad(r, (10 - len(r), 0), value=filler) for r in rows])
        logits = model(padded, pad=torch.tensor(pads))
        assert logits.isfinite().all()
        for row, pad, found in zip(rows, pads, logits, strict=True):
            torch.testing.assert_close(found[pad:], model(row[None])[0], atol=1e-4, rtol=1e-4)


def test_padded_positions_send_and_get_no_gradient(model):
    idx, pad = tokens(2, 8), torch.tensor([3, 0])
    idx[:, :3] = 30  # a token that the real part of row 0 does not have
    idx[0, 3:], idx[1] = tokens(5, seed=5) % 30, tokens(8, seed=6) % 30
    model(idx, pad=pad)[0, 3:].sum().backward()
    grad = model.embedding.weight.grad
    assert grad.isfinite().all()
    assert (grad[30] == 0).all()
    assert (grad[idx[0, 3:]] != 0).any(dim=1).all()


@pytest.mark.parametrize("pads", [None, (0, 3)])
@pytest.mark.parametrize("pieces", [(12,), (7, 1, 1, 1, 1, 1), (1, 11), (4, 5, 3)])
def test_cached_equals_uncached(model, pieces, pads):
    idx = tokens(2, 12)
    pad = None if pads is None else torch.tensor(pads)
    cache = KVCache(CONFIG, 2, 12)
    with torch.no_grad():
        whole = model.hidden(idx, pad=pad)
        parts = torch.cat([model.hidden(x, cache, pad) for x in idx.split(pieces, dim=1)], dim=1)
    real = torch.ones(2, 12, dtype=torch.bool)
    if pads:
        real[1, :3] = False  # at padding the states are meaningless
    torch.testing.assert_close(parts[real], whole[real], atol=1e-4, rtol=1e-4)
    assert cache.length == 12


def test_cache_keeps_chosen_rows(model):
    idx = tokens(4, 9)
    cache = KVCache(CONFIG, 4, 9)
    keep = torch.tensor([False, True, True, False])
    with torch.no_grad():
        model.hidden(idx[:, :8], cache)
        cache.keep(keep)
        found = model.hidden(idx[keep, 8:], cache)
        expected = model.hidden(idx)[keep, 8:]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_mask_by_hand():
    inf = torch.inf
    assert attention_mask(5, 0, None, None) is None
    assert attention_mask(1, 4, None, None) is None
    assert attention_mask(2, 1, None, None).tolist() == [[0, 0, -inf], [0, 0, 0]]
    assert attention_mask(3, 0, torch.tensor([1]), None).tolist() == [
        [[[0, -inf, -inf], [-inf, 0, -inf], [-inf, 0, 0]]]
    ]


def test_forward_is_head_of_hidden(model):
    idx = tokens(2, 6)
    assert torch.equal(model(idx), model.head(model.hidden(idx)))
    assert model.hidden(idx).shape == (2, 6, 16)
    assert model(idx).dtype == torch.float32


def test_every_weight_learns(model):
    next_token_loss(model(tokens(4, 20)), tokens(4, 20, seed=1)).backward()
    for name, p in model.named_parameters():
        assert p.grad.abs().max() > 0, name


def test_seed_decides_the_weights_and_the_global_seed_is_left_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    a, b, c = GPT(CONFIG, seed=1), GPT(CONFIG, seed=1), GPT(CONFIG, seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.embedding.weight, c.embedding.weight)
    assert not torch.equal(a.blocks[0].qkv.weight, c.blocks[0].qkv.weight)


def test_first_weights_have_the_stated_spread():
    model = GPT(GPTConfig(vocab_size=500, n_embd=128, n_layer=1))
    assert model.embedding.weight.std().item() == pytest.approx(1, rel=0.02)
    for layer in (model.blocks[0].qkv, model.blocks[0].mlp_in):
        assert layer.weight.std().item() == pytest.approx(128**-0.5, rel=0.02)
    for layer in (model.blocks[0].attn_out, model.blocks[0].mlp_out, model.head):
        assert (layer.weight == 0).all()


def test_num_params():
    assert GPT(CONFIG).num_params() == 2 * 31 * 16 + 12 * 3 * 16**2 + 1
    assert GPT(GPTConfig()).num_params() == 1_048_577


def test_loss_by_hand():
    logits = torch.tensor([[[0.0, math.log(3)], [0.0, 0.0], [9.0, 0.0]]])
    targets = torch.tensor([[1, 0, -100]])
    each = next_token_loss(logits, targets, reduction="none")
    torch.testing.assert_close(each, torch.tensor([[math.log(4 / 3), math.log(2), 0.0]]))
    assert next_token_loss(logits, targets).item() == pytest.approx(each.sum().item() / 2)
    assert next_token_loss(logits, targets, "sum").item() == pytest.approx(each.sum().item())


def test_padded_batch_loss_is_token_weighted_mean_of_singles(model):
    """A mask after a mean would weigh a short row's tokens more, or not mask at all."""
    lengths = (9, 4, 6)
    idx = torch.zeros(3, 9, dtype=torch.long)
    targets = torch.full((3, 9), -100)
    singles = []
    for i, n in enumerate(lengths):
        row = tokens(n + 1, seed=i)
        idx[i, :n], targets[i, :n] = row[:-1], row[1:]
        singles.append(F.cross_entropy(model(row[None, :-1])[0], row[1:]))
    expected = sum(n * loss for n, loss in zip(lengths, singles, strict=True)) / sum(lengths)
    torch.testing.assert_close(next_token_loss(model(idx), targets), expected)


def test_loss_of_no_targets_is_an_error(model):
    with pytest.raises(ValueError, match="all targets are -100"):
        next_token_loss(model(tokens(1, 3)), torch.full((1, 3), -100))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"n_layer": 0}, "n_layer is 0"),
        ({"vocab_size": 10.5}, "vocab_size is 10.5"),
        ({"n_embd": 130, "n_head": 4}, "n_embd is 130"),
        ({"n_embd": 12, "n_head": 4}, "even number"),
    ],
)
def test_bad_config(arguments, message):
    with pytest.raises(ValueError, match=message):
        GPTConfig(**arguments)


def test_too_long_context(model):
    model(tokens(1, 24))
    with pytest.raises(ValueError, match="25 tokens do not fit into the context of 24"):
        model(tokens(1, 25))
    cache = KVCache(CONFIG, 1, 30)
    with torch.no_grad(), pytest.raises(ValueError, match="25 tokens do not fit"):
        model.hidden(tokens(1, 20), cache)
        model.hidden(tokens(1, 5), cache)
