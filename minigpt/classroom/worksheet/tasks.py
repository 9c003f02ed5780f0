"""The tasks of the worksheet: how one student's numbers and facts are drawn, and the right answers.

Each maker draws a task: what goes into its text, the right answer, and what typical mistakes give,
in the order of their hints in data/worksheet-en.json. Plain arithmetic: a worksheet is written by
Python alone, and the tests compare each answer with the package's own functions.
"""

import json
import math
import random
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from minigpt.classroom.worksheet.checks import Task, pattern, read, same, words
from minigpt.world.facts import DATA, NUMERIC, World
from minigpt.world.questions import ask, seen_phrasings

# Facts that the shipped base model misses in one few-shot prompt or another: too hard a task.
HARD = {("beijing", "population"), ("guangzhou", "population"), ("malawi", "population"),
        ("switzerland", "population"), ("finland", "population"), ("adana", "population"),
        ("croatia", "population"), ("foshan", "population"), ("oman", "population"),
        ("benin", "population")}  # fmt: skip
LEANING = (13, 14)  # sentences of the errata that can be read only after the one before
THREE_DIGITS = 0.001  # how far off a number may be that is asked for to three digits


class Kind(NamedTuple):
    """What is the same in everybody's task."""

    lesson: str  # the notebook that it belongs to: "00" to "07"
    form: str
    tolerance: float
    relative: bool
    maker: Callable


MAKERS: dict[str, Kind] = {}  # by name


def task(lesson: str, form: str, far: float = THREE_DIGITS, relative: bool = False) -> Callable:
    """Registers a maker, in the order in which they stand here: training_days, "training-days"."""

    def register(maker: Callable) -> Callable:
        MAKERS[maker.__name__.replace("_", "-")] = Kind(lesson, form, far, relative, maker)
        return maker

    return register


