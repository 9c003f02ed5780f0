"""What commands share before anything is installed: options, where they run, starting programs."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from minigpt.store.files import PROGRAM, ROOT, Problem, learner_home

LANGUAGES = {"en": "English", "zh": "Chinese"}
LARGEST_SEED = 10**12


def option_parser(command: str, text: str, edition: bool = False) -> argparse.ArgumentParser:
    """A command's parser of options; `edition`: with --lang, the language of the notebooks."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {command}", description=text)
    if edition:
        parser.add_argument("--lang", choices=LANGUAGES, default="en", help="edition (default: en)")
    return parser


def check_seed(seed: int) -> None:
    """Problem unless all generators of random numbers take this seed."""
    if not 0 <= seed <= LARGEST_SEED:
        raise Problem(f"--seed is {seed}: give 0 or more, at most {LARGEST_SEED}.")


def require_repository() -> None:
    """Raise Problem unless the package lies in the course's folder, beside its notebooks."""
    if not (ROOT / "notebooks").is_dir() or not (ROOT / "requirements.txt").is_file():
        raise Problem(f"""\
The course's files (notebooks/, requirements.txt) are not beside minigpt: {ROOT}
Go to the folder that you cloned or unpacked and start there:
    cd minigpt
    {PROGRAM}""")


def outside_course(path: Path) -> None:
    """Problem if a file or folder would lie in the repository, and not in the learner's own folder:
    students' names and work do not belong into what is committed."""
    inside = path.resolve().is_relative_to(ROOT)
    if inside and not path.resolve().is_relative_to(learner_home()):
        raise Problem(f"{path} lies inside the course's own folder, which `git` and updates look "
                      "after: choose one beside it")  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    """What git prints in a folder; empty where there is no git or no repository."""
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


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
