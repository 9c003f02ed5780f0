"""`export`: points into the tables that Moodle and Canvas export, pages into archives they take.

The tables have the columns, quotation marks and rows that mod/assign/feedback/offline of Moodle 4
and lib/gradebook_exporter.rb of Canvas write.
"""

import csv
import io
import re
import zipfile

import pytest

from minigpt.classroom.exchange.tables import write_rows
from minigpt.classroom.grading.write import COLUMNS
from minigpt.commands import collect, course, export
from minigpt.store.files import Problem

STEM = "01_tokenization"
MOODLE = """Identifier,"Full name","Email address",Status,Grade,"Maximum grade",\
"Grade can be changed","Last modified (submission)","Last modified (grade)","Feedback comments"
"Participant 4711","Ada King","ada@example.org","Submitted for grading",,10.00,Yes,\
"Monday, 2 March 2026, 11:59 PM",-,"-1 for the name, see p. 3"
"Participant 4712","Bob Ray","bob@example.org","Submitted for grading",3.00,10.00,Yes,\
"Monday, 2 March 2026, 11:59 PM","Tuesday, 3 March 2026, 8:00 AM",
"Participant 4713","Cleo Lake","cleo@example.org","No submission",,10.00,Yes,-,-,
"Participant 4714","Dan Ray","dan@example.org","No submission",,10.00,No,-,-,
"Participant 4715","Zoe New","zoe@example.org","No submission",,10.00,Yes,-,-,
"""
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,01_tokenization (815),Other work (816),\
Homework Current Score,Homework Final Score,Current Score,Final Score
,,,,,Manual Posting,,,,,
    Points Possible,,,,,20.00,5.00,(read only),(read only),(read only),(read only)
"King, Ada",31,,ada@example.org,A,,1.00,20.00,20.00,20.00,20.00
"Ray, Bob",32,S-32,bray,A,2.00,,,,,
"Lake, Cleo",33,,cleo,A and B,N/A,,,,,
"Student, Test",34,,6f1e,A,,,,,,
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "class"
    course.lay_out(folder)
    (folder / "class.csv").write_text(
        "id,name,email,moodle,canvas\nada,Ada King,ada@example.org,,31\nbob,Bob Ray,,,\n"
        "cleo,,cleo@example.org,,33\ndan,Dan Ray,,,\nfay,Fay Hill,,,\n", encoding="utf-8"
    )  # fmt: skip
    scores = {"ada": (7, 0.5), "bob": (0, 0), "cleo": (0, 0), "dan": (3, 0), "fay": (4, 0)}
    rows = [(who, STEM, score, 8, words, 2, 2 if who == "bob" else 0, "", "")
            for who, (score, words) in scores.items()]  # fmt: skip
    rows.append(("ada", "02_pretraining", 7, 7, 0, 0, 0, "", ""))
    write_rows(folder / "points.csv", COLUMNS, [dict(zip(COLUMNS, row)) for row in rows])
    return folder


def run(folder, tmp_path, kind, text, *more, assignment=STEM):
    """Export into a platform's table; (status, the rows that came out by the first column)."""
    path = tmp_path / f"{kind}.csv"
    path.write_bytes(text.encode("utf-8"))
    status = export.main([kind, str(path), str(folder), assignment, *more])
    assert path.read_bytes() == text.encode("utf-8"), "what the platform gave stays"
    data = (tmp_path / f"{kind}-filled.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") == text.startswith("\ufeff")
    sign = ";" if ";" in text.split("\n")[0] else ","
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=sign)
    return status, {row[0]: row for row in rows}


def differences(text, rows, sign=","):
    """{row: {column: value}} of the cells that are not as they were."""
    header, *before = csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=sign)
    assert list(rows) == [header[0], *(row[0] for row in before)]
    return {row[0]: {name: new for name, old, new in zip(header, row, rows[row[0]]) if new != old}
            for row in before if rows[row[0]] != row}  # fmt: skip


def test_moodles_grading_worksheet_is_filled_in(folder, tmp_path, capsys):
    status, rows = run(folder, tmp_path, "moodle", MOODLE)
    assert differences(MOODLE, rows) == {
        "Participant 4711": {"Grade": "7.50"}, "Participant 4712": {"Grade": "0.00"},
        "Participant 4713": {"Grade": "0.00"},
    }  # fmt: skip
    said = capsys.readouterr().out
    assert status == 1 and "3 grades: " in said and "Upload grading worksheet" in said
    assert "dan: Moodle has locked this grade" in said and "fay: no row of the table" in said
    assert "Zoe New: nobody of that name has points" in said
    assert f"{STEM}: answers in words wait for points, which count as 0: bob" in said


