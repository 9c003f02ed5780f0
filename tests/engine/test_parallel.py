"""Several processes against one: the same losses and weights; what each does alone; torchrun."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from minigpt.engine import parallel as distributed
from minigpt.engine.optim import make_optimizer
from minigpt.engine.parallel import (
    any_rank,
    bytes_from_first,
    joined_ranks,
    over_ranks,
    replicated,
    share,
)
from minigpt.model import IGNORE, GPTConfig
from minigpt.pretrain import PretrainConfig, pretrain
from minigpt.sft import SFTConfig, sft
from minigpt.stages import recipe
from minigpt.stages import train as course
from minigpt.stages.sizes import SIZES, Size
from minigpt.store.checkpoint import load_tensors, read_meta
from minigpt.store.files import ROOT
from minigpt.store.resume import Progress
from toys import awake, tiny_gpt

if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no torch.distributed", allow_module_level=True)

V, PAD, END = 64, 63, 62
TOKENS = np.random.default_rng(0).integers(0, 60, 200).astype(np.uint16)
PAIRS = [([1, 2, 3], [4, END]), ([5], [6, 7, 8, END]), ([9, 10], [END]),
         ([11, 12, 13, 14], [15, 16, 17, 18, 19, 20, END])]  # fmt: skip


def small_gpt(seed=0):
    return tiny_gpt(seed, vocab_size=V, block_size=16)


def awake_model():
    return awake(small_gpt())


def runs():
    """Every run once more: {name: (losses, weights)}. Batches of 3 and 1 divide unevenly by 2."""
    out, split = {}, {"mean_loss": over_ranks}
    base, one_row = PretrainConfig(3, 8, steps=4), PretrainConfig(1, 8, steps=2)
    mixed, alone = SFTConfig(3, 2, block_size=8), SFTConfig(3, 1, pretraining_weight=0.0)
    for name, make in {
        "pretrain": lambda m: pretrain(m, TOKENS, base, **split),
        "pretrain, one row": lambda m: pretrain(m, TOKENS, one_row, **split),
        "sft": lambda m: sft(m, PAIRS, TOKENS, mixed, PAD, **split),
        "sft alone": lambda m: sft(m, PAIRS, TOKENS, alone, PAD, **split),
    }.items():
        model = awake_model()
        steps = list(make(replicated(model)))
        losses = [(s.step, s.steps, s.tokens, s.loss) for s in steps]
        out[name] = losses, {key: p.detach().clone() for key, p in model.named_parameters()}
    return out


def in_a_rank(rank, port, folder):
    """What one of two processes does; a function of the module, so that it can be spawned."""
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE="2",
                      MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))  # fmt: skip
    torch.set_num_threads(1)
    with joined_ranks(torch.device("cpu")):
        assert distributed.rank() == rank and distributed.world_size() == 2
        assert not any_rank(False) and any_rank(rank == 1)
        assert bytes_from_first(b"weights" if rank == 0 else None) == b"weights"
        assert bytes_from_first(None) is None
        other = small_gpt(rank)  # replicated() gives all of them rank 0's weights
        replicated(other)
        assert torch.equal(other.embedding.weight, small_gpt().embedding.weight)
        torch.save(runs(), f"{folder}/{rank}.pt")
        broken_off_and_resumed(rank, Path(folder) / "base.resume.safetensors")
    assert distributed.rank() == 0 and distributed.world_size() == 1


def broken_off_and_resumed(rank, path):
    """Ctrl-C at one rank alone stops both after the same update; both go on from rank 0's file."""
    config, identity = PretrainConfig(3, 8, steps=5), {"seed": 0}

    def begin(resume):
        model = awake_model()
        mine = path if rank == 0 else path.with_name("on another machine")
        progress = Progress(mine, model, make_optimizer(model), identity, resume, lambda text: None)
        run = pretrain(replicated(model), TOKENS, config, progress.optimizer, progress.start,
                       over_ranks)  # fmt: skip
        return model, progress, progress.kept(run)

    whole, _, run = begin(False)
    steps = list(run)
    _, progress, run = begin(False)
    try:
        for step in run:
            if rank == 1 and step.step == 2:
                signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        assert progress.last == steps[1]
    model, progress, run = begin(True)
    assert list(run) == steps[2:]
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), whole.parameters()))
    progress.done()
    assert rank or not path.exists()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_two_processes_give_the_losses_and_weights_of_one(tmp_path):
    mp.spawn(in_a_rank, (free_port(), str(tmp_path)), nprocs=2)
    alone = runs()
    ranks = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for name, (losses, weights) in alone.items():
        for found in ranks:
            assert [step[:3] for step in found[name][0]] == [step[:3] for step in losses]
            expected = [step[3] for step in losses]
            assert [step[3] for step in found[name][0]] == pytest.approx(expected, rel=1e-5), name
            for key, p in weights.items():
                torch.testing.assert_close(found[name][1][key], p, rtol=1e-3, atol=1e-4)
        assert all(torch.equal(ranks[0][name][1][k], ranks[1][name][1][k]) for k in weights)


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_shares_are_all_rows_once_and_weigh_what_they_score(ranks):
    i = IGNORE
    targets = torch.tensor([[1, i, i], [1, 2, 3], [i, i, 4], [5, 6, i]])
    shares = [share(targets, rank, ranks) for rank in range(ranks)]
    assert sum(weight for _, weight in shares) == pytest.approx(1)
    assert sorted(r for rows, weight in shares if weight for r in rows.tolist()) == [0, 1, 2, 3]
    for rows, weight in shares:
        assert (targets[rows] != i).any()  # or the mean would not be defined
        assert weight in (0, pytest.approx((targets[rows] != i).sum().item() / 7))


