"""Stage by stage, token by token: how likely each stage finds every token of one answer.

`stage_tokens()` shows a grid that stays in the file, one strip a stage over the same answer: the
darker a token, the likelier, and under each probability its difference from the stage before. The
controls below it change the question and the answer. The base model is asked as it understands it,
`Q: ... A:`, and may end the answer with any token that ends a line.
"""

import math
from dataclasses import dataclass

import ipywidgets as widgets
import torch

from minigpt.sft import chat_answer, chat_prompt
from minigpt.show.strip import RAMP, pieces, shades
from minigpt.show.style import IGNORE_MATH, STAGE_NAMES, escape, stage_colour
from minigpt.show.style import signed as number_with_sign
from minigpt.show.table import Table
from minigpt.show.widget import FactPicker, first_question, problem, rendered, side_by_side
from minigpt.stages.replies import check_question, load_stages
from minigpt.stages.scoring import qa_prompt
from minigpt.stages.stage import Stage, line_ends
from minigpt.world.facts import World, load_world
from minigpt.world.questions import Question

STAGES = ("base", "sft", "ppo")
PER_ROW = 11  # tokens side by side; the others stand in tables below
LONGEST = 300  # characters of an answer; longer ones are refused before they are encoded
TEXT = {
    "en": dict(
        question="Question", answer="Answer", place="Place", attribute="Ask for",
        take="{stage}'s own answer", stage="stage", token="token", end="(end)",
        whole="whole answer",
        caption="{question}   How likely each stage finds each token after those before it; in "
                "brackets the difference from the stage before.",
        legend="The darker a token, the likelier. In brackets: the difference from the stage "
               "above.",
        above="The grid above has this answer. Change it, or take what a stage says itself.",
        shown="All stages read the same answer. (end) is the token that ends it.",
        empty="There is no answer yet. Type one, or take a stage's own.",
        long="This answer has {size}. With the question before it, {most} tokens fit. Please "
             "shorten it.",
        tokens="{n} tokens", characters="{n:,} characters",
        failed="This did not work: {error}",
    ),
}  # fmt: skip


def answer_ids(stage: Stage, question: str, answer: str) -> tuple[list[int], list[int]]:
    """The prompt's ids as this stage is asked, and the answer's ids without what ends it."""
    encoding = stage.encoding
    ids = chat_answer(encoding, answer)[:-1]  # the same for all stages: it begins with a space
    if stage.is_chat:
        return chat_prompt(encoding, question), ids
    document = qa_prompt(Question(question, "fact"))
    start = encoding.encode_single_token("<|endoftext|>")
    return [start, *encoding.encode_ordinary(document)], ids


@torch.inference_mode()
def answer_probabilities(stage: Stage, question: str, answer: str) -> list[float]:
    """How likely the stage finds each token of the answer after those before it, and its end.

    The end is `<|end|>` for an assistant, and for a base model any token that ends the line.
    """
    prompt, ids = answer_ids(stage, question, answer)
    device = stage.model.embedding.weight.device
    row = torch.tensor([[*prompt, *ids]], device=device)
    probs = stage.model(row)[0, len(prompt) - 1 :].float().softmax(-1)  # (answer + 1, V)
    ends = {stage.encoding.encode_single_token("<|end|>")}
    ends = ends if stage.is_chat else line_ends(stage.encoding)
    return [*(probs[i, token].item() for i, token in enumerate(ids)),
            probs[-1, sorted(ends)].sum().item()]  # fmt: skip


