"""One test an exercise, for GitHub Classroom and other services that run pytest.

    pytest tests/classroom/exercise_points.py                      all notebooks in notebooks/en
    pytest tests/classroom/exercise_points.py -k 01_tokenization   those of one notebook
    MINIGPT_NOTEBOOKS=FOLDER pytest ...                             notebooks of another folder

A test passes if its exercise earns its points, and its name says how many they are. The file's own
name keeps it out of the course's test run, where the exercises are open.
"""

import functools
import os
from pathlib import Path

import pytest

from minigpt.classroom.grading.marking import Report, grade_notebook
from minigpt.classroom.grading.write import advice, read_json
from minigpt.classroom.notebook import exercises
from minigpt.store.files import ROOT

FOLDER = Path(os.environ.get("MINIGPT_NOTEBOOKS") or ROOT / "notebooks" / "en")
SOURCES = ROOT / "notebooks" / "source" / "en"


@functools.cache
def report(stem: str) -> Report:
    source, handed_in = (read_json(folder / f"{stem}.ipynb") for folder in (SOURCES, FOLDER))
    return grade_notebook(source, handed_in)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        pytest.param(path.stem, e.name, id=f"{path.stem}-{e.name}-{e.points:g}p")
        for path in sorted(SOURCES.glob("*.ipynb"))
        for e in exercises(read_json(path))
    ],
)
def test_exercise(stem, name, record_property):
    found = report(stem)
    result = next(r for r in found.results if r.exercise.name == name)
    record_property("points", result.points)
    record_property("max_points", result.exercise.points)
    if result.points < result.exercise.points:
        lines = [result.exercise.title, *advice(result), *found.problems]
        pytest.fail("\n".join(lines), pytrace=False)
