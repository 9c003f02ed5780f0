"""Results of long experiments. Each experiment is a file in lessons/ and writes data/results/ with
its name, which a notebook shows; the command that makes it anew stands in its results.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from minigpt.store.files import atomic_write

PACKAGE = Path(__file__).parents[1]
RESULTS = PACKAGE / "data" / "results"


def command(name: str) -> str:
    """What makes the results of that experiment, the package's only file of that name."""
    file = next(PACKAGE.rglob(f"{name}.py")).relative_to(PACKAGE.parent)
    return f"python3 -m {'.'.join(file.with_suffix('').parts)}"


def load_results(name: str) -> dict:
    """The shipped results of an experiment; FileNotFoundError that names the command."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"there are no results {path.name}: `{command(name)}` makes them")
    return json.loads(path.read_text(encoding="utf-8"))


def save_results(name: str, results: dict, path: Path | None = None) -> None:
    """Write an experiment's results, whole or not at all, with the command that made them; into
    the package unless `path` names another file."""
    text = json.dumps({"command": command(name), **results}, indent=1, sort_keys=True)
    atomic_write(path or RESULTS / f"{name}.json", (text + "\n").encode("utf-8"))


def resume(name: str, fixed: dict, path: Path | None = None) -> dict:
    """Results to go on with, `runs` among them: the ones that are there, or empty ones.

    fixed: what all runs must share. ValueError where the results that are there differ in it.
    """
    path = path or RESULTS / f"{name}.json"
    if not path.is_file():
        return {**fixed, "runs": []}
    found = json.loads(path.read_text(encoding="utf-8"))
    other = [key for key in fixed if found.get(key) != fixed[key]]
    if other:
        raise ValueError(
            f"{path} holds runs with other {', '.join(other)}: move or delete it first"
        )
    return found


def has(results: dict, key: dict) -> bool:
    """Whether the results hold a run with these settings."""
    return any(all(run.get(k) == v for k, v in key.items()) for run in results["runs"])


def complete(
    name: str, fixed: dict, keys: Iterable[dict], one: Callable[..., dict], path: Path | None = None
) -> dict:
    """Make the runs that the results lack, in the order of `keys`, and save them after each.

    keys: the settings that tell a run from the others; `one(**key)` makes it and returns the rest
    of what is kept of it. Errors as `resume`.
    """
    results = resume(name, fixed, path)
    for key in keys:
        if not has(results, key):
            results["runs"].append({**key, **one(**key)})
            save_results(name, results, path)
    return results


def arguments(name: str, doc: str, seeds: Sequence[int]) -> argparse.ArgumentParser:
    """A parser with what every experiment can be told: `--seeds` and `--out`."""
    parser = argparse.ArgumentParser(prog=command(name), description=doc.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=seeds)
    parser.add_argument("--out", type=Path, help="results file (default: the package's)")
    return parser
