"""Where to compute: the CPU, or a graphics card if there is one."""

import os
from pathlib import Path

import torch

from minigpt.engine.parallel import local_world_size

MENDS = {
    "cuda": "PyTorch finds no NVIDIA card: use --device cpu, or install PyTorch built for CUDA",
    "mps": "PyTorch finds no Apple graphics (MPS): use --device cpu",
}


def pick_device(name: str = "auto") -> torch.device:
    """The device "cpu", "cuda" or "mps"; "auto" is CUDA if there is a card, else the CPU.

    MPS only on request: a model this small is not faster there. ValueError if it is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name not in ("auto", "cpu", *MENDS):
        raise ValueError(f"device {name!r} is not known: choose auto, cpu, cuda or mps")
    if (name == "cuda" and not cuda) or (name == "mps" and not mps):
        raise ValueError(f"device {name!r} is missing: {MENDS[name]}")
    if name == "auto":
        name = "cuda" if cuda else "cpu"
    return torch.device(name)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """What layers compute in: "fp32", "bf16", or "auto": bf16 where the processor has it.

    That is by what the processor can do, never by a timing, or the same seed would not give the
    same result: an NVIDIA card or a CPU with instructions for bfloat16 (AMX or AVX512-BF16).
    """
    if name not in ("fp32", "bf16", "auto"):
        raise ValueError(f"dtype {name!r} is not known: choose fp32, bf16 or auto")
    fast = name == "auto" and has_bf16(device)
    return torch.bfloat16 if name == "bf16" or fast else torch.float32


def has_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16 matrices."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, t, bool)() for t in tests)


def set_threads(n: int | None = None, most: int = 4) -> int:
    """Let PyTorch use `n` CPU threads, and return n; without `n`, as many as pay.

    That is OMP_NUM_THREADS if set, else what this process may use, at most `most`: more than 4 do
    not help a model as small as the course's, and more threads than cores slow it down many times.
    Processes that torchrun starts on one machine divide its cores. Record the number with results:
    it changes the order of sums, and so their last digits.
    """
    if n is None:
        ranks, setting = local_world_size(), os.environ.get("OMP_NUM_THREADS", "")
        # 1 is what torchrun sets where it is not set: nobody's choice
        chosen = setting.isdigit() and int(setting) > 0 and not (ranks > 1 and setting == "1")
        n = int(setting) if chosen else min(most, max(1, usable_cores() // ranks))
    torch.set_num_threads(n)
    return n


def usable_cores() -> int:
    """CPU cores this process may use; in a container that may be fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, cpu_quota()))


def cpu_quota(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """How many cores' worth of time a Linux container may use, rounded down; a lot if unlimited.

    Docker's --cpus and Binder limit time so, and the container still sees all of the cores.
    """
    version_1 = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")  # -1 if there is no limit
    for names in (("cpu.max",), version_1):
        try:
            text = " ".join((cgroup / name).read_text(encoding="utf-8") for name in names)
            quota, period = map(int, text.split())  # version 2 says "max" if there is no limit
        except (OSError, ValueError):
            continue
        if quota > 0:
            return quota // period
    return 1_000_000
