"""The student's side of grading: one notebook's code, in a box, as Jupyter would run it.

It runs cells in an IPython of its own, and answers calls of what they defined. The checks are not
here: they run in another process (checker.py), which asks and gets plain values.
"""

import builtins
import io
import os
import sys
from contextlib import nullcontext, suppress
from types import ModuleType, SimpleNamespace
from typing import BinaryIO

from minigpt.classroom.grading import box
from minigpt.classroom.grading.wire import Foreign, Over, Side, pack, take_pipes, unpack
from minigpt.classroom.grading.your_own import strange, your_own

PRINTED = 100_000  # characters of what is printed between two messages


def new_shell():
    """An IPython without a screen, a keyboard and a history, in which "Run all" runs cells."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    builtins.display = sys.modules["IPython"].display.display  # in functions that are called later
    shell = InteractiveShell.instance(config=config)
    for name in ("enable_gui", "showtraceback", "showsyntaxerror"):  # errors go to the grader
        setattr(shell, name, lambda *given, **options: None)
    return shell


class Student(Side):
    """Carries out the grader's orders, one method each."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        super().__init__(incoming, outgoing)
        self.shell = self.after = None  # `after`: what a call has made of its arguments
        self.graphs: dict[int, tuple[list, list]] = {}  # call: tensors with gradients, in and out
        self.printed = sys.stdout = sys.stderr = io.StringIO()

    def serve(self, order: list) -> None:
        self.after = None
        super().serve(order)

    def send(self, word: str, *message: object) -> None:
        if word == "reply":  # with what was printed, and what became of the arguments
            printed = self.printed.getvalue()[:PRINTED]
            self.printed.seek(0)
            self.printed.truncate()
            message = (*message, printed, self.after)
        super().send(word, *message)

    @property
    def names(self) -> dict:
        self.shell = self.shell or new_shell()
        return self.shell.user_ns

    def do_import(self, lines: list[str], kept: bool) -> list:
        """Import what is installed, so that it is there; or kept, as by a check in Jupyter."""
        for line in lines:
            with suppress(Exception):  # it will be told where it is needed
                exec(line, self.names if kept else {})
        return ["done"]

    def do_run(self, name: str, code: str) -> list:
        """Run a cell."""
        self.names  # noqa: B018 - makes the shell
        self.shell.compile.get_code_name = lambda *given: f"<answer {name}>"
        result = self.shell.run_cell(code)
        if error := result.error_before_exec or result.error_in_exec:
            raise error
        return ["done"]

    def do_names(self, wanted: list[str]) -> list:
        """What some names mean, or what is wrong with it."""
        found = {}
        for name in wanted:
            value = self.names.get(name, sys)
            if not isinstance(value, ModuleType):
                try:
                    found[name] = ["value", pack(value, self.stand_for)]
                except (Foreign, RecursionError) as error:
                    found[name] = ["strange", strange(value, f"{name} is") or str(error)]
        return ["names", found]

    def do_call(self, call: int, number: int, allowed, gradients: bool, given) -> list:
        """Call a function. allowed: None, or the package's functions that it may call."""
        self.graphs[call] = inputs, outputs = [], []
        args, kwargs = unpack(given, self.meaning, lambda t: inputs.append(t.requires_grad_()) or t)
        function, torch = self.mine[number], sys.modules.get("torch")
        try:
            with torch.set_grad_enabled(gradients) if torch else nullcontext():
                watched = function if allowed is None else your_own(function, tuple(allowed))
                value = watched(*args, **kwargs)
        finally:
            with suppress(Foreign, RecursionError):
                after = pack([args, kwargs], self.stand_for)
                self.after = after if after != given else None
        said = strange(value, f"{getattr(function, '__name__', 'your function')} gives back")
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

    def stand_in(self, kind: str, number: int, told: object) -> object:
        """What stands for a function or an object that a check has passed in."""
        if kind == "namespace":
            return SimpleNamespace(**told)
        if kind == "encoding":
            return __import__("tiktoken").Encoding(**told)
        return super().stand_in(kind, number, told)


def main() -> None:
    """Carry out orders until there are no more."""
    box.watch_over()
    incoming, outgoing = take_pipes()
    os.makedirs(os.environ["HOME"], exist_ok=True)
    os.chdir(os.environ["HOME"])
    box.limit()
    student = Student(os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb"))
    with suppress(Over):
        while True:
            student.serve(student.receive())


if __name__ == "__main__":
    main()
