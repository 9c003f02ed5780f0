"""The learner's own models: where they lie, and whether what each was made from is still in use.

`keep` in a notebook and `python3 -m minigpt train` write to one folder. A model that takes
another's place there puts it aside, and a model made from that one stays, but is stale.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minigpt.stages.sizes import DEFAULT
from minigpt.store import checkpoint
from minigpt.store.files import learner_home
from minigpt.store.words import _

PARENTS = {"base": (), "sft": ("base",), "reward": ("sft",), "ppo": ("sft", "reward")}
MAKES = {"base": "02", "sft": "04", "reward": "05", "ppo": "06"}  # the notebook of each stage


def own_checkpoints(lang: str = "en", size: str = DEFAULT) -> Path:
    """Where the learner's own runs lie: under MINIGPT_HOME, or `.minigpt` in the repository."""
    return learner_home() / "checkpoints" / (lang if size == DEFAULT else f"{lang}-{size}")


def back_line(name: str, to: str = "") -> str:
    """The line of code, for any notebook, that takes the course's again, or an earlier one."""
    which = f'"{name}", "{to}"' if to else f'"{name}"'
    return f"from minigpt.stages import go_back; go_back({which})"


@dataclass(frozen=True)
class Stale:
    """A stage that was made from a parent which is in use no more."""

    name: str
    parent: str
    hash: str  # the parent's, where it was put aside; "" where it is nowhere


def stale_lines(stale: Iterable[Stale]) -> str:
    """What is said of stale stages, a line for each parent: which they are, and the ways out."""
    groups: dict[tuple[str, str], list[str]] = {}
    for stage in stale:
        groups.setdefault((stage.parent, stage.hash), []).append(stage.name)
    return "\n".join(
        _(
            "Stale, made from another {parent} than the one in use: {names}. Make anew in this "
            "order (notebook {notebooks}), or take {back}: {line}",
            parent=parent, names=", ".join(names), notebooks=", ".join(MAKES[n] for n in names),
            back=_("that one again") if hashed else _("the course's"),
            line=back_line(parent, hashed) if hashed else back_line(names[0]),
        )
        for (parent, hashed), names in groups.items()
    )  # fmt: skip


def tell_stale(lang: str) -> None:
    """Print which of the learner's stages are stale, if any."""
    if stale := stale_stages(own_checkpoints(lang), lang):
        print(stale_lines(stale.values()))


def stale_stages(folder: Path, lang: str = "en") -> dict[str, Stale]:
    """The stages in a folder of the learner's whose parent, or the parent's, is in use no more: it
    is neither beside them nor the course's. A file that cannot be read is left out."""
    found: dict[str, Stale] = {}
    for name, parents in PARENTS.items():
        try:
            meta = checkpoint.read_meta(folder / f"{name}.safetensors")
        except (FileNotFoundError, ValueError):
            continue
        for parent in parents:
            first = parent == parents[0]  # whose file may have another name, such as sft_honest
            wanted = meta.get("parent" if first else parent)
            file = meta.get("parent_file" if first else f"{parent}_file")
            path = folder / (file or f"{parent}.safetensors")
            back = way_back(path, wanted, lang) if wanted else None
            if back is not None:
                found.setdefault(name, Stale(name, path.stem, back))
            elif parent in found and wanted == hash_of(path):
                found.setdefault(name, Stale(name, found[parent].parent, found[parent].hash))
    return found


def way_back(path: Path, wanted: str, lang: str) -> str | None:
    """None if the file of that hash is in use; else what `go_back` is to be told to take it again,
    "" where it is nowhere."""
    if wanted in (hash_of(path), hash_of(checkpoint.SHIPPED / lang / path.name)):
        return None
    return wanted if checkpoint.aside_path(path, wanted).is_file() else ""


def hash_of(path: Path) -> str | None:
    return checkpoint.file_hash(path) if path.is_file() else None
