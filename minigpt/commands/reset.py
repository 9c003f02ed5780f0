"""Gives you a notebook as the course has it; yours is kept beside it (reset 03, --lang en|zh)."""

from __future__ import annotations

import argparse
from pathlib import Path

from minigpt.setup.working_copy import LANGUAGES, copies_folder, course_notebooks, reset_copy
from minigpt.store.files import PROGRAM, Problem

ENVIRONMENT = None


def choose(name: str, notebooks: list[Path]) -> Path:
    """The notebook that '3', '03' or '03_prompting' names; Problem where there is none."""
    for path in notebooks:
        number = path.stem.split("_")[0]
        if name in (path.stem, path.name) or name.isdigit() and name.zfill(2) == number:
            return path
    known = "\n".join(f"    {path.stem}" for path in notebooks)
    raise Problem(f"There is no notebook {name!r}. The notebooks are:\n{known}")


def main(argv: list[str]) -> int:
    """Restore one working copy."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} reset", description=__doc__)
    parser.add_argument("notebook", help="its number or name: 03, 03_prompting")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="edition (default: en)")
    chosen = parser.parse_args(argv)
    source = choose(chosen.notebook, course_notebooks(chosen.lang))
    folder = copies_folder(chosen.lang)
    backup = reset_copy(source, folder)
    print(f"{folder / source.name} is as the course has it.")
    if backup:
        print(f"Your version is kept in {backup.name} beside it.")
    print("If it is open in JupyterLab, close its tab and open it again.")
    return 0
