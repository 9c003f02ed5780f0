"""Guess the next word: the learner against every snapshot of the model, on documents none has read.

A text is shown up to some word. The learner types how it goes on; then the word is shown, with the
probability that each snapshot gave it. `guess_next()` shows one such task solved, which stays in
the file, and under it the game.
"""

import random
from dataclasses import dataclass

import ipywidgets as widgets
import torch

from minigpt.show.style import IGNORE_MATH, amount, escape
from minigpt.show.table import Table
from minigpt.show.widget import rendered, side_by_side
from minigpt.stages.stage import Stage, load_stage, snapshots
from minigpt.tokenizer import split_text

FIRST = 6  # words that stand before the first gap: with fewer there is nothing to go by
LONGEST = 200  # tokens of a document, so that it fits the context
TEXT = {
    "en": {
        "guess": "Next word",
        "submit": "Guess",
        "next": "Next text",
        "gap": " [?]",
        "example": "The text goes on with {word}.",
        "tokens": "tokens read",
        "probability": "its probability",
        "rank": "rank of its first token",
        "hit": "guessed it",
        "score": "right so far",
        "yes": "yes",
        "no": "no",
        "empty": "Type the next word, then press Guess. One word, number or sign is enough.",
        "right": "Yes, it was {word}.",
        "wrong": "It was {word}. You guessed {guess}.",
        "you": "You: {hits} of {played}.",
        "again": "You have guessed this one. Press Next text.",
        "failed": "This did not work: {error}",
        "none": "these documents have no text with a word to guess: give longer ones",
    },
}


@dataclass(frozen=True)
class Task:
    """A document cut before a word: what stands before it, and the word, as text and as ids."""

    before: str
    word: str  # with the space before it
    context: tuple[int, ...]  # ids, beginning with <|endoftext|>
    ids: tuple[int, ...]  # of the word


@dataclass(frozen=True)
class Belief:
    """What a model thought of the true word."""

    probability: float  # of the whole word: the product over its tokens
    rank: int  # of its first token among all tokens, 1 the likeliest
    hit: bool  # whether each of its tokens was the likeliest one


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
        raise ValueError(TEXT["en"]["none"])
    return tasks


def belief(stage: Stage, task: Task) -> Belief:
    """The model's probability of the task's word, given what stands before it (chain rule)."""
    device = stage.model.embedding.weight.device
    idx = torch.tensor([[*task.context, *task.ids]], device=device)
    with torch.no_grad():
        logits = stage.model(idx)[0, len(task.context) - 1 : -1].float().cpu()  # (word's ids, V)
    target = torch.tensor(task.ids)[:, None]
    true = logits.gather(1, target)
    log_p = logits.log_softmax(-1).gather(1, target).sum()
    # Ties count against the model: at step 0, where all tokens are equal, it has guessed nothing.
    ahead = (logits >= true).sum(1)
    return Belief(log_p.exp().item(), int(ahead[0]), bool((ahead == 1).all()))


