"""pip's failures become advice; its output becomes one line. Texts are pip's own."""

import sys
from pathlib import Path

import pytest

from minigpt.setup import installing
from minigpt.store.files import Problem

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
        ("something\nnobody foresaw", "nobody foresaw"),
    ],
)
def test_failure_is_explained_and_the_log_named(output, advice):
    message = installing.explain(output, Path("install.log"))
    assert advice in message
    assert "install.log" in message


def test_python_without_torch_names_the_one_to_install(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 15, 0))
    message = installing.explain(NO_TORCH, Path("log"))
    assert "for Python 3.15" in message and f"{installing.RECOMMENDED} -m minigpt" in message
    monkeypatch.setattr(sys, "platform", "win32")
    assert "py -3.13 -m minigpt" in installing.explain(NO_TORCH, Path("log"))


def test_progress_is_one_line_that_moves_on():
    output = (
        "Collecting torch\n  Downloading torch-2.13.0-cp311-linux.whl (190 MB)\nCollecting numpy\n"
    )
    line = installing.progress(output, "Packages", 65)
    assert line == "Packages: 2 packages, torch [1:05]"
    assert "unpacking" in installing.progress(output + "Installing collected packages: x", "", 1)


def fake_pip(tmp_path: Path, code: str) -> Path:
    """A 'Python' that ignores its arguments and runs this code instead."""
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    script.chmod(0o755)
    return script


unix = pytest.mark.skipif(sys.platform == "win32", reason="scripts are started by their first line")


@unix
def test_pip_output_goes_to_the_log_alone(tmp_path, capsys):
    log = tmp_path / "install.log"
    log.write_text("earlier\n", encoding="utf-8")
    python = fake_pip(tmp_path, "import sys; print('Collecting', *sys.argv[1:])")
    installing.run_pip(python, ["torch"], log, "Packages")
    assert capsys.readouterr().out == "Packages: done in 0 s\n"
    text = log.read_text(encoding="utf-8")
    assert text.startswith("earlier\n") and "-m pip install" in text and "torch" in text


@unix
def test_pip_failure_speaks_of_this_call_alone(tmp_path):
    log = tmp_path / "install.log"
    log.write_text(NO_NETWORK, encoding="utf-8")  # of the CPU index, asked before
    python = fake_pip(tmp_path, f"print({NO_TORCH!r}); raise SystemExit(1)")
    with pytest.raises(Problem, match="There is no PyTorch"):
        installing.pip_or_problem(python, [], log, "Packages")


@unix
def test_full_disk_is_seen_where_the_log_had_no_room_to_say_it(tmp_path, monkeypatch):
    python = fake_pip(tmp_path, "import time; time.sleep(0.3); raise SystemExit(1)")
    monkeypatch.setattr(installing, "free_space", lambda log: 0)
    with pytest.raises(Problem, match="disk is full"):
        installing.pip_or_problem(python, [], tmp_path / "log", "Packages")


@unix
def test_ctrl_c_ends_pip(tmp_path, monkeypatch):
    python = fake_pip(tmp_path, "import time; time.sleep(60)")
    children = []
    popen = installing.subprocess.Popen
    monkeypatch.setattr(
        installing.subprocess,
        "Popen",
        lambda *a, **k: children.append(popen(*a, **k)) or children[0],
    )

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(installing.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        installing.run_pip(python, [], tmp_path / "log", "Packages")
    assert children[0].poll() is not None
