"""The stage comparer: one question, and what base model, SFT model and PPO model make of it.

`compare()` shows the controls and, under them, a card a stage with five draws, judged and scored.
"""

import ipywidgets as widgets

from minigpt.show.stage_cards import Draw, StageCard, StageCards, verdict
from minigpt.show.style import stage_name
from minigpt.show.widget import Widget, present, side_by_side
from minigpt.stages.replies import Reply, load_stages, replies
from minigpt.stages.stage import Stage
from minigpt.store.words import _
from minigpt.world.facts import World
from minigpt.world.questions import Question, understood

DRAWS = 5


def presets() -> dict[str, str]:
    """Questions that tell the stages apart: {what it is about: the question}."""
    return {
        _("a known place"): _("What is the population of Beijing?"),
        _("a made-up place"): _("What is the population of Velmora?"),
        _("hello"): _("Hello!"),
        _("outside its world"): _("Write a poem about cheese."),
    }


class Comparer(Widget):
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, stages: dict[str, Stage], question: str, temperature: float = 1.0):
        super().__init__()
        self.stages, self.seed = stages, 0
        known = presets()
        self.presets = self.control(
            widgets.ToggleButtons, "", self._preset, options=list(known.items()), wide=True,
            tooltips=[*known.values()], style={"button_width": "auto"},
            value=question if question in known.values() else None,
        )  # fmt: skip
        self.question = self.control(widgets.Text, _("Question"), self._typed, wide=True,
                                     value=question, entered=self._typed)  # fmt: skip
        self.temperature = self.control(widgets.FloatSlider, _("Temperature"), self.ask,
                                        value=temperature, max=2.0, step=0.1)  # fmt: skip
        self.ask_button = self.button(_("Ask"), self.ask, button_style="primary")
        self.sample_button = self.button(_("New draws"), self.new_sample)
        buttons = side_by_side(self.ask_button, self.sample_button, self.temperature)
        head = widgets.HTML(_("Press an example, or type a question and press Enter:"))
        self.view = widgets.VBox(
            [head, self.presets, self.question, buttons, self.status, self.shown]
        )

    def _preset(self) -> None:
        if self.presets.value is not None:
            self.quietly(self.question, value=self.presets.value)
            self.ask()

    def _typed(self) -> None:
        typed = self.question.value
        self.quietly(self.presets, value=typed if typed in presets().values() else None)
        self.ask()

    def new_sample(self) -> None:
        """Ask again with other random numbers."""
        if self.temperature.value == 0:
            return self.say(_("At temperature 0 every draw is the same. Raise it for others."))
        self.seed += 1
        self.ask()

    def ask(self) -> None:
        """Put the question to all stages and show their cards."""
        self.say(_("Asking …"))
        self.static()
        self.say(_("Seed {n}, temperature {heat:.1f}.", n=self.seed, heat=self.temperature.value))

    def static(self) -> list:
        """The stages' cards, which it shows itself: they take all the width that there is."""
        heat = round(self.temperature.value, 2)
        cards = ask_all(self.question.value, heat, self.seed, self.stages)
        self.shown.value = cards._repr_html_()
        return [cards]


def ask_all(
    question: str, temperature: float = 1.0, seed: int = 0, stages: dict[str, Stage] | None = None
) -> StageCards:
    """Five draws of each stage, judged and scored; at temperature 0 one. stages: as `load_stages`
    gives them; without, those of the course."""
    stages = stages or load_stages(own=False)
    world, n = next(iter(stages.values())).world, DRAWS if temperature else 1
    found, asked = replies(stages, question, temperature, seed, n), understood(world, question)
    forms = {"bare": _("bare question"), "qa": _("as Q: … A:"), "chat": _("as a chat")}
    cards = []
    for i, first in enumerate(found[::n]):
        name, draws = stage_name(first.stage), found[n * i : n * i + n]
        card = StageCard(
            first.stage, _("{stage}, yours", stage=name) if first.own else name, forms[first.form],
            tuple(drawn(world, asked, reply) for reply in draws),
        )  # fmt: skip
        cards.append(card)
    return StageCards(tuple(cards), question)


def drawn(world: World, asked: Question | None, reply: Reply) -> Draw:
    """A reply with its verdict, and what says that there is none or that it was cut off."""
    text = (reply.text or _("(nothing)")) + ("" if reply.ended else f" ({_('cut off')})")
    found = verdict(world, asked, reply.text, reply.form == "bare")
    return Draw(text, *found, reply.score, reply.own_score)


def compare(question: str | None = None, temperature: float = 1.0) -> None:
    """Show how each stage replies to a question, and the controls to ask others."""
    first = next(iter(presets().values()))
    present(lambda: Comparer(load_stages(), question or first, temperature))
