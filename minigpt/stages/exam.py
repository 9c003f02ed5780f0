"""What a reward model is worth: its view of answers beside the truth that the world knows.

Its score is a proxy for the expert's utility (gold). Three things are asked of it: to order pairs
that nobody labeled, to tell a true value from a false one, and to choose the best of n answers.
"""

import random
from dataclasses import dataclass, replace

import numpy as np

from minigpt.model import GPT
from minigpt.ppo import PPOConfig
from minigpt.reward import (
    RewardModel,
    reward_input,
    reward_inputs,
    reward_text,
    sample_answers,
    score_all,
)
from minigpt.sft import answer_text, chat_prompt
from minigpt.stages.from_labels import simulated_pairs
from minigpt.stages.scoring import Score, chat_score
from minigpt.stages.stage import Stage, assistant
from minigpt.world.facts import World
from minigpt.world.judge import gold, judge
from minigpt.world.labelers import EXPERT, chooser, utility
from minigpt.world.names import TEST_MAKERS, unknown_places
from minigpt.world.questions import (
    Question,
    Questions,
    ask_unknown,
    fact_questions,
    sample_questions,
)


def report_questions(world: World, n: int = 1000) -> Questions:
    """Questions as people would ask them, of split E; three in ten about places that nobody has
    written about, from the two makers that no stage has seen."""
    return sample_questions(world, "E", n, seed=4242, makers=TEST_MAKERS)


def known_questions(world: World, split: str = "E") -> Questions:
    """Every fact of a split asked once, but for the tail's places, which are read hardly ever."""
    return Questions(q for q in fact_questions(world, split) if not q.place.tail)


def unknown_questions(world: World, maker: str, n: int = 150) -> Questions:
    """One question about each of `n` places of a maker, or of as many as there are."""
    rng = random.Random(f"report/{maker}")
    return Questions(ask_unknown(world, p, rng) for p in unknown_places(world, maker, n, seed=555))


# ---- scores of answers --------------------------------------------------------------------------


def inputs_of(stage: Stage, questions, answers) -> list[list[int]]:
    """What the reward model reads for each question and written answer."""
    return [reward_text(stage.encoding, q.text, a) for q, a in zip(questions, answers)]


def proxy_scores(reward: Stage, score: Score, ended: list[bool]) -> np.ndarray:
    """The reward model's score of each answer; a cut-off answer has PPO's fixed penalty."""
    prompts = [chat_prompt(reward.encoding, q.text) for q in score.questions]
    # as sampled: a text may have other ids when it is encoded anew
    inputs = [reward_input(reward.encoding, p, ids) for p, ids in zip(prompts, score.ids)]
    found = score_all(reward.model, inputs)
    return np.where(ended, found.cpu().numpy(), PPOConfig.cut_off_reward)


def sampled_score(policy: GPT, reward: Stage, questions, seed=0) -> tuple[Score, np.ndarray]:
    """One answer of a policy to each question, sampled at temperature 1: as the truth judges them,
    and the reward model's scores (questions,)."""
    stage = assistant(policy, reward.encoding, reward.world)
    score, ended = chat_score(stage, questions, 1.0, seed)
    return score, proxy_scores(reward, score, ended)


def right_over(
    reward: Stage, other: str = "wrong", split: str = "E"
) -> tuple[list[bool], list[Question]]:
    """Whether the right value, in one sentence, scores above a wrong one of the same attribute or,
    with other="refusal", above the sentence that one does not know the place; for each known place
    of a split."""
    world = reward.world
    rng = random.Random("right over wrong")
    questions = known_questions(world, split)
    good, bad = [], []
    for q in questions:
        template = rng.choice(world.text.STATEMENTS[q.attribute][:3])
        wrong = rng.choice([v for v in world.values[q.attribute] if v != q.answer])
        good.append(template.format(p=q.place.name, v=q.answer))
        refusal = world.text.DECLINE[-1].format(p=q.place.name)
        bad.append(template.format(p=q.place.name, v=wrong) if other == "wrong" else refusal)
    high = score_all(reward.model, inputs_of(reward, questions, good))
    low = score_all(reward.model, inputs_of(reward, questions, bad))
    return (high > low).tolist(), questions


