"""A class's submissions: found, graded one by one, and written for teacher, students and nbgrader.

In a course folder, submitted/STUDENT/ASSIGNMENT/ is read and never written. Made are

    points.csv                              one line a student and assignment
    words.csv                               answers to questions in words, for a teacher's points
    returned/STUDENT/ASSIGNMENT.html        what the student sees: points, message, what to read
    checked/STUDENT/ASSIGNMENT/*.ipynb      the notebooks put in order, for `nbgrader autograde`
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from minigpt.classroom.exchange.roster import Roster, due, read_time
from minigpt.classroom.exchange.tables import read_points, read_rows, write_rows
from minigpt.classroom.grading.marking import SECONDS, Report, Result, for_nbgrader, grade_notebook
from minigpt.classroom.grading.repair import clean, from_format_3, mark, text
from minigpt.classroom.notebook import (
    ASIDE,
    EARLIER,
    belongs_to,
    by_hand,
    exercises,
    grade_id,
    named_as,
    to_bytes,
    without_solutions,
)
from minigpt.classroom.worksheet.variant import comparable
from minigpt.classroom.worksheet.worksheet import is_worksheet, solved
from minigpt.store.files import ROOT, Problem, atomic_write

COLUMNS = ("student_id", "assignment", "score", "max_score", "words", "max_words", "waiting",
           "late", "remarks")  # fmt: skip
WORDS = ("student_id", "assignment", "question", "points", "max_points", "answer")
NOTHING = "nothing handed in"
SOMEBODY = "example"  # whose worksheet the source's own solutions are tried with
LARGEST = 100_000_000  # bytes of a submitted notebook
LONGEST_ANSWER = 20_000  # characters
PAGE = ROOT / "minigpt" / "data" / "returned.html"  # with gaps in braces


@dataclass
class Graded:
    """One student's work on one assignment."""

    student: str
    assignment: str
    reports: dict[str, Report]  # by the notebook's name
    checked: dict[str, bytes] = field(default_factory=dict)  # the notebooks for nbgrader
    told: list[str] = field(default_factory=list)  # what was wrong with files: for both
    notes: list[str] = field(default_factory=list)  # for the teacher alone
    unused: list[str] = field(default_factory=list)  # files that are not graded, and why
    displaced: bool = False  # another file of the student stands in the place of one
    words: tuple[float, float, float] = (0, 0, 0)  # points given by hand, of how many, waiting
    late: str = ""

    @property
    def remarks(self) -> list[str]:
        return [*self.told, *self.notes]

    def total(self, what: str) -> float:
        """The sum over its notebooks of their "points" or "most"."""
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
        found = from_format_3(json.loads(path.read_text(encoding="utf-8-sig")))
        if isinstance(found["cells"], list):
            return found
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("it is empty, cut off, or no notebook (it is not JSON)") from None
    except (AttributeError, KeyError, TypeError):
        pass
    raise ValueError("it is no notebook: it has no list of cells")


def submissions(course: Path, assignments: list[str]) -> Iterator[tuple[str, str, Path]]:
    """(student, assignment, folder) of everything that was handed in, in order.

    Problem where two folders are one student's.
    """
    seen: dict[tuple[str, str], Path] = {}
    for folder in sorted((course / "submitted").glob("*/*")):
        if folder.is_dir() and folder.name in assignments:
            try:
                key = comparable(folder.parent.name), folder.name
            except ValueError as error:
                raise Problem(f"{folder.parent}: {error}") from None
            if seen.setdefault(key, folder) != folder:
                raise Problem(f"{seen[key]} and {folder} are one student's, for large and small "
                              "letters are the same: leave one of them.")  # fmt: skip
            yield folder.parent.name, folder.name, folder


def strays(course: Path) -> list[str]:
    """What lies in submitted/ and is no hand-in, for it is in no STUDENT/ASSIGNMENT/ folder."""
    top, known = course / "submitted", {path.name for path in (course / "source").glob("*")}
    files = [path for path in top.glob("*") if not path.is_dir()]
    files += [path for path in top.glob("*/*") if path.name not in known or not path.is_dir()]
    said = "not in STUDENT/ASSIGNMENT/, where hand-ins lie"
    return [f"{path.relative_to(top).as_posix()}: {said}" for path in sorted(files)
            if "." not in (path.name[0], path.parent.name[0])]  # fmt: skip


