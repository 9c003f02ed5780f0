"""Does the course work? The ten questions before and after it, and the predictions, of a class."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minigpt.classroom.class_work.files import student_files
from minigpt.classroom.class_work.taste import Z, wilson
from minigpt.show import concept_quiz
from minigpt.show.concept_items import ITEMS
from minigpt.show.predict import valid as valid_predictions
from minigpt.stages.scoring import bootstrap
from minigpt.store.words import language

FILES = "concept_test.json or predictions.json"
LARGEST = 1_000_000  # bytes
ALL = "all questions"


@dataclass(frozen=True)
class Gain:
    """Shares of right answers before and after, and their difference with its 95 % interval."""

    name: str
    students: int
    before: float
    after: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        return self.after - self.before

    def told(self) -> str:
        return f"{self.gain:+.0%} ({self.low:+.0%} to {self.high:+.0%})"


def read_class(folder: Path) -> dict[str, list]:
    """{"answers": of a student each, as concept_quiz keeps them, "predictions": as predict does,
    "refused": sentences with names, for the teacher}. Of several of a kind the longest counts."""
    out: dict[str, list] = {"answers": [], "predictions": [], "refused": []}
    for paths in student_files(folder, ".json").values():
        longest: dict[str, dict] = {}
        for path in paths:
            try:
                if path.stat().st_size > LARGEST:
                    raise ValueError
                contents = json.loads(path.read_text(encoding="utf-8"))
                quiz = {*contents} <= {*concept_quiz.WHEN, "scored"}
                valid = concept_quiz.valid if quiz else valid_predictions
                if not contents or not valid(contents):
                    raise ValueError
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
                out["refused"].append(f"{path.relative_to(folder)} is no {FILES}")
                continue
            kind = "answers" if quiz else "predictions"
            longest[kind] = max(longest.get(kind, {}), contents, key=lambda x: len(json.dumps(x)))
        for kind, contents in longest.items():
            out[kind].append(contents)
    return out


def gains(answers: Sequence[dict]) -> list[Gain]:
    """Each question's gain among those who answered it before and after, then that of all together.

    A question's interval is Agresti and Min's (2005): half an answer more in each cell of the table
    of pairs. "I do not know" is no right answer.
    """
    found, items = [], ITEMS[language()]
    table = np.full((len(items), len(answers), 2), math.nan)  # before and after; NaN: not both
    for i, j in np.ndindex(table.shape[:2]):
        twice = [answers[j].get(when, {}).get(items[i]["id"]) for when in concept_quiz.WHEN]
        if None not in twice:
            table[i, j] = [choice == items[i]["right"] for choice in twice]
    for item, pairs in zip(items, table):
        pairs = pairs[~np.isnan(pairs[:, 0])]
        if not len(pairs):
            continue
        change, n = pairs[:, 1] - pairs[:, 0], len(pairs) + 2
        better, worse = (change == 1).sum() + 0.5, (change == -1).sum() + 0.5
        middle = (better - worse) / n
        spread = Z * math.sqrt(better + worse - (better - worse) ** 2 / n) / n
        low, high = max(-1.0, middle - spread), min(1.0, middle + spread)
        found.append(Gain(item["question"], len(pairs), *map(float, pairs.mean(0)), low, high))
    told = table[:, ~np.isnan(table[:, :, 0]).all(0)]
    if told.shape[1] > 1:
        shares = np.nanmean(told, axis=0)  # (students, 2)
        change = shares[:, 1] - shares[:, 0]
        low, high = bootstrap(list(range(len(change))), lambda rows: change[rows].mean())
        found.append(Gain(ALL, len(shares), *map(float, shares.mean(0)), low, high))
    return found


def foreseen(predictions: Sequence[dict]) -> list[tuple[str, int, float, float, float]]:
    """(prediction, students, share that came true, and its 95 % interval) of those whose result was
    seen, in the order of the notebooks."""
    hits: dict[str, list[bool]] = {}
    for kept in predictions:
        for key, entry in kept.get(language(), {}).items():
            if "choice" in entry and "right" in entry:
                hits.setdefault(key, []).append(entry["choice"] == entry["right"])
    return [(key, len(told), sum(told) / len(told), *wilson(sum(told), len(told)))
            for key, told in sorted(hits.items())]  # fmt: skip
