"""The labeling widget without a kernel: clicks, keys, undo, files, the stopwatch, bad input."""

import json

import IPython.display
import pytest

from minigpt.lessons.reward_model import labeler as module
from minigpt.lessons.reward_model.labeler import (
    Labeler,
    label_pairs,
    labeling_pairs,
    scripted,
    truth_of,
)
from minigpt.sft import chat_answer
from minigpt.show.table import Table
from minigpt.stages.labels import (
    Label,
    keep_labels,
    labels_bytes,
    own_labels,
    read_labels,
)
from minigpt.stages.stage import load_stage
from minigpt.store.files import learner_home
from minigpt.store.kept import writing_seconds
from minigpt.tokenizer import load_tokenizer
from minigpt.world.labelers import shorter
from minigpt.world.questions import Question

ENCODING = load_tokenizer("en")


def make_pair(i, left="16.", right="It has 16 districts."):
    question = Question(f"How many districts has place {i}?", "fact", answer="16")
    ids = chat_answer(ENCODING, left), chat_answer(ENCODING, right)
    return question, Label(question.text, *ids, "tie")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def sft():
    return load_stage("sft", own=False, quiet=True)


@pytest.fixture
def labeler(sft):
    pairs = [*map(make_pair, range(4)), make_pair(4, "It has 16 districts.", "16.")]
    return Labeler(sft, pairs, clock=Clock())


def choices(labeler):
    return [label.choice for label in labeler.labels]


# ---- deciding -----------------------------------------------------------------------------------


def test_buttons_decide_and_each_decision_is_kept_at_once(labeler):
    for name in ("a", "b", "tie"):
        labeler.buttons[name].click()
        assert own_labels() == labeler.labels
    assert choices(labeler) == ["a", "b", "tie"]
    assert labeler.bar.value == 3 and "3 of 5 pairs decided, 1 of them ties" in labeler.status.value
    assert "place 3" in labeler.shown.value


def test_arrow_keys_move_the_slider_which_decides_and_returns(labeler):
    labeler.arrows.value = -1
    assert labeler.arrows.value == 0
    labeler.arrows.value = 1
    assert choices(labeler) == ["a", "b"] and labeler.arrows.value == 0


def test_letters_decide_and_the_box_is_empty_again(labeler):
    for typed in ("a", "B", "t", " ", "u", "x", "é"):
        labeler.letters.value = typed
        assert labeler.letters.value == ""
    assert choices(labeler) == ["a", "b", "tie"]


def test_undo_takes_back_the_last_and_shows_its_pair(labeler):
    labeler.undo()
    assert "There is no decision to take back." in labeler.status.value
    labeler.decide("a")
    labeler.decide("b")
    labeler.undo()
    assert choices(labeler) == ["a"] and own_labels() == labeler.labels
    assert "place 1" in labeler.shown.value and "Taken back: decide again." in labeler.status.value


def test_after_the_last_pair_nothing_can_be_decided(labeler):
    for _ in range(7):
        labeler.decide("a")
    assert len(labeler.labels) == 5
    assert "All pairs are decided: run the next cells." in labeler.shown.value
    assert all(button.disabled for button in labeler.buttons.values())
    labeler.undo()
    assert not any(button.disabled for button in labeler.buttons.values())


def test_a_new_widget_goes_on_where_the_last_one_stood(labeler, sft):
    labeler.decide("b")
    again = Labeler(sft, labeler.pairs)
    assert choices(again) == ["b"] and "place 1" in again.shown.value


def test_what_is_true_is_shown_on_request(labeler):
    assert "True in this world" not in labeler.shown.value
    labeler.facts.value = True
    assert "True in this world: 16" in labeler.shown.value
    assert truth_of(Question("?", "unknown")).startswith("No page of this world")


def test_a_damaged_file_is_put_aside_and_the_widget_says_so(labeler, sft):
    labeler.decide("a")
    (learner_home() / "labels-en.json").write_bytes(b"{")
    again = Labeler(sft, labeler.pairs)
    assert again.labels == [] and "labels-en.damaged-1.json" in again.status.value


