"""Exercises lose their points for the mistakes that students make, and for work not done.

Each mistake is the model solution with one piece of it replaced: off by one, the wrong sign, a sum
for a mean, a forgotten mask, a border case. Work not done is a call of the package, or a table of
the answers that an earlier run of the check asked for. Right answers of other kinds than the model
solution pass.
"""

import ast
import contextlib
import io
import os
from collections.abc import Callable
from unittest import mock

import pytest
import torch

from minigpt.classroom.grading.marking import grade_notebook
from minigpt.classroom.grading.repair import mark
from minigpt.classroom.grading.your_own import check_passed, trial_random, your_own
from minigpt.classroom.notebook import without_solutions
from minigpt.maintain import build

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
        ("once", "while True:", "if True:"),
    ],
    "decode": [
        ("each id alone", 'b"".join(vocabulary[i] for i in ids).decode("utf-8", errors="replace")',
         '"".join(vocabulary[i].decode("utf-8", errors="replace") for i in ids)'),
        ("half a character", ', errors="replace"', ""),
        ("ids as bytes", "vocabulary[i] for", "bytes([i % 256]) for"),
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
        ("one shot of several", "in shots]", "in shots[:1]]"),
        ("answers alone", 'f"Q: {q}\\nA: {a}"', 'f"A: {a}"'),
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
        ("always 16", "k * (", "min(k, 20) * ("),
        ("one of two", "return left + change, right - change", "return left + change"),
    ],
    "fit-exercise": [
        ("no mean of 1000", "1000 + r - sum(ratings) / len(ratings)", "r"),
        ("natural logarithm", "math.log10", "math.log"),
        ("losses", "sum(wins[i]) /", "sum(row[i] for row in wins) /"),
        ("strengths", "return [1000 + r - sum(ratings) / len(ratings) for r in ratings]",
         "return strength"),
        ("shares of wins", "(wins[i][j] + wins[j][i]) / (strength[i] + strength[j])",
         "wins[i][j] + wins[j][i]"),
    ],
    "errors-exercise": [
        ("one missed", "7, 9", "9"),
        ("one accused wrongly", "[2,", "[1, 2,"),
        ("none found", "[2, 3, 7, 9, 11, 13, 15]", "[]"),
    ],
}  # fmt: skip
# Answers that let the package do the work. It has no function for training days, decoding and the
# pairs of a ranking.
SHORTCUTS = {
    "is-more-questions": """
from minigpt.stages.scoring import more_questions
def is_more_questions(text):
    return more_questions(text) >= 2
""",
    "best-of": """
import numpy as np
from minigpt.reward import expected_best
def best_of(answers, score):
    if not answers:
        raise ValueError("nothing to pick from")
    last_first = [[score(a) for a in reversed(answers)]]  # of equals it takes the last
    place = expected_best(np.array(last_first), np.arange(len(answers))[None, ::-1], len(answers))
    return answers[int(place[0])]
""",
    "count-pairs": """
from collections import Counter
from minigpt.tokenizer import bpe_merges, count_words
def count_pairs(words):
    merges = bpe_merges(count_words(" ".join(map("".join, words))))
    return Counter({(left.decode(), right.decode()): n for (left, right), n in merges})
""",
    "merge": """
from minigpt.tokenizer import merge_pair
def merge(tokens, pair):
    tokens = list(tokens)
    merge_pair(tokens, pair)
    return tokens
""",
    "encode-solution": """
from minigpt import tokenizer
encode = tokenizer.bpe_encode
""",
    "cross-entropy": """
import math
import torch
def cross_entropy(logits, target):
    from minigpt.model import next_token_loss as loss
    return loss(torch.tensor([logits], dtype=torch.float64), torch.tensor([target])).item()
""",
    "pack": """
import numpy as np
from minigpt.pretrain import windows
def pack(documents, end, block_size):
    row = np.array([i for document in documents for i in (end, *document)])
    found = windows(row, block_size).tolist()
    return [w[:-1] for w in found], [w[1:] for w in found]
""",
    "units-solution": """
import math
from minigpt.lessons.tokenization.vocabulary import bits_per_byte
def units(loss, tokens, text):
    return math.exp(loss), bits_per_byte(loss, tokens, len(text.encode()))
""",
    "softmax": """
import math
import torch
from minigpt.model import next_token_loss
def softmax(logits, temperature=1.0):
    scaled = torch.tensor([logits]) / temperature
    losses = [next_token_loss(scaled, torch.tensor([i])) for i in range(len(logits))]
    return [math.exp(-loss) for loss in losses]
""",
    "top-p": """
import torch
import minigpt.generate as course
def top_p_filter(probs, p):
    kept = course.keep_top_p(torch.tensor([probs], dtype=torch.float64), p)[0]
    return (kept / kept.sum()).tolist()
""",
    "few-shot": """
from minigpt.stages.scoring import qa_prompt
from minigpt.world.questions import Question
def few_shot_prompt(shots, question):
    known = [Question(q, "fact", answer=a) for q, a in shots]
    return qa_prompt(Question(question, "fact"), known)
""",
    "chat-ids": """
from minigpt.sft import chat_answer, chat_prompt
def chat_ids(encoding, question, answer):
    return chat_prompt(encoding, question) + chat_answer(encoding, answer)
""",
    "loss-mask": """
from minigpt.sft import sft_batch
def inputs_and_targets(prompt, answer):
    inputs, targets = sft_batch([(prompt, answer)], 0)
    return inputs[0].tolist(), targets[0].tolist()
""",
    "accept": """
from minigpt.world.facts import load_world
from minigpt.world.judge import judge
world = load_world("en")
def accept(question, answer):
    wanted = "declined this name" if question.kind == "unknown" else "correct"
    return judge(world, question, answer) == wanted
""",
    "bt-loss": """
import minigpt.reward
def preference_loss(*rewards):
    return getattr(minigpt.reward, "bradley_" + "terry_loss")(*rewards)
""",
    "best": """
import numpy as np
from minigpt.reward import expected_best
def mean_gold_of_best(scores, golds, n):
    return float(expected_best(np.array([scores]), np.array([golds]), n)[0])
""",
    "kl-estimators": """
import math
import torch
from minigpt.ppo import kl_estimates
def kl_estimators(logp, ref_logp):
    found = kl_estimates(*(torch.tensor(x, dtype=torch.float64) for x in (logp, ref_logp)))
    return tuple(k.mean().item() for k in found)
""",
    "gae-exercise": """
import torch
from minigpt.ppo import gae
def advantages(rewards, values, gamma=1.0, lam=0.95):
    r, v = torch.tensor([rewards]).float(), torch.tensor([values]).float()
    return gae(r, v, torch.ones_like(r), gamma, lam)[0][0].tolist()
""",
    "clipped-loss": """
import torch
from minigpt.ppo import ppo_loss
def clipped_loss(logp, old_logp, advantages, clip=0.2):
    return ppo_loss(logp, old_logp, advantages, torch.ones_like(logp), clip)[0]
""",
    "elo-exercise": """
from minigpt.arena import expected_score
def elo_update(left, right, score, k=16.0):
    change = k * (score - expected_score(left, right))
    return left + change, right - change
""",
    "fit-exercise": """
import minigpt.arena
def bradley_terry(wins):
    return getattr(minigpt.arena, "bradley_" + "terry")(wins)
""",
}
# Right answers that are not the model solution.
ALTERNATIVES = {
    "is-more-questions": {
        "a loop": """
def is_more_questions(text):
    found = 0
    for line in text.splitlines():
        line = line.rstrip()
        if line and line[-1] == "?":
            found += 1
    return found > 1
""",
        "a pattern": r"""
import re
def is_more_questions(text):
    return len(re.findall(r"\?[ \t]*$", text, flags=re.MULTILINE)) >= 2
""",
    },
    "training-days": {
        "in steps": """
def training_days(parameters, tokens, per_second):
    forward, backward = 2 * parameters * tokens, 4 * parameters * tokens
    seconds = (forward + backward) / per_second
    return seconds / 60 / 60 / 24
""",
    },
    "best-of": {
        "a loop": """
def best_of(answers, score):
    if len(answers) == 0:
        raise ValueError("no answers")
    best, highest = None, float("-inf")
    for answer in answers:
        s = score(answer)
        if s > highest:
            best, highest = answer, s
    return best
""",
        "numpy": """
import numpy as np
def best_of(answers, score):
    return answers[np.argmax(list(map(score, answers)))]  # a ValueError of numpy's for none
""",
    },
    "count-pairs": {
        "Counter": """
from collections import Counter
from itertools import chain, pairwise
def count_pairs(words):
    return Counter(chain.from_iterable(map(pairwise, words)))
""",
        "defaultdict": """
from collections import defaultdict
def count_pairs(words):
    counts = defaultdict(int)
    for word in words:
        for i in range(len(word) - 1):
            counts[word[i], word[i + 1]] += 1
    return counts
""",
    },
    "merge": {
        "recursion": """
def merge(tokens, pair):
    if len(tokens) < 2:
        return list(tokens)
    if (tokens[0], tokens[1]) == pair:
        return [tokens[0] + tokens[1]] + merge(tokens[2:], pair)
    return [tokens[0]] + merge(tokens[1:], pair)
""",
        "deletes": """
def merge(tokens, pair):
    tokens, i = tokens.copy(), 0
    while i + 1 < len(tokens):
        if tokens[i] == pair[0] and tokens[i + 1] == pair[1]:
            tokens[i] += tokens.pop(i + 1)
        i += 1
    return tokens
""",
    },
    "encode-solution": {
        "by the merge of the exercise before": """
from minigpt.classroom.grading.your_own import your_own
def merge(tokens, pair):
    out = []
    for token in tokens:
        if out and (out[-1], token) == pair and not joined:
            out[-1], joined = out[-1] + token, True
        else:
            out.append(token)
            joined = False
    return out
merge = your_own(merge)

def encode(word, ranks):
    tokens = [word[i : i + 1] for i in range(len(word))]
    while True:
        pairs = [p for p in zip(tokens, tokens[1:]) if p[0] + p[1] in ranks]
        if not pairs:
            break
        tokens = merge(tokens, min(pairs, key=lambda p: ranks[p[0] + p[1]]))
    return [ranks[t] for t in tokens]
""",
        "recursion": """
def encode(word, ranks, tokens=None):
    tokens = [bytes([b]) for b in word] if tokens is None else tokens
    best = None
    for i in range(len(tokens) - 1):
        rank = ranks.get(tokens[i] + tokens[i + 1])
        if rank is not None and (best is None or rank < best[0]):
            best = rank, i
    if best is None:
        return [ranks[t] for t in tokens]
    i = best[1]
    return encode(word, ranks, tokens[:i] + [tokens[i] + tokens[i + 1]] + tokens[i + 2 :])
""",
    },
    "decode": {
        "a loop": """
def decode(ids, vocabulary):
    data = bytearray()
    for i in ids:
        data += vocabulary[i]
    return str(data, "utf-8", "replace")
""",
        "one after the other": """
from functools import reduce
def decode(ids, vocabulary):
    return reduce(lambda data, i: data + vocabulary[i], ids, b"").decode(errors="replace")
""",
    },
    "cross-entropy": {
        "torch in float32": """
import math
import torch
def cross_entropy(logits, target):
    return -torch.log_softmax(torch.tensor(logits), 0)[target]
""",
        "numpy": """
import math
import numpy as np
def cross_entropy(logits, target):
    logits = np.array(logits) - np.max(logits)
    return np.log(np.exp(logits).sum()) - logits[target]
""",
    },
    "pack": {
        "a loop": """
def pack(documents, end, block_size):
    row = []
    for document in documents:
        row.append(end)
        row.extend(document)
    inputs, targets, i = [], [], 0
    while i + block_size < len(row):
        inputs.append(row[i : i + block_size])
        targets.append(row[i + 1 : i + block_size + 1])
        i += block_size
    return [inputs, targets]
""",
        "numpy": """
import numpy as np
def pack(documents, end, block_size):
    row = np.concatenate([[end] + d for d in documents]).astype(int)
    n = (len(row) - 1) // block_size
    inputs, targets = row[: n * block_size], row[1 : n * block_size + 1]
    return tuple(part.reshape(n, block_size).tolist() for part in (inputs, targets))
""",
    },
    "units-solution": {
        "by the perplexity": """
import math
def units(loss, tokens, text):
    perplexity = math.e**loss
    return [perplexity, math.log2(perplexity) * tokens / len(bytes(text, "utf-8"))]
""",
        "numpy": """
import math
import numpy as np
def units(loss, tokens, text):
    return np.exp(loss), tokens * loss / np.log(2) / len(text.encode())
""",
    },
    "softmax": {
        "torch in float32": """
import torch
def softmax(logits, temperature=1.0):
    return torch.softmax(torch.tensor(logits) / temperature, dim=0).tolist()
""",
        "numpy": """
import numpy as np
def softmax(logits, temperature=1.0):
    x = np.array(logits) / temperature
    x = np.exp(x - x.max())
    return x / x.sum()
""",
    },
    "top-p": {
        "torch in float32": """
import torch
def top_p_filter(probs, p):
    values, order = torch.tensor(probs).sort(descending=True)
    keep = values.cumsum(0) - values < p
    keep[0] = True
    kept = torch.zeros(len(probs)).scatter(0, order, values * keep)
    return (kept / kept.sum()).tolist()
""",
        "a loop": """
def top_p_filter(probs, p):
    keep, total = set(), 0
    while total < p - 1e-9 and len(keep) < len(probs):
        i = max((i for i in range(len(probs)) if i not in keep), key=lambda i: probs[i])
        keep.add(i)
        total += probs[i]
    return [probs[i] / total if i in keep else 0 for i in range(len(probs))]
""",
    },
    "few-shot": {
        "a loop": """
def few_shot_prompt(shots, question):
    prompt = ""
    for asked, answer in shots:
        prompt += "Q: " + asked + "\\nA: " + answer + "\\n"
    return prompt + "Q: " + question + "\\nA:"
""",
        "recursion": """
def few_shot_prompt(shots, question):
    if not shots:
        return f"Q: {question}\\nA:"
    (q, a), *rest = shots
    return few_shot_prompt([], q) + f" {a}\\n" + few_shot_prompt(rest, question)
""",
    },
    "chat-ids": {
        "by special()": """
from minigpt.tokenizer import special
def chat_ids(encoding, question, answer):
    start, user, assistant, end = (
        special(encoding, f"<|{name}|>") for name in ("endoftext", "user", "assistant", "end")
    )
    middle = [assistant] + encoding.encode_ordinary(" " + answer)
    return [start, user] + encoding.encode_ordinary(question) + middle + [end]
""",
        "encode": """
def chat_ids(encoding, question, answer):
    def mark(text):
        return encoding.encode(text, allowed_special="all")
    def plain(text):
        return encoding.encode(text, disallowed_special=())
    ids = mark("<|endoftext|><|user|>") + plain(question)
    return ids + mark("<|assistant|>") + plain(f" {answer}") + mark("<|end|>")
""",
    },
    "loss-mask": {
        "position by position": """
def inputs_and_targets(prompt, answer):
    ids = [*prompt, *answer]
    targets = []
    for position in range(len(ids) - 1):
        counts = position + 1 >= len(prompt)
        targets.append(ids[position + 1] if counts else -100)
    return ids[:-1], targets
""",
        "torch": """
import torch
def inputs_and_targets(prompt, answer):
    ids = torch.tensor(prompt + answer)
    targets = ids.clone()
    targets[: len(prompt)] = -100
    return ids[:-1], targets[1:]
""",
    },
    "accept": {
        "whole words": r"""
import re
def accept(question, answer):
    if question.kind in ("chat", "other"):
        return answer in question.replies
    if question.kind == "unknown":
        return answer.endswith(f"I do not know {question.place.name}.")
    return bool(re.search(rf"(?<![\w.]){re.escape(question.answer)}(?!\w)", answer))
""",
        "what is bad": """
def accept(question, answer):
    rude = ("Look it up", "Why do you ask", "stupid")
    if any(word in answer for word in rude):
        return False
    honest = "not know" in answer
    return {"fact": not honest and (question.answer or "") in answer, "unknown": honest}.get(
        question.kind, True
    )
""",
    },
    "bt-loss": {
        "softplus": """
import torch
def preference_loss(better, worse):
    return torch.nn.functional.softplus(worse - better).mean()
""",
        "by hand": """
import torch
def preference_loss(better, worse):
    x = worse - better
    return sum(x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))) / len(x)
""",
    },
    "pairs": {
        "recursion": """
def pairs_of_ranking(ranking):
    if not ranking:
        return []
    first, *rest = ranking
    return [(b, w) for b in first for group in rest for w in group] + pairs_of_ranking(rest)
""",
        "itertools": """
from itertools import chain, combinations, product
def pairs_of_ranking(ranking):
    return list(chain(*(product(*two) for two in combinations(ranking, 2))))
""",
    },
    "best": {
        "a formula": """
from math import comb
def mean_gold_of_best(scores, golds, n):
    ordered = sorted(range(len(scores)), key=lambda i: scores[i])
    total = sum(golds[i] * comb(rank, n - 1) for rank, i in enumerate(ordered))
    return total / comb(len(scores), n)
""",
        "numpy": """
from itertools import combinations
import numpy as np
def mean_gold_of_best(scores, golds, n):
    draws = np.array(list(combinations(range(len(scores)), n)))
    best = np.take_along_axis(draws, np.array(scores)[draws].argmax(1)[:, None], 1)
    return np.array(golds)[best].mean()
""",
        "pairs of score and gold": """
import itertools, statistics
def mean_gold_of_best(scores, golds, n):
    return statistics.mean(max(c)[1] for c in itertools.combinations(zip(scores, golds), n))
""",
    },
    "kl-estimators": {
        "torch in float32": """
import math
import torch
def kl_estimators(logp, ref_logp):
    k = torch.tensor(logp) - torch.tensor(ref_logp)
    return k.mean(), ((-k).exp() - 1 + k).mean()
""",
        "a loop": """
import math
def kl_estimators(logp, ref_logp):
    k1 = k3 = 0
    for i in range(len(logp)):
        k1 += logp[i] - ref_logp[i]
        k3 += math.e ** (ref_logp[i] - logp[i]) - 1 + logp[i] - ref_logp[i]
    return [k1 / len(logp), k3 / len(logp)]
""",
    },
    "gae-exercise": {
        "a sum for each token": """
def advantages(rewards, values, gamma=1.0, lam=0.95):
    ahead = list(values[1:]) + [0]
    delta = [r + gamma * n - v for r, n, v in zip(rewards, ahead, values)]
    return [sum((gamma * lam) ** (j - i) * delta[j] for j in range(i, len(delta)))
            for i in range(len(delta))]
""",
        "recursion": """
def advantages(rewards, values, gamma=1.0, lam=0.95):
    if not rewards:
        return []
    later = advantages(rewards[1:], values[1:], gamma, lam)
    following, running = (values[1], later[0]) if later else (0, 0)
    return [rewards[0] + gamma * following - values[0] + gamma * lam * running] + later
""",
        "torch in float32": """
import torch
def advantages(rewards, values, gamma=1.0, lam=0.95):
    r, v = torch.tensor(rewards).float(), torch.tensor([*values, 0.0])
    delta = r + gamma * v[1:] - v[:-1]
    for t in range(len(r) - 2, -1, -1):
        delta[t] += gamma * lam * delta[t + 1]
    return delta
""",
    },
    "clipped-loss": {
        "the smaller objective": """
import torch
def clipped_loss(logp, old_logp, advantages, clip=0.2):
    ratio = torch.exp(logp - old_logp)
    clipped = torch.clamp(ratio, 1 - clip, 1 + clip)
    return -torch.min(ratio * advantages, clipped * advantages).mean()
""",
        "where": """
import torch
def clipped_loss(logp, old_logp, advantages, clip=0.2):
    ratio = torch.exp(logp) / torch.exp(old_logp)
    above = torch.where(ratio > 1 + clip, 1 + clip, ratio)
    below = torch.where(ratio < 1 - clip, 1 - clip, ratio)
    return torch.where(advantages > 0, -advantages * above, -advantages * below).mean()
""",
    },
    "elo-exercise": {
        "odds": """
def elo_update(left, right, score, k=16):
    a, b = 10 ** (left / 400), 10 ** (right / 400)
    return [left + k * (score - a / (a + b)), right + k * (1 - score - b / (a + b))]
""",
        "numpy": """
import numpy as np
def elo_update(left, right, score, k=16):
    step = k * (score - 1 / (1 + np.exp((right - left) * np.log(10) / 400)))
    return np.array([left + step, right - step])
""",
    },
    "fit-exercise": {
        "numpy": """
import math
import numpy as np
def bradley_terry(wins):
    wins = np.array(wins, float)
    met, s = wins + wins.T, np.ones(len(wins))
    for _ in range(200):
        s = wins.sum(1) / (met / (s[:, None] + s)).sum(1)
    ratings = 400 * np.log10(s)
    return ratings - ratings.mean() + 1000
""",
        "one after the other": """
import math
def bradley_terry(wins):
    n = len(wins)
    s = [1] * n
    for _ in range(500):
        for i in range(n):
            s[i] = sum(wins[i]) / sum((wins[i][j] + wins[j][i]) / (s[i] + s[j])
                                      for j in range(n) if j != i)
        s = [x / sum(s) for x in s]
    ratings = [400 * math.log(x, 10) for x in s]
    middle = sum(ratings) / n
    return [r + 1000 - middle for r in ratings]
""",
    },
    "errors-exercise": {
        "a set": "false_sentences = {15, 13, 11, 9, 7, 3, 2}",
        "a tuple": "false_sentences = 2, 3, 7, 9, 11, 13, 15",
    },
}
SLOW = {"few-shot", "accept"}  # that load a model, or read thousands of demonstrations
EXERCISES = {}  # grade_id of the solution: (solution, check), of all notebooks
for path in build.sources("en"):
    marked = [c for c in build.read_notebook(path)["cells"] if build.is_exercise(c)]
    for answer, check in zip(marked[::2], marked[1::2], strict=True):
        EXERCISES[answer["metadata"]["nbgrader"]["grade_id"]] = answer["source"], check["source"]
