"""The file that GitHub Classroom runs, on notebooks that are solved, in part and not at all."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from minigpt.classroom.grading.write import read_json
from minigpt.classroom.notebook import without_solutions
from minigpt.commands import course
from minigpt.store.files import ROOT

pytestmark = pytest.mark.notebook  # it runs the answers in notebooks

STEM = "01_tokenization"


def points(tmp_path, notebook, root=ROOT) -> dict[str, tuple[str, str]]:
    """{test: (points, max_points)} of a run on this notebook."""
    (tmp_path / f"{STEM}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pytest", "tests/classroom/exercise_points.py", "-q", "-k", STEM,
         f"--junitxml={tmp_path / 'out.xml'}"],
        cwd=root, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root), "MINIGPT_NOTEBOOKS": str(tmp_path)},
    )  # fmt: skip
    found = {}
    for case in ElementTree.parse(tmp_path / "out.xml").iter("testcase"):
        values = {p.get("name"): p.get("value") for p in case.iter("property")}
        passed = case.find("failure") is None
        assert passed == (values["points"] == values["max_points"])
        found[case.get("name")] = values["points"], values["max_points"]
    return found


def test_each_exercise_is_a_test_with_its_points(tmp_path):
    source = read_json(ROOT / "notebooks" / "source" / "en" / f"{STEM}.ipynb")
    open_, half = without_solutions(source), without_solutions(source)
    number = next(i for i, c in enumerate(source["cells"])
                  if c["metadata"].get("nbgrader", {}).get("grade_id") == "merge")  # fmt: skip
    half["cells"][number]["source"] = source["cells"][number]["source"]
    names = {"count-pairs": 1, "merge": 2, "encode": 3, "decode": 2}

    def expected(earned: set[str]) -> dict:
        return {f"test_exercise[{STEM}-{n}-check-{p}p]": (str(p if n in earned else 0), str(p))
                for n, p in names.items()}  # fmt: skip

    assert points(tmp_path, source) == expected(set(names))
    assert points(tmp_path, half) == expected({"merge"})
    assert points(tmp_path, open_) == expected(set())


def test_a_repository_that_students_see_has_checks_and_no_solutions(tmp_path):
    """As TEACHING.md tells it: the sources away, the releases in notebooks/checks/en."""
    root, left_out = tmp_path / "template", shutil.ignore_patterns("checkpoints", "__pycache__")
    shutil.copytree(ROOT / "minigpt", root / "minigpt", ignore=left_out)
    for name in ("exercise_points.py", "conftest.py", "tried.py", "places/table.py"):
        path = next((ROOT / "tests").rglob(name))
        (root / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path.relative_to(ROOT))
    course.lay_out(tmp_path / "class")
    (root / "notebooks" / "checks" / "en").mkdir(parents=True)
    for path in course.release(tmp_path / "class"):
        shutil.copy(path, root / "notebooks" / "checks" / "en")
    for path in root.rglob("*.ipynb"):
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8") or path.stem == "worksheet"
    source = read_json(ROOT / "notebooks" / "source" / "en" / f"{STEM}.ipynb")
    most = points(tmp_path, source, root)
    assert len(most) == 4 and all(earned == can for earned, can in most.values())
    none = points(tmp_path, without_solutions(source), root)
    assert {earned for earned, _ in none.values()} == {"0"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from minigpt.commands.grade import main; "
         "sys.exit(main(sys.argv[1:]))", str(tmp_path / f"{STEM}.ipynb")],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True,
        text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 1 and "0 of 8 points" in done.stdout, done.stderr
