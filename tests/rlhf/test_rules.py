"""The 34 rules of correct RLHF, each with a test here that bears its number, and some of those.

Each was broken by a published implementation. A test's name says which it is of: test_rule_18_… or
test_rule_11_and_18_….
"""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from minigpt.generate import generate, generate_all
from minigpt.ppo import PPOConfig, gae, optimizers, ppo
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    expected_best,
    new_value_function,
    train_reward,
)
from minigpt.stages.scoring import Score, judged
from minigpt.world.facts import load_world
from minigpt.world.judge import BEST, GOLD, GOLD_UNKNOWN, VERDICTS
from minigpt.world.questions import Question, ask
from toys import ToyEncoding, awake_gpt

RULES = {
    1: "padding is a token of its own; the end token is scored",
    2: "the end is one token, trained once an answer; nothing loses it by truncation",
    3: "position t scores token t + 1, and the mask shifts with the targets",
    4: "the mean is over scored tokens: padding has no part in it",
    5: "prompts are padded at the left, and no answer depends on the batch",
    6: "the score is read at the last token, found by length",
    7: "answers are scored in the template that the reward model was taught",
    8: "the Bradley-Terry loss knows differences alone",
    9: "the head begins small, the value's at zero; one epoch, all pairs of a prompt together",
    10: "reference answers score 0 ± 1",
    11: "a price on KL at each token, and the score once, at the end",
    12: "KL is of the policy from the reference, and its estimates have that expectation",
    13: "answers are drawn from the distribution that scores them",
    14: "the ratio is 1 in the first minibatch",
    15: "there is no dropout",
    16: "the reference is a frozen copy",
    17: "the value of a token is read before it",
    18: "advantages run backwards over the answer alone; after the end nothing is expected",
    19: "returns are taken before whitening",
    20: "whitened advantages have mean 0 and variance 1",
    21: "score, mask and value agree where an answer ends",
    22: "the clip takes away gains and never losses",
    23: "the value's loss is half the larger square; its rate is its own",
    24: "averages are over the answers' tokens alone",
    25: "losses count tokens and not answers",
    26: "an answer that does not end gets a fixed score",
    27: "fresh answers each round, old log-probabilities fixed in it, low rates, short gradients",
    28: "Adam's ε stands outside the corrected root",
    29: "where all answers are worth the same nothing is learned",
    30: "answers are compared with those to the same prompt",
    31: "what scores well becomes likelier, and gold rises with it",
    32: "gold is judged by what no reward model has a part in",
    33: "generation with a cache equals the whole forward pass",
    34: "every sample has random numbers of its own",
}


def test_every_rule_has_a_test_and_all_of_them_are_here():
    tests, here = Path(__file__).parent.parent, Path(__file__).parent
    found = set()
    for file in tests.rglob("test_*.py"):
        names = re.findall(
            r"^def test_rule_(\d\d(?:_and_\d\d)*)_", file.read_text(encoding="utf-8"), re.M
        )
        assert not names or file.parent == here, f"{file} has tests of rules"
        found |= {int(number) for name in names for number in name.split("_and_")}
    assert found == set(RULES) == set(range(1, 35))


V, END, REWARD = 29, 28, 27
TOY = ToyEncoding(END, REWARD)
PROMPTS = [[3], [1, 2, 3, 4, 5, 6, 7], [9, 8], [0, 0, 0], [26] * 10, [5, 6], [7, 7], [1, 2]]
TOKENS = np.random.default_rng(0).integers(0, 20, 300).astype(np.uint16)


def gpt(seed=1):
    return awake_gpt(seed, vocab_size=V, block_size=32)


@pytest.mark.parametrize("batch", [2, 3, 256])
def test_rule_05_many_prompts_of_mixed_lengths_say_what_each_says_alone(batch):
    model = gpt()
    found = generate_all(model, PROMPTS, 6, n=2, stop=9, seed=3, batch=batch)
    for i, (prompt, row) in enumerate(zip(PROMPTS, found, strict=True)):
        for j, sample in enumerate(row):
            (alone,) = generate(model, [prompt], 6, stop=9, seeds=[3 * 10**7 + 2 * i + j])
            assert sample.ids == alone.ids and sample.ended == alone.ended
            assert sample.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_rule_09_the_value_function_expects_nothing_at_first():
    reward = RewardModel(gpt())
    value = new_value_function(reward)
    hidden, surprisal = torch.randn(2, 5, 32), torch.rand(2, 5)
    assert not value(hidden, surprisal).any() and reward.layers(hidden, surprisal).all()
    assert not {p.data_ptr() for p in value.parameters()} & {
        p.data_ptr() for p in reward.layers.parameters()
    }


def test_rule_27_the_policys_rates_fall_linearly_to_nothing(monkeypatch):
    factors = []
    monkeypatch.setattr(
        "minigpt.engine.optim.Optimizer.set_lr_factor", lambda self, factor: factors.append(factor)
    )
    c = PPOConfig(iterations=4, prompts=2, max_new_tokens=2, minibatch=1, block_size=8)
    list(ppo(gpt(), RewardModel(gpt()), PROMPTS, TOKENS, TOY, c))
    assert factors == [1.0, 0.75, 0.5, 0.25]


