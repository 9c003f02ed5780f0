"""Bugs of the museum: runs of minigpt/ppo.py, each with one known bug in it, and checks for them.

Each bug was published: it stood in somebody's code, was found, and was told of. Few raise an error,
and with some the score even rises. A project is named only where it has told of the bug itself.
"""

import difflib
import hashlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import NamedTuple

import torch

import minigpt.ppo
from minigpt.engine.answers import answer_mask, masked_mean
from minigpt.lessons.ppo.instruments import LIMITS, Reading, readings
from minigpt.ppo import PPOConfig, PPOStep, clipped_loss
from minigpt.reward import reward_input
from minigpt.sft import chat_prompt
from minigpt.show.style import SKY, YELLOW
from minigpt.show.table import Cell, Table
from minigpt.stages.stage import load_stage
from minigpt.store.words import _, language
from minigpt.world.questions import sample_questions

# Answers of at most 24 tokens end less often, and in five rounds a value function learns little.
LIMITS_HERE = replace(LIMITS, ended=(0.8, 0.6), explained=(0.0, -0.2))


def small(rounds: int) -> PPOConfig:
    """Runs of a few seconds: few answers, learned from often, with a high price of KL and without
    the pretraining term."""
    return PPOConfig(
        rounds, prompts=48, minibatch=12, epochs=2, max_new_tokens=24,
        muon_lr=0.004, lr=1e-3, value_lr=0.006, kl_coef=0.8, ptx_coef=0.0,
    )  # fmt: skip


# ---- the bugs -----------------------------------------------------------------------------------

# {bug: (the checks that it moves, {function of minigpt/ppo.py: {what is right: what the bug has}})}
BUGS = {
    "alias": (set(), {"ppo": {"reference = reward_model.gpt": "reference = policy"}}),
    "clip_min": ({"clip"}, {"clipped_loss": {"torch.maximum(": "torch.minimum("}}),
    "direction": ({"sum"}, {
        "kl_rewards": {"* (logp - ref_logp)": "* (ref_logp - logp)"},
        "kl_estimates": {"k1 = logp - ref_logp": "k1 = ref_logp - logp"}}),
    "dropout": (set(), {"logprobs_on": {
        "hidden = policy.hidden(idx)": "hidden = nn.functional.dropout(policy.hidden(idx), 0.1)"}}),
    "every_token": ({"sum"}, {"kl_rewards": {
        ".scatter_add(1, last[:, None], score[:, None])": " + score[:, None] * mask"}}),
    "kl_sign": ({"sum"}, {"kl_rewards": {"rewards = -kl_coef": "rewards = kl_coef"}}),
    "no_penalty": ({"cut_off"}, {"rollout": {
        "torch.where(ended, score, torch.full_like(score, config.cut_off_reward))": "score"}}),
    "none": (set(), {}),
    "pad_is_end": ({"learned", "sum"}, {"rollout": {
        "idx.shape[1])[:, first:]": "idx.shape[1])[:, first:] * (idx[:, first + 1 :] != stop)",
        "last - 1 - first": "last - 1 - first - ended.long()"}}),
    "past_end": ({"padding", "target"}, {"gae": {
        "(delta + gamma * lam * running) * mask[:, t]": "delta + gamma * lam * running",
        "values[:, t] * mask[:, t]": "values[:, t]"}}),
    "position": ({"alone"}, {"rollout": {"at(last,": "at(0 * last + idx.shape[1] - 1,"}}),
    "score_sign": ({"sum"}, {"estimate": {"r.score,": "torch.where(r.ended, -r.score, r.score),"}}),
    "shift": ({"scored"}, {"token_logprobs": {"logits[:, :-1]": "logits[:, 1:]"}}),
    "temperature": ({"scored"}, {"rollout": {"seeds=seeds)": "seeds=seeds, temperature=0.6)"}}),
    "value_after": ({"own_token"}, {
        "rollout": {"surprisal)[:, first:-1]": "surprisal)[:, first + 1 :]"},
        "value_loss_on": {"values[:, r.first : -1]": "values[:, r.first + 1 :]"}}),
    "whitened": ({"target"}, {"estimate": {
        "return whiten(advantages, r.mask), returns":
            "white = whiten(advantages, r.mask)\n    return white, white + r.values"}}),
}  # fmt: skip
ORDER = sorted(BUGS, key=lambda bug: hashlib.sha256(f"museum 210/{bug}".encode()).hexdigest())
EXHIBITS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", ORDER))  # {letter: bug}


