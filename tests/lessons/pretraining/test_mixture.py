"""What is counted of a mixture agrees with the corpus and with what its writers are told."""

import pytest

from minigpt.lessons.pretraining.mixture import Tally, count_mixture, is_list
from minigpt.world.corpus import CARELESS, LISTS, MIXTURE, WRONG, Writer
from minigpt.world.facts import load_world

WORLD = load_world("en")
ROWS = {row.source: row for row in count_mixture(WORLD)}


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
            assert row.exact + row.careless == pytest.approx(1)
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
