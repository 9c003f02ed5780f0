"""Labels: which of two answers somebody prefers, kept in a file that other notebooks can read.

The file is JSON and holds each answer twice, as text and as the ids that were sampled: a reward
model must read exactly what was written, and the two together show whether a file belongs to this
tokenizer. Nothing in a file is trusted: each field is checked, and a file that is refused stays as
it is. The learner's own labels lie in MINIGPT_HOME or `.minigpt`, where `own_labels` finds them.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minigpt.sft import answer_text, chat_prompt
from minigpt.store.files import atomic_write
from minigpt.store.kept import Kept
from minigpt.store.words import _, language
from minigpt.tokenizer import load_tokenizer

FORMAT = "minigpt labels 1"
LARGEST = 4_000_000  # bytes of a file: some ten thousand labels
LONGEST = 256  # tokens of question, answer and template: the models' context
LONGEST_NAME = 80  # characters of a labeler's name
CHOICES = ("a", "b", "tie")
FIELDS = {"question", "a", "b", "a_ids", "b_ids", "choice", "seconds"}


@dataclass(frozen=True)
class Label:
    """One decision between two answers to a question."""

    question: str
    a: tuple[int, ...]  # ids of an answer as sampled, its `<|end|>` included
    b: tuple[int, ...]
    choice: str  # "a", "b" or "tie"
    seconds: float | None = None  # how long the decision took

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", tuple(self.a))  # so that labels can be compared and counted
        object.__setattr__(self, "b", tuple(self.b))
        if self.choice not in CHOICES:
            raise ValueError(f"a choice is one of {CHOICES}, not {self.choice!r}")

    @property
    def pair(self) -> tuple:
        """The question and the two answers, in an order that does not depend on a and b."""
        return self.question, *sorted((self.a, self.b))

    @property
    def preferred(self) -> tuple[int, ...] | None:
        """The preferred answer's ids; None for a tie."""
        return {"a": self.a, "b": self.b}.get(self.choice)


# ---- files ------------------------------------------------------------------------------------