def choose_files(folder: Path, sources: dict[str, dict], graded: Graded) -> dict[str, dict]:
    """The submitted notebook of each source, by name or else by its graded cells; what there is to
    say of the files goes into `graded`. Of copies ("01 (1).ipynb", "01-1.ipynb") the last counts.
    """
    found: dict[str, tuple[str, dict]] = {}
    paths, told = [], []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part == ASIDE or part.startswith((".", "__", EARLIER)) for part in parts[:-1])
        if not (path.is_file() or path.is_symlink()) or hidden or path.name == "timestamp.txt":
            continue
        if named := named_as(path.name, sources):
            paths.append((named[0] not in sources, -named[1], len(parts), "/".join(parts), path))
        else:
            graded.unused.append(f"{'/'.join(parts)}: no notebook")
    for *_, file, path in sorted(paths):
        try:
            if path.is_symlink() or folder.is_symlink():
                raise ValueError("a link, not a file")
            notebook = read_json(path)
        except (ValueError, OSError) as error:
            told.append(f"{file}: {error}")
            continue
        stem = named_as(path.name, sources)[0]
        name = belongs_to(notebook, sources) or (stem if stem in sources else None)
        if name is None:
            told.append(f"{file}: it has none of this assignment's cells")
        elif name in found:
            if path.read_bytes() != (folder / found[name][0]).read_bytes():
                graded.displaced = True
                told.append(f"{file}: a second {name}, not graded: {found[name][0]} is")
        else:
            found[name] = file, notebook
            if path.name != f"{name}.ipynb":
                graded.notes.append(f"{file}: graded as {name}.ipynb")
    graded.unused += told
    absent = [name for name in sources if name not in found]
    graded.told += told + [f"{name}.ipynb: nothing to grade, 0 points" for name in absent]
    return {name: notebook for name, (_, notebook) in found.items()}


def grade_submission(
    course: Path, student: str, assignment: str, folder: Path, sources: dict[str, dict],
    seconds: float = SECONDS, seed: str = "",
) -> Graded:  # fmt: skip
    """Grade what one student handed in for one assignment. Bad files become remarks."""
    graded = Graded(student, assignment, {})
    files = choose_files(folder, sources, graded)
    for name, source in sources.items():
        report = empty_report(source)
        if name in files:
            try:
                found = grade_notebook(source, files[name], seconds, student, seed)
                graded.checked[name] = to_bytes(for_nbgrader(found, source))
                report = found
                if is_worksheet(source):
                    not_mine(files[name], student, graded)
            except Exception as error:  # whatever it holds, the others are graded
                why = str(error) if isinstance(error, ValueError) else type(error).__name__
                graded.told.append(f"{name}.ipynb: it cannot be graded ({why}), 0 points")
        if name not in graded.checked:
            graded.checked[name] = to_bytes(for_nbgrader(report, source))
        graded.notes += [f"{name}.ipynb: {said}" for said in (*report.problems, *report.notes)]
        graded.reports[name] = report
    for told in (graded.told, graded.notes, graded.unused):
        told[:] = map(clean, told)
    return graded


def not_mine(notebook: dict, student: str, graded: Graded) -> None:
    """Say so to both where a worksheet names somebody else than its folder does."""
    code = next((text(c) for c in notebook["cells"] if grade_id(c) == "student"), "")
    named = re.search(r"^STUDENT\b.*?=\s*(['\"])(.*?)\1", code, re.M)
    with suppress(ValueError):  # it names nobody
        if named and comparable(named[2]) != comparable(student):
            graded.told.append(f"this is the worksheet of {named[2]!r}, and it was handed in by "
                               f"{student!r}, whose tasks are others")  # fmt: skip


def empty_report(source: dict) -> Report:
    """0 points for everything, without a run."""
    results = [Result(exercise, 0, "nothing to grade") for exercise in exercises(source)]
    return Report(results, [], without_solutions(source))


def nothing(student: str, assignment: str, sources: dict[str, dict]) -> Graded:
    """What a student has who handed in nothing."""
    reports = {name: empty_report(source) for name, source in sources.items()}
    most = sum(asked.get("points", 0) for source in sources.values() for asked in by_hand(source))
    return Graded(student, assignment, reports, told=[NOTHING], words=(0, most, 0))


def failing_solutions(
    assignment: str, sources: dict[str, dict], seconds: float, secret: str
) -> list[str]:
    """Which of the sources' own solutions do not earn their points, by cell, and why."""
    failing = []
    for name, source in sources.items():
        student = SOMEBODY if is_worksheet(source) else ""
        handed = solved(source, student, secret) if student else source
        report = grade_notebook(source, handed, seconds, student, secret)
        failing += [
            f"source/{assignment}/{name}.ipynb, cell {result.exercise.answer!r}: {result.message}"
            for result in report.results if result.points < result.exercise.points
        ]  # fmt: skip
    return failing


def lateness(course: Path, roster: Roster, student: str, assignment: str, flag: str) -> str:
    """By how much a hand-in came too late, "" where it did not or nothing is known.

    flag: what the platform said of it.
    """
    path = course / "submitted" / student / assignment / "timestamp.txt"
    until = due(course, roster, student, assignment)
    came = None
    with suppress(ValueError, OSError):
        came = read_time(path.read_text(encoding="utf-8"))
    if came and until:
        hours = (came - until).total_seconds() / 3600
        return f"{hours:.1f} hours" if hours > 0 else ""
    extended = roster.extension(student, assignment)
    return f"{flag}, extended to {extended}" if flag and extended else flag