def test_rule_28_adams_epsilon_stands_beside_the_corrected_root():
    """Of gradients as small as ε: PyTorch's Adam moves by half its rate at first, the other form,
    whose ε stands beside the root as it is, by a fifth."""
    policy, config = gpt(), PPOConfig(lr=0.1, value_lr=0.2, muon_lr=0.0)
    layers = new_value_function(RewardModel(policy))
    for optimizer, weight, lr in zip(
        optimizers(policy, layers, config), (policy.head.weight, layers.head.weight), (0.1, 0.2)
    ):
        before = weight.detach().clone()
        weight.grad = torch.full_like(weight, 1e-8)
        optimizer.step()
        torch.testing.assert_close(before - weight.detach(), torch.full_like(weight, lr / 2))


class Likes(RewardModel):
    """A reward model that likes all answers the same."""

    def score_at(self, last, hidden, surprisal):
        return torch.full(last.shape, 2.0)


def test_rule_29_where_all_answers_are_worth_the_same_nothing_is_learned():
    policy, free = gpt(), {"kl_coef": 0.0, "ptx_coef": 0.0, "cut_off_reward": 2.0, "lam": 1.0}
    before = copy.deepcopy(policy.state_dict())
    c = PPOConfig(iterations=1, prompts=8, max_new_tokens=16, minibatch=4, block_size=8, **free)
    (step,) = ppo(policy, Likes(gpt()), PROMPTS, TOKENS, TOY, c)
    assert step.rollout.score.std() == 0 and step.loss == 0
    assert all(torch.equal(p, before[name]) for name, p in policy.state_dict().items())
    # As soon as one is worth more, they are told apart.
    c.cut_off_reward = 1.0
    (step,) = ppo(policy, Likes(gpt()), PROMPTS, TOKENS, TOY, c)
    assert 0 < step.ended < 1
    assert not torch.equal(policy.head.weight, before["head.weight"])


def test_rule_30_answers_are_compared_with_those_to_the_same_prompt():
    """What a question is worth by itself changes nothing: neither which of its answers is the best
    of n, nor what comparisons teach; and one answer's rewards have no part in another's
    advantages, before whitening."""
    rng = np.random.default_rng(0)
    scores, values = rng.normal(size=(2, 4, 6))
    of_questions = 100 * rng.normal(size=(4, 1))
    for n in (1, 3, 6):
        plain = expected_best(scores, values, n)
        assert expected_best(scores + of_questions, values, n) == pytest.approx(plain)

    pairs = [[(0, 1)], [(1, 0)], [(0, 1)]]
    sequences = [[[p, a, END, REWARD] for a in (4, 5)] for p in (1, 2, 3)]
    losses = []
    for own in (0.0, 50.0):  # times the prompt's id
        model = RewardModel(gpt())
        shift = model.raw_score
        model.raw_score = lambda idx, last, shift=shift, own=own: shift(idx, last) + own * idx[:, 0]
        losses += [next(train_reward(model, sequences, pairs, RewardConfig(8))).loss]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)

    rewards, told = (torch.from_numpy(rng.normal(size=(4, 5))) for _ in "12")
    mask = torch.ones(4, 5, dtype=torch.float64)
    plain, other = gae(rewards, told, mask, 1.0, 0.95)[0], rewards.clone()
    other[2] += 7
    changed = gae(other, told, mask, 1.0, 0.95)[0] != plain
    assert changed.all(1).tolist() == changed.any(1).tolist() == [False, False, True, False]


def test_rule_32_gold_is_the_verdict_s_and_no_reward_model_has_a_part_in_it():
    world = load_world("en")
    for kind, table in (("fact", GOLD), ("unknown", GOLD_UNKNOWN)):
        question = Question("?", kind, attribute="capital")
        score = Score([question] * len(VERDICTS), [""] * len(VERDICTS), list(VERDICTS))
        assert score.gold == [table[verdict] for verdict in VERDICTS]
        assert set(score.best) == {BEST[kind]} == {max(table.values())}
    # A proxy that likes the wrong answer picks it, and gold shows that it was a bad choice.
    question = ask(world, next(f for f in world.of_split("A") if f.attribute == "capital"))
    wrong = next(v for v in world.values["capital"] if v != question.answer)
    gold = judged(world, [question] * 2, [question.answer, wrong]).gold
    assert gold == [2.0, -1.0]
    assert expected_best(np.array([[0.0, 1.0]]), np.array([gold]), 2) == -1.0


def test_rule_34_each_sample_of_each_prompt_has_a_seed_of_its_own():
    model, prompts = gpt(), [[1, 2], [1, 2], [3], [1, 2], [4, 5, 6]]
    found = generate_all(model, prompts, 8, n=3, seed=3)
    assert [len(row) for row in found] == [3] * 5
    texts = {tuple(sample.ids) for row in found for sample in row}
    assert len(texts) == 15
    other = generate_all(model, prompts, 8, n=3, seed=4)
    assert not texts & {tuple(sample.ids) for row in other for sample in row}
    assert generate_all(model, [], 8, n=3) == []
