"""Batches: rows of unequal length side by side, each with its own random numbers, checked first.

A batch is as wide as its longest row. So rows of about the same length go together, and what the
rest is filled up with is seen by no token: it makes no difference, only work.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt.model import GPT


def similar_lengths(lengths: list[int], size: int) -> list[list[int]]:
    """The indices of rows of these lengths, the shortest first, in batches of `size`."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + size] for start in range(0, len(order), size)]


def pad_left(prompts: list[list[int]], device=None) -> tuple[Tensor, Tensor | None]:
    """Prompts as one tensor (B, T), padded at the left, and how much padding each row has (B,).

    At the left, so that all rows go on in the same column. Any id does as padding, because no
    token sees it. None in place of the lengths if there is no padding.
    """
    T = max(len(prompt) for prompt in prompts)
    pad = [T - len(prompt) for prompt in prompts]
    rows = [[0] * n + list(prompt) for n, prompt in zip(pad, prompts, strict=True)]
    idx = torch.tensor(rows, device=device)
    return idx, torch.tensor(pad, device=device) if any(pad) else None


def pad_right(sequences: list[list[int]], device=None) -> tuple[Tensor, Tensor]:
    """Sequences as one (B, T) tensor and the position of each one's last token (B,).

    What is filled in does not matter: no token sees what comes after it.
    """
    width = max(map(len, sequences))
    idx = torch.tensor([list(s) + [0] * (width - len(s)) for s in sequences], device=device)
    return idx, torch.tensor([len(s) - 1 for s in sequences], device=device)


def by_length(function: Callable, lengths: list[int], *inputs: Tensor, rows: int = 32) -> tuple:
    """What `function` gives for a padded batch, without computing most of the padding.

    A batch is as wide as its longest row, and half of it is padding. On a CPU the function is
    called on `rows` rows at a time that are about as long, cut to the longest of them. lengths: of
    each row, in columns; inputs: (B,) or (B, T, …). The function returns tensors (b,) or
    (b, columns, …), or one of them; columns that were cut off come back as zeros.
    """
    width = inputs[0].shape[1]
    device = inputs[0].device
    if device.type != "cpu":  # where calls take longer than the padding
        rows = len(lengths)
    batches, parts = similar_lengths(lengths, rows), []
    for part in batches:
        at, longest = torch.tensor(part, device=device), lengths[part[-1]]
        found = function(*(x[at] if x.ndim == 1 else x[at, :longest] for x in inputs))
        found = found if isinstance(found, tuple) else (found,)
        parts.append([
            x if x.ndim == 1 else F.pad(x, (0, 0) * (x.ndim - 2) + (0, width - longest))
            for x in found
        ])  # fmt: skip
    back = torch.tensor(sum(batches, []), device=device).argsort()
    return tuple(torch.cat(columns)[back] for columns in zip(*parts))


def uniform_numbers(seeds: Iterable[int] | int | None, n_rows: int, n_columns: int) -> Tensor:
    """Random numbers of [0, 1), each row from a generator of its own: (n_rows, n_columns)."""
    if seeds is None:
        seeds = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(seeds, int):
        keys = [(seeds, row) for row in range(n_rows)]
    else:
        keys = [(int(seed), 0) for seed in seeds]
    if len(keys) != n_rows:
        raise ValueError(f"{len(keys)} seeds for {n_rows} prompts: give one a prompt, or one int")
    if any(not 0 <= seed < 2**64 for seed, _ in keys):
        raise ValueError("a seed must be a whole number from 0 to 2**64 - 1")
    philox = [np.random.Philox(key=np.array(key, dtype=np.uint64)) for key in keys]
    draws = [np.random.Generator(bits).random(n_columns, dtype=np.float32) for bits in philox]
    return torch.from_numpy(np.stack(draws))


def check_prompts(model: GPT, prompts: list[list[int]], max_new_tokens: int) -> None:
    """ValueError that names the prompt, what is wrong with it, and the mend."""
    config = model.config
    for i, prompt in enumerate(prompts):
        if isinstance(prompt, int):
            raise ValueError("prompts must be a list of prompts, each a list of ids: [[1, 2, 3]]")
        if len(prompt) == 0:
            raise ValueError(f"prompt {i} is empty: begin it with <|endoftext|>, for example")
        if min(prompt) < 0 or max(prompt) >= config.vocab_size:
            raise ValueError(
                f"prompt {i} has an id outside the model's {config.vocab_size} tokens: encode it "
                "with the tokenizer that the model was trained with"
            )
        if len(prompt) + max_new_tokens > config.block_size:
            raise ValueError(f"prompt {i} has {len(prompt)} tokens: with {max_new_tokens} new ones "
                             f"it passes the context of {config.block_size}; shorten it, or ask "
                             "for fewer new tokens")  # fmt: skip


def check_sampling(max_new_tokens: int, temperature: float, top_k, top_p) -> None:
    """ValueError that names the argument and the mend."""
    if not max_new_tokens >= 1:
        raise ValueError(f"max_new_tokens is {max_new_tokens}: give 1 or more")
    if temperature != 0:
        check_temperature(temperature)
    if top_k is not None and not top_k >= 1:
        raise ValueError(f"top_k is {top_k}: give 1 or more, or None for no limit")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}: give more than 0 and at most 1, or None for no limit")


def check_temperature(temperature: float) -> None:
    """ValueError unless logits divided by it are finite numbers."""
    if not 1e-6 <= temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}: give 0 (the likeliest token) or 1e-6 on")


def check_finite(x: Tensor) -> Tensor:
    """x, if all of it are finite numbers; else ValueError."""
    if not x.isfinite().all():
        raise ValueError("the model computes no numbers (NaN): its training went wrong, perhaps at "
                         "too high a learning rate; train it anew at a lower one")  # fmt: skip
    return x


def check_pairs(sequences: list[list[list[int]]], pairs: list[list[tuple[int, int]]]) -> None:
    """ValueError that says which comparison names no two answers of its prompt, or that none is."""
    if len(sequences) != len(pairs):
        raise ValueError(f"there are answers to {len(sequences)} prompts and comparisons for "
                         f"{len(pairs)}: give one list of each for every prompt")  # fmt: skip
    if not any(pairs):
        raise ValueError("there are no comparisons: all pairs were ties, or nothing was labeled")
    for prompt, (answers, compared) in enumerate(zip(sequences, pairs)):
        for b, w in compared:
            if b == w or not (0 <= b < len(answers) and 0 <= w < len(answers)):
                raise ValueError(
                    f"prompt {prompt} compares answers {b} and {w}: "
                    f"name two different ones of its {len(answers)}, counted from 0"
                )
