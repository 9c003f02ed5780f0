"""Predict first, then see: the learner's guesses, kept and counted.

    predict("00-bare-question", ["the right number", "a wrong number", "something else"])
    ...
    reveal("00-bare-question", 2)   # It was (c) something else. You had predicted (b) a wrong …

Keys are unique in the course and begin with the notebook's number. A prediction can be changed
until its result has been shown; what is clicked later is not counted.
"""

import operator

from minigpt.show.style import escape
from minigpt.show.table import Table
from minigpt.store.kept import change_kept, read_kept

FILE = "predictions.json"  # {lang: {key: {"options": [...], "choice": 0, "right": 2}}}
LETTERS = "abcdefgh"
TEXT = {
    "en": {
        "choose": "Your prediction: choose {letters}.",
        "or": " or ",
        "yours": "You predict {option} You can change it until you see the result.",
        "kept": "You had predicted {option}",
        "late": "You have seen the result of this one already, so it is not counted.",
        "was": "It was {option}",
        "hit": "That is what you had predicted.",
        "unknown": "There is no prediction {key!r} yet: run the cell that asks for it first.",
        "header": ["prediction", "you", "it was", ""],
        "right": "right",
        "wrong": "not this time",
        "nothing": "no prediction",
        "open": "not shown yet",
        "count": "Of your predictions so far, {right} of {all} came true.",
        "none": "You have made no predictions yet.",
    },
}


def predict(key: str, options: list[str], lang: str = "en") -> None:
    """Show the options and a button for each; a click keeps the choice at once.

    key: its name, unique in the course. options: two to eight short texts.
    Raises ValueError for a missing key or options that are too few, too many, empty or the same.
    """
    from IPython.display import display

    check_options(key, options)
    words = TEXT[lang]
    letters = list(LETTERS[: len(options)])
    entry = keep(key, options, lang)
    listed = ", ".join(letters[:-1]) + words["or"] + letters[-1]
    print(words["choose"].format(letters=listed))
    for index in range(len(options)):
        print("  " + named(options, index))
    display(buttons(key, options, entry, lang))


def buttons(key: str, options: list[str], entry: dict, lang: str = "en"):
    """One button an option, none pressed unless there is a choice, and under them what is kept."""
    import ipywidgets as widgets

    words = TEXT[lang]
    toggles = widgets.ToggleButtons(
        options=[(f"({letter})", index) for index, letter in zip(range(len(options)), LETTERS)],
        value=entry.get("choice"), tooltips=list(options), style={"button_width": "4em"},
    )  # fmt: skip
    status = widgets.HTML()

    def tell(entry: dict, clicked: int | None) -> None:
        if clicked is None:
            status.value = ""
        elif "right" not in entry:
            status.value = escape(words["yours"].format(option=sentence(options, clicked)))
        elif entry.get("choice") == clicked:
            status.value = escape(words["kept"].format(option=sentence(options, clicked)))
        else:
            status.value = escape(words["late"])

    def clicked(change) -> None:
        notes = []
        entry = keep(key, options, lang, toggles.value, notes.append)
        tell(entry, toggles.value)
        status.value = "<br>".join([status.value, *map(escape, notes)])

    tell(entry, toggles.value)
    toggles.observe(clicked, "value")
    return widgets.VBox([toggles, status])


def reveal(key: str, right: int, lang: str = "en") -> None:
    """Print what it was, and what had been predicted; from now on the prediction is closed.

    right: index of the option that came true. Raises ValueError if there is no such option.
    """
    words, known = TEXT[lang], read(lang).get(key)
    if known is None:
        print(words["unknown"].format(key=key))
        return
    right, options, choice = operator.index(right), known["options"], known.get("choice")
    if not 0 <= right < len(options):
        raise ValueError(f"prediction {key!r} has options 0 to {len(options) - 1}, not {right}")

    def close(contents: dict) -> None:
        contents.setdefault(lang, {}).setdefault(key, known)["right"] = right

    change_kept(FILE, valid, close, lang)
    said = words["was"].format(option=sentence(options, right))
    if choice is not None:
        had = words["hit" if choice == right else "kept"]
        said += " " + had.format(option=sentence(options, choice))
    print(said)


def scoreboard(lang: str = "en") -> Table:
    """All predictions so far, what came true, and how many of them did."""
    words, rows, hits, counted = TEXT[lang], [], 0, 0
    for key, entry in read(lang).items():
        options, choice, right = entry["options"], entry.get("choice"), entry.get("right")
        if choice is None and right is None:
            continue
        verdict = ""
        if choice is not None and right is not None:
            counted, hits = counted + 1, hits + (choice == right)
            verdict = words["right" if choice == right else "wrong"]
        you = words["nothing"] if choice is None else named(options, choice)
        was = words["open"] if right is None else named(options, right)
        rows.append([key.replace("-", ": ", 1).replace("-", " "), you, was, verdict])
    caption = words["count"].format(right=hits, all=counted) if counted else words["none"]
    return Table(words["header"], rows, caption, width=36)


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
        raise ValueError(
            f"prediction {key!r} needs 2 to {len(LETTERS)} different options, not {list(options)}"
        )


def valid(contents: object) -> bool:
    """Whether the file's contents have the form that FILE's comment tells."""

    def index(value, count: int) -> bool:
        return value is None or (type(value) is int and 0 <= value < count)

    try:
        for entries in contents.values():
            for key, entry in entries.items():
                options = entry["options"]
                check_options(key, options)
                if not all(index(entry.get(name), len(options)) for name in ("choice", "right")):
                    return False
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return True


def read(lang: str, say=print) -> dict:
    """All kept predictions of a language, in the order in which they were first asked for."""
    return read_kept(FILE, valid, lang, say).get(lang, {})


def keep(key: str, options: list[str], lang: str, choice: int | None = None, say=print) -> dict:
    """Keep the options and, until the result was shown, the choice; what is kept now.

    Other options under the same key make another question: an old choice does not carry over.
    """

    def change(contents: dict) -> None:
        entries = contents.setdefault(lang, {})
        if entries.get(key, {}).get("options") != list(options):
            entries[key] = {"options": list(options)}
        if choice is not None and "right" not in entries[key]:
            entries[key]["choice"] = choice

    return change_kept(FILE, valid, change, lang, say)[lang][key]
