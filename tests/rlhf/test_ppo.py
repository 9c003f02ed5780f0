"""PPO: every formula by hand or by brute force, and a whole round against a loop over answers.

A name that begins with test_rule_NN holds to a rule of correct RLHF that others broke.
"""

import copy
import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import minigpt.ppo
import toys
from minigpt.engine.answers import kl_and_entropy, masked_mean, whiten
from minigpt.generate import generate
from minigpt.lessons.ppo.instruments import derived
from minigpt.model import GPT, GPTConfig, next_token_loss
from minigpt.ppo import (
    PPOConfig,
    PPOStep,
    Rollout,
    Steps,
    clipped_loss,
    gae,
    kl_estimates,
    kl_rewards,
    ppo,
    reinforce_loss,
    token_logprobs,
    update_numbers,
    value_loss,
)
from minigpt.pretrain import PretrainConfig, batches
from minigpt.reward import RewardModel, reward_input
from minigpt.sft import SFTConfig, chat_answer, chat_prompt
from minigpt.stages.scoring import chat_score
from minigpt.stages.stage import SHIPPED, load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import sample_questions
from toys import ToyEncoding

V, END, REWARD = 16, 14, 13
TOY = ToyEncoding(END, REWARD)
PROMPTS = [[1], [2, 3], [4, 5, 6], [7], [8, 9, 10, 11], [12, 1]]
TOKENS = np.random.default_rng(0).integers(0, 12, 300).astype(np.uint16)


def config(**changed):
    small = {"iterations": 3, "prompts": 6, "max_new_tokens": 6, "minibatch": 3, "block_size": 8}
    return PPOConfig(**{**small, "lr": 1e-2, "value_lr": 1e-2, **changed})


def awake_gpt(seed=1, std=0.3):
    return toys.awake_gpt(seed, std, vocab_size=V, block_size=16)


def reward_model():
    return RewardModel(awake_gpt(2))


def keep_copies(monkeypatch):
    """The list of the copies that a run makes: the reference, then the value function's layers."""
    copies, made = [], minigpt.ppo.new_value_function

    def kept(module, real=copy.deepcopy):
        copies.append(real(module))
        return copies[-1]

    monkeypatch.setattr(minigpt.ppo, "copy", SimpleNamespace(deepcopy=kept))
    monkeypatch.setattr(minigpt.ppo, "new_value_function", lambda r: kept(r, made))
    return copies


def start(policy=None, reward=None, prompts=PROMPTS, steps=None, **changed):
    policy = policy or awake_gpt()
    args = policy, reward or reward_model(), prompts, TOKENS, TOY, config(**changed)
    return ppo(*args, steps or Steps())


def told(steps):
    """All that the steps say, as numbers that can be compared."""
    return [
        {name: x.tolist() if isinstance(x, torch.Tensor) else x for name, x in both.items()}
        for step in steps
        for both in ({**vars(step), "rollout": None}, vars(step.rollout))
    ]


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def same_weights(a, b):
    return all(torch.equal(a.state_dict()[name], p) for name, p in b.state_dict().items())


def spy(monkeypatch, name):
    """Let a function of minigpt.ppo note its arguments; returns the list of them."""
    real, calls = getattr(minigpt.ppo, name), []

    def noted(*args, **options):
        kept = [a.detach().clone() if isinstance(a, torch.Tensor) else a for a in args]
        calls.append(SimpleNamespace(args=kept, options=options))
        return real(*args, **options)

    monkeypatch.setattr(minigpt.ppo, name, noted)
    return calls


def spy_on_loss(name):
    """Steps whose loss of that name notes its arguments, and the list of them."""
    real, calls = getattr(Steps(), name), []

    def noted(*args):
        calls.append(SimpleNamespace(args=[a.detach().clone() if torch.is_tensor(a) else a
                                           for a in args]))  # fmt: skip
        return real(*args)

    return Steps(**{name: noted}), calls


MASK = torch.tensor([[0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1.0]])
LAST = torch.tensor([3, 3, 5])


# Log-probabilities: which logits score which token


def test_rule_03_log_probabilities_are_of_the_next_token_by_hand():
    probs = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]])
    logits = probs.log() + 5.0  # logits are not normalised
    found = token_logprobs(logits, torch.tensor([[0, 2, 1]]))
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.2]]).log())


def test_rule_13_answers_are_drawn_from_the_distribution_that_scores_them(monkeypatch):
    calls = spy(monkeypatch, "generate")
    policy = awake_gpt()
    run = start(policy)
    next(run)
    before = copy.deepcopy(policy)  # the policy of the second round's answers
    step = next(run)
    for call in calls:
        assert call.args[0] is policy
        assert set(call.options) == {"stop", "seeds"}  # temperature 1 and no filter are defaults
        assert call.options["stop"] == END
    for i, sample in zip(step.prompts, step.rollout.samples):
        ids = torch.tensor([PROMPTS[i] + sample.ids])
        logp = token_logprobs(before(ids), ids)[0, len(PROMPTS[i]) - 1 :]
        torch.testing.assert_close(torch.tensor(sample.logprobs), logp, rtol=0, atol=1e-5)


