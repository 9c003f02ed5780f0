"""Talks to the models in the terminal: one question, the answers of every stage, and the scores."""

import argparse
import sys
import textwrap

from minigpt.setup.common import option_parser
from minigpt.store.files import PROGRAM, Problem, learner_home

STAGES = ("base", "sft", "ppo")
LEAVE = {"exit", "quit"}
FORMS = {"bare": "bare question", "qa": "Q: … A:"}  # in which a base model is asked
WIDTH = 96  # columns


def parse(argv: list[str]) -> argparse.Namespace:
    """The options."""
    parser = option_parser("chat", __doc__)
    parser.add_argument("--stage", help="one alone, such as base, sft, ppo (default: all three)")
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest answer")
    parser.add_argument("--seed", type=int, default=0, help="of the first answer")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--own", action="store_true", help="your own runs and no others")
    whose.add_argument("--shipped", action="store_true", help="the course's models, not your own")
    parser.add_argument("--size", default="tiny", help="your own models of `train --size`")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--lang", default="en")
    options = parser.parse_args(argv)
    if not 0 <= options.temperature < 100:
        raise Problem(f"--temperature is {options.temperature:g}: give a number from 0 to 100.")
    if options.seed < 0:
        raise Problem(f"--seed is {options.seed}: give 0 or more.")
    return options


def load(options: argparse.Namespace) -> dict:
    """The stages to talk to and, where it is there, the reward model. Problem where one is not."""
    from minigpt.engine.device import set_threads
    from minigpt.stages.stage import load_stage

    set_threads()
    names = (options.stage,) if options.stage else STAGES
    if options.stage and options.stage.startswith("reward"):
        raise Problem("A reward model cannot write, only score. Choose base, sft or ppo.")
    stages = {}
    for name in (*names, "reward"):
        try:
            stage = load_stage(name, not options.shipped, options.lang, options.device, quiet=True,
                               size=options.size)  # fmt: skip
        except (FileNotFoundError, ValueError) as error:
            if name == "reward":
                continue  # answers without a score
            raise Problem(str(error)) from None
        if stage.own or not options.own:
            stages[name] = stage
        elif name != "reward":
            raise Problem(f"You have no {name} model in {learner_home()}: `{PROGRAM} train` makes "
                          "one, and without --own the course's is taken.")  # fmt: skip
    return stages


def show_reply(reply) -> str:
    """A reply as lines: who, how asked, what was said, what it scored."""
    form = "" if reply.form == "chat" else f" ({FORMS[reply.form]})"
    score = "" if reply.score is None else f"  [score {reply.score:+.2f}]"
    cut = "" if reply.ended else " … (cut off)"
    lines = f"{reply.text or '(nothing)'}{cut}{score}".split("\n")
    wrapped = [part for line in lines for part in textwrap.wrap(line, WIDTH - 4) or [""]]
    if len(wrapped) == 1:
        return f"{reply.stage}{form}: {wrapped[0]}"
    return "\n".join([f"{reply.stage}{form}:", *(f"    {line}" for line in wrapped)])


def main(argv: list[str]) -> int:
    """Read questions until `exit` or the end of the input; answer each."""
    options = parse(argv)
    stages = load(options)
    from minigpt.stages.replies import replies

    typing = sys.stdin.isatty()
    if typing:
        for name, stage in stages.items():
            print(f"{name}: {'your own run' if stage.own else 'shipped'}")
        print("Ask about a city or a country. `exit` or Ctrl-D ends.")
    asked = 0
    while True:
        try:
            question = input("\n> " if typing else "").strip()
        except EOFError:
            break
        except UnicodeDecodeError:
            print("This line is not text in the terminal's encoding.")
            continue
        if question.lower() in LEAVE:
            break
        if not question:
            continue
        if not typing:
            print(f"> {question}")
        try:
            found = replies(stages, question, options.temperature, options.seed + asked)
        except ValueError as error:
            print(error)
            continue
        for reply in found:
            print(show_reply(reply))
        asked += 1
    if typing:
        print()
    return 0
