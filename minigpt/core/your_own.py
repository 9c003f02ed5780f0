"""Exercises ask for a learner's own code: a check that notices when the package did the work.

The package is open, and many of its functions are answers to exercises. So a check can watch a
function while it runs, and refuse one that calls into minigpt, by whatever name or detour. It is
no lock: who means to get round it can copy the package's text. It tells an honest learner apart
from a shortcut, before the next lesson builds on what was not understood.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1].as_posix() + "/"


def your_own(function: Callable, allowed: tuple[str, ...] = ()) -> Callable:
    """The function, watched: a call of it is an AssertionError if it called the package.

    allowed: names of the package's functions that it may call.
    """

    @wraps(function)
    def watched(*args, **kwargs):
        used: list[str] = []

        def look(frame, event: str, arg) -> None:
            name = frame.f_code.co_name
            if event == "call" and name not in allowed and in_package(frame):
                while frame and not (in_package(frame) and frame.f_code.co_name == "<module>"):
                    frame = frame.f_back
                if frame is None:  # else it is only what an import runs
                    used.append(name)

        before = sys.getprofile()
        sys.setprofile(look)
        try:
            return function(*args, **kwargs)
        finally:
            still = sys.getprofile() is look
            sys.setprofile(before)
            name = getattr(function, "__name__", "your function")
            assert not used, (
                f"{name} lets minigpt's {used[0]}() do the work. That one is right, but here it "
                "is your turn: write the steps yourself, as the lesson above shows them"
            )
            assert still, f"{name} switched off the watch (sys.setprofile): leave that line out"

    return watched


def in_package(frame) -> bool:
    return frame.f_code.co_filename.replace("\\", "/").startswith(PACKAGE)
