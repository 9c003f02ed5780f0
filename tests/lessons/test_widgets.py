"""What every widget does, whichever notebook it stands in; a file's own test has what is special.

A widget that is in a lesson and not in the table below fails the first test.
"""

import copy
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import IPython.display
import ipywidgets
import numpy as np
import pytest

import minigpt.lessons
import minigpt.show
from minigpt.arena import Match
from minigpt.lessons.arena.vote import Arena, arena
from minigpt.lessons.overview.compare import Comparer, compare
from minigpt.lessons.ppo.bugs import EXHIBITS, RUNS, Run
from minigpt.lessons.ppo.cockpit import Cockpit, cockpit
from minigpt.lessons.ppo.flight_instruments import FlightInstruments, flight_instruments
from minigpt.lessons.ppo.instruments import readings
from minigpt.lessons.ppo.museum import SEED, Museum, key, museum
from minigpt.lessons.pretraining.guess_next import Game, Task, guess_next, make_tasks
from minigpt.lessons.prompting.prompt_lab import PromptLab, prompt_lab
from minigpt.lessons.reward_model.inspector import Inspector, inspect_reward
from minigpt.lessons.reward_model.labeler import Labeler, label_pairs
from minigpt.lessons.tokenization.token_explorer import Explorer, encodings, explore_tokens
from minigpt.ppo import PPOConfig, PPOStep, ppo
from minigpt.reward import RewardModel
from minigpt.sft import chat_answer, chat_prompt
from minigpt.show.concept_quiz import ConceptTest, concept_test
from minigpt.show.predict import Prediction, predict
from minigpt.show.widget import Widget, present
from minigpt.stages.labels import Label
from minigpt.stages.stage import Stage, load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import Question, ask, sample_questions
from toys import tiny_gpt, toy_stage

pytestmark = pytest.mark.usefixtures("home")
MARKUP = re.compile(r"<script|<img src=x")  # of EVIL; a figure is an img, too
EVIL = '<script>alert(1)</script><img src=x onerror="alert(1)"> & </div>'
# What ipywidgets 7.7, Colab's, has of what widgets are made of here.
OLD = {
    "Box", "Button", "Checkbox", "Dropdown", "FloatSlider", "HBox", "HTML",
    "IntProgress", "IntSlider", "SelectionSlider", "Text", "Textarea", "ToggleButtons", "VBox",
}  # fmt: skip


@cache
def stage(name: str) -> Stage:
    """A small model that says random things."""
    model = tiny_gpt(n_embd=16)
    return toy_stage(name, RewardModel(model, seed=1) if name == "reward" else model)


def matches() -> list[Match]:
    fact = load_world("en").of_split("E")[0]
    return [Match(ask(load_world("en"), fact), "sft", "base", EVIL, "a value")]


def tasks() -> list[Task]:
    return make_tasks(load_tokenizer("en"), [EVIL + " one two three four five six seven"], n=1)


@cache
def rounds() -> tuple[list[PPOStep], list[Question], Stage]:
    """Two rounds of PPO, their questions, and the reward model."""
    judge, asked = stage("reward"), sample_questions(load_world("en"), "A", 8, seed=1)
    policy = copy.deepcopy(judge.model.gpt).requires_grad_(True)
    prompts = [chat_prompt(judge.encoding, q.text) for q in asked]
    tokens = np.arange(2000, dtype=np.uint16) % 900
    config = PPOConfig(2, 4, max_new_tokens=6, minibatch=4, block_size=64)
    return list(ppo(policy, judge.model, prompts, tokens, judge.encoding, config)), asked, judge


def curve() -> list[dict]:
    """What was recorded of a run."""
    return [{"step": n, "gold": 0.5 - n / 8, "proxy": n / 4} for n in (2, 4, 6)]


def toy_museum() -> Museum:
    """With a first exhibit that is off in everything, beside a run that is not."""
    fine = readings(rounds()[0])
    off = [replace(r, light="red", text=EVIL) for r in fine]
    RUNS["none", SEED, 1] = Run(fine, fine, {})
    RUNS[key(EXHIBITS["A"], 1)] = Run(fine, off, {"sum": 2.0})
    return Museum(1)


def pair() -> tuple[Question, Label]:
    """Two answers to a question, not decided yet."""
    world, encoding = load_world("en"), load_tokenizer("en")
    question = replace(ask(world, world.of_split("A")[0]), text=EVIL)
    answers = (chat_answer(encoding, text) for text in (EVIL, "a value"))
    return question, Label(EVIL, *answers, "tie")


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
        lambda: Comparer({n: stage(n) for n in ("base", "sft", "reward")}, EVIL),
        compare,
    ),
    ConceptTest: Case(
        lambda: ConceptTest("after"), lambda: concept_test("before"), stages=False
    ),
    Explorer: Case(lambda: Explorer(encodings(), EVIL), explore_tokens, stages=False),
    Cockpit: Case(lambda: Cockpit({EVIL: curve(), "b": curve()}), cockpit),
    FlightInstruments: Case(
        lambda: FlightInstruments(*rounds()), lambda: flight_instruments(*rounds()), stages=False
    ),
    Game: Case(
        lambda: Game([stage("base")], tasks()),
        lambda: guess_next([stage("base")], ["one two three four five six seven"]), stages=False,
    ),
    Inspector: Case(lambda: Inspector(stage("reward"), EVIL), inspect_reward),
    Labeler: Case(lambda: Labeler(stage("sft"), [pair()]), label_pairs),
    Museum: Case(lambda: toy_museum(), lambda: toy_museum() and museum(1), stages=False),
    Prediction: Case(
        lambda: Prediction("00-key", [EVIL, "no"], lambda: 0),
        lambda: predict("00-key", [EVIL, "no"], lambda: 0), stages=False,
    ),
    PromptLab: Case(lambda: PromptLab(stage("base"), EVIL), prompt_lab),
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


