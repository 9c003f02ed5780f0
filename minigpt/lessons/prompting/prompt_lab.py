"""The prompt lab: a prompt exactly as the base model reads it, and what the model would write next.

`prompt_lab()` shows a first prompt, its ten most likely next tokens and a completion, which stay
in the file, and under them the controls.
"""

import ipywidgets as widgets

from minigpt.generate import Sample, generate
from minigpt.lessons.prompting.prompts import Candidate, candidates, write_prompt
from minigpt.show.strip import TURNS, Strip, pieces
from minigpt.show.style import BLUE, IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import (
    FactPicker,
    Widget,
    first_question,
    no_question,
    present,
    problem,
    rendered,
    side_by_side,
)  # fmt: skip
from minigpt.stages.replies import LONGEST
from minigpt.stages.stage import Stage, line_ends, load_stage
from minigpt.store.words import _, language
from minigpt.tokenizer import special, whole
from minigpt.world.questions import Question

COUNT = 10  # how many of the next tokens are shown
LINE = 24  # the most tokens that a completion draws
HATCHED = "repeating-linear-gradient(45deg,#999 0 3px,#fff 3px 7px)"


class PromptLab(Widget):
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, base: Stage, question: str, form="bare", temperature=1.0, shots=3):
        super().__init__()
        self.base, self.world, self.seed = base, base.world, 0
        self.context = base.model.config.block_size
        self.written, self.found, self.last_form = [], [], form
        self.stops = line_ends(base.encoding)
        over, look = self.start_over, self.refresh
        slider, number = widgets.IntSlider, widgets.FloatSlider
        forms = [
            (_("bare question"), "bare"), (_("Q: A:"), "qa"), (_("Q: A: with shots"), "few_shot"),
            (_("interview"), "interview"), (_("encyclopaedia"), "encyclopaedia"),
            (_("your own text"), "custom"),
        ]  # fmt: skip
        self.picker = FactPicker(self, self.world, question, self._picked, "population")
        self.question = self.control(widgets.Text, _("Question"), over, wide=True, value=question,
                                     entered=self.complete)  # fmt: skip
        self.form = self.control(widgets.Dropdown, _("Form"), self._form_picked, options=forms,
                                 value=form)  # fmt: skip
        self.shots = self.control(slider, _("Shots"), over, value=shots, max=8)
        self.own_text = self.control(widgets.Textarea, _("Your text"), over, wide=True)
        self.temperature = self.control(number, _("Temperature"), look, value=temperature, max=2,
                                        step=0.1)  # fmt: skip
        self.top_k = self.control(slider, _("Top-k (0: all)"), look, value=0, max=50)
        self.top_p = self.control(number, _("Top-p (1: all)"), look, value=1.0, max=1, min=0.05,
                                  step=0.05)  # fmt: skip
        self.complete_button = self.button(_("Complete"), self.complete, button_style="primary")
        self.over_button = self.button(_("Start over"), over)
        layouts = [widgets.Layout(width=width) for width in ("11em", "22em")]
        self.buttons = [self.button("", self.append, i, layout=layouts[0]) for i in range(COUNT)]
        self.bars = [widgets.HTML(layout=layouts[1]) for _bar in range(COUNT)]
        self.view = widgets.VBox([
            self.picker.view, self.question, side_by_side(self.form, self.shots), self.own_text,
            side_by_side(self.temperature, self.top_k, self.top_p),
            side_by_side(self.complete_button, self.over_button), self.status, self.shown,
            *(widgets.HBox(pair) for pair in zip(self.buttons, self.bars)),
        ])  # fmt: skip
        self._show_form()
        self.guarded(self.refresh)

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        self.quietly(self.question, value=question.text)
        self.start_over()

    def _show_form(self) -> None:
        for control, form in ((self.shots, "few_shot"), (self.own_text, "custom")):
            control.layout.display = None if self.form.value == form else "none"

    def _form_picked(self) -> None:
        """Show what the form needs; one's own text begins with the prompt that was there."""
        before, self.last_form = self.last_form, self.form.value
        if self.form.value == "custom" and not self.own_text.value.strip():
            self.quietly(self.own_text, value=whole(self._text_in(before)))  # or it cannot be sent
        self._show_form()
        self.start_over()

    # ---- the prompt -------------------------------------------------------------------------

    def _text_in(self, form: str) -> str:
        if form == "custom":
            return self.own_text.value
        typed = self.question.value.strip()
        question = Question(typed, "fact", self.picker.picked_place(), self.picker.attribute.value)
        whole = typed or form == "encyclopaedia"  # which asks no question
        return write_prompt(self.world, question, form, self.shots.value) if whole else ""

    def prompt_ids(self) -> list[int]:
        """The prompt as ids. ValueError, for whoever typed it, if it is empty or too long."""
        text, encoding = self._text_in(self.form.value), self.base.encoding
        if not text.strip():
            own = self.form.value == "custom"
            raise ValueError(_("There is no text yet. Type one.") if own else no_question())
        size = _("{n:,} characters", n=len(text))
        if len(text) <= LONGEST:
            ids = [special(encoding, "<|endoftext|>"), *encoding.encode_ordinary(text)]
            if len(ids) <= self.context - LINE:
                return ids
            size = _("{n:,} tokens", n=len(ids))
        raise ValueError(_(
            "This prompt has {size}. The model reads {context} tokens at once, and {line} are "
            "kept for what it writes: {most} are left. Shorten it, or show fewer shots.",
            size=size, context=self.context, line=LINE, most=self.context - LINE,
        ))  # fmt: skip

    def ids(self, room: int = 0) -> list[int]:
        """The prompt and what was written after it. ValueError where `room` more do not fit."""
        ids = self.prompt_ids() + self.written
        if len(ids) + room > self.context:
            raise ValueError(_("The context of {n} tokens is full. Start over, or shorten the "
                               "prompt.", n=self.context))  # fmt: skip
        return ids

    def settings(self) -> dict:
        """Temperature, top-k and top-p as `generate` takes them."""
        heat, top_p = round(self.temperature.value, 2), round(self.top_p.value, 2)
        return {"temperature": heat, "top_k": self.top_k.value or None, "top_p": top_p}

    # ---- what is clicked --------------------------------------------------------------------

    def start_over(self) -> None:
        """Back to the prompt alone."""
        self.written = []
        self.refresh()

    def append(self, i: int) -> None:
        """Go on with the i-th of the tokens that are shown."""
        self.ids(room=1)
        self._write(self.found[i].id)

    def complete(self) -> None:
        """Let the model draw tokens to the end of the line."""
        sample, seed = self._sample(self.ids(room=LINE)), self.seed
        self._write(*sample.ids)
        done = _("Sample {seed}: the line is at its end.", seed=seed)
        cut = _("Sample {seed}: cut off after {n} tokens.", seed=seed, n=len(sample.ids))
        self.say(done if sample.ended else cut)
        self.seed += 1  # the next completion is another one

    def _write(self, *ids: int) -> None:
        self.written = [*self.written, *ids]
        self.refresh()

    def _sample(self, ids: list[int]) -> Sample:
        options = {"stop": self.stops, "seeds": [self.seed], **self.settings()}
        return generate(self.base.model, [ids], LINE, **options)[0]

    def refresh(self) -> None:
        """Show the prompt and what may come next; where that fails, there is nothing to click."""
        shown, found = "", []
        try:
            found = candidates(self.base, self.ids(), count=COUNT, **self.settings())
            shown = rendered(self.strip())
        finally:
            self.shown.value, self.found = shown, found
            for button, bar, c in zip(self.buttons, self.bars, [*found, *[None] * COUNT]):
                button.description, button.disabled = c.text if c else "", c is None
                bar.value = bar_html(c) if c else ""
        self.say(_("Click a token to append it, or let the model complete the line."))

    def failed(self, error: Exception) -> None:
        self.status.value = problem(error)  # a prompt that is shown can be gone on from

    # ---- what is seen -----------------------------------------------------------------------

    def strip(self) -> Strip:
        """The prompt and what was written after it, token by token."""
        ids, m = self.ids(), len(self.written)
        n = len(ids) - m
        caption = _("The model reads this prompt of {n} tokens.", n=n)
        if m:
            caption = _("The model reads a prompt of {n} tokens and {m} more (framed where they "
                        "begin).", n=n, m=m)  # fmt: skip
        return Strip(
            pieces(self.base.encoding, ids),
            [TURNS[i % 2 * 2] for i in range(n)] + [TURNS[1]] * m,
            [_("prompt")] * n + [_("after the prompt")] * m,
            caption, n if m else None,
        )  # fmt: skip

    def table(self) -> Table:
        """What the buttons and bars show."""
        now, every = self.settings(), _("all")
        rows = [
            [c.text, percent(c.probability), "#" * round(20 * c.probability), drawn(c)]
            for c in self.found
        ]
        header = [_("next token"), _("probability"), "", _("drawn with")]
        caption = _("The {n} most likely next tokens: temperature {t:g}, top-k {k}, top-p {p}",
                    n=len(rows), t=now["temperature"], k=now["top_k"] or every,
                    p=every if now["top_p"] == 1 else now["top_p"])  # fmt: skip
        return Table(header, rows, caption)

    def completion(self) -> str:
        """What "Complete" would write now, as a sentence."""
        text = "".join(pieces(self.base.encoding, self._sample(self.ids()).ids))
        return _("Completed (sample {seed}): {text}", seed=self.seed, text=text)

    def static(self) -> list:
        return [self.strip(), self.table(), self.completion()]


def percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "< 0.1%"


def drawn(candidate: Candidate) -> str:
    """How likely the token is drawn after top-k and top-p, or that they removed it."""
    return percent(candidate.drawn) if candidate.drawn else _("removed")


def bar_html(candidate: Candidate) -> str:
    """The probability as a bar with its number; a removed token's bar is hatched and says so."""
    said = percent(candidate.probability)
    if drawn(candidate) != said:
        said += f" → {drawn(candidate)}"
    style = "display:inline-block;height:1em;border:1px solid #555"
    fill = BLUE if candidate.drawn else HATCHED
    return (
        f'<div class="{IGNORE_MATH}" style="display:flex;align-items:center;gap:6px">'
        f'<span style="{style};width:{10 * candidate.probability:.2f}em;background:{fill}"></span>'
        f"<span>{escape(said)}</span></div>"
    )


def prompt_lab(stage: Stage | None = None, question: str | None = None, form: str = "bare") -> None:
    """Show a prompt as the base model reads it, what may come next, and the controls.

    stage: the base model; without it the learner's, or the shipped one. form: "bare", "qa",
    "few_shot", "interview" or "encyclopaedia".
    """

    def make() -> PromptLab:
        base = stage or load_stage("base", lang=language(), quiet=True)
        return PromptLab(base, question or first_question(), form)

    present(make)
