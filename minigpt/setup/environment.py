"""Makes sure that a command's packages are there: in the running Python, else in .venv here.

`.venv` holds requirements.txt; `.venv-test` holds the extra `test` of pyproject.toml too, and only
`test` and its like use it, because nbgrader changes JupyterLab's menus. An environment of ours has
a stamp file: "installing" from before it is made until it is filled, then a hash of what it was
filled with. So an interrupted installation is seen by the next start and made anew. A `.venv`
without a stamp is somebody's own: it is filled, never removed.
"""

import ast
import errno
import hashlib
import importlib.util
import locale
import math
import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from minigpt.setup.common import become, require_repository
from minigpt.setup.installing import PipFailed, run_pip
from minigpt.setup.packages import missing, name_of
from minigpt.store.files import PROGRAM, ROOT, Problem, locked
from minigpt.store.words import _

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
STAMP = "minigpt-stamp.txt"
UNFINISHED = "installing"
NOT_IMPORTED = {"jupyterlab", "nbval"}  # in requirements.txt, but `import minigpt` needs neither
KERNEL_SETTINGS = "etc/ipython/ipython_kernel_config.py"  # below the environment
HANDED_OVER = "MINIGPT_ENVIRONMENT"  # set for the child: the environment it was started in


class Size(NamedTuple):
    """What an installation costs."""

    download: float  # GB, of 10^9 bytes
    disk: float  # GB
    minutes: str  # on a line of 100 Mbit/s


CPU = Size(0.4, 1.3, "2-5")
CUDA = Size(3, 5.6, "5-15")


