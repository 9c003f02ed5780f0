"""A class's labels: together FOLDER. What it learned: together concept FOLDER. For teachers.

It reads the labels files that notebook 05 exports, one a student, and says how much each labeled,
how far each two agree, and what each of them and the class prefer. Students have pseudonyms.
`together concept FOLDER` reads the ten questions before and after the course, and the predictions.
"""

import itertools
import math
import secrets
import sys
import textwrap
from pathlib import Path

from minigpt.classroom.exchange.tables import table_bytes
from minigpt.commands import speak
from minigpt.setup.common import option_parser, outside_course
from minigpt.store.files import Problem, as_problem, atomic_write
from minigpt.store.words import language

WIDTH = 96  # columns
WIDEST = 12  # students whose agreement is printed as a matrix
COMMENT = "Keep this file apart from the results: it says who is who."


def check_paths(folder: Path, out: Path | None, names: Path | None) -> None:
    """Problem where there is nothing to read, or something would be overwritten."""
    if not folder.is_dir():
        raise Problem(f"There is no folder {folder}.")
    if out and out.is_relative_to(folder):
        raise Problem(f"{out} lies inside {folder}, whose files are read: choose another.")
    if names and out and names.is_relative_to(out):
        raise Problem("--names must lie outside of --out, whose files tell nobody's name.")
    for path in filter(None, (out, names)):
        outside_course(path)
        if path.exists() and not (path == out and path.is_dir() and not any(path.iterdir())):
            raise Problem(f"{path} is there already, and nothing is overwritten: choose a new one.")


