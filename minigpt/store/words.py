"""The course's words in the language of a notebook: `_("Ask")` stands where the word is used.

A catalogue a language lies in data/words/, in gettext's form (.po); a translator needs no program
of ours to change it. English is what stands in the code; its catalogue lists it, with no
translations. `python3 -m minigpt words` brings the catalogues up to date with the code.
"""

import ast
import locale
import os
import re
from pathlib import Path

CATALOGUES = Path(__file__).parents[1] / "data" / "words"
_in_use = {"lang": "en", "words": {}}


def read_catalogue(path: Path) -> dict[str, str]:
    """What a .po file translates: {text: its translation, "" where there is none yet}."""
    quoted = r'((?:\s*"(?:[^"\\]|\\.)*")+)\s*'
    text = path.read_text(encoding="utf-8")
    found = {
        ast.literal_eval(f"({said.strip()})"): ast.literal_eval(f"({translated.strip()})")
        for said, translated in re.findall(rf"^msgid{quoted}^msgstr{quoted}", text, re.M)
    }
    found.pop("", None)  # the header
    return found


def page_words(html: str) -> list[str]:
    """The words of the page for browsers: its texts, its labels, and the table of its scripts."""
    shown = re.sub(r"(?s)<pre>.*?</pre>|<a [^>]*lang=[^>]*>.*?</a>", "", html)
    text = r">(?!\s*\{)\s*([^<>]*?[A-Za-z][^<>]*?)\s*<"
    said = re.findall(rf'{text}|aria-label="([^"]*)"|"((?:[^"\\]|\\.)*)"(?=\s*[],}}])', shown)
    return list(dict.fromkeys("".join(parts).replace('\\"', '"') for parts in said))


def use_language(lang: str) -> None:
    """From now on `_` speaks this language. ValueError where it has no catalogue."""
    path = CATALOGUES / f"{lang}.po"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CATALOGUES.glob("*.po")))
        raise ValueError(f"there is no language {lang!r}: choose one of {known}")
    _in_use.update(lang=lang, words=read_catalogue(path))


def system_language() -> str:
    """The language that this computer speaks where the course has it, "en" elsewhere."""
    said = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    said = (said or locale.getlocale()[0] or "").lower()
    said = "zh" if said.startswith("chinese") else said[:2]  # Windows says Chinese (Simplified)
    return said if (CATALOGUES / f"{said}.po").is_file() else "en"


def language() -> str:
    """The language that is in use, such as "en"."""
    return _in_use["lang"]


def _(text: str, /, **values) -> str:
    """The text in the language in use, as it is where there is no translation; its gaps in braces
    are filled with the values, where some are given."""
    said = _in_use["words"].get(text) or text
    return said.format(**values) if values else said
