"""Figures, each with a sentence.

Every figure is followed by a sentence that says what is seen in it: for screen readers, for PDF,
for tests, and for whoever reads a picture quickly. Words inside figures are ASCII, because
matplotlib's font has no Chinese.
"""

import base64
import io
import textwrap
from html import escape

from matplotlib.figure import Figure
from matplotlib.text import Annotation
from PIL import Image

from minigpt.show.style import BLUE, VERDICT_GROUPS

LINE = 74  # characters of a line of text: Jupyter breaks longer ones in words, at 800 pixels too


def figure(width: float = 7.0, height: float = 3.0, columns: int = 1):
    """A figure and its axes (an array of them if there are several), white in dark themes.

    It is not pyplot's, so it is shown when `show` is told so, and once.
    """
    fig = Figure(figsize=(width, height), dpi=100, facecolor="white", layout="constrained")
    axes = fig.subplots(1, columns)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
    return fig, axes


def png(fig: Figure) -> bytes:
    """The figure as a PNG of 256 colours, which is half the size and looks the same; the same
    figure gives the same bytes."""
    drawn, small = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", metadata={"Software": None})
    every = Image.open(drawn).convert("RGB")
    every.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(small, "png")
    return small.getvalue()


def image(kind: str, data: str, alt: str, width: int | None = None) -> str:
    """A picture with its alt text as HTML. kind: such as `image/png`; data: in base64; width:
    pixels, without it its own. Where there is less room it is smaller, in the same shape.

    An output `image/png` or `image/svg+xml` becomes, whatever its metadata say, an image without
    alt text in JupyterLab 4 and Notebook 7, and one that "no description has been provided for"
    in nbconvert 7; an SVG is not shown where a notebook is not trusted. HTML they take first, and
    so do GitHub, Colab and VS Code; this passes JupyterLab's sanitizer whole, and an SVG in it
    follows the page's theme. Where the image is left out, its alt text stands.
    """
    size = "" if width is None else f' width="{width}"'
    return f'<img{size} style="max-width:100%" alt="{escape(alt)}" src="data:{kind};base64,{data}">'


def picture(fig: Figure, sentence: str) -> tuple[dict, dict]:
    """A figure with its sentence as `display(data, metadata=metadata, raw=True)` takes them.

    As HTML with the sentence as alt text; the PNG beside it is what LaTeX takes.
    """
    data = base64.b64encode(png(fig)).decode()
    shown = {"text/html": image("image/png", data, sentence), "image/png": data}
    return {**shown, "text/plain": sentence}, {"image/png": {"alt": sentence}}


def show(fig: Figure, sentence: str) -> None:
    """Show a figure and, under it, the sentence that says what is seen; it is the alt text too."""
    if not sentence.strip():
        raise ValueError("a figure needs a sentence that says what is seen in it")
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        data, metadata = picture(fig, sentence)
        display(data, metadata=metadata, raw=True)
    say(sentence)


def say(sentence: str) -> None:
    """Print a sentence in lines that Jupyter does not break inside words."""
    print(textwrap.fill(sentence, LINE, break_long_words=False, break_on_hyphens=False))


def share_bars(shares: dict[str, dict[str, float]]) -> Figure:
    """One bar a row, made of the shares of the verdict groups: {row: {group: share}}."""
    styles = {name: style for name, (_, *style) in VERDICT_GROUPS.items()}
    return stacked_bars(shares, "share of the answers", styles)


def stacked_bars(rows: dict[str, dict[str, float]], label: str, styles: dict) -> Figure:
    """One bar a row, made of shares: {row: {kind: share}}, with percents and kinds over and under.

    styles: {kind: (colour, hatch)}, in order; the hatch is for those who do not see the colours.
    """
    fig, ax = figure(8.0, 0.6 + 0.65 * len(rows))
    wide = 0.074 / (8.0 - 1.6)  # of a letter, of 9 points, as a share of the bar
    for y, shares in enumerate(rows.values()):
        left, free, parts = 0.0, {-0.24: 1.0, 0.39: 1.0}, []
        for kind, (colour, hatch) in styles.items():
            share = shares.get(kind, 0.0)
            ax.barh(y, share, left=left, color=colour, hatch=hatch, edgecolor="#555555",
                    linewidth=0.6, height=0.34)  # fmt: skip
            if round(100 * share):
                parts.append((left, f"{share:.0%} {kind}"))
            left += share
        for at, words in reversed(parts):  # over its part or under it, as far left as it has to
            fits = {line: min(at, end - wide * len(words)) for line, end in free.items()}
            line = max(fits, key=fits.get)
            ax.text(max(wide / 2, fits[line]), y + line, words, fontsize=9)
            free[line] = fits[line] - 2 * wide
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6), xticks=(0, 0.5, 1),
           xticklabels=("0%", "50%", "100%"), xlabel=label)  # fmt: skip
    return fig


