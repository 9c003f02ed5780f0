"""Messages between the grader and a student's code: plain values alone, each message a line.

A value goes as JSON, with the name of its type before it. Nothing in it can name another class or
hold code: whatever was sent, `unpack` makes Python's own types, arrays and tensors, or it is Over.
"""

import builtins
import json
import math
import os
import re
import sys
import traceback
from base64 import b64decode, b64encode
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import BinaryIO

LARGEST = 64 * 2**20  # bytes of a message
MANY = {kind.__name__: kind for kind in (list, tuple, set, frozenset)}
DICTS = {kind.__name__: kind for kind in (dict, Counter, OrderedDict, defaultdict)}
ENDED = "it ended Python itself: a crash, an exit in the code, or no memory left"
GARBLED = "it wrote into the grader's messages, and was stopped"
PARTS = {complex: ("real", "imag"), range: ("start", "stop", "step")}
ARRAYS = re.compile(r"[<>|][biufcSU]\d{1,9}")  # NumPy's names of types of numbers and texts


class Foreign(TypeError):
    """A value of a type that cannot travel; `kind` is the type."""

    def __init__(self, kind: type, what: str = "") -> None:
        super().__init__(what or kind.__name__)
        self.kind = kind


class Over(BaseException):
    """The other side has ended, or wrote what no honest side writes. No check can catch it."""


def pack(value: object, other: Callable | None = None, tensors: list | None = None) -> object:
    """A value as JSON can hold it; Foreign if it, or what it holds, cannot travel.

    other: makes a plain value of one that cannot travel, or None. tensors: gets those that have a
    gradient, in order.
    """
    kind, numpy, torch = type(value), sys.modules.get("numpy"), sys.modules.get("torch")
    again = partial(pack, other=other, tensors=tensors)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind in MANY.values():
        return [kind.__name__, *map(again, value)]
    if kind in DICTS.values():
        return [kind.__name__, *(again(part) for item in value.items() for part in item)]
    if kind is bytes:
        return ["bytes", b64encode(value).decode()]
    if kind in (complex, range, type(...)):
        return [kind.__name__, *(getattr(value, part) for part in PARTS.get(kind, ()))]
    if torch and kind is torch.Tensor and not vars(value):  # no method of its own
        with suppress(TypeError):  # a kind of tensor that NumPy has not
            found = value.detach().cpu().resolve_conj().resolve_neg()
            packed = again((found.float() if found.dtype == torch.bfloat16 else found).numpy())
            if value.requires_grad and tensors is not None:
                tensors.append(value)
            return ["tensor", packed, value.requires_grad]
    elif numpy and (kind is numpy.ndarray or kind in numpy.sctypeDict.values()):
        array = numpy.asarray(value)
        if array.dtype.hasobject:
            return again(array.tolist())
        if ARRAYS.fullmatch(array.dtype.str):
            data = b64encode(array.tobytes()).decode()
            return ["array", array.dtype.str, [*array.shape], data, kind is numpy.ndarray]
    found = other(value) if other else None
    if found is None:
        raise Foreign(kind)
    return ["other", again(found)]


def unpack(data: object, other: Callable | None = None, tensor: Callable | None = None) -> object:
    """The value of what `pack` made; Over if it is none.

    other: makes a value of what stands for one, or there is none. tensor: takes each tensor that
    had a gradient, and gives the one to use.
    """
    try:
        return made(data, other, tensor)
    except Exception:  # whatever a library says of it
        raise Over(GARBLED) from None


def made(data: object, other: Callable | None, tensor: Callable | None) -> object:
    if data is None or type(data) in (bool, int, float, str):
        return data
    kind, *rest = data
    if kind == "array":
        return made_array(*rest)
    if kind == "tensor":
        import torch

        found = torch.from_numpy(made(rest[0], other, tensor))
        return tensor(found) if rest[1] and tensor else found
    if kind in ("bytes", "complex", "range", "ellipsis"):
        simple = {"bytes": b64decode, "complex": complex, "range": range}
        return simple.get(kind, lambda: ...)(*rest)
    parts = [made(part, other, tensor) for part in rest]
    if kind in MANY:
        return MANY[kind](parts)
    if kind == "other":
        return other(*parts)
    items = dict(zip(parts[::2], parts[1::2], strict=True))
    return defaultdict(None, items) if kind == "defaultdict" else DICTS[kind](items)


def made_array(name: str, shape: list, data: str, array: bool):
    import numpy

    if not ARRAYS.fullmatch(name):
        raise ValueError("no type of numbers or texts")
    dtype = numpy.dtype(name)
    if dtype.itemsize:
        found = numpy.frombuffer(b64decode(data), dtype).reshape(shape).copy()
        found = found.view("u1") != 0 if dtype.char == "?" else found  # no truth beside two
    else:  # texts without a letter
        found = numpy.zeros(shape if math.prod(shape) < LARGEST else 0, dtype)
    return found if array else found[()]