def test_rule_33_cached_generation_agrees_with_the_whole_forward_pass():
    policy = awake_gpt()
    for prompt, sample in zip(PROMPTS, generate(policy, PROMPTS, 6, temperature=0, stop=END)):
        ids = torch.tensor([prompt + sample.ids])
        assert policy(ids)[0, len(prompt) - 1 : -1].argmax(-1).tolist() == sample.ids


# KL: the price, the estimators, the exact value


def test_rule_11_kl_penalty_per_token_score_once_by_hand():
    logp = torch.tensor([[-1.0, -2.0, -3.0, 9.0]])
    ref_logp = torch.tensor([[-1.5, -1.0, -3.0, -9.0]])
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    found = kl_rewards(logp, ref_logp, torch.tensor([2.0]), torch.tensor([2]), 0.1, mask)
    torch.testing.assert_close(found, torch.tensor([[-0.05, 0.1, 2.0, 0.0]]))


def test_rule_11_rewards_sum_to_score_minus_priced_kl_for_any_padding():
    logp, ref_logp, score = noise(3, 6), noise(3, 6, seed=1), noise(3, seed=2)
    found = kl_rewards(logp, ref_logp, score, LAST, 0.3, MASK)
    torch.testing.assert_close(found.sum(1), score - 0.3 * ((logp - ref_logp) * MASK).sum(1))
    assert (found * (1 - MASK) == 0).all()
    pad = torch.full((3, 4), 7.0)
    wider = kl_rewards(
        torch.cat([logp, pad], 1), torch.cat([ref_logp, -pad], 1), score, LAST, 0.3,
        torch.cat([MASK, 0 * pad], 1),
    )  # fmt: skip
    assert torch.equal(wider, torch.cat([found, 0 * pad], 1))


P, Q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.4, 0.4, 0.2])
KL = 0.7 * math.log(7 / 4) + 0.3 * math.log(1 / 2)


def test_rule_12_exact_kl_and_entropy_by_hand():
    kl, entropy = kl_and_entropy(P.log() + 3, Q.log() - 2)
    assert kl.item() == pytest.approx(KL, abs=1e-6) == pytest.approx(0.1838, abs=1e-4)
    expected = -sum(p * math.log(p) for p in (0.7, 0.2, 0.1))
    assert entropy.item() == pytest.approx(expected, abs=1e-6)


def test_rule_12_expectation_of_both_estimators_is_the_exact_kl():
    k1, k3 = kl_estimates(P.log(), Q.log())
    assert (P * k1).sum().item() == pytest.approx(KL, abs=1e-6)
    assert (P * k3).sum().item() == pytest.approx(KL, abs=1e-6)
    # The other direction, or the other sign, is another number.
    backward, _ = kl_estimates(Q.log(), P.log())
    assert abs((Q * backward).sum().item() - KL) > 0.005


def test_rule_12_exact_kl_against_pytorch_and_never_negative():
    a, b = noise(4, 5, V), noise(4, 5, V, seed=1)
    kl, entropy = kl_and_entropy(a, b)
    p, q = (torch.distributions.Categorical(logits=x) for x in (a, b))
    torch.testing.assert_close(kl, torch.distributions.kl_divergence(p, q))
    torch.testing.assert_close(entropy, p.entropy())
    assert (kl > 0).all()
    assert (kl_and_entropy(a, a)[0] == 0).all()


def test_rule_12_k3_is_never_negative_and_k1_may_be():
    k1, k3 = kl_estimates(noise(1000), noise(1000, seed=1))
    assert (k3 >= 0).all() and (k1 < 0).any()
    assert all((k == 0).all() for k in kl_estimates(noise(9), noise(9)))


def test_rule_12_estimates_from_sampled_answers_agree_with_the_exact_kl():
    policy, reference = awake_gpt(1), awake_gpt(1)
    with torch.no_grad():
        reference.head.weight.add_(0.15 * noise(V, 32, seed=5))
    samples = generate(policy, [[1, 2]] * 1500, 5, seeds=3)  # no stop: all of one length
    idx = torch.tensor([[1, 2] + s.ids for s in samples])
    with torch.no_grad():
        logits, ref_logits = policy(idx), reference(idx)
        exact, _ = kl_and_entropy(logits[:, 1:-1], ref_logits[:, 1:-1])  # (B, 5)
        k1, k3 = kl_estimates(token_logprobs(logits, idx), token_logprobs(ref_logits, idx))
    for estimate in (k1[:, 1:], k3[:, 1:]):
        difference = (estimate - exact).sum(1)  # mean 0: paired by answer, which is less noise
        assert abs(difference.mean()) < 4 * difference.std() / 1500**0.5
        assert difference.std() > 0.01  # it is an estimate
    assert exact.sum(1).mean() > 0.3


# Advantages and their whitening


def brute_force_gae(rewards, values, gamma, lam):
    """Equation 11 as a double sum, of one answer without padding; the value after it is 0."""
    n = len(rewards)
    ahead = [*values[1:], 0.0]
    delta = [rewards[t] + gamma * ahead[t] - values[t] for t in range(n)]
    return [sum((gamma * lam) ** (k - t) * delta[k] for k in range(t, n)) for t in range(n)]


