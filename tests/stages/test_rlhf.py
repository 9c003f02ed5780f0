"""What the report says of reward models and PPO, on answers whose truth is known by hand."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from minigpt.ppo import PPOConfig
from minigpt.reward import RewardModel
from minigpt.stages import exam
from minigpt.stages import rlhf as m
from minigpt.stages.scoring import Measure, Score, judged, mean_of
from minigpt.stages.stage import Stage
from minigpt.world.facts import load_world
from minigpt.world.questions import Questions, fact_questions
from toys import frozen_gpt, own_stage, perfect, says, toy_pool

WORLD = load_world("en")
TEXT = WORLD.text
FACTS = Questions(q for i, q in enumerate(fact_questions(WORLD, "E")) if i % 4 == 0)
KNOWN = [q for q in FACTS if not q.place.tail]
RARE = [q.place.id for q in KNOWN[::3]]
READS = {q.place.id: 2 if q.place.id in RARE else 500 for q in KNOWN}


@pytest.fixture
def few(monkeypatch):
    """A quarter of the facts and eight names of each maker."""
    report, known = exam.report_questions, exam.known_questions
    monkeypatch.setattr(m, "fact_questions", lambda world, split: FACTS)
    monkeypatch.setattr(m, "NAMES", 8)
    monkeypatch.setattr(exam, "report_questions", lambda world, n=0: report(world, 12))
    monkeypatch.setattr(exam, "known_questions", lambda *a: Questions(known(*a)[:6]))


def honesty(monkeypatch, reply, reads=READS) -> dict[str, Measure]:
    """The measures of an assistant that answers so."""
    monkeypatch.setattr(Stage, "ask", says(reply))
    table = m.measure_honesty(own_stage("sft", None), "sft", reads)
    return {key.removeprefix("sft."): measure for key, measure in table.items()}


def decline(q) -> str:
    return TEXT.DECLINE[-1].format(p=q.place.name)


def first_value(q) -> str:
    return WORLD.values[q.attribute][0]


# ---- what an assistant says of places ------------------------------------------------------------


def test_unread_questions_are_about_both_makers_that_no_stage_saw():
    questions = m.unread_questions(WORLD)
    real = [q for q in questions if q.place.values]
    assert len(questions) - len(real) == m.NAMES >= len(real) > 100
    assert {q.kind for q in questions} == {"unknown"}
    assert len({q.place.id for q in questions}) == len(questions)


def test_an_assistant_that_declines_all(few, monkeypatch):
    table = honesty(monkeypatch, decline)
    for key, measure in table.items():
        declined = "declined" in key
        assert (measure.value, measure.low, measure.high) == (declined,) * 3 or (
            measure.note == "nothing to count"
        ), key


def test_an_assistant_that_declines_another_name_has_declined_but_not_by_name(few, monkeypatch):
    table = honesty(monkeypatch, lambda q: TEXT.DECLINE[-1].format(p="Nowhereton"))
    value = {key: measure.value for key, measure in table.items()}
    assert value["unread_declined"] == value["known_declined"] == value["tail_declined"] == 1
    for key in ("unread_declined_own_name", "unknown_declined", "unknown_real_declined"):
        assert value[key] == 0


def test_an_assistant_that_invents_all(few, monkeypatch):
    table = honesty(monkeypatch, first_value)
    assert table["unread_invented"].value == 1 and table["unread_declined"].value == 0
    right = [q.answer == first_value(q) for q in KNOWN]
    assert table["known_correct"].value == np.mean(right) > 0
    wrong = [not hit for q, hit in zip(KNOWN, right) if q.place.id in RARE]
    assert table["read_1_to_3_wrong"].value == pytest.approx(np.mean(wrong))
    assert table["read_1_to_3_correct"].value == pytest.approx(1 - np.mean(wrong))


def test_an_assistant_that_knows_all_and_says_so_politely_of_what_it_does_not(few, monkeypatch):
    table = honesty(monkeypatch, lambda q: q.answer or TEXT.POLITE_OPEN[0] + decline(q))
    value = {key: measure.value for key, measure in table.items()}
    assert value["unread_declined_own_name"] == value["known_correct"] == 1
    assert value["known_declined"] == value["unread_invented"] == value["read_401_up_wrong"] == 0
    unread = len(m.unread_questions(WORLD))
    assert value["polite"] == pytest.approx(unread / (unread + len(FACTS)))


def test_refusals_are_told_apart_by_rank_and_by_how_often_a_place_was_read(few, monkeypatch):
    table = honesty(monkeypatch, lambda q: decline(q) if 40 <= q.place.rank < 100 else "?")
    found = {key: x.value for key, x in table.items() if "rank" in key}
    assert found == {
        "known_declined_rank_0_to_39": 0, "known_declined_rank_40_to_99": 1,
        "known_declined_rank_100_to_179": 0, "known_declined_rank_180_up": 0,
    }  # fmt: skip
    hits = [40 <= q.place.rank < 100 for q in KNOWN]
    assert table["known_declined"] == mean_of(KNOWN, hits)
    table = honesty(monkeypatch, lambda q: decline(q) if q.place.id in RARE else "?")
    assert table["read_1_to_3_declined"].value == 1 and table["read_401_up_declined"].value == 0
    assert table["read_4_to_200_declined"].note == "nothing to count"


def test_without_counts_of_readings_all_else_is_measured(few, monkeypatch):
    whole, plain = (honesty(monkeypatch, decline, reads) for reads in (READS, {}))
    assert plain == {key: x for key, x in whole.items() if not key.startswith("read_")} != whole


# ---- reward models -------------------------------------------------------------------------------


def test_measures_of_a_reward_model_that_likes_short_answers(few, monkeypatch):
    sft, reward = own_stage("sft", frozen_gpt(1)), own_stage("reward", None)
    monkeypatch.setattr(
        exam, "score_all", lambda model, rows: torch.tensor([-float(len(r)) for r in rows])
    )
    exam_of_two = exam.RewardExam(
        [[0] * 3, [0] * 5, [0] * 9], [(0, 1), (1, 2), (2, 0), (0, 2)], [(0, 2)], [1, 0.5, 1, 0],
        {(a, b): KNOWN[a] for a in range(3) for b in range(3)},
    )  # fmt: skip
    monkeypatch.setattr(exam, "reward_exam", lambda stage: exam_of_two)
    table = m.measure_reward(reward, sft, "reward_ordinary")
    value = {k.removeprefix("reward_ordinary."): x.value for k, x in table.items()}
    assert set(value) == {
        "pair_accuracy", "ceiling", "below_ceiling", "gold_preference_accuracy",
        "right_over_wrong", "right_over_refusal", "right_over_refusal_on_v",
    }  # fmt: skip
    assert value["pair_accuracy"] == 0.75 and value["ceiling"] == 0.625
    assert value["below_ceiling"] == -0.125 and value["gold_preference_accuracy"] == 1
    on_v = table["reward_ordinary.right_over_refusal_on_v"]
    assert ("PPO may decline" in on_v.note) == (on_v.value < m.WANTED_OVER_REFUSAL)
    assert all(measure.low is not None for measure in table.values())


def brute_best(scores, values, n) -> list[float]:
    """Of each question the mean of `values` at the best score over all draws of n answers."""
    means = []
    for row, worth in zip(scores, values):
        draws = combinations(range(len(row)), n)
        means.append(np.mean([worth[max(draw, key=row.__getitem__)] for draw in draws]))
    return means


def test_best_of_n_against_all_draws(monkeypatch):
    pool = toy_pool(9, 8)
    pool.ended[3, 2] = False
    monkeypatch.setattr(exam, "sample_pool", lambda sft, reward, questions, n: pool)
    monkeypatch.setattr(
        exam, "score_all", lambda model, rows: torch.tensor([float(r[0] * r[1] % 5) + r[1] / 99
                                                             for r in rows])
    )  # fmt: skip
    judges = {name: own_stage(name, None) for name in ("main", "ordinary")}
    monkeypatch.setattr(m, "sample_questions", lambda *a, **k: pool.questions)
    table = m.measure_best_of_n(own_stage("sft", None), judges, most=8, n=9)
    scores = {"main": pool.scores, "ordinary": pool.scored_by(None).scores}
    assert scores["ordinary"][3, 2] == PPOConfig.cut_off_reward
    for name, part in (("main", ""), ("ordinary", "ordinary_")):
        best = {n: brute_best(scores[name], pool.golds, n) for n in (1, 2, 4, 8)}
        for n, values in best.items():
            assert table[f"best_of_n.{part}gold_{n}"].value == pytest.approx(np.mean(values))
        change = np.subtract(best[8], best[4])
        found, expected = table[f"best_of_n.{name}_8_less_4"], mean_of(pool.questions, change)
        assert (found.value, found.low, found.high) == pytest.approx(
            (expected.value, expected.low, expected.high)
        )
        proxies = [table[f"best_of_n.{part}proxy_{n}"].value for n in best]
        assert proxies == sorted(proxies) and proxies[0] < proxies[-1]
    assert len(table) == 2 * (2 * 4 + 2)


# ---- PPO -----------------------------------------------------------------------------------------


def test_blind_share_of_a_perfect_against_a_rude_assistant():
    good = judged(WORLD, FACTS, [q.answer for q in FACTS])
    rude = judged(WORLD, FACTS, [TEXT.RUDE[0]] * len(FACTS))
    for pair, share in (((good, rude), 1), ((rude, good), 0)):
        found = m.blind_share(WORLD, *pair)
        assert (found.value, found.low, found.high) == (share,) * 3
        assert found.note == f"{share * len(FACTS)} to {(1 - share) * len(FACTS)}, 0 alike"
    alike = m.blind_share(WORLD, good, good)
    assert np.isnan(alike.value) and alike.note == f"0 to 0, {len(FACTS)} alike"


def test_blind_share_is_of_the_decided_pairs():
    asked = Questions(FACTS[:40])
    a = judged(WORLD, asked, [q.answer if i < 24 else "?" for i, q in enumerate(asked)])
    b = judged(WORLD, asked, ["?" if 16 <= i < 24 else q.answer for i, q in enumerate(asked)])
    found = m.blind_share(WORLD, a, b)  # 16 alike, 8 for a, 16 for b
    assert found.value == pytest.approx(8 / 24) and found.note == "8 to 16, 16 alike"
    assert found.low < found.value < found.high


def test_gold_is_compared_question_by_question():
    verdicts = ["correct", "rude"] * 20
    one = Score(FACTS[:40], ["x"] * 40, verdicts)
    same = Score(FACTS[:40], ["y"] * 40, list(verdicts))
    found = m.gold_less(one, same)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    worse = Score(FACTS[:40], ["y"] * 40, ["wrong value", "rude"] * 20)
    assert m.gold_less(one, worse).value == 1.5  # 2 less -1 of every other


@pytest.fixture(scope="module")
def reward():
    return own_stage("reward", RewardModel(frozen_gpt(2), seed=2).eval().requires_grad_(False))


def test_the_sft_model_itself_is_no_better_and_a_perfect_one_closes_the_gap(
    few, reward, monkeypatch
):
    """Both answer the same questions, drawn alike: the same model closes exactly nothing."""
    sft = own_stage("sft", frozen_gpt(1))
    few_of_v = m.sample_questions
    monkeypatch.setattr(m, "sample_questions", lambda *a, **k: Questions(few_of_v(*a, **k)[:4]))
    same = m.measure_ppo(own_stage("ppo", sft.model), sft, reward)
    for key in ("gold_gap_closed", "gold_over_sft_greedy", "known_accuracy_change"):
        found = same[f"ppo.{key}"]
        assert (found.value, found.low, found.high) == (0, 0, 0), key
    assert np.isnan(same["ppo.blind_share"].value) and same["ppo.kl"].value == 0
    assert same["ppo.matched_temperature"].value == pytest.approx(1, abs=0.01)
    assert same["gold.sft"] == same["gold.ppo"] and same["gold.best"].value > same["gold.sft"].value
    plain = m.chat_score

    monkeypatch.setattr(
        m, "chat_score", lambda who, *a: perfect(who, *a) if who.name == "ppo" else plain(who, *a)
    )
    whole = m.measure_ppo(own_stage("ppo", sft.model), sft, reward)
    for key in ("gold_gap_closed", "known_accuracy_change"):
        found = whole[f"ppo.{key}"]
        assert (found.value, found.low, found.high) == (1, 1, 1), key
    gap = whole["gold.best"].value - whole["gold.sft_greedy"].value
    assert whole["ppo.gold_over_sft_greedy"].value == pytest.approx(gap)
    assert whole["gold.best_known"].value == 2 and whole["gold.best_unknown"].value == 1.5
    bare = {key for key, measure in whole.items() if measure.low is None}
    assert bare <= {"ppo.matched_temperature", "ppo.blind_share", "ppo.blind_share_sft_half"}


def test_over_optimisation_by_hand(few, monkeypatch):
    """Of twelve right answers six turn rude while the judge likes all of them more."""
    questions = exam.report_questions(WORLD)
    right = {"ppo_early": 12, "ppo_overoptimised": 6, "ppo_priced": 9}
    likes = {"ppo_early": 1.0, "ppo_overoptimised": 2.5, "ppo_priced": 1.5}
    kls = {"ppo_early": 1.0, "ppo_overoptimised": 5.0, "ppo_priced": 2.0}

    def chat_score(stage, asked, temperature):
        assert temperature == 1
        best = [{"fact": "correct", "unknown": "declined this name"}[q.kind] for q in asked]
        kept = right[stage.name]
        verdicts = best[:kept] + ["rude"] * (len(best) - kept)
        return Score(asked, [stage.name] * len(asked), verdicts), [True] * len(asked)

    monkeypatch.setattr(m, "chat_score", chat_score)
    monkeypatch.setattr(
        exam, "proxy_scores", lambda judge, score, ended: np.full(12, likes[score.answers[0]])
    )
    stages = {name: replace(own_stage(name, None), model=name) for name in right}
    monkeypatch.setattr(m, "mean_kl", lambda policy, **k: Measure(kls[policy]))
    late, early, priced = (
        stages[name] for name in ("ppo_overoptimised", "ppo_early", "ppo_priced")
    )
    sft = own_stage("sft", None)
    table = m.measure_overoptimised(late, early, priced, own_stage("reward_ordinary", None), sft)
    lost = [2.0 + (2 if q.kind == "fact" else 1.5) for q in questions]
    proxy = table["overoptimised.proxy_change"]
    assert (proxy.value, proxy.low, proxy.high) == (1.5, 1.5, 1.5)
    assert table["kl_price.proxy"].value == -1.0
    assert table["overoptimised.gold_change"].value == pytest.approx(-sum(lost[6:]) / 12)
    assert table["kl_price.gold"].value == pytest.approx(sum(lost[6:9]) / 12)
    assert table["kl_price.gold"].low <= table["kl_price.gold"].value
    for key, kl in (("overoptimised.kl", 5), ("overoptimised.kl_early", 1), ("kl_price.kl", 2)):
        assert table[key].value == kl
