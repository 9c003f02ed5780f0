"""The prompt lab: a prompt exactly as the base model reads it, and what the model would write next.

`prompt_lab()` shows a first prompt, its ten most likely next tokens and a completion, which stay
in the file, and under them the controls.
"""

from functools import partial

import ipywidgets as widgets

from minigpt.generate import generate
from minigpt.lessons.prompting.prompts import FORMS, Candidate, candidates, write_prompt
from minigpt.show.strip import TURNS, Strip, pieces
from minigpt.show.style import BLUE, IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, first_question, problem, rendered, side_by_side
from minigpt.stages.replies import LONGEST
from minigpt.stages.stage import Stage, line_ends, load_stage
from minigpt.world.questions import Question

COUNT = 10  # how many of the next tokens are shown
LINE = 24  # the most tokens that a completion draws
HATCHED = "repeating-linear-gradient(45deg,#999 0 3px,#fff 3px 7px)"
TEXT = {
    "en": dict(
        question="Question", place="Place", attribute="Ask for", form="Form", shots="Shots",
        bare="bare question", qa="Q: A:", few_shot="Q: A: with shots", interview="interview",
        encyclopaedia="encyclopaedia", custom="your own text", own_text="Your text",
        temperature="Temperature", top_k="Top-k (0: all)", top_p="Top-p (1: all)",
        complete="Complete", start_over="Start over",
        read="The model reads this prompt of {n} tokens.",
        wrote="The model reads a prompt of {n} tokens and {m} more (framed where they begin).",
        of_prompt="prompt", written="after the prompt",
        next="next token", probability="probability", drawn="drawn with", removed="removed",
        caption="The {n} most likely next tokens: temperature {t:g}, top-k {k}, top-p {p}",
        all="all", click="Click a token to append it, or let the model complete the line.",
        line_done="Sample {seed}: the line is at its end.",
        line_cut="Sample {seed}: cut off after {n} tokens.",
        completion="Completed (sample {seed}): {text}",
        empty="There is no question yet. Type one, or pick a place and what to ask.",
        no_text="There is no text yet. Type one.",
        long="This prompt has {size}. The model reads {context} tokens at once, and {line} are "
             "kept for what it writes: {most} are left. Shorten it, or show fewer shots.",
        tokens="{n:,} tokens", characters="{n:,} characters",
        full="The context of {context} tokens is full. Start over, or shorten the prompt.",
        failed="This did not work: {error}",
    ),
}  # fmt: skip


