"""The reward model: its read-out, the Bradley-Terry loss, its scale, and best-of-n.

A name that begins with test_rule_NN holds to a rule of correct RLHF that others broke.
"""

import copy
import math
from itertools import combinations

import numpy as np
import pytest
import torch

import toys
from minigpt.engine.batching import by_length, pad_right
from minigpt.engine.optim import lr_factor
from minigpt.generate import generate
from minigpt.model import GPT, GPTConfig
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    RewardStep,
    ScalarLayers,
    bradley_terry,
    expected_best,
    kl_bound,
    normalise,
    reward_input,
    sample_answers,
    score_all,
    train_reward,
)
from minigpt.sft import chat_answer, chat_prompt
from minigpt.tokenizer import load_tokenizer
from toys import ToyEncoding

V, END, REWARD = 64, 62, 61
TOY = ToyEncoding(END, REWARD)
CONFIG = GPTConfig(vocab_size=V, block_size=16, n_layer=1, n_head=2, n_embd=32)
LN2 = math.log(2)
# Four prompts; the first answer of a pair is the better one. The third prompt was a tie.
SEQUENCES = [
    [[1, 2, 10, END, REWARD], [1, 2, 11, END, REWARD], [1, 2, 12, 13, END, REWARD]],
    [[3, 10, END, REWARD], [3, 11, 11, 11, END, REWARD]],
    [[4, 10, END, REWARD], [4, 10, END, REWARD]],
    [[5, 6, 7, 10, END, REWARD], [5, 6, 7, 12, REWARD]],
]
PAIRS = [[(0, 1), (0, 2), (2, 1)], [(0, 1)], [], [(0, 1)]]


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer("en")


def awake_gpt(seed=1):
    return toys.awake_gpt(seed, vocab_size=V, block_size=16)


@pytest.fixture
def model():
    return RewardModel(awake_gpt())


def raw_score(model, sequence):
    """The number at the last token, of one sequence alone."""
    idx = torch.tensor([sequence])
    with torch.no_grad():
        logp = model.gpt(idx).log_softmax(-1)[0]
    surprisal = [0.0] + [-logp[t, token].item() for t, token in enumerate(sequence[1:])]
    return model.layers(model.gpt.hidden(idx), torch.tensor([surprisal]))[0, -1]


def test_rule_05_answers_of_a_mixed_batch_are_those_of_each_prompt_alone():
    policy, prompts = awake_gpt(), [[1, 2, 3, 4, 5], [6], [7, 8]]
    batch = generate(policy, prompts, 8, temperature=0, stop=END)
    for prompt, sample in zip(prompts, batch):
        ids = list(prompt)
        while len(ids) < len(prompt) + 8 and ids[-1] != END:
            ids.append(policy(torch.tensor([ids]))[0, -1].argmax().item())
        assert sample.ids == ids[len(prompt) :]


def test_rule_06_padding_and_batch_size_change_no_score(model):
    rows = [row for rows in SEQUENCES for row in rows]
    alone = torch.stack([raw_score(model, row) for row in rows])
    torch.testing.assert_close(model.score(rows), alone, rtol=0, atol=1e-5)
    for batch in (1, 3, 8):
        torch.testing.assert_close(score_all(model, rows, batch), alone, rtol=0, atol=1e-5)
    with_long = model.score([*rows, [9] * 16])[:-1]
    torch.testing.assert_close(with_long, alone, rtol=0, atol=1e-5)


def test_rule_06_the_last_token_is_found_by_length_and_not_by_what_the_padding_holds(model):
    idx, last = pad_right([[0, 0], [5, 0, 0, 7], [0]])  # 0 is also what pads
    assert idx.tolist() == [[0, 0, 0, 0], [5, 0, 0, 7], [0, 0, 0, 0]]
    assert last.tolist() == [1, 3, 0]
    idx, last = pad_right(SEQUENCES[0])
    expected = [raw_score(model, row).item() for row in SEQUENCES[0]]
    for filler in (0, END, REWARD):
        beyond = torch.arange(idx.shape[1]) > last[:, None]
        scores = model(idx.masked_fill(beyond, filler))[torch.arange(3), last]
        assert scores.tolist() == pytest.approx(expected, abs=1e-5)


