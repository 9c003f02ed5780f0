"""What a requirement asks for, and whether the running Python has it: pip judges of versions."""

import os
import re
import subprocess
import sys
from importlib import metadata

ASK = ["install", "--isolated", "--dry-run", "--report", os.devnull, "--no-index", "--quiet",
       "--disable-pip-version-check"]  # fmt: skip


def name_of(requirement: str) -> str:
    """'torch>=2.6,<2.14' -> 'torch'."""
    return re.match(r"[\w.-]+", requirement)[0]


def installed_version(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def missing(requirements: list[str], versions: bool = True) -> list[str]:
    """Those that the running Python does not meet; `versions=False`: that it has in no version.

    pip needs no network for it, and about a second. Where there is none, or one before 22.2, which
    cannot say, any version will do.
    """
    absent = [line for line in requirements if installed_version(name_of(line)) is None]
    if absent or not versions or installed_version("pip") is None:
        return absent
    done = subprocess.run(
        [sys.executable, "-m", "pip", *ASK, *requirements], capture_output=True, text=True,
        encoding="utf-8", errors="replace", env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
    )  # fmt: skip
    if done.returncode != 1:  # 2: it does not know --dry-run
        return []
    found = re.findall(r"No matching distribution found for (.+)", done.stderr)
    return found or done.stderr.strip().splitlines()[-1:] or ["what pip did not name"]