def requirements(kind: str) -> list[str]:
    """What a command of this kind ("package", "lab" or "test") needs to run, a line a package."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if re.match(r"\w", line)]
    if kind == "package":
        return [line for line in lines if name_of(line) not in NOT_IMPORTED]
    if kind == "test":  # Python 3.10 has no reader of TOML
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        extra = re.search(r"^test = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
        lines += re.findall(r'"([^"]+)"', extra[1])
    return lines


def environment_python(directory: Path) -> Path:
    """The interpreter of a virtual environment."""
    return directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp_text(directory: Path, kind: str) -> str:
    """What the stamp of an environment says that was filled with all of requirements(kind): a hash
    of them and of its place."""
    parts = [*requirements(kind), str(directory)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def read_stamp(directory: Path) -> str | None:
    """The stamp, or None where there is none."""
    try:
        return (directory / STAMP).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def ensure(kind: str, fresh: bool = False) -> Path | None:
    """The Python to go on with, made and filled if need be; None: the running one will do.

    pip is asked about versions only where the running Python is no environment of ours.
    """
    if kind == "package" and not (ROOT / "requirements.txt").exists():
        return None  # installed by pip, outside the repository: pip saw to the packages
    require_repository()
    here, filling = Path(sys.prefix).resolve(), "test" if kind == "test" else "lab"
    ours = read_stamp(here) in (stamp_text(here, filling), stamp_text(here, "test"))
    lacking = missing(requirements(kind), versions=not ours)
    if not fresh and not lacking:
        return None
    directory = ROOT / (".venv-test" if kind == "test" else ".venv")
    python = environment_python(directory)
    inside = directory.exists() and directory.samefile(here)
    if inside and (fresh or os.environ.get(HANDED_OVER) == str(directory)):
        raise Problem(_(
            "The environment {name} is the one that runs this. Start with another Python.",
            name=directory.name,
        ) if fresh else _(
            "The environment {name} still lacks {packages}. Start with the option --fresh.",
            name=directory.name, packages=", ".join(lacking),
        ))  # fmt: skip

    def lacks() -> bool:
        ready = read_stamp(directory) == stamp_text(directory, filling) and python.exists()
        return fresh or inside or not ready

    said = _("Another start (WHO) is installing into {folder}: waiting until it is done.",
             folder=directory)  # fmt: skip
    if lacks():
        with locked(directory.with_name(f"{directory.name}.lock"), math.inf, said):
            if lacks():  # or what that one made will do
                with tidy(directory):
                    build(directory, filling, fresh)
    return python


@contextmanager
def tidy(directory: Path):
    """Remove what an interrupted or failed installation leaves; name the reason of an OSError."""
    try:
        yield
    except BaseException as error:
        half_made(directory)
        if isinstance(error, KeyboardInterrupt):
            print(_("\nInterrupted; nothing half-made is left. To go on: {command}",
                    command=PROGRAM))  # fmt: skip
            raise SystemExit(130) from None
        if not isinstance(error, OSError):
            raise
        closed = _("this folder cannot be written to: copy the course to your own folder")
        whys = {errno.ENOSPC: _("the disk is full: free some space and start again"),
                errno.EACCES: closed, errno.EROFS: closed}  # fmt: skip
        raise Problem(_("{folder} cannot be made: {reason}.", folder=directory,
                        reason=whys.get(error.errno, error))) from error  # fmt: skip


def half_made(directory: Path) -> bool:
    """Remove the directory if it is an unfinished environment of ours; whether it was."""
    if read_stamp(directory) != UNFINISHED:
        return False
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():  # a program has a file of it open: the next start goes on with this
        (directory / STAMP).write_text(UNFINISHED, encoding="utf-8")
    return True


def build(directory: Path, kind: str, fresh: bool) -> None:
    """Make the environment, or bring an existing one up to date, and stamp it."""
    check_machine()
    nvidia = platform.system() == "Linux" and has_nvidia()
    size = CUDA if nvidia else CPU
    if half_made(directory):
        print(_("An earlier installation of {name} was interrupted; it is made anew.",
                name=directory.name))  # fmt: skip
    elif fresh or (directory.exists() and not environment_python(directory).exists()):
        remove(directory, fresh)
    new = not directory.exists()
    if new:
        check_ensurepip()
    if new or read_stamp(directory) is None:
        check_disk(size)
        print(_(
            "The course's packages go into {folder}\n(download about {download} GB, {disk} GB on "
            "disk, {minutes} minutes; only this once).", folder=directory, **size._asdict(),
        ))  # fmt: skip
    if new:
        directory.mkdir()
    if new or read_stamp(directory) is not None:  # an environment of ours
        (directory / STAMP).write_text(UNFINISHED, encoding="utf-8")
    if new:
        make(directory)
    fill(environment_python(directory), kind, nvidia)
    settle(directory)
    (directory / STAMP).write_text(stamp_text(directory, kind), encoding="utf-8")


def remove(directory: Path, asked: bool) -> None:
    """Remove an environment that is ours or that the learner wants anew."""
    if not directory.exists():
        return
    if not asked and read_stamp(directory) is None:
        raise Problem(_("""\
{folder} has no working Python and was not made by this course.
Rename or delete that folder, then start again: {command}""", folder=directory,
                        command=PROGRAM))  # fmt: skip
    try:
        shutil.rmtree(directory)
    except OSError as error:
        raise Problem(_("""\
{folder} cannot be removed: {reason}.
Close the programs that use it (JupyterLab, an editor) and start again.""", folder=directory,
                        reason=error)) from error  # fmt: skip


def check_machine() -> None:
    """Raise Problem on machines that have no PyTorch file of our range."""
    system, machine = platform.system(), platform.machine().lower()
    instead = _("open the course in Colab or Binder\ninstead (README.md has the links).")
    if system == "Darwin" and machine == "x86_64":
        raise Problem(_("""\
PyTorch has no files for Macs with an Intel processor any more: {instead}
Is this a Mac with Apple silicon? Then this Python is an Intel one: install the
universal Python from python.org and start with that.""", instead=instead))  # fmt: skip
    if system == "Windows" and machine == "arm64":
        raise Problem(_("PyTorch has no files for Python on Windows for ARM: {instead}",
                        instead=instead))  # fmt: skip
    if sys.maxsize < 2**32:
        raise Problem(_("""\
