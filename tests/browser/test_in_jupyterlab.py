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

from browser.where import (
    AXE,
    BROKEN,
    CELLS,
    CLIPPED,
    ERRORS,
    PREDICTIONS,
    button,
    control,
    output,
    says,
    spelled,
    text,
    what_stays,
)
from minigpt.classroom.notebook import new_notebook, to_bytes
from minigpt.show.predict import CHOICES
from minigpt.store.files import ROOT
from minigpt.store.words import CATALOGUES, read_catalogue

EDITIONS = sorted((ROOT / "notebooks").glob("[a-z][a-z]/*.ipynb"))
SHOTS = os.environ.get("MINIGPT_SHOTS")
VIEWS = {"light": (), "dark": (), "light-800": (800,), "dark-zoomed": (1280, 2)}  # width, zoom
PICTURES = "[...document.querySelectorAll('.jp-OutputArea-output img')]"
UNTOLD = f"""
{PICTURES}.filter(e => !e.naturalWidth || e.alt.length < 20).map(e => e.outerHTML.slice(0, 99))
"""
BACKGROUND = "getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor"
ABOVE = """ // what stands above an element for a reader who reads no code
(e => [...document.querySelectorAll('.jp-RenderedMarkdown, .jp-OutputArea-output')]
  .filter(part => e.compareDocumentPosition(part) & Node.DOCUMENT_POSITION_PRECEDING)
  .map(part => part.innerText).join())
"""
SKIP = "Skip: just show me"
SHIFT = 8  # a modifier key of the DevTools protocol

pytestmark = [pytest.mark.browser, pytest.mark.notebook]


@pytest.mark.place("JupyterLab in Chromium")
@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_notebook(path, chromium, lab, page, axe_if_any):
    page.open_notebook(lab(path, outputs=True))
    assert page.run(f"{CELLS}.some(cell => cell.model.trusted === false)")
    page.wait(f"{PICTURES}.length")
    assert what_stays(page, UNTOLD) == [], "no picture, or no alt text, before it is trusted"
    page.run_all()
    assert what_stays(page, UNTOLD) == [], "a picture that is not shown, or without alt text"
    assert page.run(ERRORS) == [], "an error or a warning outside the exercises"
    assert page.run(BROKEN) == [], "a widget that cannot be shown"
    predictions_are_answered(page, path.parent.name)
    if axe_if_any:
        page.run(f"{axe_if_any}; {AXE}; 0")
        page.wait("!!window.flaws")
        handles = "noUi-handle"  # of sliders, which ipywidgets names itself
        assert [flaw for flaw in page.run("window.flaws") if handles not in flaw] == []
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
    page.keep_running()  # a widget works, and goes on working, while a cell is awaited
    for act in ACTS[path.stem]:
        try:
            act(page)
        finally:
            picture(page, f"{path.stem}-{act.__name__}")
    assert page.errors == [], "in the browser's console"
    assert clipped == dict.fromkeys(VIEWS, []), "something is wider than the place that it has"


