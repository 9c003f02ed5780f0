"""Messages between the grader and a student's code: plain values alone, each with its length.

A value is written as a letter for its type and its content. Nothing in it names a class or holds
code: whatever was sent, `decode` makes Python's own types, arrays and tensors of it, or Malformed.
"""

import math
import struct
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import BinaryIO

LARGEST = 64 * 2**20  # bytes of a message
SEQUENCES = {list: b"l", tuple: b"t", set: b"S", frozenset: b"Z"}
DICTS = {dict: b"d", Counter: b"C", OrderedDict: b"O", defaultdict: b"D"}
SINGLE = {type(None): b"N", type(...): b"E", int: b"i", float: b"f", complex: b"c", str: b"s",
          bytes: b"b", bool: b"?", range: b"r"}  # fmt: skip
MADE = {letter: kind for kinds in (SEQUENCES, DICTS) for kind, letter in kinds.items()}
OTHER = b"X"  # a value that only the receiver's `other` can make: a function, say
KINDS = "?bBhHiIlLqQefdgFDSU"  # NumPy's types of numbers and texts
DTYPES = {"bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
          "float64", "complex64", "complex128"}  # fmt: skip


class Foreign(TypeError):
    """A value that cannot travel; its argument is the type's name."""


class Malformed(ValueError):
    """A message that no honest side has written."""


# ---- values ---------------------------------------------------------------------------------


class Writer:
    """Writes values. other: makes a value that can travel of one that cannot, or None.

    `tensors` are those with a gradient, in order.
    """

    def __init__(self, other: Callable | None = None) -> None:
        self.out, self.other, self.tensors = bytearray(), other, []

    def data(self, letter: bytes, data: bytes) -> None:
        self.out += letter + struct.pack("<Q", len(data)) + data

    def put(self, value: object) -> None:
        kind, torch, numpy = type(value), sys.modules.get("torch"), sys.modules.get("numpy")
        if kind in SINGLE:
            self.data(SINGLE[kind], single(value, kind))
        elif kind in SEQUENCES or kind in DICTS:
            items = list(value.items() if kind in DICTS else value)
            self.out += (SEQUENCES.get(kind) or DICTS[kind]) + struct.pack("<Q", len(items))
            for item in items:
                for part in item if kind in DICTS else (item,):
                    self.put(part)
        elif torch and kind is torch.Tensor and not vars(value):
            self.tensor(value, torch)
        elif numpy and kind is numpy.ndarray and value.dtype.hasobject:
            self.out += b"o"
            self.put([*value.shape])
            self.put(value.ravel().tolist())
        elif numpy and (kind is numpy.ndarray or kind in numpy.sctypeDict.values()):
            array = numpy.asarray(value)
            if array.dtype.char not in KINDS:
                raise Foreign(f"{kind.__name__} of {array.dtype}")
            self.out += b"a" if kind is numpy.ndarray else b"n"
            self.put([array.dtype.str, *array.shape])
            self.data(b"b", array.tobytes())
        else:
            found = self.other(value) if self.other else None
            if found is None:
                raise Foreign(kind.__name__)
            self.out += OTHER
            self.put(found)

    def tensor(self, value, torch) -> None:
        name = str(value.dtype).removeprefix("torch.")
        if name not in DTYPES or value.layout != torch.strided or value.device.type != "cpu":
            raise Foreign(f"Tensor ({name})")
        if value.requires_grad:
            self.tensors.append(value)
        self.out += b"x"
        self.put([name, value.requires_grad, *value.shape])
        flat = value.detach().resolve_conj().resolve_neg().contiguous().view(-1)
        self.data(b"b", flat.view(torch.uint8).numpy().tobytes())


def single(value, kind: type) -> bytes:
    if kind is int:
        return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if kind is float:
        return struct.pack("<d", value)
    if kind is complex:
        return struct.pack("<2d", value.real, value.imag)
    if kind is str:
        return value.encode("utf-8", "surrogatepass")
    if kind is range:
        return b" ".join(str(n).encode() for n in (value.start, value.stop, value.step))
    return bytes(value) if kind in (bytes,) else b"1" if value is True else b""


def encode(value: object, other: Callable | None = None) -> bytes:
    """A value as bytes. Foreign for a type that cannot travel, and for a value that holds itself
    or is nested too deeply."""
    writer = Writer(other)
    try:
        writer.put(value)
    except RecursionError:
        raise Foreign("something that holds itself, or is nested too deeply") from None
    return bytes(writer.out)


