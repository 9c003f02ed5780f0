"""What TEACHING.md says of the course is what the course has."""

import json
import re

from minigpt.classroom.notebook import exercises, read_notebook, sources
from minigpt.classroom.worksheet.variant import tasks
from minigpt.classroom.worksheet.words import QUESTIONS
from minigpt.classroom.worksheet.worksheet import rubric
from minigpt.store.files import ROOT

PAGE = (ROOT / "TEACHING.md").read_text(encoding="utf-8")


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


def test_the_worksheet_is_as_told_and_its_rubric_is_on_the_page():
    found, questions = tasks("ann"), len(QUESTIONS["en"])
    told = f"{len(found)} tasks with {sum(t.points for t in found)} points"
    assert told in PAGE and f"{len(found)} tasks over all notebooks" in PAGE
    assert f"{questions} questions\nin words with {2 * questions}" in PAGE
    assert rubric() in PAGE


def test_every_command_on_the_page_exists():
    from minigpt.commands import find_commands

    named = set(re.findall(r"python3 -m minigpt ([a-z]+)", PAGE))
    assert named and named <= set(find_commands())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(TEACHING.md)" in readme
