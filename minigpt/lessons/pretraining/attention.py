"""Where a model looks back to: the attention weights of its heads, and the head that copies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from minigpt.model import GPT, SHARPNESS, norm
from minigpt.stages.stage import Stage
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
    device = model.embedding.weight.device
    x = norm(model.embedding(torch.tensor([ids], device=device)))
    rotation, found = model.rotation[: len(ids), None], []
    for block in model.blocks:
        q, k, _values = block.queries_keys_values(norm(x), rotation)
        found.append(torch.stack([weights(*qk, SHARPNESS) for qk in zip(q[0], k[0])]))
        x = block(x, rotation, None)
    return torch.stack(found)


@dataclass
class Copying:
    """The head that looks at what followed a name's beginning the first time, and what it does.

    Means over the names; probabilities are of the name's next piece.
    """

    layer: int
    head: int
    looks: float  # weight on the piece to copy
    probability: float
    without: float  # where this head is switched off
    without_another: float  # where another of its layer is: the mean over those


def copying_head(stage: Stage, weights: Callable = attention_weights) -> Copying:
    """Find that head on `NAMES` made-up names: "… Quennaby came to Malawi. Qu" → "en"."""
    cases = copies(stage.encoding, one_off_names(stage.world, 10 * NAMES, seed=99))[:NAMES]
    looks = torch.stack([heads(stage.model, ids, weights)[..., -1, at] for ids, at, _id in cases])
    looks = looks.mean(0)  # (n_layer, n_head)
    layer, head = divmod(int(looks.argmax()), looks.shape[1])
    off = []
    for i in range(looks.shape[1]):
        with switched_off(stage.model, layer, i):
            off.append(probability(stage.model, cases))
    others = [p for i, p in enumerate(off) if i != head]
    return Copying(
        layer, head, looks[layer, head].item(), probability(stage.model, cases), off[head],
        sum(others) / len(others),
    )  # fmt: skip


def copies(encoding, names: list[str]) -> list[tuple[list[int], int, int]]:
    """Texts in which a name comes a second time, up to its second piece: their ids, the place of
    the piece to copy, and its id. Names of fewer than three pieces are left out."""
    start, scene = encoding.encode_single_token("<|endoftext|>"), "On a cold morning"
    found = []
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
    device = model.embedding.weight.device
    found = [
        model(torch.tensor([ids], device=device))[0, -1].softmax(-1)[to_copy].item()
        for ids, _at, to_copy in cases
    ]
    return sum(found) / len(found)


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