class Made:
    """A widget as it is presented: its static form is asked for once, and before it is used."""

    def __init__(self, case: Case) -> None:
        self.widget = case.make()
        self.static = self.widget.static()
        roots = [p for p in self.static if isinstance(p, ipywidgets.Widget)] + [self.widget.view]
        self.parts = [part for root in roots for part in inside(root)]

    def controls(self, *kinds) -> list[ipywidgets.Widget]:
        """What can be clicked, typed into or moved."""
        still = (ipywidgets.Box, ipywidgets.HTML, ipywidgets.IntProgress)
        kinds = kinds or ipywidgets.Widget
        return [p for p in self.parts if isinstance(p, kinds) and not isinstance(p, still)]

    def html(self) -> str:
        """All that the front end takes for HTML: of the widget, and of its static form."""
        live = [part.value for part in self.parts if isinstance(part, ipywidgets.HTML)]
        still = [part._repr_html_() for part in self.static if hasattr(part, "_repr_html_")]
        return "".join([*live, *still])


def use(control: ipywidgets.Widget) -> None:
    """Click it, or give it another value than it has."""
    if isinstance(control, ipywidgets.Button):
        control.click()
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
    made = Made(case)
    assert not MARKUP.search(made.html())
    for box in made.controls(ipywidgets.Text, ipywidgets.Textarea):
        box.value = EVIL + " "
        assert not MARKUP.search(made.html())
    for toggles in made.controls(ipywidgets.ToggleButtons):
        toggles.index = 0
        assert not MARKUP.search(made.html())


@pytest.mark.parametrize("typed", ["\ud800", "a\udfff b", "\ud83d\ude42", "\u202e abc \u2066"])
def test_what_no_browser_can_be_sent_is_replaced(case, typed, capsys, tmp_path, monkeypatch):
    """Half of a surrogate pair has no UTF-8: a message with it would end the callback, and some
    marks would turn the page's own words around."""
    monkeypatch.chdir(tmp_path)  # the labeler saves under the name that is typed
    made = Made(case)
    for box in made.controls(ipywidgets.Text, ipywidgets.Textarea):
        box.value = typed
        for button in made.controls(ipywidgets.Button):
            button.click()
    for toggles in made.controls(ipywidgets.ToggleButtons):
        toggles.index = 0
    made.static = made.widget.static()
    made.parts += inside(made.widget.view)  # with what was made meanwhile
    sent = [made.html(), capsys.readouterr().out, *map(repr, made.static)]
    for part in made.parts:
        if not isinstance(part, (ipywidgets.Text, ipywidgets.Textarea)):  # as it came in
            sent += [str(v) for v in part.get_state().values() if isinstance(v, (str, tuple))]
    for text in sent:
        text.encode("utf-8")
    assert not set(made.html()) & set("\u202e\u2066")


def test_an_error_becomes_a_sentence(case, monkeypatch):
    """Whatever a control does is guarded: where all that is guarded fails, using it either says so
    or has no effect."""
    made, guarded, told = Made(case), Widget.guarded, []

    def fail(*arguments):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(Widget, "guarded", lambda self, work, *given: guarded(self, fail))
    for control in made.controls():
        made.widget.status.value = ""
        before = made.html()
        use(control)
        told.append("did not work: out of &lt;memory&gt;" in made.widget.status.value)
        assert told[-1] or made.html() == before, control
    assert any(told)


def test_every_control_has_a_word(case):
    for control in Made(case).controls():
        if isinstance(control, ipywidgets.ToggleButtons):  # the words stand above it
            assert all(label.strip() for label, _value in control.options)
            assert all(control.tooltips) and len(control.tooltips) == len(control.options)
        else:
            assert control.description.strip(), control


def test_the_static_form_is_shown_first_and_reads_without_a_kernel(case, shown, capsys):
    made = []
    widget = present(lambda: made.append(case.make()) or made[0])
    printed = capsys.readouterr().out
    assert widget is made[0] and shown[-1] is widget.view and (printed or shown[:-1])
    for part in shown[:-1]:
        assert " object at 0x" not in repr(part)


def test_its_function_shows_it_or_says_what_is_missing(case, shown, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(load_stage.__globals__, "SHIPPED", tmp_path)  # no stage is there
    case.enter()
    if case.stages:
        assert "there is no stage" in capsys.readouterr().out and shown == []
    else:
        assert isinstance(shown[-1], ipywidgets.VBox)


def test_it_needs_no_more_than_ipywidgets_7_has(case):
    for part in Made(case).parts:
        assert type(part).__name__ in OLD
        if not isinstance(part, ipywidgets.Button):
            assert not getattr(part, "tooltip", None)
        assert not getattr(part, "description_allow_html", False)
        assert getattr(part, "tabbable", None) is None
