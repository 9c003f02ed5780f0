"""What the learner's own clicks leave behind: small JSON files, kept whole.

They lie in MINIGPT_HOME or `.minigpt`, beside the learner's checkpoints. Nothing here ever throws
a file away: one that cannot be read is put aside under another name, and the learner is told.
Two notebooks may change a file at once: each change is made to what is on the disk at that moment.
"""

import glob
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from minigpt.store.files import atomic_write, learner_home, locked, put_aside, sweep
from minigpt.store.words import _, language

WAIT = 30.0  # seconds, at most, for another notebook's change: one that takes longer hangs
_lock = threading.RLock()  # a click may arrive on another thread than the cell
_unsaved: dict = {}  # path -> the changes that the disk refused


@dataclass(frozen=True)
class Kept:
    """One kept file: its name, and whether contents have the right form.

    `valid` may look for what is not there: an error of it says that they have not.
    """

    name: str  # such as "predictions.json"
    valid: Callable[[dict], bool]

    def read(self, say: Callable[[str], None] = print) -> dict:
        """The contents, {} where there are none.

        A file that has not the right form, or is no JSON, is put aside under another name, and
        `say` gets a sentence about it.
        """
        path = learner_home() / self.name
        with _lock:
            contents = self._on_disk(path, say)
            for change in _unsaved.get(path, ()):
                change(contents)
            return json.loads(json.dumps(contents))  # nothing is shared with those changes

    def change(self, change: Callable[[dict], None], say: Callable[[str], None] = print) -> dict:
        """Read the file, let `change` alter the contents, and write them back at once.

        Where the disk refuses, the change is kept in memory, `say` gets a sentence about it, and
        the next change tries again: `change` is then called once more, with what the disk has by
        then.
        """
        path = learner_home() / self.name
        with _lock, alone(path):
            contents = self.read(say)
            before = json.dumps(contents)
            change(contents)
            if json.dumps(contents) == before and path not in _unsaved:
                return contents
            try:
                text = json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
                atomic_write(path, text.encode("utf-8", "replace"))
                _unsaved.pop(path, None)
            except OSError as error:
                _unsaved.setdefault(path, []).append(change)
                say(_(
                    "This could not be written to {name} ({error}). It is kept until you close "
                    "the notebook, and your next click tries again to write it.",
                    name=self.name, error=error.strerror or error))  # fmt: skip
            return contents

    def _on_disk(self, path: Path, say: Callable[[str], None]) -> dict:
        try:
            contents = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError):  # not ours to read, no UTF-8, no JSON
            contents = None
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            if isinstance(contents, dict) and self.valid(contents):
                return contents
        try:
            aside = put_aside(path).name
        except OSError as error:
            if path not in _unsaved:  # or it was said before
                _unsaved[path] = []
                say(_(
                    "Your file {name} could not be read, and not be put aside either ({error}). It "
                    "stays as it is, and what you do now is kept until you close the notebook.",
                    name=path.name, error=error.strerror or error))  # fmt: skip
        else:
            say(_(
                "Your file {name} could not be read: it is damaged, or of another version of the "
                "course. It is now {aside}, and a new one begins.",
                name=path.name, aside=aside))  # fmt: skip
        return {}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within it, no other notebook changes the file; what killed writes of it left is removed."""
    with locked(path.with_name(f".{path.name}.lock"), WAIT):
        sweep(path.parent, f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.tmp")
        yield


# ---- writing times: how long the learner took for an answer, for the comparison with judging ----


def _are_times(contents: dict) -> bool:
    lists = contents.values()
    return all(isinstance(times, list) for times in lists) and all(
        type(s) in (int, float) and 0 <= s < 1e6 for times in lists for s in times
    )


WRITING_TIMES = Kept("writing_times.json", _are_times)  # {lang: [seconds, ...]}


def keep_writing_time(seconds: float, say: Callable = print) -> None:
    """Add one time to the kept ones."""
    WRITING_TIMES.change(lambda c: c.setdefault(language(), []).append(round(seconds, 2)), say)


def writing_seconds(say: Callable = print) -> list[float]:
    """The kept times, in seconds, the oldest first."""
    return WRITING_TIMES.read(say).get(language(), [])
