"""`course`: a folder that nbgrader takes as it is."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from traitlets.config import PyFileConfigLoader

from minigpt.classroom.notebook import exercises, read_notebook, to_bytes, without_solutions
from minigpt.classroom.worksheet.worksheet import solved, worksheet
from minigpt.commands import course, grade
from minigpt.store.files import ROOT, Problem

pytestmark = pytest.mark.notebook  # it runs the answers in notebooks

STEMS = sorted(path.stem for path in (ROOT / "notebooks" / "source" / "en").glob("*.ipynb"))


def test_each_notebook_is_an_assignment(tmp_path, capsys):
    folder = tmp_path / "class"
    assert course.main([str(folder)]) == 0
    assert sorted(p.name for p in (folder / "source").iterdir()) == [*STEMS, "worksheet"]
    sheet = (folder / "source" / "worksheet" / "worksheet.ipynb").read_bytes()
    assert json.loads(sheet) == json.loads(to_bytes(worksheet()))
    for stem in STEMS:
        original = ROOT / "notebooks" / "source" / "en" / f"{stem}.ipynb"
        assert (folder / "source" / stem / f"{stem}.ipynb").read_bytes() == original.read_bytes()
    said = capsys.readouterr().out
    assert "9 assignments" in said and "course --release" in said
    assert (folder / "class.csv").read_text(encoding="utf-8") == course.CLASS
    dates = (folder / "due.csv").read_text(encoding="utf-8").splitlines()
    assert dates == ["assignment,due", *(f"{name}," for name in [*STEMS, "worksheet"])]


def test_what_students_get_is_made_without_nbgrader(tmp_path, capsys):
    folder = tmp_path / "class"
    course.lay_out(folder)
    assert course.main(["--release", str(folder)]) == 0
    assert "8 notebooks without solutions" in capsys.readouterr().out
    assert sorted(p.name for p in (folder / "release").iterdir()) == STEMS
    for stem in STEMS:
        made = json.loads((folder / "release" / stem / f"{stem}.ipynb").read_text(encoding="utf-8"))
        expected = without_solutions(read_notebook(ROOT / f"notebooks/source/en/{stem}.ipynb"))
        assert len(made["cells"]) == len(expected["cells"])
        for theirs, mine in zip(made["cells"], expected["cells"]):
            assert "".join(theirs["source"]) == mine["source"]
            assert "SOLUTION" not in mine["source"] and "HIDDEN" not in mine["source"]
    with pytest.raises(Problem, match="`course DIR` makes a course folder"):
        course.main(["--release", str(tmp_path)])


def test_a_solution_that_fails_is_named_and_nothing_is_graded(tmp_path, capsys):
    folder = tmp_path / "class"
    course.lay_out(folder)
    for stem in STEMS[2:]:
        shutil.rmtree(folder / "source" / stem)
    assert grade.main([str(folder), "--check"]) == 0
    said = capsys.readouterr().out
    assert said.count("its own solutions earn all points") == 3 and "worksheet: its own" in said
    for arguments in (["--check", "02_nothing"], ["02_nothing"]):
        with pytest.raises(Problem, match=f"no assignment '02_nothing'. There are: {STEMS[0]}"):
            grade.main([str(folder), *arguments])
    path = folder / "source" / STEMS[1] / f"{STEMS[1]}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert "i += 2" in text
    path.write_text(text.replace("i += 2", "i += 3"), encoding="utf-8")
    there = folder / "submitted" / "ada" / STEMS[1]
    there.mkdir(parents=True)
    shutil.copy(path, there)
    for arguments in ([str(folder), "--check"], [str(folder), STEMS[1]]):
        with pytest.raises(Problem, match=f"source/{STEMS[1]}/{STEMS[1]}.ipynb, cell 'merge': "):
            grade.main(arguments)
    assert not (folder / "points.csv").exists()


def test_what_a_teacher_changed_stays(tmp_path, capsys):
    assert course.main([str(tmp_path / "class")]) == 0
    changed = tmp_path / "class" / "source" / STEMS[1] / f"{STEMS[1]}.ipynb"
    changed.write_text("{}", encoding="utf-8")
    shutil.rmtree(tmp_path / "class" / "source" / STEMS[2])
    capsys.readouterr()
    assert course.main([str(tmp_path / "class")]) == 0
    assert changed.read_text(encoding="utf-8") == "{}"
    assert (tmp_path / "class" / "source" / STEMS[2] / f"{STEMS[2]}.ipynb").is_file()
    said = capsys.readouterr().out
    assert f"stay as they are: source/{STEMS[1]}/{STEMS[1]}.ipynb" in said


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(Problem, match="holds other files: choose a new folder"):
        course.main([str(tmp_path)])
    with pytest.raises(Problem, match="inside the course's own folder"):
        course.main([str(ROOT / "class")])
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Problem, match="cannot be written"):
        course.main([str(tmp_path / "file" / "class")])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "thesis.txt"]


def test_nbgrader_reads_the_settings_and_its_runs_are_short(tmp_path, monkeypatch):
    """It would go on without the settings where they fail."""
    course.lay_out(tmp_path)
    for name in ("PYTHONPATH", "MINIGPT_SECRET", "MINIGPT_HOME"):
        monkeypatch.setenv(name, "")  # the settings set them
    settings = PyFileConfigLoader("nbgrader_config.py", str(tmp_path)).load_config()
    assert settings.Execute.timeout == 120
    source = read_notebook(tmp_path / "source" / "06_ppo" / "06_ppo.ipynb")
    short, _resources = settings.Autograde.autograde_preprocessors[0]().preprocess(source, {})
    changed = [a["source"] for a, b in zip(short["cells"], source["cells"]) if a != b]
    assert len(changed) == 1 and changed[0].isascii() and " = 1 " in changed[0]


@pytest.mark.slow
@pytest.mark.parametrize("stem", [*STEMS, "worksheet"])
def test_nbgrader_takes_it_through_all_its_steps(nbgrader, tmp_path, stem):
    """As it is, without `grade`: whole notebooks run, lessons included."""
    folder = tmp_path / "class"
    course.lay_out(folder)
    nbgrader(folder, "generate_assignment", stem)
    release = folder / "release" / stem / f"{stem}.ipynb"
    assert "BEGIN SOLUTION" not in release.read_text(encoding="utf-8")
    source = folder / "source" / stem / f"{stem}.ipynb"
    works = {"ada": source, "bob": release}  # solved, and not begun
    if stem != STEMS[0]:
        del works["bob"]  # it would run all lessons once more
    for student, work in works.items():
        there = folder / "submitted" / student / stem
        there.mkdir(parents=True)
        notebook = read_notebook(work)
        if stem == "worksheet":
            notebook = solved(worksheet(), student, course.secret_of(folder))
        (there / release.name).write_bytes(to_bytes(notebook))
    nbgrader(folder, "autograde", stem)
    nbgrader(folder, "generate_feedback", stem)
    nbgrader(folder, "export")
    lines = (folder / "grades.csv").read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    most = sum(exercise.points for exercise in exercises(read_notebook(source)))  # words wait
    scores = {row["student_id"]: float(row["score"]) for row in rows if row["assignment"] == stem}
    assert scores == {student: most if student == "ada" else 0 for student in works}
    for student in works:
        assert (folder / "feedback" / student / stem / f"{stem}.html").is_file()


@pytest.mark.slow
def test_the_formgrader_shows_the_course(nbgrader, tmp_path):
    """In JupyterLab's server, started in the course folder."""
    folder = tmp_path / "class"
    course.lay_out(folder)
    nbgrader(folder, "generate_assignment", STEMS[0])
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=us"]
    server = subprocess.Popen([sys.executable, "-m", "jupyter_server", *options], cwd=folder,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    address = f"http://127.0.0.1:{port}/formgrader/api/assignments?token=us"
    try:
        found, end = None, time.monotonic() + 120
        while found is None and time.monotonic() < end and server.poll() is None:
            time.sleep(0.2)
            with contextlib.suppress(urllib.error.URLError):
                found = json.load(urllib.request.urlopen(address))
    finally:
        server.terminate()
        server.wait()
    points = {one["name"]: one["max_score"] for one in found}
    assert points == dict.fromkeys([*STEMS, "worksheet"], 0) | {STEMS[0]: 3}