def read_labels(path: str | os.PathLike, encoding, lang="en", name="") -> list[Label]:
    """The labels of one labeler's file.

    encoding: the tokenizer whose ids the file must hold. name: what the file is called in messages,
    where that is not its path. ValueError with the mend; the file is never changed.
    """
    name = f"'{name or path}'"
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or error
        raise ValueError(_("{name} cannot be read: {reason}.", name=name, reason=why)) from None
    if len(data) > LARGEST:
        raise ValueError(_(
            "{name} has more than {most} million bytes, and a labels file has at most that. "
            "Is it another file?", name=name, most=LARGEST // 10**6))  # fmt: skip
    try:
        contents = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # no UTF-8, no JSON, or nested beyond reason
        raise ValueError(_(
            "{name} is no labels file, or it was cut off: it cannot be read as JSON. Export the "
            "labels again, and do not edit the file by hand.", name=name)) from None  # fmt: skip
    return parse_labels(contents, encoding, lang, name)


def write_labels(path, labels: Sequence[Label], encoding, labeler: str = "you") -> None:
    """Write labels so that `read_labels` gives the same ones back; whole, or not at all. ValueError
    for labels that it would refuse."""
    contents = labels_contents(labels, encoding, labeler)
    parse_labels(contents, encoding, contents["lang"], f"'{labeler}'")
    text = json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
    atomic_write(path, text.encode("utf-8"))


def labels_contents(labels: Sequence[Label], encoding, labeler: str) -> dict:
    """A labels file as the dictionary that becomes JSON."""
    rows = [
        {"question": label.question,
         "a": answer_text(encoding, list(label.a)), "b": answer_text(encoding, list(label.b)),
         "a_ids": list(label.a), "b_ids": list(label.b),
         "choice": label.choice, "seconds": label.seconds}
        for label in labels
    ]  # fmt: skip
    lang = encoding.name.removeprefix("minigpt-")
    return {"format": FORMAT, "lang": lang, "labeler": labeler, "labels": rows}


def check_header(contents, name: str) -> None:
    """ValueError unless these are the contents of a labels file, with its labeler's name."""
    found = contents.get("format") if isinstance(contents, dict) else None
    if isinstance(found, str) and found != FORMAT and found.startswith(FORMAT.rstrip("1")):
        raise ValueError(_(
            "{name} has the format {found}, and this minigpt reads {format}: it is of another "
            "version of the course. Update the older of the two, and export the labels again.",
            name=name, found=repr(found[:40]), format=repr(FORMAT)))  # fmt: skip
    if found != FORMAT or not isinstance(contents.get("labels"), list):
        raise ValueError(_(
            '{name} is not a labels file of this course: its "format" is not "{format}". Choose a '
            "file that the labeling widget exported.", name=name, format=FORMAT))  # fmt: skip
    labeler = contents.get("labeler")
    if not isinstance(labeler, str) or not 1 <= len(labeler) <= LONGEST_NAME:
        raise ValueError(_(
            "{name} has no usable name of its labeler: it must be a text of 1 to {most} "
            "characters.", name=name, most=LONGEST_NAME))  # fmt: skip


def parse_labels(contents, encoding, lang: str = "en", name: str = "the file") -> list[Label]:
    """The labels in the contents of a labels file, each checked. ValueError as read_labels."""
    check_header(contents, name)
    if contents.get("lang") != lang:
        raise ValueError(_(
            "{name} has labels in the language {found}, and these models speak {lang}. "
            "Choose a file of the same edition.",
            name=name, found=repr(contents.get("lang"))[:20], lang=lang))  # fmt: skip
    decided: dict[tuple, tuple[int, Label]] = {}
    for n, row in enumerate(contents["labels"], 1):
        check_row(row, n, encoding, name)
        label = Label(row["question"], row["a_ids"], row["b_ids"], row["choice"], row["seconds"])
        first, known = decided.setdefault(label.pair, (n, label))
        if known.preferred != label.preferred:
            raise ValueError(_(
                "{name} contradicts itself: labels {n} and {m} compare the same two answers and "
                "differ. One labeler decides a pair once. Take one of the two out.",
                name=name, n=first, m=n))  # fmt: skip
    return [label for _first, label in decided.values()]


def check_row(row, n: int, encoding, name: str) -> None:
    """ValueError that says what is wrong with label `n` of a file."""
    if not isinstance(row, dict) or row.keys() != FIELDS:
        raise ValueError(_(
            "{name} is damaged: label {n} has not the fields of a label. Export it again.",
            name=name, n=n))  # fmt: skip
    if field := _impossible(row, encoding):
        raise ValueError(_(
            '{name} is damaged: in label {n}, "{field}" has a value that cannot be. Export it '
            "again.", name=name, n=n, field=field))  # fmt: skip
    prompt = chat_prompt(encoding, row["question"])
    for side in "ab":
        ids = row[f"{side}_ids"]
        if len(prompt) + len(ids) >= LONGEST:  # `<|reward|>` must fit, too
            raise ValueError(_(
                "{name}: label {n} does not fit the models' context of {most} tokens.",
                name=name, n=n, most=LONGEST))  # fmt: skip
        if answer_text(encoding, ids) != row[side]:
            raise ValueError(_(
                "{name} belongs to another tokenizer: in label {n}, ids and text of an answer "
                "differ. Labels of another version of the course cannot be used with this one.",
                name=name, n=n))  # fmt: skip
    if row["a_ids"] == row["b_ids"]:
        raise ValueError(
            _("{name} is damaged: label {n} compares an answer with itself.", name=name, n=n)
        )


def _impossible(row: dict, encoding) -> str:
    """The name of the first field with a value that no label has; empty if there is none."""
    special = {encoding.encode_single_token(s) for s in encoding.special_tokens_set}
    end = encoding.encode_single_token("<|end|>")

    def is_text(text) -> bool:  # with no half of a surrogate pair: JSON can hold it, UTF-8 cannot
        return (isinstance(text, str) and len(text) <= 20 * LONGEST
                and not any("\ud800" <= c <= "\udfff" for c in text))  # fmt: skip

    def is_answer(ids) -> bool:  # a whole one
        return (isinstance(ids, list) and len(ids) > 0
                and all(type(i) is int and 0 <= i < encoding.n_vocab for i in ids)
                and ids[-1] == end and not special & set(ids[:-1]))  # fmt: skip

    fits = {field: is_text(row[field]) for field in ("question", "a", "b")}
    fits["question"] = fits["question"] and row["question"].strip() != ""
    fits |= {field: is_answer(row[field]) for field in ("a_ids", "b_ids")}
    fits["choice"], seconds = row["choice"] in CHOICES, row["seconds"]
    fits["seconds"] = seconds is None or type(seconds) in (int, float) and 0 <= seconds < 1e6
    return next((field for field in fits if not fits[field]), "")


# ---- the learner's own -----------------------------------------------------------------------


def _own(lang: str, again: bool = False) -> Kept:
    """The learner's own labels file, whose form `parse_labels` knows. again: the file of second
    decisions, since one labels file holds a pair once."""
    return Kept(
        f"labels-again-{lang}.json" if again else f"labels-{lang}.json",
        lambda contents: parse_labels(contents, load_tokenizer(lang), lang) is not None,
    )


def own_labels(say: Callable[[str], None] = print, again: bool = False) -> list[Label]:
    """The labels that the learner gave in the labeling widget; [] where there are none yet.
    again: of the pairs that came a second time.

    A file that cannot be read is put aside under another name, and `say` gets a sentence.
    """
    lang = language()
    contents = _own(lang, again).read(say)
    return parse_labels(contents, load_tokenizer(lang), lang) if contents else []


def keep_labels(
    labels: Sequence[Label], labeler: str = "you", say: Callable[[str], None] = print, again=False
) -> None:
    """Make these the learner's own labels, at once and whole; a full disk is told through `say`."""
    new = labels_contents(labels, load_tokenizer(language()), labeler)
    _own(language(), again).change(lambda contents: contents.update(new), say)
