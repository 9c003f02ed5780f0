"""A class's experiments: tastes that were planted, likelihoods by another way, files that lie."""

import json
import math
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from minigpt.arena import Match, labeler_votes, make_matches
from minigpt.classroom.class_work import files as class_files
from minigpt.classroom.class_work import models as class_models
from minigpt.classroom.class_work import players as class_arena
from minigpt.classroom.class_work.files import (
    class_decisions,
    names_somebody,
    private_words,
    pseudonyms,
    question_of,
    read_class_labels,
    student_files,
)
from minigpt.classroom.class_work.players import read_class_models, read_matches, read_votes
from minigpt.classroom.class_work.taste import (
    CLASS,
    FEATURES,
    PRIOR,
    answer_ratings,
    differences,
    estimates,
    features,
    fit,
    preferences,
    wilson,
)
from minigpt.lessons.arena.vote import Arena
from minigpt.lessons.reward_model.labeler import labeling_pairs, scripted
from minigpt.model import GPT, GPTConfig
from minigpt.sft import chat_answer
from minigpt.stages import labels as labels_module
from minigpt.stages.labels import Label, labels_bytes, read_labels, write_labels
from minigpt.stages.stage import SHIPPED, load_stage, read_stage
from minigpt.store.checkpoint import load_tensors, read_meta, save_checkpoint
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.judge import judge
from minigpt.world.labelers import LABELERS, chooser, longer, shorter
from minigpt.world.questions import fact_questions, sample_questions

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


def test_words_of_names_are_private_unless_the_world_has_them():
    private = private_words(["Ada Featherstone", "Jordan", "Hope", "Li", "李雷"], WORLD)
    assert private == {"ada", "featherstone", "李雷"}
    assert names_somebody("I am ADA's assistant", private)
    assert names_somebody("我是李雷的模型", private)
    assert not names_somebody("Adana is in Jordan. I hope this helps.", private)


# ---- labels -----------------------------------------------------------------------------------


def test_files_that_are_refused_are_named_and_the_others_count(tmp_path):
    some = [replace(label("16", "17"), seconds=7.25), label("Asia", "Africa", "tie")]
    write_labels(tmp_path / "ada.json", some, ENCODING, "Ada")
    whole = (tmp_path / "ada.json").read_bytes()
    (tmp_path / "bob.json").write_bytes(whole[:300])
    (tmp_path / "eve.json").write_bytes(labels_bytes([], ENCODING))
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
    assert len(handed.refused) == 3 and "ada" in handed.words


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


def test_the_class_decides_a_pair_once_by_majority():
    one, two = label("16", "17"), label("Asia", "Africa")
    people = {
        "student-01": [one, two],
        "student-02": [one, two.turned()],
        "student-03": [one.turned(), label("Asia", "Africa", "tie")],
    }
    found = class_decisions(people, "k")
    assert {x.pair: x.preferred for x in found} == {one.pair: one.preferred, two.pair: None}
    assert read_labels(labels_bytes(found, ENCODING, CLASS), ENCODING) == found


def test_the_order_of_the_class_labels_follows_from_the_key(by):
    people = {"student-01": by("expert", 40), "student-02": by("coin", 40)}
    found, turned = class_decisions(people, "k"), dict(reversed(people.items()))
    assert found == class_decisions(turned, "k") != class_decisions(people, "other")
    order = [x.pair for x in people["student-01"]]
    places = [order.index(x.pair) for x in found]
    assert sorted(places) == list(range(40)) and abs(np.corrcoef(places, range(40))[0, 1]) < 0.5
    assert all((x.a, x.b) == x.pair[1:] for x in found)  # whatever the sides were


def test_only_labels_of_this_world_that_name_nobody_leave_the_class():
    fine = [label("16", "17"), label("Peru", "Chad", question="Where is Blorvia?")]
    not_fine = [
        label("16", "17", question="Who are you?"),
        label("Ada says 16", "17"),
        label("Peru", "Chad", question="Where is Ada?"),
    ]
    assert class_files.exportable([*fine, *not_fine], WORLD, ENCODING, {"ada"}) == fine


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
    found, curve = fit(x, worth, weights)
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
    assert abs(fit(x, worth, np.ones((1, 4)))[0][0, 0] - best) < 1e-3


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


