"""Prints what the checkpoints can do, measured on facts kept for this alone (--json for a file)."""

import json
import math

from minigpt.commands import check_models, options_of
from minigpt.setup.common import option_parser
from minigpt.store.files import PROGRAM, Problem, as_problem, learner_home


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("report", __doc__)
    parser.add_argument("--json", action="store_true", help="one flat object, shares as fractions")
    parser.add_argument("--own", action="store_true", help="your own runs instead of the shipped")
    parser.add_argument("--size", default="tiny", help="your own models of `train --size`")
    parser.add_argument("--seeds", type=int, default=1,
                        help="train all stages anew with further seeds")  # fmt: skip
    parser.add_argument("--lang", default="en")
    args = parser.parse_args(argv)
    if not 1 <= args.seeds <= 99:  # each takes minutes
        raise Problem(f"--seeds is {args.seeds}: give 1 to 99.")

    from minigpt.engine.device import set_threads
    from minigpt.stages.report import report_on
    from minigpt.stages.sizes import DEFAULT
    from minigpt.stages.stage import SHIPPED, own_checkpoints

    check_models(args.lang, args.size)
    set_threads()
    if args.seeds > 1 and args.size != DEFAULT:
        raise Problem(f"Further seeds are trained at the size {DEFAULT}: leave out --size.")
    own = args.own or args.size != DEFAULT
    folder = own_checkpoints(args.lang, args.size) if own else SHIPPED / args.lang
    if not (folder / "base.safetensors").is_file():
        more = options_of(args.lang, args.size)
        raise Problem(f"There are no checkpoints in {folder}: `{PROGRAM} train{more}` makes them.")
    others = range(1, args.seeds)
    folders = {0: folder} | {seed: train_seed(seed, args.lang, args.json) for seed in others}
    with as_problem(OSError, ValueError):  # a checkpoint that is damaged or lacks its parent
        results = {seed: report_on(path, args.lang) for seed, path in folders.items()}
    if args.json:
        tables = {seed: values(table) for seed, table in results.items()}
        print(json.dumps(tables[0] if args.seeds == 1 else tables, indent=1))
        return 0
    for seed, table in results.items():
        print(f"\nseed {seed}: {folders[seed]}")
        print_table(table)
    return 0


def values(table: dict) -> dict:
    """The measures' numbers, those with an interval also as KEY.low and KEY.high; null, which JSON
    has, in place of NaN, which it has not."""
    found = {}
    for key, m in table.items():
        found |= {key: m.value}
        found |= {} if m.low is None else {f"{key}.low": m.low, f"{key}.high": m.high}
    return {key: value if math.isfinite(value) else None for key, value in found.items()}


def train_seed(seed: int, lang: str, quiet: bool):
    """The folder of another seed's checkpoints, trained where they are not there yet."""
    from minigpt.stages.train import EXTRAS, STAGES, Course

    out = learner_home() / "seeds" / str(seed) / lang
    course = Course(out, lang, seed, say=(lambda text: None) if quiet else print)
    out.mkdir(parents=True, exist_ok=True)
    for name, make in {**STAGES, **EXTRAS}.items():
        if not course.path(name).is_file():
            make(course)
    return out


def print_table(table: dict) -> None:
    """One line a measure: value, 95 % interval, note."""
    print(f"{'measure':42} {'value':>10}   95 % interval")
    for key, measure in table.items():
        value = f"{measure.value:,.0f}" if abs(measure.value) >= 1000 else f"{measure.value:.3f}"
        interval = f"{measure.low:.3f} to {measure.high:.3f}" if measure.low is not None else ""
        print(f"{key:42} {value:>10}   {interval:18} {measure.note}".rstrip())
