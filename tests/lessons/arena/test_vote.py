"""The arena without a kernel: blind pairs, votes kept at once, undo, ratings, and damaged files."""

import json
from dataclasses import replace

import pytest

from minigpt.arena import Match
from minigpt.lessons.arena import vote as module
from minigpt.lessons.arena.vote import (
    FEWEST,
    FILE,
    Arena,
    kept_seconds,
    kept_votes,
    ratings_table,
    read_rows,
)
from minigpt.show.style import STAGE_NAMES
from minigpt.store import kept
from minigpt.store.files import learner_home
from minigpt.world.facts import load_world
from minigpt.world.names import unknown_places
from minigpt.world.questions import ask, ask_unknown
from toys import CLICK

EVIL = '<img src=x onerror="alert(1)"> & </div>'


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))


@pytest.fixture
def matches():
    import random

    world = load_world("en")
    facts = world.of_split("E")[:3]
    place = unknown_places(world, "syllables", 1, seed=0)[0]
    unknown = ask_unknown(world, place, random.Random(0))
    return [
        Match(ask(world, facts[0]), "sft", "base", "first sentence", "first value"),
        Match(ask(world, facts[1]), "ppo", "sft", "", EVIL),
        Match(ask(world, facts[2]), "ppo_overoptimised", "ppo", "third long", "third short"),
        Match(unknown, "base", "ppo", "a value", "I do not know it."),
    ]


@pytest.fixture
def widget(matches):
    return Arena(matches)


def names_in(widget) -> list[str]:
    shown = widget.number.value + widget.shown.value + widget.status.value
    return [name for name in STAGE_NAMES.values() if name in shown]


def test_names_are_hidden_before_the_vote_and_shown_after_it(widget, matches):
    assert names_in(widget) == [] and "first sentence" in widget.shown.value
    pair = repr(widget.pair())
    assert not any(name in pair for name in (*STAGE_NAMES.values(), *STAGE_NAMES))
    widget.buttons["left"].click()
    assert "You found A better." in widget.status.value
    assert "A was SFT model, B was Base model." in widget.status.value
    assert "first sentence" not in widget.shown.value, "the next pair is shown"


@pytest.mark.parametrize("choice", ["left", "tie", "right"])
def test_a_click_is_kept_at_once_and_whole(widget, matches, choice):
    widget.buttons[choice]._handle_msg(CLICK)
    rows = json.loads((learner_home() / FILE).read_text(encoding="utf-8"))["en"]
    assert len(rows) == 1 and rows[0]["choice"] == choice
    assert rows[0]["left_text"] == "first sentence" and rows[0]["question"] in str(matches)
    assert kept_votes() == [matches[0].vote(choice)]


def test_a_new_widget_goes_on_where_the_old_one_stopped(widget, matches):
    widget.vote("left")
    widget.vote("right")
    again = Arena(matches)
    assert again.match() == matches[2] and "Pair 3 of 4" in again.number.value
    turned = Match(matches[2].question, "ppo", "ppo_overoptimised", "third short", "third long")
    again.vote("tie")
    assert Arena([turned]).match() is None, "on the other side it is the same pair"


def test_after_the_last_pair_there_is_nothing_to_press(widget):
    for _ in range(6):
        widget.buttons["tie"].click()
    assert "all 4 pairs" in widget.number.value and widget.shown.value == ""
    assert len(kept_votes()) == 4 and widget.pair() is None
    assert all(button.disabled for button in widget.buttons.values())
    widget.undo_button.click()
    assert not widget.buttons["left"].disabled and widget.match() is widget.matches[3]


def test_undo_takes_back_the_last_vote_alone_and_hides_the_names_again(widget, matches):
    widget.vote("left")
    widget.vote("right")
    widget.undo_button.click()
    assert kept_votes() == [matches[0].vote("left")] and widget.match() == matches[1]
    assert names_in(widget) == [] and "taken back" in widget.status.value
    widget.vote("tie")
    assert [v.choice for v in kept_votes()] == ["left", "tie"]
    for _ in range(3):
        widget.undo_button.click()
    assert kept_votes() == [] and "There is no vote to take back." in widget.status.value


