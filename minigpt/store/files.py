"""The course's folders, files that are written whole or not at all, and how to give up politely."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the repository: it holds minigpt/ and notebooks/
PROGRAM = "py -m minigpt" if os.name == "nt" else "python3 -m minigpt"


class Problem(Exception):
    """Something the learner can mend: the message says what is wrong and what to do."""


def learner_home() -> Path:
    """The folder of the learner's own notebooks and checkpoints (MINIGPT_HOME or .minigpt)."""
    return Path(os.environ.get("MINIGPT_HOME") or ROOT / ".minigpt").expanduser().resolve()


class NotWritten(OSError, Problem):
    """A file could not be written: `strerror` says why and what to do, str() names the file too.

    An OSError for those who go on without the file, a Problem for the commands.
    """

    def __str__(self) -> str:
        return (
            f"{self.filename} could not be written: {self.strerror}. "
            "What was there before is as it was."
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within it, an OSError becomes NotWritten for this file."""
    try:
        yield
    except OSError as error:
        raise NotWritten(error.errno, reason(path, error), str(path)) from None


def reason(path: Path, error: OSError) -> str:
    """Why a file cannot be written, and what to do."""
    at_home = path.resolve().is_relative_to(learner_home())
    other = "set MINIGPT_HOME to another folder" if at_home else "choose another folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):  # the disk, or one's share of it
        return f"the disk is full; free some space, or {other} on another disk"
    if error.errno == errno.EFBIG:
        return f"it is larger than a file may be here; lift that limit, or {other}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"it is read-only, or open in another program; close that program, or {other}"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"a file is in the place of its folder; move that file away, or {other}"
    return str(error.strerror or error)


def atomic_write(path: str | Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, finds all of the old or the new.

    Raises NotWritten, which says what to do, if the disk is full or the folder is read-only.
    """
    path = Path(path)
    name = f".{path.name}.{secrets.token_hex(4)}.tmp"  # of its own: another kernel may write, too
    temporary = path.with_name(name)  # on the same disk, so it can replace
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_keeping(path: Path, data: bytes, aside: Path | None) -> None:
    """atomic_write; with `aside`, what was there is under that name then. A reader, or a crash,
    finds the file at any moment."""
    if made := aside is not None and not aside.exists():
        with writing(path):
            try:
                os.link(path, aside)
            except OSError:  # a disk without links
                shutil.copyfile(path, aside)
    try:
        atomic_write(path, data)
    except BaseException:
        if made:
            aside.unlink()
        raise


def try_writing(path: Path, size: int) -> None:
    """NotWritten if a file of so many bytes could not be written: told before a run, not after."""
    probe = path.with_name(f".{path.name}.probe")
    with writing(path):
        atomic_write(probe, bytes(size))
        probe.unlink()


def put_aside(path: Path) -> Path:
    """Rename a file that cannot be read ("predictions.damaged-1.json"); its new path."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    os.rename(path, aside)
    return aside


def is_checkpoint(path: Path) -> bool:
    """Whether a .safetensors file is a stage's checkpoint, and no run's that was broken off."""
    return "." not in path.stem
