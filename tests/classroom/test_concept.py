"""`together concept`: the gain of a class in the ten questions, and which predictions came true."""

import csv
import json
import random

import pytest

from minigpt.classroom.class_work import concept
from minigpt.commands import together
from minigpt.show.concept_items import ITEMS
from minigpt.store.files import Problem

ITEMS = ITEMS["en"]
FIRST = ITEMS[0]["id"]


def answers(right_before, right_after):
    """One student's file: whether each of the questions is right, None for one left out."""
    kept = {"before": {}, "after": {}, "scored": True}
    for when, rights in (("before", right_before), ("after", right_after)):
        for item, right in zip(ITEMS, rights):
            if right is not None:
                kept[when][item["id"]] = item["right"] if right else -1
    return kept


def hand_in(folder, student, name, contents):
    (folder / student).mkdir(parents=True, exist_ok=True)
    text = contents if isinstance(contents, str) else json.dumps(contents)
    (folder / student / name).write_text(text, encoding="utf-8")


def test_gains_are_counted_among_those_who_answered_twice():
    found = concept.gains([answers([False], [True])] * 6 + [answers([True], [False])]
                          + [answers([True], [True])] * 3 + [answers([False], [None])])  # fmt: skip
    one, all_ = found
    assert (one.name, one.students) == (ITEMS[0]["question"], 10)
    assert (one.before, one.after, round(one.gain, 9)) == (0.4, 0.9, 0.5)
    # Agresti and Min: b = 6.5, c = 1.5, n = 12; (b - c) / n ± 1.96 sqrt(b + c - (b - c)²/n) / n
    assert (one.low, one.high) == pytest.approx((0.0194, 0.8140), abs=0.0001)
    assert all_.name == concept.ALL and all_.students == 10 and all_.low < 0.5 < all_.high


def test_the_interval_holds_the_truth_as_often_as_it_says():
    draw, held, times = random.Random(1), 0, 400
    for _ in range(times):
        students = []
        for _ in range(30):
            first, second = draw.random() < 0.3, draw.random() < 0.7
            students.append(answers([first], [second]))
        one = concept.gains(students)[0]
        held += one.low <= 0.4 <= one.high
    assert held / times >= 0.92


def test_a_class_is_read_and_told_without_names(tmp_path, capsys):
    folder = tmp_path / "handed"
    for number in range(8):
        hand_in(folder, f"ottoline-{number}", "concept_test.json",
                answers([number < 2] * 10, [number < 7] * 10))  # fmt: skip
        kept = {"options": ["a", "b"], "choice": number % 2, "right": 1}
        hand_in(folder, f"ottoline-{number}", "predictions.json", {"en": {"00-x": kept}})
    hand_in(folder, "zebedee", "concept_test.json", "{")
    hand_in(folder, "zebedee", "predictions.json", {"en": {"00-x": {"options": ["a"]}}})
    hand_in(folder, "zebedee", "deep.json", "[" * 100_000)
    assert together.main(["concept", str(folder), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert said.err.count("Not used: zebedee/") == 3 and "ottoline" not in said.out
    with (tmp_path / "out" / "concept.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["question"]: row for row in csv.DictReader(file)}
    assert len(rows) == 11 and rows[concept.ALL]["gain"] == "0.6250"
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["prediction"], row["students"], row["share"]) == ("00-x", "8", "0.5000")
    assert "+62%" in said.out and "50% (22% to 78%)" in said.out


def test_nothing_to_read_is_told(tmp_path):
    hand_in(tmp_path / "a", "ada", "labels.json", {"format": "minigpt labels 1"})
    with pytest.raises(Problem, match="no concept_test.json or predictions.json"):
        together.main(["concept", str(tmp_path / "a")])
