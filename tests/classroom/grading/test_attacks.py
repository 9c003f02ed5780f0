"""Ways to get points unearned or to do harm, each of which must fail to.

An attack stands in the first answer, which is wrong unless the attack works; the second answer is
right. All find the folder of a class in CLASS: points, a gradebook, another student's hand-in.
"""

import contextlib
import csv
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from minigpt.classroom.grading import box, write
from minigpt.classroom.grading.marking import grade_notebook
from minigpt.classroom.notebook import without_solutions
from minigpt.store.files import ROOT

pytestmark = [
    pytest.mark.notebook,
    pytest.mark.skipif(box.chosen() is None, reason=f"needs a sandbox. {box.warning()}"),
]
SECRET = "the answer of somebody else"
SECONDS = 30.0


def cell(source, **marks):
    marks = {"nbgrader": {"solution": False, "grade": False, **marks}}
    return {"cell_type": "code", "source": source, "metadata": marks, "outputs": [],
            "execution_count": None}  # fmt: skip


CHECK = """import math
own, calls = your_own(double), []
assert all(map(lambda x: own(x) == 2 * x, (2, 5, 71))), "twice as much"
assert abs(own(math.pi) - 2 * math.pi) < 1e-9, "not only integers"
assert own(trial_random().random() + 3) > 6, "new ones too"
"""


def lying(value: str) -> str:
    """The first answer's value is another one on its way to the grader."""
    return (
        f"""
import json
real = json.dumps
def lie(message, **options):
    message = [*message]
    if message[1:2] == ["value"]:
        message[2] = {value}
    return real(message, **options)
json.dumps = lie"""
        + WRONG
    )


SOURCE = {
    "cells": [
        cell("def double(x, tell=None):\n    ### BEGIN SOLUTION\n    return 2 * x\n"
             "    ### END SOLUTION", grade_id="double", solution=True),
        cell(CHECK + "own(4, calls.append)", grade_id="double-check", grade=True, points=2),
        cell("def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION",
             grade_id="half", solution=True),
        cell("assert abs(half(3)) == 1.5", grade_id="half-check", grade=True, points=1),
    ],
    "metadata": {}, "nbformat": 4, "nbformat_minor": 4,
}  # fmt: skip
WRONG = "\ndef double(x, tell=None):\n    return 4\n"
YES = """
class Yes(float):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return Yes()
    def __abs__(self): return self
"""

# ---- points that are not earned --------------------------------------------------------------

