"""Messages: plain values come back as they were, and nonsense makes nothing but an error."""

import copy
import io
import json
import random
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
import torch

from minigpt.classroom.grading.wire import Foreign, Over, Side, pack, unpack

VALUES = [
    None, ..., True, False, 0, -1, 255, -256, 10**400, 1.5, float("inf"), 2j, "é\ud800", b"ab",
    range(3, 9, 2), [1, [2, ()]], {1, 2}, frozenset({3}), {("a", "b"): [1]}, Counter("aab"),
    OrderedDict(a=1), defaultdict(int, a=2), np.ones((2, 3)), np.float32(2.5), np.bool_(True),
    np.str_("a"), np.array(["ab", "c"]), np.zeros((0, 3)), np.array(5), np.array("", dtype="U"),
    np.int64(3), np.array(2.5), np.arange(6)[::2], torch.ones(2, 3), torch.ones(()),
    torch.zeros(0, 3), torch.ones(2, dtype=torch.float64), torch.tensor([True]),
    torch.tensor([1 + 2j]), torch.ones(2, 2).T.expand(2, 2),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_plain_values_travel(value):
    found = unpack(json.loads(json.dumps(pack(value))))
    assert type(found) is type(value)
    if isinstance(value, (torch.Tensor, np.ndarray)):
        assert found.dtype == value.dtype and found.shape == value.shape
        assert (found == value).all()
    else:
        assert found == value


@pytest.mark.parametrize(
    "value", [len, object(), type("Int", (int,), {})(1), [lambda: 1], np.array([object()]),
              np.zeros(2, "M8[s]"), torch.nn.Parameter(torch.ones(1)),
              torch.ones(2).to_sparse()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_other_values_do_not(value):
    with pytest.raises(Foreign):
        pack(value)


def places(packed: object):
    """(list, place) of everything in what was packed."""
    for place, part in enumerate(packed if isinstance(packed, list) else []):
        yield packed, place
        yield from places(part)


def test_damaged_messages_make_an_error_or_a_plain_value():
    trial, errors = random.Random(1), 0
    words = ["tensor", "array", "objects", "other", "dict", "int64", "O", "<U1", "V8", "M8[s]"]
    junk = [None, -1, 2**70, 1.5, "x", "AAAA", [], [2**40], {}, True, [[]], *words]
    for _ in range(4000):
        packed = [json.loads(json.dumps(pack(trial.choice(VALUES))))]
        for _ in range(trial.randint(1, 3)):
            where, place = trial.choice(list(places(packed)))
            where[place] = copy.deepcopy(trial.choice(junk))
        try:
            pack(unpack(packed[0]))
        except Over:
            errors += 1
    assert errors > 1000


def test_there_are_two_truth_values():
    found = unpack(["tensor", ["array", "|b1", [2], "AgA=", True], False])  # bytes 2 and 0
    assert found.dtype == torch.bool and found.view(torch.uint8).tolist() == [1, 0]
    assert unpack(["array", "|b1", [], "Ag==", False]) is np.True_


def test_messages_are_told_apart_by_their_lines():
    pipe = io.BytesIO()
    Side(pipe, pipe).send("call", 1, ["bytes", "eA=="])
    pipe.write(b"[1]\n[]\n" + b"[" * 10**5 + b"\n" + b'["cut')
    pipe.seek(0)
    side = Side(pipe, pipe)
    assert side.receive() == ["call", 1, ["bytes", "eA=="]]
    for why in (*["wrote into"] * 3, "ended"):
        with pytest.raises(Over, match=why):
            side.receive()
