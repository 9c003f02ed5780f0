"""How the merges build the tokens of a word from its bytes."""

import math
from collections.abc import Mapping
from itertools import pairwise

from minigpt.show.diagrams.svg import Diagram, visible, width
from minigpt.store.words import _

ROW, LEFT, ROOM = 44, 12, 390  # a merge's height; where the tree stands, right of it the ranks


def merge_tree(tokenizer, word: str) -> Diagram:
    """The merges that make the tokens of a word, from its bytes at the bottom, in their order.

    tokenizer: a `tiktoken.Encoding`, or ranks {token's bytes: rank} as `train_bpe` returns them
    (a list of merges is `{a + b: 256 + i for i, (a, b) in enumerate(merges)}`; bytes may be left
    out). word: a single word, up to about 16 letters; a space before it counts. Bytes that are no
    whole character are shown in hex. ValueError if it is empty, more than one word, or too long.
    """
    data = word.encode("utf-8", "replace")
    step = min(56.0, ROOM / max(1, len(data)))
    if not data or step < max(width(_shown(bytes([b])), "k") + 10 for b in data):
        raise ValueError(f"{word!r} has {len(data)} bytes: give a word short enough to be drawn")
    ranks = tokenizer
    if not isinstance(tokenizer, Mapping):
        ranks = {t: tokenizer.encode_single_token(t) for t in tokenizer.token_byte_values()}
    ends = list(range(len(data) + 1))  # where the word is cut, at first between all its bytes
    steps = []  # (rank, [where a token begins, where it was joined, where it ends])
    while len(ends) > 2:
        pairs = zip(ends, ends[1:], ends[2:])
        found = {(a, split, b): ranks.get(data[a:b], math.inf) for a, split, b in pairs}
        lowest, joined = min(found.values()), []
        if lowest == math.inf:
            break
        for (a, split, b), rank in found.items():
            if rank == lowest and a in ends:  # its left part has not just been joined
                ends.remove(split)
                joined.append((a, split, b))
        steps.append((lowest, joined))
    tokens = list(pairwise(ends))
    ids = [ranks.get(data[a:b]) for a, b in tokens]
    if ranks is not tokenizer and tokenizer.encode_ordinary(word) != ids:
        raise ValueError(f"{word!r} is more than one word to this tokenizer: give one of them")

    pic, bottom = Diagram(_("How merges build a word")), 40 + ROW * len(steps)
    tops, middles = {}, {}  # of the part that begins at this byte

    def part(start: int, end: int, y: float) -> None:
        tops[start], middles[start] = y, LEFT + step * (start + end) / 2
        shown = _shown(data[start:end])
        size = max(22.0, width(shown, "k b") + 10)
        last = "now" if (start, end) in tokens else "box"
        pic.token(middles[start] - size / 2, y, size, shown, last, 34)

    told = [_("{word} is {n} bytes.", word=visible(word), n=len(data))]
    for i in range(len(data)):
        part(i, i + 1, bottom)
    for n, (place, joined) in enumerate(steps, start=1):
        y = bottom - ROW * n
        for start, split, end in joined:
            for child in (start, split):
                way = f"M{middles[child]} {tops[child]}V{y + 17}H{LEFT + step * (start + end) / 2}"
                pic.path(way, under=True)
            part(start, end, y)
        left, right = _shown(data[start:split]), _shown(data[split:end])
        pic.text(508, y + 24, f"{place:,}", "e")
        told.append(_("Rank {rank}: {left} + {right}.", rank=f"{place:,}", left=left, right=right))
    pic.text(508, 24, _("rank"), "s e")
    pic.text(508, bottom + 24, _("bytes"), "s e")
    found = " | ".join(_shown(data[start:end]) for start, end in tokens)
    told.append(_("Then no pair has a rank: {tokens}.", tokens=found))
    return pic.done(" ".join(told), bottom + 48)


def _shown(part: bytes) -> str:
    """A part of a word as text, in hex where it is no whole character."""
    try:
        return visible(part.decode())
    except UnicodeDecodeError:
        return part.hex()
