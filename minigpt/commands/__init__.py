"""The commands behind `python3 -m minigpt COMMAND`, one a file; this file finds and runs them.

A command is a file here, or in maintain/ where only the makers of the course need it, with a
top-level `main(argv: list[str]) -> int`. The first line of its docstring is its line in the help.
A constant says what has to be installed before it is imported:

    ENVIRONMENT = None        nothing: it gets by with the standard library
    ENVIRONMENT = "package"   what `import minigpt` needs (this is the default)
    ENVIRONMENT = "lab"       all of requirements.txt
    ENVIRONMENT = "test"      requirements.txt and the extra `test` of pyproject.toml

All of it is read from the source without importing it: help works before anything is installed, a
command's own as well where its file imports no package at the top.
"""

import ast
import difflib
import importlib
import os
import sys
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from minigpt.setup import environment
from minigpt.store.files import PROGRAM, ROOT, VERSION, Problem
from minigpt.store.words import system_language, use_language

DEFAULT = "lab"
ROOMS = ("commands", "maintain")  # the folders that hold commands


@dataclass
class Command:
    """What is known of a command from its source alone."""

    name: str
    module: str  # where it stands
    summary: str  # first line of its docstring
    environment: str | None  # see the list above


def read_command(path: Path) -> Command | None:
    """The command in this file, or None where the file has no top-level `main`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(ast.unparse(node).startswith("def main(argv") for node in tree.body):
        return None
    needs = "package"
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ENVIRONMENT":
            needs = ast.literal_eval(node.value)
    summary = (ast.get_docstring(tree) or "").split("\n")[0]
    return Command(path.stem, f"minigpt.{path.parent.name}.{path.stem}", summary, needs)


def find_commands(package: Path = Path(__file__).parents[1]) -> dict[str, Command]:
    """All commands by name."""
    paths = [path for room in ROOMS for path in (package / room).glob("[!_]*.py")]
    found = (read_command(path) for path in sorted(paths, key=lambda path: path.stem))
    return {command.name: command for command in found if command}


def help_text(commands: dict[str, Command]) -> str:
    """The page that `python3 -m minigpt --help` prints."""
    width = max(map(len, commands), default=0)
    lines = "\n".join(f"    {c.name:{width}}  {c.summary}" for c in commands.values())
    return f"""usage: {PROGRAM} [COMMAND] [--fresh] [options]    (without a command: {DEFAULT})

{lines}

{PROGRAM} COMMAND --help tells a command's options.
With --fresh a command first makes its environment (.venv or .venv-test) anew."""


def speak(lang: str) -> None:
    """From now on this language is in use; Problem where there is none."""
    try:
        use_language(lang)
    except ValueError as error:
        raise Problem(str(error)) from None


def check_models(lang: str, size: str) -> None:
    """Problem that lists what there is, where there are no models of this language or size."""
    from minigpt.stages.sizes import SIZES
    from minigpt.world.facts import load_world

    if size not in SIZES:
        raise Problem(f"There is no size {size!r}. Choose one of: {', '.join(SIZES)}")
    try:
        load_world(lang)
    except ValueError as error:
        raise Problem(str(error)) from None


def options_of(lang: str, size: str) -> str:
    """What names these models on a command line; nothing for those that are there without."""
    unusual = {"size": size} if size != "tiny" else {}
    unusual |= {"lang": lang} if lang != "en" else {}
    return "".join(f" --{key} {value}" for key, value in unusual.items())


def set_paths() -> None:
    """Let child processes find this package and the running environment's programs.

    A notebook's kernel imports minigpt from any folder; nbgrader starts alembic by its name.
    """
    for name, first in (("PYTHONPATH", str(ROOT)), ("PATH", os.path.dirname(sys.executable))):
        rest = [part for part in os.environ.get(name, "").split(os.pathsep) if part]
        os.environ[name] = os.pathsep.join([first, *(part for part in rest if part != first)])


def run(argv: list[str]) -> int:
    """Find the command, make sure of its environment, run it there."""
    commands = find_commands()
    named = bool(argv) and not argv[0].startswith("-")
    name, rest = (argv[0], argv[1:]) if named else (DEFAULT, argv)
    if name == "help" or (not named and rest and rest[0] in ("-h", "--help")):
        print(help_text(commands))
        return 0
    if not named and rest and rest[0] in ("-V", "--version"):
        print(f"minigpt {VERSION}")
        return 0
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f" Did you mean `{PROGRAM} {near[0]}`?" if near else ""
        raise Problem(f"There is no command {name!r}.{hint}\n\n{help_text(commands)}")
    if name == DEFAULT:  # the others speak the language of the models that they are about
        use_language(system_language())
    set_paths()
    fresh = "--fresh" in rest
    rest = [argument for argument in rest if argument != "--fresh"]
    if {"-h", "--help"} & {*rest}:
        with suppress(ImportError):  # where it needs a package, that is installed first
            return importlib.import_module(commands[name].module).main(rest)
    if commands[name].environment is not None:
        with redirect_stdout(sys.stderr if "--json" in rest else sys.stdout):  # JSON stands alone
            python = environment.ensure(commands[name].environment, fresh)
        if python is not None:
            return environment.hand_over(python, [name, *rest])
    return importlib.import_module(commands[name].module).main(rest)


def main(argv: list[str]) -> int:
    """Run one command line; a Problem becomes its message and exit status 1, Ctrl-C 130.

    Output into a pipe that its reader has closed (`| head`) ends quietly, as in other tools.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        status = run(argv)
        sys.stdout.flush()  # or a closed pipe would be noticed only at exit, with a traceback
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
