"""The bug museum: runs of minigpt/ppo.py, each with one known bug in it, and checks that find it.

    choices()                                  # what the bugs do, each with its key
    exhibit("A")                               # its readings, and checks for the bugs that hide
    diagnose({"A": "dropout", "B": "none"})    # which of these are right, and where the bug is

Each bug was published: it stood in somebody's code, was found, and was told of. Few raise an error,
and with some the score even rises. A project is named only where it has told of the bug itself.
"""

import difflib
import hashlib
import inspect
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import NamedTuple

import torch

import minigpt.ppo
from minigpt.engine.answers import answer_mask, masked_mean
from minigpt.lessons.ppo.bug_texts import check_words, words
from minigpt.lessons.ppo.instruments import LIMITS, Reading, readings
from minigpt.ppo import PPOConfig, PPOStep, ppo_loss
from minigpt.reward import reward_input
from minigpt.sft import chat_prompt
from minigpt.show.style import SKY, YELLOW
from minigpt.show.table import Cell, Table
from minigpt.stages.fast import shorten
from minigpt.stages.stage import load_stage
from minigpt.store.words import _, language
from minigpt.world.questions import sample_questions

# Answers of at most 20 tokens end less often, and in five rounds a value function learns little.
LIMITS_HERE = replace(LIMITS, ended=(0.8, 0.6), explained=(0.0, -0.2))


def small() -> PPOConfig:
    """Runs of a few seconds: few answers, learned from often, with a high price of KL and without
    the pretraining term."""
    return PPOConfig(
        iterations=shorten(5, 2), prompts=48, minibatch=12, epochs=2, max_new_tokens=20,
        muon_lr=0.0032, lr=8e-4, value_lr=0.006, kl_coef=0.8, ptx_coef=0.0, seed=1,
    )  # fmt: skip


# ---- the bugs -----------------------------------------------------------------------------------

