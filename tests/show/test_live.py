"""Watching a run: pausing between updates, resuming, and what is shown of it."""

import asyncio
import importlib
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from minigpt.pretrain import PretrainConfig, Step, pretrain
from minigpt.show.figure import image
from minigpt.show.live import Paused, live, minutes, smooth
from toys import tiny_gpt

module = importlib.import_module("minigpt.show.live")  # its name is a function's, too

TOKENS = np.random.default_rng(0).integers(0, 50, 900).astype(np.uint16)
CONFIG = PretrainConfig(batch_size=4, block_size=16, steps=12)


def new_run():
    model = tiny_gpt(vocab_size=50, block_size=16, n_embd=16)
    return model, pretrain(model, TOKENS, CONFIG)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.fixture(scope="module")
def whole():
    """An uninterrupted run: its records, its weights."""
    model, run = new_run()
    return list(run), weights(model)


@pytest.fixture
def notebook(monkeypatch):
    """A notebook's display: what was shown first, and what it was renewed with."""
    frames = []

    def shown(data, metadata, raw, display_id=None):
        frames.append((data, metadata))
        renew = lambda data, metadata, raw: frames.append((data, metadata))  # noqa: E731
        return SimpleNamespace(update=renew)

    monkeypatch.setattr(module, "get_ipython", object)
    monkeypatch.setattr(module, "display", shown)
    return frames


def test_a_watched_run_is_the_run(whole):
    model, run = new_run()
    assert list(live(run)) == whole[0]
    assert torch.equal(weights(model), whole[1])


def test_awaited_as_well(whole):
    model, run = new_run()

    async def cell():
        await live(run)

    asyncio.run(cell())
    assert torch.equal(weights(model), whole[1])


@pytest.mark.parametrize("at", [1, 5, 11])
def test_paused_after_a_whole_step_and_resumed_equals_uninterrupted(whole, at):
    model, run = new_run()
    seen = []
    with pytest.raises(Paused, match=f"Paused after step {at} of 12. Run this cell again"):
        for step in live(run):
            seen.append(step)
            if step.step == at:
                signal.raise_signal(signal.SIGINT)
    assert [s.step for s in seen] == list(range(1, at + 1))
    seen += list(live(run))
    assert seen == whole[0] and torch.equal(weights(model), whole[1])


def test_an_interrupt_in_the_middle_of_an_update_waits_for_its_end(whole, monkeypatch):
    """The button is pressed while the optimizer works; a plain loop would tear the update."""
    model, run = new_run()
    step, calls = module_step(), []

    def pressed(self):
        calls.append(None)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return step(self)

    monkeypatch.setattr("minigpt.engine.optim.Optimizer.step", pressed)

    async def cell():
        await live(run)

    with pytest.raises(Paused, match="after step 4 of 12"):
        asyncio.run(cell())
    asyncio.run(cell())
    assert torch.equal(weights(model), whole[1])


def test_a_paused_run_says_whether_its_cell_goes_on_or_begins_anew(monkeypatch):
    _, run = new_run()
    names = {"run": run, "other": None}
    monkeypatch.setattr(module, "get_ipython", lambda: SimpleNamespace(user_ns=names))
    step = Step(3, 12, 1.0, 0)
    assert live(run).paused(step) == "Paused after step 3 of 12. Run this cell again to go on."
    names["run"] = None  # as in `await live(pretrain(...))`
    said = live(run).paused(step)
    assert said.startswith("Paused after step 3 of 12. ") and said.endswith("it begins anew.")


def module_step():
    from minigpt.engine.optim import Optimizer

    return Optimizer.step


def test_a_second_interrupt_within_one_step_raises():
    _, run = new_run()
    with pytest.raises(KeyboardInterrupt):
        for _ in live(run):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("update", [1, 4])
def test_a_run_that_was_torn_does_not_say_that_it_is_finished(update, monkeypatch, capsys):
    _, run = new_run()
    step, calls = module_step(), []

    def pressed_twice(self):
        calls.append(None)
        if len(calls) == update:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return step(self)

    monkeypatch.setattr("minigpt.engine.optim.Optimizer.step", pressed_twice)
    with pytest.raises(KeyboardInterrupt):
        list(live(run))
    capsys.readouterr()
    assert list(live(run)) == []
    said = capsys.readouterr().out
    assert "This run cannot go on: " in said and "To train anew, run the cell" in said


def test_a_run_that_diverges_is_never_done(capsys):
    model, run = new_run()
    with pytest.raises(ValueError, match="step 4 of 12: the loss is nan, so the run has diverged"):
        for step in live(run):
            if step.step == 3:
                model.gain.data.fill_(float("nan"))
    assert list(live(run)) == []
    said = capsys.readouterr().out
    assert "step 3 of 12" in said and "done" not in said and "nan" not in said


@pytest.mark.parametrize("end", ["done", "break", "error", "paused"])
def test_the_interrupt_handler_is_given_back(end):
    before = signal.getsignal(signal.SIGINT)
    _, run = new_run()
    try:
        for _ in live(run):
            assert signal.getsignal(signal.SIGINT) is not before
            if end == "break":
                break
            if end == "error":
                raise ZeroDivisionError
            if end == "paused":
                signal.raise_signal(signal.SIGINT)
    except (ZeroDivisionError, Paused):
        pass
    assert signal.getsignal(signal.SIGINT) is before
    assert len(list(run)) == (0 if end == "done" else 11)  # it can go on without live, too


