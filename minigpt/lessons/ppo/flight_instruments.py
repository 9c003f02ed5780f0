"""The flight instruments of a PPO run: named lights, small curves, and the answers of each round.

`flight_instruments(steps, ...)` shows a picture with one small curve an instrument and a table of
the last round, which both stay in the file, and under them a slider that goes through the rounds.
A light is a shape and a word as well as a colour. What the lights mean is in `core.instruments`.
"""

from collections.abc import Sequence

import ipywidgets as widgets
from matplotlib.figure import Figure

from minigpt.lessons.ppo import instruments as core
from minigpt.lessons.ppo.instruments import LIMITS, Evaluation, Limits, Reading, panel, readings
from minigpt.ppo import PPOStep
from minigpt.reward import reward_input
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.figure import show
from minigpt.show.style import (
    GREEN,
    GREY,
    IGNORE_MATH,
    ORANGE,
    VERMILION,
    escape,
    signed,
    verdict_group,
)
from minigpt.show.table import Table
from minigpt.show.widget import rendered, side_by_side, styled
from minigpt.stages.stage import Stage
from minigpt.world.judge import judge
from minigpt.world.questions import Question

ANSWERS = 6  # shown at a time
# A shape for each light, so that nobody needs its colour: (symbol, marker in pictures, colour)
LIGHTS = {
    core.GREEN: ("\u25cf", "o", GREEN),
    core.AMBER: ("\u25b2", "^", ORANGE),
    core.RED: ("\u25a0", "s", VERMILION),
    core.OFF: ("\u25cb", ".", GREY),
}
BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
TEXT = {
    "en": {
        "round": "Round",
        "more": "More answers",
        "header": ["instrument", "so far", "reading", "light", "what it says, and what to do"],
        "answers": ["question", "answer", "score", "verdict"],
        "which": "Round {step}: answers {first} to {last} of {n}, as they were sampled.",
        "cut_off": "cut off",
        "figure": "{steps} rounds. At the end: {lights}.",
        "not_green": "Not green after the last round: {names}.",
        "all_green": "All lights that are on are green after the last round.",
        "of": "{name} {word}",
        "no_steps": "There are no rounds to read yet: run the cell with the training first.",
        "questions": "round {step} answers question {index}, and only {n} questions were given: "
        "give the list that the prompts were made from",
    },
}


