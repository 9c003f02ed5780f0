"""Each edition in JupyterLab, in a real browser: it runs, its widgets react, nothing is clipped.

    MINIGPT_CHROMIUM=/path/to/chromium python -m pytest tests/browser -m browser

Chromium may also be on PATH (conftest.py tells where it is looked for); without one these tests are
skipped. One way to get one without an administrator: `npm install @sparticuz/chromium`, and
`node -e "import('@sparticuz/chromium').then(async m => console.log(await
m.default.executablePath()))"` prints the path to put in MINIGPT_CHROMIUM.

MINIGPT_SHOTS=FOLDER: run the notebooks in full and leave pictures of them in that folder, named
NOTEBOOK-THEME-PART.png. Otherwise they run under MINIGPT_FAST=1.
"""

import json
import os
from pathlib import Path

import pytest

from minigpt.commands.common import ROOT
from minigpt.core import predictions

EDITIONS = sorted((ROOT / "notebooks").glob("[a-z][a-z]/*.ipynb"))
SHOTS = os.environ.get("MINIGPT_SHOTS")
ERRORS = """
jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code')
  .filter(cell => cell.model.outputs.toJSON().some(output =>
    output.name === 'stderr' || output.output_type === 'error' &&
    !(cell.model.getMetadata('tags') || []).includes('raises-exception')))
  .map(cell => `${cell.model.id}: ${JSON.stringify(cell.model.outputs.toJSON()).slice(0, 2000)}`)
"""
CLIPPED = """
[...document.querySelectorAll('.jp-OutputArea-output, .jupyter-button, .widget-label, ' +
    '.widget-html-content, .jp-OutputArea-output pre, .jp-OutputArea-output table')]
  .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1)
  .map(e => `${e.className}: ${e.textContent.slice(0, 60)} (${e.scrollWidth} > ${e.clientWidth})`)
"""
BROKEN = """
[...document.querySelectorAll('.jp-OutputArea-output')]
  .filter(e => /Error displaying widget|Loading widget|model not found/.test(e.textContent))
  .map(e => e.textContent.slice(0, 80))
"""
BACKGROUND = "getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor"
TOGGLES = "[...document.querySelectorAll('.jp-OutputArea .widget-toggle-buttons')]"
LETTERS = "[...t.querySelectorAll('button')].every(b => /^\\([a-h]\\)$/.test(b.textContent.trim()))"
PREDICTIONS = f"{TOGGLES}.filter(t => {LETTERS})"  # those of the concept test have a button more

pytestmark = [pytest.mark.browser, pytest.mark.notebook]


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", EDITIONS, ids=label)
def test_notebook(path, theme, chromium, lab, page):
    page.open_notebook(lab(path, theme))
    background = page.run(BACKGROUND)
    bright = sum(map(int, background.split("(")[1].rstrip(")").split(",")[:3])) > 384
    assert bright == (theme == "light"), background
    page.run_all()
    if SHOTS:
        page.screenshots(Path(SHOTS), f"{path.stem}-{theme}")
    assert page.run(ERRORS) == [], "an error or a warning outside the exercises"
    assert page.run(BROKEN) == [], "a widget that cannot be shown"
    assert page.run(CLIPPED) == [], "something is wider than the place that it has"
    if page.run(f"{PREDICTIONS}.length"):
        a_late_prediction_is_told(page, path.parent.name)
    if path.stem == "00_overview":
        for act in (concept_test_counts, another_seed_runs, comparer_answers):
            act(page)
            if SHOTS:
                page.screen(Path(SHOTS), f"{path.stem}-{theme}-{act.__name__}")


def a_late_prediction_is_told(page, lang: str) -> None:
    """A click presses the button; as all cells have run, the line below says that it is late."""
    button = f"{PREDICTIONS}[0].querySelectorAll('button')[1]"
    assert not page.run(f"{button}.classList.contains('mod-active')")
    page.click(button)
    page.wait(f"{button}.classList.contains('mod-active')")
    late = json.dumps(predictions.TEXT[lang]["late"])
    page.wait(f"{PREDICTIONS}[0].closest('.jp-OutputArea-output').textContent.includes({late})")


def concept_test_counts(page) -> None:
    """The line below the questions counts a click."""
    page.click(f"{TOGGLES}.find(t => !({LETTERS})).querySelectorAll('button')[0]")
    page.wait("document.querySelector('.jp-Notebook').textContent.includes('1 of 10 answered')")


def another_seed_runs(page) -> None:
    """The button shows a second figure."""
    button = "[...document.querySelectorAll('button')].find(b => b.textContent === 'Another seed')"
    output = f"({button}).closest('.jp-OutputArea-output')"
    assert page.run(f"{output}.querySelectorAll('img').length") == 0
    page.click(button)
    page.wait(f"{output}.querySelectorAll('img').length === 1", 300)
    assert page.run(f"{output}.querySelector('img').alt").startswith("Share of correct answers")


def comparer_answers(page) -> None:
    """Another place, and the answers are about it."""
    place = "[...document.querySelectorAll('select')].find(s => s.textContent.includes('Tokyo'))"
    output = f"({place}).closest('.jp-OutputArea-output')"
    assert not page.run(f"{output}.textContent.includes('PPO model')")
    page.run(
        f"(s => {{ s.value = [...s.options].find(o => o.text === 'Tokyo').value;"
        f"s.dispatchEvent(new Event('change', {{bubbles: true}})) }})({place})"
    )
    page.wait(f"{output}.textContent.includes('PPO model')")
    ask = f"[...{output}.querySelectorAll('button')].find(b => b.textContent === 'Ask')"
    page.click(ask)
    page.wait(f"{output}.textContent.includes('PPO model')")
