"""A task of the worksheet and its check: what an answer has to be, and what to say of a wrong one.

An answer is a plain value: a number, a list of numbers, of texts or of pairs, or a prompt. What a
check says of a wrong one is what to look at, and never the right value. Answers become Python's
own types before they are compared, so that no object can decide for itself what it equals.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from minigpt.store.words import language
from minigpt.world.facts import DATA
from minigpt.world.questions import Question

ROOM = 24  # tokens that the model may write after a prompt
NUMBER = (int, float)
PARTS = {"prompt": (str,), "number": NUMBER, "numbers": NUMBER, "texts": (str,), "set": (int,),
         "pairs": (str,)}  # the types of an answer's parts  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One exercise, with one student's own facts and numbers in it."""

    given: dict  # the gaps of its text in the worksheet
    expected: object  # a right answer
    mistakes: Sequence = ()  # typical wrong answers, each with what to look at
    hints: dict = field(default_factory=dict)  # of a set: member → what to look at if it is wrong
    question: Question | None = None  # what a prompt has to ask
    hint: str = ""  # what to look at in all other cases
    name: str = ""  # "training-days": the same for everybody
    form: str = ""  # "number", "numbers", "texts", "set", "pairs" or "prompt"
    tolerance: float = 0.0  # how far off each number may be
    relative: bool = False  # whether that is a share of the right number

    @property
    def variable(self) -> str:
        """The name that the answer gets in the worksheet."""
        return self.name.replace("-", "_")

    @property
    def candidates(self) -> list:
        """The right answer, then those of the typical mistakes."""
        return [self.expected, *(mistake for mistake, _ in self.mistakes)]

    @property
    def numeric(self) -> bool:
        """Whether the answer is a number, or several."""
        return self.form in ("number", "numbers")

    def quarters(self, x: float) -> float:
        """A number in quarters of its tolerance; where that is a share of it, its logarithm."""
        if self.relative:
            return 4 * math.log(max(x, 1e-300)) / math.log1p(self.tolerance)
        return max(-1e15, min(4 * x / self.tolerance, 1e15))  # 1e308 is a number, too


def check_task(task: Task, answer: object) -> None:
    """AssertionError unless the answer is right: it says what type is wanted, or where to look."""
    given = read(task, answer)
    if task.form == "prompt":
        return check_prompt(task, given)
    right, *mistakes = (read(task, other) for other in task.candidates)
    hints = [hint for i, hint in task.hints.items() if (i in given) != (i in right)]
    tell(task, [same(task, given, other) for other in (right, *mistakes)], hints)


def tell(task: Task, alike: Sequence[bool], hints: Sequence[str] = ()) -> None:
    """AssertionError with what to look at unless the answer is like the first of the task's
    candidates: the hint of a mistake that it is like, else one of `hints` or the task's."""
    if not alike[0]:
        told = [hint for (_, hint), it_is in zip(task.mistakes, alike[1:]) if it_is]
        raise AssertionError([*told, *hints, task.hint][0])


def demand(true: object, what: str, **told) -> None:
    """AssertionError that says what is wrong, unless it is true; `python -O` does not skip it."""
    if not true:
        raise AssertionError(words(language())["checks"][what].format(**told))


@lru_cache
def words(lang: str) -> dict:
    """What is said of wrong answers: of their form, and of each task. The entries of `mistakes`
    belong, in order, to those that its maker in tasks.py computes. No hint names a right value."""
    return json.loads((DATA / f"worksheet-{lang}.json").read_text(encoding="utf-8"))


def same(task: Task, a, b) -> bool:
    """Whether a is b, both in their compared form, each number within the tolerance of b's."""
    if not task.numeric:
        return a == b
    far = task.tolerance
    return all(abs(x - y) <= far * (abs(y) if task.relative else 1) for x, y in zip(a, b))


# ---- reading answers ------------------------------------------------------------------------


def read(task: Task, answer: object):
    """The answer as it is compared: a tuple where order counts, a frozenset, or the prompt."""
    answer, form = plain(answer), task.form
    kind = type(answer)
    told = {"variable": task.variable, "type": kind.__name__}
    demand(answer is not None and answer is not ..., "open", **told)
    if form in ("prompt", "number"):
        demand(kind in PARTS[form], form, **told)
        return answer if form == "prompt" else (finite(answer, **told),)
    told["n"] = len(task.expected)
    ordered = form in ("numbers", "texts")
    demand(kind in ((list, tuple) if ordered else (list, tuple, set, frozenset)), form, **told)
    items = [plain(item) for item in answer]
    if form == "pairs":
        demand(all(type(x) in (list, tuple) and len(x) == 2 for x in items), form, **told)
        items = [tuple(x) for x in items]
    parts = [part for pair in items for part in pair] if form == "pairs" else items
    demand(all(type(part) in PARTS[form] for part in parts), form, **told)
    if form == "numbers":
        demand(len(items) == told["n"], form, **told)
        items = [finite(x, **told) for x in items]
    if ordered:
        return tuple(items)
    demand(len(set(items)) == len(items), "twice", **told)
    return frozenset(items)


def plain(value: object) -> object:
    """NumPy's and PyTorch's numbers and arrays as Python's own; anything else as it is."""
    if type(value).__module__.split(".")[0] in ("numpy", "torch") and hasattr(value, "tolist"):
        return value.tolist()
    return value


def finite(value: int | float, **told) -> float:
    """A number that can be compared; AssertionError for infinity, nan and what is as large."""
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    demand(math.isfinite(value), "finite", **told)
    return value


# ---- prompts --------------------------------------------------------------------------------


def check_prompt(task: Task, prompt: str) -> None:
    """AssertionError unless the shipped base model's most likely continuation is the answer."""
    question, value = task.question, pattern(task.question.answer)
    demand(question.text in prompt, "question", question=question.text)
    demand(not value.search(prompt), "told")
    before = prompt[: prompt.rindex(question.text)]
    demand(len(re.findall("[?\uff1f]", before)) >= 2, "shots")
    base = base_model(language())
    n, most = len(base.encoding.encode_ordinary(prompt)), base.model.config.block_size - ROOM - 1
    demand(n <= most, "long", n=n, most=most)
    from minigpt.stages.scoring import prompt_score

    score = prompt_score(base, [question], [prompt])
    line = score.answers[0]
    shown = repr(line if len(line) <= 60 else line[:60] + "...")
    demand(score.correct[0], "more" if value.search(line) else "goes on", line=shown)


def pattern(value: str) -> re.Pattern:
    """Finds a value in a text, whatever stands between its words: "21.84 million"."""
    words = r"[\W_]*".join(map(re.escape, value.split()))
    return re.compile(rf"(?<![\w.]){words}(?!\w)", re.IGNORECASE)


@lru_cache
def base_model(lang: str):
    """The shipped base model, loaded when a prompt is first checked."""
    from minigpt.stages.stage import load_stage

    return load_stage("base", own=False, lang=lang, quiet=True)
