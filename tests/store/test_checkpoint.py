"""Checkpoint files: what is read is what was written, all of it or a clear error."""

import json
import os
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from minigpt.model import GPT, GPTConfig
from minigpt.store.checkpoint import (
    file_hash,
    load_into,
    load_model,
    load_tensors,
    read_meta,
    save_checkpoint,
)
from minigpt.store.files import atomic_write

CONFIG = GPTConfig(vocab_size=20, block_size=16, n_layer=2, n_head=2, n_embd=16)
META = {"stage": "base", "config": vars(CONFIG), "seed": 3, "metrics": {"loss": 1.5}, "名": "北京"}


@pytest.fixture
def model():
    model = GPT(CONFIG)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(generator=generator)
    return model


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "base.safetensors"
    save_checkpoint(path, model.state_dict(), META)
    return path


def test_round_trip(model, path):
    assert read_meta(path) == META | {"format": 1}
    tensors = load_tensors(path)
    assert tensors.keys() == model.state_dict().keys()
    for name, p in model.named_parameters():
        assert tensors[name].dtype == torch.float32
        assert torch.equal(tensors[name], p.bfloat16().float())


def test_loaded_model_computes_as_the_rounded_one(model, path):
    loaded, meta = load_model(path)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.bfloat16())
    idx = torch.arange(12)[None]
    assert torch.equal(loaded(idx), model(idx))
    assert loaded.config == CONFIG
    assert meta["stage"] == "base"


def test_saving_what_was_loaded_gives_the_same_file(path, tmp_path):
    loaded, meta = load_model(path)
    again = tmp_path / "again.safetensors"
    assert save_checkpoint(again, loaded.state_dict(), meta) == file_hash(path)
    assert again.read_bytes() == path.read_bytes()


def test_same_content_gives_the_same_bytes_in_any_order(model, path):
    state, meta = list(model.state_dict().items()), list(META.items())
    for seed in range(6):
        random.Random(seed).shuffle(state)
        random.Random(seed).shuffle(meta)
        other = path.with_name("other")
        assert save_checkpoint(other, dict(state), dict(meta)) == file_hash(path)
        assert other.read_bytes() == path.read_bytes()
    assert save_checkpoint(other, dict(state), META | {"seed": 4}) != file_hash(path)


def test_any_safetensors_reader_can_read_it(path):
    with safe_open(path, framework="pt") as file:
        assert list(file.metadata()) == ["minigpt"]
        assert json.loads(file.metadata()["minigpt"])["seed"] == 3
        assert file.get_tensor("head.weight").dtype == torch.bfloat16


def test_views_of_one_tensor_and_tensors_of_any_layout_are_stored(tmp_path):
    x = torch.arange(6.0).view(2, 3)
    save_checkpoint(tmp_path / "f", {"a": x, "b": x.T, "c": x[1], "d": torch.tensor(2.0)}, {})
    tensors = load_tensors(tmp_path / "f")
    assert torch.equal(tensors["b"], x.T) and torch.equal(tensors["c"], x[1])
    assert torch.equal(tensors["a"], x) and tensors["d"] == 2


def test_integer_tensors_are_refused(tmp_path):
    with pytest.raises(ValueError, match="counts is torch.int64"):
        save_checkpoint(tmp_path / "f", {"counts": torch.arange(3)}, {})
    assert not list(tmp_path.iterdir())


def test_folder_is_made(tmp_path, model):
    save_checkpoint(tmp_path / "a" / "b" / "f", model.state_dict(), META)
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["f"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file_and_nothing_else(model, path, monkeypatch, function):
    old = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, model.state_dict(), META | {"seed": 99})
    monkeypatch.undo()
    assert path.read_bytes() == old
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    save_checkpoint(path, model.state_dict(), META | {"seed": 99})
    assert read_meta(path)["seed"] == 99


def test_new_file_takes_its_place_only_when_whole(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(path.read_bytes()))
    atomic_write(path, b"new")
    assert seen == [b"old"] and path.read_bytes() == b"new"


