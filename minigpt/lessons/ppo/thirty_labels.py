"""Thirty labels carry a taste: PPO against the reward model of somebody who likes short answers.

A scripted labeler compares two answers to each of thirty questions and takes the one with fewer
tokens; whether it is true does not matter to them. The control has the same thirty pairs with every
label turned round. If the taste comes from the labels, the first model's answers get shorter than
the SFT model's, and the second one's do not.

    python3 -m minigpt.lessons.ppo.thirty_labels        # ten minutes on one core

Each run of the results holds `labels` ("shorter" or "turned round"), `seed`, `new_pairs_right`
(share of other people's pairs that the reward model orders by this taste) and `points`, what
`runs.measure` finds after 0, 8, 16 and 24 rounds; `other_uses` is what the SFT model reaches
untrained. A call goes on where an earlier one stopped.
"""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from minigpt.lessons.ppo.runs import SIZES, Setup, Sizes, follow_ppo, other_uses
from minigpt.reward import RewardModel, sample_answers, score_all
from minigpt.sft import chat_prompt
from minigpt.show.results import complete, run_from_command_line
from minigpt.stages.from_labels import grouped, reward_from_labels, simulated_labels
from minigpt.stages.labels import Label
from minigpt.world.labelers import shorter
from minigpt.world.questions import sample_questions

NAME = "thirty_labels"
SEEDS = (0, 1, 2)
LABELS = 30
KINDS = ("shorter", "turned round")
RATE = 2.0  # times the course's rates: there are fewer rounds


def short_labels(setup: Setup, n: int, seed: int, split: str = "A") -> list[Label]:
    """`n` labels of somebody who likes short answers, one pair of SFT answers a question."""
    questions = sample_questions(setup.world, split, 4 * n, seed + 31)
    prompts = [chat_prompt(setup.encoding, q.text) for q in questions]
    samples = sample_answers(setup.sft.model, setup.encoding, prompts, 2, seed + 31)
    found = simulated_labels(setup.encoding, questions, samples, shorter(setup.encoding))
    return [label for label in found if label.choice != "tie"][:n]


def ordered_right(reward: RewardModel, labels: list[Label], encoding) -> float:
    """Share of the labels' pairs that the reward model orders as they do."""
    right = []
    for answers, compared in zip(*grouped(labels, encoding)):
        scores = score_all(reward, answers)
        right += [bool(scores[better] > scores[worse]) for better, worse in compared]
    return float(np.mean(right))


def one_run(setup: Setup, labels: str, seed: int) -> dict:
    """Label, train the reward model, run PPO, and measure."""
    own, others = short_labels(setup, LABELS, seed), short_labels(setup, 4 * LABELS, seed, "V")
    if labels == "turned round":
        own, others = ([label.turned() for label in row] for row in (own, others))
    reward = reward_from_labels(own, setup.sft, seed)
    usual = setup.config(seed)
    config = replace(usual, muon_lr=RATE * usual.muon_lr, lr=RATE * usual.lr)
    return {
        "new_pairs_right": round(ordered_right(reward, others, setup.encoding), 4),
        "points": follow_ppo(setup, reward, config),
    }


def length_ratio(run: dict) -> float:
    """Mean answer tokens after the last round, as a share of the SFT model's."""
    return run["points"][-1]["answer_tokens"] / run["points"][0]["answer_tokens"]


def run(seeds=SEEDS, out: Path | None = None, sizes: Sizes = SIZES) -> dict:
    """Run what the results lack, seed by seed."""
    setup = Setup(sizes)
    fixed = {"sizes": asdict(sizes), "number_of_labels": LABELS}
    keys = [{"labels": kind, "seed": seed} for seed in seeds for kind in KINDS]
    uses = {"other_uses": lambda: other_uses(setup)}
    return complete(NAME, fixed, keys, partial(one_run, setup), out, uses)


if __name__ == "__main__":
    run_from_command_line(NAME, __doc__, run, seeds=SEEDS)
