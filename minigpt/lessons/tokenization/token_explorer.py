"""The token explorer: what you type, in the pieces that several tokenizers make of it.

`explore_tokens()` shows a table of a first text, which stays in the file, and under it the box to
type in. Our tokenizer is there with four sizes of vocabulary, beside OpenAI's for GPT-2 and GPT-4.
"""

import ipywidgets as widgets

from minigpt.engine.ranks import gpt2, gpt4
from minigpt.lessons.tokenization.vocabulary import our_encoding
from minigpt.show.strip import TURNS, Strip, pieces, visible
from minigpt.show.style import escape
from minigpt.show.table import Table
from minigpt.show.widget import side_by_side
from minigpt.tokenizer import special

OUR_SIZES = (300, 512, 1024, 4096)  # ids, the special tokens among them
LIMIT = 600  # characters that are shown; each key pressed sends them anew
CONTROL = "#D9D9D9"  # the colour of a special token, which no turn of colours has
START = "<|endoftext|>"  # the special token that all of these tokenizers have
TEXT = {
    "en": {
        "text": "Text",
        "show_ids": "Show the ids",
        "start": f"Put {START} in front",
        "example": "Example text",
        "ours": "ours, {size:,} ids",
        "openai": "{name}, {size:,} ids",
        "heading": "{name}: {counts}",
        "counts": "{tokens} tokens · {bytes:.2f} bytes a token · {characters:.2f} characters a "
        "token",
        "empty": "There is no text yet: type some.",
        "cut": "The text has {length:,} characters; the first {limit:,} are shown.",
        "typed": "“{name}” was typed, so it is text: {counts}. A special token is put in by id "
        "and is never read out of text.",
        "typed_count": "{count} tokens ({name})",
        "legend": "· is a space, ↵ a line break, → a tab, and \\x.. a byte that is only a part of "
        "a character. Point at a token to see its id.",
        "title": "id {id}, {bytes} byte(s)",
        "failed": "This did not work: {error}",
        "tokenizer": "tokenizer",
        "tokens": "tokens",
        "bytes": "bytes a token",
        "characters": "characters a token",
        "pieces": "pieces",
        "caption": "{bytes} bytes, {characters} characters: {text}",
    },
}
# An unknown word, a number, an emoji, Chinese, runs of spaces, code.
EXAMPLE = {
    "en": "Zorblaxia has 2184000 residents 🙂 北京    spaces\n    if n > 1: return n<|end|>",
}


def encodings(lang: str = "en") -> dict:
    """The tokenizers that are compared, by the names under which they are shown."""
    words = TEXT[lang]
    found = {words["ours"].format(size=size): our_encoding(size, lang) for size in OUR_SIZES}
    for name, encoding in (("GPT-2", gpt2()), ("GPT-4", gpt4())):
        found[words["openai"].format(name=name, size=encoding.n_vocab)] = encoding
    return found


