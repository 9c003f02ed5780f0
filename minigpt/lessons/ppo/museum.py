"""The bug museum: run an exhibit, read its lights, say which bug it is, and see the line.

What the bugs and the checks are is in `bugs.py`, what is said of them in `bug_texts.py`.
"""

from collections.abc import Iterator
from itertools import chain

import ipywidgets as widgets

from minigpt.lessons.ppo.bug_texts import check_words, words
from minigpt.lessons.ppo.bugs import BUGS, EXHIBITS, RUNS, Run, difference, make_run
from minigpt.lessons.ppo.instruments import AMBER, LIGHTS, RED, light_word
from minigpt.show.progress import progress
from minigpt.show.style import escape
from minigpt.show.table import Cell, Table
from minigpt.show.widget import Widget, present, rendered
from minigpt.store.words import _

OFF = (AMBER, RED)
SEED, OTHER_SEED = 1, 3  # of all runs, and of the exhibit without a bug


class Museum(Widget):
    """A list of exhibits and one of diagnoses. What is off in the exhibit stands large, the rest
    folded; after a right diagnosis, the lines that differ. rounds: of each run."""

    def __init__(self, rounds: int = 5) -> None:
        super().__init__()
        self.rounds = rounds
        self.letter = self.control(widgets.Dropdown, _("Exhibit"), self.chosen,
                                   options=[*EXHIBITS])  # fmt: skip
        said = {bug: what for bug, (what, *_others) in words().items()}
        options = [(_("choose what is wrong"), ""), *((what, bug) for bug, what in said.items())]
        self.guess = self.control(widgets.Dropdown, _("Diagnosis"), self.diagnose, wide=True,
                                  options=options)  # fmt: skip
        self.verdict = widgets.HTML(layout=widgets.Layout(width="auto"))
        self.view = widgets.VBox([self.letter, self.guess, self.status, self.verdict, self.shown])

    def runs(self) -> tuple[Run, Run]:
        """The run without a bug, and the chosen exhibit's."""
        return RUNS["none", SEED, self.rounds], RUNS[key(self._bug(), self.rounds)]

    def _bug(self) -> str:
        return EXHIBITS[self.letter.value]

    def chosen(self) -> None:
        """Make the exhibit's run, and show it."""
        self.verdict.value = self.shown.value = ""
        self.quietly(self.guess, value="")
        for n in make(self._bug(), self.rounds):
            self.say(_("Exhibit {letter}: round {n} of {rounds}", letter=self.letter.value, n=n,
                       rounds=self.rounds))  # fmt: skip
        self.say("")
        self.show()

    def show(self) -> None:
        """What is off, large; all else folded."""
        off, rest = self.off(), self.tables()
        folded = f"<details><summary>{escape(_('All instruments and checks'))}</summary>"
        self.shown.value = f"{large(off)}{folded}{rendered(*rest)}</details>"

    def diagnose(self) -> None:
        """Say whether the diagnosis is right; then why, and the lines that differ."""
        bug, letter = self.guess.value, self.letter.value
        if not bug:
            self.verdict.value = ""
            return
        _what, moves, lesson = words()[bug]
        if bug != self._bug():
            said = _("Exhibit {letter}: not this. That would move {moves} Look at these again.",
                     letter=letter, moves=moves)  # fmt: skip
            self.verdict.value = f"<p>{escape(said)}</p>"
            return
        said = _("Exhibit {letter}: right. {lesson}", letter=letter, lesson=lesson)
        shown = rendered(difference(bug)) if BUGS[bug][1] else ""
        # as wide as there is room, or its longest line would widen the sentence too
        shown = f'<div style="overflow-x:auto;width:0;min-width:100%">{shown}</div>'
        self.verdict.value = f"<p><b>{escape(said)}</b></p>{shown}"

    # ---- what is read -----------------------------------------------------------------------

    def off(self) -> list[tuple[str, str, str, str]]:
        """(light, name, here, without a bug) of instruments that are not green and checks that are
        not 0, the worst first."""
        fine, here = self.runs()
        found = [
            (here.light(h.name), h.label, next(r.text for r in late if r.light in OFF), h.text)
            for h, *late in zip(fine.readings, here.readings, here.first)
            if here.light(h.name) in OFF
        ]
        for name, (label, what) in check_words().items():
            if number(here.found.get(name, 0.0)) != "0":
                said = _("check “{label}”: {what}", label=label, what=what)
                found.append((RED, said, number(here.found[name]), "0"))
        return sorted(found, key=lambda row: row[0] != RED)

    def tables(self) -> tuple[Table, Table]:
        """All instruments, and all checks."""
        fine, here = self.runs()
        rows = [
            [f.label, light_cell(here.light(f.name)), h.text, f.text, now.text]
            for h, f, now in zip(fine.readings, here.first, here.readings)
            if f.name != "gold"  # that takes many more answers
        ]
        header = [_("instrument"), _("light"), _("without a bug"), _("first round"),
                  _("last round")]  # fmt: skip
        compared = [
            [label, what, *(number(run.found.get(name, 0.0)) for run in (fine, here))]
            for name, (label, what) in check_words().items()
        ]
        checks = [_("check"), _("what it compares"), _("without a bug"), _("here")]
        return Table(header, rows), Table(checks, compared, width=44)

    def static(self) -> list:
        header = [_("what is off"), _("light"), _("here"), _("without a bug")]
        rows = [[name, light_cell(light), here, fine] for light, name, here, fine in self.off()]
        self.show()
        return [Table(header, rows, _("Exhibit {letter}", letter=self.letter.value), width=44)]


def large(off: list[tuple[str, str, str, str]]) -> str:
    """What is off, as HTML: each with its light's shape, colour and word."""
    if not off:
        return f"<p><b>{escape(_('All lights are green, and all checks 0.'))}</b></p>"
    parts = []
    for light, name, here, fine in off:
        symbol, colour = LIGHTS[light]
        beside = _("without a bug: {fine}", fine=fine)
        parts.append(
            f'<div style="border-left:8px solid {colour};padding:4px 12px;margin:8px 0;'
            'display:flex;gap:12px;align-items:center;line-height:1.4">'
            f'<span style="font-size:28px" aria-hidden="true">{symbol}</span>'
            f"<div><b>{escape(light_word(light))}: {escape(name)}</b><br>"
            f'<span style="font-size:16px">{escape(here)}</span> ({escape(beside)})</div></div>'
        )
    return "".join(parts)


def light_cell(light: str) -> Cell:
    """A light as a shape, a word and a colour."""
    symbol, colour = LIGHTS[light]
    return Cell(f"{symbol} {light_word(light)}", edge=colour)


def number(value: float) -> str:
    """0 for what is rounding, else two significant digits."""
    return "0" if abs(value) < 1e-4 else f"{value:.2g}"


def key(bug: str, rounds: int) -> tuple[str, int, int]:
    """An exhibit's run in RUNS; the one without a bug has a seed of its own."""
    return bug, OTHER_SEED if bug == "none" else SEED, rounds


def make(bug: str, rounds: int) -> Iterator[int]:
    """The rounds of an exhibit's run."""
    yield from make_run(*key(bug, rounds))


def museum(rounds: int = 5) -> None:
    """Show the bug museum. The first exhibit and the run without a bug are made at once."""
    runs = chain(make_run("none", SEED, rounds), make(EXHIBITS["A"], rounds))
    for _round in zip(progress(range(2 * rounds), _("rounds of PPO")), runs):
        pass
    present(lambda: Museum(rounds))
