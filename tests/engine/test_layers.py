"""The layers that differ from PyTorch's in what they cost."""

import torch

from minigpt.engine.layers import ReluSquared, use_cpu_well


def test_squared_relu_gradient():
    x = torch.randn(4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(ReluSquared.apply, x)


def test_products_of_float32_matrices_stay_float32():
    """`use_cpu_well` lets PyTorch round the factors, where the processor does not do so."""
    use_cpu_well()
    a, b = torch.randn(2, 512, 512, generator=torch.Generator().manual_seed(0))
    error = (a @ b - (a.double() @ b.double())).abs().max()
    assert error < 1e-3  # of factors rounded to bfloat16: 0.3
