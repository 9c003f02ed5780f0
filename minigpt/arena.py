"""The arena: two answers to one question, names hidden, a vote, and ratings from many votes.

A vote says which of two is better and nothing else, so anybody can cast one: a person, an expert
who knows the truth (gold), a reward model (proxy). Two ways lead from votes to ratings, both on
the scale of chess, on which 400 points more mean odds of ten to one. Elo (1978) goes through the
votes once and moves two ratings after each, so the order of the votes matters. Bradley & Terry
(1952) ask under which ratings all votes together are likeliest, and the order does not matter.
A tie counts as half a vote for either side, in both.
Simplified against the real thing: few players, questions of one kind, and every pair of players
meets on every question, where a public arena draws pairs and has to mind who votes and why.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from minigpt.reward import reward_text, score_all
from minigpt.world.facts import World
from minigpt.world.labelers import EXPERT, Labeler, utility
from minigpt.world.questions import Question

SCALE = 400.0  # rating points that stand for odds of ten to one
START = 1000.0  # where a new player begins, and the mean of fitted ratings
WORTH = {"left": 1.0, "tie": 0.5, "right": 0.0}  # of a vote, to the player on the left


@dataclass(frozen=True)
class Vote:
    """One vote between two players. `group`: votes that hang together, such as a place's."""

    left: str
    right: str
    choice: str  # "left", "right" or "tie"
    group: str = ""

    def __post_init__(self) -> None:
        if self.choice not in WORTH:
            raise ValueError(f'a vote is "left", "right" or "tie", not {self.choice!r}')
        if self.left == self.right:
            raise ValueError(f"{self.left!r} cannot be voted for or against itself")


# ---- from votes to ratings ------------------------------------------------------------------


def expected_score(rating: float, other: float) -> float:
    """The share of votes that a player is expected to win against another, ties as halves."""
    return 1 / (1 + 10 ** ((other - rating) / SCALE))


def elo_update(left: float, right: float, score: float, k: float = 16.0) -> tuple[float, float]:
    """Both ratings after one vote; score: 1 for the left, 0 for the right, 0.5 for a tie.

    What one gains the other loses: k times what was scored beyond what was expected. Elo (1978).
    """
    change = k * (score - expected_score(left, right))
    return left + change, right - change