@dataclass
class TokenGrid:
    """Strips of the same tokens, one a stage: shaded in a notebook, a table of numbers elsewhere.

    texts: of the tokens. rows: {stage: the probability of each}, in the order of training.
    """

    question: str
    texts: list[str]
    rows: dict[str, list[float]]
    words: dict

    def changes(self, name: str) -> list[float | None]:
        """The stage's probabilities less those of the stage before; None for the first stage."""
        names = list(self.rows)
        before = names.index(name) - 1
        if before < 0:
            return [None] * len(self.texts)
        return [p - q for p, q in zip(self.rows[name], self.rows[names[before]])]

    def whole(self, name: str) -> str:
        """How likely the stage finds the answer as a whole: all its probabilities multiplied."""
        return share(math.prod(self.rows[name]))

    def _repr_html_(self) -> str:
        parts = [
            self._part_html(range(start, min(start + PER_ROW, len(self.texts))))
            for start in range(0, len(self.texts), PER_ROW)
        ]
        return (
            f'<div class="{IGNORE_MATH}" style="overflow-x:auto"><b>{escape(self.question)}</b>'
            f"<div>{escape(self.words['legend'])}</div>{''.join(parts)}</div>"
        )

    def _part_html(self, columns: range) -> str:
        """One table of some of the tokens; the last of them has the whole answer's probability."""
        cell = "border:1px solid #8884;padding:1px 4px;text-align:center"
        last = columns.stop == len(self.texts)
        names = [self.texts[i] for i in columns] + [self.words["whole"]] * last
        head = "".join(
            f'<th scope="col" style="{cell};white-space:pre">{escape(t)}</th>' for t in names
        )
        body = ""
        for name, row in self.rows.items():
            colour, changes = f"border-left:5px solid {stage_colour(name)}", self.changes(name)
            title = escape(STAGE_NAMES.get(name, name))
            body += f'<tr><th scope="row" style="text-align:left;{colour}">{title}</th>'
            for i, fill in zip(columns, shades([row[i] for i in columns], 0.0, 1.0)):
                ink = "#fff" if fill in RAMP[-3:] else "#000"
                small = "" if changes[i] is None else f"<br><small>({signed(changes[i])})</small>"
                body += f'<td style="{cell};background:{fill};color:{ink}">{row[i]:.2f}{small}</td>'
            whole = f'<td style="{cell}"><b>{escape(self.whole(name))}</b></td>' if last else ""
            body += f"{whole}</tr>"
        return (
            f'<table style="font-family:monospace;margin-top:6px"><thead><tr>'
            f'<th scope="col">{escape(self.words["stage"])}</th>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )

    def __repr__(self) -> str:
        rows = []
        for i, text in enumerate(self.texts):
            changes = [self.changes(name)[i] for name in self.rows]
            shown = zip(self.rows.values(), changes)
            rows.append([text, *(f"{row[i]:.2f}" + (f" ({signed(c)})" if c is not None else "")
                                 for row, c in shown)])  # fmt: skip
        rows.append([self.words["whole"], *map(self.whole, self.rows)])
        header = [self.words["token"], *(STAGE_NAMES.get(name, name) for name in self.rows)]
        return repr(Table(header, rows, self.words["caption"].format(question=self.question)))


def signed(change: float) -> str:
    """A difference with its sign, +0.12; one that is not seen in two digits has none: 0.00."""
    return number_with_sign(change) if abs(change) >= 0.005 else "0.00"


def share(p: float) -> str:
    return f"{p:.1%}" if p >= 0.0005 else "< 0.1%"


class StageTokens:
    """The widget: `view` is what is displayed, `grid()` its static form.

    stages: {name: Stage}, base first. answer: the last stage's most likely one unless given.
    """

    def __init__(self, stages: dict, world: World, question: str, answer: str | None = None):
        self.stages, self.world, self.words = stages, world, TEXT[world.lang]
        words, wide = self.words, {"description_width": "7em"}
        answer = self.own_answer(list(stages)[-1], question) if answer is None else answer
        self.picker = FactPicker(world, question, self._picked)
        self.question, self.answer = (
            widgets.Text(value=text, description=words[name], style=wide,
                         layout=widgets.Layout(width="auto"), continuous_update=False)
            for name, text in (("question", question), ("answer", answer))
        )  # fmt: skip
        self.buttons = {}
        for name in stages:
            label = words["take"].format(stage=STAGE_NAMES.get(name, name))
            self.buttons[name] = widgets.Button(description=label, layout={"width": "auto"})
            self.buttons[name].on_click(lambda button, name=name: self.take(name))
        self.status = widgets.HTML()
        self.shown = widgets.HTML(layout=widgets.Layout(width="auto"))
        self.question.observe(self.show, "value")
        self.answer.observe(self.show, "value")
        self.view = widgets.VBox([
            self.picker.view, self.question, self.answer,
            side_by_side(*self.buttons.values()), self.status, self.shown,
        ])  # fmt: skip

    def own_answer(self, name: str, question: str) -> str:
        """What a stage finds most likely to say itself."""
        stage = self.stages[name]
        question = check_question({name: stage}, question, 0.0)
        if stage.is_chat:
            return stage.answer(question)
        prompt = qa_prompt(Question(question, "fact"))
        return stage.complete(prompt, temperature=0.0, max_new_tokens=40)[0].split("\n")[0].strip()

    def grid(self) -> TokenGrid:
        """The strips for what stands in the boxes. ValueError if it does not fit."""
        first, words, answer = next(iter(self.stages.values())), self.words, self.answer.value
        question, answer = check_question(self.stages, self.question.value, 0.0), answer.strip()
        if not answer:
            raise ValueError(words["empty"])
        if len(answer) > LONGEST:
            size = words["characters"].format(n=len(answer))
            raise ValueError(words["long"].format(size=size, most=LONGEST))
        longest = max(len(answer_ids(s, question, "")[0]) for s in self.stages.values())
        _, ids = answer_ids(first, question, answer)
        most = first.model.config.block_size - longest
        if len(ids) > most:
            size = words["tokens"].format(n=len(ids))
            raise ValueError(words["long"].format(size=size, most=most))
        rows = {n: answer_probabilities(s, question, answer) for n, s in self.stages.items()}
        texts = [*pieces(first.encoding, ids), words["end"]]
        return TokenGrid(question, texts, rows, words)

    # ---- controls ---------------------------------------------------------------------------

    def _picked(self, question: Question) -> None:
        self.question.value = question.text  # shows, through its observer

    def take(self, name: str) -> None:
        """Put the stage's own answer into the box."""
        try:
            self.answer.value = self.own_answer(name, self.question.value)
        except Exception as error:
            self.shown.value, self.status.value = "", problem(error)
            return
        self.show()

    def show(self, change=None) -> None:
        """Draw the grid, or say what is wrong with the question or the answer."""
        try:
            self.shown.value = rendered(self.grid())
            self.status.value = escape(self.words["shown"])
        except Exception as error:
            self.shown.value, self.status.value = "", problem(error)


def stage_tokens(
    question: str | None = None, answer: str | None = None, names: tuple = STAGES,
    lang: str = "en", own: bool = True,
) -> None:  # fmt: skip
    """Show how likely each stage finds each token of an answer, and the controls for others.

    answer: the last stage's most likely one unless given. names: stages, in the order of training.
    own: take the learner's own runs where there are some; False: the shipped checkpoints.
    """
    from IPython.display import display

    try:
        stages = load_stages(names, own, lang)
        widget = StageTokens(stages, load_world(lang), question or first_question(), answer)
        display(widget.grid())
    except (FileNotFoundError, ValueError) as error:
        print(error)
        return
    widget.status.value = escape(widget.words["above"])
    display(widget.view)
