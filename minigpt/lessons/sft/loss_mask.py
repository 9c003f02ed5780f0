"""The loss-mask viewer: a demonstration token by token, and which of its tokens are learned from.

`view_loss_mask()` shows a first demonstration, which stays in the file, and under it the controls
to type another. Each position has an input and a target, the next token. The target is counted
where it belongs to the answer, and a model says what loss it has there.
"""

import random
from dataclasses import dataclass

import ipywidgets as widgets
import torch

from minigpt.lessons.sft.own_demonstrations import encoded
from minigpt.model import IGNORE, next_token_loss
from minigpt.sft import sft_batch, sft_loss
from minigpt.show.strip import Strip, pieces
from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, first_question, problem, rendered
from minigpt.stages.stage import Stage
from minigpt.world.contractors import sentence
from minigpt.world.questions import Question

COUNTED, SKIPPED = "#FFD27F", "#E8E8E8"  # of a token that is counted, and of one that is not
TEXT = {
    "en": {
        "question": "Question",
        "answer": "Answer",
        "place": "Place",
        "attribute": "Ask for",
        "all": "Count every target, as pretraining does",
        "header": ["position", "input", "target", "counted", "loss"],
        "counted": "yes",
        "template": "no: the template's",
        "user": "no: the user's",
        "title": "counted, loss {loss:.2f}",
        "legend": "Orange: the targets that are counted. Grey: what is only read.",
        "caption": "{name}: {counted} of {n} targets are counted",
        "loss": "{counted} of {n} targets are counted. Their mean loss is {loss:.3f} nats: that is "
        "this demonstration's loss.",
        "unmasked": "With no mask all {n} targets are counted, and the mean loss is {loss:.3f} "
        "nats. With the mask it is {masked:.3f}.",
        "no_question": "There is no question yet. Type one, or pick a place and what to ask.",
        "no_answer": "There is no answer yet. Type what the assistant should have said.",
        "long": "This demonstration has {size}. The model reads {context} tokens at once. Shorten "
        "the question or the answer.",
        "tokens": "{n:,} tokens",
        "characters": "{n:,} characters",
        "failed": "This did not work: {error}",
    },
}


@dataclass
class Masked:
    """A demonstration as training sees it. T = tokens less one: the last is a target alone."""

    ids: list[int]  # (T + 1,): the prompt, the answer and its <|end|>
    inputs: list[int]  # (T,)
    targets: list[int]  # (T,): -100 where they are not counted
    losses: list[float]  # (T,): of every next token, counted or not, in nats
    loss: float  # of the demonstration, as `sft_loss` says

    @property
    def counted(self) -> list[bool]:
        return [target != IGNORE for target in self.targets]


