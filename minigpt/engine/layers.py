"""Layers of PyTorch's, made cheaper: what they compute is the same."""

import ctypes
import os
import platform
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@cache
def use_cpu_well() -> None:
    """Once: two settings of this process, with which an update takes half the time on many CPUs.

    On x86 without AMX, oneDNN computes products of float32 matrices in float32 also where PyTorch
    would let it round them, and with AVX512 twice as fast as MKL on AMD's processors. And glibc,
    which gives memory back to the system after each update only to ask for it again, keeps up to
    256 MB; what is larger than any tensor of an update, 32 MB, it still gives back. Where memory is
    short, MALLOC_TRIM_THRESHOLD_ in the environment decides instead. oneDNN keeps a compiled
    product for every shape that it meets, 1,024 of them, megabytes each: 64 are as fast.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    rounds = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)()
    if x86 and not rounds and hasattr(torch.backends.mkldnn, "matmul"):
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    if platform.libc_ver()[0] == "glibc" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        ctypes.CDLL(None).mallopt(trim_threshold, 2**28)
        ctypes.CDLL(None).mallopt(mmap_threshold, 2**25)


class ReluSquared(torch.autograd.Function):
    """relu(x)², keeping one tensor for the backward pass and doing it in one multiplication."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        r = x.relu()
        ctx.save_for_backward(r)
        return r * r

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (r,) = ctx.saved_tensors
        return (grad * r).mul_(2)


class Linear(nn.Linear):
    """A linear layer without bias, its weights not set yet: init_weights does that.

    PyTorch's own first values would be overwritten, and to draw them would move its global seed.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, bias=False)

    def reset_parameters(self) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))  # which does nothing in float32


class Embedding(nn.Embedding):
    """A table with a row a token, its weights not set yet, as Linear's."""

    def reset_parameters(self) -> None:
        pass


def by_hand_is_faster(q: Tensor) -> bool:
    """Whether `attention_by_hand` beats PyTorch's fused attention of (B, h, T, head size).

    On a CPU its backward pass in bfloat16 is several times slower than three plain steps, and in
    float32 it does not use the faster products of `use_cpu_well`. Long rows take memory, T² each.
    """
    return q.device.type == "cpu" and (q.shape[2] <= 256 or q.dtype == torch.bfloat16)


def attention_by_hand(q: Tensor, k: Tensor, v: Tensor, scale: float, parts: int = 2) -> Tensor:
    """Causal attention of (B, h, T, head size) in three steps: scores, softmax, average.

    The queries go in `parts`, one after another: the earlier ones need no later keys.
    """
    done = []
    for queries in q.chunk(parts, dim=2):
        start = sum(y.shape[2] for y in done)
        end = start + queries.shape[2]
        future = torch.full((end - start, end), -torch.inf, dtype=q.dtype, device=q.device)
        keys, values = (x[:, :, :end].flatten(0, 1) for x in (k, v))
        scores = torch.baddbmm(
            future.triu(1 + start), queries.flatten(0, 1), keys.mT, alpha=scale)  # fmt: skip
        done.append((scores.softmax(dim=-1) @ values).view(queries.shape))
    return torch.cat(done, dim=2)
