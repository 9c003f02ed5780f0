"""Flight instruments: what each number of a PPO round should be, and what to do when it is not.

    steps = []
    for step in ppo(...):
        steps.append(step)
        print(panel(steps))

`readings` turns the rounds so far into one Reading an instrument: its value, a light (green, amber
or red; off while there is nothing to judge by), a word, and a sentence that says what to do. Gold
against proxy needs the known truth, so it reads evaluations that `evaluate_round` makes.

No light proves that a run is right. Each is there because a known mistake moves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from minigpt.engine.answers import masked_mean
from minigpt.model import GPT
from minigpt.ppo import PPOStep
from minigpt.show import style
from minigpt.show.table import Cell, Table
from minigpt.stages.exam import sampled_score
from minigpt.stages.stage import Stage
from minigpt.store.words import _

GREEN, AMBER, RED, OFF = "green", "amber", "red", "off"


@dataclass
class Limits:
    """Where the lights change: amber first, then red. Rules of thumb, for answers such as ours."""

    ratio: tuple = (1e-4, 1e-2)  # above: |ratio - 1|; rounding of sums alone reaches 1e-5
    kl: float = 3.0  # above, in nats an answer: as far as the best of 55 answers may be
    sampling: tuple = (3.0, 5.0)  # above: standard errors
    entropy: tuple = (0.25, 0.1)  # below: share of the first round's entropy
    ended: tuple = (0.9, 0.7)  # below: share of answers
    spread: tuple = (0.25, 0.05)  # below: standard deviation of the scores
    explained: tuple = (0.1, -0.2)  # below: explained variance
    clip: tuple = (0.1, 0.3)  # above: share of tokens
    early: int = 5  # rounds before the value function, and the rise of the reward, are judged
    latest: int = 3  # rounds that the reward is averaged over
    errors: tuple = (2.0, 3.0)  # standard errors by which reward or gold must have fallen


LIMITS = Limits()

NAMES = (
 "ratio", "kl", "sampling", "entropy", "ended", "reward", "spread", "explained", "clip",
 "gold",
)  # fmt: skip
# A shape for each light, so that nobody needs its colour: (symbol, marker in pictures, colour)
LIGHTS = {
    GREEN: ("\u25cf", "o", style.GREEN),
    AMBER: ("\u25b2", "^", style.ORANGE),
    RED: ("\u25a0", "s", style.VERMILION),
    OFF: ("\u25cb", ".", style.GREY),
}


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


def instrument_words(name: str) -> dict:
    """An instrument's label, how its value is written, and a word and a sentence for each light."""
    return {
        "ratio": {
            "label": _("ratio on the first minibatch"),
            "value": _("1, off by at most {value:.2g}"),
            GREEN: (_("one"), _(
                "The policy that learns gives each token the probability that it was sampled "
                "with, as it must before the first update of a round.")),
            AMBER: (_("not quite one"), _(
                "The two computations of the same probability differ by more than rounding: "
                "compare their precision, padding and batch.")),
            RED: (_("not one"), _(
                "Stop. Something differs between sampling and learning although nothing has been "
                "learned: look for dropout, another temperature, a token that is off by one, or "
                "an old policy.")),
        },
        "kl": {
            "label": _("KL from the SFT model"),
            "value": _("{value:.3f} nats exact, k1 {k1:.3f} ± {k1_error:.3f}, k3 {k3:.3f}"),
            GREEN: (_("near"), _(
                "The exact KL is small, and the estimate k1 is not below 0 by more than chance. "
                "A negative k1 now and then is chance.")),
            AMBER: (_("far"), _(
                "The reward model was trained on answers of the SFT model and has seen few like "
                "these: look at gold against proxy, raise kl_coef or stop earlier.")),
            RED: (_("negative"), _(
                "Stop. Even with three standard errors added the mean of k1 is below 0, which no "
                "KL can be: look for a wrong sign or direction, or for sampling from another "
                "distribution than the one that is scored.")),
        },
        "sampling": {
            "label": _("surprisal of the samples less entropy"),
            "value": _("{value:+.3f} nats a token ({z:+.1f} standard errors)"),
            GREEN: (_("as scored"), _(
                "The sampled tokens are as surprising as the policy's own distribution says they "
                "should be.")),
            AMBER: (_("doubtful"), _(
                "A difference this large is rare: if it comes back next round, compare how "
                "answers are sampled with how they are scored.")),
            RED: (_("other distribution"), _(
                "Stop. The answers were drawn from another distribution than the one that is "
                "learned: sample at temperature 1 without filters, or divide all logits by the "
                "same temperature.")),
        },
        "entropy": {
            "label": _("entropy of the next token"),
            "value": _("{value:.3f} nats ({share:.0%} of the first round's)"),
            GREEN: (_("alive"), _(
                "The policy still tries different answers. Some fall is what "
                "learning looks like.")),
            AMBER: (_("low"), _(
                "There is little left to choose from: read some answers to one prompt, and think "
                "of a smaller rate or a higher kl_coef.")),
            RED: (_("collapsed"), _(
                "The policy writes nearly the same each time, so it has nothing left to compare: "
                "go back to an earlier round, with a smaller rate.")),
        },
        "ended": {
            "label": _("answers that end by themselves"),
            "value": _("{value:.0%}"),
            GREEN: (_("they end"), _("Answers end with the end token, in time.")),
            AMBER: (_("some do not"), _(
                "Read the answers that were cut off: are they long, or do they repeat "
                "themselves?")),
            RED: (_("they do not end"), _(
                "The end token is being unlearned: look whether a cut-off answer is punished, "
                "whether the end token is inside the loss mask, and whether the reward grows "
                "with length.")),
        },
        "reward": {
            "label": _("mean score of the answers"),
            "value": _("{value:+.2f} (first round {first:+.2f})"),
            GREEN: (_("no fall"), _(
                "The score is not below that of the first round. It should rise within the first "
                "ten.")),
            AMBER: (_("no rise"), _(
                "After this many rounds the score should be higher: is the rate too small, the "
                "price of KL too high, or the reward not reaching its tokens?")),
            RED: (_("falls"), _(
                "The policy learns to do worse: look at the signs of reward, advantage and loss, "
                "then at the rate.")),
            OFF: (_("too early"), _("It is judged after a few rounds.")),
        },
        "spread": {
            "label": _("spread of the scores"),
            "value": _("{value:.2f}"),
            GREEN: (_("it differs"), _(
                "Some answers score better than others, so there is something to learn from.")),
            AMBER: (_("narrow"), _("The answers score much alike, so each round teaches little.")),
            RED: (_("none"), _(
                "All answers score the same: only the price of KL is learned. Look at the reward "
                "model's input and at the position where its score is read.")),
        },
        "explained": {
            "label": _("explained variance of the returns"),
            "value": _("{value:.2f}"),
            GREEN: (_("foresees"), _(
                "The value function foresees part of the return, and the advantages are less "
                "noisy for it.")),
            AMBER: (_("foresees little"), _(
                "The value function adds little yet: more rounds, or a larger value_lr.")),
            RED: (_("misleads"), _(
                "The value function is worse than a constant: look at which token its values "
                "belong to, at what it is trained on, and at its rate.")),
            OFF: (_("too early"), _(
                "The value function starts by expecting 0 and is judged after a few rounds.")),
        },
        "clip": {
            "label": _("tokens whose gain was clipped"),
            "value": _("{value:.1%}"),
            GREEN: (_("few"), _(
                "The round's updates stay near the policy that sampled its answers.")),
            AMBER: (_("many"), _(
                "The policy moves far within a round: fewer epochs or a smaller rate.")),
            RED: (_("most of the change"), _(
                "So much is clipped that the later updates of a round learn from what is left "
                "over: fewer epochs or a smaller rate.")),
        },
        "gold": {
            "label": _("gold against proxy"),
            "value": _("gold {gold:+.2f} (best so far {best:+.2f}), proxy {proxy:+.2f}"),
            GREEN: (_("together"), _(
                "Gold is not below its best by more than chance: what the reward model likes, "
                "the expert does not dislike.")),
            AMBER: (_("apart"), _(
                "The reward model's score has held while gold fell: likely the start of "
                "over-optimisation. Keep the earlier checkpoint and look again.")),
            RED: (_("over-optimised"), _(
                "Stop, and go back to the checkpoint with the best gold: the policy now pleases "
                "the reward model and not the expert.")),
            OFF: (_("not measured"), _(
                "Give evaluations of two rounds or more, for instance from evaluate_round on "
                "questions of split V.")),
        },
    }[name]  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """The policy after a round, on questions whose answers are known."""

    step: int  # rounds done
    proxy: float  # mean score of the reward model
    gold: float  # mean of the expert's noiseless utility
    gold_error: float  # standard error of that mean


