"""Muon against a plain version and against PyTorch's; AdamW against PyTorch's."""

import copy

import pytest
import torch
from torch import nn

from minigpt.engine.optim import lr_factor, make_optimizer, newton_schulz
from minigpt.model import GPT, GPTConfig, next_token_loss
from toys import awake

CONFIG = GPTConfig(vocab_size=20, block_size=16, n_layer=2, n_head=2, n_embd=16)


def awake_model(seed=1):
    return awake(GPT(CONFIG), seed)


def set_grads(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator)


@pytest.mark.parametrize("shape", [(16, 16), (16, 64), (3, 8, 24)])
def test_newton_schulz_keeps_directions_and_makes_singular_values_near_one(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 100
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    found = u.mT @ newton_schulz(x) @ vh.mT  # in x's own directions: diagonal
    diagonal = found.diagonal(dim1=-2, dim2=-1)
    assert (found - torch.diag_embed(diagonal)).abs().max() < 1e-3
    large = s > 0.02 * s.amax(dim=-1, keepdim=True)
    assert large.float().mean() > 0.9
    assert diagonal[large].min() > 0.6 and diagonal[large].max() < 1.25


def test_newton_schulz_of_nothing_is_nothing():
    assert (newton_schulz(torch.zeros(4, 6)) == 0).all()


def plain_muon(weight, grads, lr, decay):
    """One matrix, step by step, as the paper's text has it."""
    average = torch.zeros_like(weight)
    for t, grad in enumerate(grads):
        mu = 0.85 + 0.1 * min(1, t / 50)
        average = mu * average + (1 - mu) * grad
        u = mu * average + (1 - mu) * grad
        tall = u.shape[0] > u.shape[1]
        x = u.T if tall else u
        x = x / x.norm()
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        u = x.T if tall else x
        weight = weight * (1 - lr * decay)
        weight = weight - lr * max(1, weight.shape[0] / weight.shape[1]) ** 0.5 * u
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_muon_against_one_matrix_at_a_time(decay):
    model = awake_model()
    before = copy.deepcopy(model)
    optimizer = make_optimizer(model, muon_lr=0.02, weight_decay=decay)
    grads = {name: [] for name, _ in model.named_parameters()}
    for t in range(4):
        set_grads(model, t)
        for name, p in model.named_parameters():
            grads[name].append(p.grad.clone())
        optimizer.step()
    weights = dict(before.named_parameters())
    checked = 0
    for name, p in model.named_parameters():
        if "blocks." not in name:
            continue
        n = 3 if "qkv" in name else 1  # queries, keys and values apart
        parts = zip(weights[name].chunk(n), *(g.chunk(n) for g in grads[name]), strict=True)
        expected = torch.cat([plain_muon(w, gs, 0.02, decay) for w, *gs in parts])
        torch.testing.assert_close(p, expected, atol=1e-5, rtol=1e-4)
        checked += 1
    assert checked == 8


@pytest.mark.parametrize("name", ["attn_out", "mlp_in", "mlp_out"])
def test_muon_against_pytorchs(name):
    """PyTorch computes in bfloat16, without momentum warm-up: so from step 50 on, and roughly."""
    model = awake_model()
    weight = getattr(model.blocks[0], name).weight
    twin = nn.Parameter(weight.detach().clone())
    start = weight.detach().clone()
    theirs = torch.optim.Muon([twin], lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True)
    ours = make_optimizer(model, muon_lr=0.02, weight_decay=0.1)
    ours.steps = 50
    for t in range(5):
        set_grads(model, t)
        twin.grad = weight.grad.clone()
        ours.step()
        theirs.step()
    moved, expected = weight.detach() - start, twin.detach() - start
    assert (moved - expected).norm() < 0.03 * expected.norm()


def test_embedding_gain_and_head_follow_pytorchs_adamw():
    model, twin = awake_model(), awake_model()
    ours = make_optimizer(model, embedding_lr=0.05, head_lr=0.01, gain_lr=0.2, weight_decay=0.1)
    groups = [
        {"params": twin.embedding.weight, "lr": 0.05},
        {"params": twin.gain, "lr": 0.2},
        {"params": twin.head.weight},
    ]
    theirs = torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.1)
    for t in range(5):
        set_grads(model, t)
        set_grads(twin, t)
        ours.step()
        theirs.step()
    torch.testing.assert_close(model.embedding.weight, twin.embedding.weight)
    torch.testing.assert_close(model.head.weight, twin.head.weight)
    torch.testing.assert_close(model.gain, twin.gain)