def test_rule_18_without_values_and_discount_it_is_the_reward_to_go():
    rewards = torch.tensor([[1.0, -2.0, 3.0, 0.0]])
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    advantages, returns = gae(rewards, torch.zeros(1, 4), mask, 1.0, 1.0)
    assert advantages.tolist() == returns.tolist() == [[2.0, 1.0, 3.0, 0.0]]


def test_rule_18_value_after_the_end_is_zero_by_hand():
    # One token: its advantage is reward - value, whatever the value model says after the end.
    rewards, values = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.5, 100.0]])
    advantages, _ = gae(rewards, values, torch.tensor([[1.0, 0.0]]), 1.0, 0.95)
    assert advantages.tolist() == [[1.5, 0.0]]


def test_rule_20_whitened_advantages_have_mean_0_and_variance_1_over_the_answers():
    x = 3 * noise(3, 6) + 5
    white = whiten(x, MASK)
    inside = white[MASK.bool()]
    assert inside.mean().item() == pytest.approx(0, abs=1e-6)
    assert inside.var(unbiased=False).item() == pytest.approx(1, abs=1e-5)
    assert (white[~MASK.bool()] == 0).all()
    changed = torch.where(MASK.bool(), x, torch.full_like(x, 1e4))  # what is outside is not seen
    torch.testing.assert_close(whiten(changed, MASK), white)
    same = whiten(torch.full((3, 6), 4.0), MASK)  # no spread: no number, but no NaN either
    assert (same == 0).all()
    rounding = whiten(torch.full((3, 6), 1 / 3) + 1e-7 * x, MASK)  # of scores that are all the same
    assert rounding.abs().max() < 0.02


def test_rule_19_returns_are_values_plus_advantages_before_whitening(monkeypatch):
    calls = spy(monkeypatch, "gae")
    steps, targets = spy_on_loss("value_loss")
    step = next(start(minibatch=6, steps=steps))
    expected = gae(*calls[0].args)[1]
    found = targets[0].args[2]
    rows = {tuple(row) for row in expected.tolist()}
    assert {tuple(row) for row in found.tolist()} == rows
    assert torch.equal(step.returns, expected)
    monkeypatch.setattr(minigpt.ppo, "whiten", lambda x, mask: x)
    next(start(minibatch=6, steps=steps))
    assert torch.equal(targets[1].args[2], found)


# The losses


@pytest.mark.parametrize(
    ("advantage", "ratio", "gradient"),
    [
        (1.0, 1.5, 0.0),  # good, and already much likelier: nothing more to gain
        (1.0, 0.5, -0.5),  # good, and less likely than it was: mend it
        (-1.0, 1.5, 1.5),  # bad, and likelier than it was: mend it
        (-1.0, 0.5, 0.0),  # bad, and already much less likely
        (1.0, 1.1, -1.1),  # inside the band: the plain policy gradient
        (-1.0, 0.9, 0.9),
    ],
)
def test_rule_22_the_clip_takes_away_gains_and_never_losses(advantage, ratio, gradient):
    logp = torch.tensor([[math.log(ratio)]], requires_grad=True)
    one = torch.ones(1, 1)
    given = logp, torch.zeros(1, 1), advantage * one, one, 0.2
    loss = clipped_loss(*given)
    loss.backward()
    told, share, change = update_numbers(loss, *given)
    assert told == loss and change.item() == pytest.approx(abs(ratio - 1))
    assert logp.grad.item() == pytest.approx(gradient, abs=1e-6)
    assert share.item() == (gradient == 0)
    clipped = min(max(ratio, 0.8), 1.2)
    assert loss.item() == pytest.approx(max(-advantage * ratio, -advantage * clipped))


def test_rule_22_at_ratio_1_the_gradient_is_the_policy_gradient():
    logp, advantages = noise(3, 6).requires_grad_(), noise(3, 6, seed=1)
    given = logp, logp.detach(), advantages, MASK, 0.2
    loss = clipped_loss(*given)
    loss.backward()
    torch.testing.assert_close(logp.grad, -advantages * MASK / MASK.sum())
    assert update_numbers(loss, *given)[1:].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("value", "gradient"),  # of an old value of 0, a return of 1 and a clip of 0.2
    [(0.1, -0.9), (0.5, 0.0), (-0.5, -1.5), (2.0, 1.0)],
)
def test_rule_23_value_loss_is_half_the_larger_of_two_squares(value, gradient):
    values = torch.tensor([[value]], requires_grad=True)
    one = torch.ones(1, 1)
    loss = value_loss(values, 0 * one, one, one, 0.2)
    clipped = min(max(value, -0.2), 0.2)
    assert loss.item() == pytest.approx(0.5 * max((value - 1) ** 2, (clipped - 1) ** 2))
    loss.backward()
    assert values.grad.item() == pytest.approx(gradient, abs=1e-6)


