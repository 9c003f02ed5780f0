"""What is counted of a mixture agrees with the corpus and with what its writers are told; the
explorer shows it: sliders, bad mixtures."""

import pytest

from minigpt.lessons.pretraining import mixture as module
from minigpt.lessons.pretraining.mixture import (
    MixtureExplorer,
    Tally,
    beginning,
    count_mixture,
    is_list,
    mixture_table,
)
from minigpt.world.corpus import CARELESS, LISTS, MIXTURE, WRONG, Writer
from minigpt.world.facts import load_world

WORLD = load_world("en")
ROWS = {row.source: row for row in count_mixture(WORLD)}
MOVED = "The mixture has changed: press “Write and measure”."


def test_a_row_a_source_and_one_for_the_whole():
    assert list(ROWS) == [*MIXTURE, ""]
    sources = [row for row in ROWS.values() if row.source]
    assert sum(row.tokens for row in sources) == pytest.approx(1)
    assert sum(row.documents for row in sources) == pytest.approx(1)
    for row in sources:
        assert row.tokens == pytest.approx(MIXTURE[row.source], abs=0.005)
    whole = ROWS[""]
    assert whole.tokens == whole.documents == 1
    assert whole.lists == pytest.approx(sum(r.documents * r.lists for r in sources))
    assert min(r.exact for r in sources) < whole.exact < max(r.exact for r in sources)


def test_only_the_crawl_has_lists_and_careless_or_wrong_values():
    assert ROWS["CommonCrawl"].lists == pytest.approx(LISTS, abs=0.03)
    for source, row in ROWS.items():
        if source:
            assert (row.careless > 0) == (source in CARELESS)
            assert (row.wrong > 0) == (source in WRONG)
            assert (row.lists > 0) == (source == "CommonCrawl")
    for source, share in CARELESS.items():  # quizzes are exact, so somewhat fewer
        assert 0.75 * share < ROWS[source].careless < share + 0.05


def test_the_tally_finds_each_value_that_is_not_true():
    tally, plain = Tally(WORLD, 3), Writer(WORLD, 3)
    facts = WORLD.of_split("A", "V", "E")
    written = [tally.value(fact, "CommonCrawl") for fact in facts]
    assert written == [plain.value(fact, "CommonCrawl") for fact in facts]  # it only counts
    untrue = sum(value != fact.value for value, fact in zip(written, facts))
    assert tally.counts["careless"] + tally.counts["wrong"] == untrue > 100


def test_the_tally_counts_every_statement():
    tally, plain = Tally(WORLD, 4), Writer(WORLD, 4)
    for source in MIXTURE:
        counts = tally.count(source, 50)
        stated = [fact for _ in range(50) for fact in plain.write(source)[1]]
        assert counts["figures"] + counts["others"] == len(stated) > 0


def test_more_lists_leave_fewer_statements_but_no_less_truth():
    many = {row.source: row for row in count_mixture(WORLD, {"CommonCrawl": 1}, lists=0.9)}
    assert list(many) == ["CommonCrawl", ""]
    assert many["CommonCrawl"].lists == pytest.approx(0.9, abs=0.02)
    assert many["CommonCrawl"].careless == pytest.approx(ROWS["CommonCrawl"].careless, abs=0.12)
    none = count_mixture(WORLD, {"CommonCrawl": 1}, lists=1.0, tokens=5000)[0]
    assert none.lists == 1 and none.exact is none.careless is none.wrong is None


def test_what_a_list_is():
    assert is_list(WORLD, "\n".join(["Where is Rome?"] * 4))
    assert is_list(WORLD, "\n".join([WORLD.text.LIST_HEADERS[0], *["Where is Rome?"] * 4]))
    assert not is_list(WORLD, "\n".join(["Where is Rome?"] * 3))
    assert not is_list(WORLD, "\n".join(["Where is Rome?"] * 4 + ["Italy"]))


def test_the_same_seed_counts_the_same():
    assert count_mixture(WORLD, seed=1, tokens=9000, read=5) == count_mixture(
        WORLD, seed=1, tokens=9000, read=5
    )


def test_bad_mixtures_are_named():
    with pytest.raises(ValueError, match="not all 0"):
        count_mixture(WORLD, {"Books": 0})


@pytest.fixture
def explorer():
    return MixtureExplorer(WORLD)


@pytest.fixture
def counted(monkeypatch):
    """Counts on a tiny corpus instead; the mixtures that were asked for are returned."""
    asked = []

    def count(world, mixture, lists):
        asked.append((mixture, lists))
        return count_mixture(world, mixture, lists, tokens=10_000, read=10)

    monkeypatch.setattr(module, "count_mixture", count)
    return asked


def test_it_opens_at_llamas_mixture(explorer):
    assert explorer.mixture() == pytest.approx(MIXTURE)
    assert explorer.lists.value == pytest.approx(100 * LISTS)
    assert explorer.labels["CommonCrawl"].value == "67.0%"


def test_shares_are_normalised_and_shown_at_once(explorer):
    for slider in explorer.sliders.values():
        slider.value = 0
    explorer.sliders["Books"].value, explorer.sliders["C4"].value = 30, 90
    assert explorer.mixture() == {**dict.fromkeys(MIXTURE, 0), "Books": 0.25, "C4": 0.75}
    assert explorer.labels["Books"].value == "25.0%"
    assert explorer.status.value == MOVED and explorer.shown.value == ""


def test_measure_writes_the_mixture_of_the_sliders(explorer, counted):
    for source in MIXTURE:
        explorer.sliders[source].value = 50 if source in ("CommonCrawl", "Books") else 0
    explorer.lists.value = 45
    explorer.measure_button.click()
    ((mixture, lists),) = counted
    assert mixture["Books"] == 0.5 and mixture["C4"] == 0 and lists == pytest.approx(0.45)
    shown = explorer.shown.value
    assert "<table" in shown and "Books" in shown and "Wikipedia" not in shown
    assert "all of it" in shown and "Measured on a corpus of" in explorer.status.value
    explorer.sliders["C4"].value = 10
    assert explorer.status.value == MOVED  # the table below is of the earlier mixture


def test_nothing_in_the_mixture_is_explained(explorer, counted):
    explorer.measure_button.click()
    for slider in explorer.sliders.values():
        slider.value = 0
    assert "All sources are at 0" in explorer.status.value
    explorer.measure_button.click()
    assert "All sources are at 0" in explorer.status.value and explorer.shown.value == ""
    assert len(counted) == 1
    explorer.reset_button.click()
    assert explorer.mixture() == pytest.approx(MIXTURE)


def test_the_table_has_what_was_counted(counted):
    table = mixture_table(WORLD)
    rows = count_mixture(WORLD, None, LISTS, 0, tokens=10_000, read=10)
    assert [row[0] for row in table.rows] == [*MIXTURE, "all of it"]
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
