"""Brings the catalogues in data/words/ up to date with the strings of `_()` in the code."""

import ast
import json
from pathlib import Path

from minigpt.setup.common import option_parser
from minigpt.store.files import PROGRAM, ROOT, Problem, atomic_write
from minigpt.store.words import CATALOGUES, page_words, read_catalogue

ENVIRONMENT = None


def strings(package: Path = ROOT / "minigpt") -> dict[str, str]:
    """{text: the file that uses it first} of every `_("…")`, in the order of files and lines, and
    then of the words of the page for browsers.

    ValueError where `_` is given anything but one plain string: no catalogue could hold it.
    """
    found: dict[str, str] = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_"):
                continue
            text = node.args[0] if len(node.args) == 1 else None
            if not (isinstance(text, ast.Constant) and isinstance(text.value, str)):
                raise ValueError(f"{name}:{node.lineno}: _() takes one plain string")
            found.setdefault(text.value, name)
    for page in sorted(package.rglob("page/*.html")):
        for text in page_words(page.read_text(encoding="utf-8")):
            found.setdefault(text, page.relative_to(package.parent).as_posix())
    return found


def catalogue(lang: str, found: dict[str, str], kept: dict[str, str]) -> bytes:
    """The .po file with these strings; translations that are there are kept."""
    head = f'msgid ""\nmsgstr "Language: {lang}\\nContent-Type: text/plain; charset=UTF-8\\n"\n'
    quote = lambda text: json.dumps(text, ensure_ascii=False)  # noqa: E731  as gettext escapes
    entries = (
        f"\n#: {name}\nmsgid {quote(text)}\nmsgstr {quote(kept.get(text, ''))}\n"
        for text, name in found.items()
    )
    return (head + "".join(entries)).encode("utf-8")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("words", __doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    check, found = parser.parse_args(argv).check, strings()
    for path in sorted(CATALOGUES.glob("*.po")):
        new = catalogue(path.stem, found, read_catalogue(path))
        if path.read_bytes() == new:
            continue
        if check:
            raise Problem(f"{path} is not what the code says: run `{PROGRAM} words`")
        atomic_write(path, new)
        print(f"{path.name}: {len(found)} strings")
    return 0
