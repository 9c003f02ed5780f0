"""The batch viewer: the (B, T) array that a model learns from, and what one of its cells asks.

`view_batch()` shows a batch as it is trained on, only smaller: documents run on inside a row, with
`<|endoftext|>` before each. Each cell is one exercise. Its context is the row up to and with that
cell, its target is the next token, and the model answers with a probability for every token. The
colours are the talk's: a green cell, its yellow context, its red target.
"""

from itertools import islice

import ipywidgets as widgets
import numpy as np
import torch

from minigpt.model import GPT, next_token_loss
from minigpt.pretrain import PretrainConfig, batches
from minigpt.show.strip import pieces
from minigpt.show.table import Cell, Table
from minigpt.show.widget import Widget, present, rendered, side_by_side
from minigpt.stages.stage import load_stage
from minigpt.store.words import _, language
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world

TOP = 10  # likeliest tokens that are shown
TELLING = 1.2  # loss, in nats, of the cell that is shown first
LOOK = 200  # batches among which one is chosen that shows where documents end
COLOURS = {"cell": "#7FD1AE", "context": "#FBF3A0", "target": "#F4A582"}
MARKS = {"cell": "[{}]", "context": "({})", "target": ">{}<", "": "{}"}  # for those without colours
BAR = "\u2588"
DOCUMENTS = ("#EEF3F8", "#D5DEE8")  # in turn, so that one sees where a document ends


class BatchViewer(Widget):
    """A batch and the distribution of the cell that two sliders point to.

    tokens: a row of ids (N,), as a Corpus has them. rows, columns: B and T of the display.
    """

    def __init__(self, model: GPT, encoding, tokens: np.ndarray, rows=4, columns=12, seed=0):
        super().__init__()
        self.model, self.encoding = model, encoding
        if rows < 1 or columns < 2:
            message = _("a batch has at least 1 row and 2 columns, and not {rows} x {columns}")
            raise ValueError(message.format(rows=rows, columns=columns))
        self.end = encoding.encode_single_token("<|endoftext|>")
        # These are the batches of training itself: pretrain() calls the same function.
        config = PretrainConfig(batch_size=rows, block_size=columns, seed=seed)
        self.batches = batches(np.asarray(tokens), config)
        for _try in range(20):
            self.ids = self._next()  # (B, T + 1): the inputs, and the target of the last column
            (row, column), distance = self._telling_cell()
            if distance < 0.5:
                break
        slider, every = widgets.IntSlider, {"continuous_update": True}
        last_row, last_column = self._last()  # a short corpus has fewer rows
        self.row = self.control(slider, _("Row"), self.show, value=row, max=last_row, **every)
        self.column = self.control(
            slider, _("Column"), self.show, value=column, max=last_column, **every
        )
        self.next_button = self.button(_("Next batch"), self.next_batch)
        self.shown = widgets.HTML(layout=widgets.Layout(width="auto"))
        controls = side_by_side(self.row, self.column, self.next_button)
        self.view = widgets.VBox([controls, self.status, self.shown])
        self.show()

    def static(self) -> list:
        return [self.grid(), self.distribution()]

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

    def next_batch(self) -> None:
        self.ids = self._next()
        self.show()

    def show(self) -> None:
        """Draw the grid and the distribution of the cell that the sliders point to."""
        cell = self.row.value, self.column.value
        self.shown.value = rendered(self.grid(*cell), self.distribution(*cell))

    def grid(self, row: int | None = None, column: int | None = None) -> Table:
        """The batch with one cell, its context and its target marked."""
        row, column = self._cell(row, column)
        # A document's number in its row: how many <|endoftext|> came so far.
        documents = (self.ids == self.end).cumsum(1).tolist()
        rows = []
        for r, ids in enumerate(self.ids.tolist()):
            parts = [part_of(r - row, c - column) for c in range(len(ids))]
            texts = pieces(self.encoding, ids)
            rows.append([
                str(r),
                *(
                    Cell(MARKS[part].format(text), COLOURS.get(part) or DOCUMENTS[document % 2])
                    for part, text, document in zip(parts, texts, documents[r])
                ),
            ])  # fmt: skip
        caption = _(
            "A batch of {rows} rows and {columns} columns. The last column holds only targets. "
            "[cell] in row {row}, column {column}, green; (context) before it, yellow; >target< "
            "after it, red; the documents grey and light grey in turn.",
            rows=len(rows),
            columns=len(rows[0]) - 2,
            row=row,
            column=column,
        )
        header = ["", *map(str, range(len(rows[0]) - 2)), _("next")]
        return Table(header, rows, caption, tokens=True)

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
        rows = []
        for i, name in zip(shown, pieces(self.encoding, shown)):
            mark = _("  <- target") if i == target else ""
            bar = BAR * round(20 * p[i].item())
            rows.append([order.index(i) + 1, name, f"{p[i]:.1%} {bar}{mark}"])
        caption = _(
            "What comes after {context}? The target is {target}, with probability {p:.1%}, number "
            "{rank:,} of {vocab:,}: a loss of {loss:.2f}.",
            context="|".join(pieces(self.encoding, self.ids[row, : column + 1].tolist())),
            target=pieces(self.encoding, [target])[0], p=p[target].item(), rank=rank,
            vocab=len(p), loss=-p[target].log().item(),
        )  # fmt: skip
        return Table([_("rank"), _("token"), _("probability")], rows, caption, width=60)

    def _last(self) -> tuple[int, int]:
        """The last row, and the last column that is an input."""
        return self.ids.shape[0] - 1, self.ids.shape[1] - 2

    def _cell(self, row: int | None, column: int | None) -> tuple[int, int]:
        row = self.row.value if row is None else row
        column = self.column.value if column is None else column
        last_row, last_column = self._last()
        if not (0 <= row <= last_row and 0 <= column <= last_column):
            message = _(
                "row {row}, column {column} is outside the batch: rows are 0 to {last_row}, "
                "columns 0 to {last_column}",
                row=row,
                column=column,
                last_row=last_row,
                last_column=last_column,
            )
            raise ValueError(message)
        return row, column


def part_of(below: int, right: int) -> str:
    """What a token is to the chosen cell, from which it is so far: "cell", "context", "target" or
    nothing."""
    if below or right > 1:
        return ""
    return "context" if right < 0 else ("cell", "target")[right]


def view_batch(
    model: GPT | None = None, tokens: np.ndarray | None = None, encoding=None, rows: int = 4,
    columns: int = 12, seed: int = 0,
) -> None:  # fmt: skip
    """Show a batch, the distribution of one of its cells, and the controls to pick others.

    model: the base model unless given. tokens: (N,) ids to cut into rows, documents that no
    training read unless given. Errors are shown as a sentence.
    """

    def make() -> BatchViewer:
        reader = encoding or load_tokenizer(language())
        read = model or load_stage("base", lang=language(), quiet=True).model
        ids = tokens
        if ids is None:
            ids = build_corpus(load_world(language()), reader, 20_000, seed=1000).tokens
        return BatchViewer(read, reader, ids, rows, columns, seed)

    present(make)
