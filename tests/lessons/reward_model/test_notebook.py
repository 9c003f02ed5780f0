"""What notebook 05 says of the package's numbers and of its own outputs is so, and it is short."""

import re

import pytest
import torch

import editions
import minigpt
from editions import edition_outputs
from minigpt.classroom.notebook import is_exercise, read_notebook, text
from minigpt.lessons.reward_model import labeler
from minigpt.lessons.reward_model.best_of_n import POWERS
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    RewardStep,
    ScalarLayers,
    bradley_terry,
    kl_bound,
    lr_factor,
    make_optimizer,
    pad_right,
    train_reward,
)
from minigpt.sft import SFTConfig
from minigpt.stages.recipe import Recipe
from minigpt.store.files import ROOT
from toys import awake_gpt, tiny_gpt

STEM = "05_reward_model"
SOURCE = read_notebook(ROOT / "notebooks" / "source" / "en" / f"{STEM}.ipynb")
CELLS = {cell["id"]: text(cell) for cell in SOURCE["cells"]}
MARKDOWN = {c["id"]: text(c) for c in SOURCE["cells"] if c["cell_type"] == "markdown"}
# Numbers of formulas, of the literature, of notebooks, of an exercise's own examples.
OTHERS = {"1952", "2022", "2023", "3.4", "1", "2", "7", "0", "200", "04", "05", "06"}
NUMBER = re.compile(r"(?<![\w/.])\d+(?:,\d{3})*(?:\.\d+)?")


def bare(source: str) -> str:
    """Markdown without its links."""
    return re.sub(r"\]\([^)]*\)", "]", source)


def test_every_number_of_the_text_is_the_packages():
    found = {n for source in MARKDOWN.values() for n in NUMBER.findall(bare(source))}
    assert found - OTHERS == {str(max(POWERS))}  # of the best of 64


def test_numbers_in_words():
    intro, own = MARKDOWN["label-intro"], MARKDOWN["own-intro"]
    assert "About thirty decisions" in intro and labeler.GOAL == 30
    assert "Five pairs come twice" in own and labeler.TWICE == 5
    assert "fewer than ten labels" in own and labeler.FEWEST == 10
    assert "four samples each" in MARKDOWN["data-intro"] and Recipe.answers_per_prompt == 4
    assert "start.model, encoding, prompts, 4," in CELLS["data"]
    layers = ScalarLayers(tiny_gpt().config)
    assert "two new layers" in MARKDOWN["head-intro"] and len(layers.blocks) == 2
    assert "with four times as many" in MARKDOWN["best-intro"]
    labeled = int(re.search(r"LABELED = (\d+)", CELLS["budget"])[1])
    assert Recipe.comparison_prompts == 4 * labeled and '"main, 6,000"' in CELLS["best-pool"]
    assert kl_bound(1) == 0 and "ln n − (n − 1)/n" in MARKDOWN["best-intro"]


def test_the_loop_has_the_courses_settings():
    config, loop = RewardConfig(), CELLS["loop"]
    assert f"batch={config.prompts_per_batch}" in loop and "of 32 questions" in loop
    assert f"muon_lr={config.muon_lr}, head_lr={config.head_lr}" in loop
    assert "a third of SFT's" in CELLS["reject"]
    for name in ("muon_lr", "embedding_lr", "head_lr"):
        found = float(re.search(rf"{name}=([\d.]+)", CELLS["reject"])[1])
        assert 0.29 < found / getattr(SFTConfig(), name) < 0.34


