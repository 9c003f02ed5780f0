"""The arena: two answers to one question, who wrote them hidden, a vote, and then the names.

No ranking is in sight before `FEWEST` votes. Each vote is kept at once, in MINIGPT_HOME or
`.minigpt`; `kept_votes()` reads them.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict

import ipywidgets as widgets

from minigpt.arena import WORTH, Match, Vote, bootstrap_ratings
from minigpt.show.style import IGNORE_MATH, escape, stage_name
from minigpt.show.table import Table
from minigpt.show.widget import Widget, cards, present, problem, rendered, side_by_side
from minigpt.store.kept import Kept
from minigpt.store.words import _, language

FILE = "arena_votes.json"  # {lang: [{"question": ..., "choice": "left", ...}]}: see FIELDS
FIELDS = ("question", "group", "left", "right", "left_text", "right_text", "choice")
DRAWS = 100  # of the bootstrap after each vote
LONGEST_PAUSE = 300.0  # seconds; who needs longer for a vote was doing something else
FEWEST = 10  # votes; ratings from fewer would claim what they cannot show


def read_rows(say=print) -> list[dict]:
    """All kept votes of the language in use, oldest first, as FIELDS."""
    return KEPT.read(say).get(language(), [])


def kept_votes(say=print) -> list[Vote]:
    """The learner's votes, as the ratings take them; [] where nobody has voted."""
    return [as_vote(row) for row in read_rows(say)]


def kept_seconds() -> list[float]:
    """How long each kept vote took, where that was measured."""
    return [row["seconds"] for row in read_rows() if row.get("seconds") is not None]


def as_vote(row: dict) -> Vote:
    return Vote(row["left"], row["right"], row["choice"], row["group"])


def valid(contents: dict) -> bool:
    """Whether the file's contents have the form that FILE's comment tells."""
    for row in (row for rows in contents.values() for row in rows):
        as_vote(row)  # ValueError where it is none
        seconds = row.get("seconds")
        timed = type(seconds) in (int, float) and 0 <= seconds <= LONGEST_PAUSE
        if not (seconds is None or timed) or not all(isinstance(row[f], str) for f in FIELDS):
            return False
    return True


KEPT = Kept(FILE, valid)