def test_training_pauses_and_goes_on(chromium, lab, page):
    """Widgets answer meanwhile; ■ in the toolbar ends the cell after an update, and Shift+Enter
    goes on to the end."""
    page.open_notebook(lab(ROOT / "notebooks" / "en" / "02_pretraining.ipynb", full=True))
    page.run_to("train-live")
    page.wait(f"{text('train-live')}.match(/^step [1-9]\\d+ .* left/)")
    a_word_is_guessed(page)
    assert not page.run(says("train-live", "done: ")), "it trained all the while"
    page.click("document.querySelector('[data-jp-item-name=\"interrupt\"]')")
    page.wait(says("train-live", "Paused after step"))
    step = int(page.run(f"{text('train-live')}.match(/Paused after step (\\d+) of/)[1]"))
    picture(page, "02_pretraining-paused")
    page.click(f"{output('train-live')}.closest('.jp-Cell').querySelector('.jp-InputPrompt')")
    page.press("Enter", modifiers=SHIFT)
    page.wait(f"!{says('train-live', 'Paused after step')}")
    page.wait(says("train-live", "done: "))
    picture(page, "02_pretraining-gone_on")
    seen = page.run(f"{text('train-live')}.match(/after \\d+ steps/g)")
    looks = [int(line.split()[1]) for line in seen]
    assert looks == sorted(set(looks)) and len(looks) == 10  # none is lost, none seen twice
    assert step < looks[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01_tokenization", "04_sft", "05_reward_model", "06_ppo"])
def test_widgets_answer_while_a_model_trains(name, lab, page):
    """Those above the cell that trains, with its whole budget."""
    cell, act = {
        "01_tokenization": ("own-tokenizer", tokens_of_what_is_typed),
        "04_sft": ("live", lambda page: predictions_are_answered(page, "en")),
        "05_reward_model": ("train", ten_pairs_are_labeled),
        "06_ppo": ("train", lambda page: predictions_are_answered(page, "en")),
    }[name]
    page.open_notebook(lab(ROOT / "notebooks" / "en" / f"{name}.ipynb", full=True))
    page.run_to(cell)
    page.wait(f"/step \\d+ of/.test({text(cell)})")
    act(page)
    picture(page, f"{name}-while-it-trains")
    assert not page.run(says(cell, "done: ")), "it trained all the while"
    assert page.run(ERRORS) == [] and page.errors == []


LONG = (
    "It goes on with a whole list of further questions about the same place, as pages of the "
    "web do, and with <b>none</b> of the answers that a reader might have hoped to find there"
)
COVERED = {  # cell: source
    "setup": """
import asyncio
import ipywidgets
from IPython.display import display
from minigpt.show import Table, environment, figure, predict, show
from minigpt.show.widget import Widget
environment()
def answer():
    print("The model <i>asks</i> back.")
    display(Table(["question", "times"], [["<b>how many</b>", "3"]]))
    show(figure()[0], "Nothing is drawn.")
    return 1""",
    "mouse": f'predict("00-mouse", ["the right number", {LONG!r}], answer)',
    "keys": f'predict("00-keys", ["the right number", {LONG!r}], answer)',
    "skipped": 'predict("00-skipped", ["yes", "no"], answer)',
    "fails": 'predict("00-fails", ["yes", "no"], lambda: 1 // 0)',
    "boxes": """
class Boxes(Widget):
    def __init__(self):
        super().__init__()
        self.typed = self.control(ipywidgets.Text, "Typed", self.tell, continuous_update=True)
        self.sent = self.control(ipywidgets.Text, "Sent", entered=self.tell)
        self.heat = self.control(ipywidgets.IntSlider, "Heat", self.tell, max=9)
        self.times, self.over = 0, False
        self.view = ipywidgets.VBox([self.typed, self.sent, self.heat, self.status,
                                     self.button("End", self.end)])
    def tell(self):
        self.say(f"[{self.typed.value}|{self.sent.value}|{self.heat.value}]")
    def end(self):
        self.over = True
boxes = Boxes()
display(boxes.view)""",
    "run": """
while not boxes.over:
    await asyncio.sleep(0.02)
print("It is over.")""",
}  # fmt: skip


@pytest.mark.parametrize("live", [True, False], ids=["while a cell runs", "idle"])
def test_answers_are_covered_until_one_is_chosen_or_skipped(live, lab, page, tmp_path):
    """By mouse and by keyboard; and boxes that are typed into meanwhile take what is typed next."""
    cells = [new_code_cell(name, source.strip()) for name, source in COVERED.items()]
    (tmp_path / "covered.ipynb").write_bytes(to_bytes(new_notebook(cells)))
    page.open_notebook(lab(tmp_path / "covered.ipynb"))
    page.run_to("run")
    page.wait(f"{PREDICTIONS}.length === 4 && !!{control('boxes', 'Heat')}")
    if not live:
        page.click(button("boxes", "End"))
        page.wait(says("run", "It is over."))
    for cell in ("mouse", "keys", "skipped", "fails"):
        assert not page.run(says(cell, "It was")), "nobody has chosen yet"
        assert page.run(f"{text(cell)}.split('(a)').length") == 2, "it is shown once"
    for name, size in VIEWS.items():
        page.view(name.split("-")[0], *size)
        picture(page, f"covered-{live}-{name}")
        assert what_stays(page, CLIPPED) == []
        assert page.run(says("mouse", LONG))
    page.view("light")

    choose_button(page, option("mouse", 1), by_key=False)
    choose_button(page, option("keys", 0), by_key=True)
    choose_button(page, button("skipped", SKIP), by_key=True)
    for cell, had in (("mouse", "That is what you had"), ("keys", "You had predicted (a)")):
        page.wait(says(cell, had))
    page.wait(says("skipped", "It was (b) no."))
    for cell in ("mouse", "keys", "skipped"):
        page.wait(says(cell, "The model <i>asks</i> back."))
        page.wait(f"{output(cell)}.querySelector('td, tbody th').textContent === '<b>how many</b>'")
        page.wait(f"{output(cell)}.querySelector('img').naturalWidth > 0")
        assert page.run(f"{button(cell, 'Skip: just show me')}.offsetParent === null")
    choose_button(page, button("fails", SKIP), by_key=False)
    page.wait(says("fails", "ZeroDivisionError"))
    assert not page.run(f"{output('fails')}.querySelector('details').open")
    assert page.run(BROKEN) == [] and what_stays(page, CLIPPED) == []

    for typed in ("Paris", "Rome & <b>"):
        page.fill(control("boxes", "Typed"), typed)
        page.wait(says("boxes", f"[{typed}|"))
    for sent in ("one", "two"):
        page.click(control("boxes", "Sent"))
        page.run(f"{control('boxes', 'Sent')}.select()")
        page.type(sent)
        page.press("Enter")
        page.wait(says("boxes", f"|{sent}|"))
    page.click(control("boxes", "Heat"))
    for _ in range(2):
        page.press("ArrowRight")
    page.wait(says("boxes", "|2]"))
    picture(page, f"covered-{live}-done")
    if live:
        assert not page.run(says("run", "It is over.")), "the cell ran all the while"
        page.click(button("boxes", "End"))
        page.wait(says("run", "It is over."))
        page.fill(control("boxes", "Typed"), "after it")
        page.wait(says("boxes", "[after it|"))


def option(cell: str, number: int) -> str:
    return f"{output(cell)}.querySelectorAll('.{CHOICES} button')[{number}]"


def new_code_cell(name: str, source: str) -> dict:
    return {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": [],
            "execution_count": None}  # fmt: skip


def picture(page, name: str) -> None:
    if SHOTS:
        page.screen(Path(SHOTS), name)


# ---- what a learner does ------------------------------------------------------------------------


def predictions_are_answered(page, lang: str) -> None:
    """Each in turn by mouse, by keyboard, or skipped. Before that it is covered, and nothing
    of what it will say stands above it, questions apart."""
    catalogue = read_catalogue(CATALOGUES / f"{lang}.po")
    said, skip = (catalogue.get(text) or text for text in ("It was {option}", SKIP))
    for number in range(page.run(f"{PREDICTIONS}.length")):
        group = f"{PREDICTIONS}[{number}]"
        choice = f"{group}.querySelectorAll('button')[{number % 2}]"
        shown = f"{group}.parentElement.lastElementChild"
        skipping = f"[...{group}.parentElement.children].find(e => e.textContent === '{skip}')"
        above = page.run(f"{ABOVE}({group})")
        assert not page.run(f"{group}.querySelector('.mod-active')")
        assert page.run(f"{shown}.textContent === '' && {skipping}.offsetParent !== null")
        choose_button(page, skipping if number % 3 == 2 else choice, by_key=number % 2 == 1)
        page.wait(f"{group}.parentElement.textContent.includes({json.dumps(said.split('{')[0])})")
        lines = page.run(f"{shown}.innerText").split("\n")
        told = [line.strip() for line in lines if len(line) > 20 and "?" not in line]
        assert [line for line in told if line in above] == []


def choose_button(page, button: str, by_key: bool) -> None:
    if not by_key:
        return page.click(button)
    page.run(f"{button}.focus()")
    page.press("Enter")


def concept_test_counts(page) -> None:
    """A button opens the questions, and the line below them counts a click."""
    page.click(button("ten-questions", "Ten questions"))
    first = f"{output('ten-questions')}.querySelector('.widget-toggle-buttons button')"
    page.wait(f"!!{first}")
    page.click(first)
    page.wait("document.querySelector('.jp-Notebook').textContent.includes('1 of 10 answered')")


def comparer_answers(page) -> None:
    """An example is chosen with the keyboard, a question typed: the cards are answers to them."""
    answered = f"{output('compare')}.querySelector('.mg-cards')?.textContent"
    page.wait(f"/PPO model.*Beijing/s.test({answered})")
    made_up = f"{output('compare')}.querySelectorAll('.widget-toggle-buttons button')[1]"
    choose_button(page, made_up, by_key=True)
    page.wait(f"/PPO model.*Velmora/s.test({answered})")
    page.click(control("compare", "Question"))
    page.run(f"{control('compare', 'Question')}.select()")
    page.type("Which continent is Kenya on?")
    page.click(button("compare", "Ask"))
    page.wait(f"/PPO model.*Kenya/s.test({answered})")
    assert not page.run(f"{made_up}.classList.contains('mod-active')")
    page.click(button("compare", "New draws"))
    page.wait(says("compare", "Seed 1, temperature 1.0."))
    for cell in ("made-up", "compare"):  # four cards, or two and two, in the room that there is
        boxes = (
            f"[...{output(cell)}.querySelectorAll('.mg-card')].map(c => c.getBoundingClientRect())"
        )
        room = page.run(f"{output(cell)}.getBoundingClientRect().right")
        assert 0 < page.run(f"Math.max(...{boxes}.map(b => b.right))") <= room + 1
        assert page.run(f"Math.min(...{boxes}.map(b => b.width))") > 200


def tokens_of_what_is_typed(page) -> None:
    """Every tokenizer's tokens spell what was typed, `<` and `&` included."""
    typed = "unbelievable <b>12345</b> & more"
    page.fill(f"{output('explore')}.querySelector('textarea')", typed)
    page.wait(f"(all => all.length > 1 && all.every(t => t === {json.dumps(typed)}))"
              f"({spelled('explore')})")  # fmt: skip


def a_word_is_guessed(page) -> None:
    """Enter in the box is the button beside it, and the next text begins anew."""
    guess = control("guess", "Next word")
    page.fill(guess, "zzz")
    page.click(guess)
    page.press("Enter")
    page.wait(says("guess", "You: 0 of 1."))
    page.click(button("guess", "Next text"))
    page.wait(f"{guess}.value === ''")
    page.fill(guess, "yyy")
    page.click(button("guess", "Guess"))
    page.wait(says("guess", "You: 0 of 2."))


def a_typed_prompt_is_completed(page) -> None:
    """A question is typed, each knob takes tokens away and gives them back, by keyboard, a token is
    picked by hand, and the rest of the line is sampled."""
    prompt = f"{spelled('lab')}.join()"
    page.fill(control("lab", "Question"), "What is the capital of Kenya?")
    page.wait(f"{prompt}.includes('capital of Kenya?')")
    for knob, least, most in (
        ("Top-k (0: all)", ["Home", "ArrowRight"], "Home"), ("Top-p (1: all)", ["Home"], "End"),
    ):  # fmt: skip
        page.run(f"{control('lab', knob)}.focus()")
        for key in least:
            page.press(key)
        page.wait(says("lab", "removed"))
        page.press(most)
        page.wait(f"!{says('lab', 'removed')}")
    before = page.run(prompt)
    page.click(f"[...{output('lab')}.querySelectorAll('button')].at(-1)")  # the least likely one
    page.wait(f"{prompt} !== {json.dumps(before)}")
    page.click(button("lab", "Complete"))
    page.wait(says("lab", "Sample "))


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


def gold_is_uncovered(page) -> None:
    """The cockpit's button stops the run, and only then says what gold was."""
    page.wait(says("cockpit", "Gold is covered."))
    page.click(button("cockpit", "Stop here and show gold"))
    page.wait(says("cockpit", "You stopped after round"))


def a_bug_is_diagnosed(page) -> None:
    """By keyboard: a wrong diagnosis says what that bug would move, the right one shows it."""
    page.run(f"{control('museum', 'Diagnosis')}.focus()")
    page.press("Space")  # opens the list; closed, JupyterLab would take the letters for its own
    page.type("The ref")
    page.press("Enter")
    page.wait(says("museum", "Exhibit A: not this."))
    time.sleep(1)  # what is typed later is the beginning of another text
    page.press("Space")
    page.type("The log")
    page.press("Enter")
    page.wait(says("museum", "Exhibit A: right."))
    page.wait(says("museum", "k1 = ref_logp - logp"))


def votes_are_cast(page) -> None:
    """A vote tells who wrote what; it can be taken back; from ten on the ratings stand below."""
    page.click(button("vote", "A is better"))
    page.wait(says("vote", "You found A better."))
    page.wait(says("vote", "from 10 votes on; so far: 1."))
    page.run(f"{button('vote', 'a tie')}.focus()")
    page.press("Enter")
    page.wait(says("vote", "so far: 2."))
    page.click(button("vote", "Undo"))
    page.wait(says("vote", "so far: 1."))
    for n in range(2, 10):
        page.click(button("vote", "B is better"))
        page.wait(says("vote", f"so far: {n}."))
    page.click(button("vote", "B is better"))
    page.wait(says("vote", "Ratings from your own votes, 10 so far"))


ACTS = {
    "00_overview": [concept_test_counts, comparer_answers],
    "01_tokenization": [tokens_of_what_is_typed],
    "02_pretraining": [a_word_is_guessed],
    "03_prompting": [a_typed_prompt_is_completed],
    "04_sft": [],
    "05_reward_model": [ten_pairs_are_labeled],
    "06_ppo": [rounds_are_looked_at, gold_is_uncovered, a_bug_is_diagnosed],
    "07_arena": [votes_are_cast],
}
