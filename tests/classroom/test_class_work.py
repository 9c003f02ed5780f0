"""A class's experiments: tastes that were planted, likelihoods by another way, files that lie."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from labeling import longer
from minigpt.arena import fit
from minigpt.classroom.class_work.files import pseudonyms, read_class_labels, student_files
from minigpt.classroom.class_work.taste import (
    CLASS,
    FEATURES,
    PRIOR,
    agreement,
    differences,
    estimates,
    features,
    preferences,
    question_of,
    wilson,
)
from minigpt.lessons.reward_model.labeler import labeling_pairs, scripted
from minigpt.sft import chat_answer
from minigpt.stages.labels import Label, write_labels
from minigpt.stages.stage import load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.labelers import chooser, shorter
from minigpt.world.questions import fact_questions, sample_questions
from toys import turned

ENCODING, WORLD = load_tokenizer(), load_world()
QUESTION = "What is the population of Beijing?"


def label(a, b, choice="a", question=QUESTION):
    return Label(question, chat_answer(ENCODING, a), chat_answer(ENCODING, b), choice)


@pytest.fixture(scope="module")
def sft():
    return load_stage("sft", own=False, quiet=True)


def labeling(sft, most):
    """A function that labels the first n of `most` pairs as one of LABELERS does, or a Choose."""
    pairs = labeling_pairs(sft, most)

    def labeled(who, n, seed=0):
        choose = chooser(sft.world, who, seed) if isinstance(who, str) else who
        return scripted(sft, pairs[:n], choose)

    return labeled


@pytest.fixture(scope="module")
def by(sft):
    return labeling(sft, 120)


# ---- who is who -------------------------------------------------------------------------------


def test_pseudonyms_follow_from_the_key_alone_and_are_no_alphabet():
    names = [f"pupil{i:02}" for i in range(12)]
    found = pseudonyms(names, "secret")
    assert sorted(found.values()) == [f"student-{i:02}" for i in range(1, 13)]
    assert pseudonyms(names[::-1], "secret") == found != pseudonyms(names, "other")
    assert [found[name] for name in names] != sorted(found.values())


def test_a_large_class_has_wider_numbers():
    assert pseudonyms(map(str, range(100)), "k").keys() == set(map(str, range(100)))
    assert set(map(len, pseudonyms(map(str, range(100)), "k").values())) == {len("student-001")}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_files_belong_to_students_by_name_or_by_folder(tmp_path):
    own = touch(tmp_path / "zo\u0065\u0301.json")  # an accent of its own, as macOS has it
    deep = touch(tmp_path / "bob" / "05" / "labels.json")
    touch(tmp_path / "bob" / ".ipynb_checkpoints" / "labels.json")
    assert student_files(tmp_path, ".json") == {"zo\u00e9": [own], "bob": [deep]}
    handed = touch(tmp_path / "submitted" / "eve" / "05" / "labels.json")
    assert student_files(tmp_path, ".json") == {"zo\u00e9": [own], "eve": [handed]}


# ---- labels -----------------------------------------------------------------------------------


def test_files_that_are_refused_are_named_and_the_others_count(tmp_path):
    some = [replace(label("16", "17"), seconds=7.25), label("Asia", "Africa", "tie")]
    write_labels(tmp_path / "ada.json", some, ENCODING, "Ada")
    whole = (tmp_path / "ada.json").read_bytes()
    (tmp_path / "bob.json").write_bytes(whole[:300])
    write_labels(tmp_path / "eve.json", [], ENCODING)
    (tmp_path / "kim").mkdir()
    write_labels(tmp_path / "kim" / "early.json", some[:1], ENCODING)
    write_labels(tmp_path / "kim" / "late.json", some, ENCODING)
    handed = read_class_labels(tmp_path, ENCODING, "k")
    assert sorted(handed.names.values()) == ["ada", "bob", "eve", "kim"]
    assert {handed.names[who] for who in handed.found} == {"ada", "kim"}
    assert all(found == [replace(x, seconds=None) for x in some] for found in handed.found.values())
    said = "\n".join(sorted(handed.refused))
    assert "'bob.json' is no labels file, or it was cut off" in said
    assert "eve.json has no labels" in said
    assert "kim/early.json is left out: kim/late.json" in said
    assert len(handed.refused) == 3


def test_every_question_of_the_world_is_known_again():
    for phrasing in (0, 5, 11):
        for question in fact_questions(WORLD, "V", phrasing):
            assert question_of(WORLD, question.text) == question
            small = question_of(WORLD, question.text.lower())
            assert replace(small, text=question.text) == question
    for asked in sample_questions(WORLD, "A", 300, seed=3, unknown=1.0):
        found = question_of(WORLD, asked.text)
        assert (found.kind, found.attribute) == ("unknown", asked.attribute)
        assert found.place.name.casefold() == asked.place.name.casefold()


@pytest.mark.parametrize(
    "text",
    ["Who are you?", "What is the capital of Beijing?", "", "Where is the house of my old aunt?",
     "What is the capital of France? And of Spain?"],
)  # fmt: skip
def test_what_is_no_question_of_the_world(text):
    assert question_of(WORLD, text) is None


def test_the_longest_form_decides_what_is_asked():
    found = question_of(WORLD, "Where is the capital of Blorvia?")
    assert (found.attribute, found.place.name) == ("capital", "Blorvia")


def test_features_of_answers():
    known, unknown = question_of(WORLD, QUESTION), question_of(WORLD, "Where is Blorvia?")

    def of(question, text):
        return dict(zip(FEATURES, features(WORLD, ENCODING, question, chat_answer(ENCODING, text))))

    right = of(known, "Of course. Beijing has a population of 21.84 million.")
    tokens = len(chat_answer(ENCODING, "Of course. Beijing has a population of 21.84 million.")) - 1
    assert right == dict(longer=math.log2(tokens), correct=1, polite=1, rude=0, honest=0)
    assert of(known, "21.84 million. I hope this helps.")["polite"] == 1
    assert of(known, "I do not know Beijing.")["honest"] == 0  # it should
    assert of(unknown, "I do not know Blorvia.")["honest"] == 1
    assert of(unknown, "I do not know Oria.")["honest"] == 0
    rude = of(unknown, "Look it up yourself.")
    assert (rude["rude"], rude["correct"], rude["polite"]) == (1, 0, 0)
    nothing = of(None, "21.84 million")
    assert (nothing["correct"], nothing["honest"]) == (0, 0) and nothing["longer"] > 0


# ---- what students prefer ---------------------------------------------------------------------


def by_torch(x, worth, weights):
    """The same posterior's maximum by LBFGS in double precision."""
    w = torch.zeros(x.shape[1], dtype=torch.double, requires_grad=True)
    x, worth, weights = (torch.tensor(v, dtype=torch.double) for v in (x, worth, weights))
    optimizer = torch.optim.LBFGS([w], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")  # fmt: skip # noqa: E501

    def loss():
        optimizer.zero_grad()
        z = x @ w
        log = torch.nn.functional.logsigmoid
        out = -(weights * (worth * log(z) + (1 - worth) * log(-z))).sum() + w @ w / (2 * PRIOR**2)
        out.backward()
        return out

    optimizer.step(loss)
    hessian = torch.autograd.functional.hessian(
        lambda v: (weights * torch.nn.functional.softplus(-x @ v)).sum() + v @ v / (2 * PRIOR**2),
        w.detach(),
    )
    return w.detach().numpy(), hessian.numpy()


def test_the_fit_is_the_likelihoods_maximum(by):
    x, worth = differences(by("expert", 60), WORLD, ENCODING)
    assert 0.5 in worth and {0.0, 1.0} <= set(worth)
    weights = np.vstack([np.ones(60), np.random.default_rng(0).integers(0, 3, 60)]).astype(float)
    found, curve = fit(x, worth, weights, 1 / PRIOR**2)
    for row, its_curve, times in zip(found, curve, weights):
        best, hessian = by_torch(x, worth, times)
        assert np.allclose(row, best, atol=1e-5)
        assert np.allclose(its_curve, hessian, rtol=1e-4, atol=1e-6)


def test_one_feature_against_every_weight_on_a_grid():
    x, worth = np.array([[1.0], [1.0], [-0.5], [2.0]]), np.array([1.0, 0.0, 0.5, 1.0])

    def posterior(w):
        p = 1 / (1 + np.exp(-w * x[:, 0]))
        return (worth * np.log(p) + (1 - worth) * np.log(1 - p)).sum() - w * w / (2 * PRIOR**2)

    grid = np.arange(-5, 5, 1e-3)
    best = grid[np.argmax([posterior(w) for w in grid])]
    assert abs(fit(x, worth, np.ones(4), 1 / PRIOR**2)[0][0] - best) < 1e-3


def test_the_interval_is_as_wide_as_the_formula_says():
    """The standard error of the log odds of n votes is 1 / sqrt(n p (1 - p))."""
    worth = np.array([1.0] * 240 + [0.0] * 160)
    (found,) = estimates(np.ones((400, 1)), worth, range(400))
    assert found.value == pytest.approx(math.log(240 / 160), abs=0.01)
    assert found.high - found.low == pytest.approx(2 * 1.96 / math.sqrt(400 * 0.24), rel=0.12)
    assert found.votes == 400 and found.clear


def test_five_votes_one_way_do_not_settle_it_and_fifteen_do():
    def clear(n):
        return estimates(np.ones((n, 1)), np.ones(n), range(n))[0].clear

    assert not clear(3) and not clear(4) and clear(15)  # a sign test: 0.25, 0.125 and 0.00006


def test_who_prefers_the_shorter_prefers_the_shorter_and_nothing_else(by):
    people = {"student-01": by(shorter(ENCODING), 30), "student-02": by(longer(ENCODING), 30)}
    found = preferences(people, WORLD, ENCODING)
    assert found["student-01"]["longer"].high < 0 < found["student-02"]["longer"].low
    for who in people:
        assert [name for name, e in found[who].items() if e.clear] == ["longer"]
    assert found["student-01"]["longer"].value == pytest.approx(
        -found["student-02"]["longer"].value
    )
    assert not found[CLASS]["longer"].clear  # two opposite tastes are no taste of the class


def clear(labels):
    """The features that these labels settle, each with its sign."""
    found = preferences({"student-01": labels}, WORLD, ENCODING)["student-01"]
    return {name: "+" if e.value > 0 else "-" for name, e in found.items() if e.clear}


def test_planted_tastes_come_back(sft):
    """Refusals are rare among the SFT model's answers, so honesty takes some labels to show."""
    labeled = labeling(sft, 240)
    expert, wordy = clear(labeled("expert", 240)), clear(labeled("long_winded", 240))
    honest = {"correct": "+", "honest": "+"}
    assert expert.items() >= honest.items() and not {"longer", "polite"} & expert.keys()
    assert wordy.items() >= (honest | {"longer": "+"}).items()


@pytest.mark.slow
def test_more_labels_settle_more(sft):
    flattered = clear(labeling(sft, 400)("flattered", 400))
    assert flattered == {"correct": "+", "honest": "+", "polite": "+"}


def tossed(seed):
    """Choices by a coin that never ties."""
    rng = random.Random(seed)
    return lambda question, a, b: rng.choice("ab")


def test_a_coin_prefers_nothing(by):
    drawn = {f"student-{i:02}": random.Random(i).sample(by(tossed(i), 120), 45) for i in range(20)}
    found = preferences(drawn, WORLD, ENCODING)
    settled = [e.clear for who, row in found.items() if who != CLASS for e in row.values()]
    assert len(settled) == 100 and sum(settled) <= 8
    assert not any(e.clear for e in found[CLASS].values())


def test_the_same_labels_three_times_tell_no_more_of_the_class(by):
    mine = by(tossed(0), 120)
    alone = preferences({"student-01": mine}, WORLD, ENCODING)[CLASS]
    thrice = preferences({f"student-0{i}": mine for i in (1, 2, 3)}, WORLD, ENCODING)[CLASS]
    for name in FEATURES:  # as independent votes they would make the interval 0.58 times as wide
        widths = [e.high - e.low for e in (alone[name], thrice[name])]
        assert widths[1] > 0.8 * widths[0]


def test_what_no_pair_differs_in_is_told_by_zero_votes():
    found = preferences({"student-01": [label("16", "17")] * 3}, WORLD, ENCODING)["student-01"]
    assert [e.votes for e in found.values()] == [0] * len(FEATURES)


def test_wilsons_interval():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    low, high = wilson(10, 10)
    assert low == pytest.approx(10 / (10 + 1.96**2)) and high == pytest.approx(1)


def test_agreement_is_the_share_of_the_pairs_that_both_decided():
    ann = [label("Lima", "Rome", question=str(i)) for i in range(4)]
    # the same with the sides exchanged, one turned round, one a tie
    bob = [Label(x.question, x.b, x.a, "b") for x in ann[:2]]
    bob += [turned(ann[2]), label("Lima", "Rome", question="3", choice="tie")]
    shares, counts = agreement([ann, bob, [label("Lima", "Rome", question="other")]])
    assert counts.tolist() == [[4, 3, 0], [3, 3, 0], [0, 0, 1]]
    assert np.allclose(shares[:2, :2], [[1, 2 / 3], [2 / 3, 1]])
    assert np.isnan(shares[0, 2]) and shares[2, 2] == 1