def test_rule_23_the_two_rates_are_separate(monkeypatch):
    copies = keep_copies(monkeypatch)
    first = awake_gpt()
    still = {"lr": 0.0, "muon_lr": 0.0}
    for rates, moves in ((still, (False, True)), ({"value_lr": 0.0}, (True, False))):
        policy = awake_gpt()
        run = start(policy, **rates)
        next(run)
        assert same_weights(policy, first) != moves[0]
        value_moved = bool((copies[-1].head.weight != 0).any())  # it starts at zero
        assert value_moved == moves[1]


def test_the_last_norms_gain_has_the_rate_of_embedding_and_head():
    """Adam's first step moves a weight by its rate, whatever its gradient; a rate of 0 by 0."""
    before, outside = awake_gpt(), ("gain", "head.weight", "embedding.weight")
    for lr in (3e-3, 0.0):
        policy = awake_gpt()
        next(start(policy, iterations=1, minibatch=6, lr=lr, muon_lr=0.004))
        state = policy.state_dict()
        moved = {name: (state[name] - p).abs().max() for name, p in before.state_dict().items()}
        assert [moved[name] for name in outside] == pytest.approx([lr] * 3, rel=1e-2)
        assert all(moved[name] > 0 for name in moved if name.startswith("blocks."))


def test_rule_23_the_value_function_is_all_trained_even_from_a_frozen_reward_model(monkeypatch):
    copies = keep_copies(monkeypatch)
    reward = reward_model().requires_grad_(False)  # as load_stage gives it
    list(start(reward=reward))
    _, value = copies
    moved = [not torch.equal(p, q) for p, q in zip(value.parameters(), reward.layers.parameters())]
    assert moved and all(moved)
    assert not any(p.requires_grad for p in reward.parameters())


def test_rule_24_averages_are_over_the_answers_tokens_alone():
    x = noise(3, 6)
    assert masked_mean(x, MASK).item() == pytest.approx(x[MASK.bool()].mean().item(), abs=1e-6)
    logp, old, a = noise(3, 6), noise(3, 6, seed=1), noise(3, 6, seed=2)
    inside = MASK.bool()
    flat = [t[inside][None] for t in (logp, old, a, MASK)]
    torch.testing.assert_close(clipped_loss(logp, old, a, MASK, 0.2), clipped_loss(*flat, 0.2))
    shares = [update_numbers(a[0, 0], *given, 0.2)[1] for given in ((logp, old, a, MASK), flat)]
    torch.testing.assert_close(*shares)
    torch.testing.assert_close(value_loss(logp, old, a, MASK, 0.2), value_loss(*flat, 0.2))


def test_rule_25_the_losses_count_tokens_and_not_answers():
    # An answer of one token and one of three: 1/4 of the weight is the first one's, not 1/2.
    mask = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    a, zero = torch.tensor([[8.0, 0, 0], [4, 4, 4]]), torch.zeros(2, 3)
    assert clipped_loss(zero, zero, a, mask, 0.2).item() == -(8 + 3 * 4) / 4
    assert reinforce_loss(zero - 1, torch.tensor([8.0, 4.0]), mask).item() == (8 + 3 * 4) / 4


def test_reinforce_by_hand_and_its_sign():
    logp = torch.tensor([[-1.0, -2.0], [-3.0, -7.0]], requires_grad=True)
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    loss = reinforce_loss(logp, torch.tensor([1.0, -1.2]), mask)
    assert loss.item() == pytest.approx((1 + 2 - 1.2 * 3) / 3)
    loss.backward()  # the tokens of the answer that scored -1.2 become less likely
    torch.testing.assert_close(logp.grad, torch.tensor([[-1.0, -1.0], [1.2, 0.0]]) / 3)


def test_reinforce_gradient_is_the_gradient_of_the_expected_reward():
    """Over all 9 texts of two tokens, each as often as the policy writes it."""
    logits = noise(2, 3).requires_grad_()  # the first token's, the second token's
    texts = list(product(range(3), repeat=2))
    reward = {text: math.sin(1 + 3 * text[0] + 5 * text[1]) for text in texts}
    logp = logits.log_softmax(-1)
    expected = sum(reward[a, b] * (logp[0, a] + logp[1, b]).exp() for a, b in texts)
    (truth,) = torch.autograd.grad(expected, logits, retain_graph=True)
    found = torch.zeros_like(truth)
    for a, b in texts:
        row = torch.stack([logp[0, a], logp[1, b]])[None]
        loss = reinforce_loss(row, torch.tensor([reward[a, b]]), torch.ones(1, 2))
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        found += row.sum().exp().item() * gradient
    torch.testing.assert_close(found, -truth / 2)  # the loss is a mean over two tokens


# A round of PPO, as it is put together


