"""Exercises lose their points for the mistakes that students make, and for work not done.

Each mistake is the model solution with one piece of it replaced: off by one, the wrong sign, a sum
for a mean, a forgotten mask, a border case.
"""

import contextlib
import io

import pytest

from minigpt.commands import build

# grade_id of the solution: (what went wrong, a piece of the solution, what stands there instead)
MISTAKES = {
    "is-more-questions": [
        ("one is enough", ">= 2", ">= 1"),
        ("spaces at the end", "line.strip().endswith", "line.endswith"),
        ("anywhere in the line", '.strip().endswith("?")', '.count("?") > 0'),
    ],
    "training-days": [
        ("forward pass alone", "6 *", "2 *"),
        ("hours", "86_400", "3_600"),
        ("multiplied", "/ per_second", "* per_second"),
    ],
    "best-of": [
        ("the score", "max(answers, key=score)", "max(map(score, answers))"),
        ("the last of equals", "max(answers,", "max(reversed(answers),"),
        ("nothing for nothing", 'raise ValueError("there are no answers to pick from")', "return"),
    ],
    "count-pairs": [
        ("across words", "in words:", "in [[token for word in words for token in word]]:"),
        ("off by one", "zip(word, word[1:])", "zip(word[:-2], word[1:])"),
        ("counted once", "counts.get(pair, 0) + 1", "1"),
    ],
    "merge": [
        ("used twice", "i += 2", "i += 1"),
        ("off by one", "while i < len(tokens):", "while i < len(tokens) - 1:"),
        ("the first only", "i += 2", "return out + tokens[i + 2 :]"),
    ],
    "encode-solution": [
        ("the leftmost", "min(known)", "known[0]"),
        ("the highest rank", "min(known)", "max(known)"),
    ],
    "decode": [
        ("each id alone", 'b"".join(vocabulary[i] for i in ids).decode("utf-8", errors="replace")',
         '"".join(vocabulary[i].decode("utf-8", errors="replace") for i in ids)'),
        ("half a character", ', errors="replace"', ""),
    ],
    "cross-entropy": [
        ("large logits", "largest = max(logits)", "largest = 0.0"),
        ("the sign", "math.log(total) - (logits[target] - largest)",
         "logits[target] - largest - math.log(total)"),
        ("bits", "math.log(total)", "math.log2(total)"),
    ],
    "pack": [
        ("the mark behind", "[end, *document]", "[*document, end]"),
        ("not shifted", "row[i + 1 : i + 1 + block_size]", "row[i : i + block_size]"),
        ("a window too many", "len(row) - block_size,", "len(row) - block_size + 1,"),
    ],
    "units-solution": [
        ("characters", 'len(text.encode("utf-8"))', "len(text)"),
        ("one token", " * tokens", ""),
        ("a power of two", "math.exp(loss)", "2**loss"),
    ],
    "softmax": [
        ("no temperature", " / temperature", ""),
        ("multiplied", "/ temperature", "* temperature"),
        ("large logits", "largest = max(logits)", "largest = 0.0"),
    ],
    "top-p": [
        ("not divided", "value / sum(kept)", "value"),
        ("stops before p", "if reached < p:", "if reached + probs[i] <= p:"),
        ("the rarest first", "-probs[i]", "probs[i]"),
    ],
    "few-shot": [
        ("a space at the end", 'A:"])', 'A: "])'),
        ("no shots", "[*lines, ", "["),
        ("no question", 'f"Q: {question}\\nA:"', '"A:"'),
    ],
    "chat-ids": [
        ("typed, not special", 'special("<|user|>")', '*typed("<|user|>")'),
        ("no end", ', special("<|end|>")]', "]"),
        ("no space", 'typed(" " + answer)', "typed(answer)"),
    ],
    "loss-mask": [
        ("off by one", "(len(prompt) - 1) + answer", "len(prompt) + answer[:-1]"),
        ("no mask", "[-100] * (len(prompt) - 1) + answer", "ids[1:]"),
        ("not shifted", "return ids[:-1], targets", "return ids, targets"),
    ],
    "accept": [
        ("all facts", "return question.answer in answer", "return True"),
        ("all unknowns", 'return "do not know" in answer', "return True"),
        ("nothing else", "return True\n", "return False\n"),
    ],
    "bt-loss": [
        ("a sum", ".mean()", ".sum()"),
        ("the sign", "return -torch", "return torch"),
        ("turned round", "(better - worse)", "(worse - better)"),
        ("no logarithm", "logsigmoid", "sigmoid"),
    ],
    "pairs": [
        ("neighbours only", "ranking[place + 1 :]", "ranking[place + 1 : place + 2]"),
        ("turned round", "(better, worse) for", "(worse, better) for"),
        ("itself too", "ranking[place + 1 :]", "ranking[place:]"),
    ],
    "best": [
        ("chosen by gold", "key=lambda i: scores[i]", "key=lambda i: golds[i]"),
        ("mean of scores", "golds[i] for i in chosen", "scores[i] for i in chosen"),
        ("a sum", " / len(chosen)", ""),
    ],
    "kl-estimators": [
        ("absolute", "return sum(k) /", "return sum(map(abs, k)) /"),
        ("turned round", "a - b for", "b - a for"),
        ("the exponent", "math.exp(-x) - 1 + x", "math.exp(x) - 1 - x"),
        ("a sum", "sum(k) / len(k)", "sum(k)"),
    ],
    "gae-exercise": [
        ("no next value", "next_value = value", "next_value = 0.0"),
        ("backwards", "return found[::-1]", "return found"),
        ("gamma forgotten", "gamma * lam * running", "lam * running"),
        ("nothing expected", "next_value - value\n", "next_value\n"),
    ],
    "clipped-loss": [
        ("the smaller", "torch.maximum", "torch.minimum"),
        ("a sum", ".mean()", ".sum()"),
        ("always clipped", "torch.maximum(plain, held)", "held"),
        ("never clipped", "torch.maximum(plain, held)", "plain"),
    ],
    "elo-exercise": [
        ("turned round", "(right - left)", "(left - right)"),
        ("half expected of all", "score - expected", "score - 0.5"),
        ("both gain", "right - change", "right + change"),
    ],
    "fit-exercise": [
        ("no mean of 1000", "1000 + r - sum(ratings) / len(ratings)", "r"),
        ("natural logarithm", "math.log10", "math.log"),
        ("losses", "sum(wins[i]) /", "sum(row[i] for row in wins) /"),
    ],
    "errors-exercise": [
        ("one missed", "7, 9", "9"),
        ("one accused wrongly", "[2,", "[1, 2,"),
    ],
}  # fmt: skip
EXERCISES = {}  # grade_id of the solution: (solution, check), of all notebooks
for path in build.sources("en"):
    marked = [c for c in build.read_notebook(path)["cells"] if build.is_exercise(c)]
    for answer, check in zip(marked[::2], marked[1::2], strict=True):
        EXERCISES[answer["metadata"]["nbgrader"]["grade_id"]] = answer["source"], check["source"]


def run(answer: str, check: str) -> None:
    """Both cells, as in a kernel that ran nothing else."""
    names = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(answer, "answer", "exec"), names)
        exec(compile(check, "check", "exec"), names)


def test_each_exercise_has_two_mistakes_or_more():
    assert set(MISTAKES) == set(EXERCISES)
    assert all(len(found) >= 2 for found in MISTAKES.values())


@pytest.mark.parametrize("name", EXERCISES)
def test_the_model_solution_passes(name):
    run(*EXERCISES[name])


@pytest.mark.parametrize(
    "name, what, old, new",
    [pytest.param(name, *m, id=f"{name}: {m[0]}") for name in MISTAKES for m in MISTAKES[name]],
)
def test_a_mistake_fails(name, what, old, new):
    answer, check = EXERCISES[name]
    wrong = answer.replace(old, new)
    assert wrong != answer, f"the solution has no {old!r}"
    compile(wrong, "answer", "exec")
    with pytest.raises(Exception) as caught:
        run(wrong, check)
    assert not isinstance(caught.value, (SyntaxError, NameError)), caught.value
