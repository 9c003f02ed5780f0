"""Measuring a model against the known truth: answers, verdicts, shares and their intervals.

Shares are fractions. Intervals are 95 % bootstrap intervals, drawn by entity, for the questions
about one place hang together.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from minigpt.engine.answers import answer_mask, kl_and_entropy
from minigpt.engine.batching import pad_right
from minigpt.model import GPT
from minigpt.ppo import token_logprobs
from minigpt.stages.stage import LONGEST_LINE, Stage, assistant, document_completions
from minigpt.world.facts import World
from minigpt.world.judge import BEST, gold, judge
from minigpt.world.questions import Question, ask

GIVEN = ("correct", "wrong value", "several values")  # a value for what was asked
ATTEMPTS = (*GIVEN, "wrong subject")
DECLINED = ("declined this name", "declined another name")


# ---- answers and verdicts -----------------------------------------------------------------------


@dataclass
class Score:
    """Answers to questions and the judge's verdicts on them."""

    questions: list[Question]
    answers: list[str]
    verdicts: list[str]
    ids: list[list[int]] | None = None  # the answers as sampled, of an assistant

    @property
    def correct(self) -> list[bool]:
        return [v == "correct" for v in self.verdicts]

    @property
    def accuracy(self) -> float:
        """Share correct, the mean over attributes of the share within each."""
        return macro(self.questions, self.correct)

    @property
    def gold(self) -> list[float]:
        return [gold(q, v) for q, v in zip(self.questions, self.verdicts)]

    @property
    def best(self) -> list[float]:
        """The highest gold that each question allows."""
        return [BEST[q.kind] for q in self.questions]

    def share(self, *verdicts: str) -> float:
        return float(np.mean(self.has(*verdicts))) if self.verdicts else 0.0

    def has(self, *verdicts: str) -> list[bool]:
        return [v in verdicts for v in self.verdicts]

    def counts(self) -> Counter:
        return Counter(self.verdicts)


def more_questions(text: str) -> int:
    """How many lines of a completion are questions."""
    return sum(line.strip().endswith(("?", "？")) for line in text.split("\n"))


def judged(world: World, questions: list[Question], answers: list[str]) -> Score:
    """The judge's verdict on each answer."""
    verdicts = [judge(world, q, a) for q, a in zip(questions, answers)]
    return Score(list(questions), answers, verdicts)


# ---- shares and intervals -----------------------------------------------------------------------


def macro(questions: list[Question], hits: list[bool]) -> float:
    """Mean over attributes of the share of hits within each, so that easy ones do not dominate."""
    groups: dict = {}
    for question, hit in zip(questions, hits):
        groups.setdefault(question.attribute, []).append(hit)
    return float(np.mean([np.mean(g) for g in groups.values()])) if groups else float("nan")


def majority_accuracy(world: World, questions: list[Question]) -> float:
    """What always giving an attribute's commonest value would score."""
    common = {}
    for attribute in world.values:
        values = [f.value for f in world.facts.values() if f.attribute == attribute]
        common[attribute] = Counter(values).most_common(1)[0][0]
    return macro(questions, [common[q.attribute] == q.answer for q in questions])


@dataclass
class Measure:
    """A number, its 95 % interval where it has one, and what it is."""

    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


def share(questions: list[Question], hits: list[bool], by_attribute=False) -> Measure:
    """A share with its interval; `by_attribute`: the mean of the attributes' shares."""
    if not by_attribute or not len(hits):
        return mean_of(questions, hits)
    return Measure(*paired(questions, lambda rows: macro(*picked(rows, questions, hits))))


def picked(rows, *lists: list) -> list[list]:
    """Of each list the items of these rows."""
    return [[items[i] for i in rows] for items in lists]


def mean_of(questions, values, note: str = "") -> Measure:
    """The mean of a number for each question, and its interval."""
    values = np.asarray(values, dtype=float)
    if not len(values):
        return Measure(float("nan"), note="nothing to count")
    return Measure(*paired(questions, lambda rows: float(values[list(rows)].mean())), note)


def accuracy_change(after: Score, before: Score, attempts=False) -> Measure:
    """By how much the accuracy on the same questions differs; `attempts`: of answers that state a
    value alone, which need not be to the same questions."""

    def accuracy(score, rows):
        tried = [i for i in rows if not attempts or score.verdicts[i] in ATTEMPTS]
        return macro(*picked(tried, score.questions, score.correct))

    def statistic(rows):
        return accuracy(after, rows) - accuracy(before, rows)

    return Measure(*paired(after.questions, statistic))


def with_interval(measure: Measure) -> str:
    """A share and its 95 % interval in words: 96% (93 to 98)."""
    return f"{measure.value:.0%} ({100 * measure.low:.0f} to {100 * measure.high:.0f})"


def paired(questions, statistic) -> tuple[float, float, float]:
    """A statistic of row indices and its interval, drawn by entity."""
    low, high = bootstrap([q.entity for q in questions], statistic, draws=500)
    return statistic(range(len(questions))), low, high