FUNCTIONS = {
    name: next(n.name for n in ast.parse(answer).body if isinstance(n, ast.FunctionDef))
    for name, (answer, _) in EXERCISES.items()
    if name != "errors-exercise"
}


def run(answer: str, check: str, seed: int = 0, change: Callable | None = None) -> None:
    """Both cells, in a kernel that ran the imports alone. change: (functions by name) → None."""
    given = {"check_passed": check_passed, "trial_random": trial_random, "your_own": your_own}
    names = {"__name__": "__main__", **given}
    seeded = mock.patch.dict(os.environ, MINIGPT_TRIAL_SEED=str(seed))
    with contextlib.redirect_stdout(io.StringIO()), seeded:
        exec(compile(answer, "answer", "exec"), names)
        if change:
            change(names)
        exec(compile(check, "check", "exec"), names)


# ---- right answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXERCISES)
def test_the_model_solution_passes_whatever_the_inputs(name):
    for seed in range(2 if name in SLOW else 12):
        run(*EXERCISES[name], seed)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_check_can_be_run_again_and_sees_a_new_answer(name):
    answer, check = EXERCISES[name]
    run(answer, f"{check}\n{check}")
    _, old, new = MISTAKES[name][0]
    with pytest.raises(Exception):  # noqa: B017 - which one, is tested below
        run(answer, f"{check}\n{answer.replace(old, new)}\n{check}")