This is a 32-bit Python, and PyTorch needs a 64-bit one.
Install the 64-bit Python from python.org, then start again: {command}""",
                        command=PROGRAM))  # fmt: skip


def check_ensurepip() -> None:
    """Raise Problem where Python cannot make a virtual environment with pip in it."""
    if all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return
    version = "{}.{}".format(*sys.version_info)
    raise Problem(_("""This Python cannot make an environment: its ensurepip is missing.
On Debian and Ubuntu, type this, then start again:
    sudo apt install python3-venv
(for a Python beside the system's own: python{version}-venv)""", version=version))  # fmt: skip


def has_nvidia() -> bool:
    """Whether Linux has an NVIDIA driver: only then is CUDA's PyTorch worth its size."""
    return Path("/proc/driver/nvidia/version").exists() or bool(shutil.which("nvidia-smi"))


def check_disk(size: Size) -> None:
    """Raise Problem where the packages would not fit beside the course."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < size.disk + 0.5:
        raise Problem(_("""\
The packages need {needed:.1f} GB here, and {free:.1f} GB are free: {folder}
Free some space, or move the course to another disk, then start again: {command}""",
                        needed=size.disk + 0.5, free=free, folder=ROOT,
                        command=PROGRAM))  # fmt: skip


def make(directory: Path) -> None:
    """An empty virtual environment with pip."""
    command = [sys.executable, "-m", "venv", str(directory)]
    if subprocess.run(command).returncode:
        raise Problem(_("Python could not make the environment {folder}: it says why above.",
                        folder=directory))  # fmt: skip


def fill(python: Path, kind: str, nvidia: bool) -> None:
    """Install the packages; on Linux without NVIDIA, PyTorch's own CPU file comes first.

    One call for torch alone: as an extra index for all packages, an index that cannot be reached
    would be asked, and waited for, for every one of them.
    """
    if platform.system() == "Linux" and not nvidia:
        torch = [line for line in requirements(kind) if name_of(line) == "torch"]
        try:
            run_pip(python, [*torch, "--index-url", CPU_INDEX, "--retries", "0", "--timeout", "10"])
        except PipFailed as failure:
            if failure.full:
                raise
            print(_("PyTorch's own index cannot be used from here, so torch comes from PyPI."))
            if platform.machine() == "x86_64":
                print(_("That file may bring CUDA: about {download} GB, {disk} GB on disk.",
                        **CUDA._asdict()))  # fmt: skip
                check_disk(CUDA)
    run_pip(python, [*requirements(kind), "--retries", "3"])


def settle(directory: Path) -> None:
    """Settings inside the environment: where minigpt is, and two quiet defaults."""
    code = "import sysconfig; print(ascii(sysconfig.get_path('purelib')))"
    command = [str(environment_python(directory)), "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    site_packages = Path(ast.literal_eval(answer.stdout.strip()))
    # Python reads .pth files as UTF-8 from 3.13 on and in the locale's encoding before.
    encoding = "utf-8" if sys.version_info >= (3, 13) else locale.getpreferredencoding(False)
    try:
        (site_packages / "minigpt-repository.pth").write_text(f"{ROOT}\n", encoding=encoding)
    except UnicodeEncodeError:
        print(_("Note: notebooks outside this folder will not find minigpt (its path is "
                "unusual)."))  # fmt: skip
    quiet = {
        # ipykernel 7.4 warns at each start that it talks unencrypted, to this machine only.
        KERNEL_SETTINGS: "c.IPKernelApp.log_level = 40\n",
        # JupyterLab asks at its first start whether it may fetch news: not before a lesson.
        "etc/jupyter/labconfig/default_setting_overrides.json":
            '{"@jupyterlab/apputils-extension:notification": '
            '{"fetchNews": "false", "checkForUpdates": false}}\n',
    }  # fmt: skip
    for name, text in quiet.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")


def hand_over(python: Path, arguments: list[str]) -> int:
    """Go on with this command line in that Python."""
    os.environ[HANDED_OVER] = str(python.parents[1])
    return become([str(python), "-m", "minigpt", *arguments])
