"""The optimizer: Muon for the matrices of the blocks, AdamW for the embedding and the heads.

Adam scales each number's step by itself. Muon (Jordan et al. 2024) takes a matrix as a whole: it
turns the averaged gradient into a matrix whose singular values are all about 1, so that rare
directions learn as fast as common ones. Embedding and heads, whose rows are tokens, stay with
Adam. No warm-up and no clipping: at this size they do not pay.
"""

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of Jordan et al. 2024


def lr_factor(step: int, steps: int) -> float:
    """What to multiply learning rates by before update `step` of `steps` (from 0).

    1 for the first 40 %, then linearly down to 0.
    """
    return min(1.0, (1 - step / steps) / 0.6)


def newton_schulz(x: Tensor, steps: int = 5) -> Tensor:
    """Make all singular values of matrices (..., rows, cols), rows <= cols, about 1.

    A step maps each singular value s to a s + b s³ + c s⁵. Five bring what is not tiny against the
    largest to between 0.7 and 1.2: near enough, and it takes only matrix products, no SVD.
    """
    a, b, c = NEWTON_SCHULZ
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)  # now no singular value passes 1
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Optimizer:
    """Muon for `matrices` {name: weight} and fused AdamW for `groups`, its parameter groups, each
    with "params" and "lr"; see make_optimizer."""

    def __init__(
        self, matrices: dict[str, nn.Parameter], groups: list[dict], muon_lr: float,
        betas: tuple[float, float], eps: float, weight_decay: float,
    ) -> None:  # fmt: skip
        self.matrices = matrices
        self.momentum = {name: torch.zeros_like(p) for name, p in matrices.items()}
        self.muon_lr, self.weight_decay = muon_lr, weight_decay
        self.steps, self.lr_factor = 0, 1.0
        self.adamw = torch.optim.AdamW(
            groups, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
        )
        self.base_lrs = [group["lr"] for group in groups]

    def set_lr_factor(self, factor: float) -> None:
        """Multiply all learning rates by `factor`, until it is set anew."""
        self.lr_factor = factor
        for group, lr in zip(self.adamw.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr * factor

    def zero_grad(self) -> None:
        """Forget the gradients of the last backward pass."""
        self.adamw.zero_grad()
        for p in self.matrices.values():
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update each weight that has a gradient."""
        self.adamw.step()
        self.muon_step()
        self.steps += 1

    def muon_step(self) -> None:
        """Muon's update; matrices of one shape are stacked, so each product is done once."""
        mu = 0.85 + 0.10 * min(1.0, self.steps / 50)  # momentum, warmed up
        lr = self.muon_lr * self.lr_factor
        same_shape: dict[tuple, list] = {}
        for name, p in self.matrices.items():
            if p.grad is None:
                continue
            p.mul_(1 - lr * self.weight_decay)
            average = self.momentum[name].lerp_(p.grad, 1 - mu)
            update = p.grad.lerp(average, mu)  # Nesterov: the average, one step ahead
            for weight, u in zip(split_qkv(p), split_qkv(update), strict=True):
                same_shape.setdefault(tuple(sorted(weight.shape)), []).append((weight, u))
        for pairs in same_shape.values():
            updates = newton_schulz(torch.stack([wide(u) for _, u in pairs]))
            for (weight, _), u in zip(pairs, updates, strict=True):
                rows, cols = weight.shape
                wide(weight).sub_(u, alpha=lr * max(1.0, rows / cols) ** 0.5)

    def state_dict(self) -> dict:
        """All that `load_state_dict` needs to go on as if there had been no break."""
        adamw = self.adamw.state_dict()
        return {"steps": self.steps, "lr_factor": self.lr_factor, "momentum": self.momentum,
                "adamw": adamw}  # fmt: skip

    def load_state_dict(self, state: dict) -> None:
        """Go on where another optimizer of the same model stood."""
        if state["momentum"].keys() != self.momentum.keys():
            raise ValueError("this optimizer state is of another model: build the same model first")
        self.steps, self.lr_factor = state["steps"], state["lr_factor"]
        for name, momentum in state["momentum"].items():
            self.momentum[name].copy_(momentum)
        self.adamw.load_state_dict(state["adamw"])


def split_qkv(matrix: Tensor) -> tuple[Tensor, ...]:
    """Three times as many rows as columns: queries, keys and values, to be treated apart."""
    rows, cols = matrix.shape
    return matrix.chunk(3) if rows == 3 * cols else (matrix,)


def wide(matrix: Tensor) -> Tensor:
    """The matrix, turned so that it has no more rows than columns: half the work, same result."""
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT


def make_optimizer(
    model: nn.Module, muon_lr: float = 0.03, embedding_lr: float = 0.05, head_lr: float = 0.01,
    gain_lr: float = 0.01, weight_decay: float = 0.0, adamw_lr: float | None = None,
    betas: tuple[float, float] = (0.8, 0.95), eps: float = 1e-10,
) -> Optimizer:  # fmt: skip
    """Sort a model's weights into groups: matrices in blocks, embedding, gain, the rest (heads).

    With `adamw_lr` plain AdamW at this one rate trains all weights, and the other rates are not
    used. `model` may be a GPT or any module around one. ValueError if all its weights are frozen,
    as those of a loaded stage are.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not named:
        raise ValueError("all weights are frozen: model.requires_grad_(True)")
    if adamw_lr is not None:
        group = {"params": list(named.values()), "lr": adamw_lr}
        return Optimizer({}, [group], 0.0, betas, eps, weight_decay)
    matrices = {name: p for name, p in named.items() if "blocks." in name and p.ndim == 2}
    rates = {"embedding": embedding_lr, "gain": gain_lr, "": head_lr}  # "" is in every name
    groups = [{"params": [], "lr": lr} for lr in rates.values()]
    for name in (n for n in named if n not in matrices):
        which = next(i for i, part in enumerate(rates) if part in name)
        groups[which]["params"].append(named[name])
    groups = [group for group in groups if group["params"]]
    return Optimizer(matrices, groups, muon_lr, betas, eps, weight_decay)