def test_rule_07_the_input_is_the_ids_as_sampled_with_the_end_and_then_the_reward_token(encoding):
    prompt = chat_prompt(encoding, "What is the capital of France?")
    answer = chat_answer(encoding, "Paris.")
    ids = reward_input(encoding, prompt, answer)
    assert encoding.decode(ids) == (
        "<|endoftext|><|user|>What is the capital of France?<|assistant|> Paris.<|end|><|reward|>"
    )
    odd = [encoding.encode_ordinary(c)[0] for c in "Paris"]  # ids that no encoder would give
    assert odd != encoding.encode_ordinary("Paris")
    assert reward_input(encoding, prompt, odd)[len(prompt) : -1] == odd


def test_rule_08_bradley_terry_by_hand():
    better, worse = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([0.0, 0.0, 1.0])
    expected = [-math.log(1 / (1 + math.exp(-d))) for d in (1.0, 0.0, -3.0)]
    torch.testing.assert_close(
        bradley_terry(better, worse), torch.tensor(sum(expected) / 3), rtol=1e-6, atol=0
    )


def test_rule_08_equal_scores_give_ln_2_and_the_difference_alone_counts():
    better, worse = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    assert bradley_terry(better, better).item() == pytest.approx(LN2, abs=1e-6)
    for shift in (-3.0, 0.5, 20.0):
        torch.testing.assert_close(
            bradley_terry(better + shift, worse + shift), bradley_terry(better, worse)
        )


def test_rule_08_the_loss_asks_for_the_better_to_score_more():
    better = torch.zeros(4, requires_grad=True)
    worse = torch.zeros(4, requires_grad=True)
    bradley_terry(better, worse).backward()
    assert better.grad.tolist() == [-0.125] * 4  # -(1 - sigmoid(0)) / 4
    assert worse.grad.tolist() == [0.125] * 4
    one, two = torch.tensor([2.0]), torch.tensor([-1.0])
    # A pair and its swap differ by exactly the difference of the scores.
    assert (bradley_terry(two, one) - bradley_terry(one, two)).item() == pytest.approx(3)


def test_rule_08_the_head_bias_changes_no_loss(model):
    losses = []
    for bias in (0.0, 4.0):
        shifted = copy.deepcopy(model)
        torch.nn.init.constant_(shifted.layers.head.bias, bias)
        losses.append([s.loss for s in train_reward(shifted, SEQUENCES, PAIRS, RewardConfig(8))])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_rule_08_same_answers_teach_nothing_and_ties_are_left_out(model):
    step = next(train_reward(copy.deepcopy(model), SEQUENCES[2:3], [[(0, 1)]], RewardConfig()))
    assert step.loss == pytest.approx(LN2, abs=1e-6)  # which is why labelers drop such pairs
    assert step.accuracy == 0.0  # equal is not ordered right
    with_tie, without = copy.deepcopy(model), copy.deepcopy(model)
    kept = [0, 1, 3]
    steps = list(train_reward(with_tie, SEQUENCES, PAIRS, RewardConfig(2)))
    same = [SEQUENCES[i] for i in kept], [PAIRS[i] for i in kept]
    assert list(train_reward(without, *same, RewardConfig(2))) == steps


def test_rule_09_first_weights_of_the_head():
    gpt = GPT(GPTConfig(vocab_size=8, block_size=8, n_layer=1, n_head=1, n_embd=1024))
    weight = RewardModel(gpt).layers.head.weight
    assert weight.std().item() == pytest.approx(1025**-0.5, rel=0.05)
    assert weight.mean().abs() < 4 * 1025**-0.5 / 32
    assert not torch.equal(weight, RewardModel(gpt, seed=1).layers.head.weight)


