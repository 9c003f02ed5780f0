"""How large should a vocabulary be? The course's GPT with vocabularies from bytes to 4,096 tokens.

A larger vocabulary makes a text fewer tokens, and the embedding and the head larger. Which one
learns best depends on what is held equal: the bytes of text that were read, or the seconds spent.
So each model is trained once, up to the larger of the two budgets, and measured when it reaches
each. Losses per token cannot be compared between vocabularies, bits per byte can.

The learning rates stay constant, for a rate that falls to zero would favour one of the two points.
What is measured is a running average of the weights, which does what the falling rate would do.

    python3 -m minigpt.lessons.tokenization.vocabulary    # a quarter of an hour on two idle cores

A run that was interrupted goes on where it stood; a complete one is run anew.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from minigpt.engine.bpe import fast_merges
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, evaluate_loss, pretrain
from minigpt.show.results import RESULTS, command, save_results
from minigpt.stages.recipe import tokenizer_text
from minigpt.stages.scoring import bits_per_byte, count_bytes
from minigpt.tokenizer import SPECIAL_TOKENS, build_encoding, load_tokenizer, special, train_bpe
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world

NAME = "vocabulary"
SIZES = (256, 512, 1024, 2048, 4096)
CONSTANT = 10**9  # updates of a schedule so long that its rate never falls while we look
AVERAGED = 10  # the average of the weights spans about the last tenth of the updates


@dataclass
class Budget:
    """What each vocabulary gets, and on how much text it is measured."""

    bytes: int = 1_000_000  # of text read
    seconds: float = 30.0  # of training alone, without measuring
    held_out: int = 60_000  # tokens, of the course's own tokenizer, of documents never read
    pool: int = 1_500_000  # tokens, of the same, to train on: more than a run reads in the time


# ---- vocabularies ---------------------------------------------------------------------------


@cache
def largest_ranks(lang: str = "en") -> dict[bytes, int]:
    """Ranks trained on the course's tokenizer text, enough for the largest of SIZES: a second."""
    size = SIZES[-1] - len(SPECIAL_TOKENS)
    return train_bpe(tokenizer_text(lang), size, merges=fast_merges)


@cache
def our_encoding(size: int, lang: str = "en"):
    """Our tokenizer with `size` ids, the six special tokens among them; from 262, for bytes alone.

    The first ranks of a BPE are a BPE: it is what training yields if it stops earlier. A size
    below 262 gives 262. ValueError above the largest of SIZES.
    """
    if size > SIZES[-1]:
        raise ValueError(f"a vocabulary of {size} ids is not trained here: the most is {SIZES[-1]}")
    count = max(256, size - len(SPECIAL_TOKENS))
    ranks = {token: rank for token, rank in largest_ranks(lang).items() if rank < count}
    return build_encoding(f"ours-{size}", ranks)


def token_row(encoding, documents: Iterable[str]) -> np.ndarray:
    """The documents as one row of ids, with `<|endoftext|>` before each."""
    end = special(encoding, "<|endoftext|>")
    rows = ([end, *encoding.encode_ordinary(text)] for text in documents)
    return np.fromiter(chain.from_iterable(rows), dtype=np.uint16)


# ---- one training ---------------------------------------------------------------------------


