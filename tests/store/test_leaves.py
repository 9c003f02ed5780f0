"""How leaves are stored: what is packed comes back; what is not as it should be is named."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minigpt.store.leaves import one_a_byte, pack, two_a_byte, unpack

MATRIX = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])


@given(st.lists(st.lists(st.integers(-8, 7), min_size=3, max_size=3), min_size=1, max_size=5))
def test_halves_of_bytes(rows):
    whole = torch.tensor(rows, dtype=torch.int8)
    packed = two_a_byte(whole)
    assert packed.dtype == torch.uint8 and packed.shape == (len(rows), 2)
    assert torch.equal(one_a_byte(packed)[:, :3], whole)


@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 1000), st.sampled_from([1e-30, 1, 1e5]))
def test_no_weight_is_off_by_more_than_a_step(rows, columns, seed, size):
    generator = torch.Generator().manual_seed(seed)
    weights, before = size * torch.randn(2, rows, columns, generator=generator)
    for form, largest in (("int8", 127), ("delta", 7)):
        stored = pack({"w": weights}, form, {"w": before})
        away = weights - before if form == "delta" else weights
        step = away.abs().amax(1, keepdim=True) / largest
        error = (unpack(stored, {"w": before})["w"] - weights).abs()
        assert (error <= 0.6 * step + 1e-6 * before.abs().max()).all()


def test_vectors_and_what_the_parent_lacks_stay_bfloat16():
    state = {"gain": torch.tensor(1.5), "vector": torch.ones(3), "w": MATRIX, "other": MATRIX}
    assert {n: str(t.dtype)[6:] for n, t in pack(state, "int8").items()} == {
        "gain": "bfloat16", "vector": "bfloat16", "w": "int8", "w/scale": "bfloat16",
        "other": "int8", "other/scale": "bfloat16",
    }  # fmt: skip
    stored = pack(state, "delta", {"w": MATRIX, "other": MATRIX.T})
    assert stored["w"].dtype == torch.uint8 and stored["other"].dtype == torch.bfloat16
    assert torch.equal(unpack(stored, {"w": MATRIX})["w"], MATRIX)


@pytest.mark.parametrize(
    "form, change, message",
    [
        ("int8", lambda t: t.pop("w/scale"), "w has no scale for each of its rows"),
        ("int8", lambda t: t.update({"w/scale": torch.ones(3)}), "w has no scale for each"),
        ("int8", lambda t: t.update({"w/scale": torch.ones(2).int()}), "w has no scale for each"),
        ("int8", lambda t: t.pop("w"), "w/scale is the scale of no leaf"),
        ("int8", lambda t: t.update(w=MATRIX), "w/scale is the scale of no leaf"),
        ("int8", lambda t: t.update(w=MATRIX.int()), "w is stored as torch.int32, which no form"),
        ("int8", lambda t: t.update(w=torch.ones(2).char()), "w is stored as torch.int8, which"),
        ("int8", lambda t: t["w/scale"].fill_(torch.inf), "w has numbers that are NaN or infinite"),
        ("delta", lambda t: t.pop("w/scale"), "w has no scale for each of its rows"),
        ("delta", lambda t: t.update(v=t.pop("w"), **{"v/scale": t.pop("w/scale")}),
         "v is a difference from a leaf that its parent lacks"),
        ("delta", lambda t: t.update(w=t["w"][:, :1]), "w is a difference from a leaf that"),
    ],
)  # fmt: skip
def test_a_leaf_that_is_not_whole_is_named(form, change, message):
    stored = pack({"w": MATRIX}, form, {"w": torch.zeros(2, 3)})
    change(stored)
    with pytest.raises(ValueError, match=message):
        unpack(stored, {"w": torch.zeros(2, 3)})
