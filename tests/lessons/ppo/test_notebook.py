"""What notebook 06 says of the package and of its own outputs is so; its loop is the package's."""

import copy
import inspect
import re

import numpy as np
import pytest
import torch

import toys
from editions import edition_outputs, said
from minigpt import ppo
from minigpt.classroom.notebook import is_exercise, read_notebook, text
from minigpt.lessons.ppo.other_uses import contend
from minigpt.lessons.ppo.results import one_answer
from minigpt.reward import RewardModel
from minigpt.stages.stage import load_stage
from minigpt.store.files import ROOT
from minigpt.world.questions import sample_questions

STEM = "06_ppo"
SOURCE = read_notebook(ROOT / "notebooks" / "source" / "en" / f"{STEM}.ipynb")
CELLS = {cell["id"]: text(cell) for cell in SOURCE["cells"]}
MARKDOWN = {c["id"]: text(c) for c in SOURCE["cells"] if c["cell_type"] == "markdown"}
# Numbers of the literature, of formulas, of notebooks, of questions to oneself.
OTHERS = {"1992", "2015", "0", "1", "2", "3", "05", "07"}
NUMBER = re.compile(r"(?<![\w/.])\d+(?:,\d{3})*(?:\.\d+)?")
V, END, REWARD = 16, 14, 13


def bare(source: str) -> str:
    """Markdown without its links."""
    return re.sub(r"\]\([^)]*\)", "]", source)


def constant(name: str) -> int:
    return int(re.search(rf"^{name} = (\d+)", CELLS["setup"], re.M)[1])


def default(function, name: str):
    return inspect.signature(function).parameters[name].default


def test_every_number_of_the_text_is_the_codes():
    found = {n for source in MARKDOWN.values() for n in NUMBER.findall(bare(source))} - OTHERS
    assert found == {"100", "64", "0.5", "16"}
    assert "r.score + 100" in CELLS["reinforce"] and "100 added" in MARKDOWN["reinforce-intro"]
    assert constant("ANSWERS") == 64 == default(one_answer, "answers")
    assert "asks 64 questions" in MARKDOWN["loop-intro"]
    assert "of 64, on which the value model has practised" in MARKDOWN["four-intro"]
    assert '"SFT, temperature 0.5": (sft.model, 0.5)' in CELLS["beside"]
    assert default(contend, "best_of") == 16


def test_numbers_in_words():
    assert default(sample_questions, "unknown") == 0.3
    assert "three in ten are about places" in MARKDOWN["beside-intro"]
    assert "ten pairs or more" in MARKDOWN["own-intro"] and "len(labels) < 10" in CELLS["own"]
    assert "else thirty of" in MARKDOWN["own-intro"] and "[:30]" in CELLS["own"]
    assert "looks=6" in CELLS["train"] and "six times" in CELLS["train"]
    assert constant("ROUNDS") % 6 == 0  # so that each look is after a whole number of rounds
    assert "Three recorded runs" in MARKDOWN["cockpit-intro"]
    settings = load_stage("ppo", own=False, quiet=True).meta["settings"]
    times = settings["iterations"] * settings["prompts"] / constant("ROUNDS") / constant("ANSWERS")
    assert 6.5 < times < 7 and "nearly seven times as many answers" in MARKDOWN["loop-intro"]
    assert "γ, in our runs 1," in MARKDOWN["task-gae"] and ppo.PPOConfig.gamma == 1
    two = constant("ANSWERS") / int(re.search(r"minibatch=(\d+)", CELLS["four"])[1])
    assert (
        two * ppo.PPOConfig.epochs == 2 and "two updates a round, as here" in MARKDOWN["task-clip"]
    )


def test_the_recorded_runs_are_what_the_text_says():
    stages = {name: load_stage(name, own=False, quiet=True)
              for name in ("ppo_overoptimised", "ppo_priced", "ppo_early")}  # fmt: skip
    free, priced, early = (stage.meta for stage in stages.values())
    assert "at learning rates above the course's" in MARKDOWN["cockpit-intro"]
    assert free["settings"]["muon_lr"] > ppo.PPOConfig.muon_lr
    assert free["settings"]["lr"] > ppo.PPOConfig.lr
    same = {"kl_coef": 0, "seed": 0}
    assert free["settings"] | same == priced["settings"] | same  # one run and its twin
    assert free["settings"]["kl_coef"] == 0 < priced["settings"]["kl_coef"]
    assert free["reward"] == priced["reward"] == early["reward"]  # one judge
    best = max(free["curve"], key=lambda point: point["gold"])
    assert early["step"] == best["step"] and early["curve"] == free["curve"]


