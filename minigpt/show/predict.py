"""Predict first, then see: the learner's guesses, kept and counted.

    def answer():
        print("It asks further questions.")
        return 2  # the number of the option that came true

    predict("00-bare-question", ["the right number", "a wrong number", "something else"], answer)

The answer is computed and shown once a button is pressed. Keys are unique in the course and begin
with the notebook's number. What is clicked after the answer is not counted.
"""

import operator
from collections.abc import Callable
from types import FunctionType

import ipywidgets as widgets

from minigpt.show.captured import Captured, failure
from minigpt.show.style import escape
from minigpt.show.table import Table
from minigpt.show.widget import Widget, has_learner, present
from minigpt.store.kept import Kept
from minigpt.store.words import _, language

FILE = "predictions.json"  # {lang: {key: {"options": [...], "choice": 0, "right": 2}}}
LETTERS = "abcdefgh"
CHOICES = "minigpt-choices"  # the class of the buttons, which are as high as their texts need
STYLE = f"""<style>
.{CHOICES} {{ margin-bottom: 8px }}
.{CHOICES} > div {{ display: flex; flex-wrap: wrap; gap: 8px }}
.{CHOICES} button {{ height: auto; min-height: 32px; max-width: 100%; margin: 0; padding: 4px 12px;
  white-space: normal; overflow: visible; overflow-wrap: anywhere; text-align: left;
  line-height: 1.4 }}
</style>"""


class Prediction(Widget):
    """One button an option, none pressed unless there is a choice, and one more, to skip; the first
    one that is pressed uncovers the answer under them.

    `seen`: whether one was pressed when the cell ran before.
    """

    def __init__(self, key: str, options: list[str], answer: Callable[[], int]):
        super().__init__()
        self.key, self.options, self.answer = key, options, as_it_is(answer)
        entry = keep(key, options)
        self.seen = not {"choice", "right"}.isdisjoint(entry)
        self.toggles = self.control(
            widgets.ToggleButtons, "", self._clicked, wide=True, tooltips=list(options),
            options=[(named(options, i), i) for i in range(len(options))],
            value=entry.get("choice"), style={"button_width": "auto"},
        )  # fmt: skip
        self.toggles.add_class(CHOICES)
        place = {"width": "auto", "align_self": "flex-start"}
        self.skip = self.button(_("Skip: just show me"), self.uncover, layout=place)
        self.captured = Captured()
        head = widgets.HTML(STYLE + _("Your prediction:"))
        self.view = widgets.VBox([head, self.toggles, self.skip, self.status, self.captured.view])

    def _clicked(self) -> None:
        choice = self.toggles.value
        entry = keep(self.key, self.options, choice, say=self.notes.append)
        if self.answer:
            self.uncover()
        elif entry.get("choice") == choice:
            self.say(_("You had predicted {yours}", yours=sentence(self.options, choice)))
        else:
            self.say(_("You have seen the result of this one already, so it is not counted."))

    def uncover(self) -> None:
        """Show the answer, the first time; where it fails, each button tries it again."""
        answer, self.answer = self.answer, None
        if answer is None:
            return
        self.status.value = escape(_("One moment …"))
        try:
            with self.captured.taking():
                right = answer()
            self.say(outcome(self.key, self.options, right, self.notes.append))
            self.skip.layout.display = "none"
        except Exception as error:
            self.answer = answer
            self.status.value = failure(error)

    def static(self) -> list:
        *letters, last = LETTERS[: len(self.options)]
        letters = ", ".join(letters)
        head = _("Your prediction: choose {letters} or {last}.", letters=letters, last=last)
        return ["\n  ".join([head, *(named(self.options, i) for i in range(len(self.options)))])]


def predict(key: str, options: list[str], answer: Callable[[], int]) -> None:
    """Show a button for each option; a click keeps the choice at once, and uncovers the answer.

    key: its name, unique in the course. options: two to eight short texts. answer: computes the
    answer, prints and displays it, and returns the number of the option that came true, from 0. It
    is called once a button is pressed ("skip" is one), or was when the cell ran before; where no
    learner is there to press one, at once.
    Raises ValueError for a missing key or options that are too few, too many, empty or the same.
    """
    check_options(key, options)
    shown = present(lambda: Prediction(key, options, answer))
    if not has_learner():
        print(outcome(key, options, answer()))
    elif shown.seen:
        shown.uncover()


