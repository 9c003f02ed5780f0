"""Runs that are broken off and go on: the same bytes as unbroken ones; files that do not fit."""

import errno
import itertools
import json
import os
import random
import signal
import time
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from minigpt.model import GPTConfig
from minigpt.stages import recipe
from minigpt.stages import train as course_module
from minigpt.stages.recipe import Recipe
from minigpt.stages.sizes import SIZES, Size
from minigpt.stages.stage import load_stage
from minigpt.stages.train import Course, run
from minigpt.store import resume as module
from minigpt.store.checkpoint import checksum
from minigpt.store.files import NotWritten
from minigpt.store.resume import fingerprint
from tried import tenth_or_all

TOY = Size(GPTConfig(1024, 256, 1, 2, 32), 3, 10_000)


@pytest.fixture(autouse=True, scope="module")
def toy():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TOY)
        patch.setattr(recipe, "HELD_OUT_TOKENS", 3000)
        yield


def course(out, said=None, seed=0, **options) -> Course:
    torch.set_num_threads(1)
    recipe = Recipe(corpus_tokens=TOY.tokens, demonstrations=200)
    say = (said if said is not None else []).append
    return Course(out, seed=seed, device="cpu", recipe=recipe, say=say, **options)


def checkpoints(folder) -> dict:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing broke off."""
    out = tmp_path_factory.mktemp("whole")
    runs = course(out)
    run(runs, "base")
    run(runs, "sft")
    return out


def break_off(runs: Course, stage: str, after: int, how=signal.SIGINT) -> None:
    """Start a stage, and stop it by a signal (or an error) while its update `after` is made."""
    follow = course_module.follow

    def stopped(course, steps, name, every=20):
        for step in follow(course, steps, name, every):
            yield step
            if step.step == after:
                if isinstance(how, BaseException):
                    raise how
                signal.raise_signal(how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course_module, "follow", stopped)
        run(runs, stage)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [1, 4, 19])
def test_a_base_that_was_broken_off_ends_with_the_same_bytes(whole, tmp_path, after, how):
    said = []
    with pytest.raises(KeyboardInterrupt):
        break_off(course(tmp_path), "base", after, how)
    assert not (tmp_path / "base.safetensors").exists()
    file = tmp_path / "base.resume.safetensors"
    assert file.is_file()
    run(course(tmp_path, said, resume=True), "base")
    assert f"going on after update {after} of 19, from {file.name}" in said
    assert not file.exists()
    assert checkpoints(tmp_path) == {
        name: data for name, data in checkpoints(whole).items() if name.startswith("base")
    }


@pytest.mark.parametrize("after", [2, 7])
def test_sft_as_well(whole, tmp_path, after):
    for name, data in checkpoints(whole).items():
        if name != "sft.safetensors":
            (tmp_path / name).write_bytes(data)
    with pytest.raises(KeyboardInterrupt):
        break_off(course(tmp_path), "sft", after)
    said = []
    runs = course(tmp_path, said, resume=True)
    run(runs, "base")
    run(runs, "sft")
    assert "base: finished before, base.safetensors stays as it is" in said
    assert checkpoints(tmp_path) == checkpoints(whole)


def test_a_run_broken_off_twice(whole, tmp_path):
    for after, resume in ((3, False), (8, True)):
        with pytest.raises(KeyboardInterrupt):
            break_off(course(tmp_path, resume=resume), "base", after)
    run(course(tmp_path, resume=True), "base")
    assert (tmp_path / "base.safetensors").read_bytes() == checkpoints(whole)["base.safetensors"]


def test_the_state_is_written_now_and_then_for_a_crash_that_nothing_announces(
    whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "EVERY", 0.0)
    written, write = [], module.Progress.write
    monkeypatch.setattr(
        module.Progress, "write", lambda self, step: written.append(step) or write(self, step)
    )
    monkeypatch.setattr(module.time, "monotonic", lambda: 10.0)  # so each update is one too late
    with pytest.raises(RuntimeError, match="power cut"):
        break_off(course(tmp_path), "base", 6, RuntimeError("power cut"))
    assert [step.step for step in written] == [1, 2, 3, 4, 5]
    run(course(tmp_path, resume=True), "base")
    assert (tmp_path / "base.safetensors").read_bytes() == checkpoints(whole)["base.safetensors"]


def test_between_two_writings_passes_a_minute(tmp_path, monkeypatch):
    written = []
    clock = iter(range(0, 100_000, 15))  # each look at the clock 15 s after the last
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(module.Progress, "write", lambda self, step: written.append(step.step))
    run(course(tmp_path), "base")
    assert written == [4]  # it took 15 s to write, so the next is 300 s later


def refuse(*_):
    """Stands for atomic_write where the disk is full."""
    raise NotWritten(errno.ENOSPC, "the disk is full", "base.resume.safetensors")


def test_ctrl_c_on_a_full_disk_promises_no_resume(tmp_path, monkeypatch):
    """KeyboardInterrupt would mean that the state is written, and `--resume` could go on."""
    monkeypatch.setattr(module, "atomic_write", refuse)
    with pytest.raises((NotWritten, KeyboardInterrupt)) as error:  # the second would end all tests
        break_off(course(tmp_path), "base", 4)
    assert "resume.safetensors could not be written: the disk" in str(error.value)
    assert not list(tmp_path.glob("*.resume.safetensors"))


def test_a_full_disk_ends_no_run(whole, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(module, "EVERY", 0.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: 10.0)  # so it is due after each update
    monkeypatch.setattr(module, "atomic_write", refuse)
    run(course(tmp_path, said), "base")
    assert len([text for text in said if text.endswith("The run goes on without")]) == 19
    assert (tmp_path / "base.safetensors").read_bytes() == checkpoints(whole)["base.safetensors"]


def test_the_time_of_all_its_parts_is_counted(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        break_off(course(tmp_path), "base", 6)
    file = tmp_path / "base.resume.safetensors"
    with safe_open(file, framework="pt") as opened:
        meta = json.loads(opened.metadata()[module.KEY])
    tensors = load_file(file)
    del meta["sha256"]
    assert meta["took"][0] > 0
    meta["took"][0] += 1000
    meta["sha256"] = checksum(tensors, meta)
    save_file(tensors, file, metadata={module.KEY: json.dumps(meta)})
    run(course(tmp_path, resume=True), "base")
    table = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))
    assert 1000 < table["stages"]["base"]["seconds"] < 1100


def test_clocks_that_are_set_back_or_begin_anew_change_nothing(whole, tmp_path, monkeypatch):
    """A computer that was started anew counts from 0 again, and may think that it is last year."""
    with pytest.raises(KeyboardInterrupt):
        break_off(course(tmp_path), "base", 6)
    for file in tmp_path.iterdir():  # from the future
        os.utime(file, (2**32, 2**32))
    hours, begun = itertools.count(0, -3600), time.perf_counter() + 1e6
    counted = time.perf_counter, time.process_time
    monkeypatch.setattr(time, "time", lambda: float(next(hours)))
    monkeypatch.setattr(time, "perf_counter", lambda: counted[0]() - begun)
    monkeypatch.setattr(time, "process_time", lambda: counted[1]() - 1e5)
    run(course(tmp_path, resume=True), "base")
    assert checkpoints(tmp_path) == {
        name: data for name, data in checkpoints(whole).items() if name.startswith("base")
    }
    took = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))["stages"]["base"]
    assert 0 < took["seconds"] < 1000 and took["cpu_over_wall"] > 0


def test_without_resume_the_stage_starts_anew_and_says_what_resume_would_do(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        break_off(course(tmp_path), "base", 6)
    said = []
    run(course(tmp_path, said), "base")
    assert any("base.resume.safetensors" in text and "`--resume` would go on" in text
               for text in said)  # fmt: skip
    assert not any("going on after" in text for text in said)
    assert (tmp_path / "base.safetensors").read_bytes() == checkpoints(whole)["base.safetensors"]
    assert not (tmp_path / "base.resume.safetensors").exists()


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A folder in which base was broken off after update 6."""
    out = tmp_path_factory.mktemp("broken")
    with pytest.raises(KeyboardInterrupt):
        break_off(course(out), "base", 6)
    return out


