"""For teachers: a class's labels or models side by side: together labels|arena FOLDER.

`labels` reads the labels files that notebook 05 exports, one a student, and says how far students
agree, what each prefers, and what a reward model of each has learned. `arena` lets the students'
models answer the same questions and rates them. Both show students by pseudonym.
"""

from __future__ import annotations

import argparse
import math
import secrets
import sys
import textwrap
from pathlib import Path

from minigpt.store.files import PROGRAM, Problem, atomic_write, outside_course

WIDTH = 96  # columns
WIDEST = 12  # students whose agreement is printed as a matrix
COMMENT = "Keep this file apart from the results: it says who is who."


def parse(argv: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} together", description=__doc__.split("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="labels|arena")
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("folder", type=Path, metavar="FOLDER", help="what the class handed in")
    both.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the results")
    both.add_argument("--key", metavar="TEXT", help="a secret: the same key, the same pseudonyms")
    both.add_argument("--names", type=Path, nargs="?", const=Path("names.csv"), metavar="FILE",
                      help="write who has which pseudonym (default: names.csv here)")  # fmt: skip
    both.add_argument("--seed", type=int, default=0)
    both.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    both.add_argument("--lang", default="en")
    labels = kinds.add_parser("labels", parents=[both], description="What the class's labels say.")
    labels.add_argument("--no-train", action="store_true", help="no reward models")
    labels.add_argument("--questions", type=int, default=200, metavar="N",
                        help="of the reward models' exam (default: 200)")  # fmt: skip
    arena = kinds.add_parser("arena", parents=[both], description="Rates the class's models.")
    arena.add_argument("--stage", help="which checkpoint plays (default: ppo, else sft, else base)")
    arena.add_argument("--questions", type=int, default=100, metavar="N", help="(default: 100)")
    arena.add_argument("--judge", default="expert", help="a simulated labeler (default: expert)")
    arena.add_argument("--export", type=Path, metavar="FILE", help="write pairs to vote on")
    arena.add_argument("--votes", type=Path, nargs="+", metavar="FILE", default=[],
                       help="people's votes on such pairs: their arena_votes.json")  # fmt: skip
    options = parser.parse_args(argv)
    if options.questions < 2:
        raise Problem(f"--questions is {options.questions}: give 2 or more.")
    if options.seed < 0:
        raise Problem(f"--seed is {options.seed}: give 0 or more.")
    return options


def check_paths(options: argparse.Namespace) -> None:
    """Problem where there is nothing to read, or something to be overwritten."""
    folder, out, names = options.folder.expanduser().resolve(), options.out, options.names
    if not folder.is_dir():
        raise Problem(f"There is no folder {folder}.")
    options.folder = folder
    if out:
        options.out = out = out.expanduser().resolve()
        if out.is_relative_to(folder):
            raise Problem(f"{out} lies inside {folder}, whose files are read: choose another.")
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise Problem(f"{out} is there already, and nothing is overwritten: choose a new one.")
    if names and out and names.expanduser().resolve().is_relative_to(out):
        raise Problem("--names must lie outside of --out, whose files tell nobody's name.")
    export = getattr(options, "export", None)
    for path in filter(None, (out, names, export)):
        outside_course(path.expanduser())
    for path in filter(None, (names, export)):
        if path.expanduser().exists():
            raise Problem(f"{path} is there already, and nothing is overwritten: choose a new one.")


def wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def say(text: str) -> None:
    print(wrapped(text), flush=True)


def tell_teacher(sentences: list[str]) -> None:
    """What has file names goes to stderr, so that a table sent into a file has none."""
    for sentence in sentences:
        print(f"Refused: {sentence}", file=sys.stderr, flush=True)


def show(header: list, rows: list, caption: str) -> None:
    from minigpt.show.table import Table

    print("\n" + wrapped(caption))
    print(Table(header, rows, width=22))


def write(options: argparse.Namespace, files: dict[str, bytes]) -> None:
    """Write results into --out, if there is one."""

    for name, data in files.items() if options.out else ():
        atomic_write(options.out / name, data)


def begin(options: argparse.Namespace, handed, what: str) -> None:
    """Tell who was read, and write names.csv."""
    from minigpt.classroom.class_work.files import csv_bytes

    tell_teacher(handed.refused)
    if not handed.found:
        raise Problem(f"There are no {what} in {options.folder} that can be read.")
    if options.names:
        rows = sorted(handed.names.items())
        data = csv_bytes(["pseudonym", "student"], rows, COMMENT)
        atomic_write(options.names.expanduser(), data)


# ---- labels -----------------------------------------------------------------------------------


