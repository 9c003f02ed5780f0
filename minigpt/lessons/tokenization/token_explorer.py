"""The token explorer: what you type, in the pieces that several tokenizers make of it.

`explore_tokens()` shows a table of a first text, which stays in the file, and under it the box to
type in. Our tokenizer is there with four sizes of vocabulary, beside OpenAI's for GPT-2 and GPT-4.
"""

import ipywidgets as widgets

from minigpt.engine.ranks import gpt2, gpt4
from minigpt.lessons.tokenization.vocabulary import our_encoding
from minigpt.show.strip import Strip, pieces, visible
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, side_by_side
from minigpt.store.words import _

OUR_SIZES = (300, 512, 1024, 4096)  # ids, the special tokens among them
LIMIT = 600  # characters that are shown; each key pressed sends them anew


def example() -> str:
    """An unknown word, a number, an emoji, Chinese, runs of spaces, code, a special token."""
    return _("Zorblaxia has 2184000 residents 🙂 北京    spaces\n    if n > 1: return n<|end|>")


def encodings() -> dict:
    """The tokenizers that are compared, by the names under which they are shown."""
    ours = [(_("ours"), our_encoding(size)) for size in OUR_SIZES]
    known = [*ours, ("GPT-2", gpt2()), ("GPT-4", gpt4())]
    return {_("{name}, {n:,} ids", name=name, n=size(e)): e for name, e in known}


def size(encoding) -> int:
    """How many ids have a token: between GPT-4's special ones some have none."""
    return len(encoding.token_byte_values()) + len(encoding.special_tokens_set)


class Explorer(Widget):
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, encodings: dict, text: str) -> None:
        super().__init__()
        self.encodings, self.first = encodings, text
        self.text = self.control(widgets.Textarea, _("Text"), self.update, wide=True, value=text,
                                 rows=4, continuous_update=True)  # fmt: skip
        self.ids = self.control(widgets.Checkbox, _("Show the ids"), self.update, value=False,
                                indent=False)  # fmt: skip
        self.example = self.button(_("Example text"), self.reset)
        buttons = side_by_side(self.ids, self.example)
        self.view = widgets.VBox([self.text, buttons, self.status, self.shown])
        self.guarded(self.update)

    def reset(self) -> None:
        """The first text again."""
        self.text.value = self.first

    def typed(self) -> str:
        """What is in the box: cut to the limit, and with only what UTF-8 can spell: the tokenizer
        replaces half surrogate pairs, too."""
        return self.text.value.encode("utf-8", "replace").decode("utf-8")[:LIMIT]

    def update(self) -> None:
        """Show the text that is in the box in the tokens of each tokenizer."""
        self.shown.value = "".join(self._part(name) for name in self.encodings)
        self.say(*self.says())

    def says(self) -> list[str]:
        """What there is to say about the text: that it is empty or cut, or looks special."""
        text = self.typed()
        lines = [] if text else [_("There is no text yet: type some.")]
        if len(self.text.value) > LIMIT:
            lines.append(_("The text has {n:,} characters; the first {limit:,} are shown.",
                           n=len(self.text.value), limit=LIMIT))  # fmt: skip
        known = sorted({name for e in self.encodings.values() for name in e.special_tokens_set})
        for name in (name for name in known if name in text):
            counts = "; ".join(_("{n} tokens ({name})", n=len(e.encode_ordinary(name)), name=who)
                               for who, e in self.encodings.items())  # fmt: skip
            lines.append(_("“{name}” was typed, so it is text: {counts}. A special token is put in "
                           "by id and is never read out of text.",
                           name=name, counts=counts))  # fmt: skip
        legend = _("· is a space, ↵ a line break, → a tab, and \\x.. a byte that is only a part of "
                   "a character. Point at a token to see its id.")  # fmt: skip
        return [*lines, legend]

    def tokens(self, name: str) -> list[int]:
        """The ids that one tokenizer makes of the text."""
        return self.encodings[name].encode_ordinary(self.typed())

    def strip(self, name: str) -> Strip:
        """The pieces that one tokenizer makes of the text, under its name and its counts."""
        encoding, ids = self.encodings[name], self.tokens(name)
        lengths = [len(encoding.decode_tokens_bytes([i])) for i in ids]
        titles = [_("id {id}, {n} byte(s)", id=i, n=n) for i, n in zip(ids, lengths)]
        heading = _("{name}: {n} tokens, {bytes:.2f} bytes a token",
                    name=name, n=len(ids), bytes=bytes_a_token(self.typed(), ids))  # fmt: skip
        return Strip(pieces(encoding, ids), None, titles, heading)

    def _part(self, name: str) -> str:
        """The HTML of one tokenizer: its strip, and under it the ids in the same colours."""
        part = self.strip(name)._repr_html_()
        if self.ids.value:
            part += Strip([str(i) for i in self.tokens(name)])._repr_html_()
        return f'<div style="margin:0 0 12px">{part}</div>'

    def static(self) -> list:
        """The same for GitHub, PDF and screen readers: counts, and pieces with spaces between."""
        rows, text = [], self.typed()
        for name, encoding in self.encodings.items():
            ids = self.tokens(name)
            shown = " ".join(pieces(encoding, ids))  # no piece has a space: it shows as a dot
            rows.append([name, len(ids), f"{bytes_a_token(text, ids):.2f}", shown])
        header = [_("tokenizer"), _("tokens"), _("bytes a token"), _("pieces")]
        data = text.encode("utf-8")
        caption = _("{bytes} bytes, {characters} characters: {text}",
                    bytes=len(data), characters=len(text), text=visible(data))  # fmt: skip
        return [Table(header, rows, caption, width=60)]


def bytes_a_token(text: str, ids: list[int]) -> float:
    """Bytes of the text a token, 0 where there are no tokens."""
    return len(text.encode("utf-8")) / max(1, len(ids))


def explore_tokens() -> None:
    """Show a text that tokenizers find hard in the tokens of several, and a box for others."""
    present(lambda: Explorer(encodings(), example()))
