"""What all widgets are made of: controls with a word beside them, errors in words, one entry."""

import asyncio
import time
from collections.abc import Callable

import ipywidgets as widgets

from minigpt.show.style import GREY, escape, preformatted
from minigpt.store.words import _
from minigpt.world.facts import World
from minigpt.world.questions import Question, ask

PLACES = 60  # the best known ones, to pick from
VIEW = "application/vnd.jupyter.widget-view+json"
SETTLED = 0.1  # seconds, twice, from the key Enter until the text before it has come as well


def first_question() -> str:
    """What a widget that takes a question begins with."""
    return _("What is the population of Beijing?")


def no_question() -> str:
    """What it says where nothing stands in the box for it."""
    return _("There is no question yet. Type one, or pick a place and what to ask.")


def has_learner() -> bool:
    """Whether somebody is there to press a button. Where a program runs the cells (builds, tests,
    nbconvert) it tells the kernel that nobody will answer `input()`."""
    from IPython import get_ipython

    return bool(getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", False))


def control(
    kind, word: str = "", changed: Callable | None = None, wide=False,
    entered: Callable | None = None, **options,
):  # fmt: skip
    """A control with its word beside it; `changed()` is called once a new value is settled, and
    `entered()` on Enter in a text box: what the button beside it does."""
    if hasattr(kind, "continuous_update"):
        options.setdefault("continuous_update", False)
    layout = widgets.Layout(width="auto") if wide else widgets.Layout()  # one each
    style = {"description_width": "8em", **options.pop("style", {})}
    made = kind(description=word, style=style, layout=layout, **options)
    if changed:
        made.observe(lambda change: changed(), "value")
    if entered:
        made.on_msg(lambda box, said, buffers: said.get("event") == "submit" and soon(entered))
    return made


def soon(work: Callable) -> None:
    """Do it when the text is here: the browser tells of Enter first. Where a step of a run held
    everything up, the text is behind the first wait, so there is a second one."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # no kernel
        return work()
    loop.call_later(SETTLED, loop.call_later, SETTLED, work)


class Widget:
    """Controls and what they show. A widget makes `view`, which is displayed, from its controls.

    `shown` is for results, as HTML, and `status` for what is said about them. `static()` gives what
    stays in the file without a kernel: tables, strips, or texts to print. `notes`: what keeping a
    file had to say, to be told once.
    """

    view: widgets.Widget

    def __init__(self) -> None:
        self.quiet = False
        self.notes: list[str] = []
        self.status = widgets.HTML()
        self.shown = widgets.HTML(layout=widgets.Layout(width="auto"))

    def control(
        self, kind, word: str = "", changed: Callable | None = None,
        entered: Callable | None = None, **options,
    ):  # fmt: skip
        """`control`, whose errors become sentences."""

        done = 0.0

        def settled() -> None:
            nonlocal done
            if changed and not self.quiet:
                self.guarded(changed)
                done = time.monotonic()

        def enter() -> None:
            if entered != changed or time.monotonic() - done > 3 * SETTLED:  # or it is done already
                self.guarded(entered)

        return control(kind, word, settled, entered=entered and enter, **options)

    def quietly(self, control: widgets.Widget, **traits) -> None:
        """Set a control's traits, in order, without doing what its change would do."""
        self.quiet = True
        try:
            for name, value in traits.items():
                setattr(control, name, value)
        finally:
            self.quiet = False

    def button(self, word: str, clicked: Callable, *arguments, **options) -> widgets.Button:
        """A button that calls `clicked(*arguments)`."""
        made = widgets.Button(description=word, **options)
        made.on_click(lambda button: self.guarded(clicked, *arguments))
        return made

    def guarded(self, work: Callable, *arguments) -> None:
        """Do the work; an error becomes a sentence (`failed`), never a traceback."""
        try:
            work(*arguments)
        except Exception as error:
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """Tell of an error, and take away results that are not of what the controls say."""
        self.shown.value, self.status.value = "", problem(error)

    def say(self, *lines: str) -> None:
        """Plain sentences in the status line, and under them the notes."""
        self.status.value = escape("\n".join([*filter(None, lines), *self.notes]))
        self.notes.clear()

    def static(self) -> list:
        return []


def present(make: Callable[[], Widget]) -> Widget | None:
    """Show a widget, once: to a learner, as it is used, beginning with its static form where it has
    no result yet; where nobody is there, its static form first, for the file. Where a stage is
    missing or an argument does not fit, a sentence says so, and there is no widget."""
    from IPython.display import display

    try:
        widget = make()
        static = widget.static()
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return None
    if has_learner() and not any(isinstance(part, widgets.Widget) for part in static):
        if static and not widget.shown.value:
            widget.shown.value = rendered(*static)
        shown = {"version_major": 2, "version_minor": 0, "model_id": widget.view.model_id}
        text = "\n".join(map(str, static))  # for whoever shows no widgets, as GitHub
        display({VIEW: shown, "text/plain": text}, raw=True)
        return widget
    for part in static:
        print(part) if isinstance(part, str) else display(part)
    display(widget.view)
    return widget


def side_by_side(*children: widgets.Widget) -> widgets.Box:
    """Controls side by side, on as many lines as they need."""
    return widgets.Box(children, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def cards(texts: dict[str, str]) -> str:
    """Titled texts side by side in frames, on as many lines as they need, as HTML."""
    frame = f"flex:1 1 14em;min-width:0;border:1px solid {GREY};border-radius:4px;padding:8px"
    inner = "overflow-wrap:anywhere;line-height:1.4;margin:6px 0"
    parts = (
        f'<div style="{frame}"><b>{escape(title)}</b><p style="{inner}">{escape(text)}</p></div>'
        for title, text in texts.items()
    )
    style = "display:flex;flex-wrap:wrap;gap:12px;margin-top:6px"
    return f'<div style="{style}">{"".join(parts)}</div>'


def rendered(*parts) -> str:
    """Tables, strips, grids and texts one below the other, as HTML for a widget: in JupyterLab's
    style of tables, which it gives to outputs alone, and at the left, where its rule has the
    middle."""
    style = 'class="jp-RenderedHTMLCommon" style="width:fit-content;max-width:100%"'
    texts = (preformatted(p) if isinstance(p, str) else p._repr_html_() for p in parts)
    return "".join(f"<div {style}>{text}</div>" for text in texts)


def problem(error: Exception) -> str:
    """An error as HTML: as it is if it was written for whoever typed (ValueError), else inside a
    sentence, so that a learner's widget never shows a traceback."""
    known = isinstance(error, ValueError)
    said = str(error) if known else _("This did not work: {error}", error=error)
    return f"<b>{escape(said)}</b>"


class FactPicker:
    """Two dropdowns, `place` and `attribute`; when one is changed, `picked` gets the question.

    owner: the widget that they are part of. question: one about the place to begin with. first: the
    attribute to begin with, where the place has it.
    """

    def __init__(
        self, owner: Widget, world: World, question: str, picked: Callable[[Question], None],
        first: str | None = None,
    ) -> None:  # fmt: skip
        self.owner, self.world, self.picked = owner, world, picked
        names = [place.name for place in world.places[:PLACES]]
        named = next((name for name in names if name in question), names[0])
        self.place = owner.control(widgets.Dropdown, _("Place"), self._place_changed,
                                   options=names, value=named)  # fmt: skip
        self.attribute = owner.control(widgets.Dropdown, _("Ask for"), self._changed)
        self._fill_attributes(first)
        self.view = side_by_side(self.place, self.attribute)

    def picked_place(self):
        return next(p for p in self.world.places if p.name == self.place.value)

    def _fill_attributes(self, kept: str | None) -> None:
        """Offer what is known of the picked place, and keep the attribute where it has it."""
        labels, values = self.world.text.LABELS, self.picked_place().values
        options, kept = [(labels[a], a) for a in values], kept if kept in values else [*values][0]
        self.owner.quietly(self.attribute, options=options, value=kept)  # one question, not two

    def _place_changed(self) -> None:
        self._fill_attributes(self.attribute.value)
        self._changed()

    def _changed(self) -> None:
        fact = self.world.facts[self.picked_place().id, self.attribute.value]
        self.picked(ask(self.world, fact))