def say(text: str) -> None:
    """Print it in lines of WIDTH."""
    print(textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def show(header: list, rows: list, caption: str) -> None:
    """Print a table below its caption."""
    from minigpt.show.table import Table

    print()
    say(caption)
    print(Table(header, rows, width=22))


def show_agreement(people: dict) -> dict[str, bytes]:
    """Print who labeled how much and how far each two agree; the same as CSV files."""
    import numpy as np

    from minigpt.classroom.class_work import taste

    shares, counts = taste.agreement(list(people.values()))
    met = (counts > 0) & ~np.eye(len(people), dtype=bool)
    header = ["student", "labels", "ties", "students with common pairs", "mean agreement"]
    lines = []
    for i, (who, mine) in enumerate(people.items()):
        ties = sum(label.preferred is None for label in mine)
        mean = float(shares[i, met[i]].mean()) if met[i].any() else math.nan
        lines.append([who, len(mine), ties, int(met[i].sum()), mean])
    rows = [[*row, "no common pair" if math.isnan(mean) else f"{mean:.0%}"] for *row, mean in lines]
    show(header, rows, "Who labeled how much. A pair that either called a tie is no common one.")
    if met.any() and len(people) <= WIDEST:
        cells = [[f"{s:.0%}" if n else "" for s, n in zip(*row)] for row in zip(shares, counts)]
        names = [who.removeprefix("student-") for who in people]
        rows = [[who, *row] for who, row in zip(people, cells)]
        show(["agreement", *names], rows, "Share of the common pairs decided alike.")
    if met.any():
        n = int(np.median(counts[met]))
        low, high = taste.wilson(0.75 * n, n)
        say(f"Two students have {n} common pairs (the median). At that number a share of "
            f"75% has a 95% interval from {low:.0%} to {high:.0%}.")  # fmt: skip
    pairs = [[a, b, float(shares[i, j]), int(counts[i, j])]
             for (i, a), (j, b) in itertools.combinations(enumerate(people), 2)]  # fmt: skip
    return {
        "labels.csv": table_bytes(header, lines),
        "agreement.csv": table_bytes(["student", "other", "agreement", "common pairs"], pairs),
    }


def show_preferences(people: dict, world, encoding) -> dict[str, bytes]:
    """Print what each student prefers, and the class; the same as a CSV file."""
    from minigpt.classroom.class_work import taste

    found = taste.preferences(people, world, encoding)
    told = sum(e.votes > 0 for who in people for e in found[who].values())
    show(
        ["", *taste.FEATURES], [[who, *map(chance, row.values())] for who, row in found.items()],
        "How often an answer is preferred to one that differs from it in this alone (Bradley-Terry "
        "on features, ties as halves), with 95% intervals. 50% is indifference, and * leaves it "
        f"out. By luck alone about {told * 0.05:.0f} of the students' {told} intervals would.",
    )  # fmt: skip
    for feature, meaning in taste.FEATURES.items():
        print(f"    {feature}: {meaning}")
    asked = [label.question for mine in people.values() for label in mine]
    if foreign := sum(taste.question_of(world, text) is None for text in asked):
        say(f"{foreign} of {len(asked)} labels ask what is no question of this world: "
            "for them correct and honest are left out.")  # fmt: skip
    header = ["who", "feature", "weight in nats", "low", "high", "votes that differ in it"]
    lines = [[who, feature, e.value, e.low, e.high, e.votes]
             for who, row in found.items() for feature, e in row.items()]  # fmt: skip
    return {"preferences.csv": table_bytes(header, lines)}


def chance(estimate) -> str:
    """An estimate as the chance to prefer, with its interval."""
    if not estimate.votes:
        return "no such pair"
    nats = (estimate.value, estimate.low, estimate.high)
    value, low, high = (100 / (1 + math.exp(-x)) for x in nats)
    return f"{value:.0f}% ({low:.0f} to {high:.0f}){' *' * estimate.clear}"


def together(folder: Path, out: Path | None, names: Path | None, key: str) -> None:
    """Read a class's labels, print the tables, and write them into `out` and who is who."""
    from minigpt.classroom.class_work.files import read_class_labels
    from minigpt.tokenizer import load_tokenizer
    from minigpt.world.facts import load_world

    world, encoding = load_world(language()), load_tokenizer(language())
    handed = read_class_labels(folder, encoding, key)
    for sentence in handed.refused:  # with file names: not into a table that is sent into a file
        print(f"Refused: {sentence}", file=sys.stderr, flush=True)
    if not handed.found:
        raise Problem(f"There are no labels in {folder} that can be read.")
    if names:
        who = sorted(handed.names.items())
        atomic_write(names, table_bytes(["pseudonym", "student"], who, comment=COMMENT))
    files = show_agreement(handed.found) | show_preferences(handed.found, world, encoding)
    for name, data in files.items() if out else ():
        atomic_write(out / name, data)


def what_was_learned(argv: list[str]) -> int:
    """What a class learned: the gain in each of the ten questions, and its predictions."""
    parser = option_parser("together concept", what_was_learned.__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="one subfolder a student")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the results")
    args = parser.parse_args(argv)
    folder, out = (p and p.expanduser().resolve() for p in (args.folder, args.out))
    check_paths(folder, out, None)
    from minigpt.classroom.class_work import concept

    found = concept.read_class(folder)
    for sentence in found["refused"]:
        print(f"Not used: {sentence}", file=sys.stderr)
    answers, predictions = found["answers"], found["predictions"]
    if not answers and not predictions:
        raise Problem(f"There is no {concept.FILES} in {folder} that can be read.")
    gains, foreseen = concept.gains(answers), concept.foreseen(predictions)
    shares = [[g.name, g.students, *(f"{x:.0%}" for x in (g.before, g.after)), g.told()]
              for g in gains]  # fmt: skip
    header = ["question", "students", "before", "after", "gain"]
    show(header, shares, "Right answers of those who answered before and after; the gain with its "
         "95% interval (Agresti and Min 2005; all: a bootstrap over students).")  # fmt: skip
    rows = [[key, n, f"{p:.0%} ({low:.0%} to {high:.0%})"] for key, n, p, low, high in foreseen]
    show(["prediction", "students", "came true"], rows, "Predictions, with 95% intervals.")
    if out:
        numbers = [[g.name, g.students, g.before, g.after, g.gain, g.low, g.high] for g in gains]
        atomic_write(out / "concept.csv", table_bytes([*header, "low", "high"], numbers))
        header = ["prediction", "students", "share", "low", "high"]
        atomic_write(out / "predictions.csv", table_bytes(header, foreseen))
        say(f"Results, without names: {out}")
    return 0


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    if argv[:1] == ["concept"]:
        return what_was_learned(argv[1:])
    parser = option_parser("together", __doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what the class handed in")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the results")
    parser.add_argument("--key", metavar="TEXT", help="a secret: the same key, the same pseudonyms")
    parser.add_argument("--names", type=Path, nargs="?", const=Path("names.csv"), metavar="FILE",
                        help="write who has which pseudonym (default: names.csv here)")  # fmt: skip
    parser.add_argument("--lang", default="en")
    args = parser.parse_args(argv)
    speak(args.lang)
    typed = (args.folder, args.out, args.names)
    folder, out, names = (path and path.expanduser().resolve() for path in typed)
    check_paths(folder, out, names)
    if args.key is None:
        args.key = secrets.token_hex(16)
        print("No --key: the pseudonyms are drawn by chance, and another run has others.")
    with as_problem(OSError, ValueError):
        together(folder, out, names, args.key)
    if out:
        say(f"Results, without names: {out}")
    if names:
        say(f"Who is who: {names}. Keep it apart.")
    return 0
