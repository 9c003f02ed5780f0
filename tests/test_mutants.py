"""Each mutant of tests/mutants.py is noticed by the tests named there, which pass without it.

A few of them are in the ordinary run, all of them in `test --all`.
"""

import os

import pytest

from mutants import EQUIVALENT, MUTANTS, Runs, copy_of, mutated, named_tests, place_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork and few links")
slow = pytest.mark.slow


def named(mutants):
    """As parameters, each with its words as its name."""
    return [
        pytest.param(m, id=m.wrong.replace(" ", "_"), marks=[] if m.often else slow)
        for m in mutants
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return copy_of(tmp_path_factory.mktemp("mutants"))


@pytest.fixture(scope="module")
def runs(folder):
    with Runs(folder) as runs:
        yield runs


def test_every_mutant_applies_and_its_tests_are_there():
    gone = []
    for mutant in (*MUTANTS, *EQUIVALENT):
        try:
            named_tests(mutant.tests, place_of(mutant.old))
        except LookupError as error:
            gone.append(f"“{mutant.wrong}”: {error}")
    assert not gone, "\n" + "\n".join(gone)
    assert len({(m.old, m.new) for m in MUTANTS}) == len(MUTANTS) >= 80


@pytest.mark.parametrize("mutant", named(MUTANTS))
def test_the_mutant_is_noticed(mutant, folder, runs, tried):
    with mutated(folder, mutant) as tests:
        status, said = runs.run(tests)
    assert status == 1, f"{mutant.wrong}: not noticed by {tests}\n{said}"
    tried("mutants")


@pytest.mark.parametrize("mutant", named(EQUIVALENT))
def test_what_computes_the_same_is_not_noticed(mutant, folder, runs, tried):
    with mutated(folder, mutant) as tests:
        status, said = runs.run(tests)
    assert status == 0, f"{said}\nIt is not so that {mutant.wrong}"
    tried("equivalent")


@slow
def test_without_a_mutant_these_tests_pass(folder, runs):
    every = {test for m in MUTANTS for test in named_tests(m.tests, place_of(m.old))}
    status, said = runs.run(sorted(every))
    assert status == 0, said