def test_the_loop_is_the_packages():
    """On the labels in the order in which the package draws them."""
    questions = [[[[1, 2 + i, 3, 15], [4, 5 + i, 15], [6, 7, 8 + i, 15]], [(0, 1), (2, 1), (0, 2)]]
                 for i in range(7)]  # fmt: skip
    names = {"torch": torch, "RewardStep": RewardStep, "lr_factor": lr_factor,
             "make_optimizer": make_optimizer, "pad_right": pad_right, "minigpt": minigpt,
             "yours": lambda name, stand_in: stand_in, "sequences": [], "pairs": []}  # fmt: skip
    exec(CELLS["loop"].split("\n\nmodel, loss_of")[0], names)
    mine, theirs = (RewardModel(awake_gpt(vocab_size=16, block_size=16)) for _ in "ab")
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0)).tolist()
    given, config = [*zip(*questions)], RewardConfig(prompts_per_batch=3)
    steps = train_reward(theirs, *given, config)
    own = names["my_reward"](mine, *zip(*(questions[i] for i in order)), bradley_terry, batch=3)
    for step, found in zip(steps, own):  # the package's takes a last batch of one
        assert (found.loss, found.accuracy) == pytest.approx((step.loss, step.accuracy), rel=1e-3)
        assert found.tokens == step.tokens
    assert found.step == 2


def test_it_is_short():
    lesson = [c for c in SOURCE["cells"] if not is_exercise(c)]
    assert sum(len(bare(source).split()) for source in MARKDOWN.values()) <= 2200
    before = [c for c in lesson[: [c["id"] for c in lesson].index("labeler")]]
    read = sum(len(bare(text(c)).split()) for c in before if c["cell_type"] == "markdown")
    ids = [c["id"] for c in before]
    assert read <= 150 and ids[-3:] == ["environment", "budget", "label-intro"]
    loop = CELLS["loop"].split("\n\n")[0].splitlines()
    assert len(loop) <= 25 and {"loss.backward()", "optimizer.step()"} <= {x.strip() for x in loop}


# ---- the edition's outputs ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    """The executed edition's outputs, by cell."""
    return edition_outputs(STEM, CELLS)


@pytest.fixture(scope="module")
def said(edition) -> dict[str, str]:
    """What the edition's cells show, as text; of the lesson's, not of exercises."""
    lesson = {c["id"] for c in SOURCE["cells"] if not is_exercise(c)}
    return {name: editions.said(outputs) for name, outputs in edition.items() if name in lesson}


def share_in(line: str, column: int) -> int:
    return int(re.findall(r"(\d+)%", line)[column])


def test_the_ordinary_judge_hardly_tells_true_from_false(said):
    rows = {line.split("  ")[0]: line for line in said["exam"].splitlines()}
    assert share_in(rows["ordinary"], 1) < 70 < 90 <= share_in(rows["main"], 1)
    assert share_in(rows["yours"], 0) > share_in(rows["ordinary"], 0)
    assert "It was (b) about 75 %." in said["exam"]


def test_searching_harder_harms_with_the_ordinary_judge_whatever_its_labels(said):
    number = r" +([+\u2212][\d.]+)"
    form = rf"((?:main|ordinary), [\d,]+){number}{number}{number}$"
    told = re.findall(form, said["search"], re.M)
    assert len(told) == 4
    for name, *numbers in told:
        _change, _low, high = (float(x.replace("\u2212", "-")) for x in numbers)
        assert (high < 0) == name.startswith("ordinary")
    assert "It was (c) rises, then falls." in said["search"]


def test_rejection_sampling_helps_also_the_most_likely_answer(said):
    before, after = (
        [float(x.replace("\u2212", "-")) for x in re.findall(r"[+\u2212][\d.]+", line)]
        for line in said["reject"].splitlines() if line.startswith(("before", "after"))
    )  # fmt: skip
    assert all(b < a for b, a in zip(before, after, strict=True))


def test_the_learners_curve_lies_near_the_shipped_one(said):
    line = " ".join(said["train"].split())
    numbers = re.search(r"yours ([\d.]+) nats, the shipped run ([\d.]+), and ([\d.]+) with", line)
    mine, theirs, other = map(float, numbers.groups())
    assert abs(mine - theirs) < max(0.1, 2 * abs(theirs - other))
