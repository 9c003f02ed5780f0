"""The labeling widget: two answers to a question, and which of them is better.

`label_pairs()` shows the first pairs, with nobody's opinion beside them, which stays in the file,
and under it the controls. Each decision is kept at once, in the file that `own_labels` reads. With
the handle of the slider focused, the arrow keys decide: left for the left answer, right for the
right one; the box beside it takes letters. Undo, export and import, and a stopwatch stand below.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from minigpt.reward import sample_answers
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import Widget, cards, present, problem, side_by_side, uploaded
from minigpt.stages.labels import (
    Label,
    keep_labels,
    labeler_of,
    own_labels,
    read_labels,
    write_labels,
)
from minigpt.stages.stage import Stage, load_stage
from minigpt.store.kept import keep_writing_time
from minigpt.store.words import _, language
from minigpt.world.labelers import Chooser
from minigpt.world.questions import Question, sample_questions

GOAL = 30  # pairs that are enough to learn a clear taste from
OFFERED = 60  # pairs that the widget has
IDLE = 120.0  # seconds after which a labeler has left the desk, and the time is not counted
SHOWN = 5  # pairs in the static table
KEYS = {"a": "a", "b": "b", "t": "tie", " ": "tie"}  # and u for undo


def labeling_pairs(sft: Stage, n: int = OFFERED) -> list[tuple[Question, Label]]:
    """`n` questions, each with two answers of the SFT model that differ, as undecided labels."""
    questions = sample_questions(sft.world, "A", 2 * n, seed=40, lower=0.0)
    prompts = [chat_prompt(sft.encoding, q.text) for q in questions]
    samples = sample_answers(sft.model, sft.encoding, prompts, 2, seed=40)
    pairs: dict = {}
    for question, (a, b) in zip(questions, samples):
        texts = {answer_text(sft.encoding, s.ids) for s in (a, b)}
        if a.ended and b.ended and len(texts) == 2:
            label = Label(question.text, a.ids, b.ids, "tie")
            pairs.setdefault(label.pair, (question, label))
    return list(pairs.values())[:n]


def scripted(sft: Stage, pairs, choose: Chooser) -> list[Label]:
    """The pairs as somebody labels them who chooses by the function."""
    return [replace(label, choice=choose(q, *texts_of(sft, label))) for q, label in pairs]


def texts_of(sft: Stage, label: Label) -> tuple[str, str]:
    """The two answers as people read them."""
    return tuple(answer_text(sft.encoding, list(ids)) for ids in (label.a, label.b))


class Labeler(Widget):
    """Pairs to decide, one after the other; `labels` is what has been decided."""

    def __init__(self, sft: Stage, pairs, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.sft, self.pairs, self.clock = sft, pairs, clock
        self.since = self.started = None
        self.labels = own_labels(self.notes.append)
        words = {"a": _("← Left is better"), "tie": _("Tie"), "b": _("Right is better →")}
        self.buttons = {
            choice: self.button(word, self.decide, choice, layout={"width": "auto"})
            for choice, word in words.items()
        }
        self.undo_button = self.button(_("Undo"), self.undo)
        self.facts = self.control(
            widgets.Checkbox, _("Show what is true"), self.refresh, value=False, indent=False
        )
        # A slider answers to the arrow keys, which a button does not.
        self.arrows = self.control(
            widgets.IntSlider, _("Arrow keys"), self._arrow, value=0, min=-1, max=1, readout=False,
            continuous_update=True,
        )  # fmt: skip
        self.letters = self.control(
            widgets.Text, _("By letter"), self._letter, continuous_update=True,
            placeholder=_("a, b, t (tie), u (undo)"),
        )  # fmt: skip
        self.bar = widgets.IntProgress(value=0, min=0, max=len(pairs))
        self.name = self.control(widgets.Text, _("Your name"), value="you")
        self.path = self.control(widgets.Text, _("File"), entered=self.export, value="labels.json")
        self.export_button = self.button(_("Export"), self.export)
        self.upload = widgets.FileUpload(description=_("Import"), accept=".json")
        self.upload.observe(lambda change: self.guarded(self.take_in, change["new"]), "value")
        self.start = self.button(_("Start the clock"), self.start_clock)
        self.stop = self.button(_("Done"), self.stop_clock)
        self.written = self.control(
            widgets.Text, _("Write it here"), wide=True, entered=self.stop_clock
        )
        self.stopwatch = widgets.HTML(layout={"width": "auto"})
        self.view = widgets.VBox([
            self.shown, side_by_side(*self.buttons.values(), self.undo_button),
            side_by_side(self.arrows, self.letters, self.facts),
            side_by_side(self.bar, self.status),
            side_by_side(self.name, self.path, self.export_button, self.upload),
            side_by_side(self.start, self.stop), self.written, self.stopwatch,
        ])  # fmt: skip
        self.refresh()

    def static(self) -> list:
        rows = [[label.question, *texts_of(self.sft, label)] for _q, label in self.pairs[:SHOWN]]
        header = [_("question"), _("left answer"), _("right answer")]
        return [Table(header, rows, _("The first of the {n} pairs", n=len(self.pairs)))]

    def failed(self, error: Exception) -> None:
        self.status.value = problem(error)  # the pair can still be decided

    # ---- deciding ---------------------------------------------------------------------------

    def at(self) -> int | None:
        """The number of the first pair that is not decided; None if all are."""
        decided = {label.pair for label in self.labels}
        return next((i for i, (_q, p) in enumerate(self.pairs) if p.pair not in decided), None)

    def decide(self, choice: str) -> None:
        """Keep what was chosen for the pair that is shown, and show the next one."""
        at, now = self.at(), self.clock()
        if at is not None:
            took = None if self.since is None else now - self.since
            seconds = None if took is None or took > IDLE else round(took, 2)
            self._keep([*self.labels, replace(self.pairs[at][1], choice=choice, seconds=seconds)])
            self.since = now
        self.refresh()

    def undo(self) -> None:
        """Take back the last decision; its pair is shown again."""
        if not self.labels:
            return self.refresh(_("There is no decision to take back."))
        self._keep(self.labels[:-1])
        self.since = None  # the second look at a pair is no measure of the first
        self.refresh(_("Taken back: decide again."))

    def _arrow(self) -> None:
        choice = "a" if self.arrows.value < 0 else "b"
        self.quietly(self.arrows, value=0)
        self.decide(choice)

    def _letter(self) -> None:
        typed = self.letters.value[-1:].lower()
        self.quietly(self.letters, value="")
        if typed == "u":
            self.undo()
        elif typed in KEYS:
            self.decide(KEYS[typed])

    def _keep(self, labels: list[Label]) -> None:
        self.labels = labels
        keep_labels(labels, self._name(), self.notes.append)

    def _name(self) -> str:
        return self.name.value.strip()[:80] or "you"

    def refresh(self, said: str = "") -> None:
        """Show the pair that is next, and how far one is."""
        at, mine = self.at(), {label.pair: label for label in self.labels}
        decided = [mine[p.pair] for _q, p in self.pairs if p.pair in mine]
        self.bar.value = len(decided)
        over = _("All pairs are decided: run the next cells. Undo takes back the last one.")
        shown = f"<b>{escape(over)}</b>" if at is None else self.pair_html(*self.pairs[at])
        self.shown.value = shown
        for button in self.buttons.values():
            button.disabled = at is None
        told = _("{n} of {all} pairs decided, {ties} of them ties. About {goal} are enough: then "
                 "run the next cells again.", n=len(decided), all=len(self.pairs),
                 ties=sum(label.preferred is None for label in decided),
                 goal=min(GOAL, len(self.pairs)))  # fmt: skip
        self.say(said, told)

    def pair_html(self, question: Question, pair: Label) -> str:
        """The question and the two answers side by side; all text is escaped."""
        truth = f"<div><small>{escape(truth_of(question))}</small></div>"
        left, right = texts_of(self.sft, pair)
        both = cards({_("left answer"): left, _("right answer"): right})
        shown = f"<b>{escape(question.text)}</b>{truth if self.facts.value else ''}{both}"
        return f'<div class="{IGNORE_MATH}" role="status">{shown}</div>'

    # ---- files ------------------------------------------------------------------------------

    def export(self) -> None:
        """Write the labels into the file that is named; one that is there stays as it is."""
        path = Path(self.path.value.strip() or "labels.json").expanduser()
        if path.exists():
            raise ValueError(_("There is a file {path} already. It is not overwritten: choose "
                               "another name.", path=path))  # fmt: skip
        write_labels(path, self.labels, self.sft.encoding, self._name())
        self.refresh(_("Labels in {path}: {n}.", path=path.resolve().name, n=len(self.labels)))

    def take_in(self, value) -> None:
        """Add the labels of an uploaded file; what was decided here stays."""
        if not (found := uploaded(value)):
            return
        name, data = found
        new = read_labels(data, self.sft.encoding, language(), name)
        mine = {label.pair for label in self.labels}
        added = [label for label in new if label.pair not in mine]
        self._keep([*self.labels, *added])
        self.refresh(_(
            "{new} labels were added from the file of {who}, {known} were there already. Where you "
            "had decided otherwise, yours stays.",
            new=len(added), who=labeler_of(data), known=len(new) - len(added),
        ))  # fmt: skip

    # ---- stopwatch --------------------------------------------------------------------------

    def start_clock(self) -> None:
        self.started, self.written.value = self.clock(), ""
        said = _("The clock runs. Write an answer to the question above, then press Done.")
        self.stopwatch.value = escape(said)

    def stop_clock(self) -> None:
        """Say how long writing took, beside the median time of judging."""
        if self.started is None:
            notes = [_("Press Start the clock first, then write.")]
        elif not self.written.value.strip():
            notes = [_("There is nothing in the box yet. The clock goes on.")]
        else:
            took, self.started, self.since = self.clock() - self.started, None, None
            notes = [_("Writing took {n} s.", n=f"{took:.1f}"), self.judging()]
            keep_writing_time(took, notes.append)
        self.stopwatch.value = escape(" ".join(notes))

    def judging(self) -> str:
        """The median time of a decision, in words."""
        times = [label.seconds for label in self.labels if label.seconds is not None]
        if not times:
            return _("No pair has been judged yet: judge some, to compare.")
        return _("Judging took you {judge} s a pair (the median of {n}).",
                 judge=f"{np.median(times):.1f}", n=len(times))  # fmt: skip


def truth_of(question: Question) -> str:
    """What a labeler would find who looks it up."""
    if question.kind == "fact":
        return _("True in this world: {value}", value=question.answer)
    return _("No page of this world has written about this place.")


def label_pairs(own: bool = True) -> Labeler | None:
    """Show the first pairs, and the controls to decide them. Returns the widget."""

    def make() -> Labeler:
        sft = load_stage("sft", own, language(), quiet=True)
        return Labeler(sft, labeling_pairs(sft))

    return present(make)