def fit(x, worth, counts, ridge: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The weights w under which votes are likeliest, and the curvature there, by Newton's method.

    Bradley & Terry's model on features: P(the first is preferred) = σ(w · x). x: (votes, features),
    the first's features less the second's; worth: (votes,), 1 where the first was preferred, 0
    where the second was, ½ for a tie; counts: (..., votes), how often each vote counts; ridge: 1/σ²
    of a normal prior of mean 0 on each weight. Returns the weights in nats (..., features) and the
    curvature (..., features, features).
    """
    w = np.zeros((*counts.shape[:-1], x.shape[1]))
    for _ in range(100):
        chance = 1 / (1 + np.exp(-w @ x.T))  # (..., votes)
        slope = (counts * (worth - chance)) @ x - ridge * w  # (..., features)
        spread = counts * chance * (1 - chance)
        curve = np.einsum("...n,ni,nj->...ij", spread, x, x) + ridge * np.eye(x.shape[1])
        step = (np.linalg.pinv(curve) @ slope[..., None])[..., 0].clip(-1, 1)
        w += step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    return w, curve


def win_matrix(votes: Iterable[Vote], players: Sequence = ()) -> tuple[list, np.ndarray]:
    """The players' names, and wins[i, j]: how often i has beaten j, a tie as half a win each."""
    votes = list(votes)
    names = list(dict.fromkeys([*players, *(n for v in votes for n in (v.left, v.right))]))
    wins = np.zeros((len(names), len(names)))
    for vote in votes:
        i, j, worth = names.index(vote.left), names.index(vote.right), WORTH[vote.choice]
        wins[i, j] += worth
        wins[j, i] += 1 - worth
    return names, wins


def bradley_terry(wins, prior: float = 0.0) -> list[float]:
    """The ratings, with mean 1000, under which these wins (a matrix, or rows) are likeliest.

    There every player has won as often as its rating expects. prior: so many tied votes against an
    average player are added for everybody, or who has won every vote would have no finite rating.
    ValueError where that is so at prior 0.
    """
    wins = np.asarray(wins, dtype=float).reshape(len(wins), len(wins))
    player = np.eye(len(wins))  # and an average one, of rating 0 nats, is all zeros
    reached = np.linalg.matrix_power(player + (wins > 0), len(wins)) > 0
    if not prior and not reached.all():
        raise ValueError("some players won every vote against the others, or never met them: no "
                         "finite ratings; add votes, or give a prior above 0")  # fmt: skip
    left, right = np.nonzero(wins)
    pairs = np.vstack([player[left] - player[right], player])  # (votes, players)
    worth = np.concatenate([np.ones(len(left)), np.full(len(wins), 0.5)])
    counts = np.concatenate([wins[left, right], np.full(len(wins), prior)])
    r, _ = fit(pairs, worth, counts)
    return (START + SCALE / np.log(10) * (r - r.sum() / max(1, len(r)))).tolist()


def bradley_terry_ratings(
    votes: Iterable[Vote], players: Sequence = (), prior: float = 1.0
) -> dict:
    """`bradley_terry` of votes, {player: rating}."""
    names, wins = win_matrix(votes, players)
    return dict(zip(names, bradley_terry(wins, prior)))


def bootstrap_ratings(
    votes: Sequence[Vote], rate: Callable = bradley_terry_ratings, draws: int = 200, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """{player: (rating, low, high)} with 95 % intervals, highest rating first.

    As many groups of votes as there are are drawn with replacement and rated anew, `draws` times.
    """
    groups: dict = {}
    for vote in votes:
        groups.setdefault(vote.group or id(vote), []).append(vote)
    found, clusters, rng = rate(votes), list(groups.values()), random.Random(seed)
    drawn = []
    for _ in range(draws):
        picked = rng.choices(clusters, k=len(clusters))
        drawn.append(rate([vote for cluster in picked for vote in cluster], players=list(found)))
    out = {}
    for name in sorted(found, key=lambda name: -found[name]):
        low, high = np.quantile([ratings[name] for ratings in drawn], [0.025, 0.975])
        out[name] = (found[name], float(low), float(high))
    return out


# ---- who meets whom, and who votes ----------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """Two answers to one question. A voter sees the question and the texts, not the players."""

    question: Question
    left: str
    right: str
    left_text: str
    right_text: str

    def vote(self, choice: str) -> Vote:
        return Vote(self.left, self.right, choice, self.question.entity)

    def by_scores(self, left: float, right: float, margin: float = 0.0) -> Vote:
        """The vote of who gives the answers these scores; a tie if equal or within the margin."""
        if left == right or abs(left - right) < margin:
            return self.vote("tie")
        return self.vote("left" if left > right else "right")


def make_matches(questions: Sequence[Question], answers: dict, seed: int = 0) -> list[Match]:
    """Every pair of players on every question, in random order and on random sides.

    answers: {player: its answer to each question}. Pairs with the same text are left out: there
    is nothing to vote on.
    """
    rng, out = random.Random(f"arena/{seed}"), []
    for i, question in enumerate(questions):
        for pair in combinations(answers, 2):
            left, right = rng.sample(pair, 2)
            if answers[left][i] != answers[right][i]:
                out.append(Match(question, left, right, answers[left][i], answers[right][i]))
    rng.shuffle(out)
    return out


def labeler_votes(
    world: World, matches: Iterable[Match], labeler: Labeler = EXPERT, seed: int | None = None
) -> list[Vote]:
    """A labeler's votes; without a seed by its noiseless utility, which is gold for the expert."""
    rng, out = random.Random(f"votes/{labeler.name}/{seed}"), []
    noise = 0.0 if seed is None else labeler.noise
    for match in matches:
        texts = (match.left_text, match.right_text)
        scores = (utility(world, labeler, match.question, t) + rng.gauss(0, noise) for t in texts)
        out.append(match.by_scores(*scores, labeler.margin))
    return out


def reward_votes(reward, matches: Sequence[Match]) -> list[Vote]:
    """The votes of a reward model: for the answer that it gives the higher score.

    reward: the loaded stage, which has the `model` and its `encoding`.
    """
    sides = [((m.question.text, m.left_text), (m.question.text, m.right_text)) for m in matches]
    texts = list(dict.fromkeys(side for both in sides for side in both))  # each is read once
    inputs = [reward_text(reward.encoding, *side) for side in texts]
    scores = dict(zip(texts, score_all(reward.model, inputs).tolist()))
    return [m.by_scores(scores[left], scores[right]) for m, (left, right) in zip(matches, sides)]
