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
from minigpt.classroom.grading.wire import LARGEST, Channel, Foreign, Writer, decode, encode
from minigpt.classroom.grading.your_own import check_passed, strange, your_own

PRINTED = 100_000  # characters of what is printed between two messages


class Printed(io.TextIOBase):
    """What submitted code prints, up to a length."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.left = PRINTED

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.parts.append(text[: self.left])
        self.left -= len(self.parts[-1])
        return len(text)

    def taken(self) -> str:
        text, self.parts, self.left = "".join(self.parts), [], PRINTED
        return text


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
    shell = Shell.instance(config=config)
    builtins.display = sys.modules["IPython"].display.display  # in functions that are called later
    return shell


class Student:
    """Carries out the grader's orders. `functions` and `values` are what it may ask for."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.functions: list[Callable] = []
        self.graphs: dict[int, tuple[list, list]] = {}  # call: tensors with gradients, in and out
        self.known: dict[int, object] = {}  # what a check has passed in, by number
        self.printed = sys.stdout = sys.stderr = Printed()
        self.shell = None

    def carry_out(self, order: list) -> None:
        kind, *rest = order
        reply = getattr(self, f"do_{kind}")(*rest)
        self.channel.send("reply", *reply, self.printed.taken())

    def do_import(self, lines: list[str], mine: bool) -> tuple:
        """Import what is installed: to have it, or, `mine`, as a check has for later cells."""
        for line in lines:
            with contextlib.suppress(Exception):  # it will be told where it is needed
                exec(line, self.names if mine else {})
        return ("done",)

    @property
    def names(self) -> dict:
        self.shell = self.shell or new_shell()
        return self.shell.user_ns

    def do_run(self, name: str, code: str) -> tuple:
        """Run a cell."""
        self.names  # noqa: B018 - makes the shell
        self.shell.compile.get_code_name = lambda *given: f"<answer {name}>"
        try:
            result = self.shell.run_cell(code)
            error = result.error_before_exec or result.error_in_exec
        except BaseException as found:  # IPython itself could not take it
            error = found
        return explain(error) if error else ("done",)

    def do_names(self, wanted: list[str]) -> tuple:
        """What some names mean."""
        found = {}
        for name in wanted:
            value = self.names.get(name, self)
            if value is self or isinstance(value, ModuleType):
                continue
            if callable(value):
                self.functions.append(value)
                found[name] = ("function", len(self.functions) - 1)
                continue
            try:
                found[name] = ("value", encode(value))
                if len(found[name][1]) > LARGEST // 8:
                    found[name] = ("strange", f"{name} is too large")
            except Foreign:
                found[name] = ("strange", strange(value, f"{name} is") or f"{name} cannot be read")
        return "names", found

    def do_call(self, call: int, number: int, name: str, allowed, gradients: bool, given) -> tuple:
        """Call a function. allowed: None, or the package's functions that it may call."""
        inputs: list = []
        args, kwargs = decode(given, self.theirs, lambda t: inputs.append(t.requires_grad_()) or t)
        function, before = self.functions[number], encode([args, kwargs], self.back)
        torch = sys.modules.get("torch")
        mode = torch.set_grad_enabled(gradients) if torch else contextlib.nullcontext()
        writer = Writer()
        try:
            with mode:
                watched = function if allowed is None else your_own(function, tuple(allowed))
                value = watched(*args, **kwargs)
            try:
                writer.put(value)
            except (Foreign, RecursionError):
                said = strange(value, f"{name} gives back") or f"{name} gives back what holds itself"
                raise AssertionError(said) from None
            assert len(writer.out) <= LARGEST // 4, f"{name} gives back more than 16 MB"
            reply = "value", bytes(writer.out)
        except BaseException as error:  # also SystemExit and KeyboardInterrupt
            reply = explain(error)
        if inputs:
            self.graphs[call] = inputs, writer.tensors
        try:
            after = encode([args, kwargs], self.back)
        except Foreign:  # it put something of its own into what it was given
            after = before
        return *reply, after if after != before else b""

    def do_backward(self, call: int, gradients: list) -> tuple:
        """The product of a call's derivatives with the gradients of what it gave back."""
        import torch

        inputs, outputs = self.graphs[call]
        try:
            found = torch.autograd.grad(
                outputs, inputs, gradients, retain_graph=True, allow_unused=True
            )
        except Exception as error:
            return explain(error)
        return "value", encode([g if g is None else g.detach() for g in found])

    def do_passed(self, number: int) -> tuple:
        check_passed(self.functions[number])
        self.graphs.clear()
        return ("done",)

    # ---- what a check passes in -----------------------------------------------------------------

    def theirs(self, told: list) -> object:
        """What stands for a function or an object of the check's."""
        kind, number, *more = told
        if kind == "yours":
            return self.functions[number]
        if number not in self.known:
            if kind == "function":
                self.known[number] = self.callback(number, *more)
            elif kind == "namespace":
                self.known[number] = SimpleNamespace(**more[0])
            else:
                import tiktoken

                self.known[number] = tiktoken.Encoding(**more[0])
        return self.known[number]

    def back(self, value: object) -> list | None:
        """The number of an object that a check has passed in."""
        return next(([n] for n, known in self.known.items() if known is value), None)

    def callback(self, number: int, name: str) -> Callable:
        def call(*args, **kwargs):
            self.channel.send("callback", number, encode([args, kwargs], self.back))
            while True:
                order = self.channel.receive()
                if order[0] != "answer":
                    self.carry_out(order)  # it calls the student's functions in turn
                elif order[1] == "value":
                    return decode(order[2])
                else:
                    kinds, text = order[2:]
                    raise error_like(kinds, [text], text)

        call.__name__ = call.__qualname__ = name
        return call


def explain(error: BaseException) -> tuple:
    """("error", Python's names of its kind, its own name, arguments, text, line of the answer)."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename[:7] == "<answer"]
    line, args = (lines[-1].lineno if lines else None), None
    try:
        text, args = str(error), list(error.args)
        if isinstance(error, SyntaxError):
            line, text, args = error.lineno, error.msg, None
    except BaseException:
        text = "an error that cannot be shown"
    kinds = [k.__name__ for k in type(error).__mro__ if k.__module__ == "builtins"]
    try:
        told = None if args is None else encode(args)
    except Foreign:
        told = None
    line = line if isinstance(line, int) else None
    return "error", kinds, type(error).__name__, told, str(text)[:2000], line


def error_like(kinds: list[str], args: list, text: str) -> BaseException:
    """An error of the first of Python's own kinds that can be made so."""
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
    here = os.environ["HOME"]
    os.makedirs(here, exist_ok=True)
    os.chdir(here)
    box.limit()
    student = Student(channel)
    with contextlib.suppress(EOFError):
        while True:
            student.carry_out(channel.receive())


if __name__ == "__main__":
    main()
