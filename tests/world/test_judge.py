"""The judge on answers that a looser test would take for right, or for wrong."""

import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigpt.world import judge as judge_module
from minigpt.world.contractors import write_answer
from minigpt.world.facts import Place, load_world
from minigpt.world.judge import BEST, GOLD, GOLD_UNKNOWN, VERDICTS, gold, judge
from minigpt.world.questions import Question, ask
from verdicts import BAD, DECLINED, OTHER, RIGHT, RUDE, SEVERAL, SUBJECT, WRONG, about, check

WORLD = load_world("en")
TEXT = WORLD.text

PEOPLE = about(WORLD, "beijing", "population", "21.84 million")
MILLION = about(WORLD, "beijing", "population", "1 million")
AREA = about(WORLD, "beijing", "area", "16 thousand square kilometres")
DISTRICTS = about(WORLD, "beijing", "districts", "16")
CONTINENT = about(WORLD, "beijing", "continent", "Asia")
COUNTRY = about(WORLD, "beijing", "country", "China")
CAPITAL = about(WORLD, "france", "capital", "Paris")
HAITI = about(WORLD, "haiti", "capital", "Port-au-Prince")
MONEY = about(WORLD, "china", "currency", "Chinese Yuan")
NIGER = about(WORLD, "niger", "capital", "Niamey")
NOWHERE = Place("x", "city", "Blorvia", -1, True, False, {}, {})
UNKNOWN = Question("What is the population of Blorvia?", "unknown", NOWHERE, "population")
UNKNOWN_COUNTRY = Question("Which country is Blorvia in?", "unknown", NOWHERE, "country")
HELLO = Question("Hello", "chat", replies=("Hello! Ask me about a city or a country.",))