def intervals(measures: dict, label: str) -> Figure:
    """A share, a dot with its 95 % interval and its number, one a row: {name: measure}, each with
    `value`, `low` and `high`."""
    fig, ax = figure(7.0, 0.6 + 0.28 * len(measures))
    for y, m in enumerate(measures.values()):
        ax.plot([m.low, m.high], [y, y], color=BLUE, linewidth=1.5)
        ax.plot(m.value, y, "o", color=BLUE)
        ax.text(1.16, y, f"{m.value:.0%}", ha="right", va="center")
    ax.set_yticks(range(len(measures)), list(measures))
    ax.set(xlim=(-0.02, 1.16), ylim=(len(measures) - 0.5, -0.5), xticks=(0, 0.5, 1),
           xticklabels=("0%", "50%", "100%"), xlabel=label)  # fmt: skip
    return fig


def curves(lines: dict[str, tuple], xlabel: str, ylabel: str, colour: str = BLUE) -> Figure:
    """Lines {name: (x, y)}, each named at its end; the first is the one that matters, and one
    without a name is raw data.

    y: numbers, or shares as measures, with `value`, `low` and `high`: then with 95 % intervals.
    """
    fig, ax = figure(7.0, 3.2)
    shares = hasattr(next(iter(lines.values()))[1][0], "low")
    end, lowest = max(x[-1] for x, _y in lines.values()), 0
    for i, (name, (x, y)) in enumerate(lines.items()):
        first, whiskers = i == 0, None
        if shares:
            whiskers = [[m.value - m.low for m in y], [m.high - m.value for m in y]]
            y = [m.value for m in y]
        ax.errorbar(x, y, whiskers, color=colour if first else "#6e7781" if name else "#d8dde2",
                    linewidth=2.5 if first else 1.5 if name else 0.8, elinewidth=1,
                    marker="osD^"[i % 4] if name and len(x) < 10 else "", markersize=5,
                    linestyle="-" if first or not name else "--", zorder=3 - i / 9)  # fmt: skip
        beyond = x[-1] == end  # or the name stands over the end, where other lines may go on
        ax.annotate(name, (x[-1], y[-1]), (6, 0) if beyond else (0, 11), va="center", zorder=4,
                    textcoords="offset points", ha="left" if beyond else "center",
                    weight="bold" if first else "normal", annotation_clip=False)  # fmt: skip
        lowest = min([lowest, *y])
    if shares:
        ax.set(xticks=x, ylim=(0, 1.05), yticks=(0, 0.5, 1), yticklabels=("0%", "50%", "100%"))
    else:
        whole = all(x == int(x) for xs, _y in lines.values() for x in xs)
        ax.locator_params(nbins=4)
        ax.locator_params("x", integer=whole)  # there is no round 2.5
        ax.set_ylim(None if lowest < 0 else 0)
        ax.xaxis.set_major_formatter("{x:,g}")
    ax.set_xlabel(xlabel)
    ax.set_title(ylabel, loc="left", fontsize=10)
    clear_names(fig, ax)
    return fig


def clear_names(fig: Figure, ax) -> None:
    """Move the names of lines off the lines, off the lower axis and off each other: those beside
    an end up, the lowest first; those over an end up or below it."""
    fig.draw_without_rendering()  # now everything has its place
    paths = [line.get_transform().transform_path(line.get_path()) for line in ax.lines]
    boxes = []
    for name in sorted(filter(Annotation.get_text, ax.texts), key=lambda name: name.xy[1]):
        x, y = name.get_position()
        tried = []
        for away in range(0, 60, 3):
            for spot in (x, y + away), *([(x, -y - away)] if y else []):
                name.set_position(spot)
                box = name.get_window_extent().padded(3)
                hits = sum(path.intersects_bbox(box, filled=False) for path in paths)
                hits += 9 * sum(box.overlaps(other) for other in boxes)
                tried.append((hits + 9 * (box.y0 < ax.bbox.y0), len(tried), spot, box))
        *_least, spot, box = min(tried, key=lambda found: found[:2])
        name.set_position(spot)
        boxes.append(box)
