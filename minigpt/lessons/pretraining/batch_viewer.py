"""The batch viewer: the (B, T) array that a model learns from, and what one of its cells asks.

`view_batch()` shows a batch as it is trained on, only smaller: documents run on inside a row, with
`<|endoftext|>` before each. Each cell is one exercise. Its context is the row up to and with that
cell, its target is the next token, and the model answers with a probability for every token. The
colours are the talk's: a green cell, its yellow context, its red target.
"""

from dataclasses import dataclass
from itertools import islice

import ipywidgets as widgets
import numpy as np
import torch

from minigpt.model import GPT, next_token_loss
from minigpt.pretrain import PretrainConfig, batches
from minigpt.show.strip import pieces
from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import rendered, side_by_side
from minigpt.tokenizer import load_tokenizer

TOP = 10  # likeliest tokens that are shown
TELLING = 1.2  # loss, in nats, of the cell that is shown first
LOOK = 200  # batches among which one is chosen that shows where documents end
COLOURS = {"cell": "#7FD1AE", "context": "#FBF3A0", "target": "#F4A582"}
BAR = "\u2588"
DOCUMENTS = ("#EEF3F8", "#D5DEE8")  # in turn, so that one sees where a document ends
TEXT = {
    "en": {
        "row": "Row",
        "column": "Column",
        "batch": "Next batch",
        "next": "next",
        "grid": "A batch of {rows} rows and {columns} columns. The last column holds only targets. "
        "[cell] in row {row}, column {column}; (context) before it; >target< after it.",
        "legend": "green, bold: the cell; yellow: its context; red: its target; "
        "grey and light grey in turn: the documents",
        "question": "What comes after {context}? The target is {target}, "
        "with probability {p:.1%}, number {rank:,} of {vocab:,}: a loss of {loss:.2f}.",
        "header": ["rank", "token", "probability"],
        "target": "  <- target",
        "bad_shape": "a batch has at least 1 row and 2 columns, and not {rows} x {columns}",
        "bad_cell": "row {row}, column {column} is outside the batch: rows are 0 to {last_row}, "
        "columns 0 to {last_column}",
    },
}


class BatchViewer:
    """The widget: `view` is what is displayed; `grid()` and `distribution()` are its static form.

    tokens: a row of ids (N,), as a Corpus has them. rows, columns: B and T of the display.
    """

    def __init__(
        self, model: GPT, encoding, tokens: np.ndarray, rows=4, columns=12, seed=0, lang="en"
    ) -> None:
        self.model, self.encoding, self.words = model, encoding, TEXT[lang]
        if rows < 1 or columns < 2:
            raise ValueError(self.words["bad_shape"].format(rows=rows, columns=columns))
        self.end = encoding.encode_single_token("<|endoftext|>")
        # These are the batches of training itself: pretrain() calls the same function.
        config = PretrainConfig(batch_size=rows, block_size=columns, seed=seed)
        self.batches = batches(np.asarray(tokens), config)
        for _ in range(20):
            self.ids = self._next()  # (B, T + 1): the inputs, and the target of the last column
            cell, distance = self._telling_cell()
            if distance < 0.5:
                break
        rows, columns = self.ids.shape[0], self.ids.shape[1] - 1  # a short corpus has fewer rows
        self.row, self.column = (
            widgets.IntSlider(min=0, max=n - 1, description=self.words[word])
            for n, word in ((rows, "row"), (columns, "column"))
        )
        self.button = widgets.Button(description=self.words["batch"])
        self.shown = widgets.HTML(layout=widgets.Layout(width="auto"))
        self.row.value, self.column.value = cell
        self.row.observe(self.show, "value")
        self.column.observe(self.show, "value")
        self.button.on_click(self.next_batch)
        self.view = widgets.VBox([side_by_side(self.row, self.column, self.button), self.shown])
        self.show()

    def _next(self) -> torch.Tensor:
        """The next batch in which at least half of the rows show the end of a document; the last
        that was looked at, if documents are too long for that."""
        for inputs, targets in islice(self.batches, LOOK):
            ids = torch.cat([inputs, targets[:, -1:]], dim=1)
            if (inputs[:, 1:] == self.end).any(1).sum() * 2 >= len(ids):
                break
        return ids

    def _telling_cell(self) -> tuple[tuple[int, int], float]:
        """A cell to begin with, inside a document, its target neither sure nor hopeless; and how
        far its loss is from such a one's."""
        inputs, targets = self.ids[:, :-1], self.ids[:, 1:]
        device = self.model.embedding.weight.device
        with torch.no_grad():
            logits = self.model(inputs.to(device))
            loss = next_token_loss(logits, targets.to(device), reduction="none").cpu()  # (B, T)
        distance = (loss - TELLING).abs()
        for r, row in enumerate(inputs.tolist()):
            starts = [c for c, i in enumerate(row) if i == self.end] or [len(row)]
            distance[r, : starts[0] + 3] += 1e3  # what came before began in another window
        return divmod(int(distance.argmin()), inputs.shape[1]), distance.min().item()

    # ---- what is seen -----------------------------------------------------------------------

    def next_batch(self, button=None) -> None:
        self.ids = self._next()
        self.show()

    def show(self, change=None) -> None:
        """Draw the grid and the distribution of the cell that the sliders point to."""
        cell = self.row.value, self.column.value
        self.shown.value = rendered(self.grid(*cell), self.distribution(*cell))

    def grid(self, row: int | None = None, column: int | None = None) -> "Grid":
        """The batch with one cell, its context and its target marked."""
        row, column = self._cell(row, column)
        texts = [pieces(self.encoding, ids) for ids in self.ids.tolist()]
        # A document's number in its row: how many <|endoftext|> came so far.
        documents = (self.ids == self.end).cumsum(1).tolist()
        return Grid(texts, documents, row, column, self.words)

    def probabilities(self, row: int, column: int) -> torch.Tensor:
        """The model's probability of every token (V,) after the cell's context."""
        device = self.model.embedding.weight.device
        context = self.ids[row : row + 1, : column + 1].to(device)
        with torch.no_grad():
            return self.model(context)[0, -1].float().softmax(-1).cpu()

    def distribution(self, row: int | None = None, column: int | None = None) -> Table:
        """The likeliest next tokens of one cell, with bars, and the target among or under them."""
        row, column = self._cell(row, column)
        p = self.probabilities(row, column)
        target = int(self.ids[row, column + 1])
        order = p.argsort(descending=True, stable=True).tolist()
        rank = order.index(target) + 1
        shown = order[:TOP] + ([target] if rank > TOP else [])
        names = pieces(self.encoding, shown)
        rows = []
        for i, name in zip(shown, names):
            mark = self.words["target"] if i == target else ""
            rows.append(
                [order.index(i) + 1, name, f"{p[i]:.1%} {BAR * round(20 * p[i].item())}{mark}"]
            )
        context = "|".join(pieces(self.encoding, self.ids[row, : column + 1].tolist()))
        caption = self.words["question"].format(
            context=context, target=pieces(self.encoding, [target])[0], p=p[target].item(),
            rank=rank, vocab=len(p), loss=-p[target].log().item(),
        )  # fmt: skip
        return Table(self.words["header"], rows, caption, width=60)

    def _cell(self, row: int | None, column: int | None) -> tuple[int, int]:
        row = self.row.value if row is None else row
        column = self.column.value if column is None else column
        last_row, last_column = self.ids.shape[0] - 1, self.ids.shape[1] - 2
        if not (0 <= row <= last_row and 0 <= column <= last_column):
            message = self.words["bad_cell"].format(
                row=row, column=column, last_row=last_row, last_column=last_column
            )
            raise ValueError(message)
        return row, column