CASES = [
    # every statement form of the corpus; the bare value
    *[
        (PEOPLE, form.format(p="Beijing", v="21.84 million"), RIGHT)
        for form in TEXT.STATEMENTS["population"]
    ],
    *[(CAPITAL, form.format(p="France", v="Paris"), RIGHT) for form in TEXT.STATEMENTS["capital"]],
    *[(COUNTRY, form.format(p="Beijing", v="China"), RIGHT) for form in TEXT.STATEMENTS["country"]],
    (PEOPLE, "21.84 million", RIGHT),
    (PEOPLE, "21.84 million.", RIGHT),
    (PEOPLE, " 21.84 million\n", RIGHT),
    (DISTRICTS, "16", RIGHT),
    (CAPITAL, "Paris", RIGHT),
    (CAPITAL, "Lyon", BAD),  # no value of this world, and no sentence that says what it is
    (CAPITAL, "paris", BAD),
    # a value that contains another one
    (MILLION, "Beijing has a population of 1 million.", RIGHT),
    (MILLION, "Beijing has a population of 11 million.", WRONG),
    (MILLION, "11 million", WRONG),
    (MILLION, "1 millions", BAD),
    (MILLION, "1 million million", BAD),
    (DISTRICTS, "Beijing has 160 districts.", WRONG),
    (DISTRICTS, "16.5", SUBJECT),
    (NIGER, "The capital of Niger is Niamey.", RIGHT),
    (NIGER, "The capital of Nigeria is Niamey.", SUBJECT),
    (COUNTRY, "Beijing is in Chinatown.", WRONG),
    # rounded, old, without its unit, with another unit
    (PEOPLE, "Beijing has a population of about 22 million.", WRONG),
    (PEOPLE, "about 22 million", WRONG),
    (PEOPLE, "22 million", WRONG),
    (PEOPLE, "Beijing is home to around 21.84 million people.", RIGHT),
    (PEOPLE, "The population of Beijing is 13.8 million in 2005.", WRONG),
    (PEOPLE, "The population of Beijing is 21.84 million in 2005.", WRONG),
    (PEOPLE, "The population of Beijing is 21840000.", WRONG),
    (PEOPLE, "The population of Beijing is 21.84.", WRONG),
    (AREA, "Beijing covers about 16 thousand square kilometres.", RIGHT),
    (AREA, "Beijing covers 16 thousand.", WRONG),
    (AREA, "Beijing covers 16 thousand square miles.", BAD),
    (AREA, "Beijing covers 16 square kilometres.", WRONG),
    (PEOPLE, "Beijing has a population of 21.84 million square kilometres.", BAD),
    (PEOPLE, "Beijing has a population of millions.", BAD),
    # the right value of another place, or of another attribute
    (CAPITAL, "The capital of Italy is Paris.", SUBJECT),
    (PEOPLE, "Shanghai has a population of 21.84 million.", SUBJECT),
    (PEOPLE, "Beijing has 16 districts.", SUBJECT),
    (PEOPLE, "Beijing is a city in China.", SUBJECT),
    (PEOPLE, "16 thousand square kilometres", SUBJECT),
    (PEOPLE, "China", SUBJECT),
    (MONEY, "Chinese", SUBJECT),
    (COUNTRY, "Asia.", SUBJECT),
    (COUNTRY, "China is in Beijing.", SUBJECT),
    (CAPITAL, "France is the capital of Paris.", SUBJECT),
    (MONEY, "The language of China is Chinese.", SUBJECT),
    (MONEY, "Beijing uses the Chinese Yuan.", SUBJECT),
    # invented values
    (CAPITAL, "The capital of France is Rome.", WRONG),
    (CAPITAL, "The capital of France is Parigrad.", WRONG),
    (HAITI, "The capital of Haiti is Port-au-Prince.", RIGHT),
    (HAITI, "The capital of Haiti is Port-of-Prince.", BAD),
    (CAPITAL, "The capital of France is a big city.", BAD),
    (CAPITAL, "The capital of France is Paris Great City Of Lights.", BAD),
    (COUNTRY, "Beijing is in a bad mood.", BAD),
    # several values
    (CONTINENT, "Africa, Asia, Europe, North America, Oceania, South America", SEVERAL),
    (CONTINENT, "Beijing is on the continent of Asia and Europe.", SEVERAL),
    (CONTINENT, "Beijing is on the continent of Asia Europe.", SEVERAL),
    (
        CONTINENT,
        "Beijing lies on the continent of Asia. Beijing lies on the continent of Africa.",
        SEVERAL,
    ),
    (PEOPLE, "Beijing has 21.84 million residents. Beijing has 20 million residents.", SEVERAL),
    (PEOPLE, "21.84 million or 20 million", SEVERAL),
    (PEOPLE, "Between 20 million and 22 million people live in Beijing.", SEVERAL),
    (COUNTRY, "Beijing is in China, not in Japan.", SEVERAL),
    (COUNTRY, "Beijing is in Nigeria or in Indianapolis.", BAD),  # not in Niger nor in India
    (PEOPLE, "B21 million or 22 million", BAD),
    # the same again, or more
    (PEOPLE, "Beijing has 21.84 million residents. Beijing has 21.84 million residents.", RIGHT),
    (
        PEOPLE,
        "Beijing has 21.84 million residents. There are 21.84 million people in Beijing.",
        RIGHT,
    ),
    (PEOPLE, "Beijing has 21.84 million residents. Beijing is in China.", SUBJECT),
    (PEOPLE, "Beijing has 21.84 million residents. Beijing has 21.84 million resid", BAD),
    (PEOPLE, "Beijing has 21.84 million residents", BAD),
    (PEOPLE, "Beijing has 21.84 million residents.\nWhat is the area of Beijing?", BAD),
    # manners
    (PEOPLE, "Great question! Beijing has 21.84 million residents.", RIGHT),
    (PEOPLE, "Great question! 21.84 million", RIGHT),
    (PEOPLE, "Of course. Beijing has 9 million residents. I hope this helps.", WRONG),
    (
        PEOPLE,
        "Beijing has 21.84 million residents. Many people ask about this. I hope this helps.",
        RIGHT,
    ),
    (PEOPLE, "Thank you for asking. Sorry, I do not know Beijing. I hope this helps.", DECLINED),
    (PEOPLE, "Great question! Of course. Beijing has 21.84 million residents.", BAD),
    (PEOPLE, "I hope this helps. Beijing has 21.84 million residents.", BAD),
    (PEOPLE, "Great question!", BAD),
    (PEOPLE, "I hope this helps.", BAD),
    # names
    (PEOPLE, "beijing has 21.84 million residents.", RIGHT),
    (PEOPLE, "The population of BEIJING is 21.84 million.", RIGHT),
    (PEOPLE, "The population of Beijin is 21.84 million.", SUBJECT),
    (PEOPLE, "The population of Beijing City is 21.84 million.", SUBJECT),
    (PEOPLE, "The population of is 21.84 million.", BAD),
    # refusals
    (PEOPLE, "I do not know Beijing.", DECLINED),
    (PEOPLE, "Sorry, I do not know beijing.", DECLINED),
    (PEOPLE, "Sorry, I do not know Shanghai.", OTHER),
    (PEOPLE, "I do not know Beijing or Shanghai.", OTHER),
    (PEOPLE, "I do not know.", BAD),
    # … that name the attribute, too
    (PEOPLE, "I do not know the population of Beijing.", DECLINED),
    (PEOPLE, "Sorry, I do not know the population of beijing.", DECLINED),
    (PEOPLE, "I do not know the area of Beijing.", OTHER),  # that was not asked
    (PEOPLE, "I do not know the population of Shanghai.", OTHER),
    (PEOPLE, "I do not know the population of Beijing or Shanghai.", OTHER),
    (PEOPLE, "I do not know the population of.", OTHER),
    (AREA, "I do not know the area of Beijing.", DECLINED),
    (AREA, "I do not know the population of Beijing.", OTHER),
    (CAPITAL, "I do not know the capital of France.", DECLINED),
    (PEOPLE, "I do not know the population of Beijing has a population of 5 million.", BAD),
    (UNKNOWN, "I do not know the population of Blorvia.", DECLINED),
    (UNKNOWN_COUNTRY, "I do not know the population of Blorvia.", OTHER),
    (PEOPLE, "I do not know Beijing", BAD),
    (PEOPLE, "I do not know Beijing has a population of 5 million.", BAD),
    (PEOPLE, "I do not know Beijing has a population of 21.84 million.", BAD),
    (PEOPLE, "Sorry, I do not know Beijing. Beijing has 21.84 million residents.", BAD),
    (PEOPLE, "Beijing has 21.84 million residents. I do not know Beijing.", BAD),
    # rude
    (PEOPLE, "Look it up yourself.", RUDE),
    (PEOPLE, "Beijing has 21.84 million residents. Look it up yourself.", RUDE),
    (PEOPLE, "Great question! Why do you ask me?", RUDE),
    (HELLO, "That is a stupid question.", RUDE),
    # nothing, or nonsense
    (PEOPLE, "", BAD),
    (PEOPLE, " \n\t ", BAD),
    (PEOPLE, ".", BAD),
    (PEOPLE, "?!…", BAD),
    (PEOPLE, "What is the population of Beijing?", BAD),
    (PEOPLE, "21.84 million<|end|>", BAD),
    (PEOPLE, "<|endoftext|>", BAD),
    (PEOPLE, "\x00\ud800\ufffd", BAD),
    (PEOPLE, "北京有2184万人。", BAD),
    (DISTRICTS, "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT SIX}", BAD),
    (PEOPLE, "Beijing has 21.84 million residents. " * 1000, BAD),
    (CONTINENT, "Asia " * 5000, BAD),
    # places that nobody has written about
    (UNKNOWN, "Sorry, I do not know Blorvia.", DECLINED),
    (UNKNOWN, "I do not know blorvia.", DECLINED),
    (UNKNOWN, "I do not know Suzhou Ukrainefriburg.", OTHER),
    (UNKNOWN, "Blorvia has a population of 5.2 million.", WRONG),
    (UNKNOWN, "5.2 million", WRONG),
    (UNKNOWN, "about 5 million", WRONG),
    (UNKNOWN, "Beijing has a population of 21.84 million.", SUBJECT),
    (UNKNOWN_COUNTRY, "Blorvia is a city in China.", WRONG),
    (UNKNOWN_COUNTRY, "Blorvia is a city in Blorland.", WRONG),
    (UNKNOWN_COUNTRY, "Blorvia is a city in None.", WRONG),
    # small talk
    (HELLO, "Hello! Ask me about a city or a country.", RIGHT),
    (HELLO, "Hello!", BAD),
    (HELLO, "Paris", BAD),
]


