"""A task of the worksheet and its check: what an answer has to be, and what to say of a wrong one.

An answer is a plain value: a number, a list of numbers, of texts or of pairs, or a prompt. What a
check says of a wrong one is what to look at, and never the right value. Answers become Python's
own types before they are compared, so that no object can decide for itself what it equals.
"""

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache

from minigpt.world.questions import Question

ROOM = 24  # tokens that the model may write after a prompt
TEXT = {
    "en": {
        "open": "{variable} is not answered yet",
        "number": "{variable} should be one number, such as 12.5, and not a value of type {type}",
        "finite": "{variable} holds a number that is infinite or no number (nan)",
        "numbers": "{variable} should be a list of {n} numbers, such as [0.5, -1.25], in order",
        "texts": '{variable} should be a list of texts, such as ["l", "an", "d"], in order',
        "set": "{variable} should be a list of whole numbers, such as [3, 5]",
        "pairs": '{variable} should be a list of pairs of texts, such as [("a", "b")]',
        "twice": "{variable} holds something twice: each belongs there once",
        "prompt": "{variable} should be one text and not a value of type {type}",
        "question": "your question has to stand in the prompt, letter by letter: {question}",
        "told": "the answer to your question stands in the prompt: the model has to find it itself",
        "shots": "few-shot means: at least two other questions with their answers, before yours",
        "long": "the prompt has {n} tokens, and the context has room for {most}: shorten it",
        "goes on": "the model goes on with {line}, and that is not the answer: is each shot in the "
        "same form, and does the prompt end where the answer begins, before its space?",
        "more": "the model goes on with more than the answer: let each shot have the bare value",
    },
}


@dataclass(frozen=True)
class Task:
    """One exercise, with one student's own facts and numbers in it."""

    name: str  # "training-days": the same for everybody
    lesson: str  # the notebook that it belongs to: "00" to "07"
    points: int
    title: str
    again: str  # what to read again: a heading of that notebook
    text: str  # Markdown; it says which variable to set, and to what
    form: str  # "number", "numbers", "texts", "set", "pairs" or "prompt"
    expected: object  # a right answer
    tolerance: float = 0.0  # how far off each number may be
    mistakes: tuple = ()  # (a typical wrong answer, what to look at)
    hints: dict = field(default_factory=dict)  # of a set: member → what to look at if it is wrong
    hint: str = ""  # what to look at in all other cases
    question: Question | None = None  # what a prompt has to ask
    lang: str = "en"

    @property
    def variable(self) -> str:
        """The name that the answer gets in the worksheet."""
        return self.name.replace("-", "_")


def check_task(task: Task, answer: object) -> None:
    """AssertionError unless the answer is right: it says what type is wanted, or where to look."""
    given, right = read(task, answer), read(task, task.expected)
    if task.form == "prompt":
        check_prompt(task, given)
        return
    if same(task, given, right):
        return
    for mistake, hint in task.mistakes:
        demand(not same(task, given, read(task, mistake)), hint)
    for member, hint in task.hints.items():
        demand((member in given) == (member in right), hint)
    raise AssertionError(task.hint)


def demand(true: object, message: str) -> None:
    """AssertionError with the message unless it is true; `python -O` does not skip it."""
    if not true:
        raise AssertionError(message)


def same(task: Task, a, b) -> bool:
    """Whether two answers in their compared form are equal, numbers within the tolerance."""
    if task.form not in ("number", "numbers"):
        return a == b
    return all(abs(x - y) <= task.tolerance for x, y in zip(a, b))


# ---- reading answers ------------------------------------------------------------------------


def read(task: Task, answer: object):
    """The answer as it is compared: a tuple where order counts, a frozenset, or the prompt."""
    words, answer = TEXT[task.lang], plain(answer)
    kind = type(answer)
    told = {"variable": task.variable, "type": kind.__name__}
    demand(answer is not None and answer is not ..., words["open"].format(**told))
    if task.form == "prompt":
        demand(kind is str, words["prompt"].format(**told))
        return answer
    if task.form == "number":
        demand(kind in (int, float), words["number"].format(**told))
        return (finite(answer, words["finite"].format(**told)),)
    told["n"] = len(task.expected)
    wrong = words[task.form].format(**told)
    ordered = task.form in ("numbers", "texts")
    demand(kind in ((list, tuple) if ordered else (list, tuple, set, frozenset)), wrong)
    items = [plain(item) for item in answer]
    if task.form == "numbers":
        demand(len(items) == told["n"] and all(type(x) in (int, float) for x in items), wrong)
        return tuple(finite(x, words["finite"].format(**told)) for x in items)
    if task.form == "pairs":
        demand(all(type(x) in (list, tuple) and len(x) == 2 for x in items), wrong)
        items = [tuple(x) for x in items]
        demand(all(type(part) is str for x in items for part in x), wrong)
    else:
        demand(all(type(x) is (str if task.form == "texts" else int) for x in items), wrong)
    if ordered:
        return tuple(items)
    demand(len(set(items)) == len(items), words["twice"].format(**told))
    return frozenset(items)


def plain(value: object) -> object:
    """NumPy's and PyTorch's numbers and arrays as Python's own; anything else as it is."""
    if type(value).__module__.split(".")[0] in ("numpy", "torch") and hasattr(value, "tolist"):
        return value.tolist()
    return value


def finite(value: int | float, message: str) -> float:
    """A number that can be compared; AssertionError for infinity, nan and what is as large."""
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    demand(math.isfinite(value), message)
    return value


# ---- prompts --------------------------------------------------------------------------------


def check_prompt(task: Task, prompt: str) -> None:
    """AssertionError unless the shipped base model's most likely continuation is the answer."""
    words, question = TEXT[task.lang], task.question
    value = pattern(question.answer)
    demand(question.text in prompt, words["question"].format(question=question.text))
    demand(not value.search(prompt), words["told"])
    before = prompt[: prompt.rindex(question.text)]
    demand(len(re.findall("[?\uff1f]", before)) >= 2, words["shots"])
    base = base_model(task.lang)
    n, most = len(base.encoding.encode_ordinary(prompt)), base.model.config.block_size - ROOM - 1
    demand(n <= most, words["long"].format(n=n, most=most))
    from minigpt.stages.scoring import prompt_score

    score = prompt_score(base, [question], [prompt])
    if not score.correct[0]:
        line = score.answers[0]
        shown = repr(line if len(line) <= 60 else line[:60] + "...")
        said = words["more"] if value.search(line) else words["goes on"].format(line=shown)
        raise AssertionError(said)


def pattern(value: str) -> re.Pattern:
    """Finds a value in a text, whatever stands between its words: "21.84 million"."""
    words = r"[\W_]*".join(map(re.escape, value.split()))
    return re.compile(rf"(?<![\w.]){words}(?!\w)", re.IGNORECASE)


@lru_cache
def base_model(lang: str):
    """The shipped base model, loaded when a prompt is first checked."""
    from minigpt.stages.stage import load_stage

    return load_stage("base", own=False, lang=lang, quiet=True)
