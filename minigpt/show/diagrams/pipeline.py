"""The four stages of training: what each reads, and the model that it makes."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram


def pipeline(stages: Sequence[tuple[str, str, Sequence]]) -> Diagram:
    """The four stages of training, each with a sample of its own data and one number.

    stages: four of (how many, of what, sample), in the order base, SFT, reward, PPO, such as
    ("2.6 million", "tokens of text", [...]). The samples: of base, [a piece of a document]; of
    SFT, [question, answer]; of reward, [the better answer, the worse]; of PPO, two or three of
    (answer, score). Long texts are cut off with an ellipsis. ValueError if there are not four.
    """
    return Diagram("pipeline", "not drawn yet", 0, "")
