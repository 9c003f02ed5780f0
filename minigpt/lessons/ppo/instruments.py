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

from minigpt.model import GPT
from minigpt.ppo import PPOStep
from minigpt.show.table import Table
from minigpt.stages.exam import sampled_score
from minigpt.stages.stage import Stage

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

TEXT = {
    "en": {
        "header": ["instrument", "reading", "light", "what it says, and what to do"],
        "caption": "After round {step} of {steps}",
        "lights": {GREEN: "green", AMBER: "amber", RED: "red", OFF: "off"},
        "ratio": {
            "label": "ratio on the first minibatch",
            "value": "1, off by at most {value:.2g}",
            GREEN: ("one", "The policy that learns gives each token the probability that it was "
                    "sampled with, as it must before the first update of a round."),
            AMBER: ("not quite one", "The two computations of the same probability differ by more "
                    "than rounding: compare their precision, padding and batch."),
            RED: ("not one", "Stop. Something differs between sampling and learning although "
                  "nothing has been learned: look for dropout, another temperature, a token that "
                  "is off by one, or an old policy."),
        },
        "kl": {
            "label": "KL from the SFT model",
            "value": "{value:.3f} nats exact, k1 {k1:.3f} ± {k1_error:.3f}, k3 {k3:.3f}",
            GREEN: ("near", "The exact KL is small, and the estimate k1 is not below 0 by more "
                    "than chance. A negative k1 now and then is chance."),
            AMBER: ("far", "The reward model was trained on answers of the SFT model and has seen "
                    "few like these: look at gold against proxy, raise kl_coef or stop earlier."),
            RED: ("negative", "Stop. Even with three standard errors added the mean of k1 is "
                  "below 0, which no KL can be: look for a wrong sign or direction, or for "
                  "sampling from another distribution than the one that is scored."),
        },
        "sampling": {
            "label": "surprisal of the samples less entropy",
            "value": "{value:+.3f} nats a token ({z:+.1f} standard errors)",
            GREEN: ("as scored", "The sampled tokens are as surprising as the policy's own "
                    "distribution says they should be."),
            AMBER: ("doubtful", "A difference this large is rare: if it comes back next round, "
                    "compare how answers are sampled with how they are scored."),
            RED: ("other distribution", "Stop. The answers were drawn from another distribution "
                  "than the one that is learned: sample at temperature 1 without filters, or "
                  "divide all logits by the same temperature."),
        },
        "entropy": {
            "label": "entropy of the next token",
            "value": "{value:.3f} nats ({share:.0%} of the first round's)",
            GREEN: ("alive", "The policy still tries different answers. Some fall is what "
                    "learning looks like."),
            AMBER: ("low", "There is little left to choose from: read some answers to one prompt, "
                    "and think of a smaller rate or a higher kl_coef."),
            RED: ("collapsed", "The policy writes nearly the same each time, so it has nothing "
                  "left to compare: go back to an earlier round, with a smaller rate."),
        },
        "ended": {
            "label": "answers that end by themselves",
            "value": "{value:.0%}",
            GREEN: ("they end", "Answers end with the end token, in time."),
            AMBER: ("some do not", "Read the answers that were cut off: are they long, or do they "
                    "repeat themselves?"),
            RED: ("they do not end", "The end token is being unlearned: look whether a cut-off "
                  "answer is punished, whether the end token is inside the loss mask, and whether "
                  "the reward grows with length."),
        },
        "reward": {
            "label": "mean score of the answers",
            "value": "{value:+.2f} (first round {first:+.2f})",
            GREEN: ("no fall", "The score is not below that of the first round. It should rise "
                    "within the first ten."),
            AMBER: ("no rise", "After this many rounds the score should be higher: is the rate too "
                    "small, the price of KL too high, or the reward not reaching its tokens?"),
            RED: ("falls", "The policy learns to do worse: look at the signs of reward, advantage "
                  "and loss, then at the rate."),
            OFF: ("too early", "It is judged after a few rounds."),
        },
        "spread": {
            "label": "spread of the scores",
            "value": "{value:.2f}",
            GREEN: ("it differs", "Some answers score better than others, so there is something "
                    "to learn from."),
            AMBER: ("narrow", "The answers score much alike, so each round teaches little."),
            RED: ("none", "All answers score the same: only the price of KL is learned. Look at "
                  "the reward model's input and at the position where its score is read."),
        },
        "explained": {
            "label": "explained variance of the returns",
            "value": "{value:.2f}",
            GREEN: ("foresees", "The value function foresees part of the return, and the "
                    "advantages are less noisy for it."),
            AMBER: ("foresees little", "The value function adds little yet: more rounds, or a "
                    "larger value_lr."),
            RED: ("misleads", "The value function is worse than a constant: look at which token "
                  "its values belong to, at what it is trained on, and at its rate."),
            OFF: ("too early", "The value function starts by expecting 0 and is judged after a few "
                  "rounds."),
        },
        "clip": {
            "label": "tokens whose gain was clipped",
            "value": "{value:.1%}",
            GREEN: ("few", "The round's updates stay near the policy that sampled its answers."),
            AMBER: ("many", "The policy moves far within a round: fewer epochs or a smaller rate."),
            RED: ("most of the change", "So much is clipped that the later updates of a round "
                  "learn from what is left over: fewer epochs or a smaller rate."),
        },
        "gold": {
            "label": "gold against proxy",
            "value": "gold {gold:+.2f} (best so far {best:+.2f}), proxy {proxy:+.2f}",
            GREEN: ("together", "Gold is not below its best by more than chance: what the reward "
                    "model likes, the expert does not dislike."),
            AMBER: ("apart", "The reward model's score has held while gold fell: likely the start "
                    "of over-optimisation. Keep the earlier checkpoint and look again."),
            RED: ("over-optimised", "Stop, and go back to the checkpoint with the best gold: the "
                  "policy now pleases the reward model and not the expert."),
            OFF: ("not measured", "Give evaluations of two rounds or more, for instance from "
                  "evaluate_round on questions of split V."),
        },
    }
}  # fmt: skip
NAMES = tuple(name for name, text in TEXT["en"].items() if isinstance(text, dict) and GREEN in text
              and "label" in text)  # fmt: skip


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


