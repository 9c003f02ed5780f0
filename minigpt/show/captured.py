"""What a function prints and displays, in a widget's place, while it runs.

Not ipywidgets' Output: that one takes what the cell that runs says, whoever says it. This takes
what one thread says, piece by piece, so that it works beside a run that is watched.
"""

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import ipywidgets as widgets
from IPython import get_ipython

from minigpt.show.figure import image
from minigpt.show.style import escape, preformatted
from minigpt.store.words import _

_alone = threading.RLock()  # standard output is one for all threads


class Captured:
    """What was printed and displayed within `taking()`, in `view`: all as HTML, text escaped; a
    widget stays one."""

    def __init__(self) -> None:
        self.view = widgets.VBox()
        self.named: dict[str, widgets.HTML] = {}  # displays that may be renewed, by their id
        self.text = None  # the text that is being printed

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Within it, what this thread prints and displays takes the place of what was there."""
        publisher = getattr(get_ipython(), "display_pub", None)
        hooked = hasattr(publisher, "register_hook")  # as a notebook's is
        self.clear()
        with _alone, redirect_stdout(_Stream(sys.stdout, self.write)):
            if hooked:
                publisher.register_hook(self.message)  # of this thread alone
            try:
                yield
            finally:
                if hooked:
                    publisher.unregister_hook(self.message)

    def clear(self) -> None:
        self.view.children, self.text = (), None
        self.named.clear()

    def write(self, text: str) -> None:
        if self.text is None:
            self.printed, self.text = "", self.add(widgets.HTML())
        self.printed += text
        self.text.value = preformatted(self.printed.rstrip("\n"))

    def message(self, message: dict) -> dict | None:
        """What the kernel is about to send; None, for here it is taken."""
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "clear_output":
            self.clear()
        elif kind in ("display_data", "update_display_data"):
            data, name = content["data"], content.get("transient", {}).get("display_id")
            if view := data.get("application/vnd.jupyter.widget-view+json"):
                known = getattr(widgets.widget, "_instances", None) or widgets.Widget.widgets
                self.add(known[view["model_id"]])  # in ipywidgets 8, in 7
            elif name in self.named:
                self.named[name].value = as_html(data, content["metadata"])
            else:
                added = self.add(widgets.HTML(as_html(data, content["metadata"])))
                self.named |= {name: added} if name else {}
        else:
            return message
        return None

    def add(self, part: widgets.Widget) -> widgets.Widget:
        self.text = None
        self.view.children += (part,)
        return part


class _Stream:
    """Standard output: of this thread it goes to `take`, of the others where it went."""

    def __init__(self, elsewhere, take) -> None:
        self.elsewhere, self.take, self.thread = elsewhere, take, threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() != self.thread:
            return self.elsewhere.write(text)
        self.take(text)
        return len(text)

    def __getattr__(self, name: str):
        return getattr(self.elsewhere, name)


def as_html(data: dict, metadata: dict) -> str:
    """A display's data as HTML: its own, its drawing, its picture, or else its text."""
    if html := data.get("text/html") or data.get("image/svg+xml"):
        fit = ' style="width:fit-content"' if "<table" in html else ""
        return f'<div class="jp-RenderedHTMLCommon"{fit}>{html}</div>'
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return image(kind, data[kind], metadata.get(kind, {}).get("alt", ""))
    return preformatted(data.get("text/plain", ""))


def failure(error: Exception) -> str:
    """An error as a sentence, with the traceback folded below it, as HTML."""
    said = _("This did not work: {error}", error=f"{type(error).__name__}: {error}")
    lines = "".join(traceback.format_exception(error))
    more = f"<summary>{escape(_('What Python says'))}</summary>{preformatted(lines)}"
    return f'<div role="alert"><b>{escape(said)}</b><details>{more}</details></div>'