def test_look_up_tells_the_truth_and_no_names(widget, matches):
    widget.look_button.click()
    assert matches[0].question.answer in widget.status.value and names_in(widget) == []
    for choice in ("left", "left", "left"):
        widget.vote(choice)
    widget.look_button.click()
    assert "Nobody has written about this place" in widget.status.value
    assert len(kept_votes()) == 3, "looking up is no vote"


def test_ratings_come_with_intervals_and_counts(widget):
    for choice in ("left", "tie", "left", "right"):
        widget.vote(choice)
    table = ratings_table(kept_votes())
    assert "your own votes, 4 so far" in table.caption
    rows = {row[0]: row[1:] for row in table.rows}
    assert set(rows) == {"Base model", "SFT model", "PPO model", "Over-optimised PPO"}
    assert rows["SFT model"][2:] == [1, 1, 0] and rows["PPO model"][2:] == [1, 1, 1]
    ratings = [float(row[1]) for row in table.rows]
    assert ratings == sorted(ratings, reverse=True)
    assert all(" to " in row[2] for row in table.rows), "intervals"


def test_no_ranking_is_in_sight_before_ten_votes(matches):
    many = [replace(matches[0], left_text=f"answer {n}") for n in range(FEWEST)]
    widget = Arena(many)
    for n in range(FEWEST):
        shown = "".join(map(repr, widget.static())) + widget.table.value
        assert not any(name in shown for name in (*STAGE_NAMES.values(), *STAGE_NAMES))
        assert f"from 10 votes on; so far: {n}." in widget.table.value
        widget.vote("left")
    assert "your own votes, 10 so far" in widget.table.value
    assert "SFT model" in widget.table.value


def test_seconds_are_those_between_two_votes(widget, monkeypatch):
    clock = iter([100.0, 104.25, 104.25, 1000.0, 1000.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    for _ in range(3):
        widget.vote("left")
    assert [row["seconds"] for row in read_rows()] == [None, 4.2, None], "a long pause is no vote"
    assert kept_seconds() == [4.2]


def test_all_text_is_escaped_and_nothing_is_said_so(widget):
    widget.vote("left")
    assert "<img" not in widget.shown.value and "&lt;img" in widget.shown.value
    assert "(nothing)" in widget.shown.value
    assert "<img" not in widget.pair()._repr_html_()


@pytest.mark.parametrize(
    "contents",
    [
        "no json",
        '{"en": [{"question": "?"}]}',
        '{"en": 3}',
        json.dumps({"en": [dict.fromkeys(module.FIELDS, "x")]}),
        json.dumps({"en": [{**dict.fromkeys(module.FIELDS, "x"), "right": "y", "choice": "left",
                            "seconds": "soon"}]}),
        json.dumps({"en": [{**dict.fromkeys(module.FIELDS, "x"), "right": "y", "choice": "left",
                            "seconds": -1}]}),
    ],
)  # fmt: skip
def test_a_damaged_file_is_put_aside_and_voting_goes_on(matches, contents):
    (learner_home() / FILE).write_text(contents, encoding="utf-8")
    widget = Arena(matches)
    aside = learner_home() / "arena_votes.damaged-1.json"
    assert aside.read_text(encoding="utf-8") == contents
    assert "could not be read" in widget.number.value
    widget.vote("left")
    assert len(kept_votes()) == 1


def test_a_disk_that_refuses_loses_no_vote(widget, monkeypatch):
    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(kept, "atomic_write", refuse)
        for votes in (1, 2):
            widget.vote("left")
            assert len(kept_votes(say=lambda text: None)) == votes
            assert widget.number.value.count("No space left") == 1
    widget.vote("left")
    assert len(kept_votes()) == 3 and "No space left" not in widget.number.value


def test_a_vote_that_cannot_be_kept_leaves_the_pair(widget, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(kept.Kept, "change", fail)
    widget.buttons["left"].click()
    assert "did not work: out of memory" in widget.status.value and names_in(widget) == []
    assert "first sentence" in widget.shown.value
