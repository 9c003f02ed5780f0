"""Which requirements the running Python meets: pip's own answers, without a network."""

import sys

import pytest

from minigpt.setup import packages

HAVE = f"pytest=={pytest.__version__}"
TOO_NEW = "pluggy>=999"  # which pytest needs
PYTHON = sys.executable


def test_names_of_requirements():
    lines = ["torch>=2.6,<2.14", "numpy", "nbgrader[x]>=0.9", "a-b_c.d~=1"]
    assert [packages.name_of(line) for line in lines] == ["torch", "numpy", "nbgrader", "a-b_c.d"]


def test_installed_version_of_pytest_and_of_nothing():
    assert packages.installed_version("pytest") == pytest.__version__
    assert packages.installed_version("no-such-distribution-at-all") is None


def test_pip_finds_what_does_not_fit(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # no setting of pip's counts
    assert packages.missing([HAVE]) == []
    assert packages.missing([HAVE, TOO_NEW]) == [TOO_NEW]


def test_what_is_absent_is_named_without_asking_pip(monkeypatch):
    monkeypatch.setattr(packages.subprocess, "run", None)
    assert packages.missing([HAVE, "no-such-distribution>=1", TOO_NEW]) == [
        "no-such-distribution>=1"
    ]
    assert packages.missing([TOO_NEW], versions=False) == []


def answers(monkeypatch, code, tmp_path):
    """A Python whose pip runs this code."""
    script = tmp_path / "python"
    script.write_text(f"#!{PYTHON}\n{code}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(packages.sys, "executable", str(script))


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are started by their first line")
def test_pips_that_cannot_say(monkeypatch, tmp_path):
    answers(monkeypatch, "raise SystemExit('no such option: --dry-run') from None", tmp_path)
    assert packages.missing([TOO_NEW]) == ["no such option: --dry-run"]
    answers(monkeypatch, "raise SystemExit(2)", tmp_path)  # before 22.2, with that message
    assert packages.missing([TOO_NEW]) == []
    answers(monkeypatch, "raise SystemExit(1)", tmp_path)
    assert packages.missing([TOO_NEW])
    monkeypatch.setattr(packages, "installed_version", {"pluggy": "1.0"}.get)  # and no pip
    assert packages.missing([TOO_NEW]) == []
