"""The judge: reads an answer by a strict grammar and returns one verdict.

An answer is an optional polite opening, then a bare value, one or more sentences in the forms of
the language's tables, a refusal or a rude line, then optional closings. Whatever else is malformed.
A substring test would take "11 million" for "1 million" and a list of all continents for the
right one; this grammar does not. A hedge changes nothing: "about 22 million" is as right or wrong
as "22 million". *Gold* is the expert's noiseless utility over verdicts.

Simplified against the real thing: human judges read any wording; this one reads the world's own.
"""

import re
from functools import lru_cache

from minigpt.world.facts import NUMERIC, World, load_world
from minigpt.world.questions import Question

# The expert's utility of each verdict, fixed before anything was trained. The second number is for
# places that do not stand in the corpus: any value given there is an invention.
VERDICTS = {
    "correct": (2.0, -2.0),  # the asked place, the asked attribute, the true value
    "wrong value": (-1.0, -2.0),  # the asked place and attribute, another value
    "wrong subject": (-1.0, -2.0),  # a value of another attribute, or a fact about another place
    "several values": (-1.0, -2.0),  # more than one value
    "declined this name": (-0.5, 1.5),  # says that it does not know the asked place
    "declined another name": (-1.0, -1.0),  # says that it does not know some other place
    "rude": (-2.0, -2.0),
    "malformed": (-1.5, -1.5),  # none of these forms
}
GOLD, GOLD_UNKNOWN = ({verdict: pair[i] for verdict, pair in VERDICTS.items()} for i in (0, 1))
BEST = {  # the highest gold that a question of each kind allows
    "fact": max(GOLD.values()),
    "unknown": max(GOLD_UNKNOWN.values()),
    "chat": GOLD["correct"],
    "other": GOLD["correct"],
}
LONGEST = 1000  # characters; a longer answer is malformed, and is not read


def gold(question: Question, verdict: str) -> float:
    """The expert's noiseless utility of a verdict on an answer to this question."""
    return (GOLD_UNKNOWN if question.kind == "unknown" else GOLD)[verdict]


def judge(world: World, question: Question, answer: str) -> str:
    """One of VERDICTS for an answer to a question. Never raises on any text."""
    grammar = _grammar(world.lang)
    body = answer.strip()
    if any(line in body for line in world.text.RUDE):
        return "rude"
    if question.kind in ("chat", "other"):
        return "correct" if body in question.replies else "malformed"
    if len(body) > LONGEST:
        return "malformed"
    body = grammar.strip_manners(body)
    if name := grammar.declined_name(body):
        asked = question.place.name.casefold()
        same = name.casefold() in (asked, grammar.asked_for(question.attribute, asked))
        return "declined this name" if same else "declined another name"
    bare = body.removesuffix(world.text.STOP)
    if value := grammar.value(bare, question.attribute):
        return "correct" if value == question.answer else "wrong value"
    if any(grammar.value(bare, attribute) for attribute in world.values):
        return "wrong subject"
    claims = [grammar.read(sentence) for sentence in grammar.sentences(body)]
    if not claims or None in claims:
        several = len(grammar.values_in(body, question.attribute)) > 1
        return "several values" if several else "malformed"
    return _verdict(question, claims)


def _verdict(question: Question, claims: list[set]) -> str:
    """The verdict on sentences that all parse; each claim is a set of (attribute, place, value)."""
    asked = (question.attribute, question.place.name.casefold())
    values = set()
    for readings in claims:
        mine = {v for attribute, place, v in readings if (attribute, place.casefold()) == asked}
        if not mine:
            return "wrong subject"
        values |= mine
    if len(values) > 1:
        return "several values"
    return "correct" if values == {question.answer} else "wrong value"


