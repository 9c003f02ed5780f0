"""The stage comparer: one question, and what base model, SFT model and PPO model make of it.

`compare()` shows a table of a first question, which stays in the file, and under it the controls.
"""

import ipywidgets as widgets

from minigpt.show.style import IGNORE_MATH, escape, signed, stage_colour, stage_name
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, Widget, first_question, present, side_by_side
from minigpt.stages.replies import Reply, load_stages, replies
from minigpt.store.words import _
from minigpt.world.questions import Question


class Comparer(Widget):
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, stages: dict, question: str, temperature=1.0):
        super().__init__()
        self.stages, self.seed = stages, 0
        world = next(iter(stages.values())).world
        self.picker = FactPicker(self, world, question, self._picked)
        self.question = self.control(widgets.Text, _("Question"), self.ask, wide=True,
                                     value=question, entered=self.ask)  # fmt: skip
        self.temperature = self.control(widgets.FloatSlider, _("Temperature"), self.ask,
                                        value=temperature, max=2.0, step=0.1)  # fmt: skip
        self.ask_button = self.button(_("Ask"), self.ask, button_style="primary")
        self.sample_button = self.button(_("New sample"), self.new_sample)
        buttons = side_by_side(self.temperature, self.ask_button, self.sample_button)
        self.view = widgets.VBox(
            [self.picker.view, self.question, buttons, self.status, self.shown]
        )
        self.say(_("The table has the answers to this question. Change it, or press Ask."))

    def _picked(self, question: Question) -> None:
        self.question.value = question.text  # asks, through its observer

    def new_sample(self) -> None:
        """Ask again with other random numbers."""
        if self.temperature.value == 0:
            return self.say(
                _("At temperature 0 every sample is the same. Raise it for another one.")
            )
        self.seed += 1
        self.ask()

    def ask(self) -> None:
        """Put the question to all stages and show their replies."""
        self.say(_("Asking …"))
        self.shown.value = columns_html(self.replies())
        heat = self.temperature.value
        self.say(_("Sample {seed} at temperature {heat:.1f}.", seed=self.seed, heat=heat))

    def replies(self) -> list[Reply]:
        """What the stages make of the question in the box."""
        temperature = round(self.temperature.value, 2)
        return replies(self.stages, self.question.value, temperature, self.seed)

    def static(self) -> list:
        """The same replies as a table."""
        rows = []
        for r in self.replies():
            rows.append([who(r), asked(r), reply_text(r), scores(r)])
        header = [_("stage"), _("asked"), _("reply"), _("Reward model's score")]
        caption = _("{question}   (temperature {heat:.1f}, sample {seed})",
                    question=self.question.value, heat=self.temperature.value,
                    seed=self.seed)  # fmt: skip
        return [Table(header, rows, caption, width=40)]


def asked(reply: Reply) -> str:
    """How the question was put."""
    return {
        "bare": _("the bare question, as a document"),
        "qa": _("as a document: Q: … A:"),
        "chat": _("as a chat"),
    }[reply.form]


def who(reply: Reply) -> str:
    """The stage, and whose it is."""
    name = stage_name(reply.stage)
    return _("{stage}, yours", stage=name) if reply.own else name


def scores(reply: Reply) -> str:
    """The reward model's score, and that of the learner's."""
    score = "" if reply.score is None else signed(reply.score)
    if reply.own_score is None:
        return score
    return _("{score}, yours: {own}", score=score, own=signed(reply.own_score))


def reply_text(reply: Reply) -> str:
    """What was said, and whether it was cut off."""
    return (reply.text or _("(nothing)")) + ("" if reply.ended else f" ({_('cut off')})")


def columns_html(found: list[Reply]) -> str:
    """The replies side by side, each under its stage's colour; all text is escaped."""
    cells = []
    for reply in found:
        foot, score = _("not scored: it is no assistant"), ""
        if reply.score is not None:
            foot, score = _("Reward model's score") + ": ", f"<b>{escape(scores(reply))}</b>"
        cells.append(
            f'<div style="flex:1 1 12em;min-width:0;border-top:5px solid '
            f'{stage_colour(reply.stage)};padding:6px">'
            f"<b>{escape(who(reply))}</b><br><small>{escape(asked(reply))}</small>"
            f'<p style="overflow-wrap:anywhere;line-height:1.4;margin:8px 0">'
            f"{escape(reply_text(reply))}</p><small>{escape(foot)}{score}</small></div>"
        )
    style = "display:flex;flex-wrap:wrap;gap:12px"
    return f'<div class="{IGNORE_MATH}" style="{style}" role="status">{"".join(cells)}</div>'


def compare(question: str | None = None, temperature: float = 1.0) -> None:
    """Show how each stage replies to a question, and the controls to ask others."""
    present(lambda: Comparer(load_stages(), question or first_question(), temperature))
