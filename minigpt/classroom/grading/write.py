"""A class's submissions: found, graded one by one, and written for teacher, students and nbgrader.

In an nbgrader course folder, submitted/STUDENT/ASSIGNMENT/ is read and never written. Made are

    points.csv                              one line a student and assignment
    returned/STUDENT/ASSIGNMENT.html        what the student sees: points, message, what to read
    checked/STUDENT/ASSIGNMENT/*.ipynb      the notebooks put in order, for `nbgrader autograde`
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minigpt.classroom.grading.marking import SECONDS, Report, Result, for_nbgrader, grade_notebook
from minigpt.classroom.notebook import belongs_to, exercises, to_bytes, without_solutions
from minigpt.show.style import escape
from minigpt.store.files import Problem, atomic_write

COLUMNS = ("student_id", "assignment", "score", "max_score", "waiting", "remarks")
LARGEST = 100_000_000  # bytes of a submitted notebook
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }} td, th {{ text-align: left; vertical-align: top;
padding: .4em 1.2em .4em 0; border-bottom: 1px solid #999 }}</style></head>
<body><h1>{title}</h1><p>{total}</p>{body}</body></html>
"""


@dataclass
class Graded:
    """One student's work on one assignment."""

    student: str
    assignment: str
    reports: dict[str, Report]  # by the notebook's name
    remarks: list[str]  # for the teacher: what was wrong with the files and the cells

    @property
    def points(self) -> float:
        return sum(report.points for report in self.reports.values())

    @property
    def most(self) -> float:
        return sum(report.most for report in self.reports.values())

    @property
    def waiting(self) -> float:
        return sum(report.waiting for report in self.reports.values())


def read_sources(course: Path) -> dict[str, dict[str, dict]]:
    """The teacher's notebooks of a course folder: {assignment: {name: notebook}}."""
    found: dict[str, dict[str, dict]] = {}
    for path in sorted((course / "source").glob("*/*.ipynb")):
        try:
            notebook = read_json(path)
            exercises(notebook)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise Problem(f"{path} cannot be used for grading: {error}") from None
        found.setdefault(path.parent.name, {})[path.stem] = notebook
    if not found:
        raise Problem(
            f"{course} is no course folder: it has no source/ASSIGNMENT/*.ipynb. "
            "`course DIR` makes one."
        )
    return found