def test_things_stand_in_order():
    """A picture after what it shows, the way on at the end; a run in a cell before the one that
    watches it, so that it goes on after a pause."""
    order = [*CELLS]
    before = [
        ("task-clip", "clip"),
        ("clip", "clipped-loss"),
        ("open-own", "summary"),
        ("run", "train"),
    ]
    assert [pair for pair in before if order.index(pair[0]) > order.index(pair[1])] == []
    assert order[-1] == "summary" and "07_arena.ipynb" in MARKDOWN["summary"].splitlines()[-1]
    assert "\nrun = my_ppo(" in CELLS["run"] and "live(run, " in CELLS["train"]


def test_it_is_short():
    lesson = [c for c in SOURCE["cells"] if not is_exercise(c)]
    assert sum(len(bare(source).split()) for source in MARKDOWN.values()) <= 1950
    ids = [c["id"] for c in lesson]
    assert ids.index("alive") - ids.index("setup") <= 2
    assert len(bare(MARKDOWN["title"]).split()) <= 150
    assert len(CELLS["loop"].splitlines()) <= 25
    assert "(loss + v_loss).backward()" in CELLS["loop"]
    assert "optimizer.step()" in CELLS["loop"]


def awake_gpt(seed=1):
    return toys.awake_gpt(seed, 0.3, vocab_size=V, block_size=16)


@pytest.mark.parametrize("changed", [{}, {"epochs": 3, "clip_ratio": 0.05}, {"kl_coef": 0.5}])
def test_the_loop_is_the_packages_without_the_pretraining_documents(changed):
    prompts = [[1], [2, 3], [4, 5, 6], [7], [8, 9, 10, 11], [12, 1]]
    names = {
        "copy": copy, "np": np, "torch": torch, "ppo": ppo, "prompts": prompts,
        "encoding": toys.ToyEncoding(END, REWARD),
        **{f"my_{name}": getattr(ppo, name) for name in ("kl_rewards", "gae", "clipped_loss")},
    }  # fmt: skip
    exec(compile(CELLS["loop"], "loop", "exec"), names)
    config = ppo.PPOConfig(3, 6, 6, minibatch=3, lr=1e-2, value_lr=1e-2, ptx_coef=0.0, **changed)
    mine, theirs = awake_gpt(), awake_gpt()
    steps = list(names["my_ppo"](mine, RewardModel(awake_gpt(2)), config))
    given = RewardModel(awake_gpt(2)), prompts, np.zeros(99, dtype=np.uint16), names["encoding"]
    for own, packages in zip(steps, ppo.ppo(theirs, *given, config), strict=True):
        own, packages = ({**vars(s), "rollout": 0, "returns": s.returns.tolist()}
                         for s in (own, packages))  # fmt: skip
        assert own == packages
    assert all(map(torch.equal, mine.parameters(), theirs.parameters()))
    assert not torch.equal(mine.head.weight, awake_gpt().head.weight)


# ---- the edition's outputs ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    """The executed edition's outputs, by cell."""
    return edition_outputs(STEM, CELLS)


def test_sentences_about_outputs(edition):
    assert "It was (b) clearly worse." in said(edition["reinforce"])
    assert "It was (a) PPO, greedy." in said(edition["beside"])
    assert "It was (b) answers to another question." in said(edition["cockpit"])
    assert "It was (b) mediocre's." in said(edition["taste"])


def test_the_clip_hardly_ever_cuts(edition):
    assert "that hardly ever happens" in MARKDOWN["task-clip"]
    row = re.search(r"tokens whose gain was +([\d.]+)%", said(edition["instruments"]))
    assert float(row[1]) < 1


def test_of_two_that_are_compared_both_are_named(edition):
    told = " ".join(said(edition["beside"]).split())
    assert re.search(r"PPO, greedy is ahead of SFT, greedy by \+[\d.]+ \(95 %: ", told)
    names, shares = re.findall(r"^(SFT, greedy|PPO, greedy|SFT, best of 16)\b.*?(\d+)%$",
                               said(edition["beside"]), re.M), {}  # fmt: skip
    shares = {name: int(share) for name, share in names}
    assert f"greedy SFT says in {shares['SFT, greedy']}% that it does not know" in told
    assert f"greedy PPO in {shares['PPO, greedy']}%" in told
    assert shares["SFT, best of 16"] > 2 * shares["SFT, greedy"] < shares["PPO, greedy"]
