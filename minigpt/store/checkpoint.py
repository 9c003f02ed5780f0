"""Checkpoint files: a model's weights and what is known of them, in one safetensors file.

The weights are stored as bfloat16, half of what was trained with, so a stage that starts from a
file starts from rounded weights; `leaves.py` has two smaller forms, for models that nothing starts
from. What is known is JSON under one metadata key: the model's `kind` and `config`, its lineage
(`stage`, `parent`: the hash of the file it started from, `seed`, `settings`, `lang`), what it cost
(`tokens`, `flops`) and its `metrics`. The same weights and metadata give the same bytes, whose hash
names the file. A checksum covers all of them, so a file is read as it was written or not at all.
Never pickle: to load a pickle from a stranger is to run the stranger's program.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from minigpt.model import GPT, GPTConfig
from minigpt.store.files import VERSION, atomic_write, write_keeping  # noqa: F401
from minigpt.store.kept import alone
from minigpt.store.leaves import pack, unpack

ANEW = "`python3 -m minigpt train` makes it anew and keeps this file under another name"
FORMAT = 2  # of the metadata; raise it when older readers would misread a new file. 1: no checksum
SHIPPED = Path(__file__).parent.parent / "data" / "checkpoints"  # those that came with the course
KEY = "minigpt"  # safetensors writes several keys in random order: so there is only one
LANGUAGE_MODEL, REWARD = "language model", "reward"  # a reward model: only what was trained of it
LONGEST = 2**20  # the largest block_size: a file from a stranger does not claim all memory


# ---- writing ------------------------------------------------------------------------------------


def save_checkpoint(
    path: str | Path, tensors: dict[str, Tensor], meta: dict, ship: bool = False,
    form: str = "bf16", parent: str | Path | None = None, say: Callable[[str], None] = print,
) -> str:  # fmt: skip
    """Write tensors (as model.state_dict()) and metadata (for JSON); return the file's hash.

    `meta["config"]` should be vars(model.config), for load_model; `meta["kind"]` is a language
    model unless given. Put no times in `meta`, or the same run does not give the same bytes twice.
    parent: the file that the model started from, whose hash and name are noted. form: "bf16",
    "int8", or "delta", the difference from `parent`, which is then needed to load the file: beside
    it or among the shipped checkpoints. All or nothing: if writing fails, an older file under this
    name stays as it was; else it gets another name, which `say` is told. ship: for the course's
    makers, who write over it; without, a path among the shipped checkpoints is a ValueError, as
    are weights that are not finite.
    """
    if not ship:
        check_not_shipped(path)
    if form not in ("bf16", "int8", "delta") or (form == "delta" and parent is None):
        raise ValueError(f'form={form!r}: give "bf16" or "int8", or "delta" with a parent')
    meta = {"kind": LANGUAGE_MODEL, **json.loads(as_text(meta)), "format": FORMAT}
    if parent is not None:
        meta |= {"parent": file_hash(parent), "parent_file": Path(parent).name}
    stored = pack(tensors, form, load_tensors(parent) if form == "delta" else None)
    text = as_text({**meta, "sha256": checksum(stored, meta)})
    data, path = save(stored, {KEY: text}), Path(path)
    if ship:
        atomic_write(path, data)
    else:
        with alone(path):
            new = not path.is_file() or path.read_bytes() == data
            aside = None if new else aside_path(path, file_hash(path))
            write_keeping(path, data, aside)
            aside_path(path, file_hash(path)).unlink(missing_ok=True)  # it is in use again
        if aside:
            say(f"the {path.name} that was there is now {aside.name}")
    return file_hash(path)


def aside_path(path: Path, hashed: str) -> Path:
    """Where a file lies of which another took the place: base.0123456789abcdef.safetensors."""
    return path.with_name(f"{path.stem}.{hashed}{path.suffix}")


def put_aside(path: Path) -> Path:
    """Rename a checkpoint so that it is in use no more; its new path."""
    aside = aside_path(path, file_hash(path))
    os.replace(path, aside)
    return aside


def check_not_shipped(path: str | Path) -> None:
    """ValueError if a file or folder would be among the checkpoints that came with the course."""
    if Path(path).resolve().is_relative_to(SHIPPED.resolve()):
        raise ValueError(f"{path} is among the checkpoints that came with the course, which stay "
                         "as they are: choose another folder (with --out, or by setting "
                         "MINIGPT_HOME)")  # fmt: skip


def as_text(meta) -> str:
    """JSON in its one form: the same contents are the same text."""
    return json.dumps(meta, sort_keys=True, ensure_ascii=False)


def checksum(tensors: dict[str, Tensor], meta: dict) -> str:
    """The SHA-256 of metadata and tensors: their names, dtypes, shapes and bytes."""
    found = hashlib.sha256(as_text(meta).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(as_text([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def file_hash(path: str | Path) -> str:
    """The first 16 hex digits of the file's SHA-256: its name in lineages."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


# ---- reading ------------------------------------------------------------------------------------


def read_meta(path: str | Path) -> dict:
    """The metadata of a checkpoint, without a look at its weights, and so at the checksum.

    FileNotFoundError if there is none; ValueError if the file is damaged, of another program, or
    of another version.
    """
    return meta_of(path, read(path))[0]


