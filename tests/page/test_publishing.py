"""What the workflow that publishes the page does: its steps are scripts, and they run here."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from minigpt.maintain import badges
from minigpt.store.files import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "pages.yml"
SCRIPTS = (".github/links", ".github/site")
on_windows = pytest.mark.skipif(sys.platform == "win32", reason="scripts of bash's")


def run(command, folder, **environment):
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder), **environment}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_every_step_is_one_of_the_scripts_or_githubs_own():
    text = WORKFLOW.read_text(encoding="utf-8")
    steps = re.findall(r"\brun: *(.*)", text)
    assert [step.split()[0] for step in steps] == list(SCRIPTS)
    uses = re.findall(r"\buses: *(.*)", text)
    assert uses and all(re.fullmatch(r"actions/[\w-]+@v\d+", use) for use in uses)
    assert "contents: write" in text and "pages: write" in text and "id-token: write" in text


@on_windows
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_can_be_run(script):
    assert os.access(ROOT / script, os.X_OK)
    assert (ROOT / script).read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")


def test_readme_names_the_clicks_that_github_wants():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "Settings → Pages → Source: GitHub Actions" in text
    assert "Actions → I understand my workflows, go ahead and enable them" in text


@on_windows
@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_first_push_to_a_repository_sets_its_links_and_the_next_finds_nothing(tmp_path):
    there, here = tmp_path / "github.git", tmp_path / "course"
    shutil.copytree(ROOT / "minigpt", here / "minigpt",
                    ignore=lambda _folder, names: {n for n in names if n in ("data", "page")
                                                   or n == "__pycache__"})  # fmt: skip
    shutil.copytree(ROOT / "notebooks", here / "notebooks")
    for name in ("README.md", "TEACHING.md", "requirements.txt", badges.NAMES, *SCRIPTS):
        (here / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, here / name)
    run(["git", "init", "--quiet", "--bare", str(there)], tmp_path)
    run(["git", "init", "--quiet", "--initial-branch", "main"], here)
    run(["git", "remote", "add", "origin", str(there)], here)
    run(["git", "add", "--all"], here)
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    run(["git", *who, "commit", "--quiet", "--message", "The course"], here)
    known = {"GITHUB_REPOSITORY": "a-class/course", "GITHUB_REF_NAME": "main"}
    said = [run([".github/links"], here, GITHUB_OUTPUT=str(tmp_path / "out"), **known)
            for _ in range(2)]  # fmt: skip
    assert "README.md: set" in said[0] and "All links name a-class/course" in said[1]
    commits = run(["git", "log", "--format=%H %s", "main"], there).splitlines()
    assert [line.split(" ", 1)[1] for line in commits] == [
        "Links name this repository", "The course"
    ]  # fmt: skip
    told = (tmp_path / "out").read_text(encoding="utf-8")
    assert told == f"commit={commits[0].split()[0]}\n" * 2
    readme = run(["git", "show", "main:README.md"], there)
    assert f"[Ask the four models]({badges.page_link('a-class/course')})" in readme
    assert "__pycache__" not in run(["git", "show", "--stat", "main"], there)


@on_windows
@pytest.mark.notebook
def test_the_site_has_the_page_and_the_notebooks_as_html(tmp_path):
    pytest.importorskip("nbconvert", reason="nbconvert comes with JupyterLab")
    run([".github/site", str(tmp_path / "site"), "notebooks/en/00_overview.ipynb"], ROOT)
    assert (tmp_path / "site" / "index.html").is_file()
    html = (tmp_path / "site" / "notebooks" / "00_overview.html").read_text(encoding="utf-8")
    assert 'href="01_tokenization.html"' in html and 'href="01_tokenization.ipynb"' not in html
