"""The prompt lab without a kernel: clicks, sliders, typing, bad input, and its static form."""

import importlib

import pytest

from minigpt.generate import generate
from minigpt.lessons.prompting.prompt_lab import COUNT, LINE, PromptLab, prompt_lab
from minigpt.lessons.prompting.prompts import FORMS
from minigpt.show.widget import first_question
from minigpt.stages.stage import line_ends
from minigpt.tokenizer import load_tokenizer
from toys import CLICK, awake_gpt, toy_stage

module = importlib.import_module(
    "minigpt.lessons.prompting.prompt_lab"
)  # its name is a function's, too

ENCODING = load_tokenizer("en")


def make_stage(block_size=256):
    """A small base model that prefers some tokens to others, for no reason."""
    return toy_stage("base", awake_gpt(block_size=block_size))


@pytest.fixture(scope="module")
def stage():
    return make_stage()


@pytest.fixture
def lab(stage):
    return PromptLab(stage, first_question())


def text_of(lab) -> str:
    end, *ids = lab.prompt_ids()
    assert end == ENCODING.encode_single_token("<|endoftext|>")
    return ENCODING.decode(ids)


# ---- the prompt ---------------------------------------------------------------------------------


def test_the_prompt_is_shown_token_by_token_as_the_model_reads_it(lab):
    assert text_of(lab) == "What is the population of Beijing?\n"
    shown = lab.shown.value
    assert shown.count('title="prompt"') == len(lab.prompt_ids())  # one piece a token
    assert "·population" in shown and "↵" in shown and "&lt;|endoftext|&gt;" in shown
    assert "8 tokens" in shown


@pytest.mark.parametrize("form, has", [
    ("qa", "Q: What is the population of Beijing?\nA:"), ("interview", '" asked Mara. "'),
    ("encyclopaedia", "# Beijing\n\nThe population of Beijing is"), ("few_shot", "\nA: "),
])  # fmt: skip
def test_forms(lab, form, has):
    lab.form.value = form
    assert has in text_of(lab)
    assert lab.shots.layout.display == (None if form == "few_shot" else "none")
    assert lab.own_text.layout.display == "none" and lab.question.layout.display is None


def test_own_text_that_began_with_half_of_a_surrogate_pair_can_be_sent(lab):
    lab.question.value = "\ud83d where?"
    lab.form.value = "custom"
    assert lab.own_text.value == "\ufffd where?\n" and text_of(lab) == lab.own_text.value


def test_shots_are_counted(lab):
    lab.form.value = "few_shot"
    for shots in (0, 8):
        lab.shots.value = shots
        assert text_of(lab).count("Q: ") == shots + 1


def test_own_text_begins_with_the_prompt_that_was_there_and_is_read_as_typed(lab):
    lab.form.value = "qa"
    lab.form.value = "custom"
    assert lab.own_text.layout.display is None
    assert lab.own_text.value == "Q: What is the population of Beijing?\nA:" == text_of(lab)
    lab.own_text.value = " <|user|> 汉 "
    assert text_of(lab) == " <|user|> 汉 "  # a special token that is typed is text
    lab.form.value = "qa"
    lab.form.value = "custom"
    assert lab.own_text.value == " <|user|> 汉 "  # kept


def test_pickers_write_the_question_and_start_over(lab):
    lab.append(0)
    lab.picker.attribute.value = "area"
    assert text_of(lab) == "What is the area of Beijing?\n" and lab.written == []
    lab.picker.place.value = "Tokyo"  # whose area is not known: another attribute is taken
    assert (
        "Tokyo" in text_of(lab)
        and lab.picker.attribute.value in dict(lab.picker.attribute.options).values()
    )
    lab.form.value = "encyclopaedia"
    lab.picker.place.value, lab.picker.attribute.value = "Japan", "capital"
    assert text_of(lab) == "# Japan\n\nThe capital of Japan is"


def test_a_typed_question_is_taken_with_enter(lab):
    assert lab.question.continuous_update is False
    lab.question.value = "Where is Rome?"
    assert text_of(lab) == "Where is Rome?\n" and "Where" in lab.shown.value


# ---- going on -----------------------------------------------------------------------------------


def test_a_click_from_the_browser_appends_that_token(lab):
    chosen = lab.found[4]
    assert lab.buttons[4].description == chosen.text
    lab.buttons[4]._handle_msg(CLICK)
    assert lab.written == [chosen.id]
    assert lab.shown.value.count("3px solid #D55E00") == 1  # where it begins
    lab.buttons[0].click()
    assert len(lab.written) == 2 and "2 more" in lab.shown.value


def test_appending_changes_what_comes_next_as_if_it_had_been_in_the_prompt(lab, stage):
    lab.buttons[2].click()
    assert lab.found == module.candidates(stage, lab.prompt_ids() + lab.written, count=COUNT)


def test_complete_draws_what_generate_draws_and_then_another_sample(lab, stage):
    ids, stops = lab.prompt_ids(), line_ends(ENCODING)
    first, second = (generate(stage.model, [ids], LINE, stop=stops, seeds=[s])[0].ids
                     for s in (0, 1))  # fmt: skip
    lab.complete_button.click()
    assert lab.written == first and "Sample 0" in lab.status.value
    lab.over_button.click()
    assert lab.written == [] and lab.status.value.startswith("Click a token")
    lab.complete_button.click()
    assert lab.written == second and first != second


def test_complete_stops_at_the_end_of_the_line(lab):
    last = lab.found[0].id
    lab.stops, lab.temperature.value = {last}, 0.0
    lab.complete_button.click()
    assert lab.written == [last] and "line is at its end" in lab.status.value


