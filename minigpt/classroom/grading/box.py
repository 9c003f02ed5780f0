"""The box for submitted code: a sandbox of the system in which it sees nothing and reaches nobody.

Inside are Python and the package, read-only, and an empty folder in memory: no other hand-in, no
gradebook, no network, no process but its own. All that runs in it ends with it. bubblewrap makes it
where it is installed, else Linux's own `unshare`, else Docker or podman where they have an image
with Python and the course's requirements; elsewhere there is none, and `warning` says so.
"""

import functools
import os
import select
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shlex import quote

from minigpt.store.files import ROOT

HERE = "/tmp/answer"  # the folder in which submitted code works
CONTAINERS = ("docker", "podman")
IMAGE = "minigpt"  # of a container, unless MINIGPT_IMAGE names one; the Dockerfile makes it
COURSE = "/course"  # there: the folder with the package
PACKAGE = f"type=bind,source={ROOT / 'minigpt'},target={COURSE}/minigpt,readonly"
HOST = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "COMSPEC", "PATHEXT")
MEMORY = 3 * 2**30  # bytes of all its processes together
DISK = 128 * 2**20  # bytes of all its files together
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store",
          "/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime")  # fmt: skip
TRIAL = (
    "import importlib.util, minigpt.classroom.grading.wire\n"
    "raise SystemExit(not all(map(importlib.util.find_spec, ['IPython', 'torch'])))"
)
UNSHARE = ROOT / "minigpt" / "data" / "unshare.sh"  # with gaps in braces


def warning() -> str:
    """What to tell a teacher where there is no box; "" where there is one."""
    if chosen():
        return ""
    linux = "install bubblewrap" if "bwrap" not in sandboxes() else (
        "bubblewrap is there and does not start (Ubuntu forbids it since 24.04; until the next "
        "start of the computer, and for all programs, this allows it: sudo sysctl -w "
        "kernel.apparmor_restrict_unprivileged_userns=0)")  # fmt: skip
    return ("No sandbox: submitted code runs with your rights and can read and change your files. "
            f"On Linux, {linux}. On macOS and Windows start Docker or podman and make the "
            "container's image once, in the folder that you cloned: docker build -t minigpt -f "
            "minigpt/data/Dockerfile . (MINIGPT_IMAGE names another one). Or grade in WSL 2 with "
            "bubblewrap, in a virtual machine, or as another user.")  # fmt: skip


@functools.cache
def chosen() -> str | None:
    """The first sandbox in which Python starts and finds what it needs, or None."""
    return next(filter(starts, sandboxes()), None)


def sandboxes() -> list[str]:
    """Those whose programs are there, the best first."""
    own = ("bwrap", "unshare") if sys.platform.startswith("linux") else ()
    return [tool for tool in (*own, *CONTAINERS) if shutil.which(tool)]


def starts(name: str) -> bool:
    theirs, quiet, run = environment(HERE), subprocess.DEVNULL, f"minigpt-trial-{os.getpid()}"
    trial = command(["-c", TRIAL], name, theirs, run)
    with suppress(OSError, subprocess.SubprocessError):
        pipes = {"stdin": quiet, "stdout": quiet, "stderr": quiet, "env": outside(name, theirs)}
        return subprocess.run(trial, timeout=60, **pipes).returncode == 0
    end(name, run)
    return False


def command(arguments: list[str], name: str | None, theirs: dict[str, str], run: str) -> list[str]:
    """The command line that runs Python in the box `name`, or in none.

    theirs: its environment. run: what a container is called.
    """
    program = [sys.executable, *arguments]
    if name is None:
        return program
    if name in CONTAINERS:
        return container(name, arguments, theirs, run)
    line = "setpriv --pdeathsig KILL --no-new-privs --bounding-set=-all --inh-caps=-all"
    drop = line.split()
    if os.geteuid() == 0:  # root even without rights could write below /proc/sys: be nobody known,
        uid = str(2_000_000 + os.getpid())  # then the limit of processes counts these alone, too
        drop += ["--reuid", uid, "--regid", uid, "--clear-groups"]
    return [*(bubblewrap if name == "bwrap" else unshare)(os.geteuid() == 0), *drop, *program]


def outside(name: str | None, theirs: dict[str, str]) -> dict[str, str]:
    """The environment in which that command line starts: a container's client needs its user's."""
    return {**os.environ} if name in CONTAINERS else theirs