class Arena(Widget):
    """The widget: `view` is what is displayed; the other attributes are its controls.

    matches: what is voted on, in this order; pairs voted on before are passed over.
    """

    def __init__(self, matches: Sequence[Match]):
        super().__init__()
        self.matches, self.since = list(matches), None
        words = {"left": _("A is better"), "tie": _("a tie"), "right": _("B is better")}
        self.buttons = {
            choice: self.button(word, self.vote, choice, button_style="primary",
                                layout={"height": "44px"})
            for choice, word in words.items()
        }  # fmt: skip
        self.look_button = self.button(_("Look up the answer"), self.look, layout={"width": "auto"})
        self.undo_button = self.button(_("Undo"), self.undo, icon="undo")
        self.number, self.table = (widgets.HTML(layout={"width": "auto"}) for _part in range(2))
        self.view = widgets.VBox([
            self.number, self.shown, side_by_side(*self.buttons.values()),
            side_by_side(self.look_button, self.undo_button), self.status, self.table,
        ])  # fmt: skip
        self.refresh()

    def rows(self) -> list[dict]:
        return read_rows(self.notes.append)

    def match(self) -> Match | None:
        """The first pair that has no vote yet; None if there is no such pair."""
        # It is the same pair whichever side its answers are on.
        voted = {(r["question"], frozenset((r["left_text"], r["right_text"]))) for r in self.rows()}
        for match in self.matches:
            if (match.question.text, frozenset((match.left_text, match.right_text))) not in voted:
                return match
        return None

    def _change(self, change) -> None:
        KEPT.change(lambda kept: change(kept.setdefault(language(), [])), self.notes.append)

    def vote(self, choice: str) -> None:
        """Keep the vote on the pair that is shown, then say who wrote what."""
        if (match := self.match()) is None:
            return
        took = None if self.since is None else time.monotonic() - self.since
        row = {
            **asdict(match.vote(choice)), "question": match.question.text,
            "left_text": match.left_text, "right_text": match.right_text,
            "seconds": round(took, 1) if took is not None and took <= LONGEST_PAUSE else None,
        }  # fmt: skip
        self._change(lambda rows: rows.append(row))
        found = {
            "left": _("You found A better."), "tie": _("You called it a tie."),
            "right": _("You found B better."),
        }  # fmt: skip
        names = _("A was {a}, B was {b}.", a=stage_name(match.left), b=stage_name(match.right))
        self.refresh(f"{found[choice]} {names}")
        self.since = time.monotonic()

    def undo(self) -> None:
        """Take the last vote back; its pair is shown again, without the names."""
        taken: list[dict] = []
        self._change(lambda rows: taken.extend([rows.pop()] if rows else []))
        self.since = None  # the names of that pair have been seen: its time says nothing
        if not taken:
            return self.refresh(_("There is no vote to take back."))
        self.refresh(_("Your last vote is taken back: {question}", **taken[0]))

    def look(self) -> None:
        """Show what is true, as somebody would find it who looks it up."""
        if (match := self.match()) is None:
            return
        nobody = _("Nobody has written about this place, so there is no true answer.")
        value = match.question.answer
        self.say(_("The true answer: {value}.", value=value) if value else nobody)

    def failed(self, error: Exception) -> None:
        self.status.value = problem(error)  # the pair can still be voted on

    def refresh(self, said: str = "") -> None:
        """Show the next pair, what was just said, and the ratings so far."""
        match, own = self.match(), self.rows()
        number = _("You have voted on all {n} pairs.", n=len(self.matches))
        if match:
            number = _("Pair {n} of {all}. Who wrote A and who wrote B is shown after the vote.",
                       n=self.matches.index(match) + 1, all=len(self.matches))  # fmt: skip
        self.number.value = escape("\n".join([number, *self.notes]))
        self.notes.clear()
        self.shown.value = pair_html(match) if match else ""
        for button in (*self.buttons.values(), self.look_button):
            button.disabled = match is None
        self.status.value = f'<span role="status">{escape(said)}</span>'
        few = _("Your ratings stand here from {n} votes on; so far: {own}.", n=FEWEST, own=len(own))
        self.table.value = escape(few) if len(own) < FEWEST else rendered(
            ratings_table([as_vote(row) for row in own]))  # fmt: skip

    def pair(self) -> Table | None:
        """The pair that is to be voted on, without the names; None after the last."""
        if (match := self.match()) is None:
            return None
        header = [_("question"), _("answer A"), _("answer B")]
        return Table(header, [[match.question.text, *answers(match)]], width=40)

    def static(self) -> list:
        return [part for part in [self.pair()] if part]


def ratings_table(votes: Sequence[Vote]) -> Table:
    """One row a player, the best first: rating, its interval, and votes won, tied and lost."""
    rows = []
    for name, (rating, low, high) in bootstrap_ratings(votes, draws=DRAWS).items():
        won = [1 - WORTH[v.choice] if name == v.right else WORTH[v.choice]
               for v in votes if name in (v.left, v.right)]  # fmt: skip
        counts = [won.count(worth) for worth in (1.0, 0.5, 0.0)]
        interval = _("{low:.0f} to {high:.0f}", low=low, high=high)
        rows.append([stage_name(name), f"{rating:.0f}", interval, *counts])
    header = [_("player"), _("rating"), _("95 % interval"), _("won"), _("tied"), _("lost")]
    caption = _("Ratings from your own votes, {n} so far (Bradley-Terry, mean 1000)", n=len(votes))
    return Table(header, rows, caption)


def answers(match: Match) -> list[str]:
    """Both texts as they are shown, A and B."""
    return [text or _("(nothing)") for text in (match.left_text, match.right_text)]


def pair_html(match: Match) -> str:
    """The question and both answers side by side, with nothing that tells who wrote them."""
    both = cards(dict(zip("AB", answers(match))))
    return f'<div class="{IGNORE_MATH}"><b>{escape(match.question.text)}</b>{both}</div>'


def arena(matches: Sequence[Match]) -> None:
    """Show the next pair, the controls to vote and, from `FEWEST` votes on, the ratings."""
    present(lambda: Arena(matches))
