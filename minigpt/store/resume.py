"""Going on with a run that was broken off: `python3 -m minigpt train --resume`.

While base or SFT trains, all that its next update depends on is written to a file about once a
minute, and on Ctrl-C: the weights as they are (a checkpoint rounds them), the optimizer's averages
and how many updates were made. The data need not be written: the seed gives them again. A run that
goes on from such a file ends with the same bytes as one that was never broken off.
"""

import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.torch import load, save
from torch import Tensor, nn

from minigpt.engine.optim import Optimizer
from minigpt.engine.parallel import any_rank, bytes_from_first, is_first, world_size
from minigpt.pretrain import Step
from minigpt.store.checkpoint import as_text, checksum, load_into
from minigpt.store.files import NotWritten, atomic_write
from minigpt.store.interrupts import held_interrupts

KEY = "minigpt-resume"
SUFFIX = ".resume.safetensors"
EVERY = 60.0  # seconds from one writing to the next, at least


class Progress:
    """How far a stage is, in memory and in its file.

    identity: what the run is made of, for JSON; a file of another run is refused. resume: whether
    to go on from the file; else `say` tells that there is one. begin: wall clock and CPU time at
    which the stage began. ValueError, naming the file, if it is of another run or damaged; it then
    stays as it is.
    """

    def __init__(
        self, path: Path, model: nn.Module, optimizer: Optimizer, identity: dict,
        resume: bool, say: Callable[[str], None], begin: tuple[float, float] = (0.0, 0.0),
    ) -> None:  # fmt: skip
        self.path, self.model, self.optimizer, self.identity = path, model, optimizer, identity
        self.say = say
        self.last: Step | None = None  # the last update made
        self.begin = begin  # of a run that goes on: when it would have begun without a break
        data = None
        if is_first() and path.is_file() and not resume:
            say(f"{path.name} is of a run that was broken off: `--resume` would go on with it. "
                "Without, the stage starts anew")  # fmt: skip
        elif is_first() and path.is_file():
            data = path.read_bytes()
            check_identity(path, read_resume(path, data)[0]["identity"], identity)
        data = bytes_from_first(data)
        if data is not None:
            self.restore(*read_resume(path, data))
            say(f"going on after update {self.last.step} of {self.last.steps}, from {path.name}")

    @property
    def start(self) -> int:
        """How many updates were made."""
        return self.last.step if self.last else 0

    def restore(self, meta: dict, tensors: dict[str, Tensor]) -> None:
        """Set model and optimizer to what a file holds."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "momentum": {}, "adamw": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        averages: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["adamw"].items():
            index, _, what = name.partition(".")
            averages.setdefault(int(index), {})[what] = tensor
        load_into(self.model, parts["model"], self.path)
        self.last = meta["last"]
        state = self.optimizer.state_dict()  # its rates stay: they are set anew before each update
        adamw = {**state["adamw"], "state": averages}
        state |= {"steps": self.last.step, "momentum": parts["momentum"], "adamw": adamw}
        self.optimizer.load_state_dict(state)
        self.begin = tuple(now - took for now, took in zip(self.begin, meta["took"], strict=True))

    def write(self, step: Step) -> None:
        """Write the file, all or nothing."""
        state = self.optimizer.state_dict()
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        tensors |= {f"momentum.{name}": t for name, t in state["momentum"].items()}
        for index, averages in state["adamw"]["state"].items():
            tensors |= {f"adamw.{index}.{what}": t for what, t in averages.items()}
        stored = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        took = time.perf_counter() - self.begin[0], time.process_time() - self.begin[1]
        meta = {"identity": self.identity, "last": asdict(step), "took": took}
        text = as_text({**meta, "sha256": checksum(stored, meta)})
        atomic_write(self.path, save(stored, {KEY: text}))

    def kept(self, run: Iterator[Step]) -> Iterator[Step]:
        """A run's steps; its state is written about once a minute, and once more on Ctrl-C.

        Ctrl-C waits for the update in hand, and is KeyboardInterrupt when the state is written.
        Where it cannot be written, `say` tells, and only Ctrl-C ends the run, with NotWritten.
        """
        due = time.monotonic() + EVERY
        stops = signal.SIGINT, signal.SIGTERM  # SIGTERM: schedulers end a job by it
        with held_interrupts(*stops, together=world_size() > 1) as caught:
            for self.last in run:
                yield self.last
                stop = any_rank(bool(caught))  # so that all ranks stop after the same update
                begin = time.monotonic()
                if is_first() and (stop or begin >= due):
                    try:
                        self.write(self.last)
                    except NotWritten as error:
                        if stop:
                            raise
                        self.say(f"{error} The run goes on without")
                    now = time.monotonic()
                    due = now + max(EVERY, 20 * (now - begin))  # large models take longer to write
                if stop:
                    raise KeyboardInterrupt

    def done(self) -> None:
        """The stage's checkpoint is written: the file is of no more use."""
        if is_first():
            self.path.unlink(missing_ok=True)


def read_resume(path: Path, data: bytes) -> tuple[dict, dict[str, Tensor]]:
    """What a resume file says of itself, and its tensors. ValueError if it is damaged."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        meta, tensors = json.loads(header["__metadata__"][KEY]), load(data)
        if meta.pop("sha256") != checksum(tensors, meta):
            raise ValueError
        meta = {"identity": meta["identity"], "last": Step(**meta["last"]), "took": meta["took"]}
    except Exception as error:  # safetensors' own error type is not part of its interface
        raise ValueError(f"{path} is damaged, or of another program or version: move it away, and "
                         "the stage starts anew") from error  # fmt: skip
    return meta, tensors


def check_identity(path: Path, found: dict, wanted: dict) -> None:
    """ValueError that names the first thing in which a broken-off run differs from this one."""
    for name in [*wanted, *found]:
        there, here = found.get(name), wanted.get(name)
        if there != here:
            raise ValueError(f"{path} is of another run: its {name} is {there}, and now it would "
                             f"be {here}. Give that run's options (--seed, --size, --fast, …) or "
                             "another --out. Without --resume the stage starts anew, and the file "
                             "is replaced")  # fmt: skip


def fingerprint(data) -> str:
    """16 hex digits that tell one run's data from another's: an array, or what repr shows."""
    raw = data.tobytes() if isinstance(data, np.ndarray) else repr(data).encode("utf-8")
    return hashlib.sha256(raw).hexdigest()[:16]
