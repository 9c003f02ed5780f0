"""The window of pretraining: the targets are the inputs, shifted by one."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram


def shifted_window(
    tokens: Sequence[str], probabilities: Sequence[float] | None = None, marked: int | None = None
) -> Diagram:
    """A window and its targets, the same tokens shifted by one, and the loss at each place.

    tokens: T + 1 texts, as `pieces` gives them, T from 2 to 5: inputs are the first T, targets the
    last T. probabilities: (T,) that the model gave to each target; without them no losses. marked:
    the place, from 0, that is emphasised; without it the one whose loss is highest, or the last.
    ValueError if the numbers do not fit.
    """
    return Diagram("shifted window", "not drawn yet", 0, "")
