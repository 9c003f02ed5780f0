"""Byte-pair encoding, trained fast. `bpe_merges` in `tokenizer.py` is the form to read.

All words are one row of tokens, each linked to its neighbours, and each pair knows its places. A
merge looks at these alone and recounts next to what it joined, so that a long word costs no more
than its bytes. A heap knows the commonest pair: counts in it may be too high, because other merges
have taken some, and are put right when they come to its top.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping

from minigpt.engine.ranks import whole

Pair = tuple[bytes, bytes]


def fast_merges(words: Mapping[str, int]) -> Iterator[tuple[Pair, int]]:
    """Train BPE on words and how often each occurs; yields the merges, pairs and their counts."""
    byte = [bytes([b]) for b in range(256)]
    tokens: list[bytes] = []  # b"" after each word, and where a token was joined to the one before
    times: list[int] = []  # how often the word of each token occurs
    for word, n in words.items():
        spelled = whole(word).encode()
        tokens += [byte[b] for b in spelled] + [b""]
        times += [n] * (len(spelled) + 1)
    after = list(range(1, len(tokens) + 1))  # where the next token is
    before = list(range(-1, len(tokens)))  # and the one before; tokens[-1] is b"" too

    pair_places: defaultdict[Pair, list[int]] = defaultdict(list)  # of the left token, in order
    pair_counts: defaultdict[Pair, int] = defaultdict(int)
    for i in range(len(tokens) - 1):
        if tokens[i] and tokens[i + 1]:
            pair = tokens[i], tokens[i + 1]
            pair_places[pair].append(i)
            pair_counts[pair] += times[i]

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
        yield pair, count
        left, right = pair
        token = left + right
        born: set[Pair] = set()  # only pairs with the new token can gain
        for i in pair_places.pop(pair):
            j = after[i]
            if tokens[i] != left or tokens[j] != right:  # another merge took one of them
                continue
            h, k, n = before[i], after[j], times[i]
            tokens[i], tokens[j] = token, b""
            after[i], before[k] = k, i
            if tokens[h]:
                pair_counts[tokens[h], left] -= n
                new = tokens[h], token
                pair_counts[new] += n
                pair_places[new].append(h)
                born.add(new)
            if tokens[k]:
                pair_counts[right, tokens[k]] -= n
                new = token, tokens[k]
                pair_counts[new] += n
                pair_places[new].append(i)
                born.add(new)
        del pair_counts[pair]
        for fresh in born:
            heapq.heappush(heap, (-pair_counts[fresh], fresh))