def test_rule_09_one_pass_with_all_pairs_of_a_prompt_in_one_batch(model, monkeypatch):
    seen = []

    def recorded(better, worse):
        seen.append((better.detach().clone(), worse.detach().clone()))
        return bradley_terry(better, worse)

    monkeypatch.setattr("minigpt.reward.bradley_terry", recorded)
    # Rates of 0, so that scores after the run tell which pairs were in which batch.
    config = RewardConfig(2, muon_lr=0.0, head_lr=0.0)
    steps = list(train_reward(model, SEQUENCES, PAIRS, config))
    assert [(s.step, s.steps) for s in steps] == [(1, 2), (2, 2)]
    batches = []
    for better, worse in seen:
        prompts = set()
        for b, w in zip(better.tolist(), worse.tolist()):
            (hit,) = {
                (i, pair)
                for i, pairs in enumerate(PAIRS)
                for pair in pairs
                if abs(raw_score(model, SEQUENCES[i][pair[0]]).item() - b) < 1e-5
                and abs(raw_score(model, SEQUENCES[i][pair[1]]).item() - w) < 1e-5
            }
            prompts.add(hit)
        batches.append(prompts)
    assert not batches[0] & batches[1]
    assert sum(len(b) for b in batches) == 5  # each pair once
    assert not {i for i, _ in batches[0]} & {i for i, _ in batches[1]}


def test_rule_10_reference_answers_score_zero_plus_minus_one(model):
    rows = [[1, i, END, REWARD] for i in range(40)]
    normalise(model, rows)
    scores = score_all(model, rows)
    assert scores.mean().item() == pytest.approx(0, abs=1e-5)
    assert scores.std().item() == pytest.approx(1, abs=1e-5)
    normalise(model, rows)  # once more changes nothing
    torch.testing.assert_close(score_all(model, rows), scores, rtol=0, atol=1e-5)


def test_rule_10_a_score_does_not_depend_on_the_scale_of_the_head(model):
    rows, other = [[1, i, END, REWARD] for i in range(40)], [[2, i, END, REWARD] for i in range(9)]
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled.layers.head.weight.mul_(7)
        scaled.layers.head.bias.add_(3)
    for m in (model, scaled):
        normalise(m, rows)
    torch.testing.assert_close(model.score(other), scaled.score(other), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [[[1, REWARD]], [[1, REWARD], [1, REWARD]]])
def test_a_scale_cannot_be_set_from_one_score(model, rows):
    with pytest.raises(ValueError, match="two or more reference answers whose scores differ"):
        normalise(model, rows)


def test_rule_13_answers_are_sampled_at_temperature_1_with_no_filter_and_all_differ():
    policy, prompts = awake_gpt(), [[1, 2], [1, 2], [3]]
    answers = sample_answers(policy, TOY, prompts, 6, seed=2, max_new_tokens=8)
    assert [len(row) for row in answers] == [6, 6, 6]
    found = [sample for row in answers for sample in row]
    assert len({tuple(sample.ids) for sample in found}) == 18  # also of the same prompt put twice
    rows = [prompt for prompt in prompts for _ in range(6)]
    seeds = [2 * 10**7 + i for i in range(18)]
    expected = generate(policy, rows, 8, stop=END, seeds=seeds)
    assert [sample.ids for sample in found] == [sample.ids for sample in expected]


def test_the_sft_model_inside_is_a_copy_that_training_leaves_alone():
    gpt = awake_gpt()
    model = RewardModel(gpt)
    before, layers = copy.deepcopy(gpt.state_dict()), copy.deepcopy(model.layers.state_dict())
    model.requires_grad_(False)  # as load_stage gives it
    list(train_reward(model, SEQUENCES, PAIRS, RewardConfig(1)))
    for inside in (gpt, model.gpt):
        assert all(torch.equal(p, before[name]) for name, p in inside.state_dict().items())
    assert model.gpt.head.weight.data_ptr() != gpt.head.weight.data_ptr()
    same = {name for name, p in model.layers.state_dict().items() if torch.equal(p, layers[name])}
    assert same <= {"head.bias"}  # its gradient is zero, or what rounding leaves of it
    assert not any(p.requires_grad for p in model.gpt.parameters())


