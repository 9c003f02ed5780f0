"""How large should a vocabulary be? The course's GPT with vocabularies from bytes to 4,096 tokens.

A larger vocabulary makes a text fewer tokens, and the embedding and the head larger. Which one
learns best depends on what is held equal: the bytes of text that were read, or the seconds spent.
So each model is trained once, up to the larger of the two budgets, and measured when it reaches
each. Losses per token cannot be compared between vocabularies, bits per byte can.

The learning rates stay constant, for a rate that falls to zero would favour one of the two points.
What is measured is a running average of the weights, which does what the falling rate would do.

    python3 -m minigpt experiment vocabulary    # a quarter of an hour on two idle cores

A run that was interrupted goes on where it stood.
"""

import copy
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from minigpt.engine.bpe import fast_merges
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, evaluate_loss, pretrain
from minigpt.show.results import complete
from minigpt.stages.recipe import tokenizer_text
from minigpt.stages.scoring import bits_per_byte, count_bytes
from minigpt.store.words import language
from minigpt.tokenizer import SPECIAL_TOKENS, build_encoding, load_tokenizer, special, train_bpe
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world

NAME = "vocabulary"
SEEDS = (0, 1, 2)
SIZES = (256, 512, 1024, 2048, 4096)
CONSTANT = 10**9  # updates of a schedule so long that its rate never falls while we look
AVERAGED = 10  # the average of the weights spans about the last tenth of the updates


@dataclass(frozen=True)
class Budget:
    """What each vocabulary gets, and on how much text it is measured."""

    bytes: int = 1_000_000  # of text read
    seconds: float = 30.0  # of training alone, without measuring
    held_out: int = 60_000  # tokens, of the course's own tokenizer, of documents never read
    pool: int = 1_500_000  # tokens, of the same, to train on: more than a run reads in the time


BUDGET = Budget()


@cache
def largest_ranks(lang: str) -> dict[bytes, int]:
    """Ranks trained on the course's tokenizer text, enough for the largest of SIZES: a second."""
    size = SIZES[-1] - len(SPECIAL_TOKENS)
    return train_bpe(tokenizer_text(lang), size, merges=fast_merges)


@cache
def our_encoding(size: int):
    """Our tokenizer with `size` ids, the six special tokens among them; from 262, for bytes alone.

    The first ranks of a BPE are a BPE: it is what training yields if it stops earlier. A size
    below 262 gives 262. ValueError above the largest of SIZES.
    """
    if size > SIZES[-1]:
        raise ValueError(f"a vocabulary of {size} ids is not trained here: the most is {SIZES[-1]}")
    count = max(256, size - len(SPECIAL_TOKENS))
    ranks = {token: rank for token, rank in largest_ranks(language()).items() if rank < count}
    return build_encoding(f"ours-{size}", ranks)


def token_row(encoding, documents: Iterable[str]) -> np.ndarray:
    """The documents as one row of ids, with `<|endoftext|>` before each."""
    end = special(encoding, "<|endoftext|>")
    rows = ([end, *encoding.encode_ordinary(text)] for text in documents)
    return np.fromiter(chain.from_iterable(rows), dtype=np.uint16)


def train_one(encoding, train: list[str], held_out: list[str], budget: Budget, seed=0) -> dict:
    """Train one model until it has read `budget.bytes` and trained `budget.seconds`; what was
    measured at each of the two points (`at_bytes`, `at_seconds`), with sizes and speed."""
    model = GPT(GPTConfig(vocab_size=encoding.n_vocab), seed=seed)
    average = copy.deepcopy(model).requires_grad_(False)
    tokens, test = token_row(encoding, train), token_row(encoding, held_out)
    per_token, test_bytes = count_bytes(train) / len(tokens), count_bytes(held_out)
    config = PretrainConfig(steps=CONSTANT, seed=seed)
    training, seconds, points = pretrain(model, tokens, config), 0.0, {}
    while len(points) < 2:
        started = perf_counter()
        step = next(training)
        keep_average(average, model, step.step)
        seconds += perf_counter() - started
        read = step.tokens * per_token
        reached = {"at_bytes": read >= budget.bytes, "at_seconds": seconds >= budget.seconds}
        for name in (name for name in reached if reached[name] and name not in points):
            loss = evaluate_loss(average, test, config.block_size)
            bits = bits_per_byte(loss, len(test), test_bytes)
            points[name] = {"bits_per_byte": bits, "bytes": read, "seconds": seconds,
                            "updates": step.step}  # fmt: skip
    return {
        "vocab_size": encoding.n_vocab,
        "bytes_per_token": test_bytes / len(test),
        "parameters": model.num_params(),
        "vocabulary_parameters": model.embedding.weight.numel() + model.head.weight.numel(),
        "tokens_per_second": step.tokens / seconds,
        "times_read": step.tokens / len(tokens),  # above 1, text was read twice
        **points,
    }


@torch.no_grad()
def keep_average(average: GPT, model: GPT, step: int) -> None:
    """Move the average towards the model after update `step` (from 1), whose weights it is then.

    Weights 10 / (step + 9): polynomial decay (Shamir & Zhang 2013, arXiv:1212.1824, eq. 4).
    """
    weight = AVERAGED / (step + AVERAGED - 1)
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), weight)


@cache
def texts(budget: Budget, seed: int) -> tuple[list[str], list[str]]:
    """Documents to train on and held-out ones: the same for each vocabulary."""
    world, encoding = load_world(), load_tokenizer()
    train = build_corpus(world, encoding, budget.pool, seed=seed)
    held_out = build_corpus(world, encoding, budget.held_out, seed=seed + 1000)
    return train.documents, held_out.documents


OPTIONS = {"seeds": SEEDS}
THREADS = 2


def run(seeds=SEEDS, out: Path | None = None, budget: Budget = BUDGET) -> dict:
    """Train and measure every size with every seed, as far as the results lack them."""
    encodings = {encoding.n_vocab: encoding for encoding in map(our_encoding, SIZES)}
    keys = [{"vocab_size": size, "seed": seed} for seed in seeds for size in encodings]

    def one(vocab_size: int, seed: int) -> dict:
        return train_one(encodings[vocab_size], *texts(budget, seed), budget, seed)

    return complete(NAME, {"budget": asdict(budget)}, keys, one, out)


def by_vocabulary(results: dict, at: str) -> dict[int, list[float]]:
    """{ids: bits per byte of each seed} at one of the two points, "at_bytes" or "at_seconds"."""
    found: dict[int, list[float]] = {}
    for run in results["runs"]:
        found.setdefault(run["vocab_size"], []).append(run[at]["bits_per_byte"])
    return found
