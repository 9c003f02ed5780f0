"""The concept test: ten questions, answered before the course and again after it.

`concept_test("before")` stands in notebook 00 and gives nothing away; `concept_test("after")`
stands in notebook 07 and shows both scores, with a sentence for each question.
"""

from dataclasses import dataclass

import ipywidgets as widgets

from minigpt.show.concept_items import ITEMS
from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import rendered
from minigpt.store.kept import change_kept, read_kept

FILE = "concept_test.json"  # {"before": {id: option}, "after": {id: option}, "scored": true}
WHEN = ("before", "after")
UNSURE = -1  # the answer "I do not know"
TEXT = {
    "en": {
        "unsure": "I do not know",
        "progress": "{done} of {all} answered. Each answer is kept at once.",
        "before_done": "All {all} answered. The right answers come in the last notebook, with the "
        "same questions again.",
        "after_done": "All {all} answered. Now press the button.",
        "missing": "Still open: {numbers}.",
        "closed": "You have seen the right answers, so what you choose now is not counted.",
        "show": "Show my score",
        "header": ["question", "before", "after", "the right answer, and why"],
        "right": "right",
        "wrong": "wrong",
        "none": "not answered",
        "caption": "Before the course: {before}. After it: {after}. Guessing gives {guess} of "
        "{all} on average.",
        "score": "{right} of {all}",
        "not_taken": "not taken",
    },
}


@dataclass
class Card:
    """One question with its options, to be read: HTML in a notebook, text elsewhere."""

    number: int
    question: str
    options: list[str]

    def lines(self) -> list[str]:
        return [f"({letter}) {option}" for letter, option in zip("abcd", self.options)]

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<div style="padding-left:2.6em;text-indent:-1.6em">{escape(line)}</div>'
            for line in self.lines()
        )
        head = f"<b>{self.number}. {escape(self.question)}</b>"
        return (
            f'<div class="{IGNORE_MATH}" style="margin-top:12px;line-height:1.5">{head}{rows}</div>'
        )

    def __repr__(self) -> str:
        return "\n".join([f"{self.number}. {self.question}", *(f"   {x}" for x in self.lines())])


class ConceptTest:
    """The test: `cards` is the static form, `buttons` has the controls, one for each card.

    `view` holds what stands under the last question: how far one is and, afterwards, the score.
    Raises ValueError if `when` is neither "before" nor "after".
    """

    def __init__(self, when: str, lang: str = "en"):
        if when not in WHEN:
            raise ValueError(f'concept_test knows "before" and "after", not {when!r}')
        self.when, self.lang, self.words, self.items = when, lang, TEXT[lang], ITEMS[lang]
        self.notes: list[str] = []
        self.cards = [Card(n, i["question"], i["options"]) for n, i in enumerate(self.items, 1)]
        kept = self.read().get(when, {})
        self.buttons = [self._buttons(item, kept.get(item["id"])) for item in self.items]
        self.status, self.result = widgets.HTML(), widgets.HTML(layout={"width": "auto"})
        self.score_button = widgets.Button(
            description=self.words["show"], button_style="primary", disabled=when == "before"
        )
        self.score_button.on_click(self.show_score)
        parts = [self.status, self.score_button, self.result]
        self.view = widgets.VBox(parts if when == "after" else parts[:1])
        self._tell()

    def _buttons(self, item: dict, choice: int | None):
        options = [(f"({letter})", n) for n, letter in enumerate("abcd"[: len(item["options"])])]
        toggles = widgets.ToggleButtons(
            options=[*options, (self.words["unsure"], UNSURE)], value=choice,
            tooltips=[*item["options"], self.words["unsure"]], style={"button_width": "auto"},
        )  # fmt: skip
        toggles.observe(lambda change: self._answered(item["id"], change["new"]), "value")
        return toggles

    # ---- answers ----------------------------------------------------------------------------

    def read(self) -> dict:
        """All kept answers."""
        return read_kept(FILE, valid, self.lang, self.notes.append)

    def _answered(self, item: str, choice: int | None) -> None:
        def change(contents: dict) -> None:
            if "scored" not in contents and choice is not None:
                contents.setdefault(self.when, {})[item] = choice

        change_kept(FILE, valid, change, self.lang, self.notes.append)
        self._tell()

    def _tell(self) -> None:
        kept, count = self.read(), len(self.items)
        done = len(kept.get(self.when, {}))
        word = f"{self.when}_done" if done == count else "progress"
        word = "closed" if "scored" in kept else word
        said = [self.words[word].format(done=done, all=count), *self.notes]
        self.status.value = "<br>".join(map(escape, said))

    # ---- afterwards -------------------------------------------------------------------------

    def table(self) -> Table:
        """What was answered before and after, the right answers and why; only once answered."""
        kept, words, rows = self.read(), self.words, []
        for card, item in zip(self.cards, self.items):
            verdicts = [self._verdict(kept.get(when, {}).get(item["id"]), item) for when in WHEN]
            why = f"{card.lines()[item['right']]}\n{item['why']}"
            rows.append([f"{card.number}. {item['question']}", *verdicts, why])
        scores = {when: self._score(kept.get(when, {})) for when in WHEN}
        guess = sum(1 / len(item["options"]) for item in self.items)
        caption = words["caption"].format(**scores, guess=f"{guess:g}", all=len(self.items))
        return Table(words["header"], rows, caption, width=50)

    def _verdict(self, choice: int | None, item: dict) -> str:
        words = {None: "none", UNSURE: "unsure", item["right"]: "right"}
        return self.words[words.get(choice, "wrong")]

    def _score(self, answers: dict) -> str:
        if not answers:
            return self.words["not_taken"]
        right = sum(answers.get(item["id"]) == item["right"] for item in self.items)
        return self.words["score"].format(right=right, all=len(self.items))

    def show_score(self, button=None) -> None:
        """Close the test and show the table, or say which questions are still open."""
        kept = self.read()
        answers = kept.get("after", {})
        missing = [c.number for c, item in zip(self.cards, self.items) if item["id"] not in answers]
        if missing and "scored" not in kept:
            numbers = ", ".join(map(str, missing))
            self.result.value = escape(self.words["missing"].format(numbers=numbers))
            return
        change_kept(FILE, valid, lambda c: c.update(scored=True), self.lang, self.notes.append)
        self.result.value = rendered(self.table())
        self._tell()


def valid(contents: dict) -> bool:
    """Whether the file's contents have the form that FILE's comment tells."""
    options = {item["id"]: len(item["options"]) for item in ITEMS["en"]}
    try:
        return all(
            item in options and type(choice) is int and UNSURE <= choice < options[item]
            for when in WHEN
            for item, choice in contents.get(when, {}).items()
        )
    except (AttributeError, TypeError):
        return False


def concept_test(when: str, lang: str = "en") -> None:
    """Show the ten questions, each with its buttons; `when` is "before" or "after" the course."""
    from IPython.display import display

    test = ConceptTest(when, lang)
    for card, buttons in zip(test.cards, test.buttons):
        display(card)
        display(buttons)
    display(test.view)
