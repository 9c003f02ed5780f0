"""Which packages a requirements file asks for, and which of them this Python lacks.

The standard library has no reader of requirements, and nothing else is installed yet. Ours knows
what our files use: `name`, then comma-separated comparisons of plain versions. pip does the rest.
"""

from __future__ import annotations

import operator
import re
from importlib import metadata
from pathlib import Path

COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def parse_version(text: str) -> tuple[int, ...]:
    """'2.13.0+cpu' -> (2, 13): numbers of the release, without zeros at the end."""
    numbers = [int(n) for n in re.match(r"[\d.]*", text.strip()).group().split(".") if n]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def parse_requirement(line: str) -> tuple[str, list[tuple[str, str]]]:
    """'torch>=2.6,<2.14' -> ('torch', [('>=', '2.6'), ('<', '2.14')]). ValueError if not so."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(.*)", line.strip())
    if not match:
        raise ValueError(f"not a requirement: {line!r}")
    conditions = []
    for part in filter(None, (part.strip() for part in match.group(2).split(","))):
        comparison = re.fullmatch(r"(>=|<=|==|!=|>|<)\s*(\d[\w.+!]*)", part)
        if not comparison:
            raise ValueError(f"cannot read {part!r} in the requirement {line!r}")
        conditions.append(comparison.groups())
    return match.group(1), conditions


def read_requirements(file: Path) -> list[str]:
    """The requirement lines of a file: no comments, no options of pip."""
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [line for line in lines if line and not line.startswith("-")]


def read_extra(pyproject: Path, name: str) -> list[str]:
    """The requirements of an extra in pyproject.toml: Python 3.10 has no reader of TOML."""
    text = pyproject.read_text(encoding="utf-8")
    found = re.search(rf"^{name} = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise ValueError(f"{pyproject} has no list {name!r}")
    return re.findall(r'"([^"]+)"', found.group(1))


def installed_version(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def missing(requirements: list[str]) -> list[str]:
    """Those requirements that the running Python does not meet."""
    lacking = []
    for line in requirements:
        name, conditions = parse_requirement(line)
        version = installed_version(name)
        if version is None or not all(
            COMPARE[sign](parse_version(version), parse_version(wanted))
            for sign, wanted in conditions
        ):
            lacking.append(line)
    return lacking
