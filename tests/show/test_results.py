"""Results of experiments are written whole, name their command, and are gone on with; a run is
drawn beside the recorded one."""

import json
import random

import pytest
import torch

from minigpt.maintain import experiment
from minigpt.show import results
from minigpt.show.results import beside_shipped, command, complete, load_results
from tried import tenth_or_all


def test_results_come_back_with_their_command(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    results.save_results("parts", {"rows": [1, 2.5]})
    assert load_results("parts") == {
        "command": "python3 -m minigpt experiment parts", "rows": [1, 2.5],
    }  # fmt: skip


def test_missing_results_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError, match="python3 -m minigpt experiment parts"):
        load_results("parts")


def test_every_shipped_result_belongs_to_an_experiment():
    found = {path.stem for path in results.RESULTS.glob("*.json")}
    others = {"controls", "seeds"}  # which training and `report --seeds` write
    for name in found - others:
        assert name in experiment.experiments()
        assert load_results(name)["command"] == command(name)


KEYS = [{"seed": seed, "size": size} for seed in (0, 1) for size in (1, 2)]


@pytest.fixture
def toy(tmp_path):
    """An experiment that counts what it makes: toy(keys, **fixed)."""

    def run(keys=KEYS, **fixed):
        def one(seed, size):
            if size == 3:
                raise KeyboardInterrupt
            run.made.append((seed, size))
            return {"sum": seed + size}

        return complete("parts", fixed, keys, one, run.file)

    run.made, run.file = [], tmp_path / "toy.json"
    return run


def test_lacking_runs_are_made_in_order_and_kept_one_by_one(toy):
    with pytest.raises(KeyboardInterrupt):
        toy([*KEYS[:2], {"seed": 0, "size": 3}], rate=1)
    kept = json.loads(toy.file.read_text(encoding="utf-8"))
    assert kept["runs"] == [{"seed": 0, "size": 1, "sum": 1}, {"seed": 0, "size": 2, "sum": 2}]
    assert kept["rate"] == 1 and kept["threads"] == torch.get_num_threads()
    for _ in "again", "once more":
        found = toy(rate=1)
        assert toy.made == [(0, 1), (0, 2), (1, 1), (1, 2)]  # what was there is not made again
        assert [(r["seed"], r["size"]) for r in found["runs"]] == toy.made
        assert found == json.loads(toy.file.read_text(encoding="utf-8"))


def test_what_all_runs_share_cannot_change_under_way(toy):
    toy(rate=1)
    before = toy.file.read_bytes()
    with pytest.raises(ValueError, match="toy.json holds runs with other rate: .* with --out"):
        toy(rate=2)
    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="other threads"):
        toy(rate=1)
    assert toy.file.read_bytes() == before and len(toy.made) == 4


@pytest.mark.parametrize("n", tenth_or_all(400))
def test_each_damaged_results_file_is_refused_by_name_or_harmless(n, toy, tried):
    toy(rate=1)
    data, rng, refused = toy.file.read_bytes(), random.Random(n), 0
    for i in range(n):
        broken = bytearray(data)
        at = rng.randrange(len(data))
        if i % 3 == 0:
            del broken[at:]
        elif i % 3 == 1:
            broken[at] ^= 1 << rng.randrange(8)
        else:
            broken[at:at] = rng.choice([b"[" * 10**5, b"\xff", b"null", b'"', b"{}", b"NaN"])
        toy.file.write_bytes(broken)
        try:
            assert isinstance(toy(rate=1), dict)
        except ValueError as error:
            refused += "toy.json" in str(error)
            assert "toy.json is damaged" in str(error) or "with other" in str(error)
            assert toy.file.read_bytes() == broken  # as it was
        else:
            assert json.loads(toy.file.read_bytes())["rate"] == 1
    assert refused > n / 2
    tried("results", n)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"runs": [1]}', '{"runs": 3}', '{"runs": null}'])
def test_what_holds_no_runs_is_refused(toy, text):
    toy.file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="toy.json is damaged: .* experiment parts` makes it anew"):
        toy(rate=1)


def test_a_run_is_drawn_beside_the_recorded_one():
    runs = [run["losses"] for run in load_results("recorded")["runs"] if run["stage"] == "sft"]
    fig, said = beside_shipped("sft", [1.25] * 40)  # five points of eight updates
    assert f"yours 1.25 nats, the shipped run {runs[0][4]:.2f}, and {runs[1][4]:.2f}" in said
    assert "After 1,280 demonstrations:" in said and f"ended at {runs[0][-1]:.2f}" in said
    assert [len(line.get_xdata()) for line in fig.axes[0].lines] == [5, *map(len, runs)]
    assert list(fig.axes[0].lines[0].get_xdata()) == [256, 512, 768, 1024, 1280]
