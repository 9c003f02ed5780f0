"""Flight instruments: what each number of a PPO round should be, and what to do when it is not.

`readings` turns the rounds so far into one Reading an instrument. Gold needs the known truth, so it
reads evaluations that `evaluate_round` makes. No light proves that a run is right; each is there
because a known mistake moves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from minigpt.engine.answers import masked_mean
from minigpt.lessons.ppo.instrument_texts import AMBER, GREEN, OFF, RED  # isort: split

from minigpt.lessons.ppo.instrument_texts import instrument_words, light_word
from minigpt.model import GPT
from minigpt.ppo import PPOStep
from minigpt.show import style
from minigpt.show.table import Cell, Table
from minigpt.stages.exam import sampled_score
from minigpt.stages.stage import Stage
from minigpt.store.words import _


@dataclass
class Limits:
    """Where the lights change: amber first, then red. Rules of thumb, for answers such as ours."""

    ratio: tuple = (1e-4, 1e-2)  # above: |ratio - 1|; rounding of sums alone reaches 1e-5
    kl: float = 3.0  # above, in nats an answer: as far as the best of 55 answers may be
    sampling: tuple = (3.0, 5.0)  # above: standard errors
    entropy: tuple = (0.25, 0.1)  # below: share of the first round's entropy
    ended: tuple = (0.9, 0.7)  # below: share of answers
    explained: tuple = (0.1, -0.2)  # below: explained variance
    clip: tuple = (0.1, 0.3)  # above: share of tokens
    early: int = 5  # rounds before the value function, and the rise of the reward, are judged
    latest: int = 3  # rounds that the reward is averaged over
    errors: tuple = (2.0, 3.0)  # standard errors by which reward or gold must have fallen


LIMITS = Limits()

NAMES = (
    "ratio", "kl", "sampling", "entropy", "ended", "reward", "explained", "clip", "gold",
)  # fmt: skip
# A shape for each light, so that nobody needs its colour: (symbol, colour)
LIGHTS = {
    GREEN: ("\u25cf", style.GREEN), AMBER: ("\u25b2", style.ORANGE),
    RED: ("\u25a0", style.VERMILION), OFF: ("\u25cb", style.GREY),
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One instrument after a round."""

    name: str  # one of NAMES
    label: str  # the instrument in words
    value: float  # its number; NaN where there is none yet
    text: str  # the number as it is shown, with its unit
    light: str  # "green", "amber", "red" or "off"
    word: str  # the light's meaning in a word or two
    sentence: str  # what it says and what to do


@dataclass(frozen=True)
class Evaluation:
    """The policy after a round, on questions whose answers are known."""

    step: int  # rounds done
    proxy: float  # mean score of the reward model
    gold: float  # mean of the expert's noiseless utility
    gold_error: float  # standard error of that mean


def evaluate_round(step: int, policy: GPT, reward: Stage, questions: Sequence) -> Evaluation:
    """Judge one answer to each question, sampled at temperature 1, by reward model and by truth."""
    score, proxy = sampled_score(policy, reward, questions)
    gold = np.array(score.gold)
    error = gold.std() / len(gold) ** 0.5
    return Evaluation(step, *map(float, (proxy.mean(), gold.mean(), error)))


def readings(
    steps: Sequence[PPOStep], evaluations: Sequence[Evaluation] = (), limits: Limits = LIMITS
) -> list[Reading]:
    """All instruments after the last of `steps`, in the order of NAMES. steps: the rounds so far.
    evaluations: any rounds', in order, best from round 0 on. ValueError where there is no round."""
    if not steps:
        raise ValueError("there is no round to read yet: give the PPOSteps so far")
    first, now, ratio = steps[0], steps[-1], steps[-1].first_ratio
    gap, error = surprisal_gap(now)
    z = gap / max(error, 1e-6)  # what is smaller is rounding
    share = now.entropy / first.entropy if first.entropy else 1.0
    explained = (seen := derived(now))["explained_variance"]
    negative = seen["k1"] + 3 * seen["k1_error"] < 0
    kl_light = RED if negative else AMBER if now.kl > limits.kl else GREEN
    explained_light = light(explained, limits.explained) if now.step >= limits.early else OFF
    return [
        reading("ratio", ratio, light(ratio, limits.ratio), off=f"{max(ratio, 1e-4):.2g}"),
        reading("kl", now.kl, kl_light, **seen),
        reading("sampling", gap, light(abs(z), limits.sampling), z=z),
        reading("entropy", now.entropy, light(share, limits.entropy), share=share),
        reading("ended", now.ended, light(now.ended, limits.ended)),
        reading("reward", now.reward, reward_light(steps, limits), first=first.reward),
        reading("explained", explained, explained_light),
        reading("clip", now.clip_share, light(now.clip_share, limits.clip)),
        gold_reading(evaluations, limits),
    ]


