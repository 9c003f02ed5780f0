"""Each edition in JupyterLab, in a real browser: it runs, its widgets answer to mouse and keyboard
as a learner uses them, and nothing is clipped, whatever the theme, the width and the zoom.

    MINIGPT_CHROMIUM=/path/to/chromium python -m pytest tests/browser -m browser

Chromium may also be on PATH (conftest.py tells where it is looked for); without one these tests are
skipped. One way to get one without an administrator: `npm install @sparticuz/chromium`, and
`node -e "import('@sparticuz/chromium').then(async m => console.log(await
m.default.executablePath()))"` prints the path to put in MINIGPT_CHROMIUM.

MINIGPT_SHOTS=FOLDER: leave pictures in that folder, NOTEBOOK-VIEW-PART.png of whole notebooks and
NOTEBOOK-ACT.png of what was done there. The notebooks run under MINIGPT_FAST=1; with MINIGPT_FAST=0
in full.
"""

import json
import os
import time
from pathlib import Path

import pytest

from minigpt.store.files import ROOT
from minigpt.store.words import CATALOGUES, read_catalogue

EDITIONS = sorted((ROOT / "notebooks").glob("[a-z][a-z]/*.ipynb"))
SHOTS = os.environ.get("MINIGPT_SHOTS")
VIEWS = {"light": (), "dark": (), "light-800": (800,), "dark-zoomed": (1280, 2)}  # width, zoom
CELLS = "jupyterapp.shell.currentWidget.content.widgets"
ERRORS = f"""
{CELLS}.filter(cell => cell.model.type === 'code')
  .filter(cell => cell.model.outputs.toJSON().some(output =>
    output.name === 'stderr' || output.output_type === 'error' &&
    !(cell.model.getMetadata('tags') || []).includes('raises-exception')))
  .map(cell => [cell.model.id, JSON.stringify(cell.model.outputs.toJSON()).slice(0, 2000)])
"""
CLIPPED = """ // in a narrow window a wide table may be scrolled sideways, as code may
[...document.querySelectorAll('.jp-OutputArea-output, .jupyter-button, .widget-label, ' +
    '.widget-html-content, .jp-OutputArea-output pre, .jp-OutputArea-output table')]
  .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1)
  .filter(e => innerWidth >= 1280 || !/auto|scroll/.test(getComputedStyle(e).overflowX))
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
SHIFT = 8  # a modifier key of the DevTools protocol

pytestmark = [pytest.mark.browser, pytest.mark.notebook]


@pytest.mark.place("JupyterLab in Chromium")
@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_notebook(path, chromium, lab, page):
    page.open_notebook(lab(path))
    page.run_all()
    assert page.run(ERRORS) == [], "an error or a warning outside the exercises"
    assert page.run(BROKEN) == [], "a widget that cannot be shown"
    clipped = {}
    for name, size in VIEWS.items():
        theme = name.split("-")[0]
        page.view(theme, *size)
        background = page.run(BACKGROUND)
        bright = sum(map(int, background.split("(")[1].rstrip(")").split(",")[:3])) > 384
        assert bright == (theme == "light"), background
        if SHOTS:
            page.screenshots(Path(SHOTS), f"{path.stem}-{name}")
        clipped[name] = what_stays(page, CLIPPED)
    page.view("light")
    if page.run(f"{PREDICTIONS}.length"):
        a_late_prediction_is_told(page, path.parent.name)
    for act in ACTS[path.stem]:
        try:
            act(page)
        finally:
            picture(page, f"{path.stem}-{act.__name__}")
    assert clipped == dict.fromkeys(VIEWS, []), "something is wider than the place that it has"


def test_training_pauses_and_goes_on(chromium, lab, page):
    """■ in the toolbar ends the cell after an update, and Shift+Enter goes on to the end."""
    page.open_notebook(lab(ROOT / "notebooks" / "en" / "02_pretraining.ipynb", full=True))
    page.run_to("train-live")
    page.wait(f"{text('train-live')}.match(/^step [1-9]\\d+ .* left/)")
    page.click("document.querySelector('[data-jp-item-name=\"interrupt\"]')")
    page.wait(says("train-live", "Paused after step"))
    step = int(page.run(f"{text('train-live')}.match(/Paused after step (\\d+) of/)[1]"))
    picture(page, "02_pretraining-paused")
    page.press("Enter", modifiers=SHIFT)
    page.wait(f"!{says('train-live', 'Paused after step')}")
    page.wait(says("train-live", "done: "))
    picture(page, "02_pretraining-gone_on")
    seen = page.run(f"{text('train-live')}.match(/after \\d+ steps/g)")
    looks = [int(line.split()[1]) for line in seen]
    assert looks == sorted(set(looks)) and len(looks) == 10  # none is lost, none seen twice
    assert step < looks[-1]


def what_stays(page, script: str) -> list:
    """What a script finds on a page that may still be laid out anew: [] as soon as it is."""
    for _ in range(10):
        if not page.run(script):
            return []
        time.sleep(1)
    return page.run(script)


def picture(page, name: str) -> None:
    if SHOTS:
        page.screen(Path(SHOTS), name)


# ---- where things are, as JavaScript ----------------------------------------------------------


def output(cell: str) -> str:
    """The output of the cell with this id."""
    return f"{CELLS}.find(c => c.model.id === '{cell}').node.querySelector('.jp-Cell-outputArea')"


def text(cell: str) -> str:
    return f"{output(cell)}.textContent"


def says(cell: str, words: str) -> str:
    return f"{text(cell)}.includes({json.dumps(words)})"


def button(cell: str, words: str) -> str:
    """The button on which these words stand."""
    has = f"b => b.textContent.trim() === {json.dumps(words)}"
    return f"[...{output(cell)}.querySelectorAll('button')].find({has})"


def control(cell: str, words: str) -> str:
    """What is typed into, chosen from or moved, by the words beside it."""
    label = f"[...{output(cell)}.querySelectorAll('label')].find(l => l.textContent === '{words}')"
    kinds = "'textarea, select, .noUi-handle, input'"
    return f"{label}.parentElement.querySelector({kinds})"


def spelled(cell: str) -> str:
    """What the tokens of the strips in a cell's output spell, one strip after the other."""
    strips = f"[...{output(cell)}.querySelectorAll('div[style*=monospace]')]"
    tokens = "[...strip.querySelectorAll('[style*=\"white-space:pre\"]')]"
    spelled = f"{tokens}.map(token => token.textContent).join('').replaceAll('·', ' ')"
    return f"{strips}.map(strip => {spelled})"


