"""Choosing where to compute."""

import pytest
import torch

from minigpt.engine.device import cpu_quota, pick_device, set_threads, usable_cores


def test_auto_takes_cuda_or_else_the_cpu_but_never_mps(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for cuda, expected in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert pick_device().type == expected
    assert pick_device("mps").type == "mps"
    assert pick_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    "name, message",
    [("cuda", "'cuda' is missing: .*--device cpu"), ("mps", "'mps' is missing"),
     ("gpu", "'gpu' is not known: choose auto, cpu, cuda or mps")],
)  # fmt: skip
def test_missing_device_says_what_to_do(monkeypatch, name, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        pick_device(name)


@pytest.mark.parametrize(
    "files, cores",
    [({"cpu.max": "200000 100000"}, 2), ({"cpu.max": "50000 100000"}, 0),
     ({"cpu.max": "max 100000"}, 1_000_000), ({}, 1_000_000),
     ({"cpu/cpu.cfs_quota_us": "350000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
     ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1_000_000)],
)  # fmt: skip
def test_a_container_may_have_fewer_cores_than_it_sees(tmp_path, monkeypatch, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert cpu_quota(tmp_path) == cores
    monkeypatch.setattr("minigpt.engine.device.cpu_quota", lambda: cores)
    assert 1 <= usable_cores() <= max(1, cores)


def test_threads(monkeypatch):
    before = torch.get_num_threads()
    try:
        assert set_threads(2) == 2 == torch.get_num_threads()
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert set_threads() == 3 == torch.get_num_threads()
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.setattr("minigpt.engine.device.usable_cores", lambda: 64)
        assert set_threads() == 4
        monkeypatch.setattr("minigpt.engine.device.usable_cores", lambda: 1)
        assert set_threads() == 1
        monkeypatch.setattr("minigpt.engine.device.usable_cores", lambda: 9)
        assert set_threads(most=16) == 9
    finally:
        torch.set_num_threads(before)
    assert usable_cores() >= 1


@pytest.mark.parametrize(
    "cores, ranks, setting, expected",
    [(8, 2, None, 4), (8, 4, None, 2), (2, 4, None, 1), (8, 4, "1", 2), (8, 4, "3", 3)],
)
def test_processes_on_one_machine_divide_its_cores(monkeypatch, cores, ranks, setting, expected):
    before = torch.get_num_threads()
    launch = {"RANK": 0, "WORLD_SIZE": 2 * ranks, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": ranks,
              "MASTER_ADDR": "localhost", "MASTER_PORT": 1}  # fmt: skip
    for name, value in launch.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if setting:  # torchrun sets it to 1 where nobody set it, so 1 says nothing
        monkeypatch.setenv("OMP_NUM_THREADS", setting)
    monkeypatch.setattr("minigpt.engine.device.usable_cores", lambda: cores)
    try:
        assert set_threads() == expected
    finally:
        torch.set_num_threads(before)
