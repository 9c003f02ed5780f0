"""Files that a reader gives to the course, by a path or as an upload."""

import os
from pathlib import Path

from minigpt.store.words import _


def read_given(
    source: str | os.PathLike | bytes, most: int, name: str = ""
) -> tuple[bytes, int, str]:
    """A file that a reader gave, by its path or as an upload's bytes: its first `most` bytes, how
    many there are, and what to call it. name: an upload's, for messages.

    FileNotFoundError or ValueError with the mend; TypeError for another source.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return data[:most], len(data), f"'{name}'" if name else _("The uploaded file")
    if not isinstance(source, (str, os.PathLike)):
        kind = type(source).__name__
        raise TypeError(_("a path or bytes are read, and what was given is {kind}", kind=kind))
    name, path = f"'{name or source}'", Path(source).expanduser()
    if path.is_dir():
        raise ValueError(_("{name} is a folder: give the path of one file in it.", name=name))
    if not path.is_file():
        raise FileNotFoundError(_(
            "There is no file {name}. A path is looked for from the notebook's folder on; give the "
            "whole path, or upload the file.", name=name,
        ))  # fmt: skip
    try:
        with open(path, "rb") as file:
            return file.read(most), path.stat().st_size, name
    except OSError as error:
        why = error.strerror or error
        raise ValueError(_("{name} cannot be read: {reason}.", name=name, reason=why)) from None
