"""Stage 2, supervised finetuning: the same loss as before, on other data.

The data are questions with answers that contractors wrote. A chat is a document of its own form,
marked by special tokens, and only the answer is scored: the model must learn to answer, not to ask.
Pretraining documents are mixed in, and the rates are gentle, so that what the base knew survives.
Simplified against the real thing: thousands of short demonstrations of one turn, not of many.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from minigpt.engine.checks import Settings, finite_step
from minigpt.engine.optim import Optimizer, lr_factor, make_optimizer
from minigpt.model import GPT, IGNORE, next_token_loss
from minigpt.pretrain import PretrainConfig, Step, batches, mean_loss


@dataclass
class SFTConfig(Settings):
    batch_size: int = 32  # demonstrations an update
    epochs: int = 1  # times that each demonstration is read
    muon_lr: float = 0.006  # rate of the matrices inside the blocks
    embedding_lr: float = 0.01  # rate of the token embedding
    head_lr: float = 0.003  # rate of the head
    pretraining_windows: int = 2  # windows of the pretraining corpus mixed into each update
    pretraining_weight: float = 1.0  # weight of their loss beside the demonstrations'
    block_size: int = 256  # tokens a window
    seed: int = 0  # order of demonstrations and windows


STANDS_FOR = {"<|user|>": "Q:", "<|assistant|>": "\nA:", "<|end|>": "\n"}


@torch.no_grad()
def introduce_chat_tokens(model: GPT, encoding) -> None:
    """Give the template's tokens, which no document held, the meaning of what they stand for.

    Each begins as the average of the tokens of a text that the base knows: a chat then looks like
    a Q:/A: document at first, and finetuning has little to unlearn.
    """
    for token, text in STANDS_FOR.items():
        ids = encoding.encode_ordinary(text)
        for table in (model.embedding.weight, model.head.weight):
            table[encoding.encode_single_token(token)] = table[ids].mean(dim=0)


def chat_prompt(encoding, question: str) -> list[int]:
    """The ids of `<|endoftext|><|user|>question<|assistant|>`: what the assistant answers to.

    The question is encoded as plain text: one that contains "<|end|>" cannot end the turn.
    """
    begin, user, assistant = map(
        encoding.encode_single_token, ("<|endoftext|>", "<|user|>", "<|assistant|>")
    )
    return [begin, user, *encoding.encode_ordinary(question), assistant]


def chat_answer(encoding, answer: str) -> list[int]:
    """The ids of an answer and the `<|end|>` that closes it.

    The answer begins with a space, so that a name has the same tokens at its start as in the
    question: " Peru" is one token, "Peru" is three.
    """
    return [*encoding.encode_ordinary(" " + answer), encoding.encode_single_token("<|end|>")]


def chat_pair(encoding, question: str, answer: str) -> tuple[list[int], list[int]]:
    """A demonstration as training takes it: its (prompt ids, answer ids) in the template."""
    return chat_prompt(encoding, question), chat_answer(encoding, answer)


def answer_text(encoding, ids: list[int]) -> str:
    """The text of an answer's ids: without its first space, and without the `<|end|>`."""
    end = encoding.encode_single_token("<|end|>")
    return encoding.decode([i for i in ids if i != end]).removeprefix(" ")


def loss_mask(prompt: list[int], answer: list[int]) -> list[bool]:
    """Whether each position of `prompt + answer` but the last is scored: position t is asked for
    token t + 1, so the first that is scored is the prompt's last."""
    return [False] * (len(prompt) - 1) + [True] * len(answer)


def sft_batch(pairs: list[tuple[list[int], list[int]]], pad: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets (B, T) of (prompt ids, answer ids) pairs, padded at the right.

    Position t's target is token t + 1; it is scored (not -100) where `loss_mask` says so.
    """
    width = max(len(prompt) + len(answer) for prompt, answer in pairs) - 1
    inputs = torch.full((len(pairs), width), pad)
    targets = torch.full((len(pairs), width), IGNORE)
    for row, (prompt, answer) in enumerate(pairs):
        ids, scored = torch.tensor(prompt + answer), torch.tensor(loss_mask(prompt, answer))
        inputs[row, : len(scored)] = ids[:-1]
        targets[row, : len(scored)] = ids[1:].where(scored, IGNORE)
    return inputs, targets


def sft_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean next-token loss over the scored targets: pretraining's loss, with a mask.

    logits: (B, T, V); targets: (B, T), -100 where the token is not the assistant's.
    """
    return next_token_loss(logits, targets)


def sft_batches(
    pairs: list[tuple[list[int], list[int]]], pretraining_tokens: np.ndarray,
    config: SFTConfig, pad: int,
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:  # fmt: skip
    """Endless inputs and targets of demonstrations, then inputs and targets of documents.

    Every demonstration comes once an epoch; an epoch's last batch may be smaller. Without a weight
    for them, documents have no rows.
    """
    generator = torch.Generator().manual_seed(config.seed)
    windows = PretrainConfig(config.pretraining_windows, config.block_size, seed=config.seed)
    documents = batches(pretraining_tokens, windows)
    if not config.pretraining_weight:
        documents = repeat(torch.empty(2, 0, config.block_size, dtype=torch.long))
    while True:
        order = torch.randperm(len(pairs), generator=generator)
        for chosen in order.split(config.batch_size):
            yield *sft_batch([pairs[i] for i in chosen.tolist()], pad), *next(documents)


def sft(
    model: GPT, pairs: list[tuple[list[int], list[int]]], pretraining_tokens: np.ndarray,
    config: SFTConfig, pad: int, optimizer: Optimizer | None = None, start: int = 0,
    mean_loss: Callable = mean_loss,
) -> Iterator[Step]:  # fmt: skip
    """Finetune `model` in place on (prompt ids, answer ids) pairs; yields a Step an update.

    The yielded loss is the demonstrations' alone. The last three arguments are as in pretrain().
    """
    if not pairs:
        raise ValueError("there are no demonstrations: give at least one (prompt ids, answer ids)")
    device = next(model.parameters()).device
    if optimizer is None:
        optimizer = make_optimizer(model, config.muon_lr, config.embedding_lr, config.head_lr)
    data = sft_batches(pairs, pretraining_tokens, config, pad)
    steps, tokens = -(-len(pairs) // config.batch_size) * config.epochs, 0
    for step in range(steps):
        inputs, targets, documents, next_tokens = (t.to(device) for t in next(data))
        tokens += inputs.numel() + documents.numel()
        if step < start:
            continue
        optimizer.set_lr_factor(lr_factor(step, steps))
        optimizer.zero_grad()
        loss = mean_loss(sft_loss, model, inputs, targets)
        loss.backward()
        if config.pretraining_weight:
            replayed = mean_loss(next_token_loss, model, documents, next_tokens)
            (config.pretraining_weight * replayed).backward()
        optimizer.step()
        yield finite_step(Step(step + 1, steps, loss.item(), tokens), config, model)
