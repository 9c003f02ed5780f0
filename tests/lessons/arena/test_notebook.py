"""What notebook 07 says of the package, of the models and of its own outputs is so."""

import inspect
import json
import random
import re
from types import SimpleNamespace

import numpy as np
import pytest

import editions
from editions import edition_outputs
from minigpt import arena as course
from minigpt.arena import WORTH, bradley_terry_ratings, elo_update
from minigpt.classroom.notebook import read_notebook
from minigpt.lessons.arena.vote import FEWEST
from minigpt.show.concept_items import ITEMS
from minigpt.show.style import STAGE_NAMES, stage_name
from minigpt.stages.exam import report_questions
from minigpt.stages.report import RESULTS
from minigpt.stages.stage import load_stage
from minigpt.store.checkpoint import file_hash
from minigpt.store.files import ROOT
from minigpt.world.facts import load_world
from minigpt.world.judge import BEST, GOLD
from minigpt.world.labelers import LABELERS
from minigpt.world.names import TEST_MAKERS, TRAIN_MAKERS
from minigpt.world.questions import sample_questions
from toys import elo_ratings

STEM = "07_arena"
SOURCE = read_notebook(ROOT / "notebooks" / "source" / "en" / f"{STEM}.ipynb")["cells"]
CELLS = {cell["id"]: cell["source"] for cell in SOURCE}
MARKDOWN = {c["id"]: c["source"] for c in SOURCE if c["cell_type"] == "markdown"}
TASKS = ("task-", "open-")
NUMBER = re.compile(r"(?<![\w/.])\d+(?:,\d{3})*(?:\.\d+)?")
# Of notebooks, of the literature, of formulas, of questions to oneself, of the end of a list.
OTHERS = {"01", "05", "06", "07", "1929", "2022", "2023", "1", "2", "3", "10", "0", "4", "30", "25"}


def bare(source: str) -> str:
    """Markdown as it is read: without tables, links and marks."""
    lines = [line for line in source.split("\n") if not line.startswith("|")]
    return re.sub(r"\]\([^)]*\)|</?\w+>", " ", "\n".join(lines))


def constant(name: str) -> int:
    return int(re.search(rf"^{name} = ([\d_]+)", CELLS["budget"], re.M)[1].replace("_", ""))


def default(function, name: str):
    return inspect.signature(function).parameters[name].default


# ---- limits -------------------------------------------------------------------------------------


def test_the_text_leaves_words_for_what_is_printed():
    assert sum(len(bare(source).split()) for source in MARKDOWN.values()) <= 1850


def test_the_vote_comes_first_and_shows_no_ranking():
    order = list(CELLS)
    assert order.index("vote") - order.index("budget") == 1
    assert len(bare(MARKDOWN["title"]).split()) <= 150
    before = "".join(CELLS[name] for name in order[: order.index("vote") + 1])
    for word in ("ratings(", "figure(", "labeler_votes(", "reward_votes("):
        assert word not in before  # calls; the names are imported above
    assert CELLS["vote"].endswith("arena(matches)")


# ---- the text and the package -------------------------------------------------------------------


def test_every_number_of_the_text_is_the_codes():
    found = {n for source in MARKDOWN.values() for n in NUMBER.findall(bare(source))} - OTHERS
    assert found == {"0.5", "400", "1000", "95", "16.0"}
    assert '"sft, at 0.5": (sft, 0.5)' in CELLS["vote"]
    assert course.SCALE == 400 and course.START == 1000
    assert default(elo_update, "k") == 16.0
    assert "[0.025, 0.975]" in CELLS["sure"]


def test_numbers_in_words():
    assert FEWEST == 10 and ">= 10" in CELLS["voters"]
    assert "ratings wait for ten votes" in MARKDOWN["vote-intro"]
    assert "From ten votes on" in MARKDOWN["voters-intro"]
    assert default(sample_questions, "unknown") == 0.3
    assert "three in ten are about places" in MARKDOWN["vote-intro"]
    assert "three questions in ten" in MARKDOWN["box"]
    assert LABELERS["mediocre"].checks_up_to == 40 and "forty" in MARKDOWN["voters-intro"]
    assert "Seven players" in MARKDOWN["title"] and "is the eighth" in MARKDOWN["title"]
    seven = re.search(r"players = \{(.*?)\}", CELLS["vote"], re.S)[1]
    assert seven.count('":') == 7 and CELLS["vote"].count("players[") == 1
    assert MARKDOWN["tax-intro"].count("two hundred") == 2 and constant("STORIES") == 200
    opener = load_world("en").text.BOOK_OPENERS[0].partition("{p}")[0].format(n="Mara").rstrip()
    assert f'that begin "{opener}"' in MARKDOWN["tax-intro"]
    assert "writes sixteen answers" in MARKDOWN["judge-intro"]
    assert "part, 16, seed" in CELLS["judge"] and "(1, 2, 4, 8, 16)" in CELLS["judge"]
    assert "sixteen answers to each question" in MARKDOWN["diversity-intro"]
    assert "range(16)" in CELLS["diversity"]
    assert "two hundred times" in MARKDOWN["task-fit"] and "range(200)" in CELLS["fit-exercise"]
    assert '("Ada", "Bo"): (10, 1)' in CELLS["example"]
    assert "Ada won ten votes of eleven" in MARKDOWN["vote-intro"]
    assert len(ITEMS["en"]) == 10 and "The ten questions" in MARKDOWN["box"]


def test_what_the_text_says_of_questions_and_gold():
    world = load_world("en")
    questions = report_questions(world, constant("QUESTIONS"))
    assert all(world.facts[q.place.id, q.attribute].split == "E" for q in questions if q.answer)
    assert set(TEST_MAKERS).isdisjoint(TRAIN_MAKERS)  # no stage has seen the made-up places
    assert BEST["fact"] == 2 == GOLD["correct"] and "pool.golds > 1" in CELLS["judge"]
    assert max(gold for verdict, gold in GOLD.items() if verdict != "correct") < 1


def test_the_spoiled_player_is_what_the_text_says():
    spoiled, judge = (
        load_stage(n, own=False, quiet=True) for n in ("ppo_overoptimised", "reward_ordinary")
    )
    settings = spoiled.meta["settings"]
    assert settings["kl_coef"] == 0 and "without a price on KL" in MARKDOWN["title"]
    assert settings["ptx_coef"] == 0 and "no documents mixed" in CELLS["tax"]
    assert spoiled.meta["reward"] == file_hash(judge.path)
    assert "practised against this very judge" in " ".join(CELLS["voters"].split('"\n          f"'))
    assert not judge.model.sees_surprisal


def test_players_have_the_names_that_readers_know():
    assert stage_name("ppo, greedy") == "PPO model, greedy"
    assert stage_name("sft, at 0.5") == "SFT model, at 0.5"
    assert stage_name("base") == STAGE_NAMES["base"] and stage_name("a, b") == "a, b"


def test_question_ten_is_what_the_experiment_finds():
    measures = json.loads((RESULTS / "controls.json").read_text(encoding="utf-8"))["measures"]
    taste = next(item for item in ITEMS["en"] if item["id"] == "taste")
    assert "polite opening" in taste["question"]
    assert "practised for reward" in taste["options"][taste["right"]]
    assert any("Thank you for asking" in o for o in load_world("en").text.POLITE_OPEN)
    assert measures["flattered.polite"][0] > 0.5
    assert max(measures["sft.polite"][0], measures["expert.polite"][0]) < 0.1


# ---- the code that is seen ----------------------------------------------------------------------


def lesson(*cells: str, **given) -> dict:
    """The names that these cells make, with the package's functions and nothing asked."""
    names = {
        "yours": lambda name, stand_in: stand_in, "course": course, "np": np, "random": random,
        "WORTH": WORTH, "predict": lambda *a: None, "progress": lambda items, said: items,
        "stage_name": stage_name, **given,
    }  # fmt: skip
    for cell in cells:
        exec(compile(CELLS[cell], cell, "exec"), names)
    return names


@pytest.mark.parametrize("kept", [True, False])
def test_a_ppo_model_that_was_kept_plays_too(kept):
    def load(name, own=True, **options):
        return SimpleNamespace(
            name=name, own=own and kept, world="world", answer=lambda *_given: ""
        )

    asked = {
        name: lambda *_given, **_more: [] for name in ("report_questions", "make_matches", "arena")
    }
    names = lesson("vote", load_stage=load, LANG="en", QUESTIONS=0, **asked)
    assert names["names"][7:] == (["ppo, yours"] if kept else [])
    assert not any(
        stage.own for name, (stage, _t) in names["players"].items() if "yours" not in name
    )
    assert all(names["players"][name][0] is stage for name, stage in names["models"].items())


