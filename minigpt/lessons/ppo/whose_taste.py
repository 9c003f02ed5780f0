"""In whose image? One model for each labeler, from the same answers, with the same random numbers.

Each labeler ranks the same sampled answers; a reward model learns from the ranking; PPO runs
against it from the same SFT model, with the same prompts and the same sampling seeds. Only the
labels differ. Two seeds, so that a difference between labelers can be held against one between
seeds. Runs are compared at the same KL, for a longer way from the SFT model is a larger change.

Two gaps are kept apart. How far a labeler's own noiseless utility stays behind the score of the
reward model is over-optimisation; how far that utility and gold go different ways is taste.

    python3 -m minigpt.lessons.ppo.whose_taste        # half an hour on one core

Each run of the results holds `labeler`, `seed`, `pairs`, `ties` and `points`, what
`ppo_runs.measure` finds after 0, 8, 16 and 24 rounds: `utility` there is this labeler's.
`other_uses` is what the SFT model reaches untrained. A call goes on where an earlier one stopped.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from minigpt.engine.device import set_threads
from minigpt.lessons.ppo.runs import Setup, Sizes, follow_ppo, with_other_uses
from minigpt.ppo import PPOConfig
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    normalise,
    reward_inputs,
    sample_answers,
    train_reward,
)
from minigpt.sft import chat_prompt
from minigpt.show import results as experiments
from minigpt.stages.from_labels import simulated_pairs
from minigpt.world.labelers import LABELERS, chooser
from minigpt.world.questions import sample_questions

NAME = "whose_taste"
SEEDS = (0, 1)
PROMPTS, ANSWERS = 2000, 4  # questions that are labeled, and answers ranked to each


class Answers:
    """Questions of split A and the SFT model's sampled answers: what every labeler is shown."""

    def __init__(self, setup: Setup, seed: int, n: int = PROMPTS) -> None:
        self.setup, self.seed = setup, seed
        self.questions = sample_questions(setup.world, "A", n, seed + 11)
        self.prompts = [chat_prompt(setup.encoding, q.text) for q in self.questions]
        self.samples = sample_answers(
            setup.sft.model, setup.encoding, self.prompts, ANSWERS, seed + 11
        )

    def labels(self, labeler: str) -> tuple[list[list[tuple[int, int]]], int]:
        """The pairs that the labeler prefers, question by question, and the number of ties."""
        choose = chooser(self.setup.world, labeler, self.seed)
        return simulated_pairs(self.setup.encoding, self.questions, self.samples, choose)

    def reward_model(self, pairs) -> RewardModel:
        """A reward model of these pairs, normalised on the answers."""
        sequences = reward_inputs(self.setup.encoding, self.prompts, self.samples)
        model = RewardModel(self.setup.sft.model, seed=self.seed)
        for _ in train_reward(model, sequences, pairs, RewardConfig(seed=self.seed)):
            pass
        normalise(model, [s for answers in sequences[:256] for s in answers])
        return model


def run(
    seeds=SEEDS, names=tuple(LABELERS), sizes: Sizes | None = None, prompts: int = PROMPTS,
    out: Path | None = None, say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Run what the results lack, and save them after each run."""
    sizes = sizes or Sizes()
    fixed = {"sizes": asdict(sizes), "prompts": prompts, "threads": 1}
    setup = Setup(sizes)
    shown = lru_cache(1)(lambda seed: Answers(setup, seed, prompts))

    def one(labeler: str, seed: int) -> dict:
        answers = shown(seed)
        pairs, ties = answers.labels(labeler)
        reward, n = answers.reward_model(pairs), sum(map(len, pairs))
        say(f"{labeler}, seed {seed}: {n} pairs, {ties} ties")
        config = PPOConfig(sizes.rounds, sizes.answers, seed=seed)
        points = follow_ppo(setup, reward, config, LABELERS[labeler], say)
        return {"pairs": n, "ties": ties, "points": points}

    keys = [{"labeler": name, "seed": seed} for seed in seeds for name in names]
    return with_other_uses(NAME, experiments.complete(NAME, fixed, keys, one, out), setup, out)


def main(argv: list[str] | None = None) -> None:
    parser = experiments.arguments(NAME, __doc__, SEEDS)
    parser.add_argument("--labelers", nargs="+", default=tuple(LABELERS), choices=LABELERS)
    args = parser.parse_args(argv)
    set_threads(1)
    run(args.seeds, args.labelers, out=args.out)


if __name__ == "__main__":
    main()
