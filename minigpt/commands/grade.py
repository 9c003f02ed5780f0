"""Points for one notebook or for a class: grade FILE.ipynb, or grade DIR [ASSIGNMENT ...]."""

import importlib.util
import shlex
import sys
from pathlib import Path

from minigpt.classroom.exchange.roster import Roster
from minigpt.classroom.exchange.tables import read_points, read_rows
from minigpt.classroom.grading import box, write
from minigpt.classroom.grading.marking import SECONDS, grade_notebook
from minigpt.classroom.notebook import belongs_to, checking
from minigpt.classroom.worksheet.variant import comparable
from minigpt.classroom.worksheet.worksheet import is_worksheet, solved, worksheet
from minigpt.commands.collect import COLLECTED
from minigpt.commands.course import secret_of
from minigpt.setup.common import LANGUAGES, option_parser
from minigpt.store.files import PROGRAM, Problem, as_problem

ENVIRONMENT = "package"


def require_packages() -> None:
    """Problem where a package is missing that answers and checks import: all would be wrong."""
    needed = ("torch", "numpy", "tiktoken")
    if missing := [name for name in needed if not importlib.util.find_spec(name)]:
        raise Problem(f"This Python ({sys.executable}) has no {', '.join(missing)}, so that right "
                      f"answers would fail. {PROGRAM} check says what to do.")  # fmt: skip


def grade_file(path: Path, seconds: float) -> int:
    """Print what each exercise of a notebook earns; 0 if all points were earned.

    A file in a course folder is graded by that folder's sources, another one by the course's own.
    """
    course = next((p for p in path.parents if (p / "nbgrader_config.py").is_file()), None)
    student = secret = ""
    with as_problem(ValueError, OSError, RecursionError, of=f"{path} cannot be graded: "):
        notebook = write.read_json(path)
        if course:
            known = {name: source for found in write.read_sources(course).values()
                     for name, source in found.items()}  # fmt: skip
            secret = secret_of(course)
        else:
            paths = (path for lang in LANGUAGES for path in checking(lang))
            known = {path: write.read_json(path) for path in paths}
            known |= {"worksheet": worksheet()} if known else {}
        name = belongs_to(notebook, known)
        if name is None:
            raise Problem(f"{path} has none of the course's exercises.")
        if course and path.is_relative_to(course / "submitted"):
            student = path.relative_to(course / "submitted").parts[0]
        elif course and path.is_relative_to(course / "source") and is_worksheet(known[name]):
            student = write.SOMEBODY
            notebook = solved(notebook, student, secret)
        report = grade_notebook(known[name], notebook, seconds, student, secret)
    for problem in report.problems:
        print(f"  {problem}")
    for result in report.results:
        print(f"{result.exercise.title}: {result.points:g} of {result.exercise.points:g}")
        for line in write.advice(result):
            print("    " + line.replace("\n", "\n    "))
    print(f"{report.points:g} of {report.most:g} points")
    return int(report.points < report.most)


def sources_of(course: Path, chosen: list[str]) -> dict[str, dict[str, dict]]:
    """The sources of the chosen assignments, or of all; Problem for one that is not there."""
    known = write.read_sources(course)
    if unknown := [name for name in chosen if name not in known]:
        raise Problem(f"There is no assignment {unknown[0]!r}. There are: {', '.join(known)}")
    return {name: known[name] for name in chosen or known}


def check_solutions(course: Path, sources: dict[str, dict[str, dict]], seconds: float) -> None:
    """Problem that names the cells, unless the sources' own solutions earn all their points."""
    secret, failing = secret_of(course), []
    for name, notebooks in sources.items():
        found = write.failing_solutions(name, notebooks, seconds, secret)
        print(f"{name}: its own solutions {'fail' if found else 'earn all points'}", flush=True)
        failing += found
    if failing:
        raise Problem("Nothing was graded, for these solutions of the sources do not pass their "
                      "own checks:\n  " + "\n  ".join(failing))  # fmt: skip


