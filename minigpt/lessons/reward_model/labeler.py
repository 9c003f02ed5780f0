"""The labeling widget: two answers to a question, and which of them is better.

`label_pairs()` shows what a scripted labeler would say of the first pairs, which stays in the file,
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

from minigpt.lessons.pretraining.own_text import uploaded
from minigpt.reward import sample_answers
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.style import IGNORE_MATH, escape
from minigpt.show.table import Table
from minigpt.show.widget import cards, problem, side_by_side
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
from minigpt.world.labelers import Choose, chooser
from minigpt.world.questions import Question, sample_questions

GOAL = 30  # pairs that are enough to learn a clear taste from
OFFERED = 60  # pairs that the widget has
IDLE = 120.0  # seconds after which a labeler has left the desk, and the time is not counted
SHOWN = 5  # pairs in the static table
KEYS = {"a": "a", "b": "b", "t": "tie", " ": "tie", "u": "undo"}
TEXT = {
    "en": {
        "question": "question",
        "left": "left answer",
        "right": "right answer",
        "by": "{who} prefers",
        "a": "the left one",
        "b": "the right one",
        "tie": "neither",
        "caption": "Some of the {n} pairs, as {who} would label them",
        "a_button": "← Left is better",
        "tie_button": "Tie",
        "b_button": "Right is better →",
        "undo": "Undo",
        "arrows": "Arrow keys",
        "letters": "By letter",
        "letters_hint": "a, b, t (tie), u (undo)",
        "facts": "Show what is true",
        "true": "True in this world: {value}",
        "nowhere": "No page of this world has written about this place.",
        "progress": "{n} of {all} pairs decided, {ties} of them ties. About {goal} are enough: "
        "then run the next cells again.",
        "all_done": "All pairs are decided: run the next cells. Undo takes back the last one.",
        "nothing_to_undo": "There is no decision to take back.",
        "undone": "Taken back: decide again.",
        "path": "File",
        "labeler": "Your name",
        "export": "Export",
        "exported": "Labels in {path}: {n}.",
        "import": "Import",
        "imported": "{new} labels were added from the file of {who}, {known} were there already. "
        "Where you had decided otherwise, yours stays.",
        "exists": "There is a file {path} already. It is not overwritten: choose another name.",
        "write": "Write one",
        "written": "Write it here",
        "start": "Start the clock",
        "stop": "Done",
        "clock": "The clock runs. Write an answer to the question above, then press Done.",
        "not_started": "Press Start the clock first, then write.",
        "no_text": "There is nothing in the box yet. The clock goes on.",
        "wrote": "Writing took {write:.1f} s.",
        "judged": "Judging took you {judge:.1f} s a pair (the median of {n}).",
        "not_judged": "No pair has been judged yet: judge some, to compare.",
        "failed": "This did not work: {error}",
    },
}


def labeling_pairs(sft: Stage, n: int = OFFERED, seed: int = 0) -> list[tuple[Question, Label]]:
    """`n` questions, each with two answers of the SFT model that differ, as undecided labels."""
    questions = sample_questions(sft.world, "A", 2 * n, seed=seed + 40, lower=0.0)
    prompts = [chat_prompt(sft.encoding, q.text) for q in questions]
    samples = sample_answers(sft.model, sft.encoding, prompts, 2, seed=seed + 40)
    pairs: dict = {}
    for question, (a, b) in zip(questions, samples):
        texts = {answer_text(sft.encoding, s.ids) for s in (a, b)}
        if a.ended and b.ended and len(texts) == 2:
            label = Label(question.text, a.ids, b.ids, "tie")
            pairs.setdefault(label.pair, (question, label))
    return list(pairs.values())[:n]


def scripted(sft: Stage, pairs, choose: Choose, n: int | None = None) -> list[Label]:
    """The pairs as somebody labels them who chooses by the function; the first `n` of them."""
    return [
        replace(label, choice=choose(question, *texts_of(sft, label)))
        for question, label in pairs[:n]
    ]


def varied(labels: list[Label], n: int) -> list[Label]:
    """The first `n` labels, no more than half of them of one choice where there are others."""
    kept = []
    for label in labels:
        if sum(other.choice == label.choice for other in kept) < (n + 1) // 2:
            kept.append(label)
    rest = [label for label in labels if label not in kept]
    return [*kept, *rest][:n]


def texts_of(sft: Stage, label: Label) -> tuple[str, str]:
    """The two answers as people read them."""
    return tuple(answer_text(sft.encoding, list(ids)) for ids in (label.a, label.b))


class Labeler:
    """The widget: `view` is what is displayed, `labels` what has been decided."""

    def __init__(
        self, sft: Stage, pairs, lang: str = "en", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sft, self.pairs, self.lang, self.clock = sft, pairs, lang, clock
        self.words, self.notes = TEXT[lang], []
        self.labels = own_labels(lang, self.notes.append)
        self.since, self.started, self.setting = None, None, False
        words, box = self.words, widgets.Layout(width="auto")
        wide = {"description_width": "7em"}
        self.shown = widgets.HTML(layout=box)
        self.facts = widgets.Checkbox(value=False, description=words["facts"], indent=False)
        self.buttons = {
            name: widgets.Button(
                description=words[f"{name}_button"], layout=widgets.Layout(width="auto")
            )
            for name in ("a", "tie", "b")
        }
        self.undo_button = widgets.Button(description=words["undo"])
        # A slider answers to the arrow keys, which a button does not.
        self.arrows = widgets.IntSlider(
            value=0, min=-1, max=1, description=words["arrows"], readout=False, style=wide
        )
        self.letters = widgets.Text(
            description=words["letters"], placeholder=words["letters_hint"], style=wide
        )
        self.bar = widgets.IntProgress(value=0, min=0, max=len(pairs))
        self.status = widgets.HTML(layout=box)
        self.name = widgets.Text(value="you", description=words["labeler"], style=wide)
        self.path = widgets.Text(value="labels.json", description=words["path"], style=wide)
        self.export_button = widgets.Button(description=words["export"])
        self.upload = widgets.FileUpload(accept=".json", description=words["import"])
        self.start = widgets.Button(description=words["start"])
        self.stop = widgets.Button(description=words["stop"])
        self.written = widgets.Text(description=words["written"], style=wide, layout=box)
        self.stopwatch = widgets.HTML(layout=box)
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self.decide(name))
        self.undo_button.on_click(self.undo)
        self.arrows.observe(self._arrow, "value")
        self.letters.observe(self._letter, "value")
        self.facts.observe(self.refresh, "value")
        self.export_button.on_click(self.export)
        self.upload.observe(self.take_in, "value")
        self.start.on_click(self.start_clock)
        self.stop.on_click(self.stop_clock)
        self.view = widgets.VBox([
            self.shown,
            side_by_side(*self.buttons.values(), self.undo_button),
            side_by_side(self.arrows, self.letters, self.facts),
            side_by_side(self.bar, self.status),
            side_by_side(self.name, self.path, self.export_button, self.upload),
            side_by_side(self.start, self.stop), self.written, self.stopwatch,
        ])  # fmt: skip
        self.refresh()

    # ---- deciding ---------------------------------------------------------------------------

    def at(self) -> int | None:
        """The number of the first pair that is not decided; None if all are."""
        decided = {label.pair for label in self.labels}
        return next((i for i, (_, p) in enumerate(self.pairs) if p.pair not in decided), None)

    def decide(self, choice: str) -> None:
        """Keep what was chosen for the pair that is shown, and show the next one."""
        at, now = self.at(), self.clock()
        if at is None:
            self.refresh()
            return
        took = None if self.since is None else now - self.since
        seconds = None if took is None or took > IDLE else round(took, 2)
        self._keep([*self.labels, replace(self.pairs[at][1], choice=choice, seconds=seconds)])
        self.since = now
        self.refresh()

    def undo(self, button=None) -> None:
        """Take back the last decision; its pair is shown again."""
        if not self.labels:
            self.refresh(said=self.words["nothing_to_undo"])
            return
        self._keep(self.labels[:-1])
        self.since = None  # the second look at a pair is no measure of the first
        self.refresh(said=self.words["undone"])

    def _arrow(self, change) -> None:
        if not self.setting and self.arrows.value:
            choice = "a" if self.arrows.value < 0 else "b"
            self._set(self.arrows, 0)
            self.decide(choice)

    def _letter(self, change) -> None:
        typed = self.letters.value
        if self.setting or not typed:
            return
        self._set(self.letters, "")
        known = KEYS.get(typed[-1].lower())
        if known == "undo":
            self.undo()
        elif known:
            self.decide(known)

    def _set(self, control, value) -> None:
        """Set a control without taking that for a decision."""
        self.setting = True
        control.value = value
        self.setting = False

    def _keep(self, labels: list[Label]) -> None:
        self.labels = labels
        keep_labels(labels, self.lang, self._name(), self.notes.append)

    def _name(self) -> str:
        return self.name.value.strip()[:80] or "you"

    def refresh(self, change=None, said: str = "") -> None:
        """Show the pair that is next, and how far one is."""
        words, at = self.words, self.at()
        mine = {label.pair: label for label in self.labels}
        decided = [mine[p.pair] for _, p in self.pairs if p.pair in mine]
        self.bar.value = len(decided)
        ties = sum(label.preferred is None for label in decided)
        if at is None:
            self.shown.value = f"<b>{escape(words['all_done'])}</b>"
        else:
            question, pair = self.pairs[at]
            fact = self.truth(question) if self.facts.value else ""
            self.shown.value = pair_html(question.text, *texts_of(self.sft, pair), fact, words)
        for button in self.buttons.values():
            button.disabled = at is None
        told = words["progress"].format(
            n=len(decided), all=len(self.pairs), ties=ties, goal=min(GOAL, len(self.pairs))
        )
        lines, self.notes[:] = [said, told, *self.notes], []
        self.status.value = "<br>".join(escape(line) for line in lines if line)

    def truth(self, question: Question) -> str:
        """What a labeler would find who looks it up."""
        known = question.kind == "fact"
        return self.words["true"].format(value=question.answer) if known else self.words["nowhere"]

    # ---- files ------------------------------------------------------------------------------

    def export(self, button=None) -> None:
        """Write the labels into the file that is named; one that is there stays as it is."""
        path = Path(self.path.value.strip() or "labels.json").expanduser()
        try:
            if path.exists():
                raise ValueError(self.words["exists"].format(path=path))
            write_labels(path, self.labels, self.sft.encoding, self._name())
        except Exception as error:
            self.status.value = problem(error)
            return
        said = self.words["exported"].format(n=len(self.labels), path=path.resolve().name)
        self.refresh(said=said)

    def take_in(self, change=None) -> None:
        """Add the labels of an uploaded file; what was decided here stays."""
        try:
            found = uploaded(self.upload.value)
            if found is None:
                return
            name, data = found
            new = read_labels(data, self.sft.encoding, self.lang, name)
            who = labeler_of(data)
        except Exception as error:
            self.status.value = problem(error)
            return
        mine = {label.pair for label in self.labels}
        added = [label for label in new if label.pair not in mine]
        self._keep([*self.labels, *added])
        said = self.words["imported"].format(new=len(added), known=len(new) - len(added), who=who)
        self.refresh(said=said)

    # ---- stopwatch --------------------------------------------------------------------------

    def start_clock(self, button=None) -> None:
        self.started = self.clock()
        self.written.value = ""
        self.stopwatch.value = escape(self.words["clock"])

    def stop_clock(self, button=None) -> None:
        """Say how long writing took, beside the median time of judging."""
        if self.started is None:
            self.stopwatch.value = escape(self.words["not_started"])
        elif not self.written.value.strip():
            self.stopwatch.value = escape(self.words["no_text"])
        else:
            took, self.started, self.since = self.clock() - self.started, None, None
            notes = [self.words["wrote"].format(write=took), self.judging()]
            keep_writing_time(took, self.lang, notes.append)
            self.stopwatch.value = escape(" ".join(notes))

    def judging(self) -> str:
        """The median time of a decision, in words."""
        times = [label.seconds for label in self.labels if label.seconds is not None]
        if not times:
            return self.words["not_judged"]
        return self.words["judged"].format(judge=float(np.median(times)), n=len(times))

    # ---- without widgets --------------------------------------------------------------------

    def table(self, choose: Choose, who: str, n: int = SHOWN) -> Table:
        """The first pairs and what a scripted labeler says of them."""
        words = self.words
        rows = [
            [label.question, *texts_of(self.sft, label), words[label.choice]]
            for label in varied(scripted(self.sft, self.pairs, choose), n)
        ]
        header = [words["question"], words["left"], words["right"], words["by"].format(who=who)]
        return Table(header, rows, words["caption"].format(n=len(self.pairs), who=who))


def pair_html(question: str, left: str, right: str, fact: str, words: dict) -> str:
    """The question and the two answers side by side; all text is escaped."""
    told = f"<div><small>{escape(fact)}</small></div>" if fact else ""
    both = cards({words["left"]: left, words["right"]: right})
    return f'<div class="{IGNORE_MATH}" role="status"><b>{escape(question)}</b>{told}{both}</div>'


def label_pairs(
    lang: str = "en", own: bool = True, who: str = "expert", choose: Choose | None = None
) -> Labeler | None:
    """Show pairs as a scripted labeler decides them, and the controls to decide oneself.

    who: one of LABELERS; with `choose`, what to call whoever chooses so. Returns the widget.
    """
    from IPython.display import display

    try:
        sft = load_stage("sft", own, lang, quiet=True)
        labeler = Labeler(sft, labeling_pairs(sft), lang)
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return None
    display(labeler.table(choose or chooser(sft.world, who), who))
    display(labeler.view)
    return labeler
