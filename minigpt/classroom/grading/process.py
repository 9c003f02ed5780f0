"""The processes for one submitted notebook: its code in a box, and its checks beside it."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress

from minigpt.classroom.grading import box
from minigpt.classroom.grading.your_own import SEED
from minigpt.classroom.worksheet.variant import GRADER

STARTING = 60.0  # seconds for imports, which are nobody's work


class Process:
    """One run of checker.py, which runs student.py; `ask` gives its reply, or None once it is over.

    seconds: the time limit of an order. student, seed: whose variant it is, and of which random
    inputs; the seed is the checks' alone.
    """

    def __init__(self, seconds: float, student: str, seed: str) -> None:
        self.seconds, self.over = seconds, ""
        self.folder = tempfile.TemporaryDirectory(prefix="minigpt-grade-")
        self.sandbox, home, whose = box.chosen(), self.folder.name, {GRADER: student}
        theirs = box.environment(box.HERE if self.sandbox else f"{home}/answer", **whose)
        mine = os.environ | {"PYTHONPATH": theirs["PYTHONPATH"], "MINIGPT_HOME": f"{home}/home",
                             "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
                             SEED: seed, **whose}  # fmt: skip
        self.child = subprocess.Popen(
            [sys.executable, "-m", "minigpt.classroom.grading.checker"], cwd=home, env=mine,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        self.replies: queue.Queue = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        line = box.command(["-m", "minigpt.classroom.grading.student"], self.sandbox, theirs,
                           os.path.basename(home))  # fmt: skip
        self.send({"command": line, "environment": box.outside(self.sandbox, theirs)})

    def listen(self) -> None:
        for line in self.child.stdout:
            self.replies.put(json.loads(line))
        self.replies.put({"over": "its check crashed"})

    def send(self, order: dict) -> None:
        with suppress(OSError):  # it has ended: the reply will say so
            print(json.dumps(order), file=self.child.stdin, flush=True)

    def ask(self, **order) -> dict | None:
        """The reply to an order; None if the process has ended or was too slow (`over` says)."""
        self.send(order)
        seconds = max(self.seconds, STARTING) if order["do"] == "import" else self.seconds
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with suppress(queue.Empty):
                reply = self.replies.get(timeout=min(left, 0.5))
                self.over = reply.get("over", "")
                return None if self.over else reply
            if sum(box.started_by(self.child.pid).values()) > box.MEMORY:
                self.over = f"it took more than {box.MEMORY >> 30} GB of memory, and was stopped"
                return None
        self.over = f"it ran longer than {seconds:g} seconds, and was stopped"
        return None

    def close(self) -> None:
        """End all of it, and return when it has ended."""
        children = box.started_by(self.child.pid)
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
        else:
            kill = ["taskkill", "/F", "/T", "/PID", str(self.child.pid)]
            subprocess.run(kill, capture_output=True)
        box.end(self.sandbox, os.path.basename(self.folder.name))
        self.child.wait()
        end = time.monotonic() + 5
        while any(map(box.state, children)) and time.monotonic() < end:
            time.sleep(0.01)
        self.child.stdin.close()
        self.child.stdout.close()
        with suppress(OSError):  # a file that the system still holds
            self.folder.cleanup()
