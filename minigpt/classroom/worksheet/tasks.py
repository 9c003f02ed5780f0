"""The tasks of the worksheet: how one student's numbers and facts are drawn, and the right answers.

Each maker draws a task and returns what goes into its text, the right answer, and what typical
mistakes give. Plain arithmetic: a worksheet is written by Python alone, and the tests compare each
answer with the package's own functions.
"""

import math
import random
import re
from collections.abc import Callable, Sequence

from minigpt.classroom.worksheet.checks import Task, read, same
from minigpt.classroom.worksheet.task_text import TEXT
from minigpt.lessons.arena.errata import SUMMARY
from minigpt.world.facts import NUMERIC, World
from minigpt.world.questions import ask, seen_phrasings

# Facts that the shipped base model misses in one few-shot prompt or another: too hard a task.
HARD = {("beijing", "population"), ("guangzhou", "population"), ("malawi", "population"),
        ("switzerland", "population"), ("finland", "population"), ("adana", "population"),
        ("croatia", "population")}  # fmt: skip
LEANING = (13, 14)  # sentences of the errata that can be read only after the one before
THREE_DIGITS = 0.001  # how far off a number may be that is asked for to three digits


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


# ---- 00 and 01 ------------------------------------------------------------------------------


def training_days(draw: Draw, world: World) -> dict:
    billions, trillions = draw.part(7, 180, 1), draw.part(0.3, 15, 1)
    gpus, (gpu, speed), share = (
        64 * draw.whole(4, 64), draw.pick([("A100", 312), ("H100", 990)]), draw.whole(31, 59)
    )  # fmt: skip
    seconds = 6 * billions * 1e9 * trillions * 1e12 / (gpus * speed * 1e12 * share / 100)
    days = seconds / 86_400
    return dict(
        given=dict(p=billions, t=trillions, g=f"{gpus:,}", gpu=gpu, s=speed, u=share),
        expected=days, tolerance=0.01 * days,
        mistakes=[days / 6, days * share / 100, days * gpus, days * 24, seconds],
    )  # fmt: skip


def word_tokens(draw: Draw, world: World) -> dict:
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
    return dict(
        given=dict(word=word, table=listed), expected=encode(word, table),
        mistakes=[longest_first(word, table), encode(word, table[::-1]), list(word)],
    )  # fmt: skip


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


# ---- 02 -------------------------------------------------------------------------------------


def target_loss(draw: Draw, world: World) -> dict:
    names = draw.some([p.name for p in world.places if not p.tail], 4)
    logits = [draw.part(-3, 3, 1) for _ in names]
    target = draw.whole(0, 3)
    total = sum(math.exp(x) for x in logits)
    loss = math.log(total) - logits[target]
    rows = "\n".join(f"| {name} | {logit:g} |" for name, logit in zip(names, logits))
    return dict(
        given=dict(rows=rows, target=names[target]), expected=loss, tolerance=THREE_DIGITS,
        mistakes=[math.exp(-loss), -loss, loss / math.log(2), loss / math.log(10),
                  math.log(total) - max(x for i, x in enumerate(logits) if i != target)],
    )  # fmt: skip


