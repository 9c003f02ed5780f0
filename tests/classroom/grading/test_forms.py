"""What Jupyter runs, `grade` runs: honest answers in many forms earn the same points everywhere.

Each form is an answer, or a notebook, as editors and students make them. It is run by IPython, cell
after cell with the checks behind, by `grade`, and by nbgrader, and all give the same points. In
every second one the second answer is wrong, which costs its points alone.
"""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt.classroom.grading import write
from minigpt.classroom.grading.marking import grade_notebook
from minigpt.classroom.grading.repair import mark, text
from minigpt.classroom.notebook import new_notebook, to_bytes, without_solutions

nbformat = pytest.importorskip("nbformat", reason="needs nbformat, which comes with Jupyter")
pytestmark = pytest.mark.notebook  # it runs the answers in notebooks

WORK = "work"


def cell(source, kind="code", **marks):
    all_marks = {"solution": False, "grade": False, "locked": False, "task": False,
                 "schema_version": 3, **marks}  # fmt: skip
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": {"nbgrader": all_marks} if marks else
            {}, "id": marks.get("grade_id") or re.sub(r"\W", "-", source[:9]), **code}  # fmt: skip


def solved(name, body):
    return f"def {name}(x):\n    ### BEGIN SOLUTION\n    return {body}\n    ### END SOLUTION\n"


CHECK = "from minigpt.classroom.grading.your_own import your_own\nown = your_own(double)\n"
SOURCE = new_notebook([
    cell("# Two exercises", "markdown"),
    cell("import math\nlesson = [math.pi]"),
    cell(solved("double", "2 * x"), grade_id="double", solution=True),
    cell(CHECK + "assert [own(x) for x in (2, 5.5)] == [4, 11]", grade_id="double-check",
         grade=True, locked=True, points=2),
    cell(solved("half", "x / 2"), grade_id="half", solution=True),
    cell("assert half(3) == 1.5", grade_id="half-check", grade=True, locked=True, points=1),
])  # fmt: skip
DOUBLE = "def double(x):\n    return 2 * x"
ANSWERS = {  # the first answer
    "a line magic": f"%matplotlib inline\n{DOUBLE}\n%time double(2)",
    "%%time": f"%%time\n{DOUBLE}",
    "%%timeit": f"%%timeit -n 1 -r 1\n{DOUBLE}",  # defines nothing, in Jupyter either
    "%%capture": f"%%capture out\n{DOUBLE}\nprint('much')",
    "%timeit": f"{DOUBLE}\n%timeit -n 1 -r 1 double(2)",
    "await": f"import asyncio\nawait asyncio.sleep(0)\n{DOUBLE}\ndone = await asyncio.sleep(0, 1)",
    "a shell's lines": f"files = !ls\n!echo hello\n{DOUBLE}\nassert isinstance(list(files), list)",
    "help": f"{DOUBLE}\ndouble?\ndouble??\n?len",
    "display": f"from IPython.display import Markdown\n{DOUBLE}\ndisplay(double(2), Markdown('x'))",
    "display inside": "def double(x):\n    display(x)\n    print(x)\n    return 2 * x",
    "get_ipython": f"shell = get_ipython()\nshell.run_line_magic('precision', '3')\n{DOUBLE}",
    "%%writefile": f"{DOUBLE}\nwith open('note.txt', 'w') as f:\n    f.write('mine')\n%pwd",
    "a check's import": "import math\ndef double(x):\n    return math.prod([2, x])",
    "the last line shown": f"{DOUBLE}\n_ = double(1)\ndouble(2);\ndouble(2)",
    "CRLF": DOUBLE.replace("\n", "\r\n"),
    "tabs": "def double(x):\n\ty = x\n\treturn x + y",
    "Colab's form": "#@title Double it { run: \"auto\" }\nfactor = 2 #@param {type:\"number\"}\n"
    + DOUBLE,
    "an unknown magic": f"%nosuchmagic\n{DOUBLE}",
    "an error below": f"{DOUBLE}\n1 / 0",
}  # fmt: skip


def helper_in_its_own_cell(notebook):
    notebook["cells"].insert(2, cell("def twice(x):\n    return x + x"))
    notebook["cells"][3]["source"] = "def double(x):\n    return twice(x)"


def helper_in_the_lesson(notebook):
    notebook["cells"][1]["source"] += "\nFACTOR = 2\ndef twice(x):\n    return FACTOR * x"
    notebook["cells"][2]["source"] = "def double(x):\n    return twice(x)"


def colab(notebook):
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}
    for one in notebook["cells"]:
        one["metadata"]["id"] = one.pop("id")


def vs_code(notebook):
    kernel = {"display_name": ".venv (3.12.1)", "name": "python3", "language": "python"}
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"version": "3.12.1"}}
    for one in notebook["cells"]:
        one["metadata"]["vscode"] = {"languageId": "python"}


def another_kernel(notebook):
    notebook["metadata"] = {"kernelspec": {"display_name": "conda", "name": "conda-env-ml-py"}}


def an_old_format(notebook):
    notebook["nbformat_minor"] = 2
    for one in notebook["cells"]:
        del one["id"]
        one["source"] = one["source"].splitlines(keepends=True)