class FlightInstruments:
    """The widget: `view` is what is displayed; `figure()` and `table()` are its static form.

    steps: the rounds so far, from the first. questions: those that the run's prompts were made
    from, in their order. reward: the reward model that the run learned from. evaluations: gold
    and proxy after some rounds, as `evaluate_round` gives them. ValueError without rounds, or for
    other questions.
    """

    def __init__(
        self, steps: Sequence[PPOStep], questions: Sequence[Question], reward: Stage,
        evaluations: Sequence[Evaluation] = (), limits: Limits = LIMITS, lang="en",
    ) -> None:  # fmt: skip
        self.words, self.lang = TEXT[lang], lang
        if not steps:
            raise ValueError(self.words["no_steps"])
        for step in steps:
            if max(step.prompts) >= len(questions):
                raise ValueError(
                    self.words["questions"].format(
                        step=step.step, index=max(step.prompts), n=len(questions)
                    )
                )
        self.steps, self.questions, self.reward = list(steps), questions, reward
        self.evaluations, self.limits, self.start = list(evaluations), limits, 0
        self.readings = [self._read(n) for n in range(1, len(self.steps) + 1)]
        self.round = widgets.IntSlider(
            value=len(self.steps), min=1, max=len(self.steps), description=self.words["round"],
            continuous_update=False,
        )  # fmt: skip
        self.more = widgets.Button(description=self.words["more"])
        wide = widgets.Layout(width="auto")
        self.lights, self.answers = widgets.HTML(layout=wide), widgets.HTML(layout=wide)
        self.round.observe(self._moved, "value")
        self.more.on_click(self.next_answers)
        self.view = widgets.VBox([
            side_by_side(self.round, self.more), self.lights, self.answers,
        ])  # fmt: skip
        self._moved()

    def _read(self, n: int) -> list[Reading]:
        """All instruments after the first `n` rounds."""
        return readings(self.steps[:n], self._evaluated(n), self.limits, self.lang)

    def _evaluated(self, n: int) -> list[Evaluation]:
        return [e for e in self.evaluations if e.step <= self.steps[n - 1].step]

    # ---- controls ---------------------------------------------------------------------------

    def _moved(self, change=None) -> None:
        """Show the round at which the slider stands, and its first answers."""
        self.start = 0
        self.lights.value = self.panel_html()
        self.answers.value = rendered(self.answer_table())

    def next_answers(self, button=None) -> None:
        """Show the next answers of this round; after the last the first ones again."""
        self.start += ANSWERS
        if self.start >= len(self._step().samples):
            self.start = 0
        self.answers.value = rendered(self.answer_table())

    def _step(self) -> PPOStep:
        return self.steps[self.round.value - 1]

    # ---- what is shown ----------------------------------------------------------------------

    def history(self, place: int, n: int | None = None) -> list[tuple[int, float]]:
        """(round, value) of one instrument in the first `n` rounds, where it had a value."""
        n = n or len(self.readings)
        if self.readings[0][place].name == "gold":  # it is not measured in every round
            return [(e.step, e.gold) for e in self._evaluated(n)]
        rounds = zip(self.steps, self.readings[:n])
        found = [(step.step, now[place].value) for step, now in rounds]
        return [(step, value) for step, value in found if value == value]

    def panel_html(self) -> str:
        """The instruments after the chosen round: light, word, value, curve, and what to do."""
        n, cell = self.round.value, '<td style="text-align:left;vertical-align:top">'
        rows = []
        for place, now in enumerate(self.readings[n - 1]):
            symbol, _, colour = LIGHTS[now.light]
            dot = f'<span style="color:{colour}" aria-hidden="true">{symbol}</span> '
            cells = [escape(sparkline(v for _, v in self.history(place, n))), escape(now.text),
                     dot + escape(self._light(now)), escape(now.sentence)]  # fmt: skip
            head = f'<th scope="row" style="text-align:left">{escape(now.label)}</th>'
            rows.append("<tr>" + head + "".join(f"{cell}{c}</td>" for c in cells) + "</tr>")
        head = "".join(
            f'<th scope="col" style="text-align:left">{escape(name)}</th>'
            for name in self.words["header"]
        )
        body = "".join(rows)
        return styled(
            f'<table class="{IGNORE_MATH}" role="status"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )

    def _light(self, now: Reading) -> str:
        return f"{core.TEXT[self.lang]['lights'][now.light]}: {now.word}"

    def answer_table(self) -> Table:
        """Some answers of the chosen round, with the reward model's score and the verdict."""
        step, words = self._step(), self.words
        shown = range(self.start, min(self.start + ANSWERS, len(step.samples)))
        rows = []
        for i in shown:
            question, sample = self.questions[step.prompts[i]], step.samples[i]
            prompt = chat_prompt(self.reward.encoding, question.text)
            ids = reward_input(self.reward.encoding, prompt, sample.ids)
            text = answer_text(self.reward.encoding, sample.ids)
            verdict = judge(self.reward.world, question, text)
            score = signed(self.reward.model.score([ids]).item())
            said = score if sample.ended else words["cut_off"]
            rows.append([question.text, text, said, verdict_group(verdict)])
        last = shown[-1] + 1
        caption = words["which"].format(
            step=step.step, first=self.start + 1, last=last, n=len(step.samples)
        )
        return Table(words["answers"], rows, caption, width=44)

    # ---- without widgets --------------------------------------------------------------------

    def table(self) -> Table:
        """The panel after the last round, as `core.instruments` writes it."""
        return panel(self.steps, self.evaluations, self.limits, self.lang)

    def figure(self) -> Figure:
        """One small curve an instrument; a mark shows its light after the last round. Grey beside
        them: the estimate k1 of the KL, as dots, and the proxy, dashed."""
        names = self.readings[-1]
        columns = 5
        fig = Figure(
            figsize=(10, 1.7 * -(-len(names) // columns)), dpi=100, facecolor="white",
            layout="constrained",
        )  # fmt: skip
        for place, now in enumerate(names):
            ax = fig.add_subplot(-(-len(names) // columns), columns, place + 1)
            ax.spines[["top", "right"]].set_visible(False)
            _, marker, colour = LIGHTS[now.light]
            points = self.history(place)
            if now.name == "kl":
                k1 = [step.k1 for step in self.steps]
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
        words, now = self.words, self.readings[-1]
        lights = ", ".join(words["of"].format(name=r.name, word=r.light) for r in now)
        off = [r.name for r in now if r.light in (core.AMBER, core.RED)]
        said = words["not_green"].format(names=", ".join(off)) if off else words["all_green"]
        return words["figure"].format(steps=len(self.steps), lights=lights) + " " + said


def sparkline(values) -> str:
    """Numbers as a row of bars, the lowest and the highest as far apart as bars can be."""
    values = list(values)
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(BARS[int((v - low) / span * (len(BARS) - 1))] for v in values)


def flight_instruments(
    steps: Sequence[PPOStep], questions: Sequence[Question], reward: Stage,
    evaluations: Sequence[Evaluation] = (), limits: Limits = LIMITS, lang: str = "en",
) -> None:  # fmt: skip
    """Show the instruments of a run, and a slider through its rounds and their answers."""
    from IPython.display import display

    try:
        instruments = FlightInstruments(steps, questions, reward, evaluations, limits, lang)
    except ValueError as error:
        print(error)
        return
    show(instruments.figure(), instruments.sentence())
    display(instruments.table())
    display(instruments.view)
