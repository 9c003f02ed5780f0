"""What every widget does, whichever notebook it stands in; a file's own test has what is special.

A widget that is in a lesson and not in the table below fails the first test.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import IPython.display
import ipywidgets
import pytest

import minigpt.lessons
import minigpt.show
from minigpt.arena import Match
from minigpt.lessons.arena.vote import Arena, arena
from minigpt.lessons.overview.compare import Comparer, compare
from minigpt.lessons.prompting.prompt_lab import PromptLab, prompt_lab
from minigpt.lessons.sft.loss_mask import LossMask, view_loss_mask
from minigpt.lessons.tokenization.token_explorer import Explorer, encodings, explore_tokens
from minigpt.model import GPT, GPTConfig
from minigpt.reward import RewardModel
from minigpt.show.concept_quiz import ConceptTest, concept_test
from minigpt.show.predict import Prediction, predict
from minigpt.show.widget import Widget, first_question, present
from minigpt.stages.stage import Stage, load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import ask

pytestmark = pytest.mark.usefixtures("home")
EVIL = '<script>alert(1)</script><img src=x onerror="alert(1)"> & </div>'
# What ipywidgets 7.7, Colab's, has of what widgets are made of here.
OLD = {
    "Box", "Button", "Checkbox", "Dropdown", "FileUpload", "FloatSlider", "HBox", "HTML",
    "IntProgress", "IntSlider", "SelectionSlider", "Text", "Textarea", "ToggleButtons", "VBox",
}  # fmt: skip


@cache
def stage(name: str) -> Stage:
    """A small model that says random things."""
    model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=16))
    model = RewardModel(model, seed=1) if name == "reward" else model
    model.eval().requires_grad_(False)
    return Stage(name, model, load_tokenizer("en"), load_world("en"), {}, None, False)


def matches() -> list[Match]:
    fact = load_world("en").of_split("E")[0]
    return [Match(ask(load_world("en"), fact), "sft", "base", EVIL, "a value")]


@dataclass
class Case:
    """make: the widget, on toys. enter: its function, as a notebook calls it. stages: whether that
    one needs trained stages."""

    make: Callable[[], Widget]
    enter: Callable[[], object]
    stages: bool = True


CASES = {
    Arena: Case(lambda: Arena(matches()), lambda: arena(matches()), stages=False),
    Comparer: Case(
        lambda: Comparer({n: stage(n) for n in ("base", "sft", "reward")}, first_question()),
        compare,
    ),
    ConceptTest: Case(
        lambda: ConceptTest("after"), lambda: concept_test("before"), stages=False
    ),
    Explorer: Case(lambda: Explorer(encodings(), "Hello"), explore_tokens, stages=False),
    LossMask: Case(lambda: LossMask(stage("sft"), "Where?", "There."), view_loss_mask),
    Prediction: Case(
        lambda: Prediction("00-key", [EVIL, "no"]), lambda: predict("00-key", [EVIL, "no"]),
        stages=False,
    ),
    PromptLab: Case(lambda: PromptLab(stage("base"), first_question()), prompt_lab),
}  # fmt: skip


@pytest.fixture(params=CASES, ids=lambda kind: kind.__name__)
def case(request) -> Case:
    return CASES[request.param]


@pytest.fixture
def shown(monkeypatch) -> list:
    """What is displayed."""
    parts: list = []
    monkeypatch.setattr(IPython.display, "display", parts.append)
    return parts


# ---- the parts of a widget ---------------------------------------------------------------------


def inside(part) -> Iterator[ipywidgets.Widget]:
    yield part
    for child in getattr(part, "children", ()):
        yield from inside(child)


def parts(widget: Widget) -> list[ipywidgets.Widget]:
    roots = [p for p in widget.static() if isinstance(p, ipywidgets.Widget)] + [widget.view]
    return [part for root in roots for part in inside(root)]


def controls(widget: Widget) -> list[ipywidgets.Widget]:
    """What can be clicked, typed into or moved."""
    still = (ipywidgets.Box, ipywidgets.HTML, ipywidgets.IntProgress)
    return [part for part in parts(widget) if not isinstance(part, still)]


def html(widget: Widget) -> str:
    """All that the front end takes for HTML: of the widget, and of its static form."""
    live = [part.value for part in parts(widget) if isinstance(part, ipywidgets.HTML)]
    still = [part._repr_html_() for part in widget.static() if hasattr(part, "_repr_html_")]
    return "".join([*live, *still])


def use(control: ipywidgets.Widget) -> None:
    """Click it, or give it another value than it has."""
    if isinstance(control, ipywidgets.Button):
        control.click()
    elif isinstance(control, ipywidgets.FileUpload):
        pass  # what it holds differs between versions: each file's own test uploads
    elif isinstance(control, (ipywidgets.Text, ipywidgets.Textarea)):
        control.value += " more"
    elif isinstance(control, ipywidgets.Checkbox):
        control.value = not control.value
    elif hasattr(control, "options"):
        control.index = 1 if control.index == 0 else 0
    else:
        control.value = control.min if control.value == control.max else control.max


# ---- what all of them do ------------------------------------------------------------------------


def test_every_widget_is_in_the_table():
    for room in (minigpt.lessons, minigpt.show):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    found, kinds = set(), [Widget]
    while kinds:
        kinds += (below := kinds.pop().__subclasses__())
        found |= {kind for kind in below if kind.__module__.startswith("minigpt.")}
    assert found == set(CASES)


def test_what_is_typed_or_written_by_a_model_is_never_markup(case):
    widget = case.make()
    boxes = [c for c in controls(widget) if isinstance(c, (ipywidgets.Text, ipywidgets.Textarea))]
    for box in boxes:
        box.value = EVIL
        assert "<script" not in html(widget) and "<img" not in html(widget)
    for toggles in (c for c in controls(widget) if isinstance(c, ipywidgets.ToggleButtons)):
        toggles.index = 0
    assert "<script" not in html(widget) and "<img" not in html(widget)
    assert "&lt;" in html(widget) or not boxes


def test_an_error_becomes_a_sentence(case, monkeypatch):
    """Whatever a control does is guarded: where all that is guarded fails, using it either says so
    or has no effect."""
    widget, guarded, told = case.make(), Widget.guarded, []

    def fail(*arguments):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(Widget, "guarded", lambda self, work, *given: guarded(self, fail))
    for control in controls(widget):
        widget.status.value, before = "", html(widget)
        use(control)
        told.append("did not work: out of &lt;memory&gt;" in widget.status.value)
        assert told[-1] or html(widget) == before, control
    assert any(told)


def test_every_control_has_a_word(case):
    for control in controls(case.make()):
        if isinstance(control, ipywidgets.ToggleButtons):  # the words stand above it
            assert all(label.strip() for label, _value in control.options)
            assert all(control.tooltips) and len(control.tooltips) == len(control.options)
        else:
            assert control.description.strip(), control


def test_the_static_form_is_shown_first_and_reads_without_a_kernel(case, shown, capsys):
    widget = present(case.make)
    static, printed = widget.static(), capsys.readouterr().out
    assert static and shown[-1] is widget.view
    assert [type(part) for part in shown[:-1]] == [
        type(part) for part in static if not isinstance(part, str)
    ]
    for part in static:
        assert part in printed if isinstance(part, str) else " object at 0x" not in repr(part)


def test_its_function_shows_it_or_says_what_is_missing(case, shown, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(load_stage.__globals__, "SHIPPED", tmp_path)  # no stage is there
    case.enter()
    if case.stages:
        assert "there is no stage" in capsys.readouterr().out and shown == []
    else:
        assert isinstance(shown[-1], ipywidgets.VBox)


def test_it_needs_no_more_than_ipywidgets_7_has(case):
    for part in parts(case.make()):
        assert type(part).__name__ in OLD
        if not isinstance(part, ipywidgets.Button):
            assert not getattr(part, "tooltip", None)
        assert not getattr(part, "description_allow_html", False)
        assert getattr(part, "tabbable", None) is None
