"""The concept test: ten questions, answered before the course and again after it.

`ten_questions()` in notebook 00 is a button that opens `concept_test("before")`, which gives
nothing away; `concept_test("after")` in notebook 07 shows both scores, with a sentence a question.
"""

from dataclasses import dataclass

import ipywidgets as widgets

from minigpt.show.captured import Captured
from minigpt.show.concept_items import ITEMS
from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, rendered
from minigpt.store.kept import Kept
from minigpt.store.words import _, language

FILE = "concept_test.json"  # {"before": {id: option}, "after": {id: option}, "scored": true}
WHEN = ("before", "after")
UNSURE = -1  # the answer "I do not know"


def unsure() -> str:
    return _("I do not know")


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
        style = "margin-top:12px;line-height:1.5"
        head = f"<b>{self.number}. {escape(self.question)}</b>"
        return f'<div class="{IGNORE_MATH}" style="{style}">{head}{rows}</div>'

    def __repr__(self) -> str:
        return "\n".join([f"{self.number}. {self.question}", *(f"   {x}" for x in self.lines())])


class ConceptTest(Widget):
    """The test: `cards` is the static form, `buttons` has the controls, one for each card.

    `view` holds what stands under the last question: how far one is and, afterwards, the score.
    Raises ValueError if `when` is neither "before" nor "after".
    """

    def __init__(self, when: str):
        super().__init__()
        if when not in WHEN:
            raise ValueError(f'concept_test knows "before" and "after", not {when!r}')
        self.when, self.items = when, ITEMS[language()]
        self.cards = [Card(n, i["question"], i["options"]) for n, i in enumerate(self.items, 1)]
        kept = self.read().get(when, {})
        self.buttons = [self._buttons(n, kept.get(i["id"])) for n, i in enumerate(self.items)]
        self.score_button = self.button(_("Show my score"), self.show_score, button_style="primary")
        score = [self.score_button, self.shown] if when == "after" else []
        self.view = widgets.VBox([self.status, *score])
        self._tell()

    def _buttons(self, number: int, choice: int | None):
        options = self.items[number]["options"]
        letters = [(f"({letter})", n) for n, letter in enumerate("abcd"[: len(options)])]
        return self.control(
            widgets.ToggleButtons, "", lambda: self._answered(number),
            options=[*letters, (unsure(), UNSURE)], value=choice, tooltips=[*options, unsure()],
            style={"button_width": "auto"},
        )  # fmt: skip

    def static(self) -> list:
        """Each card, and under it its buttons."""
        return [part for pair in zip(self.cards, self.buttons) for part in pair]

    # ---- answers ----------------------------------------------------------------------------

    def read(self) -> dict:
        """All kept answers."""
        return KEPT.read(self.notes.append)

    def _answered(self, number: int) -> None:
        item, choice = self.items[number]["id"], self.buttons[number].value

        def change(contents: dict) -> None:
            if "scored" not in contents and choice is not None:
                contents.setdefault(self.when, {})[item] = choice

        KEPT.change(change, self.notes.append)
        self._tell()

    def _tell(self) -> None:
        kept, n = self.read(), len(self.items)
        done = len(kept.get(self.when, {}))
        said = _("All {n} answered. Now press the button.")
        if "scored" in kept:
            said = _("You have seen the right answers, so what you choose now is not counted.")
        elif done < n:
            said = _("{done} of {n} answered. Each answer is kept at once.")
        elif self.when == "before":
            said = _("All {n} answered. The right answers come in the last notebook, with the same "
                     "questions again.")  # fmt: skip
        self.say(said.format(done=done, n=n))

    # ---- afterwards -------------------------------------------------------------------------

    def table(self) -> Table:
        """What was answered before and after, the right answers and why; only once answered."""
        kept, rows = self.read(), []
        words = {None: _("not answered"), UNSURE: unsure()}
        for card, item in zip(self.cards, self.items):
            given = [kept.get(when, {}).get(item["id"]) for when in WHEN]
            known = {**words, item["right"]: _("right")}
            why = f"{card.lines()[item['right']]}\n{item['why']}"
            verdicts = [known.get(choice, _("wrong")) for choice in given]
            rows.append([f"{card.number}. {item['question']}", *verdicts, why])
        before, after = (self._score(kept.get(when, {})) for when in WHEN)
        guess = sum(1 / len(item["options"]) for item in self.items)
        caption = _("Before the course: {before}. After it: {after}. Guessing gives {guess:g} of "
                    "{n} on average.", before=before, after=after, guess=guess,
                    n=len(self.items))  # fmt: skip
        header = [_("question"), _("before"), _("after"), _("the right answer, and why")]
        return Table(header, rows, caption, width=50)

    def _score(self, answers: dict) -> str:
        if not answers:
            return _("not taken")
        right = sum(answers.get(item["id"]) == item["right"] for item in self.items)
        return _("{right} of {n}", right=right, n=len(self.items))

    def show_score(self) -> None:
        """Close the test and show the table, or say which questions are still open."""
        kept = self.read()
        answers = kept.get("after", {})
        open_ = [str(n) for n, item in enumerate(self.items, 1) if item["id"] not in answers]
        if open_ and "scored" not in kept:
            self.shown.value = escape(_("Still open: {numbers}.", numbers=", ".join(open_)))
            return
        KEPT.change(lambda contents: contents.update(scored=True), self.notes.append)
        self.shown.value = rendered(self.table())
        self._tell()


def valid(contents: dict) -> bool:
    """Whether the file's contents have the form that FILE's comment tells."""
    options = {item["id"]: len(item["options"]) for item in ITEMS["en"]}
    return all(
        item in options and type(choice) is int and UNSURE <= choice < options[item]
        for when in WHEN
        for item, choice in contents.get(when, {}).items()
    )


KEPT = Kept(FILE, valid)


def concept_test(when: str) -> None:
    """Show the ten questions, each with its buttons; `when` is "before" or "after" the course."""
    present(lambda: ConceptTest(when))


def ten_questions() -> None:
    """Show a button that opens the questions below it, for who wants them before the course."""
    from IPython.display import display

    opened, button = Captured(), widgets.Button(description=_("Ten questions"))

    def open_(button) -> None:
        with opened.taking():
            concept_test("before")

    button.on_click(open_)
    print(_("Press the button, and ten questions open below it."))
    display(widgets.VBox([button, opened.view]))
