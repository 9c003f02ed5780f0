"""Binder: the image that repo2docker would make, and its parts run here.

tests/setup/test_packaging.py compares the lists of packages and reads the scripts.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from minigpt.classroom.notebook import read_notebook
from minigpt.store.files import ROOT

BINDER = ROOT / "binder"
FIRST = ROOT / "notebooks" / "en" / "00_overview.ipynb"
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(sys.platform == "win32" or not BASH, reason="Binder runs bash")


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_parse_and_have_unix_line_ends(name, run):
    assert b"\r" not in (BINDER / name).read_bytes()
    run([BASH, "-n", BINDER / name])


def test_start_sets_one_thread_and_runs_what_it_is_given(run):
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS'], sys.argv[1:])"
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = run([BASH, BINDER / "start", sys.executable, "-c", code, "two words", "$HOME"], env=env)
    assert done.stdout + done.stderr == "1 ['two words', '$HOME']\n"


def test_no_other_folder_of_binder_and_nothing_that_changes_the_image():
    """repo2docker stops where both folders are, and reads every one of these files."""
    assert not (ROOT / ".binder").exists()
    kept = {"postBuild", "requirements.txt", "runtime.txt", "start"}
    assert {path.name for path in BINDER.iterdir()} == kept


@pytest.mark.slow
def test_repo2docker_installs_the_packages_before_it_copies_the_course(tmp_path, run):
    """So that a new commit does not install torch anew."""
    run([sys.executable, "-m", "venv", tmp_path / "venv"])
    bin_ = tmp_path / "venv" / "bin"
    run([bin_ / "pip", "install", "-q", "jupyter-repo2docker", "setuptools<81"])
    done = run([bin_ / "jupyter-repo2docker", "--no-build", "--debug", "."], cwd=ROOT)
    said = re.sub(r"\\n", "\n", done.stdout + done.stderr)
    packages = said.index("binder/requirements.txt")
    course = re.search(r"^COPY --chown=\S+ src/ \S*REPO_DIR\S*", said, re.M)
    assert course and packages < said.index("pip install", packages) < course.start()
    assert "py-2d3-2e12" in said, "the lock file of Python 3.12, as it writes its name"
    assert course.start() < said.index("binder/postBuild") < said.index("binder/start")


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.place("Binder's packages and scripts")
@pytest.mark.parametrize("path", [FIRST], ids=lambda path: path.stem)
def test_its_packages_postbuild_and_start_run_a_notebook(path, run, tmp_path, say):
    run([sys.executable, "-m", "venv", tmp_path / "venv"])
    bin_ = tmp_path / "venv" / "bin"
    text = (BINDER / "requirements.txt").read_text(encoding="utf-8")
    lines = re.findall(r"^\w.*$", text, re.M)
    (tmp_path / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    torch = next(line for line in lines if line.startswith("torch=="))
    tried = subprocess.run(
        [bin_ / "pip", "install", "-q", "--no-deps", "--dry-run", torch], capture_output=True
    )
    if tried.returncode:
        pytest.skip(f"pip has no {torch} here: Binder takes it from PyTorch's own index")
    run([bin_ / "pip", "install", "-q", "-r", tmp_path / "all.txt"])
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    env |= {"PATH": os.pathsep.join([str(bin_), os.environ["PATH"]]), "PYTHONPATH": str(ROOT)}
    env |= {"MINIGPT_HOME": str(tmp_path / "home"), "IPYTHONDIR": str(tmp_path / "ipython")}
    image = tmp_path / "image"  # it clears the notebooks
    shutil.copytree(ROOT / "minigpt", image / "minigpt")
    shutil.copytree(ROOT / "notebooks" / "en", image / "notebooks" / "en")
    run([BINDER / "postBuild"], cwd=image, env=env | {"PYTHONPATH": str(image)})
    copy = image / "notebooks" / "en" / path.name
    assert not any(cell.get("outputs") for cell in read_notebook(copy)["cells"])
    convert = ["jupyter", "nbconvert", "--to", "notebook", "--execute", f"--output-dir={tmp_path}"]
    run([BINDER / "start", *convert, path], cwd=ROOT, env=env)
    assert (tmp_path / path.name).stat().st_size > 10_000
    say(f"{torch} and the rest of binder/requirements.txt, in a new environment: runs")
