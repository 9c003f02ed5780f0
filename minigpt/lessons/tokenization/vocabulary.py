"""How large should a vocabulary be? The course's GPT with vocabularies from bytes to 4,096 tokens.

A larger vocabulary makes a text fewer tokens, and the embedding and the head larger. Each model
trains for the same number of operations, on text that it reads once. Losses per token cannot be
compared between vocabularies, bits per byte can.

    python3 -m minigpt experiment vocabulary    # some eight minutes on one core
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from minigpt.engine.bpe import fast_merges
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, Step, evaluate_loss, pretrain, windows
from minigpt.show.results import complete
from minigpt.stages.recipe import tokenizer_text
from minigpt.stages.scoring import bits_per_byte, count_bytes
from minigpt.stages.sizes import flops_per_token
from minigpt.store.words import language
from minigpt.tokenizer import SPECIAL_TOKENS, build_encoding, load_tokenizer, special, train_bpe
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world

NAME = "vocabulary"
SEEDS = (0, 1, 2)
SIZES = (256, 512, 1024, 2048, 4096)
OPERATIONS = 3e12  # floating-point operations of training, forward and backward
POOL = 700_000  # tokens, of the course's own tokenizer, to train on: more than a run reads
HELD_OUT = 60_000  # tokens, of the same, of documents never read


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


def training(encoding, documents, operations: float, seed: int = 0) -> tuple[GPT, Iterator[Step]]:
    """A model of the course's size and a run that trains it for about so many operations."""
    tokens, settings = token_row(encoding, documents), PretrainConfig(seed=seed)
    model = GPT(GPTConfig(vocab_size=encoding.n_vocab), seed=seed)
    settings.batch_size = min(settings.batch_size, len(windows(tokens, settings.block_size)))
    update = settings.batch_size * settings.block_size * flops_per_token(model.config)
    settings.steps = max(1, round(operations / update))
    return model, pretrain(model, tokens, settings)


def held_out_bits(model: GPT, encoding, documents: list[str]) -> float:
    """Bits that the model needs for each byte of the documents: lower is better."""
    loss = evaluate_loss(model, tokens := token_row(encoding, documents), PretrainConfig.block_size)
    return bits_per_byte(loss, len(tokens), count_bytes(documents))


@cache
def texts(seed: int) -> tuple[list[str], list[str]]:
    """Documents to train on and held-out ones: the same for each vocabulary."""
    world, encoding = load_world(), load_tokenizer()
    train = build_corpus(world, encoding, POOL, seed=seed)
    held_out = build_corpus(world, encoding, HELD_OUT, seed=seed + 1000)
    return train.documents, held_out.documents


OPTIONS = {"seeds": SEEDS}


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Train and measure every size with every seed, as far as the results lack them."""
    encodings = {encoding.n_vocab: encoding for encoding in map(our_encoding, SIZES)}
    keys = [{"vocab_size": size, "seed": seed} for seed in seeds for size in encodings]

    def one(vocab_size: int, seed: int) -> dict:
        encoding, (train, held_out) = encodings[vocab_size], texts(seed)
        model, run = training(encoding, train, OPERATIONS, seed)
        *_, last = run
        return {"bits_per_byte": held_out_bits(model, encoding, held_out), "tokens": last.tokens}

    return complete(NAME, {"operations": OPERATIONS}, keys, one, out)