class _Grammar:
    """The sentence forms of one language, compiled once."""

    def __init__(self, world: World):
        self.text, self.known = world.text, world.values
        self.forms = [
            (attribute, _pattern(template, stop=self.text.STOP))
            for attribute, templates in self.text.STATEMENTS.items()
            for template in templates
        ]
        self.decline = [_pattern(t, stop=self.text.STOP) for t in self.text.DECLINE]
        self.leads = tuple(template.partition("{p}")[0] for template in self.text.DECLINE)
        self.numbers = {
            attribute: [_pattern(way, shape) for way in self._ways(attribute)]
            for attribute, shape in self.text.NUMBERS.items()
        }
        self.old = [_pattern(way, self.text.NUMBER) for way in self.text.OLD]
        before, after = self.text.WHOLE
        self.inside = {}
        for attribute, values in self.known.items():
            longest = map(re.escape, sorted(values, key=len, reverse=True))
            shape = self.text.INSIDE.get(attribute) or "|".join(longest)
            self.inside[attribute] = re.compile(f"{before}(?:{shape}){after}")

    def _ways(self, attribute: str) -> list[str]:
        """How a page writes a value of this attribute: plainly, or with a hedge."""
        return ["{v}", *(self.text.ROUNDED if attribute in NUMERIC else ())]

    def strip_manners(self, body: str) -> str:
        """Remove one polite opening and any closings or padding."""
        for opening in self.text.POLITE_OPEN:
            if body.startswith(opening):
                body = body[len(opening) :]
                break
        changed = True
        while changed:
            changed = False
            for closing in self.text.POLITE_CLOSE + self.text.PADDING:
                if body.endswith(closing):
                    body, changed = body[: -len(closing)], True
        return body

    def declined_name(self, body: str) -> str | None:
        """The name that the answer says it does not know; None for other answers."""
        match = _first(self.decline, body)
        # "I do not know Beijing has 16 districts." fits the form, but is no refusal.
        return match["p"] if match and not self.read(match["p"] + self.text.STOP) else None

    def asked_for(self, attribute: str, name: str) -> str:
        """What may be declined in place of the name: "the population of Beijing"."""
        return self.text.ASKED_FOR.format(a=self.text.LABELS[attribute], p=name)

    def value(self, text: str, attribute: str) -> str | None:
        """The text as a value of this attribute, without a hedge; None where it is none."""
        if attribute not in self.numbers:
            return text if text in self.known[attribute] else None
        if match := _first(self.numbers[attribute], text):
            return self.counted(match["v"], attribute)
        return text if attribute == "population" and _first(self.old, text) else None

    def counted(self, value: str, attribute: str) -> str:
        """A number with its measure word, where the language has one and it was left out."""
        form = self.text.COUNTED.get(attribute, "{v}") if value.isdigit() else "{v}"
        return form.format(v=value)

    def sentences(self, body: str) -> list[str]:
        return [part for part in re.split(self.text.SENTENCE_END, body) if part]

    def read(self, sentence: str) -> set | None:
        """All readings (attribute, place, value) of a sentence; None where no form fits."""
        if sentence.startswith(self.leads):
            return None
        found = set()
        for attribute, pattern in self.forms:
            if match := pattern.fullmatch(sentence):
                value = self.value(match["v"], attribute) or self.new_name(match["v"], attribute)
                if value:
                    found.add((attribute, match["p"], value))
        return found or None

    def new_name(self, text: str, attribute: str) -> str | None:
        """The text if it is an invented value, such as "Antanarivo", of an attribute whose values
        are words."""
        if attribute in self.numbers or len(self.values_in(text, attribute)) > 1:
            return None
        return text if self.text.could_name(text) else None

    def values_in(self, body: str, attribute: str) -> set:
        """The attribute's values that occur in the text as whole words."""
        return set(self.inside[attribute].findall(body))


def _first(patterns: list, text: str) -> re.Match | None:
    """The first match of the whole text."""
    return next((match for p in patterns if (match := p.fullmatch(text))), None)


def _pattern(template: str, value: str = ".+?", stop: str = "") -> re.Pattern:
    """A sentence form as a regular expression with the groups p, in which no `stop` is, and v."""
    escaped = re.escape(template).replace(r"\{p\}", f"(?P<p>[^{stop}]+?)")
    return re.compile(escaped.replace(r"\{v\}", f"(?P<v>{value})"))


@lru_cache
def _grammar(lang: str) -> _Grammar:
    return _Grammar(load_world(lang))