def test_in_another_thread_nothing_is_held(whole):
    model, run = new_run()
    thread = threading.Thread(target=lambda: list(live(run)))
    thread.start()
    thread.join()
    assert torch.equal(weights(model), whole[1])


def test_a_pause_is_shown_as_its_message_alone():
    assert Paused("Paused after step 3.")._render_traceback_() == ["Paused after step 3."]


def test_lines_of_text_where_there_is_no_notebook(whole, capsys):
    _, run = new_run()
    list(live(run, held_out=lambda: 2.5, sample=lambda: " What?\nHow? ", looks=3))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" · ")[0] for line in lines[:3]] == [
        "step 4 of 12", "step 8 of 12", "step 12 of 12",
    ]  # fmt: skip
    assert all("tokens/s" in line and " left" in line for line in lines[:3])
    last = whole[0][-1]
    assert lines[3:] == [f"done: 12 steps, 768 tokens · loss {last.loss:.3f} · held-out loss 2.500"]


@pytest.mark.parametrize("looks, expected", [(4, 4), (5, 5), (12, 12), (100, 12)])
def test_it_looks_as_often_as_it_is_told(looks, expected):
    """Also where the looks do not divide the twelve steps; each step is looked at once at most."""
    _, run = new_run()
    asked = []
    list(live(run, held_out=lambda: asked.append("loss") or 1.0, looks=looks))
    assert asked == ["loss"] * expected


def test_a_notebook_gets_two_displays_that_are_renewed(notebook, capsys):
    _, run = new_run()
    list(live(run, sample=lambda: "<b>bold</b>\nsecond", looks=2))
    pictures, words = notebook[::2], notebook[1::2]
    assert len(pictures) == len(words) >= 3
    for (data, metadata), (said, _) in zip(pictures, words):
        told, png = data["text/plain"], data["image/png"]
        assert data["text/html"] == image(
            "image/png", png, told
        )  # what a model writes is no markup
        assert metadata["image/png"]["alt"] == told
        assert said == {"text/plain": told}
    *running, last = [said["text/plain"].split("\n") for said, _ in words]
    assert all("tokens/s" in text[0] and " left" in text[0] for text in running[1:])
    assert last[0].startswith("done: 12 steps, 768 tokens · loss ") and "tokens/s" not in last[0]
    assert last[1:] == [
        "after 6 steps: <b>bold</b> / second", "after 12 steps: <b>bold</b> / second",
    ]  # fmt: skip
    assert capsys.readouterr().out == ""


def test_a_resumed_run_goes_on_drawing_where_it_was(notebook):
    _, run = new_run()
    with pytest.raises(Paused):
        for step in live(run):
            if step.step == 6:
                signal.raise_signal(signal.SIGINT)
    assert notebook[-1][0]["text/plain"].startswith("step 6 of 12")
    again = live(run)
    list(again)
    assert [s.step for s in again.history.steps] == list(range(1, 13))
    (line, *_) = again._figure().axes[0].lines
    assert list(line.get_xdata()) == list(range(1, 13))


@pytest.mark.parametrize("first", [list, lambda run: list(live(run))])
def test_a_finished_run_says_what_to_do(first, capsys):
    _, run = new_run()
    first(run)
    capsys.readouterr()
    assert list(live(run)) == []
    assert "To train anew, run the cell that makes it" in capsys.readouterr().out


def test_what_is_not_a_run_is_an_error_that_says_how():
    for wrong in (3, [1, 2], pretrain, None):
        with pytest.raises(
            TypeError, match=r"write `run = pretrain\(\.\.\.\)` in a cell of its own"
        ):
            live(wrong)


def test_every_named_curve_has_its_axes():
    _, run = new_run()
    watched = live(run, curves=("loss", "tokens"))
    list(watched)
    axes = watched._figure().axes
    assert [ax.get_title("left") for ax in axes] == ["loss", "tokens"]
    assert " · tokens 768.000" in watched.line(final=True)


@pytest.mark.parametrize("n", [1, 2, 37, 400])
def test_smooth_against_a_loop(n):
    values, width = np.random.default_rng(1).normal(size=n), max(1, int(n * 0.03))
    reach = [min(i + 1, width) for i in range(n)]
    expected = [values[i - r + 1 : i + r].mean() for i, r in enumerate(reach)]
    np.testing.assert_allclose(smooth(values), expected)


def test_the_curve_does_not_trail_and_its_end_is_the_loss_that_is_told(monkeypatch):
    falling = np.linspace(5, 1, 200)
    np.testing.assert_allclose(smooth(falling)[:-5], falling[:-5])  # trailing, it would lie above
    watched = live(new_run()[1])
    watched.history.steps = [Step(i + 1, 200, loss, 64 * (i + 1)) for i, loss in enumerate(falling)]
    assert f" · loss {smooth(falling)[-1]:.3f}" in watched.line(final=True)
    assert f"{smooth(falling)[-1]:.3f}" == f"{falling[-6:].mean():.3f}" != f"{falling[-1]:.3f}"


def test_minutes():
    assert [minutes(s) for s in (0.4, 59.4, 60, 125, 3599)] == [
        "0 s", "59 s", "1 min 00 s", "2 min 05 s", "59 min 59 s",
    ]  # fmt: skip
