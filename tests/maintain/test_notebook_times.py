"""The notebooks' times: every edition that is there is run once, in order."""

from minigpt.maintain import notebook_times


def test_times_are_measured_for_the_editions_that_are_there(tmp_path, monkeypatch, capsys):
    ran = []
    for stem in ("01_next", "00_start"):
        (tmp_path / f"{stem}.ipynb").write_text('{"cells": []}', encoding="utf-8")
    monkeypatch.setattr(notebook_times, "folders", lambda lang: (None, tmp_path))
    monkeypatch.setattr(notebook_times, "execute", lambda notebook, name: ran.append(name))
    found = notebook_times.measure("en")
    assert list(found) == ran == ["00_start", "01_next"]
    assert all(seconds >= 0 for seconds in found.values())
    assert "en/01_next: 0 s" in capsys.readouterr().out
