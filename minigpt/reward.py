"""Stage 3, the reward model: learn from comparisons how much people like an answer.

A labeler ranks several answers to one question; each pair of the ranking says "this one rather
than that one". The reward model is the SFT model with more layers and another head: after the
answer comes the token `<|reward|>`, and one number is read there. It cannot write, only score. Its
first use needs no reinforcement learning: of n sampled answers, take the one that it likes best.
Simplified against the real thing: simulated labelers, a reward model little larger than the policy,
and the SFT model in it stays as it is, where InstructGPT trains all weights.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.engine.batching import by_length, check_finite, check_pairs, pad_right, similar_lengths
from minigpt.engine.checks import Settings, finite_step
from minigpt.engine.optim import lr_factor, make_optimizer
from minigpt.generate import Sample, generate_all
from minigpt.model import GPT, Block, GPTConfig, next_token_loss, norm, rotations
from minigpt.sft import chat_answer, chat_prompt


@dataclass
class RewardConfig(Settings):
    prompts_per_batch: int = 32  # prompts an update; all pairs of a prompt are in one batch
    muon_lr: float = 0.03  # rate of the matrices inside the two blocks
    head_lr: float = 0.01  # rate of the head and of the surprisal's direction
    seed: int = 0  # order of the prompts


class ScalarLayers(nn.Module):
    """Two blocks and a head of one number a position, on top of a language model.

    They read its last hidden states and each token's surprisal: how unlikely it found the token
    that did come. A reward model has one set of them, and PPO's value function is another.
    """

    def __init__(self, config: GPTConfig, seed: int = 0) -> None:
        super().__init__()
        C = config.n_embd
        generator = torch.Generator().manual_seed(seed)
        self.direction = nn.Parameter(torch.empty(C).normal_(std=0.5, generator=generator))
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(2))
        for block in self.blocks:
            block.init_weights(generator)
        self.head = nn.Linear(C, 1)
        nn.init.normal_(self.head.weight, std=(C + 1) ** -0.5, generator=generator)
        nn.init.zeros_(self.head.bias)
        rotation = rotations(config.block_size, C // config.n_head)
        self.register_buffer("rotation", rotation, persistent=False)

    def forward(self, hidden: Tensor, surprisal: Tensor) -> Tensor:
        """hidden: (B, T, C); surprisal: (B, T), in nats. Returns (B, T)."""
        x = (hidden + surprisal[..., None] * self.direction).to(hidden.dtype)
        for block in self.blocks:
            x = block(x, self.rotation[: x.shape[1], None], None)
        return self.head(norm(x).float())[..., 0]


class RewardModel(nn.Module):
    """Scores whole answers: the SFT model, frozen, with new layers on top of it.

    To see that an answer is false, a model has to compare what it reads with what it would have
    written, which is known only after its last layer. A large model has layers to spare; here the
    new ones get it as the surprisal: a judge with a tool. Without `sees_surprisal` it is an
    ordinary one, of hidden states alone. `mean` and `std` bring reference answers to 0 and 1.
    """

    def __init__(self, gpt: GPT, seed: int = 0, sees_surprisal: bool = True) -> None:
        super().__init__()
        self.sees_surprisal = sees_surprisal
        self.gpt = copy.deepcopy(gpt).requires_grad_(False)
        self.layers = ScalarLayers(gpt.config, seed)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def trained(self) -> dict[str, Tensor]:
        """The state without the SFT model's part: what a checkpoint has to keep."""
        return {k: t for k, t in self.state_dict().items() if not k.startswith("gpt.")}

    @torch.no_grad()
    def read(self, idx: Tensor) -> tuple[Tensor, Tensor]:
        """What the layers read of (B, T) ids: hidden states (B, T, C) and surprisal (B, T)."""
        hidden = self.gpt.hidden(idx)
        if not self.sees_surprisal:
            return hidden, torch.zeros_like(hidden[..., 0])
        logits = self.gpt.head(hidden[:, :-1]).float()  # position t predicts token t + 1
        surprisal = next_token_loss(logits, idx[:, 1:], "none")
        return hidden, F.pad(surprisal, (1, 0))  # nothing predicts the first token

    def forward(self, idx: Tensor) -> Tensor:
        """One number for each position, not normalised: (B, T) ids → (B, T)."""
        return self.layers(*self.read(idx))

    def score(self, sequences: list[list[int]]) -> Tensor:
        """(B,) normalised scores of sequences that end with `<|reward|>`, of any lengths."""
        idx, last = pad_right(sequences, self.mean.device)
        return self.score_at(last, *self.read(idx))

    def raw_score(self, idx: Tensor, last: Tensor) -> Tensor:
        """(B,) scores of (B, T) ids at the positions `last` (B,), not normalised."""
        return self(idx).gather(1, last[:, None])[:, 0]

    def score_at(self, last: Tensor, hidden: Tensor, surprisal: Tensor) -> Tensor:
        """(B,) normalised scores from what `read` gives, at the positions `last` (B,)."""
        scores = self.layers(hidden, surprisal).gather(1, last[:, None])[:, 0]
        return check_finite((scores - self.mean) / self.std)


