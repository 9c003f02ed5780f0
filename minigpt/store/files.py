"""The course's folders, files that are written whole or not at all, and how to give up politely."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

VERSION = "0.1.0"  # of minigpt, as in pyproject.toml
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
def as_problem(*errors: type[Exception], of: str = "") -> Iterator[None]:
    """Within it, these errors become a Problem that says the same, behind what `of` says."""
    try:
        yield
    except errors as error:
        raise Problem(f"{of}{error}") from None


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


def write_new(folder: Path, files: dict[str, bytes]) -> list[str]:
    """Write those of the files that are not there; the names of those that are, and differ."""
    for name, data in files.items():
        if not (folder / name).exists():
            atomic_write(folder / name, data)
    return [name for name, data in files.items() if (folder / name).read_bytes() != data]


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


@contextmanager
def locked(path: Path, wait: float = 0, said: str = "") -> Iterator[None]:
    """Within it, no other process or thread has this lock file; it is free when its process ends.
    Where there are no locks nothing can be written, and that tells. wait: seconds, at most. said:
    what is printed then or, without a wait, the Problem; WHO in it becomes the one that has it."""
    file, who, refuse = None, "", not wait
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        while (file := take(path)) is None and (not who or wait > 0):
            if not who:
                with suppress(FileNotFoundError):  # it is free again
                    who = path.read_text(encoding="utf-8") or "another process"
                    if refuse:
                        raise Problem(said.replace("WHO", who))
                    print(said.replace("WHO", who), end="\n" if said else "", flush=True)
            wait -= 0.01
            time.sleep(0.01)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()
            file.close()


def take(path: Path) -> BinaryIO | None:
    """The lock file, taken; None if another has it. OSError where there are no locks."""
    file = open(path, "ab", buffering=0)
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.set_inheritable(file.fileno(), True)  # a child without close_fds has it, too
        else:  # beyond its text, which others may read
            file.seek(2**20)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        if not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
            raise FileNotFoundError  # its owner has removed it
        with suppress(OSError):  # a full disk has locks as well
            file.truncate(0)
            file.write(f"process {os.getpid()}, since {time.strftime('%H:%M')}".encode())
    except OSError as error:
        file.close()
        if isinstance(error, (BlockingIOError, FileNotFoundError, PermissionError)):
            return None
        raise
    return file


def sweep(folder: Path, *patterns: str) -> None:
    """Remove temporary files that killed writes left, under the lock of who writes such files."""
    for left in [file for pattern in patterns for file in folder.glob(pattern)]:
        with suppress(OSError):
            left.unlink()


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
