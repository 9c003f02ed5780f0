"""Padding, batches and order change no loss, score, KL, return or gradient; oracles for formulas.

Random cases from fixed seeds, in double precision.
"""

import math
import random

import pytest
import torch
import torch.nn.functional as F

from exact import (
    END,
    REWARD,
    V,
    assert_same,
    exact_gpt,
    exact_reward_model,
    gradients,
    noise,
    random_mask,
    shuffled,
    text,
)
from minigpt.engine.answers import kl_and_entropy, masked_mean, whiten
from minigpt.engine.batching import by_length, pad_right
from minigpt.generate import generate
from minigpt.model import IGNORE
from minigpt.ppo import (
    PPOConfig,
    clipped_loss,
    gae,
    kl_estimates,
    kl_rewards,
    logprobs_on,
    reinforce_loss,
    rollout,
    update_numbers,
    value_loss,
    value_loss_on,
)
from minigpt.reward import RewardConfig, bradley_terry, new_value_function, score_all, train_reward
from minigpt.sft import sft_batch, sft_loss
from toys import ToyEncoding

pytestmark = pytest.mark.usefixtures("float64")

PAD, TOY = V - 1, ToyEncoding(END, REWARD)


def cases(n: int = 8) -> list[random.Random]:
    """What draws the random cases of a test."""
    return [random.Random(seed) for seed in range(n)]


# ---- finetuning ------------------------------------------------------------------------------


def sft_loss_of(model, pairs, more: int = 0, filler: int = PAD):
    """The loss and its gradient, of a batch with `more` columns of padding than it needs."""
    inputs, targets = sft_batch(pairs, filler)
    inputs, targets = (
        F.pad(inputs, (0, more), value=filler),
        F.pad(targets, (0, more), value=IGNORE),
    )
    loss = sft_loss(model(inputs), targets)
    return loss.item(), gradients(loss, model)


def test_rule_04_padding_order_and_batches_change_no_loss_and_no_gradient_of_answers():
    model = exact_gpt()
    for rng in cases():
        pairs = [(text(rng), [*text(rng), END]) for _ in range(rng.randint(2, 5))]
        loss, grads = sft_loss_of(model, pairs)
        other = [pairs[i] for i in shuffled(rng, len(pairs))]
        found = sft_loss_of(model, other, rng.randint(0, 5), rng.choice([PAD, 0, END]))
        assert_same(found[0], loss)
        assert_same(found[1], grads)
        cut = rng.randrange(1, len(pairs))
        parts, n = (other[:cut], other[cut:]), sum(len(answer) for _, answer in pairs)
        mean, summed = 0.0, {name: 0.0 for name in grads}
        for part in parts:
            share = sum(len(answer) for _, answer in part) / n
            part_loss, part_grads = sft_loss_of(model, part)
            mean += share * part_loss
            summed = {name: summed[name] + share * g for name, g in part_grads.items()}
        assert_same(mean, loss)
        assert_same(summed, grads)


# ---- reward model ----------------------------------------------------------------------------


def test_rule_06_padding_order_and_batches_change_no_score_and_no_gradient():
    model = exact_reward_model()
    for rng in cases():
        rows = [[*text(rng), *text(rng), REWARD] for _ in range(6)]
        alone = torch.cat([model.score([row]) for row in rows]).detach()
        order = shuffled(rng, 6)
        for batch in (1, 2, 4, 6):
            assert_same(score_all(model, [rows[i] for i in order], batch), alone[order])
        idx, last = pad_right(rows)
        better, worse = [0, 1, 2], [3, 4, 5]
        results = []
        for at_once, filler in ((1, 0), (2, 0), (6, END)):
            beyond = torch.arange(idx.shape[1]) > last[:, None]
            wide = F.pad(idx.masked_fill(beyond, filler), (0, rng.randint(0, 3)), value=filler)
            lengths = list(map(len, rows)) if at_once < 6 else [wide.shape[1]] * 6
            (scores,) = by_length(model.raw_score, lengths, wide, last, rows=at_once)
            loss = bradley_terry(scores[better], scores[worse])
            results.append((loss.item(), gradients(loss, model.layers)))
        for loss, grads in results[1:]:
            assert_same(loss, results[0][0])
            assert_same(grads, results[0][1])


