"""What tests of several places share: the editions, and a program that may have to install."""

import subprocess
from pathlib import Path

import pytest

from minigpt.store.files import ROOT

NO_FILES = ("(from versions: none)", "No module named pip")


@pytest.fixture(
    params=sorted((ROOT / "notebooks" / "en").glob("*.ipynb")), ids=lambda path: path.stem
)
def path(request) -> Path:
    """Each English edition in turn."""
    return request.param


@pytest.fixture(scope="session")
def run():
    """`run(command, **options)` runs a program that must go well; subprocess's options. The test is
    skipped where that is pip, and it finds no files at all."""

    def run(command: list, **options) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, encoding="utf-8",
            errors="replace", **options,
        )  # fmt: skip
        if any(words in done.stderr for words in NO_FILES):
            pytest.skip("pip finds no packages: give it a network, or an index of its own")
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done

    return run