EARN = {
    "__main__": "import __main__\n__main__.own = lambda *x: 4\n__main__.abs = lambda x: 0" + WRONG,
    "frames": """
import sys
def double(x, tell=None):
    frame = sys._getframe()
    while frame:
        frame.f_globals.update(own=lambda *x: 4, all=lambda x: True, abs=lambda x: 0)
        frame = frame.f_back
    return 4""",
    "the check's text in a frame": """
import inspect
def double(x, tell=None):
    for info in inspect.stack():
        for value in info.frame.f_code.co_consts:
            if str(value)[::-1] == "hcum sa eciwt":
                return 2 * x
    return 4""",
    "code of the grader's functions": """
import minigpt.classroom.grading.checker as c, minigpt.classroom.grading.student as s
c.carry_out.__code__ = (lambda order, side, checks: {"error": None}).__code__
c.Checks.check = lambda *a: None
s.Student.do_names = lambda self, names: ("names", {})""" + WRONG,
    "builtins": """
import builtins
builtins.abs = builtins.all = lambda x: 0 if isinstance(x, float) else True
builtins.AssertionError = type("Never", (Exception,), {})""" + WRONG,
    "names of the check": "abs, all = (lambda x: 0), (lambda x: True)" + WRONG,
    "Python's modules": "import math\nmath.pi = 2\nmath.isclose = lambda *a, **k: True" + WRONG,
    "sys.modules": """
import sys, types
for name in ("your_own", "checker", "marking"):
    fake = types.ModuleType(name)
    fake.your_own = lambda f, allowed=(): (lambda *x: 4)
    sys.modules["minigpt.classroom.grading." + name] = fake""" + WRONG,
    "the watch": """
import minigpt.classroom.grading.your_own as w
w.your_own = lambda f, allowed=(): (lambda *x: 4)
w.in_package = lambda frame: False""" + WRONG,
    "names taken at run time": "globals()['your_own'] = lambda f: (lambda *x: 4)" + WRONG,
    "a foreign file name": """
exec(compile("own = lambda *x: 4\\nassert True", "<check>", "exec"))
exec(compile("double = lambda *x: 4", "/usr/lib/python3/check.py", "exec"), globals())""",
    "objects of the collector": """
import gc
def double(x, tell=None):
    for found in gc.get_objects():
        if type(found) is dict and "half-check" in map(str, list(found.values())[:50]):
            found.clear()
    return 4""",
    "a jump": "import sys\nsys.settrace(lambda frame, event, arg: None)" + WRONG,
    "a profile function": "import sys\nsys.setprofile(lambda *a: None)" + WRONG,
    "a thread that waits": """
import threading, time, builtins, sys
def wait():
    for _ in range(30):
        time.sleep(0.1)
        builtins.abs = lambda x: 0
        for frame in sys._current_frames().values():
            frame.f_globals["own"] = lambda *x: 4
threading.Thread(target=wait, daemon=True).start()
def double(x, tell=None):
    time.sleep(0.3)
    return 4""",
    "input transformers": """
get_ipython().input_transformers_post.append(lambda lines: [])
get_ipython().input_transformers_cleanup.append(lambda lines: [])""" + WRONG,
    "syntax tree transformers": """
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
get_ipython().ast_transformers.append(NoAsserts())""" + WRONG,
    "events of IPython": """
get_ipython().events.register("pre_run_cell", lambda *a: get_ipython().user_ns.update(own=len))
get_ipython().events.register("post_run_cell", lambda *a: get_ipython().reset())""" + WRONG,
    "IPython's own run_cell": """
class Good: error_before_exec = error_in_exec = None
get_ipython().run_cell = lambda *a, **k: Good()""" + WRONG,
    "a number that equals all": YES + "def double(x, tell=None):\n    return Yes()",
    "a list that equals all": """
class Yes(list):
    def __eq__(self, other): return True
def double(x, tell=None):
    return Yes()""",
    "an array that equals all": """
import numpy
class Yes(numpy.ndarray):
    def __eq__(self, other): return True
def double(x, tell=None):
    return numpy.zeros(()).view(Yes)""",
    "an object that claims a type": YES + """
Yes.__module__, Yes.__name__, Yes.__class__ = "builtins", "float", property(lambda self: float)
def double(x, tell=None):
    return Yes()""",
    "the end of the check's loop": """
def double(x, tell=None):
    raise StopIteration""",
    "an error that equals all": """
class Odd(AssertionError):
    def __str__(self): raise SystemExit(0)
    args = property(lambda self: 1 / 0)
def double(x, tell=None):
    raise Odd()""",
    "an exit with status 0": "def double(x, tell=None):\n    raise SystemExit(0)",
    "an exit of Python": "def double(x, tell=None):\n    import os\n    os._exit(0)",
    "forged replies": """
import json, os
for n in range(3, 30):
    for reply in (["done"], ["names", {"double": ["value", 4]}], ["value", 4]) * 3:
        try:
            os.write(n, json.dumps(["reply", *reply, "", None]).encode() + bytes([10]))
        except OSError:
            pass""" + WRONG,
    "forged verdicts": """
import json, os
line = (json.dumps({"error": None}) + chr(10)).encode()
for n in range(30):
    try:
        os.write(n, line)
    except OSError:
        pass""" + WRONG,
    "a verdict in print": "print('{\"error\": null}' + chr(10))" + WRONG,
    "at exit": """
import atexit, os
atexit.register(lambda: [os.write(n, b'{"error": null}' + b"\\n") for n in range(3, 9)])""" + WRONG,
    "__del__": """
class Late:
    def __del__(self):
        import builtins
        builtins.all = lambda x: True
        globals()["double"] = lambda *x: 4
late = Late()
del late""" + WRONG,
    "the environment": """
import os
os.environ.update(MINIGPT_SECRET="1", PYTHONOPTIMIZE="2", MINIGPT_STUDENT="ada")""" + WRONG,
    "import hooks": """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        raise SystemExit(0)
sys.meta_path.insert(0, Finder())
sys.path[:0] = ["/tmp"]""" + WRONG,
    "an object that unpickles as code": """
class Run:
    def __reduce__(self): return exec, ("raise SystemExit(0)",)
def double(x, tell=None):
    return Run()""",
    "a value that is nested too deeply": """
found = []
for _ in range(100_000):
    found = [found]
def double(x, tell=None):
    return found""",
    "a value that holds itself": "found = []\nfound.append(found)\n"
    "def double(x, tell=None):\n    return found",
    "a shape that lies": lying('["array", "<i8", [2**40, 2**40], "AAAA", True]'),
    "a tensor that lies": lying('["tensor", ["array", "O", [1], "AAAA", True], True]'),
    "a class by its name": lying('["builtins.exec", "raise SystemExit(0)"]'),
    "what a check passes in": """
def double(x, tell=None):
    if tell:
        for name in ("__globals__", "__self__", "__code__", "__closure__"):
            part = getattr(tell, name, None)
            if isinstance(part, dict):
                part["all"] = part["abs"] = lambda x: True
        tell(x)
    return 4""",
    "memory of Python's own numbers": """
import ctypes
ctypes.c_long.from_address(id(5) + 24).value = 2
ctypes.c_long.from_address(id(142) + 24).value = 4""" + WRONG,
    "the memory of other processes": """
import glob, os
for path in glob.glob("/proc/[0-9]*/mem"):
    if str(os.getpid()) not in path:
        try:
            open(path, "r+b").write(b"x")
        except OSError:
            pass""" + WRONG,
    "signals to all": """
import os, signal
for pid in (os.getppid(), 1, -1):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass""" + WRONG,
    "a stop of itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)" + WRONG,
}  # fmt: skip

