"""How many labels does a reward model need? The expert labels 50 to 5,000 questions.

The shipped SFT model answers 5,000 questions of split A, four times each. In a run the expert ranks
the answers to some of them, and a reward model is trained on the pairs, as notebook 05 does. A seed
draws which questions those are, the expert's slips, and the first weights. Models are measured on
400 questions of split E, whose facts nobody labeled, by the measures of the course's report:

- `pair_accuracy`: share of the expert's noisy pairs that it orders as the expert did; `ceiling` is
  what a reader of the expert's noiseless utility would reach, since noise decides some pairs;
- `gold_preference`: share of the pairs ordered right among those whose true utilities differ by
  half a point or more;
- `right_over_wrong`: share of facts of which the true value scores above a false one, all else
  being the same.

    python3 -m minigpt experiment how_many_labels     # a quarter of an hour on one core

Results are saved after each model, and a run that was interrupted goes on where it stood.
"""

import random
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from minigpt.reward import sample_answers
from minigpt.sft import chat_prompt
from minigpt.show.results import complete
from minigpt.stages.exam import RewardExam, reward_exam, right_over
from minigpt.stages.from_labels import reward_from_labels, simulated_labels
from minigpt.stages.labels import Label
from minigpt.stages.scoring import macro
from minigpt.stages.stage import Stage, load_stage
from minigpt.world.labelers import chooser
from minigpt.world.questions import sample_questions

NAME = "how_many_labels"
SIZES = (50, 150, 500, 1500, 5000)  # questions that were labeled
SEEDS = (0, 1, 2)
ANSWERS = 4  # to each question


def answered(sft: Stage, n: int) -> tuple[list, list]:
    """`n` questions of split A and four answers of the SFT model to each."""
    questions = sample_questions(sft.world, "A", n, seed=500)
    prompts = [chat_prompt(sft.encoding, q.text) for q in questions]
    return questions, sample_answers(sft.model, sft.encoding, prompts, ANSWERS, seed=500)


def label(sft: Stage, questions, samples, seed: int, labeler: str = "expert") -> list[list[Label]]:
    """A labeler's labels, a list a question, the questions in an order that the seed draws: the
    first n of them are the labels of n questions."""
    choose = chooser(sft.world, labeler, seed)
    order = random.Random(f"labeled/{seed}").sample(range(len(questions)), len(questions))
    return [simulated_labels(sft.encoding, [questions[i]], [samples[i]], choose) for i in order]


def train_and_measure(sft: Stage, test: RewardExam, labels: list[list[Label]], seed: int) -> dict:
    """One reward model of these labels: how many pairs and ties there were, and the measures."""
    flat = [one for of_question in labels for one in of_question]
    model = reward_from_labels(flat, sft, seed)
    stage = Stage("reward", model, sft.encoding, sft.world, {}, Path(), own=True)
    right, asked = right_over(stage)
    found = {
        "pair_accuracy": np.mean(test.right(model, test.noisy)),
        "ceiling": test.ceiling,
        "gold_preference": np.mean(test.right(model, test.certain)),
        "right_over_wrong": macro(asked, right),
    }
    return {
        "pairs": sum(one.preferred is not None for one in flat),
        "ties": sum(one.preferred is None for one in flat),
        **{name: round(float(value), 4) for name, value in found.items()},
    }


OPTIONS = {"seeds": SEEDS}


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Train and measure what the results lack, seed by seed."""
    sft = load_stage("sft", own=False, quiet=True)
    data = cache(lambda: (reward_exam(sft), answered(sft, max(SIZES))))
    labels = lru_cache(1)(lambda seed: label(sft, *data()[1], seed))

    def one(seed: int, questions: int) -> dict:
        return train_and_measure(sft, data()[0], labels(seed)[:questions], seed)

    keys = [{"seed": seed, "questions": size} for seed in seeds for size in SIZES]
    return complete(NAME, {"answers": ANSWERS}, keys, one, out)
