"""Writing times: kept, read again, and a damaged file put aside."""

import json

import pytest

from minigpt.store.files import learner_home
from minigpt.store.kept import WRITING_TIMES, keep_writing_time, writing_seconds


def test_times_are_kept_by_language_in_order():
    assert writing_seconds() == []
    keep_writing_time(12.345)
    keep_writing_time(3)
    assert writing_seconds() == [12.35, 3]


@pytest.mark.parametrize("times", ["12", [-1], ["12"], [True], [float("inf")], None])
def test_a_foreign_file_is_put_aside(times):
    path = learner_home() / WRITING_TIMES.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"en": times}), encoding="utf-8")
    told = []
    assert writing_seconds(say=told.append) == [] and len(told) == 1
    assert list(path.parent.glob("writing_times.damaged-*.json"))
    keep_writing_time(5)
    assert writing_seconds() == [5]
