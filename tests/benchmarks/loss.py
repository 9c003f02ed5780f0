"""Seconds to the loss of nanoGPT's CPU recipe, on tinyshakespeare's characters.

    python tests/benchmarks/loss.py --tinyshakespeare FILE --nanogpt FOLDER

The bar is 1.8857 nats a character, what nanoGPT reports of its recipe, here on the whole validation
split (the last tenth) in windows of 64. nanoGPT's model runs the settings of its README for a
CPU, in a loop as its train.py has it, without its evaluations and checkpoints. Ours is
minigpt's `pretrain` with other numbers. Each run is a new process; what counts is data, model,
training and one evaluation, without imports. Run i of each has seed i, and the row says what loss
each reached: a recipe that misses the bar with one of the seeds has not met the goal. For
comparison nanoGPT's rate and batch are tuned as well: that row says how much is tuning.
"""

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from side_by_side import Run, compare, main, nanogpt, skipped

BAR, T = 1.8857, 64


@dataclass
class Recipe:
    """A model's shape and how it is trained."""

    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 128
    batch_size: int = 32
    steps: int = 118
    lr: float = 0.04  # Muon's for us, AdamW's for nanoGPT


OURS = {"same shape": Recipe(), "any plain GPT": Recipe(2, 3, 96, steps=180, lr=0.05)}
THEIRS = {
    "README": Recipe(batch_size=12, steps=2000, lr=1e-3),
    "tuned": Recipe(batch_size=12, steps=1300, lr=4e-3),
}


def characters(path: Path):
    """The text as ids: the first nine tenths, the last tenth, and how many characters there are."""
    import numpy as np

    text = path.read_text(encoding="utf-8")
    ids = {c: i for i, c in enumerate(sorted(set(text)))}
    tokens = np.array([ids[c] for c in text])
    return tokens[: int(0.9 * len(tokens))], tokens[int(0.9 * len(tokens)) :], len(ids)


def train_ours(recipe: Recipe, train, vocab_size: int, seed: int):
    """minigpt's model after `pretrain`."""
    from minigpt.model import GPT, GPTConfig
    from minigpt.pretrain import PretrainConfig, pretrain

    shape = {"n_layer": recipe.n_layer, "n_head": recipe.n_head, "n_embd": recipe.n_embd}
    model = GPT(GPTConfig(vocab_size=vocab_size, block_size=T, **shape), seed)
    config = PretrainConfig(recipe.batch_size, T, recipe.steps, muon_lr=recipe.lr, seed=seed)
    for _ in pretrain(model, train, config):
        pass
    return model


def train_nanogpt(recipe: Recipe, train, vocab_size: int, seed: int, checkout: Path):
    """nanoGPT's model after the loop of its train.py: random windows, AdamW, clipping at 1, 100
    steps of warm-up, then a cosine to a tenth of the rate."""
    import torch

    module = nanogpt(checkout)
    torch.manual_seed(1337 + seed)
    shape = {"n_layer": recipe.n_layer, "n_head": recipe.n_head, "n_embd": recipe.n_embd}
    model = module.GPT(module.GPTConfig(
        block_size=T, vocab_size=vocab_size, dropout=0.0, bias=False, **shape
    ))  # fmt: skip
    optimizer = model.configure_optimizers(0.1, recipe.lr, (0.9, 0.99), "cpu")
    data = torch.from_numpy(train)
    for step in range(recipe.steps + 1):
        decay = 0.5 * (1 + math.cos(math.pi * max(0, step - 100) / (recipe.steps - 100)))
        rate = recipe.lr * min(step / 100, 0.1 + 0.9 * decay)
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(len(data) - T, (recipe.batch_size,))
        inputs = torch.stack([data[i : i + T] for i in starts])
        targets = torch.stack([data[i + 1 : i + 1 + T] for i in starts])
        _, loss = model(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
    return lambda idx: model(idx, idx)[0]


def one(whose: str, recipe: Recipe, seed: int, text: Path, checkout: Path) -> dict:
    """Train once and measure: the loss, the seconds and the CPU seconds, without imports."""
    import torch  # noqa: F401

    from minigpt.engine.device import set_threads
    from minigpt.pretrain import windows

    set_threads()
    if whose == "nanogpt":
        nanogpt(checkout)  # imported before the clock starts
    before, started = sum(os.times()[:4]), time.perf_counter()
    train, held_out, vocab_size = characters(text)
    if whose == "nanogpt":
        model = train_nanogpt(recipe, train, vocab_size, seed, checkout)
    else:
        model = train_ours(recipe, train, vocab_size, seed)
    rows = windows(held_out, T)
    with torch.no_grad():
        losses = [
            torch.nn.functional.cross_entropy(
                model(part[:, :-1]).flatten(0, 1), part[:, 1:].flatten()
            )
            * len(part)
            for part in rows.split(64)
        ]
    loss = float(sum(losses)) / len(rows)
    wall = time.perf_counter() - started
    return {"loss": loss, "wall": wall, "cpu": sum(os.times()[:4]) - before}


class Contender:
    """A recipe that is run again and again, each time in a new process and with the next seed."""

    def __init__(self, whose: str, recipe: Recipe, args) -> None:
        self.whose, self.recipe, self.args = whose, recipe, args
        self.seeds, self.losses = count(), []

    def __call__(self) -> Run:
        job = {
            "whose": self.whose, "recipe": vars(self.recipe), "seed": next(self.seeds),
            "text": str(self.args.tinyshakespeare), "checkout": str(self.args.nanogpt),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(job)],
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        self.losses.append(found["loss"])
        return Run(found["wall"], found["cpu"])

    def said(self) -> str:
        return f"{self.whose} reaches {', '.join(f'{loss:.4f}' for loss in self.losses)}"


def rows(args):
    goals = {"same shape": (6, 8), "any plain GPT": (15, 20)}
    name = "loss {bar}, {what}: nanoGPT {whose}"
    if not args.tinyshakespeare or not args.nanogpt:
        for what, (goal, stretch) in goals.items():
            yield skipped(name.format(bar=BAR, what=what, whose="README"),
                          "give --tinyshakespeare and --nanogpt", goal, stretch)  # fmt: skip
        return
    for what, recipe in OURS.items():
        for whose, theirs in THEIRS.items():
            contenders = Contender("minigpt", recipe, args), Contender("nanogpt", theirs, args)
            row = compare(name.format(bar=BAR, what=what, whose=whose), *contenders, *goals[what],
                          args.pairs, warm_up=False)  # fmt: skip
            row.met = bool(row.met) and all(loss <= BAR for loss in contenders[0].losses)
            row.note = "; ".join(filter(None, [*(c.said() for c in contenders), row.note]))
            yield row


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        job = json.loads(sys.argv[2])
        paths = Path(job["text"]), Path(job["checkout"])
        print(json.dumps(one(job["whose"], Recipe(**job["recipe"]), job["seed"], *paths)))
    else:
        main(rows, __doc__)
