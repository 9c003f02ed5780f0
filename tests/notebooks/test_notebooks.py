"""What holds for every notebook, source and edition: limits, ids, no traces, exercises that work.

There are no notebooks in a language until its edition is built; each that exists is held to all.
"""

import ast
import os
import re
import subprocess
import symtable
import sys
from pathlib import Path

import pytest

from minigpt.classroom.notebook import BUDGET, KERNELSPEC, with_short_budget
from minigpt.maintain import build
from minigpt.maintain.badges import BRANCH, REPOSITORY, binder_link, colab_link
from minigpt.setup.working_copy import LANGUAGES
from minigpt.store.files import ROOT
from tried import one_of_many

SOURCES = sorted((ROOT / "notebooks" / "source").glob("*/*.ipynb"))
EDITIONS = sorted(p for lang in LANGUAGES for p in (ROOT / "notebooks" / lang).glob("*.ipynb"))
STEMS = [
    "00_overview", "01_tokenization", "02_pretraining", "03_prompting", "04_sft",
    "05_reward_model", "06_ppo", "07_arena",
]  # fmt: skip
FEWEST_CHECKED = 3  # a covered prediction shows a widget, which no output is compared with
LARGEST = 600_000  # bytes of an edition
CHECKED = "nbval-check-output"


def name(path: Path) -> str:
    return "/".join(path.relative_to(ROOT / "notebooks").with_suffix("").parts)


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=name)


def cells(path: Path, kind: str | None = None) -> list[dict]:
    found = build.read_notebook(path)["cells"]
    return [cell for cell in found if kind in (None, cell["cell_type"])]


def outputs(path: Path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            yield cell, output


@each(SOURCES + EDITIONS)
def test_name_is_one_of_the_course(path):
    assert path.stem in STEMS


@each(SOURCES + EDITIONS)
def test_limits(path):
    assert 25 <= len(cells(path)) <= 45
    for cell in cells(path, "code"):
        lines = cell["source"].splitlines()
        assert len(lines) <= 25, cell["id"]
        wide = [line for line in lines if len(line) > 118 and cell["id"] != "bootstrap"]
        assert not wide, f"JupyterLab cuts {cell['id']}: {wide[0]}"
    text, code = len(cells(path, "markdown")), len(cells(path, "code"))
    assert text >= code / 2, "the argument must stand in the text"


@each(SOURCES + EDITIONS)
def test_ids_are_unique_and_the_kernel_is_python3(path):
    notebook = build.read_notebook(path)
    ids = [cell.get("id") for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id or "") for id in ids)
    assert notebook["metadata"] == {
        "kernelspec": KERNELSPEC, "language_info": {"name": "python"}
    }  # fmt: skip
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)


@each(SOURCES + EDITIONS)
def test_file_is_tidy(path):
    notebook = build.read_notebook(path)
    assert path.read_bytes() == build.to_bytes(notebook), "write it with build.to_bytes"
    if path in EDITIONS:
        assert build.to_bytes(build.normalise(notebook)) == path.read_bytes()
        assert path.stat().st_size < LARGEST


@each(SOURCES)
def test_source_is_stripped_and_parses(path):
    for cell in cells(path, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compile(cell["source"], cell["id"], "exec", flags=flags | ast.PyCF_ONLY_AST)


@each(SOURCES + EDITIONS)
def test_nothing_is_installed_and_no_machine_is_named(path):
    machine = "|".join(
        [*(f"/{name}/" for name in ("home", "root", "tmp", "work")), "site-packages"]
    )
    for cell in cells(path, "code"):
        found = re.search(r"^\s*[%!]|pip install|" + machine, cell["source"], re.MULTILINE)
        assert not found, cell["id"]
    for cell, output in outputs(path):
        assert not re.search(machine, str(output)), cell["id"]


@each(SOURCES)
def test_budgets_are_constants_in_one_cell(path):
    """So that a learner finds them, and a test that replaces them misses none."""
    tagged = [c for c in cells(path, "code") if BUDGET in c["metadata"].get("tags", [])]
    assert len(tagged) <= 1
    for cell in tagged:
        for node in ast.parse(cell["source"]).body:
            assert isinstance(node, ast.Assign) and len(node.targets) == 1, ast.unparse(node)
            name, number = node.targets[0].id, getattr(node.value, "value", None)
            assert name.isupper(), ast.unparse(node)
            short = cell["metadata"]["minigpt"]["short"]
            assert name in short or not isinstance(number, int | float), ast.unparse(node)
        constants = {node.targets[0].id for node in ast.parse(cell["source"]).body}
        assert set(short) <= constants, "every short value has its constant"


@each(SOURCES + EDITIONS)
def test_bootstrap_is_the_same_in_all_and_short(path):
    bootstrap = next(cell for cell in cells(path, "code"))
    first = next(cell for cell in cells((SOURCES + EDITIONS)[0], "code"))
    assert bootstrap["source"] == first["source"]
    lines = bootstrap["source"].splitlines()
    assert len(lines) <= 8 and max(map(len, lines)) <= 120


@each(SOURCES + EDITIONS)
def test_below_the_title_are_links_that_open_the_edition_elsewhere(path):
    """Links in words: a picture of a badge would be broken where there is no network."""
    text = cells(path)[0]["source"]
    title, blank, links, *_ = text.split("\n")
    assert title.startswith("# ") and blank == ""
    edition = f"notebooks/{path.parent.name}/{path.name}"
    assert re.findall(r"\]\(([^)]+)\)", links) == [
        colab_link(REPOSITORY, BRANCH, edition), binder_link(REPOSITORY, BRANCH, edition)
    ]  # fmt: skip
    assert "![" not in text
    clear = build.CLEAR[path.parent.name]
    assert links.endswith(clear) == (path in EDITIONS), "an edition has outputs, a source has none"


@each(SOURCES + EDITIONS)
def test_markdown_has_one_title_ordered_headings_and_alt_texts(path):
    fenced = re.compile(r"^```.*?^```", re.M | re.S)
    text = "\n".join(fenced.sub("", cell["source"]) for cell in cells(path, "markdown"))
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)]
    assert levels[:1] == [1] and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    assert not re.search(r"!\[\s*\]\(", text), "an image without alt text"


