"""pip's failures become advice. Texts are pip's own."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt.setup import installing
from minigpt.store.files import ROOT, Problem, locked

NO_TORCH = (
    "ERROR: Could not find a version that satisfies the requirement torch<2.14,>=2.6 "
    "(from versions: none)\nERROR: No matching distribution found for torch<2.14,>=2.6\n"
)
NO_NETWORK = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...: Failed "
    "to establish a new connection: [Errno -2] Name or service not known')': /simple/torch/\n"
)


@pytest.mark.parametrize(
    "output, advice",
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",)
        + ("disk is full",),
        ("OSError: [WinError 112] There is not enough space on the disk", "disk is full"),
        (NO_NETWORK + NO_TORCH, "no network, or a proxy"),
        (NO_TORCH, "There is no PyTorch for Python"),
        ("error: metadata-generation-failed", "no ready-made file for Python"),
        ("ERROR: Failed building wheel for tiktoken", "no ready-made file for Python"),
        ("HINT: does not have Windows Long Path support enabled.", "LongPathsEnabled"),
        ("/env/bin/python: No module named pip", "no pip"),
        ("something\nnobody foresaw", "it says why above"),
    ],
)
def test_failure_is_explained(output, advice):
    failure = installing.PipFailed(output)
    assert advice in str(failure)
    assert failure.full == (advice == "disk is full")


def test_python_without_torch_names_the_one_to_install():
    message = str(installing.PipFailed(NO_TORCH))
    this = ".".join(map(str, sys.version_info[:2]))
    assert f"for Python {this}" in message and f"{installing.START} -m minigpt" in message


def fake_pip(tmp_path: Path, code: str) -> Path:
    """A 'Python' that ignores its arguments and runs this code instead."""
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    script.chmod(0o755)
    return script


unix = pytest.mark.skipif(sys.platform == "win32", reason="scripts are started by their first line")


@unix
def test_pip_speaks_for_itself_and_its_errors_are_read(tmp_path, capfd):
    code = f"import sys; print('Collecting', *sys.argv[1:]); sys.stderr.write({NO_TORCH!r})"
    installing.run_pip(fake_pip(tmp_path, code), ["torch"])
    said = capfd.readouterr()
    assert said.out == ""  # stdout is for what the command has to say, such as JSON
    assert said.err.startswith("Collecting -m pip install") and said.err.endswith(
        f" torch\n{NO_TORCH}"
    )
    with pytest.raises(Problem, match="There is no PyTorch"):
        installing.run_pip(fake_pip(tmp_path, f"{code}; sys.exit(1)"), [])


@unix
def test_ctrl_c_ends_pip(tmp_path, monkeypatch):
    python = fake_pip(tmp_path, "import time; time.sleep(60)")
    children, popen = [], installing.subprocess.Popen

    class Interrupted:
        def __iter__(self):
            raise KeyboardInterrupt

    def start(*arguments, **options):
        children.append(popen(*arguments, **options))
        children[0].stderr.close()
        children[0].stderr = Interrupted()
        return children[0]

    monkeypatch.setattr(installing.subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt):
        installing.run_pip(python, [])
    assert children[0].poll() is not None


LOCKED = """
import sys
from pathlib import Path
from minigpt.setup.installing import run_pip
from minigpt.store.files import locked
with locked(Path(sys.argv[1])):
    run_pip(Path(sys.argv[2]), [])
"""


@unix
def test_the_lock_is_held_while_pip_writes_though_its_start_was_killed(tmp_path):
    """Or the next start would remove what pip still fills, and pip what that one makes."""
    lock, end = tmp_path / "x.lock", tmp_path / "end"
    code = f"import os, time\nprint('works', flush=True)\nwhile not os.path.exists({str(end)!r}):\n"
    first = subprocess.Popen(
        [sys.executable, "-c", LOCKED, lock, fake_pip(tmp_path, f"{code}    time.sleep(0.01)")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert first.stderr.readline() == b"works\n"
    first.kill()
    first.wait()
    with pytest.raises(Problem, match=f"taken by process {first.pid}"):
        with locked(lock, said="taken by WHO"):
            pytest.fail("two had it")
    end.touch()
    assert first.stderr.read() == b""  # and so pip has ended
    with locked(lock, math.inf):
        assert lock.is_file()
    first.stderr.close()
