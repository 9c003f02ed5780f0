"""What widgets share: picking a fact asks once, and an error becomes a sentence."""

import ipywidgets
import pytest

from minigpt.show.widget import (
    PLACES,
    FactPicker,
    Widget,
    control,
    first_question,
    present,
    problem,
    side_by_side,
)
from minigpt.world.facts import load_world


@pytest.fixture
def asked():
    return []


@pytest.fixture
def picker(asked):
    return FactPicker(Widget(), load_world("en"), first_question(), asked.append, "population")


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


class Doubler(Widget):
    """Doubles what is typed."""

    def __init__(self, text):
        super().__init__()
        self.text = self.control(ipywidgets.Text, "Text", self.double, value=text)
        self.view = ipywidgets.VBox([self.text, self.status, self.shown])

    def double(self):
        self.shown.value = f"{2 * int(self.text.value)}"
        self.say("<doubled>", "as told")


def test_an_error_takes_the_result_away_and_the_next_value_brings_another():
    widget = Doubler("3")
    widget.text.value = "4"
    assert widget.shown.value == "8" and widget.status.value == "&lt;doubled&gt;<br>as told"
    widget.text.value = "x"
    assert widget.shown.value == "" and "invalid literal" in widget.status.value
    widget.text.value = "5"
    assert widget.shown.value == "10"


@pytest.mark.parametrize("kind", [FileNotFoundError, ValueError])
def test_what_cannot_be_made_is_said_and_nothing_is_shown(kind, capsys):
    def make():
        raise kind("there is none")

    assert present(make) is None
    assert capsys.readouterr().out == "there is none\n"


def test_a_control_waits_until_its_value_is_settled_and_keeps_the_style_it_is_given():
    seen = []
    slider = control(ipywidgets.IntSlider, "Steps", lambda: seen.append(slider.value), max=9)
    slider.value = 7
    assert seen == [7] and slider.continuous_update is False and slider.description == "Steps"
    toggles = control(ipywidgets.ToggleButtons, "", options=[1], style={"button_width": "4em"})
    assert toggles.style.button_width == "4em"
