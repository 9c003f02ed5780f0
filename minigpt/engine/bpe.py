"""Byte-pair encoding, trained fast. `bpe_merges` in `tokenizer.py` is the form to read.

A merge recounts only next to what it joined, in the words that hold the pair. A heap knows the
commonest pair: counts in it may be too high, because other merges have taken some, and are put
right when they come to its top.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

Pair = tuple[bytes, bytes]


def fast_merges(words: Mapping[str, int]) -> Iterator[tuple[Pair, int]]:
    """Train BPE on words and how often each occurs; yields the merges, pairs and their counts."""
    counts = list(words.values())
    byte = [bytes([b]) for b in range(256)]
    spelled = [[byte[b] for b in word.encode("utf-8", "replace")] for word in words]

    pair_words: defaultdict[Pair, list[int]] = defaultdict(list)  # words with the pair, or had it
    for w, word in enumerate(spelled):
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
        yield pair, count
        left, right = pair
        token = left + right
        born: set[Pair] = set()  # only pairs with the new token can gain
        for w in pair_words.pop(pair):  # a word that held the pair twice comes twice, once in vain
            word, n = spelled[w], counts[w]
            i, end = 0, len(word) - 1
            while i < end:
                if word[i] == left and word[i + 1] == right:
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
