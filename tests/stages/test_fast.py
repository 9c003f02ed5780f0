"""A twentieth of the steps under MINIGPT_FAST."""

import pytest

from minigpt.stages.fast import fast, shorten


@pytest.mark.parametrize(
    "value, is_fast", [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)]
)
def test_shorten_follows_the_environment(monkeypatch, value, is_fast):
    monkeypatch.delenv("MINIGPT_FAST", raising=False)
    if value is not None:
        monkeypatch.setenv("MINIGPT_FAST", value)
    assert fast() is is_fast
    assert shorten(400) == (20 if is_fast else 400)
    assert shorten(10, least=4) == (4 if is_fast else 10)