def test_grades_of_moodle_are_on_its_scale_and_in_its_form(folder, tmp_path):
    table = MOODLE.replace("10.00", '"100,00"')
    _, rows = run(folder, tmp_path, "moodle", "\ufeff" + table)
    assert rows["Participant 4711"][4] == "75,00"
    german = table.replace('Grade,"Maximum', 'Bewertung,"Best')
    with pytest.raises(Problem, match="has 0 columns 'Grade'.*--column names another one"):
        run(folder, tmp_path, "moodle", german)
    _, rows = run(folder, tmp_path, "moodle", german, "--column", "Bewertung")
    assert rows["Participant 4711"][4] == "7.50"


def test_canvas_gradebook_is_filled_in(folder, tmp_path, capsys):
    status, rows = run(folder, tmp_path, "canvas", CANVAS)
    column = "01_tokenization (815)"
    assert differences(CANVAS, rows) == {
        "King, Ada": {column: "15.00"},
        "Ray, Bob": {column: "0.00"},
    }
    said = capsys.readouterr().out
    assert status == 1 and f"{STEM}: 10 points are 20 on the platform" in said
    assert "cleo: Canvas has N/A there" in said and "Student, Test: nobody of that name" in said
    semicolons = CANVAS.replace(", ", " ").replace(",", ";").replace("20.00;5", "20,00;5")
    _, rows = run(folder, tmp_path, "canvas", "\ufeff" + semicolons)
    assert rows["King Ada"][5] == "15,00"
    named = CANVAS.replace("01_tokenization (815)", "Tokens (815)")
    _, rows = run(folder, tmp_path, "canvas", named, "--column", "Tokens (815)")
    assert rows["King, Ada"][5] == "15.00"


def test_without_a_roster_the_numbers_of_the_collection_tell(folder, tmp_path):
    (folder / "class.csv").unlink()
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("Somebody Else_4712_assignsubmission_file_/w.ipynb", "x")
    collect.main([str(archive), str(folder), STEM])
    columns = dict.fromkeys(COLUMNS, "") | {"assignment": STEM, "max_score": 8, "score": 6}
    write_rows(folder / "points.csv", COLUMNS, [columns | {"student_id": "Somebody-Else_4712"}])
    status, rows = run(folder, tmp_path, "moodle", MOODLE)
    assert status == 0
    assert differences(MOODLE, rows) == {"Participant 4712": {"Grade": "7.50"}}


def test_who_cannot_be_told_apart_stops_it(folder, tmp_path):
    twins = MOODLE.replace("Cleo Lake", "Ada King").replace("cleo@", "other@")
    with pytest.raises(Problem, match="are both taken for 'ada'"):
        run(folder, tmp_path, "moodle", twins)
    with pytest.raises(Problem, match="`grade` comes first"):
        run(folder, tmp_path, "moodle", MOODLE, assignment="03_prompting")
    assert not list(tmp_path.glob("*-filled.csv"))


def moodle_finds(name):
    """The participant and file of an entry, as Moodle's importziplib.php takes it apart."""
    parts = name.split("/")
    while parts:
        info = parts.pop(0).split("_", 4)
        if len(info) >= 4 and info[1].isdigit() and info[2:4] == ["assignfeedback", "file"]:
            return int(info[1]), "/".join([*info[4:], *parts]).lstrip("/")
    return None


def test_the_students_pages_are_packed_as_the_platforms_take_them(folder, tmp_path, capsys):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("Ada King_4711_assignsubmission_file_/w.ipynb", "x")
        out.writestr("Bob_of_Names Ray_4712_assignsubmission_file_/w.ipynb", "x")
        out.writestr("lakecleo_LATE_33_906_w.ipynb", "x")
        out.writestr("anon_x7Yz2_907_w.ipynb", "x")
    collect.main([str(archive), str(folder), STEM])
    students = ["ada", "Bob_of_Names-Ray_4712", "lakecleo_33", "anon_x7Yz2", "eve"]
    students[2] = "cleo"  # by the number in class.csv
    for student in students:
        page = folder / "returned" / student / f"{STEM}.html"
        page.parent.mkdir(parents=True)
        page.write_text(student, encoding="utf-8")
    assert export.main(["feedback", str(folder), STEM]) == 1
    said = capsys.readouterr().out
    assert "4 pages: " in said and "eve: handed in by hand" in said
    assert "Upload multiple feedback files in a zip" in said and "In Canvas:" in said
    with zipfile.ZipFile(folder / f"feedback-{STEM}.zip") as packed:
        found = {name: packed.read(name).decode() for name in packed.namelist()}
    moodle = {moodle_finds(name): text for name, text in found.items() if moodle_finds(name)}
    assert moodle == {(4711, f"{STEM}.html"): "ada",
                      (4712, f"{STEM}.html"): "Bob_of_Names-Ray_4712"}  # fmt: skip
    for name in sorted(found.keys() - {n for n in found if moodle_finds(n)}):
        numbers = [part for part in name.split("_") if re.fullmatch(r"\d+", part)]  # as Canvas does
        assert numbers[:2] == ["33", "906"] or name.startswith("anon_x7Yz2_907_"), name
    with pytest.raises(Problem, match="There is no page"):
        export.main(["feedback", str(folder), "02_pretraining"])
