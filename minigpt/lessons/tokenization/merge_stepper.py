"""The merge stepper: byte-pair encoding trained on a few lines of text, one merge at a time.

`step_merges()` shows a table of the first merges, which stays in the file, and under it a slider
that goes through all of them, until no pair is left.
"""

from collections import Counter
from itertools import pairwise

import ipywidgets as widgets

from minigpt.show.strip import TURNS, Strip, visible
from minigpt.show.style import escape
from minigpt.show.table import Table
from minigpt.show.widget import rendered
from minigpt.tokenizer import BYTES, Pair, bpe_merges, count_words, merge_pair, split_text

LIMIT = 1000  # characters that are used
TOP = 8  # pairs in the table, and merges in the static one
PLAIN, MADE = "#F4F4F4", "#FFD27A"  # a single byte; the token of the merge just made
TEXT = {
    "en": {
        "text": "Text",
        "step": "Merges",
        "back": "Back",
        "next": "Next",
        "size": "{tokens} tokens in the text ({start} bytes at the start); {ids} tokens in the "
        "vocabulary: 256 bytes and {merges} merge(s).",
        "start": "No merge yet: each byte is a token.",
        "made": "Merge {number} of {all} joined {pair} into “{token}”, {count} time(s).",
        "coming": "Next: {pair}, {count} time(s) in the text.",
        "tie": "Next: {pair}, {count} time(s) in the text. {ties} pairs are as frequent; the one "
        "that sorts first is taken.",
        "end": "No pair is left: each word is one token, and a merge never crosses from one word "
        "into the next.",
        "empty": "There is no pair in this text: type a word of two letters or more.",
        "cut": "The text has {length:,} characters; the first {limit:,} are used.",
        "failed": "This did not work: {error}",
        "pair": "pair",
        "count": "count",
        "is_next": "merged next",
        "number": "merge",
        "token": "new token",
        "left": "tokens in the text",
        "pairs_caption": "The most frequent pairs of neighbours",
        "caption": "The first {shown} of {all} merges; the text starts as {start} bytes",
    },
}
EXAMPLE = {
    "en": "the land and the island, the highland and the islands of Iceland, Ireland, Finland; "
    "the Irish in Ireland, the Finnish in Finland, the Polish in Poland",
}


