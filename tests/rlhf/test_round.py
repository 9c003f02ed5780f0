"""Whole rounds of PPO against a second implementation: loops over answers, tokens and heads.

It shares no line with the package but the random numbers' order: no batch, no padding, no mask, no
cache, no optimizer of PyTorch's. In double precision both end with the same weights.
"""

import math

import numpy as np
import pytest
import torch

import minigpt.ppo
from exact import CONFIG, END, REWARD, assert_same, exact_gpt, exact_reward_model
from minigpt.ppo import PPOConfig, ppo
from toys import ToyEncoding

PROMPTS = [[1], [2, 3], [4, 5, 6], [7, 1], [8]]
TOKENS = np.random.default_rng(0).integers(0, 9, 60).astype(np.uint16)
SETTINGS = PPOConfig(
    iterations=2, prompts=5, max_new_tokens=5, epochs=2, minibatch=2, muon_lr=0.02, lr=0.03,
    value_lr=0.03, kl_coef=0.3, gamma=0.97, lam=0.9, ptx_coef=0.5, ptx_windows=2, block_size=8,
    seed=4,
)  # fmt: skip


# ---- the model, one token and one head at a time. p: weights by their names ------------------


def normed(x):
    centred = x - x.sum() / len(x)
    return centred / ((centred * centred).sum() / len(x) + 1e-5).sqrt()


def turned(x, position):
    """Each pair of numbers turned by its angle."""
    out = []
    for i in range(0, len(x), 2):
        angle = position * 1000 ** (-i / len(x))
        cos, sin = math.cos(angle), math.sin(angle)
        out += [x[i] * cos - x[i + 1] * sin, x[i] * sin + x[i + 1] * cos]
    return torch.stack(out)


def block(p, name, xs):
    heads, size = CONFIG.n_head, CONFIG.n_embd // CONFIG.n_head
    parts = [(p[f"{name}.qkv.weight"] @ normed(x)).split(size) for x in xs]
    keys = [[turned(normed(part[heads + h]), t) for h in range(heads)]
            for t, part in enumerate(parts)]  # fmt: skip
    out = []
    for t, x in enumerate(xs):
        seen = []
        for h in range(heads):
            query = turned(normed(parts[t][h]), t)
            weights = [(0.5 * (query @ keys[s][h])).exp() for s in range(t + 1)]
            values = [weights[s] * parts[s][2 * heads + h] for s in range(t + 1)]
            seen.append(sum(values) / sum(weights))
        x = x + p[f"{name}.attn_out.weight"] @ torch.cat(seen)
        inside = (p[f"{name}.mlp_in.weight"] @ normed(x)).clamp(min=0)
        out.append(x + p[f"{name}.mlp_out.weight"] @ (inside * inside))
    return out


def hidden_states(p, ids):
    xs = [normed(p["embedding.weight"][i]) for i in ids]
    for layer in range(CONFIG.n_layer):
        xs = block(p, f"blocks.{layer}", xs)
    return [normed(x) * p["gain"] for x in xs]


def next_logps(p, ids):
    """After each id, the log-probability of every token."""
    logits = [p["head.weight"] @ x for x in hidden_states(p, ids)]
    return [z - z.exp().sum().log() for z in logits]


def readings(p, gpt, ids):
    """What the layers of a reward model or value function say at each id."""
    before, xs = next_logps(gpt, ids), hidden_states(gpt, ids)
    for t in range(1, len(ids)):
        xs[t] = xs[t] - before[t - 1][ids[t]] * p["direction"]
    for layer in range(2):
        xs = block(p, f"blocks.{layer}", xs)
    return [p["head.weight"][0] @ normed(x) + p["head.bias"][0] for x in xs]


def sampled(p, prompt, seed, longest):
    """An answer: on the line of the probabilities the token on which the number falls."""
    key = np.array([seed, 0], dtype=np.uint64)
    numbers = np.random.Generator(np.random.Philox(key=key)).random(longest, dtype=np.float32)
    ids = []
    for number in numbers.tolist():
        token, below = -1, 0.0
        logps = next_logps(p, prompt + ids)[-1].tolist()
        while below <= number:
            token += 1
            below += math.exp(logps[token])
        ids.append(token)
        if token == END:
            break
    return ids


# ---- the optimizers, one weight at a time ----------------------------------------------------


def shortened(grads, longest):
    length = math.sqrt(sum(float((g * g).sum()) for g in grads.values()))
    return {name: g * min(1.0, longest / (length + 1e-6)) for name, g in grads.items()}


