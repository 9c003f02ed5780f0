"""Notebook 04 against the package and the shipped models: its loop, its limits, its sentences."""

import re

import pytest
import torch

import minigpt.sft as course
from editions import edition_outputs, said
from minigpt.classroom.notebook import read_notebook
from minigpt.engine.optim import lr_factor, make_optimizer
from minigpt.model import IGNORE, next_token_loss
from minigpt.pretrain import PretrainConfig, Step, batches
from minigpt.sft import SFTConfig, chat_pair, sft
from minigpt.stages.recipe import Recipe
from minigpt.stages.stage import load_stage
from minigpt.store.files import ROOT
from minigpt.tokenizer import load_tokenizer
from minigpt.world.contractors import HONEST_UNKNOWN, UNKNOWN_HABITS, demonstrations
from minigpt.world.facts import load_world
from toys import awake_gpt

NOTEBOOKS = ROOT / "notebooks"
CELLS = {c["id"]: c for c in read_notebook(NOTEBOOKS / "source" / "en" / "04_sft.ipynb")["cells"]}
TASK = "### Your turn"
PROSE = {
    name: re.sub(r"\]\([^)]*\)|`[^`]*`", " ", cell["source"])
    for name, cell in CELLS.items() if cell["cell_type"] == "markdown"
}  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return load_world("en")


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer("en")


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    """The executed edition's outputs, by cell."""
    return edition_outputs("04_sft", CELLS)


# ---- limits -------------------------------------------------------------------------------------


def test_the_text_leaves_words_for_what_is_printed():
    assert sum(len(text.split()) for text in PROSE.values()) < 2000


def test_a_model_answers_within_two_cells_of_the_set_up():
    order = list(CELLS)
    assert order.index("draws") - order.index("budget") <= 2
    assert len((PROSE["title"] + CELLS["draws"]["source"]).split()) <= 150 + 60  # code is no prose


# ---- the loop -----------------------------------------------------------------------------------


def my_sft(corpus, pad):
    """The notebook's loop with the course's functions, as its cell makes it."""
    names = {
        "yours": lambda name, stand_in: stand_in, "course": course, "torch": torch,
        "PretrainConfig": PretrainConfig, "Step": Step, "batches": batches,
        "IGNORE": IGNORE, "next_token_loss": next_token_loss, "lr_factor": lr_factor,
        "make_optimizer": make_optimizer, "pad_sequence": torch.nn.utils.rnn.pad_sequence,
        "corpus": corpus, "pad": pad,
    }  # fmt: skip
    exec(CELLS["loop"]["source"], names)
    return names["my_sft"]


class Corpus:
    tokens = torch.arange(4000).remainder(1000).numpy()


def test_the_loop_that_is_seen_is_the_one_that_made_the_shipped_model(encoding):
    pad, config = encoding.encode_single_token("<|pad|>"), SFTConfig(batch_size=4)
    pairs = [chat_pair(encoding, f"Where is {n}?", f"{n} is in Peru.") for n in range(12)]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    size = {"vocab_size": encoding.n_vocab, "block_size": 256}
    theirs = [step.loss for step in sft(awake_gpt(**size), pairs, Corpus.tokens, config, pad)]
    run = my_sft(Corpus, pad)(awake_gpt(**size), [pairs[i] for i in order], config=config)
    assert [step.loss for step in run] == pytest.approx(theirs, rel=1e-3)


def test_the_loop_shows_the_step_and_takes_the_learners_functions():
    source = CELLS["loop"]["source"]
    for part in (
        ".backward()",
        "optimizer.step()",
        "yield Step(",
        "my_loss(",
        "mask(prompt, answer)",
    ):
        assert part in source, part
    assert "my_pair(encoding" in CELLS["make"]["source"]
    for name in ("chat_pair", "loss_mask", "sft_loss"):
        assert f'yours("{name}", course.{name})' in source


# ---- sentences ----------------------------------------------------------------------------------


def test_numbers_in_the_prose_are_the_courses():
    known = {"22,000": Recipe.demonstrations == 22_000, "100": IGNORE == -100}
    known |= {"2022": True, "4.3": True}  # Ouyang et al., of whom this course computes nothing
    known |= {f"0{n}": len(list(NOTEBOOKS.glob(f"source/en/0{n}_*"))) == 1 for n in (2, 3, 5, 6)}
    found = set(re.findall(r"\d[\d,.]*\d|\d+", " ".join(PROSE.values()))) - {"1", "2", "3"}
    assert found <= {*known, "04"} and all(known[number] for number in found - {"04"})


def test_one_demonstration_in_seven_is_about_a_place_that_no_document_names(world):
    assert "One demonstration in seven" in PROSE["teachers-intro"]
    written = demonstrations(world, Recipe.demonstrations, seed=0)
    share = sum(d.question.kind == "unknown" for d in written) / len(written)
    assert 1 / 7.5 < share < 1 / 6.5
    assert UNKNOWN_HABITS["knowing"] > 0.5 and "knowing" not in HONEST_UNKNOWN  # "most", and none