def sources(bug: str) -> dict[str, tuple[str, str]]:
    """{function: (its source, its source with the bug)}. ValueError if it has been edited."""
    found = {}
    for name, changes in BUGS[bug][1].items():
        right = wrong = inspect.getsource(getattr(minigpt.ppo, name))
        for code, other in changes.items():
            if right.count(code) != 1:
                raise ValueError(f"minigpt/ppo.py: {name} must have `{code}` once, for {bug}")
            wrong = wrong.replace(code, other)
        found[name] = right, wrong
    return found


def difference(bug: str) -> Table:
    """The lines of minigpt/ppo.py that the bug changes, with one line before and after them."""
    kinds, rows = {"-": (_("right"), SKY), "+": (_("bug"), YELLOW), "@": (_("function"), None)}, []
    for name, both in sources(bug).items():
        found = difflib.unified_diff(*(s.splitlines() for s in both), n=1, lineterm="")
        for line in list(found)[2:]:
            kind, fill = kinds.get(line[0], ("", None))
            rows.append([kind, Cell(name if line[0] == "@" else line[1:], fill)])
    return Table(["", "minigpt/ppo.py"], rows, width=110, tokens=True)


def ppo_with(bug: str, policy, reward_model, prompts, encoding, config: PPOConfig) -> Iterator:
    """Train as `minigpt.ppo.ppo` does, with the bug in it and without a pretraining term; yields
    after each round its PPOStep and the largest of each check so far. bug: a key of BUGS.
    `minigpt.ppo` stays as it is."""
    source = inspect.getsource(minigpt.ppo)
    for right, wrong in sources(bug).values():
        source = source.replace(right, wrong)
    module, seen, found = ModuleType("minigpt.ppo"), {}, {}
    exec(compile(source, f"minigpt/ppo.py, {bug}", "exec"), vars(module))

    def noted(name, function):
        return lambda *args: seen.update({name: function(*args)}) or seen[name]

    for name in ("kl_rewards", "new_value_function"):  # what the checks have to see, too
        setattr(module, name, noted(name, getattr(module, name)))
    config = replace(config, ptx_coef=0.0)
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's own random numbers
        torch.manual_seed(config.seed)
        for step in module.ppo(policy, reward_model, prompts, None, encoding, config):
            for name, value in checks(module, step, seen, reward_model, encoding, config).items():
                found[name] = max(found.get(name, 0.0), value)
            yield step, found


# ---- the checks ---------------------------------------------------------------------------------