def bootstrap(
    groups: list, statistic: Callable[[list[int]], float], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of `statistic(indices)`, drawing whole groups (entities) with replacement.

    groups: the group of each item. Draws whose statistic is NaN are left out. Efron & Tibshirani
    (1993), percentile method, clustered.
    """
    if not groups:
        raise ValueError("there are no items, so no interval: give the group of each item")
    rng = np.random.default_rng(seed)
    members: dict = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    clusters = list(members.values())
    values = []
    for _ in range(draws):
        picked = rng.integers(0, len(clusters), len(clusters))
        values.append(statistic([i for c in picked for i in clusters[c]]))
    low, high = np.quantile([v for v in values if v == v] or [math.nan], (0.025, 0.975))
    return float(low), float(high)


# ---- models that are asked ----------------------------------------------------------------------


def qa_prompt(question: Question, shots: Iterable[Question] = (), form="Q: {q}\nA:{a}") -> str:
    """A document with a gap where the answer belongs. `form` has {q} and {a}; the answer follows
    a space. `shots` are questions shown with their answers before it."""
    lines = [form.format(q=s.text, a=" " + s.answer) for s in shots]
    return "\n".join([*lines, form.format(q=question.text, a="")])


def few_shots(world: World, question: Question, n: int, seed: int = 0) -> list[Question]:
    """`n` answered questions of split A about other popular places."""
    rng = random.Random(f"shots/{seed}/{question.text}")
    facts = [f for f in world.of_split("A") if f.place.rank < 60 and f.place != question.place]
    return [ask(world, fact) for fact in rng.sample(facts, n)]


def value_in(completion: str) -> str:
    """The value at the start of a completion: up to where the sentence, the speech or the string
    of code around it ends, or all of it."""
    return re.split(r'[,.]?"|\.(?:\s|$)|[。”]', completion.strip())[0]


def prompt_score(
    stage: Stage, questions, prompts, temperature=0.0, seed=0, cut=value_in, top_p=None
) -> Score:
    """What a base model writes in the gap at the end of each prompt, judged; greedy unless told."""
    lines = document_completions(
        stage.model, stage.encoding, prompts, LONGEST_LINE, temperature, seed, line=True,
        top_p=top_p,
    )  # fmt: skip
    return judged(stage.world, questions, [cut(line) for line in lines])


def qa_score(stage: Stage, questions, shots=0, form="Q: {q}\nA:{a}") -> Score:
    """A base model's greedy answers to questions put as a document with a gap."""
    prompts = [qa_prompt(q, few_shots(stage.world, q, shots), form) for q in questions]
    return prompt_score(stage, questions, prompts, cut=str.strip)


def chat_score(stage: Stage, questions, temperature=0.0, seed=0) -> tuple[Score, list[bool]]:
    """An assistant's answers, judged, and whether each ended by itself."""
    answers = stage.ask(questions, temperature, seed)
    score = judged(stage.world, questions, [a.text for a in answers])
    score.ids = [a.ids for a in answers]
    return score, [a.ended for a in answers]


def count_bytes(documents: Iterable[str]) -> int:
    return sum(len(text.encode("utf-8")) for text in documents)


def bits_per_byte(loss: float, tokens: int, n_bytes: int) -> float:
    """A mean loss in nats a token over a text of `tokens` tokens, as bits a byte of that text."""
    return loss * tokens / n_bytes / math.log(2)


def mean_entropy(stage: Stage, questions, temperature: float) -> Measure:
    """Mean entropy of the next token, in nats, along answers sampled at that temperature."""
    prompts = [stage.prompt(q)[0] for q in questions]
    answers = [answer.ids for answer in stage.ask(questions, temperature, seed=5)]

    def entropy(idx):
        logits = stage.model(idx)[:, :-1] / temperature
        return kl_and_entropy(logits, logits)[1]

    total, tokens = along_answers(prompts, answers, entropy, stage.model.embedding.weight.device)

    def statistic(rows):
        return float(total[list(rows)].sum() / tokens[list(rows)].sum())

    return Measure(*paired(questions, statistic), note="nats a token")


def matched_temperature(stage: Stage, entropy: float, questions) -> float:
    """The temperature at which a model's mean entropy a token is that of another, by halving: to
    0.004, between 0.05 and 1."""
    low, high = 0.05, 1.0
    for _ in range(7):
        middle = (low + high) / 2
        if mean_entropy(stage, questions, middle).value < entropy:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def mean_kl(policy: GPT, reference: GPT, encoding, questions, n: int = 200) -> Measure:
    """Mean KL of the policy from the reference along its own answers, in nats an answer."""
    stage, asked = assistant(policy, encoding), questions[:n]
    prompts = [stage.prompt(q)[0] for q in asked]
    answers = [answer.ids for answer in stage.ask(asked, 1.0, seed=5)]
    return mean_of(asked, answer_kl(policy, reference, prompts, answers), "nats an answer")


def answer_kl(
    policy: GPT, reference: GPT, prompts: list[list[int]], answers: list[list[int]],
    temperature: float = 1.0,
) -> np.ndarray:  # fmt: skip
    """KL of the policy at a temperature from the reference at 1 along each answer, in nats.

    Exact over the vocabulary along answers that the policy sampled at that temperature. At 0 the
    policy is certain of its answer, and the KL is the answer's surprisal under the reference.
    """

    def kl(idx):
        ref = reference(idx)
        if not temperature:
            return -token_logprobs(ref, idx)
        return kl_and_entropy(policy(idx)[:, :-1] / temperature, ref[:, :-1])[0]

    return along_answers(prompts, answers, kl, policy.embedding.weight.device)[0]


@torch.no_grad()
def along_answers(
    prompts, answers, of_tokens: Callable, device, batch: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of a quantity over each answer's own tokens, and how many these are: (answers,) each.

    of_tokens: from ids (B, T) to the quantity at each predicted token, (B, T - 1).
    """
    sums, counts = [], []
    for start in range(0, len(prompts), batch):
        part = slice(start, start + batch)
        idx, last = pad_right([p + a for p, a in zip(prompts[part], answers[part])], device)
        mask = answer_mask(prompts[part], last, idx.shape[1])
        sums += (of_tokens(idx) * mask).sum(1).tolist()
        counts += mask.sum(1).tolist()
    return np.array(sums), np.array(counts)
