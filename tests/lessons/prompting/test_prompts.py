"""Prompts that hide a question in a document, and the tokens that may come next."""

import pytest

from minigpt.generate import next_token_distribution
from minigpt.lessons.prompting.prompts import (
    FORMS,
    candidates,
    write_prompt,
)
from minigpt.stages.scoring import (
    few_shots,
    qa_prompt,
)
from minigpt.stages.stage import line_ends
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import Writer
from minigpt.world.facts import load_world
from minigpt.world.questions import ask, fact_questions
from toys import awake_gpt, toy_stage

WORLD, ENCODING = load_world("en"), load_tokenizer("en")
BEIJING = ask(WORLD, WORLD.facts["beijing", "population"])
IDS = [ENCODING.encode_single_token("<|endoftext|>"), *ENCODING.encode_ordinary("Q: Where")]


@pytest.fixture(scope="module")
def stage():
    return toy_stage("base", awake_gpt(block_size=64))


# ---- prompts ------------------------------------------------------------------------------------


def test_each_form_is_a_document_with_a_gap_at_its_end():
    asked = "What is the population of Beijing?"
    assert write_prompt(WORLD, BEIJING, "bare") == f"{asked}\n"
    assert write_prompt(WORLD, BEIJING, "qa") == f"Q: {asked}\nA:"
    assert write_prompt(WORLD, BEIJING, "interview") == f'"{asked}" asked Mara. "'
    start = "# Beijing\n\nThe population of Beijing is"
    assert write_prompt(WORLD, BEIJING, "encyclopaedia") == start


@pytest.mark.parametrize("shots", [0, 1, 8])
def test_shots_stand_before_the_question_with_their_answers(shots):
    prompt = write_prompt(WORLD, BEIJING, "few_shot", shots, seed=3)
    shown = few_shots(WORLD, BEIJING, shots, 3)
    assert prompt == qa_prompt(BEIJING, shown) and prompt.count("Q: ") == shots + 1
    assert prompt.endswith("A:") and "21.84" not in prompt


@pytest.mark.parametrize("form", FORMS)
def test_no_prompt_ends_in_a_space_or_holds_its_answer(form):
    for question in fact_questions(WORLD, "E")[::7]:
        prompt = write_prompt(WORLD, question, form, 0)
        assert not prompt.endswith(" ") and "{" not in prompt
        assert question.answer not in prompt.replace(question.place.name, "")


def test_encyclopaedia_and_interview_begin_as_the_corpus_does():
    place = BEIJING.place
    article = Writer(WORLD, 0).wikipedia(place)
    head = write_prompt(WORLD, BEIJING, "encyclopaedia").split("\n\n")[0]
    assert article.startswith(head + "\n\n")
    said = WORLD.text.BOOK_DIALOGUE[0].format(q=BEIJING.text, a="16", n="Mara")
    assert said.startswith(write_prompt(WORLD, BEIJING, "interview") + "16")


def test_an_unknown_form_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match="no form 'poem'.*bare, qa, few_shot"):
        write_prompt(WORLD, BEIJING, "poem")


# ---- the next tokens ----------------------------------------------------------------------------


def test_candidates_are_the_most_likely_tokens_in_order(stage):
    found = candidates(stage, IDS)
    probs = next_token_distribution(stage.model, IDS)
    values, ids = probs.topk(10)
    assert [c.id for c in found] == ids.tolist()
    assert [c.probability for c in found] == pytest.approx(values.tolist())
    assert [c.drawn for c in found] == pytest.approx(values.tolist())  # nothing is removed


def test_top_k_keeps_k_and_shares_out_what_the_others_had(stage):
    found = candidates(stage, IDS, top_k=3)
    kept = [c.drawn for c in found]
    assert all(kept[:3]) and not any(kept[3:]) and sum(kept) == pytest.approx(1)
    ratio = kept[0] / kept[1]
    assert ratio == pytest.approx(found[0].probability / found[1].probability)


def test_top_p_keeps_the_fewest_that_reach_p(stage):
    plain = [c.probability for c in candidates(stage, IDS, count=1024)]
    kept = [c for c in candidates(stage, IDS, top_p=0.5, count=1024) if c.drawn]
    n = len(kept)
    assert sum(plain[:n]) >= 0.5 > sum(plain[: n - 1])


def test_top_p_is_of_what_top_k_leaves_as_in_generate(stage):
    plain = [c.probability for c in candidates(stage, IDS)]
    kept = [c for c in candidates(stage, IDS, top_k=4, top_p=0.6) if c.drawn]
    of_four = [p / sum(plain[:4]) for p in plain[:4]]
    assert sum(of_four[: len(kept)]) >= 0.6 > sum(of_four[: len(kept) - 1])


def test_temperature_sharpens_and_zero_takes_the_first_alone(stage):
    cold, plain, hot = (candidates(stage, IDS, t) for t in (0.5, 1.0, 2.0))
    assert cold[0].probability > plain[0].probability > hot[0].probability
    greedy = candidates(stage, IDS, 0)
    assert [c.probability for c in greedy] == [c.probability for c in plain]
    assert [c.drawn for c in greedy] == [1.0] + [0.0] * 9


def test_line_ends_are_the_tokens_with_a_line_break_and_the_documents_end():
    ends = line_ends(ENCODING)
    texts = {i: ENCODING.decode_single_token_bytes(i) for i in ends}
    assert ENCODING.encode_single_token("<|endoftext|>") in ends
    assert ENCODING.encode_single_token("<|user|>") not in ends
    assert sum(b"\n" in text for text in texts.values()) == len(ends) - 1 > 0
    assert all(i in ends for i in ENCODING.encode_ordinary("\n"))
