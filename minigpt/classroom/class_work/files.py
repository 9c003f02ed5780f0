"""What a class hands in: labels read by name and used by pseudonym.

Students' names, file names and times stay behind here: what is printed and written has none.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from minigpt.stages.labels import Label, read_labels
from minigpt.store.words import _, language


@dataclass
class HandedIn:
    """What a class handed in, by pseudonym; `names` and `refused` are for the teacher alone."""

    found: dict[str, list[Label]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # {pseudonym: student}, all of them
    refused: list[str] = field(default_factory=list)  # sentences, with file names


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


def read_class_labels(folder: Path, encoding, key: str) -> HandedIn:
    """Each student's labels, without their times; of several files the one with the most labels.

    A file that is refused is named in `refused`, and the others count.
    """
    files, out = student_files(folder, ".json"), HandedIn()
    aliases = pseudonyms(files, key)
    out.names = {aliases[student]: student for student in files}
    for student, paths in files.items():
        read: dict[str, list[Label]] = {}
        for path in paths:
            name = path.relative_to(folder).as_posix()
            try:
                labels = read_labels(path, encoding, language(), name)
            except (OSError, ValueError) as error:
                out.refused.append(str(error))
                continue
            if labels:
                read[name] = labels
            else:
                out.refused.append(_("{name} has no labels in it.", name=name))
        best = max(read, key=lambda name: len(read[name]), default="")
        if best:
            out.found[aliases[student]] = [replace(x, seconds=None) for x in read.pop(best)]
        for name in read:
            why = _("{name} is left out: {other}, of the same student, has as many labels or more.",
                    name=name, other=best)  # fmt: skip
            out.refused.append(why)
    out.found = dict(sorted(out.found.items()))
    return out
