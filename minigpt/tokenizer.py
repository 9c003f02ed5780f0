"""Text to integers and back: byte-level byte-pair encoding (BPE), the first of the eight files.

    text --split--> words --UTF-8--> bytes --merges--> tokens --ranks--> ids

Text is bytes and each of the 256 bytes is a token, so nothing is ever unknown and decoding returns
exactly the text that went in. Training adds longer tokens: again and again it joins the pair of
neighbours that occurs most often (Sennrich et al. 2016, arXiv:1508.07909; on bytes since GPT-2).
A token's *rank* is its place in the order of merges, and its id.

`train_bpe` makes our tokenizer; those of GPT-2 and GPT-4 come from the same algorithm and far more
text (`engine/ranks.py`). `bpe_encode` shows how text is encoded; `tiktoken` does the same in Rust
and is what the course runs.

Special tokens are never read out of text. `enc.encode_ordinary(text)` spells out a "<|end|>" that
somebody typed like any other seven characters, and is the way to encode what people write. Control
tokens are put in by id: `[special(enc, "<|user|>"), *enc.encode_ordinary(text)]`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice, pairwise

import regex  # comes with tiktoken, and cuts as it does; `re` does not know \p{L}
import tiktoken

from minigpt.engine.ranks import CHINESE_PATTERN, DATA, check_ranks, load_ranks, whole

# Merges never cross the borders that this pattern draws: contractions, words with the space before
# them, numbers, punctuation, white space. It is GPT-4's, which cuts numbers into groups of three
# digits, we into two: 1,024 tokens have room for 100 pairs of digits, not for 1,000 triples. `++`
# and `?+` never give back what they took, which keeps long runs fast (tiktoken's spelling).
SPLIT_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,2}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
PATTERNS = {"en": SPLIT_PATTERN, "zh": CHINESE_PATTERN}  # of our own tokenizers, by language
SPECIAL_TOKENS = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>", "<|reward|>", "<|pad|>")
BYTES = [bytes([b]) for b in range(256)]
Pair = tuple[bytes, bytes]


def split_text(text: str, pattern: str = SPLIT_PATTERN) -> list[str]:
    """Cut `text` into words (pre-tokens), the pieces inside which BPE works. Half of a surrogate
    pair, which has no UTF-8, becomes U+FFFD first, as in tiktoken."""
    compiled = regex.compile(pattern)
    if compiled.groups:  # findall would return the groups
        raise ValueError(f"write the groups of a split pattern as (?:...): {pattern!r}")
    return compiled.findall(whole(text))


def count_words(text: str | Iterable[str], pattern: str = SPLIT_PATTERN) -> Counter[str]:
    """How often each word occurs in a text, or in several."""
    if isinstance(text, bytes):
        raise TypeError("text is bytes; decode it first: text.decode('utf-8')")
    words: Counter[str] = Counter()
    for part in [text] if isinstance(text, str) else text:
        words.update(split_text(part, pattern))
    return words


def count_pairs(words: list[tuple[list[bytes], int]]) -> Counter[Pair]:
    """How often each pair of neighbours occurs. words: each in its tokens, and how often it does.

    So a word that occurs a thousand times is looked at once.
    """
    counts: Counter[Pair] = Counter()
    for tokens, n in words:
        for pair in pairwise(tokens):
            counts[pair] += n
    return counts


def merge_pair(tokens: list[bytes], pair: Pair) -> list[bytes]:
    """The tokens with each occurrence of `pair` joined, from left to right."""
    joined: list[bytes] = []
    for token in tokens:
        if joined and (joined[-1], token) == pair:  # what was joined is longer than a left part
            joined[-1] += token
        else:
            joined.append(token)
    return joined


def bpe_merges(words: Mapping[str, int]) -> Iterator[tuple[Pair, int]]:
    """Train BPE on words and how often each occurs: yield its merges, each a pair and its count.

    The next merge is the pair with the highest count. Of equal counts it is the pair whose (left
    bytes, right bytes) is lexicographically smallest, so the order of the words does not matter.
    It ends when no pair is left. Tokens never repeat: all occurrences of a pair are joined, so that
    bytes between two borders always fall into the same tokens, and a second pair cannot spell the
    same bytes. All pairs are counted anew for each merge; `fast_merges` in `engine/bpe.py` counts
    only what a merge changed.
    """
    spelled = [([BYTES[b] for b in whole(w).encode()], n) for w, n in words.items()]
    while counts := count_pairs(spelled):
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        yield pair, counts[pair]
        spelled = [(merge_pair(tokens, pair), n) for tokens, n in spelled]


def train_bpe(
    text: str | Iterable[str], vocab_size: int, pattern: str = SPLIT_PATTERN,
    merges: Callable[[Mapping[str, int]], Iterator[tuple[Pair, int]]] = bpe_merges,
) -> dict[bytes, int]:  # fmt: skip
    """Learn `vocab_size` ranks, {token: rank}: the 256 bytes, then the merges in order.

    `vocab_size` does not count special tokens. If the text runs out of pairs there are fewer ranks;
    `len(ranks)` tells. merges: what finds them; for long texts `fast_merges`. Raises ValueError if
    `vocab_size` is below 256.
    """
    if vocab_size < 256:
        raise ValueError(f"vocab_size is {vocab_size}, but the 256 bytes alone take 256")
    ranks = {token: rank for rank, token in enumerate(BYTES)}
    for (left, right), _ in islice(merges(count_words(text, pattern)), vocab_size - 256):
        ranks[left + right] = len(ranks)
    return ranks


def bpe_encode(word: bytes, ranks: dict[bytes, int]) -> list[int]:
    """Encode one word: do the merges of training again, lowest rank first. Equal to tiktoken."""
    tokens = [BYTES[b] for b in word]
    while len(tokens) > 1:
        pair = min(pairwise(tokens), key=lambda p: ranks.get(p[0] + p[1], math.inf))
        if pair[0] + pair[1] not in ranks:
            break
        tokens = merge_pair(tokens, pair)
    return [ranks[token] for token in tokens]


def build_encoding(
    name: str, ranks: dict[bytes, int], pattern: str = SPLIT_PATTERN,
    special_tokens: Iterable[str] = SPECIAL_TOKENS,
) -> tiktoken.Encoding:  # fmt: skip
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


@cache
def load_tokenizer(lang: str = "en") -> tiktoken.Encoding:
    """The tokenizer of our own models: 1,024 ids, 6 of them special tokens; for Chinese 2,048.

    Raises ValueError for an unknown language, FileNotFoundError if it has not been trained yet.
    """
    if lang not in PATTERNS:
        raise ValueError(f"no tokenizer for the language {lang!r}; there are {tuple(PATTERNS)}")
    path = DATA / f"tokenizer-{lang}.tiktoken"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; make it with: python3 -m minigpt train")
    return build_encoding(f"minigpt-{lang}", load_ranks(path), PATTERNS[lang])
