"""Flight instruments: every light goes on for what it is there for, and for nothing else."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from minigpt.engine.answers import kl_and_entropy
from minigpt.generate import Sample, generate
from minigpt.lessons.ppo.instruments import (
    AMBER,
    GREEN,
    NAMES,
    OFF,
    RED,
    Evaluation,
    derived,
    evaluate_round,
    instrument_words,
    panel,
    readings,
    surprisal_gap,
)
from minigpt.stages.stage import load_stage
from minigpt.world.questions import sample_questions
from toys import tiny_gpt

SAMPLES = [Sample([1, 2], [-0.2, -0.5], True), Sample([3], [-0.2], True)] * 32


def with_mean(mean, deviation, n=64):
    """(n,) numbers with that mean and standard deviation."""
    return mean + deviation * torch.tensor([1.0, -1.0]).repeat(n // 2)


@dataclass
class Step:
    """A PPOStep with these numbers: those that the instruments derive stand in its rollout."""

    step: int = 6
    steps: int = 10
    reward: float = 0.3
    reward_std: float = 0.8
    kl: float = 0.2
    k1: float = 0.21
    k1_error: float = 0.03
    entropy: float = 0.3
    ended: float = 1.0
    clip_share: float = 0.01
    first_ratio: float = 0.0
    explained_variance: float = 0.4
    samples: list = None

    @property
    def returns(self):
        return with_mean(0.0, 1.0)[:, None]

    @property
    def rollout(self):
        rest = (1 - self.explained_variance) ** 0.5
        return SimpleNamespace(
            samples=self.samples or SAMPLES,
            score=with_mean(self.reward, self.reward_std),
            k1=with_mean(self.k1, 8 * self.k1_error)[:, None],
            values=(1 - rest) * self.returns,
            mask=torch.ones(64, 1),
        )


GOOD = Step()


def history(last=GOOD, n=None):
    """Rounds like the last, but for the first one's reward, which is lower."""
    n = n or last.step
    return [replace(last, step=i + 1, reward=last.reward - (i == 0)) for i in range(n - 1)] + [
        replace(last, step=n)
    ]


def lights(steps, evaluations=()):
    return {r.name: r.light for r in readings(steps, evaluations)}


def test_a_good_round_is_green_throughout_but_for_what_was_not_measured():
    found = lights(history())
    assert tuple(found) == NAMES
    assert found.pop("gold") == OFF
    assert set(found.values()) == {GREEN}


@pytest.mark.parametrize(
    ("name", "changed", "light"),
    [
        ("ratio", {"first_ratio": 1e-5}, GREEN),  # rounding
        ("ratio", {"first_ratio": 1e-3}, AMBER),
        ("ratio", {"first_ratio": 0.1}, RED),
        ("kl", {"k1": -0.08, "k1_error": 0.03}, GREEN),  # chance
        ("kl", {"k1": -0.1, "k1_error": 0.03}, RED),
        ("kl", {"kl": 5.0, "k1": 5.0}, AMBER),
        ("entropy", {"entropy": 0.29}, GREEN),
        ("ended", {"ended": 0.8}, AMBER),
        ("ended", {"ended": 0.5}, RED),
        ("explained", {"explained_variance": 0.0}, AMBER),
        ("explained", {"explained_variance": -2.0}, RED),
        ("clip", {"clip_share": 0.2}, AMBER),
        ("clip", {"clip_share": 0.5}, RED),
        ("ratio", {"first_ratio": float("nan")}, RED),
        ("explained", {"explained_variance": float("nan")}, RED),
    ],
)
def test_each_light_changes_at_its_limit_and_alone(name, changed, light):
    found = lights(history(replace(GOOD, **changed)))
    assert found.pop(name) == light
    found.pop("gold")
    assert set(found.values()) == {GREEN}


def test_what_is_derived_is_what_the_rollout_says():
    names = ("k1", "k1_error", "explained_variance")
    assert derived(GOOD) == pytest.approx({name: getattr(GOOD, name) for name in names}, abs=1e-5)


def test_entropy_is_judged_against_the_first_round():
    steps = history()
    for share, light in ((0.5, GREEN), (0.2, AMBER), (0.05, RED)):
        steps[-1] = replace(GOOD, entropy=GOOD.entropy * share)
        assert lights(steps)["entropy"] == light


