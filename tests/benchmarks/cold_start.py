"""From a cold start to a first completion, against starting transformers' GPT-2.

    python tests/benchmarks/cold_start.py

Ours: a new Python loads the shipped base model and completes a prompt. Theirs: a new Python imports
GPT-2 from transformers and nothing more: it builds no model, reads no weights and writes nothing.
Then the same in a new Jupyter kernel, as a learner waits for it. The clock stops when what the code
prints, or the kernel's reply, is here; how long Python takes to end does not count. The disk's
cache is warm in both, and both find their modules compiled: the uncounted first runs see to that.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from side_by_side import Run, compare, main, skipped

from minigpt.store.files import ROOT

OURS = (
    "from minigpt.stages.stage import load_stage; "
    "print(load_stage('base', own=False, quiet=True).complete('Q: What is the capital of France?'))"
)
THEIRS = "from transformers import GPT2LMHeadModel; print(GPT2LMHeadModel)"
STRETCH = 1.5  # seconds from the kernel's start to the completion


def surroundings() -> dict[str, str]:
    """The environment of both. Python may keep what it compiles, as a learner's does."""
    return {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_seconds() -> float:
    """CPU seconds of this process and of the children that it waited for."""
    return sum(os.times()[:4])


def python(code: str) -> Callable[[], Run]:
    """A program that runs the code in a new Python, timed to the first line that it prints."""
    command = [sys.executable, "-u", "-c", code]

    def run() -> Run:
        before, started = cpu_seconds(), time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, env=surroundings(), stdout=subprocess.PIPE) as new:
            line = new.stdout.readline()
            wall = time.perf_counter() - started
        assert line and new.returncode == 0, "it failed, see above"
        return Run(wall, cpu_seconds() - before)

    return run


def kernel(code: str) -> Callable[[], Run]:
    """A program that runs the code in a new Jupyter kernel, timed to the kernel's reply.

    The code is sent at once, as a notebook sends it to a kernel that is still starting. Not with
    jupyter_client's start_new_kernel, which goes on waiting for 0.2 s after the kernel is there.
    """
    from jupyter_client.manager import KernelManager

    def run() -> Run:
        before, started = cpu_seconds(), time.perf_counter()
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(ROOT), env=surroundings(), stderr=subprocess.DEVNULL)
        client = manager.client()
        client.start_channels()
        try:
            asked, reply = client.execute(code), None
            while reply is None or reply["parent_header"].get("msg_id") != asked:
                reply = client.get_shell_msg(timeout=120)
            wall = time.perf_counter() - started
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        assert reply["content"]["status"] == "ok", reply["content"]
        return Run(wall, cpu_seconds() - before)

    return run


def rows(args):
    try:
        import transformers  # noqa: F401
    except ImportError:
        yield skipped("kernel start to first completion", "pip install transformers", 2.0)
        return
    yield compare("Python start to first completion: importing GPT-2", python(OURS), python(THEIRS),
                  2.0, None, args.pairs)  # fmt: skip
    row = compare("kernel start to first completion: importing GPT-2", kernel(OURS), kernel(THEIRS),
                  2.0, None, args.pairs)  # fmt: skip
    row.stretch = round(row.theirs / STRETCH, 2)
    row.note = "; ".join([*filter(None, [row.note]), f"the stretch is {STRETCH} s"])
    yield row


if __name__ == "__main__":
    main(rows, __doc__)