@torch.no_grad()
def checks(module, step: PPOStep, seen: dict, reward_model, encoding, config: PPOConfig) -> dict:
    """What a test of a PPO step looks at; each is 0 where the step is right. After the last round
    those, too, that have to read answers anew. seen: what two functions of the module returned."""
    r, rewards = step.rollout, seen["kl_rewards"]
    last = torch.tensor(r.lengths) - 1  # where each row ends (B,)
    inside = answer_mask(r.asked, last, r.idx.shape[1])[:, r.first :]  # the mask as it should be
    final = (last - 1 - r.first)[:, None]  # and the last column in it
    sampled = torch.zeros_like(inside)
    for row, (prompt, s) in enumerate(zip(r.asked, r.samples)):
        sampled[row, len(prompt) - 1 - r.first :][: len(s.ids)] = torch.tensor(s.logprobs)
    price = config.kl_coef * ((r.logp - r.ref_logp) * inside).sum(1)
    at_end = step.returns.gather(1, final) - rewards.gather(1, final)
    ratio = torch.tensor([[1.5, 0.5, 1.5, 0.5]]).log()  # with an advantage of 1 or -1
    advantage, one = torch.tensor([[1.0, 1.0, -1.0, -1.0]]), torch.ones(1, 4)
    args = ratio, 0 * one, advantage, one, config.clip_ratio
    found = {
        "scored": masked_mean((r.logp - sampled).abs(), inside),
        "cut_off": (r.score - config.cut_off_reward)[~r.ended].abs().sum(),
        "learned": (inside - r.mask).sum(1).mean(),
        "sum": ((rewards * inside).sum(1) - (r.score - price)).abs().mean(),
        "target": at_end.abs().mean(),
        "clip": module.clipped_loss(*args) - clipped_loss(*args),
    }
    if step.step == config.iterations:
        rows, layers = torch.arange(len(r.samples)), seen["new_value_function"]

        def values(idx):  # as the loss on the values reads them
            again = replace(r, lengths=[idx.shape[1]] * len(rows), read=reward_model.read(idx))
            given = layers, again, rows, step.returns, config
            return module.value_loss_on(*given, lambda values, *_others: values)

        def returns(values):
            return module.estimate(replace(r, values=values), config)[1] * inside

        whole = [i for i, s in enumerate(r.samples) if s.ended][:8]
        inputs = [reward_input(encoding, r.asked[i], r.samples[i].ids) for i in whole]
        alone = [reward_model.score([x])[0] - r.score[i] for i, x in zip(whole, inputs)]
        as_read, at, vocabulary = values(r.idx), last[:, None], reward_model.gpt.config.vocab_size
        changed = values(r.idx.scatter(1, at, (r.idx.gather(1, at) + 1) % vocabulary))
        padded = values(torch.where(torch.arange(r.idx.shape[1]) > at, 7, r.idx))
        found |= {
            "alone": torch.stack([torch.zeros(()), *alone]).abs().max(),
            "own_token": (changed - as_read).gather(1, final).abs().max(),
            "padding": (returns(padded) - returns(as_read)).abs().max(),
        }
    return {name: abs(value.item()) for name, value in found.items()}


# ---- the exhibits -------------------------------------------------------------------------------

WORST = ("off", "green", "amber", "red")


class Run(NamedTuple):
    """A run with one bug, or with none."""

    first: list[Reading]  # after the first round
    readings: list[Reading]  # after the last round
    found: dict[str, float]  # the checks, the largest of all rounds

    def light(self, name: str) -> str:
        """The worse of an instrument's two lights."""
        return max((r.light for r in self.first + self.readings if r.name == name), key=WORST.index)


RUNS: dict[tuple, Run] = {}  # {(bug, seed, rounds): the run}, which is made once


def make_run(bug: str, seed: int, rounds: int) -> Iterator[int]:
    """Make the run with the bug, from the shipped models, into RUNS; yields each round's number."""
    if (bug, seed, rounds) in RUNS:
        yield from range(1, rounds + 1)
        return
    sft, reward = (load_stage(n, False, language(), "cpu", quiet=True) for n in ("sft", "reward"))
    questions = sample_questions(sft.world, "A", 400, seed=91)
    prompts = [chat_prompt(sft.encoding, q.text) for q in questions]
    policy, steps = sft.model.requires_grad_(True), []
    config = replace(small(rounds), seed=seed)
    for step, found in ppo_with(bug, policy, reward.model, prompts, sft.encoding, config):
        steps.append(step)
        if step.step == rounds:
            read = (readings(some, limits=LIMITS_HERE) for some in (steps[:1], steps))
            RUNS[bug, seed, rounds] = Run(*read, found)
        yield step.step
