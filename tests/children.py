"""A process that has imported what is slow to import, and whose children do the work: each line of
its standard input is a task for one, and a line of its standard output tells how that one ended."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


class Parent:
    """The process, from outside: it runs a file with some arguments."""

    def __init__(self, *arguments: str | Path, **options) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, encoding="utf-8", **options,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.communicate()  # its input ends, and so does it

    def ask(self, task):
        """What it answers to a task; both as JSON has them."""
        print(json.dumps(task), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def forked(work: Callable[[], int], log: str | Path, keep: bool = False) -> int:
    """The number of a child that does the work and ends with its status; what it says is in a file.
    keep: what stands there already."""
    if child := os.fork():
        return child
    file = os.open(log, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if keep else os.O_TRUNC))
    os.dup2(file, 1)
    os.dup2(file, 2)
    status = work()
    sys.stdout.flush()
    os._exit(status)
