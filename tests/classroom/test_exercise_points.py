"""The file that GitHub Classroom runs, on notebooks that are solved, in part and not at all."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from minigpt.classroom.grading.write import read_json
from minigpt.classroom.notebook import without_solutions
from minigpt.store.files import ROOT

STEM = "01_tokenization"


def points(tmp_path, notebook) -> dict[str, tuple[str, str]]:
    """{test: (points, max_points)} of a run on this notebook."""
    (tmp_path / f"{STEM}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pytest", "tests/classroom/exercise_points.py", "-q", "-k", STEM,
         f"--junitxml={tmp_path / 'out.xml'}"],
        cwd=ROOT, env={**os.environ, "MINIGPT_NOTEBOOKS": str(tmp_path)}, capture_output=True,
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