@each(SOURCES + EDITIONS)
def test_links_between_notebooks_lead_somewhere(path):
    text = "\n".join(cell["source"] for cell in cells(path, "markdown"))
    for target in re.findall(r"\]\(([^)#:]+\.ipynb)", text):
        assert Path(target).stem in STEMS and "/" not in target, target


# ---- editions -----------------------------------------------------------------------------------


@each(EDITIONS)
def test_edition_ran_in_order_without_errors_or_widgets(path):
    lesson = [cell for cell in cells(path, "code") if not build.is_exercise(cell)]
    assert [cell["execution_count"] for cell in lesson] == list(range(1, len(lesson) + 1))
    assert "widgets" not in build.read_notebook(path)["metadata"]
    for cell, output in outputs(path):
        assert output["output_type"] != "error", cell["id"]
        assert build.WIDGET_VIEW not in output.get("data", {}), cell["id"]
        assert output.get("name") != "stderr", f"{cell['id']} warns: {output.get('text')}"


@each(EDITIONS)
def test_every_figure_has_its_sentence(path):
    for cell, output in outputs(path):
        if "image/png" in output.get("data", {}):
            alt = output["metadata"].get("image/png", {}).get("alt", "")
            alone = [
                o["data"] for o in cell["outputs"] if list(o.get("data", {})) == ["text/plain"]
            ]
            shown = [data["text/plain"] for data in alone]  # by live(), which renews it
            shown += [o["text"] for o in cell["outputs"] if o["output_type"] == "stream"]
            said = " ".join("".join(map("".join, shown)).split())  # show() folds it into lines
            assert alt.strip() and " ".join(alt.split()) in said, (
                f"use show(fig, sentence) in {cell['id']}"
            )


@each(EDITIONS)
def test_tables_can_be_read_without_html(path):
    for cell, output in outputs(path):
        data = output.get("data", {})
        if "text/html" in data:
            plain = "".join(data.get("text/plain", ""))
            assert plain and not plain.startswith("<"), cell["id"]


@each(EDITIONS)
def test_edition_has_outputs_that_are_compared(path):
    tagged = [c for c in cells(path, "code") if CHECKED in c["metadata"].get("tags", [])]
    assert len(tagged) >= FEWEST_CHECKED
    assert all(cell["outputs"] for cell in tagged), "a checked cell that shows nothing"


@each(EDITIONS)
def test_exercises_are_unsolved_and_may_fail(path):
    for cell in cells(path, "code"):
        if build.is_exercise(cell):
            assert "raises-exception" in cell["metadata"]["tags"], cell["id"]
            assert "SOLUTION" not in cell["source"] and "HIDDEN TESTS" not in cell["source"]


@pytest.mark.notebook
@pytest.mark.parametrize("lang", sorted({path.parent.name for path in EDITIONS}))
def test_editions_are_what_their_sources_make(lang):
    pytest.importorskip("nbgrader", reason="needs nbgrader: run `python3 -m minigpt test`")
    found = build.check(build.sources(lang), lang)
    assert not [line for line in found if "has not been built" not in line], found


# ---- exercises ----------------------------------------------------------------------------------