class Reader:
    """Reads values. other: makes a value of what stands for one of another type, or there is none.
    tensor: takes each tensor that had a gradient, and gives the one to use."""

    def __init__(self, data: bytes, other: Callable | None, tensor: Callable | None) -> None:
        self.data, self.at, self.other, self.tensor = data, 0, other, tensor

    def take(self, n: int) -> bytes:
        self.at += n
        if n < 0 or self.at > len(self.data):
            raise Malformed("it ends too early")
        return self.data[self.at - n : self.at]

    def get(self) -> object:
        letter = self.take(1)
        if letter == OTHER and self.other:
            return self.other(self.get())
        if letter == b"o":
            import numpy

            shape, items = self.plain(list), self.plain(list)
            array = numpy.empty(len(items), object)
            array[:] = items
            return array.reshape(shape)
        if letter in (b"a", b"n"):
            return self.array(letter)
        if letter == b"x":
            return self.torch()
        n = struct.unpack("<Q", self.take(8))[0]
        if letter not in MADE:
            return value_of(letter, self.take(n))
        if n > len(self.data) - self.at:
            raise Malformed("it promises more than it holds")
        made = MADE[letter]
        if made not in DICTS:
            return made([self.get() for _ in range(n)])
        items = {self.get(): self.get() for _ in range(n)}
        return made(None, items) if made is defaultdict else made(items)

    def plain(self, kind: type):
        found = self.get()
        if type(found) is not kind:
            raise Malformed(f"it should be a {kind.__name__}")
        return found

    def array(self, letter: bytes):
        import numpy

        name, *shape = self.plain(list)
        if type(name) is not str:
            raise Malformed("no type")
        dtype, data = numpy.dtype(name), self.plain(bytes)
        if dtype.char not in KINDS or dtype.hasobject:
            raise Malformed("no type of numbers or texts")
        if dtype.itemsize:
            array = numpy.frombuffer(data, dtype).reshape(shape).copy()
        else:
            array = numpy.zeros(shape if math.prod(shape) <= len(self.data) else 0, dtype)
        return array if letter == b"a" else array[()]

    def torch(self):
        import torch

        name, gradient, *shape = self.plain(list)
        data = self.plain(bytes)
        if name not in DTYPES or not all(type(n) is int and n >= 0 for n in shape):
            raise Malformed("no tensor")
        dtype = getattr(torch, name)
        if math.prod(shape) * dtype.itemsize != len(data):
            raise Malformed("a tensor of another size than it says")
        if not data:
            found = torch.empty(shape, dtype=dtype)
        else:
            found = torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape).clone()
        return self.tensor(found) if gradient and self.tensor else found


def value_of(letter: bytes, data: bytes) -> object:
    simple = {b"N": None, b"E": ..., b"?": data == b"1"}
    if letter in simple:
        return simple[letter]
    if letter == b"i":
        return int.from_bytes(data, "little", signed=True)
    if letter == b"f":
        return struct.unpack("<d", data)[0]
    if letter == b"c":
        return complex(*struct.unpack("<2d", data))
    if letter == b"s":
        return data.decode("utf-8", "surrogatepass")
    if letter == b"r":
        return range(*map(int, data.split()))
    if letter == b"b":
        return data
    raise Malformed("no type that can travel")


def decode(data: bytes, other: Callable | None = None, tensor: Callable | None = None) -> object:
    """The value of some bytes; Malformed if they are none."""
    reader = Reader(data, other, tensor)
    try:
        found = reader.get()
    except Exception as error:  # whatever a library says of it
        raise Malformed(str(error)) from None
    if reader.at != len(data):
        raise Malformed("it goes on behind its end")
    return found


# ---- messages -------------------------------------------------------------------------------


class Channel:
    """Two pipes, over which messages go as lists of plain values."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self.incoming, self.outgoing = incoming, outgoing

    def send(self, *message: object) -> None:
        data = encode([*message])
        if len(data) > LARGEST:
            raise Foreign(f"a message of {len(data) >> 20} MB, and no more than {LARGEST >> 20}")
        self.outgoing.write(struct.pack("<Q", len(data)) + data)
        self.outgoing.flush()

    def receive(self) -> list:
        """The next message. EOFError where the other side has ended, Malformed for nonsense."""
        head = self.incoming.read(8)
        if len(head) < 8:
            raise EOFError
        length = struct.unpack("<Q", head)[0]
        if length > LARGEST:
            raise Malformed("a message that is too long")
        data = self.incoming.read(length)
        if len(data) < length:
            raise EOFError
        found = decode(data)
        if type(found) is not list or not found or type(found[0]) is not str:
            raise Malformed("no message")
        return found
