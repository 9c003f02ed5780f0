"""The bug museum as a widget: what is off stands first; what a diagnosis says and gives away."""

import sys
from dataclasses import replace

import pytest

from minigpt.lessons.ppo.bug_texts import words
from minigpt.lessons.ppo.bugs import BUGS, EXHIBITS, Run
from minigpt.lessons.ppo.instruments import LIGHTS, NAMES, reading
from minigpt.lessons.ppo.museum import SEED, Museum, key
from minigpt.show.style import escape

MODULE, ROUNDS = sys.modules[Museum.__module__], 3
FINE = [reading(name, 0.1, "green", **dict.fromkeys(
    ("k1", "k1_error", "z", "share", "first", "gold", "best", "proxy", "off"), 0.2))
    for name in NAMES]  # fmt: skip


@pytest.fixture
def shown(monkeypatch):
    """The museum, in whose exhibits KL is amber at first, the ratio red at last, a check not 0."""
    fine = Run(FINE, FINE, {"sum": 0.0})
    first = [replace(r, light="amber", text="far off") if r.name == "kl" else r for r in FINE]
    late = [replace(r, light="red", text="half") if r.name == "ratio" else r for r in FINE]
    off = Run(first, late, {"sum": 2.5, "clip": 1e-6})
    runs = {key(bug, ROUNDS): off for bug in BUGS} | {("none", SEED, ROUNDS): fine}
    runs[key("none", ROUNDS)] = fine
    monkeypatch.setattr(MODULE, "RUNS", runs)
    made = []
    monkeypatch.setattr(MODULE, "make", lambda bug, rounds: made.append(bug) or iter((1, 2, 3)))
    found = Museum(ROUNDS)
    found.made = made
    return found


def letter_of(bug):
    return next(letter for letter, other in EXHIBITS.items() if other == bug)


def test_what_is_off_stands_first_with_shape_word_and_colour(shown):
    (table,) = shown.static()
    assert [str(row[1]).split()[1] for row in table.rows] == ["red", "red", "amber"]
    assert [row[2:] for row in table.rows][1:] == [["2.5", "0"], ["far off", FINE[1].text]]
    large, folded = shown.shown.value.split("<details>")
    for light in ("red", "amber"):
        symbol, colour = LIGHTS[light]
        assert f"border-left:8px solid {colour}" in large and symbol in large
        assert f"{light}: " in large
    assert "half" in large and escape(FINE[3].label) not in large
    assert all(escape(r.label) in folded for r in FINE if r.name != "gold")


def test_the_exhibit_without_a_bug_says_that_nothing_is_off(shown):
    shown.letter.value = letter_of("none")
    assert "All lights are green, and all checks 0." in shown.shown.value


def test_another_exhibit_is_made_and_the_diagnosis_begins_anew(shown):
    shown.guess.value = "alias"
    assert shown.verdict.value
    shown.letter.value = "C"
    assert shown.made == [EXHIBITS["C"]] and shown.verdict.value == "" == shown.guess.value


@pytest.mark.parametrize("bug", BUGS)
def test_a_right_diagnosis_says_why_and_shows_the_line(bug, shown):
    shown.letter.value = letter_of(bug)
    shown.guess.value = bug
    said = shown.verdict.value
    assert escape(words()[bug][2]) in said and ": right." in said
    assert ("minigpt/ppo.py" in said) == (bug != "none")


def test_a_wrong_diagnosis_says_what_it_would_move_and_nothing_of_the_answer(shown):
    for bug in BUGS:
        said = set()
        for letter in EXHIBITS:
            if EXHIBITS[letter] != bug:
                shown.letter.value = letter
                shown.guess.value = bug
                said.add(shown.verdict.value.replace(f"Exhibit {letter}", ""))
        # The same words for every exhibit that it is not: they cannot depend on the answer.
        assert len(said) == 1 and escape(words()[bug][1]) in said.pop()


def test_the_list_of_diagnoses_tells_each_bug_and_not_its_letter(shown):
    (_none, nothing), *options = shown.guess.options
    assert nothing == "" and [bug for _what, bug in options] == list(BUGS)
    assert all(what.endswith(".") for what, _bug in options)
