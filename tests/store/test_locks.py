"""Locks that go with their process, and what killed writes left behind."""

import math
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest

from minigpt.store import files
from minigpt.store.files import ROOT, Problem, locked
from minigpt.store.kept import Kept, alone

HOLD = """
import sys, time
from pathlib import Path
from minigpt.store.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path):
    """Another process that has the lock until its input is closed."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    try:
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


def test_another_process_is_named_and_its_lock_goes_with_it(tmp_path):
    path = tmp_path / "folder" / "x.lock"
    with holder(path) as child:
        with pytest.raises(
            Problem, match=f"taken by process {child.pid}, since [0-9][0-9]:[0-9][0-9]"
        ):
            with locked(path, said="taken by WHO"):
                pytest.fail("two had it")
        assert path.is_file()  # the one who was refused takes nothing away
    assert not path.exists()
    with locked(path):
        assert path.is_file()
    assert not path.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path):
    path = tmp_path / "x.lock"
    with holder(path) as child:
        child.kill()
        child.wait()
        assert path.is_file()  # what is left is a file that nobody has
        with locked(path):
            pass
        assert not path.exists()


def test_who_waits_says_it_once_and_gets_it_when_the_other_is_done(tmp_path, monkeypatch):
    path, told = tmp_path / "x.lock", []
    with holder(path) as child:

        def said(text: str, **_) -> None:
            told.append(text)
            child.stdin.close()

        monkeypatch.setattr(files, "print", said, raising=False)
        with locked(path, math.inf, "waiting for WHO"):
            child.wait()
            assert path.is_file()
    assert len(told) == 1 and told[0].startswith(f"waiting for process {child.pid}, ")
    assert not path.exists()


def test_threads_take_turns_and_none_is_lost(tmp_path):
    path, seen, inside = tmp_path / "x.lock", [], []

    def work(n: int) -> None:
        for _ in range(10):
            with locked(path, math.inf):
                inside.append(n)
                seen.append(len(inside))
                inside.remove(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 40 and list(tmp_path.iterdir()) == []


def test_a_lock_that_is_freed_while_its_owner_is_asked_for_is_taken(tmp_path, monkeypatch):
    path, read, took = tmp_path / "x.lock", type(tmp_path).read_text, []
    with ExitStack() as other:
        other.enter_context(locked(path))

        def free(self, **options):
            other.close()  # its owner removes it at this moment
            return read(self, **options)

        monkeypatch.setattr(type(tmp_path), "read_text", free)
        with locked(path, math.inf):
            took.append(path.is_file())
    assert took == [True] and not path.exists()


def test_where_there_are_no_locks_the_work_is_done(tmp_path, monkeypatch):
    def none(path):
        raise OSError(38, "no locks here")

    monkeypatch.setattr(files, "take", none)
    done = []
    with locked(tmp_path / "x.lock"):
        done.append(1)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with locked(tmp_path / "file" / "x.lock"):  # no folder can be made there
        done.append(2)
    assert done == [1, 2]


def test_what_killed_writes_left_goes_with_the_next_one_and_nothing_else(home):
    home.mkdir()
    left = home / ".clicks.json.0123abcd.tmp"
    others = [home / name for name in (
        ".other.json.0123abcd.tmp", "clicks.json.0123abcd.tmp", ".clicks.json.damaged.tmp",
        ".clicks.json.tmp", ".my.clicks.json.0123abcd.tmp",
    )]  # fmt: skip
    for file in (left, *others):
        file.write_bytes(b"half")
    Kept("clicks.json", lambda c: True).change(lambda c: c.update(a=1))
    assert sorted(home.iterdir()) == sorted([home / "clicks.json", *others])


def test_a_name_is_no_pattern(tmp_path):
    other = tmp_path / ".ab.0123abcd.tmp"
    other.write_bytes(b"")
    with alone(tmp_path / "a[b]"):
        assert other.is_file()
    with alone(tmp_path / "*"):
        assert other.is_file()


def test_half_of_a_surrogate_pair_that_was_typed_is_kept_as_a_mark(home):
    file = Kept("clicks.json", lambda c: True)
    file.change(lambda c: c.update(typed="a\ud800b"))
    assert file.read() == {"typed": "a?b"}
