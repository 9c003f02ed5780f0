"""The museum's bugs: their lines, what each exhibit shows, and that each bug moves what should tell
it."""

import numpy as np
import pytest
import torch

import minigpt.ppo
from minigpt.lessons.ppo.bug_texts import check_words, words
from minigpt.lessons.ppo.bugs import (
    BUGS,
    EXHIBITS,
    ORDER,
    RUNS,
    difference,
    make_run,
    ppo_with,
    sources,
)
from minigpt.lessons.ppo.instruments import derived, readings
from minigpt.lessons.ppo.museum import SEED, key
from minigpt.model import GPT, GPTConfig
from minigpt.ppo import PPOConfig, ppo
from minigpt.reward import RewardModel

V, END, REWARD = 16, 14, 13
CONFIG = GPTConfig(vocab_size=V, block_size=16, n_layer=1, n_head=2, n_embd=32)
PROMPTS = [[1], [2, 3], [4, 5, 6], [7], [8, 9, 10, 11], [12, 1]]
TOKENS = np.random.default_rng(0).integers(0, 12, 300).astype(np.uint16)
ROUND = 1e-3  # what is below is rounding


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def letter_of(bug):
    return next(letter for letter, other in EXHIBITS.items() if other == bug)


# Diagnosis: what it says, and what it does not give away


def test_every_bug_has_one_letter_and_the_letters_are_in_no_telling_order():
    assert sorted(EXHIBITS.values()) == list(BUGS) and len(BUGS) >= 9
    assert list(BUGS) == sorted(BUGS) == list(words())
    assert ORDER != list(BUGS) and ORDER != list(BUGS)[::-1]


def test_the_lines_of_the_bug_beside_the_right_ones():
    assert [[kind, str(cell)] for kind, cell in difference("kl_sign").rows if kind] == [
        ["function", "kl_rewards"],
        ["right", "    rewards = -kl_coef * (logp - ref_logp) * mask"],
        ["bug", "    rewards = kl_coef * (logp - ref_logp) * mask"],
    ]
    html = difference("position")._repr_html_()
    assert "&lt;|reward|&gt;" not in html and "white-space:pre" in html


def test_what_is_shown_is_escaped(monkeypatch):
    monkeypatch.setitem(BUGS, "shift", (set(), {"token_logprobs": {"dim=-1": "dim='<b>'"}}))
    html = difference("shift")._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;" in html


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug != "none"])
def test_a_bug_is_a_line_or_two_of_the_true_code(bug):
    for name, (right, wrong) in sources(bug).items():
        assert right in open(minigpt.ppo.__file__, encoding="utf-8").read()
        compile(wrong, name, "exec")
        assert right != wrong and abs(len(wrong) - len(right)) < 70
    kinds = [row[0] for row in difference(bug).rows]
    assert 1 <= kinds.count("right") <= 2 and 1 <= kinds.count("bug") <= 2 and len(kinds) <= 10


def test_edited_code_is_a_clear_error(monkeypatch):
    monkeypatch.setitem(BUGS, "shift", (set(), {"token_logprobs": {"no such code": ""}}))
    with pytest.raises(ValueError, match="ppo.py: token_logprobs must have `no such code` once"):
        sources("shift")


# The exhibits, on the shipped models


def run(bug, seed, rounds):
    assert list(make_run(bug, seed, rounds)) == list(range(1, rounds + 1))
    return RUNS[bug, seed, rounds]


@pytest.fixture(scope="module")
def exhibits():
    return {bug: run(*key(bug, 5)) for bug in BUGS}


@pytest.fixture(scope="module")
def fine():
    return run("none", SEED, 5)


def last(shown, name):
    return next(r.value for r in shown.readings if r.name == name)


@pytest.mark.slow
def test_every_exhibit_is_told_by_its_checks(exhibits, fine):
    assert max(fine.found.values()) < ROUND
    for bug, shown in exhibits.items():
        moved = {name for name, value in shown.found.items() if value > ROUND}
        # "sum" may follow where the end token's price is missing.
        assert moved - {"sum"} == BUGS[bug][0] - {"sum"}, bug
        assert ("sum" in moved) >= ("sum" in BUGS[bug][0]), bug


