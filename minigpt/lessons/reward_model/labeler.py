"""The labeling widget: two answers to a question, and which of them is better.

`label_pairs()` shows the first pairs, with nobody's opinion beside them, which stays in the file,
and the controls. Each decision is kept at once, in the file that `own_labels` reads. Five pairs
come a second time, sides changed: how often a labeler agrees with themselves is what a model of
their labels can be held to. With the handle of the slider focused, the arrow keys decide: left for
the left answer, right for the right one.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from minigpt.reward import sample_answers
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import Widget, cards, present, problem, side_by_side
from minigpt.stages.labels import Label, keep_labels, own_labels, write_labels
from minigpt.stages.stage import Stage, load_stage
from minigpt.store.kept import keep_writing_time
from minigpt.store.words import _, language
from minigpt.world.labelers import Chooser, shorter
from minigpt.world.questions import Question, sample_questions

GOAL, FEWEST = 30, 10  # decisions that are enough for a clear taste, and for any
OFFERED = 60  # pairs that the widget has
TWICE, AGAIN = 5, 4  # so many of the first pairs come again, one after each four further decisions
ONE_SIDE = 0.85  # who takes one side more often than this does not read
IDLE = 120.0  # seconds after which a labeler has left the desk, and the time is not counted
SHOWN = 5  # pairs in the static table


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


def with_repeats(pairs) -> list[tuple[Question, Label, bool]]:
    """The pairs in the order in which they are shown, some of them again, sides changed."""
    first = [(question, label, False) for question, label in pairs]
    for i, (question, label) in reversed([*enumerate(pairs[:TWICE])]):
        turned = replace(label, a=label.b, b=label.a)
        first.insert(min(len(pairs), TWICE + AGAIN * (i + 1)), (question, turned, True))
    return first


def scripted(sft: Stage, pairs, choose: Chooser) -> list[Label]:
    """The pairs as somebody labels them who chooses by the function."""
    return [replace(pair[1], choice=choose(pair[0], *texts_of(sft, pair[1]))) for pair in pairs]


def texts_of(sft: Stage, label: Label) -> tuple[str, str]:
    """The two answers as people read them."""
    return tuple(answer_text(sft.encoding, list(ids)) for ids in (label.a, label.b))


def consistency(labels: list[Label], again: list[Label]) -> tuple[int, int]:
    """Of the pairs that were decided twice, how many were decided alike; and how many there are."""
    first = {label.pair: label.preferred for label in labels}
    alike = [first[label.pair] == label.preferred for label in again if label.pair in first]
    return sum(alike), len(alike)


def like_chance(labels: list[Label], again: list[Label]) -> str:
    """What makes labels look as if a coin had given them, in words; empty where nothing does."""
    alike, twice = consistency(labels, again)
    sides = Counter(label.choice for label in labels if label.preferred)
    largest = max(sides.values(), default=0) / max(1, sides.total())
    if twice >= 3 and alike <= twice / 2:
        return _("Warning: these labels look like chance. Of {n} pairs that came twice you decided "
                 "{same} alike; a coin gets half of them.", n=twice, same=alike)  # fmt: skip
    if sides.total() >= FEWEST and largest > ONE_SIDE:
        return _("Warning: these labels look like chance. One side was chosen in {share} of them, "
                 "whatever stood there.", share=f"{largest:.0%}")  # fmt: skip
    return ""


class Labeler(Widget):
    """Pairs to decide, one after the other; `labels` is what has been decided, `again` what was
    said of the pairs that came a second time."""

    def __init__(self, sft: Stage, pairs, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.sft, self.pairs, self.clock = sft, with_repeats(pairs), clock
        self.since = self.started = None
        self.labels = own_labels(self.notes.append)
        self.again = own_labels(self.notes.append, again=True)
        words = {"a": _("← Left is better"), "tie": _("Tie"), "b": _("Right is better →")}
        tall = {"width": "auto", "height": "44px"}
        self.buttons = {
            choice: self.button(word, self.decide, choice, button_style="primary", layout=tall)
            for choice, word in words.items()
        }
        self.undo_button = self.button(_("Undo"), self.undo, icon="undo")
        self.facts = self.control(
            widgets.Checkbox, _("Show what is true"), self.refresh, value=False, indent=False
        )
        # A slider answers to the arrow keys, which a button does not.
        self.arrows = self.control(
            widgets.IntSlider, _("Arrow keys"), self._arrow, value=0, min=-1, max=1, readout=False
        )
        self.bar = widgets.IntProgress(value=0, min=0, max=len(self.pairs))
        self.name = self.control(widgets.Text, _("Your name"), value="you")
        self.path = self.control(widgets.Text, _("File"), entered=self.export, value="labels.json")
        self.export_button = self.button(_("Export"), self.export)
        self.start = self.button(_("Start the clock"), self.start_clock)
        self.stop = self.button(_("Done"), self.stop_clock)
        self.written = self.control(
            widgets.Text, _("Write it here"), wide=True, entered=self.stop_clock
        )
        self.written.layout.flex = "1 1 20em"
        self.stopwatch = widgets.HTML(layout={"width": "auto"})
        self.view = widgets.VBox([
            self.shown, side_by_side(*self.buttons.values(), self.undo_button),
            side_by_side(self.arrows, self.facts), side_by_side(self.bar, self.status),
            side_by_side(self.name, self.path, self.export_button),
            side_by_side(self.start, self.written, self.stop), self.stopwatch,
        ])  # fmt: skip
        self.refresh()

    def static(self) -> list:
        rows = [[p.question, *texts_of(self.sft, p)] for _q, p, _again in self.pairs[:SHOWN]]
        header = [_("question"), _("left answer"), _("right answer")]
        return [Table(header, rows, _("The first of the {n} pairs", n=len(self.pairs)))]

    def failed(self, error: Exception) -> None:
        self.status.value = problem(error)  # the pair can still be decided

    # ---- deciding ---------------------------------------------------------------------------

    def done(self) -> list[bool]:
        """Whether each of the pairs is decided."""
        decided = [{label.pair for label in labels} for labels in (self.labels, self.again)]
        return [pair.pair in decided[again] for _question, pair, again in self.pairs]

    def at(self) -> int:
        """The number of the first pair that is not decided; their number if all are."""
        return [*self.done(), False].index(False)

    def decide(self, choice: str) -> None:
        """Keep what was chosen for the pair that is shown, and show the next one."""
        at, now = self.at(), self.clock()
        if at < len(self.pairs):
            took = None if self.since is None else now - self.since
            seconds = None if took is None or took > IDLE else round(took, 2)
            self._keep(at, replace(self.pairs[at][1], choice=choice, seconds=seconds))
            self.since = now
        self.refresh()

    def undo(self) -> None:
        """Take back the last decision; its pair is shown again."""
        if not self.at():
            return self.refresh(_("There is no decision to take back."))
        self._keep(self.at() - 1, None)
        self.since = None  # the second look at a pair is no measure of the first
        self.refresh(_("Taken back: decide again."))

    def _arrow(self) -> None:
        choice = "a" if self.arrows.value < 0 else "b"
        self.quietly(self.arrows, value=0)
        self.decide(choice)

    def _keep(self, at: int, label: Label | None) -> None:
        """Keep the decision of a pair, or none of it."""
        _question, pair, again = self.pairs[at]
        kept = self.again if again else self.labels
        kept[:] = [*(one for one in kept if one.pair != pair.pair), *filter(None, [label])]
        keep_labels(kept, self._name(), self.notes.append, again)

    def _name(self) -> str:
        return self.name.value.strip()[:80] or "you"

    def refresh(self, said: str = "") -> None:
        """Show the pair that is next, and how far one is."""
        at, over_all = self.at(), len(self.pairs)
        same, twice = consistency(self.labels, self.again)
        self.bar.value = sum(self.done())
        over = _("All pairs are decided: run the next cells. Undo takes back the last one.")
        self.shown.value = f"<b>{escape(over)}</b>" if at == over_all else self.pair_html(at)
        for button in self.buttons.values():
            button.disabled = at == over_all
        told = _("{n} of {all} pairs decided. About {goal} are enough: then run the next cells "
                 "again.", n=self.bar.value, all=over_all, goal=min(GOAL, over_all))  # fmt: skip
        alike = _("{same} of {n} pairs that came twice were decided alike.", same=same, n=twice)
        self.say(said, told, alike if twice else "", like_chance(self.labels, self.again))

    def pair_html(self, at: int) -> str:
        """The question and the two answers side by side; all text is escaped."""
        question, pair, _again = self.pairs[at]
        truth = f"<div><small>{escape(truth_of(question))}</small></div>"
        left, right = texts_of(self.sft, pair)
        both = cards({_("left answer"): left, _("right answer"): right})
        shown = f"<b>{escape(question.text)}</b>{truth if self.facts.value else ''}{both}"
        return f'<div class="{IGNORE_MATH}" role="status">{shown}</div>'

    def export(self) -> None:
        """Write the labels into the file that is named; one that is there stays as it is."""
        path = Path(self.path.value.strip() or "labels.json").expanduser()
        if path.exists():
            raise ValueError(_("There is a file {path} already. It is not overwritten: choose "
                               "another name.", path=path))  # fmt: skip
        write_labels(path, self.labels, self.sft.encoding, self._name())
        self.refresh(_("Labels in {path}: {n}.", path=path.resolve().name, n=len(self.labels)))

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

    # ---- what the lesson goes on with ---------------------------------------------------------

    def decided(self) -> tuple[list[Label], str]:
        """The learner's labels that are no ties, and whose they are: where there are too few, a
        script that likes short answers stands in. Prints what they say of their labeler."""
        mine, again, whose = self.labels, self.again, _("yours")
        if sum(label.preferred is not None for label in mine) < FEWEST:
            by_script = scripted(self.sft, self.pairs[:GOAL], shorter(self.sft.encoding))
            split = [[x for x, p in zip(by_script, self.pairs) if p[2] == late] for late in (0, 1)]
            (mine, again), whose = split, _("a script's")
        labels = [label for label in mine if label.preferred is not None]
        short = np.mean([len(x.preferred) == min(len(x.a), len(x.b)) for x in labels])
        same, twice = consistency(mine, again)
        print(_("{n} labels, {whose}. The shorter answer is preferred in {short} of them.",
                n=len(labels), whose=whose, short=f"{short:.0%}"))  # fmt: skip
        print(_("Of {n} pairs that came twice, {same} were decided alike.", n=twice, same=same))
        timed = any(label.seconds is not None for label in self.labels)
        for line in filter(None, [like_chance(mine, again), timed and self.judging()]):
            print(line)
        return labels, whose


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