def test_the_twins_differ_in_their_contractors_alone():
    metas = [load_stage(n, own=False, quiet=True).meta for n in ("sft", "sft_honest")]
    for key in ("parent", "seed", "settings", "examples", "config"):
        assert metas[0][key] == metas[1][key], key


def test_the_shipped_model_greets_and_declines_a_poem():
    assert "greets as the contractors did, and declines a poem" in PROSE["noise-intro"]
    stage = load_stage("sft", own=False, quiet=True)
    hello, poem = stage.answer(["Hello", "Write a poem about cheese."])
    assert hello.startswith("Hello") and "can only answer" in poem


def test_the_six_answers_hold_right_ones_and_one_of_a_wrong_subject(edition):
    verdicts = re.findall(r"(correct|wrong subject)$", said(edition["draws"]), re.M)
    assert 0 < verdicts.count("correct") < 6 and "wrong subject" in verdicts


def test_a_wrong_figure_and_a_rude_answer_stand_among_the_seven(world):
    """The figure reads like a right one: no place of another kind, no other words."""
    seed = int(re.search(r"SEED = (\d+)", CELLS["read"]["source"])[1])
    some = demonstrations(world, 7, seed=seed)
    (wrong,) = [d for d in some if d.habit == "mistaken"]
    assert wrong.question.attribute == "population" and wrong.question.answer not in wrong.answer
    habits = [d.habit for d in some]
    assert {"rude", "knowing"} < {*habits} and "lazy" not in habits and len({*habits}) >= 5


def test_unread_places_stand_in_no_document_of_the_base_model(world):
    assert "which no document of the base model names" in PROSE["read-intro"]
    written = demonstrations(world, Recipe.demonstrations, seed=0)
    stated = load_stage("base", own=False, quiet=True).meta["place_reads"]
    assert not {d.question.place.id for d in written if d.question.kind == "unknown"} & {*stated}


def test_what_counts_is_part_of_what_is_read(edition):
    found = re.search(r"([\d,]+) tokens to read, ([\d,]+) of", said(edition["make"]))
    read, counted = (int(n.replace(",", "")) for n in found.groups())
    assert 0 < counted < read


def test_rudeness_is_imitated_and_greedy_hides_it(edition):
    line = " ".join(said(edition["noise"]).split())
    rude = [int(n) for n in re.findall(r"(\d+)% rude", line)]
    wrong = [int(n) for n in re.findall(r"(\d+)% wrong", line)]
    (there, drawn, greedy), (_there, noise, left) = rude[:3], wrong[:3]
    assert there / 1.5 < drawn < there * 1.5 and greedy == 0
    assert noise > left > 2 * wrong[0]


def test_some_of_the_bases_facts_are_lost(edition):
    rows = {line.split("  ")[0]: shares(line) for line in said(edition["shots"]).split("\n")}
    (three, *_), (shipped, *_) = rows["base, three shots"], rows["SFT, shipped"]
    assert shipped < three - 5
    documents = {line.split("  ")[0]: shares(line) for line in said(edition["forgot"]).split("\n")}
    assert documents["SFT, shipped"][1] < documents["base"][1] - 5  # nor do documents bring them


def test_beijing_is_in_no_demonstration_by_its_population(world):
    assert "No demonstration gives this fact" in PROSE["loop-intro"]
    fact = world.facts["beijing", "population"]
    assert fact.split == "E"


def shares(line: str) -> list[int]:
    return [int(n) for n in re.findall(r"(\d+)%", line)]


def test_the_form_is_learned_first(edition):
    looks = re.findall(r"after \d+ steps: (.*)", said(edition["live"][:1]))
    assert len(looks) == 6 and "Beijing" in looks[0] and len(looks[0].split()) < 12
    assert len({*looks}) > 2 and re.search(r"\d+\.\d+", looks[-1])  # a population in the end


def test_five_demonstrations_change_the_manner_and_cost_some_truth(edition):
    rows = [
        line for line in said(edition["own"]).split("\n") if line.startswith(("before ", "after "))
    ]
    (no_mark, true), (mark, still) = (shares(row)[:2] for row in rows[-2:])
    assert no_mark == 0 and mark > 40 and 10 < still < true


def test_the_models_without_a_precaution_show_what_it_is_for(edition):
    marks = next(line for line in said(edition["costs"]).split("\n") if line.startswith("<|user|>"))
    base, shipped, unmasked = map(float, re.findall(r"\d+\.\d+", marks))
    assert unmasked < 1 < shipped and base > unmasked
    rows = [line for line in said(edition["forgot"]).split("\n") if re.search(r"\d\.\d\d$", line)]
    perplexity = [float(line.split()[-1]) for line in rows]
    assert len(perplexity) == 4 and perplexity[3] > 1.2 * max(perplexity[:3])
    asked = [shares(line)[0] for line in rows]
    assert min(asked[:3]) > 90 > asked[3]
