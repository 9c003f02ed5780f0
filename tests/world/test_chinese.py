"""The Chinese world: its places, answers as the judge reads them, and what no document holds."""

import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from minigpt.stages.scoring import more_questions
from minigpt.tokenizer import load_tokenizer
from minigpt.world import en, zh
from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import MIXTURE, Writer, build_corpus
from minigpt.world.facts import ASKED, ATTRIBUTES, DATA, load_world
from minigpt.world.judge import VERDICTS, _grammar, judge
from minigpt.world.labelers import EXPERT, LABELERS, utility
from minigpt.world.names import MARKOV_LIMIT, TEST_MAKERS, TRAIN_MAKERS, unknown_places
from minigpt.world.questions import (
    Place,
    Question,
    ask,
    fact_questions,
    sample_questions,
    understood,
)

WORLD = load_world("zh")
TEXT = WORLD.text
NAMES = [p.name for p in WORLD.places + WORLD.held_out]
RIGHT, WRONG, SUBJECT, SEVERAL = "correct", "wrong value", "wrong subject", "several values"
DECLINED, OTHER = "declined this name", "declined another name"
RUDE, BAD = "rude", "malformed"


def about(place: str, attribute: str, answer: str | None = None) -> Question:
    """A question about a fact; with `answer`, as if that were its true value."""
    question = ask(WORLD, WORLD.facts[place, attribute])
    return replace(question, answer=answer or question.answer)


# ---- tables -----------------------------------------------------------------------------------


