"""Exercises of the lessons with loops drop in, and predictions have buttons and answers."""

import ast
import inspect
import re

import pytest

import minigpt.arena
import minigpt.ppo
import minigpt.reward
import minigpt.sft
import minigpt.world
from minigpt.classroom.notebook import is_exercise, read_notebook, sources

PACKAGE = {  # by lesson: whose functions it takes where a check has not passed
    "04_sft": (minigpt.sft,), "05_reward_model": (minigpt.reward, minigpt.world),
    "06_ppo": (minigpt.ppo,), "07_arena": (minigpt.arena,),
}  # fmt: skip
CELLS = {path.stem: read_notebook(path)["cells"] for path in sources("en")}


def tree(cell: dict) -> ast.Module:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    return compile(cell["source"], cell["id"], "exec", flags=flags)


@pytest.mark.parametrize("stem", PACKAGE)
def test_the_lesson_takes_each_exercise_which_has_the_packages_signature(stem):
    code = [cell for cell in CELLS[stem] if cell["cell_type"] == "code"]
    lesson = "\n".join(cell["source"] for cell in code if not is_exercise(cell))
    taken = set(re.findall(r'yours\(\s*"(\w+)"', lesson))
    if many := re.search(r"yours\(name, .* for name in \((.*?)\)", lesson):
        taken |= set(re.findall(r'"(\w+)"', many[1]))
    answers = [cell for cell in code if cell["metadata"].get("nbgrader", {}).get("solution")]
    bodies = [node for cell in answers for node in tree(cell).body]
    written = [node for node in bodies if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in written} == taken
    for node in written:
        (theirs,) = (getattr(m, node.name) for m in PACKAGE[stem] if hasattr(m, node.name))
        theirs, mine = [*inspect.signature(theirs).parameters.values()], node.args.args
        assert [a.arg for a in mine] == [p.name for p in theirs[: len(mine)]], node.name
        assert all(p.default is not p.empty for p in theirs[len(mine) :]), node.name


@pytest.mark.parametrize("stem", CELLS)
def test_each_prediction_has_its_buttons_and_its_answer(stem):
    """Before the next text comes."""
    keys, asked = [], False
    for cell in CELLS[stem]:
        if cell["cell_type"] == "markdown":
            assert not asked, f"nothing to press before {cell['id']}"
            asked = "**Predict first" in cell["source"]
            continue
        calls = [node for node in ast.walk(tree(cell)) if isinstance(node, ast.Call)]
        calls = [node for node in calls if getattr(node.func, "id", "") == "predict"]
        for call in calls:
            key, _options, answer = call.args
            keys.append(key.value)
            assert isinstance(answer, (ast.Name, ast.Lambda)), cell["id"]
        asked = asked and not calls
    assert not asked and len({*keys}) == len(keys) > 0
    assert all(key.startswith(f"{stem[:2]}-") for key in keys)