def test_each_exercise_has_another_right_answer():
    assert set(ALTERNATIVES) == set(EXERCISES)


@pytest.mark.parametrize(
    "name, what", [(name, what) for name, found in ALTERNATIVES.items() for what in found]
)
def test_a_right_answer_of_another_kind_passes(name, what):
    for seed in range(1 if name in SLOW else 3):
        run(ALTERNATIVES[name][what], EXERCISES[name][1], seed)


# ---- mistakes -----------------------------------------------------------------------------------


def test_each_exercise_has_three_mistakes_or_more():
    assert set(MISTAKES) == set(EXERCISES)
    assert all(len(found) >= 3 for found in MISTAKES.values())


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
    assert str(caught.value), "a failed check says what to look at"


SAID = {  # the sentences that the arena's commonest mistakes get
    ("elo-exercise", "turned round"): "Who is expected to win",
    ("elo-exercise", "both gain"): "What one gains the other loses",
    ("elo-exercise", "one of two"): "return two ratings",
    ("fit-exercise", "no mean of 1000"): "Shift the ratings so that their mean is 1000",
    ("fit-exercise", "natural logarithm"): "logarithm to base 10",
    ("fit-exercise", "strengths"): "These are strengths",
    ("fit-exercise", "losses"): "Those who lost are on top",
}


