"""The mixture explorer without a kernel: sliders, clicks, bad mixtures, and its static table."""

import IPython.display
import pytest

from minigpt.lessons.pretraining import mixture_explorer as module
from minigpt.lessons.pretraining.mixture import count_mixture
from minigpt.lessons.pretraining.mixture_explorer import (
    SIZES,
    TEXT,
    MixtureExplorer,
    beginning,
    explore_mixture,
    mixture_table,
)
from minigpt.show.table import Table
from minigpt.world.corpus import LISTS, MIXTURE
from minigpt.world.facts import load_world

CLICK = {"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []}
WORLD, WORDS = load_world("en"), TEXT["en"]


@pytest.fixture
def explorer():
    return MixtureExplorer(WORLD)


@pytest.fixture
def counted(monkeypatch):
    """Counts on a tiny corpus instead; the mixtures that were asked for are returned."""
    asked = []

    def count(world, mixture, lists, seed):
        asked.append((mixture, lists))
        return count_mixture(world, mixture, lists, seed, tokens=10_000, read=10)

    monkeypatch.setattr(module, "count_mixture", count)
    return asked


def test_it_opens_at_llamas_mixture(explorer):
    assert explorer.mixture() == pytest.approx(MIXTURE)
    assert explorer.lists.value == pytest.approx(100 * LISTS)
    assert "67.0%: 2.2 million tokens" in explorer.labels["CommonCrawl"].value


def test_shares_are_normalised_and_shown_at_once(explorer):
    for slider in explorer.sliders.values():
        slider.value = 0
    explorer.sliders["Books"].value, explorer.sliders["C4"].value = 30, 90
    assert explorer.mixture() == {**dict.fromkeys(MIXTURE, 0), "Books": 0.25, "C4": 0.75}
    explorer.size.value = SIZES["1.2 million"]
    assert explorer.labels["Books"].value == "25.0%: 300 thousand tokens"
    assert explorer.status.value == WORDS["moved"] and explorer.results.value == ""


def test_measure_writes_the_mixture_of_the_sliders(explorer, counted):
    for source in MIXTURE:
        explorer.sliders[source].value = 50 if source in ("CommonCrawl", "Books") else 0
    explorer.lists.value = 45
    explorer.measure_button._handle_msg(CLICK)  # a click from the browser
    ((mixture, lists),) = counted
    assert mixture["Books"] == 0.5 and mixture["C4"] == 0 and lists == pytest.approx(0.45)
    shown = explorer.results.value
    assert "<table" in shown and "Books" in shown and "Wikipedia" not in shown
    assert WORDS["whole"] in shown and "Measured on a corpus of" in explorer.status.value
    explorer.sliders["C4"].value = 10
    assert explorer.status.value == WORDS["moved"]  # the table below is of the earlier mixture


def test_nothing_in_the_mixture_is_explained(explorer, counted):
    explorer.measure_button.click()
    for slider in explorer.sliders.values():
        slider.value = 0
    assert "All sources are at 0" in explorer.status.value
    explorer.measure_button.click()
    assert "All sources are at 0" in explorer.status.value and explorer.results.value == ""
    assert len(counted) == 1
    explorer.reset_button.click()
    assert explorer.mixture() == pytest.approx(MIXTURE)


def test_an_unexpected_error_becomes_a_sentence(explorer, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(module, "mixture_table", fail)
    explorer.measure_button.click()
    assert "did not work: out of &lt;memory&gt;" in explorer.status.value


def test_another_document_of_the_picked_source(explorer):
    assert explorer.sample.value.count("<div") == 1
    explorer.source.value = "StackExchange"
    first = explorer.sample.value
    assert "Q: " in first and "<br>A: " in first
    explorer.sample_button.click()
    assert "Q: " in explorer.sample.value and explorer.sample.value != first
    again = MixtureExplorer(WORLD)
    again.source.value = "StackExchange"
    assert again.sample.value == first


def test_documents_are_escaped(explorer, monkeypatch):
    explorer.endless["CommonCrawl"] = iter(['<img src=x onerror="alert(1)">'])
    explorer.sample_button.click()
    assert "<img" not in explorer.sample.value and "&lt;img" in explorer.sample.value


def test_the_table_has_what_was_counted(counted):
    table = mixture_table(WORLD)
    rows = count_mixture(WORLD, None, LISTS, 0, tokens=10_000, read=10)
    assert [row[0] for row in table.rows] == [*MIXTURE, WORDS["whole"]]
    for shown, row in zip(table.rows, rows):
        wanted = (row.tokens, row.documents, row.lists, row.exact, row.careless, row.wrong)
        assert shown[1:7] == [f"{share:.1%}" for share in wanted]
    assert all(row[7] for row in table.rows[:-1]) and table.rows[-1][7] == ""
    assert all(len(row[7]) < 100 for row in table.rows)
    assert len(mixture_table(WORLD, samples=False).header) == 7


def test_a_beginning_says_that_there_is_more():
    assert beginning("one\ntwo") == "one\ntwo"
    assert beginning("1\n2\n3\n4") == "1\n2\n3 …"
    assert beginning("word " * 40, characters=12) == "word word …"


def test_explore_mixture_displays_the_table_first_then_the_widget(counted, monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda x: shown.append(x))
    assert explore_mixture() is None
    assert isinstance(shown[0], Table) and "VBox" in type(shown[1]).__name__
    assert len(shown) == 2


def test_a_language_without_a_world_prints_a_sentence(capsys):
    explore_mixture("xx")
    assert "no world in the language 'xx'" in capsys.readouterr().out


def test_controls_have_words_beside_them(explorer):
    controls = [*explorer.sliders.values(), explorer.lists, explorer.size, explorer.source]
    controls += [explorer.measure_button, explorer.reset_button, explorer.sample_button]
    assert all(control.description for control in controls)
    assert len({frozenset(words) for words in TEXT.values()}) == 1  # every language has every word
