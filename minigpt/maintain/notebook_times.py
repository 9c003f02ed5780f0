"""How long each notebook takes to run from top to bottom, on this machine, on a fresh kernel.

Run it on two idle cores: `python3 -m minigpt experiment notebook_times`. It needs nbclient.
"""

import time
from pathlib import Path

from minigpt.classroom.notebook import folders, read_notebook
from minigpt.engine.device import usable_cores
from minigpt.maintain.build import execute
from minigpt.setup.common import LANGUAGES
from minigpt.show.results import save_results


def measure(lang: str) -> dict[str, float]:
    """Seconds of each edition of a language, by stem."""
    found = {}
    for path in sorted(folders(lang)[1].glob("*.ipynb")):
        start = time.perf_counter()
        execute(read_notebook(path), path.stem)
        found[path.stem] = round(time.perf_counter() - start, 1)
        print(f"{lang}/{path.stem}: {found[path.stem]:.0f} s")
    return found


OPTIONS: dict = {}
THREADS = None  # as many as pay


def run(out: Path | None = None) -> None:
    """Measure all languages and write the results."""
    seconds = {lang: times for lang in LANGUAGES if (times := measure(lang))}
    save_results("notebook_times", {"cores": usable_cores(), "seconds": seconds}, out)