@each(SOURCES)
def test_exercises_are_marked_for_grading(path):
    code = cells(path, "code")
    exercises = [build.is_exercise(cell) for cell in code]
    assert any(exercises), "a notebook has at least one exercise"
    marks = [c["metadata"]["nbgrader"] for c, found in zip(code, exercises) if found]
    assert all(m["schema_version"] == 3 for m in marks)
    assert len({m["grade_id"] for m in marks}) == len(marks)
    assert all(m.get("points", 0) > 0 for m in marks if m["grade"])
    for cell, mark in zip([c for c, found in zip(code, exercises) if found], marks):
        if mark["solution"]:
            assert cell["source"].count("### BEGIN SOLUTION") == 1
            assert cell["source"].count("### END SOLUTION") == 1
        if mark["grade"] and not mark["solution"]:
            assert cell["source"].count("assert") >= 3


def scopes(table: symtable.SymbolTable):
    yield table
    for inner in table.get_children():
        yield from scopes(inner)


def symbols(source: str) -> symtable.SymbolTable:
    lines = [line for line in source.splitlines() if not line.startswith(("%", "!"))]
    code = re.sub(r"^( *)await ", r"\1", "\n".join(lines), flags=re.MULTILINE)
    return symtable.symtable(code, "cell", "exec")


def read_inside(source: str) -> set[str]:
    """The names of the notebook that a cell's functions read."""
    inner = [table for table in scopes(symbols(source)) if table.get_type() == "function"]
    return {s.get_name() for table in inner for s in table.get_symbols() if s.is_global()}


def bound_and_read(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell leaves behind, and those that it takes from cells before it."""
    cell = symbols(source)
    left = {s.get_name() for s in cell.get_symbols() if s.is_assigned() or s.is_namespace()}
    read = {
        symbol.get_name() for table in scopes(cell) for symbol in table.get_symbols()
        if symbol.is_referenced() and (table is cell or symbol.is_global())
    }  # fmt: skip
    return left, read - left - {s.get_name() for s in cell.get_symbols() if s.is_imported()}


def test_bound_and_read():
    code = "a, b = c\nfor d in e:\n    pass\ndef f(g):\n    h = i + g\nawait j(k for k in a if m)"
    assert bound_and_read(code) == ({"a", "b", "d", "f"}, {"c", "e", "i", "j", "m"})


@each(SOURCES)
def test_exercises_bind_no_name_that_the_lesson_reads(path):
    """So a learner can go back from the exercises and run any cell of the lesson again."""
    taken, read = set(), {}
    for cell in cells(path, "code"):
        left, wanted = bound_and_read(cell["source"])
        if build.is_exercise(cell):
            taken |= left
        else:
            read |= dict.fromkeys(wanted, cell["id"])
    assert {name: read[name] for name in taken & set(read)} == {}


@pytest.mark.notebook
@each(SOURCES)
def test_a_covered_answer_is_not_changed_by_the_cells_below(path):
    """Who runs all cells uncovers it after them: they give no new values to what it reads."""
    waiting: dict[str, str] = {}  # name: the cell whose answer reads it
    for cell in cells(path, "code"):
        left, _read = bound_and_read(cell["source"])
        assert {name: waiting[name] for name in left & set(waiting)} == {}, cell["id"]
        if "predict(" in cell["source"]:
            waiting |= dict.fromkeys(read_inside(cell["source"]), cell["id"])


@each(one_of_many(SOURCES, pytest.mark.notebook))
def test_exercises_pass_when_solved_with_nothing_before_but_the_imports(path):
    code = cells(path, "code")
    chosen = [*code[:2], *(cell for cell in code if build.is_exercise(cell))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-"], input="\n\n".join(cell["source"] for cell in chosen),
        capture_output=True, text=True, encoding="utf-8", env=environment, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


# ---- solved, offline, elsewhere -----------------------------------------------------------------

OFFLINE = """
import socket
connect = socket.socket.connect

def only_this_computer(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
        raise OSError(f"a notebook asked for the network: {address}")
    return connect(self, address)

socket.socket.connect = only_this_computer
"""


@pytest.mark.notebook
@pytest.mark.place("offline: sockets only to itself")
@each(SOURCES)
def test_source_runs_solved_and_offline_from_another_folder(path, tmp_path):
    """Every cell, with a short budget; the exercises' asserts must hold."""
    pytest.importorskip("nbval", reason="needs nbval: run `python3 -m minigpt test`")
    (tmp_path / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    short = with_short_budget(build.read_notebook(path))
    (elsewhere / path.name).write_bytes(build.to_bytes(short))
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "MINIGPT_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax",
         "--nbval-current-env", "--nbval-cell-timeout=300", path.name],
        cwd=elsewhere, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:]
