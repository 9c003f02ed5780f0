"""Machines whose text is not UTF-8 (Windows in China, a bare container).

Every text file and every pipe names its encoding; and part of the suite runs where Python would
otherwise take ASCII.
"""

import ast
import os
import subprocess
import sys

import pytest

from minigpt.store.files import ROOT

FILES = sorted(path for folder in ("minigpt", "tests") for path in (ROOT / folder).rglob("*.py"))
OPENERS = {"open", "fdopen", "read_text", "write_text", "TextIOWrapper"}
STARTERS = {"run", "Popen", "check_output", "check_call", "call"}  # subprocess's
PARTS = ["tests/commands", "tests/world", "tests/store", "tests/test_tokenizer.py"]
LEFT_OUT = [
    "each_students_file_goes",  # its folder with a Chinese name cannot be made in ASCII
    "from_the_command_line",  # nor can such a name be given to a program
    "distributed", "resume", "train", "bench", "notebook", "installing", "nbgrader", "build",
]  # fmt: skip


NO_TEXT = ("os.open", "webbrowser.open", "Image.open")  # open something else than text


def lacks_encoding(call: ast.Call) -> bool:
    """Whether the call opens text without saying in which encoding."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in keywords or ast.unparse(function) in NO_TEXT:
        return False
    if name in OPENERS:
        constants = [
            a.value for a in [*call.args, *keywords.values()] if isinstance(a, ast.Constant)
        ]
        return not any(
            isinstance(c, str) and "b" in c and set(c) <= set("rwabx+") for c in constants
        )
    wanted = [keywords[word] for word in ("text", "universal_newlines") if word in keywords]
    return name in STARTERS and any(getattr(value, "value", None) is True for value in wanted)


@pytest.mark.parametrize("code, lacks", [
    ("open(p)", True), ("open(p, 'rb')", False), ("p.read_text()", True),
    ("open(p, mode='a')", True), ("page.call(text=character)", False),
    ("p.write_text(t, encoding='utf-8')", False), ("run(c, capture_output=True, text=True)", True),
])  # fmt: skip
def test_the_search_finds_what_it_should(code, lacks):
    assert lacks_encoding(ast.parse(code, mode="eval").body) == lacks


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_text_is_opened_with_an_encoding(path):
    calls = [n for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Call)]
    assert [f"line {call.lineno}" for call in calls if lacks_encoding(call)] == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the C locale is Unix's")
def test_suite_without_utf8(say):
    """And none of our own files opens text without an encoding: Python would warn of it."""
    environment = {
        **os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "C",
        "PYTHONWARNDEFAULTENCODING": "1", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    environment.pop("PYTHONIOENCODING", None)
    chosen = " and ".join(f"not {word}" for word in LEFT_OUT)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "-m", "not slow and not notebook", "-k", chosen, *PARTS],
        cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    warned = [line for line in done.stdout.splitlines() if "'encoding' argument" in line]
    ours = tuple(str(ROOT / folder) for folder in ("minigpt", "tests"))  # not .venv-test
    assert [line for line in warned if line.strip().startswith(ours)] == []
    say(f"without UTF-8: {done.stdout.splitlines()[-1]}")
