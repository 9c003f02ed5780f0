"""What every command needs: where things are, how to start a program, how to give up politely."""

from __future__ import annotations

import errno
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minigpt.store.words import _

ROOT = Path(__file__).resolve().parents[2]  # the repository: it holds minigpt/ and notebooks/
# Where the course is on GitHub, and the branch that its links name. `badges --repo OWNER/NAME`
# writes these two lines together with every link in the pages and notebooks.
REPOSITORY = "OWNER/minigpt"
BRANCH = "main"
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


def outside_course(path: Path) -> None:
    """Problem if a file or folder would lie in the repository, and not in the learner's own folder:
    students' names and work do not belong into what is committed."""
    inside = path.resolve().is_relative_to(ROOT)
    if inside and not path.resolve().is_relative_to(learner_home()):
        raise Problem(
            f"{path} lies inside the course's own folder, which `git` and updates look after: "
            "choose one beside it"
        )


def is_checkpoint(path: Path) -> bool:
    """Whether a .safetensors file is a stage's checkpoint, and no run's that was broken off."""
    return "." not in path.stem


def require_repository() -> None:
    """Raise Problem unless the package lies in the course's folder, beside its notebooks."""
    if not (ROOT / "notebooks").is_dir() or not (ROOT / "requirements.txt").is_file():
        raise Problem(
            f"The course's files (notebooks/, requirements.txt) are not beside minigpt: {ROOT}\n"
            "Go to the folder that you cloned or unpacked and start there:\n"
            f"    cd minigpt\n    {PROGRAM}"
        )


def wait_for(arguments: list[str], **options) -> int:
    """Run a child process to its end and return its exit status.

    Ctrl-C reaches the child through the terminal; it decides (JupyterLab asks), we wait for it.
    """
    child = subprocess.Popen(arguments, **options)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def become(arguments: list[str]) -> int:
    """Replace this process by another one; Windows has no such thing, so there it is a child."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        return wait_for(arguments)
    os.execv(arguments[0], arguments)


def read_given(source: str | Path | bytes, most: int, name: str = "") -> tuple[bytes, int, str]:
    """A file that a reader gave, by its path or as an upload's bytes: its first `most` bytes, how
    many there are, and what to call it. FileNotFoundError or ValueError with the mend."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return data[:most], len(data), f"'{name}'" if name else _("The uploaded file")
    name, path = f"'{name or source}'", Path(source).expanduser()
    if path.is_dir():
        raise ValueError(_("{name} is a folder: give the path of one file in it.", name=name))
    try:
        with open(path, "rb") as file:
            return file.read(most), path.stat().st_size, name
    except FileNotFoundError:
        raise FileNotFoundError(
            _(
                "There is no file {name}. A path is looked for from the notebook's folder on; give "
                "the whole path, or upload the file.",
                name=name,
            )
        ) from None
    except OSError as error:
        why = error.strerror or error
        raise ValueError(_("{name} cannot be read: {reason}.", name=name, reason=why)) from None
