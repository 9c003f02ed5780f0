"""How the course shows things: colours, escaped text, tables, and figures with a sentence.

Every figure is followed by a sentence that says what is seen in it: for screen readers, for PDF,
for tests, and for whoever reads a picture quickly. Everything typed or generated passes `escape`
before it becomes HTML. Words inside figures are ASCII, because matplotlib's font has no Chinese.
"""

import base64
import html
import io
import platform
import re
import textwrap
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from minigpt.show.start import explain_missing_names, require_packages  # isort: skip

require_packages()  # the notebooks import this file first, before one that would fail less clearly
explain_missing_names()

from matplotlib.figure import Figure  # noqa: E402

# Okabe & Ito (2008): eight colours that people with any colour vision can tell apart.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE, GREY = "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999"
STAGE_COLOURS = {  # the same in every notebook
    "base": BLUE,
    "sft": ORANGE,
    "reward": PURPLE,
    "ppo_overoptimised": VERMILION,
    "ppo": GREEN,
}
STAGE_NAMES = {
    "base": "Base model",
    "sft": "SFT model",
    "reward": "Reward model",
    "ppo_overoptimised": "Over-optimised PPO",
    "ppo": "PPO model",
}
VERDICT_GROUPS = {  # the judge's verdicts as readers see them: (verdicts, colour, hatch)
    "correct": (("correct",), SKY, ""),
    "wrong": (("wrong value", "wrong subject", "several values"), YELLOW, "//"),
    "says it does not know": (("declined this name", "declined another name"), GREY, ""),
    "rude": (("rude",), BLACK, ""),
    "no answer": (("malformed",), "#E8E8E8", ".."),
}
LINE = 100  # characters of a line of text: Jupyter breaks longer ones inside words
IGNORE_MATH = "tex2jax_ignore mathjax_ignore"  # or Jupyter would typeset what stands between two $
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def stage_colour(name: str) -> str:
    """The fixed colour of a stage; variants ("ppo_mediocre", "base_step_00040") have its own."""
    return next((c for stage, c in STAGE_COLOURS.items() if name.startswith(stage)), GREY)


def escape(text: str) -> str:
    """Any text as HTML that shows just that text: no tags, line breaks kept, controls replaced."""
    return html.escape(_CONTROL.sub("\ufffd", str(text))).replace("\n", "<br>")


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, so that no colour or place need say it."""
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def amount(value: float) -> str:
    """A large number in words: 640, 16 thousand, 2.7 million, 300 billion, 1.4 trillion."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e4, "thousand")):
        if abs(value) >= size:
            scaled = value / (1e3 if word == "thousand" else size)
            return f"{scaled:.1f}".removesuffix(".0") + " " + word
    return f"{value:,.0f}"


# ---- tables ---------------------------------------------------------------------------------


@dataclass
class Table:
    """A small table: HTML in a notebook, aligned text elsewhere. The first column names the rows.

    header: one text a column. rows: of texts or numbers, which are shown as they are. colours: one
    a column, or None. width: characters after which a text column is wrapped.
    """

    header: list
    rows: list
    caption: str = ""
    colours: list = field(default_factory=list)
    width: int = 28

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"the row {row} has {len(row)} cells, the header {len(self.header)}"
                )

    def _repr_html_(self) -> str:
        style = "text-align:left;vertical-align:top"
        colours = [*self.colours, *[None] * len(self.header)]
        head = "".join(
            f'<th scope="col" style="{style}'
            + (f";border-top:4px solid {colour}" if colour else "")
            + f'">{escape(name)}</th>'
            for name, colour in zip(self.header, colours)
        )
        body = "".join(
            f'<tr><th scope="row" style="{style}">{escape(first)}</th>'
            + "".join(f'<td style="{style}">{escape(cell)}</td>' for cell in rest)
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


# ---- figures --------------------------------------------------------------------------------


def figure(width: float = 7.0, height: float = 3.0, columns: int = 1):
    """A figure and its axes (an array of them if there are several columns), white in dark themes.

    It is not pyplot's, so it is shown when `show` is told so, and once.
    """
    fig = Figure(figsize=(width, height), dpi=100, facecolor="white", layout="constrained")
    axes = fig.subplots(1, columns)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
    return fig, axes


def png(fig: Figure) -> bytes:
    """The figure as a PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def picture(fig: Figure, sentence: str) -> tuple[dict, dict]:
    """A figure with its sentence as `display(data, metadata=metadata, raw=True)` takes them."""
    data = {"image/png": base64.b64encode(png(fig)).decode(), "text/plain": sentence}
    return data, {"image/png": {"alt": sentence}}


def show(fig: Figure, sentence: str) -> None:
    """Show a figure and, under it, the sentence that says what is seen; it is the alt text too."""
    if not sentence.strip():
        raise ValueError("a figure needs a sentence that says what is seen in it")
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        data, metadata = picture(fig, sentence)
        display(data, metadata=metadata, raw=True)
    print(textwrap.fill(sentence, LINE, break_long_words=False, break_on_hyphens=False))


def verdict_group(verdict: str) -> str:
    """The group that a verdict belongs to, as readers see it."""
    return next(name for name, (group, *_) in VERDICT_GROUPS.items() if verdict in group)


def verdict_shares(verdicts: list[str]) -> dict[str, float]:
    """The share of each group of verdicts."""
    if not verdicts:
        raise ValueError("there are no verdicts to count")
    return {
        name: sum(v in group for v in verdicts) / len(verdicts)
        for name, (group, _, _) in VERDICT_GROUPS.items()
    }


def share_bars(shares: dict[str, dict[str, float]], width: float = 8.0) -> Figure:
    """One bar a row, made of the shares of the verdict groups: {row: {group: share}}."""
    styles = {name: style for name, (_, *style) in VERDICT_GROUPS.items()}
    return stacked_bars(shares, "share of the answers", styles, width)


def stacked_bars(
    rows: dict[str, dict[str, float]], label: str, styles: dict, width=8.0, height=0.5
) -> Figure:
    """One bar a row, made of shares: {row: {kind: share}}. styles: {kind: (colour, hatch)}, in
    order; the hatch is for those who do not see the colours. height: inches a row."""
    fig, ax = figure(width, 0.9 + height * len(rows))
    for y, shares in enumerate(rows.values()):
        left = 0.0
        for kind, (colour, hatch) in styles.items():
            share = shares.get(kind, 0.0)
            ax.barh(y, share, left=left, color=colour, hatch=hatch, edgecolor="#555555",
                    linewidth=0.6, height=0.7, label=None if y else kind)  # fmt: skip
            if share >= 0.06:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
                ax.text(left + share / 2, y, f"{share:.0%}", ha="center", va="center", bbox=box)
            left += share
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xlabel(label)
    fig.legend(loc="outside upper center", ncols=len(styles), frameon=False, fontsize=8)
    return fig


# ---- where we are ---------------------------------------------------------------------------


def environment() -> None:
    """Print one line about this machine, to copy into a question or a bug report."""
    import torch

    from minigpt.engine.device import pick_device

    versions = ", ".join(
        f"{name} {_version(name)}" for name in ("torch", "ipywidgets", "ipykernel")
    )
    where = f"{pick_device()}, {torch.get_num_threads()} thread(s)"
    print(f"Python {platform.python_version()}, {versions}; computing on {where}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
