"""The grader's side: checks run here, in a process that no submitted code shares.

What a check knows of an answer are stand-ins: a call of one asks the student's side (student.py,
in a box) and gets plain values, what was printed, or an error of Python's own kinds. Tensors with
gradients stay connected: their way back asks the student's side as well.
"""

import ast
import builtins
import contextlib
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

from minigpt.classroom.grading import box
from minigpt.classroom.grading import your_own as watch
from minigpt.classroom.grading.student import error_like
from minigpt.classroom.grading.wire import DICTS, Channel, Foreign, Malformed, Writer, decode

GIVEN = ("check_passed", "trial_random", "your_own")  # an answer leaves these names alone
KEPT = object()  # in place of what a check has passed in and only it can have changed
ENDED = "it ended Python itself: a crash, or an exit in the code"
GARBLED = "it wrote into the grader's messages, and was stopped"


class Over(BaseException):
    """The student's side has ended; no check can catch it."""


class StandIn:
    """A student's function as a check sees it. allowed: None, or it is watched (see your_own)."""

    def __init__(self, side: "Side", number: int, name: str, allowed: tuple | None = None) -> None:
        self._side, self._number, self._allowed = side, number, allowed
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args, **kwargs):
        __tracebackhide__ = True
        return self._side.call(self, args, kwargs)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class Side:
    """The student's side, as this process speaks with it."""

    def __init__(self, command: list[str], environment: dict, folder: str) -> None:
        self.child = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.channel = Channel(self.child.stdout, self.child.stdin)
        self.calls, self.passed_in = 0, []

    def ask(self, *order) -> list:
        """The reply to an order, after what it asked in between. Over if there will be none."""
        try:
            self.channel.send(*order)
            while True:
                kind, *rest = self.channel.receive()
                if kind == "reply":
                    sys.stdout.write(rest[-1])
                    return rest[:-1]
                if kind != "callback":
                    raise Malformed("no reply")
                self.channel.send("answer", *self.called_back(*rest))
        except (EOFError, OSError):
            raise Over(ENDED) from None
        except (Malformed, TypeError, ValueError, LookupError):
            raise Over(GARBLED) from None

    def call(self, function: StandIn, args: tuple, kwargs: dict) -> object:
        self.calls += 1
        call, torch, writer = self.calls, sys.modules.get("torch"), Writer(self.pack)
        given = [list(args), kwargs]
        try:
            writer.put(given)
        except Foreign as error:
            said = f"the check passes {function.__name__} something that cannot travel: {error}"
            raise TypeError(said) from None
        gradients = torch is None or torch.is_grad_enabled()
        *reply, after = self.ask("call", call, function._number, function.__name__,
                                 function._allowed, gradients, bytes(writer.out))  # fmt: skip
        if after:
            merged(given, readable(after, other=lambda told: KEPT))
        data = value_in(reply)
        flagged: list = []
        value = readable(data, tensor=lambda found: flagged.append(found) or found)
        if not flagged:
            return value
        if inputs := writer.tensors:
            flagged = connected(self, call, flagged, inputs)
        else:
            flagged = [tensor.requires_grad_() for tensor in flagged]
        ready = iter(flagged)
        return readable(data, tensor=lambda found: next(ready))

    def pack(self, value: object) -> list | None:
        """What stands for a function or an object that a check passes in."""
        tiktoken = sys.modules.get("tiktoken")
        encoding = tiktoken and isinstance(value, tiktoken.Encoding)
        if isinstance(value, StandIn):
            return ["yours", value._number]
        if not (callable(value) or encoding or isinstance(value, SimpleNamespace)):
            return None
        number = next((n for n, known in enumerate(self.passed_in) if known is value), None)
        if number is not None:
            return ["known", number]
        self.passed_in.append(value)
        number = len(self.passed_in) - 1
        if isinstance(value, SimpleNamespace):
            return ["namespace", number, vars(value)]
        if encoding:
            parts = ("name", "pat_str", "mergeable_ranks", "special_tokens")
            own = [getattr(value, part if part == "name" else f"_{part}") for part in parts]
            return ["encoding", number, dict(zip(parts, own))]
        return ["function", number, getattr(value, "__name__", "function")]

    def called_back(self, number: int, given: bytes) -> tuple:
        """A call of a function that a check has passed in."""
        args, kwargs = decode(given, other=lambda told: self.passed_in[told[0]])
        try:
            value, writer = self.passed_in[number](*args, **kwargs), Writer(self.pack)
            writer.put(value)
            return "value", bytes(writer.out)
        except Exception as error:
            return "error", [kind.__name__ for kind in type(error).__mro__], str(error)


def value_in(reply: list) -> bytes:
    """What a reply holds; the error that it tells of is raised."""
    if reply[0] == "value":
        return reply[1]
    kinds, name, args, text, line = reply[1:]
    args = readable(args) if args else [text]
    error = error_like(kinds, args, text)
    if isinstance(error, (StopIteration, StopAsyncIteration)):  # it would end a loop of the check
        error = RuntimeError(f"{name} was raised")
    error.told = {"kind": name, "text": text, "line": line}
    raise error


def readable(data: bytes, **options) -> object:
    try:
        return decode(data, **options)
    except (Malformed, TypeError):
        raise Over(GARBLED) from None


