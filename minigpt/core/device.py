"""Where to compute: the CPU, or a graphics card if there is one."""

import os
from pathlib import Path

import torch

from minigpt.core.distributed import local_world_size

MENDS = {
    "cuda": "PyTorch finds no NVIDIA card: use --device cpu, or install PyTorch built for CUDA",
    "mps": "PyTorch finds no Apple graphics (MPS): use --device cpu",
}


def pick_device(name: str = "auto") -> torch.device:
    """The device "cpu", "cuda" or "mps"; "auto" is CUDA if there is a card, else the CPU.

    MPS only on request: a model this small is not faster there. ValueError if it is not there.
    """
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if name not in available:
        raise ValueError(f"device {name!r} is not known: choose auto, cpu, cuda or mps")
    if not available[name]:
        raise ValueError(f"device {name!r} is missing: {MENDS[name]}")
    return torch.device(name)


def set_threads(n: int | None = None, most: int = 4) -> int:
    """Let PyTorch use `n` CPU threads, and return n; without `n`, as many as pay.

    That is OMP_NUM_THREADS if set, else what this process may use, at most `most`: more than 4 do
    not help a model as small as the course's, and more threads than cores slow it down many times.
    Processes that torchrun starts on one machine divide its cores. Record the number with results:
    it changes the order of sums, and so their last digits.
    """
    if n is None:
        ranks = local_world_size()
        setting = os.environ.get("OMP_NUM_THREADS", "")
        if ranks > 1 and setting == "1":  # torchrun sets it where it is not set: nobody's choice
            setting = ""
        shared = max(1, usable_cores() // ranks)
        n = int(setting) if setting.isdigit() and int(setting) > 0 else min(most, shared)
    torch.set_num_threads(n)
    return n


def usable_cores() -> int:
    """CPU cores this process may use; in a container that may be fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        cores = min(cores or 1, max(1, int(quota) // int(period)))  # "max" if there is no limit
    except (OSError, ValueError):
        pass
    return max(1, cores or 1)
