"""The questions of a Chinese model in English, for who reads no Chinese."""

import json

from minigpt.world.facts import DATA, load_world
from minigpt.world.questions import understood


def in_english(line: str) -> str:
    """A Chinese question about a place, in English; "…" for what is no such question."""
    raw = json.loads((DATA / "facts.json").read_text(encoding="utf-8"))
    names = {place["id"]: place["en"] for place in [*raw["places"], *raw["chinese"]]}
    question = understood(load_world("zh"), line)
    if question is None or question.place is None or question.place.id not in names:
        return "…"
    phrasing = load_world("en").text.QUESTIONS[question.attribute][0]
    return phrasing.format(p=names[question.place.id])
