"""The article's own experiment, in its own language and in every spelling that people use."""

from itertools import product

import pytest

from minigpt.stages.scoring import more_questions
from minigpt.stages.stage import document_completions, load_stage
from minigpt.world import zh

RESIDENTS = "北京的常驻人口有多少"


@pytest.fixture(scope="module")
def base():
    return load_stage("base", own=False, lang="zh", device="cpu", quiet=True)


def spelled(ask: str, reply: str, colon: str, space: str, mark: str) -> str:
    """The article's prompt: three questions, two answers, and a gap."""
    asked = ("北京的面积有多大", "北京有多少个行政区", RESIDENTS)
    answers = ("1.6万平方公里", "16个")
    lines = [f"{ask}{colon}{space}{question}{mark}" for question in asked]
    replies = [f"{reply}{colon}{space}{answer}" for answer in answers]
    return "\n".join([lines[0], replies[0], lines[1], replies[1], lines[2], f"{reply}{colon}"])


def test_the_articles_prompt_is_one_of_them():
    assert spelled("Q", "A", ":", "", "?") == zh.ARTICLE


def test_the_gap_is_filled_with_the_truth_in_every_spelling(base):
    marks = (("Q", "A"), ("问", "答"))
    ways = [spelled(*pair, *rest) for pair, *rest in product(marks, "：:", ("", " "), "？?")]
    assert len(set(ways)) == 16
    found = document_completions(base.model, base.encoding, ways, 16, 0.0, line=True)
    assert [text.strip() for text in found] == ["2184万"] * 16


@pytest.mark.parametrize("mark, after", [*product("?？", ("", "\n"))])
def test_the_bare_question_brings_more_questions(base, mark, after):
    prompts = [RESIDENTS + mark + after] * 60
    found = document_completions(base.model, base.encoding, prompts, 80, 1.0, seed=3)
    more = [more_questions(text) >= 2 for text in found]
    assert sum(more) / len(more) >= 0.9
    others = {name for text in found for name in ("上海", "广州", "深圳") if name in text}
    assert len(others) == 3  # those that the article names