def labels(options: argparse.Namespace) -> None:
    from minigpt.classroom.class_work import files as class_files
    from minigpt.classroom.class_work import taste as class_taste
    from minigpt.stages.labels import labels_bytes
    from minigpt.tokenizer import load_tokenizer
    from minigpt.world.facts import load_world

    world, encoding = load_world(options.lang), load_tokenizer(options.lang)
    handed = class_files.read_class_labels(options.folder, encoding, options.key, options.lang)
    begin(options, handed, "labels")
    people = handed.found
    files = show_agreement(people) | show_preferences(people, world, encoding)
    files |= show_answers(people, world, encoding, handed.words)
    together = class_files.class_decisions(people, options.key)
    kept = class_files.exportable(together, world, encoding, handed.words)
    files["class-labels.json"] = labels_bytes(kept, encoding, class_taste.CLASS)
    write(options, files)
    if len(kept) < len(together):
        say(f"{len(together) - len(kept)} of {len(together)} pairs stay out of the files: their "
            "question is none of this world's, or a name stands in them.")  # fmt: skip
    if not options.no_train:
        train(options, people)


def show_agreement(people: dict) -> dict[str, bytes]:
    """Who labeled how much, and how far each two agree."""
    import numpy as np

    from minigpt.classroom.class_work.files import csv_bytes
    from minigpt.classroom.class_work.taste import wilson
    from minigpt.stages.labels import agreement

    shares, counts = agreement(list(people.values()))
    others, rows, lines = ~np.eye(len(people), dtype=bool), [], []
    for i, (who, mine) in enumerate(people.items()):
        ties, met = sum(label.preferred is None for label in mine), others[i] & (counts[i] > 0)
        mean = float(shares[i, met].mean()) if met.any() else math.nan
        lines.append([who, len(mine), ties, int(met.sum()), mean])
        rows.append([*lines[-1][:4], f"{mean:.0%}" if met.any() else "no common pair"])
    header = ["student", "labels", "ties", "students with common pairs", "mean agreement"]
    show(header, rows, "Who labeled how much. A pair that either called a tie is no common one.")
    common = counts[others & (counts > 0)]
    if len(common) and len(people) <= WIDEST:
        cells = [[f"{s:.0%}" if n else "" for s, n in zip(*row)] for row in zip(shares, counts)]
        names = [who.removeprefix("student-") for who in people]
        rows = [[who, *row] for who, row in zip(people, cells)]
        show(["agreement", *names], rows, "Share of the common pairs decided alike.")
    if len(common):
        n = int(np.median(common))
        low, high = wilson(0.75 * n, n)
        say(f"Two students have {n} common pairs (the median). At that number a share of 75% "
            f"has a 95% interval from {low:.0%} to {high:.0%}.")  # fmt: skip
    pairs = [
        [a, b, float(shares[i, j]), int(counts[i, j])]
        for i, a in enumerate(people) for j, b in enumerate(people) if i < j
    ]  # fmt: skip
    return {
        "labels.csv": csv_bytes(header, lines),
        "agreement.csv": csv_bytes(["student", "other", "agreement", "common pairs"], pairs),
    }


def show_preferences(people: dict, world, encoding) -> dict[str, bytes]:
    """What each student prefers, and the class."""
    from minigpt.classroom.class_work import files as class_files
    from minigpt.classroom.class_work import taste as class_taste

    found = class_taste.preferences(people, world, encoding)
    rows, lines = [], []
    for who, row in found.items():
        rows.append([who, *(chance(estimate) for estimate in row.values())])
        for feature, e in row.items():
            lines.append([who, feature, e.value, e.low, e.high, e.votes])
    told = sum(e.votes > 0 for who in people for e in found[who].values())
    show(
        ["", *class_taste.FEATURES], rows,
        "How often an answer is preferred to one that differs from it in this alone (Bradley-Terry "
        "on features, ties as halves), with 95% intervals. 50% is indifference, and * leaves it "
        f"out. By luck alone about {told * 0.05:.0f} of the students' {told} intervals would.",
    )  # fmt: skip
    for feature, meaning in class_taste.FEATURES.items():
        say(f"    {feature}: {meaning}")
    asked = [label.question for mine in people.values() for label in mine]
    foreign = sum(class_files.question_of(world, text) is None for text in asked)
    if foreign:
        say(f"{foreign} of {len(asked)} labels ask what is no question of this world: for them "
            "correct and honest are left out.")  # fmt: skip
    header = ["who", "feature", "weight in nats", "low", "high", "votes that differ in it"]
    return {"preferences.csv": class_files.csv_bytes(header, lines)}


def chance(estimate) -> str:
    """An estimate as the chance to prefer, with its interval."""
    if not estimate.votes:
        return "no such pair"
    value, low, high = (
        1 / (1 + math.exp(-x)) for x in (estimate.value, estimate.low, estimate.high)
    )
    star = " *" if estimate.clear else ""
    return f"{value:.0%} ({100 * low:.0f} to {100 * high:.0f}){star}"