def grade_class(course: Path, chosen: list[str], seconds: float, student: str | None) -> int:
    """Grade all that was handed in, or one student's; writes points.csv, words.csv, returned/ and
    checked/. Everybody in class.csv is in the table. 1 where a file displaced another one."""
    known, roster, secret = sources_of(course, chosen), Roster(course), secret_of(course)
    found = list(write.submissions(course, list(known)))
    if student is not None:
        found = [one for one in found if comparable(one[0]) == student]
    if not found and (student is not None or not chosen or not roster.students):
        there = f"{course / 'submitted'}/{student or 'STUDENT'}/ASSIGNMENT/*.ipynb"
        raise Problem(f"Nothing was handed in: there is no {there}")
    names = chosen or sorted({assignment for _, assignment, _ in found})
    check_solutions(course, {name: known[name] for name in names}, seconds)
    flags = {(row["student_id"], row["assignment"]): row.get("late", "")
             for row in read_rows(course / COLLECTED)}  # fmt: skip
    account: list[write.Graded] = []
    for number, (who, assignment, folder) in enumerate(found, start=1):
        print(f"{number} of {len(found)}  {who}  {assignment}", end="", flush=True)
        asked = known[assignment]
        one = write.grade_submission(course, who, assignment, folder, asked, seconds, secret)
        flag = flags.get((who, assignment), "")
        one.late = write.lateness(course, roster, who, assignment, flag)
        if roster.students and not roster.by_id(who):
            one.notes.append("not in class.csv")
        write.merge_words(course, one, asked)
        late = one.late and f", late: {one.late}".removesuffix(": late")
        print(f"  {one.total('points'):g} of {one.total('most'):g}{late}")
        for remark in one.remarks:
            print(f"        {remark}")
        write.write_checked(course, one)
        write.write_feedback(course, one)
        write.write_points(course, one)  # at once: a long run may be broken off
        account.append(one)
    there = {(comparable(who), name) for who, name in read_points(course) if name in names}
    for name in names if student is None else ():
        for who in roster.ids():
            if (comparable(who), name) not in there:  # 0 points
                write.write_points(course, write.nothing(who, name, known[name]))
    lost = write.strays(course) if student is None else []
    return tell(course, account, roster, names, lost)


def tell(course: Path, account: list, roster: Roster, names: list[str], unused: list[str]) -> int:
    """Print what became of the files, and what comes next; the exit status."""
    unused += [f"{one.student}/{one.assignment}/{line}" for one in account for line in one.unused]
    handed = {(one.student, one.assignment) for one in account}
    print(f"\nGraded hand-ins: {len(handed)}. Students: {len({who for who, _ in handed})}.")
    print(f"Files not used: {len(unused)}")
    print("".join(f"  {line}\n" for line in unused), end="")
    rows = read_points(course)
    for name in names:
        absent = [who for who, assignment in rows if assignment == name
                  and rows[who, assignment].get("remarks") == write.NOTHING]  # fmt: skip
        if absent:
            print(f"{name}: {write.NOTHING} by {', '.join(absent)}")
    strange = sorted({one.student for one in account if not roster.by_id(one.student)})
    if roster.students and strange:
        print(f"Not in class.csv: {', '.join(strange)}")
    one = len(names) == 1  # nbgrader takes one at a time
    name = shlex.quote(names[0]) if one else "ASSIGNMENT"
    waiting = sum(one.words[2] for one in account)
    if waiting:
        print(f"{waiting:g} points for answers in words are yours to give: write them into "
              f"{course / 'words.csv'}, then grade again or export.")  # fmt: skip
    print(f"""Points: {course / "points.csv"}. For the students: {course / "returned"}
Back to the platform: {PROGRAM} export moodle FILE.csv {course} {name} (or export canvas)
Into nbgrader's gradebook, with the same points. That run has no sandbox: what students wrote
runs with your rights. What you have not read needs a container (TEACHING.md, nbgrader):
    cd {shlex.quote(str(course))}
    nbgrader generate_assignment {name} --CourseDirectory.release_directory=.release
    nbgrader autograde {name} --CourseDirectory.submitted_directory=checked""")
    return int(any(one.displaced for one in account))


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("grade", __doc__)
    parser.add_argument("path", type=Path, help="a notebook, or a course folder (`course DIR`)")
    parser.add_argument("assignment", nargs="*", help="of a course; without, all that are there")
    parser.add_argument("--student", metavar="ID", help="this student's alone")
    only = "only try the sources' own solutions (`course --check DIR`)"
    parser.add_argument("--check", action="store_true", help=only)
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="N",
                        help=f"time limit of a cell (default: {SECONDS:g})")  # fmt: skip
    args = parser.parse_intermixed_args(argv)
    if not args.seconds > 0:
        parser.error(f"--seconds is {args.seconds:g}: give more than 0")
    with as_problem(ValueError, of="--student: "):
        student = args.student if args.student is None else comparable(args.student)
    require_packages()
    path = args.path.expanduser().resolve()
    if said := box.warning():
        print(said, file=sys.stderr)
    if path.is_dir():
        if args.check:
            check_solutions(path, sources_of(path, args.assignment), args.seconds)
            return 0
        return grade_class(path, args.assignment, args.seconds, student)
    if not path.is_file():
        raise Problem(f"There is no notebook and no course folder {path}.")
    if args.assignment:
        print("A single notebook says itself which assignment it is.", file=sys.stderr)
    return grade_file(path, args.seconds)