def test_a_checkpoint_keeps_what_was_trained_and_the_scale(model):
    kept = model.trained()
    layers = {f"layers.{name}" for name in model.layers.state_dict()}
    assert set(kept) == layers | {"mean", "std"}
    other = RewardModel(awake_gpt(), seed=9)
    other.load_state_dict(kept, strict=False)
    assert torch.equal(other.score(SEQUENCES[0]), model.score(SEQUENCES[0]))


def test_surprisal_is_what_lets_the_layers_see_an_unlikely_token(model):
    likely, unlikely = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 4]])
    with torch.no_grad():
        model.gpt.head.weight[3] = 5 * model.gpt.hidden(likely)[0, 1]
    (_, low), (_, high) = model.read(likely), model.read(unlikely)
    assert low[0, 2] < 0.01 < 3 < high[0, 2]
    assert low[0, 0] == high[0, 0] == 0  # nothing came before the first token
    torch.testing.assert_close(low[0, :2], high[0, :2])


@pytest.mark.parametrize("sees", [True, False])
def test_an_ordinary_judge_reads_nothing_of_what_the_sft_model_would_have_said(sees):
    """Its head alone can be changed and moves no hidden state, so only a surprisal can tell."""
    model, rows = RewardModel(awake_gpt(), sees_surprisal=sees), [s for p in SEQUENCES for s in p]
    with torch.no_grad():
        before, hidden = model.score(rows), model.read(torch.tensor(rows[:2]))[0]
        model.gpt.head.weight.copy_(toys.awake_gpt(9, vocab_size=V, block_size=16).head.weight)
        after, (same, surprisal) = model.score(rows), model.read(torch.tensor(rows[:2]))
    assert torch.equal(hidden, same)
    if sees:
        assert (before != after).all() and (surprisal[:, 1:] > 0).all()
    else:
        assert torch.equal(before, after) and not surprisal.any()
    assert surprisal.shape == same.shape[:2] and surprisal.dtype == same.dtype


def test_scalar_layers_begin_as_a_read_out_of_hidden_state_and_surprisal():
    layers, hidden = ScalarLayers(CONFIG), torch.randn(2, 3, 32)
    surprisal = torch.rand(2, 3)
    x = hidden + surprisal[..., None] * layers.direction
    x = torch.nn.functional.layer_norm(x, (32,))
    expected = x @ layers.head.weight[0]
    torch.testing.assert_close(layers(hidden, surprisal), expected)  # blocks add nothing yet


def test_first_update_against_one_sequence_at_a_time(model, monkeypatch):
    grads = {}

    class Stop(Exception):
        pass

    def step(self):
        grads.update({name: p.grad.clone() for name, p in model.layers.named_parameters()})
        raise Stop

    monkeypatch.setattr("minigpt.engine.optim.Optimizer.step", step)
    with pytest.raises(Stop):
        next(train_reward(model, SEQUENCES, PAIRS, RewardConfig(8)))
    model.zero_grad()
    losses = [
        torch.nn.functional.softplus(
            raw_score(model, SEQUENCES[i][worse]) - raw_score(model, SEQUENCES[i][better])
        )
        for i, pairs in enumerate(PAIRS)
        for better, worse in pairs
    ]
    torch.stack(losses).mean().backward()
    for name, p in model.layers.named_parameters():
        torch.testing.assert_close(grads[name], p.grad, rtol=1e-4, atol=1e-6)


def test_rates_follow_the_schedule(model, monkeypatch):
    factors = []
    monkeypatch.setattr(
        "minigpt.engine.optim.Optimizer.set_lr_factor", lambda self, factor: factors.append(factor)
    )
    list(train_reward(model, SEQUENCES, PAIRS, RewardConfig(1)))
    assert factors == [lr_factor(step, 3) for step in range(3)]


def test_record_of_the_first_update(model):
    differences = [
        (raw_score(model, SEQUENCES[i][b]) - raw_score(model, SEQUENCES[i][w])).item()
        for i, pairs in enumerate(PAIRS)
        for b, w in pairs
    ]
    (step,) = train_reward(model, SEQUENCES, PAIRS, RewardConfig(8))
    loss = sum(math.log1p(math.exp(-d)) for d in differences) / 5
    assert step == RewardStep(1, 1, pytest.approx(loss, rel=1e-5), step.accuracy, 7 * 6)
    assert step.accuracy == pytest.approx(sum(d > 0 for d in differences) / 5)


