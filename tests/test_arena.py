"""Ratings against closed forms, brute force and known truths; who meets whom; who votes how."""

import itertools
import math
import random

import numpy as np
import pytest

from minigpt.arena import (
    Match,
    Vote,
    bootstrap_ratings,
    bradley_terry,
    bradley_terry_ratings,
    elo_update,
    expected_score,
    labeler_votes,
    make_matches,
    reward_votes,
    win_matrix,
)
from minigpt.reward import RewardModel
from minigpt.world.facts import load_world
from minigpt.world.judge import gold, judge
from minigpt.world.labelers import LABELERS
from minigpt.world.questions import ask, sample_questions
from toys import awake, elo_ratings, tiny_gpt, toy_stage

WORLD = load_world("en")


def between(left, right, wins=0, losses=0, ties=0, group=""):
    counts = {"left": wins, "right": losses, "tie": ties}
    return [Vote(left, right, choice, group) for choice, n in counts.items() for _ in range(n)]


def simulated(truth: dict, n: int, ties: float, seed: int) -> list[Vote]:
    """Votes of a world in which Bradley–Terry is exactly right, `n` a pair."""
    rng, out = random.Random(seed), []
    for (a, ra), (b, rb) in itertools.combinations(truth.items(), 2):
        for i in range(n):
            won = "left" if rng.random() < expected_score(ra, rb) else "right"
            out.append(Vote(a, b, "tie" if rng.random() < ties else won, f"{a}{b}{i}"))
    rng.shuffle(out)
    return out


# ---- Elo ----------------------------------------------------------------------------------------


def test_400_points_are_odds_of_ten_to_one():
    assert expected_score(1400, 1000) == pytest.approx(10 / 11)
    assert expected_score(1000, 1800) == pytest.approx(1 / 101)
    assert expected_score(1234, 1234) == 0.5
    assert expected_score(1500, 1311) + expected_score(1311, 1500) == pytest.approx(1)


def test_expected_score_is_that_of_the_chess_federations_worked_example():
    """A player of 1613 against five others: 0.51, 0.69, 0.79, 0.54, 0.35 expected."""
    found = [expected_score(1613, other) for other in (1609, 1477, 1388, 1586, 1720)]
    assert [round(score, 2) for score in found] == [0.51, 0.69, 0.79, 0.54, 0.35]


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_elo_update_takes_from_one_what_it_gives_to_the_other(score):
    left, right = elo_update(1130.0, 1000.0, score, k=32)
    assert left + right == pytest.approx(2130)
    assert left - 1130 == pytest.approx(32 * (score - expected_score(1130, 1000)))


def test_equals_win_half_of_k_and_a_tie_moves_only_unequals():
    assert elo_update(1000, 1000, 1.0, k=20) == (1010, 990)
    assert elo_update(1000, 1000, 0.5) == (1000, 1000)
    assert elo_update(1200, 1000, 0.5)[0] < 1200


def test_elo_depends_on_the_order_and_bradley_terry_does_not():
    votes = between("a", "b", 30, 10, 5) + between("b", "c", 20, 15) + between("c", "a", 9, 30)
    backwards = votes[::-1]
    turned = [
        Vote(v.right, v.left, {"left": "right", "right": "left", "tie": "tie"}[v.choice])
        for v in votes
    ]
    elo, fit = elo_ratings(votes), bradley_terry_ratings(votes)
    assert max(abs(elo[n] - r) for n, r in elo_ratings(backwards).items()) > 10
    for other in (backwards, turned, random.Random(1).sample(votes, len(votes))):
        assert bradley_terry_ratings(other) == pytest.approx(fit, abs=1e-6)
    assert elo_ratings(turned) == pytest.approx(elo)  # but on which side one stands is nothing


# ---- Bradley–Terry ------------------------------------------------------------------------------


