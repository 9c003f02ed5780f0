"""For all tests of RLHF: double precision."""

import pytest
import torch

from minigpt.engine.batching import uniform_numbers


@pytest.fixture
def float64(monkeypatch):
    """Everything in double precision, where rounding is of 1e-16: what differs by more is another
    formula. The package asks for single precision by `.float()`, and here this answers double; the
    random numbers are the same ones."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    monkeypatch.setattr(
        "minigpt.generate.uniform_numbers", lambda *args: uniform_numbers(*args).double()
    )
    yield
    torch.set_default_dtype(before)