def read_round(policy, reference, value_layers, reward, step, c):
    """What a round should compute, one answer at a time and without padding."""
    rows = []
    for i, sample in zip(step.prompts, step.rollout.samples):
        prompt, n = PROMPTS[i], len(PROMPTS[i])
        ids = torch.tensor([prompt + sample.ids])
        at = slice(n - 1, n - 1 + len(sample.ids))  # the positions that predict the answer
        logp = policy(ids).log_softmax(-1)[0, at]
        ref_logp = reference(ids).log_softmax(-1)[0, at]
        token = torch.tensor(sample.ids)[:, None]
        chosen = logp.gather(1, token)[:, 0]
        price = c.kl_coef * (chosen - ref_logp.gather(1, token)[:, 0])
        score = c.cut_off_reward
        if sample.ids[-1] == END:
            score = reward.score([prompt + sample.ids + [REWARD]]).item()
        r = (-price).tolist()
        r[-1] += score
        value = value_layers(*reward.read(ids))[0, at]
        values = value.tolist()
        advantages = brute_force_gae(r, values, c.gamma, c.lam)
        kl = (logp.exp() * (logp - ref_logp)).sum().item()
        entropy = (-logp.exp() * logp).sum(-1).tolist()
        k1 = (chosen - ref_logp.gather(1, token)[:, 0]).tolist()
        k3 = sum(math.exp(-k) - 1 + k for k in k1)
        numbers = {"score": score, "kl": kl, "advantages": advantages, "entropy": entropy}
        numbers |= {"k1": sum(k1), "k3": k3}
        rows.append(SimpleNamespace(chosen=chosen, value=value, values=values, **numbers))
    return rows


@pytest.fixture
def second_round(monkeypatch):
    """A run stopped before its second round, in which nothing is trivially zero."""
    copies, c = (
        keep_copies(monkeypatch),
        config(ptx_coef=0.5, ptx_windows=2, minibatch=6, kl_coef=0.3),
    )
    policy, reward = awake_gpt(), reward_model()
    steps, value_calls = spy_on_loss("value_loss")
    run = ppo(policy, reward, PROMPTS, TOKENS, TOY, c, steps)
    first = next(run)
    value = copies[1]
    now = {"policy": copy.deepcopy(policy), "value": copy.deepcopy(value)}
    return SimpleNamespace(
        run=run,
        live=(policy, value),
        reward=reward,
        reference=awake_gpt(),
        c=c,
        first=first,
        value_calls=value_calls,
        **now,
    )


def test_the_record_against_a_loop_over_answers(second_round):
    s = second_round
    step = next(s.run)
    with torch.no_grad():
        rows = read_round(s.policy, s.reference, s.value, s.reward, step, s.c)
    entropy = [e for row in rows for e in row.entropy]
    returns = np.array([a + v for row in rows for a, v in zip(row.advantages, row.values)])
    values = np.array([v for row in rows for v in row.values])
    assert 0 < step.ended < 1 and step.kl > 0.01 and values.std() > 0.01  # worth comparing
    assert step.reward == pytest.approx(np.mean([row.score for row in rows]), abs=1e-5)
    seen = derived(step)
    assert step.rollout.score.tolist() == pytest.approx([row.score for row in rows], rel=1e-4)
    assert step.kl == pytest.approx(np.mean([row.kl for row in rows]), rel=1e-4)
    k1 = [row.k1 for row in rows]
    assert seen["k1"] == pytest.approx(np.mean(k1), rel=1e-3)
    assert seen["k1_error"] == pytest.approx(np.std(k1) / 6**0.5, rel=1e-3)
    k3 = step.rollout.k3.sum(1).tolist()
    assert k3 == pytest.approx([row.k3 for row in rows], rel=1e-3)
    assert step.entropy == pytest.approx(np.mean(entropy), rel=1e-4)
    assert step.ended == pytest.approx(np.mean([END in x.ids for x in step.rollout.samples]))
    explained = 1 - np.var(returns - values) / np.var(returns)
    assert seen["explained_variance"] == pytest.approx(explained, abs=1e-4)
    assert step.loss == pytest.approx(0, abs=1e-5)  # at ratio 1 it is minus the mean advantage
    assert (step.step, step.steps, step.clip_share) == (2, 3, 0.0)
    widths = [[len(PROMPTS[i]) + len(x.ids) for i, x in zip(r.prompts, r.rollout.samples)]
              for r in (s.first, step)]  # fmt: skip
    assert step.tokens == sum(6 * max(row) for row in widths)


def test_the_gradients_against_a_loop_over_answers(second_round, monkeypatch):
    s, grads = second_round, []
    real = nn.utils.clip_grad_norm_

    def noted(parameters, max_norm):
        model = s.live[len(grads)]  # the policy's come first, then the value function's
        grads.append({name: p.grad.clone() for name, p in model.named_parameters()})
        return real(parameters, max_norm)

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", noted)
    step = next(s.run)
    rows = read_round(s.policy, s.reference, s.value, s.reward, step, s.c)
    a = torch.tensor([x for row in rows for x in row.advantages])
    white = (a - a.mean()) / a.std(unbiased=False)
    documents = batches(TOKENS, PretrainConfig(2, 8, seed=1))
    next(documents)  # the first round's
    x, y = next(documents)
    loss = -(white * torch.cat([row.chosen for row in rows])).mean()
    (loss + 0.5 * next_token_loss(s.policy(x), y)).backward()
    values = torch.cat([row.value for row in rows])
    (0.5 * (values - (a + values.detach())) ** 2).mean().backward()
    assert len(grads) == 2
    for found, model in zip(grads, (s.policy, s.value)):
        for name, p in model.named_parameters():
            torch.testing.assert_close(found[name], p.grad, rtol=1e-3, atol=2e-6)


