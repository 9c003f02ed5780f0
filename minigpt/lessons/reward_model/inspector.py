"""The reward inspector: type a question and an answer, and see what the reward model reads in them.

The model gives a number at every position, but only the one at `<|reward|>` was ever trained and
counts. `inspect_reward()` shows ready examples for a question, among them those that fool it, in a
table that stays in the file, and under it the controls.
"""

import random
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np
import torch

from minigpt.reward import reward_text, score_all
from minigpt.show.strip import Strip, pieces, shades
from minigpt.show.style import IGNORE_MATH, escape, signed
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, Widget, first_question, present, rendered
from minigpt.stages.replies import LONGEST
from minigpt.stages.stage import Stage, load_stage
from minigpt.store.words import _, language
from minigpt.world.judge import gold, judge
from minigpt.world.labelers import Labeler, utility
from minigpt.world.names import unknown_places
from minigpt.world.questions import Question, ask_unknown

DARKEST = 3.0  # a score of this and more is the darkest colour, its negative the lightest


def kind_word(kind: str) -> str:
    """What a reader sees in place of an example's kind."""
    return {
        "right": _("right"),
        "wrong": _("a wrong value"),
        "other": _("true, but to another question"),
        "elsewhere": _("true of another place"),
        "terse": _("right, the bare value"),
        "polite": _("wrong, with a compliment"),
        "padded": _("right, with padding"),
        "twice": _("right, said twice"),
        "decline": _("says that it does not know"),
        "rude": _("rude"),
        "nothing": _("empty"),
        "invented": _("a confident invention"),
        "honest": _("says that it does not know"),
        "off": _("another name is not known"),
    }[kind]


def examples(stage: Stage, question: Question) -> dict[str, str]:
    """Answers of many kinds (see `kind_word`) to a question, the same ones each time."""
    world, rng = stage.world, random.Random(f"examples/0/{question.text}")
    text, name, attribute = world.text, question.place.name, question.attribute
    say = text.STATEMENTS[attribute][0]
    values = [v for v in world.values[attribute] if v != question.answer]
    wrong = say.format(p=name, v=rng.choice(values))
    if question.kind == "unknown":
        other = rng.choice([p.name for p in world.places[:60]])
        found = {
            "honest": text.DECLINE[0].format(p=name),
            "invented": wrong,
            "polite": text.POLITE_OPEN[0] + wrong,
            "off": text.DECLINE[0].format(p=other),
        }
    else:
        right = say.format(p=name, v=question.answer)
        attributes = [a for a in question.place.values if a != attribute]
        other = "districts" if "districts" in attributes else rng.choice(attributes)
        place = rng.choice([p for p in world.places[:60]
                            if attribute in p.values and p != question.place])  # fmt: skip
        found = {
            "right": right,
            "terse": question.answer,
            "wrong": wrong,
            "other": text.STATEMENTS[other][0].format(p=name, v=question.place.values[other]),
            "elsewhere": say.format(p=place.name, v=place.values[attribute]),
            "polite": text.POLITE_OPEN[0] + wrong,
            "padded": right + "".join(text.PADDING),
            "twice": f"{right} {right}",
            "decline": text.DECLINE[0].format(p=name),
        }
    return {**found, "rude": text.RUDE[0], "nothing": ""}


def scores_by_kind(reward: Stage, questions: list[Question]) -> dict[str, np.ndarray]:
    """The scores of the ready answers to many questions: {kind: (questions,) array}."""

    def scores(asked):
        inputs = [reward_text(reward.encoding, q.text, answer) for q, answer in asked]
        return score_all(reward.model, inputs).tolist()

    return by_kind(reward, questions, scores)


def utility_by_kind(stage: Stage, labeler: Labeler, questions) -> dict[str, np.ndarray]:
    """A labeler's own noiseless utility of the same answers: {kind: (questions,) array}."""
    return by_kind(
        stage, questions, lambda asked: [utility(stage.world, labeler, *pair) for pair in asked]
    )


def by_kind(stage: Stage, questions, value_all: Callable) -> dict[str, np.ndarray]:
    ready, found = [(q, examples(stage, q)) for q in questions], {}
    values = iter(value_all([(q, answer) for q, made in ready for answer in made.values()]))
    for kind in (kind for _question, made in ready for kind in made):
        found.setdefault(kind, []).append(next(values))
    return {kind: np.array(of_kind) for kind, of_kind in found.items()}


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
        typed = {"wide": True, "continuous_update": True}  # scored letter by letter
        self.question, self.answer = (
            self.control(widgets.Text, word, self.refresh, value=value, **typed)
            for word, value in ((_("Question"), question), (_("Answer"), ""))
        )
        self.example = self.control(widgets.Dropdown, _("Example"), self._example_picked)
        boxes = [self.picker.view, self.question, self.example, self.answer]
        self.view = widgets.VBox([*boxes, self.status, self.shown])
        self._offer()
        self.refresh()

    def static(self) -> list:
        return [self.table(), self.table(unknown_example(self.reward)), self.strip()[0]]

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        self.asked = question
        self.quietly(self.question, value=question.text)
        self._offer()
        self.refresh()

    def _offer(self) -> None:
        """The ready answers to the picked question; the first of them is filled in."""
        ready = examples(self.reward, self.asked).items()
        options = [(kind_word(kind), answer) for kind, answer in ready]
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

    def table(self, question: Question | None = None) -> Table:
        """The ready examples, highest score first, with the expert's utility beside it."""
        asked, rows = question or self.asked, []
        ready = examples(self.reward, asked)
        scores = {kind: self.reward.score(asked.text, answer) for kind, answer in ready.items()}
        for kind in sorted(ready, key=lambda kind: -scores[kind]):
            value = gold(asked, judge(self.world, asked, ready[kind]))
            rows.append([kind_word(kind), ready[kind], signed(scores[kind]), signed(value, 1)])
        header = [_("the answer is"), _("answer"), _("score"), _("expert's utility")]
        truth = asked.answer or _("nothing, no page has written about this place")
        caption = _("{question}   (true in this world: {truth})", question=asked.text, truth=truth)
        return Table(header, rows, caption, width=48)


def unknown_example(stage: Stage) -> Question:
    """A question about a place that no page has written about."""
    place = unknown_places(stage.world, "real", 20, seed=555)[0]
    return ask_unknown(stage.world, place, random.Random("inspector/0"))


def inspect_reward(question: str | None = None, own: bool = True) -> None:
    """Show ready answers to a question and one about an unknown place, scored, and the controls.

    own: take the learner's own reward model where there is one; False: the shipped checkpoint.
    """
    present(lambda: Inspector(
        load_stage("reward", own, language(), quiet=True), question or first_question()
    ))  # fmt: skip
