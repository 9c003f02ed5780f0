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
from minigpt.stages.scoring import chat_answers
from minigpt.world.facts import World
from minigpt.world.judge import judge
from minigpt.world.questions import Question

TEXT = {
    "en": {
        "prompt": "prompt",
        "before": "before",
        "after": "after round {step:,}",
        "caption": "Temperature {temperature:g}, the same random numbers at each look. "
        "In brackets: the judge's verdict.",
        "cut_off": "cut off",
        "none": "there are no questions: give at least one",
    },
}
COLUMNS = 4  # looks that are shown side by side


class Completions:
    """The answers of a policy that is being trained to a few fixed questions.

    policy: the model in training, read at each look, for the first time now. temperature: 1 as PPO
    samples, 0 for the most likely answer. `history` has (round, answers) of every look.
    ValueError without questions.
    """

    def __init__(
        self, policy: GPT, encoding, world: World, questions: list[Question], temperature=1.0,
        seed=0, lang="en",
    ) -> None:  # fmt: skip
        self.words = TEXT[lang]
        if not questions:
            raise ValueError(self.words["none"])
        self.policy, self.encoding, self.world = policy, encoding, world
        self.questions, self.temperature, self.seed = list(questions), temperature, seed
        self.history: list[tuple[int, list[str]]] = [(0, self.ask())]
        self.handle, self.cell = None, None

    def ask(self) -> list[str]:
        """The answers as the policy gives them now, each with its verdict."""
        texts = [q.text for q in self.questions]
        answers, ended = chat_answers(
            self.policy, self.encoding, texts, self.temperature, self.seed
        )
        cut = f" ({self.words['cut_off']})"
        said = [a if whole else a + cut for a, whole in zip(answers, ended)]
        return [f"{t}  [{self.verdict(q, a)}]" for q, t, a in zip(self.questions, said, answers)]

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

    def verdict(self, question: Question, answer: str) -> str:
        """The judge's verdict in the words of the course's figures."""
        return verdict_group(judge(self.world, question, answer))

    def table(self) -> Table:
        """A row a question, a column a look: the first, the newest, and evenly some between."""
        last, words = len(self.history) - 1, self.words
        n = min(COLUMNS, last + 1)
        shown = sorted({round(i * last / max(1, n - 1)) for i in range(n)})
        looks = [self.history[i] for i in shown]
        header = [
            words["after"].format(step=step) if step else words["before"] for step, _ in looks
        ]
        rows = [
            [q.text, *(answers[i] for _, answers in looks)] for i, q in enumerate(self.questions)
        ]
        caption = words["caption"].format(temperature=self.temperature)
        return Table([words["prompt"], *header], rows, caption, width=24)
