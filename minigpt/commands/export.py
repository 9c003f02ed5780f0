"""Points and pages for the platform: export moodle|canvas FILE.csv DIR ASSIGNMENT, export feedback.

export moodle FILE.csv DIR ASSIGNMENT      fills in the grading worksheet that Moodle exported
export canvas FILE.csv DIR ASSIGNMENT ...  fills in the gradebook that Canvas exported
export feedback DIR ASSIGNMENT             packs the students' pages for the platform
"""

from pathlib import Path

from minigpt.classroom.exchange.platforms import feedback, fill, read_total
from minigpt.classroom.exchange.roster import Roster
from minigpt.classroom.exchange.tables import read_points, read_rows
from minigpt.setup.common import option_parser
from minigpt.store.files import Problem, atomic_write

ENVIRONMENT = None
UPLOAD = {
    "moodle": "In Moodle: the assignment, View all submissions, Upload grading worksheet.",
    "canvas": "In Canvas: Grades, Import.",
    "feedback": "In Moodle: the assignment, View all submissions, Upload multiple feedback files "
    "in a zip.\nIn Canvas: the assignment, Upload submissions; each page becomes a comment.",
}


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status, 1 where somebody's points went nowhere."""
    parser = option_parser("export", __doc__.split("\n")[0])
    kinds = parser.add_subparsers(dest="what", required=True)
    for what, text in (("moodle", "its grading worksheet"), ("canvas", "its gradebook")):
        kind = kinds.add_parser(what, help=f"fill in {text}, a CSV file")
        kind.add_argument("file", type=Path, metavar="FILE.csv", help=f"{text}, as exported")
        kind.add_argument("course", type=Path, metavar="DIR")
        kind.add_argument("assignment", nargs=1 if what == "moodle" else "+")
        kind.add_argument("--column", default="", help="the heading of the points' column")
    kind = kinds.add_parser("feedback", help="pack the students' pages into a ZIP file")
    kind.add_argument("course", type=Path, metavar="DIR")
    kind.add_argument("assignment", nargs=1)
    args = parser.parse_args(argv)
    course = args.course.expanduser().resolve()
    collected = read_rows(course / "collected.csv")
    if args.what == "feedback":
        out = feedback(course, args.assignment[0], collected)
        target = course / f"feedback-{args.assignment[0]}.zip"
        if not out.written:
            raise Problem(f"There is no page in {course / 'returned'} of anybody who was collected "
                          f"for {args.assignment[0]}.")  # fmt: skip
    else:
        path = args.file.expanduser().resolve()
        wanted = {name: read_total(read_points(course), name) for name in args.assignment}
        if args.column and len(wanted) > 1:
            raise Problem("--column names one column: give one assignment.")
        out = fill(path, args.what, wanted, Roster(course), collected, args.column)
        target = path.with_name(f"{path.stem}-filled.csv")
        for name, points in wanted.items():
            if points.waiting:
                out.said.append(f"{name}: answers in words wait for points, which count as 0: "
                                f"{', '.join(points.waiting)}")  # fmt: skip
    atomic_write(target, out.data)
    print(f"{out.written} {'pages' if args.what == 'feedback' else 'grades'}: {target}")
    print("".join(f"  {line}\n" for line in (*out.said, *out.lost)) + UPLOAD[args.what])
    return int(bool(out.lost))