class PromptLab:
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, base: Stage, question: str, form="bare", temperature=1.0, shots=3, seed=0):
        self.base, self.world, self.seed = base, base.world, seed
        self.words, self.written, self.filling = TEXT[base.world.lang], [], False
        self.end = base.encoding.encode_single_token("<|endoftext|>")
        self.stops = line_ends(base.encoding)
        self._make_controls(question, form, temperature, shots)
        self._make_view()
        self._show_form()
        self.refresh()

    def _make_controls(self, question, form, temperature, shots) -> None:
        forms = [(self.words[f], f) for f in (*FORMS, "custom")]
        self.question = self._control(widgets.Text, "question", value=question, wide=True)
        self.picker = FactPicker(self.world, question, self._picked, "population")
        self.place, self.attribute = self.picker.place, self.picker.attribute
        self.form = self._control(widgets.Dropdown, "form", options=forms, value=form)
        self.shots = self._control(widgets.IntSlider, "shots", value=shots, max=8)
        self.own_text = self._control(widgets.Textarea, "own_text", wide=True)
        number = widgets.FloatSlider
        self.temperature = self._control(number, "temperature", value=temperature, max=2, step=0.1)
        self.top_k = self._control(widgets.IntSlider, "top_k", value=0, max=50)
        self.top_p = self._control(number, "top_p", value=1.0, max=1, min=0.05, step=0.05)
        self.complete_button = widgets.Button(
            description=self.words["complete"], button_style="primary"
        )
        self.over_button = widgets.Button(description=self.words["start_over"])
        self.complete_button.on_click(self.complete)
        self.over_button.on_click(self.start_over)
        self.form.observe(self._form_picked, "value")
        for control in (self.question, self.shots, self.own_text):
            control.observe(self.start_over, "value")
        for control in (self.temperature, self.top_k, self.top_p):
            control.observe(self.refresh, "value")

    def _control(self, kind, name: str, wide: bool = False, **options):
        """A control with its word beside it, which tells of a new value once it is settled."""
        late = {} if kind is widgets.Dropdown else {"continuous_update": False}
        layout = widgets.Layout(width="auto") if wide else widgets.Layout()  # one each
        style = {"description_width": "7em"}
        return kind(description=self.words[name], style=style, layout=layout, **late, **options)

    def _make_view(self) -> None:
        self.prompt_shown, self.status = widgets.HTML(), widgets.HTML()
        layouts = [widgets.Layout(width=width) for width in ("11em", "22em")]
        self.buttons = [widgets.Button(layout=layouts[0]) for _ in range(COUNT)]
        self.bars = [widgets.HTML(layout=layouts[1]) for _ in range(COUNT)]
        for i, button in enumerate(self.buttons):
            button.on_click(partial(self.append, i))
        self.view = widgets.VBox([
            self.picker.view,
            self.question,
            side_by_side(self.form, self.shots),
            self.own_text,
            side_by_side(self.temperature, self.top_k, self.top_p),
            side_by_side(self.complete_button, self.over_button),
            self.status,
            self.prompt_shown,
            *(widgets.HBox(pair) for pair in zip(self.buttons, self.bars)),
        ])  # fmt: skip

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        self._quietly(self.question, question.text)
        self.start_over()

    def _quietly(self, control, value) -> None:
        """Set a control without starting over."""
        self.filling = True
        control.value = value
        self.filling = False

    def _show_form(self) -> None:
        for control, form in ((self.shots, "few_shot"), (self.own_text, "custom")):
            control.layout.display = None if self.form.value == form else "none"

    def _form_picked(self, change) -> None:
        """Show what the form needs; one's own text begins with the prompt that was there."""
        if change["new"] == "custom" and not self.own_text.value.strip():
            self._quietly(self.own_text, self._text_in(change["old"]))
        self._show_form()
        self.start_over()

    # ---- the prompt -------------------------------------------------------------------------

    def _text_in(self, form: str) -> str:
        if form == "custom":
            return self.own_text.value
        typed = self.question.value.strip()
        question = Question(typed, "fact", self.picker.picked_place(), self.attribute.value)
        whole = typed or form == "encyclopaedia"  # which asks no question
        return write_prompt(self.world, question, form, self.shots.value) if whole else ""

    def prompt_ids(self) -> list[int]:
        """The prompt as ids. ValueError, for whoever typed it, if it is empty or too long."""
        words, text = self.words, self._text_in(self.form.value)
        if not text.strip():
            raise ValueError(words["no_text" if self.form.value == "custom" else "empty"])
        long = len(text) > LONGEST
        ids = [] if long else [self.end, *self.base.encoding.encode_ordinary(text)]
        context = self.base.model.config.block_size
        if long or len(ids) > context - LINE:
            size = words["characters" if long else "tokens"].format(n=len(text if long else ids))
            sizes = {"size": size, "context": context, "line": LINE, "most": context - LINE}
            raise ValueError(words["long"].format(**sizes))
        return ids

    def settings(self) -> dict:
        """Temperature, top-k and top-p as `generate` takes them."""
        return {
            "temperature": round(self.temperature.value, 2),
            "top_k": self.top_k.value or None,
            "top_p": round(self.top_p.value, 2),
        }

    # ---- what is clicked --------------------------------------------------------------------

    def start_over(self, change=None) -> None:
        """Back to the prompt alone."""
        if not self.filling:
            self.written = []
            self.refresh()

    def append(self, i: int, button=None) -> None:
        """Go on with the i-th of the tokens that are shown."""
        self._go_on(1, lambda ids: ([self.found[i].id], self.words["click"]))

    def complete(self, button=None) -> None:
        """Let the model draw tokens to the end of the line."""
        self._go_on(LINE, self._sample)

    def _sample(self, ids: list[int]) -> tuple[list[int], str]:
        options = {"stop": self.stops, "seeds": [self.seed], **self.settings()}
        sample = generate(self.base.model, [ids], LINE, **options)[0]
        said = self.words["line_done" if sample.ended else "line_cut"]
        return sample.ids, said.format(seed=self.seed, n=len(sample.ids))

    def _go_on(self, room: int, draw) -> None:
        context = self.base.model.config.block_size
        try:
            ids = self.prompt_ids() + self.written
            if len(ids) + room > context:
                raise ValueError(self.words["full"].format(context=context))
            new, said = draw(ids)
        except Exception as error:
            self.status.value = problem(error)
            return
        self.seed += room == LINE  # the next completion is another one
        self.written = self.written + new
        self.refresh(said=said)

    def refresh(self, change=None, said: str | None = None) -> None:
        """Show the prompt and what may come next, or what is wrong with the prompt."""
        try:
            self.prompt_shown.value = rendered(self.strip())
            self.found = self.candidates()
            self.status.value = escape(said or self.words["click"])
        except Exception as error:
            self.found, self.prompt_shown.value = [], ""
            self.status.value = problem(error)
        rows = [*self.found, *[None] * COUNT]  # none if there is nothing to click
        for button, bar, candidate in zip(self.buttons, self.bars, rows):
            button.description = candidate.text if candidate else ""
            button.disabled = candidate is None
            bar.value = bar_html(candidate, self.words) if candidate else ""

    # ---- without widgets --------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """What may come next, most likely first."""
        ids = self.prompt_ids() + self.written
        return candidates(self.base, ids, count=COUNT, **self.settings())

    def strip(self) -> Strip:
        """The prompt and what was written after it, token by token."""
        ids, words = self.prompt_ids(), self.words
        n, m = len(ids), len(self.written)
        return Strip(
            pieces(self.base.encoding, ids + self.written),
            [TURNS[i % 2 * 2] for i in range(n)] + [TURNS[1]] * m,
            [words["of_prompt"]] * n + [words["written"]] * m,
            words["wrote" if m else "read"].format(n=n, m=m),
            marked=n if m else None,
        )

    def table(self) -> Table:
        """The most likely next tokens as a table."""
        words, now = self.words, self.settings()
        k, p = now["top_k"] or words["all"], words["all"] if now["top_p"] == 1 else now["top_p"]
        rows = [
            [c.text, percent(c.probability), "#" * round(20 * c.probability), drawn(c, words)]
            for c in self.candidates()
        ]
        header = [words["next"], words["probability"], "", words["drawn"]]
        caption = words["caption"].format(n=len(rows), t=now["temperature"], k=k, p=p)
        return Table(header, rows, caption)

    def completion(self) -> str:
        """What "Complete" would write now, as a sentence."""
        new, _ = self._sample(self.prompt_ids() + self.written)
        text = "".join(pieces(self.base.encoding, new))
        return self.words["completion"].format(seed=self.seed, text=text)


def percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "< 0.1%"


def drawn(candidate: Candidate, words: dict) -> str:
    """How likely the token is drawn after top-k and top-p, or that they removed it."""
    return percent(candidate.drawn) if candidate.drawn else words["removed"]


def bar_html(candidate: Candidate, words: dict) -> str:
    """The probability as a bar with its number; a removed token's bar is hatched and says so."""
    said = percent(candidate.probability)
    if drawn(candidate, words) != said:
        said += f" → {drawn(candidate, words)}"
    style = "display:inline-block;height:1em;border:1px solid #555"
    fill = BLUE if candidate.drawn else HATCHED
    return (
        f'<div class="{IGNORE_MATH}" style="display:flex;align-items:center;gap:6px">'
        f'<span style="{style};width:{10 * candidate.probability:.2f}em;background:{fill}"></span>'
        f"<span>{escape(said)}</span></div>"
    )


def prompt_lab(
    lang: str = "en", question: str | None = None, form: str = "bare", temperature: float = 1.0,
    shots: int = 3, seed: int = 0, own: bool = True,
) -> None:  # fmt: skip
    """Show a prompt as the base model reads it, what may come next, and the controls.

    form: "bare", "qa", "few_shot", "interview" or "encyclopaedia". own: take the learner's own
    base model where there is one; False: the shipped checkpoint.
    """
    from IPython.display import display

    try:
        base = load_stage("base", own, lang, quiet=True)
        lab = PromptLab(base, question or first_question(), form, temperature, shots, seed)
        display(lab.strip(), lab.table())
        print(lab.completion())
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    display(lab.view)
