"""The student's side of grading: one notebook's code, in a box, as Jupyter would run it.

It runs cells in an IPython of its own, and answers calls of what they defined. The checks are not
here: they run in another process (checker.py), which asks and gets plain values.
"""

import builtins
import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

from minigpt.classroom.grading import box
from minigpt.classroom.grading.wire import LARGEST, Channel, Foreign, pack, unpack
from minigpt.classroom.grading.your_own import strange, your_own

PRINTED = 100_000  # characters of what is printed between two messages


def new_shell():
    """An IPython without a screen, a keyboard and a history, in which "Run all" runs cells."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        def enable_gui(self, gui=None):
            """There is no window: %matplotlib inline is all right."""

        def showtraceback(self, *args, **kwargs):
            """Nobody reads it here: the error goes to the grader."""

        showsyntaxerror = showtraceback

    config = Config()
    config.HistoryManager.enabled = False
    builtins.display = sys.modules["IPython"].display.display  # in functions that are called later
    return Shell.instance(config=config)


class Student:
    """Carries out the grader's orders, one method each."""

    def __init__(self, channel: Channel) -> None:
        self.channel, self.shell = channel, None
        self.functions: list[Callable] = []  # by number: those that a check knows
        self.known: dict[int, object] = {}  # by number: what a check has passed in
        self.graphs: dict[int, tuple[list, list]] = {}  # call: tensors with gradients, in and out
        self.printed = sys.stdout = sys.stderr = io.StringIO()

    def carry_out(self, order: list) -> None:
        self.after = None  # what a function has made of its arguments
        try:
            reply = getattr(self, f"do_{order[0]}")(*order[1:])
        except BaseException as error:  # also SystemExit and KeyboardInterrupt
            reply = explain(error)
        printed = self.printed.getvalue()[:PRINTED]
        self.printed.seek(0)
        self.printed.truncate()
        try:
            self.channel.send("reply", printed, self.after, *reply)
        except (Foreign, ValueError) as error:  # too large
            self.channel.send("reply", printed, None, *explain(error))

    @property
    def names(self) -> dict:
        self.shell = self.shell or new_shell()
        return self.shell.user_ns

    def do_import(self, lines: list[str], kept: bool) -> list:
        """Import what is installed, so that it is there; or kept, as by a check in Jupyter."""
        for line in lines:
            with contextlib.suppress(Exception):  # it will be told where it is needed
                exec(line, self.names if kept else {})
        return ["done"]

    def do_run(self, name: str, code: str) -> list:
        """Run a cell."""
        self.names  # noqa: B018 - makes the shell
        self.shell.compile.get_code_name = lambda *given: f"<answer {name}>"
        result = self.shell.run_cell(code)
        error = result.error_before_exec or result.error_in_exec
        return explain(error) if error else ["done"]

    def do_names(self, wanted: list[str]) -> list:
        """What some names mean: a function's number, a value, or what is wrong with it."""
        found = {}
        for name in wanted:
            value = self.names.get(name, sys)
            if callable(value):
                self.functions.append(value)
                found[name] = ["function", len(self.functions) - 1]
            elif not isinstance(value, ModuleType):
                try:
                    found[name] = ["value", pack(value)]
                    assert len(str(found[name])) < LARGEST // 8, f"{name} is too large"
                except (Foreign, RecursionError, AssertionError) as error:
                    found[name] = ["strange", strange(value, f"{name} is") or str(error)]
        return ["names", found]

    def do_call(self, call: int, number: int, name: str, allowed, gradients: bool, given) -> list:
        """Call a function. allowed: None, or the package's functions that it may call."""
        inputs, outputs, torch = [], [], sys.modules.get("torch")
        args, kwargs = unpack(given, self.theirs, lambda t: inputs.append(t.requires_grad_()) or t)
        torch = sys.modules.get("torch")
        function = self.functions[number]
        self.graphs[call] = inputs, outputs
        try:
            with torch.set_grad_enabled(gradients) if torch else contextlib.nullcontext():
                watched = function if allowed is None else your_own(function, tuple(allowed))
                value = watched(*args, **kwargs)
        finally:
            with contextlib.suppress(Foreign, RecursionError):  # of its own, put into what it got
                after = pack([args, kwargs], self.back)
                self.after = after if after != given else None
        said = strange(value, f"{name} gives back")
        assert not said, said
        return ["value", pack(value, tensors=outputs)]

    def do_backward(self, call: int, gradients) -> list:
        """The product of a call's derivatives with the gradients of what it gave back."""
        import torch

        inputs, outputs = self.graphs[call]
        options = {"retain_graph": True, "allow_unused": True}
        found = torch.autograd.grad(outputs, inputs, unpack(gradients), **options)
        return ["value", pack([gradient if gradient is None else gradient.detach()
                               for gradient in found])]  # fmt: skip

    # ---- what a check passes in -----------------------------------------------------------------

    def theirs(self, told: list) -> object:
        """What stands for a function or an object of the check's."""
        kind, number, *more = told
        if kind == "yours":
            return self.functions[number]
        if kind == "function":
            self.known[number] = self.callback(number, *more)
        elif kind == "namespace":
            self.known[number] = SimpleNamespace(**more[0])
        elif kind == "encoding":
            self.known[number] = __import__("tiktoken").Encoding(**more[0])
        return self.known[number]

    def back(self, value: object) -> list | None:
        """The number of an object that a check has passed in."""
        return next((["known", n] for n, known in self.known.items() if known is value), None)

    def callback(self, number: int, name: str) -> Callable:
        def call(*args, **kwargs):
            self.channel.send("callback", number, pack([args, kwargs], self.back))
            while (order := self.channel.receive())[0] != "answer":
                self.carry_out(order)  # the check's function calls the student's in turn
            if order[1] == "error":
                raise error_like(*order[2:])
            return unpack(order[2])

        call.__name__ = call.__qualname__ = name
        return call


def explain(error: BaseException) -> list:
    """["error", Python's names of its kind, arguments, text, its own name, line of the answer]."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename[:7] == "<answer"]
    line, args = (lines[-1].lineno if lines else None), None
    try:
        text = str(error)
        if isinstance(error, SyntaxError):
            line, text = error.lineno, str(error.msg)
        else:
            args = pack(list(error.args))
    except BaseException:
        text = locals().get("text", "an error that cannot be shown")
    kinds = [k.__name__ for k in type(error).__mro__ if k.__module__ == "builtins"]
    return ["error", kinds, args, text[:2000], type(error).__name__, line]


def error_like(kinds: list[str], args, text: str, *more) -> BaseException:
    """An error of the first of Python's own kinds that can be made so."""
    args = [text] if args is None else unpack(args)
    for kind in kinds:
        made = getattr(builtins, kind, None)
        if isinstance(made, type) and issubclass(made, BaseException):
            for given in (args, [text]):
                with contextlib.suppress(Exception):
                    return made(*given)
    return Exception(text)


def main() -> None:
    """Carry out orders until there are no more."""
    channel = Channel(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # what submitted code prints is nobody's reply
        os.dup2(nowhere, number)
    os.makedirs(os.environ["HOME"], exist_ok=True)
    os.chdir(os.environ["HOME"])
    box.limit()
    student = Student(channel)
    with contextlib.suppress(EOFError):
        while True:
            student.carry_out(channel.receive())


if __name__ == "__main__":
    main()