# ---- files --------------------------------------------------------------------------------------


def test_export_writes_what_another_notebook_reads_and_overwrites_nothing(labeler, tmp_path):
    labeler.decide("a")
    labeler.name.value = "Ann"
    labeler.export()
    assert "Labels in labels.json: 1." in labeler.status.value
    assert read_labels("labels.json", ENCODING) == labeler.labels
    assert json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))["labeler"] == "Ann"
    before = (tmp_path / "labels.json").read_bytes()
    labeler.decide("b")
    labeler.export_button.click()
    assert "not overwritten" in labeler.status.value
    assert (tmp_path / "labels.json").read_bytes() == before


def upload(labeler, data, name="theirs.json"):
    labeler.guarded(labeler.take_in, {name: {"content": data}})


def test_import_adds_and_never_changes_what_was_decided(labeler):
    labeler.decide("a")
    others = [Label(p.question, p.a, p.b, "b", 1.0) for _, p in labeler.pairs[:3]]
    upload(labeler, labels_bytes(others, ENCODING, "Bob"))
    assert choices(labeler) == ["a", "b", "b"] and own_labels() == labeler.labels
    assert "2 labels were added from the file of Bob, 1 were there already" in labeler.status.value


@pytest.mark.parametrize("data", [b"", b"{}", b"\x89PNG", b'{"format": "minigpt labels 1"}'])
def test_a_file_that_is_refused_changes_nothing_and_says_why(labeler, data):
    labeler.decide("a")
    upload(labeler, data)
    assert choices(labeler) == ["a"] and own_labels() == labeler.labels
    assert "theirs.json" in labeler.status.value and "Traceback" not in labeler.status.value


# ---- stopwatch ----------------------------------------------------------------------------------


def test_seconds_are_from_decision_to_decision_and_idle_times_are_not_counted(labeler):
    for step in (0, 3, 4, module.IDLE + 1):
        labeler.clock.now += step
        labeler.decide("a")
    assert [label.seconds for label in labeler.labels] == [None, 3.0, 4.0, None]
    assert "3.5 s a pair (the median of 2)" in labeler.judging()


def test_writing_is_timed_from_start_to_done(labeler):
    labeler.stop_clock()
    assert "Press Start the clock first" in labeler.stopwatch.value
    labeler.start_clock()
    labeler.clock.now += 8
    labeler.stop_clock()
    assert "There is nothing in the box yet." in labeler.stopwatch.value
    labeler.written.value = "It has 16 districts."
    labeler.clock.now += 4
    labeler.stop_clock()
    assert "Writing took 12.0 s" in labeler.stopwatch.value
    assert "No pair has been judged yet" in labeler.stopwatch.value
    assert writing_seconds() == [12.0]  # kept for notebook 07


# ---- without widgets ----------------------------------------------------------------------------


def test_a_scripts_labels_are_not_the_learners(labeler, sft):
    found = scripted(sft, labeler.pairs, shorter(ENCODING))
    assert [x.choice for x in found] == ["a"] * 4 + ["b"]
    assert labeler.labels == [] and own_labels() == []


def test_pairs_are_the_same_each_time_and_differ_in_text(sft):
    pairs = labeling_pairs(sft, 6)
    assert [p for _, p in pairs] == [p for _, p in labeling_pairs(sft, 6)]
    assert len({p.pair for _, p in pairs}) == len(pairs) == 6
    for question, pair in pairs:
        left, right = module.texts_of(sft, pair)
        assert left != right and pair.question == question.text
    keep_labels([p for _, p in pairs])  # each is one that a file may hold
    assert len(own_labels()) == 6


def test_label_pairs_shows_a_table_then_the_widget(monkeypatch, sft):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *things: shown.extend(things))
    monkeypatch.setattr(module, "OFFERED", 6)
    labeler = label_pairs(own=False)
    assert isinstance(shown[0], Table) and shown[1] is labeler.view
    first = [[q.text, *module.texts_of(sft, p)] for q, p in labeler.pairs[: module.SHOWN]]
    assert shown[0].rows == first  # and nobody's choice beside them
