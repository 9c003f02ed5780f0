"""From votes to ratings: a distance on a scale is a share of votes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from minigpt.arena import WORTH, Vote, bradley_terry_ratings
from minigpt.show.diagrams.svg import STAGES, Diagram
from minigpt.show.style import stage_name
from minigpt.store.words import _

ROW, TOP, LEFT, RIGHT = 78, 58, 244, 438


def votes_to_ratings(votes: Sequence[Vote], ratings: Mapping[str, float] | None = None) -> Diagram:
    """Players on the scale of ratings, and between neighbours the votes that the step stands for.

    votes: of `minigpt.arena`. ratings: {player: rating}, two to eight are drawn; without them the
    Bradley-Terry ratings of the votes. A player's name is what is shown, or its stage's name where
    it is a stage. ValueError if there are fewer than two players.
    """
    votes = list(votes)
    ratings = bradley_terry_ratings(votes) if ratings is None else dict(ratings)
    players = sorted(ratings, key=lambda name: -ratings[name])[:8]
    if len(players) < 2:
        raise ValueError(f"{len(players)} players: a rating needs two or more")
    low, high = ratings[players[-1]], ratings[players[0]]
    xs = {n: LEFT + (RIGHT - LEFT) * (ratings[n] - low) / max(high - low, 1.0) for n in players}
    pic, told = Diagram(_("From votes to ratings")), []
    pic.text(12, 26, _("votes won against the next"), "s")
    pic.text(508, 26, _("rating"), "s e")
    for i, name in enumerate(players):
        pic.path(f"M{LEFT - 14} {TOP + ROW * i}H{RIGHT + 14}", "hair")
        pic.text(12, TOP + ROW * i + 6, stage_name(name), "" if i else "b", room=LEFT - 34)
        pic.text(508, TOP + ROW * i + 6, f"{ratings[name]:.0f}", "e" if i else "b e")
        told.append(f"{stage_name(name)} {ratings[name]:.0f}")
    for i, (better, worse) in enumerate(pairwise(players)):
        x, y = xs[better], TOP + ROW * i
        pic.path(f"M{x} {y}v{ROW - 30}H{xs[worse]}v30", "same")
        points = _("{n} points", n=f"{ratings[better] - ratings[worse]:.0f}")
        pic.text(x + (10 if x < 372 else -10), y + 40, points, "s" if x < 372 else "s e")
        worth = [WORTH[v.choice] for v in votes if (v.left, v.right) == (better, worse)]
        worth += [1 - WORTH[v.choice] for v in votes if (v.left, v.right) == (worse, better)]
        share = f"{sum(worth) / len(worth):.0%}" if worth else ""
        share = _("{share} of {n}", share=share, n=len(worth)) if worth else _("never met")
        pic.text(28, y + 44, share, "s")
        told.append(f"{stage_name(better)} – {stage_name(worse)}: {share}, {points}")
    for i, name in enumerate(players):
        pic.dot(xs[name], TOP + ROW * i, next((s for s in STAGES if name.startswith(s)), ""))
    desc = _("Ratings put each player on a scale, so that the distance between two says how the "
             "votes between them are shared: 400 points are odds of ten to one.")  # fmt: skip
    return pic.done(f"{desc} {'; '.join(told)}.", TOP + ROW * (len(players) - 1) + 28)