# ---- what a learner does ------------------------------------------------------------------------


def a_late_prediction_is_told(page, lang: str) -> None:
    """A click presses the button; as all cells have run, the line below says that it is late."""
    choice = f"{PREDICTIONS}[0].querySelectorAll('button')[1]"
    assert not page.run(f"{choice}.classList.contains('mod-active')")
    page.click(choice)
    page.wait(f"{choice}.classList.contains('mod-active')")
    said = "You have seen the result of this one already, so it is not counted."
    late = json.dumps(read_catalogue(CATALOGUES / f"{lang}.po")[said] or said)
    page.wait(f"{PREDICTIONS}[0].closest('.jp-OutputArea-output').textContent.includes({late})")


def concept_test_counts(page) -> None:
    """The line below the questions counts a click."""
    page.click(f"{TOGGLES}.find(t => !({LETTERS})).querySelectorAll('button')[0]")
    page.wait("document.querySelector('.jp-Notebook').textContent.includes('1 of 10 answered')")


def comparer_answers(page) -> None:
    """Another place is chosen with the keyboard, a question typed: the answers are to them."""
    answered = f"{output('compare')}.querySelector('[role=status]')?.textContent"
    assert not page.run(answered), "the widget's own answers come only when it is used"
    choose(page, "compare", "Place", "Tokyo")
    page.wait(f"/PPO model.*Tokyo/s.test({answered})")
    page.fill(control("compare", "Question"), "Which continent is Kenya on?")
    page.wait(f"/PPO model.*Kenya/s.test({answered})")
    page.click(button("compare", "New sample"))
    page.wait(says("compare", "At temperature 0 every sample is the same."))


