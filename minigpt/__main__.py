"""python3 -m minigpt [COMMAND]: looks at the Python that runs, then hands over to the commands.

This file is written for every Python 3 (and runs on 2.7), so that an old Python can say what to do.
"""

from __future__ import print_function

import os
import sys

OLDEST = (3, 10)
RECOMMENDED = "3.13"


def newer_python(folders):
    """The name of the newest new-enough python3.X in these folders, or None."""
    for minor in range(30, OLDEST[1] - 1, -1):
        name = "python3.{}".format(minor)
        if any(os.access(os.path.join(folder, name), os.X_OK) for folder in folders):
            return name
    return None


def too_old(version, platform, folders):
    """What to tell somebody whose Python is older than OLDEST: what is wrong, then what to type."""
    lines = [
        "This course needs Python {}.{} or newer; this is Python {}.{}.".format(
            OLDEST[0], OLDEST[1], version[0], version[1]
        )
    ]
    found = newer_python(folders)
    if platform.startswith("win"):
        lines.append("Install Python {} (64-bit) from python.org, then type:".format(RECOMMENDED))
        lines.append("    py -{} -m minigpt".format(RECOMMENDED))
    elif found:
        lines.append("A newer one is installed here. Type:")
        lines.append("    {} -m minigpt".format(found))
    elif platform == "darwin":
        lines.append("The python3 that comes with Apple's developer tools stays old.")
        lines.append("Install Python {} from python.org, open a new Terminal,".format(RECOMMENDED))
        lines.append("go to this folder and type:")
        lines.append("    python{} -m minigpt".format(RECOMMENDED))
    else:
        lines.append(
            "Install Python {} from your system's packages (on Debian and".format(RECOMMENDED)
        )
        lines.append(
            "Ubuntu also its python{}-venv) or from python.org, then type:".format(RECOMMENDED)
        )
        lines.append("    python{} -m minigpt".format(RECOMMENDED))
    return "\n".join(lines)


def main():
    if sys.version_info < OLDEST:
        folders = os.environ.get("PATH", "").split(os.pathsep)
        print(too_old(sys.version_info, sys.platform, folders), file=sys.stderr)
        return 1
    from minigpt.commands import main as run_command

    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