def orthogonal(x):
    if x.shape[0] > x.shape[1]:
        return orthogonal(x.T).T
    x = x / ((x * x).sum().sqrt() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x


class ByHand:
    """Adam, and for the matrices in blocks Muon where it has a rate."""

    def __init__(self, p):
        self.p, self.updates = p, 0
        self.first, self.second = ({n: torch.zeros_like(w) for n, w in p.items()} for _ in "12")

    def step(self, grads, lr, muon_lr=None):
        self.updates += 1
        for name, g in grads.items():
            with torch.no_grad():
                if muon_lr is not None and name.startswith("blocks."):
                    self.muon(name, g, muon_lr)
                else:
                    self.adam(name, g, lr)

    def adam(self, name, g, lr):
        self.first[name] = 0.9 * self.first[name] + 0.1 * g
        self.second[name] = 0.95 * self.second[name] + 0.05 * g * g
        mean = self.first[name] / (1 - 0.9**self.updates)
        square = self.second[name] / (1 - 0.95**self.updates)
        self.p[name] -= lr * mean / (square.sqrt() + 1e-8)

    def muon(self, name, g, lr):
        mu = 0.85 + 0.10 * min(1.0, (self.updates - 1) / 50)
        self.first[name] = mu * self.first[name] + (1 - mu) * g
        ahead, weight = mu * self.first[name] + (1 - mu) * g, self.p[name]
        rows, columns = weight.shape
        parts = 3 if rows == 3 * columns else 1  # queries, keys, values
        for i in range(0, rows, rows // parts):
            at = slice(i, i + rows // parts)
            taller = max(1.0, rows / parts / columns)
            weight[at] -= lr * math.sqrt(taller) * orthogonal(ahead[at])


# ---- the rounds ------------------------------------------------------------------------------


def documents(c):
    """Endless lists of windows, a token more than is read of each: every one once before any
    twice."""
    order, generator = [], torch.Generator().manual_seed(c.seed + 1)
    while True:
        if len(order) < c.ptx_windows:
            order += torch.randperm((len(TOKENS) - 1) // c.block_size, generator=generator).tolist()
        read, order = order[: c.ptx_windows], order[c.ptx_windows :]
        yield [TOKENS[i * c.block_size : (i + 1) * c.block_size + 1].tolist() for i in read]


def advantages_of(rewards, values, c):
    """Of one answer: the sum of what surprised the values from each token on."""
    after = [*values[1:], 0.0]
    surprise = [r + c.gamma * a - v for r, a, v in zip(rewards, after, values)]
    return [
        sum((c.gamma * c.lam) ** (k - t) * surprise[k] for k in range(t, len(surprise)))
        for t in range(len(surprise))
    ]


class Answer:
    """A sampled answer and what all say of it, number by number."""

    def __init__(self, prompt, seed, policy, sft, scorer, value, c):
        self.ids = sampled(policy, prompt, seed, c.max_new_tokens)
        self.whole, self.at = prompt + self.ids, range(len(prompt) - 1, len(prompt + self.ids) - 1)
        self.ended = self.ids[-1] == END
        now, before = next_logps(policy, self.whole), next_logps(sft, self.whole)
        self.old = [float(x) for x in self.chosen(now)]
        self.ref = [float(x) for x in self.chosen(before)]
        told = readings(value, sft, self.whole)
        self.old_values = [float(told[t]) for t in self.at]
        self.score = c.cut_off_reward
        if self.ended:
            raw = float(readings(scorer, sft, [*self.whole, REWARD])[-1])
            self.score = (raw - 0.3) / 1.7
        rewards = [-c.kl_coef * (a - b) for a, b in zip(self.old, self.ref)]
        rewards[-1] += self.score
        self.advantages = advantages_of(rewards, self.old_values, c)
        self.returns = [a + v for a, v in zip(self.advantages, self.old_values)]
        pairs = [(now[t].exp(), now[t], before[t]) for t in self.at]
        self.kl = sum(float((p * (a - b)).sum()) for p, a, b in pairs)
        self.entropies = [-float((p * a).sum()) for p, a, _ in pairs]

    def chosen(self, logps):
        """Of each token of the answer the log-probability."""
        return [logps[t][self.whole[t + 1]] for t in self.at]


def rounds(policy, sft, scorer, value, c):
    """PPO on weights by name, in place; yields a dict of what a round did."""
    rng, reader = np.random.default_rng(c.seed), documents(c)
    acting, judging = ByHand(policy), ByHand(value)
    for iteration in range(c.iterations):
        with torch.no_grad():
            picked = rng.choice(len(PROMPTS), c.prompts, replace=False).tolist()
            seeds = rng.integers(0, 2**62, c.prompts).tolist()
            answers = [Answer(PROMPTS[i], seed, policy, sft, scorer, value, c)
                       for i, seed in zip(picked, seeds)]  # fmt: skip
        every = [a for answer in answers for a in answer.advantages]
        mean = sum(every) / len(every)
        spread = math.sqrt(sum((a - mean) ** 2 for a in every) / len(every) + 1e-8)
        left, losses, clipped, ratios = 1 - iteration / c.iterations, [], [], []
        for _epoch in range(c.epochs):
            order = rng.permutation(c.prompts).tolist()
            while order:
                part, order = order[: c.minibatch], order[c.minibatch :]
                terms, flat = [], []
                for answer in (answers[i] for i in part):
                    now = answer.chosen(next_logps(policy, answer.whole))
                    for logp, old, a in zip(now, answer.old, answer.advantages):
                        ratio, a = (logp - old).exp(), (a - mean) / spread
                        kept = ratio.clamp(1 - c.clip_ratio, 1 + c.clip_ratio)
                        terms.append(-min(a * ratio, a * kept))
                        flat.append((a * kept < a * ratio).item())
                        ratios.append(abs(ratio.item() - 1) if not losses else 0.0)
                loss = sum(terms) / len(terms)
                whole = loss + c.ptx_coef * reading_loss(policy, next(reader))
                grads = torch.autograd.grad(whole, list(policy.values()))
                acting.step(shortened(dict(zip(policy, grads)), c.max_grad_norm), c.lr * left,
                            c.muon_lr * left)  # fmt: skip
                squares = []
                for answer in (answers[i] for i in part):
                    told = readings(value, sft, answer.whole)
                    for t, old, target in zip(answer.at, answer.old_values, answer.returns):
                        near = old + (told[t] - old).clamp(-c.value_clip, c.value_clip)
                        squares.append(max((told[t] - target) ** 2, (near - target) ** 2) / 2)
                grads = torch.autograd.grad(sum(squares) / len(squares), list(value.values()))
                judging.step(shortened(dict(zip(value, grads)), c.max_grad_norm), c.value_lr)
                losses.append(loss.item())
                clipped.append(sum(flat) / len(flat))
        count = len(answers)
        entropies = [e for answer in answers for e in answer.entropies]
        yield answers, {
            "reward": sum(answer.score for answer in answers) / count,
            "kl": sum(answer.kl for answer in answers) / count,
            "entropy": sum(entropies) / len(entropies),
            "ended": sum(answer.ended for answer in answers) / count,
            "clip_share": sum(clipped) / len(clipped), "first_ratio": max(ratios),
            "loss": sum(losses) / len(losses),
        }  # fmt: skip


def reading_loss(p, texts):
    """Mean loss of the next token."""
    losses = []
    for ids in texts:
        for t, logps in enumerate(next_logps(p, ids[:-1])):
            losses.append(-logps[ids[t + 1]])
    return sum(losses) / len(losses)


def weights(module):
    """By name, copies that can be trained."""
    return {name: w.detach().clone().requires_grad_() for name, w in module.named_parameters()}


def test_rounds_of_ppo_end_with_the_weights_of_loops(float64, monkeypatch):
    policy, reward, made = exact_gpt(), exact_reward_model(exact_gpt()), []
    real = minigpt.ppo.new_value_function
    monkeypatch.setattr(
        minigpt.ppo, "new_value_function", lambda model: made.append(real(model)) or made[0]
    )
    theirs, sft, scorer = weights(policy), weights(policy), weights(reward.layers)
    value = weights(reward.layers)
    with torch.no_grad():
        value["head.weight"].zero_()
        value["head.bias"].zero_()
    steps = ppo(policy, reward, PROMPTS, TOKENS, ToyEncoding(END, REWARD), SETTINGS)
    seen = []
    for step, (answers, numbers) in zip(steps, rounds(theirs, sft, scorer, value, SETTINGS)):
        assert [sample.ids for sample in step.rollout.samples] == [a.ids for a in answers]
        assert_same({name: getattr(step, name) for name in numbers}, numbers)
        inside = step.rollout.mask.bool()
        for name in ("old", "ref", "old_values", "returns"):
            field = {"old": "logp", "ref": "ref_logp", "old_values": "values"}.get(name)
            found = getattr(step.rollout, field) if field else step.returns
            assert_same(found[inside], [x for a in answers for x in getattr(a, name)])
        assert_same(dict(policy.named_parameters()), theirs)
        assert_same(dict(made[0].named_parameters()), value)
        seen.append(numbers)
    assert len(seen) == SETTINGS.iterations
    # The rounds had something of everything in them.
    assert any(0 < s["ended"] < 1 for s in seen) and all(0 < s["clip_share"] < 1 for s in seen)
    assert all(s["kl"] > 0.01 for s in seen[1:]) and seen[0]["kl"] == pytest.approx(0, abs=1e-12)