@pytest.mark.slow
def test_exhibits_that_the_instruments_show(exhibits, fine):
    for shown in (fine, exhibits["none"]):
        assert {shown.light(r.name) for r in shown.readings} <= {"off", "green"}
    assert exhibits["dropout"].light("ratio") == "red"
    assert exhibits["temperature"].light("sampling") == "red"
    assert exhibits["direction"].light("kl") == "red"
    assert last(exhibits["alias"], "kl") == 0 and last(fine, "kl") > 0.2
    assert last(exhibits["kl_sign"], "kl") > 1.2 * last(fine, "kl")
    assert last(exhibits["score_sign"], "reward") < last(fine, "reward") - 0.5
    assert last(exhibits["shift"], "reward") < last(fine, "reward") - 0.3
    at_first = [next(r.value for r in exhibits[bug].first if r.name == "reward")
                for bug in ("position", "dropout")]  # fmt: skip
    assert at_first[0] < at_first[1] - 0.1 and abs(at_first[1]) < 0.5


# The bugs on a toy

TOY_ROUND = 1e-4  # what is below is rounding


class Toy:
    """An encoding of 16 ids, as far as PPO asks it anything."""

    def encode_single_token(self, token):
        return {"<|end|>": END, "<|reward|>": REWARD}[token]


def awake_gpt(seed=1, std=0.3):
    model = GPT(CONFIG)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim:
                p.normal_(std=std, generator=generator)
    return model


def toy_config(**changed):
    return PPOConfig(**{
        "iterations": 3, "prompts": 24, "max_new_tokens": 6, "minibatch": 12, "epochs": 2,
        "muon_lr": 0.01, "lr": 1e-2, "value_lr": 1e-2, "kl_coef": 0.3, "ptx_coef": 0.0, **changed,
    })  # fmt: skip


def toy_run(bug, **changed):
    """The policy, the records and the largest of each check of a toy run."""
    policy, reward = awake_gpt(), RewardModel(awake_gpt(2))
    rounds = list(ppo_with(bug, policy, reward, PROMPTS * 4, Toy(), toy_config(**changed)))
    return policy, [step for step, _found in rounds], rounds[-1][1]


@pytest.fixture(scope="module")
def healthy():
    return toy_run("none")


@pytest.mark.parametrize("changed", [{}, {"epochs": 1, "minibatch": 5}, {"seed": 7, "prompts": 40}])
def test_without_a_bug_it_is_the_courses_ppo(changed):
    found, steps, _ = toy_run("none", **changed)
    policy = awake_gpt()
    args = policy, RewardModel(awake_gpt(2)), PROMPTS * 4, TOKENS, Toy(), toy_config(**changed)
    for ours, plain in zip(ppo(*args), steps, strict=True):
        assert ours.rollout.samples == plain.rollout.samples
        assert derived(ours) == derived(plain)
        ours, plain = ({**vars(step), "rollout": 0, "returns": 0} for step in (ours, plain))
        assert ours == plain
    assert same(policy, found)


def test_without_a_bug_every_check_is_0(healthy):
    _, steps, found = healthy
    assert set(found) == set(check_words())
    assert max(found.values()) < TOY_ROUND
    assert 0 < steps[0].ended < 1 and steps[-1].kl > 0.01  # nothing is trivially 0


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug != "none"])
def test_each_bug_changes_what_is_learned_and_moves_its_checks_alone(bug, healthy):
    policy, _, found = toy_run(bug)
    assert {name for name, value in found.items() if value > TOY_ROUND} == BUGS[bug][0]
    # At such rates one wrong gradient makes another policy.
    assert not same(policy, healthy[0])


def lights(steps):
    return {r.name: r.light for r in readings(steps)}


def test_bugs_that_no_check_sees_show_in_the_instruments(healthy):
    fine = healthy[1]
    assert lights(fine)["ratio"] == lights(fine)["kl"] == "green"
    assert fine[-1].first_ratio < 1e-5 and fine[-1].kl > 0.01
    dropout, alias = toy_run("dropout")[1], toy_run("alias")[1]
    assert lights(dropout)["ratio"] == "red"
    assert [step.kl for step in alias] == [0, 0, 0] == [derived(step)["k1"] for step in alias]


def test_the_two_wrong_signs_of_kl_differ_in_what_is_logged():
    reversed_, paid = toy_run("direction")[1][-1], toy_run("kl_sign")[1][-1]
    assert reversed_.kl == paid.kl > 0  # they learn the same
    assert derived(reversed_)["k1"] == -derived(paid)["k1"] < 0


def test_rewards_sum_to_a_multiple_of_the_score_when_it_is_counted_at_each_token():
    _, _, found = toy_run("every_token", iterations=1)
    assert found["sum"] > 1
