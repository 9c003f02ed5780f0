"""Completions that change while a model is trained: the same prompts, asked again and again.

Each look asks the same questions with the same random numbers, so what changes in an answer comes
from the weights alone. One display is renewed, in which the first look, the newest and some between
them stand side by side; its last state stays in the file.
"""

from IPython import get_ipython
from IPython.display import display

from minigpt.model import GPT
from minigpt.show.style import verdict_group
from minigpt.show.table import Table
from minigpt.stages.stage import Answer, assistant
from minigpt.store.words import _
from minigpt.world.facts import World
from minigpt.world.judge import judge
from minigpt.world.questions import Question

COLUMNS = 4  # looks that are shown side by side


class Completions:
    """The answers of a policy that is being trained to a few fixed questions.

    policy: the model in training, read at each look, for the first time now. temperature: 1 as PPO
    samples, 0 for the most likely answer. `history` has (round, answers) of every look.
    ValueError without questions.
    """

    def __init__(
        self, policy: GPT, encoding, world: World, questions: list[Question], temperature=1.0,
        seed=0,
    ) -> None:  # fmt: skip
        if not questions:
            raise ValueError(_("there are no questions: give at least one"))
        self.stage, self.questions = assistant(policy, encoding, world), list(questions)
        self.temperature, self.seed = temperature, seed
        self.history: list[tuple[int, list[str]]] = [(0, self.ask())]
        self.handle, self.cell = None, None

    def ask(self) -> list[str]:
        """The answers as the policy gives them now, each with its verdict."""
        answers = self.stage.ask(self.questions, self.temperature, self.seed)
        return [self.shown(q, a) for q, a in zip(self.questions, answers)]

    def shown(self, question: Question, answer: Answer) -> str:
        """An answer with the judge's verdict in the words of the course's figures."""
        cut = "" if answer.ended else f" ({_('cut off')})"
        verdict = verdict_group(judge(self.stage.world, question, answer.text))
        return f"{answer.text}{cut}  [{verdict}]"

    def look(self, step: int) -> None:
        """Ask again after round `step` and renew the display: one for each run of a cell."""
        self.history.append((step, self.ask()))
        shell = get_ipython()
        if shell is None:
            return  # a plain program prints the table when it wants to: print(completions.table())
        if self.handle is None or shell.execution_count != self.cell:  # a paused run goes on
            self.handle, self.cell = display(self.table(), display_id=True), shell.execution_count
        else:
            self.handle.update(self.table())

    def table(self) -> Table:
        """A row a question, a column a look: the first, the newest, and evenly some between."""
        last = len(self.history) - 1
        n = min(COLUMNS, last + 1)
        looks = [
            self.history[i] for i in sorted({round(i * last / max(1, n - 1)) for i in range(n)})
        ]
        header = [
            _("after round {n}", n=f"{step:,}") if step else _("before") for step, _a in looks
        ]
        rows = [[q.text, *(said[i] for _step, said in looks)] for i, q in enumerate(self.questions)]
        caption = _(
            "Temperature {temperature}, the same random numbers at each look. "
            "In brackets: the judge's verdict.",
            temperature=f"{self.temperature:g}",
        )
        return Table([_("prompt"), *header], rows, caption, width=24)
