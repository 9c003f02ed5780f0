"""Guess the next word: the learner against every snapshot of the model, on documents none has read.

A text is shown up to some word. The learner types how it goes on; then the word is shown, with what
each snapshot would have said. The first text is shown solved.
"""

import random
from typing import NamedTuple

import ipywidgets as widgets
import torch

from minigpt.generate import generate
from minigpt.show.strip import visible
from minigpt.show.style import IGNORE_MATH, amount, escape
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, rendered, side_by_side
from minigpt.stages.stage import Stage
from minigpt.store.words import _
from minigpt.tokenizer import split_text

FIRST = 6  # words that stand before the first gap: with fewer there is nothing to go by
GAP = " [?]"
LONGEST = 200  # tokens of a document, so that it fits the context
LONGEST_WORD = 8  # tokens of what a model says


class Task(NamedTuple):
    """A document cut before a word: what stands before it, and the word, as text and as ids."""

    before: str
    word: str  # with the space before it
    context: tuple[int, ...]  # ids, beginning with <|endoftext|>
    ids: tuple[int, ...]  # of the word


class Belief(NamedTuple):
    """What a model thought of a gap."""

    said: str  # the word that it finds most likely, token by token
    probability: float  # of the true word: the product over its tokens
    hit: bool  # whether it said the true word


def make_tasks(encoding, documents: list[str], n: int = 30, seed: int = 0) -> list[Task]:
    """`n` gaps, at most one a document, at words drawn at random. ValueError if there is none."""
    rng = random.Random(f"guess/{seed}")
    end = encoding.encode_single_token("<|endoftext|>")
    tasks = []
    for document in rng.sample(documents, len(documents)):
        words = split_text(document)
        ids = [encoding.encode_ordinary(word) for word in words]  # merges stay within a word
        if sum(map(len, ids)) > LONGEST or len(tasks) == n:
            continue
        gaps = [i for i in range(FIRST, len(words)) if any(c.isalnum() for c in words[i])]
        if gaps:
            gap = rng.choice(gaps)
            context = (end, *(i for word in ids[:gap] for i in word))
            tasks.append(Task("".join(words[:gap]), words[gap], context, tuple(ids[gap])))
    if not tasks:
        raise ValueError(_("these documents have no text with a word to guess: give longer ones"))
    return tasks


def belief(stage: Stage, task: Task) -> Belief:
    """What the model says in the gap, and its probability of the task's word (chain rule)."""
    device = stage.model.embedding.weight.device
    idx = torch.tensor([[*task.context, *task.ids]], device=device)
    with torch.no_grad():
        logits = stage.model(idx)[0, len(task.context) - 1 : -1].float().cpu()  # (word's ids, V)
    log_p = logits.log_softmax(-1).gather(1, torch.tensor(task.ids)[:, None]).sum()
    (sample,) = generate(stage.model, [list(task.context)], LONGEST_WORD, temperature=0)
    said = split_text(stage.encoding.decode(sample.ids))[0]
    return Belief(said, log_p.exp().item(), said.strip() == task.word.strip())


def telling_first(stages: list[Stage], tasks: list[Task]) -> list[Task]:
    """The tasks, beginning with one that the last model guesses and the middle one does not."""
    last, middle = stages[-1], stages[len(stages) // 2]
    late = (t for t in tasks if belief(last, t).hit and not belief(middle, t).hit)
    first = next(late, tasks[0])
    return [first, *(t for t in tasks if t is not first)]


class Game(Widget):
    """A text up to a gap, a box for the learner's guess, and what each snapshot thought."""

    def __init__(self, stages: list[Stage], tasks: list[Task]) -> None:
        super().__init__()
        self.stages, self.tasks = stages, tasks
        self.at, self.played, self.hits = 0, 0, 0
        self.model_hits = [0] * len(stages)
        self.guessed = False
        self.text = widgets.HTML(layout=widgets.Layout(width="auto"))
        self.guess = self.control(widgets.Text, _("Next word"), entered=self.submit)
        self.submit_button = self.button(_("Guess"), self.submit, button_style="primary")
        self.next_button = self.button(_("Next text"), self.next)
        controls = side_by_side(self.guess, self.submit_button, self.next_button)
        self.view = widgets.VBox([self.text, controls, self.status, self.shown])
        self._show_task()

    def static(self) -> list:
        """The first text, solved; the game goes on with the next one."""
        solved = self.table([belief(stage, self.task) for stage in self.stages])
        self.next()
        return [solved]

    @property
    def task(self) -> Task:
        return self.tasks[self.at]

    def _show_task(self) -> None:
        text = f"{escape(self.task.before)}<b>{escape(GAP)}</b>"
        self.text.value = f'<div class="{IGNORE_MATH}" style="overflow-wrap:anywhere">{text}</div>'

    def next(self) -> None:
        """Another text; the count goes on."""
        self.at = (self.at + 1) % len(self.tasks)
        self.guessed = self.submit_button.disabled = False
        self.quietly(self.guess, value="")
        self.status.value = self.shown.value = ""
        self._show_task()

    def submit(self) -> None:
        """Compare the guess with the text, and show what each snapshot thought."""
        guess, word = self.guess.value.strip(), self.task.word.strip()
        if self.guessed:  # and Enter is pressed again
            return
        if not guess:
            return self.say(_("Type the next word, number or sign, then press Guess."))
        beliefs = [belief(stage, self.task) for stage in self.stages]
        hit = guess.casefold() == word.casefold()
        self.guessed = self.submit_button.disabled = True
        self.played, self.hits = self.played + 1, self.hits + hit
        self.model_hits = [n + b.hit for n, b in zip(self.model_hits, beliefs)]
        said = _("Yes, it was {word}.") if hit else _("It was {word}. You guessed {guess}.")
        score = _("You: {hits} of {played}.", hits=self.hits, played=self.played)
        self.status.value = f"{escape(said.format(word=word, guess=guess))} <b>{score}</b>"
        self.shown.value = rendered(self.table(beliefs, score=True))

    def table(self, beliefs: list[Belief], score: bool = False) -> Table:
        """What each snapshot thought of the true word; with `score`, its hits so far."""
        rows = []
        for stage, b, hits in zip(self.stages, beliefs, self.model_hits):
            read = amount(stage.meta.get("tokens", 0))
            said = visible(b.said.strip().encode()) if b.said.isprintable() else _("no word")
            right = _("{right} of {n}", right=hits, n=self.played)
            rows.append([read, said, f"{b.probability:.1%}", right])
        header = [_("tokens read"), _("would have said"), _("probability of the true word"),
                  _("right so far")]  # fmt: skip
        if score:
            return Table(header, rows)
        goes_on = _('The text goes on with "{word}".', word=self.task.word.strip())
        caption = f"{self.task.before}{GAP}\n{goes_on}"
        return Table(header[:-1], [row[:-1] for row in rows], caption, width=60)


def guess_next(stages: list[Stage], documents: list[str]) -> None:
    """Show the game, its first text solved. stages: a model's snapshots, in order. documents: read
    by none of them."""
    present(lambda: Game(stages, telling_first(stages, make_tasks(stages[-1].encoding, documents))))
