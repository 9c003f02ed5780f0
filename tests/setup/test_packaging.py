"""Files that have to agree with each other: requirements, Binder's, pyproject, .ci/run, licence."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from minigpt.setup import environment
from minigpt.setup.packages import name_of
from minigpt.show import start as needed
from minigpt.store.files import ROOT


def ranges(lines):
    """{name: range} of requirement lines."""
    packaging = pytest.importorskip("packaging.requirements")
    found = [packaging.Requirement(line) for line in lines]
    return {one.name: one.specifier for one in found}


def test_requirements_have_upper_caps_and_name_no_index():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text and "--" not in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert environment.requirements("lab") == lines
    for name, specifier in ranges(lines).items():
        assert sorted(one.operator for one in specifier) == ["<", ">="], name


def test_notebooks_name_a_missing_package_that_requirements_ask_for():
    assert set(needed.PACKAGES) == set(map(name_of, environment.requirements("package")))


def test_binder_asks_for_the_same_packages_within_the_same_ranges():
    text = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
    assert "--extra-index-url" in text and "-r " not in text
    lines = [line for line in text.splitlines() if re.match(r"\w", line)]
    ours, binders = ranges(environment.requirements("lab")), ranges(lines)
    (torch,) = binders.pop("torch")
    assert torch.operator == "==" and torch.version.endswith("+cpu")
    assert ours.pop("torch").contains(torch.version)
    assert binders == ours


def test_binder_scripts():
    assert (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8") == "python-3.12\n"
    start = (ROOT / "binder" / "start").read_text(encoding="utf-8")
    assert "export OMP_NUM_THREADS=1" in start and start.rstrip().endswith('exec "$@"')
    post = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    assert "set -e" in post and "clear_course()" in post


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are Unix's")
@pytest.mark.parametrize("name", ["binder/start", "binder/postBuild", ".ci/run", ".ci/chromium"])
def test_scripts_can_be_run(name):
    assert os.access(ROOT / name, os.X_OK)
    assert (ROOT / name).read_text(encoding="utf-8").startswith("#!")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with 3.11")
def test_pyproject():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == ">=3.10"
    assert project["tool"]["setuptools"]["packages"]["find"]["include"] == ["minigpt*"]
    dynamic = project["tool"]["setuptools"]["dynamic"]
    assert dynamic["dependencies"]["file"] == ["requirements.txt"]
    assert {"test", "teach", "bench"} <= set(project["project"]["optional-dependencies"])


def test_ci_makes_a_new_environment_and_runs_the_tests_last():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "set -euo pipefail" in lines
    assert any(re.match(r"python3 -m minigpt test --fresh\b", line) for line in lines)
    assert lines[-1].endswith("python -m minigpt test")


@pytest.mark.skipif(sys.platform == "win32", reason="a script of bash's")
def test_ci_takes_the_chromium_that_is_there_and_none_that_does_not_run(tmp_path):
    """Without root, npm and another Chromium it says so and gives nothing, and does not fail."""

    def path_given(**environment) -> tuple[str, str]:
        done = subprocess.run(
            [shutil.which("bash"), str(ROOT / ".ci" / "chromium")], capture_output=True, text=True,
            encoding="utf-8", env={"PATH": str(tools), **environment}, check=True,
        )  # fmt: skip
        return done.stdout.strip(), done.stderr

    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "id").write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    runs, fails = tmp_path / "runs", tmp_path / "fails"
    runs.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    fails.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    for file in (tools / "id", runs, fails):
        file.chmod(0o755)
    assert path_given(MINIGPT_CHROMIUM=str(runs)) == (str(runs), "")
    for given in ({"MINIGPT_CHROMIUM": str(fails)}, {}):
        path, said = path_given(**given)
        assert path == "" and "neither apt-get nor npm gave one" in said


def test_every_index_is_pytorchs_and_only_where_allowed():
    """The one host of a package index that the repository names is PyTorch's CPU index."""
    allowed = {"minigpt/setup/environment.py", "binder/requirements.txt"}
    pattern = re.compile(r"https?://[\w.-]*(?:pypi|pythonhosted|download\.pytorch|registry\.)")
    for folder in ("minigpt", "binder", ".ci", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".txt", ".sh", ".md", ".toml", "") and path.is_file():
                if pattern.search(path.read_text(encoding="utf-8", errors="ignore")):
                    assert path.relative_to(ROOT).as_posix() in allowed


def test_every_folder_of_code_is_a_package():
    """setuptools leaves a folder without __init__.py out of the wheel."""
    folders = {path.parent for path in (ROOT / "minigpt").rglob("*.py")}
    assert len(folders) > 1
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []
