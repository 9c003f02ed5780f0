"""The batch viewer without a kernel: its cells are training's cells, its numbers the model's."""

import numpy as np
import pytest
import torch

from minigpt.lessons.pretraining import batch_viewer as module
from minigpt.lessons.pretraining.batch_viewer import COLOURS, BatchViewer, view_batch
from minigpt.model import next_token_loss
from minigpt.pretrain import PretrainConfig, batches, windows
from minigpt.show.strip import pieces
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world
from toys import tiny_gpt


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer("en")


@pytest.fixture(scope="module")
def tokens(encoding):
    return build_corpus(load_world("en"), encoding, 5000, seed=7).tokens


@pytest.fixture(scope="module")
def model():
    return tiny_gpt(head=0.3, block_size=64).eval().requires_grad_(False)


@pytest.fixture
def viewer(model, encoding, tokens):
    return BatchViewer(model, encoding, tokens)


def test_the_batch_is_one_that_training_makes(viewer, tokens):
    config = PretrainConfig(batch_size=4, block_size=12, seed=0)
    made = (torch.cat([x, y[:, -1:]], 1) for x, y in batches(tokens, config))
    assert any(torch.equal(viewer.ids, ids) for ids, _ in zip(made, range(module.LOOK)))
    rows = {tuple(row) for row in windows(tokens, 12).tolist()}
    assert all(tuple(row) in rows for row in viewer.ids.tolist())


def cells(grid):
    return [row[1:] for row in grid.rows]


def test_ends_of_documents_show_and_colours_change_there(viewer, encoding):
    end = encoding.encode_single_token("<|endoftext|>")
    grid = viewer.grid(0, 0)
    assert "<|endoftext|>" in repr(grid) and "&lt;|endoftext|&gt;" in grid._repr_html_()
    for ids, row in list(zip(viewer.ids.tolist(), cells(grid)))[1:]:  # row 0 has the marks
        for before, after, i in zip(row, row[1:], ids[1:]):
            assert (after.fill != before.fill) == (i == end)


def test_each_token_of_the_batch_is_in_the_grid(viewer, encoding):
    shown = cells(viewer.grid(2, 3))
    for r in (0, 1, 3):
        assert [c.text for c in shown[r]] == pieces(encoding, viewer.ids[r].tolist())
    assert [len(row) for row in shown] == [13] * 4


def test_context_cell_and_target_are_marked_and_nothing_else(viewer, encoding):
    shown, texts = cells(viewer.grid(1, 5)), pieces(encoding, viewer.ids[1].tolist())
    assert [c.text for c in shown[1]] == [
        *(f"({text})" for text in texts[:5]), f"[{texts[5]}]", f">{texts[6]}<", *texts[7:],
    ]  # fmt: skip
    html = viewer.grid(1, 5)._repr_html_()
    counts = {part: html.count(f"background:{colour}") for part, colour in COLOURS.items()}
    assert counts == {"context": 5, "cell": 1, "target": 1}


def test_distribution_is_the_models_and_its_loss_the_cross_entropy(viewer, model):
    for row, column in ((0, 0), (2, 7), (3, 11)):
        p = viewer.probabilities(row, column)
        assert p.sum().item() == pytest.approx(1, abs=1e-5)
        logits = model(viewer.ids[row : row + 1, :-1])[0, column]  # the whole row at once
        torch.testing.assert_close(p, logits.softmax(-1), rtol=1e-4, atol=1e-6)
        loss = next_token_loss(logits[None], viewer.ids[row, column + 1][None]).item()
        assert f"a loss of {loss:.2f}." in viewer.distribution(row, column).caption


def test_the_target_is_shown_once_wherever_it_ranks(viewer):
    for row in range(4):
        for column in range(12):
            p = viewer.probabilities(row, column)
            target = int(viewer.ids[row, column + 1])
            rank = int((p > p[target]).sum()) + 1
            rows = viewer.distribution(row, column).rows
            marked = [r[0] for r in rows if "<- target" in r[2]]
            assert len(marked) == 1 and marked[0] >= rank  # equal ones may stand before it
            assert len(rows) == (10 if marked[0] <= 10 else 11)
            assert [r[0] for r in rows[:10]] == list(range(1, 11))


def test_sliders_and_button_change_what_is_shown(viewer):
    seen = [viewer.shown.value]
    viewer.row.value = (viewer.row.value + 1) % 4
    seen.append(viewer.shown.value)
    viewer.column.value = (viewer.column.value + 5) % 12
    seen.append(viewer.shown.value)
    viewer.next_button.click()
    seen.append(viewer.shown.value)
    assert len(set(seen)) == 4
    cell = viewer.row.value, viewer.column.value
    assert viewer.distribution(*cell)._repr_html_() in viewer.shown.value


def test_sliders_stay_inside_the_batch(viewer):
    assert (viewer.row.min, viewer.row.max) == (0, 3)
    assert (viewer.column.min, viewer.column.max) == (0, 11)
    for cell in ((-1, 0), (4, 0), (0, -1), (0, 12)):
        with pytest.raises(ValueError, match="rows are 0 to 3, columns 0 to 11"):
            viewer.distribution(*cell)


def test_a_short_corpus_gives_fewer_rows(model, encoding):
    ids = np.array(encoding.encode_ordinary("Rome is in Italy. " * 4), dtype=np.uint16)[:13]
    viewer = BatchViewer(model, encoding, ids)
    assert viewer.ids.shape == (1, 13) and viewer.row.max == 0


@pytest.mark.parametrize("rows, columns", [(0, 12), (4, 1), (4, 100), (4, 20_000)])
def test_impossible_shapes_become_a_sentence(model, encoding, tokens, rows, columns, capsys):
    with pytest.raises(ValueError):
        BatchViewer(model, encoding, tokens, rows, columns)
    view_batch(model, tokens, encoding, rows, columns)
    said = capsys.readouterr().out
    expected = {12: "at least 1 row", 1: "2 columns", 100: "context of 64"}
    assert expected.get(columns, "make no window") in said
