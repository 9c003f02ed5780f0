"""The map of the course: rows from the files, times only where they were measured."""

import importlib
import json

import pytest

from minigpt.lessons.overview.course_map import course_map, duration

module = importlib.import_module(
    "minigpt.lessons.overview.course_map"
)  # its name is a function's, too


def cell(source, **marks):
    return {"cell_type": "code", "source": [source], "metadata": {"nbgrader": marks}}


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """Two notebooks, and no times."""

    def nothing(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(module, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(module, "load_results", nothing)
    (tmp_path / "en").mkdir()
    first = [cell("# Start <here>\n\nText"), cell("def f", solution=True), cell("assert", points=2)]
    second = [cell("no heading")]
    for stem, cells in {"00_start": first, "01_next": second}.items():
        content = json.dumps({"cells": cells})
        (tmp_path / "en" / f"{stem}.ipynb").write_text(content, encoding="utf-8")
    return tmp_path


def test_without_times_the_column_is_left_out(notebooks):
    table = course_map()
    assert table.header == ["notebook", "exercises", "points"] and table.caption == ""
    assert table.rows == [["00 Start <here>", 1, 2], ["01_next", 0, 0]]


def test_with_times_each_notebook_that_was_measured_has_one(notebooks, monkeypatch):
    times = {"cores": 2, "seconds": {"en": {"00_start": 31.4}, "zh": {"01_next": 1}}}
    monkeypatch.setattr(module, "load_results", lambda name: times)
    table = course_map()
    assert [row[3] for row in table.rows] == ["31 s", ""]
    assert table.header[3] == "time to run all cells" and "2 processor cores" in table.caption


def test_without_notebooks_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "NOTEBOOKS", tmp_path)
    assert course_map().caption.startswith("The notebooks are not beside the package")


def test_durations():
    assert [duration(s) for s in (None, 3.2, 89, 150)] == ["", "3 s", "89 s", "2.5 min"]
