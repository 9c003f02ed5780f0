"""Results of long experiments. Each is a file in lessons/ or maintain/ and writes data/results/
with its name, which a notebook shows; the command that makes it anew stands in its results.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from minigpt.show.figure import curves
from minigpt.show.style import STAGE_COLOURS
from minigpt.store.files import atomic_write
from minigpt.store.words import _

RESULTS = Path(__file__).parents[1] / "data" / "results"


def command(name: str) -> str:
    """What makes the results of that experiment."""
    return f"python3 -m minigpt experiment {name}"


def load_results(name: str) -> dict:
    """The shipped results of an experiment; FileNotFoundError that names the command."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"there are no results {path.name}: `{command(name)}` makes them")
    return read_results(path, name)


def read_results(path: Path, name: str) -> dict:
    """What a file of results holds; ValueError with the mend if it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        [run.items() for run in found.get("runs", ())]
        return found
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise ValueError(f"{path} is damaged: move it; `{command(name)}` makes it anew") from None


def save_results(name: str, results: dict, path: Path | None = None) -> None:
    """Write an experiment's results, whole or not at all, with the command that made them; into
    the package unless `path` names another file."""
    text = json.dumps({**results, "command": command(name)}, indent=1, sort_keys=True)
    atomic_write(path or RESULTS / f"{name}.json", (text + "\n").encode("utf-8"))


def complete(
    name: str, fixed: dict, keys: Iterable[dict], one: Callable[..., dict],
    path: Path | None = None,
) -> dict:  # fmt: skip
    """Make what the results lack, and save them after each run: a call goes on where another
    stopped. Returns the results, with all runs in `runs`.

    fixed: what all runs must share, as PyTorch's number of threads, which is kept with it: it
    changes the order of sums, and so their last digits. keys: the settings that tell a run from the
    others, in order; `one(**key)` makes it and returns the rest of what is kept of it. ValueError
    where the results that are there differ in what is fixed.
    """
    path = path or RESULTS / f"{name}.json"
    found = {"runs": []} | (read_results(path, name) if path.is_file() else {})
    fixed = {**fixed, "threads": torch.get_num_threads()}
    results = {**found, **fixed, "command": command(name)}
    if other := [key for key in fixed if found["runs"] and found.get(key) != fixed[key]]:
        raise ValueError(f"{path} holds runs with other {', '.join(other)}: move or delete it "
                         "first, or give another file with --out")  # fmt: skip
    for key in keys:
        if not any(key.items() <= run.items() for run in results["runs"]):
            results["runs"].append({**key, **one(**key)})
            save_results(name, results, path)
            print(results["runs"][-1])
    return results


def means(losses: list[float], size: int) -> list[float]:
    """The mean of each `size` losses, rounded for a file; the last mean may be of fewer."""
    parts = [losses[i : i + size] for i in range(0, len(losses), size)]
    return [round(sum(part) / len(part), 4) for part in parts]


def beside_shipped(stage: str, losses: list[float]) -> tuple[Figure, str]:
    """A run's losses beside those of the shipped run, as `maintain/recorded.py` kept them; and the
    sentence for the figure.

    stage: "sft" or "reward". losses: nats, of its updates, each of as many demonstrations or
    questions as one of the shipped run.
    """
    found = load_results("recorded")
    each, size = found["examples"][stage], found["updates"][stage]
    mine = means(losses, size)
    theirs, other = (run["losses"] for run in found["runs"] if run["stage"] == stage)
    lines = {_("yours"): mine, _("the shipped run"): theirs, "": other}
    what = {"sft": _("demonstrations"), "reward": _("questions")}[stage]
    fig = curves(
        {name: (each * size * np.arange(1, len(y) + 1), y) for name, y in lines.items()},
        _("{what} read", what=what), _("loss of what no update has read, nats"),
        STAGE_COLOURS[stage],
    )  # fmt: skip
    near = min(len(mine), len(theirs)) - 1
    return fig, _(
        "Loss of what no update has read. After {n:,} {what}: yours {mine:.2f} nats, the shipped "
        "run {theirs:.2f}, and {other:.2f} with another seed (thin); the shipped run ended at "
        "{end:.2f}.", n=each * len(losses), what=what, mine=mine[near], theirs=theirs[near],
        other=other[near], end=theirs[-1])  # fmt: skip
