"""Each control of each widget: by mouse while nothing runs, by keyboard while a cell does, and Tab
reaches it. What it does is seen elsewhere in the output where it stands.

Two notebooks in an ordinary run, all of them among the slow tests.
"""

import os
import time
from pathlib import Path

import pytest

from browser.where import BROKEN, CELLS, ERRORS, text, what_stays
from minigpt.classroom.notebook import sources
from minigpt.show.predict import CHOICES
from minigpt.store.files import ROOT

SHOTS = os.environ.get("MINIGPT_SHOTS")
THIN = ["00_overview", "03_prompting"]
EDITIONS = [
    pytest.param(
        ROOT / "notebooks" / "en" / source.name, id=source.stem,
        marks=[] if source.stem in THIN else pytest.mark.slow,
    )
    for source in sources("en")
]  # fmt: skip
TYPED = {"mouse": "What is the capital of Kenya?", "key": "Which continent is Peru on?"}
SILENT = {  # what they do is not seen at once, or not a second time
    "Your name": "Export uses it", "File": "Export uses it", "Next word": "Guess takes it",
    "Write it here": "Done takes it", "Ten questions": "they are open",
    "Show my score": "it is shown", "Ask": "it was asked when the box was left",
    **dict.fromkeys(["Top-k (0: all)", "Top-p (1: all)"], "the other may have removed it already"),
}  # fmt: skip
SHOWN = 20  # seconds within which any other one has to show what it did

# What can be used in the output of a cell: [kind, words, number, whether it can be seen and used].
# The buttons of a prediction are test_in_jupyterlab's.
SCRIPT = """
var kinds = {
  toggles: '.widget-toggle-buttons', text: '.widget-text input',
  textarea: '.widget-textarea textarea', select: '.widget-dropdown select',
  slider: '.widget-slider', checkbox: '.widget-checkbox input',
  button: '.jupyter-button:not(.widget-toggle-button)' }
var numbered = [], tabbed = new Set()
var area = cell => CELLS.find(c => c.model.id === cell).node.querySelector('.jp-Cell-outputArea')
var target = e => e.querySelector('button, .noUi-handle') || e
var word = (kind, e) => (kind === 'button' ? e : kind === 'toggles' ? e.lastElementChild
  : kind === 'checkbox' ? e.parentElement
  : e.querySelector('label') || e.parentElement.querySelector('label')).textContent.trim()
var controls = cell => {
  const found = [...(area(cell)?.querySelectorAll(Object.values(kinds).join()) || [])]
  return found.filter(e => !e.parentElement.querySelector(':scope > .CHOICES')).map(e => {
    if (!numbered.includes(e)) numbered.push(e)
    const kind = Object.keys(kinds).find(kind => e.matches(kinds[kind])), to = target(e)
    return [kind, word(kind, e), numbered.indexOf(e), to.offsetParent !== null && !to.disabled]
  })
}
var state = (cell, n) => {  // all that is seen there but the control itself, as a number
  const e = numbered[n], parts = []
  const own = e.matches('button') ? null : e.closest('.widget-toggle-buttons, .jupyter-widgets')
  const walk = node => {
    if (node === own) return
    if (node.nodeType === 3) return parts.push(node.data)
    if (node.tagName === 'svg') return parts.push(node.outerHTML)
    if (node.nodeType !== 1) return
    parts.push(node.value, node.checked, node.src, node.disabled, node.className,
               node.style.width, node.offsetParent === null)
    node.childNodes.forEach(walk)
  }
  walk(area(cell))
  return [...parts.join('|')].reduce((sum, c) => (sum * 31 + c.charCodeAt()) | 0, 7)
}
""".replace("CELLS", CELLS).replace("CHOICES", CHOICES)


@pytest.mark.browser
@pytest.mark.notebook
@pytest.mark.parametrize("path", EDITIONS)
def test_every_control_works_by_mouse_and_by_keyboard(path, lab, page):
    page.open_notebook(lab(path))
    page.run_all()
    assert page.run(ERRORS) == []
    page.run(SCRIPT)
    cells = page.run(f"{CELLS}.map(c => c.model.id).filter(id => controls(id).length)")
    used = {cell: use_all(page, cell, "mouse") for cell in cells}
    page.keep_running()
    for cell in cells:
        assert use_all(page, cell, "key") == used[cell]
        tab_through(page, cell)
        unreached = f"controls('{cell}').filter(c => c[3] && !tabbed.has(target(numbered[c[2]])))"
        assert page.run(unreached) == []
        if SHOTS:
            page.screen(Path(SHOTS), f"{path.stem}-used-{cell}")
    assert page.run(ERRORS) == [] and what_stays(page, BROKEN) == []
    assert page.errors == []


