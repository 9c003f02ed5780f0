"""Short budgets: which constants of which cells are replaced, and by what."""

import pytest

from budgets import with_short_budget


def code(source):
    return {"cell_type": "code", "source": source, "metadata": {}}


def notebook(*cells):
    return {"cells": list(cells)}


def budget(source, tag="budget", **short):
    cell = code(source)
    cell["metadata"] = {"tags": [tag], "minigpt": {"short": short}}
    return cell


def test_a_budget_cell_gets_short_values_and_keeps_its_form():
    source = """\
STEPS = 6_000  # updates: ü
QUESTIONS, few = 5, 7
BUDGET = "full"    # or "short"
SIZES = [
    100, 200,
]
RATE = 0.5
LEAST = 3
half = 400
# the end"""
    short = {"BUDGET": "short", "SIZES": [10], "LEAST": 2}
    given = notebook(code("STEPS = 6_000"), budget(source, **short))
    first, second = with_short_budget(given)["cells"]
    assert first["source"] == "STEPS = 6_000"  # that cell has no tag
    assert (
        second["source"]
        == """\
STEPS = 300  # updates: ü
QUESTIONS, few = 5, 7
BUDGET = 'short'    # or "short"
SIZES = [10]
RATE = 0.5
LEAST = 2
half = 400
# the end"""
    )
    assert given["cells"][1]["source"] == source


def test_a_twentieth_is_at_least_one():
    (cell,) = with_short_budget(notebook(budget("N = 12")))["cells"]
    assert cell["source"] == "N = 1"


def test_a_short_value_without_its_constant_is_an_error():
    with pytest.raises(ValueError, match="STEP"):
        with_short_budget(notebook(budget("STEPS = 3", STEP=1)))