def merged(old: object, new: object) -> object:
    """Let what a check passed in become what the student's function made of it."""
    kind, torch, numpy = type(old), sys.modules.get("torch"), sys.modules.get("numpy")
    if new is KEPT or kind is not type(new):
        return old if new is KEPT else new
    if kind is list:
        old[:] = [merged(a, b) for a, b in zip(old, new)] + new[len(old) :]
    elif kind is tuple:
        for a, b in zip(old, new):
            merged(a, b)
    elif kind in DICTS:
        items = {key: merged(old[key], b) if key in old else b for key, b in new.items()}
        old.clear()
        old.update(items)
    elif kind is set:
        old.clear()
        old.update(new)
    elif torch and kind is torch.Tensor and old.shape == new.shape and old.dtype == new.dtype:
        old.data.copy_(new)
    elif numpy and kind is numpy.ndarray and old.shape == new.shape and old.flags.writeable:
        old[...] = new
    else:
        return new
    return old


def connected(side: Side, call: int, outputs: list, inputs: list) -> list:
    """The outputs of a call, with a way back to its inputs through the student's side."""
    import torch

    class Remote(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *given):
            return tuple(outputs)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, *gradients):
            found = readable(value_in(side.ask("backward", call, [*gradients])))
            for one, its in zip(found, inputs, strict=True):
                assert one is None or one.shape == its.shape, "a gradient of another shape"
            return tuple(found)

    return [*Remote.apply(*inputs)]


class Checks:
    """The names of a notebook's checks, which later checks may use."""

    def __init__(self, side: Side) -> None:
        self.side, self.theirs = side, {}
        self.names = {"__name__": "__main__"}
        self.original = watch.your_own, watch.check_passed
        watch.your_own, watch.check_passed = self.your_own, self.check_passed
        self.given = {name: getattr(watch, name) for name in GIVEN}

    def your_own(self, function: Callable, allowed: tuple[str, ...] = ()) -> Callable:
        if not isinstance(function, StandIn):
            return self.original[0](function, allowed)
        return StandIn(function._side, function._number, function.__name__, tuple(allowed))

    def check_passed(self, function: Callable) -> None:
        if isinstance(function, StandIn):
            self.side.ask("passed", function._number)
        self.original[1](function)

    def check(self, code: str, answers: list[str], imports: list[str]) -> None:
        """Run a check statement by statement. answers: the names that its answer defines."""
        tree = ast.parse(code)
        for line in imports:
            exec(line, self.names)
        self.names.update(self.given)
        self.fetch(tree, answers)
        for statement in tree.body:
            try:
                exec(compile(ast.Module([statement], []), "<check>", "exec"), self.names)
            except BaseException as error:
                if isinstance(error, AssertionError) and not str(error):
                    error.args = (f"this is not so: {ast.unparse(statement)}",)
                raise
        lines = [ast.unparse(s) for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom))]
        with contextlib.suppress(Over):  # later cells may use them, as in Jupyter
            self.side.ask("import", lines, True)

    def fetch(self, tree: ast.Module, answers: list[str]) -> None:
        """Get the answer's names, and others that only the student's side may have."""
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        loaded = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
        own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} - {*answers}
        mine = {name for name in self.names if self.names[name] is not self.theirs.get(name)}
        wanted = sorted(loaded & {*answers} | loaded - own - mine - {*vars(builtins), *GIVEN})
        found = self.side.ask("names", wanted)[-1]
        if type(found) is not dict:
            raise Over(GARBLED)
        for name in wanted:
            self.names.pop(name, None)
            kind, value = found.get(name, ("missing", None))
            if kind == "strange":
                assert name not in answers, str(value)
            elif kind != "missing":
                value = StandIn(self.side, value, name) if kind == "function" else readable(value)
                self.names[name] = self.theirs[name] = value


def explain(error: BaseException) -> dict:
    """An error as the learner needs it: its kind, what it says, and the line of the answer."""
    told = {"kind": type(error).__name__, "text": str(error)[:2000], "line": None}
    return told | getattr(error, "told", {})


def carry_out(order: dict, side: Side, checks: Checks) -> dict:
    """One order's reply: an error or None, or that it is all over."""
    try:
        if order["do"] == "import":  # both sides at a time
            side.channel.send("import", order["lines"], False)
            for line in order["lines"]:
                with contextlib.suppress(Exception):
                    exec(line, {})
            side.channel.receive()
        elif order["do"] == "run":
            reply = side.ask("run", order["name"], order["code"])
            if reply[0] == "error":
                value_in(reply)
        else:
            checks.check(order["code"], order["answers"], order["imports"])
    except Over as end:
        return {"over": str(end)}
    except (EOFError, OSError, Malformed):
        return {"over": ENDED}
    except BaseException as error:  # also SystemExit and KeyboardInterrupt of the submitted code
        return {"error": explain(error)}
    return {"error": None}


def main() -> None:
    """Carry out orders until there are no more."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: it ends with whoever grades
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for channel in (0, 1, 2):  # what checks print is nobody's reply
        os.dup2(nowhere, channel)
    sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="replace")
    box.limit()
    side = Side(**json.loads(orders.readline()))
    checks = Checks(side)
    for line in orders:
        print(json.dumps(carry_out(json.loads(line), side, checks)), file=replies, flush=True)


if __name__ == "__main__":
    main()
