"""All four stages, English, from nothing to checkpoints, against the five minutes that we allow.

    python tests/benchmarks/stages.py --long

A run is `python3 -m minigpt train` into an empty folder: base, SFT, reward model, PPO. The ratio is
300 seconds to the run's; there is no other program to compare with, for none has all four stages.
"""

import subprocess
import sys
import tempfile
from statistics import median

from side_by_side import Row, main, skipped, timed

from minigpt.store.files import ROOT

GOAL, STRETCH = 300, 180  # seconds


def train() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "minigpt", "train", "--out", folder]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def rows(args):
    name, stretch = "all stages from nothing: 300 s", round(GOAL / STRETCH, 2)
    if not args.long:
        yield skipped(name, "takes minutes a run; give --long", 1.0, stretch)
        return
    runs = [timed(train) for _ in range(args.pairs)]
    seconds = median(run.wall for run in runs)
    share = round(median(run.cpu / run.wall for run in runs), 2)
    ratio = round(GOAL / seconds, 2)
    yield Row(name, ratio, 1.0, stretch, ratio >= 1, len(runs), (share, None), round(seconds, 1))


if __name__ == "__main__":
    main(rows, __doc__)