def panel(steps: Sequence[PPOStep], evaluations: Sequence[Evaluation] = ()) -> Table:
    """The instruments as a table."""
    rows = []
    for r in readings(steps, evaluations):
        symbol, colour = LIGHTS[r.light]
        light = Cell(f"{symbol} {light_word(r.light)}: {r.word}", edge=colour)
        rows.append([r.label, r.text, light, r.sentence])
    header = [_("instrument"), _("reading"), _("light"), _("what it says, and what to do")]
    caption = _("After round {step} of {steps}", step=steps[-1].step, steps=steps[-1].steps)
    return Table(header, rows, caption)


def derived(step: PPOStep) -> dict[str, float]:
    """Beyond the step's own numbers: `k1`, the mean over the answers of an estimate of the KL, in
    nats; `k1_error`, its standard error; `explained_variance`."""
    r = step.rollout
    k1 = r.k1.sum(1)  # (B,)
    return {
        "k1": k1.mean().item(),
        "k1_error": (k1.std(unbiased=False) / len(k1) ** 0.5).item(),
        "explained_variance": explained_variance(step.returns, r.values, r.mask),
    }


def explained_variance(returns: Tensor, values: Tensor, mask: Tensor) -> float:
    """How much of the variance of the returns the values foresaw: 1 is all, 0 none. All (B, T)."""
    rest, spread = (
        masked_mean((x - masked_mean(x, mask)) ** 2, mask) for x in (returns - values, returns)
    )
    return (1 - rest / (spread + 1e-8)).item()


def surprisal_gap(step: PPOStep) -> tuple[float, float]:
    """Mean surprisal of the sampled tokens, under the distribution that was sampled from, less the
    mean entropy of the one that is learned, and its standard error, in nats."""
    sums = np.array([-sum(s.logprobs) for s in step.rollout.samples])
    lengths = np.array([len(s.logprobs) for s in step.rollout.samples])
    rest = sums - step.entropy * lengths
    gap = rest.sum() / lengths.sum()
    spread = (rest - gap * lengths).std()  # of a ratio of means, by answers
    return float(gap), float(spread / len(sums) ** 0.5 / lengths.mean())


# ---- the lights -------------------------------------------------------------------------------


def light(value: float, limits: tuple[float, float]) -> str:
    """Amber beyond the first limit, red beyond the second, on whichever side that one is; red for
    NaN."""
    amber, red = limits
    side = 1 if red > amber else -1
    return GREEN if side * value <= side * amber else AMBER if side * value <= side * red else RED


def reward_light(steps: Sequence[PPOStep], limits: Limits) -> str:
    """Red if the latest rounds score below the first by more than chance, amber if they do not
    score above it after twice as many rounds as make a start."""
    if len(steps) < limits.early:
        return OFF
    latest, n = steps[-limits.latest :], len(steps[0].rollout.samples)
    rise = np.mean([s.reward for s in latest]) - steps[0].reward
    first, *spreads = (s.rollout.score.var(unbiased=False).item() for s in (steps[0], *latest))
    variance = (first + np.mean(spreads) / len(latest)) / n
    amber, red = limits.errors
    if not rise >= -red * variance**0.5:  # NaN, too
        return RED
    return AMBER if len(steps) >= 2 * limits.early and rise < amber * variance**0.5 else GREEN


def gold_reading(evaluations: Sequence[Evaluation], limits: Limits) -> Reading:
    """Gold now against the best gold of all evaluations."""
    if len(evaluations) < 2:
        return reading("gold", float("nan"), OFF)
    now, best = evaluations[-1], max(evaluations, key=lambda e: e.gold)
    error = (now.gold_error**2 + best.gold_error**2) ** 0.5
    found = light(best.gold - now.gold, [k * error for k in limits.errors])
    return reading("gold", now.gold, found, gold=now.gold, best=best.gold, proxy=now.proxy)


def reading(name: str, value: float, light: str, **more) -> Reading:
    """A Reading with its words. `more`: the other numbers that its text shows."""
    words = instrument_words(name)
    shown = words["value"].format(value=value, **more) if value == value else "\u2013"
    shown = shown.replace("-", "\u2212")
    return Reading(name, words["label"], float(value), shown, light, *words[light])