class Draw:
    """Random choices that are the same on every version of Python: only `random()` promises it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).random

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.random() * (high - low + 1))

    def part(self, low: float, high: float, digits: int = 2) -> float:
        """A number with so many digits after the point."""
        return self.whole(round(low * 10**digits), round(high * 10**digits)) / 10**digits

    def pick(self, options: Sequence):
        return options[self.whole(0, len(options) - 1)]

    def some(self, options: Sequence, n: int) -> list:
        """n different ones, in random order."""
        rest = list(options)
        return [rest.pop(self.whole(0, len(rest) - 1)) for _ in range(n)]


@task("00", "number", 0.01, relative=True)
def training_days(draw: Draw, world: World) -> Task:
    billions, trillions = draw.part(7, 180, 1), draw.part(0.3, 15, 1)
    gpus, (gpu, speed) = 64 * draw.whole(4, 64), draw.pick([("A100", 312), ("H100", 990)])
    share = draw.whole(31, 59)
    seconds = 6 * billions * 1e9 * trillions * 1e12 / (gpus * speed * 1e12 * share / 100)
    days = seconds / 86_400
    given = dict(p=billions, t=trillions, g=f"{gpus:,}", gpu=gpu, s=speed, u=share)
    mistakes = [days / 6, days * share / 100, days * gpus, days * 24, seconds]
    return Task(given, days, mistakes)


@task("01", "texts")
def word_tokens(draw: Draw, world: World) -> Task:
    names = sorted({p.name.lower() for p in world.places if re.fullmatch("[A-Za-z]{8,13}", p.name)})
    word = draw.pick(names)
    tokens, table = list(word), []
    while len(table) < 5 and len(tokens) > 3:
        at = draw.whole(0, len(tokens) - 2)
        table.append(tokens[at] + tokens[at + 1])
        tokens = encode(word, table)
    for _ in range(4):  # tokens that are in the way
        start, length = draw.whole(0, len(word) - 3), draw.whole(2, 3)
        table.insert(draw.whole(0, len(table)), word[start : start + length])
    table = list(dict.fromkeys(table))
    listed = "\n".join(f"{rank}. `{token}`" for rank, token in enumerate(table, start=1))
    mistakes = [longest_first(word, table), encode(word, table[::-1]), list(word)]
    return Task(dict(word=word, table=listed), encode(word, table), mistakes)


def encode(word: str, table: list[str]) -> list[str]:
    """The tokens of a word: join the neighbours whose token stands first in the table, repeat."""
    tokens = list(word)
    while True:
        joined = [tokens[i] + tokens[i + 1] for i in range(len(tokens) - 1)]
        known = [(table.index(token), i) for i, token in enumerate(joined) if token in table]
        if not known:
            return tokens
        _, at = min(known)
        tokens[at : at + 2] = [joined[at]]


def longest_first(word: str, table: list[str]) -> list[str]:
    """The mistake to take the longest token of the table at each place, from left to right."""
    tokens = []
    while word:
        tokens.append(max((t for t in [*table, word[0]] if word.startswith(t)), key=len))
        word = word[len(tokens[-1]) :]
    return tokens


@task("02", "number")
def target_loss(draw: Draw, world: World) -> Task:
    names = draw.some([p.name for p in world.places if not p.tail], 4)
    logits = [draw.part(-3, 3, 1) for _ in names]
    target = draw.whole(0, 3)
    total = sum(math.exp(x) for x in logits)
    loss = math.log(total) - logits[target]
    rows = "\n".join(f"| {name} | {logit:g} |" for name, logit in zip(names, logits))
    largest_other = max(x for i, x in enumerate(logits) if i != target)
    mistakes = [math.exp(-loss), -loss, loss / math.log(2), loss / math.log(10),
                math.log(total) - largest_other]  # fmt: skip
    return Task(dict(rows=rows, target=names[target]), loss, mistakes)


@task("02", "numbers")
def perplexity_and_bits(draw: Draw, world: World) -> Task:
    fact = draw.pick(facts(world))
    text = f"\u201c{draw.pick(world.text.STATEMENTS[fact.attribute])}\u201d"
    text = text.format(p=fact.place.name, v=fact.value)
    size, tokens = len(text.encode("utf-8")), draw.whole(len(text) // 4, len(text) // 2)
    loss = draw.part(0.6, 3.2)
    perplexity, bits = math.exp(loss), loss * tokens / math.log(2) / size
    wrong_bits = [bits * size / len(text), bits * math.log(2), bits / tokens]
    mistakes = [*([perplexity, wrong] for wrong in wrong_bits), [2**loss, bits]]
    return Task(dict(text=text, n=tokens, loss=loss), [perplexity, bits], mistakes)


def facts(world: World) -> list:
    """Numbers that the base model knows."""
    return [fact for key, fact in world.facts.items()
            if fact.attribute in NUMERIC and not fact.place.tail and key not in HARD]  # fmt: skip


@task("03", "prompt")
def few_shot_prompt(draw: Draw, world: World) -> Task:
    return few_shot_about(draw.whole(0, len(facts(world)) - 1), world)


def few_shot_about(number: int, world: World) -> Task:
    """The task about one of `facts`; those that follow it are there to be shown."""
    known = facts(world)
    fact = known[number]
    after = [known[(number + i) % len(known)] for i in range(1, 9)]
    question, told = ask(world, fact), pattern(fact.value)
    shots = [ask(world, f) for f in after if f.place != fact.place and not told.search(f.value)][:3]
    lines = "".join(f"Q: {shot.text}\nA: {shot.answer}\n" for shot in shots)
    listed = "\n".join(f"- {shot.text} {shot.answer}" for shot in shots)
    given = dict(question=question.text, shots=listed)
    return Task(given, f"{lines}Q: {question.text}\nA:", question=question)


@task("03", "set")
def kept_tokens(draw: Draw, world: World) -> Task:
    percent = [100] * 6
    while percent[-1] < 2 or len(set(percent)) < 6:
        percent[:5] = [draw.whole(2, 40) for _ in range(5)]
        percent[5] = 100 - sum(percent[:5])
    ids = draw.some(range(1024), 6)
    order = sorted(range(6), key=lambda i: -percent[i])
    ranked, reached = [ids[i] for i in order], [sum(sorted(percent)[-n:]) for n in range(1, 7)]
    p = draw.pick([p for p in range(52, 94) if p not in reached])  # where no rounding decides
    kept = next(n for n, share in enumerate(reached, start=1) if share >= p)
    given = dict(rows="\n".join(f"| {i} | {v} % |" for i, v in zip(ids, percent)), p=p / 100)
    return Task(given, ranked[:kept], [ranked[: kept - 1], ranked[: kept + 1], ranked[kept:]])


@task("04", "set")
def counted_positions(draw: Draw, world: World) -> Task:
    place = draw.pick([p for p in world.places if not p.tail and len(p.values) >= 3])
    row, answers = ["<|endoftext|>"], []
    for attribute in draw.some(sorted(place.values), 2):
        fact = world.facts[place.id, attribute]
        question = ask(world, fact, draw.pick(seen_phrasings(world))).text
        answer = draw.pick([*world.text.STATEMENTS[attribute], "{v}."])
        row += ["<|user|>", *words_of(question), "<|assistant|>"]
        said = words_of(answer.format(p=place.name, v=fact.value))
        answers.append(range(len(row), len(row) + len(said) + 1))  # with <|end|>
        row += [*said, "<|end|>"]
    tokens = [position for answer in answers for position in answer]
    told = "  ".join(f"{position}:{token}" for position, token in enumerate(row))
    given = dict(row=textwrap.fill(told, 80, break_long_words=False, break_on_hyphens=False))
    without_ends = [t for a in answers for t in a[:-1]]
    mistakes = [tokens, [t - 1 for t in without_ends], [t - 1 for t in answers[1]],
                list(range(len(row) - 1)), without_ends]  # fmt: skip
    return Task(given, [t - 1 for t in tokens], mistakes)


def words_of(text: str) -> list[str]:
    """A text in words, numbers and signs: the tokens of this exercise."""
    return re.findall(r"\w+(?:[.'\u2019-]\w+)*|[^\w\s]", text)


@task("05", "number")
def preference(draw: Draw, world: World) -> Task:
    a, b = draw.part(-2.5, 2.5), draw.part(-2.5, 2.5)
    share = 1 / (1 + math.exp(b - a))
    elo = 1 / (1 + 10 ** ((b - a) / 400))
    mistakes = [1 - share, a - b, elo, math.exp(a - b), -math.log(share)]
    return Task(dict(a=f"{a:.2f}", b=f"{b:.2f}"), share, mistakes)


@task("05", "pairs")
def ranking_pairs(draw: Draw, world: World) -> Task:
    letters, groups = draw.some("abcdef", 6), []
    sizes = draw.pick([(1, 2, 1, 2), (2, 1, 1, 2), (1, 1, 2, 2), (2, 2, 1, 1), (1, 3, 2), (2, 3, 1),
                       (3, 2, 1), (1, 2, 3), (2, 1, 3), (3, 1, 2)])  # fmt: skip
    for size in sizes:
        groups.append([letters.pop() for _ in range(size)])
    pairs = [(better, worse) for place, group in enumerate(groups)
             for lower in groups[place + 1 :] for better in group for worse in lower]  # fmt: skip
    near = [(x, y) for upper, lower in zip(groups, groups[1:]) for x in upper for y in lower]
    tied = [(x, y) for group in groups for i, x in enumerate(group) for y in group[i + 1 :]]
    given = dict(ranking="  >  ".join(" = ".join(group) for group in groups))
    return Task(given, pairs, [near, [(y, x) for x, y in pairs], [*pairs, *tied]])


@task("06", "number")
def clipped_loss(draw: Draw, world: World) -> Task:
    old, moved, clip = draw.part(-3, -0.9), draw.part(0.35, 0.85), draw.pick([0.1, 0.2, 0.25])
    new = round(old + draw.pick([-moved, moved]), 2)
    advantage = draw.pick([-1, 1]) * draw.part(0.3, 2.5)
    ratio = math.exp(new - old)
    losses = [-advantage * ratio, -advantage * min(max(ratio, 1 - clip), 1 + clip)]
    given = dict(old=f"{old:.2f}", new=f"{new:.2f}", a=f"{advantage:.2f}", clip=clip)
    mistakes = [min(losses), -max(losses), -min(losses), -advantage * (new - old)]
    return Task(given, max(losses), mistakes)


@task("06", "numbers")
def token_advantages(draw: Draw, world: World) -> Task:
    rewards = [draw.part(-0.2, 0.2), draw.part(-0.2, 0.2), draw.part(-2, 2)]
    values = [draw.part(-1, 1) for _ in rewards]
    gamma, lam = draw.pick([0.9, 0.95, 0.98]), draw.pick([0.8, 0.9, 0.95])
    expected = gae(rewards, values, gamma, lam)
    mistakes = [gae(rewards, values, *two) for two in ((gamma, 1), (1, lam), (gamma, 0))]
    mistakes = [expected[::-1], *mistakes, [r - v for r, v in zip(rewards, values)]]
    return Task(dict(rewards=rewards, values=values, gamma=gamma, lam=lam), expected, mistakes)


def gae(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """The advantage of each token: the sum of what later steps brought beyond their values."""
    after = [*values[1:], 0.0]
    steps = [r + gamma * nxt - v for r, nxt, v in zip(rewards, after, values)]
    return [sum((gamma * lam) ** (k - t) * steps[k] for k in range(t, len(steps)))
            for t in range(len(steps))]  # fmt: skip


@task("07", "numbers", 0.1)
def new_ratings(draw: Draw, world: World) -> Task:
    left, k = draw.whole(900, 1250), draw.pick([16, 20, 24, 32])
    right, score = left + draw.pick([-1, 1]) * draw.whole(40, 350), draw.pick([0, 0.5, 1])
    share = 1 / (1 + 10 ** ((right - left) / 400))
    change = k * (score - share)
    swapped = k * (score - (1 - share))
    given = dict(left=left, right=right, k=k, result=score)
    mistakes = [[left + swapped, right - swapped], [left + change, right],
                [right - change, left + change], [left + k * score, right - k * score]]  # fmt: skip
    return Task(given, [left + change, right - change], mistakes)


@task("07", "set")
def false_sentences(draw: Draw, world: World) -> Task:
    retold = json.loads((DATA / f"errata-{world.lang}.json").read_text(encoding="utf-8"))
    known = [s for number, s in enumerate(retold, start=1) if number not in LEANING]
    wrong, true = ([s for s in known if s["wrong"] is w] for w in (True, False))
    n = draw.whole(3, 5)
    chosen = draw.some(draw.some(wrong, n) + draw.some(true, 9 - n), 9)
    numbered = list(enumerate(chosen, start=1))
    given = dict(sentences="\n".join(f"{i}. {s['text']}" for i, s in numbered))
    hints = {i: (s["wrong"], s["hint"]) for i, s in numbered}
    return Task(given, [i for i, s in numbered if s["wrong"]], hints=hints)


def make(name: str, draw: Draw, world: World) -> Task:
    """Draw one task; again, where a typical mistake would happen to give the right answer."""
    while True:
        task = worded(name, world.lang, MAKERS[name].maker(draw, world))
        right = read(task, task.expected)
        if not any(same(task, right, read(task, mistake)) for mistake, _ in task.mistakes):
            return task


def unsolved(name: str, parts: int, lang: str) -> Task:
    """A task of which the answer is not known: with its form, and so many parts in it."""
    mistakes = [None] * len(words(lang)["tasks"][name].get("mistakes", ()))
    return worded(name, lang, Task({}, [0.0] * parts, mistakes))


def worded(name: str, lang: str, drawn: Task) -> Task:
    """What was drawn, with what is said of wrong answers and what is the same in everybody's.

    A maker gives mistakes without words, and hints as (whether the member is wrong, its hint).
    """
    kind, said = MAKERS[name], words(lang)["tasks"][name]
    hints = {member: said["wrong" if wrong else "true"].format(hint=hint)
             for member, (wrong, hint) in drawn.hints.items()}  # fmt: skip
    mistakes = tuple(zip(drawn.mistakes, said.get("mistakes", ()), strict=True))
    return replace(drawn, mistakes=mistakes, hints=hints, hint=said.get("hint", ""), name=name,
                   form=kind.form, tolerance=kind.tolerance, relative=kind.relative)  # fmt: skip