def as_it_is(answer: Callable[[], int]) -> Callable[[], int]:
    """The function with its notebook's names, other functions among them, as they are now. A later
    cell may bind them anew before a button is pressed."""
    if not isinstance(answer, FunctionType):
        return answer
    live = answer.__globals__
    names = dict(live)

    def held(function: FunctionType) -> FunctionType:
        made = FunctionType(function.__code__, names, closure=function.__closure__)
        made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
        return made

    for name, value in live.items():
        if isinstance(value, FunctionType) and value.__globals__ is live:
            names[name] = held(value)
    return held(answer)


def outcome(key: str, options: list[str], right: int, say=print) -> str:
    """What it was, and what had been predicted; from now on the prediction is closed.

    right: index of the option that came true. Raises ValueError if there is no such option.
    """
    right = operator.index(right)
    if not 0 <= right < len(options):
        raise ValueError(f"prediction {key!r} has options 0 to {len(options) - 1}, not {right}")
    choice = keep(key, options, right=right, say=say).get("choice")
    said = _("It was {option}", option=sentence(options, right))
    if choice == right:
        said += " " + _("That is what you had predicted.")
    elif choice is not None:
        said += " " + _("You had predicted {yours}", yours=sentence(options, choice))
    return said


def scoreboard() -> Table:
    """All predictions so far, what came true, and how many of them did."""
    rows, hits = [], []
    for key, entry in read().items():
        options, choice, right = entry["options"], entry.get("choice"), entry.get("right")
        if choice is None and right is None:
            continue
        you = _("no prediction") if choice is None else named(options, choice)
        was = _("not shown yet") if right is None else named(options, right)
        verdict = ""
        if None not in (choice, right):
            hits.append(choice == right)
            verdict = _("right") if hits[-1] else _("not this time")
        rows.append([key.replace("-", ": ", 1).replace("-", " "), you, was, verdict])
    caption = _("You have made no predictions yet.")
    if hits:
        caption = _("Of your predictions so far, {right} of {n} came true.",
                    right=sum(hits), n=len(hits))  # fmt: skip
    return Table([_("prediction"), _("you"), _("it was"), ""], rows, caption, width=36)


# ---- what is kept -----------------------------------------------------------------------------


def named(options: list[str], index: int) -> str:
    """An option with its letter: "(b) a wrong number"."""
    return f"({LETTERS[index]}) {options[index]}"


def sentence(options: list[str], index: int) -> str:
    """The same with a full stop, unless the option has its own: "(b) a wrong number."."""
    text = named(options, index)
    return text if text.endswith((".", "!", "?", "\u2026", "\u3002")) else text + "."


def check_options(key: str, options: list[str]) -> None:
    """ValueError that names what is wrong with a prediction."""
    if not isinstance(key, str) or not key.strip():
        raise ValueError("a prediction needs a key, such as '03-bare-question'")
    if isinstance(options, str) or not all(isinstance(o, str) and o.strip() for o in options):
        raise ValueError(f"the options of prediction {key!r} must be a list of texts, none empty")
    if not 2 <= len(options) <= len(LETTERS) or len(set(options)) < len(options):
        needed = f"2 to {len(LETTERS)} different options"
        raise ValueError(f"prediction {key!r} needs {needed}, not {list(options)}")


def valid(contents: dict) -> bool:
    """Whether the file's contents have the form that FILE's comment tells."""
    for key, entry in (item for entries in contents.values() for item in entries.items()):
        check_options(key, entry["options"])
        indices = [i for i in (entry.get("choice"), entry.get("right")) if i is not None]
        if not all(type(i) is int and 0 <= i < len(entry["options"]) for i in indices):
            return False
    return True


KEPT = Kept(FILE, valid)


def read(say=print) -> dict:
    """All kept predictions of the language in use, in the order in which they were first asked."""
    return KEPT.read(say).get(language(), {})


def keep(
    key: str, options: list[str], choice: int | None = None, say=print, right: int | None = None
) -> dict:
    """Keep the options, what came true and, until that was shown, the choice; what is kept now.

    Other options under the same key make another question: an old choice does not carry over.
    """
    lang = language()

    def alter(kept: dict) -> None:
        entries = kept.setdefault(lang, {})
        if entries.get(key, {}).get("options") != list(options):
            entries[key] = {"options": list(options)}
        if choice is not None and "right" not in entries[key]:
            entries[key]["choice"] = choice
        if right is not None:
            entries[key]["right"] = right

    return KEPT.change(alter, say)[lang][key]
