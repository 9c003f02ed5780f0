"""Makes the learner's notebooks from their sources: releases, runs, tidies (build 03, --check)."""

import copy
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from minigpt.classroom.notebook import (
    folders,
    is_exercise,
    mark_exercises,
    new_notebook,
    read_notebook,
    sources,
    to_bytes,
)
from minigpt.maintain.badges import COLAB
from minigpt.setup.common import git, option_parser
from minigpt.setup.working_copy import choose
from minigpt.store.files import PROGRAM, ROOT, Problem, atomic_write

ENVIRONMENT = "test"  # nbgrader and nbclient

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
TIMEOUT = 900  # seconds a cell
CLEAR = {  # by language: below the title, for these open the edition as it is
    "en": " In Colab (*Edit > Clear all outputs*) and in VS Code (*Clear All Outputs*), clear the "
    "outputs first: the answers to what you are asked to predict stand there.",
}
THREADS = "2"  # of PyTorch, where OMP_NUM_THREADS does not say: sums, and so losses, depend on it


# ---- notebooks as JSON ----------------------------------------------------------------------


def normalise(notebook: dict) -> dict:
    """The notebook as it is kept: no traces of the machine, of widgets or of time.

    Code cells outside exercises are numbered 1 to n; exercises have no output and no number.
    """
    cells, number = [], 0
    for cell in notebook["cells"]:
        kept = ("cell_type", "id", "metadata", "source", "outputs")
        cell = {key: copy.deepcopy(cell[key]) for key in kept if key in cell}
        for key in ("execution", "collapsed", "scrolled"):
            cell["metadata"].pop(key, None)
        if cell["cell_type"] == "code":
            exercise = is_exercise(cell)
            number += not exercise
            cell["execution_count"] = None if exercise else number
            cell["outputs"] = [] if exercise else tidy_outputs(cell.get("outputs", []), number)
        cells.append(cell)
    return new_notebook(cells)


def tidy_outputs(outputs: list[dict], number: int) -> list[dict]:
    """Outputs with streams joined, and without widgets, which show nothing outside a kernel."""
    tidy = []
    for output in outputs:
        output = copy.deepcopy(output)
        output.pop("transient", None)
        if WIDGET_VIEW in output.get("data", {}):
            continue
        if output["output_type"] == "execute_result":
            output["execution_count"] = number
        if output["output_type"] == "stream":
            output["text"] = "".join(output["text"])
            last = tidy[-1] if tidy else {}
            if last.get("output_type") == "stream" and last["name"] == output["name"]:
                last["text"] += output["text"]
                continue
        tidy.append(output)
    return tidy


# ---- release --------------------------------------------------------------------------------


def release(paths: list[Path]) -> dict[str, dict]:
    """The learner's version of source notebooks, by stem: nbgrader takes the solutions out.

    Exercise cells may fail there, so that "Run all" goes on to the end.
    """
    if importlib.util.find_spec("nbgrader") is None:
        raise Problem("The build needs nbgrader, which takes the solutions out of the exercises. "
                      f"`{PROGRAM} build` installs it, or: pip install -e '.[test]'")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="minigpt-release-") as temporary:
        course = Path(temporary)
        lesson = course / "source" / "course"
        lesson.mkdir(parents=True)
        for path in paths:
            (lesson / path.name).write_bytes(to_bytes(read_notebook(path)))
        run_nbgrader(course)
        out = {}
        for path in paths:
            made = course / "release" / "course" / path.name
            if not made.is_file():
                raise Problem(f"nbgrader made no release of {path.name}")
            out[path.stem] = mark_exercises(read_notebook(made))
            tell_how_to_clear(out[path.stem], CLEAR.get(path.parent.name, ""))
    return out


def tell_how_to_clear(notebook: dict, sentence: str) -> None:
    """Add a sentence to the line below the title that opens the notebook in Colab."""
    lines = notebook["cells"][0]["source"].split("\n")
    lines = [line + sentence if COLAB in line else line for line in lines]
    notebook["cells"][0]["source"] = "\n".join(lines)


