"""The flight instruments of a PPO run: named lights, and the answers of each round.

`flight_instruments(steps, ...)` shows a table of the last round, which stays in the file, and a
slider that goes through the rounds. A light is a shape and a word as well as a colour. What the
lights mean stands in `instruments.py`.
"""

from collections.abc import Sequence

import ipywidgets as widgets

from minigpt.lessons.ppo.instruments import Evaluation, panel
from minigpt.ppo import PPOStep
from minigpt.reward import reward_input
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.style import signed, verdict_group
from minigpt.show.table import Table
from minigpt.show.widget import Widget, present, rendered, side_by_side
from minigpt.stages.stage import Stage
from minigpt.store.words import _
from minigpt.world.judge import judge
from minigpt.world.questions import Question

ANSWERS = 6  # shown at a time


class FlightInstruments(Widget):
    """A slider through the rounds of a run: the instruments after each, and its answers. Arguments
    as of `flight_instruments`; ValueError without rounds, or for other questions."""

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
        self.evaluations, self.start, last = list(evaluations), 0, len(steps)
        self.round = self.control(
            widgets.IntSlider, _("Round"), self.moved, value=last, min=1, max=last
        )
        self.more = self.button(_("More answers"), self.next_answers)
        self.answers = widgets.HTML(layout=widgets.Layout(width="auto"))
        controls = side_by_side(self.round, self.more)
        self.view = widgets.VBox([controls, self.status, self.shown, self.answers])
        self.moved()

    def static(self) -> list:
        return [panel(self.steps, self.evaluations)]

    # ---- controls ---------------------------------------------------------------------------

    def moved(self) -> None:
        """Show the round at which the slider stands, and its first answers."""
        n, self.start = self.round.value, 0
        done = [e for e in self.evaluations if e.step <= self.steps[n - 1].step]
        self.shown.value = rendered(panel(self.steps[:n], done))
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


def flight_instruments(
    steps: Sequence[PPOStep], questions: Sequence[Question], reward: Stage,
    evaluations: Sequence[Evaluation] = (),
) -> None:  # fmt: skip
    """Show the instruments of a run, and a slider through its rounds and their answers.

    steps: the rounds. questions: those that the run's prompts were made from, in their order.
    reward: what it learned from. evaluations: after some rounds, as `evaluate_round` gives them.
    """
    present(lambda: FlightInstruments(steps, questions, reward, evaluations))
