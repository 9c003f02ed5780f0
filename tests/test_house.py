"""The house: which room may import which, how long a file may be, and what rooms are called.

All of it is read from the source, imports inside functions too; only one test imports something.
"""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "minigpt"
SOURCES = ROOT / "notebooks" / "source"

READING = ("tokenizer", "model", "generate", "pretrain", "sft", "reward", "ppo", "arena")
DATA = ("world/en.py", "world/zh.py", "show/concept_items.py",
        "lessons/ppo/bug_texts.py", "lessons/ppo/instrument_texts.py")  # fmt: skip
PLAIN = ("store.files", "store.words")  # used before anything is installed

# A room may import itself and these rooms, or single modules. A reading file may import those
# before it, and the model only the engine's layers, which import nothing of ours.
BELOW = (*READING, "engine", "world")
MAY_IMPORT = {
    "": (),
    "__main__": ("commands",),
    "engine": ("model",),
    "model": ("engine.layers",),
    **{name: (*READING[:i], "engine", "world") for i, name in enumerate(READING) if i != 1},
    "world": ("tokenizer", "store.files"),
    "store": ("model", "pretrain", "engine"),
    "stages": (*BELOW, "store"),
    "show": (*BELOW, "store"),
    "lessons": (*BELOW, "store", "stages", "show"),  # and no other lesson
    "page": (*BELOW, "store", "stages", "show"),
    "setup": ("store.files", "store.words"),
    "classroom": (*BELOW, "store", "stages", "show", "lessons"),
    "maintain": (*BELOW, "store", "stages", "show", "lessons", "setup", "classroom"),
    "commands": (
        *BELOW,
        "store",
        "stages",
        "show",
        "page",
        "lessons",
        "setup",
        "classroom",
        "maintain",
    ),  # fmt: skip
}

LONGEST, LONGEST_READING, LONGEST_PPO = 430, 240, 300  # lines
ALL_READING, ALL_CODE, ALL_DRAWINGS = 1_620, 19_960, 1_050
IMPORTS_OF_A_NOTEBOOK = 12


@cache
def modules() -> dict[str, Path]:
    """{name without "minigpt.": file}; a folder's `__init__` has the folder's name, "" is ours."""
    names = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


@cache
def imports(name: str) -> dict[str, int]:
    """What a module imports, {full name: line}: modules of ours without "minigpt."."""
    file = modules()[name]
    found = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: write the whole name of what you import"
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            if target.split(".")[0] == "minigpt":
                inside = target.removeprefix("minigpt").removeprefix(".")
                while inside not in modules():  # a name in a module
                    inside = inside.rpartition(".")[0]
                target = f"minigpt.{inside}"
            found[target] = node.lineno
    return found


def ours(name: str) -> dict[str, int]:
    """The part of `imports` that is ours, without "minigpt."."""
    prefix = "minigpt."
    return {t.removeprefix(prefix): n for t, n in imports(name).items() if t.startswith(prefix)}


def room(name: str) -> str:
    return name.split(".")[0]


def within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(place + ".") for place in places)


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def is_data(file: Path) -> bool:
    return file.relative_to(PACKAGE).as_posix() in DATA


# ---- imports --------------------------------------------------------------------------------


