"""Place x notebook x passed: collected while the tests run, kept in passed.json, shown in README.

A test with the mark `place("NAME")` and a parameter `path` says whether that notebook passed in
that place; so do the notebooks that nbval runs. With MINIGPT_PLACES=1, as in `test --all`, what was
found replaces what passed.json says of the same place and notebook, and README's table is written
anew. Otherwise the table of this run is only printed.
"""

import json
import os
from datetime import date
from pathlib import Path

from minigpt.store.files import ROOT, atomic_write

PASSED = Path(__file__).with_name("passed.json")
README = ROOT / "README.md"
BEGIN, END = "<!-- places -->", "<!-- /places -->"
PLACE = "place"
NBVAL = "Jupyter kernel, in full (nbval)"
SIGNS = {True: "yes", False: "no", None: ""}  # None: not run there


def place_and_notebook(item) -> tuple[str, str] | None:
    """Where a test runs which notebook (its stem); None for any other test."""
    name, _, rest = item.nodeid.partition("::")
    if rest and name.startswith("notebooks/") and name.endswith(".ipynb"):
        return NBVAL, Path(name).stem
    mark = item.get_closest_marker("place")
    if mark is None:
        return None
    return mark.args[0], item.callspec.params["path"].stem


class Places:
    """A plugin of pytest. Where a test runs which notebook goes with its report, because the tests
    may run in other processes than the one that sums up."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, bool]] = {}  # place -> notebook -> whether all passed

    def pytest_collection_modifyitems(self, items) -> None:
        for item in items:
            if place := place_and_notebook(item):
                item.user_properties.append((PLACE, place))

    def pytest_runtest_logreport(self, report) -> None:
        if report.skipped or not (report.failed or report.when == "call"):
            return
        for place, notebook in [value for name, value in report.user_properties if name == PLACE]:
            notebooks = self.found.setdefault(place, {})
            notebooks[notebook] = notebooks.get(notebook, True) and report.passed

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self.found:
            terminalreporter.write_line("\n" + table(self.found))
        if self.found and os.environ.get("MINIGPT_PLACES") == "1":
            write(merged(read(), self.found, date.today().isoformat()))


def read() -> dict[str, dict]:
    """What is kept: place -> {"run": the day, "passed": {notebook: whether}}."""
    return json.loads(PASSED.read_text(encoding="utf-8")) if PASSED.exists() else {}


def merged(kept: dict[str, dict], found: dict[str, dict[str, bool]], day: str) -> dict[str, dict]:
    """What is kept, with the places and notebooks of this run in it."""
    kept = dict(kept)
    for place, notebooks in found.items():
        before = kept.get(place, {}).get("passed", {})
        kept[place] = {"run": day, "passed": {**before, **notebooks}}
    return kept


def table(found: dict[str, dict[str, bool]], days: dict[str, str] | None = None) -> str:
    """A row a place, a column a notebook, in Markdown; and the day of its last run."""
    stems = sorted({stem for notebooks in found.values() for stem in notebooks})
    header = ["place", *(stem[:2] for stem in stems), *(["last run"] if days else [])]
    rows = [header, ["---"] * len(header)]
    for place, notebooks in sorted(found.items()):
        signs = [SIGNS[notebooks.get(stem)] for stem in stems]
        rows.append([place, *signs, *([days[place]] if days else [])])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def readme_part(kept: dict[str, dict]) -> str:
    """What stands in README between the two marks."""
    passed = {place: row["passed"] for place, row in kept.items()}
    days = {place: row["run"] for place, row in kept.items()}
    said = "Where each notebook passed, as `python3 -m minigpt test --all` found it:"
    return f"{BEGIN}\n{said}\n\n{table(passed, days)}\n{END}"


def write(kept: dict[str, dict]) -> None:
    """Keep it, and put the table into README."""
    text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    atomic_write(PASSED, text.encode("utf-8"))
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    atomic_write(README, (before + readme_part(kept) + after).encode("utf-8"))
