"""A run's curve beside the shipped one's: what the sentence says, and what is drawn."""

import pytest

from minigpt.lessons.pretraining import curves
from minigpt.lessons.pretraining.curves import loss_curves
from minigpt.pretrain import Step
from minigpt.show.live import History
from toys import tiny_gpt, toy_stage


def state(tokens, loss):
    meta = {"tokens": tokens, "metrics": {"held_out_loss": loss}}
    return toy_stage("base", tiny_gpt(), meta)


@pytest.fixture
def shown(monkeypatch):
    figures = []
    monkeypatch.setattr(curves, "show", lambda fig, sentence: figures.append((fig, sentence)))
    return figures


def test_both_runs_are_drawn_and_compared_where_yours_ends(shown):
    steps = [Step(i, 4, 6.0 - i, 500_000 * i) for i in (1, 2, 3, 4)]
    history = History(steps, [(2, 5.0), (4, 1.5)])
    states = [state(0, 7.0), state(1_800_000, 3.0), state(2_500_000, 2.0), state(3_000_000, 1.0)]
    loss_curves(history, states, 1.25)
    ((fig, said),) = shown
    assert "After 2 million tokens your loss on new text is 1.25 nats" in said  # of all of it
    assert "was 3.00 after 1.8 million, and 1.00 at its end, after 3 million" in said  # as recorded
    (ax,) = fig.axes
    lines = [[round(y, 6) for y in line.get_ydata()] for line in ax.get_lines()]
    assert lines == [[5, 4, 3, 2], [7, 3, 2, 1], [5, 4, 3, 2]]
    assert [list(line.get_xdata()) for line in ax.get_lines()][1] == [0, 1.8, 2.5, 3]
    assert [text.get_text() for text in ax.texts] == ["yours", "shipped", ""]
