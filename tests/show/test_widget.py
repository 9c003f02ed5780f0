"""What widgets share: picking a fact asks once, and an error becomes a sentence."""

import pytest

from minigpt.show.widget import PLACES, FactPicker, first_question, problem, side_by_side
from minigpt.world.facts import load_world


@pytest.fixture
def asked():
    return []


@pytest.fixture
def picker(asked):
    return FactPicker(load_world("en"), first_question(), asked.append, "population")


def test_it_begins_with_the_questions_place_and_asks_nothing_yet(picker, asked):
    assert (picker.place.value, picker.attribute.value) == ("Beijing", "population")
    assert asked == [] and len(picker.place.options) == PLACES


def test_another_place_or_attribute_asks_one_question(picker, asked):
    picker.place.value = "France"
    assert [(q.place.name, q.attribute) for q in asked] == [("France", "population")]
    picker.attribute.value = "capital"
    assert [(q.place.name, q.attribute) for q in asked[1:]] == [("France", "capital")]


def test_an_attribute_that_the_next_place_has_not_gives_way_to_one_that_it_has(picker, asked):
    picker.place.value = "France"
    picker.attribute.value = "capital"
    picker.place.value = "Beijing"
    assert "capital" not in picker.picked_place().values
    assert asked[-1].attribute == next(iter(picker.picked_place().values))
    assert len(asked) == 3


def test_errors_are_sentences_and_escaped():
    assert problem(ValueError("no <b> here")) == "<b>no &lt;b&gt; here</b>"
    assert problem(KeyError("x<")) == "<b>This did not work: &#x27;x&lt;&#x27;</b>"


def test_controls_side_by_side_keep_their_order(picker):
    box = side_by_side(picker.attribute, picker.place)
    assert box.children == (picker.attribute, picker.place)
    assert box.layout.flex_flow == "row wrap"
