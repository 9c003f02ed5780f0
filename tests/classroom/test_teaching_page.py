"""What TEACHING.md says of the course is what the course has, and what its commands print."""

import ast
import json
import re
import zipfile
from pathlib import Path

from minigpt.classroom.grading import box
from minigpt.classroom.grading.repair import mark
from minigpt.classroom.notebook import (
    exercises,
    read_notebook,
    sources,
    to_bytes,
    without_solutions,
)
from minigpt.classroom.worksheet.worksheet import worksheet
from minigpt.commands import collect, course, export, grade, variant
from minigpt.store.files import ROOT

PAGE = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
STEM = "01_tokenization"
ROSTER = "id,name,email,moodle,canvas\nada,Ada King,,,\nbob,Bob Ray,,,\ncleo,Cleo Lake,,,\n"
MOODLE = """Identifier,"Full name",Grade,"Maximum grade","Last modified (grade)"
"Participant 17","Ada King",,8.00,-
"Participant 18","Bob Ray",,8.00,-
"Participant 19","Cleo Lake",,8.00,-
"""


def scenario(folder, printed) -> dict[str, str]:
    """The page's commands from a folder beside the course folder: what each prints, by command."""
    source = read_notebook(ROOT / "notebooks" / "source" / "en" / f"{STEM}.ipynb")
    part = without_solutions(source)
    for one, right in zip(part["cells"], source["cells"]):
        if mark(one).get("grade_id") in ("count-pairs", "merge"):
            one["source"] = right["source"]
    here = Path.cwd()
    with zipfile.ZipFile(here / "FILE.zip", "w") as out:
        for name, number, data in (("Ada King", 17, source), ("Bob Ray", 18, part)):
            place = f"{name}_{number}_assignsubmission_file"
            out.writestr(f"{place}/{STEM}.ipynb", to_bytes(data))
        out.writestr("Bob Ray_18_assignsubmission_file/notes.pdf", "x")
    (here / "FILE.csv").write_text(MOODLE, encoding="utf-8")
    said = {}

    def run(command, *arguments):
        assert command.main([*arguments]) == 0
        name = command.__name__.rpartition(".")[2]
        said[" ".join([name, *arguments])] = printed().replace(str(folder.parent), "/home/me")

    run(course, "../class")
    (folder / "class.csv").write_text(ROSTER, encoding="utf-8")
    run(course, "--release", "../class")
    run(variant, "../class")
    run(collect, "FILE.zip", "../class", STEM)
    run(grade, "../class", STEM)
    run(export, "moodle", "FILE.csv", "../class", STEM)
    return said


def test_the_commands_print_what_the_page_says(tmp_path, capsys, monkeypatch):
    (tmp_path / "minigpt").mkdir()
    monkeypatch.chdir(tmp_path / "minigpt")
    said = scenario(tmp_path / "class", lambda: capsys.readouterr().out)
    blocks = [block.strip() for block in re.findall(r"```text\n(.*?)```", PAGE, re.S)]
    for command, text in said.items():
        assert f"python3 -m minigpt {command}" in PAGE
        assert text.strip() in blocks, f"{command}:\n{text}"
    assert len(blocks) == len(said)


def test_the_way_to_the_points_is_short():
    before, reference = PAGE.split("\n# Reference\n")
    assert len(before.split()) <= 1500 and reference.strip()
    assert re.findall(r"^## (\d)\. ", before, re.M) == list("1234567")


def test_the_syllabus_has_every_notebook_with_its_points_and_seconds():
    results = ROOT / "minigpt" / "data" / "results" / "notebook_times.json"
    seconds = json.loads(results.read_text(encoding="utf-8"))["seconds"]["en"]
    for path in sources("en"):
        found = exercises(read_notebook(path))
        row = re.search(rf"^\| {path.stem[:2]} .*$", PAGE, re.M).group()
        title = read_notebook(path)["cells"][0]["source"].splitlines()[0].removeprefix("# ")
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        assert cells[0].split(" ", 1)[1] in title
        assert cells[2] == f"{len(found)}, {sum(e.points for e in found):g} points"
        assert cells[3] == f"{seconds[path.stem]:.0f} s"


def test_typical_errors_are_those_of_exercises():
    """Each is a mistake that tests/notebooks/test_wrong_answers.py makes and a check refuses."""
    text = (ROOT / "tests" / "notebooks" / "test_wrong_answers.py").read_text(encoding="utf-8")
    mistakes = text[text.index("MISTAKES = {") : text.index("SHORTCUTS = {")]
    named = set()
    for path in sources("en"):
        row = re.search(rf"^\| {path.stem[:2]} \| `.*$", PAGE, re.M).group()
        answers = {e.answer for e in exercises(read_notebook(path))}
        here = set(re.findall(r"`([a-z-]+)`:", row))
        assert here and here <= answers and all(f'"{name}": [' in mistakes for name in here)
        named |= here
    assert len(named) >= 12


def test_the_worksheet_is_as_told():
    notebook = worksheet()
    found = exercises(notebook)
    by_hand = [m for m in map(mark, notebook["cells"]) if m.get("solution") and m.get("grade")]
    told = f"{len(found)} tasks with {sum(e.points for e in found):g} points"
    assert told in PAGE
    assert f"{len(by_hand)} questions\nin words with {sum(m['points'] for m in by_hand):g}" in PAGE
    assert "(notebooks/rubrics.md)" in PAGE and (ROOT / "notebooks" / "rubrics.md").is_file()


def test_the_containers_image_is_made_as_told():
    assert set(re.findall(r"docker build -t (\S+) -f minigpt/data/Dockerfile \.", PAGE)) == {
        box.IMAGE
    }
    made = (ROOT / "minigpt/data/Dockerfile").read_text(encoding="utf-8")
    assert (
        f"docker build -t {box.IMAGE} -f minigpt/data/Dockerfile ." in made
        and "COPY binder/requirements.txt ." in made
    )
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert sent == ["*", "!binder/requirements.txt"]


def test_the_box_is_as_told():
    attacks = (ROOT / "tests/classroom/grading/test_attacks.py").read_text(encoding="utf-8")
    tables = {node.targets[0].id: node.value for node in ast.parse(attacks).body
              if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)}  # fmt: skip
    assert len(tables["EARN"].keys) + len(tables["HARM"].keys) + 1 >= 70  # and filled memory
    assert "tries seventy ways" in PAGE
    limits = re.search(r"Memory \((\d+) GB\), processes \((\d+)\), files \((\d+) MB\)", PAGE)
    assert limits[1] == str(box.MEMORY >> 30) and limits[3] == str(box.DISK >> 20)
    assert f'limits["NPROC"] = {limits[2]}\n' in Path(box.__file__).read_text(encoding="utf-8")
    bad = (ROOT / "tests/classroom/grading/test_bad_files.py").read_text(encoding="utf-8")
    assert "hundred damaged notebooks" in PAGE and "tenth_or_all(400)" in bad


def test_every_command_and_file_on_the_page_exists():
    from minigpt.commands import find_commands

    named = set(re.findall(r"python3 -m minigpt ([a-z]+)", PAGE))
    assert named >= {"check", "course", "variant", "collect", "grade", "export", "together"}
    assert named <= set(find_commands())
    for path in re.findall(r"`(tests/[\w/]+\.py)`", PAGE):
        assert (ROOT / path).is_file(), path
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(TEACHING.md)" in readme