def run_nbgrader(course: Path) -> None:
    """nbgrader's own converter on the temporary course; Problem with what it said."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    result = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", "course", "--no-db",
         f"--CourseDirectory.root={course}"],
        cwd=course, capture_output=True, text=True, encoding="utf-8", errors="replace",
        env={**os.environ, "PATH": path},  # it starts its helpers by name
    )  # fmt: skip
    if result.returncode:
        raise Problem(f"nbgrader could not make the release:\n{result.stderr[-3000:]}")


# ---- execution ------------------------------------------------------------------------------


def kernel_environment(temporary: Path) -> dict[str, str]:
    """The environment variables of a kernel that has nothing of the person who builds."""
    settings = {
        "MINIGPT_HOME": str(temporary / "home"), "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(temporary / "ipython"), "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", THREADS),
    }  # fmt: skip
    return os.environ | settings


def execute(notebook: dict, name: str) -> dict:
    """Run a notebook from top to bottom on a fresh kernel in an empty folder.

    Problem with the cell and the error if a cell outside the exercises fails, or if the check of
    an exercise passes without a solution.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    node = nbformat.from_dict(notebook)
    with tempfile.TemporaryDirectory(prefix="minigpt-build-") as temporary:
        work = Path(temporary) / "work"
        work.mkdir()
        client = NotebookClient(
            node, timeout=TIMEOUT, kernel_name="python3", record_timing=False,
            store_widget_state=False, resources={"metadata": {"path": str(work)}},
        )  # fmt: skip
        try:
            client.execute(env=kernel_environment(Path(temporary)))
        except (CellExecutionError, CellTimeoutError) as error:
            raise Problem(f"{name} does not run:\n{error}") from None
    done = json.loads(nbformat.writes(node))
    for cell in done["cells"]:
        cell["source"] = "".join(cell["source"])
        checks = cell["metadata"].get("nbgrader", {}).get("grade")
        failed = any(o["output_type"] == "error" for o in cell.get("outputs", []))
        if checks and cell["cell_type"] == "code" and not failed:
            raise Problem(f"{name}: the check {cell['id']} passes though nothing is solved")
    return done


# ---- drift and safety -----------------------------------------------------------------------


def signature(cell: dict) -> tuple:
    """What a source cell and its released twin must share."""
    metadata = json.dumps(cell["metadata"], sort_keys=True)
    return cell["cell_type"], cell.get("id"), cell["source"], metadata


def drift(released: dict, edition: Path) -> list[str]:
    """How an edition differs from what its source gives now; empty where it does not."""
    if not edition.is_file():
        return ["has not been built"]
    want, have = normalise(released)["cells"], normalise(read_notebook(edition))["cells"]
    found = []
    if [c.get("id") for c in want] != [c.get("id") for c in have]:
        found.append(f"other cells, or in another order ({len(have)}; the source has {len(want)})")
    there = {cell.get("id"): cell for cell in have}
    for cell in want:
        twin = there.get(cell.get("id"))
        if twin and signature(twin) != signature(cell):
            found.append(f"cell {cell['id']} is not the source's")
    return found


def check(paths: list[Path], lang: str, orphans: bool = True) -> list[str]:
    """All differences between sources and editions, one line each; `orphans`: and the editions
    that none of these sources makes."""
    edition, known = folders(lang)[1], {path.stem for path in paths}
    lines = [
        f"{stem}: {difference}"
        for stem, notebook in release(paths).items()
        for difference in drift(notebook, edition / f"{stem}.ipynb")
    ]
    found = sorted(edition.glob("*.ipynb")) if orphans else []
    return lines + [f"{path.stem}: has no source" for path in found if path.stem not in known]


def uncommitted(path: Path) -> bool:
    """Whether git knows of changes in the file that are in no commit; False without git."""
    return path.is_file() and bool(git(path.parent, "status", "--porcelain", "--", path.name))


def build(paths: list[Path], lang: str, force: bool = False) -> None:
    """Make the editions of these sources. Each file is replaced after its notebook ran."""
    edition = folders(lang)[1]
    for path in [] if force else paths:
        if uncommitted(edition / path.name):
            raise Problem(f"{edition / path.name} has changes that are in no commit, and would be "
                          "replaced.\nCommit them or put them away, or: "
                          f"{PROGRAM} build --force")  # fmt: skip
    for stem, notebook in release(paths).items():
        print(f"{stem}: running")
        done = normalise(execute(notebook, stem))
        edition.mkdir(parents=True, exist_ok=True)
        content = to_bytes(done)
        atomic_write(edition / f"{stem}.ipynb", content)
        print(f"{stem}: {len(done['cells'])} cells, {len(content) / 1000:.0f} KB")


def main(argv: list[str]) -> int:
    """Build, or check; 1 where sources and editions differ."""
    parser = option_parser("build", __doc__, edition=True)
    parser.add_argument("notebooks", nargs="*", metavar="NN", help="numbers (default: all)")
    parser.add_argument("--force", action="store_true", help="replace uncommitted changes too")
    parser.add_argument("--check", action="store_true", help="compare only, run nothing")
    chosen = parser.parse_args(argv)
    found = sources(chosen.lang)
    paths = [choose(name, found) for name in chosen.notebooks] or found
    if not chosen.check:
        build(paths, chosen.lang, chosen.force)
        return 0
    lines = check(paths, chosen.lang, orphans=not chosen.notebooks)
    agree = f"{len(paths)} notebook(s): sources and edition agree."
    print(*lines, f"`{PROGRAM} build` makes the edition anew." if lines else agree, sep="\n")
    return int(bool(lines))
