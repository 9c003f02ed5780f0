"""Measuring a model against the known truth: answers, verdicts, shares and their intervals."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from minigpt.generate import generate_all
from minigpt.model import GPT
from minigpt.sft import answer_text, chat_prompt
from minigpt.world.facts import World
from minigpt.world.judge import BEST, gold, judge
from minigpt.world.questions import Question


def line_ends(encoding) -> set[int]:
    """The tokens at which a line or the document ends."""
    special = {encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    plain = (i for i in range(encoding.n_vocab) if i not in special)
    ends = {i for i in plain if b"\n" in encoding.decode_single_token_bytes(i)}
    return ends | {encoding.encode_single_token("<|endoftext|>")}


def document_completions(
    model: GPT, encoding, prompts: list[str], max_new_tokens=60, temperature=1.0, seed=0, line=False
) -> list[str]:
    """How a base model goes on with each text, to the end of the document; with `line`, to the
    end of the line."""
    end = encoding.encode_single_token("<|endoftext|>")
    stop = line_ends(encoding) if line else {end}
    ids = [[end, *encoding.encode_ordinary(prompt)] for prompt in prompts]
    out = generate_all(model, ids, max_new_tokens, temperature=temperature, stop=stop, seed=seed)
    texts = [encoding.decode([i for i in sample.ids if i != end]) for (sample,) in out]
    return [text.split("\n")[0] for text in texts] if line else texts


def chat_answers(
    model: GPT, encoding, questions: list[str], temperature=0.0, seed=0, max_new_tokens=40
) -> tuple[list[str], list[bool]]:
    """An assistant's answer to each question, and whether it ended by itself."""
    end = encoding.encode_single_token("<|end|>")
    ids = [chat_prompt(encoding, question) for question in questions]
    out = generate_all(model, ids, max_new_tokens, temperature=temperature, stop=end, seed=seed)
    return (
        [answer_text(encoding, sample.ids) for (sample,) in out],
        [sample.ended for (sample,) in out],
    )


def qa_prompt(
    question: Question, shots: Iterable[Question] = (), form: str = "Q: {q}\nA:{a}"
) -> str:
    """A document with a gap where the answer belongs. `form` has {q} and {a}; the answer follows
    a space. `shots` are questions shown with their answers before it."""
    lines = [form.format(q=s.text, a=" " + s.answer) for s in shots]
    return "\n".join([*lines, form.format(q=question.text, a="")])


def few_shots(world: World, question: Question, n: int, seed: int = 0) -> list[Question]:
    """`n` answered questions of split A about other popular places."""
    from minigpt.world.questions import ask

    rng = random.Random(f"shots/{seed}/{question.text}")
    facts = [f for f in world.of_split("A") if f.place.rank < 60 and f.place != question.place]
    return [ask(world, fact) for fact in rng.sample(facts, n)]


@dataclass
class Score:
    """Answers to questions and the judge's verdicts on them."""

    questions: list[Question]
    answers: list[str]
    verdicts: list[str]

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

    @property
    def answered(self) -> float:
        """Share that gives a value for what was asked, right or wrong."""
        return float(
            np.mean([v in ("correct", "wrong value", "several values") for v in self.verdicts])
        )

    @property
    def continued(self) -> float:
        """Share that goes on with two or more further questions."""
        return float(np.mean([more_questions(a) >= 2 for a in self.answers]))

    def share(self, *verdicts: str) -> float:
        return float(np.mean([v in verdicts for v in self.verdicts])) if self.verdicts else 0.0

    def counts(self) -> Counter:
        return Counter(self.verdicts)


def more_questions(text: str) -> int:
    """How many lines of a completion are questions."""
    return sum(line.strip().endswith("?") for line in text.split("\n"))


def judged(world: World, questions: list[Question], answers: list[str]) -> Score:
    """The judge's verdict on each answer."""
    verdicts = [judge(world, q, a) for q, a in zip(questions, answers)]
    return Score(list(questions), answers, verdicts)


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
    return float(np.nanquantile(values, 0.025)), float(np.nanquantile(values, 0.975))