def test_rule_09_the_order_of_prompts_within_a_batch_changes_no_update():
    rng = random.Random(0)
    sequences = [[[*text(rng), REWARD] for _ in range(3)] for _ in range(5)]
    pairs = [[(0, 1), (0, 2)], [(1, 2)], [(2, 0), (2, 1)], [(0, 1)], []]
    ends = []
    for seed in range(4):  # which decides the order
        order = shuffled(rng, 5)
        model = exact_reward_model()
        one = [sequences[i] for i in order], [pairs[i] for i in order]
        (step,) = train_reward(model, *one, RewardConfig(8, seed=seed))
        ends.append((step.loss, dict(model.layers.named_parameters())))
    for loss, weights in ends[1:]:
        assert_same(loss, ends[0][0])
        assert_same(weights, ends[0][1], atol=1e-8)  # the bias: Adam makes 1e-9 of rounding


# ---- rewards, advantages, losses: rows in another order, more columns at both sides -----------


class Moved:
    """The same answers in another batch: rows in another order, junk in more columns."""

    def __init__(self, rng, rows):
        self.order, self.before, self.after = (
            shuffled(rng, rows),
            rng.randrange(4),
            rng.randrange(4),
        )
        self.rng = rng

    def rows(self, x):
        return x[self.order]

    def table(self, x, junk=True):
        x = F.pad(x[self.order], (self.before, self.after))
        if junk:
            x[:, : self.before] = 9 * noise(self.rng, len(x), self.before)
            x[:, x.shape[1] - self.after :] = 9 * noise(self.rng, len(x), self.after)
        return x

    def back(self, x):
        return x[:, self.before : x.shape[1] - self.after][torch.tensor(self.order).argsort()]


def last_of(mask):
    """(B,) the last column where the mask is 1."""
    return (mask * torch.arange(1, mask.shape[1] + 1)).argmax(1)


def test_rule_11_and_18_padding_and_order_change_no_reward_advantage_or_return():
    for rng in cases():
        mask = random_mask(rng, 4, 7)
        logp, ref_logp, values = (noise(rng, 4, 7) for _ in range(3))
        score, moved = noise(rng, 4), Moved(rng, 4)
        rewards = kl_rewards(logp, ref_logp, score, last_of(mask), 0.3, mask)
        advantages, returns = gae(rewards, values, mask, 0.97, 0.9)
        assert_same(rewards.sum(1), score - 0.3 * ((logp - ref_logp) * mask).sum(1))

        wide = moved.table(mask, junk=False)
        found = kl_rewards(moved.table(logp), moved.table(ref_logp), moved.rows(score),
                           last_of(wide), 0.3, wide)  # fmt: skip
        assert_same(moved.back(found), rewards)
        found = gae(found, moved.table(values), wide, 0.97, 0.9)
        assert_same(moved.back(found[0]), advantages)
        assert_same(moved.back(found[1]), returns)
        assert_same(moved.back(whiten(found[0], wide)), whiten(advantages, mask))
        for x in (*found, whiten(found[0], wide)):
            assert not x[wide == 0].any()


def test_rule_24_padding_and_order_change_no_loss_of_ppo_and_padding_gets_no_gradient():
    for rng in cases():
        mask = random_mask(rng, 4, 7)
        new, old, target = (0.5 * noise(rng, 4, 7) for _ in range(3))
        reward, moved = noise(rng, 4), Moved(rng, 4)
        losses = [
            (lambda x, *rest: clipped_loss(x, *rest, 0.2), old, target),
            (lambda x, *rest: value_loss(x, *rest, 0.2), old, target),
        ]
        wide = moved.table(mask, junk=False)
        for loss_of, *rest in losses:
            x = new.clone().requires_grad_()
            loss = loss_of(x, *rest, mask)
            (gradient,) = torch.autograd.grad(loss, x)
            y = moved.table(new).requires_grad_()
            again = loss_of(y, *(moved.table(r) for r in rest), wide)
            (found,) = torch.autograd.grad(again, y)
            assert_same(again, loss)
            assert_same(moved.back(found), gradient)
            assert not found[wide == 0].any() and not gradient[mask == 0].any()
        loss = reinforce_loss(new, reward, mask)
        assert_same(reinforce_loss(moved.table(new), moved.rows(reward), wide), loss)
        share = update_numbers(loss, new, old, target, mask, 0.2)[1]
        given = [moved.table(x) for x in (new, old, target)]
        assert_same(update_numbers(loss, *given, wide, 0.2)[1], share)


