"""A reward model of each student's labels and one of the class's, compared on pairs that they did
not see."""

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, permutations
from pathlib import Path

import numpy as np
import torch

from minigpt.classroom.class_work.taste import CLASS, wilson
from minigpt.lessons.reward_model.how_many_labels import ANSWERS
from minigpt.reward import RewardModel, reward_input, score_all, train_reward
from minigpt.sft import answer_text, chat_prompt
from minigpt.stages.exam import RewardExam, report_questions, reward_exam
from minigpt.stages.from_labels import (
    even_attention,
    few_labels_config,
    grouped,
    reference_answers,
    reward_from_labels,
)
from minigpt.stages.labels import Label
from minigpt.stages.scoring import Measure, share
from minigpt.stages.stage import Stage
from minigpt.store.checkpoint import file_hash, save_checkpoint
from minigpt.world.judge import judge
from minigpt.world.questions import Question


@dataclass
class Order:
    """How many of somebody's decided pairs a reward model orders alike."""

    right: int = 0
    pairs: int = 0
    questions: int = 0

    @property
    def share(self) -> float:
        return self.right / self.pairs if self.pairs else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share, as if the pairs of a question were one."""
        return wilson(self.share * self.questions, self.questions)


@dataclass
class Trained:
    """A reward model of somebody's labels, and whose pairs it orders as they did.

    orders: {student: Order}, of models that were trained on the other half of all questions: on no
    pair of a question that is asked here.
    """

    who: str
    model: RewardModel  # of all labels
    orders: dict[str, Order]


def decided(labels: Iterable[Label]) -> list[Label]:
    return [label for label in labels if label.preferred is not None]


def halves(people: dict[str, list[Label]]) -> dict[str, int]:
    """{question: 0 or 1}: each question's half, the same for everybody."""
    asked = {label.question.casefold() for labels in people.values() for label in decided(labels)}
    order = sorted(asked, key=lambda text: hashlib.sha256(text.encode("utf-8")).digest())
    return {text: i % 2 for i, text in enumerate(order)}


def trainings(people: dict[str, list[Label]]) -> list[tuple[str, int | None, list[Label]]]:
    """All reward models that are to be trained: whose, without which half, of which labels."""
    half = halves(people)
    everybody = sorted(
        (label for labels in people.values() for label in decided(labels)),
        key=lambda label: (label.question, label.pair, label.preferred),
    )
    out = []
    for who, labels in {CLASS: everybody, **people}.items():
        for without in (0, 1, None):
            some = [x for x in decided(labels) if half[x.question.casefold()] != without]
            if some:
                out.append((who, without, some))
    return out


def updates(labels: Sequence[Label], encoding) -> int:
    """How many updates `reward_from_labels` makes."""
    questions = len(grouped(labels, encoding)[1])
    config, passes = few_labels_config(questions)
    return -(-questions * passes // config.prompts_per_batch)


def training_seconds(people: dict[str, list[Label]], sft: Stage) -> float:
    """About how long `train_class` takes on this machine, from a second or two of training."""
    jobs = [labels for _, _, labels in trainings(people)]
    sequences, pairs = grouped(max(jobs, key=len), sft.encoding)
    config, passes = few_labels_config(len(pairs))
    model = RewardModel(sft.model).to(sft.model.embedding.weight.device)
    even_attention(model)
    run = train_reward(model, sequences * passes, pairs * passes, config)
    times = [time.perf_counter()]
    for _ in islice(run, 12):
        times.append(time.perf_counter())
    update = float(np.median(np.diff(times)))  # the first one takes longer
    begin = time.perf_counter()
    reference_answers(sft)
    each = time.perf_counter() - begin
    return len(jobs) * each + update * sum(updates(labels, sft.encoding) for labels in jobs)


def train_class(people: dict[str, list[Label]], sft: Stage, seed: int = 0) -> Iterator[Trained]:
    """Train a reward model for the class and for each student with a decided pair, one after the
    other. Each is trained three times: on either half of the questions, and on all."""
    half, orders = halves(people), {}
    for who, without, labels in trainings(people):
        model = reward_from_labels(labels, sft, seed)
        if without is None:
            yield Trained(who, model, orders.pop(who, {}))
            continue
        for of, theirs in people.items():
            asked = [x for x in decided(theirs) if half[x.question.casefold()] == without]
            order = orders.setdefault(who, {}).setdefault(of, Order())
            order.right += sum(ordered_alike(model, sft.encoding, asked))
            order.pairs += len(asked)
            order.questions += len({x.question.casefold() for x in asked})


def ordered_alike(model: RewardModel, encoding, labels: Sequence[Label]) -> list[bool]:
    """Whether the model scores the preferred answer of each decided label higher."""
    if not labels:
        return []
    rows = [
        reward_input(encoding, chat_prompt(encoding, label.question), list(ids))
        for label in labels for ids in (label.preferred, label.turned().preferred)
    ]  # fmt: skip
    better, worse = score_all(model, rows).view(-1, 2).T
    return (better > worse).tolist()


@dataclass
class Exam:
    """Answers to questions of split E, whose facts nobody labeled.

    `test.certain` are pairs of which the expert's noiseless opinions differ; `longer` are pairs
    (longer, shorter) with the same verdict, where length alone could decide.
    """

    test: RewardExam
    longer: list[tuple[int, int]]
    about: dict[tuple[int, int], Question]

    def as_expert(self, model: RewardModel) -> Measure:
        """Share of the certain pairs ordered as the expert does."""
        pairs = self.test.certain
        return share([self.test.about[p] for p in pairs], self.test.right(model, pairs))

    def for_longer(self, model: RewardModel) -> Measure:
        """Share of equally good pairs in which the longer answer has the higher score."""
        return share([self.about[p] for p in self.longer], self.test.right(model, self.longer))


def make_exam(sft: Stage, n: int = 200) -> Exam:
    """`n` questions, four answers of the SFT model to each."""
    exam, encoding = Exam(reward_exam(sft, n), [], {}), sft.encoding
    end = encoding.encode_single_token("<|end|>")
    for i, question in enumerate(report_questions(sft.world, n)):
        start = len(chat_prompt(encoding, question.text))
        said = {}  # row: (verdict, tokens) of the answers that ended
        for row in range(ANSWERS * i, ANSWERS * (i + 1)):
            ids = exam.test.sequences[row][start:-1]
            if ids[-1] == end:
                said[row] = judge(sft.world, question, answer_text(encoding, ids)), len(ids)
        for a, b in permutations(said, 2):
            if said[a][0] == said[b][0] and said[a][1] > said[b][1]:
                exam.longer.append((a, b))
                exam.about[a, b] = question
    return exam


def save_reward_model(
    path: Path, name: str, one: Trained, labels: Sequence[Label], sft: Stage, seed: int = 0
) -> None:
    """Write a reward model as `load_stage` reads it; its metadata have a pseudonym alone."""
    chosen = decided(labels)
    config, _ = few_labels_config(len(grouped(chosen, sft.encoding)[1]), seed)
    meta = {"stage": name, "kind": "reward", "lang": sft.world.lang, "seed": seed,
            "threads": torch.get_num_threads(), "dtype": "float32",
            "config": asdict(one.model.gpt.config), "settings": asdict(config),
            "parent": file_hash(sft.path), "labeler": one.who, "examples": len(chosen),
            "ties": len(labels) - len(chosen), "metrics": {}}  # fmt: skip
    save_checkpoint(path, one.model.trained(), meta)
