"""Reports on Python, packages, kernel, checkpoints, and says what to do about each problem."""

import os
import platform
import shutil
import sys
from pathlib import Path

from minigpt.setup import environment
from minigpt.setup.common import LANGUAGES, git, option_parser
from minigpt.setup.packages import installed_version, missing
from minigpt.store.files import PROGRAM, ROOT, VERSION, is_checkpoint, learner_home

Finding = tuple[str, str, str | None]  # what, how it is, what to do (None: all is well)


def python() -> Finding:
    """The interpreter."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return "Python", f"{platform.python_version()} ({sys.executable}), {system}", None


def torch() -> Finding:
    """PyTorch, the device that training uses, and its threads."""
    try:
        import torch
    except (ImportError, OSError) as error:
        mend = f"install it anew: {PROGRAM} check --fresh"
        return "torch", f"cannot be imported: {error}", mend
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return "torch", f"{torch.__version__}, device {device}, {torch.get_num_threads()} threads", None


def packages() -> Finding:
    """The other packages, and whether the versions are those that the course asks for."""
    names = "numpy tiktoken safetensors matplotlib jupyterlab ipykernel ipywidgets".split()
    state = ", ".join(f"{name} {installed_version(name) or 'missing'}" for name in names)
    lacking = missing(environment.requirements("lab"))
    mend = f"not as asked: {'; '.join(lacking)}; `{PROGRAM}` installs them" if lacking else None
    return "packages", state, mend


def kernel() -> Finding:
    """Which Python the notebooks' kernel starts."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager

        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except Exception as error:  # absent package, absent or broken kernelspec: all mended alike
        return "kernel", f"python3: {error}", f"start the notebooks with `{PROGRAM}`"
    if not os.path.isabs(program):
        program = sys.executable  # jupyter_client puts the running Python in place of "python"
    here = os.path.realpath(program) == os.path.realpath(sys.executable)
    mend = "it is another Python; remove that kernel: jupyter kernelspec remove python3"
    return "kernel", f"python3 starts {program}", None if here else mend


def repository() -> Finding:
    """The version of the course, and where it is."""
    commit = git(ROOT, "describe", "--always", "--dirty") or "no git"
    return "minigpt", f"{VERSION} ({commit}), {ROOT}", None


def notebooks() -> Finding:
    """How many notebooks of each edition there are."""
    counts = {code: len(list((ROOT / "notebooks" / code).glob("*.ipynb"))) for code in LANGUAGES}
    state = ", ".join(f"{count} {LANGUAGES[code]}" for code, count in counts.items())
    mend = None if counts["en"] else "the download is incomplete: clone or unpack the course anew"
    return "notebooks", state, mend


def home() -> Finding:
    """The learner's folder, and whether it can be written to."""
    folder = learner_home()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    mend = None if os.access(there, os.W_OK) else "not writable: set MINIGPT_HOME to another folder"
    return "your folder", str(folder) + ("" if folder.exists() else " (not made yet)"), mend


def stages(folder: Path) -> list[str]:
    """The checkpoints in a folder's folders, by language and name: "en/sft"."""
    files = filter(is_checkpoint, folder.rglob("*.safetensors"))
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in files)


def checkpoints() -> Finding:
    """Which checkpoints are the learner's (they come first) and which came with the course."""
    own = stages(learner_home() / "checkpoints")
    shipped = stages(ROOT / "minigpt" / "data" / "checkpoints")
    state = [f"yours: {', '.join(own) or 'none'}", f"shipped: {', '.join(shipped) or 'none'}"]
    mend = None if own or shipped else f"there is no trained model: {PROGRAM} train makes them all"
    return "checkpoints", "; ".join(state), mend


def disk() -> Finding:
    """Free space beside the course."""
    free = shutil.disk_usage(ROOT).free / 1e9
    mend = "free some space: runs and notebooks want about 1 GB" if free < 1 else None
    return "free disk", f"{free:.1f} GB", mend


CHECKS = [python, torch, packages, kernel, repository, notebooks, home, checkpoints, disk]


def report(findings: list[Finding]) -> str:
    """The page to read, or to paste into a bug report."""
    width = max(len(what) for what, _, _ in findings)
    lines = [f"{'!' if mend else ' '} {what:{width}}  {state}" for what, state, mend in findings]
    problems = [f"  {what}: {mend}" for what, _, mend in findings if mend]
    return "\n".join([*lines, "", *(["What to do:", *problems] if problems else ["All is well."])])


def main(argv: list[str]) -> int:
    """Print the report; 1 where something needs doing."""
    option_parser("check", __doc__).parse_args(argv)
    findings = [check() for check in CHECKS]
    print(report(findings))
    return int(any(mend for _, _, mend in findings))