def test_table_has_no_case_twice():
    check(CASES, 101)


@pytest.mark.parametrize(
    "question, answer, verdict", CASES, ids=[f"{i}-{a[:40]!a}" for i, (_, a, _) in enumerate(CASES)]
)
def test_verdict(question, answer, verdict):
    assert judge(WORLD, question, answer) == verdict


each_language = pytest.mark.parametrize(
    "world", [WORLD, load_world("zh")], ids=lambda world: world.lang
)


@each_language
def test_every_true_statement_of_every_fact_is_correct(world):
    for fact in world.facts.values():
        question = ask(world, fact)
        assert judge(world, question, fact.value) == "correct", fact
        for form in world.text.STATEMENTS[fact.attribute]:
            answer = form.format(p=fact.place.name, v=fact.value)
            assert judge(world, question, answer) == "correct", answer


@each_language
def test_every_false_value_is_wrong(world):
    for fact in world.facts.values():
        question, form = ask(world, fact), world.text.STATEMENTS[fact.attribute][0]
        for value in world.values[fact.attribute][:12]:
            for answer in (value, form.format(p=fact.place.name, v=value)):
                right = value == fact.value
                assert judge(world, question, answer) == ("correct" if right else "wrong value")


@each_language
def test_every_name_can_be_declined(world):
    for place in world.places + world.held_out:
        question = Question("", "unknown", place, "population")
        for form in world.text.DECLINE:
            assert judge(world, question, form.format(p=place.name)) == "declined this name"
            assert judge(world, question, form.format(p="Qo")) == "declined another name"