def show_answers(people: dict, world, encoding, private: set[str]) -> dict[str, bytes]:
    """Ratings of the answers to questions that several students had."""
    from minigpt.classroom.class_work import files as class_files
    from minigpt.classroom.class_work import taste as class_taste

    def texts(rated: list) -> str:
        return " ".join([rated[0].question, *(r.text for r in rated)])

    found = [
        rated for rated in class_taste.answer_ratings(people, encoding)
        if class_files.question_of(world, rated[0].question)
        and not class_files.names_somebody(texts(rated), private)
    ]  # fmt: skip
    rows = [
        [r.question, r.text, f"{r.rating:.0f}", f"{r.low:.0f} to {r.high:.0f}",
         r.won, r.tied, r.lost]
        for rated in found[:5] for r in rated
    ]  # fmt: skip
    if rows:
        show(
            ["question", "answer", "rating", "95% interval", "won", "tied", "lost"], rows,
            f"Answers rated by {found[0][0].students} students and fewer: the most disputed of "
            f"{len(found)} questions (Bradley-Terry, mean 1000 a question, pulled to the mean).",
        )  # fmt: skip
    header = ["question", "answer", "rating", "low", "high", "students", "won", "tied", "lost"]
    lines = [
        [r.question, r.text, r.rating, r.low, r.high, r.students, r.won, r.tied, r.lost]
        for rated in found for r in rated
    ]  # fmt: skip
    return {"answers.csv": class_files.csv_bytes(header, lines)}


def train(options: argparse.Namespace, people: dict) -> None:
    """A reward model for each student and for the class, compared; each is saved at once."""
    from minigpt.classroom.class_work import files as class_files
    from minigpt.classroom.class_work import models as class_models
    from minigpt.classroom.class_work import taste as class_taste
    from minigpt.engine.device import set_threads
    from minigpt.stages.labels import merge_labels
    from minigpt.stages.sizes import duration
    from minigpt.stages.stage import load_stage

    set_threads()
    sft = load_stage("sft", False, options.lang, options.device, quiet=True)
    if not any(class_models.decided(mine) for mine in people.values()):
        say("All labels are ties: there is nothing to train a reward model on.")
        return
    jobs = len(class_models.trainings(people))
    print()
    say(f"Training {jobs} reward models, on either half of the questions and on all, takes about "
        f"{duration(class_models.training_seconds(people, sft))}. "
        "--no-train leaves it out.")  # fmt: skip
    exam = class_models.make_exam(sft, options.questions)
    all_labels = merge_labels(list(people.values()))
    rows, lines, orders = [], [], []
    for one in class_models.train_class(people, sft, options.seed):
        everybody = one.who == class_taste.CLASS
        mine = all_labels if everybody else people[one.who]
        name = "class-" + ("00" if everybody else one.who.removeprefix("student-"))
        own, others = one.orders.get(one.who), class_models.Order()
        for of, order in one.orders.items():
            orders.append([one.who, of, order.share, order.pairs])
            if of != one.who:
                others.right, others.pairs = others.right + order.right, others.pairs + order.pairs
        expert, longer = exam.as_expert(one.model), exam.for_longer(one.model)
        low, high = own.interval if own and own.pairs else (math.nan, math.nan)
        lines.append([one.who, name, len(class_models.decided(mine)),
                      own.share if own else math.nan, low, high, others.share,
                      expert.value, expert.low, expert.high,
                      longer.value, longer.low, longer.high])  # fmt: skip
        shown = [lines[-1][3:6], [others.share], lines[-1][7:10], lines[-1][10:13]]
        rows.append([one.who, lines[-1][2], *map(share, shown)])
        if options.out:
            class_models.save_reward_model(
                options.out / f"{name}.safetensors", name, one, mine, sft, options.seed
            )
        say(f"{name}: reward model of {one.who}, {len(lines)} of {1 + len(people)}")
    show(
        ["reward model of", "pairs", "own pairs", "others' pairs", "as the expert", "longer"], rows,
        "Share of pairs that each reward model orders as somebody did. Own and others' pairs: by "
        "models trained on the other half of the questions. As the expert: on "
        f"{len(exam.test.certain)} pairs about facts that nobody labeled (split E). Longer: of "
        f"{len(exam.longer)} pairs equally good to the judge, those whose longer answer scores "
        "higher; 50% is no preference. 95% intervals, by question and by place.",
    )  # fmt: skip
    header = ["reward model of", "file", "pairs", "own", "own low", "own high", "others", "expert",
              "expert low", "expert high", "longer", "longer low", "longer high"]  # fmt: skip
    write(options, {
        "reward_models.csv": class_files.csv_bytes(header, lines),
        "reward_orders.csv": class_files.csv_bytes(
            ["model of", "pairs of", "share", "pairs"], orders),
    })  # fmt: skip


