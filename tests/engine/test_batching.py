"""Batches of rows of unequal length, and the random numbers of their rows."""

import math

import torch

from minigpt.engine.batching import by_length, similar_lengths, uniform_numbers


def test_rows_of_similar_length_go_together():
    assert similar_lengths([5, 1, 4, 1, 3], 2) == [[1, 3], [4, 2], [0]]
    assert similar_lengths([], 2) == []


def test_by_length_computes_less_and_gives_the_same():
    """Rows of like length together: against one call on the whole padded batch."""
    seen = []

    def sums(idx, factor):
        seen.append(tuple(idx.shape))
        running = idx.cumsum(dim=1)
        return running, running[:, -1] * factor, running[:, :-1, None] * torch.ones(2)

    lengths = [2, 5, 1, 4, 3]
    idx = torch.ones(5, 6, dtype=torch.long)
    factor = torch.tensor([1, 10, 100, 1000, 10000])
    running, last, three = by_length(sums, lengths, idx, factor, rows=2)
    assert seen == [(2, 2), (2, 4), (1, 5)]
    for row, length in enumerate(lengths):
        assert running[row, :length].tolist() == list(range(1, length + 1))
        assert (running[row, 5:] == 0).all() and (three[row, 5 - 1 :] == 0).all()
    assert running.shape == (5, 6) and three.shape == (5, 5, 2)
    assert last.tolist() == [2 * 1, 5 * 10, 2 * 100, 4 * 1000, 4 * 10000]  # of the part's width


def test_uniform_numbers_are_uniform_and_rows_independent():
    u = uniform_numbers(7, 500, 200)
    assert u.shape == (500, 200) and u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005
    counts = torch.histc(u, 20, 0, 1)
    assert (counts - 5000).abs().max() < 5 * math.sqrt(5000)
    assert torch.corrcoef(u).fill_diagonal_(0).abs().max() < 0.45  # 1/sqrt(200) = 0.07 is the sd
    assert torch.equal(u[:3, :9], uniform_numbers(7, 3, 9))  # a shorter run begins the same