# ---- answers: who else is in the batch ---------------------------------------------------------


def answers_of(r):
    """What a Rollout says of each answer, without padding."""
    found = []
    for row, sample in enumerate(r.samples):
        inside = r.mask[row].bool()
        assert inside.sum() == len(sample.ids)
        names = ("logp", "ref_logp", "k1", "k3", "kl", "entropy", "values")
        numbers = {name: getattr(r, name)[row, inside] for name in names}
        found.append({"ids": sample.ids, "score": r.score[row], **numbers})
    return found


def test_rule_05_and_14_an_answer_and_what_all_say_of_it_are_the_same_in_any_batch():
    policy, reference, reward = exact_gpt(1), exact_gpt(3), exact_reward_model(exact_gpt(3))
    layers, c = exact_reward_model(seed=7).layers, PPOConfig(max_new_tokens=6)

    def of(asked, seeds):
        return rollout(policy, reference, reward, layers, asked, seeds, TOY, c)

    for rng in cases(4):
        asked = [text(rng) for _ in range(5)]
        seeds, order = [rng.randrange(2**40) for _ in asked], shuffled(rng, 5)
        whole = of(asked, seeds)
        expected = answers_of(whole)
        other = answers_of(of([asked[i] for i in order], [seeds[i] for i in order]))
        alone = [answers_of(of([p], [seed]))[0] for p, seed in zip(asked, seeds)]
        for i in range(5):
            assert_same(other[order.index(i)], expected[i])
            assert_same(alone[i], expected[i])
        # Of a minibatch the log-probabilities are those that the batch was sampled with.
        for rows in (torch.tensor([order[0]]), torch.tensor(order[1:4])):
            logp, old, mask = logprobs_on(policy, whole, rows)
            assert_same(logp * mask, old * mask)


def test_rule_25_a_minibatch_is_the_token_weighted_mean_of_its_answers():
    policy, moved, reward = exact_gpt(1), exact_gpt(1), exact_reward_model()
    c, layers = PPOConfig(max_new_tokens=6), new_value_function(reward)
    with torch.no_grad():  # so that the ratios are not 1 and the values not 0
        moved.head.weight.add_(0.2 * noise(random.Random(0), V, 8))
        layers.head.weight.add_(0.3)
    for rng in cases(4):
        asked = [text(rng) for _ in range(4)]
        r = rollout(policy, reward.gpt, reward, layers, asked, list(range(4)), TOY, c)
        advantages, returns = (noise(rng, *r.mask.shape) for _ in range(2))

        def of(rows, r=r, advantages=advantages, returns=returns):
            logp, old, mask = logprobs_on(moved, r, rows)
            loss = clipped_loss(logp, old, advantages[rows], mask, 0.2)
            v_loss = value_loss_on(layers, r, rows, returns, c)
            return (loss.item(), v_loss.item(), gradients(loss, moved), gradients(v_loss, layers))

        whole = of(torch.tensor(shuffled(rng, 4)))
        parts = [of(torch.tensor([i])) for i in range(4)]
        shares = [r.mask[i].sum() / r.mask.sum() for i in range(4)]
        for k in (0, 1):
            assert_same(sum(s * part[k] for s, part in zip(shares, parts)), whole[k])
        for k in (2, 3):
            for name, g in whole[k].items():
                assert_same(sum(s * part[k][name] for s, part in zip(shares, parts)), g)


def test_rule_33_and_34_cache_batch_and_order_change_no_answer():
    model = exact_gpt()
    for rng in cases(4):
        asked = [text(rng) for _ in range(5)]
        seeds = [rng.randrange(2**40) for _ in asked]
        batch = generate(model, asked, 8, stop=END, seeds=seeds)
        for prompt, seed, sample in zip(asked, seeds, batch):
            (alone,) = generate(model, [prompt], 8, stop=END, seeds=[seed])
            assert alone.ids == sample.ids
            logits = model(torch.tensor([prompt + sample.ids]))[0, len(prompt) - 1 : -1]
            logp = logits.log_softmax(-1)[range(len(sample.ids)), sample.ids]
            assert_same(sample.logprobs, logp)


