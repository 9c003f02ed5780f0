"""Points for one notebook or for a class: grade FILE.ipynb, or grade DIR [ASSIGNMENT ...]."""

import sys
from pathlib import Path

from minigpt.classroom.grading import box, write
from minigpt.classroom.grading.marking import SECONDS, grade_notebook
from minigpt.classroom.notebook import belongs_to, folders
from minigpt.classroom.worksheet.worksheet import worksheet
from minigpt.commands.course import trial_seed
from minigpt.setup.common import LANGUAGES, option_parser
from minigpt.store.files import Problem

ENVIRONMENT = "package"


def grade_file(path: Path, seconds: float) -> int:
    """Print what each exercise of a notebook earns; 0 if all points were earned."""
    try:
        notebook = write.read_json(path)
        paths = (path for lang in LANGUAGES for path in folders(lang)[0].glob("*.ipynb"))
        known = {path: write.read_json(path) for path in paths}
        known |= {"worksheet": worksheet()} if known else {}
        name = belongs_to(notebook, known)
        if name is None:
            raise Problem(f"{path} has none of the course's exercises.")
        report = grade_notebook(known[name], notebook, seconds)
    except (ValueError, OSError, RecursionError) as error:
        raise Problem(f"{path} cannot be graded: {error}") from None
    for problem in report.problems:
        print(f"  {problem}")
    for result in report.results:
        print(f"{result.exercise.title}: {result.points:g} of {result.exercise.points:g}")
        for line in write.advice(result):
            print("    " + line.replace("\n", "\n    "))
    print(f"{report.points:g} of {report.most:g} points")
    return int(report.points < report.most)


def grade_class(course: Path, chosen: list[str], seconds: float) -> int:
    """Grade all that was handed in; writes points.csv, returned/ and checked/."""
    known = write.read_sources(course)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise Problem(f"There is no assignment {unknown[0]!r}. There are: {', '.join(known)}")
    found = list(write.submissions(course, chosen or list(known)))
    if not found:
        there = f"{course / 'submitted'}/STUDENT/ASSIGNMENT/*.ipynb"
        raise Problem(f"Nothing was handed in: there is no {there}")
    seed = trial_seed(course)
    for number, (student, assignment, folder) in enumerate(found, start=1):
        print(f"{number} of {len(found)}  {student}  {assignment}", end="", flush=True)
        asked = known[assignment]
        one = write.grade_submission(course, student, assignment, folder, asked, seconds, seed)
        print(f"  {one.total('points'):g} of {one.total('most'):g}")
        for remark in one.remarks:
            print(f"        {remark}")
        write.write_checked(course, one, asked)
        write.write_feedback(course, one)
        write.write_points(course / "points.csv", one)  # at once: a long run may be broken off
    names = " ".join(sorted({assignment for _, assignment, _ in found}))
    print(f"""Points: {course / "points.csv"}. For the students: {course / "returned"}
Into nbgrader's gradebook, with the same points:
    cd {course}
    nbgrader autograde {names} --CourseDirectory.submitted_directory=checked""")
    return 0


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("grade", __doc__)
    parser.add_argument("path", type=Path, help="a notebook, or a course folder (`course DIR`)")
    parser.add_argument("assignment", nargs="*", help="of a course; without, all that are there")
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="N",
                        help=f"time limit of a cell (default: {SECONDS:g})")  # fmt: skip
    args = parser.parse_args(argv)
    if not args.seconds > 0:
        parser.error(f"--seconds is {args.seconds:g}: give more than 0")
    path = args.path.expanduser().resolve()
    if said := box.warning():
        print(said, file=sys.stderr)
    if path.is_dir():
        return grade_class(path, args.assignment, args.seconds)
    if not path.is_file():
        raise Problem(f"There is no notebook and no course folder {path}.")
    if args.assignment:
        print("A single notebook says itself which assignment it is.", file=sys.stderr)
    return grade_file(path, args.seconds)