class Explorer:
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, encodings: dict, text: str, lang: str = "en") -> None:
        self.encodings, self.words, self.first = encodings, TEXT[lang], text
        words, wide = self.words, widgets.Layout(width="100%")
        self.text = widgets.Textarea(
            value=text, description=words["text"], rows=4, layout=wide,
            style={"description_width": "4em"},
        )  # fmt: skip
        self.ids = widgets.Checkbox(value=False, description=words["show_ids"], indent=False)
        self.start = widgets.Checkbox(value=False, description=words["start"], indent=False)
        self.example = widgets.Button(description=words["example"])
        self.status, self.strips = widgets.HTML(), widgets.HTML(layout=wide)
        for control in (self.text, self.ids, self.start):
            control.observe(self.update, "value")
        self.example.on_click(self.reset)
        self.view = widgets.VBox([
            self.text,
            side_by_side(self.ids, self.start, self.example),
            self.status,
            self.strips,
        ])  # fmt: skip
        self.update()

    def reset(self, button=None) -> None:
        """The first text again."""
        self.text.value = self.first

    def typed(self) -> str:
        """What is in the box: cut to the limit, and with only what UTF-8 can spell."""
        return clean(self.text.value)[:LIMIT]

    def update(self, change=None) -> None:
        """Show the text that is in the box in the tokens of each tokenizer."""
        try:
            self.strips.value = "".join(self._part(name) for name in self.encodings)
            self.status.value = "<br>".join(escape(line) for line in self.says())
        except Exception as error:  # a learner's widget never shows a traceback
            self.strips.value = ""
            self.status.value = f"<b>{escape(self.words['failed'].format(error=error))}</b>"

    def says(self) -> list[str]:
        """What there is to say about the text: that it is empty or cut, or looks special."""
        text, words, lines = self.typed(), self.words, []
        if not text:
            lines.append(words["empty"])
        if len(self.text.value) > LIMIT:
            length = len(self.text.value)
            lines.append(words["cut"].format(length=length, limit=LIMIT))
        known = sorted({name for e in self.encodings.values() for name in e.special_tokens_set})
        for name in (name for name in known if name in text):
            counts = "; ".join(
                words["typed_count"].format(count=len(e.encode_ordinary(name)), name=who)
                for who, e in self.encodings.items()
            )
            lines.append(words["typed"].format(name=name, counts=counts))
        return [*lines, words["legend"]]

    def tokens(self, name: str) -> list[int]:
        """The ids that one tokenizer makes of the text, `<|endoftext|>` in front if asked for."""
        encoding = self.encodings[name]
        front = [special(encoding, START)] if self.start.value else []
        return front + encoding.encode_ordinary(self.typed())

    def strip(self, name: str) -> Strip:
        """The pieces that one tokenizer makes of the text, under its name and its counts."""
        encoding, ids = self.encodings[name], self.tokens(name)
        lengths = [len(encoding.decode_tokens_bytes([i])) for i in ids]
        titles = [self.words["title"].format(id=i, bytes=n) for i, n in zip(ids, lengths)]
        counts = self.words["counts"].format(**measure(self.typed(), ids))
        heading = self.words["heading"].format(name=name, counts=counts)
        return Strip(pieces(encoding, ids), self._fills(name, ids), titles, heading)

    def _fills(self, name: str, ids: list[int]) -> list[str]:
        control = {
            special(self.encodings[name], t) for t in self.encodings[name].special_tokens_set
        }
        return [CONTROL if i in control else TURNS[k % len(TURNS)] for k, i in enumerate(ids)]

    def _part(self, name: str) -> str:
        """The HTML of one tokenizer: its strip, and under it the ids in the same colours."""
        ids = self.tokens(name)
        part = self.strip(name)._repr_html_()
        if self.ids.value:
            part += Strip([str(i) for i in ids], self._fills(name, ids))._repr_html_()
        return f'<div style="margin:0 0 12px">{part}</div>'

    def table(self) -> Table:
        """The same for GitHub, PDF and screen readers: counts, and pieces with spaces between."""
        rows, text, words = [], self.typed(), self.words
        for name, encoding in self.encodings.items():
            ids = self.tokens(name)
            found = measure(text, ids)
            shown = " ".join(pieces(encoding, ids))  # no piece has a space: it shows as a dot
            per = [f"{found[key]:.2f}" for key in ("bytes", "characters")]
            rows.append([name, found["tokens"], *per, shown])
        header = [words[k] for k in ("tokenizer", "tokens", "bytes", "characters", "pieces")]
        size = {"bytes": len(text.encode("utf-8")), "characters": len(text)}
        caption = words["caption"].format(text=visible(text.encode("utf-8")), **size)
        return Table(header, rows, caption, width=60)


def clean(text: str) -> str:
    """The text with half surrogate pairs, which have no UTF-8, replaced as the tokenizer does."""
    return text.encode("utf-8", "replace").decode("utf-8")


def measure(text: str, ids: list[int]) -> dict:
    """Tokens, and bytes and characters of the text a token (0 where there are no tokens)."""
    count = max(1, len(ids))
    return {
        "tokens": len(ids),
        "bytes": len(text.encode("utf-8")) / count,
        "characters": len(text) / count,
    }


def explore_tokens(text: str | None = None, lang: str = "en") -> None:
    """Show a text in the tokens of several tokenizers, and a box to type others into.

    text: the first one; without it an example that has what tokenizers find hard.
    """
    from IPython.display import display

    if lang not in TEXT:
        print(f"there are no words in the language {lang!r}: choose from {', '.join(TEXT)}")
        return
    try:
        explorer = Explorer(encodings(lang), EXAMPLE[lang] if text is None else str(text), lang)
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    display(explorer.table())
    display(explorer.view)
