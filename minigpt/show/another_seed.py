"""Was that luck? `another_seed(function)` runs a measurement again with other random numbers.

The first run is ordinary output of the cell and stays in the file. Each click of the button runs
the function with the next seed and shows what it prints and displays below, the newest first.
"""

import base64
import contextlib
from collections.abc import Callable

import ipywidgets as widgets

from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.widget import side_by_side

KEPT = 5  # runs that stay below the button
TEXT = {
    "en": {
        "button": "Another seed",
        "first": "Above: seed {seed}.",
        "running": "Running with seed {seed} \u2026",
        "done": "Above: seed {first}. Below: {runs}, the newest first.",
        "one": "Above: seed {first}. Below: seed {last}.",
        "seeds": "seeds {low} to {last}",
        "seed": "Seed {seed}",
        "failed": "This did not work: {kind}: {error}",
    },
}


class AnotherSeed:
    """The widget: `view` is what is displayed. `run(seed)` of the function is the static form."""

    def __init__(self, function: Callable[[int], object], seed: int = 0, lang: str = "en"):
        self.function, self.first, self.seed, self.words = function, seed, seed, TEXT[lang]
        self.runs: list[tuple[int, str]] = []  # (seed, HTML), the newest first
        self.button = widgets.Button(description=self.words["button"], icon="refresh")
        self.status = widgets.HTML(escape(self.words["first"].format(seed=seed)))
        # an HTML widget and not an Output: that one loses what is printed on other threads, where
        # some versions of Jupyter's kernel answer a click
        self.results = widgets.HTML(layout=widgets.Layout(width="auto"))
        self.button.on_click(self.again)
        self.view = widgets.VBox([side_by_side(self.button, self.status), self.results])

    def again(self, button=None) -> None:
        """Run with the next seed and show what comes; an error becomes a sentence."""
        words = self.words
        self.button.disabled, self.seed = True, self.seed + 1
        self.status.value = escape(words["running"].format(seed=self.seed))
        try:
            found = captured_html(self.function, self.seed, words)
        finally:
            self.button.disabled = False
        self.runs = [(self.seed, found), *self.runs][:KEPT]
        parts = []
        for seed, html in self.runs:
            title = escape(words["seed"].format(seed=seed))
            parts.append(f'<div style="margin-top:8px"><b>{title}</b></div>{html}')
        self.results.value = "".join(parts)
        low, last = self.runs[-1][0], self.seed
        runs = words["seeds"].format(low=low, last=last)
        done = words["one" if low == last else "done"]
        self.status.value = escape(done.format(first=self.first, runs=runs, last=last))


def captured_html(function: Callable[[int], object], seed: int, words: dict) -> str:
    """What `function(seed)` prints, displays and returns, in that order, as HTML."""
    parts: list = []  # texts, and what was displayed as (data, metadata)
    try:
        with capture(parts):
            result = function(seed)
            if result is not None:
                from IPython.display import display

                display(result)
    except Exception as error:  # a learner's widget never shows a traceback
        message = words["failed"].format(kind=type(error).__name__, error=error)
        return as_html(parts) + f"<p><b>{escape(message)}</b></p>"
    return as_html(parts)


class _Text:
    """A stream that appends what is written to a list, beside what is displayed."""

    def __init__(self, parts: list):
        self.parts = parts

    def write(self, text: str) -> int:
        if self.parts and isinstance(self.parts[-1], str):
            self.parts[-1] += text
        else:
            self.parts.append(text)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


@contextlib.contextmanager
def capture(parts: list):
    """Append to `parts` what is printed and displayed meanwhile, in order."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    class Publisher(CapturingDisplayPublisher):
        def publish(self, data, metadata=None, **rest):  # also what updates a display
            parts.append((data, metadata or {}))

    stream = _Text(parts)
    shell = InteractiveShell._instance  # None in a plain program: there `display` prints
    before = shell.display_pub if shell else None
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        if shell:
            shell.display_pub = Publisher()
        try:
            yield
        finally:
            if shell:
                shell.display_pub = before


def as_html(parts: list) -> str:
    """Printed texts and displayed data as HTML, each in the best form that it has."""
    style = "margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.35"
    style += ";background:none;color:inherit;padding:0"
    out = []
    for part in parts:
        data, metadata = ({"text/plain": part}, {}) if isinstance(part, str) else part
        if "text/html" in data:
            out.append(f'<div style="overflow-x:auto">{data["text/html"]}</div>')
        elif "image/png" in data:
            image, alt = data["image/png"], metadata.get("image/png", {}).get("alt", "")
            image = base64.b64encode(image).decode() if isinstance(image, bytes) else image
            source = f"data:image/png;base64,{''.join(image.split())}"
            shape = "display:block;max-width:100%;margin:4px 0"
            out.append(f'<img style="{shape}" alt="{escape(alt)}" src="{source}">')
        elif text := data.get("text/plain", "").strip("\n"):
            lines = escape(text)
            out.append(f'<pre class="{IGNORE_MATH}" style="{style}">{lines}</pre>')
    return "".join(out)


def another_seed(function: Callable[[int], object], seed: int = 0, lang: str = "en") -> None:
    """Call `function(seed)`, which prints or displays, and offer a button for the next seed.

    An error in this first run is raised, as in any cell; after a click it is shown as text.
    """
    from IPython.display import display

    if not callable(function):
        raise ValueError("another_seed needs a function of the seed, such as lambda seed: ...")
    result = function(seed)
    if result is not None:
        display(result)
    display(AnotherSeed(function, seed, lang).view)
