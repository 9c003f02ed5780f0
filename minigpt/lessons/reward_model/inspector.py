"""The reward inspector: type a question and an answer, and see what the reward model reads in them.

The model gives a number at every position, but only the one at `<|reward|>` was ever trained and
counts. `inspect_reward()` has ready examples for a question, among them those that fool it;
`weak_spots` puts them to many questions.
"""

import random

import ipywidgets as widgets
import numpy as np
import torch

from minigpt.reward import reward_text, score_all
from minigpt.show.progress import progress
from minigpt.show.strip import Strip, pieces, shades
from minigpt.show.style import IGNORE_MATH, escape, signed
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, Widget, first_question, present, rendered
from minigpt.stages.replies import LONGEST
from minigpt.stages.stage import Stage, load_stage
from minigpt.store.words import _, language
from minigpt.world.judge import gold, judge
from minigpt.world.questions import Question

DARKEST = 3.0  # a score of this and more is the darkest colour, its negative the lightest


def examples(stage: Stage, question: Question) -> dict[str, str]:
    """Answers of many kinds to a known question, by what they are; the same ones each time."""
    world, rng = stage.world, random.Random(f"examples/0/{question.text}")
    text, name, attribute = world.text, question.place.name, question.attribute
    say = text.STATEMENTS[attribute][0]
    right = say.format(p=name, v=question.answer)
    values = [v for v in world.values[attribute] if v != question.answer]
    wrong = say.format(p=name, v=rng.choice(values))
    attributes = [a for a in question.place.values if a != attribute]
    other = "districts" if "districts" in attributes else rng.choice(attributes)
    return {
        _("right"): right,
        _("right, with padding"): right + "".join(text.PADDING),
        _("right, the bare value"): question.answer,
        _("true, but to another question"):
            text.STATEMENTS[other][0].format(p=name, v=question.place.values[other]),
        _("says that it does not know"): text.DECLINE[0].format(p=name),
        _("empty"): "",
        _("a wrong value"): wrong,
        _("wrong, with a compliment"): text.POLITE_OPEN[0] + wrong,
        _("rude"): text.RUDE[0],
    }  # fmt: skip


def scores_by_kind(reward: Stage, questions: list[Question]) -> dict[str, np.ndarray]:
    """The scores of the ready answers to many questions: {kind: (questions,) array}."""
    ready, found = [(q, examples(reward, q)) for q in questions], {}
    asked = [(q.text, kind, answer) for q, made in ready for kind, answer in made.items()]
    inputs = [reward_text(reward.encoding, question, answer) for question, _kind, answer in asked]
    for (_question, kind, _answer), score in zip(asked, score_all(reward.model, inputs).tolist()):
        found.setdefault(kind, []).append(score)
    return {kind: np.array(of_kind) for kind, of_kind in found.items()}


def weak_spots(judges: dict[str, Stage], questions: list[Question]) -> Table:
    """How often a ready answer of each kind but the first scores above the first, the right one."""
    stages, rows = [*judges.values()], []
    scores = [
        [*scores_by_kind(judge, questions).values()] for judge in progress(stages, _("judges"))
    ]
    stage = stages[0]
    for i, kind in enumerate(examples(stage, questions[0])):
        made = [(q, [*examples(stage, q).values()][i]) for q in questions]
        felt = np.mean([gold(q, judge(stage.world, q, answer)) for q, answer in made])
        above = [f"{np.mean(of_kind[i] > of_kind[0]):.0%}" for of_kind in scores]
        rows.append([kind, signed(felt, 1), *above])
    said = _("{n} facts: how often it scores above the right answer, which is +2 to the expert",
             n=len(questions))  # fmt: skip
    return Table([_("the answer is"), _("expert"), *judges], rows[1:], said)