def test_imports_go_one_way():
    wrong = []
    for name in modules():
        allowed = (room(name), *MAY_IMPORT[room(name)])
        if name in PLAIN or name == "engine.layers":
            allowed = ()
        wrong += [
            f"minigpt.{name}, line {line}: imports minigpt.{target}"
            for target, line in ours(name).items()
            if not within(target, allowed)
        ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_lesson_imports_no_other_lesson():
    wrong = []
    for name in modules():
        if room(name) == "lessons" and name != "lessons":
            lesson = ".".join(name.split(".")[:2])
            wrong += [
                f"minigpt.{name}, line {line}: imports minigpt.{target}"
                for target, line in ours(name).items()
                if room(target) == "lessons" and not within(target, (lesson,))
            ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_lesson_names_its_own_things_alone():
    """What a reading file teaches is imported from that file, so that a reader finds it."""
    wrong = [
        f"minigpt.{name}, line {line}: names something of minigpt.{target}"
        for name, file in modules().items()
        if name.startswith("lessons.") and file.name == "__init__.py"
        for target, line in ours(name).items()
        if not within(target, (name,))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_circle_of_imports():
    done: set[str] = set()
    circles = []

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            circles.append(" → ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for target in ours(name):
                visit(target, [*path, name])
            done.add(name)

    for name in modules():
        visit(name, [])
    assert not circles, "\n" + "\n".join(circles)


def test_what_runs_before_an_installation_imports_the_standard_library_alone():
    wrong = [
        f"minigpt.{name}, line {line}: imports {target}"
        for name in modules()
        if room(name) in ("setup", "__main__", "") or name in PLAIN
        for target, line in imports(name).items()
        if target.split(".")[0] not in {*sys.stdlib_module_names, "minigpt"}
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("lesson", ["lessons.arena"])
def test_a_lesson_loads_nothing_of_commands_or_classrooms(lesson):
    code = f"import sys, minigpt.{lesson}; print(*(n for n in sys.modules if n[:8] == 'minigpt.'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    )
    loaded = done.stdout.split()
    assert f"minigpt.{lesson}" in loaded
    rooms = {name.split(".")[1] for name in loaded}
    assert rooms.isdisjoint({"commands", "setup", "maintain", "classroom"})


# ---- sizes ----------------------------------------------------------------------------------


def test_no_file_is_longer_than_one_reads():
    bounds = dict.fromkeys(READING, LONGEST_READING) | {"ppo": LONGEST_PPO}
    wrong = [
        f"{file.relative_to(ROOT)}: {lines(file)} lines of at most {bounds.get(name, LONGEST)}"
        for name, file in modules().items()
        if not is_data(file) and lines(file) > bounds.get(name, LONGEST)
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_reading_files_are_read_in_an_afternoon():
    assert sum(lines(modules()[name]) for name in READING) <= ALL_READING


def test_the_package_stays_small():
    assert all((PACKAGE / name).exists() for name in DATA)
    code = [file for file in modules().values() if not is_data(file)]
    assert sum(lines(file) for file in code if "lessons" in file.parts) <= 4_200
    drawings = [file for file in code if "diagrams" in file.parts]
    assert sum(map(lines, drawings)) <= ALL_DRAWINGS
    assert sum(map(lines, code)) - sum(map(lines, drawings)) <= ALL_CODE


# ---- names ----------------------------------------------------------------------------------


def test_every_room_is_in_the_table():
    assert {room(name) for name in modules()} == set(MAY_IMPORT)


def test_a_lessons_folder_has_its_notebooks_name():
    folders = {file.parent.name for file in (PACKAGE / "lessons").glob("*/*.py")}
    notebooks = {file.stem.split("_", 1)[1] for file in SOURCES.glob("en/*.ipynb")}
    assert folders == notebooks


def test_every_room_says_what_it_is_for():
    folders = {file.parent for file in modules().values()}
    silent = [
        str(folder.relative_to(ROOT))
        for folder in sorted(folders)
        if not (folder / "__init__.py").exists()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    ]
    assert silent == []


def code_of(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def test_a_notebook_imports_little():
    wrong = []
    for notebook in sorted(SOURCES.glob("*/*.ipynb")):
        n = len(re.findall(r"^\s*(?:from|import) minigpt", code_of(notebook), re.MULTILINE))
        if n > IMPORTS_OF_A_NOTEBOOK:
            wrong.append(
                f"{notebook.relative_to(ROOT)}: {n} lines of at most {IMPORTS_OF_A_NOTEBOOK}"
            )
    assert not wrong, "\n" + "\n".join(wrong)