def test_a_line_without_end_is_cut_off_and_says_so(lab):
    lab.stops = set()
    lab.complete_button.click()
    assert len(lab.written) == LINE and f"cut off after {LINE}" in lab.status.value


def test_completing_obeys_top_k(lab):
    lab.top_k.value = 1
    lab.complete_button.click()
    drawn = lab.written
    lab.start_over()
    lab.top_k.value, lab.temperature.value = 0, 0.0
    lab.complete_button.click()
    assert lab.written == drawn  # the most likely token alone


# ---- what is removed ----------------------------------------------------------------------------


def test_removed_tokens_are_marked_with_a_word_and_hatching(lab):
    assert not any("removed" in bar.value for bar in lab.bars)
    lab.top_k.value = 3
    marked = ["removed" in bar.value for bar in lab.bars]
    assert marked == [False] * 3 + [True] * 7
    assert ["repeating-linear-gradient" in bar.value for bar in lab.bars] == marked
    lab.top_k.value, lab.top_p.value = 0, 0.05
    marked = ["removed" in bar.value for bar in lab.bars]
    assert marked == [not c.drawn for c in lab.found] and marked[-1] and not marked[0]


def test_sliders_keep_what_was_written(lab):
    lab.buttons[0].click()
    written = list(lab.written)
    lab.temperature.value = 0.5
    lab.top_p.value = 0.5
    assert lab.written == written
    assert lab.settings() == {"temperature": 0.5, "top_k": None, "top_p": 0.5}


# ---- bad input ----------------------------------------------------------------------------------


def refused(lab) -> bool:
    """Nothing is left to click, and nothing is shown as if the model had read it."""
    nothing = all(b.disabled and not b.description for b in lab.buttons)
    return nothing and lab.shown.value == "" and not any(bar.value for bar in lab.bars)


@pytest.mark.parametrize("typed", ["", "   "])
@pytest.mark.parametrize("form", ["bare", "qa", "few_shot", "interview"])
def test_an_empty_question_gets_a_sentence(lab, typed, form):
    lab.form.value = form
    lab.question.value = typed
    assert "no question yet" in lab.status.value and refused(lab)
    lab.complete_button.click()
    lab.buttons[0].click()
    assert "no question yet" in lab.status.value and lab.written == []
    lab.question.value = "Where is Rome?"
    assert "Rome" in text_of(lab) and not refused(lab)


def test_an_article_needs_no_question_and_own_text_some_text(lab):
    lab.form.value, lab.question.value = "encyclopaedia", ""
    assert "The population of Beijing is" in text_of(lab) and not refused(lab)
    lab.form.value = "custom"
    lab.own_text.value = " \n"
    assert "no text yet" in lab.status.value and refused(lab)


@pytest.mark.parametrize(
    "typed, size", [("a b " * 200, "tokens"), ("汉" * 300, "tokens"), ("a " * 3000, "characters")]
)
def test_a_prompt_that_passes_the_context_is_refused(lab, typed, size):
    lab.form.value = "custom"
    lab.own_text.value = typed
    said = lab.status.value
    assert "256 tokens at once" in said and "232 are left" in said and size in said
    assert refused(lab)


def test_the_longest_prompt_that_is_allowed_is_completed_and_one_token_more_is_not(lab):
    lab.form.value, lab.stops = "custom", set()
    lab.own_text.value = "a" + " a" * (256 - LINE - 2)
    assert len(lab.prompt_ids()) == 256 - LINE
    lab.complete_button.click()
    assert len(lab.written) == LINE  # the context is full now
    lab.complete_button.click()
    lab.buttons[0].click()
    assert "256 tokens is full" in lab.status.value and len(lab.written) == LINE
    lab.own_text.value = "a" + " a" * (256 - LINE - 1)
    assert "233 tokens" in lab.status.value and refused(lab)


def test_too_many_shots_for_a_small_context_are_refused_with_the_mend():
    lab = PromptLab(make_stage(64), first_question(), "few_shot", shots=8)
    assert "show fewer shots" in lab.status.value and refused(lab)
    lab.shots.value = 0
    assert not refused(lab)


def test_an_unexpected_error_becomes_a_sentence(lab, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(module, "generate", fail)
    lab.complete_button.click()
    assert "did not work: out of &lt;memory&gt;" in lab.status.value and lab.written == []
    monkeypatch.setattr(module, "candidates", fail)
    lab.temperature.value = 0.3
    assert "did not work" in lab.status.value and refused(lab)


# ---- without widgets ----------------------------------------------------------------------------


def test_static_table_has_what_the_buttons_have(lab):
    lab.top_k.value = 2
    rows = lab.table().rows
    assert [row[0] for row in rows] == [b.description for b in lab.buttons]
    assert [row[3] == "removed" for row in rows] == [False] * 2 + [True] * 8
    assert "top-k 2" in lab.table().caption


def test_completion_is_what_complete_writes(lab):
    said = lab.completion()
    lab.complete_button.click()
    assert said.endswith("".join(module.pieces(ENCODING, lab.written)))


def test_prompt_lab_without_a_question_prints_a_sentence(stage, monkeypatch, capsys):
    monkeypatch.setattr(module, "load_stage", lambda *a, **options: stage)
    prompt_lab(question=" ")
    assert "no question yet" in capsys.readouterr().out


def test_prompt_lab_takes_the_stage_that_it_is_given(stage, monkeypatch):
    taken = []
    monkeypatch.setattr(module, "present", lambda make: taken.append(make()))
    monkeypatch.setattr(module, "load_stage", lambda *a, **options: pytest.fail("another model"))
    prompt_lab(stage, form="qa")
    assert taken[0].base is stage and taken[0].form.value == "qa"


def test_every_form_can_be_picked(lab):
    assert {value for _form, value in lab.form.options} == {*FORMS, "custom"}
