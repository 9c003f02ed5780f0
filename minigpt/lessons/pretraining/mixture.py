"""The mixture explorer: how much of each source, and what the corpus is like that follows.

`explore_mixture()` shows a table of LLaMA's mixture, which stays in the file, and under it the
controls. Nothing is trained here: a small corpus is written, and counted against the truth.
"""

from collections import Counter
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np

from minigpt.show.style import amount, escape
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, rendered, side_by_side
from minigpt.store.words import _, language
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import LISTS, MIXTURE, Writer, build_corpus
from minigpt.world.facts import NUMERIC, World, load_world

SMALL = 200_000  # tokens of the corpus that is written to be counted
READ = 300  # documents of each source whose values are held against the truth


@dataclass
class Row:
    """What was counted of one source, or of the whole corpus; None where there is nothing."""

    source: str  # "" is the whole
    tokens: float  # share of the corpus's tokens
    documents: float  # share of its documents
    lists: float  # share of the source's documents that are lists of unanswered questions
    careless: float | None  # share of its figures (population, area) that are rounded or old
    wrong: float | None  # share of its other values that are not the true ones

    @property
    def exact(self) -> float | None:
        return None if self.careless is None else 1 - self.careless


class Tally(Writer):
    """A writer that counts in how far what it writes is true."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.counts = Counter()

    def count(self, source: str, n: int) -> Counter:
        """Of `n` documents: how many values are "figures" or "others", and how many of them are
        "careless" (figures that are not exact) or "wrong" (others that are not true)."""
        self.counts = Counter()
        for _n in range(n):
            for fact in self.write(source)[1]:
                self.counts["figures" if fact.attribute in NUMERIC else "others"] += 1
        return self.counts

    def value(self, fact, source: str) -> str:
        written = super().value(fact, source)
        if written != fact.value:
            self.counts["careless" if fact.attribute in NUMERIC else "wrong"] += 1
        return written


def is_list(world: World, document: str) -> bool:
    """Whether the document is a list of questions that nobody answers."""
    lines = document.split("\n")
    if lines[0] in world.text.LIST_HEADERS:
        lines = lines[1:]
    return len(lines) >= 4 and all(line.endswith("?") for line in lines)


def count_mixture(
    world: World, mixture: dict | None = None, lists: float = LISTS, seed: int = 0,
    tokens: int = SMALL, read: int = READ,
) -> list[Row]:  # fmt: skip
    """One row a source of the mixture and a last one for the whole, counted on `tokens` tokens.

    The values are held against the truth in `read` other documents of each source. Raises
    ValueError as `build_corpus` does.
    """
    corpus = build_corpus(world, load_tokenizer(world.lang), tokens, mixture, seed, lists)
    sources = np.array(corpus.sources)
    lengths = np.diff(np.append(corpus.starts, len(corpus.tokens)))
    listed = np.array([is_list(world, document) for document in corpus.documents])
    tally, whole, rows = Tally(world, seed, lists), Counter(), []

    def row(source: str, its: np.ndarray, values: Counter) -> Row:
        figures, others = values["figures"], values["others"]
        tokens = float(lengths[its].sum() / lengths.sum())
        careless = values["careless"] / figures if figures else None
        wrong = values["wrong"] / others if others else None
        return Row(source, tokens, float(its.mean()), float(listed[its].mean()), careless, wrong)

    for source in MIXTURE:
        its = sources == source
        if its.any():
            values = tally.count(source, read)
            rows.append(row(source, its, values))
            for kind, n in values.items():  # as many as the source's documents would hold
                whole[kind] += n * its.sum() / read
    return [*rows, row("", np.ones(len(sources), bool), whole)]


def beginning(document: str, characters: int = 90) -> str:
    """The first three lines of a document, cut after a word, and an ellipsis if there is more."""
    text = "\n".join(document.split("\n")[:3])
    if len(text) > characters:
        text = text[:characters].rsplit(" ", 1)[0]
    return text if text == document else text + " …"


def mixture_table(
    world: World, mixture: dict | None = None, lists: float = LISTS, samples: bool = True
) -> Table:
    """What was counted as a table; with `samples`, how a document of each source begins."""
    rows, writer = [], Writer(world, seed=0)
    for row in count_mixture(world, mixture, lists):
        shares = (row.tokens, row.documents, row.lists, row.exact, row.careless, row.wrong)
        cells = ["" if share is None else f"{share:.1%}" for share in shares]
        sample = beginning(writer.write(row.source)[0]) if row.source else ""
        rows.append([row.source or _("all of it"), *cells, sample])
    header = [
        _("source"), _("tokens"), _("documents"), _("of these: lists of questions"),
        _("figures exact"), _("figures rounded or old"), _("other values wrong"),
        _("one document begins"),
    ]  # fmt: skip
    shown = len(header) if samples else -1
    caption = _("What a corpus of these shares is like, counted on {tokens} tokens; the values on "
                "{read} documents a source.", tokens=amount(SMALL), read=READ)  # fmt: skip
    return Table(header[:shown], [row[:shown] for row in rows], caption, width=30)


class MixtureExplorer(Widget):
    """Sliders for the shares, and what they make of a corpus."""

    def __init__(self, world: World):
        super().__init__()
        self.world = world
        self.sliders = {s: self._slider(s, 100 * share) for s, share in MIXTURE.items()}
        self.labels = {source: widgets.HTML() for source in MIXTURE}
        self.lists = self._slider(_("Question lists"), 100 * LISTS)
        self.measure_button = self.button(_("Write and measure"), self.measure,
                                          button_style="primary")  # fmt: skip
        self.reset_button = self.button(_("LLaMA's mixture"), self.reset)
        note = widgets.HTML(escape(_("of CommonCrawl's documents")))
        pairs = [*((self.sliders[s], self.labels[s]) for s in MIXTURE), (self.lists, note)]
        self.view = widgets.VBox([
            *(side_by_side(*pair) for pair in pairs),
            side_by_side(self.measure_button, self.reset_button), self.status, self.shown,
        ])  # fmt: skip
        self.moved()
        self.say(_("The table is of LLaMA's mixture. Move a slider, then press the button."))

    def _slider(self, name: str, percent: float) -> widgets.FloatSlider:
        return self.control(
            widgets.FloatSlider, name, self.moved, value=percent, min=0.0, max=100.0, step=0.5,
            readout_format=".1f", continuous_update=True,
        )  # fmt: skip

    def static(self) -> list:
        return [mixture_table(self.world)]

    def mixture(self) -> dict[str, float]:
        """The shares of the sliders, which sum to 1; ValueError where all are 0."""
        total = sum(slider.value for slider in self.sliders.values())
        if total <= 0:
            raise ValueError(_("All sources are at 0, so there is nothing to write: move a slider "
                               "up."))  # fmt: skip
        return {source: slider.value / total for source, slider in self.sliders.items()}

    def moved(self) -> None:
        """Show the shares of the sliders; the results below are of an earlier mixture."""
        for source, share in self.mixture().items():
            self.labels[source].value = f"{share:.1%}"
        self.say(_("The mixture has changed: press “Write and measure”."))

    def reset(self) -> None:
        """Back to the shares that LLaMA was trained on."""
        for source, share in MIXTURE.items():
            self.sliders[source].value = 100 * share
        self.lists.value = 100 * LISTS

    def measure(self) -> None:
        """Write a small corpus of the mixture and show what it is like."""
        self.say(_("Writing …"))
        self.shown.value = ""
        table = mixture_table(self.world, self.mixture(), self.lists.value / 100, samples=False)
        self.shown.value = rendered(table)
        self.say(_("Measured on a corpus of {tokens} tokens.", tokens=amount(SMALL)))


def explore_mixture() -> None:
    """Show what LLaMA's mixture makes of the corpus, and the controls to mix it differently."""
    present(lambda: MixtureExplorer(load_world(language())))