def votes(n: int = 300) -> list:
    rng, truth = random.Random(0), {"a": 1150.0, "b": 1000.0, "c": 850.0}
    out = []
    for i in range(n):
        left, right = rng.sample([*truth], 2)
        won = rng.random() < course.expected_score(truth[left], truth[right])
        out.append(course.Vote(left, right, "left" if won else "right", f"place {i % 60}"))
    return out


def test_elo_and_bradley_terry_of_the_cells_are_the_packages():
    cast = votes()
    given = {"labeler_votes": lambda *a: cast, "world": None, "matches": None, "names": [*"abc"],
             "DRAWS": 60, "ORDERS": 5}  # fmt: skip
    names = lesson("orders", "expert", "sure", **given)
    assert names["elo"](cast) == pytest.approx(elo_ratings(cast, players="abc"))
    fitted, theirs = names["rated"](cast), bradley_terry_ratings(cast, "abc", prior=0)
    assert fitted == pytest.approx(theirs, abs=8)  # one tie a pair pulls them together
    for name, (_r, low, high) in course.bootstrap_ratings(cast, draws=400).items():
        found = [ratings[name] for ratings in names["bootstrap"](cast)]
        assert len(found) == 60
        mine = np.quantile(found, [0.025, 0.975])
        assert mine == pytest.approx([low, high], abs=25)
    others = [names["rated"](random.Random(i).sample(cast, len(cast))) for i in range(3)]
    assert all(other == pytest.approx(fitted) for other in others)


# ---- the edition's outputs ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    """The executed edition's outputs, by cell."""
    return edition_outputs(STEM, CELLS)


def said(outputs: list[dict]) -> str:
    """What a cell shows, in one line."""
    return " ".join(editions.said(outputs).split())


def test_what_the_cells_after_say_stands_in_their_outputs(edition):
    assert "nothing: it is the same" not in said(edition["orders"])[-120:]  # order is chance
    assert "It was (a) yes, PPO leads." in said(edition["sure"])
    assert "It was (g) Over-optimised PPO." in said(edition["voters"])
    assert "It was (a) inventing a value." in said(edition["unread"])
    assert re.search(r"It was \([bc]\)", said(edition["judge"]))
    assert "It was (d) Over-optimised PPO." in said(edition["tax"])
    assert "It was (b) it rises, then falls." in said(edition["diversity"])


def test_what_is_rated_twice_has_one_rating(edition):
    """In the table, in the figure's sentence, in the lead that is told, in the last table."""
    table, figure, last = (said(edition[name]) for name in ("sure", "voters", "closing"))
    rating = {
        name: [int(n) for n in re.search(rf"{name} +(\d+) +(\d+) +(\d+)", table).groups()]
        for name in ("PPO model, greedy", "PPO model", "SFT model, greedy", "SFT model")
    }
    best = "PPO model, greedy {} ({} to {})".format(*rating["PPO model, greedy"])
    assert f"the expert: first {best}" in figure
    assert f"PPO model, greedy {rating['PPO model, greedy'][0]} " in last
    leads = re.search(r"leads SFT by (\d+) points, both at temperature 1, and by (\d+) ", table)
    for lead, way in zip(leads.groups(), ("", ", greedy")):
        apart = rating[f"PPO model{way}"][0] - rating[f"SFT model{way}"][0]
        assert abs(int(lead) - apart) <= 1  # each is rounded


def test_what_the_retelling_and_the_errata_say_is_measured_here(edition):
    table = said(edition["tax"])
    facts = [int(n) for n in re.findall(r" (\d+)%", table)]
    assert facts[0] > facts[2] > facts[3]  # RLHF adds no knowledge
    places = re.search(r"name (\d+) different .*?, (\d+) with PPO. .*? names (\d+)", table)
    base, ppo, chat = (int(n) for n in places.groups())
    assert int(re.search(r"in (\d+)% it does not know", table)[1]) > 50
    assert base >= ppo and chat < base / 4  # for many different ideas
    repeats = [float(n) for n in re.findall(r"(\d+\.\d)%", said(edition["diversity"]))]
    assert max(repeats[:4]) < 1  # what is lost is no repetition
    players = re.findall(r"^(\w.*?) +\d+ +\d+ +\d+$", editions.said(edition["sure"]), re.M)
    assert len(players) == 7 and players[-1] == "Over-optimised PPO"  # the villain is one
    left = re.search(
        r"Of SFT's ([\d.]+) different answers PPO has ([\d.]+)", said(edition["diversity"])
    )
    assert float(left[2]) < float(left[1])
