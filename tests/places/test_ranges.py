"""Both ends of the packages' ranges: the lowest releases that requirements.txt allows, and the
newest that pip finds, each in an environment of Python 3.11 in which a part of the tests and a
notebook run.

Where pip has the lowest torch with NVIDIA's libraries alone, that environment takes 6 GB for a
while. Other versions of Python are run by hand.
"""

import os
import re
import shutil
import sys

import pytest

from minigpt.setup.environment import requirements
from minigpt.store.files import ROOT

PARTS = ["tests/rlhf", "tests/store/test_checkpoint.py", "tests/test_tokenizer.py",
         "notebooks/en/01_tokenization.ipynb"]  # fmt: skip
NOT_RUN = ("ruff", "nbgrader", "pytest-xdist")  # these parts need none of them
VERSIONS = """
import importlib.metadata as m, sys
print(".".join(map(str, sys.version_info[:3])), *(f"{n} {m.version(n)}" for n in %r), sep=", ")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.notebook,
    pytest.mark.skipif(sys.platform == "win32", reason="its environments are elsewhere"),
]


def python_311() -> str:
    found = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    return found or pytest.skip("there is no Python 3.11: put a `python3.11` on PATH")


@pytest.mark.parametrize("end", ["lowest", "newest"])
def test_part_of_the_tests_and_a_notebook(end, tmp_path, run, say):
    lines = [line for line in requirements("test") if not line.startswith(NOT_RUN)]
    wanted = [re.sub(r">=([\w.]+),<.*", r"==\1", line) for line in lines]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in wanted)
    folder = tmp_path / "venv"
    try:
        run([python_311(), "-m", "venv", folder])
        python = folder / "bin" / "python"
        pip = [python, "-m", "pip", "install", "-q", "--no-input"]
        run([*pip, *(wanted if end == "lowest" else lines)])
        left_out = ("PYTEST", "MINIGPT_", "PYTHONPATH")
        env = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        env |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MINIGPT_HOME": str(tmp_path)}
        env["PATH"] = os.pathsep.join([str(python.parent), env["PATH"]])
        options = ["-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
        done = run([python, "-m", "pytest", *options, *PARTS], cwd=ROOT, env=env)
        names = [re.match(r"[\w-]+", line)[0] for line in lines]
        has = run([python, "-c", VERSIONS % names]).stdout.strip()
        say(f"{end}: Python {has}: {done.stdout.strip().splitlines()[-1]}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