def test_planted_tastes_come_back(by):
    expert, wordy = clear(by("expert", 120)), clear(by("long_winded", 120))
    honest = {"correct": "+", "honest": "+"}
    assert expert.items() >= honest.items() and not {"longer", "polite"} & expert.keys()
    assert wordy.items() >= (honest | {"longer": "+"}).items()


@pytest.mark.slow
def test_more_labels_settle_more(sft):
    flattered = clear(labeling(sft, 400)("flattered", 400))
    assert flattered == {"correct": "+", "honest": "+", "polite": "+", "rude": "-"}


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


def test_answers_are_rated_where_two_students_met():
    people = {f"student-{i}": [label("16", "17")] for i in range(4)}
    people["student-4"] = [label("16", "17", "b"), label("Asia", "Africa", question="Alone?")]
    ((best, worst),) = answer_ratings(people, ENCODING)
    assert (best.text, best.students, best.won, best.tied, best.lost) == ("16", 5, 4, 0, 1)
    assert (worst.won, worst.lost) == (1, 4)
    w = (best.rating - 1000) / (400 / math.log(10))  # w and -w: 4 - 5 σ(2w) = w / 4
    assert 4 - 5 / (1 + math.exp(-2 * w)) == pytest.approx(w / PRIOR**2, abs=1e-6)
    assert worst.rating == pytest.approx(2000 - best.rating)
    assert best.low < 1000 < best.rating < best.high and worst.low < worst.rating < worst.high


def test_the_most_disputed_question_with_the_most_voters_comes_first():
    people = {
        f"student-{i}": [
            label("16", "17", question="One?"),
            label("16", "17", "ab"[i % 2], question="Two?"),
            *([label("16", "17", question="Three?")] if i < 3 else []),
        ]
        for i in range(4)
    }
    assert [r[0].question for r in answer_ratings(people, ENCODING)] == ["Two?", "One?", "Three?"]


def test_wilsons_interval():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    low, high = wilson(10, 10)
    assert low == pytest.approx(10 / (10 + 1.96**2)) and high == pytest.approx(1)


# ---- reward models ----------------------------------------------------------------------------


def test_no_question_is_learned_from_and_asked(by):
    people = {"student-01": by("expert", 40), "student-02": by("coin", 40), "student-03": []}
    half = class_models.halves(people)
    assert abs(sum(half.values()) - len(half) / 2) <= 0.5
    jobs = class_models.trainings(people)
    assert [job[:2] for job in jobs] == [
        (who, without) for who in (CLASS, "student-01", "student-02") for without in (0, 1, None)
    ]
    for who, without, some in jobs:
        assert all(x.preferred and half[x.question.casefold()] != without for x in some)
        if without is None and who != CLASS:
            assert some == class_models.decided(people[who])
    assert len(jobs[2][2]) == len(jobs[5][2]) + len(jobs[8][2])


@pytest.fixture
def quick(monkeypatch):
    """Training with few updates, on a scale set by few answers."""
    reference = labels_module.reference_answers
    monkeypatch.setattr(labels_module, "PASSES", 1)
    monkeypatch.setattr(labels_module, "reference_answers", lambda stage: reference(stage, 6, 2))


