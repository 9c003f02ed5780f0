"""Colab: each edition on a kernel with Colab's versions, where nothing but the notebook was opened.

The versions are in colab.txt, in an environment made for this, of Python 3.11 (all of them have
files for it). Torch is Colab's where pip finds one without NVIDIA's libraries, else the one that
the tests have. Stand-ins: an empty `google.colab`, and a `git` that copies the course of this
repository. Colab's page is not here: only what runs in its kernel.
"""

import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minigpt.classroom.notebook import is_exercise, read_notebook, to_bytes, with_short_budget
from minigpt.store.files import ROOT

PINS = Path(__file__).with_name("colab.txt")
CLONE = "/content/course"  # where the bootstrap cell puts the course
GIT = """#!{python}
import shutil, sys
shutil.copytree({package!r}, sys.argv[-1] + "/minigpt", ignore=shutil.ignore_patterns("*.pyc"))
"""
IN_COLAB = """
import sys, types
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = types.ModuleType("google.colab")
sys.path += {more}  # after the environment's own packages
"""
VERSIONS = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in %r}))"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.notebook,
    pytest.mark.skipif(sys.platform != "linux", reason="Colab's machines run Linux"),
]


def pinned() -> dict[str, str]:
    text = PINS.read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+)==(.+)$", text, re.M))


def python_311() -> str:
    found = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    return found or pytest.skip("there is no Python 3.11: put a `python3.11` on PATH")


def would_install(run, pip: list, *arguments, env: dict | None = None) -> dict[str, dict]:
    """What pip would install, {name: metadata}, without installing it."""
    done = run([*pip, "install", "-q", "--dry-run", "--report", "-", *arguments], env=env)
    found = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    return {item["name"].lower(): item for item in found}


@pytest.fixture(scope="module")
def colab(tmp_path_factory, run):
    """The environment: its python, pip, and the variables for a kernel of it."""
    folder = tmp_path_factory.mktemp("colab")
    run([python_311(), "-m", "venv", folder / "venv"])
    python = folder / "venv" / "bin" / "python"
    pip = [python, "-m", "pip"]
    names = sorted({*pinned(), "safetensors"} - {"torch"})
    run([*pip, "install", "-q", "-c", PINS, *names])
    torch = would_install(run, pip, "--no-deps", f"torch=={pinned()['torch']}")["torch"]
    more = []
    if "nvidia" not in str(torch["requires_dist"]):
        run([*pip, "install", "-q", f"torch=={pinned()['torch']}"])
    elif sys.version_info[:2] == (3, 11):
        more = [str(Path(importlib.util.find_spec("torch").origin).parents[1])]
    else:
        pytest.skip("pip has only a torch of several gigabytes: run the tests with Python 3.11")
    (folder / "sitecustomize.py").write_text(IN_COLAB.format(more=more), encoding="utf-8")
    git = folder / "bin" / "git"
    git.parent.mkdir()
    package = str(ROOT / "minigpt")
    git.write_text(GIT.format(python=sys.executable, package=package), encoding="utf-8")
    git.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MINIGPT_", "PYTHON"))}
    environment |= {
        "PYTHONPATH": str(folder), "IPYTHONDIR": str(folder / "ipython"),
        "PATH": os.pathsep.join([str(git.parent), str(python.parent), os.environ["PATH"]]),
    }  # fmt: skip
    return SimpleNamespace(folder=folder, python=python, pip=pip, env=environment)


def test_the_kernel_has_colabs_versions_and_not_the_course(colab, run):
    asked = [colab.python, "-c", VERSIONS % list(pinned())]
    has = json.loads(run(asked, env=colab.env).stdout)
    wanted = pinned()
    print(f"torch {has.pop('torch')} here, {wanted.pop('torch')} in Colab")
    assert has == wanted
    code = "import importlib.util as u; print(u.find_spec('minigpt'))"
    found = run([colab.python, "-c", code], env=colab.env, cwd=colab.folder)
    assert found.stdout == "None\n"


def test_requirements_change_nothing_that_colab_has(colab, run, tmp_path):
    """A package that is replaced while a kernel has it loaded breaks the session."""
    stub = tmp_path / f"torch-{pinned()['torch']}+cu128.dist-info"  # Colab's, as pip sees it
    stub.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: torch\nVersion: {pinned()['torch']}+cu128\n"
    (stub / "METADATA").write_text(metadata, encoding="utf-8")
    env = {**colab.env, "PYTHONPATH": str(tmp_path)}
    listed = json.loads(run([*colab.pip, "list", "--format", "json"], env=env).stdout)
    there = {package["name"].lower() for package in listed}
    assert set(pinned()) <= there
    new = would_install(run, colab.pip, "-r", ROOT / "requirements.txt", env=env)
    assert not there & set(new), "requirements.txt replaces what Colab has"


@pytest.mark.place("Colab's versions")
def test_edition_runs(path, colab, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat comes with JupyterLab")
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    kernel = {"argv": [str(colab.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    kernel |= {"display_name": "Colab", "language": "python"}
    (tmp_path / "kernels" / "colab").mkdir(parents=True)
    specification = tmp_path / "kernels" / "colab" / "kernel.json"
    specification.write_text(json.dumps(kernel), encoding="utf-8")
    specs = KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")], ensure_native_kernel=False)

    course = tmp_path / "content" / "course"
    short = to_bytes(with_short_budget(read_notebook(path)))
    notebook = nbformat.reads(short.decode("utf-8"), as_version=4)
    bootstrap = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert CLONE in bootstrap.source
    bootstrap.source = bootstrap.source.replace(CLONE, str(course))
    notebook.cells.append(nbformat.v4.new_code_cell("import minigpt; print(minigpt.__file__)"))
    (tmp_path / "work").mkdir()
    client = NotebookClient(
        notebook, timeout=600, store_widget_state=False,
        km=AsyncKernelManager(kernel_name="colab", kernel_spec_manager=specs),
        resources={"metadata": {"path": str(tmp_path / "work")}},
    )  # fmt: skip
    client.owns_km = True  # or nbclient would let a kernel that it was given go on
    client.execute(env=colab.env)
    assert notebook.cells[-1].outputs[0].text.strip() == str(course / "minigpt" / "__init__.py")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error" or is_exercise(cell), (cell.id, output)
            assert output.get("name") != "stderr", (cell.id, output.text)