def test_rule_07_answers_are_scored_as_the_reward_model_was_taught(monkeypatch):
    """The ids that PPO scores are those of the template, from a question and an answer's text."""
    encoding = load_tokenizer("en")
    calls = spy(monkeypatch, "pad_right")
    model = GPT(GPTConfig(vocab_size=1024, block_size=48, n_layer=1, n_head=2, n_embd=32))
    prompts = [chat_prompt(encoding, q) for q in ("Where is Rome?", "Who?", "Why is it so?")]
    texts = ["In Italy.", "Nobody knows", "So it is."]

    def scripted(policy, asked, max_new_tokens, **options):
        samples = []
        for prompt in asked:
            ids = chat_answer(encoding, texts[prompts.index(prompt)])
            samples.append(minigpt.ppo.Sample(ids, [0.0] * len(ids), True))
        return samples

    monkeypatch.setattr(minigpt.ppo, "generate", scripted)
    reward = RewardModel(GPT(model.config, seed=2))
    c = config(prompts=3, iterations=1, max_new_tokens=12)
    (step,) = ppo(model, reward, prompts, TOKENS, encoding, c)
    by_hand = [
        reward_input(encoding, prompts[i], chat_answer(encoding, texts[i])) for i in step.prompts
    ]
    assert calls[0].args[0] == by_hand
    assert step.reward == pytest.approx(reward.score(by_hand).mean().item(), abs=1e-5)


@pytest.mark.parametrize("minibatch", [1, 2, 4, 6, 100])
def test_rule_14_ratio_is_1_on_the_first_minibatch_of_any_size(minibatch):
    for step in start(minibatch=minibatch, epochs=2):
        assert step.first_ratio < 1e-5


def test_rule_14_the_light_goes_on_when_old_and_new_differ(monkeypatch):
    real = minigpt.ppo.token_logprobs
    calls = []

    def stale(logits, tokens):
        calls.append(None)
        return real(logits, tokens) + (0.01 if len(calls) == 1 else 0.0)  # only the old ones

    monkeypatch.setattr(minigpt.ppo, "token_logprobs", stale)
    assert next(start()).first_ratio == pytest.approx(1 - math.exp(-0.01), rel=1e-3)


def test_rule_15_there_is_no_dropout_in_policy_or_reward_model():
    for model in (awake_gpt(), reward_model()):
        assert not any("dropout" in type(m).__name__.lower() for m in model.modules())
        idx = torch.tensor([[1, 2, 3, 4]])
        assert torch.equal(model.train()(idx), model.train()(idx))
        assert torch.equal(model.train()(idx), model.eval()(idx))


def test_rule_16_the_reference_is_a_frozen_copy_that_no_step_moves(monkeypatch):
    copies = keep_copies(monkeypatch)
    policy, idx = awake_gpt(), torch.tensor([[1, 2, 3, 4, 5]])
    before = policy(idx).detach().clone()
    steps = list(start(policy, iterations=10))
    reference, _ = copies
    assert torch.equal(reference(idx), before)
    assert not torch.equal(policy(idx), before)
    assert all(p.grad is None and not p.requires_grad for p in reference.parameters())
    shared = {p.data_ptr() for p in policy.parameters()}
    assert not shared & {p.data_ptr() for p in reference.parameters()}
    assert steps[0].kl == pytest.approx(0, abs=1e-6)  # the policy is the SFT model at first
    assert min(step.kl for step in steps[1:]) > 0


def test_rule_16_the_reward_model_stays_as_it_is():
    reward = reward_model()
    before = copy.deepcopy(reward)
    list(start(reward=reward))
    assert same_weights(reward, before)


def test_rule_17_the_value_of_a_token_is_read_before_it(second_round, monkeypatch):
    s, calls = second_round, spy(monkeypatch, "gae")
    step = next(s.run)
    values, mask = calls[0].args[1:3]  # (B, T - 1) each
    for row, (i, sample) in enumerate(zip(step.prompts, step.rollout.samples)):
        n, m = len(PROMPTS[i]), len(sample.ids)
        inside = mask[row].bool()
        assert inside.nonzero()[:, 0].tolist() == list(range(n - 1, n - 1 + m))
        for t in range(m):  # the value model sees the prompt and t answer tokens, not token t
            seen = torch.tensor([PROMPTS[i] + sample.ids[:t]])
            expected = s.value(*s.reward.read(seen))[0, -1].item()
            assert values[row, n - 1 + t].item() == pytest.approx(expected, abs=1e-5)


def test_rule_17_the_value_is_learned_where_it_was_read(second_round):
    next(second_round.run)
    values, old_values, returns, mask, clip = second_round.value_calls[1].args  # the second round's
    assert values.shape == old_values.shape == returns.shape and clip == PPOConfig.value_clip
    torch.testing.assert_close(values * mask, old_values * mask, rtol=0, atol=1e-5)
    assert old_values[mask.bool()].std() > 0.01