# ---- harm: the answer is right, and nothing outside may change or become known -----------------

RIGHT = "\ndef double(x, tell=None):\n    return 2 * x\n"
TRY = """import contextlib, os, shutil, subprocess, sys
quiet = contextlib.suppress(Exception)
FIRST = os.path.join("/proc/1", "root")  # the disk as the first process sees it
"""
HARM = {
    "other hand-ins, deleted": "shutil.rmtree(CLASS, ignore_errors=True)",
    "other hand-ins, read": """
found = ""
tops = ["/" + name for name in "tmp home var srv mnt proc/1/cwd".split()]
for top in (CLASS, *tops, FIRST + "/tmp", FIRST + CLASS):
    for folder, _, files in os.walk(top):
        for name in files:
            if name.endswith((".ipynb", ".csv", ".db")):  # /tmp may hold all of Python
                with quiet:
                    found += open(os.path.join(folder, name), errors="replace").read(10**6)
if SECRET[::-1] in found:
    raise RuntimeError("read it")""",
    "hidden tests, read": """
with quiet:
    raise SystemExit(open(CLASS + '/source/x.ipynb').read())""",
    "points, written": "with quiet:\n    open(CLASS + '/points.csv', 'a').write('me,a,99,99')",
    "a folder's descriptor": """
for path in (CLASS, "/", FIRST, "/proc/self/cwd", "..", "/tmp"):
    with quiet:
        folder = os.open(path, os.O_RDONLY)
        os.unlink(CLASS.lstrip("/") + "/points.csv", dir_fd=folder)
    with quiet:
        os.unlink("points.csv", dir_fd=folder)""",
    "the gradebook": """
with quiet:
    import sqlite3
    db = sqlite3.connect(CLASS + "/gradebook.db")
    db.execute("update grade set points = 99")
    db.commit()""",
    "links": """
for link in (os.symlink, os.link):
    with quiet:
        link(CLASS + "/points.csv", "mine")
        open("mine", "w").write("me,a,99,99")""",
    "a shell": "subprocess.run(f'rm -rf {CLASS}; touch {CLASS}/x', shell=True)\n"
    "os.system(f'rm -rf {CLASS}')\n!rm -rf $CLASS",
    "fork_exec": """
import _posixsubprocess, inspect
with quiet:
    e = [b"/bin/rm", b"-rf", CLASS.encode()]
    n = -1
    _posixsubprocess.fork_exec(e, [b"/bin/rm"], True, (), None, None, n, n, n, n, n, n, *os.pipe(),
        False, False, 0, None, None, None, -1, None, True)""",
    "ctypes": """
import ctypes
libc = ctypes.CDLL(None)
libc.system(f"rm -rf {CLASS}".encode())
libc.unlink(f"{CLASS}/points.csv".encode())
libc.setuid(0)
libc.mount(b"none", b"/usr", None, 4096 | 32, None)""",
    "grandchildren with a session of their own": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sh", ["sh", "-c", f"sleep 1; echo me,99 >> {CLASS}/points.csv; sleep {TOKEN}"])
    os._exit(0)""",
    "a child that ignores signals": """
import signal
if os.fork() == 0:
    for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(n, signal.SIG_IGN)
    os.execvp("nohup", ["nohup", "sleep", TOKEN])""",
    "the network": """
import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with quiet:
        s = socket.socket(socket.AF_INET, kind)
        s.settimeout(1)
        s.connect(("127.0.0.1", PORT))
        s.send(b"hello")""",
    "a socket without a file": """
import socket
with quiet:
    s = socket.socket(socket.AF_UNIX)
    s.connect("\\0" + f"minigpt-{PORT}")
    s.send(b"hello")""",
    "the process table": """
import time
pids = []
with contextlib.suppress(OSError):
    while len(pids) < 500:
        pid = os.fork()
        if not pid:
            time.sleep(100)
            os._exit(0)
        pids.append(pid)
for pid in pids:
    os.kill(pid, 9)
if len(pids) > 100:
    raise RuntimeError(f"{len(pids)} processes")""",
    "the disk": """
size = 0
with contextlib.suppress(OSError):
    for n in range(2000):
        with open(f"file{n}", "wb") as file:
            size += file.write(bytes(2**20))
for n in range(2000):
    with quiet:
        os.unlink(f"file{n}")
if size > 2**28:
    raise RuntimeError(f"{size} bytes")""",
    "one large file": """
try:
    with open("large", "wb") as file:
        for n in range(512):
            file.write(bytes(2**20))
except OSError:
    os.unlink("large")
else:
    raise RuntimeError("512 MB")""",
    "Python's own files": """
import minigpt, site
for path in [minigpt.__file__, *site.getsitepackages(), os.__file__, sys.executable]:
    for name in (path, path + "/sitecustomize.py", os.path.dirname(path) + "/sitecustomize.py"):
        with quiet:
            with open(name, "a") as file:
                raise SystemExit(f"{name} can be written")""",
    "LD_PRELOAD": """
os.environ["LD_PRELOAD"] = "/tmp/answer/evil.so"
os.environ["BASH_ENV"] = os.environ["PYTHONSTARTUP"] = "/tmp/answer/evil"
open("evil.so", "w").write("x")""",
    "shared memory": "with quiet:\n    open('/dev/shm/minigpt-' + TOKEN, 'w').write('x')",
    "another view of the disk": """
for line in ("mount -o remount,bind,rw /usr", "umount /usr",
             "unshare --user --map-root-user --mount sh -c 'mount -o remount,bind,rw /usr'"):
    subprocess.run(line, shell=True, capture_output=True)
with quiet:
    open("/usr/minigpt-" + TOKEN, "w").write("x")
with quiet:
    os.chroot(FIRST)""",
    "the system's settings": """
for name in ("kernel/core_pattern", "kernel/hostname", "vm/overcommit_memory", "fs/file-max"):
    with quiet:
        path = "/proc/sys/" + name
        text = open(path).read()
        with open(path, "w") as file:
            raise SystemExit(f"{name} can be written")""",
    "a mode that runs as another": """
with quiet:
    for path in ("/tmp/answer/own", "own"):
        shutil.copy("/bin/sh", path)
        os.chmod(path, 0o6755)
        os.chown(path, 1, 1)
        raise SystemExit("it is another's")""",
    "what a kernel starts with": """
for place in ("~/.ipython/profile_default/startup/x.py", "~/.bashrc", "/tmp/minigpt-" + TOKEN):
    with quiet:
        place = os.path.expanduser(place)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        open(place, "w").write("import os")""",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A class: points, a gradebook, sources and the work of another student."""
    for name, text in {"points.csv": "student_id\n", "source/x.ipynb": SECRET,
                       "submitted/ada/task/task.ipynb": SECRET}.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with contextlib.closing(sqlite3.connect(tmp_path / "gradebook.db")) as db:
        db.execute("create table grade (points)")
        db.execute("insert into grade values (0)")
        db.commit()
    return tmp_path


def content(folder: Path) -> dict:
    return {p: p.is_file() and p.read_bytes() for p in folder.rglob("*")}


@pytest.fixture
def listening():
    """A server of this machine: (its port, who has reached it)."""
    reached, servers = [], []
    with contextlib.ExitStack() as stack:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            server = stack.enter_context(socket.socket(socket.AF_INET, kind))
            server.bind(("127.0.0.1", servers[0].getsockname()[1] if servers else 0))
            servers.append(server)
        port = servers[0].getsockname()[1]
        servers[0].listen()
        local = stack.enter_context(socket.socket(socket.AF_UNIX))
        local.bind(f"\0minigpt-{port}")
        local.listen()
        for server, ask in ((servers[0], "accept"), (servers[1], "recv"), (local, "accept")):
            arguments = [9] if ask == "recv" else []

            def wait(server=server, ask=ask, arguments=arguments):
                with contextlib.suppress(OSError):
                    reached.append(getattr(server, ask)(*arguments))

            threading.Thread(target=wait, daemon=True).start()
        yield port, reached


def alive(token: str) -> list[str]:
    """Command lines of this machine's processes that hold the token, and are not zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if token in path.read_text(encoding="utf-8", errors="replace"):
                found.append(path.read_text(encoding="utf-8", errors="replace"))
    return found


def attacked(first: str, seconds: float = SECONDS):
    notebook = without_solutions(SOURCE)
    notebook["cells"][0]["source"] = first
    notebook["cells"][2]["source"] = SOURCE["cells"][2]["source"]
    return grade_notebook(SOURCE, notebook, seconds)


def points(report) -> list[float]:
    return [result.points for result in report.results]


def test_the_answers_without_an_attack():
    assert points(attacked(WRONG)) == [0, 1]
    assert points(attacked(RIGHT)) == [2, 1]


@pytest.mark.parametrize("name", EARN)
def test_an_attack_earns_nothing(name):
    report = attacked(EARN[name], 3.0 if name == "a stop of itself" else SECONDS)
    assert points(report)[0] == 0, report.results[0].message
    if "IPython" not in name and name not in ("input transformers", "forged replies"):
        # those spoil their own later cells
        assert points(report) == [0, 1], report.results[1].message


@pytest.mark.parametrize("name", HARM)
def test_an_attack_harms_nobody(name, folder, listening):
    token = f"9{time.time_ns()}"
    port, reached = listening
    names = f"CLASS, PORT, TOKEN, SECRET = {str(folder)!r}, {port}, {token!r}, {SECRET[::-1]!r}\n"
    before = content(folder)
    report = attacked(names + TRY + HARM[name] + RIGHT)
    assert points(report) == [2, 1], [result.message for result in report.results]
    assert SECRET not in str([result.message for result in report.results])
    assert waited(lambda: not alive(token))
    if "session" in name:
        time.sleep(1.2)
    assert content(folder) == before and reached == []
    assert not list(Path("/dev/shm").glob("minigpt-*")) and not Path("/usr", token).exists()
    assert not Path("/tmp", f"minigpt-{token}").exists()


def test_memory_is_held_to_its_limit(monkeypatch):
    monkeypatch.setattr(box, "MEMORY", 2**29)
    fill = "import os\nparts = []\nfor _ in range(4):\n    os.fork()\nwhile True:\n"
    report = attacked(f"{fill}    parts.append(bytearray(os.urandom(2**20)))\n", 20.0)
    assert points(report) == [0, 1] and "of memory" in report.results[0].message


def test_the_time_of_a_notebook_is_limited():
    notebook = without_solutions(SOURCE)
    notebook["cells"][2]["source"] = SOURCE["cells"][2]["source"]
    loop = {"cell_type": "code", "metadata": {}}
    notebook["cells"][1:1] = [
        loop | {"source": f"import time\ntime.sleep({100 + n})"} for n in range(30)
    ]
    report = grade_notebook(SOURCE, notebook, 1.5)
    assert points(report) == [0, 1]
    assert "not run, the time of this notebook is used up" in report.notes[-1]


@pytest.fixture(params=["bwrap", "unshare", *box.CONTAINERS])
def sandbox(request):
    if request.param not in box.sandboxes() or not box.starts(request.param):
        pytest.skip(f"{request.param} does not work here")
    return request.param


def test_each_sandbox_holds(sandbox, folder, listening, monkeypatch):
    monkeypatch.setattr(box, "chosen", lambda: sandbox)
    token, (port, reached) = f"9{time.time_ns()}", listening
    names = f"CLASS, PORT, TOKEN, SECRET = {str(folder)!r}, {port}, {token!r}, {SECRET[::-1]!r}\n"
    before = content(folder)
    several = ("other hand-ins, deleted", "the network", "Python's own files", "ctypes", "the disk",
               "another view of the disk", "grandchildren with a session of their own")  # fmt: skip
    report = attacked(names + TRY + "\n".join(HARM[name] for name in several) + RIGHT, 20.0)
    assert points(report) == [2, 1], [result.message for result in report.results]
    time.sleep(1.2)
    assert content(folder) == before and reached == [] and alive(token) == []


def test_it_ends_with_a_grader_that_is_killed(sandbox, tmp_path):
    token = f"9{time.time_ns()}"
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('attacks', {__file__!r})\n"
        "attacks = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(attacks)\n"
        f"attacks.box.chosen = lambda: {sandbox!r}\n"
        f'attacks.attacked(\'import os\\nos.execvp("sleep", ["sleep", "{token}"])\', 600)'
    )
    (tmp_path / "run.py").write_text(code, encoding="utf-8")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    grader = subprocess.Popen([sys.executable, tmp_path / "run.py"],
                              env=os.environ | {"PYTHONPATH": paths})  # fmt: skip
    assert waited(lambda: any("python" not in line for line in alive(token)))
    grader.kill()
    grader.wait()
    assert waited(lambda: not alive(token))


def waited(until) -> bool:
    end = time.monotonic() + 30
    while not until() and time.monotonic() < end:
        time.sleep(0.05)
    return until()


DOCKER = """#!{python}
import json, os, sys
line, told = sys.argv[1:], dict(one[6:].split("=", 1) for one in sys.argv if one[:6] == "--env=")
with open({log!r}, "a", encoding="utf-8") as file:
    print(json.dumps(line), file=file)
if line[0] == "run":
    told |= dict(PYTHONPATH={root!r}, HOME={home!r})
    os.execve(sys.executable, [sys.executable, *line[line.index("an-image") + 1 :]], told)
"""


def test_without_another_sandbox_it_is_a_container(tmp_path, monkeypatch):
    """A stand-in notes how docker is called, and runs what the container would."""
    log, program = tmp_path / "log", tmp_path / "docker"
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    home = str(tmp_path / "home")
    text = DOCKER.format(python=sys.executable, log=str(log), root=paths, home=home)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MINIGPT_IMAGE", "an-image")
    monkeypatch.setattr(box, "chosen", box.chosen.__wrapped__)
    assert box.sandboxes() == ["docker"] == [box.chosen()] and box.warning() == ""
    assert points(attacked(RIGHT)) == [2, 1] and points(attacked(WRONG)) == [0, 1]
    calls = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    runs = [call for call in calls if call[0] == "run" and "-c" not in call]
    assert runs and all(call[-2:] == ["-m", "minigpt.classroom.grading.student"] for call in runs)
    for call in runs:
        name = call[call.index("--name") + 1]
        assert ["rm", "--force", name] in calls and calls.count(call) == 1  # a name of its own
        pairs = set(zip(call, call[1:]))
        assert {("--network", "none"), ("--ipc", "none"),
                ("--pull", "never"), ("--memory", str(box.MEMORY)),
                ("--memory-swap", str(box.MEMORY)), ("--pids-limit", "64"),
                ("--user", "65534:65534"), ("--cap-drop", "ALL"),
                ("--security-opt", "no-new-privileges")} <= pairs  # fmt: skip
        assert "--read-only" in call and "--privileged" not in call
        mounts = [after for before, after in pairs if before in ("--mount", "--volume", "-v")]
        package = f"type=bind,source={ROOT / 'minigpt'},target=/course/minigpt,readonly"
        assert mounts == [package]
        told = {one[6:].partition("=")[0] for one in call if one.startswith("--env=")}
        assert "HOME" in told and not told & {"PATH", "MINIGPT_SECRET", "LD_LIBRARY_PATH"}


def test_without_its_image_a_container_is_none(tmp_path, monkeypatch):
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 125\n", encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert box.sandboxes() == ["docker"] and box.chosen.__wrapped__() is None


def test_the_first_sandbox_that_starts_is_chosen(tmp_path, monkeypatch):
    for name in ("podman", "docker", "unshare", "bwrap"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(box, "chosen", box.chosen.__wrapped__)
    assert box.sandboxes() == ["bwrap", "unshare", "docker", "podman"]
    assert box.chosen() is None and "bubblewrap is there and does not start" in box.warning()
    (tmp_path / "bwrap").unlink()
    assert "On Linux, install bubblewrap. " in box.warning()
    asked = []
    monkeypatch.setattr(box, "starts", lambda name: asked.append(name) or name == "docker")
    assert box.chosen() == "docker" and asked == ["unshare", "docker"] and box.warning() == ""


def test_what_comes_from_outside_is_no_formula_and_no_link(tmp_path):
    """In the table of points no cell is one that a spreadsheet would compute."""
    report = attacked(RIGHT)
    for student in ("=1+1", "+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "plain"):
        remark = ["=HYPERLINK(1).ipynb: a second work, not graded"]
        one = write.Graded(student, "work", {"work": report}, told=remark)
        for _ in range(2):  # graded again, it is the same line
            write.write_points(tmp_path, one)
    text = (tmp_path / "points.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 6
    assert not [c for row in rows for c in row if c.startswith(("=", "+", "-", "@"))]
    there = tmp_path / "submitted" / "eve" / "work"
    there.mkdir(parents=True)
    (tmp_path / "ada.ipynb").write_text(json.dumps(SOURCE), encoding="utf-8")
    os.symlink(tmp_path / "ada.ipynb", there / "work.ipynb")
    graded = write.Graded("eve", "work", {})
    assert write.choose_files(there, {"work": SOURCE}, graded) == {}
    assert "work.ipynb: a link, not a file" in graded.told


def test_where_there_is_no_sandbox_it_is_said(monkeypatch):
    assert box.warning() == ""
    monkeypatch.setattr(box, "chosen", lambda: None)
    said = box.warning()
    assert said.startswith("No sandbox: ")
    assert all(mend in said for mend in ("bubblewrap", "WSL 2", "Docker", "container"))
    assert points(attacked(RIGHT)) == [2, 1] and points(attacked(WRONG)) == [0, 1]
