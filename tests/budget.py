"""Notebooks with less to compute, for tests that only show that all cells work."""

import ast
import copy

from minigpt.classroom.grading.repair import text

BUDGET = "budget"  # the tag of the cell whose upper-case constants say how much is computed
SHARE = 20  # of this many steps a short run takes one


def with_short_budget(notebook: dict) -> dict:
    """The notebook as a test runs it: constants of cells tagged `budget` have their short values.

    A short value stands in the cell's metadata, {"minigpt": {"short": {"STEPS": 8}}}; a whole
    number that has none there becomes a twentieth, at least 1, and all else stays as it is.
    ValueError for a short value whose constant is not in the cell.
    """
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if BUDGET in cell["metadata"].get("tags", []):
            cell["source"] = short_budget(text(cell), cell["metadata"].get("minigpt", {}))
    return notebook


def short_budget(source: str, metadata: dict) -> str:
    """The source of a budget cell with short values; comments and layout stay."""
    lines, short = source.splitlines(keepends=True), dict(metadata.get("short", {}))
    for node in reversed(ast.parse(source).body):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        name, value = node.targets[0].id, node.value
        whole = isinstance(value, ast.Constant) and type(value.value) is int
        if name.isupper() and (name in short or whole):
            new = short.pop(name) if name in short else max(1, value.value // SHARE)
            first, last = lines[value.lineno - 1], lines[value.end_lineno - 1]
            before = first.encode()[: value.col_offset].decode()
            after = last.encode()[value.end_col_offset :].decode()
            lines[value.lineno - 1 : value.end_lineno] = [f"{before}{new!r}{after}"]
    if short:
        raise ValueError(f"short values of constants that the budget cell has not: {[*short]}")
    return "".join(lines)
