"""What several widgets share: a place and one of its facts to pick, rows, and errors in words."""

from collections.abc import Callable

import ipywidgets as widgets

from minigpt.show.figure import GREY, escape
from minigpt.world.facts import World
from minigpt.world.questions import Question, ask

PLACES = 60  # the best known ones, to pick from
QUESTION = {"en": "What is the population of Beijing?"}  # what a widget begins with


def side_by_side(*children: widgets.Widget) -> widgets.Box:
    """Controls side by side, on as many lines as they need."""
    return widgets.Box(children, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def cards(texts: dict[str, str]) -> str:
    """Titled texts side by side in frames, on as many lines as they need, as HTML."""
    parts = (
        f'<div style="flex:1 1 14em;min-width:0;border:1px solid {GREY};border-radius:4px;'
        f'padding:8px"><b>{escape(title)}</b><p style="overflow-wrap:anywhere;line-height:1.4;'
        f'margin:6px 0">{escape(text)}</p></div>'
        for title, text in texts.items()
    )
    style = "display:flex;flex-wrap:wrap;gap:12px;margin-top:6px"
    return f'<div style="{style}">{"".join(parts)}</div>'


def styled(html: str) -> str:
    """HTML in JupyterLab's style of tables, which it gives to outputs and not to widgets, and at
    the left, where its own rule would put tables in the middle."""
    style = "width:fit-content;max-width:100%"
    return f'<div class="jp-RenderedHTMLCommon" style="{style}">{html}</div>'


def rendered(*parts) -> str:
    """Tables, strips and grids one below the other, as HTML for a widget."""
    return "".join(styled(part._repr_html_()) for part in parts)


def problem(error: Exception, failed: str) -> str:
    """An error as HTML: as it is if it was written for whoever typed (ValueError), else inside
    the sentence `failed`, so that a learner's widget never shows a traceback."""
    known = isinstance(error, ValueError)
    return f"<b>{escape(error if known else failed.format(error=error))}</b>"


class FactPicker:
    """Two dropdowns, `place` and `attribute`; when one is changed, `picked` gets the question.

    question: one about the place to begin with. words: what stands beside the dropdowns.
    first: the attribute to begin with, where the place has it.
    """

    def __init__(
        self, world: World, question: str, words: dict, picked: Callable[[Question], None],
        first: str | None = None,
    ) -> None:  # fmt: skip
        self.world, self.picked, self.filling = world, picked, False
        names, style = [place.name for place in world.places[:PLACES]], {"description_width": "7em"}
        named = next((name for name in names if name in question), names[0])
        self.place = widgets.Dropdown(
            options=names, value=named, description=words["place"], style=style
        )
        self.attribute = widgets.Dropdown(description=words["attribute"], style=style)
        self._fill_attributes(first)
        self.place.observe(self._place_changed, "value")
        self.attribute.observe(self._changed, "value")
        self.view = side_by_side(self.place, self.attribute)

    def picked_place(self):
        return next(p for p in self.world.places if p.name == self.place.value)

    def _fill_attributes(self, kept: str | None) -> None:
        """Offer what is known of the picked place, and keep the attribute where it has it."""
        labels, values = self.world.text.LABELS, self.picked_place().values
        self.filling = True  # or each step would tell of a question
        self.attribute.options = [(labels[a], a) for a in values]
        self.attribute.value = kept if kept in values else next(iter(values))
        self.filling = False

    def _place_changed(self, change) -> None:
        self._fill_attributes(self.attribute.value)
        self._changed()

    def _changed(self, change=None) -> None:
        if not self.filling:
            fact = self.world.facts[self.picked_place().id, self.attribute.value]
            self.picked(ask(self.world, fact))
