"""Makes the learner's notebooks from their sources: releases, runs, tidies (build 03, --check)."""

import copy
import json
import os
import tempfile
from pathlib import Path

from minigpt.classroom.grading.repair import mark
from minigpt.classroom.notebook import (
    folders,
    is_exercise,
    mark_exercises,
    new_notebook,
    read_notebook,
    sources,
    to_bytes,
    without_solutions,
)
from minigpt.maintain.badges import COLAB
from minigpt.setup.common import git, option_parser
from minigpt.setup.working_copy import choose
from minigpt.store.files import PROGRAM, ROOT, Problem, atomic_write

ENVIRONMENT = "test"  # nbclient

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
        for key in ("cell_type", "checksum"):  # nbgrader's own
            mark(cell).pop(key, None)
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


def release(path: Path) -> dict:
    """The learner's version of a source notebook: without solutions, its exercises where they are.

    Exercise cells may fail there, so that "Run all" goes on to the end.
    """
    notebook = mark_exercises(without_solutions(read_notebook(path)))
    for cell in filter(mark, notebook["cells"]):
        fixed = {"deletable": False} | ({} if mark(cell).get("solution") else {"editable": False})
        cell["metadata"] |= fixed
    tell_how_to_clear(notebook, CLEAR.get(path.parent.name, ""))
    return notebook


def tell_how_to_clear(notebook: dict, sentence: str) -> None:
    """Add a sentence to the line below the title that opens the notebook in Colab."""
    lines = notebook["cells"][0]["source"].split("\n")
    lines = [line + sentence if COLAB in line else line for line in lines]
    notebook["cells"][0]["source"] = "\n".join(lines)


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


def drift(released: dict, edition: Path) -> list[str]:
    """How an edition differs from what its source gives now; empty where it does not."""
    if not edition.is_file():
        return ["has not been built"]
    cells = [normalise(notebook)["cells"] for notebook in (released, read_notebook(edition))]
    made = {"outputs": None, "execution_count": None}
    want, have = ({cell.get("id"): cell | made for cell in part} for part in cells)
    found = [f"cell {i} is not the source's" for i in want if have.get(i, want[i]) != want[i]]
    if [*want] != [*have]:
        number = f"{len(have)}; the source has {len(want)}"
        found.insert(0, f"other cells, or in another order ({number})")
    return found


def check(paths: list[Path], lang: str, orphans: bool = True) -> list[str]:
    """All differences between sources and editions, one line each; `orphans`: and the editions
    that none of these sources makes."""
    edition, known = folders(lang)[1], {path.stem for path in paths}
    lines = [
        f"{path.stem}: {difference}"
        for path in paths
        for difference in drift(release(path), edition / path.name)
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
    for path in paths:
        print(f"{path.stem}: running")
        done = normalise(execute(release(path), path.stem))
        content = to_bytes(done)
        atomic_write(edition / path.name, content)
        print(f"{path.stem}: {len(done['cells'])} cells, {len(content) / 1000:.0f} KB")


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