def new_value_function(reward_model: RewardModel) -> ScalarLayers:
    """The reward model's layers with a head of zeros, to be trained: it expects 0 everywhere."""
    layers = copy.deepcopy(reward_model.layers).requires_grad_(True)
    nn.init.zeros_(layers.head.weight)
    nn.init.zeros_(layers.head.bias)
    return layers


def reward_input(encoding, prompt: list[int], answer: list[int]) -> list[int]:
    """What the reward model reads: the prompt, the answer's ids as sampled, then `<|reward|>`."""
    return [*prompt, *answer, encoding.encode_single_token("<|reward|>")]


def reward_text(encoding, question: str, answer: str) -> list[int]:
    """The same for a question and an answer in words."""
    return reward_input(encoding, chat_prompt(encoding, question), chat_answer(encoding, answer))


def reward_inputs(
    encoding, prompts: list[list[int]], samples: list[list[Sample]]
) -> list[list[list[int]]]:
    """`reward_input` of every sampled answer, a list a prompt."""
    return [[reward_input(encoding, p, s.ids) for s in row] for p, row in zip(prompts, samples)]


def bradley_terry(better: Tensor, worse: Tensor) -> Tensor:
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
    model: RewardModel, sequences: list[list[list[int]]], pairs: list[list[tuple[int, int]]],
    config: RewardConfig,
) -> Iterator[RewardStep]:  # fmt: skip
    """Train on comparisons, one pass; yields a RewardStep after each update.

    sequences: for each prompt its answers, as `reward_input` makes them. pairs: for each prompt
    (better, worse) indices into its answers; prompts without a pair are left out.
    """
    check_pairs(sequences, pairs)
    model.layers.requires_grad_(True)  # a loaded stage is frozen
    optimizer = make_optimizer(model.layers, config.muon_lr, head_lr=config.head_lr)
    generator = torch.Generator().manual_seed(config.seed)
    useful = [i for i, p in enumerate(pairs) if p]
    order = torch.randperm(len(useful), generator=generator).tolist()
    n, tokens = config.prompts_per_batch, 0
    for step in range(steps := -(-len(useful) // n)):
        rows, better, worse = [], [], []
        for i in (useful[j] for j in order[step * n : (step + 1) * n]):
            better += [len(rows) + b for b, _ in pairs[i]]
            worse += [len(rows) + w for _, w in pairs[i]]
            rows += sequences[i]
        idx, last = pad_right(rows, model.mean.device)
        (scores,) = by_length(model.raw_score, list(map(len, rows)), idx, last)  # (rows,)
        loss = bradley_terry(scores[better], scores[worse])
        accuracy = (scores[better] > scores[worse]).float().mean()
        optimizer.set_lr_factor(lr_factor(step, steps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        read = loss.item(), accuracy.item(), (tokens := tokens + idx.numel())
        yield finite_step(RewardStep(step + 1, steps, *read), config, model.layers)


@torch.no_grad()
def score_all(model: RewardModel, sequences: list[list[int]], batch: int = 256) -> Tensor:
    """Scores (N,) of any number of sequences, in batches of similar length."""
    scores = torch.zeros(len(sequences), device=model.mean.device)
    for part in similar_lengths(list(map(len, sequences)), batch):
        scores[part] = model.score([sequences[i] for i in part])
    return scores


@torch.no_grad()
def normalise(model: RewardModel, sequences: list[list[int]]) -> None:
    """Set `mean` and `std` so that these reference answers score 0 ± 1.

    A KL price then means the same in every run (Ziegler et al. 2019). ValueError if all are alike.
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
    end = encoding.encode_single_token("<|end|>")
    return generate_all(policy, prompts, max_new_tokens, n=n, stop=end, seed=seed, batch=512)


def expected_best(scores: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """The mean of `values` at the best scored of `n` answers, over all draws of n out of N.

    scores, values: (questions, N) → (questions,). Of C(N, n) draws, the answer of rank i, counted
    from 0 at the worst, is the best of C(i, n - 1) (Nakano et al. 2021, appendix I).
    """
    most = scores.shape[1]
    if not 1 <= n <= most:
        raise ValueError(f"n is {n}: choose from 1 to the {most} answers that were sampled")
    chance = [math.comb(i, n - 1) / math.comb(most, n) for i in range(most)]
    order = np.argsort(scores, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1) @ np.array(chance)


def kl_bound(n: int) -> float:
    """How far best-of-n can be from the policy, in nats (Stiennon et al. 2020, appendix)."""
    return math.log(n) - (n - 1) / n
