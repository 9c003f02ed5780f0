"""The concept test: answers kept, nothing given away, both scores afterwards."""

import json

import IPython.display
import pytest

from minigpt.show.concept_items import ITEMS
from minigpt.show.concept_quiz import FILE, UNSURE, Card, ConceptTest, concept_test
from minigpt.store.files import ROOT

EN = ITEMS["en"]
RIGHT = [item["right"] for item in EN]


pytestmark = pytest.mark.usefixtures("home")


def answer(when, choices):
    test = ConceptTest(when)
    for buttons, choice in zip(test.buttons, choices):
        buttons.value = choice
    return test


def on_disk(home):
    return json.loads((home / FILE).read_text(encoding="utf-8"))


def test_ten_questions_of_four_different_options_with_a_sentence_each():
    assert set(ITEMS) == {path.name for path in (ROOT / "notebooks" / "source").iterdir()}
    for items in ITEMS.values():
        assert len(items) == 10 and len({item["id"] for item in items}) == 10
        for item in items:
            assert len(item["options"]) == len(set(item["options"])) == 4
            assert 0 <= item["right"] < 4 and item["question"].endswith("?")
            assert item["why"].endswith(".") and item["why"].count(". ") <= 1
        shape = [(item["id"], item["right"]) for item in items]
        assert shape == [(item["id"], item["right"]) for item in EN]  # answers are kept as numbers


def test_neither_place_nor_length_gives_the_right_option_away():
    assert max(RIGHT.count(place) for place in range(4)) <= 3
    longest = sum(max(i["options"], key=len) == i["options"][i["right"]] for i in EN)
    assert longest <= 4  # to pick the longest option each time is hardly better than to guess


def test_shows_each_card_then_its_buttons_and_not_the_answers(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    assert concept_test("before") is None
    assert len(shown) == 21
    assert all(isinstance(card, Card) for card in shown[:20:2])
    for card, item in zip(shown[:20:2], EN):
        for text in (repr(card), card._repr_html_()):
            assert item["why"] not in text and text.count("(a)") == 1
    assert repr(shown[0]).splitlines()[0] == f"1. {EN[0]['question']}"
    assert [type(w).__name__ for w in shown[1:20:2]] == ["ToggleButtons"] * 10


def test_static_form_is_the_same_whatever_was_answered():
    before = [repr(card) for card in ConceptTest("after").cards]
    answer("before", RIGHT)
    answer("after", RIGHT).score_button.click()
    assert [repr(card) for card in ConceptTest("after").cards] == before


def test_answers_are_kept_at_once_and_come_back(home):
    test = ConceptTest("before")
    assert all(buttons.value is None for buttons in test.buttons)
    test.buttons[2].value = 1
    assert on_disk(home) == {"before": {EN[2]["id"]: 1}}
    assert "1 of 10" in test.status.value
    test.buttons[2].value = UNSURE
    again = ConceptTest("before")
    assert again.buttons[2].value == UNSURE and again.buttons[3].value is None
    assert ConceptTest("after").buttons[2].value is None


def test_before_says_when_it_is_done_and_no_score(home):
    test = answer("before", RIGHT)
    assert "All 10 answered" in test.status.value and "last notebook" in test.status.value
    assert test.score_button not in test.view.children
    assert not any(item["why"] in test.status.value for item in EN)


def test_after_shows_both_scores_and_why():
    answer("before", [RIGHT[0], (RIGHT[1] + 1) % 4, UNSURE])
    test = answer("after", [*RIGHT[:9], (RIGHT[9] + 1) % 4])
    assert test.shown.value == ""
    test.score_button.click()
    table = test.table()
    assert "Before the course: 1 of 10. After it: 9 of 10." in table.caption
    assert "2.5 of 10" in table.caption
    assert [row[1] for row in table.rows] == [
        "right", "wrong", "I do not know", *["not answered"] * 7
    ]  # fmt: skip
    assert [row[2] for row in table.rows] == ["right"] * 9 + ["wrong"]
    for row, item in zip(table.rows, EN):
        assert item["options"][item["right"]] in row[3] and item["why"] in row[3]
    assert table._repr_html_() in test.shown.value


def test_score_waits_for_the_open_questions(home):
    test = answer("after", RIGHT[:8])
    test.score_button.click()
    assert test.shown.value == "Still open: 9, 10." and "scored" not in on_disk(home)


def test_without_the_first_test_the_caption_says_so():
    test = answer("after", RIGHT)
    test.score_button.click()
    assert "Before the course: not taken. After it: 10 of 10." in test.shown.value


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_counts_once_the_right_answers_were_seen(when, home):
    answer("before", [UNSURE] * 10)
    answer("after", [UNSURE] * 10).score_button.click()
    test = answer(when, RIGHT)
    assert "what you choose now is not counted" in test.status.value
    kept = on_disk(home)
    assert set(kept["before"].values()) == set(kept["after"].values()) == {UNSURE}
    again = ConceptTest("after")
    again.score_button.click()
    assert "After it: 0 of 10" in again.shown.value


@pytest.mark.parametrize(
    "damage", ["{", "[1]", '{"before": {"token": 9}}', '{"after": {"x": 1}}', '{"after": [1]}']
)
def test_a_damaged_file_is_put_aside(damage, home):
    home.mkdir()
    (home / FILE).write_text(damage, encoding="utf-8")
    test = ConceptTest("before")
    assert "concept_test.damaged-1.json" in test.status.value
    test.buttons[0].value = 0
    assert on_disk(home) == {"before": {EN[0]["id"]: 0}}
    assert (home / "concept_test.damaged-1.json").read_text(encoding="utf-8") == damage


def test_an_answer_as_the_browser_sends_it(home):
    test = ConceptTest("after")
    test.buttons[0]._handle_msg(
        {"content": {"data": {"method": "update", "state": {"index": 4}}}, "buffers": []}
    )
    assert on_disk(home) == {"after": {EN[0]["id"]: UNSURE}}


def test_another_time_is_refused(capsys):
    concept_test("during")
    assert 'knows "before" and "after", not \'during\'' in capsys.readouterr().out


def test_text_is_escaped():
    assert "<img" not in Card(1, "<img src=x>?", ["<img>"] * 4)._repr_html_()
