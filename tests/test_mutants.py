"""Each mutant of tests/mutants.py is noticed by the tests named there, which pass without it."""

import os

import pytest

from mutants import MUTANTS, copy_of, mutate, named_tests, place_of, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="not everybody may make links on Windows"),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.wrong.replace(" ", "_"))
def test_the_mutant_is_noticed(mutant, tmp_path):
    folder = copy_of(tmp_path)
    try:
        tests = mutate(folder, mutant)
    except LookupError as error:
        pytest.fail(f"the mutant “{mutant.wrong}” no longer applies: {error}")
    done = run(folder, tests)
    assert done.returncode == 1, f"{mutant.wrong}: not noticed by {tests}\n{done.stdout[-2000:]}"


def test_without_a_mutant_these_tests_pass(tmp_path):
    named = {test for m in MUTANTS for test in named_tests(m.tests, place_of(m.old))}
    done = run(copy_of(tmp_path), sorted(named))
    assert done.returncode == 0, done.stdout[-2000:]
