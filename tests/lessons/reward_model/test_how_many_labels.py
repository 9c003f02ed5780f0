"""The reward model's labels: what is tested on, which runs are missing, how a run resumes."""

import json

import pytest

from minigpt.lessons.reward_model import how_many_labels as module
from minigpt.stages.stage import load_stage


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


def test_runs_are_saved_one_by_one_seed_by_seed_and_not_repeated(tmp_path, monkeypatch):
    out, done = tmp_path / "results.json", []

    def train_and_measure(sft, test, labels, seed):
        done.append((seed, len(labels)))
        return {"seed": seed, "questions": len(labels)}

    monkeypatch.setattr(module, "reward_exam", lambda sft: None)
    monkeypatch.setattr(module, "answered", lambda sft, n: (range(n), None))
    monkeypatch.setattr(
        module, "label", lambda sft, questions, samples, seed: [[]] * len(questions)
    )
    monkeypatch.setattr(module, "train_and_measure", train_and_measure)
    module.run((8, 4), (1,), out, lambda text: None)
    module.run((4, 8), (0, 1), out, lambda text: None)
    assert done == [(1, 4), (1, 8), (0, 4), (0, 8)]
    results = json.loads(out.read_text(encoding="utf-8"))
    assert [(r["seed"], r["questions"]) for r in results["runs"]] == sorted(done)
    assert results["command"] == "python3 -m minigpt.lessons.reward_model.how_many_labels"
    monkeypatch.setattr(module, "load_stage", lambda *a, **k: pytest.fail("nothing is lacking"))
    assert module.run((4, 8), (0, 1), out)["runs"] == results["runs"]


def test_a_small_run_measures_every_share(sft, data):
    labels = module.label(sft, *data, seed=0)
    found = module.train_and_measure(sft, module.reward_exam(sft, 8), labels, 0)
    assert found["questions"] == 12 and found["pairs"] + found["ties"] == sum(map(len, labels))
    for key in ("pair_accuracy", "gold_preference", "right_over_wrong", "ceiling"):
        assert 0 <= found[key] <= 1


def test_too_few_questions_are_refused(capsys):
    with pytest.raises(SystemExit):
        module.main(["--sizes", "1"])
    assert "2 or more" in capsys.readouterr().err
