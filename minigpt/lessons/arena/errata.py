"""Find the errors: a short retelling of how an assistant is made, written to contain some that
retellings really have. It stands in data/, in a file for each language.

`check_errors` compares the numbers that a learner has noted with the right ones and gives a hint
for each difference, never the number of one that is still missing.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass

from minigpt.show.table import Table
from minigpt.store.words import _, language
from minigpt.world.facts import DATA


@dataclass(frozen=True)
class Sentence:
    """A sentence of the retelling; hint: for who has missed an error, or accused a true one."""

    text: str
    wrong: bool
    hint: str


def retelling(lang: str) -> list[Sentence]:
    """The sentences in a language, in order."""
    rows = json.loads((DATA / f"errata-{lang}.json").read_text(encoding="utf-8"))
    return [Sentence(**row) for row in rows]


def errata_text() -> Table:
    """The retelling, sentence by sentence, with their numbers."""
    rows = [[n, sentence.text] for n, sentence in enumerate(retelling(language()), 1)]
    return Table(["", _("a retelling with errors")], rows, width=88)


def check_errors(numbers: Collection[int]) -> tuple[list, list]:
    """Hints for the false sentences that are missing among the numbers, and for the true ones that
    are there: two lists, both empty where the numbers are right.

    ValueError for anything that is no set of sentence numbers.
    """
    sentences = retelling(language())
    noted = [*numbers] if isinstance(numbers, Collection) else [None]
    whole = all(type(n) is int and 1 <= n <= len(sentences) for n in noted)
    if not whole or len(set(noted)) < len(noted):
        raise ValueError(_("Give the numbers of the false sentences, whole numbers from 1 to {n}, "
                           "each once, in the form [1, 4].", n=len(sentences)))  # fmt: skip
    missing, accused = [], []
    for number, sentence in enumerate(sentences, 1):
        if sentence.wrong and number not in noted:
            missing.append(sentence.hint)
        elif not sentence.wrong and number in noted:
            accused.append(_("Sentence {n} is no error. {hint}", n=number, hint=sentence.hint))
    return missing, accused