def read(path: str | Path) -> bytes:
    """The file's bytes; FileNotFoundError with the mend."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint {path}: make it with `python3 -m minigpt train`, "
                                "or check the name")  # fmt: skip
    return Path(path).read_bytes()


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint as float32 on the CPU. Errors as load_checkpoint."""
    return load_checkpoint(path)[0]


def load_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """All tensors of a checkpoint as float32 on the CPU, and its metadata.

    FileNotFoundError and ValueError as read_meta; ValueError, too, if the checksum is another, a
    weight is not finite or a leaf is not whole; FileNotFoundError if it is a difference from a
    parent that is not there.
    """
    data = read(path)  # once: another notebook may write a new file meanwhile
    meta, known = meta_of(path, data)
    try:
        stored = load(data)
    except Exception as error:  # safetensors' own error type is not part of its interface
        raise damaged(path) from error
    if (meta["format"] > 1 or known) and known != checksum(stored, meta):
        raise damaged(path)
    delta = any(tensor.dtype == torch.uint8 for tensor in stored.values())
    parent = load_tensors(find_parent(path, meta)) if delta else {}
    try:
        return unpack(stored, parent), meta
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}. {ANEW}") from error


def load_model(path: str | Path) -> tuple[GPT, dict]:
    """The GPT of a checkpoint and its metadata. Errors as load_checkpoint."""
    tensors, meta = load_checkpoint(path)
    kind = meta.get("kind", LANGUAGE_MODEL)
    if kind != LANGUAGE_MODEL:
        raise ValueError(f"{path} holds no language model: its kind is {kind!r}. Use another file")
    model = GPT(config_of(path, meta, tensors))
    load_into(model, tensors, path)
    model.origin = origin(path, meta)
    return model, meta


def origin(path: str | Path, meta: dict) -> dict:
    """What a loaded model knows of its file, however it is trained or copied after that."""
    return {**meta, "stage": Path(path).stem, "hash": file_hash(path)}


def load_into(model: nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Copy tensors into a model of the same names and shapes; else ValueError naming the first."""
    own = model.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        expected, found = (tuple(t[name].shape) if name in t else "absent" for t in (own, tensors))
        if expected != found:
            raise ValueError(
                f"{path} does not fit the model: {name} should be {expected} and is {found}; "
                "build the model with the config stored in the file"
            )
    model.load_state_dict(tensors)


def find_parent(path: str | Path, meta: dict) -> Path:
    """The file that a checkpoint needs: a reward model the SFT model under it, a difference the
    model that it is taken from. It lies beside it, or among the shipped ones.

    FileNotFoundError that names both places if neither is the one; ValueError if none is noted.
    """
    name, wanted = meta.get("parent_file", "sft.safetensors"), meta.get("parent")
    if not isinstance(wanted, str) or not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{path} cannot be used: it does not say what its parent is. {ANEW}")
    beside = Path(path).parent / name
    places = [beside, SHIPPED / str(meta.get("lang", "en")) / name]
    for place in [*places, aside_path(beside, wanted)]:
        if place.is_file() and file_hash(place) == wanted:
            return place
    stage = meta.get("stage")
    only = f" --stages {stage}" if stage in ("sft", "reward", "ppo") else ""
    raise FileNotFoundError(f"{path} belongs to a model ({wanted}) that is neither {places[0]} nor "
                            f"{places[1]}: that was trained anew since then. Put the one it "
                            "belongs to beside it, or train it again on the new one, with `python3 "
                            f"-m minigpt train{only}`")  # fmt: skip


def config_of(path: str | Path, meta: dict, tensors: dict[str, Tensor]) -> GPTConfig:
    """The config that a checkpoint names; ValueError if it is none, or far from its weights."""
    try:
        config = GPTConfig(**meta["config"])
        stored, wide = sum(t.numel() for t in tensors.values()), config.n_embd
        most = max(wide * wide, wide * config.vocab_size)  # in one matrix
        if most > stored or config.n_layer > len(tensors) or config.block_size > LONGEST:
            raise ValueError(f"{config} is larger than the {stored} weights in the file")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has no usable model config ({error}). {ANEW}") from error
    return config


def meta_of(path: str | Path, data: bytes) -> tuple[dict, str | None]:
    """The metadata in a safetensors file, whose header and length are checked; its checksum."""
    n = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + n])  # {name: {dtype, shape, data_offsets}}
        metadata = header.pop("__metadata__", {})
        ends = [t["data_offsets"][1] for t in header.values()]
        whole = len(data) == 8 + n + max(ends, default=0)
        ours = KEY in metadata
        meta = json.loads(metadata.get(KEY, "{}"))
        version = meta.get("format")
        # Otherwise a bit of the text may be another, and the contents by chance are not.
        whole &= version != FORMAT or metadata[KEY] == as_text(meta)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise damaged(path) from error
    if not whole:
        raise damaged(path)
    if not ours:
        raise ValueError(f"{path} is not a minigpt checkpoint: it has no '{KEY}' metadata")
    if type(version) is not int or not 1 <= version <= FORMAT:
        newer = type(version) is int and version > FORMAT
        which, update = ("a newer", "Update the course. Or ") if newer else ("another", "")
        raise ValueError(f"{path} has format {version}, and this minigpt reads 1 to {FORMAT}: "
                         f"{which} version of the course made it. {update}{ANEW}")  # fmt: skip
    return meta, meta.pop("sha256", None)


def damaged(path: str | Path) -> ValueError:
    return ValueError(f"{path} is damaged or cut off. {ANEW}")
