"""Runs pip, and turns its failures into something a learner can act on."""

import re
import subprocess
import sys
from pathlib import Path

from minigpt.store.files import PROGRAM, Problem
from minigpt.store.words import _

RECOMMENDED = "3.13"  # a Python that all packages have files for
START = f"py -{RECOMMENDED}" if sys.platform == "win32" else f"python{RECOMMENDED}"
NO_SPACE = r"No space left on device|Errno 28|not enough space on the disk|Disk quota exceeded"


def advice() -> dict[str, str]:
    """What pip's errors say, the first that is found -> what to do."""
    names = {
        "python": ".".join(map(str, sys.version_info[:2])), "recommended": RECOMMENDED,
        "start": f"{START} -m minigpt",
    }  # fmt: skip
    return {
        NO_SPACE: _("""\
The disk is full. Free some space on the disk of this folder and on the one for
temporary files (the variable TMPDIR, on Windows TEMP, chooses another), then start
again: {command}""", command=PROGRAM),
        r"Windows Long Path": _("""\
Windows refuses paths this long. Turn on 'Enable Win32 long paths' (in
the registry: LongPathsEnabled = 1), or move the course to a short folder such as C:\\minigpt."""),
        r"connection broken by|Failed to establish a new connection|Failed to resolve|"
        r"NewConnection|name resolution|ConnectTimeout|ConnectionError|Read timed out|ProxyError|"
        r"SSLError|Max retries": _("""\
The packages cannot be downloaded: no network, or a proxy in between.
Only this first start needs the network. Connect and start again; behind a proxy,
set HTTPS_PROXY first. Without any network, copy a folder of wheels here and name
it in PIP_FIND_LINKS."""),
        r"No module named pip": _("This environment has no pip. Make it anew: {command}",
                                  command=f"{PROGRAM} check --fresh"),
        r"No matching distribution found for torch\b": _("""\
There is no PyTorch for Python {python} on this machine.
Install Python {recommended} (64-bit) from python.org beside it, then type:
    {start}""", **names),
        r"metadata-generation-failed|Failed (to build|building wheel)|"
        r"No matching distribution": _("""\
A package has no ready-made file for Python {python} on this machine.
Install Python {recommended} (64-bit) from python.org beside it, then type:
    {start}""", **names),
    }  # fmt: skip


class PipFailed(Problem):
    """pip ended with an error; `full`: because the disk is."""

    def __init__(self, output: str) -> None:
        unknown = _("pip could not install the packages; it says why above. To try again: "
                    "{command}", command=PROGRAM)  # fmt: skip
        found = [why for why in advice() if re.search(why, output, re.IGNORECASE)]
        super().__init__(advice()[found[0]] if found else unknown)
        self.full = found[:1] == [NO_SPACE]


def run_pip(python: Path, arguments: list[str]) -> None:
    """`pip install` these arguments, shown as pip shows it, on stderr; PipFailed if it fails.

    Its errors pass through here to be read. Ctrl-C ends pip and goes on to the caller.
    """
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    child = subprocess.Popen(
        [*command, *arguments], stdin=subprocess.DEVNULL, stdout=2, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", errors="replace",
        close_fds=False,  # so the lock is held while pip writes, even where this process is killed
    )  # fmt: skip
    output = ""
    try:
        for line in child.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            output += line
        child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise
    if child.returncode:
        raise PipFailed(output)