def train_one(
    encoding, train: list[str], held_out: list[str], budget: Budget, seed: int = 0,
    config: GPTConfig | None = None, pretraining: PretrainConfig | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict:  # fmt: skip
    """Train one model until it has read `budget.bytes` and trained `budget.seconds`.

    Returns a row of the results: sizes, speed, and `at_bytes` and `at_seconds`, what was measured
    at each of the two points.
    """
    fields = {**asdict(config or GPTConfig()), "vocab_size": encoding.n_vocab}
    model = GPT(GPTConfig(**fields), seed=seed)
    average = copy.deepcopy(model).requires_grad_(False)
    tokens, test = token_row(encoding, train), token_row(encoding, held_out)
    per_token, test_bytes = count_bytes(train) / len(tokens), count_bytes(held_out)
    settings = pretraining or PretrainConfig(seed=seed)
    run = pretrain(model, tokens, PretrainConfig(**{**asdict(settings), "steps": CONSTANT}))
    seconds, points = 0.0, {}
    while len(points) < 2:
        started = clock()
        step = next(run)
        keep_average(average, model, step.step)
        seconds += clock() - started
        read = step.tokens * per_token
        reached = {"at_bytes": read >= budget.bytes, "at_seconds": seconds >= budget.seconds}
        new = [name for name, done in reached.items() if done and name not in points]
        if new:
            loss = evaluate_loss(average, test, settings.block_size)
            bits = bits_per_byte(loss, len(test), test_bytes)
            measured = {"bits_per_byte": bits, "bytes": read, "seconds": seconds,
                        "updates": step.step}  # fmt: skip
            points.update({name: measured for name in new})
    return {
        "vocab_size": encoding.n_vocab,
        "seed": seed,
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


# ---- all of them ----------------------------------------------------------------------------


def texts(budget: Budget, seed: int, lang: str = "en") -> tuple[list[str], list[str]]:
    """Documents to train on and held-out ones: the same for each vocabulary."""
    world, encoding = load_world(lang), load_tokenizer(lang)
    train = build_corpus(world, encoding, budget.pool, seed=seed)
    held_out = build_corpus(world, encoding, budget.held_out, seed=seed + 1000)
    return train.documents, held_out.documents


def run(
    budget: Budget, seeds: Iterable[int], sizes: Iterable[int] = SIZES, out: Path | None = None,
    say: Callable[[str], None] = print, train: Callable[..., dict] = train_one,
) -> dict:  # fmt: skip
    """Every size with every seed; the results are written after each, and read at the start."""
    sizes, seeds = list(sizes), list(seeds)
    wanted = {(our_encoding(size).n_vocab, seed) for size in sizes for seed in seeds}
    results = {"budget": asdict(budget), "threads": torch.get_num_threads(), "rows": []}
    there = finished(out, results)
    if not wanted <= {(row["vocab_size"], row["seed"]) for row in there}:
        results["rows"] = there  # else it was complete, and is run anew
    for seed in seeds:
        here = [row["vocab_size"] for row in results["rows"] if row["seed"] == seed]
        missing = [size for size in sizes if our_encoding(size).n_vocab not in here]
        documents = texts(budget, seed) if missing else None
        for size in missing:
            row = train(our_encoding(size), *documents, budget, seed)
            results["rows"].append(row)
            results["rows"].sort(key=lambda r: (r["vocab_size"], r["seed"]))
            save_results(NAME, results, out)
            said = ", ".join(
                f"{row[at]['bits_per_byte']:.3f} bits/byte {at} ({row[at]['bytes']:,.0f} bytes, "
                f"{row[at]['seconds']:.0f} s)"
                for at in ("at_bytes", "at_seconds")
            )
            say(f"{row['vocab_size']} ids, seed {seed}: {said}")
    return results


def by_vocabulary(results: dict, at: str) -> dict[int, list[float]]:
    """{ids: bits per byte of each seed} at one of the two points, "at_bytes" or "at_seconds"."""
    found: dict[int, list[float]] = {}
    for row in results["rows"]:
        found.setdefault(row["vocab_size"], []).append(row[at]["bits_per_byte"])
    return found


def finished(out: Path | None, results: dict) -> list[dict]:
    """The rows of an interrupted run with the same budget and threads; none of another run."""
    path = out or RESULTS / f"{NAME}.json"
    if not path.is_file():
        return []
    there = json.loads(path.read_text(encoding="utf-8"))
    same = all(there.get(key) == results[key] for key in ("budget", "threads"))
    return there["rows"] if same else []


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=command(NAME), description=__doc__.split("\n")[0])
    parser.add_argument("--bytes", type=int, default=Budget.bytes, help="of text, a vocabulary")
    parser.add_argument("--seconds", type=float, default=Budget.seconds, help="a vocabulary")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--out", type=Path, help="the results file (default: the package's)")
    chosen = parser.parse_args(argv)
    if min(chosen.bytes, chosen.seconds, chosen.seeds) <= 0:
        parser.error("--bytes, --seconds and --seeds are above 0")
    run(Budget(chosen.bytes, chosen.seconds), range(chosen.seeds), out=chosen.out)


if __name__ == "__main__":
    main()
