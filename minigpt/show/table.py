"""Tables: HTML in a notebook, aligned text elsewhere."""

import re
import textwrap
from dataclasses import dataclass, field

from minigpt.show.style import IGNORE_MATH, escape

# with its unit and its interval
NUMBER = re.compile(r"([<≤] ?)?[+−-]?[0-9][0-9,.]*(\s?%|\s?[A-Za-z]{1,3})?(\s\(.*\))?")


@dataclass
class Cell:
    """One cell of a table that has more than its text."""

    text: str
    fill: str | None = None  # background colour
    edge: str | None = None  # a colour at its left, such as a stage's

    def __str__(self) -> str:
        return str(self.text)

    def css(self) -> str:
        css = f";background:{self.fill};color:#000" if self.fill else ""
        return css + (f";border-left:5px solid {self.edge}" if self.edge else "")


@dataclass
class Table:
    """A small table. The first column names the rows.

    header: one text a column. rows: of texts, numbers (shown as they are) or `Cell`s; a column of
    numbers stands to the right. colours: one a column, or None. width: characters after which a
    text column is wrapped. tokens: the cells are tokens: small boxes in monospace, whose spaces are
    kept.
    """

    header: list
    rows: list
    caption: str = ""
    colours: list = field(default_factory=list)
    width: int = 28
    tokens: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                sizes = f"{len(row)} cells, the header {len(self.header)}"
                raise ValueError(f"the row {row} has {sizes}")

    def numeric(self) -> list[bool]:
        """Which columns hold numbers alone, apart from empty cells."""
        columns = [[str(cell) for cell in column if str(cell)] for column in zip(*self.rows)]
        return [
            bool(column) and not self.tokens and all(map(NUMBER.fullmatch, column))
            for column in columns or [[]] * len(self.header)
        ]

    def _repr_html_(self) -> str:
        css = "text-align:left;vertical-align:top"
        if self.tokens:
            css += ";font-family:monospace;white-space:pre;padding:1px 4px;border:1px solid #8884"
        right = css.replace("left", "right") + ";font-variant-numeric:tabular-nums"
        each = [right if numeric else css for numeric in self.numeric()]
        colours = [*self.colours, *[None] * len(self.header)]
        head = "".join(
            _html("th", name, f"{css};border-top:4px solid {c}" if c else css, ' scope="col"')
            for name, c, css in zip(self.header, colours, each)
        )
        body = "".join(
            '<tr style="background:none;border-top:1px solid #8884">'  # Jupyter stripes them
            + _html("th", first, each[0], ' scope="row"')
            + "".join(_html("td", cell, css) for cell, css in zip(rest, each[1:]))
            + "</tr>"
            for first, *rest in self.rows
        )
        wide = min(len(self.caption), 60)  # or a long caption is folded to a narrow table's width
        caption = f'<caption style="text-align:left;min-width:{wide}ch">'
        caption += f"{escape(self.caption)}</caption>"
        return (
            f'<table class="{IGNORE_MATH}">{caption if self.caption else ""}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def __repr__(self) -> str:
        grid = [[self._wrap(cell) for cell in row] for row in [self.header, *self.rows]]
        widths = [max(len(line) for cell in column for line in cell) for column in zip(*grid)]
        numeric, lines = self.numeric(), [self.caption] if self.caption else []
        for number, row in enumerate(grid):
            for part in range(max(map(len, row))):
                cells = [cell[part] if part < len(cell) else "" for cell in row]
                cells = [c.rjust(w) if right else c.ljust(w)
                         for c, w, right in zip(cells, widths, numeric)]  # fmt: skip
                lines.append("  ".join(cells).rstrip())
            if number == 0 or max(map(len, row)) > 1:
                lines.append("-" * (sum(widths) + 2 * len(widths) - 2))
        return "\n".join(lines)

    def _wrap(self, cell) -> list[str]:
        return sum((textwrap.wrap(line, self.width) or [""] for line in str(cell).split("\n")), [])


def _html(tag: str, cell, css: str, attributes: str = "") -> str:
    more = cell.css() if isinstance(cell, Cell) else ""
    if not (text := escape(cell)):
        tag, attributes = "td", ""  # an empty header is none
    if NUMBER.fullmatch(str(cell)):  # a number, its unit and its interval never part
        text = text.replace(" ", "\u00a0")
    return f'<{tag}{attributes} style="{css}{more}">{text}</{tag}>'
