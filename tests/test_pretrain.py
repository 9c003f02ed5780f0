"""Pretraining: windows and batches by hand, training against a plain loop, pausing, evaluation."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minigpt.engine.optim import lr_factor, make_optimizer
from minigpt.generate import generate
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, Step, batches, evaluate_loss, pretrain, windows
from toys import awake_gpt

V = 64
CONFIG = GPTConfig(vocab_size=V, block_size=16, n_layer=1, n_head=2, n_embd=32)
SMALL = PretrainConfig(batch_size=3, block_size=8, steps=5)


def corpus(n, seed=0):
    return np.random.default_rng(seed).integers(0, V, n).astype(np.uint16)


def awake_model(seed=1):
    return awake_gpt(seed, vocab_size=V, block_size=16)


def test_windows_by_hand():
    found = windows(np.arange(10, 18, dtype=np.uint16), 3)  # 8 ids: two windows and an id unused
    assert found.tolist() == [[10, 11, 12, 13], [13, 14, 15, 16]]
    assert found.dtype == torch.long


@pytest.mark.parametrize("n", [9, 16, 17, 24, 40])
def test_each_token_is_a_target_at_most_once_and_in_order(n):
    rows = windows(np.arange(n, dtype=np.uint16), 8)
    assert rows[:, 1:].flatten().tolist() == list(range(1, 1 + 8 * len(rows)))
    assert n - 8 * len(rows) <= 8  # what is left at the end makes no further window


def test_a_corpus_shorter_than_a_window_is_an_error_that_says_how_to_mend_it():
    with pytest.raises(ValueError, match="8 tokens make no window of 8: use a larger corpus"):
        windows(np.arange(8), 8)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 7])
def test_every_window_is_read_once_before_any_twice(batch_size):
    tokens = np.arange(7 * 4 + 1, dtype=np.uint16)  # 7 windows of 4, told apart by their first id
    stream = batches(tokens, PretrainConfig(batch_size=batch_size, block_size=4))
    seen = []
    while len(seen) < 3 * 7 * batch_size:
        inputs, targets = next(stream)
        assert inputs.shape == targets.shape == (batch_size, 4)
        assert torch.equal(targets, inputs + 1)  # each target is the token that follows
        seen += (inputs[:, 0] // 4).tolist()
    for start in range(0, len(seen), 7):
        assert sorted(seen[start : start + 7]) == list(range(7))


def test_one_pass_reads_no_window_twice_and_counts_tokens():
    tokens = np.arange(50, dtype=np.uint16)  # 12 windows of 4: two batches of 5
    model, read = GPT(CONFIG), []
    model.embedding.register_forward_hook(lambda module, args, out: read.append(args[0]))
    steps = list(pretrain(model, tokens, PretrainConfig(batch_size=5, block_size=4)))
    firsts = torch.cat(read)[:, 0].tolist()
    assert len(firsts) == len(set(firsts)) == 10
    assert [(s.step, s.steps, s.tokens) for s in steps] == [(1, 2, 20), (2, 2, 40)]


def test_a_small_corpus_makes_one_smaller_batch():
    steps = list(pretrain(GPT(CONFIG), corpus(20), PretrainConfig(batch_size=9, block_size=8)))
    assert [(s.step, s.steps, s.tokens) for s in steps] == [(1, 1, 16)]


def test_first_loss_is_ln_v_and_a_repeated_text_is_learned():
    tokens = np.tile(corpus(8), 40)
    steps = list(pretrain(GPT(CONFIG), tokens, PretrainConfig(4, 8, steps=30)))
    assert steps[0].loss == pytest.approx(np.log(V), abs=1e-5)
    assert steps[-1].loss < 0.5


def test_training_equals_a_plain_loop():
    model, tokens = awake_model(), corpus(200)
    plain = copy.deepcopy(model)
    optimizer = make_optimizer(plain, SMALL.muon_lr, SMALL.embedding_lr, SMALL.head_lr)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(SMALL.seed))
    losses = []
    for step in range(5):
        optimizer.set_lr_factor(lr_factor(step, 5))
        total = torch.zeros(())
        for row in order[3 * step : 3 * step + 3].tolist():
            ids = torch.from_numpy(tokens[8 * row : 8 * row + 9].astype(np.int64))
            total = total + F.cross_entropy(plain(ids[None, :-1])[0], ids[1:])
        optimizer.zero_grad()
        (total / 3).backward()
        optimizer.step()
        losses.append(total.item() / 3)
    found = [s.loss for s in pretrain(model, tokens, SMALL)]
    assert found == pytest.approx(losses, rel=1e-4)


def test_the_loss_is_yielded_after_the_update():
    model = awake_model()
    before = copy.deepcopy(model.state_dict())
    run = pretrain(model, corpus(200), SMALL)
    assert torch.equal(model.embedding.weight, before["embedding.weight"])  # nothing ran yet
    assert isinstance(next(run), Step)
    assert all(not torch.equal(p, before[name]) for name, p in model.named_parameters())


def same_weights(a, b):
    return all(torch.equal(a.state_dict()[name], p) for name, p in b.state_dict().items())


def test_same_seed_same_run_and_another_seed_another():
    first, again, other = awake_model(), awake_model(), awake_model()
    steps = list(pretrain(first, corpus(200), SMALL))
    torch.manual_seed(99)  # the global seed has no part in it
    assert list(pretrain(again, corpus(200), SMALL)) == steps
    assert same_weights(first, again)
    list(pretrain(other, corpus(200), PretrainConfig(3, 8, steps=5, seed=1)))
    assert not same_weights(first, other)


def test_paused_and_resumed_equals_uninterrupted():
    whole, paused = awake_model(), awake_model()
    steps = list(pretrain(whole, corpus(200), SMALL))
    run = pretrain(paused, corpus(200), SMALL)
    found = [next(run), next(run)]
    torch.manual_seed(5)  # what a learner may do between two cells
    torch.rand(3)
    generate(paused, [[1, 2]], 3)
    evaluate_loss(paused, corpus(40), 8)
    found += list(run)
    assert found == steps
    assert same_weights(whole, paused)


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_evaluate_loss_against_a_loop_over_all_tokens(batch):
    model, tokens = awake_model(), corpus(30, seed=3)  # three windows of 8; 5 tokens left over
    losses = []
    for start in (0, 8, 16):
        for t in range(8):
            context = torch.from_numpy(tokens[start : start + t + 1].astype(np.int64))
            logp = model(context[None])[0, -1].log_softmax(-1)
            losses.append(-logp[int(tokens[start + t + 1])].item())
    assert evaluate_loss(model, tokens, 8, batch) == pytest.approx(np.mean(losses), rel=1e-5)


def test_evaluate_loss_of_a_new_model_is_ln_v_and_leaves_no_gradient():
    model = GPT(CONFIG)
    assert evaluate_loss(model, corpus(50), 8) == pytest.approx(np.log(V), abs=1e-5)
    assert all(p.grad is None for p in model.parameters())
