"""What messages, comments, pages and notebooks name is there: files, modules, commands."""

import ast
import io
import json
import pkgutil
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from minigpt.commands import find_commands
from minigpt.store.files import ROOT

PAGES = ["README.md", "TEACHING.md", "pyproject.toml", ".ci/run", "binder/start"]
FOLDERS = "minigpt|tests|notebooks|binder|data"
FILE = re.compile(
    rf"(?<![\w./~-])(?:(?:{FOLDERS})/[\w./-]+\.(?:py|json|ipynb|txt|md|safetensors)"
    r"|(?:[\w-]+/)*\w+\.py)\b"
)
MODULE = re.compile(r"(?<![\w./-])minigpt(?:\.[A-Za-z_]\w*)+")
COMMAND = re.compile(r"-m minigpt +([a-z]\w*)")
EXCEPTIONS = {
    "inspect.py": "of Python itself",
    "etc/ipython/ipython_kernel_config.py": "below an environment",
    "nbgrader_config.py": "in a course folder",
    "jupyterhub_config.py": "of a teacher's hub",
}


def mentions(text: str) -> Iterator[str]:
    """The files, modules and commands (`-m minigpt NAME`) that a text names."""
    for found in FILE.finditer(text):
        yield found[0]
    for found in MODULE.finditer(text):
        if not FILE.search(found[0]) and not text[found.end() :].startswith("/"):
            yield found[0]
    for found in COMMAND.finditer(text):
        yield f"-m minigpt {found[1]}"


@lru_cache
def file_names() -> set[str]:
    return {p.name for folder in ("minigpt", "tests") for p in (ROOT / folder).rglob("*.py")}


@lru_cache
def exists(name: str) -> bool:
    """Whether there is such a file (from the repository, the package or, for a bare name, any
    folder of it), module or command."""
    if name.startswith("-m minigpt "):
        return name.split()[-1] in {*find_commands(), "help"}
    if FILE.fullmatch(name):
        return (ROOT / name).exists() or (ROOT / "minigpt" / name).exists() or name in file_names()
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def strings(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of a program's strings, those put together by f"" as one, and its comments."""
    tree = ast.parse(source)
    parts = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node) if part is not node
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(map(rendered, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in parts:
                yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def rendered(part: ast.expr) -> str:
    """A part of an f-string: PROGRAM as on Linux, any other value as a hole."""
    if isinstance(part, ast.Constant):
        return part.value
    return "python3 -m minigpt" if ast.unparse(part.value) == "PROGRAM" else "{}"


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """(place, text) of all that a file says."""
    name, content = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from ((f"{name}:{line}", text) for line, text in strings(content))
    elif path.suffix == ".ipynb":
        for cell in json.loads(content)["cells"]:
            yield f"{name} {cell.get('id')}", "".join(cell["source"])
    else:
        yield name, content


def wrong(place: str, text: str) -> list[str]:
    found = [name for name in mentions(text) if name not in EXCEPTIONS and not exists(name)]
    return [f"{place} names {name}" for name in found]


@pytest.mark.parametrize("pattern", ["minigpt/**/*.py", "notebooks/source/**/*.ipynb", *PAGES])
def test_what_is_named_is_there(pattern):
    paths = sorted(ROOT.glob(pattern))
    assert paths, pattern
    said = [line for path in paths for place, text in texts(path) for line in wrong(place, text)]
    assert said == []


@pytest.mark.parametrize(
    "text, name",
    [
        ("see minigpt/core/optim.py.", "minigpt/core/optim.py"),
        ("(submissions.py)", "submissions.py"),
        ("commands/common.py has it", "commands/common.py"),
        ("`tests/test_nothing.py`", "tests/test_nothing.py"),
        ("open data/results/none.json", "data/results/none.json"),
        ("notebooks/en/09_none.ipynb", "notebooks/en/09_none.ipynb"),
        ("from minigpt.core.optim import Muon", "minigpt.core.optim"),
        ("minigpt.model.Nothing is", "minigpt.model.Nothing"),
        ("type: python3 -m minigpt trian --all", "-m minigpt trian"),
        ("python3 -m minigpt.maintain.nothing", "minigpt.maintain.nothing"),
    ],
)
def test_what_is_not_there_is_found(text, name):
    assert list(mentions(text)) == [name] and wrong("here", text) == [f"here names {name}"]


def test_what_is_there_is_right():
    text = """minigpt/model.py, store/files.py, model.py: minigpt.model.GPT, minigpt.store; type
    python3 -m minigpt train --all; see data/facts.json and tests/test_messages.py"""
    assert len(list(mentions(text))) == 8 and wrong("", text) == []


def test_f_strings_are_read_as_they_are_shown():
    source = 'x = (f"no model: {PROGRAM} "\n     f"trian in {folder}/x")  # as in nothing.py\n'
    assert list(strings(source)) == [
        (1, "no model: python3 -m minigpt trian in {}/x"), (2, "# as in nothing.py"),
    ]  # fmt: skip
    assert [line for place, text in strings(source) for line in wrong("", text)] == [
        " names -m minigpt trian", " names nothing.py",
    ]  # fmt: skip