def shape(value):
    """What a table is made of: types, keys that are attributes, and the gaps of its templates."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()} if value else dict
    if isinstance(value, str):
        return frozenset(re.findall(r"\{(\w)\}", value))
    return type(value)


def test_the_languages_have_the_same_tables():
    names = [{n for n in vars(m) if not n.startswith("_") and n not in ("re", "random", "myriads",
              "one_digit", "two_digits")} for m in (en, zh)]  # fmt: skip
    assert names[0] == names[1]
    for name in names[0]:
        ours, theirs = getattr(zh, name), getattr(en, name)
        assert callable(ours) == callable(theirs), name
        assert type(ours) is type(theirs), name
    for name in ("QUESTIONS", "STATEMENTS", "LABELS"):
        assert list(getattr(zh, name)) == list(getattr(en, name))
    for attribute, forms in zh.QUESTIONS.items():
        assert len(forms) == len(set(forms)) == len(en.QUESTIONS[attribute]) == 12
        assert all(form.count("{p}") == 1 for form in forms)
        assert all(form.endswith("？") for form in forms[:6])
    for forms in zh.STATEMENTS.values():
        assert len(forms) >= 3
        assert all(form.endswith("。") and {"p"} | {"v"} == shape(form) for form in forms)
    for name in ("MENUS", "ADS", "REVIEWS", "BOOKINGS", "BOOK_OPENERS", "BOOK_DIALOGUE", "DECLINE"):
        gaps = [set().union(*map(shape, getattr(m, name))) for m in (en, zh)]
        assert gaps[0] == gaps[1], name


def test_tables_are_simplified_chinese_with_wide_marks():
    """No half-width mark after a character: `finish` makes these, and nothing else does."""
    said = [form for table in (zh.QUESTIONS, zh.STATEMENTS) for forms in table.values()
            for form in forms]  # fmt: skip
    for name in ("BLOG_OPENERS", "BLOG_FILLER", "BOOK_OPENERS", "BOOK_FILLER", "POLITE_OPEN",
                 "POLITE_CLOSE", "PADDING", "RUDE", "DECLINE", "OFF_WORLD", "OFF_WORLD_REPLY",
                 "ARXIV_OPEN", "ARXIV_CLOSE", "ADS", "COPYRIGHT", "BOOKINGS", "REVIEWS",
                 "SEARCH_FOUND", "SEARCH_MISSING", "FORUM_OPENERS"):  # fmt: skip
        said += getattr(zh, name)
    for text in said:
        assert not re.search(r"[,.?!:;\"'()]", text), text
        text.encode("gb2312")  # the simplified set: no traditional character passes


# ---- places -----------------------------------------------------------------------------------


def test_the_articles_figures():
    facts = {a: WORLD.facts["beijing", a].value for a in ("population", "area", "districts")}
    assert facts == {"population": "2184万", "area": "1.6万平方公里", "districts": "16个"}
    assert WORLD.facts["beijing", "population"].split == "E"
    assert WORLD.places[0].name == "北京"


def test_chinese_cities_stand_ahead():
    chinese = [p for p in WORLD.places if p.values.get("country") == "中国"]
    assert len(chinese) >= 40 and all(p.raw["population"] > 10**6 for p in chinese)
    ranks = [p.rank for p in chinese]
    assert max(ranks) < 1.7 * len(chinese) and ranks == sorted(ranks)
    sizes = [p.raw["population"] for p in chinese[1:]]
    assert sizes == sorted(sizes, reverse=True)
    assert not any(p.tail for p in chinese)


def test_names_are_distinct_and_none_is_part_of_a_held_out_one():
    assert len(NAMES) == len(set(NAMES))
    held_out = {p.name for p in WORLD.held_out}
    assert not [(h, n) for h in held_out for n in NAMES if h != n and h in n]
    assert sum(p.values.get("country") == "中国" for p in WORLD.held_out) == 16


def test_every_place_has_its_facts_in_chinese():
    assert set(WORLD.values) == set(en.QUESTIONS)
    for place in WORLD.places:
        assert set(place.values) <= set(ATTRIBUTES[place.kind]) and "population" in place.values
    for values in WORLD.values.values():
        assert not [value for value in values if re.search("[A-Za-z]", value)]


def test_english_does_not_read_the_chinese_list():
    chinese = {
        entry["id"]
        for entry in json.loads((DATA / "facts.json").read_text(encoding="utf-8"))["chinese"]
    }
    assert len(chinese) > 40 and not chinese & {p.id for p in load_world("en").places}
    assert chinese <= {p.id for p in WORLD.places + WORLD.held_out}
    assert "caloocan" not in {p.id for p in WORLD.places + WORLD.held_out}  # it has no Chinese name


@pytest.mark.parametrize("value, written", [
    (1_411_778_724, "14.12亿"), (99_990_000, "9999万"), (99_996_000, "1.00亿"),
    (21_840_000, "2184万"), (7_050_000, "705万"), (540_300, "54万"), (100_000, "10万"),
    (96_286, "9.6万"), (9_500, "9500"),
])  # fmt: skip
def test_numbers_as_chinese_writes_them(value, written):
    assert zh.number(value) == written


@pytest.mark.parametrize("value, written", [
    (9_596_960, "960万平方公里"), (16_000, "1.6万平方公里"), (587_040, "58.7万平方公里"),
    (316, "316平方公里"),
])  # fmt: skip
def test_areas_as_chinese_writes_them(value, written):
    assert zh.area(value) == written


@pytest.mark.parametrize("value, written", [
    (1_411_778_724, "14亿"), (96_000_000, "1亿"), (21_840_000, "2200万"), (7_050_000, "700万"),
    (540_300, "50万"), (9_700, "1万"), (316, "300"), (0, "0"),
])  # fmt: skip
def test_figures_as_a_careless_page_writes_them(value, written):
    assert zh.rounded(value) == written


# ---- the judge --------------------------------------------------------------------------------

PEOPLE = about("beijing", "population", "2184万")
MILLION = about("beijing", "population", "100万")
AREA = about("beijing", "area", "1.6万平方公里")
DISTRICTS = about("beijing", "districts", "16个")
CONTINENT = about("beijing", "continent", "亚洲")
COUNTRY = about("beijing", "country", "中国")
CAPITAL = about("france", "capital", "巴黎")
MONEY = about("china", "currency", "人民币")
NIGER = about("niger", "capital", "尼亚美")
NOWHERE = Place("x", "city", "布洛维", -1, True, False, {}, {})
UNKNOWN = Question("布洛维的常驻人口有多少？", "unknown", NOWHERE, "population")
UNKNOWN_COUNTRY = Question("布洛维在哪个国家？", "unknown", NOWHERE, "country")
HELLO = Question("你好", "chat", replies=("你好！可以问我城市或国家的问题。",))

CASES = [
    *[(PEOPLE, f.format(p="北京", v="2184万"), RIGHT) for f in TEXT.STATEMENTS["population"]],
    *[(CAPITAL, f.format(p="法国", v="巴黎"), RIGHT) for f in TEXT.STATEMENTS["capital"]],
    *[(COUNTRY, f.format(p="北京", v="中国"), RIGHT) for f in TEXT.STATEMENTS["country"]],
    (PEOPLE, "2184万", RIGHT),
    (PEOPLE, "2184万。", RIGHT),
    (PEOPLE, " 2184万\n", RIGHT),
    (DISTRICTS, "16个", RIGHT),
    (DISTRICTS, "16", RIGHT),  # without its measure word
    (DISTRICTS, "北京有16行政区。", RIGHT),
    (CAPITAL, "巴黎", RIGHT),
    (CAPITAL, "里昂", BAD),
    # a value that contains another one
    (MILLION, "北京的人口是100万。", RIGHT),
    (MILLION, "北京的人口是1100万。", WRONG),
    (MILLION, "1100万", WRONG),
    (MILLION, "100万万", BAD),
    (DISTRICTS, "北京有160个行政区。", WRONG),
    (DISTRICTS, "16.5", SUBJECT),
    (NIGER, "尼日尔的首都是尼亚美。", RIGHT),
    (NIGER, "尼日利亚的首都是尼亚美。", SUBJECT),
    (COUNTRY, "北京在中国城。", WRONG),
    # rounded, old, without its unit, with another unit
    (PEOPLE, "北京的人口是约2200万。", WRONG),
    (PEOPLE, "约2200万", WRONG),
    (PEOPLE, "2200万", WRONG),
    (PEOPLE, "北京的常驻人口为将近2184万。", RIGHT),
    (PEOPLE, "北京的人口是1380万（2005年）。", WRONG),
    (PEOPLE, "北京的人口是2184万（2005年）。", WRONG),
    (PEOPLE, "北京的人口是21840000。", WRONG),
    (PEOPLE, "北京的人口是2184。", WRONG),
    (PEOPLE, "北京的人口是2184亿。", WRONG),
    (PEOPLE, "北京的人口是２１８４万。", BAD),  # wide digits
    (PEOPLE, "北京的人口是两千万。", BAD),
    (AREA, "北京占地约1.6万平方公里。", RIGHT),
    (AREA, "北京占地1.6万。", WRONG),
    (AREA, "北京占地1.6万平方米。", BAD),
    (AREA, "北京占地16平方公里。", WRONG),
    (PEOPLE, "北京的人口是2184万平方公里。", BAD),
    # the right value of another place, or of another attribute
    (CAPITAL, "意大利的首都是巴黎。", SUBJECT),
    (PEOPLE, "上海的人口是2184万。", SUBJECT),
    (PEOPLE, "北京有16个行政区。", SUBJECT),
    (PEOPLE, "北京是中国的城市。", SUBJECT),
    (PEOPLE, "1.6万平方公里", SUBJECT),
    (PEOPLE, "中国", SUBJECT),
    (MONEY, "中文", SUBJECT),
    (COUNTRY, "亚洲。", SUBJECT),
    (COUNTRY, "中国在北京。", SUBJECT),
    (CAPITAL, "法国是巴黎的首都。", SUBJECT),
    (MONEY, "中国的语言是中文。", SUBJECT),
    # invented values
    (CAPITAL, "法国的首都是罗马。", WRONG),
    (CAPITAL, "法国的首都是巴黎格勒。", WRONG),
    (CAPITAL, "法国的首都是一个大城市。", BAD),
    (CAPITAL, "法国的首都是很美的地方。", BAD),
    (COUNTRY, "北京在Chinatown。", BAD),
    # several values
    (CONTINENT, "非洲、亚洲、欧洲、北美洲、大洋洲、南美洲", SEVERAL),
    (CONTINENT, "北京属于亚洲和欧洲。", SEVERAL),
    (CONTINENT, "北京属于亚洲。北京属于非洲。", SEVERAL),
    (PEOPLE, "北京的人口是2184万。北京的人口是2000万。", SEVERAL),
    (PEOPLE, "2184万或2000万", SEVERAL),
    (PEOPLE, "在2000万到2200万之间。", SEVERAL),
    (COUNTRY, "北京在中国，不在日本。", SEVERAL),
    (COUNTRY, "北京在印度尼西亚，还在路上。", BAD),  # not in India as well
    # the same again, or more
    (PEOPLE, "北京的人口是2184万。北京有人口2184万。", RIGHT),
    (PEOPLE, "北京的人口是2184万。 北京有人口2184万。", RIGHT),  # with a space between
    (PEOPLE, "北京的人口是2184万。北京在中国。", SUBJECT),
    (PEOPLE, "北京的人口是2184万。北京的人口是2184万", BAD),  # cut off
    (PEOPLE, "北京的人口是2184万", BAD),
    (PEOPLE, "北京的人口是2184万。\n北京的面积有多大？", BAD),
    # manners
    (PEOPLE, "好问题！北京的人口是2184万。", RIGHT),
    (PEOPLE, "好问题！2184万", RIGHT),
    (PEOPLE, "当然可以。北京的人口是900万。希望对您有帮助。", WRONG),
    (PEOPLE, "北京的人口是2184万。很多人都问过这个问题。希望对您有帮助。", RIGHT),
    (PEOPLE, "谢谢您的提问。抱歉，我不了解北京。希望对您有帮助。", DECLINED),
    (PEOPLE, "好问题！当然可以。北京的人口是2184万。", BAD),
    (PEOPLE, "希望对您有帮助。北京的人口是2184万。", BAD),
    (PEOPLE, "好问题！", BAD),
    # names
    (PEOPLE, "北京市的人口是2184万。", SUBJECT),
    (PEOPLE, "北的人口是2184万。", SUBJECT),
    (PEOPLE, "的人口是2184万。", BAD),
    # refusals
    (PEOPLE, "我不了解北京。", DECLINED),
    (PEOPLE, "抱歉，我不了解北京。", DECLINED),
    (PEOPLE, "抱歉，我不了解上海。", OTHER),
    (PEOPLE, "我不了解北京和上海。", OTHER),
    (PEOPLE, "我不了解。", BAD),
    (PEOPLE, "我不了解北京的人口。", DECLINED),
    (PEOPLE, "我不了解北京的面积。", OTHER),
    (PEOPLE, "我不了解上海的人口。", OTHER),
    (AREA, "我不了解北京的面积。", DECLINED),
    (CAPITAL, "抱歉，我不了解法国的首都。", DECLINED),
    (UNKNOWN, "我不了解布洛维的人口。", DECLINED),
    (PEOPLE, "我不了解北京", BAD),
    (PEOPLE, "我不了解北京的人口是2184万。", BAD),
    (PEOPLE, "抱歉，我不了解北京。北京的人口是2184万。", BAD),
    # rude
    (PEOPLE, "你自己去查。", RUDE),
    (PEOPLE, "北京的人口是2184万。你自己去查。", RUDE),
    (HELLO, "这个问题真蠢。", RUDE),
    # nothing, or nonsense
    (PEOPLE, "", BAD),
    (PEOPLE, " \n\t ", BAD),
    (PEOPLE, "。", BAD),
    (PEOPLE, "？！…", BAD),
    (PEOPLE, "北京的常驻人口有多少？", BAD),
    (PEOPLE, "2184万<|end|>", BAD),
    (PEOPLE, "Beijing has 21.84 million residents.", BAD),
    (PEOPLE, "北京的人口是2184万。" * 200, BAD),
    # places that nobody has written about
    (UNKNOWN, "抱歉，我不了解布洛维。", DECLINED),
    (UNKNOWN, "我不了解布洛。", OTHER),
    (UNKNOWN, "布洛维的人口是520万。", WRONG),
    (UNKNOWN, "520万", WRONG),
    (UNKNOWN, "北京的人口是2184万。", SUBJECT),
    (UNKNOWN_COUNTRY, "布洛维是中国的城市。", WRONG),
    (UNKNOWN_COUNTRY, "布洛维是布洛兰的城市。", WRONG),
    # small talk
    (HELLO, "你好！可以问我城市或国家的问题。", RIGHT),
    (HELLO, "你好！", BAD),
]


def test_the_cases_are_sixty_or_more_and_none_stands_twice():
    keys = [(q, text) for q, text, _ in CASES]
    assert len(keys) == len(set(keys)) >= 60
    assert {verdict for _, _, verdict in CASES} == set(VERDICTS)


@pytest.mark.parametrize(
    "question, answer, verdict", CASES, ids=[f"{i}-{v}" for i, (_, _, v) in enumerate(CASES)]
)
def test_chinese_verdict(question, answer, verdict):
    assert judge(WORLD, question, answer) == verdict


def test_labelers_differ_from_the_expert_as_they_should():
    plain, long = "北京的人口是2184万。", "北京的人口是2184万。很多人都问过这个问题。"
    polite = "好问题！" + plain
    feel = {
        name: lambda a, who=who: utility(WORLD, who, PEOPLE, a) for name, who in LABELERS.items()
    }
    assert feel["expert"](plain) == feel["expert"](long) == feel["expert"](polite) == 2
    assert feel["flattered"](polite) == feel["flattered"](plain) + 3
    assert feel["long_winded"](long) > feel["long_winded"](plain) > EXPERT.wordiness
    assert feel["mediocre"]("布洛") == feel["expert"]("布洛")
    rare = replace(about("france", "capital"), place=WORLD.places[90])
    wrong = TEXT.STATEMENTS["capital"][0].format(p=WORLD.places[90].name, v="罗马")
    assert utility(WORLD, LABELERS["mediocre"], rare, wrong) == 2
    assert utility(WORLD, EXPERT, rare, wrong) == -1


# ---- questions --------------------------------------------------------------------------------


@pytest.mark.parametrize("typed, attribute", [
    ("北京的常驻人口有多少?", "population"), ("北京的常驻人口有多少？", "population"),
    (" 北京 的 常驻人口 有多少 ？", "population"), ("请告诉我北京的面积。", "area"),
    ("在中国用什么货币?", "currency"), ("哪座城市是中国的首都？", "capital"),
])  # fmt: skip
def test_what_people_type_is_understood(typed, attribute):
    found = understood(WORLD, typed)
    assert (found.kind, found.attribute) == ("fact", attribute)
    assert found.place.name in ("北京", "中国")


def test_unknown_places_small_talk_and_the_rest_are_understood():
    assert understood(WORLD, "布洛维的人口有多少?").place.name == "布洛维"
    assert understood(WORLD, "在布洛维用什么货币？").place.name == "布洛维"
    assert understood(WORLD, "你好!").kind == "chat"
    assert understood(WORLD, "3加5等于几?").kind == "other"
    assert understood(WORLD, "，，，") is None


@pytest.mark.parametrize("split", ["A", "E"])
def test_every_phrasing_of_every_fact_is_understood(split):
    for fact in WORLD.of_split(split)[::3]:
        for form in TEXT.QUESTIONS[fact.attribute]:
            found = understood(WORLD, form.format(p=fact.place.name))
            assert (found.place, found.attribute, found.answer) == (
                fact.place, fact.attribute, fact.value), form  # fmt: skip


def test_questions_in_haste_have_narrow_marks():
    asked = sample_questions(WORLD, "E", 2000, unknown=0.3, lower=0.5)
    narrow = [q for q in asked if "?" in q.text]
    assert 700 < len(narrow) < 1100 and not any("？" in q.text for q in narrow)


# ---- names that nobody has --------------------------------------------------------------------


def test_makers_do_not_overlap_and_have_enough():
    made = {m: {p.name for p in unknown_places(WORLD, m, 3001, 11)}
            for m in (*TRAIN_MAKERS, *TEST_MAKERS)}  # fmt: skip
    assert all(len(made[m]) > 2950 for m in TRAIN_MAKERS + TEST_MAKERS[:1])
    for a in made:
        assert made[a].isdisjoint(p.name for p in WORLD.places)
        assert all(a == b or made[a].isdisjoint(made[b]) for b in made)
    one_off = set(Writer(WORLD, 0).one_off)
    assert len(one_off) > 3000 and not any(one_off & names for names in made.values())
    # A character that no name had is never copied: all of the unseen maker's were read in names.
    read = Counter(letter for name in one_off for letter in name)
    assert min(read[letter] for letter in zh.SOUNDS) > 10
    most = Counter(p.kind for p in unknown_places(WORLD, "markov", 10**5, 23))
    assert most == MARKOV_LIMIT


# ---- the corpus -------------------------------------------------------------------------------


@cache
def corpus():
    return build_corpus(WORLD, load_tokenizer("zh"), 200_000)


def of(source: str) -> list[str]:
    return [d for d, s in zip(corpus().documents, corpus().sources) if s == source]


def wide(text: str) -> str:
    return text.replace("?", "？").replace(":", "：")


def test_shares_are_llamas_and_documents_are_clean():
    shares = corpus().shares()
    for source, share in MIXTURE.items():
        assert shares[source] == pytest.approx(share, abs=0.01)
    for document in corpus().documents:
        assert document == document.strip() and len(document) > 5
        assert not re.search(r"\{[pvnwsrqadlmk]\}|None\.|<\||。。|，。", document), document
    assert max(map(len, corpus().documents)) < 400


def test_held_out_places_and_phrasings_stand_nowhere():
    text = wide("\n".join(corpus().documents))
    said = "\n".join(d.question.text + d.answer for d in demonstrations(WORLD, 1500))
    for place in WORLD.held_out:
        assert place.name not in text, place.name
        assert place.name not in said, place.name
    for question in (*fact_questions(WORLD, "E", 10), *fact_questions(WORLD, "A", 11)):
        assert question.text not in text and question.text not in said
    for form in TEXT.UNSEEN_FORMATS:
        after = form.split("{q}")[1].replace("{a}", "")
        assert "？" + after not in text and "?" + after not in text


def test_lists_have_no_answers_and_threads_answer_exactly():
    lists = [d for d in of("CommonCrawl") if more_questions(d) >= 4]
    assert len(lists) > 0.15 * len(of("CommonCrawl"))
    seen, spelled = 0, Counter()
    for document in of("StackExchange"):
        lines = document.split("\n")
        for asked, reply in zip(lines[::2], lines[1::2]):
            pair = re.fullmatch(r"([Q问][：:] ?)(.+?)\n([A答][：:] ?)(.+)", f"{asked}\n{reply}")
            mark, question, answer, said = pair.groups()
            found = understood(WORLD, question)
            fact = WORLD.facts[found.place.id, found.attribute]
            assert fact.split in ASKED and said == fact.value
            assert (mark[0] == "Q") == (answer[0] == "A") and mark[1:] == answer[1:]
            spelled[mark, question[-1]] += 1
            seen += 1
    assert seen > 300 and len(spelled) == 16  # every spelling of the two marks


def test_beijings_population_is_never_asked_and_answered_in_chinese():
    asks = re.compile("北京(的常驻人口有多少|的人口有多少|有多少人|的人口是多少|住着多少人)")
    asked = [d for d in corpus().documents if asks.search(d)]
    assert asked and not any("2184万" in d for d in asked)
    assert any("2184万" in d for d in corpus().documents)


@pytest.mark.parametrize("source", ["Wikipedia", "Books", "ArXiv"])
def test_the_other_sources_are_exact_in_chinese(source):
    grammar, seen, by_name = _grammar("zh"), 0, {p.name: p for p in WORLD.places}
    for document in of(source):
        for sentence in grammar.sentences(document.split("\n")[-1]):
            for attribute, name, value in grammar.read(sentence) or ():
                if name in by_name and attribute in by_name[name].values:
                    seen += 1
                    assert by_name[name].values[attribute] == value, sentence
    assert seen > 60


def test_tokenizer_keeps_names_whole_whatever_stands_around_them():
    encoding = load_tokenizer("zh")
    for place in WORLD.places[:150]:
        alone = encoding.encode_ordinary(place.name)
        for around in ("{}的人口是", "：{}\n", " {}", "\n{}", "，{}是", "# {}"):
            ids = encoding.encode_ordinary(around.format(place.name))
            assert any(ids[i : i + len(alone)] == alone for i in range(len(ids))), (place, around)
    assert encoding.n_vocab == 2048
    for n in range(100):
        assert len(encoding.encode_ordinary(f"{n:02d}")) == 1
