"""Two notebooks that compute at once, with minigpt's setting of how threads wait and without it.

    python tests/benchmarks/two_kernels.py

Both programs are two new Pythons at once, each on all cores, that answer 128 prompts and train on
16 sequences. Ours imports minigpt before PyTorch, as `python3 -m minigpt lab` does for every
notebook; theirs imports PyTorch first, which then reads no setting.
"""

import os
import subprocess
import sys
from collections.abc import Callable

from side_by_side import compare, main, skipped

from minigpt.store.files import ROOT

WORK = """
from minigpt.engine.device import set_threads
from minigpt.engine.optim import make_optimizer
from minigpt.generate import generate
from minigpt.model import GPT, GPTConfig, next_token_loss
set_threads()
model = GPT(GPTConfig())
optimizer = make_optimizer(model)
generate(model, [[1] * 20] * 128, 40)
ids = torch.ones(16, 128, dtype=torch.long)
for _ in range(5):
    optimizer.zero_grad()
    next_token_loss(model(ids), ids).backward()
    optimizer.step()
"""
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def at_once(imports: str) -> Callable[[], None]:
    """A program that runs the work in two Pythons at once."""
    environment = {name: v for name, v in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", imports + WORK]

    def run() -> None:
        both = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0], "it failed, see above"

    return run


def rows(args):
    name = "two kernels at once: without the setting"
    if sys.platform != "linux":
        yield skipped(name, "GNU's OpenMP, whose setting it is, comes with PyTorch on Linux", 1.0)
        return
    yield compare(name, at_once("import minigpt, torch"), at_once("import torch"), 1.0, None,
                  args.pairs)  # fmt: skip


if __name__ == "__main__":
    main(rows, __doc__)
