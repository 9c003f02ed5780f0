"""What the executed editions show, for the tests that hold the notebooks' sentences to it."""

import pytest

from minigpt.classroom.notebook import read_notebook
from minigpt.store.files import ROOT


def edition_outputs(name: str, cells) -> dict[str, list]:
    """The outputs of an edition, by cell. Skips where it is not of the source with these cells."""
    found = read_notebook(ROOT / "notebooks" / "en" / f"{name}.ipynb")["cells"]
    if [c["id"] for c in found] != list(cells):
        number = name[:2]
        pytest.skip(
            f"the edition is not of this source: `python3 -m minigpt build {number}` makes it"
        )
    return {cell["id"]: cell.get("outputs", []) for cell in found}


def printed(outputs: list[dict]) -> str:
    """What a cell prints, and a live run's words: tables and pictures are left out."""
    return said([o for o in outputs if {*o.get("data", {})} <= {"text/plain"}])


def said(outputs: list[dict]) -> str:
    """The outputs of a cell as text."""
    parts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return "\n".join(map("".join, parts))