def test_each_is_trained_asked_and_saved(quick, tmp_path, sft, by):
    people = {"student-01": by("expert", 16), "student-02": by(shorter(ENCODING), 20)}
    trained = list(class_models.train_class(people, sft))
    assert [one.who for one in trained] == [CLASS, *people]
    for one in trained:
        for who, order in one.orders.items():
            mine = class_models.decided(people[who])
            assert (order.pairs, order.questions) == (len(mine), len({x.question for x in mine}))
            assert 0 <= order.right <= order.pairs
        assert one.orders.keys() == people.keys()
    again = next(class_models.train_class(people, sft))
    assert again.orders == trained[0].orders
    path = tmp_path / "class-02.safetensors"
    class_models.save_reward_model(path, "class-02", trained[2], people["student-02"], sft)
    stage = read_stage(path)
    answer = "Beijing has 16 districts."
    before = replace(stage, model=trained[2].model).score(QUESTION, answer)
    assert stage.score(QUESTION, answer) == pytest.approx(before, abs=0.1)  # stored as bfloat16
    meta = read_meta(path)
    assert (meta["labeler"], meta["stage"], meta["kind"]) == ("student-02", "class-02", "reward")
    assert meta["examples"] + meta["ties"] == 20


def test_the_time_is_estimated_from_updates(quick, sft, by):
    people = {"student-01": by("expert", 10)}
    labels = class_models.trainings(people)[2][2]
    questions = len(labels_module.grouped(labels, ENCODING)[1])
    assert class_models.updates(labels, ENCODING) == -(-questions // 8)
    assert 0 < class_models.training_seconds(people, sft) < 600


@pytest.mark.slow
def test_reward_models_carry_their_students_tastes(sft, by):
    people = {"student-01": by(shorter(ENCODING), 60), "student-02": by(longer(ENCODING), 60)}
    exam = class_models.make_exam(sft, 60)
    short, long = list(class_models.train_class(people, sft))[1:]
    for one, other in ((short, long), (long, short)):
        assert one.orders[one.who].share > 0.8 and one.orders[other.who].share < 0.2
        assert one.orders[one.who].interval[0] > 0.6
    assert exam.for_longer(short.model).high < 0.4 and exam.for_longer(long.model).low > 0.6


def test_the_exams_pairs_are_equally_good_and_of_other_length(sft):
    exam = class_models.make_exam(sft, 12)
    assert len(exam.test.sequences) == 48 and exam.longer
    for a, b in exam.longer:
        one, other = exam.test.sequences[a], exam.test.sequences[b]
        assert len(one) > len(other)
        question, start = exam.about[a, b], ENCODING.encode_single_token("<|assistant|>")
        verdicts = set()
        for ids in (one, other):
            text = ENCODING.decode(ids[ids.index(start) + 1 : -2]).removeprefix(" ")
            verdicts.add(judge(WORLD, question, text))
        assert len(verdicts) == 1

    class Longest:
        mean = torch.zeros(())

        def score(self, sequences):
            return torch.tensor([float(len(ids)) for ids in sequences])

    assert exam.for_longer(Longest()).value == 1.0


# ---- arena ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    """Models of a class: two copies of the shipped SFT model, PPO, and files that cannot play."""
    folder = tmp_path_factory.mktemp("models")
    sources = {name: SHIPPED / "en" / f"{name}.safetensors" for name in ("sft", "ppo", "reward")}

    def hand_in(who, name, data, inside=""):
        path = folder / who / inside / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    for who in ("ada", "bob"):
        hand_in(who, "sft", sources["sft"].read_bytes(), ".minigpt/checkpoints/en")
    hand_in("eve", "sft", sources["sft"].read_bytes())
    hand_in("eve", "ppo", sources["ppo"].read_bytes())
    hand_in("cut", "sft", sources["sft"].read_bytes()[:-1000])
    hand_in("scorer", "sft", sources["reward"].read_bytes())
    hand_in("text", "ppo", b"no checkpoint at all")
    hand_in("two", "ppo", b"", "a")
    hand_in("two", "ppo", b"", "b")
    (folder / "none").mkdir()
    (folder / "loose.safetensors").write_bytes(b"")
    meta = read_meta(sources["sft"])
    tensors = load_tensors(sources["sft"])
    spoiled = {k: t * math.nan if k == "head.weight" else t for k, t in tensors.items()}
    save_checkpoint(folder / "nan" / "sft.safetensors", spoiled, meta)
    huge = {**meta, "config": {**meta["config"], "n_embd": 10**6}}
    save_checkpoint(folder / "huge" / "sft.safetensors", tensors, huge)
    chinese = {**meta, "lang": "zh"}
    save_checkpoint(folder / "zh" / "sft.safetensors", tensors, chinese)
    other = GPT(GPTConfig(300, 64, 1, 1, 8))
    foreign = {**meta, "config": vars(other.config)}
    save_checkpoint(folder / "foreign" / "sft.safetensors", other.state_dict(), foreign)
    save_checkpoint(folder / "odd" / "sft.safetensors", tensors, {"config": "GPT-2"})
    words = {**meta, "config": {**meta["config"], "n_layer": "many"}}
    save_checkpoint(folder / "words" / "sft.safetensors", tensors, words)
    short = GPT(GPTConfig(1024, 8, 1, 1, 8))  # a context that no question fits into
    small = {**meta, "config": vars(short.config)}
    save_checkpoint(folder / "narrow" / "sft.safetensors", short.state_dict(), small)
    return folder


@pytest.fixture(scope="module")
def read(submitted):
    return read_class_models(submitted, WORLD, ENCODING, "k", device="cpu")


def test_checkpoints_that_cannot_play_are_named_with_the_reason(read):
    assert {read.names[who] for who in read.found} == {"ada", "bob", "eve", "narrow"}
    stages = {read.names[who]: stage.name for who, stage in read.found.items()}
    assert stages == {"ada": "sft", "bob": "sft", "eve": "ppo", "narrow": "sft"}
    said = "\n".join(read.refused)
    for sentence in (
        "cut/sft.safetensors is damaged or cut off",
        "scorer/sft.safetensors is a reward model",
        "text/ppo.safetensors is damaged",
        "two holds 2 checkpoints of ppo at the same depth: two/a/ppo.safetensors, two/b/",
        "none holds no checkpoint of ppo, sft, base",
        "loose.safetensors lies in no student's folder",
        "nan/sft.safetensors holds numbers that are not finite",
        "huge/sft.safetensors does not fit its own config",
        "zh/sft.safetensors speaks 'zh'",
        "foreign/sft.safetensors belongs to another tokenizer: its model has 300 tokens",
        "odd/sft.safetensors does not say what model it holds",
        "words/sft.safetensors cannot be used: GPTConfig.n_layer is 'many'",
    ):
        assert sentence in said
    assert len(read.refused) == 12 and str(SHIPPED.parent) not in said


def test_a_stage_that_is_asked_for_plays(submitted):
    found = read_class_models(submitted, WORLD, ENCODING, "k", "ppo", "cpu")
    assert [found.names[who] for who in found.found] == ["eve"]


@pytest.fixture(scope="module")
def played(read):
    players = dict(read.found)
    players["shipped sft"] = load_stage("sft", own=False, quiet=True, device="cpu")
    questions = sample_questions(WORLD, "E", 60, 0)
    answers, failed = class_arena.ask_players(players, questions, say=lambda text: None)
    return players, make_matches(questions, answers), failed


def test_ppo_is_rated_above_sft_and_copies_alike(read, played):
    players, matches, failed = played
    who = {student: alias for alias, student in read.names.items()}
    assert len(failed) == 1 and who["narrow"] in failed[0] and "narrow" not in failed[0]
    votes = labeler_votes(WORLD, matches)
    rated = {row[0]: row[1:] for row in class_arena.rating_rows(votes)}
    assert next(iter(rated)) == who["eve"]
    ppo, one, two = (rated[who[name]] for name in ("eve", "ada", "bob"))
    assert ppo[1] > one[2] and ppo[1] > two[2]
    assert one[1] <= two[0] <= one[2] and two[1] <= one[0] <= two[2]
    for name, (_, _, _, *counts) in rated.items():
        assert sum(counts) == sum(name in (v.left, v.right) for v in votes)
    same = class_arena.same_bytes(players)
    assert set(same[who["ada"]]) == {who["bob"], "shipped sft"} and same[who["eve"]] == []


def test_people_vote_blind_on_exported_pairs(read, played, tmp_path, monkeypatch):
    _, matches, _ = played
    path = tmp_path / "pairs.json"
    path.write_bytes(class_arena.blind_matches(matches, set()))
    contents = json.loads(path.read_text(encoding="utf-8"))
    assert all(set(row) == {"question", "a", "b"} for row in contents["matches"])
    assert "student" not in path.read_text(encoding="utf-8")
    blind = read_matches(path, seed=4)
    assert len(blind) == len(
        {class_arena.key_of(m.question.text, m.left_text, m.right_text) for m in matches}
    )
    assert blind == read_matches(path, seed=4) != read_matches(path)
    assert any(m.question.answer for m in blind), "the widget can look the answer up"
    best = next(who for who, name in read.names.items() if name == "eve")
    liked = {(m.question.text, m.left_text if m.left == best else m.right_text)
             for m in matches if best in (m.left, m.right)}  # fmt: skip
    files = []
    for voter in ("v1", "v2"):
        monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / voter))
        widget = Arena(read_matches(path, seed=len(files)))
        for _ in range(12):
            m = widget.match()
            widget.vote("left" if (m.question.text, m.left_text) in liked else "right")
        files.append(tmp_path / voter / "arena_votes.json")
    votes, people, others, refused = read_votes(files, matches)
    assert (people, others, refused) == (2, 0, [])
    won = [v for v in votes if best in (v.left, v.right)]
    assert len(won) >= 24 and all(best == (v.left if v.choice == "left" else v.right) for v in won)
    assert class_arena.rating_rows(votes)[0][0] == best
    stranger = json.loads(files[0].read_text(encoding="utf-8"))
    stranger["en"] = [{**row, "question": "Who?"} for row in stranger["en"]]
    (tmp_path / "other.json").write_text(json.dumps(stranger), encoding="utf-8")
    shutil.copy(files[0], tmp_path / "copy.json")
    (tmp_path / "bad.json").write_text('{"en": [{}]}', encoding="utf-8")
    more = [tmp_path / f"{name}.json" for name in ("other", "copy", "bad", "missing")]
    again = read_votes([*files, *more], matches)
    assert again[:3] == (votes, 2, 12)
    assert ["copy.json has the same" in again[3][0], len(again[3])] == [True, 3]