def telling_first(stages: list[Stage], tasks: list[Task]) -> list[Task]:
    """The tasks, beginning with one that the last model guesses and the middle one does not."""
    for i, task in enumerate(tasks):
        if belief(stages[-1], task).hit and not belief(stages[len(stages) // 2], task).hit:
            return [task, *tasks[:i], *tasks[i + 1 :]]
    return tasks


class Game:
    """The widget: `view` is what is displayed; `table(task)` is its static form."""

    def __init__(self, stages: list[Stage], tasks: list[Task], lang: str = "en") -> None:
        self.stages, self.tasks, self.words = stages, tasks, TEXT[lang]
        self.at, self.played, self.hits = 0, 0, 0
        self.model_hits = [0] * len(stages)
        self.guessed = False
        wide, words = {"description_width": "7em"}, self.words
        box = widgets.Layout(width="auto")
        self.text = widgets.HTML(layout=box)
        self.guess = widgets.Text(description=words["guess"], style=wide)
        self.submit_button = widgets.Button(description=words["submit"], button_style="primary")
        self.next_button = widgets.Button(description=words["next"])
        self.status, self.shown = widgets.HTML(), widgets.HTML(layout=box)
        self.submit_button.on_click(self.submit)
        self.next_button.on_click(self.next)
        controls = side_by_side(self.guess, self.submit_button, self.next_button)
        self.view = widgets.VBox([self.text, controls, self.status, self.shown])
        self._show_task()

    @property
    def task(self) -> Task:
        return self.tasks[self.at]

    def _show_task(self) -> None:
        text = escape(self.task.before) + f"<b>{escape(self.words['gap'])}</b>"
        self.text.value = f'<div class="{IGNORE_MATH}" style="overflow-wrap:anywhere">{text}</div>'

    def next(self, button=None) -> None:
        """Another text; the count goes on."""
        self.at = (self.at + 1) % len(self.tasks)
        self.guessed, self.guess.value = False, ""
        self.status.value = self.shown.value = ""
        self._show_task()

    def submit(self, button=None) -> None:
        """Compare the guess with the text, and show what each snapshot thought."""
        words, guess = self.words, self.guess.value.strip()
        if not guess or self.guessed:
            self.status.value = escape(words["again" if guess else "empty"])
            return
        try:
            beliefs = [belief(stage, self.task) for stage in self.stages]
        except Exception as error:  # a learner's widget never shows a traceback
            self.status.value = f"<b>{escape(words['failed'].format(error=error))}</b>"
            return
        word = self.task.word.strip()
        hit = guess.casefold() == word.casefold()
        self.guessed, self.played, self.hits = True, self.played + 1, self.hits + hit
        self.model_hits = [n + b.hit for n, b in zip(self.model_hits, beliefs)]
        said = words["right" if hit else "wrong"].format(word=word, guess=guess)
        score = words["you"].format(hits=self.hits, played=self.played)
        self.status.value = f"{escape(said)} <b>{escape(score)}</b>"
        self.shown.value = rendered(self.table(beliefs, score=True))

    def table(self, beliefs: list[Belief] | None = None, score: bool = False) -> Table:
        """What each snapshot thought of the true word; with `score`, its hits so far."""
        words = self.words
        beliefs = beliefs or [belief(stage, self.task) for stage in self.stages]
        rows = []
        for stage, b, hits in zip(self.stages, beliefs, self.model_hits):
            row = [amount(stage.meta.get("tokens", 0)), f"{b.probability:.1%}", f"{b.rank:,}"]
            row.append(words["yes" if b.hit else "no"])
            rows.append(row + ([f"{hits} of {self.played}"] if score else []))
        header = [words[name] for name in ("tokens", "probability", "rank", "hit")]
        header += [words["score"]] if score else []
        caption = ""
        if not score:
            caption = f"{self.task.before}{words['gap']}\n"
            caption += words["example"].format(word=f'"{self.task.word.strip()}"')
        return Table(header, rows, caption, width=60)


def guess_next(
    stages: list[Stage] | None = None, documents: list[str] | None = None, seed: int = 0,
    lang: str = "en",
) -> None:  # fmt: skip
    """Show one text with its next word and what each snapshot thought of it, then the game.

    stages: the shipped snapshots and the base model unless given. documents: of the same world,
    read by none of them, unless given.
    """
    from IPython.display import display

    from minigpt.world.corpus import build_corpus
    from minigpt.world.facts import load_world

    try:
        if stages is None:
            names = [*snapshots(lang), "base"]
            stages = [load_stage(name, own=False, lang=lang, quiet=True) for name in names]
        encoding = stages[-1].encoding
        if documents is None:
            documents = build_corpus(load_world(lang), encoding, 20_000, seed=1000).documents
        tasks = telling_first(stages, make_tasks(encoding, documents, seed=seed))
        game = Game(stages, tasks, lang)
        display(game.table())
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    game.next()  # the word of the first text has just been shown
    display(game.view)
