"""Trainings of the shipped size that are killed fifty times, at random moments: in the middle of an
update, of a write, between two stages. Each time `train --resume` goes on with what is there, and
each training ends with the same files as one that nothing killed.

It is `train --fast` with half of its updates and a short text for the held-out loss. A state is
kept after each update, or when twenty times the time has passed that it takes to write it, and not
once a minute.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

KILLS = 50
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has neither fork nor SIGKILL"),
]


class Trainings:
    """Trainings in children of one process, which has imported and written all that they read."""

    def __init__(self, log: Path) -> None:
        env = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }  # no line is lost
        self.process = subprocess.Popen(
            [sys.executable, __file__, log], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.communicate()  # its input ends, and so does it

    def train(self, out: Path, lives: float | None = None, often: bool = False) -> int:
        """The exit status of a training that may be killed: −9 if it was."""
        print(json.dumps([str(out), lives, often]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def serve(log: str) -> None:
    """For each line of standard input a training, and a line of how it ended."""
    import torch

    from minigpt.commands import train
    from minigpt.stages import recipe
    from minigpt.stages import train as stages
    from minigpt.store import resume

    torch.set_num_threads(1)
    recipe.SHARE, recipe.HELD_OUT_TOKENS = 40, 5000
    plan = recipe.Plan(fast=True, say=lambda text: None)

    class Prepared(stages.Course):  # the seed alone decides what they are
        corpus, held_out_corpus = plan.corpus, plan.held_out_corpus

    stages.Course, resume.EVERY = Prepared, 0.0
    for line in sys.stdin:
        out, lives, often = json.loads(line)
        if not (child := os.fork()):
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1)
            os.dup2(file, 2)
            if often:  # its clock stands still, so a state is due after each update
                resume.time = SimpleNamespace(**vars(time) | {"monotonic": lambda: 0.0})
            options = ["--fast", "--resume", "--threads", "1", "--device", "cpu", "--out", out]
            status = train.main(options)
            sys.stdout.flush()
            os._exit(status)
        if lives is not None:
            time.sleep(lives)
            os.kill(child, signal.SIGKILL)  # a child that is not waited for is there, or a zombie
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps(status), flush=True)


def files(folder: Path) -> dict[str, bytes]:
    """All that is there, hidden files too, but for the times that it took."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "train.json"}


def test_fifty_kills_change_no_byte(tmp_path, say, tried):
    rng, killed, finished, log = random.Random(0), 0, 0, tmp_path / "log.txt"
    with Trainings(log) as trainings:
        assert trainings.train(tmp_path / "first", 0.0) == -signal.SIGKILL  # and it is ready
        begin = time.perf_counter()
        assert trainings.train(tmp_path / "whole") == 0, log.read_text(encoding="utf-8")[-3000:]
        took, whole = time.perf_counter() - begin, files(tmp_path / "whole")
        assert {"base", "sft", "reward", "ppo"} < {name.split(".")[0] for name in whole}
        while killed < KILLS:
            status, out = None, tmp_path / f"{finished}"
            while status != 0:
                lives = rng.uniform(0, took / 2) if killed < KILLS else None
                status = trainings.train(out, lives, rng.random() < 0.5)
                assert status in (0, -signal.SIGKILL), log.read_text(encoding="utf-8")[-3000:]
                killed += status != 0
            assert files(out) == whole, f"{[*files(out)]}, not {[*whole]}"
            finished += 1
    said = log.read_text(encoding="utf-8")
    went_on = said.count("going on after update")
    assert went_on > KILLS / 5 and "finished before" in said
    tried("kills", killed)
    say(f"Kills: {killed} of the shipped size at random moments, {went_on} of them within base or "
        f"SFT, and {finished} trainings with the same bytes as one without")  # fmt: skip


if __name__ == "__main__":
    serve(sys.argv[1])