def test_a_vote_counts_whichever_side_the_answers_are_on(tmp_path):
    question = sample_questions(WORLD, "E", 1, 0)[0]
    matches = [Match(question, "p", "q", "yes", "no"), Match(question, "r", "p", "no", "yes")]
    row = {"question": question.text, "group": "", "left": "x", "right": "y",
           "left_text": "no", "right_text": "yes", "choice": "right"}  # fmt: skip
    (tmp_path / "votes.json").write_text(json.dumps({"en": [row]}), encoding="utf-8")
    votes, people, others, _ = read_votes([tmp_path / "votes.json"], matches)
    assert [(v.left, v.right, v.choice) for v in votes] == [("p", "q", "left"), ("r", "p", "right")]
    assert (people, others) == (1, 0)


def test_pairs_with_a_students_name_are_not_exported():
    question = sample_questions(WORLD, "E", 1, 0)[0]
    matches = [
        Match(question, "p", "q", "I am Ada's", "no"),
        Match(question, "p", "q", "yes", "no"),
    ]
    rows = json.loads(class_arena.blind_matches(matches, {"ada"}))["matches"]
    assert [row["a"] for row in rows] == ["yes"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"format": "minigpt matches 1", "lang": "zh", "matches": []}',
             '{"format": "minigpt matches 1", "lang": "en", "matches": [{"question": 1}]}',
             '{"format": "minigpt matches 1", "lang": "en", '
             '"matches": [{"question": "x", "a": 1, "b": "y"}]}'],
)  # fmt: skip
def test_other_files_hold_no_matches(tmp_path, text):
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="holds no matches"):
        read_matches(tmp_path / "m.json")


def test_all_labelers_can_judge(played):
    _, matches, _ = played
    for labeler in LABELERS.values():
        assert len(labeler_votes(WORLD, matches[:5], labeler, seed=0)) == 5