# ---- oracles -----------------------------------------------------------------------------------


def closed_form(rewards, values, gamma, lam):
    """Equation 16 as a double sum, of one answer; the value after it is 0."""
    after = [*values[1:], 0.0]
    delta = [r + gamma * a - v for r, a, v in zip(rewards, after, values)]
    n = range(len(rewards))
    return [sum((gamma * lam) ** (k - t) * delta[k] for k in n if k >= t) for t in n]


def test_rule_18_gae_against_the_closed_form_and_padding_changes_nothing():
    for rng in cases():
        for gamma, lam in ((1.0, 0.95), (0.9, 0.8), (1.0, 0.0), (rng.random(), 1.0)):
            mask = random_mask(rng, 3, 9)
            rewards, values = noise(rng, 3, 9), noise(rng, 3, 9)  # also where the mask is 0
            advantages, returns = gae(rewards * mask, values, mask, gamma, lam)
            for row in range(3):
                inside = mask[row].bool()
                r, v = rewards[row, inside].tolist(), values[row, inside].tolist()
                expected = closed_form(r, v, gamma, lam)
                assert_same(advantages[row, inside], expected)
                assert_same(returns[row, inside], [a + b for a, b in zip(expected, v)])
                assert not advantages[row, ~inside].any() and not returns[row, ~inside].any()


def test_rule_12_both_estimates_have_the_exact_kl_as_their_expectation():
    for rng in cases():
        logits, ref_logits = 2 * noise(rng, 5, V), 2 * noise(rng, 5, V)
        kl, entropy = kl_and_entropy(logits, ref_logits)
        for row in range(5):
            p, q = ([math.exp(x) for x in z[row].tolist()] for z in (logits, ref_logits))
            p, q = ([x / sum(z) for x in z] for z in (p, q))
            exact = sum(a * math.log(a / b) for a, b in zip(p, q))
            assert exact > 0
            assert_same(kl[row], exact)
            assert_same(entropy[row], -sum(a * math.log(a) for a in p))
            k1, k3 = kl_estimates(*(torch.tensor([math.log(x) for x in z]) for z in (p, q)))
            assert (k3 >= 0).all()
            for estimate in (k1, k3):
                assert_same(sum(a * e for a, e in zip(p, estimate.tolist())), exact)
        assert_same(kl_and_entropy(logits, logits + 3)[0], torch.zeros(5))


def test_rule_22_and_23_both_clips_against_a_loop_over_tokens():
    shares = []
    for rng in cases():
        mask = random_mask(rng, 4, 7)
        new, old, target = (noise(rng, 4, 7) for _ in range(3))
        clip, losses, squares, flat = rng.uniform(0.05, 0.5), [], [], 0
        for row in range(4):
            for t in range(7):
                if mask[row, t]:
                    a, b, c = (float(x[row, t]) for x in (new, old, target))
                    ratio, step = math.exp(a - b), min(max(a - b, -clip), clip)
                    kept = min(max(ratio, 1 - clip), 1 + clip)
                    losses.append(-min(c * ratio, c * kept))
                    flat += c * kept < c * ratio
                    squares.append(max((a - c) ** 2, (b + step - c) ** 2) / 2)
        n = len(losses)
        loss = clipped_loss(new, old, target, mask, clip)
        assert_same(loss, sum(losses) / n)
        assert_same(value_loss(new, old, target, mask, clip), sum(squares) / n)
        assert_same(update_numbers(loss, new, old, target, mask, clip)[1], flat / n)
        shares.append(flat / n)
    assert 0.1 < sum(shares) / len(shares) < 0.9  # some were clipped, some were not


def test_rule_20_whitening_against_numbers_one_by_one():
    for rng in cases():
        mask = random_mask(rng, 4, 7)
        x = 3 * noise(rng, 4, 7) + 5
        inside = x[mask.bool()].tolist()
        mean = sum(inside) / len(inside)
        spread = math.sqrt(sum((v - mean) ** 2 for v in inside) / len(inside) + 1e-8)
        assert_same(masked_mean(x, mask), mean)
        assert_same(whiten(x, mask)[mask.bool()], [(v - mean) / spread for v in inside])
