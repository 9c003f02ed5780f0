"""How a checkpoint stores each leaf (one tensor of a model's state): three forms.

- bf16: bfloat16, two bytes a weight. Vectors and single numbers always; a stage that others start
  from wholly, for they start from the same bytes.
- int8: a matrix as whole numbers from -127 to 127, and beside it, as "NAME/scale", the number
  that each row is multiplied by. Half of bf16, as in LLM.int8() (Dettmers et al. 2022).
- delta: a matrix as its difference from the same leaf of a parent, in whole numbers from -7 to 7,
  two a byte, and a scale a row (Liu et al. 2024, BitDelta, with one bit). A quarter of bf16. A
  finetuned model is near its parent, so its differences are small, and so is what rounding loses.

A leaf's dtype tells its form: bfloat16, int8 or uint8.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = "/scale"  # no parameter of a module has a stroke in its name
LARGEST = {"int8": 127, "delta": 7}  # the whole numbers of a form reach from -largest to largest


def pack(
    tensors: dict[str, Tensor], form: str = "bf16", parent: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """A state's leaves as they are stored. ValueError for what is no finite floating point.

    parent: the leaves that `form="delta"` takes the differences from, as `unpack` gives them; a
    leaf that it lacks is stored as bfloat16.
    """
    stored = {}
    for name in sorted(tensors):
        leaf = tensors[name].detach().cpu()
        if not leaf.is_floating_point():
            raise ValueError(f"{name} is {leaf.dtype}: a checkpoint holds only floating point")
        stored[name] = leaf.to(torch.bfloat16).contiguous().clone()
        if not stored[name].isfinite().all():
            raise ValueError(f"{name} has numbers that are NaN or infinite: the run has diverged")
        if form == "bf16" or leaf.dim() < 2 or not leaf.numel():
            continue
        rows = leaf.float().flatten(1)
        if form == "delta":
            if name not in parent or parent[name].shape != leaf.shape:
                continue
            rows = rows - parent[name].flatten(1)
        largest = LARGEST[form]
        scale = (rows.abs().amax(1) / largest).bfloat16()
        steps = rows / scale.float().clamp(min=torch.finfo().tiny)[:, None]
        whole = steps.round().clamp(-largest, largest).to(torch.int8)
        stored[name] = two_a_byte(whole) if form == "delta" else whole.view(leaf.shape)
        stored[name + SCALE] = scale
    return stored


def unpack(stored: dict[str, Tensor], parent: dict[str, Tensor]) -> dict[str, Tensor]:
    """The leaves of a state as float32. ValueError that names the leaf which is not as `pack`
    makes it, or not finite, or whose parent has no leaf of its name and shape."""
    leaves = {}
    for name, leaf in stored.items():
        if name.endswith(SCALE):
            of = stored.get(name.removesuffix(SCALE))
            if of is None or of.is_floating_point():
                raise ValueError(f"{name} is the scale of no leaf")
            continue
        scale, before = stored.get(name + SCALE), parent.get(name)
        if leaf.is_floating_point():
            leaves[name] = leaf.float()
        elif leaf.dtype not in (torch.int8, torch.uint8) or leaf.dim() < 2:
            raise ValueError(f"{name} is stored as {leaf.dtype}, which no form is")
        elif scale is None or scale.shape != leaf.shape[:1] or not scale.is_floating_point():
            raise ValueError(f"{name} has no scale for each of its rows")
        elif leaf.dtype == torch.int8:
            leaves[name] = (leaf.flatten(1) * scale.float()[:, None]).view(leaf.shape)
        else:
            columns = before[0].numel() if before is not None and before.dim() >= 2 else 0
            if before is None or leaf.shape != (len(before), (columns + 1) // 2):
                raise ValueError(f"{name} is a difference from a leaf that its parent lacks")
            rows = one_a_byte(leaf)[:, :columns] * scale.float()[:, None]
            leaves[name] = before + rows.view(before.shape)
        if not leaves[name].isfinite().all():
            raise ValueError(f"{name} has numbers that are NaN or infinite")
    return leaves


def two_a_byte(whole: Tensor) -> Tensor:
    """(R, C) whole numbers from -7 to 7 as (R, ceil(C / 2)) bytes, the first in the low half."""
    halves = F.pad(whole, (0, whole.shape[1] % 2)).to(torch.uint8) & 15
    return halves[:, ::2] | halves[:, 1::2] << 4


def one_a_byte(packed: Tensor) -> Tensor:
    """The inverse of `two_a_byte`: (R, C) whole numbers, C even."""
    halves = torch.stack((packed & 15, packed >> 4), dim=2).flatten(1).to(torch.int8)
    return torch.where(halves > 7, halves - 16, halves)
