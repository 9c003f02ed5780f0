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
from tried import one_of_many

# grade_id of the solution: (what went wrong, a piece of the solution, what stands there instead)
MISTAKES = {
    "training-days": [
        ("forward pass alone", "6 *", "2 *"),
        ("hours", "86_400", "3_600"),
        ("seconds", " / 86_400", ""),
        ("multiplied", "/ per_second", "* per_second"),
    ],
    "best-of": [
        ("the score", "max(answers, key=score)", "max(map(score, answers))"),
        ("the last of equals", "max(answers,", "max(reversed(answers),"),
        ("nothing for nothing", 'raise ValueError("there are no answers to pick from")', "return"),
        ("the lowest", "max(", "min("),
        ("its place", "max(answers, key=score)",
         "max(range(len(answers)), key=lambda i: score(answers[i]))"),
    ],
    "count-pairs": [
        ("across words", "in words:", "in [([token for w, n in words for token in w], 1)]:"),
        ("off by one", "zip(tokens, tokens[1:])", "zip(tokens[:-2], tokens[1:])"),
        ("each word once", ", 0) + n", ", 0) + 1"),
        ("counted once", "counts.get(pair, 0) + n", "1"),
        ("nothing given back", "    return counts", ""),
    ],
    "merge": [
        ("used twice", "i += 2", "i += 1"),
        ("the last one lost", "while i < len(tokens):", "while i < len(tokens) - 1:"),
        ("the given list", "out, i = [], 0", "out, i = [], 0; tokens.append(b'')"),
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
    "windows": [
        ("no last target", "start + block_size + 1", "start + block_size"),
        ("no overlap", "i * block_size for", "i * (block_size + 1) for"),
        ("a row lost", "in range(count)", "in range(count - 1)"),
        ("a row too many", "(len(ids) - 1) // block_size", "len(ids) // block_size"),
        ("one apart", "[i * block_size for i in range(count)]",
         "range(len(ids) - block_size)"),
        ("a list", "torch.stack([ids[start : start + block_size + 1] for start in starts])",
         "[ids[start : start + block_size + 1].tolist() for start in starts]"),
    ],
    "next-token-loss": [
        ("the sign", "return (", "return -("),
        ("a sum", ".mean()", ".sum()"),
        ("bits", ".mean()", ".mean() / 0.693147"),
        ("large logits", "torch.logsumexp(logits, -1)", "logits.exp().sum(-1).log()"),
        ("no way back", ".mean()", ".mean().detach()"),
        ("no tensor", ".mean()", ".mean().item()"),
        ("probabilities", "- true)", "- true).neg().exp()"),
    ],
    "attention": [
        ("no mask", ".masked_fill(future, -torch.inf)", ""),
        ("itself hidden", "triu(1)", "triu()"),
        ("masked after", ".masked_fill(future, -torch.inf).softmax(-1)",
         ".softmax(-1).masked_fill(future, 0.0)"),
        ("masked by zero", "-torch.inf", "0.0"),
        ("no scale", " * scale", ""),
        ("divided", " * scale", " / scale"),
        ("columns", "softmax(-1)", "softmax(0)"),
        ("turned round", "q @ k.mT", "k @ q.mT"),
        ("scores", ".softmax(-1)", ""),
    ],
    "qa-prompt": [
        ("no space", 'a=" " + shot.answer', "a=shot.answer"),
        ("a space at the end", 'text, a=""', 'text, a=" "'),
        ("a line break at the end", 'join(parts)', 'join([*parts, ""])'),
        ("the answer in the gap", 'text, a=""', 'text, a=" " + question.answer'),
        ("one shot of several", "in shots]", "in shots[:1]]"),
        ("the question first", "parts.append(form.format(q=question.text, a=\"\"))",
         "parts.insert(0, form.format(q=question.text, a=\"\"))"),
        ("always the same form", "parts = [form", "form = 'Q: {q}\\nA:{a}'; parts = [form"),
        ("a list", '"\\n".join(parts)', "parts"),
    ],
    "top-k": [
        ("the smallest", "probs.topk(min(k, probs.shape[-1]))",
         "probs.topk(min(k, probs.shape[-1]), largest=False)"),
        ("one too many", "topk(min(k,", "topk(min(k + 1,"),
        ("more than there are", "min(k, probs.shape[-1])", "k"),
        ("not in their places", "return torch", "return values  # torch"),
        ("divided", "ids, values)", "ids, values / values.sum(-1, keepdim=True))"),
        ("in what was given", "torch.zeros_like(probs).scatter(-1, ids, values)",
         "probs.copy_(torch.zeros_like(probs).scatter(-1, ids, values))"),
    ],
    "top-p": [
        ("stops before p", "before < p", "before + values < p"),
        ("one too many", "before < p", "before - values < p"),
        ("each alone", "kept = values.where(before < p, 0.0)",
         "kept = values.where(values >= p, 0.0)"),
        ("the rarest first", "descending=True", "descending=False"),
        ("sorted", "return torch.zeros_like(probs).scatter(-1, ids, kept)", "return kept"),
        ("divided", "ids, kept)", "ids, kept / kept.sum(-1, keepdim=True))"),
    ],
    "chat-pair": [
        ("typed, not special", 'special("<|user|>")', '*typed("<|user|>")'),
        ("no end", ', special("<|end|>")]', "]"),
        ("no space", 'typed(" " + answer)', "typed(answer)"),
        ("no mark of the assistant", '*prompt, special("<|assistant|>")', "*prompt"),
        ("a typed mark counts", "*typed(question)",
         '*encoding.encode(question, allowed_special="all")'),
        ("encode as it is", "*typed(question)", "*encoding.encode(question)"),
        ("texts", "*typed(question)", "question"),
        ("nothing returned", "return [*prompt", "[*prompt"),
    ],
    "loss-mask": [
        ("off by one", "(len(prompt) - 1) + [True] * len(answer)",
         "len(prompt) + [True] * (len(answer) - 1)"),
        ("no mask", "[False] * (len(prompt) - 1)", "[True] * (len(prompt) - 1)"),
        ("not shifted", "(len(prompt) - 1)", "len(prompt)"),
        ("the end is not learned", "[True] * len(answer)", "[True] * (len(answer) - 1) + [False]"),
        ("turned round", "[False] * (len(prompt) - 1) + [True] * len(answer)",
         "[True] * (len(prompt) - 1) + [False] * len(answer)"),
        ("two lists", ") + [True]", "), [True]"),
    ],
    "sft-loss": [
        ("a sum", ".mean()", ".sum()"),
        ("the sign", "-log_p", "log_p"),
        ("over all positions", ".mean()", ".sum() / targets.numel()"),
        ("no logarithm", "log_softmax", "softmax"),
        ("no slope", "logits.log", "logits.detach().log"),
        ("row by row", "return -log_p.gather(-1, targets[counted][:, None]).mean()",
         "return -sum(z[c].log_softmax(-1).gather(-1, t[c][:, None]).mean() for z, t, c in "
         "zip(logits, targets, counted) if c.any()) / counted.any(1).sum()"),
        ("no mask", "targets[counted][:, None]", "targets[counted]"),
        ("nothing returned", "return -log_p", "-log_p"),
    ],
    "bt-loss": [
        ("a sum", ".mean()", ".sum()"),
        ("the sign", "return -torch", "return torch"),
        ("turned round", "(better - worse)", "(worse - better)"),
        ("no logarithm", "logsigmoid", "sigmoid"),
        ("it overflows", "-torch.nn.functional.logsigmoid(better - worse)",
         "-torch.sigmoid(better - worse).log()"),
        ("one loss a pair", ".mean()", ""),
        ("nothing returned", "return -torch", "-torch"),
        ("a plain number", ".mean()", ".mean().item()"),
        ("no slope", "better - worse", "better.detach() - worse.detach()"),
        ("the mean first", "logsigmoid(better - worse).mean()",
         "logsigmoid((better - worse).mean())"),
    ],
    "pairs": [
        ("neighbours only", "for j in places if", "for j in places if j - i == 1 and"),
        ("in order of rank", "for j in places if", "for j in places if i < j and"),
        ("turned round", "[(i, j) for", "[(j, i) for"),
        ("itself too", "felt[i] - felt[j] >= margin", "felt[i] - felt[j] >= margin or i == j"),
        ("the margin is a tie", ">= margin", "> margin"),
        ("no ties", ">= margin", "> 0"),
        ("nothing returned", "return [", "["),
        ("what was felt", "[(i, j) for", "[(felt[i], felt[j]) for"),
        ("no pairs", "[(i, j) for", "[i for"),
        ("twice", ">= margin]", ">= margin] * 2"),
    ],
    "best": [
        ("chosen by gold", "np.argsort(scores,", "np.argsort(values,"),
        ("mean of scores", "take_along_axis(values,", "take_along_axis(scores,"),
        ("the worst", "np.argsort(scores,", "np.argsort(-scores,"),
        ("rank from 1", "math.comb(rank, n - 1)", "math.comb(rank + 1, n - 1)"),
        ("the first n", "return np.take_along_axis(values, order, axis=1) @ chance",
         "return values[range(len(scores)), scores[:, :n].argmax(1)]"),
        ("one for all", "@ chance", "@ chance * 0 + values.mean()"),
        ("a sum", "/ math.comb(N, n)", ""),
        ("nothing returned", "return np.take", "np.take"),
    ],
    "kl-rewards": [
        ("leaving is paid for", "-kl_coef", "kl_coef"),
        ("turned round", "(logp - ref_logp)", "(ref_logp - logp)"),
        ("no mask", " * mask", ""),
        ("at every token", "rewards[torch.arange(len(score)), last] += score",
         "rewards = rewards + score[:, None]"),
        ("at the end of the row", "len(score)), last]", "len(score)), -1]"),
        ("at its start", "len(score)), last]", "len(score)), 0]"),
        ("in all rows", "rewards[torch.arange(len(score)), last]", "rewards[:, last]"),
        ("β times the score", "+= score", "+= kl_coef * score"),
        ("no score", "    rewards[torch.arange(len(score)), last] += score\n", ""),
        ("in what was given", "rewards = -kl_coef * (logp - ref_logp) * mask",
         "rewards = logp.sub_(ref_logp).mul_(-kl_coef * mask)"),
    ],
    "clipped-loss": [
        ("the smaller", "torch.maximum", "torch.minimum"),
        ("a sum", " / mask.sum()", ""),
        ("no mask", "(larger * mask).sum() / mask.sum()", "larger.mean()"),
        ("always clipped", "torch.maximum(plain, held)", "held"),
        ("never clipped", "torch.maximum(plain, held)", "plain"),
        ("the sign", "return (", "return -("),
        ("old over new", "(logp - old_logp).exp()", "(old_logp - logp).exp()"),
        ("no ratio", "(logp - old_logp).exp()", "(logp - old_logp)"),
        ("no way back", ".exp()", ".exp().detach()"),
        ("no tensor", "mask).sum() / mask.sum()", "mask).sum().item() / mask.sum().item()"),
    ],
    "gae-exercise": [
        ("no next value", "next_value = values[:, t] * mask[:, t]", "next_value = 0"),
        ("a value after the end", "next_value = values[:, t] * mask[:, t]",
         "next_value = values[:, t]"),
        ("forwards", "reversed(range(rewards.shape[1]))", "range(rewards.shape[1])"),
        ("gamma forgotten", "gamma * lam * running", "lam * running"),
        ("returns minus values", "lam * running", "running"),
        ("nothing expected", " - values[:, t]\n", "\n"),
        ("returns are the advantages", "(advantages + values) * mask", "advantages"),
        ("delta alone", "gamma * lam * running", "0"),
        ("past the end", "next_value - values", "values[:, t + 1] - values"),
        ("in what was given", "torch.zeros_like(rewards)\n", "rewards\n"),
        ("no mask in the sum", "running) * mask[:, t]", "running)"),
    ],
    "elo-exercise": [
        ("turned round", "(right - left)", "(left - right)"),
        ("half expected of all", "score - expected", "score - 0.5"),
        ("both gain", "right - change", "right + change"),
        ("always 16", "k * (", "min(k, 20) * ("),
        ("one of two", "return left + change, right - change", "return left + change"),
        ("changes", "return left + change, right - change", "return change, -change"),
        ("the right one first", "left + change, right - change", "right - change, left + change"),
        ("the loser gains", "change = k", "change = -k"),
        ("no default", "k=16.0", "k=32.0"),
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
    "training-days": """
from minigpt.lessons import overview
def training_days(parameters, tokens, per_second):
    return overview.training_days(parameters, tokens, per_second)
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
    text = " ".join(b"".join(tokens).decode() for tokens, n in words for _ in range(n))
    return Counter(dict(bpe_merges(count_words(text))))
""",
    "merge": """
from minigpt.tokenizer import merge_pair
def merge(tokens, pair):
    return merge_pair(tokens, pair)
""",
    "encode-solution": """
from minigpt import tokenizer
encode = tokenizer.bpe_encode
""",
    "windows": """
import minigpt.pretrain as course
def windows(tokens, block_size):
    return course.windows(tokens, block_size).clone()
""",
    "next-token-loss": """
import torch
def next_token_loss(logits, targets):
    from minigpt.model import next_token_loss as loss
    return loss(logits, targets)
""",
    "attention": """
from minigpt.lessons.pretraining import attention
def attention_weights(q, k, scale):
    return attention.attention_weights(q, k, scale)
""",
    "qa-prompt": """
from minigpt.stages.scoring import qa_prompt as theirs
def qa_prompt(question, shots=(), form=""):
    return theirs(question, shots, form)
""",
    "top-k": """
import minigpt.generate as course
def keep_top_k(probs, k):
    return course.keep_top_k(probs, k)
""",
    "top-p": """
import minigpt.generate as course
def keep_top_p(probs, p):
    return course.keep_top_p(probs, p)
""",
    "chat-pair": """
from minigpt.sft import chat_answer, chat_prompt
def chat_pair(encoding, question, answer):
    return chat_prompt(encoding, question), chat_answer(encoding, answer)
""",
    "loss-mask": """
from minigpt.sft import sft_batch
def loss_mask(prompt, answer):
    return (sft_batch([(prompt, answer)], 0)[1][0] != -100).tolist()
""",
    "sft-loss": """
from minigpt.model import next_token_loss
def sft_loss(logits, targets):
    return next_token_loss(logits, targets)
""",
    "bt-loss": """
import minigpt.reward
def bradley_terry(*rewards):
    return getattr(minigpt.reward, "bradley_" + "terry")(*rewards)
""",
    "pairs": """
from minigpt.world import ranked_pairs as theirs
def ranked_pairs(felt, margin):
    return theirs(felt, margin)
""",
    "best": """
import minigpt.reward as course
def expected_best(scores, values, n):
    return course.expected_best(scores, values, n)
""",
    "kl-rewards": """
from minigpt import ppo
def kl_rewards(*given):
    return ppo.kl_rewards(*given)
""",
    "clipped-loss": """
import minigpt.ppo
def clipped_loss(logp, old_logp, advantages, mask, clip_ratio):
    return minigpt.ppo.clipped_loss(logp, old_logp, advantages, mask, clip_ratio)
""",
    "gae-exercise": """
import minigpt.ppo
def gae(rewards, values, mask, gamma, lam):
    return minigpt.ppo.gae(rewards, values, mask, gamma, lam)
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
from itertools import pairwise
def count_pairs(words):
    return Counter(pair for tokens, n in words for pair in pairwise(tokens) for _ in range(n))
""",
        "defaultdict": """
from collections import defaultdict
def count_pairs(words):
    counts = defaultdict(int)
    for word, times in words:
        for i in range(len(word) - 1):
            counts[word[i], word[i + 1]] += times
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
    "windows": {
        "unfold": """
import torch
def windows(tokens, block_size):
    return torch.tensor(tokens.astype("int64")).unfold(0, block_size + 1, block_size)
""",
        "a loop": """
import torch
def windows(tokens, block_size):
    rows, i = [], 0
    while i + block_size < len(tokens):
        rows.append([int(x) for x in tokens[i : i + block_size + 1]])
        i += block_size
    return torch.tensor(rows)
""",
    },
    "next-token-loss": {
        "log_softmax": """
import torch
def next_token_loss(logits, targets):
    rows = torch.log_softmax(logits, -1).reshape(-1, logits.shape[-1])
    return -rows[torch.arange(len(rows)), targets.reshape(-1)].mean()
""",
        "the largest first": """
import torch
def next_token_loss(logits, targets):
    logits = logits - logits.max(-1, keepdim=True).values
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return -torch.take_along_dim(p, targets[..., None], -1).log().mean()
""",
    },
    "attention": {
        "row by row": """
import torch
def attention_weights(q, k, scale):
    found = torch.zeros(len(q), len(q))
    for t in range(len(q)):
        found[t, : t + 1] = torch.softmax(scale * (k[: t + 1] @ q[t]), 0)
    return found
""",
        "added": """
import torch
def attention_weights(q, k, scale):
    future = torch.full((len(q), len(q)), float("-inf")).triu(1)
    return torch.softmax(torch.einsum("td,sd->ts", q, k) * scale + future, dim=1)
""",
    },
    "qa-prompt": {
        "a loop": r"""
def qa_prompt(question, shots=(), form="Q: {q}\nA:{a}"):
    text = ""
    for shot in shots:
        text += form.replace("{q}", shot.text).replace("{a}", " " + shot.answer) + "\n"
    return text + form.replace("{q}", question.text).replace("{a}", "")
""",
        "recursion": r"""
def qa_prompt(question, shots=(), form="Q: {q}\nA:{a}"):
    if not shots:
        return form.format(q=question.text, a="")
    first, *rest = shots
    return form.format(q=first.text, a=f" {first.answer}") + "\n" + qa_prompt(question, rest, form)
""",
    },
    "top-k": {
        "a bound": """
import torch
def keep_top_k(probs, k):
    least = probs.sort(-1, descending=True).values[:, :k][:, -1:]
    return torch.where(probs >= least, probs, torch.zeros_like(probs))
""",
        "row by row": """
def keep_top_k(probs, k):
    out = probs.clone()
    for row in out:
        for i in row.argsort(descending=True)[k:]:
            row[i] = 0
    return out
""",
    },
    "top-p": {
        "token by token": """
import torch
def keep_top_p(probs, p):
    out = torch.zeros_like(probs)
    for b in range(len(probs)):
        reached = 0.0
        for i in probs[b].argsort(descending=True):
            if reached < p:
                out[b, i] = probs[b, i]
                reached += probs[b, i]
    return out
""",
        "a bound": """
import torch
def keep_top_p(probs, p):
    values = probs.sort(-1, descending=True).values
    n = (values.cumsum(-1) < p).sum(-1, keepdim=True)
    return probs * (probs >= values.gather(-1, n.clamp(max=probs.shape[-1] - 1)))
""",
    },
    "chat-pair": {
        "one row, cut in two": """
def chat_pair(encoding, question, answer):
    mark = {name: encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    ids = [mark["<|endoftext|>"], mark["<|user|>"]] + encoding.encode_ordinary(question)
    ids.append(mark["<|assistant|>"])
    n = len(ids)
    ids += encoding.encode_ordinary(" " + answer) + [mark["<|end|>"]]
    return ids[:n], ids[n:]
""",
        "encode with nothing allowed": """
def chat_pair(encoding, question, answer):
    ordinary = lambda text: encoding.encode(text, disallowed_special=())
    special = lambda text: encoding.encode(text, allowed_special="all")
    prompt = special("<|endoftext|><|user|>") + ordinary(question) + special("<|assistant|>")
    return prompt, ordinary(" " + answer) + special("<|end|>")
""",
    },
    "loss-mask": {
        "position by position": """
def loss_mask(prompt, answer):
    return [t + 1 >= len(prompt) for t in range(len(prompt) + len(answer) - 1)]
""",
        "zeros and ones": """
import torch
def loss_mask(prompt, answer):
    mask = torch.zeros(len(prompt) + len(answer), dtype=torch.long)
    mask[len(prompt):] = 1
    return mask[1:].tolist()
""",
    },
    "sft-loss": {
        "cross_entropy": """
import torch.nn.functional as F
def sft_loss(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
""",
        "one by one": """
import torch
def sft_loss(logits, targets):
    losses = []
    for row, wanted in zip(logits, targets):
        for z, t in zip(row, wanted):
            if t != -100:
                losses.append(torch.logsumexp(z, 0) - z[t])
    return torch.stack(losses).mean()
""",
    },
    "bt-loss": {
        "softplus": """
import torch
def bradley_terry(better, worse):
    return torch.nn.functional.softplus(worse - better).mean()
""",
        "by hand": """
import torch
def bradley_terry(better, worse):
    x = worse - better
    return sum(x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))) / len(x)
""",
    },
    "pairs": {
        "permutations": """
from itertools import permutations
def ranked_pairs(felt, margin):
    numbered = permutations(enumerate(felt), 2)
    return [(i, j) for (i, high), (j, low) in numbered if high >= low + margin]
""",
        "sorted first": """
def ranked_pairs(felt, margin):
    order, found = sorted(range(len(felt)), key=lambda i: -felt[i]), []
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if felt[i] - felt[j] >= margin:
                found.append([i, j])
    return found
""",
    },
    "best": {
        "rows of a loop": """
import math
import numpy as np
def expected_best(scores, values, n):
    means = []
    for row, of_row in zip(scores, values):
        ordered = [value for _score, value in sorted(zip(row.tolist(), of_row.tolist()))]
        ways = [math.comb(i, n - 1) for i in range(len(ordered))]
        means.append(sum(w * v for w, v in zip(ways, ordered)) / math.comb(len(ordered), n))
    return np.array(means)
""",
        "all draws listed": """
from itertools import combinations
import numpy as np
def expected_best(scores, values, n):
    draws = np.array(list(combinations(range(scores.shape[1]), n)))
    best = np.take_along_axis(draws[None], scores[:, draws].argmax(2)[:, :, None], 2)[:, :, 0]
    return np.take_along_axis(values, best, 1).mean(1)
""",
        "a list": """
import math
def expected_best(scores, values, n):
    out = []
    for s, v in zip(scores, values):
        rank = {i: r for r, i in enumerate(sorted(range(len(s)), key=lambda i: s[i]))}
        out.append(sum(v[i] * math.comb(rank[i], n - 1) for i in rank) / math.comb(len(s), n))
    return out
""",
    },
    "kl-rewards": {
        "scatter": """
import torch
def kl_rewards(logp, ref_logp, score, last, kl_coef, mask):
    price = kl_coef * mask * (logp - ref_logp)
    return torch.zeros_like(logp).scatter(1, last[:, None], score[:, None]) - price
""",
        "a loop": """
import torch
def kl_rewards(logp, ref_logp, score, last, kl_coef, mask):
    rewards = torch.zeros(logp.shape)
    for row in range(len(logp)):
        for t in range(logp.shape[1]):
            if mask[row, t]:
                rewards[row, t] = -kl_coef * (logp[row, t] - ref_logp[row, t])
            if t == last[row]:
                rewards[row, t] += score[row]
    return rewards
""",
    },
    "clipped-loss": {
        "the smaller objective": """
import torch
def clipped_loss(logp, old_logp, advantages, mask, clip_ratio):
    ratio = torch.exp(logp - old_logp)
    clipped = torch.clamp(ratio, 1 - clip_ratio, 1 + clip_ratio)
    return -torch.min(ratio * advantages, clipped * advantages)[mask.bool()].mean()
""",
        "where": """
import torch
def clipped_loss(logp, old_logp, advantages, mask, clip_ratio):
    ratio = torch.exp(logp) / torch.exp(old_logp)
    above = torch.where(ratio > 1 + clip_ratio, 1 + clip_ratio, ratio)
    below = torch.where(ratio < 1 - clip_ratio, 1 - clip_ratio, ratio)
    losses = torch.where(advantages > 0, -advantages * above, -advantages * below)
    return torch.sum(losses * mask) / torch.sum(mask)
""",
    },
    "gae-exercise": {
        "a sum for each token": """
import torch
def gae(rewards, values, mask, gamma, lam):
    T = rewards.shape[1]
    values = values * mask
    ahead = torch.cat([values[:, 1:], torch.zeros(len(values), 1)], dim=1)
    delta = (rewards + gamma * ahead - values) * mask
    rows = [sum((gamma * lam) ** (j - i) * delta[:, j] for j in range(i, T)) for i in range(T)]
    advantages = torch.stack(rows, dim=1) * mask
    return advantages, advantages + values
""",
        "row by row": """
import torch
def gae(rewards, values, mask, gamma, lam):
    found = torch.zeros(rewards.shape)
    for row in range(len(rewards)):
        running = value = 0.0
        for t in range(rewards.shape[1] - 1, -1, -1):
            if mask[row, t]:
                delta = rewards[row, t] + gamma * value - values[row, t]
                running, value = delta + gamma * lam * running, values[row, t]
                found[row, t] = running
            else:
                running = value = 0.0
    return [found, (found + values) * mask]
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
    seeded = mock.patch.dict(os.environ, MINIGPT_SECRET=str(seed))
    with contextlib.redirect_stdout(io.StringIO()), seeded:
        exec(compile(answer, "answer", "exec"), names)
        if change:
            change(names)
        exec(compile(check, "check", "exec"), names)


# ---- right answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXERCISES)
def test_the_model_solution_passes_whatever_the_inputs(name):
    for seed in range(12):
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
    for seed in range(3):
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


SAID = {  # the sentences that the commonest mistakes get
    ("chat-pair", "typed, not special"): "Three marks in the prompt, one id each",
    ("chat-pair", "no end"): "a model never learns to stop",
    ("chat-pair", "no space"): "The answer begins with a space",
    ("chat-pair", "a typed mark counts"): r"typed ones stay text \(encode_ordinary\)",
    ("chat-pair", "encode as it is"): "encode_ordinary takes what was typed",
    ("chat-pair", "texts"): "Return two lists of ids",
    ("chat-pair", "nothing returned"): "you returned None. Return two lists of ids",
    ("loss-mask", "off by one"): "so the first True is one earlier",
    ("loss-mask", "not shifted"): "the last position is asked for nothing",
    ("loss-mask", "the end is not learned"): r"asked for <\|end\|>, and that counts",
    ("loss-mask", "turned round"): "True is for what counts",
    ("loss-mask", "two lists"): "Expected one list of True and False",
    ("sft-loss", "a sum"): "That is the sum",
    ("sft-loss", "over all positions"): "Divide by the targets that count alone",
    ("sft-loss", "row by row"): "Take one mean over all, not each row's",
    ("sft-loss", "no logarithm"): r"ln p is log_softmax\(-1\)",
    ("sft-loss", "no slope"): r"no item\(\) or detach\(\)",
    ("bt-loss", "a sum"): "take the mean over the pairs",
    ("bt-loss", "it overflows"): "has no logarithm: logsigmoid",
    ("bt-loss", "the mean first"): "the loss of each pair, and then their mean",
    ("bt-loss", "no slope"): r"Leave out detach\(\)",
    ("pairs", "turned round"): "first comes the better one's place",
    ("pairs", "what was felt"): "give places, from 0, not felt numbers",
    ("pairs", "no pairs"): r"Return a list of pairs \(better, worse\)",
    ("pairs", "twice"): "a pair stands there twice",
    ("kl-rewards", "leaving is paid for"): "leaving earns a reward here",
    ("kl-rewards", "at every token"): "the score is added at every token",
    ("kl-rewards", "at its start"): "the score belongs to the last token",
    ("kl-rewards", "at the end of the row"): "a short answer's row goes on",
    ("kl-rewards", "in all rows"): "takes these columns of every row",
    ("kl-rewards", "no mask"): "outside the mask the reward is 0",
    ("kl-rewards", "no score"): "the score is missing",
    ("kl-rewards", "β times the score"): "β is the price of KL alone",
    ("kl-rewards", "in what was given"): "changes a tensor that it was given",
    ("clipped-loss", "the smaller"): "of the two losses take the LARGER",
    ("clipped-loss", "a sum"): "take the mean",
    ("clipped-loss", "no mask"): "the mean over the mask alone",
    ("clipped-loss", "always clipped"): "a loss is never cut",
    ("clipped-loss", "never clipped"): "no ratio is held",
    ("clipped-loss", "the sign"): "the sign is turned",
    ("clipped-loss", "old over new"): "the ratio is new over old",
    ("clipped-loss", "no ratio"): "is the ratio e",
    ("clipped-loss", "no way back"): "would not learn",
    ("clipped-loss", "no tensor"): r"no \.item\(\)",
    ("gae-exercise", "no next value"): "γ V of the token after is missing",
    ("gae-exercise", "forwards"): "from the last token to the first",
    ("gae-exercise", "gamma forgotten"): "γ and λ both stand before A",
    ("gae-exercise", "returns minus values"): "as if λ were 1",
    ("gae-exercise", "nothing expected"): "V of the token itself is taken off",
    ("gae-exercise", "returns are the advantages"): r"returns are A \+ V",
    ("gae-exercise", "delta alone"): "γ λ A of the token after is missing",
    ("gae-exercise", "a value after the end"): "where the mask is 0",
    ("gae-exercise", "no mask in the sum"): "where the mask is 0",
    ("gae-exercise", "past the end"): "after the last token there is none",
    ("gae-exercise", "in what was given"): "changes a tensor that it was given",
    ("elo-exercise", "changes"): "add each to its rating",
    ("elo-exercise", "the right one first"): "The left rating comes first",
    ("elo-exercise", "the loser gains"): "The winner gains",
    ("elo-exercise", "half expected of all"): "among equals alone",
    ("elo-exercise", "turned round"): "Who is expected to win",
    ("elo-exercise", "both gain"): "What one gains the other loses",
    ("elo-exercise", "one of two"): "return two ratings",
    ("fit-exercise", "no mean of 1000"): "Shift the ratings so that their mean is 1000",
    ("fit-exercise", "natural logarithm"): "logarithm to base 10",
    ("fit-exercise", "strengths"): "These are strengths",
    ("fit-exercise", "losses"): "Those who lost are on top",
}


@pytest.mark.parametrize("name, what", SAID)
def test_a_common_mistake_has_its_sentence(name, what):
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


@pytest.mark.parametrize(
    "path", one_of_many(build.sources("en"), pytest.mark.notebook), ids=lambda path: path.stem
)
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
