"""What the learner's own clicks leave behind: small JSON files, kept whole.

They lie in MINIGPT_HOME or `.minigpt`, beside the learner's checkpoints. Nothing here ever throws
a file away: one that cannot be read is put aside under another name, and the learner is told.
"""

import json
import os
import threading
from collections.abc import Callable

from minigpt.commands.common import atomic_write, learner_home

TEXT = {
    "en": {
        "damaged": "Your file {name} could not be read. It is now {aside}, and a new one begins.",
        "unsaved": "This could not be written to {name} ({error}). It is kept until you close the "
        "notebook.",
    },
}
_lock = threading.RLock()  # a click may arrive on another thread than the cell
_unsaved: dict = {}  # path -> contents, where the disk refused


def read_kept(name: str, valid: Callable[[object], bool], lang: str = "en", say=print) -> dict:
    """The contents of a kept file, {} where there is none.

    name: its file name. valid: whether contents have the right form; a file that has not, or is no
    JSON, is renamed ("predictions.damaged-1.json"), and `say` gets a sentence about it.
    """
    path = learner_home() / name
    with _lock:
        if path in _unsaved:
            return json.loads(json.dumps(_unsaved[path]))
        try:
            contents = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):  # not ours to read, no UTF-8, no JSON
            contents = None
        if isinstance(contents, dict) and valid(contents):
            return contents
        number = 1
        while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
            number += 1
        try:
            os.replace(path, aside)
        except OSError as error:
            _refused(path, {}, error, lang, say)
            return {}
    say(TEXT[lang]["damaged"].format(name=name, aside=aside.name))
    return {}


def change_kept(
    name: str, valid: Callable[[object], bool], change: Callable[[dict], None], lang="en", say=print
) -> dict:
    """Read a kept file, let `change` alter the contents, and write them back at once.

    Where the disk refuses, the contents are kept in memory and `say` gets a sentence about it.
    """
    path = learner_home() / name
    with _lock:
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
            _refused(path, contents, error, lang, say)
    return contents


def _refused(path, contents: dict, error: OSError, lang: str, say) -> None:
    _unsaved[path] = contents
    say(TEXT[lang]["unsaved"].format(name=path.name, error=error.strerror or error))