@pytest.mark.parametrize(
    "change, message",
    [
        ({"seed": 1}, "its seed is 0, and now it would be 1"),
        ({"size": "mini"}, "its model's n_layer is 1, and now it would be 2"),
        ({"fast": True}, "its data is [0-9a-f]{16}, and now .*--fast"),
    ],
)
def test_another_run_is_refused_and_its_file_stays(broken, monkeypatch, change, message):
    monkeypatch.setitem(SIZES, "mini", replace(TOY, model=replace(TOY.model, n_layer=2)))
    before = checkpoints(broken)
    with pytest.raises(
        ValueError, match=rf"base\.resume\.safetensors is of another run: {message}"
    ):
        run(course(broken, resume=True, **change), "base")
    assert checkpoints(broken) == before


def test_other_settings_are_named(broken, monkeypatch):
    runs = course(broken, resume=True)
    settings = replace(runs.settings("base"), muon_lr=0.5)
    monkeypatch.setattr(runs, "settings", lambda stage: settings)
    with pytest.raises(ValueError, match="its muon_lr is 0.03, and now it would be 0.5"):
        run(runs, "base")


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_damaged_file_is_a_clear_error_and_stays(broken, tmp_path, keep):
    data = (broken / "base.resume.safetensors").read_bytes()[:keep]
    (tmp_path / "base.resume.safetensors").write_bytes(data)
    message = r"base\.resume\.safetensors is damaged, or of another program or version: move"
    with pytest.raises(ValueError, match=message):
        run(course(tmp_path, resume=True), "base")
    assert (tmp_path / "base.resume.safetensors").read_bytes() == data
    assert {p.name for p in tmp_path.iterdir()} == {"base.resume.safetensors"}