def choose(page, cell: str, words: str, name: str) -> None:
    """Choose from a menu by its first letter, which goes through the names that begin so."""
    chosen = f"{control(cell, words)}.selectedOptions[0].text"
    page.run(f"{control(cell, words)}.focus()")
    for _ in range(page.run(f"{control(cell, words)}.options.length")):
        if page.run(chosen) == name:
            return
        page.type(name[0])
    raise AssertionError(f"the letter {name[0]} never came to {name}")


def tokens_of_what_is_typed(page) -> None:
    """Every tokenizer's tokens spell what was typed, `<` and `&` included."""
    typed = "unbelievable <b>12345</b> & more"
    page.fill(f"{output('explore')}.querySelector('textarea')", typed)
    page.wait(f"(all => all.length > 1 && all.every(t => t === {json.dumps(typed)}))"
              f"({spelled('explore')})")  # fmt: skip


def a_typed_prompt_is_completed(page) -> None:
    """A question is typed, a token is picked by hand, and the rest of the line is sampled."""
    prompt = f"{spelled('lab')}.join()"
    page.fill(control("lab", "Question"), "What is the capital of Kenya?")
    page.wait(f"{prompt}.includes('capital of Kenya?')")
    before = page.run(prompt)
    page.click(f"[...{output('lab')}.querySelectorAll('button')].at(-1)")  # the least likely one
    page.wait(f"{prompt} !== {json.dumps(before)}")
    page.click(button("lab", "Complete"))
    page.wait(says("lab", "Sample "))


def a_typed_answer_is_masked(page) -> None:
    """The strip has the answer that was typed, and a sentence says how much of it counts."""
    answer = "Nobody <i>knows</i> that."
    page.fill(control("mask", "Answer"), answer)
    page.wait(f"{spelled('mask')}.some(t => t.includes({json.dumps(answer)}))")
    page.wait(says("mask", "targets are counted. Their mean loss is"))


def ten_pairs_are_labeled(page) -> None:
    """Four with the mouse, six with the arrow keys; one is taken back."""
    for number in range(1, 11):
        if number <= 4:
            page.click(button("labeler", ["← Left is better", "Right is better →"][number % 2]))
        else:
            if number == 5:
                page.click(control("labeler", "Arrow keys"))
            page.press(["ArrowLeft", "ArrowRight"][number % 2])
        page.wait(decided(number))
    page.click(button("labeler", "Undo"))
    page.wait(decided(9))
    page.click(button("labeler", "Tie"))
    page.wait(decided(10))


def decided(number: int) -> str:
    """Whether so many pairs are decided, as the line beside the bar says."""
    return f"/(^|\\D){number} of \\d+ pairs decided/.test({text('labeler')})"


def rounds_are_looked_at(page) -> None:
    """The slider goes one round back; the button shows further answers of that round."""
    round_is = f"{text('instruments')}.match(/Round (\\d+): answers (\\d+)/).slice(1).join()"
    last, first = page.run(round_is).split(",")
    page.click(control("instruments", "Round"))
    page.press("ArrowLeft")
    page.wait(f"{round_is} === '{int(last) - 1},{first}'")
    page.click(button("instruments", "More answers"))
    page.wait(f"{round_is} !== '{int(last) - 1},{first}'")


def votes_are_cast(page) -> None:
    """A vote tells who wrote what, and its ratings stand below; it can be taken back."""
    page.click(button("arena", "A is better"))
    page.wait(says("arena", "You found A better."))
    page.wait(says("arena", "Ratings from your own votes, 1 so far"))
    page.run(f"{button('arena', 'a tie')}.focus()")
    page.press("Enter")
    page.wait(says("arena", "Ratings from your own votes, 2 so far"))
    page.click(button("arena", "Undo"))
    page.wait(says("arena", "Ratings from your own votes, 1 so far"))


ACTS = {
    "00_overview": [concept_test_counts, comparer_answers],
    "01_tokenization": [tokens_of_what_is_typed],
    "02_pretraining": [],
    "03_prompting": [a_typed_prompt_is_completed],
    "04_sft": [a_typed_answer_is_masked],
    "05_reward_model": [ten_pairs_are_labeled],
    "06_ppo": [rounds_are_looked_at],
    "07_arena": [votes_are_cast],
}
