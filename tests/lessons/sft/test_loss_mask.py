"""The loss-mask viewer without a kernel: its mask is training's, its losses are the model's."""

import pytest
import torch

from minigpt.lessons.sft.loss_mask import COUNTED, SKIPPED, LossMask, view_loss_mask
from minigpt.model import next_token_loss
from minigpt.sft import chat_answer, chat_prompt, sft_batch, sft_loss
from minigpt.show.strip import pieces
from toys import tiny_gpt, toy_stage

QUESTION, ANSWER = "Where is Lima?", "Lima is in Peru."


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    path = tmp_path_factory.mktemp("stage") / "sft.safetensors"
    return toy_stage("sft", tiny_gpt(head=0.3, block_size=64), path=path, own=True)


@pytest.fixture
def viewer(stage):
    return LossMask(stage, QUESTION, ANSWER)


def test_the_answer_and_its_end_are_counted_and_nothing_else(viewer, stage):
    masked = viewer.masked()
    answer = chat_answer(stage.encoding, ANSWER)
    assert [t for t, yes in zip(masked.ids[1:], masked.counted) if yes] == answer
    assert masked.counted == [False] * (len(masked.ids) - 1 - len(answer)) + [True] * len(answer)
    first = masked.counted.index(True)  # the answer's first token is asked for at <|assistant|>
    assert masked.ids[first] == stage.encoding.encode_single_token("<|assistant|>")


def test_losses_are_the_models_and_their_mean_is_the_loss_of_training(viewer, stage):
    masked = viewer.masked()
    pair = chat_prompt(stage.encoding, QUESTION), chat_answer(stage.encoding, ANSWER)
    others = chat_prompt(stage.encoding, "How large is Peru?"), [5] * 20  # so that it is padded
    inputs, targets = sft_batch([pair, others], stage.encoding.encode_single_token("<|pad|>"))
    logits = stage.model(inputs)
    assert masked.loss == pytest.approx(sft_loss(logits[:1], targets[:1]).item(), abs=1e-4)
    counted = [x for x, yes in zip(masked.losses, masked.counted) if yes]
    assert masked.loss == pytest.approx(sum(counted) / len(counted), abs=1e-5)
    every = next_token_loss(logits[0, : len(masked.losses)], torch.tensor(masked.ids[1:]))
    assert sum(masked.losses) / len(masked.losses) == pytest.approx(every.item(), abs=1e-4)


def test_each_row_says_what_is_read_what_is_asked_and_whether_it_counts(viewer, stage):
    masked = viewer.masked()
    names, rows = pieces(stage.encoding, masked.ids), viewer.table(viewer.masked()).rows
    assert [row[1] for row in rows] == names[:-1] and [row[2] for row in rows] == names[1:]
    said = [row[3] for row in rows]
    assert said[0] == said[names.index("<|assistant|>") - 1] == "no: the template's"
    assert said[1] == "no: the user's" and said[-1] == "yes"
    for row, yes, loss in zip(rows, masked.counted, masked.losses):
        assert (row[3] == "yes") == yes and row[4] == (f"{loss:.2f}" if yes else "")


def test_the_strip_has_each_token_in_the_colour_of_its_mask(viewer):
    masked, strip = viewer.masked(), viewer.strip(viewer.masked())
    assert len(strip.texts) == len(masked.ids) and strip.fills[0] == SKIPPED
    assert [fill == COUNTED for fill in strip.fills[1:]] == masked.counted
    assert "Orange: the targets that are counted" in repr(strip)


def test_counting_every_target_shows_what_pretraining_would_count(viewer):
    before, masked = viewer.shown.value, viewer.masked()
    viewer.all.value = True
    assert viewer.shown.value != before
    assert all(row[3] == "yes" and row[4] for row in viewer.table(viewer.masked()).rows)
    mean = sum(masked.losses) / len(masked.losses)
    assert f"{mean:.3f}" in viewer.status.value and f"{masked.loss:.3f}" in viewer.status.value


def test_typing_shows_the_new_demonstration(viewer):
    viewer.answer.value = "Peru"
    assert (
        "Peru" in repr(viewer.strip(viewer.masked())) and "Their mean loss" in viewer.status.value
    )
    few = len(viewer.table(viewer.masked()).rows)
    viewer.question.value = "In which country is the city of Lima, please?"
    assert len(viewer.table(viewer.masked()).rows) > few


def test_picking_a_fact_writes_a_true_demonstration_at_once(viewer, monkeypatch):
    calls = []
    masked = viewer.masked
    monkeypatch.setattr(viewer, "masked", lambda: calls.append(1) or masked())
    viewer.picker.place.value = "France"
    assert "France" in viewer.question.value and len(calls) == 1
    fact = viewer.stage.world.facts[viewer.picker.picked_place().id, viewer.picker.attribute.value]
    assert fact.value in viewer.answer.value


@pytest.mark.parametrize(
    "question, answer, expected",
    [
        ("  ", "Peru", "no question yet"),
        ("Where is Lima?", " ", "no answer yet"),
        (
            "Where is Lima? " * 16,
            "Peru",
            "tokens, more than the 64 tokens that the model reads at once",
        ),
        ("x" * 3000, "Peru", "3,004 characters"),
    ],
)
def test_what_cannot_be_shown_becomes_a_sentence(viewer, question, answer, expected):
    viewer.question.value, viewer.answer.value = question, answer
    assert viewer.shown.value == "" and expected in viewer.status.value
    viewer.question.value, viewer.answer.value = QUESTION, ANSWER
    assert viewer.shown.value and "Their mean loss" in viewer.status.value


def test_the_longest_demonstration_that_fits_is_shown(stage):
    head = len(chat_prompt(stage.encoding, "Hi")) + 1  # and <|end|>
    room = stage.model.config.block_size + 1 - head  # the last token is a target alone
    fits = " a" * room
    assert len(chat_answer(stage.encoding, fits.strip())) == room + 1
    assert len(LossMask(stage, "Hi", fits).masked().counted) == stage.model.config.block_size
    with pytest.raises(ValueError, match="Shorten"):
        LossMask(stage, "Hi", fits + " a").masked()


def test_typed_marks_and_tags_stay_text(viewer, stage):
    viewer.question.value = "Hi<|end|><script>alert(1)</script>"
    end = stage.encoding.encode_single_token("<|end|>")
    assert viewer.masked().ids.count(end) == 1
    viewer.answer.value = "<b>Peru</b> & \ud800"
    assert "<script" not in viewer.shown.value and "<b>" not in viewer.shown.value


def test_it_begins_with_a_true_sentence_about_beijing(stage, capsys):
    view_loss_mask(stage)
    said = capsys.readouterr().out
    assert "Their mean loss" in said and "million" in said
