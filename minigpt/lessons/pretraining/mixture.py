"""What a mixture makes of a corpus: a small one is written, and counted against the truth."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import LISTS, MIXTURE, Writer, build_corpus
from minigpt.world.facts import NUMERIC, World

SMALL = 200_000  # tokens of the corpus that is written to be counted
READ = 300  # documents of each source whose values are held against the truth


@dataclass
class Row:
    """What was counted of one source, or of the whole corpus; None where there is nothing."""

    source: str  # "" is the whole
    tokens: float  # share of the corpus's tokens
    documents: float  # share of its documents
    lists: float  # share of the source's documents that are lists of unanswered questions
    exact: float | None  # share of its figures (population, area) that are exact
    careless: float | None  # … that are rounded or old
    wrong: float | None  # share of its other values that are not the true ones


class Tally(Writer):
    """A writer that counts in how far what it writes is true."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.counts = Counter()

    def count(self, source: str, n: int) -> Counter:
        """Of `n` documents: how many values are "figures" or "others", and how many of them are
        "careless" (figures that are not exact) or "wrong" (others that are not true)."""
        self.counts = Counter()
        for _ in range(n):
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
        careless = values["careless"] / figures if figures else None
        return Row(
            source,
            float(lengths[its].sum() / lengths.sum()),
            float(its.mean()),
            float(listed[its].mean()),
            None if careless is None else 1 - careless,
            careless,
            values["wrong"] / others if others else None,
        )

    for source in MIXTURE:
        its = sources == source
        if its.any():
            values = tally.count(source, read)
            rows.append(row(source, its, values))
            for kind, n in values.items():  # as many as the source's documents would hold
                whole[kind] += n * its.sum() / read
    return [*rows, row("", np.ones(len(sources), bool), whole)]
