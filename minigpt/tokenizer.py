"""Text to integers and back: byte-level byte-pair encoding (BPE), the first of the eight files.

    text --split--> words --UTF-8--> bytes --merges--> tokens --ranks--> ids

Text is bytes and each of the 256 bytes is a token, so nothing is ever unknown and decoding returns
exactly the text that went in. Training adds longer tokens: again and again it joins the pair of
neighbours that occurs most often (Sennrich et al. 2016, arXiv:1508.07909; on bytes since GPT-2).
A token's *rank* is its place in the order of merges, and its id.

The trainer below makes our tokenizer. `gpt2` and `gpt4` are OpenAI's, from rank files in this
package: the same algorithm, far more text. `bpe_encode` shows how text is encoded; `tiktoken` does
the same in Rust and is what the course runs.

Special tokens are never read out of text. `enc.encode_ordinary(text)` spells out a "<|end|>" that
somebody typed like any other seven characters, and is the way to encode what people write. Control
tokens are put in by id: `[special(enc, "<|user|>"), *enc.encode_ordinary(text)]`.
"""

import base64
import heapq
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import regex  # comes with tiktoken, and cuts as it does; `re` does not know \p{L}
import tiktoken

# Merges never cross the borders that these patterns draw: contractions, words with the space before
# them, numbers, punctuation, white space. GPT-4 cuts numbers into groups of three digits, we into
# two: 1,024 tokens have room for 100 pairs of digits, not for 1,000 triples. `++` and `?+` never
# give back what they took, which keeps long runs fast (tiktoken's spelling of both patterns).
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
GPT4_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
SPLIT_PATTERN = GPT4_PATTERN.replace("{1,3}", "{1,2}")
SPECIAL_TOKENS = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>", "<|reward|>", "<|pad|>")
LANGUAGES = ("en", "zh")
DATA = Path(__file__).parent / "data"
BYTES = [bytes([b]) for b in range(256)]
Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Merge:
    left: bytes
    right: bytes
    token: bytes  # left + right, the new token
    count: int  # how often left and right were neighbours


def split_text(text: str, pattern: str = SPLIT_PATTERN) -> list[str]:
    """Cut `text` into words (pre-tokens), the pieces inside which BPE works."""
    compiled = regex.compile(pattern)
    if compiled.groups:  # findall would return the groups
        raise ValueError(f"write the groups of a split pattern as (?:...): {pattern!r}")
    return compiled.findall(text)


def merge_pair(tokens: list[bytes], pair: Pair) -> None:
    """Join each occurrence of `pair` in `tokens`, in place, from left to right."""
    left, right = pair
    i = 0
    while i + 1 < len(tokens):
        if tokens[i] == left and tokens[i + 1] == right:
            tokens[i : i + 2] = [left + right]
        i += 1


def bpe_merges(text: str | Iterable[str], pattern: str = SPLIT_PATTERN) -> Iterator[Merge]:
    """Train BPE on a text, or on several, and yield its merges one by one until no pair is left.

    The next merge is the pair with the highest count. Of equal counts it is the pair whose (left
    bytes, right bytes) is lexicographically smallest, so the order of the words does not matter.
    Tokens never repeat: all occurrences of a pair are joined, so that bytes between two borders
    always fall into the same tokens, and a second pair cannot spell the same bytes.

    It is fast because a word that occurs a thousand times is kept once, with its count, and because
    a merge recounts only next to what it joined, in the words that hold the pair.
    """
    if isinstance(text, bytes):
        raise TypeError("text is bytes; decode it first: text.decode('utf-8')")
    word_counts: Counter[str] = Counter()
    for part in [text] if isinstance(text, str) else text:
        word_counts.update(split_text(part, pattern))
    counts = list(word_counts.values())
    # "replace" is for half of a surrogate pair, which has no UTF-8.
    words = [[BYTES[b] for b in word.encode("utf-8", "replace")] for word in word_counts]

    pair_words: defaultdict[Pair, list[int]] = defaultdict(list)  # words with the pair, or had it
    for w, word in enumerate(words):
        for pair in pairwise(word):
            pair_words[pair].append(w)
    pair_counts: defaultdict[Pair, int] = defaultdict(int)
    for pair, holders in pair_words.items():
        pair_counts[pair] = sum([counts[w] for w in holders])

    heap = [(-count, pair) for pair, count in pair_counts.items()]  # smallest first: our tie rule
    heapq.heapify(heap)
    while heap:
        pushed, pair = heapq.heappop(heap)
        count = pair_counts[pair]
        if count == 0:  # other merges took all of it
            continue
        if count < -pushed:  # other merges took some of it: back, with its true count
            heapq.heappush(heap, (-count, pair))
            continue
        left, right = pair
        token = left + right
        yield Merge(left, right, token, count)
        born: set[Pair] = set()  # only pairs with the new token can gain
        for w in pair_words.pop(pair):  # a word that held the pair twice comes twice, once in vain
            word, n = words[w], counts[w]
            i, end = 0, len(word) - 1
            while i < end:
                if word[i] == left and word[i + 1] == right:  # as merge_pair, and count
                    word[i : i + 2] = [token]
                    end -= 1
                    if i > 0:
                        pair_counts[word[i - 1], left] -= n
                        new = word[i - 1], token
                        pair_counts[new] += n
                        pair_words[new].append(w)
                        born.add(new)
                    if i < end:
                        pair_counts[right, word[i + 1]] -= n
                        new = token, word[i + 1]
                        pair_counts[new] += n
                        pair_words[new].append(w)
                        born.add(new)
                i += 1
        pair_counts[pair] = 0
        for fresh in born:
            heapq.heappush(heap, (-pair_counts[fresh], fresh))