def evaluate_round(
    step: int, policy: GPT, reward: Stage, questions: Sequence, seed: int = 0
) -> Evaluation:
    """Judge one answer to each question, sampled at temperature 1, by reward model and by truth."""
    score, proxy = sampled_score(policy, reward, questions, seed)
    gold = np.array(score.gold)
    error = float(gold.std() / len(gold) ** 0.5)
    return Evaluation(step, float(proxy.mean()), float(gold.mean()), error)


def readings(
    steps: Sequence[PPOStep],
    evaluations: Sequence[Evaluation] = (),
    limits: Limits = LIMITS,
) -> list[Reading]:
    """All instruments after the last of `steps`, in the order of NAMES.

    steps: the rounds so far, from the first. evaluations: any rounds', in order; the first is best
    made before the first round. ValueError where there is no round.
    """
    if not steps:
        raise ValueError("there is no round to read yet: give the PPOSteps so far")
    first, now = steps[0], steps[-1]
    late = now.step >= limits.early
    gap, error = surprisal_gap(now)
    z = gap / max(error, 1e-6)  # what is smaller is rounding
    share = now.entropy / first.entropy if first.entropy else 1.0
    seen = derived(now)
    negative = seen["k1"] + 3 * seen["k1_error"] < 0
    kl_light = RED if negative else AMBER if now.kl > limits.kl else GREEN
    found = [
        ("ratio", now.first_ratio, above(now.first_ratio, limits.ratio), {}),
        ("kl", now.kl, kl_light, seen),
        ("sampling", gap, above(abs(z), limits.sampling), {"z": z}),
        ("entropy", now.entropy, below(share, limits.entropy), {"share": share}),
        ("ended", now.ended, below(now.ended, limits.ended), {}),
        ("reward", now.reward, reward_light(steps, limits), {"first": first.reward}),
        ("spread", seen["reward_std"], below(seen["reward_std"], limits.spread), {}),
        ("explained", seen["explained_variance"],
         below(seen["explained_variance"], limits.explained) if late else OFF, {}),
        ("clip", now.clip_share, above(now.clip_share, limits.clip), {}),
        gold_reading(evaluations, limits),
    ]  # fmt: skip
    return [reading(name, value, light, more) for name, value, light, more in found]


