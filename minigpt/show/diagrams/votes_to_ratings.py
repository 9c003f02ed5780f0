"""From votes to ratings: a distance on a scale is a share of votes."""

from collections.abc import Mapping, Sequence

from minigpt.arena import Vote
from minigpt.show.diagrams.svg import Diagram


def votes_to_ratings(votes: Sequence[Vote], ratings: Mapping[str, float] | None = None) -> Diagram:
    """Players on the scale of ratings, and between neighbours the votes that the step stands for.

    votes: of `minigpt.arena`. ratings: {player: rating}, two to eight are drawn; without them the
    Bradley-Terry ratings of the votes. A player's name is what is shown, or its stage's name where
    it is a stage. ValueError if there are fewer than two players.
    """
    return Diagram("votes to ratings", "not drawn yet", 0, "")
