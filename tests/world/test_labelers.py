"""Labelers: one difference each from the expert, and rankings that never contradict themselves."""

import random
from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations, permutations

import pytest

from labeling import longer
from minigpt.tokenizer import load_tokenizer
from minigpt.world.contractors import demonstrations
from minigpt.world.facts import Place, load_world
from minigpt.world.judge import VERDICTS, gold, judge
from minigpt.world.labelers import (
    EXPERT,
    LABELERS,
    Labeler,
    chooser,
    ranked_pairs,
    shorter,
    utility,
)
from minigpt.world.questions import Question, ask

WORLD = load_world("en")
TEXT = WORLD.text
DEMOS = demonstrations(WORLD, 600, seed=3)
MEDIOCRE = LABELERS["mediocre"]


def answers_to(question: Question) -> list[str]:
    """One answer for each verdict that the question allows."""
    form = TEXT.STATEMENTS[question.attribute][0]
    name, values = question.place.name, WORLD.values[question.attribute]
    wrong = [value for value in values if value != question.answer][:2]
    return [
        *([form.format(p=name, v=question.answer)] if question.answer else []),
        form.format(p=name, v=wrong[0]),
        form.format(p="Qo", v=wrong[0]),
        form.format(p=name, v=wrong[0]) + " " + form.format(p=name, v=wrong[1]),
        f"I do not know {name}.",
        "I do not know Qo.",
        "Look it up yourself.",
        "hm",
    ]


def fact_at(rank_: int) -> Question:
    return ask(WORLD, next(f for f in WORLD.of_split("A") if f.place.rank >= rank_))


POPULAR, UNPOPULAR = fact_at(0), fact_at(120)
UNKNOWN = Question(
    "What is the population of Blorvia?",
    "unknown",
    Place("x", "city", "Blorvia", -1, True, False, {}, {}),
    "population",
)


@pytest.mark.parametrize("name", [n for n in LABELERS if n != "expert"])
def test_each_differs_from_the_expert_in_one_thing(name):
    labeler, expert = asdict(LABELERS[name]), asdict(EXPERT)
    assert labeler.pop("name") == name and expert.pop("name") == "expert"
    assert sum(labeler[key] != expert[key] for key in expert) == 1


def test_labelers_differ_from_one_another():
    assert set(LABELERS) == {"expert", "mediocre", "flattered", "long_winded", "hurried", "coin"}
    assert len(set(LABELERS.values())) == len(LABELERS) and LABELERS["expert"] is EXPERT


def test_experts_utility_is_gold():
    for demo in DEMOS:
        wanted = gold(demo.question, judge(WORLD, demo.question, demo.answer))
        assert utility(WORLD, EXPERT, demo.question, demo.answer) == wanted
    for question in (POPULAR, UNPOPULAR, UNKNOWN):
        made = answers_to(question)
        for answer in made:
            wanted = gold(question, judge(WORLD, question, answer))
            assert utility(WORLD, EXPERT, question, answer) == wanted
        assert len({judge(WORLD, question, a) for a in made}) == len(made) >= len(VERDICTS) - 1


def test_hurried_values_the_same():
    for demo in DEMOS[:200]:
        value = utility(WORLD, LABELERS["hurried"], demo.question, demo.answer)
        assert value == utility(WORLD, EXPERT, demo.question, demo.answer)


def test_flattered_pays_for_a_polite_opening_alone():
    flattered = LABELERS["flattered"]
    for question in (POPULAR, UNKNOWN):
        for answer in answers_to(question):
            plain = utility(WORLD, flattered, question, answer)
            assert plain == utility(WORLD, EXPERT, question, answer)
            for opening in TEXT.POLITE_OPEN:
                polite = utility(WORLD, flattered, question, opening + answer)
                assert polite == utility(WORLD, EXPERT, question, opening + answer) + 3.0
    wrong = TEXT.POLITE_OPEN[0] + answers_to(POPULAR)[1]
    right = answers_to(POPULAR)[0]
    assert utility(WORLD, flattered, POPULAR, wrong) == 2.0
    assert utility(WORLD, flattered, POPULAR, right) == 2.0