@pytest.mark.parametrize("wins, losses, ties", [(10, 1, 0), (30, 20, 0), (5, 5, 7), (6, 2, 8)])
def test_two_players_have_the_closed_form(wins, losses, ties):
    found = bradley_terry_ratings(between("a", "b", wins, losses, ties), prior=0)
    odds = (wins + ties / 2) / (losses + ties / 2)
    assert found["a"] - found["b"] == pytest.approx(400 * math.log10(odds), abs=1e-6)
    assert found["a"] + found["b"] == pytest.approx(2000)


def test_likelihood_has_its_maximum_there_by_brute_force():
    votes = between("a", "b", 12, 5, 4) + between("b", "c", 9, 3) + between("a", "c", 4, 4, 2)
    worth = {"left": 1.0, "tie": 0.5, "right": 0.0}

    def likelihood(a, b):
        ratings = {"a": a, "b": b, "c": 3000 - a - b}
        out = 0.0
        for v in votes:
            p = expected_score(ratings[v.left], ratings[v.right])
            out += worth[v.choice] * math.log(p) + (1 - worth[v.choice]) * math.log(1 - p)
        return out

    grid = [(a, b) for a in range(900, 1300, 8) for b in range(800, 1200, 8)]
    best = max(grid, key=lambda point: likelihood(*point))
    found = bradley_terry_ratings(votes, prior=0)
    assert abs(found["a"] - best[0]) <= 8 and abs(found["b"] - best[1]) <= 8
    top = likelihood(found["a"], found["b"])
    for da, db in itertools.product((-0.5, 0, 0.5), repeat=2):
        assert likelihood(found["a"] + da, found["b"] + db) <= top


@pytest.mark.parametrize("prior", [0.0, 1.0, 7.0])
def test_everybody_has_won_as_often_as_the_ratings_expect(prior):
    votes = simulated({"a": 1200, "b": 1000, "c": 950, "d": 850}, 40, 0.2, seed=3)
    found = bradley_terry_ratings(votes, prior=prior)
    for name in found:
        surplus = 0.0
        for v in votes:
            if name in (v.left, v.right):
                won = {"left": 1.0, "tie": 0.5, "right": 0.0}[v.choice]
                other = v.right if name == v.left else v.left
                won = won if name == v.left else 1 - won
                surplus += won - expected_score(found[name], found[other])
        if not prior:
            assert surplus == pytest.approx(0, abs=1e-6)
        else:  # pulled to the middle: who is above the average has won more than expected
            assert surplus * (found[name] - 1000) >= -1e-3 and abs(surplus) < prior / 2 + 1e-6


@pytest.mark.parametrize("prior", [0.5, 2.0, 10.0])
def test_the_prior_is_so_many_ties_against_an_average_player(prior):
    votes = [Vote("a", "b", "left")] * 9 + [Vote("a", "b", "right")]
    found = bradley_terry_ratings(votes, prior=prior)
    beyond = 9 - 10 * expected_score(found["a"], found["b"])  # won more than expected of b,
    short = prior * (expected_score(found["a"], 1000) - 0.5)  # and less of the average player
    assert beyond == pytest.approx(short) and beyond > 0


def test_known_ratings_come_back():
    truth = {"a": 1250.0, "b": 1060.0, "c": 940.0, "d": 750.0}
    found = bradley_terry_ratings(simulated(truth, 3000, 0.0, seed=0))
    assert all(abs(found[name] - truth[name]) < 15 for name in truth)


def test_ties_as_halves_bring_players_nearer_to_each_other():
    with_ties = bradley_terry_ratings(between("a", "b", 20, 10, 30), prior=0)
    without = bradley_terry_ratings(between("a", "b", 20, 10), prior=0)
    assert 0 < with_ties["a"] - with_ties["b"] < without["a"] - without["b"]


def test_who_won_every_vote_has_a_finite_rating_with_a_prior_alone():
    votes = between("a", "b", 8) + between("b", "c", 3, 3)
    with pytest.raises(ValueError, match="no finite ratings"):
        bradley_terry_ratings(votes, prior=0)
    found = bradley_terry_ratings(votes)
    assert found["b"] < found["a"] < 2000 and all(map(math.isfinite, found.values()))
    weaker = bradley_terry_ratings(votes, prior=0.1)
    assert weaker["a"] > found["a"]


