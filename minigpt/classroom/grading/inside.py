"""The process in which submitted code runs: one notebook, its answers and their checks in turn.

Orders come in and replies go out as lines of JSON; see process.py, which starts it. While
submitted code runs, it may compute and read what is installed. What it has no use for ends with an
error and is told: reading the teacher's files, writing outside its own folder, starting programs,
using the network, looking into the check. It keeps honest work apart from tricks; it is no prison,
as Python's own documentation says of such hooks (PEP 578).
"""

import ast
import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEMORY = 8 * 2**30  # bytes of address space, where the system can hold a process to it
FORBIDDEN = {
    "gc.get_objects", "gc.get_referents", "gc.get_referrers", "os.exec", "os.fork", "os.forkpty",
    "os.kill", "os.killpg", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
    "socket.bind", "socket.connect", "socket.sendto", "sqlite3.connect", "subprocess.Popen",
    "sys._current_frames", "sys.settrace",
}  # fmt: skip
READING = {"open", "os.listdir", "os.scandir"}
CHANGING = {
    "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "os.truncate",
}  # fmt: skip
PYTHON, PACKAGE = os.path.dirname(os.__file__) + os.sep, str(Path(__file__).parents[2]) + os.sep
WATCHED = ("builtins", "math", "random", "torch", "torch.nn.functional", "numpy")


class Guard:
    """Notices, while it is armed, what an answer has no use for, and lets it fail."""

    def __init__(self, private: list[str], own: str) -> None:
        self.private = [os.path.realpath(p) for p in private]  # not even to be read
        self.own = os.path.realpath(own)  # all that may be written
        self.noticed: list[str] = []
        self.armed = False
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple) -> None:
        if not self.armed:
            return
        self.armed = False  # what this looks up is no event
        try:
            what = self.fault(event, args)
        finally:
            self.armed = True
        if what:
            self.noticed.append(what)
            raise PermissionError(what)

    def fault(self, event: str, args: tuple) -> str:
        """What is wrong with an event, or ''."""
        if (event in FORBIDDEN and not asked_by_installed()) or (
            event == "sys._getframe" and asked_by_answer()
        ):
            return f"an answer has no use for {event}"
        if event not in READING | CHANGING:
            return ""
        writes = event in CHANGING or (event == "open" and opens_to_write(*args[1:3]))
        for path in args[: 2 if event in CHANGING else 1]:
            if not isinstance(path, (str, bytes)):
                continue
            place = Path(os.path.realpath(os.fsdecode(path)))
            if place.is_relative_to(self.own):
                continue
            if any(place.is_relative_to(folder) for folder in self.private):
                return f"the teacher's files are not for an answer: {place.name}"
            if writes and str(place) != os.devnull:
                return f"an answer may not change files: {place.name}"
        return ""


def opens_to_write(mode: str | None, flags: int | None) -> bool:
    if mode is not None:
        return bool(set(mode) & set("wax+"))
    return bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))


def callers() -> Iterator[str]:
    """The files of the code that caused an audit event, from the innermost on."""
    try:
        raise LookupError
    except LookupError as error:
        frame = error.__traceback__.tb_frame
    while frame:
        if frame.f_code.co_filename != __file__:
            yield frame.f_code.co_filename
        frame = frame.f_back


def asked_by_answer() -> bool:
    """Whether it was an answer, directly or by `inspect`."""
    nearest = next((file for file in callers() if not file.endswith("inspect.py")), "")
    return nearest.startswith("<answer")


def asked_by_installed() -> bool:
    """Whether it was an installed package: PyTorch starts a program while it is imported."""
    for file in callers():
        installed = "site-packages" in file or "dist-packages" in file
        if installed or not file.startswith((PYTHON, PACKAGE, "<frozen ")):
            return installed
    return False


def meanings() -> dict[tuple[str, str], object]:
    """The functions and classes that checks rely on, by where they are."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name in WATCHED or name.split(".")[0] == "minigpt":
            for key, value in list(vars(module).items()):
                if callable(value):
                    found[name, key] = value
                if isinstance(value, type) and value.__module__.split(".")[0] == "minigpt":
                    found |= {(name, f"{key}.{part}"): v for part, v in vars(value).items()}
    return found


@contextmanager
def watched(guard: Guard) -> Iterator[None]:
    """Submitted code runs in here; RuntimeError says what it did beside its work."""
    before = meanings()
    guard.noticed.clear()
    guard.armed = True
    try:
        yield
    finally:
        guard.armed = False
        after = meanings()
        changed = [".".join(key) for key, value in before.items() if after.get(key) is not value]
        guard.noticed += [f"it gives {name} another meaning" for name in changed[:1]]


def explain(error: BaseException) -> dict:
    """An error as the learner needs it: its kind, what it says, and the line of the answer."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename[:7] == "<answer"]
    if isinstance(error, SyntaxError):
        line, text = error.lineno, error.msg
    else:
        line, text = (lines[-1].lineno if lines else None), str(error)
    return {"kind": type(error).__name__, "text": text[:2000], "line": line}


def check(code: str, namespace: dict) -> None:
    """Run a check statement by statement: a jump within one of them leaves out no other.

    NameError if the answer took a name of Python's that the check needs.
    """
    tree = ast.parse(code)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    python = vars(sys.modules["builtins"])
    taken = [n for n in sorted(used & {*python}) if namespace.get(n, python[n]) is not python[n]]
    if taken:
        raise NameError(f"your code gives Python's {taken[0]}() another meaning: rename yours")
    for statement in tree.body:
        try:
            exec(compile(ast.Module([statement], []), "<check>", "exec"), namespace)
        except BaseException as error:
            if isinstance(error, AssertionError) and not str(error):
                error.args = (f"this is not so: {ast.unparse(statement)}",)
            raise


def carry_out(order: dict, namespace: dict, guard: Guard) -> dict:
    """One order's reply."""
    if order["do"] == "import":  # of the course's own packages, so that their start is not watched
        for line in order["lines"]:
            with suppress(Exception):  # it will be told where it is needed
                exec(line, {})
        return {}
    error = None
    try:
        with watched(guard):
            if order["do"] == "run":
                exec(compile(order["code"], f"<answer {order['name']}>", "exec"), namespace)
            else:
                check(order["code"], namespace)
    except BaseException as found:  # also SystemExit and KeyboardInterrupt of the submitted code
        error = explain(found)
    return {"error": error, "noticed": guard.noticed[:3], "token": order.get("token")}


def main() -> None:
    """Carry out orders until there are no more."""
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for channel in (0, 1, 2):  # what submitted code prints is nobody's reply
        os.dup2(nowhere, channel)
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    first = json.loads(orders.readline())
    guard, namespace = Guard(first["private"], os.getcwd()), {"__name__": "__main__"}
    for line in orders:
        print(json.dumps(carry_out(json.loads(line), namespace, guard)), file=replies, flush=True)


if __name__ == "__main__":
    main()