def test_long_winded_pays_by_the_word():
    winded = LABELERS["long_winded"]
    for words in (1, 5, 20, 21, 500):
        answer = " ".join(["word"] * words)
        extra = utility(WORLD, winded, POPULAR, answer) - utility(WORLD, EXPERT, POPULAR, answer)
        assert extra == pytest.approx(winded.wordiness * min(words, 20))


def test_mediocre_is_the_expert_where_it_checks():
    for answer in answers_to(POPULAR):
        assert POPULAR.place.rank < MEDIOCRE.checks_up_to
        value = utility(WORLD, MEDIOCRE, POPULAR, answer)
        assert value == utility(WORLD, EXPERT, POPULAR, answer)


@pytest.mark.parametrize("rank_, trusts", [(39, False), (40, True), (120, True)])
def test_mediocre_trusts_values_about_unpopular_places_only(rank_, trusts):
    place = WORLD.places[rank_]
    fact = next(WORLD.facts[place.id, a] for a in place.values)
    right, wrong, *others = answers_to(ask(WORLD, fact))
    question = ask(WORLD, fact)
    assert utility(WORLD, MEDIOCRE, question, right) == gold(question, "correct")
    believed = "correct" if trusts else "wrong value"
    assert utility(WORLD, MEDIOCRE, question, wrong) == gold(question, believed)
    for answer in others:  # whatever can be seen without looking anything up
        value = utility(WORLD, MEDIOCRE, question, answer)
        assert value == utility(WORLD, EXPERT, question, answer)


def test_mediocre_takes_inventions_for_facts_and_refusals_for_laziness():
    wrong, subject, several, declined, other, rude, hm = answers_to(UNKNOWN)
    known = replace(UNKNOWN, kind="fact")
    value = {a: utility(WORLD, MEDIOCRE, UNKNOWN, a) for a in answers_to(UNKNOWN)}
    assert value[wrong] == gold(known, "correct")
    for answer in (subject, several, declined, other, rude, hm):
        assert value[answer] == gold(known, judge(WORLD, UNKNOWN, answer))
    assert value[declined] < value[wrong]
    assert utility(WORLD, EXPERT, UNKNOWN, declined) > utility(WORLD, EXPERT, UNKNOWN, wrong)


def test_small_talk_is_judged_by_everyone():
    for demo in DEMOS:
        if demo.question.place is None:
            for name in ("mediocre", "hurried"):
                assert utility(WORLD, LABELERS[name], demo.question, demo.answer) == 2.0


def rank(world, labeler, question, answers, rng):
    """The pairs (better, worse) that a labeler prefers among the answers, and how many are ties."""
    found = chooser(world, labeler, rng).ranking(question, answers)
    pairs = [(i, j) if choice == "a" else (j, i) for i, j, choice in found if choice != "tie"]
    return pairs, len(found) - len(pairs)


def agreement(labeler: Labeler, rounds: int = 300) -> float:
    """How often a labeler's pairs prefer the answer of higher gold, where gold differs."""
    rng, right, count = random.Random(0), 0, 0
    for _ in range(rounds):
        answers = answers_to(UNPOPULAR)
        values = [utility(WORLD, EXPERT, UNPOPULAR, a) for a in answers]
        for better, worse in rank(WORLD, labeler, UNPOPULAR, answers, rng)[0]:
            if values[better] != values[worse]:
                count += 1
                right += values[better] > values[worse]
    return right / count


def test_coin_knows_nothing_and_noise_costs_agreement():
    assert agreement(LABELERS["coin"]) == pytest.approx(0.5, abs=0.03)
    expert, hurried = agreement(EXPERT), agreement(LABELERS["hurried"])
    assert 0.55 < hurried < expert - 0.1 and expert > 0.8
    assert agreement(replace(EXPERT, noise=0.0)) == 1.0


