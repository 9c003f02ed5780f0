"""The arena: two answers to one question, who wrote them hidden, a vote, and then the names.

`arena(matches)` shows a table of ratings and a first pair, which stay in the file, and under them
the controls. Each vote is kept at once, in MINIGPT_HOME or `.minigpt`; `kept_votes()` reads them.
"""

import time
from collections.abc import Sequence

import ipywidgets as widgets

from minigpt.arena import WORTH, Match, Vote, bootstrap_ratings
from minigpt.show.style import IGNORE_MATH, STAGE_NAMES, escape
from minigpt.show.table import Table
from minigpt.show.widget import cards, problem, rendered, side_by_side
from minigpt.store.kept import change_kept, read_kept

FILE = "arena_votes.json"  # {lang: [{"question": ..., "choice": "left", ...}]}: see FIELDS
FIELDS = ("question", "group", "left", "right", "left_text", "right_text", "choice")
DRAWS = 100  # of the bootstrap after each vote
LONGEST_PAUSE = 300.0  # seconds; who needs longer for a vote was doing something else
FEWEST = 10  # votes; an interval from fewer would claim what they cannot show
SIDES = {"left": "A", "right": "B"}
TEXT = {
    "en": dict(
        a="A is better", tie="a tie", b="B is better", undo="Undo", look="Look up the answer",
        pair="Pair {n} of {all}. Who wrote A and who wrote B is shown after the vote.",
        question="question", answer_a="answer A", answer_b="answer B", empty="(nothing)",
        truth="The true answer: {value}.", nobody="Nobody has written about this place, so there "
        "is no true answer.",
        left="You found A better.", right="You found B better.", tied="You called it a tie.",
        names="A was {left}, B was {right}.",
        undone="Your last vote is taken back: {question}", nothing="There is no vote to take back.",
        done="You have voted on all {all} pairs. Run the cell with the four voters again: your "
        "votes stand beside theirs.",
        none="You have not voted yet.", failed="This did not work: {error}",
        few="too few votes", header=["player", "rating", "95 % interval", "won", "tied", "lost"],
        own="Ratings from your own votes, {n} so far (Bradley-Terry, mean 1000)",
        scripted="Ratings from {n} votes of a script that votes in your place (Bradley-Terry, "
        "mean 1000)",
    ),
}  # fmt: skip


def read_rows(lang: str = "en", say=print) -> list[dict]:
    """All kept votes of a language, oldest first, as FIELDS."""
    return read_kept(FILE, valid, lang, say).get(lang, [])


def kept_votes(lang: str = "en", say=print) -> list[Vote]:
    """The learner's votes, as the ratings take them; [] where nobody has voted."""
    return [as_vote(row) for row in read_rows(lang, say)]


def kept_seconds(lang: str = "en", say=print) -> list[float]:
    """How long each kept vote took, where that was measured."""
    return [row["seconds"] for row in read_rows(lang, say) if row.get("seconds") is not None]


def as_vote(row: dict) -> Vote:
    return Vote(row["left"], row["right"], row["choice"], row["group"])


def valid(contents: dict) -> bool:
    """Whether the file's contents have the form that FILE's comment tells."""
    try:
        for rows in contents.values():
            for row in rows:
                seconds = row.get("seconds")
                number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
                if not all(isinstance(row[field], str) for field in FIELDS):
                    return False
                if row["choice"] not in WORTH or row["left"] == row["right"]:
                    return False
                if seconds is not None and not (number and 0 <= seconds <= LONGEST_PAUSE):
                    return False
    except (AttributeError, KeyError, TypeError):
        return False
    return True


def key(question: str, one: str, other: str) -> tuple:
    """What makes a pair the same pair, whichever side its answers are on."""
    return question, *sorted((one, other))