def test_adamw_only_follows_pytorchs_adamw():
    model, twin = awake_model(), awake_model()
    ours = make_optimizer(model, adamw_lr=0.003, betas=(0.9, 0.99), eps=1e-8)
    theirs = torch.optim.AdamW(
        twin.parameters(), lr=0.003, betas=(0.9, 0.99), eps=1e-8, weight_decay=0
    )
    for t in range(5):
        set_grads(model, t)
        set_grads(twin, t)
        ours.step()
        theirs.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_lr_factor_scales_every_step():
    for factor in (0.0, 0.25):
        model, twin = awake_model(), awake_model()
        ours = make_optimizer(model)
        ours.set_lr_factor(0.5)
        ours.set_lr_factor(factor)  # not 0.5 times this
        rates = [lr * factor for lr in (0.03, 0.05, 0.01, 0.01)]
        theirs = make_optimizer(twin, *rates)
        set_grads(model, 0)
        set_grads(twin, 0)
        ours.step()
        theirs.step()
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(p, q)


def test_schedule():
    assert [lr_factor(t, 10) for t in range(5)] == [1.0] * 5
    assert lr_factor(7, 10) == pytest.approx(0.5)
    assert lr_factor(9, 10) == pytest.approx(1 / 6)
    assert lr_factor(10, 10) == 0
    assert lr_factor(0, 1) == 1


class Scorer(nn.Module):
    """A GPT with a head of one number, as reward models have it."""

    def __init__(self):
        super().__init__()
        self.gpt = awake_model()
        self.score = nn.Linear(16, 1)


def test_every_weight_is_trained_by_one_rule():
    for model in (awake_model(), Scorer()):
        optimizer = make_optimizer(model)
        adamw = [len(group["params"]) for group in optimizer.adamw.param_groups]
        assert len(optimizer.matrices) == 8
        assert all("blocks." in name for name in optimizer.matrices)
        assert adamw == ([1, 1, 1] if isinstance(model, GPT) else [1, 1, 3])
        before = [p.clone() for p in model.parameters()]
        set_grads(model, 0)
        optimizer.step()
        assert all((p != q).any() for p, q in zip(model.parameters(), before, strict=True))


def test_a_model_whose_weights_are_all_frozen_is_an_error():
    for options in ({}, {"adamw_lr": 0.01}):
        for model in (awake_model(), Scorer()):
            model.requires_grad_(False)
            message = r"all weights are frozen: model\.requires_grad_\(True\)"
            with pytest.raises(ValueError, match=message):
                make_optimizer(model, **options)
            model.requires_grad_(True)
            make_optimizer(model, **options)


def test_weights_without_gradient_or_frozen_stay():
    model = awake_model()
    model.embedding.weight.requires_grad_(False)
    optimizer = make_optimizer(model, weight_decay=0.1)
    before = {name: p.clone() for name, p in model.named_parameters()}
    set_grads(model, 0)
    model.blocks[0].qkv.weight.grad = None
    optimizer.step()
    same = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    assert same == {"embedding.weight", "blocks.0.qkv.weight"}


def test_zero_grad():
    model = awake_model()
    optimizer = make_optimizer(model)
    set_grads(model, 0)
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def train(model, optimizer, steps):
    for t in steps:
        generator = torch.Generator().manual_seed(t)
        idx = torch.randint(20, (4, 17), generator=generator)
        optimizer.set_lr_factor(lr_factor(t, 8))
        loss = next_token_loss(model(idx[:, :-1]), idx[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("options", [{}, {"adamw_lr": 0.01}])
def test_resumed_equals_uninterrupted(options, tmp_path):
    straight = GPT(CONFIG)
    train(straight, make_optimizer(straight, **options), range(8))

    first = GPT(CONFIG)
    optimizer = make_optimizer(first, **options)
    train(first, optimizer, range(4))
    torch.save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "s")

    saved = torch.load(tmp_path / "s", weights_only=True)
    second = GPT(CONFIG, seed=9)
    second.load_state_dict(saved["model"])
    optimizer = make_optimizer(second, **options)
    optimizer.load_state_dict(saved["optimizer"])
    train(second, optimizer, range(4, 8))
    for p, q in zip(straight.parameters(), second.parameters(), strict=True):
        assert torch.equal(p, q)


def test_state_of_another_model_is_refused():
    other = GPT(GPTConfig(vocab_size=20, n_layer=1, n_head=2, n_embd=16))
    with pytest.raises(ValueError, match="another model"):
        make_optimizer(GPT(CONFIG)).load_state_dict(make_optimizer(other).state_dict())


def test_it_learns_a_repeated_text():
    model = GPT(CONFIG)
    optimizer = make_optimizer(model)
    idx = torch.arange(17)[None] % 5
    for _ in range(60):
        loss = next_token_loss(model(idx[:, :-1]), idx[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1
