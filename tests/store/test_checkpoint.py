"""Checkpoint files: what is read is what was written, all of it or a clear error."""

import json
import os
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from minigpt.model import GPT, GPTConfig
from minigpt.store import checkpoint as module
from minigpt.store.checkpoint import (
    file_hash,
    find_parent,
    load_into,
    load_model,
    load_tensors,
    read_meta,
    save_checkpoint,
)
from minigpt.store.files import atomic_write
from tried import tenth_or_all

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
    assert read_meta(path) == META | {"format": 2, "kind": "language model"}
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


def saved_files(model, folder):
    """A file of each form; the small ones with the bf16 one as their parent."""
    parent = folder / "sft.safetensors"
    save_checkpoint(parent, model.state_dict(), META)
    changed = {k: t + 0.01 * torch.randn(t.shape) for k, t in model.state_dict().items()}
    for form in ("int8", "delta"):
        path = folder / f"{form}.safetensors"
        save_checkpoint(path, changed, META, form=form, parent=parent)
    return {"bf16": parent, "int8": folder / "int8.safetensors", "delta": path}


@pytest.mark.parametrize("n", tenth_or_all(1000))
@pytest.mark.parametrize("form", ["bf16", "int8", "delta"])
def test_every_wrong_bit_is_noticed(model, tmp_path, form, n, tried):
    path = saved_files(model, tmp_path)[form]
    data, rng = path.read_bytes(), random.Random(n)
    header_end = 8 + int.from_bytes(data[:8], "little")
    load_model(path)
    places = [(byte, bit) for byte in range(header_end) for bit in range(8)]
    rest = [(byte, bit) for byte in range(header_end, len(data)) for bit in range(8)]
    # Where the parent's hash or name is another, that file is not found.
    errors = (ValueError, FileNotFoundError) if form == "delta" else ValueError
    for byte, bit in [*rng.sample(places, 7 * n // 10), *rng.sample(rest, 3 * n // 10)]:
        broken = bytearray(data)
        broken[byte] ^= 1 << bit
        path.write_bytes(broken)
        with pytest.raises(errors, match=path.name):
            load_model(path)
    tried("checkpoints", n)


@pytest.mark.parametrize("n", tenth_or_all(400))
def test_many_wrong_bytes_are_noticed(path, n, tried):
    data, rng = path.read_bytes(), random.Random(n)
    for _ in range(n):
        broken = bytearray(data)
        for _ in range(rng.randrange(1, 5)):
            broken[rng.randrange(len(data))] = rng.randrange(256)
        if broken == data:
            continue
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="base.safetensors"):
            load_model(path)
    tried("checkpoints", n)


def rewritten(path, change) -> None:
    """Change a file's tensors or metadata, and leave its checksum."""
    with safe_open(path, framework="pt") as file:
        meta = json.loads(file.metadata()["minigpt"])
    tensors = load_file(path)
    change(tensors, meta)
    text = json.dumps(meta, sort_keys=True, ensure_ascii=False)
    save_file(tensors, path, metadata={"minigpt": text})


def swap(tensors, one, other):
    tensors[one], tensors[other] = tensors[other], tensors[one]


@pytest.mark.parametrize(
    "change",
    [
        lambda t, meta: swap(t, "embedding.weight", "head.weight"),
        lambda t, meta: swap(t, "blocks.0.mlp_in.weight", "blocks.1.mlp_in.weight"),
        lambda t, meta: t.update(other=t.pop("gain")),
        lambda t, meta: t.update({"head.weight": t["head.weight"].view(10, 32)}),
        lambda t, meta: t.update({"head.weight": t["head.weight"].view(torch.float16)}),
        lambda t, meta: t.update(more=torch.zeros(1)),
        lambda t, meta: meta["config"].update(n_head=1),
        lambda t, meta: meta.update(seed=4),
        lambda t, meta: meta.pop("sha256"),
        lambda t, meta: meta.update(sha256=None),
        lambda t, meta: meta.update(format=1),
    ],
)
def test_a_change_that_the_checksum_tells(path, change):
    rewritten(path, lambda tensors, meta: None)
    load_model(path)
    rewritten(path, change)
    with pytest.raises(ValueError, match="base.safetensors is damaged or cut off"):
        load_model(path)


def test_the_checksum_is_of_names_dtypes_shapes_and_bytes():
    """Each of them alone, with the tensors in the same order."""
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.zeros(2, dtype=torch.bfloat16)}
    others = [
        {"a": tensors["a"], "c": tensors["b"]},
        {"a": tensors["a"].view(3, 2), "b": tensors["b"]},
        {"a": tensors["a"], "b": tensors["b"].view(torch.float16)},
        {"a": tensors["a"], "b": torch.tensor([0, 1], dtype=torch.bfloat16)},
        {"a": tensors["a"]},
    ]
    found = {module.checksum(t, {"seed": 0}) for t in (tensors, *others)}
    assert len(found) == 6 and module.checksum(tensors, {"seed": 1}) not in found
    assert module.checksum(dict(reversed(tensors.items())), {"seed": 0}) in found