# ---- what is written ---------------------------------------------------------------------------


def write_checked(course: Path, graded: Graded) -> None:
    """The notebooks that `nbgrader autograde` gives the same points, and the time of handing in."""
    time = course / "submitted" / graded.student / graded.assignment / "timestamp.txt"
    for name, data in graded.checked.items():
        target = course / "checked" / graded.student / graded.assignment / f"{name}.ipynb"
        atomic_write(target, data)
        if time.is_file():
            atomic_write(target.with_name(time.name), time.read_bytes())


def merge_words(course: Path, graded: Graded, sources: dict[str, dict]) -> None:
    """Put the student's answers in words into words.csv, and take the points that stand there.

    An answer that has changed waits for points anew; one that was left open has 0.
    """
    path = course / "words.csv"
    keys = ("student_id", "assignment", "question")
    rows = {tuple(row.get(k, "") for k in keys): row for row in read_rows(path)}
    given = most = waiting = 0.0
    for name, source in sources.items():
        answers = {grade_id(c): text(c).strip() for c in graded.reports[name].notebook["cells"]}
        asked = by_hand(source)
        for cell in without_solutions(source)["cells"]:
            if (known := mark(cell)) not in asked:
                continue
            answer = answers.get(known["grade_id"], "").replace("\0", "")[:LONGEST_ANSWER]
            answer = "" if answer == text(cell).strip() else answer
            key, can = (graded.student, graded.assignment, known["grade_id"]), known["points"]
            row = rows.get(key, {"points": ""})
            if row.get("answer", answer).split() != answer.split():
                graded.notes += [f"{key[2]}: answered anew, it waits"] if row["points"] else []
                row["points"] = ""
            row["points"] = row["points"] or ("" if answer else "0")
            rows[key] = {**dict(zip(keys, key)), "points": row["points"], "max_points": f"{can:g}",
                         "answer": answer}  # fmt: skip
            most += can
            given += points_of(path, rows[key], can)
            waiting += 0 if row["points"] else can
    graded.words = given, most, waiting
    if most:
        write_rows(path, WORDS, [rows[key] for key in sorted(rows)])


def points_of(path: Path, row: dict[str, str], most: float) -> float:
    """The points in a row of words.csv; Problem for what is no number from 0 to `most`."""
    with suppress(ValueError):
        points = float(row["points"].replace(",", ".") or 0)
        if 0 <= points <= most:
            return points
    raise Problem(f"{path}: {row['student_id']}, {row['question']}: {row['points']!r} is no number "
                  f"of points from 0 to {most:g}")  # fmt: skip


def write_points(course: Path, graded: Graded) -> None:
    """The table of points; lines of other students and assignments stay as they are."""
    mine = comparable(graded.student), graded.assignment  # also under another spelling
    rows = {key: row for key, row in read_points(course).items()
            if (comparable(key[0]), key[1]) != mine}  # fmt: skip
    numbers = (graded.total("points"), graded.total("most"), *graded.words)
    values = (graded.student, graded.assignment, *(f"{number:g}" for number in numbers),
              graded.late, "; ".join(graded.remarks))  # fmt: skip
    rows[values[:2]] = dict(zip(COLUMNS, values, strict=True))
    write_rows(course / "points.csv", COLUMNS, [rows[key] for key in sorted(rows)])


def write_feedback(course: Path, graded: Graded) -> None:
    """The page that the student gets back."""
    from minigpt.show.style import escape
    from minigpt.show.table import Table

    target = course / "returned" / graded.student / f"{graded.assignment}.html"
    total = f"{graded.total('points'):g} of {graded.total('most'):g} points"
    given, most, waiting = graded.words
    if most:
        total += f"; for what you wrote in your own words {given:g} of {most - waiting:g}"
        total += f", and {waiting:g} more are not given yet" if waiting else ""
    total += graded.late and f"; late: {graded.late}".removesuffix(": late")
    header, body = ["exercise", "points", "what the check says"], ""
    for report in graded.reports.values():
        told = [[result.exercise.title, f"{result.points:g} of {result.exercise.points:g}",
                 "\n".join(advice(result))] for result in report.results]  # fmt: skip
        body += Table(header, told)._repr_html_()
    notes = [note for report in graded.reports.values() for note in report.problems]
    if notes := [*graded.told, *notes]:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        body += f"<p>In your file:</p><ul>{items}</ul>"
    page = PAGE.read_text(encoding="utf-8")
    page = page.format(title=escape(graded.assignment), total=escape(total), body=body)
    atomic_write(target, page.encode("utf-8"))


def advice(result: Result) -> list[str]:
    """What to tell a student about an exercise: the check's message, and what to read again."""
    again = result.exercise.again if result.points < result.exercise.points else ""
    return [result.message, f"Read again: {again}"] if again else [result.message]