def panel(
    steps: Sequence[PPOStep], evaluations: Sequence[Evaluation] = (), limits: Limits = LIMITS,
    curves: Sequence[str] = (),
) -> Table:  # fmt: skip
    """The instruments as a table. curves: what each reading was so far, as a row of bars."""
    rows, now = [], steps[-1] if steps else None
    for place, r in enumerate(readings(steps, evaluations, limits)):
        symbol, _marker, colour = LIGHTS[r.light]
        light = Cell(f"{symbol} {light_word(r.light)}: {r.word}", edge=colour)
        rows.append([r.label, *curves[place : place + 1], r.text, light, r.sentence])
    header = [_("instrument"), *([_("so far")] if curves else []), _("reading"), _("light")]
    header.append(_("what it says, and what to do"))
    caption = _("After round {step} of {steps}", step=now.step, steps=now.steps)
    return Table(header, rows, caption)


def light_word(light: str) -> str:
    return {GREEN: _("green"), AMBER: _("amber"), RED: _("red"), OFF: _("off")}[light]


def derived(step: PPOStep) -> dict[str, float]:
    """What the instruments show beyond the step's own numbers, from its rollout.

    `k1`, `k3`: means over the answers of two estimates of the KL from the sampled tokens alone, in
    nats, the first of which may be negative; `k1_error`: its standard error; `reward_std`: standard
    deviation of the scores; `explained_variance`: of the returns, by the value function.
    """
    r = step.rollout
    k1, k3 = r.k1.sum(1), r.k3.sum(1)  # (B,) each
    return {
        "k1": k1.mean().item(),
        "k1_error": (k1.std(unbiased=False) / len(k1) ** 0.5).item(),
        "k3": k3.mean().item(),
        "reward_std": r.score.std(unbiased=False).item(),
        "explained_variance": explained_variance(step.returns, r.values, r.mask),
    }


