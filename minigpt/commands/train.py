"""Trains every stage: base, SFT, reward model and PPO; --all adds what it is compared with.

`torchrun --nproc-per-node=N -m minigpt train` shares base and SFT among N processes.
"""

import argparse
import os
import shlex
from contextlib import ExitStack
from pathlib import Path

from minigpt.commands import check_models, options_of
from minigpt.setup.common import check_seed, option_parser
from minigpt.store.files import PROGRAM, NotWritten, Problem, locked, sweep, writing

STAGES = ("base", "sft", "reward", "ppo")
SHARED = ("base", "sft")  # those that torchrun's processes do together; rank 0 does the others


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the stages that they name."""
    parser = option_parser("train", __doc__.split("\n")[0])
    parser.add_argument("--stages", default=",".join(STAGES),
                        help="some of base,sft,reward,ppo (default: all)")  # fmt: skip
    parser.add_argument("--all", action="store_true",
                        help="also what the lessons compare them with")  # fmt: skip
    sizes = "tiny (default), mini, small, medium or gpt2; README.md says what each costs"
    parser.add_argument("--size", default="tiny", help=sizes)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lang", default="en")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--dtype", default="fp32",
        help="fp32, the same result on every laptop; bf16, faster with AMX, AVX512-BF16 or on a "
        "card; auto: bf16 if there is one of these",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, help="CPU threads (default: as many as pay)")
    parser.add_argument("--out", help="for the checkpoints (default: your own)")
    parser.add_argument("--ship", action="store_true",
                        help="write into the package, for its makers")  # fmt: skip
    parser.add_argument("--resume", action="store_true",
                        help="go on with a run that was broken off")  # fmt: skip
    parser.add_argument("--fast", action="store_true", help="a twentieth of the steps, to try it")
    args = parser.parse_args(argv)
    stages = [stage.strip() for stage in args.stages.split(",")]
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise Problem(f"There is no stage {unknown[0]!r}. Choose some of: {', '.join(STAGES)}")
    check_seed(args.seed)
    if args.threads is not None and not 1 <= args.threads <= 1000:
        raise Problem(f"--threads is {args.threads}: give 1 or more, at most 1000.")
    if args.out is not None and not args.out.strip():
        raise Problem("--out is empty: give the name of a folder.")
    return args, [stage for stage in STAGES if stage in stages]  # each starts from one before it


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    args, stages = parse(argv)
    from minigpt.engine.device import has_bf16, set_threads, usable_cores
    from minigpt.engine.parallel import joined_ranks, launched
    from minigpt.stages.controls import make_controls
    from minigpt.stages.own import own_checkpoints, tell_stale
    from minigpt.stages.recipe import make_tokenizer
    from minigpt.stages.sizes import DEFAULT
    from minigpt.stages.stage import SHIPPED
    from minigpt.stages.train import EXTRAS, Course, run
    from minigpt.store.checkpoint import check_not_shipped
    from minigpt.store.resume import SUFFIX

    size = args.size
    check_models(args.lang, size)
    if args.ship and size != DEFAULT:
        raise Problem(f"Only the size {DEFAULT} is shipped: leave out --ship or --size.")
    out = SHIPPED / args.lang if args.ship else Path(args.out or own_checkpoints(args.lang, size))
    again = shlex.join([*(a for a in argv if a != "--resume"), "--resume"])
    again = f"{'the same torchrun … -m minigpt' if launched() else PROGRAM} train {again}"
    first = not launched() or os.environ["RANK"] == "0"
    say = print if first else (lambda text: None)
    of_size = "" if size == DEFAULT else f" of size {size}"
    together = stages[: 1 + max((i for i, s in enumerate(stages) if s in SHARED), default=-1)]
    alone = ExitStack()
    try:
        if not args.ship:
            check_not_shipped(out)
        most = 4 if size == DEFAULT else usable_cores()  # threads that pay
        threads = set_threads(args.threads, most)
        if args.ship and first:
            make_tokenizer(args.lang)
        course = Course(
            out, args.lang, args.seed, args.device, fast=args.fast, say=say, size=size,
            resume=args.resume, dtype=args.dtype, ship=args.ship,
        )  # fmt: skip
        if first:
            with writing(out):
                out.mkdir(parents=True, exist_ok=True)
            said = f"Another training (WHO) writes into {out}: wait, or give another --out."
            alone.enter_context(locked(out / ".train.lock", said=said))
            sweep(out, f".*{SUFFIX}.*.tmp", ".*.probe", ".*.probe.*.tmp", ".train.json.*.tmp")
        with joined_ranks(course.device):
            what, on = ", ".join(stages) + of_size, f"{threads} threads"
            if launched():
                on = f"{os.environ['WORLD_SIZE']} processes of {on} each"
            if course.dtype_name != "float32":
                on += f" in {course.dtype_name}"
                if not has_bf16(course.device):
                    say("This processor has no instructions for bfloat16: fp32 is faster here.")
            say(f"Training {what} with seed {args.seed} on {on}, into {out}")
            for stage in together:
                if first or stage in SHARED:
                    run(course, stage)
        if not first:
            return 0
        if launched() and args.threads is None:
            set_threads(min(most, usable_cores()))  # the other processes have left their cores
        for stage in stages[len(together) :]:
            run(course, stage)
        if args.all:
            for make in (*EXTRAS.values(), make_controls):
                make(course)
    except NotWritten as error:  # a full disk, a read-only folder
        raise Problem(f"{error}\nTo go on after that: {again}") from None
    except (OSError, ValueError) as error:  # a parent that is absent or damaged
        raise Problem(str(error)) from None
    except KeyboardInterrupt:
        say(f"\nStopped. To go on: {again}")
        return 130
    finally:
        alone.close()
    if out == own_checkpoints(args.lang):
        tell_stale(args.lang)
    more = options_of(args.lang, size)
    chat, report = f"{PROGRAM} chat{more}", f"{PROGRAM} report{more}"
    print(f"Done. `{chat}` talks to the models, `{report}` measures them.")
    return 0
