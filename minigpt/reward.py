"""Stage 3, the reward model: learn from comparisons how much people like an answer.

A labeler ranks several answers to one question; each pair of the ranking says "this one rather
than that one". The reward model is the SFT model with another head: after the answer comes the
token `<|reward|>`, and one number is read there. It cannot write, only score. Its first use needs
no reinforcement learning: of n sampled answers, take the one that it likes best.
Simplified against the real thing: simulated labelers, and a reward model no larger than the policy.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.core.optim import lr_factor, make_optimizer
from minigpt.generate import Sample, generate
from minigpt.model import GPT


@dataclass
class RewardConfig:
    prompts_per_batch: int = 32  # prompts an update; all pairs of a prompt are in one batch
    muon_lr: float = 0.008  # rate of the matrices inside the blocks
    embedding_lr: float = 0.01  # rate of the token embedding
    head_lr: float = 0.003  # rate of the reward head
    seed: int = 0  # order of the prompts, and the head's first weights


class ScalarModel(nn.Module):
    """A GPT whose head gives one number a position: a reward model or a value function."""

    def __init__(self, gpt: GPT, std: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        self.gpt = copy.deepcopy(gpt)
        if hasattr(self.gpt, "head"):
            del self.gpt.head  # no use here: a reward model cannot write
        self.head = nn.Linear(gpt.config.n_embd, 1)
        nn.init.zeros_(self.head.bias)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.head.weight, std=std, generator=generator)

    def forward(self, idx: Tensor) -> Tensor:
        """One number for each position: (B, T) ids → (B, T)."""
        return self.head(self.gpt.hidden(idx))[..., 0]


class RewardModel(ScalarModel):
    """Scores whole answers. `mean` and `std` bring the scores of reference answers to 0 and 1."""

    def __init__(self, gpt: GPT, seed: int = 0) -> None:
        super().__init__(gpt, std=(gpt.config.n_embd + 1) ** -0.5, seed=seed)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def score(self, sequences: list[list[int]]) -> Tensor:
        """(B,) normalised scores of sequences that end with `<|reward|>`, of any lengths."""
        idx, last = pad_right(sequences, self.head.weight.device)
        scores = self(idx).gather(1, last[:, None])[:, 0]  # read at <|reward|>, never at padding
        return (scores - self.mean) / self.std


def pad_right(sequences: list[list[int]], device=None) -> tuple[Tensor, Tensor]:
    """Sequences as one (B, T) tensor and the position of each one's last token (B,).

    What is filled in does not matter: no token sees what comes after it.
    """
    width = max(map(len, sequences))
    idx = torch.tensor([list(s) + [0] * (width - len(s)) for s in sequences], device=device)
    return idx, torch.tensor([len(s) - 1 for s in sequences], device=device)


def reward_input(encoding, prompt: list[int], answer: list[int]) -> list[int]:
    """What the reward model reads: the prompt, the answer's ids as sampled, then `<|reward|>`."""
    return [*prompt, *answer, encoding.encode_single_token("<|reward|>")]


