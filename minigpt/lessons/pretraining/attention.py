"""Where a model looks back to: the attention weights of its heads, and the head that copies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from minigpt.engine.batching import pad_right
from minigpt.model import GPT, SHARPNESS, norm
from minigpt.store.words import language
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.names import one_off_names

NAMES = 40  # made-up ones, each of three pieces or more


def attention_weights(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """How much each token takes from itself and from each token before it.

    q, k: (T, head size), what each token looks for, and is found by. Returns (T, T): row t sums to
    1 and is 0 behind t (Vaswani et al. 2017, eq. 1).
    """
    scores = q @ k.mT * scale
    future = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(dim=-1)


@torch.no_grad()
def heads(model: GPT, ids: list[int], weights: Callable = attention_weights) -> Tensor:
    """The attention weights of all heads on a text: (n_layer, n_head, T, T)."""
    x = norm(model.embedding(torch.tensor([ids]).to(model.rotation.device)))
    rotation, found = model.rotation[: len(ids), None], []
    for block in model.blocks:
        q, k, _values = block.queries_keys_values(norm(x), rotation)
        found.append(torch.stack([weights(*qk, SHARPNESS) for qk in zip(q[0], k[0])]))
        x = block(x, rotation, None)
    return torch.stack(found)


class Copying(NamedTuple):
    """The head that looks most at what followed a name's beginning the first time, and its part:
    means over the names; probabilities are of the name's next piece."""

    layer: int
    head: int
    looks: float  # weight on the piece to copy
    right: float
    right_without: float  # where this head is switched off
    right_without_another: float  # where the next one of its layer is


def copying_head(model: GPT, weights: Callable = attention_weights) -> Copying:
    """Find that head on `NAMES` made-up names: "… Quennaby came to Malawi. Qu" → "en"."""
    world, encoding = load_world(language()), load_tokenizer(language())
    cases = copies(encoding, one_off_names(world, 10 * NAMES, seed=99))[:NAMES]
    looks = torch.stack([heads(model, ids, weights)[..., -1, at] for ids, at, _id in cases])
    looks = looks.mean(0)  # (n_layer, n_head)
    layer, head = divmod(int(looks.argmax()), model.config.n_head)
    found = [looks.max().item(), probability(model, cases)]
    for silent in (head, (head + 1) % model.config.n_head):
        with switched_off(model, layer, silent):
            found.append(probability(model, cases))
    return Copying(layer, head, *found)


def copies(encoding, names: list[str]) -> list[tuple[list[int], int, int]]:
    """Texts in which a name comes a second time, up to its second piece: their ids, the place of
    the piece to copy, and its id. Names of fewer than three pieces are left out."""
    start, scene, found = encoding.encode_single_token("<|endoftext|>"), "On a cold morning", []
    for name in names:
        pieces = encoding.encode_ordinary(f" {name}")
        if len(pieces) > 2:
            ids = [start, *encoding.encode_ordinary(f"{scene} {name} came to Malawi.")]
            at = len(encoding.encode_ordinary(scene)) + 3
            found.append(([*ids, *pieces[:2]], at, pieces[2]))
    return found


@torch.no_grad()
def probability(model: GPT, cases: list[tuple[list[int], int, int]]) -> float:
    """The mean probability of the piece to copy."""
    texts, _places, to_copy = zip(*cases)
    idx, last = pad_right(texts, model.embedding.weight.device)
    rows = torch.arange(len(texts))
    return model(idx)[rows, last].softmax(-1)[rows, list(to_copy)].mean().item()


@contextmanager
def switched_off(model: GPT, layer: int, head: int) -> Iterator[None]:
    """Within it, this head adds nothing."""
    size = model.config.n_embd // model.config.n_head

    def silence(_layer, inputs: tuple[Tensor]) -> tuple[Tensor]:
        y = inputs[0].clone()  # (B, T, C), the heads side by side
        y[..., head * size : (head + 1) * size] = 0
        return (y,)

    hook = model.blocks[layer].attn_out.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        hook.remove()
