"""Notebook 00: its limits, what it says of outputs, and the sentences of wrong answers."""

import re

import pytest

from editions import edition_outputs, said
from minigpt.classroom.grading.your_own import check_passed, trial_random, your_own
from minigpt.classroom.notebook import read_notebook
from minigpt.lessons.overview.compare import DRAWS, ask_all, presets
from minigpt.stages.exam import known_questions
from minigpt.stages.replies import load_stages
from minigpt.stages.report import recorded
from minigpt.stages.scoring import chat_score
from minigpt.stages.stage import load_stage
from minigpt.store.checkpoint import SHIPPED, file_hash
from minigpt.store.files import ROOT
from minigpt.world.contractors import UNKNOWN_HABITS
from minigpt.world.facts import load_world
from minigpt.world.questions import understood

NOTEBOOKS = ROOT / "notebooks"
CELLS = {
    c["id"]: c for c in read_notebook(NOTEBOOKS / "source" / "en" / "00_overview.ipynb")["cells"]
}
CODE = {name: cell["source"] for name, cell in CELLS.items() if cell["cell_type"] == "code"}
PROSE = {
    name: re.sub(r"\]\([^)]*\)|^\|.*$", "]", cell["source"], flags=re.M)
    for name, cell in CELLS.items() if cell["cell_type"] == "markdown"
}  # fmt: skip
BEFORE_THE_FIRST = 150


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    """The executed edition's outputs, by cell."""
    return edition_outputs("00_overview", CELLS)


def shares(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"(\d+)%", text)]


def flat(source: str) -> str:
    """A cell's printed sentences, whose lines are joined."""
    return re.sub(r'(\\n)?"\n\s*f?"', lambda found: " " if found[1] else "", source)


# ---- limits -------------------------------------------------------------------------------------


def test_the_models_answer_first_and_can_be_asked_at_once():
    order = list(CELLS)
    assert order[order.index("budget") + 1 :][:2] == ["made-up", "compare"]
    printed = " ".join(re.findall(r'print\(f?"(.*?)"\)', CODE["made-up"], re.S)[-1:])
    assert len((PROSE["title"] + printed).split()) <= BEFORE_THE_FIRST
    assert 'compare("What is the population of Beijing?")' in CODE["compare"]


# ---- what it says -------------------------------------------------------------------------------


def test_numbers_in_the_prose_are_the_courses_or_the_talks():
    known = {"2023", "2020", "99", "86,400"}  # talk and paper; a day
    found = set(re.findall(r"\d[\d,.]*\d|\d+", " ".join(PROSE.values()))) - {"0", "1", "2", "3"}
    assert {n for n in found if not re.fullmatch("0[1-7]", n)} <= known
    assert 24 * 60 * 60 == 86_400


def test_the_place_is_made_up_and_most_contractors_claim_to_know_such_places():
    world = load_world("en")
    question = re.search(r'QUESTION = "(.*)"', CODE["made-up"])[1]
    assert understood(world, question).kind == "unknown"
    assert not {"Velmora", "Zorbania"} & {p.name for p in world.held_out}
    assert "most of them claim to know any place" in PROSE["box"]
    assert UNKNOWN_HABITS["knowing"] > 0.5


def test_what_each_stage_started_from_is_what_the_arrows_say():
    for child, parent in (("sft", "base"), ("reward", "sft"), ("ppo", "sft")):
        meta = load_stage(child, own=False, quiet=True).meta
        assert meta["parent"] == file_hash(SHIPPED / "en" / f"{parent}.safetensors")


def test_pretraining_takes_about_half_of_the_operations():
    found = recorded(SHIPPED / "en")
    each = [found[f"train.{n}.flops"].value for n in ("base", "sft", "reward", "ppo")]
    for n, flops in zip(("base", "sft", "reward", "ppo"), each):
        assert load_stage(n, own=False, quiet=True).meta["flops"] == flops
    assert 0.3 < each[0] / sum(each) < 0.7
    assert '"about half"' in CODE["cost"]


def test_the_first_answers_are_as_explained(edition):
    """SFT makes things up and PPO does not; the base model, bare, asks further questions."""
    shown = said(edition["made-up"])
    assert "It was (c) PPO alone." in shown
    assert "people most of whom claimed to know any place" in " ".join(shown.split())
    bare, gap = re.findall(r"Base model, (?:bare question|as Q: … A:): (.*)", shown)[:2]
    assert bare == "5 more questions" and "made up" in gap


def test_in_the_first_scores_that_are_seen_honesty_is_above_invention(edition):
    """In the first edition right answers had +0.00 and a wrong one +0.01."""
    found = re.findall(r"^ *([x+]) ([+−][\d.]+)  ", said(edition["made-up"]), re.M)
    honest, invented = (
        [float(score.replace("−", "-")) for mark, score in found if mark == wanted]
        for wanted in "+x"
    )
    assert len(honest) >= 5 and len(invented) >= 2 and min(honest) > max(invented) + 1


def test_what_can_be_asked_first_tells_the_assistants_apart(edition):
    """Not so in the first edition, whose first question both answered alike."""
    rights = []
    for name in ("made-up", "compare"):
        heads = re.findall(r"^(?:SFT|PPO) model, as a chat: (.*)$", said(edition[name]), re.M)
        rights.append([int(h[0]) if h[2:7] in ("right", "hones") else 0 for h in heads])
    assert all(len(found) == 2 and found[1] >= found[0] + 3 for found in rights), rights


