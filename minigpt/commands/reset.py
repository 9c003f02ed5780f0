"""Gives you a notebook as the course has it; yours is kept beside it (reset 03, --lang en|zh)."""

from minigpt.setup.common import option_parser
from minigpt.setup.working_copy import choose, copies_folder, course_notebooks, reset_copy

ENVIRONMENT = None


def main(argv: list[str]) -> int:
    """Restore one working copy."""
    parser = option_parser("reset", __doc__, edition=True)
    parser.add_argument("notebook", help="its number or name: 03, 03_prompting")
    chosen = parser.parse_args(argv)
    source = choose(chosen.notebook, course_notebooks(chosen.lang))
    folder = copies_folder(chosen.lang)
    backup = reset_copy(source, folder)
    print(f"{folder / source.name} is as the course has it.")
    if backup:
        print(f"Your version is kept in {backup.name} beside it.")
    print("If it is open in JupyterLab, close its tab and open it again.")
    return 0