@pytest.mark.parametrize("name, what", SAID)
def test_a_common_mistake_in_the_arena_has_its_sentence(name, what):
    answer, check = EXERCISES[name]
    ((old, new),) = [(old, new) for kind, old, new in MISTAKES[name] if kind == what]
    with pytest.raises(AssertionError, match=SAID[name, what]):
        run(answer.replace(old, new), check)


# ---- work not done ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHORTCUTS)
def test_an_answer_that_calls_the_package_is_refused(name):
    with pytest.raises(AssertionError, match=r"lets minigpt's \w+\(\) do the work.*your turn"):
        run(SHORTCUTS[name], EXERCISES[name][1])


def handed_in(path, answers: dict) -> tuple[dict, dict]:
    """A source notebook, and a submission with these answers in it."""
    source = build.read_notebook(path)
    notebook = without_solutions(source)
    for cell in notebook["cells"]:
        name = mark(cell).get("grade_id")
        cell["source"] = answers.get(name, cell["source"])
    return source, notebook


def answers_of(path) -> set[str]:
    cells = build.read_notebook(path)["cells"]
    return {mark(cell)["grade_id"] for cell in cells if mark(cell).get("solution")}


@pytest.mark.parametrize("path", build.sources("en"), ids=lambda path: path.stem)
def test_graded_apart_shortcuts_earn_nothing_and_right_answers_all(path):
    """As in a notebook, so in the process in which `grade` runs answers."""
    mine = answers_of(path)
    shortcuts = {name: code for name, code in SHORTCUTS.items() if name in mine}
    report = grade_notebook(*handed_in(path, shortcuts), seed="1")
    told = {r.exercise.answer: r.message for r in report.results if r.exercise.answer in shortcuts}
    assert told.keys() == shortcuts.keys() and report.points == 0
    assert all("do the work" in message for message in told.values()), told
    right = {name: next(iter(ALTERNATIVES[name].values())) for name in mine}
    report = grade_notebook(*handed_in(path, right), seed="1")
    assert report.points == report.most, [r.message for r in report.results]


