"""The cockpit: a recorded run of PPO, whose truth stays covered until you say where to stop.

Whoever runs PPO for real sees the reward model's score and has to decide by it. Gold, the expert's
judgment, was recorded too, on the same questions of split V, and is shown once that is said.
"""

import ipywidgets as widgets

from minigpt.lessons.ppo.results import over_figure
from minigpt.show.figure import picture, show
from minigpt.show.style import signed
from minigpt.show.table import Table
from minigpt.show.widget import Widget, has_learner, present, side_by_side
from minigpt.stages.stage import load_stage
from minigpt.store.words import _, language


class Cockpit(Widget):
    """A run, a slider through its rounds, and a button that stops there and uncovers gold. runs: by
    name what was recorded after some rounds, as a checkpoint keeps it."""

    def __init__(self, runs: dict[str, list[dict]]) -> None:
        super().__init__()
        self.runs, self.stopped = runs, {}  # {run: the point at which it was stopped}
        self.run = self.control(widgets.Dropdown, _("Run"), self.chosen, options=[*runs], wide=True)
        self.round = self.control(widgets.IntSlider, _("Rounds"), self.draw, min=0, max=1, value=0)
        self.stop = self.button(_("Stop here and show gold"), self.uncover,
                                layout=widgets.Layout(width="auto"))  # fmt: skip
        controls = side_by_side(self.run, self.round, self.stop)
        self.view = widgets.VBox([controls, self.status, self.shown])
        self.chosen()

    def chosen(self) -> None:
        """Another run: from its first record on."""
        steps = [point["step"] for point in self.curve()]
        at = self.stopped.get(self.run.value, self.curve()[0])["step"]
        self.quietly(self.round, max=steps[-1], min=steps[0], step=steps[1] - steps[0], value=at)
        self.draw()

    def curve(self) -> list[dict]:
        return self.runs[self.run.value]

    def uncover(self) -> None:
        """Stop at the slider's round, the first time it is pressed."""
        at = next(p for p in self.curve() if p["step"] >= self.round.value)
        self.stopped.setdefault(self.run.value, at)
        self.draw()

    def draw(self) -> None:
        """The score up to the slider's round; once stopped, both curves to the end."""
        name, stop = self.run.value, self.stopped.get(self.run.value)
        seen = [p for p in self.curve() if p["step"] <= self.round.value]
        place = [*self.runs].index(name)  # its colour is its own
        top = 1.1 * max(p["proxy"] for curve in self.runs.values() for p in curve)
        self.stop.disabled = stop is not None
        if stop is None:
            self.say(_("Round {round}: the reward model's score is {proxy}. Gold is covered.",
                       round=seen[-1]["step"], proxy=signed(seen[-1]["proxy"])))  # fmt: skip
            last = self.curve()[-1]["step"]
            fig, said = over_figure({name: seen}, last, place, covered=True, top=top)
        else:
            best, last = max(self.curve(), key=lambda p: p["gold"]), self.curve()[-1]
            self.say(_(
                "You stopped after round {stop}: gold {here}. The best was round {best}: {most}. "
                "After the last, {last}: {end}.",
                stop=stop["step"], here=signed(stop["gold"]), best=best["step"],
                most=signed(best["gold"]), last=last["step"], end=signed(last["gold"]),
            ))  # fmt: skip
            shown, at = {name: self.curve()}, stop["step"]
            fig, said = over_figure(shown, last["step"], place, stop=at, top=top)
        self.shown.value = picture(fig, said)[0]["text/html"]

    def static(self) -> list:
        rows = []
        for name, curve in self.runs.items():
            turns = max(curve, key=lambda p: p["gold"]), curve[-1]
            for p in turns[: 1 + (turns[0] is not turns[1])]:
                rows.append([name, p["step"], signed(p["proxy"]), signed(p["gold"])])
        return [Table([_("run"), _("round"), _("score"), _("gold")], rows, width=44)]


def recorded_runs() -> dict[str, list[dict]]:
    """The curves of the shipped runs, by their judge and their price of a nat of KL."""
    ordinary, found = _("ordinary judge"), {}
    judges = {"ppo_overoptimised": ordinary, "ppo_priced": ordinary, "ppo": _("main judge")}
    for name, judge in judges.items():
        meta = load_stage(name, own=False, lang=language(), quiet=True).meta
        price = f"{meta['settings']['kl_coef']:g}"
        found[_("price {price}, {judge}", price=price, judge=judge)] = meta["curve"]
    return found


def cockpit() -> None:
    """Show the cockpit of the shipped runs; where no learner is there, all of their curves."""
    found = present(lambda: Cockpit(recorded_runs()))
    if found and not has_learner():
        show(*over_figure(found.runs, max(curve[-1]["step"] for curve in found.runs.values())))