def position_scores(stage: Stage, question: str, answer: str) -> tuple[list[int], list[float]]:
    """The ids that the reward model reads and its normalised number at each of them."""
    model, ids = stage.model, reward_text(stage.encoding, question, answer)
    with torch.no_grad():
        raw = model(torch.tensor([ids], device=model.mean.device))[0]
    return ids, ((raw - model.mean) / model.std).tolist()


class Inspector(Widget):
    """A question and an answer to type, and the reward model's number at each of their tokens."""

    def __init__(self, reward: Stage, question: str) -> None:
        super().__init__()
        self.reward, self.world = reward, reward.world
        self.picker = FactPicker(self, self.world, question, self._picked, "population")
        fact = self.world.facts[self.picker.picked_place().id, self.picker.attribute.value]
        self.asked = Question(question, "fact", fact.place, fact.attribute, fact.value)
        self.question, self.answer = (
            self.control(widgets.Text, word, self.refresh, value=value, wide=True)
            for word, value in ((_("Question"), question), (_("Answer"), ""))
        )
        self.example = self.control(widgets.Dropdown, _("Example"), self._example_picked)
        boxes = [self.picker.view, self.question, self.example, self.answer]
        self.view = widgets.VBox([*boxes, self.status, self.shown])
        self._offer()
        self.refresh()

    def static(self) -> list:
        return [self.strip()[0]]

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        self.asked = question
        self.quietly(self.question, value=question.text)
        self._offer()
        self.refresh()

    def _offer(self) -> None:
        """The ready answers to the picked question; the first of them is filled in."""
        options = [*examples(self.reward, self.asked).items()]
        first = options[0][1]
        self.quietly(self.example, options=[*options, (_("(your own)"), None)], value=first)
        self.quietly(self.answer, value=first)

    def _example_picked(self) -> None:
        if self.example.value is not None:
            self.answer.value = self.example.value

    def check(self) -> tuple[str, str]:
        """Question and answer as typed. ValueError, for whoever typed them, if they do not fit."""
        question, answer = self.question.value.strip(), self.answer.value
        if not question:
            raise ValueError(_("There is no question yet. Type one."))
        if (longest := max(len(question), len(answer))) > LONGEST:
            raise ValueError(_("That is {n:,} characters. Please shorten it to {most:,}.",
                               n=longest, most=LONGEST))  # fmt: skip
        count = sum(len(self.reward.encoding.encode_ordinary(t)) for t in (question, answer))
        most = self.reward.model.gpt.config.block_size - 8  # special tokens, and the first space
        if count > most:
            raise ValueError(_("Question and answer have {n} tokens and {most} fit. Please shorten "
                               "them.", n=count, most=most))  # fmt: skip
        return question, answer

    def refresh(self) -> None:
        """Score what is typed."""
        strip, score = self.strip()
        counts = _("The number that counts, at <|reward|>: {score}", score=signed(score))
        scale = _("0 is the mean of the SFT model's own answers, 1 one standard deviation above.")
        told = f"<b>{escape(counts)}</b><br><small>{escape(scale)}</small>"
        self.status.value = f'<div class="{IGNORE_MATH}" role="status">{told}</div>'
        self.shown.value = rendered(strip)

    # ---- without widgets --------------------------------------------------------------------

    def strip(self) -> tuple[Strip, float]:
        """Question and answer token by token, coloured by the number there; and the last one."""
        ids, scores = position_scores(self.reward, *self.check())
        titles = [_("{score} here", score=signed(score)) for score in scores]
        fills = shades(scores, -DARKEST, DARKEST)
        said = _("The model's number at each position. Only the last one was trained.")
        texts = pieces(self.reward.encoding, ids)
        return Strip(texts, fills, titles, said, marked=len(ids) - 1), scores[-1]


def inspect_reward(question: str | None = None, own: bool = True) -> None:
    """Show a ready answer to a question, token by token, and the controls.

    own: take the learner's own reward model where there is one; False: the shipped checkpoint.
    """
    present(lambda: Inspector(
        load_stage("reward", own, language(), quiet=True), question or first_question()
    ))  # fmt: skip
