"""The bug museum: what a diagnosis says and what it does not, and what each exhibit shows."""

import copy

import pytest
import torch

from minigpt.lessons.ppo import bugs as bug_museum
from minigpt.lessons.ppo.buggy_ppo import MOVES
from minigpt.lessons.ppo.bugs import (
    BUGS,
    LETTERS,
    ORDER,
    TEXT,
    choices,
    diagnose,
    exhibit,
    overview,
    small,
)

ROUND = 1e-3  # what is below is rounding


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


# Diagnosis: what it says, and what it does not give away


def truth():
    return dict(zip(LETTERS, ORDER))


def test_every_bug_has_one_letter_and_the_letters_are_in_no_telling_order():
    assert sorted(ORDER) == list(BUGS) and len(set(LETTERS)) == len(BUGS) >= 9
    assert list(BUGS) == sorted(BUGS) == list(TEXT["en"]["bugs"])
    assert ORDER != list(BUGS) and ORDER != list(BUGS)[::-1]


def test_right_diagnoses_come_with_the_lesson():
    table = diagnose(truth())
    assert f"{len(BUGS)} of {len(BUGS)} right" in table.caption
    for letter, bug, said, why in table.rows:
        assert truth()[letter] == bug and said == "right"
        assert why == TEXT["en"]["bugs"][bug][2]


def test_a_wrong_diagnosis_says_what_it_would_move_and_nothing_of_the_answer():
    for bug in BUGS:
        wrong = [letter for letter in LETTERS if truth()[letter] != bug]
        rows = diagnose(dict.fromkeys(wrong, bug)).rows
        # The same words for every exhibit that it is not: they cannot depend on the answer.
        assert len({tuple(row[1:]) for row in rows}) == 1
        assert rows[0][2] == "not this" and TEXT["en"]["bugs"][bug][1] in rows[0][3]


def test_letters_in_any_case_and_unknown_ones_refused():
    assert diagnose({"a": ORDER[0]}).rows[0][0] == "A"
    for letter in ("Z", "", "AB"):
        with pytest.raises(ValueError, match="choose from A"):
            diagnose({letter: "none"})
        with pytest.raises(ValueError, match="choose from A"):
            exhibit(letter)
    with pytest.raises(ValueError, match="no key 'dropuot'. Choose from alias"):
        diagnose({"A": "dropuot"})


def test_choices_tell_each_key_and_not_its_letter():
    table = choices()
    assert [row[0] for row in table.rows] == list(BUGS)
    assert all(what.endswith(".") for _, what in table.rows)


# The exhibits, on the shipped models


def test_an_exhibit_shows_itself_beside_a_run_without_a_bug(monkeypatch):
    monkeypatch.setenv("MINIGPT_FAST", "1")
    letter = LETTERS[ORDER.index("dropout")]
    found = exhibit(letter.lower())
    assert found.rounds == small().iterations == 2
    assert found.light("ratio") == "red" and found.healthy.light("ratio") == "green"
    table, checks = found.instruments(), found.checks()
    assert len({*table.header}) == 5 and f"Exhibit {letter}" in table.caption
    assert table.rows[0][-1] == "red"
    assert [row[1:3] for row in checks.rows] == [["0", "0"]] * len(TEXT["en"]["checks"])
    assert "dropout" not in repr(found).lower() + found._repr_html_().lower()


@pytest.fixture(scope="module")
def exhibits():
    return {bug: exhibit(letter) for letter, bug in truth().items()}


def last(shown, name):
    return next(r.value for r in shown.readings if r.name == name)


@pytest.mark.slow
def test_every_exhibit_is_told_by_its_checks(exhibits):
    for bug, shown in exhibits.items():
        moved = {name for name, value in shown.found.items() if value > ROUND}
        # "sum" may follow where the end token's price is missing.
        assert moved - {"sum"} == MOVES[bug] - {"sum"}, bug
        assert ("sum" in moved) >= ("sum" in MOVES[bug]), bug
        assert max(shown.healthy.found.values()) < ROUND


@pytest.mark.slow
def test_exhibits_that_the_instruments_show(exhibits):
    fine = exhibits["none"].healthy
    for shown in (fine, exhibits["none"]):
        assert {shown.light(r.name) for r in shown.readings} <= {"off", "green"}
    assert exhibits["dropout"].light("ratio") == "red"
    assert exhibits["temperature"].light("sampling") == "red"
    assert exhibits["direction"].light("kl") == "red"
    assert last(exhibits["alias"], "kl") == 0 and last(fine, "kl") > 0.2
    assert last(exhibits["kl_sign"], "kl") > 1.2 * last(fine, "kl")
    assert last(exhibits["score_sign"], "reward") < last(fine, "reward") - 0.5
    assert last(exhibits["shift"], "reward") < last(fine, "reward") - 0.3
    at_first = {bug: next(r.value for r in e.first if r.name == "reward")
                for bug, e in exhibits.items()}  # fmt: skip
    assert at_first["position"] < -1 < -0.5 < at_first["dropout"] < 0.5


@pytest.mark.slow
def test_overview_has_every_exhibit(exhibits):
    rows = dict(overview().rows)
    assert list(rows) == list(LETTERS)
    assert "red" in rows[LETTERS[ORDER.index("dropout")]]
    assert rows[LETTERS[ORDER.index("none")]] == "none"


def test_an_exhibit_leaves_the_shared_models_as_they_are(monkeypatch):
    monkeypatch.setenv("MINIGPT_FAST", "1")
    sft, reward, _ = bug_museum.stages("en")
    before = copy.deepcopy(sft.model), copy.deepcopy(reward.model)
    bug_museum.run("alias", 5, 2, "en")
    assert same(before[0], sft.model) and same(before[1], reward.model)