def use_all(page, cell: str, how: str) -> list[str]:
    """Use each control in a cell's output, and each that comes to light thereby; their kinds."""
    used = {}
    while left := [c for c in page.run(f"controls('{cell}')") if c[2] not in used]:
        seen = [c for c in left if c[3]]
        if seen:
            kind, word, number, _ = seen[0]
            used[number] = kind
            use(page, cell, kind, word, number, how)
        else:
            choose_until_seen(page, cell, *left[0][1:3])
    return sorted(used.values())


def choose_until_seen(page, cell: str, word: str, number: int) -> None:
    """Go through what can be chosen above a control until that one is shown and can be used."""
    usable = f"controls('{cell}').some(c => c[2] === {number} && c[3])"
    selects = [c[2] for c in page.run(f"controls('{cell}')") if c[0] == "select" and c[2] < number]
    for select in reversed(selects):
        for _option in range(page.run(f"numbered[{select}].options.length")):
            if page.run(usable):
                return
            use(page, cell, "select", "", select, "key")
    assert page.run(usable), f"{cell}: {word!r} is never shown, or never to be used"


def use(page, cell: str, kind: str, word: str, number: int, how: str) -> None:
    """Use a control, and wait until something else is seen in the output, and stands still."""
    state, element = f"state('{cell}', {number})", f"numbered[{number}]"
    before = page.run(state)
    (by_mouse if how == "mouse" else by_key)(page, kind, element)
    silent = word in SILENT or "I do not know" in word  # another answer to a question of the test
    end = time.monotonic() + (0.5 if silent else SHOWN)
    while before == (now := page.run(state)) and time.monotonic() < end:
        time.sleep(0.1)
    assert silent or now != before, f"{cell}: {kind} {word!r} does nothing by {how}"
    seen = []
    while len(seen) < 3 or len(set(seen[-3:])) > 1:
        time.sleep(0.1)
        seen.append(page.run(state))
    said = page.run(text(cell))
    assert "did not work" not in said and "Traceback" not in said, (cell, word, said)


def by_mouse(page, kind: str, element: str) -> None:
    if kind == "toggles":
        page.click(f"{element}.querySelector('button:not(.mod-active)')")
    elif kind in ("text", "textarea"):
        page.fill(element, TYPED["mouse"])
    elif kind == "slider":  # where its handle is not
        handle = f"{element}.querySelector('.noUi-handle').getBoundingClientRect().x"
        base = f"{element}.querySelector('.noUi-base')"
        left = page.run(f"(r => {handle} > r.x + r.width / 2)({base}.getBoundingClientRect())")
        page.click(base, 0.2 if left else 0.8)
    else:
        page.click(element)
        if kind == "select":
            choose_next(page, element)


def by_key(page, kind: str, element: str) -> None:
    page.run(f"target({element}).focus()")
    if kind == "toggles":
        page.run(f"{element}.querySelector('button:not(.mod-active)').focus()")
        page.press("Space")
    elif kind in ("text", "textarea"):
        page.run(f"{element}.select()")
        page.type(TYPED["key"])
        page.press("Enter" if kind == "text" else "Tab")
    elif kind == "slider":
        for key in ["Home", *["ArrowRight"] * 3]:
            page.press(key)
    elif kind == "select":  # closed, it leaves the arrow keys to JupyterLab, which goes to a cell
        page.press("Space")
        choose_next(page, element)
    else:
        page.press("Space" if kind == "checkbox" else "Enter")


def choose_next(page, select: str) -> None:
    """In a list that is open: the next option, after the last the first."""
    last = page.run(f"{select}.selectedIndex === {select}.options.length - 1")
    page.press("Home" if last else "ArrowDown")
    page.press("Enter")


def tab_through(page, cell: str) -> None:
    """Press Tab from the beginning of a cell's output until it is left."""
    page.run(f"area('{cell}').tabIndex = -1; area('{cell}').focus()")
    inside = f"area('{cell}').contains(document.activeElement)"
    for _ in range(300):
        page.press("Tab")
        if not page.run(f"{inside} && !!tabbed.add(document.activeElement)"):
            break