def bradley_terry_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Mean of -log sigmoid(r_better - r_worse), scores (pairs,) each.

    Bradley & Terry (1952); Ouyang et al. (2022), equation 1. ln 2 where the two are equal.
    """
    return -F.logsigmoid(better - worse).mean()


@dataclass
class RewardStep:
    """What one update of the reward model did."""

    step: int  # updates done, this one included
    steps: int  # updates in all
    loss: float  # Bradley–Terry loss of the batch, in nats a pair
    accuracy: float  # share of the batch's pairs that were ordered right before the update
    tokens: int  # tokens read so far


def train_reward(
    model: RewardModel,
    sequences: list[list[list[int]]],
    pairs: list[list[tuple[int, int]]],
    config: RewardConfig,
) -> Iterator[RewardStep]:
    """Train on comparisons, one pass; yields a RewardStep after each update.

    sequences: for each prompt its answers, as `reward_input` makes them. pairs: for each prompt
    (better, worse) indices into its answers; prompts without a pair are left out.
    """
    check_pairs(sequences, pairs)
    device = model.head.weight.device
    optimizer = make_optimizer(model, config.muon_lr, config.embedding_lr, config.head_lr)
    generator = torch.Generator().manual_seed(config.seed)
    useful = [i for i, p in enumerate(pairs) if p]
    order = torch.randperm(len(useful), generator=generator).tolist()
    steps, tokens = -(-len(useful) // config.prompts_per_batch), 0
    for step in range(steps):
        start = step * config.prompts_per_batch
        rows, better, worse = [], [], []
        for i in (useful[j] for j in order[start : start + config.prompts_per_batch]):
            better += [len(rows) + b for b, _ in pairs[i]]
            worse += [len(rows) + w for _, w in pairs[i]]
            rows += sequences[i]
        idx, last = pad_right(rows, device)
        scores = model(idx).gather(1, last[:, None])[:, 0]  # (rows,)
        loss = bradley_terry_loss(scores[better], scores[worse])
        accuracy = (scores[better] > scores[worse]).float().mean()
        optimizer.set_lr_factor(lr_factor(step, steps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tokens += idx.numel()
        yield RewardStep(step + 1, steps, loss.item(), accuracy.item(), tokens)


def check_pairs(sequences: list[list[list[int]]], pairs: list[list[tuple[int, int]]]) -> None:
    """ValueError that says which comparison names no two answers of its prompt, or that none is."""
    if len(sequences) != len(pairs):
        raise ValueError(
            f"there are answers to {len(sequences)} prompts and comparisons for {len(pairs)}: "
            "give one list of each for every prompt"
        )
    if not any(pairs):
        raise ValueError("there are no comparisons: all pairs were ties, or nothing was labeled")
    for prompt, (answers, compared) in enumerate(zip(sequences, pairs)):
        for b, w in compared:
            if b == w or not (0 <= b < len(answers) and 0 <= w < len(answers)):
                raise ValueError(
                    f"prompt {prompt} compares answers {b} and {w}: "
                    f"name two different ones of its {len(answers)}, counted from 0"
                )


@torch.no_grad()
def score_all(model: RewardModel, sequences: list[list[int]], batch: int = 256) -> Tensor:
    """Scores (N,) of any number of sequences, in batches of similar length."""
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    scores = torch.zeros(len(sequences), device=model.head.weight.device)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        scores[part] = model.score([sequences[i] for i in part])
    return scores


@torch.no_grad()
def normalise(model: RewardModel, sequences: list[list[int]]) -> None:
    """Set `mean` and `std` so that these reference answers score 0 ± 1.

    A KL price then means the same in every run (Ziegler et al. 2019). ValueError if all score the
    same.
    """
    raw = score_all(model, sequences) * model.std + model.mean
    if len(raw) < 2 or raw.std() == 0:
        raise ValueError("give two or more reference answers whose scores differ, to set a scale")
    model.mean.copy_(raw.mean())
    model.std.copy_(raw.std())


def sample_answers(
    policy: GPT, encoding, prompts: list[list[int]], n: int, seed: int, max_new_tokens: int = 40
) -> list[list[Sample]]:
    """`n` answers to each prompt, sampled at temperature 1 with no filter."""
    stop = encoding.encode_single_token("<|end|>")
    rows = [prompt for prompt in prompts for _ in range(n)]
    samples = []
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        seeds = [seed * 10**7 + start + i for i in range(len(part))]
        samples += generate(policy, part, max_new_tokens, stop=stop, seeds=seeds)
    return [samples[i * n : (i + 1) * n] for i in range(len(prompts))]


def best_of_n(scores: Tensor, n: int) -> Tensor:
    """Index of the best scored of the first `n` samples of each prompt: (prompts, N) → (prompts,).

    Its KL from the policy is at most ln n - (n - 1) / n (Stiennon et al. 2020, appendix).
    """
    return scores[:, :n].argmax(dim=1)
