"""Reading requirements and comparing versions, against packaging where pytest brought it."""

import itertools
import sys

import pytest

from minigpt.setup import packages
from minigpt.store.files import ROOT

VERSIONS = ["2", "2.0", "2.6", "2.6.0", "2.13.0", "2.14", "2.14.1", "10.0", "0.9.6"]


def test_comparisons_agree_with_packaging():
    specifiers = pytest.importorskip("packaging.specifiers")
    for have, want in itertools.product(VERSIONS, VERSIONS):
        for sign, compare in packages.COMPARE.items():
            ours = compare(packages.parse_version(have), packages.parse_version(want))
            assert ours == specifiers.SpecifierSet(f"{sign}{want}").contains(have), (
                have,
                sign,
                want,
            )


def test_local_versions_and_prereleases_count_as_their_release():
    assert packages.parse_version("2.13.0+cpu") == (2, 13)
    assert packages.parse_version("8.0.0rc1") == (8,)  # 8.0.0


def test_requirement_lines():
    assert packages.parse_requirement("torch>=2.6,<2.14") == (
        "torch",
        [(">=", "2.6"), ("<", "2.14")],
    )
    assert packages.parse_requirement("numpy") == ("numpy", [])
    for bad in ("", "torch ~= 2.6", "torch>=two", "a b", "-r other.txt"):
        with pytest.raises(ValueError):
            packages.parse_requirement(bad)


def test_comments_and_options_are_left_out(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# all\n--option x\n\nnumpy>=2  # numbers\ntorch\n", encoding="utf-8")
    assert packages.read_requirements(file) == ["numpy>=2", "torch"]


def test_missing_names_absent_and_unfit(monkeypatch):
    have = {"torch": "2.13.0+cpu", "numpy": "1.26.4"}
    monkeypatch.setattr(packages, "installed_version", have.get)
    asked = ["torch>=2.6,<2.14", "numpy>=2.0.2", "tiktoken"]
    assert packages.missing(asked) == ["numpy>=2.0.2", "tiktoken"]
    have["torch"] = "2.14.0"
    assert packages.missing(asked[:1]) == asked[:1]


def test_installed_version_of_pytest_and_of_nothing():
    assert packages.installed_version("pytest") == pytest.__version__
    assert packages.installed_version("no-such-distribution-at-all") is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with 3.11")
def test_extras_are_read_as_toml_reads_them():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name, lines in extras["project"]["optional-dependencies"].items():
        assert packages.read_extra(ROOT / "pyproject.toml", name) == lines
    with pytest.raises(ValueError, match="no list 'nothing'"):
        packages.read_extra(ROOT / "pyproject.toml", "nothing")
