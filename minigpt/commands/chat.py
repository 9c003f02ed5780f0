"""Talks to the models in the terminal: one question, the answers of every stage, and the scores."""

import argparse
import sys
import textwrap
from contextlib import suppress

from minigpt.commands import check_models, options_of, speak
from minigpt.setup.common import check_seed, option_parser
from minigpt.store.files import PROGRAM, Problem, as_problem, learner_home
from minigpt.store.words import _

STAGES = ("base", "sft", "ppo")
LEAVE = {"exit", "quit"}
WIDTH = 96  # columns


def parse(argv: list[str]) -> argparse.Namespace:
    """The options."""
    parser = option_parser("chat", __doc__)
    parser.add_argument("--stage", help="one alone, such as base, sft, ppo (default: all)")
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest answer")
    parser.add_argument("--seed", type=int, default=0, help="of the first answer")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--own", action="store_true", help="your own runs and no others")
    whose.add_argument("--shipped", action="store_true", help="the course's models, not your own")
    parser.add_argument("--size", default="tiny", help="your own models of `train --size`")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--lang", default="en")
    options = parser.parse_args(argv)
    speak(options.lang)
    if not 0 <= options.temperature < 100:
        raise Problem(_("--temperature is {t:g}: give a number from 0 to 100.",
                        t=options.temperature))  # fmt: skip
    check_seed(options.seed)
    return options


def load(options: argparse.Namespace) -> dict:
    """The stages to talk to, the course's and the learner's, and, where they are there, the reward
    models. Problem where one is not."""
    from minigpt.engine.device import set_threads
    from minigpt.stages.replies import load_stages
    from minigpt.stages.sizes import DEFAULT

    check_models(options.lang, options.size)
    set_threads()
    names = (options.stage,) if options.stage else STAGES
    if options.stage and options.stage.startswith("reward"):
        raise Problem(_("A reward model cannot write, only score. Choose base, sft or ppo."))
    shipped = not options.own and options.size == DEFAULT
    take = {"own": not options.shipped, "shipped": shipped, "size": options.size,
            "lang": options.lang, "device": options.device}  # fmt: skip
    with as_problem(FileNotFoundError, ValueError):
        stages = load_stages(names, **take)
    if lacking := [] if shipped else [name for name in names if f"your {name}" not in stages]:
        more = options_of(options.lang, options.size)
        raise Problem(_(
            "You have no {stage} model in {folder}: `{command}` makes them, and without --own the "
            "course's are taken.", stage=lacking[0], folder=learner_home(),
            command=f"{PROGRAM} train{more}",
        ))  # fmt: skip
    with suppress(FileNotFoundError, ValueError):  # answers without a score
        stages |= load_stages(("reward",), **take)
    return stages


def show_reply(reply) -> str:
    """A reply as lines: who, how asked, what was said, what it scored."""
    forms = {"bare": _(" (bare question)"), "qa": " (Q: … A:)"}  # in which a base model is asked
    form = forms.get(reply.form, "")
    scores = {_("score"): reply.score, _("your score"): reply.own_score}
    said = ", ".join(f"{name} {n:+.2f}" for name, n in scores.items() if n is not None)
    score = f"  [{said}]" if said else ""
    who = _("your {stage}", stage=reply.stage) if reply.own else reply.stage
    cut = "" if reply.ended else _(" … (cut off)")
    lines = f"{reply.text or _('(nothing)')}{cut}{score}".split("\n")
    wrapped = [part for line in lines for part in textwrap.wrap(line, WIDTH - 4) or [""]]
    if len(wrapped) == 1:
        return f"{who}{form}: {wrapped[0]}"
    return "\n".join([f"{who}{form}:", *(f"    {line}" for line in wrapped)])


def main(argv: list[str]) -> int:
    """Read questions until `exit` or the end of the input; answer each."""
    options = parse(argv)
    stages = load(options)
    from minigpt.stages.replies import replies

    typing = sys.stdin.isatty()
    if typing:
        print(*stages.values(), sep="\n")
        print(_("Ask about a city or a country. `exit` or Ctrl-D ends."))
    asked = 0
    while True:
        try:
            question = input("\n> " if typing else "").strip()
        except EOFError:
            break
        except UnicodeDecodeError:
            print(_("This line is not text in the terminal's encoding."))
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