def the_format_before_2015(notebook):
    cells = [{"cell_type": one["cell_type"], "metadata": one["metadata"],
              **({"input": one["source"], "outputs": [], "language": "python"}
                 if one["cell_type"] == "code" else {"source": one["source"]})}
             for one in notebook.pop("cells")]  # fmt: skip
    notebook |= {"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}]}


NOTEBOOKS = [helper_in_its_own_cell, helper_in_the_lesson, colab, vs_code, another_kernel,
             an_old_format, the_format_before_2015]  # fmt: skip
NOTHING = ("%%timeit", "an unknown magic")  # these define nothing
HALVES = {"right": "def half(x):\n    return x / 2", "wrong": "def half(x):\n    return x"}


def submissions() -> dict[str, tuple[dict, float]]:
    """{form: (notebook, points)}, with the second answer right and wrong by turns."""
    found = {}
    for number, form in enumerate([*ANSWERS, *NOTEBOOKS]):
        kind = list(HALVES)[number % 2]
        notebook = without_solutions(SOURCE)
        notebook["cells"][2]["source"], notebook["cells"][4]["source"] = DOUBLE, HALVES[kind]
        name = form if isinstance(form, str) else form.__name__
        if isinstance(form, str):
            notebook["cells"][2]["source"] = ANSWERS[form]
        else:
            form(notebook)
        found[name] = notebook, (kind == "right") + 2 * (form not in NOTHING)
    return found


FORMS = submissions()
IPYTHON = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.enable_gui = lambda *a: None
shell, points = InteractiveShell.instance(), 0
for code, worth in json.load(open(sys.argv[1], encoding="utf-8")):
    done = shell.run_cell(code)
    points += worth * (done.error_before_exec is None and done.error_in_exec is None)
open(sys.argv[2], "w", encoding="utf-8").write(str(points))
"""


def by_ipython(path: Path) -> float:
    folder, notebook = path.parent, nbformat.read(path, as_version=4)  # as Jupyter opens it
    checks = {mark(c)["grade_id"]: c["source"] for c in SOURCE["cells"] if mark(c).get("grade")}
    cells = []
    for one in notebook["cells"]:
        if one["cell_type"] == "code":
            found = mark(one)
            code = checks.get(found.get("grade_id"), text(one))
            cells.append((code, found.get("points", 0)))
    (folder / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
    (folder / "run.py").write_text(IPYTHON, encoding="utf-8")
    subprocess.run([sys.executable, "run.py", "cells.json", "points"], cwd=folder,
                   capture_output=True, check=True, stdin=subprocess.DEVNULL)  # fmt: skip
    return float((folder / "points").read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", FORMS)
def test_ipython_and_grade_give_a_form_the_same_points(form, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook, points = FORMS[form]
    path = tmp_path / f"{WORK}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    report = grade_notebook(SOURCE, write.read_json(path))
    assert report.points == points, [result.message for result in report.results]
    assert by_ipython(path) == points


def test_a_helper_that_is_not_run_is_named_with_its_cell():
    notebook = without_solutions(SOURCE)
    notebook["cells"][2]["source"] = "def double(x):\n    return twice(x)"
    notebook["cells"].append(cell("def twice(x):\n    return x + x"))
    report = grade_notebook(SOURCE, notebook)
    said = "name 'twice' is not defined (line 2 of the answer). Cell 7 defines it; put that"
    assert said in report.results[0].message


def test_what_a_check_defines_is_no_helper():
    notebook = without_solutions(SOURCE)
    notebook["cells"][2]["source"] = "def double(x):\n    return own(x)"
    message = grade_notebook(SOURCE, notebook).results[0].message
    assert "name 'own' is not defined" in message and "defines it" not in message


@pytest.mark.slow
def test_nbgrader_gives_each_form_the_same_points(nbgrader, tmp_path):
    settings = 'c = get_config()\nc.CourseDirectory.course_id = "forms"\n'
    (tmp_path / "nbgrader_config.py").write_text(settings, encoding="utf-8")

    def put(place: str, data: bytes) -> None:
        (tmp_path / place / WORK).mkdir(parents=True)
        (tmp_path / place / WORK / f"{WORK}.ipynb").write_bytes(data)

    put("source", to_bytes(SOURCE))
    names = {f"s{number}": form for number, form in enumerate(FORMS)}
    for student, form in names.items():
        put(f"submitted/{student}", json.dumps(FORMS[form][0]).encode("utf-8"))
        folder = tmp_path / "submitted" / student / WORK
        one = write.grade_submission(tmp_path, student, WORK, folder, {WORK: SOURCE})
        write.write_checked(tmp_path, one)
    nbgrader(tmp_path, "generate_assignment", WORK)
    nbgrader(tmp_path, "autograde", WORK, "--CourseDirectory.submitted_directory=checked")
    nbgrader(tmp_path, "export")
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as file:
        found = {names[row["student_id"]]: float(row["score"]) for row in csv.DictReader(file)}
    assert found == {form: points for form, (_, points) in FORMS.items()}
