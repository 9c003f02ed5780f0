"""`bench`: the arithmetic of two programs in turns, on runs whose times are made up."""

import importlib.util
import json

import pytest

from minigpt.maintain import bench
from minigpt.store.files import Problem

spec = importlib.util.spec_from_file_location("side_by_side", bench.FOLDER / "side_by_side.py")
side_by_side = importlib.util.module_from_spec(spec)
spec.loader.exec_module(side_by_side)
Run = side_by_side.Run
KEYS = {"name", "ratio", "goal", "stretch", "met", "n", "cpu_over_wall", "ours", "theirs", "note"}


def program(*runs):
    """A program that says it took these (wall, cpu) seconds, one after the other."""
    left = iter(runs)
    return lambda: Run(*next(left))


def test_medians_are_compared():
    ours, theirs = program((1, 2), (3, 6), (2, 4)), program((8, 16), (9, 18), (4, 8))
    row = side_by_side.compare("x", ours, theirs, goal=4, stretch=5, warm_up=False)
    assert (row.ratio, row.met, row.n, row.ours, row.theirs) == (4, True, 3, 2, 8)
    assert row.cpu_over_wall == (2, 2) and row.note == ""


def test_a_disturbed_pair_is_run_again_and_said():
    ours = program((1, 2), (5, 2), (1, 2), (1, 2))
    theirs = program((4, 4), (4, 4), (4, 4), (4, 4))
    row = side_by_side.compare("x", ours, theirs, goal=5, warm_up=False)
    assert (row.ratio, row.met, row.n) == (4, False, 3)
    assert row.note == "disturbed: 1 of 4 pairs"


def test_a_machine_that_is_never_quiet_is_said():
    ours = program(*((2 ** (i % 7), 2) for i in range(9)))
    row = side_by_side.compare("x", ours, program(*[(4, 4)] * 9), goal=1, warm_up=False)
    assert row.n == 9 and "too few undisturbed pairs, so all count" in row.note


def test_a_program_is_timed_where_it_does_not_time_itself():
    run = side_by_side.timed(lambda: sum(range(10**6)))
    assert 0 < run.cpu <= 2 * run.wall + 0.05


def test_the_table_shows_rows_and_why_one_is_missing():
    rows = [
        side_by_side.Row("a", 2.5, 2, None, True, 3, (1.9, 1.8), 1.0, 2.5, "quiet"),
        side_by_side.skipped("b", "give --nanogpt", 6, 8),
    ]
    lines = side_by_side.table(rows).splitlines()
    assert lines[1].split() == ["a", "2.50", "2", "yes", "3", "1", "2.5", "1.9", "1.8"]
    assert lines[2].strip() == "quiet" and lines[3].split() == ["b", "-", "6", "8"]
    assert lines[4].strip() == "skipped: give --nanogpt"


def test_without_a_checkout_the_rows_are_skipped(capfd):
    assert bench.main(["loss", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert rows and all(set(row) == KEYS for row in rows)
    assert all(row["ratio"] is None and "--nanogpt" in row["note"] for row in rows)


@pytest.mark.parametrize("option", ["--nanogpt", "--minbpe", "--tinyshakespeare"])
def test_a_path_that_is_not_there_is_named(option, capsys):
    with pytest.raises(SystemExit):
        bench.main(["loss", option, "nowhere/at/all"])
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["nothing"], ["--json", "speed"]])
def test_it_lists_the_benchmarks(argv, capsys):
    with pytest.raises(SystemExit):
        bench.main(argv)
    said = "".join(capsys.readouterr())
    assert "bench [bpe | cold_start | generation | loss | " in " ".join(said.split())
    assert argv == ["--help"] or f"unrecognized arguments: {argv[-1]}" in said


def test_a_benchmark_that_fails_is_named(monkeypatch, tmp_path):
    (tmp_path / "side_by_side.py").write_text(
        (bench.FOLDER / "side_by_side.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "bad.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    with pytest.raises(Problem, match="bad"):
        bench.main(["bad"])


def test_ppo_is_compared_where_gold_and_kl_are_equal(monkeypatch):
    monkeypatch.syspath_prepend(str(bench.FOLDER))
    spec = importlib.util.spec_from_file_location("bench_ppo", bench.FOLDER / "ppo.py")
    ppo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ppo)

    def run(seconds, *rounds):
        rounds = [{"step": s, "gain": g, "kl": k} for s, g, k in rounds]
        return {"seconds": seconds, "share": 1.9, "rounds": rounds}

    first = run(3.0, (5, 0.3, 0.1), (10, 0.5, 0.4))
    ours = run(1.0, (5, 0.4, 0.1), (10, 0.6, 0.3), (15, 0.9, 0.5))
    assert ppo.as_good(ours, first)["step"] == 10
    assert ppo.as_good(run(1.0, (5, 0.6, 0.5)), first) is None
    monkeypatch.setattr(ppo, "train", lambda folder, seed: first if folder == "old" else ours)
    args = side_by_side.arguments(None, ["--long"])
    args.first = "old"
    a_round, to_the_end = ppo.rows(args)
    assert (a_round.ratio, to_the_end.ratio, to_the_end.ours) == (3.0, 3.0, 10.0)
    assert "first version +0.50 at 0.40 nats after 10 rounds" in a_round.note


def test_what_a_peer_prints_is_no_part_of_the_json(monkeypatch, capsys):
    def rows(args):
        print("number of parameters: 0.80M")
        yield side_by_side.Row("a", 2.5, 2, None, True, 3, (1.9, 1.8), 1.0, 2.5)

    monkeypatch.setattr("sys.argv", ["a.py", "--json"])
    side_by_side.main(rows, "doc")
    said = capsys.readouterr()
    assert [row["name"] for row in json.loads(said.out)] == ["a"]
    assert "0.80M" in said.err
