"""The layers that differ from PyTorch's in what they cost."""

import torch

from minigpt.engine.layers import ReluSquared


def test_squared_relu_gradient():
    x = torch.randn(4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(ReluSquared.apply, x)
