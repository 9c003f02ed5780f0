"""Watching a training run: `run = pretrain(...)` in one cell, `await live(run)` in the next.

The button ■ pauses after a whole update, and running the second cell again goes on from there, to
the same result as without the pause. A plain loop over `run` could not do that: an interrupt would
tear the update in hand and close the generator. So while a run is watched, SIGINT is held back
until the update is done; a second one within the same update ends it at once.

In a notebook two displays are renewed a few times a second, the picture and the words under it, so
their last state stays in the file. Elsewhere the same appears as lines of text.
"""

import asyncio
import signal
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from IPython import get_ipython
from IPython.display import display

from minigpt.show.figure import figure, picture
from minigpt.show.style import BLUE, amount
from minigpt.store.interrupts import held_interrupts
from minigpt.store.words import _

FRAME = 0.4  # seconds between two pictures
SPEED_OVER = 10.0  # seconds over which tokens/s is averaged
HAIR, SOFT = "#d8dde2", "#6e7781"  # of raw data, of what is compared


class Paused(Exception):
    """The learner pressed ■: the cells after this one wait. IPython shows the message alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass
class History:
    """What has been seen of a run: it outlives the cell, so that a resumed run goes on drawing."""

    steps: list = field(default_factory=list)  # the run's records
    held_out: list[tuple[int, float]] = field(default_factory=list)  # (step, loss)
    samples: list[tuple[int, str]] = field(default_factory=list)  # (step, text)


_HISTORIES: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class Live:
    """A run that is drawn while it is iterated over or awaited. Made by `live`."""

    def __init__(self, run, held_out, sample, looks, curves) -> None:
        self.run, self.held_out, self.sample = run, held_out, sample
        self.looks, self.curves = looks, curves
        self.history = _HISTORIES.setdefault(run, History())
        self.handles, self.drawn, self.clock = [], 0.0, []

    def __await__(self):
        return self._watch().__await__()

    async def _watch(self) -> None:
        for _step in self:
            await asyncio.sleep(0.001)  # the kernel answers the browser meanwhile

    def __iter__(self) -> Iterator:
        done = None
        with held_interrupts(signal.SIGINT) as caught:
            for done in self.run:
                self._see(done)
                yield done
                if caught:
                    self._draw()
                    raise Paused(self.paused(done))
        if done is not None:
            return self._draw(final=True)
        steps = self.history.steps
        if steps and steps[-1].step == steps[-1].steps:
            print(_("This run is finished. To train anew, run the cell that makes it."))
        else:  # a second ■ tore an update
            print(_("This run cannot go on: it was finished elsewhere, or stopped within an "
                    "update. To train anew, run the cell that makes it."))  # fmt: skip

    def paused(self, step) -> str:
        """What is said after a step: a run that no name holds is lost where its cell ends."""
        said = _("Paused after step {n:,} of {steps:,}.", n=step.step, steps=step.steps)
        names = getattr(get_ipython(), "user_ns", {"run": self.run})
        if any(value is self.run for value in [*names.values()]):
            return f"{said} " + _("Run this cell again to go on.")
        return f"{said} " + _("This cell makes its run: run it again, and it begins anew.")

    def _see(self, step) -> None:
        history = self.history
        history.steps.append(step)
        self.clock.append((time.perf_counter(), step.tokens))
        done, before = (n * self.looks // step.steps for n in (step.step, step.step - 1))
        looked = done > before  # evenly through the run, the last time at its end
        if looked and self.held_out is not None:
            history.held_out.append((step.step, self.held_out()))
        if looked and self.sample is not None:
            history.samples.append((step.step, self.sample()))
        late = get_ipython() is not None and time.perf_counter() - self.drawn > FRAME
        if looked or late:
            self._draw()

    def _draw(self, final: bool = False) -> None:
        """Renew the picture and the words under it; without a notebook, print a line."""
        if get_ipython() is None:
            print(self.line(final), flush=True)
            return
        samples = [
            _("after {n:,} steps: {text}", n=step, text=" / ".join(text.strip().split("\n")))
            for step, text in self.history.samples
        ]
        said = "\n".join([self.line(final), *samples])
        # the words twice: as the picture's alt text, and for whoever sees the picture
        parts = [picture(self._figure(), said), ({"text/plain": said}, {})]
        for handle, (data, metadata) in zip(self.handles, parts):
            handle.update(data, metadata=metadata, raw=True)
        self.handles = self.handles or [
            display(data, metadata=metadata, raw=True, display_id=True) for data, metadata in parts
        ]
        self.drawn = time.perf_counter()

    def line(self, final: bool = False) -> str:
        """Where the run is, in words. A finished run has no times, which differ from run to run."""
        step = self.history.steps[-1]
        said = (
            _("done: {steps:,} steps, {tokens} tokens") if final else _("step {n:,} of {steps:,}")
        )
        parts = [said.format(n=step.step, steps=step.steps, tokens=amount(step.tokens))]
        last = self.history.steps[-width(len(self.history.steps)) :]  # one batch says little
        parts += [f"{name} {np.mean([getattr(s, name) for s in last]):.3f}" for name in self.curves]
        if self.history.held_out:
            parts.append(_("held-out loss {loss:.3f}", loss=self.history.held_out[-1][1]))
        if not final and len(self.clock) > 1:
            left = minutes(self.seconds_left())
            parts.append(_("{rate:,.0f} tokens/s, {left} left", rate=self.rate(), left=left))
        return " · ".join(parts)

    def rate(self) -> float:
        """Tokens a second of late."""
        now, tokens = self.clock[-1]
        then, before = next(c for c in self.clock if now - c[0] <= SPEED_OVER)
        return (tokens - before) / max(now - then, 1e-9) if tokens > before else 0.0

    def seconds_left(self) -> float:
        """At the speed of this sitting so far, evaluations and samples included."""
        step, first, now = self.history.steps[-1], self.clock[0][0], self.clock[-1][0]
        return (now - first) / (len(self.clock) - 1) * (step.steps - step.step)

    def _figure(self):
        fig, axes = figure(8, 2.6, columns=len(self.curves))
        steps = [s.step for s in self.history.steps]
        for ax, name in zip(fig.axes, self.curves):
            values = np.array([getattr(s, name) for s in self.history.steps], dtype=float)
            ax.plot(steps, values, color=HAIR, linewidth=0.8)
            ax.plot(steps, smooth(values), color=BLUE, linewidth=2)
            if name == "loss" and self.history.held_out:
                ax.plot(*zip(*self.history.held_out), "o--", color=SOFT, markersize=4)
                ax.annotate(_("held out"), self.history.held_out[-1], (0, 9), ha="right",
                            textcoords="offset points")  # fmt: skip
            ax.set(xlabel=_("step"), xlim=(0, self.history.steps[-1].steps))
            if not (values < 0).any():
                ax.set_ylim(0)
            ax.set_title(name, loc="left", fontsize=10)
        return fig


def live(
    run, held_out: Callable[[], float] | None = None, sample: Callable[[], str] | None = None,
    looks: int = 10, curves: tuple[str, ...] = ("loss",),
) -> Live:  # fmt: skip
    """Watch a run: `await live(run)`, or `for step in live(run)` with a body of your own.

    run: what `pretrain`, `sft`, `train_reward` or `ppo` returned. `held_out` and `sample` are
    called `looks` times through the run; `curves` names the record's fields that are drawn.
    Raises Paused after ■, and TypeError for anything but a run.
    """
    if not hasattr(run, "send"):
        raise TypeError(f"live() watches a training run, not a {type(run).__name__}: write `run = "
                        "pretrain(...)` in a cell of its own, then `await live(run)`")  # fmt: skip
    return Live(run, held_out, sample, looks, curves)


def width(n: int, share: float = 0.03) -> int:
    """How many of `n` values are averaged: `share` of them and at least one."""
    return max(1, int(n * share))


def smooth(values: np.ndarray) -> np.ndarray:
    """Means over as many values before as after each, or the curve would trail; at the end over
    those before, so that the last one is the mean of the latest."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    at = np.arange(len(values))
    reach = np.minimum(at + 1, width(len(values)))
    start, end = at - reach + 1, np.minimum(at + reach, len(values))
    return (total[end] - total[start]) / (end - start)


def minutes(seconds: float) -> str:
    """A time as people say it: 7 s, 2 min 05 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
