"""Attention weights against the model's own attention, and the head that copies, on a toy."""

import pytest
import torch

from minigpt.engine.layers import attention_by_hand
from minigpt.lessons.pretraining import attention
from minigpt.lessons.pretraining.attention import (
    attention_weights,
    copies,
    copying_head,
    heads,
    probability,
    switched_off,
)
from minigpt.model import SHARPNESS, norm
from minigpt.tokenizer import load_tokenizer
from toys import awake_gpt

ENCODING = load_tokenizer("en")
IDS = [1018, 5, 300, 5, 300, 77]


@pytest.fixture(scope="module")
def model():
    return awake_gpt(n_layer=2).requires_grad_(False)


def test_weights_average_the_values_as_attention_does():
    q, k, v = torch.randn(3, 1, 2, 7, 8, generator=torch.Generator().manual_seed(0))
    expected = attention_by_hand(q, k, v, 0.5)
    for h in range(2):
        weights = attention_weights(q[0, h], k[0, h], 0.5)
        torch.testing.assert_close(weights @ v[0, h], expected[0, h])
        torch.testing.assert_close(weights.sum(-1), torch.ones(7))
        assert (weights.triu(1) == 0).all()


def test_heads_are_what_each_block_of_the_model_does(model):
    """Oracle: the blocks' own attention, of which only the weights' average of values is seen."""
    found = heads(model, IDS)
    x, rotation = norm(model.embedding(torch.tensor([IDS]))), model.rotation[: len(IDS), None]
    assert found.shape == (len(model.blocks), model.blocks[0].n_head, len(IDS), len(IDS))
    for block, weights in zip(model.blocks, found):
        _q, _k, v = block.queries_keys_values(norm(x), rotation)
        y = (weights @ v[0]).transpose(0, 1).reshape(1, len(IDS), -1)
        torch.testing.assert_close(block.attn_out(y), block.attention(norm(x), rotation, None))
        x = block(x, rotation, None)


def test_heads_take_another_function_of_one_head(model):
    asked = []

    def even(q, k, scale):
        asked.append((q.shape, k.shape, scale))
        return torch.ones(len(q), len(k)).tril() / torch.arange(1, len(q) + 1)[:, None]

    assert (heads(model, IDS, even)[..., -1, :] == 1 / len(IDS)).all()
    shape = (len(IDS), model.config.n_embd // model.config.n_head)
    assert asked == [(shape, shape, SHARPNESS)] * len(model.blocks) * model.blocks[0].n_head


def test_the_piece_to_copy_follows_the_names_beginning():
    cases = copies(ENCODING, ["Quennaby", "Bo", "Marolg"])
    assert len(cases) == 2  # Bo has too few pieces
    for (ids, at, to_copy), name in zip(cases, ("Quennaby", "Marolg")):
        assert ids[at] == to_copy and ids[at - 2 : at] == ids[-2:]
        pieces = ENCODING.encode_ordinary(f" {name}")
        assert [*ids[-2:], to_copy] == pieces[:3]
        assert ENCODING.decode(ids).startswith(f"<|endoftext|>On a cold morning {name} came to")


def test_probability_is_the_mean_of_single_passes(model):
    cases = [([1, 2, 3], 0, 9), ([4, 5], 0, 8)]
    alone = [model(torch.tensor([ids]))[0, -1].softmax(-1)[i].item() for ids, _at, i in cases]
    assert probability(model, cases) == pytest.approx(sum(alone) / 2, rel=1e-4)


def test_a_head_that_is_switched_off_adds_nothing_and_comes_back(model):
    block = model.blocks[0]
    size, before = model.config.n_embd // model.config.n_head, model(torch.tensor([IDS]))
    with switched_off(model, 0, 1):
        silent = model(torch.tensor([IDS]))
    assert not torch.equal(silent, before) and torch.equal(model(torch.tensor([IDS])), before)
    kept = block.attn_out.weight.clone()
    block.attn_out.weight[:, size : 2 * size] = 0  # what the head hands on reaches nobody
    torch.testing.assert_close(model(torch.tensor([IDS])), silent)
    block.attn_out.weight.copy_(kept)


def test_the_copying_head_is_the_one_that_looks_most_at_what_is_to_be_copied(model, monkeypatch):
    monkeypatch.setattr(attention, "NAMES", 3)
    found = copying_head(model)
    names = attention.one_off_names(attention.load_world("en"), 30, seed=99)
    cases = copies(ENCODING, names)[:3]
    looks = sum(heads(model, ids)[..., -1, at] for ids, at, _id in cases) / 3
    assert looks[found.layer, found.head] == looks.max()
    assert found.looks == pytest.approx(looks.max().item(), rel=1e-4)
    assert found.right == pytest.approx(probability(model, cases))
    with switched_off(model, found.layer, found.head):
        assert found.right_without == pytest.approx(probability(model, cases))
    assert found.right_without_another != found.right_without
