"""Thirty labels carry a taste: PPO against the reward model of somebody who likes short answers.

A scripted labeler compares two answers to each of thirty questions and takes the one with fewer
tokens; whether it is true does not matter to them. The control has the same thirty pairs with every
label turned round. If the taste comes from the labels, the first model's answers get shorter than
the SFT model's, and the second one's do not.

    python3 -m minigpt.lessons.ppo.thirty_labels        # ten minutes on one core

Each run of the results holds `labels` ("shorter" or "turned round"), `seed`, `new_pairs_right`
(share of other people's pairs that the reward model orders by this taste) and `points`, what
`ppo_runs.measure` finds after 0, 8, 16 and 24 rounds; `other_uses` is what the SFT model reaches
untrained. A call goes on where an earlier one stopped.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from minigpt.engine.device import set_threads
from minigpt.lessons.ppo.runs import Setup, Sizes, follow_ppo, with_other_uses
from minigpt.ppo import PPOConfig
from minigpt.reward import RewardModel, sample_answers, score_all
from minigpt.sft import chat_prompt
from minigpt.show import results as experiments
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
    sequences, pairs = grouped(labels, encoding)
    right = []
    for answers, compared in zip(sequences, pairs):
        scores = score_all(reward, answers)
        right += [bool(scores[better] > scores[worse]) for better, worse in compared]
    return float(np.mean(right))


def one_run(setup: Setup, kind: str, seed: int, n: int = LABELS, say=lambda text: None) -> dict:
    """Label, train the reward model, run PPO, and measure."""
    labels, others = short_labels(setup, n, seed), short_labels(setup, 4 * n, seed, "V")
    if kind == "turned round":
        labels, others = ([label.turned() for label in row] for row in (labels, others))
    reward = reward_from_labels(labels, setup.sft, seed)
    right = round(ordered_right(reward, others, setup.encoding), 4)
    usual, sizes = PPOConfig(), setup.sizes
    rates = {"muon_lr": RATE * usual.muon_lr, "lr": RATE * usual.lr}
    config = PPOConfig(sizes.rounds, sizes.answers, seed=seed, **rates)
    points = follow_ppo(setup, reward, config, say=say)
    return {"labels": kind, "seed": seed, "new_pairs_right": right, "points": points}


def length_ratio(run: dict) -> float:
    """Mean answer tokens after the last round, as a share of the SFT model's."""
    return run["points"][-1]["answer_tokens"] / run["points"][0]["answer_tokens"]


def run(
    seeds=SEEDS, sizes: Sizes | None = None, n: int = LABELS, out: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Run what the results lack, and save them after each run."""
    sizes = sizes or Sizes()
    fixed = {"sizes": asdict(sizes), "number_of_labels": n, "threads": 1}
    setup = Setup(sizes)

    def one(labels: str, seed: int) -> dict:
        say(f"{labels}, seed {seed}")
        found = one_run(setup, labels, seed, n, say)
        say(f"  {length_ratio(found):.2f} of the SFT model's length")
        return found

    keys = [{"labels": kind, "seed": seed} for seed in seeds for kind in KINDS]
    return with_other_uses(NAME, experiments.complete(NAME, fixed, keys, one, out), setup, out)


def main(argv: list[str] | None = None) -> None:
    args = experiments.arguments(NAME, __doc__, SEEDS).parse_args(argv)
    set_threads(1)
    run(args.seeds, out=args.out)


if __name__ == "__main__":
    main()
