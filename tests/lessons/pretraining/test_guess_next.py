"""Guess the next word without a kernel: gaps, beliefs against a plain computation, the count."""

import importlib
import math

import pytest
import torch

from minigpt.lessons.pretraining.guess_next import (
    FIRST,
    Game,
    Task,
    belief,
    guess_next,
    make_tasks,
)
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world
from toys import tiny_gpt, toy_stage

module = importlib.import_module(
    "minigpt.lessons.pretraining.guess_next"
)  # its name is a function's, too


@pytest.fixture(scope="module")
def documents():
    return build_corpus(load_world("en"), load_tokenizer("en"), 8000, seed=7).documents


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    path = tmp_path_factory.mktemp("stages") / "x"
    return [
        toy_stage(f"base_step_{i}", tiny_gpt(i, head=0.3 * i), {"tokens": tokens}, path)
        for i, tokens in enumerate((0, 2000))
    ]


@pytest.fixture
def game(stages, documents):
    return Game(stages, make_tasks(stages[0].encoding, documents, n=5))


def test_tasks_are_cut_from_documents_at_a_word(stages, documents):
    encoding = stages[0].encoding
    tasks = make_tasks(encoding, documents, n=20)
    assert len(tasks) == 20
    for task in tasks:
        assert any(d.startswith(task.before + task.word) for d in documents)
        assert any(c.isalnum() for c in task.word)
        assert encoding.decode(task.context) == "<|endoftext|>" + task.before
        assert encoding.decode(task.ids) == task.word
        assert len(module.split_text(task.before)) >= FIRST
    assert tasks == make_tasks(encoding, documents, n=20)
    assert tasks != make_tasks(encoding, documents, n=20, seed=1)


def test_ids_are_those_that_training_saw(stages, documents):
    """Encoding word by word is encoding the whole document: the model sees what it learned."""
    encoding = stages[0].encoding
    whole = {tuple(encoding.encode_ordinary(d)) for d in documents}
    for task in make_tasks(encoding, documents, n=30):
        ids = (*task.context[1:], *task.ids)
        assert any(w[: len(ids)] == ids for w in whole)


def test_without_a_gap_a_sentence(stages):
    with pytest.raises(ValueError, match="no text with a word to guess"):
        make_tasks(stages[0].encoding, ["short", "... --- ... !!! ??? ,,, ;;;"])


def test_a_belief_is_what_comes_token_by_token(stages, documents):
    """Oracle: one token at a time, each a forward pass of its own."""
    stage = stages[1]
    tasks = [t for t in make_tasks(stage.encoding, documents, 40) if len(t.ids) > 1][:4]
    assert tasks

    def after(context):
        return stage.model(torch.tensor([context]))[0, -1].softmax(-1)

    for task in tasks:
        context, greedy, probability = list(task.context), [], 1.0
        for i in task.ids:
            probability *= after(context)[i].item()
            context.append(i)
        for _ in range(module.LONGEST_WORD):
            greedy.append(int(after([*task.context, *greedy]).argmax()))
        found, said = belief(stage, task), stage.encoding.decode(greedy)
        assert found.probability == pytest.approx(probability, rel=1e-3)
        assert said.startswith(found.said) and module.split_text(said)[0] == found.said
        assert not found.hit
        right = Task(task.before, found.said, task.context, task.ids)
        assert belief(stage, right).hit


def test_a_model_that_knows_nothing_gives_all_tokens_the_same(stages):
    found = belief(stages[0], Task("Rome is in", " Italy", (1018, 5, 6), (7, 8)))
    assert found.probability == pytest.approx(1 / 1024**2, rel=1e-4)
    assert not found.hit


def test_guesses_are_counted_for_the_learner_and_every_snapshot(game):
    word = game.task.word.strip()
    game.guess.value = f" {word.upper()} "
    game.submit_button.click()
    assert "You: 1 of 1" in game.status.value and "Yes, it was" in game.status.value
    game.next_button.click()
    assert game.status.value == game.shown.value == game.guess.value == ""
    game.guess.value = "zzz"
    game.submit_button.click()
    assert "You: 1 of 2" in game.status.value and "You guessed zzz" in game.status.value
    expected = [sum(belief(s, t).hit for t in game.tasks[:2]) for s in game.stages]
    assert game.model_hits == expected
    assert all(f"{n} of 2" in game.shown.value for n in expected)


def test_one_guess_a_text_and_an_empty_one_does_not_count(game):
    game.submit_button.click()
    assert "Type the next word, number or sign" in game.status.value and game.played == 0
    game.guess.value = "x"
    game.submit_button.click()
    said = game.status.value
    game.submit()
    assert game.played == 1 and game.submit_button.disabled and game.status.value == said
    game.next_button.click()
    assert not game.submit_button.disabled


def test_enter_is_the_button(game):
    word = game.task.word.strip()
    game.guess.value = word
    assert game.played == 0
    data = {"method": "custom", "content": {"event": "submit"}}  # as the browser tells it
    game.guess._handle_msg({"content": {"data": data}, "buffers": []})
    assert (game.played, game.hits) == (1, 1) and word in game.status.value


def test_the_texts_come_round_again(game):
    first = game.text.value
    for _ in game.tasks:
        game.next()
    assert game.text.value == first


def test_the_word_is_not_shown_before_the_guess(stages):
    game = Game(stages, [Task("Rome is in", " Italy", (1018, 5), (7,))])
    assert "Italy" not in game.text.value + game.status.value + game.shown.value
    assert "Rome is in" in game.text.value


def test_documents_and_guesses_are_escaped(stages):
    evil = '<img src=x onerror="alert(1)">'
    game = Game(stages, [Task(evil, evil, (1018, 5), (7,))])
    game.guess.value = "<b>me</b>"
    game.submit_button.click()
    shown = game.text.value + game.status.value + game.shown.value + game.static()[0]._repr_html_()
    assert "<img" not in shown and "<b>me" not in shown and "&lt;b&gt;me" in shown


def test_static_table_has_the_text_the_word_and_a_row_a_snapshot(game, stages):
    table = game.table([belief(stage, game.task) for stage in stages])
    assert game.task.before in table.caption and game.task.word.strip() in table.caption
    assert [row[0] for row in table.rows] == ["0", "2,000"]
    for stage, row in zip(stages, table.rows):
        found = belief(stage, game.task)
        assert row[1] == (
            module.visible(found.said.strip().encode()) if row[0] != "0" else "no word"
        )
        assert math.isclose(float(row[2].rstrip("%")) / 100, found.probability, abs_tol=6e-4)


def test_one_is_solved_and_another_is_played(game):
    (solved,) = game.static()
    assert game.tasks[0].before in solved.caption and game.at == 1
    assert module.escape(game.tasks[0].before) not in game.text.value


def test_the_first_text_is_one_that_was_learned_late(stages, monkeypatch):
    tasks = [Task("", str(i), (1018,), (i,)) for i in range(4)]
    hits = {(0, 0): True, (1, 0): True, (0, 1): False, (1, 1): False, (0, 2): False, (1, 2): True}

    def fake(stage, task):
        return module.Belief("x", 0.5, hits.get((stages.index(stage), task.ids[0]), False))

    monkeypatch.setattr(module, "belief", fake)
    three = [stages[0], stages[0], stages[1]]
    assert [t.word for t in module.telling_first(three, tasks)] == ["2", "0", "1", "3"]
    assert module.telling_first(three, tasks[:2]) == tasks[:2]


def test_guess_next_says_what_is_wrong(stages, capsys):
    guess_next(stages, ["short"])
    assert "no text with a word to guess" in capsys.readouterr().out