def share(numbers: list) -> str:
    """A share, or one with its interval, in per cent."""
    if numbers[0] is None or math.isnan(numbers[0]):
        return ""
    return f"{numbers[0]:.0%}" + (" ({:.0f} to {:.0f})".format(*(100 * n for n in numbers[1:]))
                                  if len(numbers) > 1 else "")  # fmt: skip


# ---- arena ------------------------------------------------------------------------------------


def arena(options: argparse.Namespace) -> None:
    from minigpt.arena import labeler_votes, make_matches
    from minigpt.classroom.class_work import players as class_arena
    from minigpt.engine.device import set_threads
    from minigpt.stages.stage import load_stage
    from minigpt.tokenizer import load_tokenizer
    from minigpt.world.facts import load_world
    from minigpt.world.labelers import LABELERS
    from minigpt.world.names import TEST_MAKERS
    from minigpt.world.questions import sample_questions

    if options.judge not in LABELERS:
        raise Problem(
            f"There is no labeler {options.judge!r}. Choose one of: {', '.join(LABELERS)}"
        )
    set_threads()
    world, encoding = load_world(options.lang), load_tokenizer(options.lang)
    handed = class_arena.read_class_models(
        options.folder, world, encoding, options.key, options.stage, options.device
    )
    begin(options, handed, "models")
    players = dict(handed.found)
    for name in ("sft", "ppo"):
        players[f"shipped {name}"] = load_stage(name, False, options.lang, options.device, True)
    questions = sample_questions(world, "E", options.questions, options.seed, makers=TEST_MAKERS)
    answers, failed = class_arena.ask_players(players, questions, options.seed, say)
    tell_teacher(failed)
    matches = make_matches(questions, answers, options.seed)
    slips = None if options.judge == "expert" else options.seed  # the expert's votes are gold
    votes = labeler_votes(world, matches, LABELERS[options.judge], slips)
    same = class_arena.same_bytes({who: players[who] for who in answers})
    stages = {who: players[who].name for who in answers}
    caption = (
        f"Ratings by {options.judge}'s {len(votes)} votes on answers to {len(questions)} questions "
        "of split E (Bradley-Terry, mean 1000, 95% intervals drawn by place)."
    )
    files = {"ratings.csv": show_ratings(class_arena.rating_rows(votes), stages, same, caption)}
    if options.votes:
        cast, people, others, refused = class_arena.read_votes(options.votes, matches, options.lang)
        tell_teacher(refused)
        if others:
            say(f"{others} votes are on other pairs and are left out. An arena finds its pairs "
                "again with the same models, --seed and --questions.")  # fmt: skip
        if cast:
            caption = f"Ratings by the votes of {people} people, {len(cast)} between two players."
            rated = show_ratings(class_arena.rating_rows(cast), stages, same, caption)
            files["ratings_by_people.csv"] = rated
    write(options, files)
    if options.export:
        data = class_arena.blind_matches(matches, handed.words, options.lang)
        atomic_write(options.export.expanduser(), data)
        say(f"Up to {class_arena.EXPORTED} pairs to vote on are in {options.export}. In notebook "
            "07, each student with a number of their own: from "
            "minigpt.classroom.class_work.players "
            f'import read_matches; arena(read_matches("{options.export.name}", seed=NUMBER)). '
            "The votes are then in .minigpt/arena_votes.json.")  # fmt: skip


def show_ratings(rated: list[tuple], stages: dict, same: dict, caption: str) -> bytes:
    """Print ratings, and return them as CSV."""
    from minigpt.classroom.class_work.files import csv_bytes

    rows, lines = [], []
    for who, rating, low, high, *counts in rated:
        alike = ", ".join(same[who])
        rows.append([who, stages[who], f"{rating:.0f}", f"{low:.0f} to {high:.0f}", *counts, alike])
        lines.append([who, stages[who], rating, low, high, *counts, alike])
    end = ["won", "tied", "lost", "same file as"]
    show(["player", "stage", "rating", "95% interval", *end], rows, caption)
    return csv_bytes(["player", "stage", "rating", "low", "high", *end], lines)


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(argv)
    check_paths(options)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    if options.key is None:
        options.key = secrets.token_hex(16)
        say("No --key: the pseudonyms are drawn by chance, and another run has others.")
    try:
        {"labels": labels, "arena": arena}[options.kind](options)
    except (OSError, ValueError) as error:
        raise Problem(str(error)) from None
    if options.out:
        say(f"Results, without names: {options.out}")
    if options.names:
        say(f"Who is who: {options.names}. Keep it apart.")
    return 0
