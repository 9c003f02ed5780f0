"""Training on several processes: `torchrun --nproc-per-node=N -m minigpt train`.

Each process, a rank, holds the whole model and computes its share of every batch. PyTorch's
DistributedDataParallel averages the gradients, so all ranks make the same update: that of one
process, up to rounding. Ranks talk through gloo on CPUs and NCCL on NVIDIA cards. Without torchrun
there is one rank, and nothing here does anything.
"""

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from minigpt.model import IGNORE

PATIENCE = timedelta(days=1)  # how long ranks wait for one another; torchrun notices a dead one


def launched() -> bool:
    """Whether torchrun started several processes, of which this is one."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    return all(name in os.environ for name in names) and int(os.environ["WORLD_SIZE"]) > 1


def local_world_size() -> int:
    """How many of the processes run on this machine: 1 without torchrun."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if launched() else 1


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[None]:
    """Inside, the processes that torchrun started are one group; afterwards each is alone again.

    On cards each rank gets its own. ValueError if there are too few, or ranks cannot share it.
    """
    if not launched():
        yield
        return
    if device.type == "mps":
        raise ValueError("Apple graphics cannot be shared by ranks: use --device cpu")
    if device.type == "cuda":
        n, cards = local_world_size(), torch.cuda.device_count()
        if n > cards:
            raise ValueError(f"{n} processes and {cards} NVIDIA card(s): --nproc-per-node={cards}")
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        gc.collect()  # a replica in a cycle keeps gloo's threads, which abort Python at its end
        dist.destroy_process_group()


def world_size() -> int:
    """How many ranks share the work: 1 outside of joined_ranks."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this process is, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def is_first() -> bool:
    """Whether this is rank 0, the one that prints and writes files."""
    return rank() == 0


def replicated(model: nn.Module) -> nn.Module:
    """The model, made to train on all ranks at once, from rank 0's weights; of one rank, itself."""
    if world_size() == 1:
        return model
    # The only buffer is the table of rotations, the same everywhere, so it need not be sent.
    with warnings.catch_warnings():  # PyTorch 2.13 renames the option, and older ones lack the new
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(model, broadcast_buffers=False)


def over_ranks(
    loss_of: Callable[[Tensor, Tensor], Tensor], model: nn.Module, inputs: Tensor, targets: Tensor
) -> Tensor:
    """loss_of(model(inputs), targets) of a replicated model, each rank computing its rows.

    `loss_of` is a mean over scored targets. A share's mean counts as much as it has of the scored
    targets, so the sum over ranks is exactly the mean over the whole batch, on every rank.
    """
    if world_size() == 1:
        return loss_of(model(inputs), targets)
    rows, weight = share(targets, rank(), world_size())
    part = weight * loss_of(model(inputs[rows]), targets[rows])
    total = part.detach().clone()
    dist.all_reduce(total)
    # DDP takes the mean of the ranks' gradients where their sum is meant: so each counts that often
    return total + world_size() * (part - part.detach())


def share(targets: Tensor, rank: int, ranks: int) -> tuple[Tensor, float]:
    """A rank's rows of a batch (B, T), and its part of the scored targets.

    A rank with nothing to score reads the row that has most, with weight 0: ranks must take part
    in every backward pass.
    """
    scored = (targets != IGNORE).sum(dim=1)  # (B,)
    rows = torch.arange(len(targets), device=targets.device).tensor_split(ranks)[rank]
    part, total = int(scored[rows].sum()), int(scored.sum())
    return (rows, part / total) if part else (scored.argmax()[None], 0.0)


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank: all get the same answer, at the same place."""
    flags = [flag] * world_size()
    if len(flags) > 1:
        dist.all_gather_object(flags, flag)
    return any(flags)


def bytes_from_first(data: bytes | None) -> bytes | None:
    """Rank 0's bytes, or None, on all ranks: its files may be on another machine."""
    found = [data]
    if world_size() > 1:
        dist.broadcast_object_list(found)
    return found[0]