def read_json(path: Path) -> dict:
    """A notebook as JSON; ValueError says what is wrong with the file."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST / 1e6:.0f} MB: clear its outputs")
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("it is empty, cut off, or no notebook (it is not JSON)") from None
    if not isinstance(found, dict) or not isinstance(found.get("cells"), list):
        raise ValueError("it is no notebook: it has no list of cells")
    return found


def submissions(course: Path, assignments: list[str]) -> Iterator[tuple[str, str, Path]]:
    """(student, assignment, folder) of everything that was handed in, in order."""
    for folder in sorted((course / "submitted").glob("*/*")):
        if folder.is_dir() and folder.name in assignments:
            yield folder.parent.name, folder.name, folder


def choose_files(folder: Path, sources: dict[str, dict]) -> tuple[dict[str, dict], list[str]]:
    """The submitted notebook of each source, by name or else by its graded cells, and remarks."""
    found: dict[str, dict] = {}
    remarks = []
    paths = sorted(folder.glob("*.ipynb"), key=lambda p: (p.stem not in sources, p.name))
    for path in paths:
        try:
            notebook = read_json(path)
        except (ValueError, OSError) as error:
            remarks.append(f"{path.name}: {error}")
            continue
        name = belongs_to(notebook, sources)
        if name is None and path.stem in sources:
            name = path.stem
        if name is None:
            remarks.append(f"{path.name}: it has none of this assignment's cells")
        elif name in found:
            remarks.append(f"{path.name}: a second {name}, not graded")
        else:
            found[name] = notebook
            if path.stem != name:
                remarks.append(f"{path.name}: graded as {name}.ipynb")
    remarks += [
        f"{name}.ipynb: nothing to grade, 0 points" for name in sources if name not in found
    ]
    return found, remarks


def grade_submission(
    course: Path, student: str, assignment: str, folder: Path, sources: dict[str, dict],
    seconds: float = SECONDS, seed: str = "",
) -> Graded:  # fmt: skip
    """Grade what one student handed in for one assignment. Bad files become remarks."""
    files, remarks = choose_files(folder, sources)
    reports = {}
    for name, source in sources.items():
        try:
            reports[name] = grade_notebook(
                source, files.get(name, without_solutions(source)), seconds,
                [course], student, seed,
            )  # fmt: skip
        except ValueError as error:
            remarks.append(f"{name}.ipynb: {error}")
            reports[name] = grade_notebook(source, without_solutions(source), seconds)
        if name not in files:
            reports[name].problems.clear()
        remarks += [f"{name}.ipynb: {text}" for text in (*reports[name].problems,
                    *reports[name].notes, *refusals(reports[name]))]  # fmt: skip
    return Graded(student, assignment, reports, remarks)


def refusals(report: Report) -> list[str]:
    return [f"{r.exercise.name}: {r.message}" for r in report.results if r.unsafe]


# ---- what is written ---------------------------------------------------------------------------


def write_checked(course: Path, graded: Graded, sources: dict[str, dict]) -> None:
    """The notebooks that `nbgrader autograde` gives the same points, and the time of handing in."""
    time = course / "submitted" / graded.student / graded.assignment / "timestamp.txt"
    for name, report in graded.reports.items():
        target = course / "checked" / graded.student / graded.assignment / f"{name}.ipynb"
        notebook = for_nbgrader(report, sources[name])
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell.get("source", ""))
        atomic_write(target, to_bytes(notebook))
        if time.is_file():
            atomic_write(target.with_name(time.name), time.read_bytes())


def write_points(path: Path, graded: list[Graded]) -> None:
    """The table of points; lines of other students and assignments stay as they are."""
    rows = {}
    if path.is_file():
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                rows[row.get("student_id"), row.get("assignment")] = row
    for one in graded:
        values = (one.student, one.assignment, f"{one.points:g}", f"{one.most:g}",
                  f"{one.waiting:g}", "; ".join(one.remarks))  # fmt: skip
        rows[one.student, one.assignment] = dict(zip(COLUMNS, values, strict=True))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[key] for key in sorted(rows, key=lambda key: tuple(map(str, key))))
    atomic_write(path, out.getvalue().encode("utf-8"))


def write_feedback(course: Path, graded: Graded) -> None:
    """The page that the student gets back."""
    target = course / "returned" / graded.student / f"{graded.assignment}.html"
    total = f"{graded.points:g} of {graded.most:g} points"
    if graded.waiting:
        total += f"; {graded.waiting:g} more are given by hand for what you wrote in your own words"
    body = "".join(feedback_table(report) for report in graded.reports.values())
    notes = [text for report in graded.reports.values() for text in report.problems]
    if notes:
        body += "<p>In your file:</p><ul>" + "".join(f"<li>{escape(t)}</li>" for t in notes)
        body += "</ul>"
    page = PAGE.format(title=escape(graded.assignment), total=escape(total), body=body)
    atomic_write(target, page.encode("utf-8"))


def feedback_table(report: Report) -> str:
    """Points, message and what to read again, as HTML."""
    rows = ["<tr><th>exercise</th><th>points</th><th>what the check says</th></tr>"]
    for result in report.results:
        cells = [result.exercise.title, f"{result.points:g} of {result.exercise.points:g}",
                 "\n".join(advice(result))]  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table>{''.join(rows)}</table>"


def advice(result: Result) -> list[str]:
    """What to tell a student about an exercise: the check's message, and what to read again."""
    lines = [result.message]
    if result.points < result.exercise.points and result.exercise.again:
        lines.append(f"Read again: {result.exercise.again}")
    return lines
