"""The labeling widget without a kernel: clicks, keys, undo, second looks, files, the stopwatch."""

import json

import IPython.display
import pytest

from minigpt.lessons.reward_model import labeler as module
from minigpt.lessons.reward_model.labeler import (
    Labeler,
    consistency,
    label_pairs,
    labeling_pairs,
    like_chance,
    scripted,
    truth_of,
    with_repeats,
)
from minigpt.sft import chat_answer
from minigpt.show.table import Table
from minigpt.stages.labels import Label, keep_labels, own_labels, read_labels
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
def labeler(sft, monkeypatch):
    monkeypatch.setattr(module, "TWICE", 0)  # each pair once, where it is not about that
    pairs = [*map(make_pair, range(4)), make_pair(4, "It has 16 districts.", "16.")]
    return Labeler(sft, pairs, clock=Clock())


@pytest.fixture
def repeating(sft):
    return Labeler(sft, [make_pair(i) for i in range(30)], clock=Clock())


def choices(labeler):
    return [label.choice for label in labeler.labels]


# ---- deciding -----------------------------------------------------------------------------------


def test_buttons_decide_and_each_decision_is_kept_at_once(labeler):
    for name in ("a", "b", "tie"):
        labeler.buttons[name].click()
        assert own_labels() == labeler.labels
    assert choices(labeler) == ["a", "b", "tie"]
    assert labeler.bar.value == 3 and "3 of 5 pairs decided." in labeler.status.value
    assert "place 3" in labeler.shown.value


def test_arrow_keys_move_the_slider_which_decides_and_returns(labeler):
    labeler.arrows.value = -1
    assert labeler.arrows.value == 0
    labeler.arrows.value = 1
    assert choices(labeler) == ["a", "b"] and labeler.arrows.value == 0


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
    again = Labeler(sft, [pair[:2] for pair in labeler.pairs])
    assert choices(again) == ["b"] and "place 1" in again.shown.value


def test_what_is_true_is_shown_on_request(labeler):
    assert "True in this world" not in labeler.shown.value
    labeler.facts.value = True
    assert "True in this world: 16" in labeler.shown.value
    assert truth_of(Question("?", "unknown")).startswith("No page of this world")


def test_a_damaged_file_is_put_aside_and_the_widget_says_so(labeler, sft):
    labeler.decide("a")
    (learner_home() / "labels-en.json").write_bytes(b"{")
    again = Labeler(sft, [pair[:2] for pair in labeler.pairs])
    assert again.labels == [] and "labels-en.damaged-1.json" in again.status.value


# ---- pairs that come twice ----------------------------------------------------------------------


def test_five_of_the_first_thirty_decisions_are_second_looks_with_sides_changed():
    pairs = [make_pair(i) for i in range(40)]
    shown = with_repeats(pairs)
    again = [i for i, (_q, _p, late) in enumerate(shown) if late]
    assert len(again) == 5 and 5 < again[0] and again[-1] < module.GOAL
    assert [pair for pair in shown if not pair[2]] == [(q, p, False) for q, p in pairs]
    for i in again:
        first = next(p for _q, p, _late in shown if p.pair == shown[i][1].pair)
        assert (first.a, first.b) == (shown[i][1].b, shown[i][1].a)
    assert len(with_repeats(pairs[:2])) == 4


def test_second_looks_are_kept_apart_and_compared_by_answer_not_by_side(repeating, sft):
    while len(repeating.again) < 5:
        repeating.decide("a")
    assert consistency(repeating.labels, repeating.again) == (0, 5)  # the same side, so not alike
    assert own_labels(again=True) == repeating.again and own_labels() == repeating.labels
    assert len({label.pair for label in repeating.labels}) == len(repeating.labels)
    assert "0 of 5 pairs that came twice were decided alike." in repeating.status.value
    new = Labeler(sft, [make_pair(i) for i in range(30)])
    assert new.at() == repeating.at() and new.again == repeating.again


def test_undo_takes_back_a_second_look(repeating):
    while not repeating.again:
        repeating.decide("b")
    before = list(repeating.labels)
    repeating.undo()
    assert repeating.again == [] and repeating.labels == before and own_labels(again=True) == []


def test_labels_like_chance_are_called_so(repeating):
    by_side, by_text = [Label(f"{i}?", [5, 1], [6, 1], "a") for i in range(12)], []
    for i in range(12):
        ids = ([5, 1], [6, 1])[:: 1 if i % 2 else -1]
        by_text.append(Label(f"{i}?", *ids, "a" if ids[0] == [5, 1] else "b"))
    assert "One side was chosen in 100%" in like_chance(by_side, [])
    assert like_chance(by_text, []) == "" and like_chance(by_side[:9], []) == ""
    turned = [Label(x.question, x.b, x.a, {"a": "b", "b": "a"}[x.choice]) for x in by_text]
    assert consistency(by_text, turned) == (12, 12) and like_chance(by_text, turned) == ""
    said = like_chance(
        by_text, [*turned[:1], *(Label(x.question, x.a, x.b, "tie") for x in turned[1:4])]
    )
    assert "Of 4 pairs that came twice you decided 1 alike" in said
    for _ in range(25):
        repeating.decide("a")
    assert "Warning: these labels look like chance." in repeating.status.value


def test_a_script_stands_in_for_who_labeled_too_few(repeating, capsys):
    repeating.decide("b")
    labels, whose = repeating.decided()
    said = capsys.readouterr().out
    assert whose == "a script's" and len(labels) == module.GOAL - module.TWICE
    assert "preferred in 100% of them" in said and "Of 5 pairs that came twice, 5 were" in said
    assert "No pair has been judged yet" not in said and not said.endswith("\n\n")
    assert "Warning" not in said or "One side" in said  # these pairs have the short one at the left


def test_ten_labels_of_ones_own_are_taken(labeler, sft, capsys):
    mine = Labeler(sft, [make_pair(i) for i in range(12)])
    for _ in range(11):
        mine.decide("b")
    labels, whose = mine.decided()
    assert whose == "yours" and labels == mine.labels
    assert (
        "11 labels, yours. The shorter answer is preferred in 0% of them."
        in capsys.readouterr().out
    )


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
    first = [[q.text, *module.texts_of(sft, p)] for q, p, _ in labeler.pairs[: module.SHOWN]]
    assert shown[0].rows == first  # and nobody's choice beside them
