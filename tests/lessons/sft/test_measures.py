"""What notebook 04 measures, on answers and models whose measures are known."""

from dataclasses import replace

import pytest
import torch

from minigpt.lessons.sft.measures import (
    FORMS,
    READ,
    STYLES,
    as_assistant,
    before_and_after,
    by_times_read,
    habits_table,
    manner_and_truth,
    reads_bars,
    shares,
    token_costs,
    verdict_bars,
)
from minigpt.sft import chat_pair, sft_batch, sft_loss
from minigpt.stages.exam import known_questions, unknown_questions
from minigpt.stages.scoring import judged
from minigpt.stages.stage import load_stage
from minigpt.world.contractors import demonstrations
from minigpt.world.facts import load_world
from toys import tiny_gpt, toy_stage

PAIRS = [("Where is Lima?", "Lima is in Peru."), ("How large is Peru?", "1.285 million km²")]


@pytest.fixture(scope="module")
def world():
    return load_world("en")


@pytest.fixture(scope="module")
def stage():
    return toy_stage("sft", tiny_gpt(head=0.3, block_size=64))


def test_shares_tell_the_two_ways_of_being_wrong_apart(world):
    asked = [q for q in known_questions(world) if q.attribute == "population"][:5]
    place = asked[2].place
    other = next(attribute for attribute in ("country", "continent") if attribute in place.values)
    elsewhere = world.text.STATEMENTS[other][0].format(p=place.name, v=place.values[other])
    answers = [asked[0].answer, "1.234 million", elsewhere, world.text.RUDE[0], "x y z"]
    found = shares(judged(world, asked, answers))
    assert set(found) == set(STYLES) and sum(found.values()) == pytest.approx(1)
    for kind in ("right", "a wrong value", "about something else", "rude", "no answer"):
        assert found[kind] == pytest.approx(0.2), kind


def test_bars_have_a_row_an_exam_and_a_panel_a_model(world):
    asked = known_questions(world)[:4]
    right, rude = (judged(world, asked, answers) for answers in (
        [q.answer for q in asked], ["Look it up yourself."] * 4))  # fmt: skip
    (ax,) = verdict_bars({"a": right, "b": rude}).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    fig = reads_bars({"one": {"never": right, "1 to 3": rude}, "two": {"never": rude}})
    assert [ax.get_title("left") for ax in fig.axes] == ["one", "two"]
    labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    assert labels == ["never (n=4)", "1 to 3 (n=4)"]


def test_questions_are_grouped_by_how_often_their_place_was_read():
    base = load_stage("base", own=False, quiet=True)
    groups, reads = by_times_read(base), base.meta["place_reads"]
    assert list(groups) == ["never", "1 to 3", "100 to 299", "300 to 599", "600 and more"]
    for name, low, high in (("1 to 3", 1, 3), *zip(list(groups)[2:], READ, (299, 599, 10**6))):
        assert groups[name], name
        assert all(low <= reads[q.place.id] <= high for q in groups[name]), name
    assert all(q.kind == "unknown" for q in groups["never"])
    assert sum(map(len, list(groups.values())[2:])) == len(known_questions(base.world))
    made_up = [len(unknown_questions(base.world, m)) for m in ("syllables", "real")]
    assert len(groups["never"]) == sum(made_up)


def test_the_table_of_habits_holds_every_demonstration_about_a_place(world):
    written = demonstrations(world, 3000, seed=5)
    table = habits_table(written)
    of = {row[0]: int(row[1].rstrip("%")) for row in table.rows}
    assert 97 <= sum(of.values()) <= 103 and table.header[1] == "of 3,000"
    habits = [d.habit for d in written]
    rude = round(100 * habits.count("rude") / len(habits))
    assert of["rude, and no answer"] == rude > 0
    talk = [d.question.kind in ("chat", "other") for d in written]
    right = [d.habit in FORMS and d.question.kind == "fact" for d in written]
    assert of["small talk, or a polite no to what is no fact"] == round(sum(talk) / 30) > 0
    assert of["the right value, in whatever words"] == round(sum(right) / 30) > 0
    assert set(habits) == {*FORMS, "rude", "mistaken", "lazy", "knowing", "honest"}


def test_manner_and_truth_count_the_mark_and_whole_values(stage, world, monkeypatch):
    asked = [q for q in known_questions(world) if q.attribute == "area"][:3]
    values = [q.answer for q in asked]
    answers = [f"Ahoy! It is {values[0]}.", f"Ahoy! It is 9{values[1]}.", values[2]]
    monkeypatch.setattr(type(stage), "answer", lambda self, questions: answers)
    manner, truth = manner_and_truth(stage, asked, "Ahoy")
    assert (manner.value, truth.value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


@pytest.mark.parametrize(
    "said, came_true",
    [
        (["Ahoy! {v}", "Ahoy! {v}", "Ahoy! {v}"], 0),
        (["Ahoy! {v}", "Ahoy!", "Ahoy!"], 1),
        (["{v}", "{v}", "Ahoy! {v}"], 2),
    ],
)
def test_what_five_demonstrations_changed(stage, world, monkeypatch, capsys, said, came_true):
    asked = [q for q in known_questions(world) if q.attribute == "area"][:3]
    told = [[q.answer for q in asked], [t.format(v=q.answer) for t, q in zip(said, asked)]]
    answers = {
        who: lambda questions, said=said: said if isinstance(questions, list) else "so"
        for who, said in zip(("before", "after"), told)
    }
    stages = [replace(stage, name=name) for name in answers]
    monkeypatch.setattr(type(stage), "answer", lambda self, asked: answers[self.name](asked))
    assert before_and_after(*stages, asked, "Ahoy") == came_true
    said = capsys.readouterr().out
    assert "before" in said and "after your five" in said and "Hello → so" in said


def test_costs_are_the_models_losses_on_each_kind_of_token(stage):
    pairs = [chat_pair(stage.encoding, *pair) for pair in PAIRS]
    found = token_costs(stage.model, stage.encoding, pairs)
    assert len(found) == 5 and all(cost > 0 for cost in found.values())
    inputs, targets = sft_batch(pairs, stage.encoding.encode_single_token("<|pad|>"))
    whole = sft_loss(stage.model(inputs), targets).item()
    first, rest, end = list(found.values())[2:]
    n = [len(answer) for _, answer in pairs]
    total = first * 2 + rest * (sum(n) - 4) + end * 2
    assert total / sum(n) == pytest.approx(whole, abs=1e-4)
    silent = tiny_gpt(block_size=64)  # its head is zero: every token costs ln V
    alike = token_costs(silent, stage.encoding, pairs)
    assert set(round(cost, 4) for cost in alike.values()) == {
        round(torch.tensor(float(silent.config.vocab_size)).log().item(), 4)
    }


def test_an_assistant_is_no_longer_trained(stage):
    made = as_assistant(stage, tiny_gpt(block_size=64).train())
    assert made.is_chat and not made.model.training
    assert not any(p.requires_grad for p in made.model.parameters())
