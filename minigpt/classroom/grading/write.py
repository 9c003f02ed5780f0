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
from minigpt.classroom.grading.repair import clean
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

    def total(self, what: str) -> float:
        """The sum over its notebooks of their "points", "most" or "waiting"."""
        return sum(getattr(report, what) for report in self.reports.values())


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
    if found:
        return found
    raise Problem(f"{course} is no course folder: it has no source/ASSIGNMENT/*.ipynb. "
                  "`course DIR` makes one.")  # fmt: skip


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
    found, remarks = {}, []
    for path in sorted(folder.glob("*.ipynb"), key=lambda p: (p.stem not in sources, p.name)):
        try:
            if path.is_symlink() or folder.is_symlink():
                raise ValueError("a link, not a file")
            notebook = read_json(path)
        except (ValueError, OSError) as error:
            remarks.append(f"{path.name}: {error}")
            continue
        name = belongs_to(notebook, sources) or (path.stem if path.stem in sources else None)
        if name is None:
            remarks.append(f"{path.name}: it has none of this assignment's cells")
        elif name in found:
            remarks.append(f"{path.name}: a second {name}, not graded")
        else:
            found[name] = notebook
            if path.stem != name:
                remarks.append(f"{path.name}: graded as {name}.ipynb")
    absent = [name for name in sources if name not in found]
    return found, remarks + [f"{name}.ipynb: nothing to grade, 0 points" for name in absent]


def grade_submission(
    course: Path, student: str, assignment: str, folder: Path, sources: dict[str, dict],
    seconds: float = SECONDS, seed: str = "",
) -> Graded:  # fmt: skip
    """Grade what one student handed in for one assignment. Bad files become remarks."""
    files, remarks = choose_files(folder, sources)
    reports = {}
    for name, source in sources.items():
        open_ = without_solutions(source)
        try:
            report = grade_notebook(source, files.get(name, open_), seconds, student, seed)
        except (Exception, RecursionError) as error:  # it costs its own points alone
            told = "" if isinstance(error, ValueError) else f"damaged ({type(error).__name__}) "
            remarks.append(f"{name}.ipynb: {told}{error}"[:500])
            report = grade_notebook(source, open_, seconds)
        if name not in files:
            report.problems.clear()
        remarks += [f"{name}.ipynb: {text}" for text in (*report.problems, *report.notes)]
        reports[name] = report
    return Graded(student, assignment, reports, list(map(clean, remarks)))


# ---- what is written ---------------------------------------------------------------------------


def write_checked(course: Path, graded: Graded, sources: dict[str, dict]) -> None:
    """The notebooks that `nbgrader autograde` gives the same points, and the time of handing in."""
    time = course / "submitted" / graded.student / graded.assignment / "timestamp.txt"
    for name, report in graded.reports.items():
        target = course / "checked" / graded.student / graded.assignment / f"{name}.ipynb"
        atomic_write(target, to_bytes(for_nbgrader(report, sources[name])))
        if time.is_file():
            atomic_write(target.with_name(time.name), time.read_bytes())


def write_points(path: Path, graded: Graded) -> None:
    """The table of points; lines of other students and assignments stay as they are."""
    rows = {}
    if path.is_file():
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                rows[row.get("student_id"), row.get("assignment")] = row
    sums = (f"{graded.total(what):g}" for what in ("points", "most", "waiting"))
    told = (graded.student, graded.assignment, *sums, "; ".join(graded.remarks))
    values = tuple(f"'{v}" if v[:1] in tuple("=+-@\t\r") else v for v in told)  # no formula
    rows[values[:2]] = dict(zip(COLUMNS, values, strict=True))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[key] for key in sorted(rows, key=lambda key: tuple(map(str, key))))
    atomic_write(path, out.getvalue().encode("utf-8"))


def write_feedback(course: Path, graded: Graded) -> None:
    """The page that the student gets back."""
    target = course / "returned" / graded.student / f"{graded.assignment}.html"
    total = f"{graded.total('points'):g} of {graded.total('most'):g} points"
    if more := graded.total("waiting"):
        total += f"; {more:g} more are given by hand for what you wrote in your own words"
    body = "".join(feedback_table(report) for report in graded.reports.values())
    notes = [text for report in graded.reports.values() for text in report.problems]
    if notes:
        items = "".join(f"<li>{escape(text)}</li>" for text in notes)
        body += f"<p>In your file:</p><ul>{items}</ul>"
    page = PAGE.format(title=escape(graded.assignment), total=escape(total), body=body)
    atomic_write(target, page.encode("utf-8"))


def feedback_table(report: Report) -> str:
    """Points, message and what to read again, as HTML."""
    rows = "<tr><th>exercise</th><th>points</th><th>what the check says</th></tr>"
    for result in report.results:
        points = f"{result.points:g} of {result.exercise.points:g}"
        cells = (result.exercise.title, points, "\n".join(advice(result)))
        rows += f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    return f"<table>{rows}</table>"


def advice(result: Result) -> list[str]:
    """What to tell a student about an exercise: the check's message, and what to read again."""
    again = result.exercise.again if result.points < result.exercise.points else ""
    return [result.message, f"Read again: {again}"] if again else [result.message]
