"""Opens the notebooks in JupyterLab, as copies of your own (--lang en|zh, --no-browser, --port N).

What JupyterLab itself understands is passed on: --no-browser only prints the address, --port N
takes that port (default: 8888 or the next).
"""

import os
import sys
from pathlib import Path

from minigpt.setup.common import become, option_parser
from minigpt.setup.environment import KERNEL_SETTINGS
from minigpt.setup.working_copy import copies_folder, course_notebooks, update_copies
from minigpt.store.files import PROGRAM
from minigpt.store.words import _

ENVIRONMENT = "lab"


def lab_arguments(first: Path) -> list[str]:
    """JupyterLab's options to open this copy of a notebook."""
    folder = first.parents[1]  # holds one folder a language
    options = [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{first.relative_to(folder).as_posix()}",
    ]
    is_root = hasattr(os, "getuid") and os.getuid() == 0  # in a container, where it is refused
    return [*options, "--allow-root"] if is_root else options


def main(argv: list[str]) -> int:
    """Copy what is new, then become JupyterLab."""
    parser = option_parser("lab", __doc__, edition=True)
    chosen, others = parser.parse_known_args(argv)
    notes = update_copies(chosen.lang)
    first = copies_folder(chosen.lang) / course_notebooks(chosen.lang)[0].name
    for note in notes:
        print(note)
    print(_("Your notebooks: {folder}", folder=first.parent))
    show = f"{PROGRAM} page --open"
    print(_("To show somebody the four models in a browser alone: {command}", command=show))
    print(_("Starting JupyterLab; to end it, press Ctrl-C here twice."))
    if not (Path(sys.prefix) / KERNEL_SETTINGS).exists():  # .venv has it, another Python has not
        print(_("A line 'running over TCP without encryption' is harmless: it stays on this "
                "machine."))  # fmt: skip
    return become([sys.executable, "-m", "jupyterlab", *lab_arguments(first), *others])
