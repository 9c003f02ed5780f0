"""What is read of the answers in a padded batch, over their own tokens alone."""

import torch
from torch import Tensor


def answer_mask(prompts: list[list[int]], last: Tensor, width: int) -> Tensor:
    """(B, width - 1): 1 where the next token is the answer's. last: where each row ends, (B,)."""
    position = torch.arange(width - 1, device=last.device)  # position t predicts token t + 1
    first = torch.tensor([len(prompt) - 1 for prompt in prompts], device=last.device)
    return ((position >= first[:, None]) & (position < last[:, None])).float()


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the entries where mask is 1."""
    return (x * mask).sum() / mask.sum()


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the entries where mask is 1; 0 elsewhere."""
    centered = (x - masked_mean(x, mask)) * mask
    return centered / (masked_mean(centered**2, mask) + 1e-8).sqrt()


def kl_and_entropy(logits: Tensor, ref_logits: Tensor) -> tuple[Tensor, Tensor]:
    """KL(π ‖ π_ref) and π's entropy at each position, exact: (B, T, V) twice → (B, T) twice."""
    logp, ref_logp = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    p = logp.exp()
    return (p * (logp - ref_logp)).sum(-1), -(p * logp).sum(-1)