# ---- two sides ------------------------------------------------------------------------------


class Function:
    """A function of the other side. allowed: None, or it is watched there (see your_own)."""

    def __init__(self, side: "Side", number: int, name: str, allowed: tuple | None = None) -> None:
        self.side, self.number, self.allowed = side, number, allowed
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args, **kwargs):
        return self.side.call(self, [list(args), kwargs])

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class Side:
    """One of the two that speak over pipes, a line a message: each calls the other's functions.

    While one waits for a reply it serves the other's orders, so calls may go to and fro.
    """

    served: type[BaseException] = BaseException  # what becomes a reply

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self.incoming, self.outgoing = incoming, outgoing
        self.mine: list = []  # by number: what the other side may ask for
        self.theirs: dict[int, object] = {}  # by number: what stands here for the other side's

    def send(self, *message: object) -> None:
        line = json.dumps(message).encode() + b"\n"
        if len(line) > LARGEST:
            raise Foreign(list, f"what takes more than {LARGEST >> 20} MB")
        try:
            self.outgoing.write(line)
            self.outgoing.flush()
        except OSError:
            raise Over(ENDED) from None

    def receive(self) -> list:
        """The next message: a word and what belongs to it."""
        line = self.incoming.readline(LARGEST)
        if not line.endswith(b"\n"):
            raise Over(ENDED)
        with suppress(ValueError, RecursionError):
            found = json.loads(line)
            if type(found) is list and found and type(found[0]) is str:
                return found
        raise Over(GARBLED)

    def serve(self, order: list) -> None:
        try:
            reply = getattr(self, f"do_{order[0]}")(*order[1:])
        except self.served as error:
            reply = explain(error)
        try:
            self.send("reply", *reply)
        except (Foreign, ValueError) as error:  # too large
            self.send("reply", *explain(error))

    def ask(self, *order: object) -> list:
        """The reply to an order; what it tells of as an error is raised."""
        self.send(*order)
        while (message := self.receive())[0] != "reply":
            self.serve(message)
        if message[1] == "error":
            raise error_like(*message[2:])
        return message[1:]

    def call(self, function: Function, given: list) -> object:
        return unpack(self.ask("call", function.number, pack(given, self.stand_for))[1])

    def stand_for(self, value: object) -> list | None:
        """What goes in place of a function, or of what the other side has passed in."""
        known = next((n for n, other in self.theirs.items() if other is value), None)
        if known is not None:
            return ["yours", known]
        name = getattr(value, "__name__", "function")
        return ["function", self.number(value), str(name)] if callable(value) else None

    def number(self, value: object) -> int:
        found = next((n for n, mine in enumerate(self.mine) if mine is value), len(self.mine))
        self.mine += [value] if found == len(self.mine) else []
        return found

    def meaning(self, told: list) -> object:
        """What such a thing stands for."""
        kind, number, *more = told
        if kind == "yours":
            return self.mine[number]
        if number not in self.theirs:
            self.theirs[number] = self.stand_in(kind, number, *more)
        return self.theirs[number]

    def stand_in(self, kind: str, number: int, name: str) -> object:
        return Function(self, number, str(name))


def explain(error: BaseException) -> list:
    """["error", Python's names of its kind, arguments, text, its own name, line of the answer]."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename[:7] == "<answer"]
    line, args, text = (lines[-1].lineno if lines else None), None, "an error that cannot be shown"
    with suppress(BaseException):
        text = str(error)
        if isinstance(error, SyntaxError):
            line, text = error.lineno, str(error.msg)
        else:
            args = pack(list(error.args))
    kinds = [k.__name__ for k in type(error).__mro__ if k.__module__ == "builtins"]
    return ["error", kinds, args, text[:2000], type(error).__name__, line]


def error_like(kinds: list[str], args: object, text: str, name: str, line: int | None):
    """An error of the first of Python's own kinds that can be made so; `told` has the rest."""
    made = Exception(text)
    for kind in kinds:
        known = getattr(builtins, kind, None)
        if isinstance(known, type) and issubclass(known, BaseException):
            with suppress(Exception):
                made = known(*([text] if args is None else unpack(args)))
                break
    if isinstance(made, (StopIteration, StopAsyncIteration)):  # it would end a loop of the check
        made = RuntimeError(f"{name} was raised")
    line = line if type(line) is int else None
    made.told = {"kind": str(name)[:100], "text": str(text)[:2000], "line": line}
    return made


def take_pipes() -> tuple[int, int]:
    """This process's standard input and output, which from now on are nobody's."""
    pipes, nowhere = (os.dup(0), os.dup(1)), os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return pipes