# {bug: (the checks that it moves, {function of minigpt/ppo.py: {what is right: what the bug has}})}
BUGS = {
    "alias": (set(), {"ppo": {"reference = reward_model.gpt": "reference = policy"}}),
    "clip_min": ({"clip"}, {"ppo_loss": {"torch.maximum(": "torch.minimum("}}),
    "direction": ({"sum"}, {
        "kl_rewards": {"* (logp - ref_logp)": "* (ref_logp - logp)"},
        "kl_estimates": {"k1 = logp - ref_logp": "k1 = ref_logp - logp"}}),
    "dropout": (set(), {"policy_loss_on": {
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
    return Table(["", "minigpt/ppo.py"], rows, bug, width=110, tokens=True)


def ppo_with(bug: str, policy, reward_model, prompts, encoding, config: PPOConfig) -> tuple:
    """Train as `minigpt.ppo.ppo` does, with the bug in it and without a pretraining term; the
    PPOSteps, and the largest of each check. bug: a key of BUGS. `minigpt.ppo` stays as it is."""
    source = inspect.getsource(minigpt.ppo)
    for right, wrong in sources(bug).values():
        source = source.replace(right, wrong)
    module, seen, steps, found = ModuleType("minigpt.ppo"), {}, [], {}
    exec(compile(source, f"minigpt/ppo.py, {bug}", "exec"), vars(module))

    def noted(name, function):
        return lambda *args: seen.update({name: function(*args)}) or seen[name]

    for name in ("kl_rewards", "new_value_function"):  # what the checks have to see, too
        setattr(module, name, noted(name, getattr(module, name)))
    config = replace(config, ptx_coef=0.0)
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's own random numbers
        torch.manual_seed(config.seed)
        for step in module.ppo(policy, reward_model, prompts, None, encoding, config):
            steps.append(step)
            for name, value in checks(module, step, seen, reward_model, encoding, config).items():
                found[name] = max(found.get(name, 0.0), value)
    return steps, found


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
        "clip": module.ppo_loss(*args)[0] - ppo_loss(*args)[0],
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


@cache
def run(bug: str, seed: int, rounds: int) -> Run:
    """The run with the bug, from the shipped models; what it gave the first time."""
    names = "sft", "reward"
    sft, reward = (load_stage(name, False, language(), "cpu", quiet=True) for name in names)
    questions = sample_questions(sft.world, "A", 400, seed=91)
    prompts = [chat_prompt(sft.encoding, q.text) for q in questions]
    policy = sft.model.requires_grad_(True)
    config = replace(small(), seed=seed, iterations=rounds)
    steps, found = ppo_with(bug, policy, reward.model, prompts, sft.encoding, config)
    return Run(*(readings(some, limits=LIMITS_HERE) for some in (steps[:1], steps)), found)


def exhibit(letter: str) -> tuple[Table, Table]:
    """The exhibit of that letter: its readings and its checks, beside those of a run without a bug.

    The first takes twice as long as the others. ValueError where there is no such letter.
    """
    letter, config = known_letter(letter), small()
    bug = EXHIBITS[letter]
    healthy = run("none", config.seed, config.iterations)
    shown = run(bug, 3 if bug == "none" else config.seed, config.iterations)
    lights = [
        [r.label, h.text, f.text, r.text, shown.light(r.name)]
        for h, f, r in zip(healthy.readings, shown.first, shown.readings)
        if r.name != "gold"  # that takes many more answers
    ]
    compared = [
        [label, *(number(run.found.get(name, 0.0)) for run in (healthy, shown)), what]
        for name, (label, what) in check_words().items()
    ]
    at = _("{letter}, first round", letter=letter), _("{letter}, last round", letter=letter)
    return (
        Table([_("instrument"), _("without a bug"), *at, _("light")], lights,
              _("Exhibit {letter} after {rounds} rounds, and a run without a bug",
                letter=letter, rounds=config.iterations)),
        Table([_("check"), _("without a bug"), letter, _("what it compares")], compared,
              _("Exhibit {letter}: checks that are 0 where the step is right", letter=letter),
              width=44),
    )  # fmt: skip


def number(value: float) -> str:
    """0 for what is rounding, else two significant digits."""
    return "0" if abs(value) < 1e-4 else f"{value:.2g}"


def choices() -> Table:
    """What the bugs do, each with the key that `diagnose` takes."""
    rows = [[bug, what] for bug, (what, *_others) in words().items()]
    caption = _("One of these is in each exhibit")
    return Table([_("key"), _("what the code does")], rows, caption, width=70)


def diagnose(answers: dict[str, str]) -> list[Table]:
    """Which diagnoses {letter: key} are right, and why; of the others, what to look at again. Then,
    of each bug that was found, the difference between the right lines and those of the bug.

    ValueError where a letter or a key is not known.
    """
    rows, hits = [], []
    for letter, bug in sorted((known_letter(k), v) for k, v in answers.items()):
        if bug not in BUGS:
            raise ValueError(f"{letter}: there is no key {bug!r}. Choose from {', '.join(BUGS)}")
        _what, moves, lesson = words()[bug]
        if EXHIBITS[letter] == bug:
            hits.append(bug)
            rows.append([letter, bug, _("right"), lesson])
        else:
            would = _("That would move {moves} Look at these again.", moves=moves)
            rows.append([letter, bug, _("not this"), would])
    caption = _("{right} of {said} right; there are {all} exhibits",
                right=len(hits), said=len(rows), all=len(EXHIBITS))  # fmt: skip
    table = Table([_("exhibit"), _("you say"), "", _("why")], rows, caption, width=60)
    return [table, *(difference(bug) for bug in hits if BUGS[bug][1])]


def known_letter(letter: str) -> str:
    """The letter in upper case; ValueError where there is no such exhibit."""
    found = str(letter).strip().upper()
    if found not in EXHIBITS:
        raise ValueError(f"there is no exhibit {letter!r}: choose from A–{max(EXHIBITS)}")
    return found
