"""The mixture explorer: how much of each source, and what the corpus is like that follows.

`explore_mixture()` shows a table of LLaMA's mixture, which stays in the file, and under it the
controls. Nothing is trained here: a small corpus is written and counted.
"""

import ipywidgets as widgets

from minigpt.lessons.pretraining.mixture import READ, SMALL, count_mixture
from minigpt.show.style import IGNORE_MATH, amount, escape
from minigpt.show.table import Table
from minigpt.show.widget import problem, rendered, side_by_side
from minigpt.world.corpus import LISTS, MIXTURE, Writer, documents
from minigpt.world.facts import World, load_world

SIZES = {"1.2 million": 1.2e6, "3.3 million": 3.3e6, "1.4 trillion": 1.4e12}  # the last: LLaMA-65B
TEXT = {
    "en": {
        "lists": "Question lists",
        "lists_note": "of CommonCrawl's documents",
        "size": "Corpus, tokens",
        "measure": "Write and measure",
        "reset": "LLaMA's mixture",
        "source": "A document of",
        "another": "Another document",
        "of": "{share:.1%}: {tokens} tokens",
        "above": "The table above is of LLaMA's mixture. Move a slider, then press the button.",
        "moved": "The mixture has changed: press “Write and measure”.",
        "writing": "Writing …",
        "done": "Measured on a corpus of {tokens} tokens.",
        "all_zero": "All sources are at 0, so there is nothing to write: move a slider up.",
        "failed": "This did not work: {error}",
        "whole": "all of it",
        "header": [
            "source", "tokens", "documents", "of these: lists of questions", "figures exact",
            "figures rounded or old", "other values wrong",
        ],
        "sample": "one document begins",
        "caption": "What a corpus of these shares is like, counted on {tokens} tokens; the values "
        "on {read} documents a source.",
    },
}  # fmt: skip


def beginning(document: str, lines: int = 3, characters: int = 90) -> str:
    """The first lines of a document, cut after a word, and an ellipsis if there is more."""
    text = "\n".join(document.split("\n")[:lines])
    if len(text) > characters:
        text = text[:characters].rsplit(" ", 1)[0]
    return text if text == document else text + " …"


def mixture_table(
    world: World, mixture: dict | None = None, lists: float = LISTS, seed: int = 0,
    samples: bool = True,
) -> Table:  # fmt: skip
    """What was counted as a table; with `samples`, how a document of each source begins."""
    words, rows, writer = TEXT[world.lang], [], Writer(world, seed)
    for row in count_mixture(world, mixture, lists, seed):
        shares = (row.tokens, row.documents, row.lists, row.exact, row.careless, row.wrong)
        cells = ["" if share is None else f"{share:.1%}" for share in shares]
        sample = beginning(writer.write(row.source)[0]) if row.source else ""
        rows.append([row.source or words["whole"], *cells, *([sample] if samples else [])])
    header = [*words["header"], *([words["sample"]] if samples else [])]
    caption = words["caption"].format(tokens=amount(SMALL), read=READ)
    return Table(header, rows, caption, width=30)


class MixtureExplorer:
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, world: World, seed: int = 0):
        self.world, self.seed = world, seed
        self.words = words = TEXT[world.lang]
        self.endless = {source: documents(world, source, seed) for source in MIXTURE}
        self.sliders = {s: self._slider(s, 100 * share) for s, share in MIXTURE.items()}
        self.labels = {source: widgets.HTML() for source in MIXTURE}
        self.lists = self._slider(words["lists"], 100 * LISTS)
        self.size = widgets.Dropdown(
            options=list(SIZES.items()), value=SIZES["3.3 million"], description=words["size"],
            style={"description_width": "8em"},
        )  # fmt: skip
        self.measure_button = widgets.Button(description=words["measure"], button_style="primary")
        self.reset_button = widgets.Button(description=words["reset"])
        self.source = widgets.Dropdown(
            options=list(MIXTURE), description=words["source"], style={"description_width": "8em"}
        )
        self.sample_button = widgets.Button(description=words["another"])
        self.status, self.results, self.sample = (
            widgets.HTML(layout=widgets.Layout(width="auto")) for _ in range(3)
        )
        for control in (*self.sliders.values(), self.lists, self.size):
            control.observe(self._moved, "value")
        self.measure_button.on_click(self.measure)
        self.reset_button.on_click(self.reset)
        self.source.observe(self.another, "value")
        self.sample_button.on_click(self.another)
        note = widgets.HTML(escape(words["lists_note"]))
        pairs = [*((self.sliders[s], self.labels[s]) for s in MIXTURE), (self.lists, note)]
        self.view = widgets.VBox([
            *(side_by_side(*pair) for pair in pairs),
            side_by_side(self.size, self.measure_button, self.reset_button),
            self.status,
            self.results,
            side_by_side(self.source, self.sample_button),
            self.sample,
        ])  # fmt: skip
        self._moved()
        self.another()

    @staticmethod
    def _slider(name: str, percent: float) -> widgets.FloatSlider:
        return widgets.FloatSlider(
            value=percent, min=0.0, max=100.0, step=0.5, readout_format=".1f", description=name,
            style={"description_width": "8em"},
        )  # fmt: skip

    def mixture(self) -> dict[str, float]:
        """The shares of the sliders, which sum to 1; ValueError where all are 0."""
        total = sum(slider.value for slider in self.sliders.values())
        if total <= 0:
            raise ValueError(self.words["all_zero"])
        return {source: slider.value / total for source, slider in self.sliders.items()}

    def _moved(self, change=None) -> None:
        try:
            shares = self.mixture()
        except ValueError as error:
            self.status.value = problem(error)
            return
        for source, share in shares.items():
            tokens = amount(share * self.size.value)
            self.labels[source].value = escape(self.words["of"].format(share=share, tokens=tokens))
        self.status.value = escape(self.words["moved"])

    def reset(self, button=None) -> None:
        """Back to the shares that LLaMA was trained on."""
        for source, share in MIXTURE.items():
            self.sliders[source].value = 100 * share
        self.lists.value = 100 * LISTS

    def measure(self, button=None) -> None:
        """Write a small corpus of the mixture and show what it is like, or what is wrong."""
        self.status.value = escape(self.words["writing"])
        try:
            table = mixture_table(
                self.world, self.mixture(), self.lists.value / 100, self.seed, samples=False
            )
        except Exception as error:
            self.results.value, self.status.value = "", problem(error)
            return
        self.results.value = rendered(table)
        self.status.value = escape(self.words["done"].format(tokens=amount(SMALL)))

    def another(self, change=None) -> None:
        """Show the next document of the picked source."""
        text = next(self.endless[self.source.value])
        self.sample.value = (
            f'<div class="{IGNORE_MATH}" role="status" style="border-left:4px solid #999999;'
            f'padding:6px;overflow-wrap:anywhere;white-space:pre-wrap;line-height:1.4">{escape(text)}</div>'
        )


def explore_mixture(lang: str = "en") -> None:
    """Show what LLaMA's mixture makes of the corpus, and the controls to mix it differently."""
    from IPython.display import display

    try:
        explorer = MixtureExplorer(load_world(lang))
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    display(mixture_table(explorer.world))
    explorer.status.value = escape(explorer.words["above"])
    display(explorer.view)
