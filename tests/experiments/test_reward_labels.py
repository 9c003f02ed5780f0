"""The reward model's labels: what is tested on, which runs are missing, how a run resumes."""

import json

import pytest

from minigpt import experiments
from minigpt.core.stages import load_stage
from minigpt.experiments import reward_labels as module
from minigpt.sft import answer_text
from minigpt.world.judge import gold, judge


@pytest.fixture(scope="module")
def sft():
    return load_stage("sft", own=False, quiet=True)


@pytest.fixture(scope="module")
def data(sft):
    return module.answered(sft, 12)


def test_a_seed_draws_the_order_of_the_questions_and_the_slips(sft, data):
    first, again, other = (module.label(sft, *data, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert {x.pair for q in first for x in q} == {x.pair for q in other for x in q}
    known = {q.text for q in data[0]}
    assert {x.question for q in first for x in q} <= known


def test_the_test_pairs_are_the_experts(sft):
    test = module.test_pairs(sft, 12)
    questions = module.report_questions(sft.world, 12)

    def utility(i):
        question, encoding = questions[i // module.ANSWERS], sft.encoding
        start = test.sequences[i].index(encoding.encode_single_token("<|assistant|>")) + 1
        text = answer_text(encoding, test.sequences[i][start:-1])
        return gold(question, judge(sft.world, question, text))

    for better, worse in test.certain:
        assert utility(better) - utility(worse) >= 0.5
    agreed = [(utility(b) > utility(w)) + 0.5 * (utility(b) == utility(w)) for b, w in test.noisy]
    assert test.ceiling == pytest.approx(sum(agreed) / len(agreed))
    for pair in test.noisy + test.certain:
        assert pair[0] // module.ANSWERS == pair[1] // module.ANSWERS  # of one question
        assert test.about[pair] == questions[pair[0] // module.ANSWERS]


def test_right_counts_the_pairs_that_the_scores_order(monkeypatch):
    test = module.TestPairs([[1], [2], [3]], [(0, 1), (1, 2)], [(2, 0)], 1.0, {})
    monkeypatch.setattr(module, "score_all", lambda m, s: module.torch.tensor([2.0, 1.0, 3.0]))
    assert test.right(None, test.noisy) == [True, False]
    assert test.right(None, test.certain) == [True]


def test_missing_runs_come_seed_by_seed_with_the_fewest_labels_first():
    runs = [{"seed": 0, "questions": 50}, {"seed": 1, "questions": 9}]
    assert list(module.missing(runs, (200, 50), (0, 1))) == [(0, 200), (1, 50), (1, 200)]


def test_runs_are_saved_one_by_one_and_not_repeated(sft, tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "test_pairs", lambda sft, whole=module.test_pairs: whole(sft, 8))
    monkeypatch.setattr(module, "right_over_wrong", lambda stage: ([True], [stage_question]))
    stage_question = module.report_questions(sft.world, 1)[0]
    said = []
    module.run((4, 8), (0,), said.append)
    results = json.loads((tmp_path / "reward_labels.json").read_text(encoding="utf-8"))
    assert [(r["seed"], r["questions"]) for r in results["runs"]] == [(0, 4), (0, 8)]
    assert results["command"] == "python3 -m minigpt.experiments.reward_labels"
    for run in results["runs"]:
        assert run["pairs"] > 0 and 0 <= run["pair_accuracy"] <= 1
    monkeypatch.setattr(module, "train_and_measure", lambda *a: pytest.fail("it is there already"))
    assert module.run((4, 8), (0,))["runs"] == results["runs"]


def test_too_few_questions_are_refused(capsys):
    with pytest.raises(SystemExit):
        module.main(["--sizes", "1"])
    assert "2 or more" in capsys.readouterr().err
