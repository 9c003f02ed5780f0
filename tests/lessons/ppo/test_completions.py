"""The live completions table: same prompts, same random numbers, one display."""

import pytest

from minigpt.lessons.ppo import completions as module
from minigpt.lessons.ppo.completions import COLUMNS, Completions
from minigpt.stages.stage import Answer, Stage, chat_answers
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import ask
from toys import tiny_gpt


@pytest.fixture(scope="module")
def world():
    return load_world("en")


@pytest.fixture
def policy():
    return tiny_gpt(head=0.1, block_size=96).eval().requires_grad_(False)


@pytest.fixture
def completions(policy, world):
    questions = [ask(world, world.facts["beijing", a]) for a in ("population", "area")]
    return Completions(policy, load_tokenizer("en"), world, questions)


def says(*answers):
    return lambda *asked: [Answer(text, [], True) for text in answers]


def texts(completions, look=-1):
    return [cell.rsplit("  [", 1)[0] for cell in completions.history[look][1]]


def test_the_same_weights_give_the_same_answers_and_others_do_not(completions, policy):
    completions.look(1)
    assert completions.history[0][1] == completions.history[1][1]
    policy.head.weight.neg_()
    completions.look(2)
    assert completions.history[2][1] != completions.history[1][1]


def test_answers_are_the_policys_and_say_when_they_were_cut_off(completions, policy):
    questions = [q.text for q in completions.questions]
    answers, ended = chat_answers(policy, load_tokenizer("en"), questions, 1.0, 0)
    assert not all(ended)
    said = [a if whole else f"{a} (cut off)" for a, whole in zip(answers, ended)]
    assert texts(completions) == said


def test_each_answer_has_the_judges_verdict(completions, monkeypatch):
    told = ["Beijing has a population of 21.84 million.", "Look it up yourself."]
    monkeypatch.setattr(Stage, "ask", says(*told))
    completions.look(1)
    assert [cell.rsplit("[", 1)[1] for cell in completions.history[1][1]] == ["correct]", "rude]"]


def test_first_and_newest_look_always_stand_in_the_table(completions, monkeypatch):
    monkeypatch.setattr(Stage, "ask", says("x", "y"))
    for step in range(10, 90, 10):
        completions.look(step)
        header = completions.table().header
        assert header[1] == "before" and len(header) <= 1 + COLUMNS
        assert header[-1] == f"after round {step}"
    assert len(set(header)) == 1 + COLUMNS and len(completions.history) == 9


def test_one_display_a_cell_is_made_and_then_renewed(completions, monkeypatch):
    shown, renewed = [], []

    class Handle:
        update = staticmethod(renewed.append)

    class Shell:
        execution_count = 7

    monkeypatch.setattr(module, "get_ipython", lambda: Shell)
    monkeypatch.setattr(module, "display", lambda x, display_id: shown.append(x) or Handle())
    for step in (1, 2, 3):
        completions.look(step)
    assert len(shown) == 1 and len(renewed) == 2
    assert renewed[-1].header[-1] == "after round 3"
    Shell.execution_count = 8  # the cell was interrupted and runs again: its output is gone
    completions.look(4)
    assert len(shown) == 2 and shown[-1].header[-1] == "after round 4"


def test_a_plain_program_prints_the_table_itself(completions, capsys):
    completions.look(1)
    assert capsys.readouterr().out == ""
    assert "after round 1" in repr(completions.table())


def test_what_the_model_writes_is_escaped(completions, monkeypatch):
    evil = "<script>alert(1)</script>"
    monkeypatch.setattr(Stage, "ask", says(evil, evil))
    completions.look(1)
    html = completions.table()._repr_html_()
    assert "<script" not in html and "&lt;script" in html


def test_without_questions_a_sentence(policy, world):
    with pytest.raises(ValueError, match="give at least one"):
        Completions(policy, load_tokenizer("en"), world, [])
