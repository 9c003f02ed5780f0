"""The clip of PPO: where a change of probability no longer pays."""

from minigpt.show.diagrams.svg import Diagram


def clip_curve(clip_ratio: float = 0.2, clipped: float | None = None) -> Diagram:
    """What a token's new probability pays, against its ratio to the old: a good token, a bad one.

    clip_ratio: ε, how far from 1 the ratio pays off. clipped: the share of a run's tokens that lay
    on a flat part, 0 to 1, which is then said. ValueError unless 0 < ε < 1.
    """
    return Diagram("clip curve", "not drawn yet", 0, "")