def explained_variance(returns: Tensor, values: Tensor, mask: Tensor) -> float:
    """How much of the variance of the returns the values foresaw: 1 is all, 0 none. All (B, T)."""
    rest, spread = (
        masked_mean((x - masked_mean(x, mask)) ** 2, mask) for x in (returns - values, returns)
    )
    return (1 - rest / (spread + 1e-8)).item()


def surprisal_gap(step: PPOStep) -> tuple[float, float]:
    """Mean surprisal of the sampled tokens less the mean entropy, and its standard error, in nats.

    The first is taken under the distribution that was sampled from, the second under the one that
    is learned. If they are one and the same, the difference is 0 but for chance.
    """
    sums = np.array([-sum(s.logprobs) for s in step.rollout.samples])
    lengths = np.array([len(s.logprobs) for s in step.rollout.samples])
    rest = sums - step.entropy * lengths
    gap = rest.sum() / lengths.sum()
    spread = (rest - gap * lengths).std()  # of a ratio of means, by answers
    return float(gap), float(spread / len(sums) ** 0.5 / lengths.mean())


# ---- the lights -------------------------------------------------------------------------------


def above(value: float, limits: tuple[float, float]) -> str:
    """Amber above the first limit, red above the second; red for NaN."""
    amber, red = limits
    return GREEN if value <= amber else AMBER if value <= red else RED


def below(value: float, limits: tuple[float, float]) -> str:
    """Amber below the first limit, red below the second; red for NaN."""
    amber, red = limits
    return GREEN if value >= amber else AMBER if value >= red else RED


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


def gold_reading(evaluations: Sequence[Evaluation], limits: Limits) -> tuple:
    """Gold now against the best gold of an earlier evaluation, while the proxy has not fallen."""
    if len(evaluations) < 2:
        return "gold", float("nan"), OFF, {}
    now, best = evaluations[-1], max(evaluations, key=lambda e: e.gold)
    error = (now.gold_error**2 + best.gold_error**2) ** 0.5
    fall = best.gold - now.gold
    amber, red = (k * error for k in limits.errors)
    light = RED if fall > red else AMBER if fall > amber else GREEN
    return "gold", now.gold, light, {"gold": now.gold, "best": best.gold, "proxy": now.proxy}


def reading(name: str, value: float, light: str, more: dict) -> Reading:
    """A Reading with its words. `more`: the other numbers that its text shows."""
    words = instrument_words(name)
    shown = words["value"].format(value=value, **more) if value == value else "\u2013"
    return Reading(name, words["label"], float(value), shown, light, *words[light])