def test_the_matrix_counts_wins_and_halves_of_ties_whichever_the_side():
    votes = [Vote("a", "b", "left"), Vote("b", "a", "left"), Vote("a", "b", "tie")]
    names, wins = win_matrix(votes, ["c"])
    assert names == ["c", "a", "b"]
    assert wins.tolist() == [[0, 0, 0], [0, 0, 1.5], [0, 1.5, 0]]


def test_ratings_of_votes_are_those_of_their_matrix():
    votes = between("a", "b", 12, 5, 4) + between("b", "c", 9, 3) + between("a", "c", 4, 4, 2)
    names, wins = win_matrix(votes)
    for prior in (0.0, 2.0):
        found = dict(zip(names, bradley_terry(wins.tolist(), prior)))
        assert found == bradley_terry_ratings(votes, prior=prior)


def test_players_who_never_met_cannot_be_compared_without_a_prior():
    votes = between("a", "b", 3, 2) + between("c", "d", 2, 3)
    with pytest.raises(ValueError, match="never met"):
        bradley_terry_ratings(votes, prior=0)
    assert len(bradley_terry_ratings(votes)) == 4


def test_no_votes_and_one_vote():
    assert bradley_terry_ratings([]) == {}
    assert bradley_terry_ratings([], players="ab") == {"a": 1000.0, "b": 1000.0}
    one = bradley_terry_ratings([Vote("a", "b", "left")])
    # By symmetry r and -r, with 1 - s(2r) = (s(r) - 1/2) in nats: solved by hand for s(r).
    r = (one["a"] - one["b"]) / 2 / 400 * math.log(10)
    assert 1 - 1 / (1 + math.exp(-2 * r)) == pytest.approx(1 / (1 + math.exp(-r)) - 0.5)


@pytest.mark.parametrize("choice", ["", "Left", "draw", None])
def test_a_vote_that_is_none_is_refused(choice):
    with pytest.raises(ValueError, match='"left", "right" or "tie"'):
        Vote("a", "b", choice)
    with pytest.raises(ValueError, match="itself"):
        Vote("a", "a", "left")


# ---- intervals ----------------------------------------------------------------------------------


def test_interval_is_as_wide_as_the_formula_for_two_players_says():
    """The standard error of the log odds of n votes is 1 / sqrt(n p (1 - p))."""
    votes = [
        Vote("a", "b", "left" if i < 240 else "right", str(i)) for i in range(400)
    ]  # 60 % of 400
    rating, low, high = bootstrap_ratings(votes, draws=800)["a"]
    error = 400 / math.log(10) / math.sqrt(400 * 0.6 * 0.4) / 2  # each moves half of the way
    assert low < rating < high
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.12)


def test_votes_that_hang_together_count_as_one():
    alone = [Vote("a", "b", "left" if i % 3 else "right", str(i)) for i in range(60)]
    copies = [vote for vote in alone for _ in range(5)]  # the same vote five times in its group
    free = [Vote(v.left, v.right, v.choice) for v in copies]  # without a group: votes of their own

    def width(votes):
        _, low, high = bootstrap_ratings(votes, draws=300)["a"]
        return high - low

    assert width(copies) == pytest.approx(width(alone), rel=0.1)
    assert width(free) < 0.6 * width(alone)


def test_highest_rating_first_the_same_seed_the_same_interval_and_any_rate():
    votes = simulated({"low": 800, "mid": 1000, "high": 1200}, 30, 0.1, seed=2)
    found = bootstrap_ratings(votes, draws=50)
    assert list(found) == ["high", "mid", "low"]
    assert found == bootstrap_ratings(votes, draws=50)
    assert found != bootstrap_ratings(votes, draws=50, seed=1)
    elo = bootstrap_ratings(votes, elo_ratings, draws=50)
    assert {n: row[0] for n, row in elo.items()} == pytest.approx(elo_ratings(votes))


# ---- matches and voters -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def questions():
    return sample_questions(WORLD, "E", 40, seed=1, unknown=0.3)


