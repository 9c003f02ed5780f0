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
from minigpt.classroom.grading.student import error_like, explain
from minigpt.classroom.grading.wire import Channel, Foreign, Malformed, pack, unpack

GIVEN = ("check_passed", "trial_random", "your_own")  # an answer leaves these names alone
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
        return self._side.call(self, [list(args), kwargs])

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class Side:
    """The student's side, as this process speaks with it."""

    def __init__(self, command: list[str], environment: dict) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.child = subprocess.Popen(command, env=environment, **pipes)
        self.channel = Channel(self.child.stdout, self.child.stdin)
        self.calls, self.passed_in = 0, []

    def ask(self, *order) -> list:
        """(what a call made of its arguments, the reply), after what was asked in between."""
        try:
            self.channel.send(*order)
            while (message := self.channel.receive())[0] == "callback":
                self.channel.send("answer", *self.called_back(*message[1:]))
            _, printed, after, *reply = message
            sys.stdout.write(printed)
            if reply[0] != "error":
                return [after, *reply]
            error = error_like(*reply[1:])
            error.told = {"text": reply[3], "kind": reply[4], "line": reply[5]}
        except (EOFError, OSError):
            raise Over(ENDED) from None
        except (Malformed, TypeError, ValueError, LookupError):
            raise Over(GARBLED) from None
        if isinstance(error, (StopIteration, StopAsyncIteration)):  # it would end a check's loop
            error = RuntimeError(f"{reply[4]} was raised")
        error.after = after
        raise error

    def call(self, function: StandIn, given: list) -> object:
        self.calls += 1
        torch, inputs, flagged, call = sys.modules.get("torch"), [], [], self.calls
        try:
            packed = pack(given, self.stand_for, inputs)
        except Foreign as error:
            said = f"the check passes {function.__name__} something that cannot travel: {error}"
            raise TypeError(said) from None
        gradients = torch is None or torch.is_grad_enabled()
        order = (call, function._number, function.__name__, function._allowed, gradients, packed)
        try:
            after, _, data = self.ask("call", *order)
        except BaseException as error:
            self.renew(given, getattr(error, "after", None))
            raise
        self.renew(given, after)
        value = self.readable(data, tensor=lambda found: flagged.append(found) or found)
        if not flagged:
            return value
        found = iter(connected(self, call, flagged, inputs))
        return self.readable(data, tensor=lambda tensor: next(found))

    def readable(self, data: object, **options) -> object:
        try:
            return unpack(data, **options)
        except Malformed:
            raise Over(GARBLED) from None

    def renew(self, given: list, after: object) -> None:
        """Let what a check passed in become what the student's function made of it."""
        if after is None:
            return
        args, kwargs = self.readable(after, other=lambda told: self.passed_in[told[1]])
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        pairs = [*zip(given[0], args), *((given[1][key], kwargs[key]) for key in given[1])]
        for old, new in pairs:
            if type(old) is not type(new):
                continue
            if isinstance(old, list):
                old[:] = new
            elif isinstance(old, (dict, set)):
                old.clear()
                old.update(new)
            elif torch and isinstance(old, torch.Tensor) and old.shape == new.shape:
                old.data.copy_(new)
            elif numpy and isinstance(old, numpy.ndarray) and old.shape == new.shape:
                old[...] = new

    def stand_for(self, value: object) -> list | None:
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
            parts = {part: getattr(value, f"_{part}")
                     for part in ("pat_str", "mergeable_ranks", "special_tokens")}  # fmt: skip
            return ["encoding", number, {"name": value.name, **parts}]
        return ["function", number, getattr(value, "__name__", "function")]

    def called_back(self, number: int, given: object) -> list:
        """A call of a function that a check has passed in."""
        args, kwargs = unpack(given, other=lambda told: self.passed_in[told[1]])
        try:
            return ["value", pack(self.passed_in[number](*args, **kwargs), self.stand_for)]
        except Exception as error:
            return explain(error)


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
            found = side.readable(side.ask("backward", call, pack([*gradients]))[-1])
            return tuple(one if one is None else one.reshape(its.shape)
                         for one, its in zip(found, inputs, strict=True))  # fmt: skip

    return [*Remote.apply(*inputs)] if inputs else [one.requires_grad_() for one in outputs]


class Checks:
    """The names of a notebook's checks, which later checks may use."""

    def __init__(self, side: Side) -> None:
        self.side, self.theirs, self.original = side, {}, watch.your_own
        watch.your_own = self.your_own
        self.names = {"__name__": "__main__"} | {name: getattr(watch, name) for name in GIVEN}

    def your_own(self, function: Callable, allowed: tuple[str, ...] = ()) -> Callable:
        if not isinstance(function, StandIn):
            return self.original(function, allowed)
        return StandIn(function._side, function._number, function.__name__, tuple(allowed))

    def check(self, code: str, answers: list[str], imports: list[str]) -> None:
        """Run a check statement by statement. answers: the names that its answer defines."""
        tree = ast.parse(code)
        for line in imports:
            exec(line, self.names)
        self.fetch(tree, answers)
        for statement in tree.body:
            try:
                exec(compile(ast.Module([statement], []), "<check>", "exec"), self.names)
            except AssertionError as error:
                if not str(error):
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
        own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        own |= {name for name in self.names if self.names[name] is not self.theirs.get(name)}
        wanted = sorted(loaded & {*answers} | loaded - own - {*vars(builtins)})
        found = self.side.ask("names", wanted)[-1]
        if type(found) is not dict:
            raise Over(GARBLED)
        for name in wanted:
            self.names.pop(name, None)
            kind, value = found.get(name, ("missing", None))
            if kind == "strange":
                assert name not in answers, str(value)
            elif kind != "missing":
                function = StandIn(self.side, value, name)
                value = function if kind == "function" else self.side.readable(value)
                self.names[name] = self.theirs[name] = value


def carry_out(order: dict, side: Side, checks: Checks) -> dict:
    """One order's reply: None or what went wrong, or that it is all over."""
    try:
        if order["do"] == "import":  # both sides at a time
            side.channel.send("import", order["lines"], False)
            for line in order["lines"]:
                with contextlib.suppress(Exception):
                    exec(line, {})
            side.channel.receive()
        elif order["do"] == "run":
            side.ask("run", order["name"], order["code"])
        else:
            checks.check(order["code"], order["answers"], order["imports"])
    except Over as end:
        return {"over": str(end)}
    except (EOFError, BrokenPipeError):
        return {"over": ENDED}
    except BaseException as error:  # also SystemExit and KeyboardInterrupt of the submitted code
        told = {"kind": type(error).__name__, "text": str(error)[:2000], "line": None}
        return {"error": told | getattr(error, "told", {})}
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