def test_it_learns_what_the_labeler_likes(model):
    """The labeler likes token 10 in any place; answers to prompts never labeled follow."""
    sequences = [[[p, 10, END, REWARD], [p, 11 + p, END, REWARD]] for p in range(1, 9)] * 20
    list(train_reward(model, sequences, [[(0, 1)]] * 160, RewardConfig(8)))
    for p in (30, 31, 32):
        liked, other = model.score([[p, 10, END, REWARD], [p, 12, END, REWARD]])
        assert liked > other + 1


@pytest.mark.parametrize(
    ("sequences", "pairs", "message"),
    [
        (SEQUENCES, [[], [], [], []], "no comparisons: all pairs were ties"),
        ([], [], "no comparisons"),
        (SEQUENCES, PAIRS[:3], "answers to 4 prompts and comparisons for 3"),
        (SEQUENCES[:2], [[(0, 3)], [(0, 1)]], "prompt 0 compares answers 0 and 3.*of its 3"),
        (SEQUENCES[:2], [[(0, 1)], [(-1, 0)]], "prompt 1 compares answers -1 and 0.*of its 2"),
        (SEQUENCES[:1], [[(1, 1)]], "prompt 0 compares answers 1 and 1"),
    ],
)
def test_comparisons_that_are_none(model, sequences, pairs, message):
    with pytest.raises(ValueError, match=message):
        next(train_reward(model, sequences, pairs, RewardConfig()))


def same_weights(a, b):
    return all(torch.equal(a.state_dict()[name], p) for name, p in b.state_dict().items())


def test_same_seed_same_run_and_another_seed_another(model):
    first, again, other = (copy.deepcopy(model) for _ in range(3))
    steps = list(train_reward(first, SEQUENCES, PAIRS, RewardConfig(1)))
    torch.manual_seed(99)
    assert list(train_reward(again, SEQUENCES, PAIRS, RewardConfig(1))) == steps
    assert same_weights(first, again)
    list(train_reward(other, SEQUENCES, PAIRS, RewardConfig(1, seed=3)))
    assert not same_weights(first, other)


def test_paused_and_resumed_equals_uninterrupted(model):
    whole, paused = copy.deepcopy(model), copy.deepcopy(model)
    steps = list(train_reward(whole, SEQUENCES, PAIRS, RewardConfig(1)))
    run = train_reward(paused, SEQUENCES, PAIRS, RewardConfig(1))
    found = [next(run)]
    torch.manual_seed(5)
    torch.rand(3)
    score_all(paused, SEQUENCES[0])
    assert found + list(run) == steps
    assert same_weights(whole, paused)


def test_scores_by_length_are_those_of_the_whole_batch(model):
    rows = [[1, 2, 3], [4, 5, 6, 7, 8, 9, 10], [3, 1], [2, 9, 9, 4]]
    idx, last = pad_right(rows)
    (found,) = by_length(model.raw_score, [len(row) for row in rows], idx, last, rows=2)
    torch.testing.assert_close(found, model.raw_score(idx, last))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_expected_best_is_the_mean_over_all_draws(n):
    rng = np.random.default_rng(1)
    scores, values = rng.normal(size=(2, 3, 6))
    brute = [
        np.mean([v[max(draw, key=lambda i: s[i])] for draw in combinations(range(6), n)])
        for s, v in zip(scores, values)
    ]
    assert np.allclose(expected_best(scores, values, n), brute)


@pytest.mark.parametrize("n", [0, 7, -1])
def test_an_n_that_was_not_sampled_is_refused(n):
    with pytest.raises(ValueError, match="choose from 1 to the 6"):
        expected_best(np.zeros((2, 6)), np.zeros((2, 6)), n)


def test_the_kl_bound():
    assert kl_bound(1) == 0
    assert kl_bound(4) == pytest.approx(np.log(4) - 0.75)