def test_rule_21_score_stands_at_the_end_token_and_mask_reward_and_value_agree(monkeypatch):
    calls, passed = spy(monkeypatch, "kl_rewards"), spy(monkeypatch, "gae")
    step = next(start(iterations=1))
    logp, ref_logp, score, last, kl_coef, mask = calls[0].args
    assert kl_coef == PPOConfig.kl_coef
    for row, (i, sample) in enumerate(zip(step.prompts, step.rollout.samples)):
        ids = PROMPTS[i] + sample.ids
        assert ids[last[row] + 1] == sample.ids[-1]  # entry t is of token t + 1
        assert last[row] + 1 == len(ids) - 1
        assert mask[row, last[row]] == 1 and mask[row].sum() == len(sample.ids)
    assert any(s.ended for s in step.rollout.samples)
    rewards, values, gae_mask = passed[0].args[:3]
    assert torch.equal(gae_mask, mask) and values.shape == mask.shape
    # In the first round there is no KL yet: the rewards are the score at the end, else nothing.
    expected = torch.zeros_like(mask).scatter(1, last[:, None], score[:, None])
    torch.testing.assert_close(rewards, expected, rtol=0, atol=1e-6)


def test_rule_26_an_answer_that_does_not_end_gets_the_fixed_penalty(monkeypatch):
    calls = spy(monkeypatch, "kl_rewards")
    reward = reward_model()
    step = next(start(reward=reward, cut_off_reward=-7.5))
    score = calls[0].args[2].tolist()
    ended = [sample.ids[-1] == END for sample in step.rollout.samples]
    assert any(ended) and not all(ended)
    for i, sample, found, e in zip(step.prompts, step.rollout.samples, score, ended):
        scored = reward.score([PROMPTS[i] + sample.ids + [REWARD]]).item()
        assert found == pytest.approx(scored if e else -7.5, abs=1e-5)
        assert sample.ended == e and (e or len(sample.ids) == 6)


def test_rule_27_fresh_answers_each_round_and_old_log_probabilities_fixed_within(monkeypatch):
    drawn = spy(monkeypatch, "generate")
    with_spy, losses = spy_on_loss("policy_loss")
    steps = list(start(epochs=3, minibatch=6, steps=with_spy))
    assert len(drawn) == 3 and len(losses) == 9
    texts = [[tuple(x.ids) for x in step.rollout.samples] for step in steps]
    assert texts[0] != texts[1] != texts[2]
    for r in range(3):
        logp, old = (
            [sorted(c.args[k].tolist()) for c in losses[3 * r : 3 * r + 3]] for k in (0, 1)
        )
        assert old[0] == old[1] == old[2]
        assert logp[0] != logp[1] != logp[2]


def test_rule_27_gradients_are_shortened(monkeypatch):
    norms = []

    def step(self):
        ps = [p for group in self.adamw.param_groups for p in group["params"]]
        norms.append(torch.cat([p.grad.flatten() for p in ps]).norm().item())

    monkeypatch.setattr("minigpt.engine.optim.Optimizer.step", step)
    list(start(max_grad_norm=0.01, iterations=2))
    assert len(norms) == 8  # two rounds, two minibatches, policy and value function
    assert all(norm <= 0.01 * 1.001 for norm in norms)
    assert max(norms) > 0.009


def test_rule_27_rates_are_below_those_of_finetuning():
    finetuning = SFTConfig()
    assert PPOConfig().lr < min(finetuning.embedding_lr, finetuning.head_lr)
    assert PPOConfig().muon_lr < finetuning.muon_lr


def test_rule_34_every_answer_of_every_round_has_a_seed_of_its_own(monkeypatch):
    calls = spy(monkeypatch, "generate")
    steps = list(start(prompts=[[1]], iterations=2))  # one prompt, asked six times a round
    seeds = [seed for call in calls for seed in call.options["seeds"]]
    assert len(set(seeds)) == 12
    for step in steps:
        assert step.prompts == [0] * 6
        assert len({tuple(sample.ids) for sample in step.rollout.samples}) > 1


def test_prompts_of_a_round_are_different_ones_where_there_are_enough():
    for step in start():
        assert sorted(step.prompts) == list(range(6))


def test_no_prompts_is_an_error():
    with pytest.raises(ValueError, match="there are no prompts"):
        next(start(prompts=[]))


def test_kl_budget_stops_the_run_after_the_round_that_passes_it():
    free = list(start(lr=2e-3, iterations=6))
    assert len(free) == 6
    budget = (free[1].kl + free[2].kl) / 2
    assert free[0].kl < free[1].kl < budget < free[2].kl
    stopped = list(start(lr=2e-3, iterations=6, kl_budget=budget))
    assert told(stopped) == told(free[:3])
    assert len(list(start(lr=2e-3, iterations=6, kl_budget=100.0))) == 6


