"""The table of places: what is collected, and that README shows what is kept."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

SPEC = importlib.util.spec_from_file_location("places", Path(__file__).with_name("table.py"))
places = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(places)


def item(name: str, place: str | None = None, stem: str = "") -> SimpleNamespace:
    """What the plugin reads of a test."""
    mark = place and SimpleNamespace(args=(place,))
    callspec = SimpleNamespace(params={"path": Path(stem + ".ipynb")})
    return SimpleNamespace(
        nodeid=name, get_closest_marker=lambda _: mark, callspec=callspec, user_properties=[]
    )


def report(item: SimpleNamespace, outcome: str, when: str = "call") -> SimpleNamespace:
    kinds = {kind: kind == outcome for kind in ("passed", "failed", "skipped")}
    return SimpleNamespace(user_properties=item.user_properties, when=when, **kinds)


@pytest.mark.parametrize("outcomes, expected", [
    ([("passed", "call")], {"Lab": {"02_x": True}}),
    ([("passed", "call"), ("failed", "teardown")], {"Lab": {"02_x": False}}),
    ([("failed", "setup")], {"Lab": {"02_x": False}}),
    ([("failed", "call"), ("passed", "call")], {"Lab": {"02_x": False}}),  # two tests, one place
    ([("skipped", "setup")], {}), ([("passed", "setup")], {}),
])  # fmt: skip
def test_a_notebook_passes_where_all_its_tests_do(outcomes, expected):
    plugin = places.Places()
    plugin.pytest_collection_modifyitems([placed := item("a", "Lab", "02_x"), other := item("b")])
    for outcome, when in outcomes:
        plugin.pytest_runtest_logreport(report(placed, outcome, when))
        plugin.pytest_runtest_logreport(report(other, "failed"))
    assert plugin.found == expected


def test_nbval_runs_are_a_place():
    assert places.place_and_notebook(item("notebooks/en/03_y.ipynb::Cell 2")) == (
        places.NBVAL, "03_y"
    )  # fmt: skip


def test_a_new_run_replaces_its_own_cells_only():
    kept = {"Lab": {"run": "2026-01-01", "passed": {"00_a": True, "01_b": True}},
            "PDF": {"run": "2026-01-01", "passed": {"00_a": True}}}  # fmt: skip
    new = places.merged(kept, {"Lab": {"01_b": False}}, "2026-02-02")
    assert new["PDF"] == kept["PDF"]
    assert new["Lab"] == {"run": "2026-02-02", "passed": {"00_a": True, "01_b": False}}
    rows = places.readme_part(new).splitlines()
    assert "| place | 00 | 01 | last run |" in rows
    assert "| Lab | yes | no | 2026-02-02 |" in rows and "| PDF | yes |  | 2026-01-01 |" in rows


def test_readme_shows_what_is_kept():
    assert places.readme_part(places.read()) in places.README.read_text(encoding="utf-8")