def test_missing_file_says_how_to_make_it(tmp_path):
    for read in (read_meta, load_tensors, load_model):
        with pytest.raises(FileNotFoundError, match="base.safetensors.*python3 -m minigpt train"):
            read(tmp_path / "base.safetensors")


def test_every_cut_is_noticed(path):
    data = path.read_bytes()
    header_end = 8 + int.from_bytes(data[:8], "little")
    cuts = [0, 1, 7, 8, 9, 100, header_end - 1, header_end, header_end + 1, len(data) - 1]
    for cut in cuts:
        path.write_bytes(data[:cut])
        for read in (read_meta, load_tensors, load_model):
            with pytest.raises(ValueError, match="base.safetensors is damaged or cut off"):
                read(path)
    path.write_bytes(data + b"x")
    with pytest.raises(ValueError, match="damaged"):
        read_meta(path)


def test_damage_gives_a_clear_error_or_the_same_header_never_a_crash(path):
    data = path.read_bytes()
    header_end = 8 + int.from_bytes(data[:8], "little")
    rng = random.Random(0)
    refused = 0
    for _ in range(400):
        broken = bytearray(data)
        broken[rng.randrange(header_end)] = rng.randrange(256)
        path.write_bytes(broken)
        try:
            load_model(path)
        except ValueError as error:
            assert "base.safetensors" in str(error)
            refused += 1
    assert refused > 200  # the others hit harmless bytes, such as the stage's name


@pytest.mark.parametrize(
    "header",
    [b"[]", b'"x"', b"{}", b'{"__metadata__": 3}', b'{"__metadata__": {"minigpt": "[]"}}',
     b'{"__metadata__": {"minigpt": "{"}}', b'{"__metadata__": {"minigpt": 3}}',
     b'{"a": {"data_offsets": ["x", "y"]}}', b'{"a": 3}', b'{"a": {"data_offsets": [0]}}'],
)  # fmt: skip
def test_strange_headers(tmp_path, header):
    path = tmp_path / "f"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="damaged|not a minigpt checkpoint"):
        load_model(path)


def test_a_huge_header_length_is_not_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="damaged"):
        read_meta(path)


def test_file_of_another_program(tmp_path):
    save_file({"w": torch.zeros(3)}, tmp_path / "f", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="not a minigpt checkpoint"):
        load_model(tmp_path / "f")
    save_file({"w": torch.zeros(3)}, tmp_path / "f")
    with pytest.raises(ValueError, match="not a minigpt checkpoint"):
        load_model(tmp_path / "f")


def test_file_of_another_version(tmp_path):
    save_file({}, tmp_path / "f", metadata={"minigpt": json.dumps({"format": 2})})
    with pytest.raises(ValueError, match="format 2, and this minigpt reads 1: update"):
        read_meta(tmp_path / "f")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n_embd": 32}, r"blocks.0.attn_out.weight should be \(32, 32\) and is \(16, 16\)"),
        ({"n_layer": 3}, "blocks.2.attn_out.weight should be .* and is absent"),
        ({"n_layer": 1}, "blocks.1.attn_out.weight should be absent"),
        ({"n_head": 5}, "no usable model config"),
        ({"n_heads": 2}, "no usable model config"),
    ],
)
def test_config_that_does_not_fit_the_weights(model, path, change, message):
    save_checkpoint(path, model.state_dict(), META | {"config": vars(CONFIG) | change})
    with pytest.raises(ValueError, match=message):
        load_model(path)


def test_no_config(model, path):
    save_checkpoint(path, model.state_dict(), {"stage": "base"})
    with pytest.raises(ValueError, match="no usable model config"):
        load_model(path)


def test_load_into_a_model_with_another_head(path):
    head = torch.nn.Linear(16, 1)
    with pytest.raises(ValueError, match="bias should be"):
        load_into(head, load_tensors(path), path)
    load_into(head, {"weight": torch.ones(1, 16), "bias": torch.ones(1)}, path)
    assert (head.weight == 1).all()
