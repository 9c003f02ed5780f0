"""The checkpoint scrubber: one prompt, and how the base model continues it as training goes on.

`scrub()` shows a table of all snapshots through pretraining, which stays in the file, and under it
a slider over them.
"""

import ipywidgets as widgets

from minigpt.show.style import IGNORE_MATH, STAGE_COLOURS, amount, escape
from minigpt.show.table import Table
from minigpt.show.widget import problem, side_by_side
from minigpt.stages.stage import Stage, document_completions, load_stage, snapshots

NEW_TOKENS = 48  # of a completion: enough to see what kind of document it is
LONGEST = 160  # tokens of a prompt; with the completion they fit the context of 256
TEXT = {
    "en": {
        "checkpoint": "Tokens read",
        "prompt": "Prompt",
        "temperature": "Temperature",
        "sample": "New sample",
        "tokens": "tokens read",
        "loss": "held-out loss",
        "completion": "goes on with",
        "caption": "{prompt}   (temperature {temperature:.1f}, sample {seed})",
        "state": "{name}: {tokens} tokens read, held-out loss {loss}",
        "unknown": "not recorded",
        "empty": "(nothing)",
        "no_prompt": "there is no prompt yet: type the beginning of a document",
        "long_prompt": "the prompt has {tokens} tokens, and at most {most} leave room for a "
        "completion: shorten it",
        "failed": "This did not work: {error}",
        "same": "At temperature 0 every sample is the same. Raise the temperature for another one.",
    },
}
PROMPT = {"en": "The capital of France is"}


class Scrubber:
    """The widget: `view` is what is displayed; the other attributes are its controls.

    stages: the snapshots in order of training, the finished base model last.
    """

    def __init__(self, stages: list[Stage], prompt: str, temperature=1.0, seed=0, lang="en"):
        self.stages, self.seed, self.words = stages, seed, TEXT[lang]
        self.found = {}  # (checkpoint, prompt, temperature, seed) → completion
        wide, words = {"description_width": "7em"}, self.words
        box = widgets.Layout(width="auto")
        labels = [(amount(s.meta.get("tokens", 0)), i) for i, s in enumerate(stages)]
        self.checkpoint = widgets.SelectionSlider(
            options=labels, value=len(stages) - 1, description=words["checkpoint"], style=wide,
            continuous_update=False, layout=box,
        )  # fmt: skip
        self.prompt = widgets.Textarea(
            value=prompt, description=words["prompt"], style=wide, layout=box, rows=4,
            continuous_update=False,
        )  # fmt: skip
        self.temperature = widgets.FloatSlider(
            value=temperature, min=0.0, max=2.0, step=0.1, description=words["temperature"],
            style=wide, continuous_update=False,
        )  # fmt: skip
        self.sample_button = widgets.Button(description=words["sample"])
        self.status = widgets.HTML()
        self.shown = widgets.HTML(layout=box)
        for control in (self.checkpoint, self.prompt, self.temperature):
            control.observe(self.show, "value")
        self.sample_button.on_click(self.new_sample)
        self.view = widgets.VBox([
            self.prompt,
            side_by_side(self.temperature, self.sample_button),
            self.checkpoint,
            self.status,
            self.shown,
        ])  # fmt: skip
        self.show()

    # ---- controls ---------------------------------------------------------------------------

    def new_sample(self, button=None) -> None:
        """Continue the prompt with other random numbers."""
        if self.temperature.value == 0:
            self.status.value = escape(self.words["same"])
            return
        self.seed += 1
        self.show()

    def show(self, change=None) -> None:
        """Show the checkpoint's completion, or say what is wrong with the prompt."""
        stage = self.stages[self.checkpoint.value]
        try:
            text = self.completion(self.checkpoint.value)
        except Exception as error:
            self.status.value, self.shown.value = problem(error), ""
            return
        self.status.value = escape(
            self.words["state"].format(
                name=stage.name, tokens=amount(stage.meta.get("tokens", 0)), loss=self.loss(stage)
            )
        )
        self.shown.value = (
            f'<div class="{IGNORE_MATH}" role="status" style="border-left:5px solid '
            f'{STAGE_COLOURS["base"]};padding:6px;overflow-wrap:anywhere">'
            f"{escape(self.prompt.value)}<b>{escape(text)}</b></div>"
        )

    # ---- what is seen -----------------------------------------------------------------------

    def completion(self, checkpoint: int) -> str:
        """How that checkpoint goes on with the prompt. ValueError for none, or one too long."""
        stage, prompt = self.stages[checkpoint], self.prompt.value
        if not prompt.strip():
            raise ValueError(self.words["no_prompt"])
        tokens = len(stage.encoding.encode_ordinary(prompt))
        if tokens > LONGEST:
            raise ValueError(self.words["long_prompt"].format(tokens=tokens, most=LONGEST))
        temperature = round(self.temperature.value, 2)
        key = checkpoint, prompt, temperature, self.seed
        if key not in self.found:
            self.found[key] = document_completions(
                stage.model, stage.encoding, [prompt], NEW_TOKENS, temperature, self.seed
            )[0]
        return self.found[key]

    def loss(self, stage: Stage) -> str:
        value = stage.meta.get("metrics", {}).get("held_out_loss")
        return self.words["unknown"] if value is None else f"{value:.2f}"

    def table(self) -> Table:
        """All checkpoints: tokens read, held-out loss, and how each goes on."""
        words = self.words
        rows = [
            [
                amount(stage.meta.get("tokens", 0)),
                self.loss(stage),
                printable(self.completion(i)) or words["empty"],
            ]
            for i, stage in enumerate(self.stages)
        ]
        caption = words["caption"].format(
            prompt=printable(self.prompt.value), temperature=self.temperature.value, seed=self.seed
        )
        return Table([words["tokens"], words["loss"], words["completion"]], rows, caption, width=70)


def printable(text: str) -> str:
    """A text in one line: line breaks become slashes, and what has no picture becomes \ufffd."""
    line = " / ".join(part.strip() for part in text.strip().splitlines() if part.strip())
    return "".join(c if c.isprintable() else "\ufffd" for c in line)


def scrub(
    prompt: str | None = None, lang: str = "en", temperature: float = 1.0, seed: int = 0
) -> None:
    """Show how each shipped snapshot goes on with a prompt, and a slider over the snapshots."""
    from IPython.display import display

    try:
        names = [*snapshots(lang), "base"]
        stages = [load_stage(name, own=False, lang=lang, quiet=True) for name in names]
        scrubber = Scrubber(stages, prompt or PROMPT[lang], temperature, seed, lang)
        display(scrubber.table())
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    display(scrubber.view)
