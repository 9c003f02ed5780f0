"""What the learner's own clicks leave behind: small JSON files, kept whole.

They lie in MINIGPT_HOME or `.minigpt`, beside the learner's checkpoints. Nothing here ever throws
a file away: one that cannot be read is put aside under another name, and the learner is told.
Two notebooks may change a file at once: each change is made to what is on the disk at that moment.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minigpt.store.files import atomic_write, learner_home

WAIT, TIMES = 0.01, 200  # seconds, and how often, to wait for another notebook's change
TEXT = {
    "en": {
        "damaged": "Your file {name} could not be read: it is damaged, or of another version of "
        "the course. It is now {aside}, and a new one begins.",
        "stuck": "Your file {name} could not be read, and not be put aside either ({error}). It "
        "stays as it is, and what you do now is kept until you close the notebook.",
        "unsaved": "This could not be written to {name} ({error}). It is kept until you close the "
        "notebook, and your next click tries again to write it.",
    },
}
_lock = threading.RLock()  # a click may arrive on another thread than the cell
_unsaved: dict = {}  # path -> the changes that the disk refused


def put_aside(path: Path) -> Path:
    """Rename a file that cannot be read ("predictions.damaged-1.json"); its new path."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    os.rename(path, aside)
    return aside


def read_kept(name: str, valid: Callable[[object], bool], lang: str = "en", say=print) -> dict:
    """The contents of a kept file, {} where there is none.

    name: its file name. valid: whether contents have the right form; a file that has not, or is no
    JSON, is renamed ("predictions.damaged-1.json"), and `say` gets a sentence about it.
    """
    path = learner_home() / name
    with _lock:
        contents = _on_disk(path, valid, lang, say)
        for change in _unsaved.get(path, ()):
            change(contents)
        return json.loads(json.dumps(contents))  # nothing is shared with those changes


def change_kept(
    name: str, valid: Callable[[object], bool], change: Callable[[dict], None], lang="en", say=print
) -> dict:
    """Read a kept file, let `change` alter the contents, and write them back at once.

    Where the disk refuses, the change is kept in memory, `say` gets a sentence about it, and the
    next change tries again: `change` is then called once more, with what the disk has by then.
    """
    path = learner_home() / name
    with _lock, _alone(path):
        contents = read_kept(name, valid, lang, say)
        before = json.dumps(contents)
        change(contents)
        if json.dumps(contents) == before and path not in _unsaved:
            return contents
        try:
            text = json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
            atomic_write(path, text.encode("utf-8"))
            _unsaved.pop(path, None)
        except OSError as error:
            _unsaved.setdefault(path, []).append(change)
            say(TEXT[lang]["unsaved"].format(name=name, error=error.strerror or error))
        return contents


def _on_disk(path: Path, valid: Callable[[object], bool], lang: str, say) -> dict:
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError):  # not ours to read, no UTF-8, no JSON
        contents = None
    if isinstance(contents, dict) and valid(contents):
        return contents
    try:
        said = TEXT[lang]["damaged"].format(name=path.name, aside=put_aside(path).name)
    except OSError as error:
        said = TEXT[lang]["stuck"].format(name=path.name, error=error.strerror or error)
        if path in _unsaved:  # it was said before
            return {}
        _unsaved[path] = []
    say(said)
    return {}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Within it, no other notebook changes the file. A lock that stays is of one that was killed;
    where none can be made nothing can be written, and the writing tells."""
    lock = path.with_name(f".{path.name}.lock")
    with suppress(OSError):
        lock.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TIMES):
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                time.sleep(WAIT)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
