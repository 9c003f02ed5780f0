"""What a class hands in: read by name, used by pseudonym, and written so that nobody is named.

Students' names, file names and times stay behind in the functions that read, and what is written
has none of them.
"""

import csv
import hashlib
import hmac
import io
import json
import math
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from minigpt.sft import answer_text
from minigpt.stages.labels import (
    Label,
    labeler_of,
    merge_labels,
    read_labels,
)
from minigpt.world.facts import Place, World, load_world
from minigpt.world.questions import Question, ask

TEXT = {
    "en": {
        "no_labels": "{name} has no labels in it.",
        "more": "{name} is left out: {other}, of the same student, has as many labels or more.",
    },
}  # fmt: skip


@dataclass
class HandedIn:
    """What a class handed in, by pseudonym; `names` and `refused` are for the teacher alone."""

    found: dict = field(default_factory=dict)  # {pseudonym: labels, or a Stage}
    names: dict[str, str] = field(default_factory=dict)  # {pseudonym: student}, all of them
    refused: list[str] = field(default_factory=list)  # sentences, with file names
    words: set[str] = field(default_factory=set)  # parts of names, which no export may hold


def student_files(folder: Path, ending: str) -> dict[str, list[Path]]:
    """{student: files with this ending}, sorted.

    A file in the folder itself is named after its student; all in a subfolder is that student's.
    Where there is a subfolder `submitted`, as nbgrader has it, it alone is looked into.
    """
    top = folder / "submitted" if (folder / "submitted").is_dir() else folder
    found: dict[str, list[Path]] = {}
    for path in sorted({*folder.glob(f"*{ending}"), *top.rglob(f"*{ending}")}):
        if path.is_file() and ".ipynb_checkpoints" not in path.parts:
            inside = path.relative_to(folder if path.parent == folder else top).parts
            student = inside[0] if len(inside) > 1 else path.stem
            found.setdefault(unicodedata.normalize("NFC", student), []).append(path)
    return found


def pseudonyms(students: Iterable[str], key: str) -> dict[str, str]:
    """{student: "student-01", …} in an order that only the key tells (HMAC, RFC 2104)."""

    def place(name: str) -> bytes:
        message = name.encode("utf-8", "surrogateescape")
        return hmac.new(key.encode("utf-8"), message, hashlib.sha256).digest()

    order = sorted(students, key=place)
    digits = max(2, len(str(len(order))))
    return {name: f"student-{i:0{digits}}" for i, name in enumerate(order, 1)}


def private_words(names: Iterable[str], world: World) -> set[str]:
    """The words of three letters or more in people's names (two in other scripts than Latin), but
    not those that the world's own phrases and places have."""
    tables = [str(value) for name, value in vars(world.text).items() if name.isupper()]
    places = [p.name for p in world.places + world.held_out]
    known = words_of(" ".join([*tables, *places, *(v for vs in world.values.values() for v in vs)]))
    return {w for w in words_of(" ".join(names)) if len(w) > (2 if w.isascii() else 1)} - known


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.casefold()))


def names_somebody(text: str, private: set[str]) -> bool:
    """Whether a text has one of these words. In scripts without spaces any place in it counts."""
    return not private.isdisjoint(words_of(text)) or any(
        word in text.casefold() for word in private if not word.isascii()
    )


def read_class_labels(folder: Path, encoding, key: str, lang: str = "en") -> HandedIn:
    """Each student's labels, without their times; of several files the one with the most labels.

    A file that is refused is named in `refused`, and the others count.
    """
    words, files = TEXT[lang], student_files(folder, ".json")
    aliases, out, labelers = pseudonyms(files, key), HandedIn(), []
    out.names = {aliases[student]: student for student in files}
    for student, paths in files.items():
        read = []
        for path in paths:
            name = path.relative_to(folder).as_posix()
            try:
                labels = read_labels(path, encoding, lang, name)
                labelers.append(labeler_of(path))
            except (OSError, ValueError) as error:
                out.refused.append(str(error))
                continue
            if labels:
                read.append((-len(labels), name, labels))
            else:
                out.refused.append(words["no_labels"].format(name=name))
        read.sort(key=lambda entry: entry[:2])
        for _, name, _ in read[1:]:
            out.refused.append(words["more"].format(name=name, other=read[0][1]))
        if read:
            labels = [replace(label, seconds=None) for label in read[0][2]]
            out.found[aliases[student]] = labels
    out.found = dict(sorted(out.found.items()))
    out.words = private_words([*files, *labelers], load_world(lang))
    return out


@lru_cache
def _asked(lang: str) -> tuple[dict[str, Question], list[tuple[re.Pattern, str]]]:
    """Every question about a fact by its text in small letters, and the forms of all questions."""
    world = load_world(lang)
    known, forms = {}, []
    for fact in world.facts.values():
        for phrasing in range(len(world.text.QUESTIONS[fact.attribute])):
            question = ask(world, fact, phrasing)
            known[question.text.casefold()] = question
    for attribute, templates in world.text.QUESTIONS.items():
        for template in templates:
            pattern = re.escape(template).replace(r"\{p\}", r"(?P<p>[^\W\d_][^\d_?!,;:]*)")
            forms.append((len(template), re.compile(pattern, re.IGNORECASE), attribute))
    forms.sort(key=lambda form: -form[0])  # "Where is the capital of {p}?" before "Where is {p}?"
    return known, [(pattern, attribute) for _, pattern, attribute in forms]


def question_of(world: World, text: str) -> Question | None:
    """What this world knows of a question that is given as text; None if it is none of its forms.

    A name of at most three words that is no known place's is taken for a place that nobody has
    written about.
    """
    known, forms = _asked(world.lang)
    if found := known.get(text.casefold()):
        return replace(found, text=text)
    for pattern, attribute in forms:
        if match := pattern.fullmatch(text):
            name = match["p"]
            real = any(p.name.casefold() == name.casefold() for p in world.places)
            if real or len(name.split()) > 3:
                return None
            nowhere = Place("", "city", name, -1, True, False, {}, {})
            return Question(text, "unknown", nowhere, attribute)
    return None


def class_decisions(people: dict[str, list[Label]], key: str) -> list[Label]:
    """One decision a pair, the majority's; as many votes for either answer are a tie.

    The order is drawn by the key and sides go by the answers, so nothing tells who was asked what.
    """
    votes: dict[tuple, Counter] = {}
    for label in merge_labels(list(people.values())):
        votes.setdefault(label.pair, Counter())[label.preferred] += 1
    out = []
    for pair in random.Random(f"class labels/{key}").sample(sorted(votes), len(votes)):
        question, a, b = pair
        ahead = votes[pair][a] - votes[pair][b]
        out.append(Label(question, a, b, "a" if ahead > 0 else "b" if ahead < 0 else "tie"))
    return out


def exportable(labels: Sequence[Label], world: World, encoding, private: set[str]) -> list[Label]:
    """The labels whose question has a form of this world's and whose texts name nobody."""

    def texts(label: Label) -> str:
        answers = (answer_text(encoding, list(ids)) for ids in (label.a, label.b))
        return " ".join([label.question, *answers])

    return [
        label for label in labels
        if question_of(world, label.question) and not names_somebody(texts(label), private)
    ]  # fmt: skip


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence], comment: str = "") -> bytes:
    """A table as CSV in UTF-8; numbers have four decimals, and NaN is an empty cell."""
    buffer = io.StringIO(newline="")
    if comment:
        buffer.write(f"# {comment}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([cell(value) for value in row])
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def cell(value):
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return value


def json_bytes(contents) -> bytes:
    return (json.dumps(contents, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
