"""The box for submitted code: a sandbox of the system in which it sees nothing and reaches nobody.

Inside are Python and the package, read-only, and an empty folder in memory: no other hand-in, no
gradebook, no network, no process but its own. All that runs in it ends with it. bubblewrap makes
it where it is installed, else Linux's own `unshare`; elsewhere there is none, and `warning` says so.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from minigpt.store.files import ROOT

HERE = "/tmp/answer"  # the folder in which submitted code works
MEMORY = 3 * 2**30  # bytes of all its processes together
DISK = 128 * 2**20  # bytes of all its files together
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store",
          "/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime")  # fmt: skip
DEVICES = ("null", "zero", "full", "random", "urandom")
SEEN = ["minigpt", "minigpt.classroom.grading.student", "IPython", "torch"]
TRIAL = f"import importlib.util as u; raise SystemExit(not all(map(u.find_spec, {SEEN})))"


def warning() -> str:
    """What to tell a teacher where there is no box; "" where there is one."""
    if chosen() is not None:
        return ""
    if sys.platform.startswith("linux"):
        lacking = "neither bubblewrap nor `unshare` works here: install bubblewrap"
    else:
        where = "in WSL 2 with bubblewrap" if os.name == "nt" else "on Linux or in Docker Desktop"
        lacking = f"this system has none that `grade` can use: grade {where}"
    return (f"No sandbox: {lacking}. Submitted code now runs with your rights and can read and "
            "change your files. Grade files that you have not read in a container or a virtual "
            "machine, or as another user.")  # fmt: skip


@functools.cache
def chosen() -> str | None:
    """The first sandbox in which Python starts and finds what it needs, or None."""
    return next((name for name in sandboxes() if starts(name)), None)


def sandboxes() -> list[str]:
    """Those whose programs are there, the best first. Root gives its rights up where it can."""
    if not sys.platform.startswith("linux"):
        return []
    kinds = ["root", "user"] if os.geteuid() == 0 else ["user"]
    found = [tool for tool in ("bwrap", "unshare") if shutil.which(tool)]
    return [f"{tool} {kind}" for tool in found for kind in kinds]


def starts(name: str) -> bool:
    trial = command([sys.executable, "-c", TRIAL], name)
    try:
        options = {"capture_output": True, "stdin": subprocess.DEVNULL, "timeout": 60}
        return subprocess.run(trial, env=environment(HERE), **options).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def command(program: list[str], name: str | None = None) -> list[str]:
    """The command line that runs a program in the box `name`, or in none."""
    if name is None:
        return program
    tool, kind = name.split()
    uid = str(2_000_000 + os.getpid())  # nobody's: so the limit of processes counts these alone
    drop = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    if kind == "root":
        drop += ["--reuid", uid, "--regid", uid, "--clear-groups"]
    make = bubblewrap if tool == "bwrap" else unshare
    return [*make(kind == "root"), *drop, *program]


def bubblewrap(root: bool) -> list[str]:
    keep = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"] if root else []
    line = ["bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net",
            "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"]  # fmt: skip
    line += [part for cap in keep for part in ("--cap-add", cap)] or ["--unshare-user"]
    line += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(DISK)]
    line += ["--tmpfs", "/tmp"]
    parents = {str(parent) for path in shown() for parent in Path(path).parents[:-1]}
    for parent in sorted(parents - {"/tmp"}):
        line += ["--perms", "0755", "--dir", parent]
    for path in shown():
        link = os.path.islink(path) and os.readlink(path)
        line += ["--symlink", link, path] if link else ["--ro-bind", path, path]
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--"]


UNSHARE = """set -e
mount -t tmpfs -o mode=755 box /dev/shm; cd /dev/shm
mkdir proc dev tmp old; mount -t proc proc proc; mount -t tmpfs -o mode=1777,size={disk} box tmp
for name in {devices}; do touch dev/$name; mount --bind /dev/$name dev/$name; done
show() {{ if [ -d "$1" ]; then mkdir -p ".$1"; else mkdir -p ".${{1%/*}}"; touch ".$1"; fi
  mount --bind "$1" ".$1"; mount -o remount,bind,ro,nosuid,nodev ".$1"; }}
{shown}
pivot_root . old; cd /; umount -l old; rmdir old; mount -o remount,bind,ro /
exec "$@"
"""


def unshare(root: bool) -> list[str]:
    from shlex import quote

    kind = [] if root else ["--user", "--map-root-user"]
    lines = []
    for path in shown():
        link = os.path.islink(path) and os.readlink(path)
        lines.append(f"ln -s {quote(link)} .{quote(path)}" if link else f"show {quote(path)}")
    script = UNSHARE.format(disk=DISK, devices=" ".join(DEVICES), shown="\n".join(lines))
    return ["unshare", *kind, "--mount", "--pid", "--net", "--ipc", "--uts", "--fork",
            "--kill-child", "--", "sh", "-c", script, "sh"]  # fmt: skip


@functools.cache
def shown() -> list[str]:
    """The paths that are seen inside: the system's programs, Python with its packages, ours."""
    mine = [Path(sys.executable).resolve().parent, sys.prefix, sys.base_prefix, ROOT / "minigpt"]
    mine += [path for path in sys.path if path.rstrip(os.sep).endswith("-packages")]
    found: list[str] = []
    for path in [*SYSTEM, *sorted(map(os.path.abspath, mine))]:
        inside = any(Path(path).is_relative_to(other) for other in found)
        if os.path.exists(path) and not inside:
            found.append(path)
    return found


def environment(here: str, **more: str) -> dict[str, str]:
    """The environment variables of submitted code: none of the teacher's but the system's own."""
    kept = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "COMSPEC", "PATHEXT")
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8", "MINIGPT_HOME": f"{here}/home", "HOME": here, "TMPDIR": here,
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "MPLCONFIGDIR": here, "IPYTHONDIR": here, "MPLBACKEND": "agg", "PIP_NO_INDEX": "1",
        "LOGNAME": "student", "TERM": "dumb", **more,
    }  # fmt: skip


def limit() -> None:
    """Hold this process, and what it starts, to memory, processes and sizes of files."""
    try:
        import resource
    except ImportError:  # on Windows
        return
    limits = {"AS": 8 * MEMORY, "DATA": MEMORY, "FSIZE": DISK // 4, "NOFILE": 256, "CORE": 0}
    if os.environ.get("HOME") == HERE:  # elsewhere it would count all processes of the user
        limits["NPROC"] = 64
    for name, most in limits.items():
        try:
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
        except (AttributeError, ValueError, OSError):
            pass
    try:  # where memory ends, the system ends these first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    except OSError:
        pass


def started_by(pid: int) -> dict[int, int]:
    """{process: its bytes of memory} of all that a process has started; {} where nobody tells."""
    parents, sizes = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        if fields := state(path.name):
            parents[int(path.name)] = int(fields[1])
            sizes[int(path.name)] = int(fields[21]) * 4096
    found, more = {pid}, {pid}
    while more:
        more = {child for child, parent in parents.items() if parent in more} - found
        found |= more
    return {child: sizes[child] for child in found - {pid}}


def state(pid: int | str) -> list[str]:
    """What Linux tells of a process behind its name; [] of one that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    fields = text.rpartition(")")[2].split()
    return [] if fields[0] in "ZX" else fields