@dataclass
class Grid:
    """A batch as a table: colours in a notebook, marks in plain text."""

    texts: list[list[str]]  # (B, T + 1)
    documents: list[list[int]]  # (B, T + 1): which document of its row a token belongs to
    row: int
    column: int
    words: dict

    def part(self, r: int, c: int) -> str:
        """What a cell is to the chosen one: "cell", "context", "target" or nothing."""
        if r != self.row or c > self.column + 1:
            return ""
        return ("context", "cell", "target")[(c >= self.column) + (c > self.column)]

    def header(self) -> list[str]:
        return ["", *map(str, range(len(self.texts[0]) - 1)), self.words["next"]]

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.header())
        body = ""
        for r, texts in enumerate(self.texts):
            body += f'<tr><th scope="row">{r}</th>'
            for c, text in enumerate(texts):
                part = self.part(r, c)
                fill = COLOURS.get(part) or DOCUMENTS[self.documents[r][c] % 2]
                frame = "3px solid #000" if part == "cell" else "1px solid #8884"
                weight = "bold" if part in ("cell", "target") else "normal"
                style = f"background:{fill};color:#000;border:{frame};font-weight:{weight};"
                body += f'<td style="{style}white-space:pre;text-align:left">{escape(text)}</td>'
            body += "</tr>"
        caption = f'<caption style="text-align:left">{escape(self.words["legend"])}</caption>'
        return (
            f'<div class="{IGNORE_MATH}" style="overflow-x:auto">'
            f'<table style="font-family:monospace">{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def __repr__(self) -> str:
        marks = {"context": "({})", "cell": "[{}]", "target": ">{}<", "": "{}"}
        rows = [
            [str(r), *(marks[self.part(r, c)].format(text) for c, text in enumerate(texts))]
            for r, texts in enumerate(self.texts)
        ]
        caption = self.words["grid"].format(
            row=self.row, column=self.column, rows=len(rows), columns=len(self.texts[0]) - 1
        )
        return repr(Table(self.header(), rows, caption))


def view_batch(
    model: GPT | None = None, tokens: np.ndarray | None = None, encoding=None, rows: int = 4,
    columns: int = 12, seed: int = 0, lang: str = "en",
) -> None:  # fmt: skip
    """Show a batch, the distribution of one of its cells, and the controls to pick others.

    model: the base model unless given. tokens: (N,) ids to cut into rows, documents that no
    training read unless given. Errors are shown as a sentence.
    """
    from IPython.display import display

    from minigpt.stages.stage import load_stage
    from minigpt.world.corpus import build_corpus
    from minigpt.world.facts import load_world

    try:
        encoding = encoding or load_tokenizer(lang)
        model = model or load_stage("base", lang=lang, quiet=True).model
        if tokens is None:
            tokens = build_corpus(load_world(lang), encoding, 20_000, seed=1000).tokens
        viewer = BatchViewer(model, encoding, tokens, rows, columns, seed, lang)
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    display(viewer.grid())
    display(viewer.distribution())
    display(viewer.view)
