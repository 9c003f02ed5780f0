"""What every command needs: where things are, how to start a program, how to give up politely."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the repository: it holds minigpt/ and notebooks/
PROGRAM = "py -m minigpt" if os.name == "nt" else "python3 -m minigpt"


class Problem(Exception):
    """Something the learner can mend: the message says what is wrong and what to do."""


def learner_home() -> Path:
    """The folder of the learner's own notebooks and checkpoints (MINIGPT_HOME or .minigpt)."""
    return Path(os.environ.get("MINIGPT_HOME") or ROOT / ".minigpt").expanduser().resolve()


def atomic_write(path: str | Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, finds all of the old or the new."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # same disk, so it can replace
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
