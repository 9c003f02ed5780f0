"""Runs pip behind one progress line, and turns its failures into something a learner can act on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from minigpt.store.files import PROGRAM, Problem

RECOMMENDED = "3.13"  # a Python that all packages have files for

NO_SPACE = r"No space left on device|Errno 28|not enough space on the disk|Disk quota exceeded"
NO_TORCH = r"No matching distribution found for torch\b"
NO_FILES = r"metadata-generation-failed|Failed (to build|building wheel)|No matching distribution"
LONG_PATH = r"Windows Long Path"
NO_NETWORK = (
    r"connection broken by|Failed to establish a new connection|Failed to resolve|NewConnection|"
    r"name resolution|ConnectTimeout|ConnectionError|Read timed out|ProxyError|SSLError|Max retries"
)


class PipFailed(Exception):
    """pip ended with an error; the message is all that it printed in this call."""


def another_python(reason: str) -> str:
    """The advice for a Python that the packages do not support (yet)."""
    this = ".".join(map(str, sys.version_info[:2]))
    start = f"py -{RECOMMENDED}" if sys.platform == "win32" else f"python{RECOMMENDED}"
    return (
        f"{reason} for Python {this} on this machine.\n"
        f"Install Python {RECOMMENDED} (64-bit) from python.org beside it, then type:\n"
        f"    {start} -m minigpt"
    )


def disk_was_full(output: str) -> bool:
    """Whether pip failed for want of space."""
    return bool(re.search(NO_SPACE, output, re.IGNORECASE))


def explain(output: str, log: Path) -> str:
    """What is wrong, what to do, and where pip's own words are, from what pip printed."""
    if disk_was_full(output):
        advice = (
            "The disk is full. Free some space on the disk of this folder and on the one for\n"
            "temporary files (the variable TMPDIR, on Windows TEMP, chooses another), then start\n"
            f"again: {PROGRAM}"
        )
    elif re.search(LONG_PATH, output):
        advice = (
            "Windows refuses paths this long. Turn on 'Enable Win32 long paths' (in the registry:\n"
            "LongPathsEnabled = 1), or move the course to a short folder such as C:\\minigpt."
        )
    elif re.search(NO_NETWORK, output):
        advice = (
            "The packages cannot be downloaded: no network, or a proxy in between.\n"
            "Only this first start needs the network. Connect and start again; behind a proxy,\n"
            "set HTTPS_PROXY first. Without any network, copy a folder of wheels here and name\n"
            "it in PIP_FIND_LINKS."
        )
    elif re.search(NO_TORCH, output):
        advice = another_python("There is no PyTorch")
    elif re.search(NO_FILES, output, re.IGNORECASE):
        advice = another_python("A package has no ready-made file")
    else:
        last = [line for line in output.splitlines() if line.strip()][-5:]
        advice = "pip could not install the packages. Its last lines:\n    " + "\n    ".join(last)
    return f"{advice}\n(What pip said in full: {log})"


def progress(output: str, title: str, seconds: float) -> str:
    """One line for the pip output so far."""
    found = len(re.findall(r"^Collecting ", output, re.MULTILINE))
    if "Installing collected packages" in output:
        doing = "unpacking"
    else:
        files = re.findall(
            r"^\s*(?:Downloading|Using cached|Processing) (\S+)", output, re.MULTILINE
        )
        doing = Path(files[-1]).name.split("-")[0] if files else "asking what there is"
    count = f"{found} packages, " if found else ""
    return f"{title}: {count}{doing} [{seconds // 60:.0f}:{seconds % 60:02.0f}]"


class ProgressLine:
    """Rewrites one terminal line; where the output is a file, a new line twice a minute."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty()
        self.every = 0.2 if self.live else 30.0
        self.next = time.monotonic() + (0 if self.live else self.every)

    def show(self, text: str) -> None:
        if time.monotonic() >= self.next:
            print(f"\r{text[:78]:78}" if self.live else text, end="" if self.live else "\n")
            sys.stdout.flush()
            self.next = time.monotonic() + self.every

    def close(self, text: str) -> None:
        print(f"\r{text[:78]:78}" if self.live else text, flush=True)


def run_pip(python: Path, arguments: list[str], log: Path, title: str) -> None:
    """`pip install` these arguments with one progress line; its output is added to the log.

    Raises PipFailed with the output of this call. Ctrl-C ends pip and goes on to the caller.
    """
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command = [str(python), "-u", "-m", "pip", "install", *quiet, *arguments]
    line, began, lowest = ProgressLine(), time.monotonic(), float("inf")
    with open(log, "ab") as sink:
        start = sink.tell()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
        try:
            while child.poll() is None:
                line.show(progress(read_from(log, start), title, time.monotonic() - began))
                lowest = min(lowest, free_space(log))
                time.sleep(0.1)
        except BaseException:
            child.terminate()
            child.wait()
            raise
    output = read_from(log, start)
    seconds = time.monotonic() - began
    if child.returncode:
        if lowest < 20e6:  # bytes; then the log had no room for pip's own words
            output += "\nNo space left on device"
        line.close(f"{title}: stopped after {seconds:.0f} s")
        raise PipFailed(output)
    line.close(f"{title}: done in {seconds:.0f} s")


def free_space(log: Path) -> int:
    """Bytes that are free, here or for temporary files, whichever are fewer."""
    return min(shutil.disk_usage(path).free for path in (log.parent, tempfile.gettempdir()))


def read_from(log: Path, start: int) -> str:
    """The log from this byte on."""
    with open(log, "rb") as file:
        file.seek(start)
        return file.read().decode("utf-8", errors="replace")


def pip_or_problem(python: Path, arguments: list[str], log: Path, title: str) -> None:
    """run_pip, with its failure as a Problem that says what to do."""
    try:
        run_pip(python, arguments, log, title)
    except PipFailed as failure:
        raise Problem(explain(str(failure), log)) from None