class Stepper:
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, text: str, lang: str = "en") -> None:
        self.words = TEXT[lang]
        words, wide = self.words, widgets.Layout(width="100%")
        style = {"description_width": "4em"}
        self.text = widgets.Textarea(
            value=text, description=words["text"], rows=3, layout=wide, style=style
        )
        self.step = widgets.IntSlider(
            min=0, max=0, description=words["step"], layout=wide, style=style
        )
        self.back = widgets.Button(description=words["back"])
        self.next = widgets.Button(description=words["next"], button_style="primary")
        self.status, self.shown = widgets.HTML(), widgets.HTML(layout=wide)
        self.text.observe(self.train, "value")
        self.step.observe(self.update, "value")
        self.back.on_click(lambda button: self.move(-1))
        self.next.on_click(lambda button: self.move(+1))
        buttons = widgets.HBox([self.back, self.next])
        self.view = widgets.VBox([self.text, self.step, buttons, self.status, self.shown])
        self.train()

    # ---- training -----------------------------------------------------------------------------

    def train(self, change=None) -> None:
        """Find all merges of the text that is in the box, and go back to the first."""
        text = self.text.value.encode("utf-8", "replace").decode("utf-8")[:LIMIT]
        self.split = split_text(text)
        self.merges = list(bpe_merges(count_words(text)))  # pairs and their counts
        self.step.value = 0  # before the maximum, which may now be below it
        self.step.max = len(self.merges)
        self.step.disabled = not self.merges
        self.update()

    def move(self, by: int) -> None:
        """Go `by` merges on; not past the first or the last."""
        self.step.value = min(max(0, self.step.value + by), len(self.merges))

    def tokens(self, step: int) -> dict[str, list[bytes]]:
        """Each word of the text in its tokens after `step` merges."""
        words = {word: [BYTES[b] for b in word.encode("utf-8")] for word in self.split}
        for pair, _ in self.merges[:step]:
            for tokens in words.values():
                merge_pair(tokens, pair)
        return words

    def pairs(self, words: dict[str, list[bytes]]) -> list[tuple[Pair, int]]:
        """The pairs of neighbours with their counts, in the order in which they would be merged."""
        counts: Counter[Pair] = Counter()
        for word in self.split:
            counts.update(pairwise(words[word]))
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    # ---- showing ------------------------------------------------------------------------------

    def update(self, change=None) -> None:
        """Show the text after the merges that the slider says."""
        try:
            words = self.tokens(self.step.value)
            self.back.disabled = self.step.value == 0
            self.next.disabled = self.step.value == len(self.merges)
            self.status.value = "<br>".join(escape(line) for line in self.says(words))
            table = self.table(words)
            parts = [self.strip(words), *([table] if table.rows else [])]
            self.shown.value = rendered(*parts)
        except Exception as error:  # a learner's widget never shows a traceback
            self.shown.value = ""
            self.status.value = f"<b>{escape(self.words['failed'].format(error=error))}</b>"

    def says(self, words: dict[str, list[bytes]]) -> list[str]:
        """Where we are, what was merged last, and what comes next."""
        text, step, lines = self.words, self.step.value, []
        if len(self.text.value) > LIMIT:
            lines.append(text["cut"].format(length=len(self.text.value), limit=LIMIT))
        if not self.merges:
            return [*lines, text["empty"]]
        if step == 0:
            lines.append(text["start"])
        else:
            (left, right), count = self.merges[step - 1]
            names = {"pair": name((left, right)), "token": visible(left + right)}
            here = {"number": step, "all": len(self.merges), "count": count}
            lines.append(text["made"].format(**names, **here))
        sizes = {"tokens": self.size(words), "start": self.size(self.tokens(0))}
        lines.append(text["size"].format(**sizes, ids=256 + step, merges=step))
        found = self.pairs(words)
        if not found:
            return [*lines, text["end"]]
        (pair, count), ties = found[0], sum(c == found[0][1] for _, c in found)
        coming = text["tie"] if ties > 1 else text["coming"]
        return [*lines, coming.format(pair=name(pair), count=count, ties=ties)]

    def size(self, words: dict[str, list[bytes]]) -> int:
        """How many tokens the text has."""
        return sum(len(words[word]) for word in self.split)

    def strip(self, words: dict[str, list[bytes]]) -> Strip:
        """The text in its tokens: bytes grey, merged tokens coloured, the newest in orange."""
        row = [token for word in self.split for token in words[word]]
        made = [left + right for (left, right), _ in self.merges[: self.step.value]]
        fills = {token: TURNS[i % len(TURNS)] for i, token in enumerate(made)}
        fills.update({token: MADE for token in made[-1:]})
        return Strip([visible(token) for token in row], [fills.get(t, PLAIN) for t in row])

    def table(self, words: dict[str, list[bytes]]) -> Table:
        """The most frequent pairs now, the next merge first."""
        text = self.words
        rows = [
            [name(pair), count, text["is_next"] if i == 0 else ""]
            for i, (pair, count) in enumerate(self.pairs(words)[:TOP])
        ]
        return Table([text["pair"], text["count"], ""], rows, text["pairs_caption"])

    def first_merges(self) -> Table:
        """The first merges as a table, for where there are no widgets."""
        text, rows = self.words, []
        for number, (pair, count) in enumerate(self.merges[:TOP], start=1):
            left = self.size(self.tokens(number))
            rows.append([number, name(pair), count, visible(pair[0] + pair[1]), left])
        header = [text[key] for key in ("number", "pair", "count", "token", "left")]
        sizes = {"shown": len(rows), "all": len(self.merges), "start": self.size(self.tokens(0))}
        return Table(header, rows, text["caption"].format(**sizes))


def name(pair: Pair) -> str:
    """A pair as readers see it."""
    return " + ".join(f"“{visible(token)}”" for token in pair)


def step_merges(text: str | None = None, lang: str = "en") -> None:
    """Show the first merges of BPE on a text, and a slider through all of them.

    text: what to train on, about a thousand characters at most; without it an example.
    """
    from IPython.display import display

    if lang not in TEXT:
        print(f"there are no words in the language {lang!r}: choose from {', '.join(TEXT)}")
        return
    stepper = Stepper(EXAMPLE[lang] if text is None else str(text), lang)
    if stepper.merges:
        display(stepper.first_merges())
    else:
        print(stepper.words["empty"])
    display(stepper.view)
