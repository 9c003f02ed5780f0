"""In whose image? One model for each labeler, from the same answers, with the same random numbers.

Each labeler ranks the same sampled answers; a reward model learns from the ranking; PPO runs
against it from the same SFT model, with the same prompts and the same sampling seeds. Only the
labels differ. Two seeds, so that a difference between labelers can be held against one between
seeds. Runs are compared at the same KL, for a longer way from the SFT model is a larger change.

Two gaps are kept apart. How far a labeler's own noiseless utility stays behind the score of the
reward model is over-optimisation; how far that utility and gold go different ways is taste.

    python3 -m minigpt experiment whose_taste        # half an hour on one core

Each run of the results holds `labeler`, `seed`, `pairs`, `ties` and `points`, what
`runs.measure` finds after 0, 8, 16 and 24 rounds: `utility` there is this labeler's. `answers`
holds its model's most likely answers to ASKED, and after how much training that was.
`other_uses` is what the SFT model reaches untrained. A call goes on where an earlier one stopped.
"""

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from minigpt.lessons.ppo.runs import SIZES, Setup, Sizes, follow_ppo, other_uses
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    normalise,
    reward_inputs,
    sample_answers,
    train_reward,
)
from minigpt.sft import chat_prompt
from minigpt.show.results import complete
from minigpt.stages.from_labels import simulated_pairs
from minigpt.stages.stage import chat_answers
from minigpt.world.labelers import LABELERS, chooser
from minigpt.world.questions import sample_questions

NAME = "whose_taste"
SEEDS = (0, 1)
PROMPTS, ANSWERS = 2000, 4  # questions that are labeled, and answers ranked to each
ASKED = ("What is the capital of Bolivia?", "What is the population of Xiq?")  # no place is Xiq


def answered(setup: Setup, seed: int) -> tuple:
    """What every labeler is shown: questions of split A, and the SFT model's sampled answers; and
    these as a reward model reads them."""
    questions, encoding = sample_questions(setup.world, "A", PROMPTS, seed + 11), setup.encoding
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    samples = sample_answers(setup.sft.model, encoding, prompts, ANSWERS, seed + 11)
    return questions, samples, reward_inputs(encoding, prompts, samples)


def reward_model(setup: Setup, sequences, pairs, seed: int) -> RewardModel:
    """A reward model of these pairs, normalised on the answers."""
    model = RewardModel(setup.sft.model, seed=seed)
    for _ in train_reward(model, sequences, pairs, RewardConfig(seed=seed)):
        pass
    normalise(model, [s for answers in sequences[:256] for s in answers])
    return model


OPTIONS = {"seeds": SEEDS, "labelers": tuple(LABELERS)}


def run(
    seeds=SEEDS, labelers=tuple(LABELERS), out: Path | None = None, sizes: Sizes = SIZES
) -> dict:
    """Run what the results lack, seed by seed."""
    setup = Setup(sizes)
    shown = lru_cache(1)(lambda seed: answered(setup, seed))

    def one(labeler: str, seed: int) -> dict:
        questions, samples, sequences = shown(seed)
        choose = chooser(setup.world, labeler, seed)
        pairs, ties = simulated_pairs(setup.encoding, questions, samples, choose)
        reward = reward_model(setup, sequences, pairs, seed)
        points, policy, _ = follow_ppo(setup, reward, setup.config(seed), LABELERS[labeler])
        texts, _ = chat_answers(policy, setup.encoding, list(ASKED))
        said = {"prompts": PROMPTS, "rounds": sizes.rounds, "texts": texts}
        return {"pairs": sum(map(len, pairs)), "ties": ties, "points": points, "answers": said}

    fixed = {"sizes": asdict(sizes), "prompts": PROMPTS}
    keys = [{"labeler": name, "seed": seed} for seed in seeds for name in labelers]
    return complete(NAME, fixed, keys, one, out, {"other_uses": lambda: other_uses(setup)})