def as_format_1(tensors, meta):
    meta["format"] = 1
    del meta["sha256"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(model, path, number):
    with torch.no_grad():
        model.head.weight.fill_(number)
    with pytest.raises(ValueError, match="head.weight has numbers that are NaN or infinite"):
        save_checkpoint(path, model.state_dict(), META)

    def change(tensors, meta):
        as_format_1(tensors, meta)
        tensors["head.weight"].fill_(number)

    rewritten(path, change)
    message = (
        "base.safetensors cannot be used: head.weight has numbers that are NaN .* train` makes"
    )
    with pytest.raises(ValueError, match=message):
        load_model(path)


def test_format_1_still_loads(model, path):
    rewritten(path, as_format_1)
    loaded, meta = load_model(path)
    assert meta == META | {"format": 1, "kind": "language model"}
    assert torch.equal(loaded.head.weight, model.head.weight.bfloat16().float())


@pytest.mark.parametrize("key", ["format", "deep"])
def test_a_header_nested_beyond_reason(tmp_path, key):
    path, deep = tmp_path / "f", "[" * 100_000 + "]" * 100_000
    inner = json.dumps('{"format": 2, "deep": ' + deep + "}")
    text = f'{{"__metadata__": {{"minigpt": {inner}}}}}'
    text = f'{{"a": {deep}}}' if key == "deep" else text
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode())
    for read in (read_meta, load_model):
        with pytest.raises(ValueError, match="damaged"):
            read(path)


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
    for version, said in ((3, "a newer version of the course made it. Update"), (0, "another"),
                          (True, "another"), ("2", "another"), (None, "another")):  # fmt: skip
        save_file({}, tmp_path / "f", metadata={"minigpt": json.dumps({"format": version})})
        with pytest.raises(ValueError, match=f"format {version}, and this minigpt reads 1 to 2: "):
            read_meta(tmp_path / "f")
        with pytest.raises(ValueError, match=said):
            load_model(tmp_path / "f")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n_embd": 32}, r"blocks.0.attn_out.weight should be \(32, 32\) and is \(16, 16\)"),
        ({"n_layer": 3}, "blocks.2.attn_out.weight should be .* and is absent"),
        ({"n_layer": 1}, "blocks.1.attn_out.weight should be absent"),
        ({"n_head": 5}, "no usable model config"),
        ({"n_heads": 2}, "no usable model config"),
        ({"n_embd": 2**40}, "is larger than the .* weights in the file"),
        ({"vocab_size": 2**40}, "is larger than the .* weights in the file"),
        ({"n_layer": 2**40}, "is larger than the .* weights in the file"),
        ({"block_size": 2**40}, "is larger than the .* weights in the file"),
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


# ---- small forms, and parents ------------------------------------------------------------------


def test_small_forms_are_small_and_near(model, tmp_path):
    files = saved_files(model, tmp_path)
    sizes = {form: sum(t.nbytes for t in load_file(path).values()) for form, path in files.items()}
    assert sizes["int8"] < 0.6 * sizes["bf16"] and sizes["delta"] < 0.4 * sizes["bf16"]
    whole, near = (load_tensors(files[form]) for form in ("int8", "delta"))
    for name, tensor in near.items():
        assert (tensor - whole[name]).abs().max() < 0.02, name


