"""From a cold start to a first completion, against starting transformers' GPT-2.

    python tests/benchmarks/cold_start.py

Ours: a new Python loads the shipped base model and completes a prompt. Theirs: a new Python imports
GPT-2 from transformers and nothing more. Then the same in a new Jupyter kernel, as a learner waits
for it. The disk's cache is warm in both.
"""

import subprocess
import sys

from side_by_side import compare, main, skipped

from minigpt.commands.common import ROOT

OURS = (
    "from minigpt.core.stages import load_stage; "
    "print(load_stage('base', own=False, quiet=True).complete('Q: What is the capital of France?'))"
)
THEIRS = "from transformers import GPT2LMHeadModel"
STRETCH = 1.5  # seconds from the kernel's start to the completion


def python(code: str):
    """A program that runs the code in a new Python."""
    return lambda: subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


def kernel(code: str):
    """A program that starts a Jupyter kernel, runs the code in it and shuts it down."""
    from jupyter_client.manager import start_new_kernel

    def run():
        manager, client = start_new_kernel(kernel_name="python3", cwd=str(ROOT))
        try:
            reply = client.execute_interactive(code, output_hook=lambda message: None, timeout=120)
            assert reply["content"]["status"] == "ok", reply["content"]
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

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
