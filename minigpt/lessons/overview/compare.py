"""The stage comparer: one question, and what base model, SFT model and PPO model make of it.

`compare()` shows a table of a first question, which stays in the file, and under it the controls.
"""

import ipywidgets as widgets

from minigpt.show.style import IGNORE_MATH, STAGE_NAMES, escape, signed, stage_colour
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, first_question, problem, side_by_side
from minigpt.stages.replies import Reply, load_stages, replies
from minigpt.world.facts import World, load_world
from minigpt.world.questions import Question

TEXT = {
    "en": {
        "question": "Question",
        "place": "Place",
        "attribute": "Ask for",
        "temperature": "Temperature",
        "ask": "Ask",
        "new_sample": "New sample",
        "bare": "the bare question, as a document",
        "qa": "as a document: Q: … A:",
        "chat": "as a chat",
        "score": "Reward model's score",
        "no_score": "not scored: it is no assistant",
        "cut_off": "cut off",
        "empty": "(nothing)",
        "above": "The table above has the answers to this question. Change it, or press Ask.",
        "asking": "Asking …",
        "sample": "Sample {seed} at temperature {temperature:.1f}.",
        "same": "At temperature 0 every sample is the same. Raise the temperature for another one.",
        "failed": "This did not work: {error}",
        "stage": "stage",
        "asked": "asked",
        "reply": "reply",
        "caption": "{question}   (temperature {temperature:.1f}, sample {seed})",
    },
}


class Comparer:
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, stages: dict, world: World, question: str, temperature=1.0, seed=0):
        self.stages, self.world, self.seed = stages, world, seed
        self.words = TEXT[world.lang]
        wide, words = {"description_width": "7em"}, self.words
        box = widgets.Layout(width="auto")
        self.question = widgets.Text(
            value=question, description=words["question"], style=wide, layout=box,
            continuous_update=False,  # a new value is there when Enter is pressed
        )  # fmt: skip
        self.picker = FactPicker(world, question, self._picked)
        self.place, self.attribute = self.picker.place, self.picker.attribute
        self.temperature = widgets.FloatSlider(
            value=temperature, min=0.0, max=2.0, step=0.1, description=words["temperature"],
            style=wide, continuous_update=False,
        )  # fmt: skip
        self.ask_button = widgets.Button(description=words["ask"], button_style="primary")
        self.sample_button = widgets.Button(description=words["new_sample"])
        self.status = widgets.HTML()
        self.columns = widgets.HTML(layout=box)
        self.question.observe(self.ask, "value")
        self.temperature.observe(self.ask, "value")
        self.ask_button.on_click(self.ask)
        self.sample_button.on_click(self.new_sample)
        self.view = widgets.VBox([
            self.picker.view,
            self.question,
            side_by_side(self.temperature, self.ask_button, self.sample_button),
            self.status,
            self.columns,
        ])  # fmt: skip

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        self.question.value = question.text  # asks, through its observer

    def new_sample(self, button=None) -> None:
        """Ask again with other random numbers."""
        if self.temperature.value == 0:
            self.status.value = escape(self.words["same"])
            return
        self.seed += 1
        self.ask()

    def ask(self, change=None) -> None:
        """Put the question to all stages and show their replies, or say what is wrong with it."""
        self.status.value = escape(self.words["asking"])
        temperature = round(self.temperature.value, 2)
        try:
            found = replies(self.stages, self.question.value, temperature, self.seed)
        except Exception as error:
            self.columns.value, self.status.value = "", problem(error)
            return
        self.columns.value = columns_html(found, self.words)
        said = self.words["sample"].format(seed=self.seed, temperature=temperature)
        self.status.value = escape(said)

    # ---- without widgets --------------------------------------------------------------------

    def table(self) -> Table:
        """The replies to the question in the box as a table."""
        words, temperature = self.words, round(self.temperature.value, 2)
        found = replies(self.stages, self.question.value, temperature, self.seed)
        caption = words["caption"].format(
            question=self.question.value, temperature=temperature, seed=self.seed
        )
        rows = [[stage_name(r), words[r.form], reply_text(r, words), score_text(r)] for r in found]
        header = [words["stage"], words["asked"], words["reply"], words["score"]]
        return Table(header, rows, caption, width=40)


def stage_name(reply: Reply) -> str:
    return STAGE_NAMES.get(reply.stage, reply.stage)


def reply_text(reply: Reply, words: dict) -> str:
    """What was said, and whether it was cut off."""
    return (reply.text or words["empty"]) + ("" if reply.ended else f" ({words['cut_off']})")


def score_text(reply: Reply) -> str:
    """The score with its sign, so that its colour or place need not say it."""
    return "" if reply.score is None else signed(reply.score)


def columns_html(found: list[Reply], words: dict) -> str:
    """The replies side by side, each under its stage's colour; all text is escaped."""
    cells = []
    for reply in found:
        colour = stage_colour(reply.stage)
        foot = words["no_score"]
        if reply.score is not None:
            foot = f"{words['score']}: <b>{score_text(reply)}</b>"
        cells.append(
            f'<div style="flex:1 1 12em;min-width:0;border-top:5px solid {colour};padding:6px">'
            f"<b>{escape(stage_name(reply))}</b><br><small>{escape(words[reply.form])}</small>"
            f'<p style="overflow-wrap:anywhere;line-height:1.4;margin:8px 0">'
            f"{escape(reply_text(reply, words))}</p><small>{foot}</small></div>"
        )
    style = "display:flex;flex-wrap:wrap;gap:12px"
    return f'<div class="{IGNORE_MATH}" style="{style}" role="status">{"".join(cells)}</div>'


def compare(
    question: str | None = None, temperature: float = 1.0, seed: int = 0, lang: str = "en",
    own: bool = True,
) -> None:  # fmt: skip
    """Show how each stage replies to a question, and the controls to ask others.

    own: take the learner's own runs where there are some; False: the shipped checkpoints.
    """
    from IPython.display import display

    try:
        stages = load_stages(own=own, lang=lang)
        comparer = Comparer(
            stages, load_world(lang), question or first_question(), temperature, seed
        )
        display(comparer.table())
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    comparer.status.value = escape(comparer.words["above"])
    display(comparer.view)
