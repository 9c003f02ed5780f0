"""Exercises ask for a learner's own code: checks that notice when something else did the work.

The package is open, and many of its functions are answers to exercises. So a check can watch a
function while it runs, and refuse one that calls into minigpt, by whatever name or detour. It also
refuses results that are no plain values, since an object of one's own class may claim to equal
anything, and tries inputs that are new each time. It is no lock: who means to get round it can copy
the package's text. It tells an honest learner apart from a shortcut, before the next lesson builds
on what was not understood. Once its check has passed, the lesson runs with the function itself.
"""

import os
import random
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from minigpt.classroom.grading.wire import Foreign, pack
from minigpt.store.words import _

PACKAGE = Path(__file__).parents[2].as_posix() + "/"  # spelled as Python found it, like all code's
GRADERS = {str(Path(__file__).with_name(f"{name}.py")) for name in ("your_own", "student", "wire")}
SEED = "MINIGPT_SECRET"  # in the environment of a grader: it fixes the random inputs
PLAIN = "plain numbers, texts, lists or tensors"


def your_own(function: Callable, allowed: tuple[str, ...] = ()) -> Callable:
    """The function, watched: a call of it is an AssertionError if it called the package or gives
    back something that is no plain value (numbers, texts, lists, arrays, tensors and the like).

    allowed: names of the package's functions that it may call.
    A function that is watched already is watched anew, so a check can be run again.
    """
    function = getattr(function, "is_watched", function)
    name = getattr(function, "__name__", "your function")

    @wraps(function)
    def watched(*args, **kwargs):
        __tracebackhide__ = True  # in IPython: the learner's lines are what matters
        before, watch = sys.getprofile(), Watch(allowed)
        if isinstance(before, Watch):  # it calls itself, or one of another exercise
            return function(*args, **kwargs)
        sys.setprofile(watch)
        try:
            found = function(*args, **kwargs)
            still = sys.getprofile() is watch
        finally:
            sys.setprofile(before)
            assert not watch.used, (
                f"{name} lets minigpt's {watch.used[0]}() do the work. That one is right, but here "
                "it is your turn: write the steps yourself, as the lesson above shows them"
            )
        assert still, f"{name} switched off the watch (sys.setprofile): leave that line out"
        said = strange(found, f"{name} gives back")
        assert not said, said
        return found

    watched.is_watched = function
    return watched


class Watch:
    """A profile function of Python's: notes the package's functions that are called."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed, self.used = allowed, []

    def __call__(self, frame, event: str, arg) -> None:
        name = frame.f_code.co_name
        called = event == "call" and name not in self.allowed and in_package(frame)
        if called and not imported_inside(frame):
            self.used.append(name)


def imported_inside(frame) -> bool:
    """Whether a frame runs because the watched function imports a module of the package."""
    while frame and frame.f_code.co_filename != __file__:  # up to the watch, not beyond
        if in_package(frame) and frame.f_code.co_name == "<module>":
            return True
        frame = frame.f_back
    return False


def in_package(frame) -> bool:
    path = frame.f_code.co_filename
    return path not in GRADERS and path.replace("\\", "/").startswith(PACKAGE)


def strange(value: object, what: str) -> str:
    """What is wrong if the value, or anything that it holds, is of no plain type; else ""."""
    try:
        pack(value)
    except Foreign as error:
        mend = (
            "put list(...) around it" if hasattr(error.kind, "__next__") else f"give back {PLAIN}"
        )
        return f"{what} something of type {error}: {mend}"
    except RecursionError:  # it holds itself, or is nested deeply
        pass
    return ""


# ---- what has passed, in the lesson's loops -----------------------------------------------------

_PASSED: dict[str, Callable] = {}


class Stopped(Exception):
    """A learner's function failed within a loop. IPython shows the message alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check_passed(function: Callable) -> None:
    """The last line of a check: say so, and let the lesson's loops take this function (`yours`)."""
    function = getattr(function, "is_watched", function)
    _PASSED[function.__name__] = function
    print(_("All checks pass."))


def yours(name: str, stand_in: Callable) -> Callable:
    """The learner's function of that name where its check has passed, else the package's
    `stand_in`; a line says which. An error in the learner's function is a Stopped that names it."""
    own = _PASSED.get(name)
    print(_("{name}: yours", name=name) if own else
          _("{name}: the package's, until your check has passed", name=name))  # fmt: skip
    if not own:
        return stand_in

    @wraps(own)
    def called(*args, **kwargs):
        try:
            return _PASSED[name](*args, **kwargs)  # a mended one as soon as it has passed
        except Exception as error:
            raise Stopped(_(
                "Your {name} stopped this: {kind}: {error}. Mend it in its exercise and run its "
                "check, then run the cell that makes the run again.",
                name=name, kind=type(error).__name__, error=error,
            )) from error  # fmt: skip

    return called


def trial_random() -> random.Random:
    """A source of random inputs for a check: other ones at each call, so that an answer cannot know
    them; under the same MINIGPT_SECRET always the same, so that grading can be repeated."""
    return random.Random(os.environ.get(SEED) or None)
