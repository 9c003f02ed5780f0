"""Per-token probabilities of an answer, stage by stage: against generate's own, and the widget."""

import IPython.display
import pytest
import torch

from minigpt.generate import next_token_distribution
from minigpt.lessons.arena import stage_tokens as module
from minigpt.lessons.arena.stage_tokens import (
    TEXT,
    StageTokens,
    TokenGrid,
    answer_probabilities,
    signed,
    stage_tokens,
)
from minigpt.model import GPT, GPTConfig
from minigpt.sft import chat_answer, chat_prompt
from minigpt.show.widget import first_question
from minigpt.stages.scoring import qa_prompt
from minigpt.stages.stage import Stage, line_ends
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.questions import Question

EN, ASKED, ANSWER = TEXT["en"], first_question(), "Beijing has 21.84 million residents."


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Three small stages that find different things likely."""
    path = tmp_path_factory.mktemp("stages")
    found = {}
    for seed, name in enumerate(("base", "sft", "ppo")):
        model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=16), seed=seed)
        model.head.weight.data.normal_(generator=torch.Generator().manual_seed(seed))
        model.eval().requires_grad_(False)
        parts = load_tokenizer("en"), load_world("en"), {}, path / name, False
        found[name] = Stage(name, model, *parts)
    return found


@pytest.fixture
def widget(stages):
    return StageTokens(stages, load_world("en"), ASKED, ANSWER)


def test_probabilities_are_those_that_one_step_at_a_time_gives(stages):
    encoding = stages["sft"].encoding
    prompt, ids = chat_prompt(encoding, ASKED), chat_answer(encoding, ANSWER)
    found = answer_probabilities(stages["sft"], ASKED, ANSWER)
    assert len(found) == len(ids)
    for i, token in enumerate(ids):  # the last one is <|end|>
        one = next_token_distribution(stages["sft"].model, prompt + ids[:i])[token].item()
        assert found[i] == pytest.approx(one, rel=1e-4)


def test_base_is_asked_as_a_document_and_may_end_the_line_in_any_way(stages):
    base, encoding = stages["base"], stages["base"].encoding
    end = encoding.encode_single_token("<|endoftext|>")
    text = [end, *encoding.encode_ordinary(qa_prompt(Question(ASKED, "fact")))]
    ids = encoding.encode_ordinary(" " + ANSWER)
    found = answer_probabilities(base, ASKED, ANSWER)
    assert found[0] == pytest.approx(next_token_distribution(base.model, text)[ids[0]].item(), 1e-4)
    last = next_token_distribution(base.model, text + ids)
    assert found[-1] == pytest.approx(last[sorted(line_ends(encoding))].sum().item(), rel=1e-4)


def test_grid_has_every_token_of_the_answer_once_for_each_stage(widget, stages):
    grid = widget.grid()
    assert "".join(grid.texts) == "\u00b7" + ANSWER.replace(" ", "\u00b7") + EN["end"]
    assert list(grid.rows) == list(stages)
    assert all(len(row) == len(grid.texts) for row in grid.rows.values())


def test_difference_is_from_the_stage_before_and_has_a_sign():
    grid = TokenGrid("?", ["a", "b"], {"base": [0.5, 0.5], "sft": [0.25, 0.75]}, EN)
    assert grid.changes("base") == [None, None] and grid.changes("sft") == [-0.25, 0.25]
    assert grid.whole("base") == "25.0%" and grid.whole("sft") == "18.8%"
    shown, plain = grid._repr_html_(), repr(grid)
    for text in (shown, plain):
        assert "(\u22120.25)" in text and "(+0.25)" in text and "0.75" in text
    assert shown.count("<small>") == 2  # none under the first stage
    assert "SFT model" in plain and "Base model" in shown


def test_tiny_shares_and_signs_in_words():
    assert signed(-0.004) == "0.00" and signed(0.5) == "+0.50"
    assert module.share(1e-9) == "< 0.1%" and module.share(0.5) == "50.0%"


def test_typing_shows_and_own_answer_is_the_stages_most_likely(widget, stages):
    widget.answer.value = "Rome."
    assert "".join(widget.grid().texts) == "\u00b7Rome." + EN["end"]
    assert widget.status.value == EN["shown"] and "residents" not in widget.shown.value
    widget.buttons["ppo"].click()
    assert widget.answer.value == stages["ppo"].answer(ASKED)
    widget.buttons["base"].click()
    assert "\n" not in widget.answer.value
    assert widget.status.value == EN["shown"] or "no answer yet" in widget.status.value


def test_pickers_write_the_question(widget):
    widget.picker.attribute.value = "country"
    assert widget.question.value == "Which country is Beijing in?"
    assert "Which country is Beijing in?" in widget.shown.value


@pytest.mark.parametrize(
    "question, answer, said",
    [
        ("", ANSWER, "no question yet"),
        ("Where is Rome? " * 60, ANSWER, "256 tokens at once"),
        (ASKED, "   ", "no answer yet"),
        (ASKED, "a " * 400, "characters"),
        (ASKED, "\u6c49" * 290, "tokens fit"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(widget, question, answer, said):
    widget.answer.value, widget.question.value = answer, question
    assert said in widget.status.value and widget.shown.value == ""
    widget.answer.value, widget.question.value = ANSWER, ASKED
    assert widget.status.value == EN["shown"] and widget.shown.value


def test_everything_typed_is_escaped_and_special_tokens_are_text(widget, stages):
    evil = '<img src=x onerror="alert(1)"> <|end|>'
    widget.question.value = widget.answer.value = evil
    assert "<img" not in widget.shown.value and "&lt;" in widget.shown.value
    assert stages["sft"].encoding.encode_single_token("<|end|>") not in module.answer_ids(
        stages["sft"], evil, evil
    )[1]  # fmt: skip


def test_an_unexpected_error_becomes_a_sentence(widget, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(module, "answer_probabilities", fail)
    widget.answer.value = "Another."
    assert "did not work: out of &lt;memory&gt;" in widget.status.value


def test_first_answer_is_the_last_stages_own(stages):
    made = StageTokens(stages, load_world("en"), ASKED)
    assert made.answer.value == stages["ppo"].answer(ASKED)


def test_shows_the_grid_first_then_the_widget_or_a_sentence(stages, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(module, "load_stages", lambda names, own, lang: stages)
    monkeypatch.setattr(IPython.display, "display", lambda x: shown.append(x))
    assert stage_tokens(answer=ANSWER) is None
    assert isinstance(shown[0], TokenGrid) and "VBox" in type(shown[1]).__name__
    stage_tokens(answer=" ")
    assert "no answer yet" in capsys.readouterr().out and len(shown) == 2


def test_controls_have_words_and_every_language_has_every_word(widget):
    controls = [widget.question, widget.answer, *widget.buttons.values()]
    assert all(control.description for control in controls)
    assert len({frozenset(words) for words in TEXT.values()}) == 1


def test_a_long_answer_stands_in_several_tables_and_its_whole_once_a_stage():
    n = 2 * module.PER_ROW + 3
    texts = [f"t{i}t" for i in range(n)]
    shown = TokenGrid("?", texts, {"base": [0.5] * n, "sft": [1.0] * n}, EN)._repr_html_()
    assert shown.count("<table") == 3 and shown.count(EN["whole"]) == 1
    assert all(shown.count(text) == 1 for text in texts)
    assert shown.count("100.0%") == 1 and shown.count("&lt; 0.1%") == 1
    assert shown.count("<small>(+0.50)</small>") == n