def evaluate_round(
    step: int, policy: GPT, reward: Stage, questions: Sequence, seed: int = 0
) -> Evaluation:
    """Judge one answer to each question, sampled at temperature 1, by reward model and by truth."""
    score, proxy = sampled_score(policy, reward, questions, seed)
    gold = np.array(score.gold)
    return Evaluation(
        step, float(proxy.mean()), float(gold.mean()), float(gold.std() / len(gold) ** 0.5)
    )


def readings(
    steps: Sequence[PPOStep],
    evaluations: Sequence[Evaluation] = (),
    limits: Limits = LIMITS,
    lang: str = "en",
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
    kl_light = RED if now.k1 + 3 * now.k1_error < 0 else AMBER if now.kl > limits.kl else GREEN
    kl = {"k1": now.k1, "k1_error": now.k1_error, "k3": now.k3}
    found = [
        ("ratio", now.first_ratio, above(now.first_ratio, limits.ratio), {}),
        ("kl", now.kl, kl_light, kl),
        ("sampling", gap, above(abs(z), limits.sampling), {"z": z}),
        ("entropy", now.entropy, below(share, limits.entropy), {"share": share}),
        ("ended", now.ended, below(now.ended, limits.ended), {}),
        ("reward", now.reward, reward_light(steps, limits), {"first": first.reward}),
        ("spread", now.reward_std, below(now.reward_std, limits.spread), {}),
        ("explained", now.explained_variance,
         below(now.explained_variance, limits.explained) if late else OFF, {}),
        ("clip", now.clip_share, above(now.clip_share, limits.clip), {}),
        gold_reading(evaluations, limits),
    ]  # fmt: skip
    return [reading(name, value, light, more, lang) for name, value, light, more in found]


def panel(
    steps: Sequence[PPOStep],
    evaluations: Sequence[Evaluation] = (),
    limits: Limits = LIMITS,
    lang: str = "en",
) -> Table:
    """The instruments as a table."""
    text, now = TEXT[lang], steps[-1] if steps else None
    rows = [
        [r.label, r.text, f"{text['lights'][r.light]}: {r.word}", r.sentence]
        for r in readings(steps, evaluations, limits, lang)
    ]
    return Table(text["header"], rows, text["caption"].format(step=now.step, steps=now.steps))


def surprisal_gap(step: PPOStep) -> tuple[float, float]:
    """Mean surprisal of the sampled tokens less the mean entropy, and its standard error, in nats.

    The first is taken under the distribution that was sampled from, the second under the one that
    is learned. If they are one and the same, the difference is 0 but for chance.
    """
    sums = np.array([-sum(s.logprobs) for s in step.samples])
    lengths = np.array([len(s.logprobs) for s in step.samples])
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
    latest, n = steps[-limits.latest :], len(steps[0].samples)
    rise = np.mean([s.reward for s in latest]) - steps[0].reward
    variance = steps[0].reward_std ** 2 / n
    variance += np.mean([s.reward_std**2 for s in latest]) / n / len(latest)
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


def reading(name: str, value: float, light: str, more: dict, lang: str = "en") -> Reading:
    """A Reading with its words. `more`: the other numbers that its text shows."""
    text = TEXT[lang][name]
    shown = text["value"].format(value=value, **more) if value == value else "\u2013"
    return Reading(name, text["label"], float(value), shown, light, *text[light])