def test_value_function_and_reward_are_not_judged_at_the_start():
    found = lights(history(replace(GOOD, explained_variance=-2.0, reward=-3.0), n=2))
    assert found["explained"] == found["reward"] == OFF


@pytest.mark.parametrize(("rise", "light"), [(0.5, GREEN), (-0.1, GREEN), (-0.6, RED)])
def test_reward_is_red_when_it_falls_by_more_than_chance(rise, light):
    steps = [replace(GOOD, step=i + 1, reward=rise * (i > 0)) for i in range(6)]
    assert lights(steps)["reward"] == light


def test_reward_is_amber_when_it_has_not_risen_after_ten_rounds():
    steps = [replace(GOOD, step=i + 1, reward=0.0) for i in range(10)]
    assert lights(steps)["reward"] == AMBER
    assert lights(steps[:9])["reward"] == GREEN


@pytest.mark.parametrize(
    ("golds", "light"),
    [([1.0], OFF), ([1.0, 1.2], GREEN), ([1.0, 1.2, 1.1], GREEN), ([1.0, 1.2, 0.95], AMBER),
     ([1.0, 1.2, 0.5], RED)],
)  # fmt: skip
def test_gold_is_judged_against_its_best_so_far(golds, light):
    found = [Evaluation(5 * i, 0.1 * i, gold, 0.07) for i, gold in enumerate(golds)]
    assert lights(history(), found)["gold"] == light


def test_surprisal_gap_is_zero_at_the_temperature_that_is_scored_and_not_at_another():
    model = tiny_gpt(head=0.1, vocab_size=16, block_size=16)
    for temperature, light in ((1.0, GREEN), (0.7, RED)):
        prompts = [[1, 2]] * 300
        samples = generate(model, prompts, 6, temperature=temperature, stop=14, seeds=1)
        entropy = []
        for prompt, s in zip(prompts, samples):
            with torch.no_grad():
                logits = model(torch.tensor([prompt + s.ids]))[0, 1:-1]
            entropy += kl_and_entropy(logits, logits)[1].tolist()
        step = replace(GOOD, samples=samples, entropy=float(np.mean(entropy)))
        gap, error = surprisal_gap(step)
        assert (abs(gap) < 3 * error) == (light == GREEN)
        assert lights(history(step))["sampling"] == light


def test_surprisal_gap_by_hand():
    samples = [Sample([1, 2], [-0.2, -0.6], True), Sample([3], [-0.4], True)]
    gap, error = surprisal_gap(replace(GOOD, samples=samples, entropy=0.3))
    assert gap == pytest.approx(1.2 / 3 - 0.3)
    assert error == pytest.approx(0.0)  # both answers have 0.4 nats a token


def test_every_light_has_a_word_and_a_sentence_and_every_reading_a_number():
    for r in readings(history()):
        assert r.label and r.word and r.sentence.endswith(".")
        assert r.name == "gold" or any(c.isdigit() for c in r.text)
    for name in NAMES:
        used = [instrument_words(name)[light] for light in (GREEN, AMBER, RED)]
        assert len({word for word, _ in used}) == 3
        assert all(sentence[-1] in ".?" for _, sentence in used)


def test_panel_names_the_round_and_has_a_row_for_each_instrument():
    table = panel(history())
    assert "round 6 of 10" in table.caption
    assert len(table.rows) == len(NAMES)
    assert all(str(row[2])[2:].split(":")[0] in ("green", "off") for row in table.rows)


def test_no_rounds_is_an_error_that_says_what_to_give():
    for reader in (readings, panel):
        with pytest.raises(ValueError, match="give the PPOSteps"):
            reader([])


def test_evaluate_round_sees_that_the_shipped_ppo_is_better_than_sft():
    reward = load_stage("reward", own=False, quiet=True)
    questions = sample_questions(reward.world, "V", 60, seed=3)
    found = {}
    for name in ("sft", "ppo"):
        policy = load_stage(name, own=False, quiet=True).model
        found[name] = evaluate_round(0, policy, reward, questions)
        assert found[name] == evaluate_round(0, policy, reward, questions)
    assert found["ppo"].gold > found["sft"].gold and found["ppo"].proxy > found["sft"].proxy
    assert 0 < found["sft"].gold_error < 0.4
