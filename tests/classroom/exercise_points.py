"""One test an exercise, for GitHub Classroom and other services that run pytest.

    pytest tests/classroom/exercise_points.py                      all notebooks in notebooks/en
    pytest tests/classroom/exercise_points.py -k 01_tokenization   those of one notebook
    MINIGPT_NOTEBOOKS=FOLDER pytest ...                             notebooks of another folder

The checks are those of notebooks/source/en, or in a repository that students see, which has none,
of the releases in notebooks/checks/en. A test passes if its exercise earns its points, and its name
says how many they are. The file's own name keeps it out of the course's test run, where the
exercises are open.
"""

import functools
import os
from pathlib import Path

import pytest

from minigpt.classroom.grading.marking import Report, grade_notebook
from minigpt.classroom.grading.write import advice, read_json
from minigpt.classroom.notebook import checking, exercises
from minigpt.commands.grade import require_packages
from minigpt.store.files import ROOT

FOLDER = Path(os.environ.get("MINIGPT_NOTEBOOKS") or ROOT / "notebooks" / "en")
CHECKS = {path.stem: path for path in checking("en")}


@functools.cache
def report(stem: str) -> Report:
    require_packages()
    return grade_notebook(read_json(CHECKS[stem]), read_json(FOLDER / f"{stem}.ipynb"))


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        pytest.param(stem, e.name, id=f"{stem}-{e.name}-{e.points:g}p")
        for stem, path in CHECKS.items()
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
