"""Checkpoint files: a model's weights and what is known of them, in one safetensors file.

The weights are stored as bfloat16, half of what was trained with, so a stage that starts from a
file starts from rounded weights. What is known (stage, config, seed, parent, …) is JSON under one
metadata key. The same weights and metadata give the same bytes, whose hash names the file. Never
pickle: to load a pickle from a stranger is to run the stranger's program.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from minigpt.model import GPT, GPTConfig
from minigpt.store.files import atomic_write

ANEW = "`python3 -m minigpt train` makes it anew and keeps this file under another name"
FORMAT = 1  # of the metadata; raise it when older readers would misread a new file
SHIPPED = Path(__file__).parent.parent / "data" / "checkpoints"  # those that came with the course
KEY = "minigpt"  # safetensors writes several keys in random order: so there is only one


def save_checkpoint(
    path: str | Path, tensors: dict[str, Tensor], meta: dict, ship: bool = False
) -> str:
    """Write tensors (as model.state_dict()) and metadata (for JSON); return the file's hash.

    `meta["config"]` should be vars(model.config), for load_model. Put no times in `meta`, or the
    same run does not give the same bytes twice. All or nothing: if writing fails, an older file
    under this name stays as it was. ship: for the course's makers; without it, a path among the
    shipped checkpoints is a ValueError.
    """
    if not ship:
        check_not_shipped(path)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ValueError(f"{name} is {tensor.dtype}: a checkpoint holds only floating point")
    text = json.dumps({**meta, "format": FORMAT}, sort_keys=True, ensure_ascii=False)
    stored = {
        name: tensors[name].detach().cpu().to(torch.bfloat16).contiguous().clone()
        for name in sorted(tensors)
    }
    atomic_write(path, save(stored, {KEY: text}))
    return file_hash(path)


def check_not_shipped(path: str | Path) -> None:
    """ValueError if a file or folder would be among the checkpoints that came with the course."""
    if Path(path).resolve().is_relative_to(SHIPPED.resolve()):
        raise ValueError(
            f"{path} is among the checkpoints that came with the course, which stay as they are: "
            "choose another folder (with --out, or by setting MINIGPT_HOME)"
        )


def read_meta(path: str | Path) -> dict:
    """The metadata of a checkpoint, without its weights.

    FileNotFoundError if there is none; ValueError if the file is damaged, of another program, or
    of another version.
    """
    metadata = read_header(Path(path)).get("__metadata__", {})
    if KEY not in metadata:
        raise ValueError(f"{path} is not a minigpt checkpoint: it has no '{KEY}' metadata")
    try:
        meta = json.loads(metadata[KEY])
        version = meta.get("format")
    except (ValueError, AttributeError, TypeError) as error:
        raise damaged(path) from error
    if version != FORMAT:
        newer = isinstance(version, int) and version > FORMAT
        raise ValueError(
            f"{path} has format {version}, and this minigpt reads {FORMAT}: "
            + ("update minigpt. Or " if newer else "it is of an older version. ")
            + ANEW
        )
    return meta


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint as float32 on the CPU. Errors as read_meta."""
    read_meta(path)
    try:
        tensors = load(Path(path).read_bytes())
    except Exception as error:  # safetensors' own error type is not part of its interface
        raise damaged(path) from error
    return {name: tensor.float() for name, tensor in tensors.items()}


def load_model(path: str | Path) -> tuple[GPT, dict]:
    """The GPT of a checkpoint and its metadata. Errors as read_meta."""
    meta = read_meta(path)
    try:
        config = GPTConfig(**meta["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has no usable model config ({error}). {ANEW}") from error
    model = GPT(config)
    load_into(model, load_tensors(path), path)
    return model, meta


def load_into(model: nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Copy tensors into a model of the same names and shapes; else ValueError naming the first."""
    own = model.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        expected = tuple(own[name].shape) if name in own else "absent"
        found = tuple(tensors[name].shape) if name in tensors else "absent"
        if expected != found:
            raise ValueError(
                f"{path} does not fit the model: {name} should be {expected} and is {found}; "
                "build the model with the config stored in the file"
            )
    model.load_state_dict(tensors)


def file_hash(path: str | Path) -> str:
    """The first 16 hex digits of the file's SHA-256: its name in lineages."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def read_header(path: Path) -> dict:
    """A safetensors file's header: {name: {dtype, shape, data_offsets}}; the length is checked."""
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint {path}: make it with `python3 -m minigpt train`, or check the name"
        )
    size = path.stat().st_size
    with open(path, "rb") as file:
        n = int.from_bytes(file.read(8), "little")
        if not 2 <= n <= size - 8:
            raise damaged(path)
        text = file.read(n)
    try:
        header = json.loads(text)
        ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]
        whole = size == 8 + n + max(ends, default=0)
        whole &= isinstance(header.get("__metadata__", {}), dict)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise damaged(path) from error
    if not whole:
        raise damaged(path)
    return header


def damaged(path: str | Path) -> ValueError:
    return ValueError(f"{path} is damaged or cut off. {ANEW}")
