"""The environment report: what it finds, and advice for each problem."""

import pytest

from minigpt.commands import check
from minigpt.store.files import ROOT


def test_report_marks_problems_and_says_what_to_do():
    page = check.report([("torch", "2.13", None), ("kernel", "another", "remove it")])
    assert page.splitlines()[:2] == ["  torch   2.13", "! kernel  another"]
    assert page.endswith("What to do:\n  kernel: remove it")
    assert check.report([("torch", "2.13", None)]).endswith("All is well.")


def test_checkpoints_tell_whose_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    assert "train" in check.checkpoints()[2]
    paths = ("home/checkpoints/en/sft", "minigpt/data/checkpoints/zh/base",
             "minigpt/data/checkpoints/en/ppo", "minigpt/data/checkpoints/en/base")  # fmt: skip
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{path}.safetensors").touch()
        (tmp_path / path).with_name("train.json").touch()
    assert check.checkpoints()[1:] == ("yours: en/sft; shipped: en/base, en/ppo, zh/base", None)
    for only, state in (("home", "shipped: none"), ("minigpt", "yours: none")):
        monkeypatch.setattr(check, "ROOT", tmp_path if only == "minigpt" else tmp_path / "x")
        monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / (only if only == "home" else "x")))
        assert state in check.checkpoints()[1] and check.checkpoints()[2] is None


def test_absent_torch_and_packages(monkeypatch):
    monkeypatch.setitem(check.sys.modules, "torch", None)
    assert "check --fresh" in check.torch()[2]
    monkeypatch.setattr(check, "missing", lambda lines: ["tiktoken"])
    assert "tiktoken" in check.packages()[2]
    monkeypatch.setattr(check, "installed_version", lambda name: None)
    assert "ipywidgets missing" in check.packages()[1]


def test_kernel_of_another_python(monkeypatch):
    spec = pytest.importorskip("jupyter_client.kernelspec")

    class Manager:
        program = "python"

        def get_kernel_spec(self, name):
            return spec.KernelSpec(argv=[self.program])

    monkeypatch.setattr(spec, "KernelSpecManager", Manager)
    assert check.kernel()[2] is None  # jupyter_client starts the running Python for it
    Manager.program = check.sys.executable
    assert check.kernel()[2] is None
    Manager.program = check.os.path.abspath("another/python")
    assert "another Python" in check.kernel()[2]


def test_home_that_cannot_be_written_and_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(check.os, "access", lambda path, mode: False)
    assert "MINIGPT_HOME" in check.home()[2]
    monkeypatch.setattr(check.shutil, "disk_usage", lambda path: type("U", (), {"free": 1e8}))
    assert check.disk()[2]


def test_repository_version_is_pyprojects():
    assert check.repository()[1].startswith("0.1.0 ")
    assert str(ROOT) in check.repository()[1]


def test_main_prints_all_and_fails_on_a_problem(monkeypatch, capsys):
    monkeypatch.setattr(check, "CHECKS", [lambda: ("torch", "none", "install it")])
    assert check.main([]) == 1
    assert "install it" in capsys.readouterr().out
    monkeypatch.setattr(check, "CHECKS", [check.python, check.disk])
    assert check.main([]) == 0