def train_bpe(
    text: str | Iterable[str], vocab_size: int, pattern: str = SPLIT_PATTERN
) -> dict[bytes, int]:
    """Learn `vocab_size` ranks, {token: rank}: the 256 bytes, then the merges in order.

    `vocab_size` does not count special tokens. If the text runs out of pairs there are fewer ranks;
    `len(ranks)` tells. Raises ValueError if `vocab_size` is below 256.
    """
    if vocab_size < 256:
        raise ValueError(f"vocab_size is {vocab_size}, but the 256 bytes alone take 256")
    ranks = {token: rank for rank, token in enumerate(BYTES)}
    for merge in islice(bpe_merges(text, pattern), vocab_size - 256):
        ranks[merge.token] = len(ranks)
    return ranks


def bpe_encode(word: bytes, ranks: dict[bytes, int]) -> list[int]:
    """Encode one word: do the merges of training again, lowest rank first. Equal to tiktoken."""
    tokens = [BYTES[b] for b in word]
    while len(tokens) > 1:
        pair = min(pairwise(tokens), key=lambda p: ranks.get(p[0] + p[1], math.inf))
        if pair[0] + pair[1] not in ranks:
            break
        merge_pair(tokens, pair)
    return [ranks[token] for token in tokens]


def build_encoding(
    name: str,
    ranks: dict[bytes, int],
    pattern: str = SPLIT_PATTERN,
    special_tokens: Iterable[str] = SPECIAL_TOKENS,
) -> tiktoken.Encoding:
    """Make a tiktoken.Encoding; special tokens get the ids after the ranks, in their order.

    Raises ValueError if a byte has no rank or the ranks are not 0, 1, 2, ...
    """
    check_ranks(ranks, name)
    ids = {token: rank for rank, token in enumerate(special_tokens, start=len(ranks))}
    return tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=ids)


def special(enc: tiktoken.Encoding, token: str) -> int:
    """The id of a special token such as "<|end|>"; raises ValueError if `enc` has no such token."""
    if token not in enc.special_tokens_set:
        known = ", ".join(sorted(enc.special_tokens_set))
        raise ValueError(f"{enc.name} has no special token {token!r}; it has: {known or 'none'}")
    return enc.encode_single_token(token)


def check_ranks(ranks: dict[bytes, int], source: str | os.PathLike) -> None:
    """Raise ValueError, naming `source`, unless each byte has a rank and ranks are 0, 1, 2, ..."""
    for token in BYTES:
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
            raise ValueError(
                f"{path} is damaged at line {number}: expected a new token in base64, a space and "
                f"a rank, found {line[:60]!r}"
            ) from None
    check_ranks(ranks, path)
    return ranks


def _openai_ranks(file: str, size: int) -> dict[bytes, int]:
    ranks = load_ranks(DATA / "tiktoken" / file)
    if len(ranks) != size:  # cut off at the end of a line
        raise ValueError(f"{DATA / 'tiktoken' / file} is damaged: {len(ranks)} ranks, not {size}")
    return ranks


@cache
def gpt2() -> tiktoken.Encoding:
    """GPT-2's tokenizer (r50k_base), 50,257 ids, from the rank file in this package."""
    ranks = _openai_ranks("r50k_base.tiktoken", 50256)
    return build_encoding("gpt2", ranks, GPT2_PATTERN, ["<|endoftext|>"])


@cache
def gpt4() -> tiktoken.Encoding:
    """GPT-4's tokenizer (cl100k_base), ids up to 100,276, from the rank file in this package."""
    ranks = _openai_ranks("cl100k_base.tiktoken", 100256)
    ids = {"<|endoftext|>": 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259}
    ids |= {"<|fim_suffix|>": 100260, "<|endofprompt|>": 100276}  # the gap is OpenAI's
    return tiktoken.Encoding(
        "cl100k_base", pat_str=GPT4_PATTERN, mergeable_ranks=ranks, special_tokens=ids
    )


@cache
def load_tokenizer(lang: str = "en") -> tiktoken.Encoding:
    """The tokenizer of our own models: 1,018 ranks and 6 special tokens, 1,024 ids.

    Raises ValueError for an unknown language, FileNotFoundError if it has not been trained yet.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"no tokenizer for the language {lang!r}; there are {LANGUAGES}")
    path = DATA / f"tokenizer-{lang}.tiktoken"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; make it with: python3 -m minigpt train")
    return build_encoding(f"minigpt-{lang}", load_ranks(path))
