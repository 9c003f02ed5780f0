"""A process for submitted code, which may crash, run for ever or be up to tricks."""

import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from minigpt.classroom.grading.your_own import SEED
from minigpt.classroom.worksheet.variant import GRADER
from minigpt.store.files import ROOT


class Process:
    """One run of inside.py; `ask` gives its reply, or None once it is over.

    seconds: the time limit of an order. private: folders that no answer may read, beside the
    course's notebooks and tests. student, seed: whose variant it is, and of which random inputs.
    """

    def __init__(
        self, seconds: float, private: Sequence[Path] = (), student: str = "", seed: str = ""
    ) -> None:
        self.seconds, self.over = seconds, ""
        self.folder = tempfile.TemporaryDirectory(prefix="minigpt-grade-")
        here = self.folder.name
        paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8", "MINIGPT_HOME": f"{here}/home",
            "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": here, "HOME": here,
            "TMPDIR": here, SEED: seed, GRADER: student,
        }  # fmt: skip
        self.child = subprocess.Popen(
            [sys.executable, "-m", "minigpt.classroom.grading.inside"],
            cwd=here, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
        )  # fmt: skip
        self.replies: queue.Queue = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.send({"private": list(map(str, [*private, ROOT / "notebooks", ROOT / "tests"]))})

    def listen(self) -> None:
        for line in self.child.stdout:
            self.replies.put(line)
        self.replies.put(None)

    def send(self, order: dict) -> None:
        with suppress(OSError):  # it has ended: the reply will say so
            print(json.dumps(order), file=self.child.stdin, flush=True)

    def ask(self, **order) -> dict | None:
        """The reply to an order; None if the process has ended or was too slow (`over` says)."""
        token = secrets.token_hex(16)
        self.send(order | {"token": token})
        try:
            line = self.replies.get(timeout=self.seconds)
            reply = json.loads(line) if line else None
        except queue.Empty:
            self.over = f"it ran longer than {self.seconds:g} seconds, and was stopped"
            return None
        except ValueError:
            reply = None
        if reply is None:
            self.over = "it ended Python itself: a crash, or an exit in the code"
        elif reply and reply.get("token") != token:
            self.over = "it wrote a reply in the name of the check"
            return None
        return reply

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()
        self.folder.cleanup()