def test_a_share_that_scores_nothing_has_no_weight():
    targets = torch.tensor([[IGNORE, IGNORE], [3, IGNORE]])
    (rows, weight), other = share(targets, 0, 2), share(targets, 1, 2)
    assert rows.tolist() == [1] and weight == 0
    assert other[0].tolist() == [1] and other[1] == 1


def test_without_torchrun_there_is_one_rank_and_nothing_is_wrapped(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    model = small_gpt()
    with joined_ranks(torch.device("cpu")):
        assert distributed.world_size() == 1 and distributed.is_first()
        assert replicated(model) is model and bytes_from_first(b"a") == b"a" and any_rank(True)
    monkeypatch.setenv("WORLD_SIZE", "4")  # as some schedulers do for other reasons
    assert not distributed.launched() and distributed.local_world_size() == 1


@pytest.mark.parametrize(
    "device, message", [("cuda", "2 processes and 1 NVIDIA"), ("mps", "use --device cpu")]
)
def test_devices_that_cannot_be_shared_are_a_clear_error(monkeypatch, device, message):
    launch = {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2,
              "MASTER_ADDR": "localhost", "MASTER_PORT": 1}  # fmt: skip
    for name, value in launch.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=message), joined_ranks(torch.device(device)):
        pass


SMALL = """
from minigpt.stages import recipe, sizes
from minigpt.model import GPTConfig
recipe.HELD_OUT_TOKENS = 3000
sizes.SIZES["tiny"] = sizes.Size(GPTConfig(n_layer=1, n_head=2, n_embd=32), 15, 100_000)
"""


def test_torchrun_trains_the_base_of_one_process(tmp_path, monkeypatch):
    """The real launcher and the real command, with so small a model that it takes seconds."""
    (tmp_path / "sitecustomize.py").write_text(SMALL, encoding="utf-8")  # each Python runs it first
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2",
         f"--master-port={free_port()}", "-m", "minigpt", "train", "--fast", "--stages", "base",
         "--device", "cpu", "--threads", "1", "--out", str(tmp_path / "two")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(recipe, "HELD_OUT_TOKENS", 3000)
    size = Size(GPTConfig(n_layer=1, n_head=2, n_embd=32), 15, 100_000)
    monkeypatch.setitem(SIZES, "tiny", size)
    one = course.Course(tmp_path / "one", device="cpu", fast=True, say=lambda text: None)
    course.run(one, "base")
    assert "2 processes of 1 threads each" in done.stdout
    assert done.stdout.count("writing the corpus") == done.stdout.count("Done.") == 1
    one, two = (tmp_path / name / "base.safetensors" for name in ("one", "two"))
    assert {p.name for p in one.parent.iterdir()} == {p.name for p in two.parent.iterdir()}
    assert read_meta(two) == {**read_meta(one), "ranks": 2}
    table = json.loads((tmp_path / "two" / "train.json").read_text(encoding="utf-8"))
    assert set(table["stages"]) == {"base"}
    found = load_tensors(two)
    for name, p in load_tensors(one).items():
        torch.testing.assert_close(found[name], p, rtol=0.02, atol=0.01)  # stored in bfloat16
