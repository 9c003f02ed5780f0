"""Where things are in a notebook that JupyterLab shows, as JavaScript; and what must not be there.

`output` and the like take the id of a cell.
"""

import json
import time

from minigpt.show.predict import CHOICES

CELLS = "jupyterapp.shell.currentWidget.content.widgets"
ERRORS = f"""
{CELLS}.filter(cell => cell.model.type === 'code')
  .filter(cell => cell.model.outputs.toJSON().some(output =>
    output.name === 'stderr' || output.output_type === 'error' && (
      !(cell.model.getMetadata('tags') || []).includes('raises-exception') ||
      output.traceback.join().includes('Traceback'))))  // an exercise says that it is not answered
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
AXE = """
axe.run({include: [['.jp-OutputArea-output']]}, {resultTypes: ['violations']}).then(
  found => { window.flaws = found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html}`)) },
  error => { window.flaws = [String(error)] })
"""
PREDICTIONS = f"[...document.querySelectorAll('.jp-OutputArea .{CHOICES}')]"


def what_stays(page, script: str) -> list:
    """What a script finds on a page that may still be laid out anew: [] as soon as it is."""
    for _ in range(10):
        if not page.run(script):
            return []
        time.sleep(1)
    return page.run(script)


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
    return f"{label}?.parentElement.querySelector({kinds})"


def spelled(cell: str) -> str:
    """What the tokens of the strips in a cell's output spell, one strip after the other."""
    strips = f"[...{output(cell)}.querySelectorAll('div[style*=monospace]')]"
    tokens = "[...strip.querySelectorAll('[style*=\"white-space:pre\"]')]"
    spelled = f"{tokens}.map(token => token.textContent).join('').replaceAll('·', ' ')"
    return f"{strips}.map(strip => {spelled})"