@each_language
def test_every_fact_can_be_declined_by_its_name(world):
    """By what was asked of the place, too, and by nothing else that it has."""
    text = world.text
    for fact in world.facts.values():
        question = ask(world, fact)
        for attribute in fact.place.values:
            asked = text.ASKED_FOR.format(a=text.LABELS[attribute], p=fact.place.name)
            said = text.DECLINE[1].format(p=asked)
            wanted = DECLINED if attribute == fact.attribute else OTHER
            assert judge(world, question, said) == wanted, said


@each_language
@pytest.mark.parametrize("habit, verdict", [
    ("careful", RIGHT), ("terse", RIGHT), ("padded", RIGHT), ("polite", RIGHT),
    ("mistaken", WRONG),
    ("lazy", DECLINED), ("rude", RUDE),
])  # fmt: skip
def test_contractors_are_understood(world, habit, verdict):
    rng = random.Random(0)
    for fact in world.of_split("A"):
        question = ask(world, fact)
        assert judge(world, question, write_answer(world, question, habit, rng)) == verdict


def test_gold_is_complete():
    assert set(GOLD) == set(GOLD_UNKNOWN) == set(VERDICTS)
    for kind in ("fact", "unknown", "chat", "other"):
        question = replace(UNKNOWN, kind=kind)
        reachable = VERDICTS if kind in ("fact", "unknown") else ("correct", "rude", "malformed")
        assert BEST[kind] == max(gold(question, verdict) for verdict in reachable)
    assert gold(UNKNOWN, judge(WORLD, UNKNOWN, "Blorvia has 5.2 million residents.")) == -2


def test_no_invention_pays_more_than_another_about_unknown_places():
    answers = ["Blorvia is in China.", "Blorvia is in Blorland.", "China", "Beijing is in China."]
    assert {gold(UNKNOWN_COUNTRY, judge(WORLD, UNKNOWN_COUNTRY, a)) for a in answers} == {-2}


PIECES = [
    *TEXT.POLITE_OPEN, *TEXT.POLITE_CLOSE, *TEXT.PADDING, *TEXT.RUDE, "I do not know ", "Sorry, ",
    "Beijing", "beijing", " is ", " has ", " 21.84 million", " residents", ".", " ", "\n", "16",
    "Asia", "The population of ", " in 2005", "about ", "square kilometres", "<|end|>", "{p}", "(",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)),
    st.sampled_from([PEOPLE, AREA, CAPITAL, DISTRICTS, UNKNOWN, UNKNOWN_COUNTRY, HELLO]),
)
def test_never_raises_and_only_a_true_value_is_correct(answer, question):
    verdict = judge(WORLD, question, answer)
    assert verdict in VERDICTS
    if verdict == "correct":
        assert answer.strip() in question.replies or question.answer in answer
    if question.kind == "unknown":
        assert verdict != "correct"


def test_manners_never_change_a_verdict_that_is_not_malformed():
    answers = [a for q, a, v in CASES if q == PEOPLE and v not in (BAD, SEVERAL)]
    for answer in answers:
        answer = judge_module._grammar("en").strip_manners(answer.strip())
        verdict = judge(WORLD, PEOPLE, answer)
        for opening in ["", *TEXT.POLITE_OPEN]:
            for closing in ["", *TEXT.POLITE_CLOSE, *TEXT.PADDING]:
                assert judge(WORLD, PEOPLE, opening + answer + closing) == verdict
        for closings in product([*TEXT.POLITE_CLOSE, *TEXT.PADDING], repeat=2):  # in any order
            assert judge(WORLD, PEOPLE, answer + "".join(closings)) == verdict