class Arena:
    """The widget: `view` is what is displayed, `ratings()` and `pair()` are its static form.

    matches: what is voted on, in this order; pairs voted on before are passed over. scripted: votes
    that are rated while there are none of the learner's own.
    """

    def __init__(self, matches: Sequence[Match], lang="en", scripted: Sequence[Vote] = ()):
        self.matches, self.lang, self.words = list(matches), lang, TEXT[lang]
        self.scripted, self.notes, self.since = list(scripted), [], None
        words = self.words
        self.buttons = {
            choice: widgets.Button(description=words[word], button_style="primary")
            for choice, word in (("left", "a"), ("tie", "tie"), ("right", "b"))
        }
        for choice, button in self.buttons.items():
            button.on_click(lambda clicked, choice=choice: self.vote(choice))
        self.undo_button = widgets.Button(description=words["undo"], icon="undo")
        self.look_button = widgets.Button(description=words["look"], layout={"width": "auto"})
        self.undo_button.on_click(self.undo)
        self.look_button.on_click(self.look)
        self.status, self.shown, self.said, self.table = (
            widgets.HTML(layout=widgets.Layout(width="auto")) for _ in range(4)
        )
        self.view = widgets.VBox([
            self.status, self.shown, side_by_side(*self.buttons.values()),
            side_by_side(self.look_button, self.undo_button), self.said, self.table,
        ])  # fmt: skip
        self.refresh()

    # ---- what is kept -----------------------------------------------------------------------

    def rows(self) -> list[dict]:
        return read_rows(self.lang, self.notes.append)

    def match(self) -> Match | None:
        """The first pair that has no vote yet; None if there is no such pair."""
        voted = {key(r["question"], r["left_text"], r["right_text"]) for r in self.rows()}
        for match in self.matches:
            if key(match.question.text, match.left_text, match.right_text) not in voted:
                return match
        return None

    # ---- what is clicked --------------------------------------------------------------------

    def vote(self, choice: str) -> None:
        """Keep the vote on the pair that is shown, then say who wrote what."""
        match = self.match()
        if match is None:
            return
        took = None if self.since is None else time.monotonic() - self.since
        vote = match.vote(choice)
        row = {
            "question": match.question.text, "group": vote.group, "left": match.left,
            "right": match.right, "left_text": match.left_text, "right_text": match.right_text,
            "choice": choice,
            "seconds": round(took, 1) if took is not None and took <= LONGEST_PAUSE else None,
        }  # fmt: skip

        def change(contents: dict) -> None:
            contents.setdefault(self.lang, []).append(row)

        try:
            change_kept(FILE, valid, change, self.lang, self.notes.append)
        except Exception as error:
            self.said.value = problem(error)
            return
        names = {side: player(getattr(match, side)) for side in SIDES}
        said = self.words["tied" if choice == "tie" else choice]
        self.refresh(f"{said} {self.words['names'].format(**names)}")
        self.since = time.monotonic()

    def undo(self, button=None) -> None:
        """Take the last vote back; its pair is shown again, without the names."""
        taken: list[dict] = []

        def change(contents: dict) -> None:
            if contents.get(self.lang):
                taken.append(contents[self.lang].pop())

        change_kept(FILE, valid, change, self.lang, self.notes.append)
        self.since = None  # the names of that pair have been seen: its time says nothing
        word = "undone" if taken else "nothing"
        self.refresh(self.words[word].format(question=taken[0]["question"] if taken else ""))

    def look(self, button=None) -> None:
        """Show what is true, as somebody would find it who looks it up."""
        match = self.match()
        if match is not None:
            value = match.question.answer
            word = "truth" if value else "nobody"
            self.said.value = escape(self.words[word].format(value=value))

    def refresh(self, said: str = "") -> None:
        """Show the next pair, what was just said, and the ratings so far."""
        match, words = self.match(), self.words
        number = self.matches.index(match) + 1 if match else len(self.matches)
        status = words["pair" if match else "done"].format(n=number, all=len(self.matches))
        own = self.rows()
        lines, self.notes[:] = [status, *self.notes], []
        self.status.value = "<br>".join(map(escape, lines))
        self.shown.value = pair_html(match, words) if match else ""
        for button in (*self.buttons.values(), self.look_button):
            button.disabled = match is None
        self.said.value = f'<span role="status">{escape(said)}</span>'
        self.table.value = rendered(self.ratings()) if own else escape(words["none"])

    # ---- without widgets --------------------------------------------------------------------

    def ratings(self) -> Table:
        """The ratings by the learner's own votes; by the script's while there are none."""
        own = [as_vote(row) for row in self.rows()]
        votes = own or self.scripted
        caption = self.words["own" if own else "scripted"].format(n=len(votes))
        return ratings_table(votes, self.words, caption)

    def pair(self) -> Table | None:
        """The pair that is to be voted on, without the names; None after the last."""
        match, words = self.match(), self.words
        if match is None:
            return None
        texts = [text or words["empty"] for text in (match.left_text, match.right_text)]
        header = [words["question"], words["answer_a"], words["answer_b"]]
        return Table(header, [[match.question.text, *texts]], width=40)


def ratings_table(votes: Sequence[Vote], words: dict, caption: str = "") -> Table:
    """One row a player, the best first: rating, its interval, and votes won, tied and lost."""
    rows, few = [], len(votes) < FEWEST
    for name, (rating, low, high) in bootstrap_ratings(votes, draws=DRAWS).items():
        won = [1 - WORTH[v.choice] if name == v.right else WORTH[v.choice]
               for v in votes if name in (v.left, v.right)]  # fmt: skip
        counts = [won.count(worth) for worth in (1.0, 0.5, 0.0)]
        interval = words["few"] if few else f"{low:.0f} to {high:.0f}"
        rows.append([player(name), f"{rating:.0f}", interval, *counts])
    return Table(words["header"], rows, caption)


def player(name: str) -> str:
    return STAGE_NAMES.get(name, name)


def pair_html(match: Match, words: dict) -> str:
    """The question and both answers side by side, with nothing that tells who wrote them."""
    texts = {SIDES["left"]: match.left_text, SIDES["right"]: match.right_text}
    both = cards({side: text or words["empty"] for side, text in texts.items()})
    return f'<div class="{IGNORE_MATH}"><b>{escape(match.question.text)}</b>{both}</div>'


def arena(matches: Sequence[Match], scripted: Sequence[Vote] = (), lang: str = "en") -> None:
    """Show the ratings so far and the next pair, and under them the controls to vote.

    scripted: votes to rate while the learner has cast none.
    """
    from IPython.display import display

    widget = Arena(matches, lang, scripted)
    display(widget.ratings())
    pair = widget.pair()
    if pair is not None:
        display(pair)
    display(widget.view)