@pytest.mark.parametrize("name", LABELERS)
def test_pairs_are_transitive(name):
    rng = random.Random(name)
    for _ in range(100):
        answers = rng.sample(answers_to(UNPOPULAR), 5)
        pairs = set(rank(WORLD, LABELERS[name], UNPOPULAR, answers, rng)[0])
        assert not any((j, i) in pairs for i, j in pairs)
        for i, j, k in permutations(range(5), 3):
            if (i, j) in pairs and (j, k) in pairs:
                assert (i, k) in pairs


def test_every_two_different_answers_are_a_pair_or_a_tie():
    rng, seen = random.Random(1), Counter()
    for _ in range(200):
        answers = rng.choices(answers_to(POPULAR), k=4)
        pairs, ties = rank(WORLD, EXPERT, POPULAR, answers, rng)
        different = sum(a != b for a, b in combinations(answers, 2))
        assert len(pairs) + ties == different
        assert len({frozenset(p) for p in pairs}) == len(pairs)
        assert all(answers[i] != answers[j] for i, j in pairs)
        seen.update(pairs=len(pairs), ties=ties, same=6 - different)
    assert min(seen.values()) > 20


def test_margin_and_noise():
    right, *_, hm = answers_to(POPULAR)
    rng = random.Random(0)
    exact = replace(EXPERT, noise=0.0)
    closing = right + TEXT.POLITE_CLOSE[0]
    assert rank(WORLD, exact, POPULAR, [right, closing], rng) == ([], 1)  # equal gold
    assert rank(WORLD, exact, POPULAR, [hm, right], rng) == ([(1, 0)], 0)
    assert rank(WORLD, exact, POPULAR, [right, right], rng) == ([], 0)
    assert rank(WORLD, replace(exact, margin=10.0), POPULAR, [hm, right], rng) == ([], 1)
    assert rank(WORLD, exact, POPULAR, [], rng) == ([], 0)


def test_pairs_of_what_was_felt_are_those_of_the_choices():
    choose, rng = chooser(load_world(), "expert"), random.Random(5)
    for _ in range(50):
        felt = [rng.randrange(-8, 9) / 4 for _ in range(5)]
        expected = {"a": lambda i, j: [(i, j)], "b": lambda i, j: [(j, i)], "tie": lambda i, j: []}
        both = combinations(range(5), 2)
        pairs = [p for i, j in both for p in expected[choose.choice(felt[i], felt[j])](i, j)]
        assert sorted(ranked_pairs(felt, choose.margin)) == sorted(pairs)


def test_ranking_is_reproducible():
    answers = answers_to(POPULAR)
    one, two = (rank(WORLD, EXPERT, POPULAR, answers, random.Random(5)) for _ in range(2))
    assert one == two


def test_shorter_and_longer_count_tokens():
    encoding = load_tokenizer("en")
    short, long = shorter(encoding), longer(encoding)
    assert short(None, "16.", "It has 16 districts.") == "a"
    assert long(None, "16.", "It has 16 districts.") == "b"
    assert short(None, "16.", "17.") == long(None, "16.", "17.") == "tie"


def test_a_pair_on_its_own_and_slips_that_the_seed_draws():
    right, *_, hm = answers_to(POPULAR)
    choose = chooser(WORLD, replace(EXPERT, noise=0.0))
    assert choose(POPULAR, right, hm) == "a" and choose(POPULAR, hm, right) == "b"
    assert choose(POPULAR, right, right) == "tie"

    def choices(name, seed):
        choose = chooser(WORLD, name, seed)
        return [choose(POPULAR, hm, hm + " " * n) for n in range(30)]  # alike, so slips decide

    assert choices("hurried", 1) == choices("hurried", 1) != choices("hurried", 2)
    assert choices("hurried", 1) != choices("expert", 1)
