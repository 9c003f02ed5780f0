"""Runs a long experiment of a lesson and writes its results, from where an earlier call stopped."""

import argparse
from importlib import import_module
from pathlib import Path

from minigpt.store.files import PROGRAM, Problem


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status.

    An experiment is a module with `run(out=…, …)`, whose docstring's first line is its help. It may
    say with THREADS how many it computes with (1 unless told, None for as many as pay), and with
    OPTIONS what can be chosen: {name: values}, all of which are taken where nothing is.
    """
    from minigpt.engine.device import set_threads
    from minigpt.show.results import experiments

    known = experiments()
    if not argv or argv[0] not in known:
        asked = f"There is no experiment {argv[0]!r}. " if argv else ""
        raise Problem(f"{asked}Choose one of: {', '.join(known)}")
    module = import_module(known[argv[0]])
    doc = (module.__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} experiment {argv[0]}", description=doc)
    for option, values in module.OPTIONS.items():
        choices = values if isinstance(values[0], str) else None
        listed = f"some of: {'; '.join(map(str, values))}" if choices else f"default: {values}"
        parser.add_argument(
            f"--{option}", nargs="+", type=type(values[0]), default=values, choices=choices,
            metavar=option.upper(), help=listed.replace("%", "%%"),
        )  # fmt: skip
    parser.add_argument("--out", type=Path, help="results file (default: the package's)")
    chosen = vars(parser.parse_args(argv[1:]))
    set_threads(getattr(module, "THREADS", 1))
    try:
        module.run(**chosen)
    except ValueError as error:  # results that are there and do not fit
        raise Problem(str(error)) from None
    return 0
