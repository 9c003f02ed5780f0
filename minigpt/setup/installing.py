"""Runs pip, and turns its failures into something a learner can act on."""

import re
import subprocess
import sys
from pathlib import Path

from minigpt.store.files import PROGRAM, Problem

RECOMMENDED = "3.13"  # a Python that all packages have files for
START = f"py -{RECOMMENDED}" if sys.platform == "win32" else f"python{RECOMMENDED}"
OTHER_PYTHON = f""" for Python {".".join(map(str, sys.version_info[:2]))} on this machine.
Install Python {RECOMMENDED} (64-bit) from python.org beside it, then type:
    {START} -m minigpt"""
NO_SPACE = r"No space left on device|Errno 28|not enough space on the disk|Disk quota exceeded"
ADVICE = {  # what pip's errors say, the first that is found -> what to do
    NO_SPACE: f"""The disk is full. Free some space on the disk of this folder and on the one for
temporary files (the variable TMPDIR, on Windows TEMP, chooses another), then start
again: {PROGRAM}""",
    r"Windows Long Path": """Windows refuses paths this long. Turn on 'Enable Win32 long paths' (in
the registry: LongPathsEnabled = 1), or move the course to a short folder such as C:\\minigpt.""",
    r"connection broken by|Failed to establish a new connection|Failed to resolve|NewConnection|"
    r"name resolution|ConnectTimeout|ConnectionError|Read timed out|ProxyError|SSLError|"
    r"Max retries": """The packages cannot be downloaded: no network, or a proxy in between.
Only this first start needs the network. Connect and start again; behind a proxy,
set HTTPS_PROXY first. Without any network, copy a folder of wheels here and name
it in PIP_FIND_LINKS.""",
    r"No module named pip": f"This environment has no pip. Make it anew: {PROGRAM} check --fresh",
    r"No matching distribution found for torch\b": "There is no PyTorch" + OTHER_PYTHON,
    r"metadata-generation-failed|Failed (to build|building wheel)|No matching distribution":
        "A package has no ready-made file" + OTHER_PYTHON,
}  # fmt: skip
UNKNOWN = f"pip could not install the packages; it says why above. To try again: {PROGRAM}"


class PipFailed(Problem):
    """pip ended with an error; `full`: because the disk is."""

    def __init__(self, output: str) -> None:
        found = [why for why in ADVICE if re.search(why, output, re.IGNORECASE)]
        super().__init__(ADVICE[found[0]] if found else UNKNOWN)
        self.full = found[:1] == [NO_SPACE]


def run_pip(python: Path, arguments: list[str]) -> None:
    """`pip install` these arguments, shown as pip shows it, on stderr; PipFailed if it fails.

    Its errors pass through here to be read. Ctrl-C ends pip and goes on to the caller.
    """
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    child = subprocess.Popen(
        [*command, *arguments], stdin=subprocess.DEVNULL, stdout=2, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", errors="replace",
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
