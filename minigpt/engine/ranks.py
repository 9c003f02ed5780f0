"""Rank files, in tiktoken's format, and OpenAI's own tokenizers from two of them.

A rank file is a vocabulary: the tokens of a BPE in the order of its merges.
"""

import base64
import os
from functools import cache
from pathlib import Path

import tiktoken

DATA = Path(__file__).parents[1] / "data"
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
GPT4_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
# Our own for Chinese, which has no spaces between words. Neither a space nor a mark sticks to its
# characters, so that a name keeps its tokens after each of them, nor a line break to a mark; else
# as SPLIT_PATTERN of tokenizer.py.
CHINESE_PATTERN = (
    r"\p{Han}++|'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+[^\P{L}\p{Han}]++|\p{N}{1,2}+"
    r"| ?[^\s\p{L}\p{N}]++|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)


def whole(text: str) -> str:
    """A text with a UTF-8: halves of surrogate pairs are joined, or U+FFFD if alone (tiktoken)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def check_ranks(ranks: dict[bytes, int], source: str | os.PathLike) -> None:
    """Raise ValueError, naming `source`, unless each byte has a rank and ranks are 0, 1, 2, ..."""
    for token in (bytes([b]) for b in range(256)):
        if token not in ranks:
            raise ValueError(f"{source}: byte 0x{token.hex()} has no rank; all 256 bytes need one")
    for expected, rank in enumerate(sorted(ranks.values())):
        if rank != expected:
            raise ValueError(f"{source}: ranks must be 0, 1, 2, ...; {rank} stands for {expected}")


def save_ranks(ranks: dict[bytes, int], path: str | os.PathLike) -> None:
    """Write ranks in tiktoken's format: a line a token, its bytes in base64, a space, its rank."""
    check_ranks(ranks, path)
    lines = [b"%s %d\n" % (base64.b64encode(t), ranks[t]) for t in sorted(ranks, key=ranks.get)]
    Path(path).write_bytes(b"".join(lines))  # bytes: the same file on Windows


def load_ranks(path: str | os.PathLike) -> dict[bytes, int]:
    """Read ranks in tiktoken's format; raises ValueError that names a damaged file and line."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(Path(path).read_bytes().splitlines(), start=1):
        try:
            encoded, rank = line.split()
            token = base64.b64decode(encoded, validate=True)
            if token in ranks:
                raise ValueError
            ranks[token] = int(rank)
        except ValueError:
            raise ValueError(f"{path} is damaged at line {number}: expected a new token in base64, "
                             f"a space and a rank, found {line[:60]!r}") from None  # fmt: skip
    check_ranks(ranks, path)
    return ranks


def openai_encoding(name: str, file: str, size: int, pattern: str, special_tokens: dict):
    """An encoding of OpenAI's from its rank file; ValueError if that has not `size` ranks."""
    path = DATA / "tiktoken" / f"{file}.tiktoken"
    ranks = load_ranks(path)
    if len(ranks) != size:  # cut off at the end of a line
        raise ValueError(f"{path} is damaged: {len(ranks)} ranks, not {size}")
    options = {"mergeable_ranks": ranks, "special_tokens": special_tokens}
    return tiktoken.Encoding(name, pat_str=pattern, **options)


@cache
def gpt2() -> tiktoken.Encoding:
    """GPT-2's tokenizer (r50k_base), 50,257 ids, from the rank file in this package."""
    return openai_encoding("gpt2", "r50k_base", 50256, GPT2_PATTERN, {"<|endoftext|>": 50256})


@cache
def gpt4() -> tiktoken.Encoding:
    """GPT-4's tokenizer (cl100k_base), ids up to 100,276, from the rank file in this package."""
    ids = {"<|endoftext|>": 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259}
    ids |= {"<|fim_suffix|>": 100260, "<|endofprompt|>": 100276}  # the gap is OpenAI's
    return openai_encoding("cl100k_base", "cl100k_base", 100256, GPT4_PATTERN, ids)