def container(name: str, arguments: list[str], theirs: dict[str, str], run: str) -> list[str]:
    line = f"{name} run --rm --interactive --pull never --name {run} --network none --ipc none "
    line += "--read-only --cap-drop ALL --security-opt no-new-privileges --user 65534:65534 "
    line += f"--security-opt label=disable --memory {MEMORY} --memory-swap {MEMORY} "
    line += f"--pids-limit 64 --tmpfs /tmp:size={DISK},mode=1777 --workdir /tmp --mount"
    told = {key: value for key, value in theirs.items() if key not in HOST} | {"PYTHONPATH": COURSE}
    image = os.environ.get("MINIGPT_IMAGE") or IMAGE
    return [*line.split(), PACKAGE, *(f"--env={key}={value}" for key, value in told.items()),
            "--entrypoint", "python3", image, *arguments]  # fmt: skip


def end(name: str | None, run: str) -> None:
    """End a container, which outlives its command line; the others end with theirs."""
    if name in CONTAINERS:
        subprocess.run([name, "rm", "--force", run], capture_output=True)


def watch_over() -> None:
    """The first process of a box ends when the grader has: then the system ends all in it."""
    if os.getpid() == 1 and (child := os.fork()):
        asked = select.poll()
        asked.register(0, 0)  # not to read: to hear that nobody writes any more
        while not asked.poll(500) and os.waitpid(child, os.WNOHANG) == (0, 0):
            continue
        os._exit(0)


def bubblewrap(root: bool) -> list[str]:
    line = "bwrap --die-with-parent --new-session --unshare-pid --unshare-net --unshare-ipc "
    line += "--unshare-uts --cap-drop ALL "
    keep = "--cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP "
    line += keep if root else "--unshare-user "
    line += f"--proc /proc --dev /dev --perms 1777 --size {DISK} --tmpfs /tmp"
    parts = line.split()
    for parent in sorted({str(p) for path in shown() for p in Path(path).parents[:-1]} - {"/tmp"}):
        parts += ["--perms", "0755", "--dir", parent]
    for path, link in shown().items():
        parts += ["--symlink", link, path] if link else ["--ro-bind", path, path]
    return [*parts, "--remount-ro", "/dev", "--remount-ro", "/", "--"]


def unshare(root: bool) -> list[str]:
    lines = [f"ln -s {quote(link)} .{quote(path)}" if link else f"show {quote(path)}"
             for path, link in shown().items()]  # fmt: skip
    script = UNSHARE.read_text(encoding="utf-8").format(disk=DISK, shown="\n".join(lines))
    kind = "" if root else "--user --map-root-user"
    line = f"setpriv --pdeathsig KILL unshare {kind} --mount --pid --net --ipc --uts --fork "
    return [*line.split(), "--kill-child", "--", "sh", "-c", script, "sh"]


@functools.cache
def shown() -> dict[str, str]:
    """{path that is seen inside: where it leads to if it is a link}: the system's programs, Python
    with its packages, ours."""
    mine = [Path(sys.executable).resolve().parent, sys.prefix, sys.base_prefix, ROOT / "minigpt"]
    mine += [path for path in sys.path if path.rstrip(os.sep).endswith("-packages")]
    found: dict[str, str] = {}
    for path in [*SYSTEM, *sorted(map(os.path.abspath, mine))]:
        inside = any(Path(path).is_relative_to(other) for other in found)
        if os.path.exists(path) and not inside:
            found[path] = os.readlink(path) if os.path.islink(path) else ""
    return found


def environment(here: str, **more: str) -> dict[str, str]:
    """The environment variables of submitted code: none of the teacher's but the system's own."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    homes = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "MPLCONFIGDIR", "IPYTHONDIR"), here)
    return {name: os.environ[name] for name in HOST if name in os.environ} | homes | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8", "MINIGPT_HOME": f"{here}/home", "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg",
        "PIP_NO_INDEX": "1", "LOGNAME": "student", "TERM": "dumb", **more,
    }  # fmt: skip


def limit() -> None:
    """Hold this process, and what it starts, to memory, processes and sizes of files."""
    limits = {"AS": 8 * MEMORY, "DATA": MEMORY, "FSIZE": DISK // 4, "NOFILE": 256, "CORE": 0,
              "CPU": 3600}  # fmt: skip
    if os.environ.get("HOME") == HERE:  # elsewhere it would count all processes of the user
        limits["NPROC"] = 64
    for name, most in limits.items():
        with suppress(ImportError, AttributeError, ValueError, OSError):  # not everywhere
            import resource

            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    with suppress(OSError):  # where memory ends, the system ends these first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def started_by(pid: int) -> dict[int, int]:
    """{process: its bytes of memory} of all that a process has started; {} where nobody tells."""
    told = {int(path.name): state(path.name) for path in Path("/proc").glob("[0-9]*")}
    found, more = {pid}, {pid}
    while more:
        more = {n for n, fields in told.items() if fields and int(fields[1]) in more} - found
        found |= more
    return {n: int(told[n][21]) * 4096 for n in found - {pid}}


def state(pid: int | str) -> list[str]:
    """What Linux tells of a process behind its name; [] of one that has ended."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return [] if fields[0] in "ZX" else fields
    return []
