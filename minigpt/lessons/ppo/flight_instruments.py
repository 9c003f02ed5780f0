"""The flight instruments of a PPO run: named lights, curves, and the answers of each round.

`flight_instruments(steps, ...)` shows a picture with one small curve an instrument and a table of
the last round, which both stay in the file, and under them a slider that goes through the rounds.
A light is a shape and a word as well as a colour. What the lights mean stands in `instruments.py`.
"""

from collections.abc import Sequence

import ipywidgets as widgets

from minigpt.lessons.ppo.instruments import (
    AMBER,
    LIGHTS,
    NAMES,
    RED,
    Evaluation,
    derived,
    panel,
    readings,
)
from minigpt.ppo import PPOStep
from minigpt.reward import reward_input
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.figure import Figure, figure, show
from minigpt.show.style import GREY, signed, verdict_group
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, rendered, side_by_side
from minigpt.stages.stage import Stage
from minigpt.store.words import _
from minigpt.world.judge import judge
from minigpt.world.questions import Question

ANSWERS = 6  # shown at a time


class FlightInstruments(Widget):
    """A slider through the rounds of a run: the instruments after each, and its answers.

    steps: the rounds so far, from the first. questions: those that the run's prompts were made
    from, in their order. reward: the reward model that the run learned from. evaluations: gold
    and proxy after some rounds, as `evaluate_round` gives them. ValueError without rounds, or for
    other questions.
    """

    def __init__(
        self, steps: Sequence[PPOStep], questions: Sequence[Question], reward: Stage,
        evaluations: Sequence[Evaluation] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        if not steps:
            said = _("There are no rounds to read yet: run the cell with the training first.")
            raise ValueError(said)
        for step in steps:
            if max(step.prompts) >= len(questions):
                raise ValueError(_(
                    "round {step} answers question {index}, and only {n} questions were given: "
                    "give the list that the prompts were made from",
                    step=step.step, index=max(step.prompts), n=len(questions),
                ))  # fmt: skip
        self.steps, self.questions, self.reward = list(steps), questions, reward
        self.evaluations, self.start = list(evaluations), 0
        last = len(self.steps)
        self.readings = [readings(steps[:n], self._evaluated(n)) for n in range(1, last + 1)]
        self.round = self.control(
            widgets.IntSlider, _("Round"), self.moved, value=last, min=1, max=last
        )
        self.more = self.button(_("More answers"), self.next_answers)
        self.answers = widgets.HTML(layout=widgets.Layout(width="auto"))
        controls = side_by_side(self.round, self.more)
        self.view = widgets.VBox([controls, self.status, self.shown, self.answers])
        self.moved()

    def static(self) -> list:
        """The table; the picture is shown at once, for it comes with its sentence."""
        show(self.figure(), self.sentence())
        return [panel(self.steps, self.evaluations)]

    def _evaluated(self, n: int) -> list[Evaluation]:
        return [e for e in self.evaluations if e.step <= self.steps[n - 1].step]

    # ---- controls ---------------------------------------------------------------------------

    def moved(self) -> None:
        """Show the round at which the slider stands, and its first answers."""
        n, self.start = self.round.value, 0
        self.shown.value = rendered(panel(self.steps[:n], self._evaluated(n)))
        self.answers.value = rendered(self.answer_table())

    def next_answers(self) -> None:
        """Show the next answers of this round; after the last the first ones again."""
        self.start += ANSWERS
        if self.start >= len(self._step().rollout.samples):
            self.start = 0
        self.answers.value = rendered(self.answer_table())

    def _step(self) -> PPOStep:
        return self.steps[self.round.value - 1]

    # ---- what is shown ----------------------------------------------------------------------

    def history(self, place: int) -> list[tuple[int, float]]:
        """(round, value) of one instrument in all rounds in which it had a value."""
        if NAMES[place] == "gold":  # it is not measured in every round
            return [(e.step, e.gold) for e in self.evaluations]
        found = [(s.step, now[place].value) for s, now in zip(self.steps, self.readings)]
        return [(step, value) for step, value in found if value == value]

    def answer_table(self) -> Table:
        """Some answers of the chosen round, with the reward model's score and the verdict."""
        step, encoding, rows = self._step(), self.reward.encoding, []
        samples = step.rollout.samples
        shown = range(self.start, min(self.start + ANSWERS, len(samples)))
        for i in shown:
            question, sample = self.questions[step.prompts[i]], samples[i]
            ids = reward_input(encoding, chat_prompt(encoding, question.text), sample.ids)
            text = answer_text(encoding, sample.ids)
            score = signed(self.reward.model.score([ids]).item())
            said = score if sample.ended else _("cut off")
            verdict = verdict_group(judge(self.reward.world, question, text))
            rows.append([question.text, text, said, verdict])
        caption = _(
            "Round {step}: answers {first} to {last} of {n}, as they were sampled.",
            step=step.step, first=self.start + 1, last=shown[-1] + 1, n=len(samples),
        )  # fmt: skip
        header = [_("question"), _("answer"), _("score"), _("verdict")]
        return Table(header, rows, caption, width=44)

    # ---- without widgets --------------------------------------------------------------------

    def figure(self) -> Figure:
        """One small curve an instrument; a mark shows its light after the last round. Grey beside
        them: the estimate k1 of the KL, as dots, and the proxy, dashed."""
        fig, axes = figure(10, 3.4, columns=5, rows=2)
        for place, (now, ax) in enumerate(zip(self.readings[-1], axes.flat)):
            _symbol, marker, colour = LIGHTS[now.light]
            points = self.history(place)
            if now.name == "kl":
                k1 = [derived(step)["k1"] for step in self.steps]
                ax.plot([step.step for step in self.steps], k1, ".", color=GREY, markersize=3)
            if now.name == "gold":
                proxy = [e.proxy for e in self.evaluations]
                ax.plot([e.step for e in self.evaluations], proxy, "--", color=GREY, linewidth=1)
            if points:
                ax.plot(*zip(*points), color="#555555", linewidth=1)
                ax.plot(*points[-1], marker, color=colour, markersize=8)
            ax.set_title(f"{now.name}: {now.light}", fontsize=9)
            ax.tick_params(labelsize=7)
            ax.set_xlim(0, self.steps[-1].step * 1.04 + 1)
            if now.name == "ended":
                ax.set_ylim(0, 1.08)
        return fig

    def sentence(self) -> str:
        """What the picture shows, in words."""
        now = self.readings[-1]
        lights = ", ".join(f"{r.name} {r.word}" for r in now)
        off = ", ".join(r.name for r in now if r.light in (AMBER, RED))
        said = _("{n} rounds. At the end: {lights}.", n=len(self.steps), lights=lights)
        if off:
            return f"{said} " + _("Not green after the last round: {names}.", names=off)
        return f"{said} " + _("All lights that are on are green after the last round.")


def flight_instruments(
    steps: Sequence[PPOStep], questions: Sequence[Question], reward: Stage,
    evaluations: Sequence[Evaluation] = (),
) -> None:  # fmt: skip
    """Show the instruments of a run, and a slider through its rounds and their answers."""
    present(lambda: FlightInstruments(steps, questions, reward, evaluations))
