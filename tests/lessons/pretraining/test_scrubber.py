"""The checkpoint scrubber without a kernel: order, numbers, completions, bad input."""

import IPython.display
import pytest
import torch

from minigpt.lessons.pretraining import scrubber as module
from minigpt.lessons.pretraining.scrubber import LONGEST, TEXT, Scrubber, printable, scrub
from minigpt.model import GPT, GPTConfig
from minigpt.show.table import Table
from minigpt.stages.stage import Stage, document_completions
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world

PROMPT = "# Rome\n\nRome is in"


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Three snapshots of nothing in particular, with the metadata that real ones have."""
    path, out = tmp_path_factory.mktemp("stages"), []
    encoding, world = load_tokenizer("en"), load_world("en")
    for i, (tokens, loss) in enumerate([(0, 6.9315), (131072, 2.4981), (3297280, 0.7144)]):
        model = GPT(GPTConfig(n_layer=1, n_embd=32, n_head=2), seed=i)
        torch.nn.init.normal_(model.head.weight, std=0.1 * i)
        model.eval().requires_grad_(False)
        meta = {"tokens": tokens, "metrics": {"held_out_loss": loss}}
        out.append(Stage(f"base_step_{i:05d}", model, encoding, world, meta, path / "x", False))
    return out


@pytest.fixture
def scrubber(stages):
    return Scrubber(stages, PROMPT)


def test_table_has_every_checkpoint_in_order_with_its_numbers(scrubber, stages):
    table = scrubber.table()
    assert [row[0] for row in table.rows] == ["0", "131.1 thousand", "3.3 million"]
    assert [row[1] for row in table.rows] == ["6.93", "2.50", "0.71"]
    assert "# Rome / Rome is in" in table.caption
    for stage, row in zip(stages, table.rows):
        text = document_completions(stage.model, stage.encoding, [PROMPT], module.NEW_TOKENS)[0]
        assert row[2] == printable(text)


def test_the_slider_starts_at_the_end_and_moves_through_the_snapshots(scrubber):
    seen = []
    for i in (2, 1, 0):
        scrubber.checkpoint.value = i
        seen.append(scrubber.shown.value)
        assert module.escape(scrubber.completion(i)) in scrubber.shown.value
    assert "0 tokens read, held-out loss 6.93" in scrubber.status.value
    assert len(set(seen)) == 3
    assert Scrubber(scrubber.stages, PROMPT).checkpoint.value == 2


def test_the_same_is_not_generated_twice(scrubber, monkeypatch):
    scrubber.table()
    monkeypatch.setattr(module, "document_completions", None)  # calling it would fail
    for i in (0, 1, 2):
        scrubber.checkpoint.value = i
        assert "did not work" not in scrubber.status.value


def test_prompt_temperature_and_new_sample_change_the_completion(scrubber):
    seen = [scrubber.shown.value]
    scrubber.sample_button.click()
    seen.append(scrubber.shown.value)
    scrubber.temperature.value = 1.7
    seen.append(scrubber.shown.value)
    scrubber.prompt.value = "Paris"
    seen.append(scrubber.shown.value)
    assert len(set(seen)) == 4 and scrubber.seed == 1


def test_at_temperature_zero_a_new_sample_says_that_it_would_be_the_same(scrubber):
    scrubber.temperature.value = 0.0
    before = scrubber.shown.value
    scrubber.sample_button.click()
    assert scrubber.shown.value == before and "every sample is the same" in scrubber.status.value


@pytest.mark.parametrize("prompt", ["", "  \n "])
def test_an_empty_prompt_is_a_sentence(scrubber, prompt):
    scrubber.prompt.value = prompt
    assert "no prompt yet" in scrubber.status.value and scrubber.shown.value == ""


def test_a_long_prompt_says_how_long_it_may_be(scrubber):
    scrubber.prompt.value = " a" * (LONGEST + 5)
    tokens = len(scrubber.stages[0].encoding.encode_ordinary(scrubber.prompt.value))
    assert f"has {tokens} tokens, and at most {LONGEST}" in scrubber.status.value
    while len(scrubber.stages[0].encoding.encode_ordinary(scrubber.prompt.value)) > LONGEST:
        scrubber.prompt.value = scrubber.prompt.value[:-2]
    assert "held-out loss" in scrubber.status.value
    assert LONGEST + module.NEW_TOKENS < GPTConfig().block_size


def test_prompt_and_completion_are_escaped(scrubber, monkeypatch):
    evil = '<img src=x onerror="alert(1)">'
    monkeypatch.setattr(module, "document_completions", lambda *a: [evil])
    scrubber.prompt.value = evil
    assert "<img" not in scrubber.shown.value and scrubber.shown.value.count("&lt;img") == 2
    assert "<img" not in scrubber.table()._repr_html_()


def test_an_unexpected_error_becomes_a_sentence(scrubber, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(module, "document_completions", fail)
    scrubber.prompt.value = "Oslo"
    assert "did not work: out of &lt;memory&gt;" in scrubber.status.value


def test_missing_numbers_are_not_recorded(stages):
    bare = Stage("base", stages[0].model, stages[0].encoding, stages[0].world, {}, None, True)
    assert Scrubber([bare], PROMPT).table().rows[0][:2] == ["0", TEXT["en"]["unknown"]]


def test_printable_has_one_line_and_no_controls():
    assert printable("\n a \n\nb\x00c\x1b[31m\n") == "a / b\ufffdc\ufffd[31m"


def test_scrub_takes_the_snapshots_and_then_base(stages, monkeypatch):
    shown, asked = [], []

    def load(name, **options):
        asked.append((name, options["own"]))
        return stages[len(asked) - 1]

    monkeypatch.setattr(module, "snapshots", lambda lang: ["base_step_00000", "base_step_00032"])
    monkeypatch.setattr(module, "load_stage", load)
    monkeypatch.setattr(IPython.display, "display", lambda x: shown.append(x))
    scrub()
    assert asked == [("base_step_00000", False), ("base_step_00032", False), ("base", False)]
    assert isinstance(shown[0], Table) and type(shown[1]).__name__ == "VBox" and len(shown) == 2


def test_scrub_says_what_is_wrong(stages, monkeypatch, capsys):
    monkeypatch.setattr(module, "load_stage", lambda name, **options: stages[0])
    scrub(" ")
    assert "no prompt yet" in capsys.readouterr().out

    def absent(name, **options):
        raise FileNotFoundError("there is no stage 'base'")

    monkeypatch.setattr(module, "load_stage", absent)
    scrub()
    assert "no stage 'base'" in capsys.readouterr().out


def test_controls_have_words_beside_them(scrubber):
    controls = [scrubber.checkpoint, scrubber.prompt, scrubber.temperature, scrubber.sample_button]
    assert all(control.description for control in controls)
    assert len({frozenset(words) for words in TEXT.values()}) == 1
