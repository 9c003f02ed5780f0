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
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, Widget, first_question, no_question, present, rendered
from minigpt.stages.stage import Stage, load_stage
from minigpt.store.words import _, language
from minigpt.world.contractors import sentence
from minigpt.world.questions import Question

COUNTED, SKIPPED = "#FFD27F", "#E8E8E8"  # of a token that is counted, and of one that is not


@dataclass
class Masked:
    """A demonstration as training sees it. T = tokens less one: the last is a target alone."""

    ids: list[int]  # (T + 1,): the prompt, the answer and its <|end|>
    counted: list[bool]  # (T,): whether the token that follows is a target
    losses: list[float]  # (T,): of every next token, counted or not, in nats
    loss: float  # of the demonstration, as `sft_loss` says


class LossMask(Widget):
    """The widget: `view` is what is displayed; the other attributes are its controls."""

    def __init__(self, stage: Stage, question: str, answer: str) -> None:
        super().__init__()
        self.stage = stage
        self.picker = FactPicker(self, stage.world, question, self._picked)
        self.question, self.answer = (
            self.control(widgets.Text, word, self.update, wide=True, value=value)
            for word, value in ((_("Question"), question), (_("Answer"), answer))
        )
        self.all = self.control(
            widgets.Checkbox, _("Count every target, as pretraining does"), self.update,
            value=False, indent=False,
        )  # fmt: skip
        boxes = [self.picker.view, self.question, self.answer, self.all]
        self.view = widgets.VBox([*boxes, self.status, self.shown])
        self.guarded(self.update)

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        """A question from the dropdowns, answered as a careful contractor would."""
        rng = random.Random(question.text)
        answer = sentence(self.stage.world, question, question.answer, rng)
        self.quietly(self.question, value=question.text)  # or the old answer would be shown with it
        self.quietly(self.answer, value=answer)
        self.update()

    def update(self) -> None:
        """Show the demonstration that is in the boxes."""
        masked = self.masked()
        rows = f'<div style="max-height:28em;overflow:auto">{rendered(self.table(masked))}</div>'
        self.shown.value = rendered(self.strip(masked)) + rows
        self.say(self.says(masked))

    # ---- what is seen -----------------------------------------------------------------------

    def masked(self) -> Masked:
        """The demonstration with its losses. ValueError for whoever typed it if there is no
        question or answer, or if they are too long."""
        encoding, block_size = self.stage.encoding, self.stage.model.config.block_size
        question, answer = self.question.value.strip(), self.answer.value.strip()
        if not question:
            raise ValueError(no_question())
        if not answer:
            raise ValueError(_("There is no answer yet. Type what the assistant should have said."))
        pair = encoded(encoding, question, answer, block_size, _("This demonstration"))
        # A batch of one, as training makes it, so that nothing here can differ from training.
        inputs, targets = sft_batch([pair], encoding.encode_single_token("<|pad|>"))
        counted = (targets != IGNORE)[0].tolist()
        device = self.stage.model.embedding.weight.device
        with torch.no_grad():
            logits = self.stage.model(inputs.to(device)).cpu()
        ids = [*pair[0], *pair[1]]
        losses = next_token_loss(logits, torch.tensor([ids[1:]]), reduction="none")[0].tolist()
        return Masked(ids, counted, losses, sft_loss(logits, targets).item())

    def strip(self, masked: Masked) -> Strip:
        """The tokens in a row: orange where they are counted as targets, grey where not."""
        counted = [False, *masked.counted]  # the first token is nobody's target
        titles = [_("counted, loss {loss:.2f}", loss=loss) if yes else ""
                  for yes, loss in zip(counted, [0.0, *masked.losses])]  # fmt: skip
        fills = [COUNTED if yes else SKIPPED for yes in counted]
        legend = _("Orange: the targets that are counted. Grey: what is only read.")
        return Strip(pieces(self.stage.encoding, masked.ids), fills, titles, legend)

    def table(self, masked: Masked) -> Table:
        """One row a position: input, target, whether it is counted, and its loss if it is."""
        names, rows = pieces(self.stage.encoding, masked.ids), []
        counts = [counted or self.all.value for counted in masked.counted]
        for t, (counted, loss) in enumerate(zip(counts, masked.losses)):
            special = names[t + 1] in self.stage.encoding.special_tokens_set
            why = _("no: the template's") if special else _("no: the user's")
            said = (_("yes"), f"{loss:.2f}") if counted else (why, "")
            rows.append([t, names[t], names[t + 1], *said])
        caption = _("{name}: {counted} of {n} targets are counted",
                    name=self.stage.name, counted=sum(counts), n=len(rows))  # fmt: skip
        header = [_("position"), _("input"), _("target"), _("counted"), _("loss")]
        return Table(header, rows, caption)

    def says(self, masked: Masked) -> str:
        """How many targets are counted, and their mean loss."""
        n, counted = len(masked.losses), sum(masked.counted)
        if self.all.value:
            return _("With no mask all {n} targets are counted, and the mean loss is {loss:.3f} "
                     "nats. With the mask it is {masked:.3f}.",
                     n=n, loss=sum(masked.losses) / n, masked=masked.loss)  # fmt: skip
        return _("{counted} of {n} targets are counted. Their mean loss is {loss:.3f} nats: that "
                 "is this demonstration's loss.",
                 counted=counted, n=n, loss=masked.loss)  # fmt: skip

    def static(self) -> list:
        masked = self.masked()
        return [self.strip(masked), self.table(masked), self.says(masked)]


def view_loss_mask(stage: Stage | None = None) -> None:
    """Show a demonstration about Beijing with its loss mask, and the controls to type another.

    stage: whose losses are shown, the SFT model unless given.
    """

    def make() -> LossMask:
        shown = stage or load_stage("sft", lang=language(), quiet=True)
        fact = shown.world.facts["beijing", "population"]
        true = shown.world.text.STATEMENTS["population"][0].format(p=fact.place.name, v=fact.value)
        return LossMask(shown, first_question(), true)

    present(make)
