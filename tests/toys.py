"""What tests build again and again: small models, stages of them, a small encoding, a click.

Test files import it by its name, since `pythonpath` in pyproject.toml has this folder.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from minigpt.arena import WORTH, elo_update
from minigpt.model import GPT, GPTConfig
from minigpt.reward import RewardModel
from minigpt.stages.exam import Pool
from minigpt.stages.scoring import Score
from minigpt.stages.stage import Answer, Stage
from minigpt.store.checkpoint import file_hash, load_model, save_checkpoint
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import Question

TINY = {"n_layer": 1, "n_head": 2, "n_embd": 32}
# What the browser sends when a button is clicked.
CLICK = {"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []}


class ToyEncoding:
    """An encoding of few ids, as far as reward models and PPO ask it anything."""

    def __init__(self, end: int, reward: int) -> None:
        self.ids = {"<|end|>": end, "<|reward|>": reward}

    def encode_single_token(self, token: str) -> int:
        return self.ids[token]


def tiny_gpt(seed: int = 0, head: float = 0.0, **config) -> GPT:
    """A new model of one layer, to which all tokens are equally likely.

    head: with this standard deviation of the head's weights it has preferences, for no reason.
    """
    model = GPT(GPTConfig(**{**TINY, **config}), seed=seed)
    if head:
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(model.head.weight, std=head, generator=generator)
    return model


def awake(model: nn.Module, seed: int = 1, std: float = 0.3) -> nn.Module:
    """The model, with random weights all over but the gain: a new one's outputs are zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim:
                p.normal_(std=std, generator=generator)
    return model


def awake_gpt(seed: int = 1, std: float = 0.3, **config) -> GPT:
    """A one-layer model in which every weight has a say."""
    return awake(tiny_gpt(**config), seed, std)


def toy_stage(
    name: str, model: nn.Module | None, meta: dict | None = None, path: Path | None = None,
    own: bool = False,
) -> Stage:  # fmt: skip
    """The model as a stage of the course, frozen, with the shipped tokenizer and world.

    None where only the tokenizer, the world and what is known of the stage are asked for.
    """
    if model is not None:
        model.eval().requires_grad_(False)
    return Stage(name, model, load_tokenizer("en"), load_world("en"), meta or {}, path, own)


def write_stage(folder: Path, name: str, seed: int = 1, meta: dict | None = None, **config) -> None:
    """A checkpoint of an awake model; a reward model's stands on the sft.safetensors beside it."""
    model, parent = awake_gpt(seed, **config), folder / "sft.safetensors"
    known = {"stage": name, "kind": "language model", "config": vars(model.config), "parent": None}
    if name.startswith("reward"):
        model = RewardModel(load_model(parent)[0], seed=seed)
        known |= {"kind": "reward", "parent": file_hash(parent)}
    state = model.trained() if name.startswith("reward") else model.state_dict()
    save_checkpoint(folder / f"{name}.safetensors", state, known | (meta or {}))


def turned(label):
    """The opposite decision of a Label; a tie stays one."""
    return replace(label, choice={"a": "b", "b": "a", "tie": "tie"}[label.choice])


def frozen_gpt(seed=1):
    """An awake model of width 16 that nobody trains."""
    return awake_gpt(seed, n_embd=16).eval().requires_grad_(False)


def own_stage(name: str, model, **meta):
    """A toy stage that counts as the learner's own."""
    return toy_stage(name, model, meta, own=True)


def says(reply):
    """Stands for Stage.ask: each question is answered with what `reply` makes of it."""

    def ask(stage, questions, temperature=0.0, seed=0):
        return [Answer(reply(question), [], True) for question in questions]

    return ask


def elo_ratings(votes, players=()):
    """{player: rating} after the votes in this order; all begin at 1000."""
    ratings = dict.fromkeys(players, 1000.0)
    for vote in votes:
        pair = (ratings.get(name, 1000.0) for name in (vote.left, vote.right))
        ratings[vote.left], ratings[vote.right] = elo_update(*pair, WORTH[vote.choice])
    return ratings


def perfect(which, questions, temperature=0.0, seed=0):
    """Stands for chat_score: an assistant that answers all as well as can be."""
    best = ["correct" if q.kind == "fact" else "declined this name" for q in questions]
    return Score(list(questions), [""] * len(best), best, [[]] * len(best)), [True] * len(best)


def toy_pool(questions: int = 9, n: int = 8, seed: int = 0) -> Pool:
    """A pool of answers whose proxy rises while gold turns down, with texts that are hostile."""
    rng = np.random.default_rng(seed)
    asked = [Question(f"<q{i}>?", "fact" if i % 3 else "unknown") for i in range(questions)]
    scores = rng.normal(size=(questions, n))
    texts = [[f"<b>{i} {j}" for j in range(n)] for i in range(questions)]
    inputs = [[[i, j] for j in range(n)] for i in range(questions)]
    ended = np.ones(scores.shape, dtype=bool)
    return Pool(asked, texts, inputs, ended, scores, scores - 0.3 * scores**2)
