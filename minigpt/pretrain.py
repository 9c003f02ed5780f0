"""Stage 1, pretraining: read documents and guess the next token, at every position.

The corpus is one long row of tokens. It is cut into windows of `block_size`; a batch is
`batch_size` windows, (B, T), and each cell's target is the token that follows it. The documents
run on inside a window, with `<|endoftext|>` before each. Each window is read once: what the model
knows of a place then depends on how often that place is written about, not on repetition.
Simplified against the real thing: one pass over three million tokens instead of trillions, one
machine instead of thousands, and no filtering, for our web is made as it should be found.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from minigpt.engine.checks import Settings, finite_step
from minigpt.engine.optim import Optimizer, lr_factor, make_optimizer
from minigpt.model import GPT, next_token_loss


@dataclass
class PretrainConfig(Settings):
    batch_size: int = 16  # windows an update, B
    block_size: int = 256  # tokens a window, T
    steps: int | None = None  # updates; None: as many as one pass over the corpus gives
    muon_lr: float = 0.03  # rate of the matrices inside the blocks
    embedding_lr: float = 0.05  # rate of the token embedding
    head_lr: float = 0.01  # rate of the head
    seed: int = 0  # order of the windows


@dataclass
class Step:
    """What one update did. The four stages yield records of this shape."""

    step: int  # updates done, this one included
    steps: int  # updates in all
    loss: float  # mean loss of the batch, in nats a token
    tokens: int  # tokens read so far


def windows(tokens: np.ndarray, block_size: int) -> Tensor:
    """The corpus cut into rows of block_size + 1 ids; a row's last id is the next row's first."""
    count = (len(tokens) - 1) // block_size
    if count < 1:
        raise ValueError(f"{len(tokens)} tokens make no window of {block_size}: use a larger "
                         "corpus or a smaller block_size")  # fmt: skip
    ids = torch.from_numpy(tokens[: count * block_size + 1].astype(np.int64))
    return ids.unfold(0, block_size + 1, block_size)  # (windows, T + 1)


def batches(tokens: np.ndarray, config: PretrainConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless pairs of inputs (B, T) and targets (B, T), every window once before any twice."""
    rows = windows(tokens, config.block_size)
    generator = torch.Generator().manual_seed(config.seed)
    batch_size = min(config.batch_size, len(rows))
    order = torch.empty(0, dtype=torch.long)  # windows still to be read
    while True:
        if len(order) < batch_size:
            order = torch.cat([order, torch.randperm(len(rows), generator=generator)])
        batch, order = rows[order[:batch_size]], order[batch_size:]
        yield batch[:, :-1], batch[:, 1:]


def mean_loss(loss_of: Callable, model: GPT, inputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of a batch, such as next_token_loss, from its logits and targets."""
    return loss_of(model(inputs), targets)


def pretrain(
    model: GPT, tokens: np.ndarray, config: PretrainConfig,
    optimizer: Optimizer | None = None, start: int = 0, mean_loss: Callable = mean_loss,
) -> Iterator[Step]:  # fmt: skip
    """Train `model` in place on `tokens` (N,); yields a Step after each update.

    Stop iterating to pause; go on iterating to resume, with the same result. To go on with an
    older run's model, pass its optimizer and how many updates it made. mean_loss: what computes
    the loss of a batch; several processes share it by `over_ranks` (`engine/parallel.py`).
    """
    device = next(model.parameters()).device
    if optimizer is None:
        optimizer = make_optimizer(model, config.muon_lr, config.embedding_lr, config.head_lr)
    steps = config.steps or max(1, len(windows(tokens, config.block_size)) // config.batch_size)
    data = batches(tokens, config)
    for step in range(steps):
        inputs, targets = next(data)
        if step < start:
            continue
        optimizer.set_lr_factor(lr_factor(step, steps))
        loss = mean_loss(next_token_loss, model, inputs.to(device), targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done = Step(step + 1, steps, loss.item(), (step + 1) * inputs.numel())
        yield finite_step(done, config, model)


@torch.no_grad()
def evaluate_loss(model: GPT, tokens: np.ndarray, block_size: int = 256, batch: int = 16) -> float:
    """Mean loss in nats a token over all windows of `tokens`; exp of it is the perplexity."""
    device = model.embedding.weight.device
    rows = windows(tokens, block_size).to(device)
    total = sum(
        next_token_loss(model(part[:, :-1]), part[:, 1:], reduction="sum")
        for part in rows.split(batch)
    )
    return (total / (len(rows) * block_size)).item()
