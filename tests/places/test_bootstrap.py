"""The first code cell of each notebook finds the course, or fetches it in Colab; and the next one
says what is missing.

Colab is an empty `google.colab`, and a folder of the test in place of /content; git is a program of
the test, first on PATH, that does what a test asks of it. The cell itself runs as it is.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt.classroom.notebook import read_notebook
from minigpt.maintain.badges import BRANCH, GITHUB, REPOSITORY
from minigpt.store.files import ROOT

EDITIONS = sorted((ROOT / "notebooks").glob("[a-z][a-z]/[0-9]*.ipynb"))
COURSE = "/content/course"  # where the cell puts the course in Colab
IN_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')"
# `to` is the last argument; like git, it wants no folder there
CLONES = '[ ! -e "$to" ] && mkdir -p "$to/minigpt" && touch "$to/minigpt/__init__.py"'
FAILS = 'echo "fatal: unable to access" >&2; exit 128'
FAILS_HALF_WAY = f"{CLONES}; {FAILS}"
FETCHES = f"git clone -q --depth 1 --branch {BRANCH} {GITHUB}{REPOSITORY}"

pytestmark = pytest.mark.skipif(not EDITIONS, reason="there are no notebooks yet")
like_colab = pytest.mark.skipif(sys.platform != "linux", reason="Colab's machines run Linux")


def code_cells(path: Path) -> list[str]:
    cells = read_notebook(path)["cells"]
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


def run(folder: Path, *program: str, path: str = os.environ.get("PATH", "")) -> str:
    """Run a program in a folder, without the course or any package on the path; what it says."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(  # -S: no site-packages, where the launcher may have put the course
        [sys.executable, "-S", "-"], input="\n".join(program), cwd=folder, timeout=60,
        env={**environment, "PATH": path}, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    return result.stdout + result.stderr


class Colab:
    """A machine with nothing on it but the notebook."""

    def __init__(self, folder: Path):
        self.content = folder / "content"
        self.course = self.content / "course"
        self.bin = folder / "bin"
        self.log = folder / "git.log"
        cell = code_cells(EDITIONS[0])[0]
        assert cell.count(COURSE) == 1
        self.cell = cell.replace(COURSE, str(self.course))
        for made in (self.content, self.bin):
            made.mkdir()
        (self.content / "sample_data").mkdir()

    def git(self, does: str) -> None:
        lines = ["#!/bin/sh", f'echo "git $*" >> {self.log}', 'for to in "$@"; do :; done', does]
        (self.bin / "git").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (self.bin / "git").chmod(0o755)

    def run(self, *after: str, times: int = 1) -> str:
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        return run(self.content, IN_COLAB, *[self.cell] * times, *after, path=path)

    def asked(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def colab(tmp_path):
    return Colab(tmp_path)


USE = "import sys, minigpt; print(minigpt.__file__); print(sys.path[0])"


@pytest.mark.parametrize("inside", ["", "notebooks/en", "notebooks/source/en", "minigpt/engine"])
@pytest.mark.parametrize("before", ["", IN_COLAB], ids=["", "in Colab"])
def test_it_finds_the_course_from_any_folder_in_it_and_twice(inside, before):
    cell = code_cells(EDITIONS[0])[0]
    said = run(ROOT / inside, before, cell, cell, "import minigpt; print(minigpt.__file__)")
    assert Path(said.strip()).resolve() == ROOT / "minigpt" / "__init__.py"


def test_elsewhere_it_says_what_to_do(tmp_path):
    cell = code_cells(EDITIONS[0])[0]
    said = run(tmp_path, cell, "import sys; print(sys.path[0] == '')")
    assert said == f"The course is not beside this notebook. To get it: {FETCHES}\nTrue\n"


def test_a_folder_that_only_bears_the_name_is_not_the_course(tmp_path):
    """A clone in ./minigpt is a namespace package to Python, with nothing of the course in it."""
    (tmp_path / "minigpt" / "notebooks").mkdir(parents=True)
    assert "not beside this notebook" in run(tmp_path, code_cells(EDITIONS[0])[0])


@like_colab
def test_in_colab_it_fetches_the_course_once(colab):
    colab.git(CLONES)
    init = colab.course / "minigpt" / "__init__.py"
    assert colab.run(USE, times=2).split() == [str(init), str(colab.course)]
    assert colab.asked() == [f"{FETCHES} {colab.course}.part"]
    assert sorted(p.name for p in colab.content.iterdir()) == ["course", "sample_data"]
    colab.git(FAILS)  # the kernel is started anew: the course is there
    assert colab.run(USE).split() == [str(init), str(colab.course)]
    assert len(colab.asked()) == 1


@like_colab
@pytest.mark.parametrize("does", [FAILS, FAILS_HALF_WAY], ids=["at once", "half-way"])
def test_a_clone_that_fails_is_told_and_leaves_no_path(colab, does):
    colab.git(does)
    said = colab.run("import sys; print(sys.path[0] == '')")
    told = "The course could not be fetched: is there no network, or is it not public?"
    assert f"{told} To get it: {FETCHES}\nTrue\n" in said
    assert "fatal: unable to access" in said and "Traceback" not in said
    assert not colab.course.exists()
    colab.git(CLONES)  # and the next time it works, whatever was left behind
    assert str(colab.course) in colab.run(USE).split()


@like_colab
def test_without_git_it_says_so_too(colab):
    for program in ("rm", "mv"):
        shutil.copy(shutil.which(program), colab.bin)
    said = run(colab.content, IN_COLAB, colab.cell, path=str(colab.bin))
    assert "The course could not be fetched" in said and "Traceback" not in said


@like_colab
def test_a_half_made_course_is_not_taken_and_what_is_in_it_is_kept(colab):
    kept = colab.course / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine", encoding="utf-8")
    colab.git(CLONES)
    said = colab.run("import sys; print(sys.path[0] == '')")
    assert "The course could not be fetched" in said and "\nTrue\n" in said
    assert kept.read_text(encoding="utf-8") == "mine" and list(colab.course.iterdir()) == [kept]


# ---- the cell after it --------------------------------------------------------------------------

WITHOUT = """
import importlib.machinery
found = importlib.machinery.PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name in {lacking!r} else found(name, path, target)

importlib.machinery.PathFinder.find_spec = find_spec
"""


def second_cell(path: Path, *lacking: str) -> str:
    """What the first two code cells of a notebook print in a Python without these packages."""
    program = "\n".join([WITHOUT.format(lacking=lacking), *code_cells(path)[:2]])
    result = subprocess.run(
        [sys.executable, "-"], input=program, cwd=ROOT, capture_output=True, text=True,
        encoding="utf-8", timeout=60,
    )  # fmt: skip
    return result.stderr


@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: path.stem)
def test_what_is_missing_is_named_with_the_line_to_type(path):
    said = second_cell(path, "tiktoken")
    assert "\n    %pip install tiktoken\n" in said and "tokenizer.py" not in said
    every = second_cell(path, "torch", "numpy", "tiktoken", "safetensors", "matplotlib")
    assert "\n    %pip install torch numpy tiktoken safetensors matplotlib\n" in every