def test_one_wrong_byte_among_the_weights_is_noticed(broken, tmp_path):
    data = bytearray((broken / "base.resume.safetensors").read_bytes())
    data[-1000] ^= 1
    (tmp_path / "base.resume.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"base\.resume\.safetensors is damaged"):
        run(course(tmp_path, resume=True), "base")


def test_a_checkpoint_under_the_files_name_is_a_clear_error(whole, tmp_path):
    (tmp_path / "base.resume.safetensors").write_bytes(checkpoints(whole)["base.safetensors"])
    with pytest.raises(ValueError, match="is damaged, or of another program"):
        run(course(tmp_path, resume=True), "base")


def test_a_broken_off_run_is_no_stage(broken, monkeypatch):
    monkeypatch.setattr("minigpt.stages.stage.own_checkpoints", lambda lang, size: broken)
    with pytest.raises(FileNotFoundError, match="There are: .*base_step_00") as error:
        load_stage("nothing")
    assert "resume" not in str(error.value)


def test_fingerprints_tell_data_apart():
    assert fingerprint([([1], [2])]) == fingerprint([([1], [2])]) != fingerprint([([1], [3])])
    tokens = torch.arange(5).numpy()
    assert fingerprint(tokens) == fingerprint(tokens.copy()) != fingerprint(tokens[:4])


@pytest.mark.parametrize("n", tenth_or_all(400))
def test_each_mutated_resume_file_is_refused_by_name(n, tmp_path, tried):
    with pytest.raises(KeyboardInterrupt):
        break_off(course(tmp_path), "base", 4)
    path, rng = tmp_path / "base.resume.safetensors", random.Random(n)
    data = path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    assert module.read_resume(path, data)[0]["last"].step == 4
    for i in range(n):
        broken = bytearray(data)
        at = rng.randrange(header) if i % 2 else rng.randrange(len(data))
        if i % 4 == 3:
            del broken[at:]
        else:
            broken[at] ^= 1 << rng.randrange(8)
        with pytest.raises(ValueError, match="base.resume.safetensors is damaged, or of another"):
            module.read_resume(path, bytes(broken))
    tried("states", n)