def test_outside_what_it_was_asked_in_practice_the_sft_model_does_better():
    assert (
        "Press *hello* and *outside its world*: there the SFT model does better" in PROSE["marks"]
    )
    stages = load_stages(own=False)
    for name in ("hello", "outside its world"):
        cards = [ask_all(presets()[name], heat, stages=stages).cards[2:] for heat in (1.0, 0.0)]
        assert all(sft.share("right") > ppo.share("right") + 0.4 for sft, ppo in cards)


def test_a_made_up_name_that_fools_the_ppo_model_stands_beside_one_that_does_not():
    ppo = load_stage("ppo", own=False, quiet=True)
    answers = [
        ppo.ask([f"What is the population of {p}?"])[0].text for p in ("Velmora", "Zorbania")
    ]
    assert "I do not know Velmora" in answers[0] and re.search(r"Zorbania is \d", answers[1])


def test_our_examples_are_as_many_as_the_talks_and_our_text_a_millionth_of_its():
    """And nothing before the question of the shares of compute gives them away."""
    assert "demonstrations and prompts are as many as the talk's" in flat(CODE["cost"])
    assert CODE["slide"].count('"10 to 100 thousand') == 2
    for name in ("sft", "ppo"):
        assert 1e4 <= load_stage(name, own=False, quiet=True).meta["examples"] <= 1e5
    assert 1e12 / load_stage("base", own=False, quiet=True).meta["tokens"] == pytest.approx(
        3e5, rel=0.1
    )
    order = list(CELLS)
    assert order.index("cost") < order.index("slide")
    assert not any(
        "flops" in CODE[name] for name in CODE if order.index(name) < order.index("cost")
    )


def test_practice_taught_no_facts_and_changed_what_is_said_of_made_up_places(edition):
    shown = " ".join(said(edition["measure"]).split())
    assert "It was (b) about the same." in shown
    known, made_up = shown.partition("Right about known places: ")[2].split(". Say that they")[:2]
    right, honest = shares(known), shares(made_up.split(". The facts")[0])[:3]
    assert min(right[:3]) > 60 and abs(right[1] - right[2]) <= 10
    assert honest[0] < 20 and honest[1] < 30 and honest[2] > 60


def test_the_model_answers_sixteen_times_and_the_cards_five():
    assert "the SFT model answers sixteen times" in PROSE["picked-intro"]
    assert (
        "for _ in range(16)" in CODE["picked"] and "drawn[16 * i : 16 * i + 16]" in CODE["picked"]
    )
    assert "Each model is asked five times" in CODE["made-up"] and DRAWS == 5


def test_the_pick_of_sixteen_is_more_honest_than_a_draw(edition):
    one, best, practised = shares(said(edition["picked"]))
    assert best > one + 20 and practised > one + 20


def test_the_most_likely_answer_is_often_better_than_a_draw():
    assert "writes what it holds likeliest, which is often better" in PROSE["marks"]
    stage = load_stage("sft", own=False, quiet=True)
    asked = known_questions(stage.world)[::3]
    greedy, drawn = (chat_score(stage, asked, heat)[0].accuracy for heat in (0.0, 1.0))
    assert greedy > drawn + 0.2


def test_the_prints_are_no_longer_than_sixty_words():
    for name in ("made-up", "measure", "picked", "cost"):
        printed = re.findall(r'print\(f?"(.*?)"\)\n    (?:return|one|sft_|apart)', CODE[name], re.S)
        assert printed and all(len(flat(text).split()) <= 60 for text in printed), name


# ---- wrong answers ------------------------------------------------------------------------------

TOLD = [  # (exercise, what is put where, what the sentence says)
    ("best-of", ("max(answers, key=score)", "max(map(score, answers))"), "not its score"),
    ("best-of", ("max(answers,", "max(reversed(answers),"), "Of equals the first"),
    ("best-of", ("max(", "min("), "Another answer has a higher score"),
    ("best-of", ("return max(answers, key=score)", "max(answers, key=score)"), "Is there a return"),
    ("best-of", ("max(answers, key=score)",
                 "next(a for a in answers if score(a) == max(map(score, answers)))"), "once each"),
    ("best-of", ('raise ValueError("there are no answers to pick from")', "return"), "gave None"),
    ("best-of", ('raise ValueError("there are no answers to pick from")', "return answers[0]"),
     "gave IndexError"),
    ("training-days", ("6 *", "2 *"), "the way forward alone"),
    ("training-days", ("86_400", "3_600"), "Those are hours"),
    ("training-days", ("return 6 * parameters * tokens / per_second / 86_400",
                       "return round(6 * parameters * tokens / per_second / 86_400, 3)"),
     "not round"),
    ("training-days", ("/ 86_400", "// 86_400"), "not round"),
    ("best-of", ('ValueError("there are no answers to pick from")', "Exception"), "gave Exception"),
    ("training-days", (" / 86_400", ""), "Those are seconds"),
    ("training-days", ("/ per_second", "* per_second"), "divide by per_second"),
    ("training-days", ("return 6", "6"), "Return one number"),
]  # fmt: skip


@pytest.mark.parametrize("name, change, told", TOLD)
def test_a_common_mistake_gets_a_sentence_of_its_own(name, change, told, capsys):
    """With what was returned and what was expected."""
    answer = CODE[name].replace(*change)
    assert answer != CODE[name]
    names = {"check_passed": check_passed, "trial_random": trial_random, "your_own": your_own}
    exec(answer, names)
    with pytest.raises(AssertionError) as caught:
        exec(CODE[f"{name}-check"], names)
    message = str(caught.value)
    assert told in message and ("expected" in message or "once each" in message), message