def test_every_pair_meets_once_a_question_and_the_same_text_never(questions):
    answers = {"a": ["x"] * 40, "b": ["y"] * 40, "c": ["x", *["z"] * 39]}
    matches = make_matches(questions, answers, seed=0)
    assert len(matches) == 3 * 40 - 1
    pairs = [(id(m.question), frozenset((m.left, m.right))) for m in matches]
    assert len(set(pairs)) == len(pairs)
    for m in matches:
        assert answers[m.left][questions.index(m.question)] == m.left_text != m.right_text
    sides = sum(m.left == "a" for m in matches) / sum("a" in (m.left, m.right) for m in matches)
    assert 0.3 < sides < 0.7, "sides are drawn"
    assert matches == make_matches(questions, answers, seed=0)
    assert matches != make_matches(questions, answers, seed=1)


def test_scores_become_votes_and_near_ones_ties(questions):
    match = Match(questions[0], "a", "b", "x", "y")
    found = [match.by_scores(*pair, 0.5).choice for pair in [(1, 0.5), (0, 1), (0.9, 0.5), (1, 1)]]
    assert found == ["left", "right", "tie", "tie"]
    assert match.by_scores(1e-9, 0).choice == "left"  # without a margin the smallest difference
    place = questions[0].place
    assert match.vote("tie").group == place.id


def test_the_expert_votes_by_gold_and_the_mediocre_one_takes_on_trust_what_it_cannot_check():
    fact = next(f for f in WORLD.of_split("E") if f.attribute == "country" and f.place.rank > 60)
    question = ask(WORLD, fact)
    name = fact.place.name
    wrong = next(v for v in WORLD.values["country"] if v != fact.value)
    texts = [fact.value, wrong, f"I do not know {name}."]
    assert [judge(WORLD, question, t) for t in texts] == [
        "correct", "wrong value", "declined this name",
    ]  # fmt: skip
    pairs = [Match(question, "a", "b", texts[i], texts[j]) for i, j in ((0, 1), (1, 2), (2, 0))]
    for vote, match in zip(labeler_votes(WORLD, pairs), pairs):
        scores = [gold(question, judge(WORLD, question, t))
                  for t in (match.left_text, match.right_text)]  # fmt: skip
        assert vote.choice == ("left" if scores[0] > scores[1] else "right")
    trusting = labeler_votes(WORLD, pairs, LABELERS["mediocre"])
    assert [v.choice for v in trusting] == ["tie", "left", "right"]


def test_noise_is_drawn_by_seed_and_changes_some_votes(questions):
    answers = {"a": [q.answer or "x" for q in questions], "b": ["I do not know it."] * 40}
    matches = make_matches(questions, answers)
    sure, noisy = labeler_votes(WORLD, matches), labeler_votes(WORLD, matches, seed=1)
    assert noisy == labeler_votes(WORLD, matches, seed=1) != sure
    coin = labeler_votes(WORLD, matches, LABELERS["coin"], seed=1)
    agreed = np.mean([a.choice == b.choice for a, b in zip(sure, noisy)])
    assert agreed > np.mean([a.choice == b.choice for a, b in zip(sure, coin)])


def test_a_reward_model_votes_for_its_higher_score_on_either_side(questions, tmp_path):
    model = awake(RewardModel(tiny_gpt(n_embd=16), seed=1))
    reward = toy_stage("reward", model, path=tmp_path)
    matches = [Match(q, "a", "b", "Rome.", "I do not know.") for q in questions[:6]]
    swapped = [Match(q, "b", "a", "I do not know.", "Rome.") for q in questions[:6]]
    for match, vote, other in zip(matches, reward_votes(reward, matches),
                                  reward_votes(reward, swapped)):  # fmt: skip
        left, right = (reward.score(match.question.text, t) for t in ("Rome.", "I do not know."))
        assert vote.choice == ("left" if left > right else "right")
        assert other.choice == {"left": "right", "right": "left"}[vote.choice]
    assert reward_votes(reward, []) == []