def perplexity_and_bits(draw: Draw, world: World) -> dict:
    fact = draw.pick(facts(world))
    text = f"\u201c{draw.pick(world.text.STATEMENTS[fact.attribute])}\u201d"
    text = text.format(p=fact.place.name, v=fact.value)
    size, tokens = len(text.encode("utf-8")), draw.whole(len(text) // 4, len(text) // 2)
    loss = draw.part(0.6, 3.2)
    bits = loss * tokens / math.log(2) / size
    expected = [math.exp(loss), bits]
    return dict(
        given=dict(text=text, n=tokens, loss=loss), expected=expected, tolerance=THREE_DIGITS,
        mistakes=[[expected[0], loss * tokens / math.log(2) / len(text)],
                  [expected[0], loss * tokens / size], [expected[0], loss / math.log(2) / size],
                  [2**loss, bits]],
    )  # fmt: skip


# ---- 03 -------------------------------------------------------------------------------------


def facts(world: World) -> list:
    """Numbers that the base model knows."""
    return [fact for key, fact in world.facts.items()
            if fact.attribute in NUMERIC and not fact.place.tail and key not in HARD]  # fmt: skip


def few_shot_prompt(draw: Draw, world: World) -> dict:
    known = facts(world)
    return few_shot_about(draw.whole(0, len(known) - 1), world)


def few_shot_about(number: int, world: World) -> dict:
    """The task about one of `facts`; those that follow it are there to be shown."""
    known = facts(world)
    fact = known[number]
    after = [known[(number + i) % len(known)] for i in range(1, 9)]
    shots = [ask(world, f) for f in after if f.place != fact.place][:3]
    question = ask(world, fact)
    lines = [f"Q: {shot.text}\nA: {shot.answer}\n" for shot in shots]
    listed = "\n".join(f"- {shot.text} {shot.answer}" for shot in shots)
    return dict(
        given=dict(question=question.text, shots=listed), question=question,
        expected="".join([*lines, f"Q: {question.text}\nA:"]),
    )  # fmt: skip


def kept_tokens(draw: Draw, world: World) -> dict:
    percent = [100] * 6
    while percent[-1] < 2 or len(set(percent)) < 6:
        percent[:5] = [draw.whole(2, 40) for _ in range(5)]
        percent[5] = 100 - sum(percent[:5])
    ids = draw.some(range(1024), 6)
    order = sorted(range(6), key=lambda i: -percent[i])
    ranked, reached = [ids[i] for i in order], [sum(sorted(percent)[-n:]) for n in range(1, 7)]
    p = draw.pick([p for p in range(52, 94) if p not in reached])  # where no rounding decides
    kept = next(n for n, share in enumerate(reached, start=1) if share >= p)
    return dict(
        given=dict(rows="\n".join(f"| {i} | {v} % |" for i, v in zip(ids, percent)), p=p / 100),
        expected=ranked[:kept],
        mistakes=[ranked[: kept - 1], ranked[: kept + 1], ranked[kept:]],
    )  # fmt: skip


# ---- 04 -------------------------------------------------------------------------------------


def counted_positions(draw: Draw, world: World) -> dict:
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
    lines, line = [], ""
    for position, token in enumerate(row):
        if line and len(line) + len(token) > 76:
            lines, line = [*lines, line.rstrip()], ""
        line += f"{position}:{token}  "
    return dict(
        given=dict(row="\n".join([*lines, line.rstrip()])), expected=[t - 1 for t in tokens],
        mistakes=[tokens, [t - 1 for a in answers for t in a[:-1]], [t - 1 for t in answers[1]],
                  list(range(len(row) - 1)), [t for a in answers for t in a[:-1]]],
    )  # fmt: skip


def words_of(text: str) -> list[str]:
    """A text in words, numbers and signs: the tokens of this exercise."""
    return re.findall(r"\w+(?:[.'\u2019-]\w+)*|[^\w\s]", text)


# ---- 05 -------------------------------------------------------------------------------------


def preference(draw: Draw, world: World) -> dict:
    a, b = draw.part(-2.5, 2.5), draw.part(-2.5, 2.5)
    share = 1 / (1 + math.exp(b - a))
    return dict(
        given=dict(a=f"{a:.2f}", b=f"{b:.2f}"), expected=share, tolerance=THREE_DIGITS,
        mistakes=[1 - share, a - b, 1 / (1 + 10 ** ((b - a) / 400)), math.exp(a - b),
                  -math.log(share)],
    )  # fmt: skip


def ranking_pairs(draw: Draw, world: World) -> dict:
    letters, groups = draw.some("abcdef", 6), []
    sizes = draw.pick([(1, 2, 1, 2), (2, 1, 1, 2), (1, 1, 2, 2), (2, 2, 1, 1), (1, 3, 2), (2, 3, 1),
                       (3, 2, 1), (1, 2, 3), (2, 1, 3), (3, 1, 2)])  # fmt: skip
    for size in sizes:
        groups.append([letters.pop() for _ in range(size)])
    pairs = [(better, worse) for place, group in enumerate(groups)
             for lower in groups[place + 1 :] for better in group for worse in lower]  # fmt: skip
    near = [(x, y) for upper, lower in zip(groups, groups[1:]) for x in upper for y in lower]
    tied = [(x, y) for group in groups for i, x in enumerate(group) for y in group[i + 1 :]]
    return dict(
        given=dict(ranking="  >  ".join(" = ".join(group) for group in groups)), expected=pairs,
        mistakes=[near, [(y, x) for x, y in pairs], [*pairs, *tied]],
    )  # fmt: skip


# ---- 06 -------------------------------------------------------------------------------------


def clipped_loss(draw: Draw, world: World) -> dict:
    old, moved, clip = draw.part(-3, -0.9), draw.part(0.35, 0.85), draw.pick([0.1, 0.2, 0.25])
    new = round(old + draw.pick([-moved, moved]), 2)
    advantage = draw.pick([-1, 1]) * draw.part(0.3, 2.5)
    ratio = math.exp(new - old)
    losses = [-advantage * ratio, -advantage * min(max(ratio, 1 - clip), 1 + clip)]
    return dict(
        given=dict(old=f"{old:.2f}", new=f"{new:.2f}", a=f"{advantage:.2f}", clip=clip),
        expected=max(losses), tolerance=THREE_DIGITS,
        mistakes=[min(losses), -max(losses), -min(losses), -advantage * (new - old)],
    )  # fmt: skip


def token_advantages(draw: Draw, world: World) -> dict:
    rewards = [draw.part(-0.2, 0.2), draw.part(-0.2, 0.2), draw.part(-2, 2)]
    values = [draw.part(-1, 1) for _ in rewards]
    gamma, lam = draw.pick([0.9, 0.95, 0.98]), draw.pick([0.8, 0.9, 0.95])
    expected = gae(rewards, values, gamma, lam)
    return dict(
        given=dict(rewards=rewards, values=values, gamma=gamma, lam=lam), expected=expected,
        tolerance=THREE_DIGITS,
        mistakes=[expected[::-1], gae(rewards, values, gamma, 1), gae(rewards, values, 1, lam),
                  gae(rewards, values, gamma, 0), [r - v for r, v in zip(rewards, values)]],
    )  # fmt: skip


def gae(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """The advantage of each token: the sum of what later steps brought beyond their values."""
    after = [*values[1:], 0.0]
    steps = [r + gamma * nxt - v for r, nxt, v in zip(rewards, after, values)]
    return [sum((gamma * lam) ** (k - t) * steps[k] for k in range(t, len(steps)))
            for t in range(len(steps))]  # fmt: skip


# ---- 07 -------------------------------------------------------------------------------------


def new_ratings(draw: Draw, world: World) -> dict:
    left, k = draw.whole(900, 1250), draw.pick([16, 20, 24, 32])
    right, score = left + draw.pick([-1, 1]) * draw.whole(40, 350), draw.pick([0, 0.5, 1])
    share = 1 / (1 + 10 ** ((right - left) / 400))
    change = k * (score - share)
    swapped = k * (score - (1 - share))
    return dict(
        given=dict(left=left, right=right, k=k, result=score), expected=[left + change,
        right - change], tolerance=0.1,
        mistakes=[[left + swapped, right - swapped], [left + change, right],
                  [right - change, left + change], [left + k * score, right - k * score]],
    )  # fmt: skip


def false_sentences(draw: Draw, world: World) -> dict:
    known = [s for number, s in enumerate(SUMMARY[world.lang], start=1) if number not in LEANING]
    wrong, true = ([s for s in known if s.wrong is w] for w in (True, False))
    n = draw.whole(3, 5)
    chosen = draw.some(draw.some(wrong, n) + draw.some(true, 9 - n), 9)
    numbered = list(enumerate(chosen, start=1))
    return dict(
        given=dict(sentences="\n".join(f"{i}. {s.text}" for i, s in numbered)),
        expected=[i for i, s in numbered if s.wrong],
        hints={i: (s.wrong, s.hint) for i, s in numbered},
    )  # fmt: skip


# ---- all of them ----------------------------------------------------------------------------

MAKERS: dict[str, tuple[str, int, str, Callable]] = {  # name → lesson, points, form, maker
    "training-days": ("00", 1, "number", training_days),
    "word-tokens": ("01", 2, "texts", word_tokens),
    "target-loss": ("02", 1, "number", target_loss),
    "perplexity-and-bits": ("02", 2, "numbers", perplexity_and_bits),
    "few-shot-prompt": ("03", 2, "prompt", few_shot_prompt),
    "kept-tokens": ("03", 1, "set", kept_tokens),
    "counted-positions": ("04", 2, "set", counted_positions),
    "preference": ("05", 1, "number", preference),
    "ranking-pairs": ("05", 1, "pairs", ranking_pairs),
    "clipped-loss": ("06", 2, "number", clipped_loss),
    "token-advantages": ("06", 2, "numbers", token_advantages),
    "new-ratings": ("07", 1, "numbers", new_ratings),
    "false-sentences": ("07", 2, "set", false_sentences),
}


def make(name: str, draw: Draw, world: World) -> Task:
    """Draw one task; again, where a typical mistake would happen to give the right answer."""
    lesson, points, form, maker = MAKERS[name]
    words = TEXT[world.lang][name]
    while True:
        drawn = maker(draw, world)
        text = words["text"].format(**drawn["given"])
        hints = {member: words["wrong" if wrong else "true"].format(hint=hint)
                 for member, (wrong, hint) in drawn.get("hints", {}).items()}  # fmt: skip
        task = Task(
            name, lesson, points, words["title"], words["again"], text, form, drawn["expected"],
            drawn.get("tolerance", 0.0),
            tuple(zip(drawn.get("mistakes", ()), words.get("mistakes", ()), strict=True)), hints,
            words.get("hint", ""), drawn.get("question"), world.lang,
        )  # fmt: skip
        right = read(task, task.expected)
        if not any(same(task, right, read(task, mistake)) for mistake, _ in task.mistakes):
            return task
