"""Tables: HTML in a notebook, aligned text elsewhere."""

import textwrap
from dataclasses import dataclass, field

from minigpt.show.style import IGNORE_MATH, escape


@dataclass
class Cell:
    """One cell of a table that has more than its text."""

    text: str
    fill: str | None = None  # background colour
    ink: str = "#000"  # on a fill
    edge: str | None = None  # a colour at its left, such as a stage's
    frame: bool = False  # the cell that is pointed at
    title: str = ""  # shown when the mouse is over it

    def __str__(self) -> str:
        return str(self.text)

    def html(self) -> tuple[str, str]:
        """Its CSS and its other attributes."""
        css = f";background:{self.fill};color:{self.ink}" if self.fill else ""
        css += f";border-left:5px solid {self.edge}" if self.edge else ""
        css += ";outline:3px solid #D55E00;outline-offset:-3px" if self.frame else ""
        return css, f' title="{escape(self.title)}"' if self.title else ""


@dataclass
class Table:
    """A small table. The first column names the rows.

    header: one text a column. rows: of texts, numbers (shown as they are) or `Cell`s. colours: one
    a column, or None. width: characters after which a text column is wrapped. tokens: the cells are
    tokens: small boxes in monospace, whose spaces are kept.
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

    def _repr_html_(self) -> str:
        css = "text-align:left;vertical-align:top"
        if self.tokens:
            css += ";font-family:monospace;white-space:pre;padding:1px 4px;border:1px solid #8884"
        colours = [*self.colours, *[None] * len(self.header)]
        head = "".join(
            _html("th", name, f"{css};border-top:4px solid {c}" if c else css, ' scope="col"')
            for name, c in zip(self.header, colours)
        )
        body = "".join(
            "<tr>"
            + _html("th", first, css, ' scope="row"')
            + "".join(_html("td", cell, css) for cell in rest)
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
        widths = [
            max(len(line) for row in grid for line in row[i]) for i in range(len(self.header))
        ]
        lines = [self.caption] if self.caption else []
        for number, row in enumerate(grid):
            for part in range(max(map(len, row))):
                cells = [cell[part] if part < len(cell) else "" for cell in row]
                lines.append("  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip())
            if number == 0 or max(map(len, row)) > 1:
                lines.append("-" * (sum(widths) + 2 * len(widths) - 2))
        return "\n".join(lines)

    def _wrap(self, cell) -> list[str]:
        lines = [textwrap.wrap(line, self.width) or [""] for line in str(cell).split("\n")]
        return [line for part in lines for line in part]


def _html(tag: str, cell, css: str, attributes: str = "") -> str:
    more, title = cell.html() if isinstance(cell, Cell) else ("", "")
    return f'<{tag}{attributes} style="{css}{more}"{title}>{escape(cell)}</{tag}>'
