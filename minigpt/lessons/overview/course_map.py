"""What lies ahead: the notebooks that are there, their exercises, and how long each takes."""

import json
from pathlib import Path

from minigpt.show.results import load_results
from minigpt.show.table import Table
from minigpt.store.files import ROOT
from minigpt.store.words import _, language

NOTEBOOKS = ROOT / "notebooks"


def course_map() -> Table:
    """One row a notebook: title, exercises, points, and its time where times were recorded."""
    try:
        times = load_results("notebook_times")
    except FileNotFoundError:
        times = {"seconds": {}}
    seconds = times["seconds"].get(language(), {})
    rows = []
    for path in sorted((NOTEBOOKS / language()).glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        marks = [cell["metadata"].get("nbgrader", {}) for cell in cells]
        exercises = sum(bool(mark.get("solution")) for mark in marks)
        points = sum(mark.get("points", 0) for mark in marks)
        rows.append([title(path, cells), exercises, points, duration(seconds.get(path.stem))])
    header = [_("notebook"), _("exercises"), _("points"), _("time to run all cells")]
    cores = times.get("cores", "?")
    caption = _("Times were measured on {n} processor cores; reading takes longer.", n=cores)
    if not rows:
        caption = _("The notebooks are not beside the package, so there is nothing to list.")
    elif not any(row[-1] for row in rows):  # nobody has measured them: leave the column out
        header, rows, caption = header[:-1], [row[:-1] for row in rows], ""
    return Table(header, rows, caption)


def title(path: Path, cells: list[dict]) -> str:
    """The number of a notebook and its first heading: "03 Base model and prompting"."""
    for cell in cells:
        first = "".join(cell["source"]).lstrip().split("\n")[0]
        if first.startswith("# "):
            return f"{path.stem[:2]} {first[2:].strip()}"
    return path.stem


def duration(seconds: float | None) -> str:
    """Seconds below a minute and a half, else minutes; nothing for None."""
    if seconds is None:
        return ""
    return _("{n:.0f} s", n=seconds) if seconds < 90 else _("{n:.1f} min", n=seconds / 60)
