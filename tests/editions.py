"""What the executed editions show, for the tests that hold the notebooks' sentences to it."""

import re

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


def explanations(edition: dict[str, list]) -> dict[str, str]:
    """What the cells that ask for a prediction print when it is uncovered, by cell: without the
    options and all before them, what it was, and the sentence of a figure."""
    found = {}
    for name, outputs in edition.items():
        text = said([o for o in outputs if o.get("name") == "stdout"])
        if "\n  (b) " in text:
            text = re.sub(r"(?s)^.*\n  \(\w\)[^\n]*\n|It was \(.*", "", text)
            text = " ".join(text.split())
            for sentence in (said([o]) for o in outputs if "image/png" in o.get("data", {})):
                text = text.replace(" ".join(sentence.split()), "")
            found[name] = text.strip()
    return found


def said(outputs: list[dict]) -> str:
    """The outputs of a cell as text."""
    parts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return "\n".join(map("".join, parts))


def words_seen(prose: dict[str, str], edition: dict[str, list]) -> int:
    """The words that a reader of an edition sees: its prose and what its cells print."""
    texts = [*prose.values()]
    for outputs in edition.values():
        texts += [line for line in printed(outputs).split("\n") if "  " not in line]  # no options
    return sum(len(text.split()) for text in texts)
