"""How long each notebook takes to run from top to bottom, on this machine, on a fresh kernel.

Run it on two idle cores: `python3 -m minigpt.maintain.notebook_times`. It needs nbclient.
"""

import os
import time

from minigpt.classroom.notebook import folders, read_notebook
from minigpt.maintain.build import execute
from minigpt.setup.working_copy import LANGUAGES
from minigpt.show.results import load_results, save_results

NAME = "notebook_times"


def measure(lang: str, only: str = "", say=print) -> dict[str, float]:
    """Seconds of each edition of a language whose name begins with `only`, by stem."""
    found = {}
    for path in sorted(folders(lang)[1].glob(f"{only}*.ipynb")):
        start = time.perf_counter()
        execute(read_notebook(path), path.stem)
        found[path.stem] = round(time.perf_counter() - start, 1)
        say(f"{lang}/{path.stem}: {found[path.stem]:.0f} s")
    return found


def main() -> None:
    """Measure all editions and write the results."""
    seconds = {lang: measure(lang) for lang in LANGUAGES}
    seconds = {lang: times for lang, times in seconds.items() if times}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    save_results(NAME, {"cores": cores, "seconds": seconds})
    assert load_results(NAME)["seconds"] == seconds


if __name__ == "__main__":
    main()
