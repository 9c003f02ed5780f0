"""What other labelers make of the same SFT model, and what the truth itself as reward would.

`python3 -m minigpt train --all` makes these models too, and keeps their figures alone, in
controls.json. Each labeler ranks the same sampled answers; a reward model learns from the ranking;
PPO runs against it with the course's settings, prompts and sampling seeds, and of its rounds the
one is taken that this labeler likes best on V. So only the labels differ. For the oracle, the judge
scores the answers of PPO's practice with gold: no reward model can be better.
"""

import json
from dataclasses import replace

import numpy as np
import torch

from minigpt.ppo import Steps, rollout
from minigpt.sft import answer_text
from minigpt.stages import rlhf
from minigpt.stages.exam import proxy_scores, report_questions
from minigpt.stages.folder import Course
from minigpt.stages.report import controls_file
from minigpt.stages.scoring import ATTEMPTS, Measure, Score, chat_score, mean_kl, mean_of
from minigpt.stages.stage import Stage
from minigpt.stages.train import make_ppo, make_reward
from minigpt.store.files import atomic_write
from minigpt.world.judge import gold, judge
from minigpt.world.labelers import LABELERS, utility
from minigpt.world.questions import Questions, ask

OTHERS = ("mediocre", "flattered")  # labelers
NOBODY = "Xiq"  # no place


def make_controls(course: Course) -> None:
    """Make the models, measure them and remove them; write their figures."""
    sft, expert, reward = map(course.load, ("sft", "ppo", "reward"))
    before, world = answered(sft), course.world
    residents = world.text.QUESTIONS["population"][0].format(p=NOBODY)
    asked = [ask(world, world.facts["bolivia", "capital"]).text, residents]
    table = measure_model(sft, sft, reward, "sft", before)
    table |= measure_model(expert, sft, reward, "expert", before)
    said = {"sft": sft.answer(asked), "expert": expert.answer(asked)}
    for name in (*OTHERS, "oracle"):
        policy, judged_by = f"ppo_{name}", "reward" if name == "oracle" else f"reward_{name}"
        if name == "oracle":
            make_ppo(course, policy, steps=Steps(rollout=oracle(course, sft)))
        else:
            make_reward(course, judged_by, name)
            make_ppo(course, policy, reward=judged_by)
        stage = course.load(policy)
        table |= measure_model(stage, sft, course.load(judged_by), name, before)
        said[name] = stage.answer(asked)
        if name == "mediocre":
            table["mediocre.invents_over_expert"] = invents_over(stage, expert)
        for made in {policy, judged_by} - {"reward"}:
            course.path(made).unlink()
    contents = {
        "command": "python3 -m minigpt train --all", "asked": asked, "answers": said,
        "measures": {key: numbers(measure) for key, measure in table.items()},
    }  # fmt: skip
    text = json.dumps(contents, indent=1, sort_keys=True) + "\n"
    atomic_write(controls_file(course.out), text.encode("utf-8"))


def numbers(measure: Measure) -> list[float]:
    """A measure's value and, where it has one, its interval, rounded for a file."""
    found = [measure.value, measure.low, measure.high]
    return [round(x, 4) for x in found if x is not None]


def oracle(course: Course, sft: Stage):
    """`rollout`, with the truth in place of the reward model's scores, scaled as those are."""
    questions, world = course.questions("practised"), course.world
    asked_as = {tuple(p): q for p, q in zip(course.prompts(questions), questions)}
    golds = chat_score(sft, Questions(questions[:400]), 1.0)[0].gold
    mean, std = float(np.mean(golds)), float(np.std(golds)) or 1.0  # all alike: not scaled

    def rollout_of_truth(policy, reference, reward_model, layers, asked, seeds, encoding, config):
        r = rollout(policy, reference, reward_model, layers, asked, seeds, encoding, config)
        about = [asked_as[tuple(prompt)] for prompt in asked]
        texts = [answer_text(encoding, sample.ids) for sample in r.samples]
        true = torch.tensor([gold(q, judge(world, q, t)) for q, t in zip(about, texts)])
        return replace(r, score=torch.where(r.ended, ((true - mean) / std).to(r.score), r.score))

    return rollout_of_truth


def answered(stage: Stage) -> tuple[Score, list[bool], list[float]]:
    """A model's answers to the report's questions at temperature 1, which of them ended, and the
    gold of its most likely ones."""
    questions = report_questions(stage.world)
    return *chat_score(stage, questions, 1.0), chat_score(stage, questions)[0].gold


def measure_model(stage: Stage, sft: Stage, reward: Stage, name: str, before) -> dict[str, Measure]:
    """What one labeler's model is like: greedily, and what it gained at temperature 1, by its own
    reward model (`proxy`), its labeler (`utility`) and the expert (`gold`). before: `answered` of
    the SFT model."""
    labeler, after = LABELERS.get(name, LABELERS["expert"]), answered(stage)
    rows, questions = [], after[0].questions
    for score, ended, _ in (before, after):
        own = [utility(stage.world, labeler, q, a) for q, a in zip(questions, score.answers)]
        rows.append([proxy_scores(reward, score, ended), own, score.gold])
    found = {
        "tokens": [len(ids) for ids in after[0].ids],
        "gold_over_sft_greedy": np.subtract(after[2], before[2]),
        **{f"{key}_change": row
           for key, row in zip(("proxy", "utility", "gold"), np.subtract(*reversed(rows)))},
    }  # fmt: skip
    table = {f"{name}.{key}": mean_of(questions, values) for key, values in found.items()}
    table[f"{name}.kl"] = mean_kl(stage.model, sft.model, stage.encoding, questions)
    return rlhf.measure_honesty(stage, name, {}) | table


def invents_over(stage: Stage, other: Stage) -> Measure:
    """How much more often one model states a value of an unread place than another, greedily."""
    unread = rlhf.unread_questions(stage.world)
    a, b = (chat_score(s, unread)[0].has(*ATTEMPTS) for s in (stage, other))
    return mean_of(unread, np.subtract(a, b, dtype=float))
