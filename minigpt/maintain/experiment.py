"""Runs a long experiment of a lesson and writes its results, from where an earlier call stopped."""

from importlib import import_module
from pathlib import Path

from minigpt.setup.common import option_parser
from minigpt.store.files import Problem

PACKAGE = Path(__file__).parents[1]


def experiments() -> dict[str, str]:
    """The modules of the experiments by name: those that say with OPTIONS what can be chosen."""
    paths = [*PACKAGE.glob("lessons/*/*.py"), *PACKAGE.glob("maintain/*.py")]
    return {
        path.stem: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in sorted(paths) if "\nOPTIONS" in path.read_text(encoding="utf-8")
    }  # fmt: skip


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status.

    An experiment is a module with `run(out=…, …)`, whose docstring's first line is its help. It may
    say with THREADS how many it computes with (1 unless told, None for as many as pay), and with
    OPTIONS what can be chosen: {name: values}, all of which are taken where nothing is.
    """
    known = experiments()
    if not argv or argv[0] not in known:
        listed = f"Choose one of: {', '.join(known)}"
        option_parser("experiment NAME", f"{__doc__} {listed}").parse_known_args(argv)  # --help
        raise Problem(f"There is no experiment {argv[0]!r}. {listed}" if argv else listed)
    module = import_module(known[argv[0]])
    doc = (module.__doc__ or "").split("\n")[0]
    parser = option_parser(f"experiment {argv[0]}", doc)
    for option, values in module.OPTIONS.items():
        choices = values if isinstance(values[0], str) else None
        listed = f"some of: {'; '.join(map(str, values))}" if choices else f"default: {values}"
        parser.add_argument(
            f"--{option}", nargs="+", type=type(values[0]), default=values, choices=choices,
            metavar=option.upper(), help=listed.replace("%", "%%"),
        )  # fmt: skip
    parser.add_argument("--out", type=Path, help="results file (default: the package's)")
    chosen = vars(parser.parse_args(argv[1:]))
    from minigpt.engine.device import set_threads

    set_threads(getattr(module, "THREADS", 1))
    try:
        module.run(**chosen)
    except (FileNotFoundError, ValueError) as error:  # no such stage; results that do not fit
        raise Problem(str(error)) from None
    return 0