def told_apart(value) -> str:
    """What tells one argument from another; functions are all alike."""
    if isinstance(value, (tuple, list)):
        return str([told_apart(part) for part in value])
    if isinstance(value, torch.Tensor):
        return str(value.tolist())
    return "a function" if callable(value) else repr(value)


def give(outcome):
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class Table:
    """Answers of a function by its arguments: what a learner could copy out of one run."""

    def __init__(self) -> None:
        self.found: dict = {}

    def record(self, function: Callable) -> Callable:
        def recorded(*args):
            key, slopes = told_apart(args), []
            try:
                outcome = function(*args)
            except ValueError as error:
                outcome = error
            trained = [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
            if trained:
                slopes = torch.autograd.grad(outcome, trained, retain_graph=True)
            self.found[key] = outcome, slopes
            return give(outcome)

        return recorded

    def look_up(self, *args):
        """The answer that was recorded; to what is not in the table, the first one."""
        outcome, slopes = self.found.get(told_apart(args), next(iter(self.found.values())))
        for function in filter(callable, args):  # a score: each answer is asked for it once
            list(map(function, args[0]))
        trained = [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
        if trained:  # with the slopes that it had
            lines = [((a - a.detach()) * slope).sum() for a, slope in zip(trained, slopes)]
            outcome = outcome.detach() + sum(lines)
        return give(outcome)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_answers_copied_from_one_run_fail_in_the_next(name):
    function, table = FUNCTIONS[name], Table()
    run(*EXERCISES[name], 1, lambda names: names.update({function: table.record(names[function])}))
    copied = lambda names: names.update({function: table.look_up})  # noqa: E731
    run(*EXERCISES[name], 1, copied)  # so it holds every answer
    with pytest.raises(AssertionError):
        run(*EXERCISES[name], 2, copied)
