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
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from children import Parent, forked

TESTS, KILLS = Path(__file__).parents[1], 50
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has neither fork nor SIGKILL"),
]


class Trainings(Parent):
    """Trainings in children of one process, which has imported and written all that they read."""

    def __init__(self, log: Path) -> None:
        paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        alone = {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        super().__init__(__file__, log, env={**os.environ, **alone, "PYTHONUNBUFFERED": "1"})

    def train(self, out: Path, lives: float | None = None, often: bool = False) -> int:
        """The exit status of a training that may be killed: −9 if it was."""
        return self.ask([str(out), lives, often])


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

    def work() -> int:
        if often:  # its clock stands still, so a state is due after each update
            resume.time = SimpleNamespace(**vars(time) | {"monotonic": lambda: 0.0})
        options = ["--fast", "--resume", "--threads", "1", "--device", "cpu", "--out", out]
        return train.main(options)

    for line in sys.stdin:
        out, lives, often = json.loads(line)
        child = forked(work, log, keep=True)
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
