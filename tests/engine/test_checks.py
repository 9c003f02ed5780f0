"""What no run goes on with: each setting of each config, and a loss that is no number."""

import copy
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from minigpt.engine.checks import RULES
from minigpt.ppo import PPOConfig, Steps, clipped_loss, ppo
from minigpt.pretrain import PretrainConfig, pretrain
from minigpt.reward import RewardConfig, RewardModel, normalise, train_reward
from minigpt.sft import SFTConfig, sft
from minigpt.stages.recipe import Recipe
from toys import ToyEncoding, awake_gpt

CONFIGS = [PretrainConfig, SFTConfig, RewardConfig, PPOConfig, Recipe]
BAD = {
    "a whole number of 1 or more": [0, -1, 1.5, True, math.nan, math.inf, "3", None],
    "a whole number from 0 to 2**62": [-1, 2**63, 10**23, 0.5, math.nan, None],
    "a finite number": [math.nan, math.inf, -math.inf, "0.1", None, 1j],
    "a finite number of 0 or more": [-1e-9, math.nan, math.inf, -math.inf, "0.1", None],
    "a number above 0": [0, -0.2, math.nan, -math.inf, "1"],
    "a number from 0 to 1": [-0.1, 1.1, math.nan, math.inf, None],
}
SETTINGS = [(kind, field.name) for kind in CONFIGS for field in fields(kind)]
V, END, REWARD = 16, 14, 13
TOKENS = np.arange(300, dtype=np.uint16) % 12


@pytest.mark.parametrize("kind, name", SETTINGS)
def test_each_setting_of_each_config_is_looked_at(kind, name):
    words, fits = RULES[name]
    kept = kind()
    for value in BAD[words]:
        if value is None and getattr(kept, name) is None:
            continue
        said = f"{name} is {value!r}: give {words}"
        with pytest.raises(ValueError, match=re.escape(f"{kind.__name__}.{said}")):
            kind(**{name: value})
        with pytest.raises(ValueError, match=re.escape(said)):
            replace(kept, **{name: value})
        with pytest.raises(ValueError, match=re.escape(said)):
            setattr(kept, name, value)
    assert kept == kind()
    if getattr(kept, name) is not None:
        assert fits(getattr(kept, name))
        kind(**{name: np.float64(0.5) if words.startswith("a number") else np.int64(1)})


def test_none_stands_where_it_is_the_default():
    assert PretrainConfig(steps=None).steps is None and PPOConfig(kl_budget=None).kl_budget is None


def test_what_has_a_meaning_is_taken():
    PPOConfig(kl_coef=-0.5)  # the bug of 06
    PPOConfig(max_grad_norm=math.inf, value_clip=math.inf, gamma=0, lam=1, ptx_coef=0)
    SFTConfig(muon_lr=0.0, pretraining_weight=0)


# ---- a loss that is no number ------------------------------------------------------------------


def model(seed=1):
    return awake_gpt(seed, vocab_size=V, block_size=16)


def spoil(weights: torch.nn.Module) -> None:
    """One weight of the last layers becomes NaN."""
    with torch.no_grad():
        [*weights.parameters()][-1].view(-1)[0] = math.nan


def a_pretraining():
    gpt = model()
    return gpt, pretrain(gpt, TOKENS, PretrainConfig(2, 8, steps=4))


def an_sft():
    gpt = model()
    return gpt, sft(gpt, [([1, 2], [3, END])] * 4, TOKENS, SFTConfig(1, block_size=8), 15)


def a_reward():
    rewarder = RewardModel(model())
    texts = [[[1, 2, END, REWARD], [1, 3, END, REWARD]]] * 4
    return rewarder.layers, train_reward(rewarder, texts, [[(0, 1)]] * 4, RewardConfig(1))


def a_ppo(steps=Steps(), **changed):  # noqa: B008
    policy, rewarder = model(), RewardModel(model())
    config = PPOConfig(4, 4, 4, minibatch=2, block_size=8, **changed)
    return policy, ppo(policy, rewarder, [[1], [2, 3]], TOKENS, ToyEncoding(END, REWARD), config,
                       steps)  # fmt: skip


RUNS = [a_pretraining, an_sft, a_reward, a_ppo]


@pytest.mark.parametrize("begin", RUNS)
def test_a_run_whose_weights_are_lost_ends_at_once(begin):
    weights, run = begin()
    assert next(run).step == 1
    spoil(weights)
    # PPO samples before it learns, and the sampler says it first.
    message = "learning rate" if begin is a_ppo else (
        r"step 2 of 4: the loss is nan, so the run has diverged.* a third of the rates "
        r"\(muon_lr=.*head_lr=.*\)")  # fmt: skip
    with pytest.raises(ValueError, match=message):
        next(run)
    assert list(run) == []


@pytest.mark.parametrize("begin", RUNS)
def test_weights_that_the_last_update_lost_are_noticed(begin, monkeypatch):
    weights, run = begin()
    done = [next(run) for _ in range(3)]
    step = type(torch.optim.AdamW([torch.zeros(1)])).step

    def last(self, *arguments):
        step(self, *arguments)
        spoil(weights)

    monkeypatch.setattr(torch.optim.AdamW, "step", last)
    # Of PPO's updates in a round, the second sees what the first one lost.
    said = "loss is nan" if begin is a_ppo else ".* is not finite"
    with pytest.raises(ValueError, match=f"step 4 of 4: the {said}, so the run has diverged"):
        next(run)
    assert [s.step for s in done] == [1, 2, 3]


def test_a_run_that_starts_from_lost_weights_says_where_to_look():
    gpt = model()
    spoil(gpt)
    run = pretrain(gpt, TOKENS, PretrainConfig(2, 8, steps=4))
    with pytest.raises(ValueError, match="step 1 of 4: .* or in the model that it starts from"):
        next(run)


def test_rates_beyond_all_bounds_do_not_run_to_the_end():
    run = pretrain(model(), TOKENS, PretrainConfig(2, 8, 40, 1e30, 1e30, 1e30))
    with pytest.raises(ValueError, match="has diverged.*muon_lr=1e.30"):
        list(run)


def test_ppo_notices_a_loss_of_its_own():
    lost = Steps(policy_loss=lambda *given: clipped_loss(*given) * math.nan)
    with pytest.raises(ValueError, match="step 1 of 4: the loss is nan"):
        next(a_ppo(lost)[1])


def test_the_checks_change_no_number():
    """A run's steps and weights are those that came in."""
    for begin in RUNS[:3]:
        weights, run = begin()
        first = [s.loss for s in run]
        kept = copy.deepcopy(weights.state_dict())
        weights, run = begin()
        assert [s.loss for s in run] == first and all(map(math.isfinite, first))
        assert all(torch.equal(t, kept[name]) for name, t in weights.state_dict().items())


# ---- a reward model that is no model -----------------------------------------------------------


@pytest.mark.parametrize("part", ["layers", "mean", "std"])
def test_a_reward_model_of_nan_scores_nothing(part):
    rewarder = RewardModel(model())
    spoil(rewarder.layers) if part == "layers" else getattr(rewarder, part).fill_(math.nan)
    texts = [[1, 2, END, REWARD], [1, 3, 4, END, REWARD]]
    for use in (rewarder.score, lambda s: normalise(rewarder, s)):
        with pytest.raises(ValueError, match="NaN"):
            use(texts)
    run = ppo(model(), rewarder, [[1]], TOKENS, ToyEncoding(END, REWARD), PPOConfig(2, 4, 4))
    with pytest.raises(ValueError, match="NaN"):
        next(run)
