"""Computing in bfloat16: close to float32, weights and losses in float32, and never by chance."""

import pytest
import torch
import torch.nn.functional as F

from minigpt.engine import device as devices
from minigpt.engine.device import has_bf16, pick_dtype
from minigpt.engine.layers import attention_by_hand
from minigpt.engine.optim import make_optimizer
from minigpt.generate import generate
from minigpt.model import GPT, SHARPNESS, GPTConfig, next_token_loss
from minigpt.reward import RewardModel
from minigpt.stages.train import Course

CONFIG = GPTConfig(vocab_size=64, block_size=32, n_layer=2, n_head=2, n_embd=32)
CPU, BF16 = torch.device("cpu"), torch.bfloat16
IDS = torch.randint(64, (4, 17), generator=torch.Generator().manual_seed(1))


def trained(dtype: torch.dtype, steps: int = 30) -> tuple[GPT, list[float]]:
    """A model that has learned one batch by heart, and its losses."""
    model, losses = GPT(CONFIG), []
    model.dtype = dtype
    optimizer = make_optimizer(model)
    for _ in range(steps):
        loss = next_token_loss(model(IDS[:, :-1]), IDS[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


@pytest.fixture(scope="module")
def both():
    return trained(torch.float32), trained(BF16)


def test_losses_are_those_of_float32_within_bfloat16s_three_digits(both):
    (_, plain), (_, found) = both
    assert found[0] == plain[0] and plain[-1] < plain[0] / 2
    assert found == pytest.approx(plain, abs=0.05)
    assert found[1:] != plain[1:]


def test_weights_gradients_and_logits_stay_float32(both):
    _, (model, _) = both
    next_token_loss(model(IDS[:, :-1]), IDS[:, 1:]).backward()
    for p in model.parameters():
        assert p.dtype == p.grad.dtype == torch.float32
    assert model(IDS).dtype == torch.float32 and model.hidden(IDS).dtype == BF16


def test_it_is_deterministic(both):
    again, losses = trained(BF16)
    assert losses == both[1][1]
    for p, q in zip(again.parameters(), both[1][0].parameters(), strict=True):
        assert torch.equal(p, q)


def test_attention_by_hand_is_pytorchs():
    q, k, v = torch.randn(3, 2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    plain = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=SHARPNESS)
    torch.testing.assert_close(attention_by_hand(q, k, v, SHARPNESS), plain)


def test_what_is_written_is_that_of_float32():
    model, _ = trained(torch.float32)
    plain = generate(model, [[1, 2], [3]], 8, temperature=0)
    model.dtype = BF16
    assert generate(model, [[1, 2], [3]], 8, temperature=0) == plain


def test_a_reward_models_scores_are_close(both):
    (gpt, _), _ = both
    model = RewardModel(gpt)
    plain = model(IDS)
    model.gpt.dtype = BF16
    assert model(IDS).dtype == torch.float32
    torch.testing.assert_close(model(IDS), plain, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("able", [False, True])
def test_auto_goes_by_what_the_processor_can_do(able, monkeypatch):
    monkeypatch.setattr(devices, "has_bf16", lambda device: able)
    assert pick_dtype("auto", CPU) == (BF16 if able else torch.float32)
    assert pick_dtype("bf16", CPU) == BF16 and pick_dtype("fp32", CPU) == torch.float32


def test_only_a_cpu_or_a_card_with_the_instructions_has_them(monkeypatch):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_bf16(CPU) and not has_bf16(torch.device("mps"))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert has_bf16(CPU)


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="'fp16' is not known: choose fp32, bf16 or auto"):
        pick_dtype("fp16", CPU)


def test_a_course_in_bfloat16_says_so_in_its_checkpoints(tmp_path):
    course = Course(tmp_path, fast=True, say=lambda text: None, dtype="bf16")
    model = course.new_model()
    assert model.dtype == BF16
    course.save("base", model, course.settings("base"), {})
    assert course.load("base").meta["dtype"] == "bfloat16"
    assert course.trainable("base").dtype == BF16
