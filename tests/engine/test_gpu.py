"""The same code on a GPU: what can be said of it without one, and its losses beside the CPU's.

A processor that is asked for a number must finish what it was told to do, and a GPU is then idle
until it gets the next order. So hot loops may not ask: here the questions are counted on the CPU,
and updates run on PyTorch's `meta` device, which computes nothing and cannot answer.
"""

import copy

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from minigpt.engine.batching import by_length
from minigpt.engine.optim import make_optimizer
from minigpt.generate import generate
from minigpt.model import GPT, GPTConfig, next_token_loss
from minigpt.ppo import PPOConfig, clipped_loss, ppo, token_logprobs, update_numbers, value_loss
from minigpt.pretrain import PretrainConfig, pretrain
from minigpt.reward import RewardModel, bradley_terry, new_value_function
from toys import ToyEncoding

CONFIG = GPTConfig(vocab_size=64, block_size=32, n_layer=2, n_head=2, n_embd=32)
TOKENS = np.random.default_rng(0).integers(0, 64, 2000).astype(np.uint16)
META = torch.device("meta")
TOY = ToyEncoding(end=63, reward=62)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA card")


class Asked(TorchDispatchMode):
    """Counts how often a tensor's number, or where it is not 0, is asked for."""

    QUESTIONS = {"_local_scalar_dense", "nonzero", "equal", "is_nonzero"}

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        masks = name == "index" and any(x is not None and x.dtype == torch.bool for x in args[1])
        self.times += masks or name in self.QUESTIONS
        return func(*args, **(kwargs or {}))


class AllOn(TorchDispatchMode):
    """Fails where an operation makes a tensor on another device."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else (out,):
            assert not isinstance(x, torch.Tensor) or x.device == self.device, func
        return out


def meta_gpt() -> GPT:
    return GPT(CONFIG).to(META)


def asked_in_generation(new: int) -> int:
    with Asked() as asked:
        generate(GPT(CONFIG), [[1, 2], [3]], new, seeds=[1, 2])
    return asked.times


def test_writing_more_tokens_asks_no_more():
    assert asked_in_generation(24) == asked_in_generation(4) < 5


def test_the_counter_sees_questions():
    x = torch.ones(3)
    with Asked() as asked:
        x.sum().item(), bool(x.any()), x.nonzero(), x[x > 0]
    assert asked.times == 4


def asked_in_a_round_of_ppo(**changed) -> int:
    policy, reward = GPT(CONFIG), RewardModel(GPT(CONFIG, seed=1))
    # The pretraining loss checks its targets, on a CPU alone.
    config = PPOConfig(iterations=1, prompts=8, max_new_tokens=4, ptx_coef=0.0, **changed)
    with Asked() as asked:
        list(ppo(policy, reward, [[1, 2, 3]] * 8, TOKENS, TOY, config))
    return asked.times


def test_a_round_of_ppo_asks_no_more_for_more_updates():
    assert asked_in_a_round_of_ppo(epochs=4, minibatch=2) == asked_in_a_round_of_ppo(minibatch=8)


def test_an_update_of_pretraining_stays_on_its_device_and_asks_nothing():
    model = meta_gpt()
    optimizer = make_optimizer(model)
    ids = torch.zeros(2, 17, dtype=torch.long, device=META)
    with AllOn(META):
        next_token_loss(model(ids[:, :-1]), ids[:, 1:]).backward()
    with torch.no_grad(), AllOn(META):
        optimizer.muon_step()  # AdamW's fused kernel is not made for meta
    assert all(p.grad.device == META for p in model.parameters())


def test_padding_and_scoring_stay_on_their_device_and_ask_nothing():
    model = RewardModel(GPT(CONFIG)).to(META)
    ids, last = (torch.zeros(*s, dtype=torch.long, device=META) for s in ((4, 9), (4,)))
    model.gpt.hidden(ids, pad=last)
    (scores,) = by_length(model.raw_score, [3, 9, 5, 4], ids, last)
    bradley_terry(scores[:2], scores[2:]).backward()
    assert model.layers.direction.grad.device == META


def test_an_update_of_ppo_stays_on_its_device_and_asks_nothing():
    policy, reward = meta_gpt(), RewardModel(GPT(CONFIG)).to(META)
    values = new_value_function(reward)
    ids = torch.zeros(4, 9, dtype=torch.long, device=META)
    old, advantages, mask = (torch.zeros(4, 8, device=META) for _ in range(3))
    with AllOn(META):
        logp = token_logprobs(policy(ids), ids)
        loss = clipped_loss(logp, old, advantages, mask, 0.2)
        numbers = update_numbers(loss, logp, old, advantages, mask, 0.2)
        found = values(*reward.read(ids))[:, :-1]
        (loss + value_loss(found, old, advantages, mask, 0.2)).backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    assert loss.device == numbers.device == META


@needs_gpu
def test_losses_on_a_gpu_are_those_of_the_cpu_within_a_band():
    losses = {}
    for device in ("cpu", "cuda"):
        run = pretrain(GPT(CONFIG).to(device), TOKENS, PretrainConfig(8, 16, steps=30))
        losses[device] = [step.loss for step in run]
    assert losses["cuda"] == pytest.approx(losses["cpu"], abs=0.02)


@needs_gpu
def test_a_gpu_writes_what_the_cpu_writes():
    model = GPT(CONFIG)
    list(pretrain(model, TOKENS, PretrainConfig(8, 16, steps=30)))
    prompts = [[1, 2, 3], [4], [5, 6]]
    there = copy.deepcopy(model).to("cuda")
    for options in ({"temperature": 0}, {"seeds": [1, 2, 3]}, {"stop": 7, "seeds": [4, 5, 6]}):
        found, wanted = (generate(m, prompts, 12, **options) for m in (there, model))
        for a, b in zip(found, wanted, strict=True):
            assert a.ids == b.ids and a.logprobs == pytest.approx(b.logprobs, abs=1e-3)


@needs_gpu
def test_ppo_on_a_gpu_begins_as_on_the_cpu():
    first = {}
    for device in ("cpu", "cuda"):
        policy, reward = GPT(CONFIG).to(device), RewardModel(GPT(CONFIG, seed=1)).to(device)
        config = PPOConfig(iterations=2, prompts=8, max_new_tokens=4, minibatch=4, block_size=16)
        first[device] = next(ppo(policy, reward, [[1, 2, 3]] * 8, TOKENS, TOY, config))
    cpu, cuda = first["cpu"], first["cuda"]
    assert [s.ids for s in cpu.samples] == [s.ids for s in cuda.samples]
    assert cuda.reward == pytest.approx(cpu.reward, abs=1e-2)
    assert cuda.loss == pytest.approx(cpu.loss, abs=1e-2)
