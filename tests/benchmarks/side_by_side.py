"""What every benchmark needs: two programs timed in turns, and a row with their ratio.

A and B run one after the other, at least three times each, and medians are compared: a machine
that is slow for a while is slow for both. CPU seconds ÷ wall seconds stands beside each. Where a
run got clearly less of the processor than the best run of the same program, something else was
computing: the pair does not count and is run again, and the row says so.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

PAIRS = 3  # runs of each program that count
DISTURBED = 0.85  # a run with less than this part of the best CPU ÷ wall does not count


@dataclass
class Run:
    """One timed run."""

    wall: float  # seconds
    cpu: float  # CPU seconds of this process and of the children that it waited for


@dataclass
class Row:
    """A line of the table. `ratio` says how many times faster we are; without it the benchmark was
    skipped, and `note` says why."""

    name: str
    ratio: float | None = None
    goal: float | None = None
    stretch: float | None = None
    met: bool | None = None  # whether the ratio reaches the goal
    n: int = 0  # runs of each program that count
    cpu_over_wall: tuple | None = None  # medians, ours and theirs
    ours: float | None = None  # median seconds
    theirs: float | None = None
    note: str = ""


def timed(program: Callable[[], object]) -> Run:
    """Run it once. A program may return a Run, what it timed itself (all but imports, say)."""
    before, started = sum(os.times()[:4]), time.perf_counter()
    found = program()
    wall = time.perf_counter() - started
    return found if isinstance(found, Run) else Run(wall, sum(os.times()[:4]) - before)


def undisturbed(pairs: list[tuple[Run, Run]]) -> list[tuple[Run, Run]]:
    """The pairs in which neither run got much less of the processor than the best of its kind."""
    best = [max(pair[i].cpu / pair[i].wall for pair in pairs) for i in (0, 1)]
    return [
        pair
        for pair in pairs
        if all(pair[i].cpu / pair[i].wall >= DISTURBED * best[i] for i in (0, 1))
    ]


def compare(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], goal: float,
    stretch: float | None = None, pairs: int = PAIRS, warm_up: bool = True, note: str = "",
) -> Row:  # fmt: skip
    """Time both in turns until `pairs` pairs were undisturbed, at most three times as many.

    warm_up: run each once before, which does not count. What is left of disturbed pairs counts
    where there are too few others, and the note says so.
    """
    if warm_up:
        ours(), theirs()
    done: list[tuple[Run, Run]] = []
    while len(undisturbed(done) if done else []) < pairs and len(done) < 3 * pairs:
        done.append((timed(ours), timed(theirs)))
    kept, notes = undisturbed(done), [note] if note else []
    if len(kept) < len(done):
        notes.append(f"disturbed: {len(done) - len(kept)} of {len(done)} pairs")
    if len(kept) < pairs:
        kept = done
        notes.append("too few undisturbed pairs, so all count")
    median = [statistics.median(pair[i].wall for pair in kept) for i in (0, 1)]
    share = tuple(
        round(statistics.median(pair[i].cpu / pair[i].wall for pair in kept), 2) for i in (0, 1)
    )
    ratio = median[1] / median[0]
    return Row(
        name, round(ratio, 2), goal, stretch, ratio >= goal, len(kept), share,
        *(float(f"{seconds:.4g}") for seconds in median), "; ".join(notes),
    )  # fmt: skip


def skipped(name: str, why: str, goal: float | None = None, stretch: float | None = None) -> Row:
    """The row of a benchmark that cannot run here."""
    return Row(name, goal=goal, stretch=stretch, note=f"skipped: {why}")


def table(rows: Iterable[Row]) -> str:
    """The rows as aligned text."""
    lines = [
        ["", "times faster", "goal", "stretch", "met", "n", "ours, s", "theirs, s", "CPU/wall"]
    ]
    for row in rows:
        if row.ratio is None:
            lines.append([row.name, "-", *(f"{x:g}" if x else "" for x in (row.goal, row.stretch))])
        else:
            lines.append([
                row.name, f"{row.ratio:.2f}", f"{row.goal:g}",
                f"{row.stretch:.3g}" if row.stretch else "", "yes" if row.met else "no", str(row.n),
                f"{row.ours:.4g}", f"{row.theirs:.4g}" if row.theirs else "",
                " ".join(str(x) for x in row.cpu_over_wall if x is not None),
            ])  # fmt: skip
        lines[-1] += [""] * (len(lines[0]) - len(lines[-1]))
        if row.note:
            lines.append([f"    {row.note}"])
    widths = [max(len(x[i]) for x in lines if len(x) > 1) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
        if len(line) > 1
        else line[0]
        for line in lines
    )


def arguments(
    doc: str | None, argv: list[str] | None = None, program: str | None = None
) -> argparse.Namespace:
    """The options that every benchmark takes; those that it does not need are ignored."""
    parser = argparse.ArgumentParser(program, description=(doc or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="the rows as a list of objects")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="runs of each program that count")
    parser.add_argument(
        "--nanogpt", type=folder, metavar="FOLDER",
        help="a checkout: git clone https://github.com/karpathy/nanoGPT",
    )  # fmt: skip
    parser.add_argument(
        "--minbpe", type=folder, metavar="FOLDER",
        help="a checkout: git clone https://github.com/karpathy/minbpe",
    )  # fmt: skip
    parser.add_argument(
        "--tinyshakespeare", type=file, metavar="FILE",
        help="the text, input.txt in karpathy/char-rnn's data/tinyshakespeare",
    )  # fmt: skip
    parser.add_argument(
        "--first", type=folder, metavar="FOLDER",
        help="the first PPO that worked: git worktree add FOLDER 25ca900",
    )  # fmt: skip
    parser.add_argument("--long", action="store_true", help="also what takes many minutes")
    args = parser.parse_args(argv)
    if args.pairs < 1:
        parser.error(f"--pairs is {args.pairs}: give 1 or more")
    return args


def nanogpt(checkout: Path):
    """The module model.py of a nanoGPT checkout."""
    sys.path.insert(0, str(checkout))
    import model

    return model


def folder(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path}: clone the repository first")
    return path


def file(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {path}")
    return path


def main(rows: Callable[[argparse.Namespace], Iterable[Row]], doc: str | None) -> None:
    """A benchmark's whole program: options, rows, output."""
    args, found = arguments(doc), []
    with contextlib.redirect_stdout(sys.stderr):  # nanoGPT prints: --json is for programs
        for row in rows(args):
            print(f"  {row.name}", flush=True)
            found.append(row)
    print(json.dumps([asdict(row) for row in found], indent=1) if args.json else table(found))
