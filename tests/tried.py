"""How often something was tried that must never fail: printed, and in README's table.

A test says so with `tried(KIND, n)`, and it counts if the test passes. Ordinary runs try a tenth of
what `test --all` does. With MINIGPT_PLACES=1, as in `test --all`, what a run without failures found
replaces what tried.json says of the same kinds, and README's table is written anew.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from minigpt.store.files import ROOT, atomic_write

FILE = Path(__file__).with_name("tried.json")
README = ROOT / "README.md"
BEGIN, END = "<!-- tried -->", "<!-- /tried -->"
REFUSED = "of a wrong byte, cut off or with another value: refused by its name, or harmless"
KINDS = {  # of each kind all stand in one file of tests
    "strings": "strings of all planes of Unicode, encoded as tiktoken does",
    "corpora": "corpora whose merges are those of a trainer by brute force",
    "checkpoints": f"checkpoints, {REFUSED}",
    "states": "states of runs that were broken off, likewise",
    "labels": "files of labels, likewise",
    "results": "results of experiments, likewise",
    "notebooks": "handed-in notebooks, likewise",
    "mixtures": "mixtures of sources, likewise",
    "kills": "kills of a training of the shipped size at random moments, none of which changed a "
    "byte of what it ended with",
    "mutants": "wrong lines in a copy of the package, each noticed by a test",
    "equivalent": "lines that may be another way: they compute the same (see tests/mutants.py)",
}


def tenth_or_all(n: int) -> list:
    """Values of a test's parameter: a tenth in the ordinary run, all among the slow tests."""
    every = pytest.param(n, id="all", marks=pytest.mark.slow)
    return [pytest.param(n // 10, id="tenth"), every]


def one_of_many(values: list, mark) -> list:
    """Values of a test's parameter, of which the first alone is without the mark."""
    rest = (value if isinstance(value, tuple) else (value,) for value in values[1:])
    return [*values[:1], *(pytest.param(*value, marks=mark) for value in rest)]


class Tried:
    """A plugin of pytest: the tests may run in other processes than the one that sums up."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report) -> None:
        if report.when == "call" and report.passed:
            told = [value for name, value in report.user_properties if name == "tried"]
            self.found.update({kind: n for kind, n in told})

    def pytest_terminal_summary(self, terminalreporter, exitstatus, config) -> None:
        for kind in [kind for kind in KINDS if self.found[kind]]:
            terminalreporter.write_line(f"Tried: {self.found[kind]:,} {KINDS[kind]}")
        chosen = config.getoption("keyword")  # of a kind it has a part, perhaps
        if self.found and not exitstatus and not chosen and os.environ.get("MINIGPT_PLACES") == "1":
            write({**read(), **self.found})


def read() -> dict[str, int]:
    """What is kept: how often each kind was tried."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def readme_part(kept: dict[str, int]) -> str:
    """What stands in README between the two marks."""
    rows = ["| tried | what |", "| ---: | --- |"]
    rows += [f"| {kept[kind]:,} | {said} |" for kind, said in KINDS.items() if kind in kept]
    return "\n".join([BEGIN, *rows, END])


def write(kept: dict[str, int]) -> None:
    """Keep it, and put the table into README."""
    text = json.dumps(kept, indent=1, sort_keys=True) + "\n"
    atomic_write(FILE, text.encode("utf-8"))
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    atomic_write(README, (before + readme_part(kept) + after).encode("utf-8"))
