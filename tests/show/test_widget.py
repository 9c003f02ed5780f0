"""What widgets share: picking a fact asks once, and an error becomes a sentence."""

import asyncio

import IPython.display
import ipywidgets
import pytest

from minigpt.show import widget as module
from minigpt.show.table import Table
from minigpt.show.widget import (
    PLACES,
    FactPicker,
    Widget,
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
    slider = Widget().control(
        ipywidgets.IntSlider, "Steps", lambda: seen.append(slider.value), max=9
    )
    slider.value = 7
    assert seen == [7] and slider.continuous_update is False and slider.description == "Steps"
    toggles = Widget().control(
        ipywidgets.ToggleButtons, "", options=[1], style={"button_width": "4em"}
    )
    assert toggles.style.button_width == "4em"


# ---- shown once ---------------------------------------------------------------------------------


class Asker(Widget):
    """Has a table for a file, and a result once it is asked."""

    def __init__(self, shown=""):
        super().__init__()
        self.view = ipywidgets.VBox([self.shown])
        self.shown.value = shown

    def static(self):
        return ["a <text>", Table(["<a>"], [["1"]])]


@pytest.fixture
def displayed(monkeypatch):
    parts = []
    monkeypatch.setattr(IPython.display, "display", lambda part, raw=False: parts.append(part))
    return parts


def test_a_learner_sees_a_widget_once_and_its_static_form_in_it(displayed, monkeypatch, capsys):
    monkeypatch.setattr(module, "has_learner", lambda: True)
    made = present(Asker)
    (bundle,) = displayed
    assert bundle[module.VIEW]["model_id"] == made.view.model_id
    assert bundle["text/plain"] == f"a <text>\n{Table(['<a>'], [['1']])}"  # where none is shown
    assert set(bundle) == {module.VIEW, "text/plain"} and capsys.readouterr().out == ""
    assert "a &lt;text&gt;</pre>" in made.shown.value and "&lt;a&gt;" in made.shown.value


def test_a_result_that_is_there_stays(displayed, monkeypatch):
    monkeypatch.setattr(module, "has_learner", lambda: True)
    assert present(lambda: Asker("a result")).shown.value == "a result"


def test_a_file_gets_the_static_form(displayed, capsys):
    made = present(Asker)
    assert capsys.readouterr().out == "a <text>\n" and made.shown.value == ""
    assert isinstance(displayed[0], Table) and displayed[1:] == [made.view]


# ---- Enter, and a cell that runs ----------------------------------------------------------------


def press_enter(box):
    """As the browser tells it."""
    data = {"method": "custom", "content": {"event": "submit"}}
    box._handle_msg({"content": {"data": data}, "buffers": []})


class Sender(Widget):
    """A box whose button sends what stands in it; a second box does the same at each change."""

    def __init__(self):
        super().__init__()
        self.sent, self.asked = [], []
        self.box = self.control(ipywidgets.Text, "Text", entered=self.send)
        self.other = self.control(ipywidgets.Text, "Text", self.ask, entered=self.ask)

    def send(self):
        self.sent.append(int(self.box.value))

    def ask(self):
        self.asked.append(self.other.value)


def test_enter_does_what_the_button_does_and_errors_are_sentences():
    sender = Sender()
    sender.box.value = "7"
    assert sender.sent == []  # leaving a box is not pressing a button
    press_enter(sender.box)
    assert sender.sent == [7]
    sender.box.value = "x"
    press_enter(sender.box)
    assert sender.sent == [7] and "invalid literal" in sender.status.value


def test_enter_waits_for_the_text_that_the_browser_sends_after_it(monkeypatch):
    monkeypatch.setattr(module, "SETTLED", 0.02)

    async def cell():
        sender = Sender()
        press_enter(sender.box)
        press_enter(sender.other)
        await asyncio.sleep(0.005)
        assert sender.sent == []
        sender.box.value, sender.other.value = "12", "new"
        await asyncio.sleep(0.1)
        press_enter(sender.other)  # nothing new is in it
        await asyncio.sleep(0.1)
        return sender

    sender = asyncio.run(cell())
    assert sender.sent == [12]
    assert sender.asked == ["new", "new"]  # the change and its Enter are one


BOX = """
import asyncio
import ipywidgets
from minigpt.show.widget import Widget
box = Widget().control(ipywidgets.Text, "Text", continuous_update=True)
print(box.comm.comm_id)
"""


def test_a_box_is_alive_while_and_after_an_await_cell_runs(kernel):
    """The browser sends the next value when the kernel has said that it is done with the last."""
    comm = kernel.run(BOX)
    cell = kernel.send("while box.value != 'ab': await asyncio.sleep(0.01)")
    while True:
        message = kernel.client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "execute_input":
            break
    for text in ("a", "ab"):
        sent = kernel.use(comm, method="update", state={"value": text}, buffer_paths=[])
        assert ("idle", cell) not in kernel.until_idle(sent)
    assert kernel.until_idle(cell) == [("busy", cell), ("idle", cell)]  # it ran all the while
    assert kernel.run("print(box.value)") == "ab\n"