@pytest.mark.parametrize("form", ["int8", "delta"])
def test_a_small_form_is_as_exact_as_its_bytes_allow(model, tmp_path, form):
    """Rows of whole numbers times a power of two come back as they were."""
    parent, largest = tmp_path / "sft.safetensors", {"int8": 127, "delta": 7}[form]
    save_checkpoint(parent, model.state_dict(), META)
    start = load_tensors(parent) if form == "delta" else {}
    state = load_tensors(parent)
    for name, tensor in state.items():
        if tensor.dim() == 2:
            whole = torch.randint(-largest, largest + 1, tensor.shape).float()
            whole[:, 0] = largest
            whole[0] = 0  # a row in which nothing is to be stored
            state[name] = start.get(name, 0) + whole * 2.0**-9
    save_checkpoint(tmp_path / "f", state, META, form=form, parent=parent)
    for name, tensor in load_tensors(tmp_path / "f").items():
        assert torch.allclose(tensor, state[name], atol=1e-6), name


def test_small_files_are_the_same_bytes_each_time(model, tmp_path):
    for form, path in saved_files(model, tmp_path).items():
        data, parent = path.read_bytes(), tmp_path / "sft.safetensors"
        state, meta = load_tensors(path), read_meta(path)
        if form != "bf16":
            hashes = {save_checkpoint(path, state, meta, form=form, parent=parent) for _ in "12"}
            assert len(hashes) == 1
        else:
            assert save_checkpoint(path, state, meta) == file_hash(path)
            assert path.read_bytes() == data


def test_a_delta_needs_its_parent_and_finds_it_among_the_shipped_ones(model, tmp_path, monkeypatch):
    path, shipped = saved_files(model, tmp_path)["delta"], tmp_path / "shipped"
    monkeypatch.setattr(module, "SHIPPED", shipped)
    parent = tmp_path / "sft.safetensors"
    before, hash_ = load_tensors(path), file_hash(parent)
    assert read_meta(path)["parent"] == hash_ and read_meta(path)["parent_file"] == parent.name
    (shipped / "en").mkdir(parents=True)
    parent.rename(shipped / "en" / parent.name)
    save_checkpoint(parent, before, META)  # trained anew: another one
    assert all(torch.equal(t, before[name]) for name, t in load_tensors(path).items())
    (shipped / "en" / parent.name).unlink()
    both = f"{hash_}.* neither {parent} nor {shipped / 'en' / parent.name}: .* train`"
    with pytest.raises(FileNotFoundError, match=both):
        load_model(path)


def test_a_child_of_a_child(model, tmp_path):
    """A difference from a file that is a difference itself."""
    path = saved_files(model, tmp_path)["delta"]
    state = {name: tensor + 2**-8 for name, tensor in load_tensors(path).items()}
    save_checkpoint(tmp_path / "f", state, META, form="delta", parent=path)
    for name, tensor in load_tensors(tmp_path / "f").items():
        assert torch.allclose(tensor, state[name], atol=0.01), name


@pytest.mark.parametrize("parent", [None, 3, "../sft.safetensors", "a/b"])
def test_a_parent_that_is_no_name(model, tmp_path, parent):
    key = "parent" if parent is None else "parent_file"
    meta = {"parent": "0123456789abcdef", "parent_file": "sft.safetensors"} | {key: parent}
    with pytest.raises(ValueError, match="f cannot be used: it does not say what its parent is"):
        find_parent(tmp_path / "f", meta)


def test_forms_that_are_not_there(model, path):
    for options in ({"form": "int4"}, {"form": "delta"}):
        with pytest.raises(ValueError, match='give "bf16" or "int8", or "delta" with a parent'):
            save_checkpoint(path, model.state_dict(), META, **options)


def test_a_reward_models_file_is_no_language_model(model, path):
    save_checkpoint(path, model.state_dict(), META | {"kind": "reward"})
    with pytest.raises(ValueError, match="no language model: its kind is 'reward'"):
        load_model(path)