class LossMask:
    """The widget: `view` is what is displayed; `strip()` and `table()` are its static form."""

    def __init__(self, stage: Stage, question: str, answer: str) -> None:
        self.stage, self.world, self.filling = stage, stage.world, False
        self.words = TEXT[stage.world.lang]
        wide, box = {"description_width": "7em"}, widgets.Layout(width="auto")
        self.question, self.answer = (
            widgets.Text(
                value=value, description=self.words[word], style=wide, layout=box,
                continuous_update=False,
            )
            for word, value in (("question", question), ("answer", answer))
        )  # fmt: skip
        self.picker = FactPicker(self.world, question, self._picked)
        self.place, self.attribute = self.picker.place, self.picker.attribute
        self.all = widgets.Checkbox(value=False, description=self.words["all"], indent=False)
        self.status = widgets.HTML()
        self.shown = widgets.HTML(layout=box)
        for control in (self.question, self.answer, self.all):
            control.observe(self.update, "value")
        self.view = widgets.VBox(
            [self.picker.view, self.question, self.answer, self.all, self.status, self.shown]
        )
        self.update()

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        """A question from the dropdowns, answered as a careful contractor would."""
        self.filling = True  # or the old answer would be shown with the new question
        self.question.value = question.text
        rng = random.Random(question.text)
        self.answer.value = sentence(self.world, question, question.answer, rng)
        self.filling = False
        self.update()

    def update(self, change=None) -> None:
        """Show the demonstration that is in the boxes, or say what is wrong with it."""
        if self.filling:
            return
        try:
            masked = self.masked()
            table, strip = self.table(masked), self.strip(masked)
        except Exception as error:
            self.shown.value, self.status.value = "", problem(error)
            return
        rows = f'<div style="max-height:28em;overflow:auto">{rendered(table)}</div>'
        self.shown.value = rendered(strip) + rows
        self.status.value = f'<div class="{IGNORE_MATH}">{escape(self.says(masked))}</div>'

    # ---- what is seen -----------------------------------------------------------------------

    def masked(self) -> Masked:
        """The demonstration with its losses. ValueError for whoever typed it if there is no
        question or answer, or if they are too long."""
        words, encoding = self.words, self.stage.encoding
        question, answer = self.question.value.strip(), self.answer.value.strip()
        if not question or not answer:
            raise ValueError(words["no_question" if not question else "no_answer"])
        pair = encoded(encoding, question, answer, self.stage.model.config.block_size, words)
        # A batch of one, as training makes it, so that nothing here can differ from training.
        inputs, targets = sft_batch([pair], encoding.encode_single_token("<|pad|>"))
        device = self.stage.model.embedding.weight.device
        with torch.no_grad():
            logits = self.stage.model(inputs.to(device)).cpu()
        ids = [*pair[0], *pair[1]]
        losses = next_token_loss(logits, torch.tensor([ids[1:]]), reduction="none")[0].tolist()
        loss = sft_loss(logits, targets).item()
        return Masked(ids, inputs[0].tolist(), targets[0].tolist(), losses, loss)

    def strip(self, masked: Masked | None = None) -> Strip:
        """The tokens in a row: orange where they are counted as targets, grey where not."""
        masked = masked or self.masked()
        counted = [False, *masked.counted]  # the first token is nobody's target
        titles = [
            self.words["title"].format(loss=loss) if yes else ""
            for yes, loss in zip(counted, [0.0, *masked.losses])
        ]
        fills = [COUNTED if yes else SKIPPED for yes in counted]
        texts = pieces(self.stage.encoding, masked.ids)
        return Strip(texts, fills, titles, self.words["legend"])

    def table(self, masked: Masked | None = None) -> Table:
        """One row a position: input, target, whether it is counted, and its loss if it is."""
        masked, words = masked or self.masked(), self.words
        names, rows = pieces(self.stage.encoding, masked.ids), []
        every = self.all.value
        for t, (counted, loss) in enumerate(zip(masked.counted, masked.losses)):
            special = names[t + 1] in self.stage.encoding.special_tokens_set
            kind = "counted" if counted or every else "template" if special else "user"
            shown = f"{loss:.2f}" if kind == "counted" else ""
            rows.append([t, names[t], names[t + 1], words[kind], shown])
        sizes = {"counted": len(rows) if every else sum(masked.counted), "n": len(rows)}
        caption = words["caption"].format(name=self.stage.name, **sizes)
        return Table(words["header"], rows, caption)

    def says(self, masked: Masked | None = None) -> str:
        """How many targets are counted, and their mean loss."""
        masked = masked or self.masked()
        n, counted = len(masked.losses), sum(masked.counted)
        if self.all.value:
            mean = sum(masked.losses) / n
            return self.words["unmasked"].format(n=n, loss=mean, masked=masked.loss)
        return self.words["loss"].format(counted=counted, n=n, loss=masked.loss)


def view_loss_mask(
    stage: Stage | None = None, question: str | None = None, answer: str | None = None,
    lang: str = "en",
) -> None:  # fmt: skip
    """Show a demonstration with its loss mask, and the controls to type another.

    stage: whose losses are shown, the SFT model unless given. question, answer: the first
    demonstration; without them one about Beijing. Errors are shown as a sentence.
    """
    from IPython.display import display

    from minigpt.stages.stage import load_stage

    try:
        stage = stage or load_stage("sft", lang=lang, quiet=True)
        asked = question or first_question()
        if answer is None:
            fact = stage.world.facts["beijing", "population"]
            answer = stage.world.text.STATEMENTS["population"][0].format(
                p=fact.place.name, v=fact.value
            )
        viewer = LossMask(stage, asked, answer)
        masked = viewer.masked()
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    display(viewer.strip(masked))
    display(viewer.table(masked))
    print(viewer.says(masked))
    display(viewer.view)