class Likes(RewardModel):
    """A reward model that likes a token: its score is the share of it in the sequence."""

    def __init__(self, token, sign=1.0):
        super().__init__(awake_gpt(2))
        self.token, self.sign = token, sign

    def read(self, idx):
        self.idx = idx
        return super().read(idx)

    def score_at(self, last, hidden, surprisal):
        rows = [row[: n + 1].tolist() for row, n in zip(self.idx, last)]
        return self.sign * torch.tensor([4 * s.count(self.token) / len(s) for s in rows])


def share_of(token, step):
    return np.mean([i == token for sample in step.rollout.samples for i in sample.ids])


def test_rule_31_ppo_does_more_of_what_scores_well_and_less_of_what_does_not():
    # No price and no documents: nothing but the score, and an answer without end is the worst.
    free = {"kl_coef": 0.0, "ptx_coef": 0.0, "cut_off_reward": -4.0}
    c = config(iterations=30, prompts=36, minibatch=18, lr=1e-2, muon_lr=0.03, **free)
    shares = {}
    for sign in (1.0, -1.0):
        prompts = [[i] for i in range(12)] * 3
        steps = list(ppo(awake_gpt(), Likes(4, sign), prompts, TOKENS, TOY, c))
        shares[sign] = share_of(4, steps[0]), share_of(4, steps[-1])
        assert np.mean([s.reward for s in steps[-3:]]) > np.mean([s.reward for s in steps[:3]]) + 1
    assert shares[1.0][0] == shares[-1.0][0]  # the same first answers
    assert shares[1.0][1] > shares[1.0][0] + 0.1
    assert shares[-1.0][1] < shares[1.0][0] - 0.1


def test_a_higher_price_of_kl_keeps_the_policy_nearer():
    prompts = [[i] for i in range(12)] * 3
    kl = {}
    for coef in (0.0, 5.0):
        c = config(iterations=14, prompts=36, minibatch=36, kl_coef=coef, ptx_coef=0.0)
        kl[coef] = list(ppo(awake_gpt(), Likes(5), prompts, TOKENS, TOY, c))[-1].kl
    assert kl[5.0] < 0.5 * kl[0.0]


@pytest.mark.slow
def test_rule_31_the_shipped_ppo_has_more_gold_than_the_shipped_sft():
    if not all((SHIPPED / "en" / f"{name}.safetensors").is_file() for name in ("sft", "ppo")):
        pytest.skip("no checkpoints of the stages sft and ppo are shipped")
    world = load_world("en")
    questions = sample_questions(world, "V", 600, seed=31)
    gold = {}
    for name in ("sft", "ppo"):
        stage = load_stage(name, own=False, quiet=True)
        score, ended = chat_score(stage, questions, 1.0, seed=1)
        gold[name] = np.array(score.gold)
        assert np.mean(ended) >= 0.9
    assert gold["ppo"].mean() > gold["sft"].mean()


def test_same_seed_same_run_and_another_seed_another():
    first, again, other = awake_gpt(), awake_gpt(), awake_gpt()
    steps = list(start(first))
    assert all(isinstance(step, PPOStep) for step in steps)
    torch.manual_seed(99)
    np.random.seed(99)
    assert told(start(again)) == told(steps)
    assert same_weights(first, again)
    list(start(other, seed=1))
    assert not same_weights(first, other)


def test_paused_and_resumed_equals_uninterrupted():
    whole, paused = awake_gpt(), awake_gpt()
    steps = list(start(whole))
    run = start(paused)
    found = [next(run)]
    torch.manual_seed(5)  # what a learner may do between two cells
    np.random.seed(5)
    torch.rand(3)
    generate(paused, [[1, 2]], 3)
    assert told(found + list(run)) == told(steps)
    assert same_weights(whole, paused)


# What a variant replaces, and what a step keeps


def test_a_variant_replaces_one_function_and_the_rest_is_the_same():
    policy, as_usual = awake_gpt(), awake_gpt()
    first = told([next(start(as_usual))])
    still = Steps(policy_loss=lambda *args: 0 * args[0].sum())
    assert told([next(start(policy, steps=still, ptx_coef=0.0))])[1] == first[1]  # the rollout
    assert same_weights(policy, awake_gpt()) and not same_weights(as_usual, policy)


def test_estimate_prices_judges_and_whitens_what_a_rollout_holds():
    r = next(start()).rollout
    c = config(kl_coef=0.3)
    rewards = kl_rewards(r.logp, r.ref_logp, r.score, r.final, 0.3, r.mask)
    advantages, returns = gae(rewards, r.values, r.mask, c.gamma, c.lam)
    found = Steps().estimate(r, c)
    assert torch.equal(found[0], whiten(advantages, r.mask)) and torch.equal(found[1], returns)


def test_a_step_keeps_no_hidden_states_and_no_graph():
    for step in start():
        assert isinstance(step.rollout, Rollout) and step.rollout.read == []
        kept = [x for x in vars(step.rollout).values() if torch.is_tensor(x)] + [step.returns]
        assert not any(x.requires_grad for x in kept)
        assert all(x.numel() <= step.rollout.idx.numel() for x in kept)
