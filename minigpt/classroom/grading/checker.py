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

from minigpt.classroom.grading import box, wire
from minigpt.classroom.grading import your_own as watch
from minigpt.classroom.grading.wire import GARBLED, Foreign, Function, Over, Side, pack, unpack

GIVEN = ("check_passed", "trial_random", "your_own")  # an answer leaves these names alone


class Grader(Side):
    """This side: the student's is a process that it starts."""

    served = Exception

    def __init__(self, command: list[str], environment: dict) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.child = subprocess.Popen(command, env=environment, **pipes)
        super().__init__(self.child.stdout, self.child.stdin)
        self.calls, self.after = 0, None

    def receive(self) -> list:
        """The next message; of a reply, what was printed and what is new of the arguments go."""
        message = super().receive()
        try:
            if message[0] == "reply":
                *message, printed, self.after = message
                sys.stdout.write(printed)
            elif message[0] != "call":
                raise ValueError
            return message
        except (ValueError, TypeError):
            raise Over(GARBLED) from None

    def do_call(self, number: int, given: object) -> list:
        """Call a function that a check has passed in."""
        args, kwargs = unpack(given, self.meaning)
        return ["value", pack(self.mine[number](*args, **kwargs), self.stand_for)]

    def call(self, function: Function, given: list) -> object:
        self.calls += 1
        torch, inputs, flagged, call = sys.modules.get("torch"), [], [], self.calls
        try:
            packed = pack(given, self.stand_for, inputs)
        except Foreign as error:
            said = f"the check passes {function.__name__} something that cannot travel: {error}"
            raise TypeError(said) from None
        gradients = torch is None or torch.is_grad_enabled()
        try:
            data = self.ask("call", call, function.number, function.allowed, gradients, packed)[1]
        finally:
            self.renew(given)
        value = unpack(data, tensor=lambda found: flagged.append(found) or found)
        if not flagged:
            return value
        found = iter(connected(self, call, flagged, inputs))
        return unpack(data, tensor=lambda tensor: next(found))

    def renew(self, given: list) -> None:
        """Let what a check passed in become what the student's function made of it."""
        after, self.after = self.after, None
        args, kwargs = unpack(after, other=self.meaning) if after else ([], {})
        for old, new in [*zip(given[0], args), *((given[1][key], kwargs[key]) for key in kwargs)]:
            if type(old) is not type(new):
                continue
            if isinstance(old, list):
                old[:] = new
            elif isinstance(old, (dict, set)):
                old.clear()
                old.update(new)
            elif hasattr(old, "__setitem__") and old.shape == new.shape:
                (old.detach() if hasattr(old, "detach") else old)[...] = new

    def stand_for(self, value: object) -> list | None:
        tiktoken = sys.modules.get("tiktoken")
        if isinstance(value, SimpleNamespace):
            return ["namespace", self.number(value), vars(value)]
        if tiktoken and isinstance(value, tiktoken.Encoding):
            parts = ("pat_str", "mergeable_ranks", "special_tokens")
            told = {"name": value.name} | {part: getattr(value, f"_{part}") for part in parts}
            return ["encoding", self.number(value), told]
        return super().stand_for(value)


def connected(side: Grader, call: int, outputs: list, inputs: list) -> list:
    """The outputs of a call, with a way back to its inputs through the student's side."""
    import torch

    class Remote(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *given):
            return tuple(outputs)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, *gradients):
            found = unpack(side.ask("backward", call, pack([*gradients]))[1])
            return tuple(one if one is None else one.reshape(its.shape)
                         for one, its in zip(found, inputs, strict=True))  # fmt: skip

    return [*Remote.apply(*inputs)] if inputs else [one.requires_grad_() for one in outputs]


class Checks:
    """The names of a notebook's checks, which later checks may use."""

    def __init__(self, side: Grader) -> None:
        self.side, self.theirs, self.original = side, {}, watch.your_own
        watch.your_own = self.your_own
        self.names = {"__name__": "__main__"} | {name: getattr(watch, name) for name in GIVEN}

    def your_own(self, function: Callable, allowed: tuple[str, ...] = ()) -> Callable:
        if not isinstance(function, Function):
            return self.original(function, allowed)
        return Function(self.side, function.number, function.__name__, tuple(allowed))

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
        found = self.side.ask("names", wanted)[1]
        if type(found) is not dict:
            raise Over(GARBLED)
        for name in wanted:
            self.names.pop(name, None)
            kind, value = found.get(name, ("missing", None))
            if kind == "strange":
                assert name not in answers, str(value)
            elif kind != "missing":
                value = unpack(value, other=self.function)
                self.names[name] = self.theirs[name] = value

    def function(self, told: list) -> Function:
        """The stand-in of a student's function; nothing of the check's own comes back as one."""
        if told[0] != "function":
            raise Over(GARBLED)
        return self.side.meaning(told)


def carry_out(order: dict, side: Grader, checks: Checks) -> dict:
    """One order's reply: None or what went wrong, or that it is all over."""
    try:
        if order["do"] == "import":  # both sides at a time
            side.send("import", order["lines"], False)
            for line in order["lines"]:
                with contextlib.suppress(Exception):
                    exec(line, {})
            side.receive()
        elif order["do"] == "run":
            side.ask("run", order["name"], order["code"])
        else:
            checks.check(order["code"], order["answers"], order["imports"])
    except Over as end:
        return {"over": str(end)}
    except BaseException as error:  # also SystemExit and KeyboardInterrupt of the submitted code
        told = {"kind": type(error).__name__, "text": str(error)[:2000], "line": None}
        return {"error": told | getattr(error, "told", {})}
    return {"error": None}


def main() -> None:
    """Carry out orders until there are no more."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: it ends with whoever grades
    incoming, outgoing = wire.take_pipes()  # what checks print is nobody's reply
    orders = os.fdopen(incoming, encoding="utf-8")
    replies = os.fdopen(outgoing, "w", encoding="utf-8")
    sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="replace")
    side = Grader(**json.loads(orders.readline()))
    box.limit()  # of this process alone: the other side sets its own
    checks = Checks(side)
    for line in orders:
        print(json.dumps(carry_out(json.loads(line), side, checks)), file=replies, flush=True)


if __name__ == "__main__":
    main()