# ---- pairs that nobody labeled ------------------------------------------------------------------


@dataclass
class RewardExam:
    """Answers to questions that nobody labeled, and which of two is better: (better, worse)."""

    sequences: list[list[int]]  # as `reward_input` makes them
    noisy: list[tuple[int, int]]  # as the expert ordered them, slips included
    certain: list[tuple[int, int]]  # those whose true utilities differ by half a point or more
    agreed: list[float]  # does the noiseless utility order each noisy pair alike? 0.5: a tie
    about: dict[tuple[int, int], Question]  # each pair's question

    def right(self, model: RewardModel, pairs: list[tuple[int, int]]) -> list[bool]:
        """Whether the model orders each of the pairs as they are."""
        scores = score_all(model, self.sequences).tolist()
        return [scores[better] > scores[worse] for better, worse in pairs]


def reward_exam(sft: Stage, n: int = 400) -> RewardExam:
    """`n` of the report's questions, four answers each, and the expert's view of their pairs."""
    world, encoding, questions = sft.world, sft.encoding, report_questions(sft.world, n)
    choose = chooser(world, "expert", random.Random("report/expert"))
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    samples = sample_answers(sft.model, encoding, prompts, 4, seed=99)
    pairs, _ = simulated_pairs(encoding, questions, samples, choose)
    out = RewardExam([], [], [], [], {})
    for question, prompt, row, noisy in zip(questions, prompts, samples, pairs):
        first = len(out.sequences)
        true = [utility(world, EXPERT, question, answer_text(encoding, s.ids)) for s in row]
        whole = [i for i, s in enumerate(row) if s.ended]
        certain = [(i, j) for i in whole for j in whole if true[i] - true[j] >= 0.5]
        out.agreed += [0.5 if true[i] == true[j] else float(true[i] > true[j]) for i, j in noisy]
        out.sequences += [reward_input(encoding, prompt, s.ids) for s in row]
        for kept, found in ((out.noisy, noisy), (out.certain, certain)):
            kept += [(first + i, first + j) for i, j in found]
            out.about.update({(first + i, first + j): question for i, j in found})
    return out


# ---- best of n ----------------------------------------------------------------------------------


@dataclass
class Pool:
    """Sampled and scored answers, N to each question: `texts` and `inputs` are lists of lists,
    `ended`, `scores` and `golds` arrays (questions, N)."""

    questions: list[Question]
    texts: list[list[str]]
    inputs: list[list[list[int]]]  # as `reward_input` makes them
    ended: np.ndarray  # whether an answer ended by itself
    scores: np.ndarray  # the reward model's
    golds: np.ndarray  # the expert's noiseless utility

    def scored_by(self, model: RewardModel) -> "Pool":
        """The same answers under another reward model. One that was cut off has a fixed low score,
        as in PPO."""
        flat = [tuple(ids) for row in self.inputs for ids in row]
        different = list(dict.fromkeys(flat))  # the same answer to a question is read once
        scored = dict(zip(different, score_all(model, [*map(list, different)]).tolist()))
        scores = np.array([scored[ids] for ids in flat]).reshape(self.ended.shape)
        return replace(self, scores=np.where(self.ended, scores, PPOConfig.cut_off_reward))

    def best(self) -> list[str]:
        """The best scored answer to each question."""
        return [row[i] for row, i in zip(self.texts, self.scores.argmax(axis=1))]


def sample_pool(sft: Stage, reward: Stage, questions: Questions, n: int = 64, seed=31) -> Pool:
    """`n` answers of the SFT model to each question, with the reward model's and the expert's
    view of them."""
    encoding, world = sft.encoding, sft.world
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    samples = sample_answers(sft.model, encoding, prompts, n, seed=seed)
    inputs = reward_inputs(encoding, prompts, samples)
    texts = [[answer_text(encoding, s.ids) for s in row] for row in samples]
    golds = [[gold(q, judge(world, q, t)) for t in row] for q, row in zip(questions, texts)]
    ended = np.array([[s.ended for s in row] for row in samples])
    unscored = np.full(ended.shape, np.nan)
    pool = Pool(list(questions), texts, inputs, ended, unscored, np.array(golds))
    return pool.scored_by(reward.model)
