"""How many labels does a reward model need? The expert labels 150 to 5,000 questions.

Questions and answers are drawn, and a refusal is written among them, as for the course's own reward
model. In a run the expert ranks the answers to some of the questions, and a reward model learns
from the pairs, as in notebook 05: one that sees the surprisal, or an ordinary one, which does not.
A seed draws which questions those are, the expert's slips, and the first weights. Models are
measured on split E, whose facts nobody labeled: share of the expert's noisy pairs ordered alike
(`pair_accuracy`; `ceiling`: by the noiseless utility), of the clear ones (`gold_preference`), of
true values above false ones (`right_over_wrong`), and the gold of the best of 64 answers less that
of the best of 4 (`best_64_less_4`, with its interval by place; `known_`: of known places alone).

    python3 -m minigpt experiment how_many_labels     # some minutes on two cores

Results are saved after each model, and a run that was interrupted goes on where it stood.
"""

import random
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from minigpt.lessons.reward_model.best_of_n import gold_change
from minigpt.reward import sample_answers
from minigpt.show.results import complete
from minigpt.stages.exam import Pool, RewardExam, reward_exam, right_over, sample_pool
from minigpt.stages.from_labels import reward_from_labels, simulated_labels, with_refusals
from minigpt.stages.labels import Label
from minigpt.stages.recipe import Plan, Recipe
from minigpt.stages.scoring import macro
from minigpt.stages.stage import Stage, load_stage
from minigpt.world.labelers import chooser
from minigpt.world.names import TEST_MAKERS
from minigpt.world.questions import sample_questions

NAME = "how_many_labels"
SIZES = (150, 500, 1500, 5000)  # questions that were labeled
SEEDS = (0,)
ORDINARY_SEEDS = (0,)  # of the judges that do not see the surprisal
POOL = 150  # questions of which the best of 64 answers is chosen


def answered(sft: Stage, n: int) -> tuple[list, list]:
    """`n` questions as the course compares them, and the answers to each that are ranked."""
    plan = Plan(recipe=Recipe(comparison_prompts=n), seed=500)
    questions, each = plan.questions("compared"), plan.recipe.answers_per_prompt
    samples = sample_answers(sft.model, sft.encoding, plan.prompts(questions), each, seed=500)
    return questions, with_refusals(sft.world, sft.encoding, questions, samples)


def answer_pool(sft: Stage) -> Pool:
    """64 answers to each of some questions of split E, three in ten about unread places."""
    asked = sample_questions(sft.world, "E", POOL, seed=778, makers=TEST_MAKERS)
    return sample_pool(sft, load_stage("reward", own=False, quiet=True), asked)


def label(sft: Stage, questions, samples, seed: int) -> list[list[Label]]:
    """The expert's labels, a list a question, the questions in an order that the seed draws: the
    first n of them are the labels of n questions."""
    choose = chooser(sft.world, "expert", seed)
    order = random.Random(f"labeled/{seed}").sample(range(len(questions)), len(questions))
    return [simulated_labels(sft.encoding, [questions[i]], [samples[i]], choose) for i in order]


def train_and_measure(
    sft: Stage, test: RewardExam, pool: Pool, labels: list[list[Label]], seed: int,
    sees_surprisal: bool = True,
) -> dict:  # fmt: skip
    """One reward model of these labels: how many pairs and ties there were, and the measures."""
    flat = [one for of_question in labels for one in of_question]
    model = reward_from_labels(flat, sft, seed, sees_surprisal)
    stage = Stage("reward", model, sft.encoding, sft.world, {}, Path(), own=True)
    right, asked = right_over(stage)
    best = pool.scored_by(model)
    found = {
        "pair_accuracy": np.mean(test.right(model, test.noisy)),
        "ceiling": test.ceiling,
        "gold_preference": np.mean(test.right(model, test.certain)),
        "right_over_wrong": macro(asked, right),
    }
    for name, part in (("best", best), ("known_best", best.of_kind("fact"))):
        change = gold_change(part, 64, 4)
        for end, value in (("", change.value), ("_low", change.low), ("_high", change.high)):
            found[f"{name}_64_less_4{end}"] = value
    return {
        "pairs": sum(one.preferred is not None for one in flat),
        "ties": sum(one.preferred is None for one in flat),
        **{name: round(float(value), 4) for name, value in found.items()},
    }


OPTIONS, THREADS = {"seeds": SEEDS}, 2


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Train and measure what the results lack, seed by seed."""
    sft = load_stage("sft", own=False, quiet=True)
    data = cache(lambda: (reward_exam(sft), answer_pool(sft), answered(sft, max(SIZES))))
    labels = lru_cache(1)(lambda seed: label(sft, *data()[2], seed))

    def one(seed: int, questions: int, sees_surprisal: bool) -> dict:
        test, pool, _ = data()
        return train_and_measure(sft, test, pool, labels(seed)[:questions], seed, sees_surprisal)

    keys = [
        {"seed": seed, "questions": size, "sees_surprisal": sees}
        for seed in seeds for sees in (True, False) for size in SIZES
        if sees or seed in ORDINARY_SEEDS
    ]  # fmt: skip
    return complete(NAME, {"answers": Recipe.answers_per_prompt}, keys, one, out)
