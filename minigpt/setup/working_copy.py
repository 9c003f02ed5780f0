"""The learner's own copies of the notebooks: what they change is theirs, and git never sees it.

The copies lie in .minigpt/notebooks/LANG/ (or under MINIGPT_HOME), without the outputs that the
course's notebooks have: what a cell shows is seen when it is run, and no guess is answered before.
Beside them, .origin.json holds the hash that each had when it was made: one that still has it was
not touched, so a newer notebook of the course may take its place.
"""

import datetime
import hashlib
import itertools
import json
import os
from pathlib import Path

from minigpt.setup.common import LANGUAGES, require_repository
from minigpt.store.files import (
    PROGRAM,
    ROOT,
    NotWritten,
    Problem,
    atomic_write,
    learner_home,
    writing,
)
from minigpt.store.words import _

ORIGIN = ".origin.json"


def course_notebooks(lang: str) -> list[Path]:
    """The course's notebooks in this language, in order; Problem where there are none."""
    require_repository()
    if found := sorted((ROOT / "notebooks" / lang).glob("*.ipynb")):
        return found
    message = _("There is no edition of the notebooks in this language: {lang}.", lang=lang)
    for code, name in LANGUAGES.items():
        if any((ROOT / "notebooks" / code).glob("*.ipynb")):
            message += "\n" + _("The one in {language} is here: {command}", language=name,
                                command=f"{PROGRAM} lab --lang {code}")  # fmt: skip
    raise Problem(message)


def choose(name: str, notebooks: list[Path]) -> Path:
    """The notebook that '3', '03' or '03_prompting' names; Problem where there is none."""
    for path in notebooks:
        number = path.stem.split("_")[0]
        if name in (path.stem, path.name) or name.isdigit() and name.zfill(2) == number:
            return path
    known = "\n".join(f"    {path.stem}" for path in notebooks)
    raise Problem(f"There is no notebook {name!r}. The notebooks are:\n{known}")


def copies_folder(lang: str) -> Path:
    """Where the learner's copies in this language are; Problem if the course's own are there."""
    folder = learner_home() / "notebooks" / lang
    if folder != ROOT / "notebooks" / lang:
        return folder
    raise Problem(f"MINIGPT_HOME is {learner_home()}, the course's own folder: set it to another "
                  "one, or your copies would be the course's notebooks themselves")  # fmt: skip


def digest(content: bytes) -> str:
    """A hash of a notebook's bytes."""
    return hashlib.sha256(content).hexdigest()


def without_outputs(notebook: Path) -> bytes:
    """The course's notebook as nobody has run it; the file as it is where it is none."""
    data = notebook.read_bytes()
    try:
        content = json.loads(data.decode("utf-8"))
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
    except (ValueError, KeyError, TypeError):
        return data
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode("utf-8")


def clear_course() -> None:
    """Take the outputs out of the course's own notebooks: for Binder, which opens these."""
    for path in sorted((ROOT / "notebooks").glob("[a-z][a-z]/*.ipynb")):
        atomic_write(path, without_outputs(path))


def read_origins(folder: Path) -> dict[str, str]:
    """File name -> hash of the notebook it was copied from; what cannot be read counts as none."""
    try:
        return dict(json.loads((folder / ORIGIN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def copy(source: Path, folder: Path) -> None:
    """Copy one notebook of the course into the folder and note what it is."""
    content = without_outputs(source)
    atomic_write(folder / source.name, content)
    origins = {**read_origins(folder), source.name: digest(content)}
    atomic_write(folder / ORIGIN, json.dumps(origins, indent=1, sort_keys=True).encode("utf-8"))


def update_copies(lang: str) -> list[str]:
    """Bring the copies up to date without touching a changed one; what the learner should know."""
    sources, folder, notes = course_notebooks(lang), copies_folder(lang), []
    origins = read_origins(folder)
    for source in sources:
        mine, course = folder / source.name, digest(without_outputs(source))
        content = digest(mine.read_bytes()) if mine.exists() else None
        origin = origins.get(source.name)
        if content is None:
            copy(source, folder)
        elif course in (origin, content):
            continue
        elif content == origin:
            copy(source, folder)
            notes.append(_("{notebook}: the course has a newer version, and you have it now.",
                           notebook=source.stem))  # fmt: skip
        else:
            number = source.name.split("_")[0]
            reset = f"{PROGRAM} reset {number}" + ("" if lang == "en" else f" --lang {lang}")
            notes.append(_("""\
{notebook}: the course has a newer version; you changed yours: it is kept.
    To take the new one (yours stays beside it): {reset}""",
                           notebook=source.stem, reset=reset))  # fmt: skip
    return notes


def reset_copy(source: Path, folder: Path) -> Path | None:
    """Put the course's notebook in place of the learner's; the backup, None if none was needed.

    Where that cannot be written, the learner's is in its place again.
    """
    mine, backup = folder / source.name, None
    if mine.exists() and mine.read_bytes() != without_outputs(source):
        moment = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
        names = itertools.chain([moment], (f"{moment}-{n}" for n in itertools.count(2)))
        backups = (folder / f"{source.stem}.{name}.ipynb" for name in names)
        backup = next(path for path in backups if not path.exists())
        with writing(backup):
            os.replace(mine, backup)
    try:
        copy(source, folder)
    except NotWritten:
        if backup:
            os.replace(backup, mine)
        raise
    return backup
