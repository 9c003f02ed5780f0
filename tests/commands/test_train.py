"""The train command: which stages it runs with what, and what it says of bad arguments."""

import os

import pytest
import torch

from minigpt.commands import train
from minigpt.engine import device as device_module
from minigpt.stages import controls, recipe
from minigpt.stages import stage as stages_module
from minigpt.stages import train as course_module
from minigpt.store.files import Problem, locked


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Stand-ins for Course and its runs: what was made and what was run."""
    made = []

    class Fake:
        device = torch.device("cpu")

        def __init__(self, out, lang, seed, device, fast, say, size, resume, dtype, ship):
            made.append(("made", out, lang, seed, device, fast, size))
            self.out, self.resume = out, resume
            self.dtype_name = {"fp32": "float32", "bf16": "bfloat16"}[dtype]

    monkeypatch.setattr(course_module, "Course", Fake)
    monkeypatch.setattr(course_module, "run", lambda course, stage: made.append(stage))
    extras = {name: lambda course, name=name: made.append(name) for name in course_module.EXTRAS}
    monkeypatch.setattr(course_module, "EXTRAS", extras)
    monkeypatch.setattr(controls, "make_controls", lambda course: made.append("controls"))
    monkeypatch.setattr(recipe, "make_tokenizer", lambda lang: made.append("tokenizer"))
    monkeypatch.setattr(device_module, "set_threads", lambda n, most=4: n or 2)
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    return made


def test_without_arguments_all_four_stages_go_to_your_own_folder(runs, tmp_path, capsys):
    assert train.main([]) == 0
    out = tmp_path / "home" / "checkpoints" / "en"
    assert runs == [("made", out, "en", 0, "auto", False, "tiny"), "base", "sft", "reward", "ppo"]
    assert out.is_dir() and out == stages_module.own_checkpoints("en")
    said = capsys.readouterr().out
    assert str(out) in said and "2 threads" in said and "report" in said


def test_options_reach_the_course(runs, tmp_path):
    arguments = ["--stages", "sft, reward", "--seed", "7", "--device", "cpu", "--threads", "1",
                 "--out", str(tmp_path / "mine"), "--fast", "--all"]  # fmt: skip
    assert train.main(arguments) == 0
    made = ("made", tmp_path / "mine", "en", 7, "cpu", True, "tiny")
    assert runs == [made, "sft", "reward", *course_module.EXTRAS, "controls"]
    assert list(course_module.EXTRAS).index("reward_ordinary") < list(
        course_module.EXTRAS).index("ppo_overoptimised")  # fmt: skip  # which runs against it


@pytest.mark.parametrize("able", [False, True])
def test_bfloat16_is_said_and_where_it_is_slow_too(runs, monkeypatch, capsys, able):
    monkeypatch.setattr(device_module, "has_bf16", lambda device: able)
    assert train.main(["--dtype", "bf16"]) == 0
    said = capsys.readouterr().out
    assert "2 threads in bfloat16" in said
    assert ("no instructions for bfloat16" in said) != able


def test_a_size_has_a_folder_of_its_own(runs, tmp_path, capsys):
    assert train.main(["--size", "mini", "--stages", "base"]) == 0
    out = tmp_path / "home" / "checkpoints" / "en-mini"
    assert runs == [("made", out, "en", 0, "auto", False, "mini"), "base"]
    assert out == stages_module.own_checkpoints("en", "mini")
    assert "of size mini" in capsys.readouterr().out
    train.main(["--size", "mini", "--stages", "base", "--out", str(tmp_path / "mine")])
    assert runs[2][1] == tmp_path / "mine"


def test_resume_reaches_the_course_and_ctrl_c_says_how_to_go_on(
    runs, monkeypatch, capsys, tmp_path
):
    courses = []

    def stop(course, stage):
        courses.append(course)
        raise KeyboardInterrupt

    monkeypatch.setattr(course_module, "run", stop)
    monkeypatch.chdir(tmp_path)
    assert train.main(["--seed", "3", "--out", "my runs"]) == 130
    said = capsys.readouterr().out
    assert "Stopped. To go on: " in said and "train --seed 3 --out 'my runs' --resume\n" in said
    assert train.main(["--resume", "--fast"]) == 130
    assert capsys.readouterr().out.endswith("train --fast --resume\n")
    assert [course.resume for course in courses] == [False, True]


def test_ship_makes_the_tokenizer_first_and_writes_into_the_package(runs, tmp_path):
    train.main(["--ship", "--stages", "base"])
    made = ("made", tmp_path / "shipped" / "en", "en", 0, "auto", False, "tiny")
    assert runs == ["tokenizer", made, "base"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--stages", "base,dpo"], "no stage 'dpo'. Choose some of: base, sft, reward, ppo"),
        (["--stages", ""], "no stage ''"),
        (["--seed", "-1"], "--seed is -1: give 0 or more"),
        (["--seed", "1" + "0" * 23], "--seed is 10*: give 0 or more, at most 10"),
        (["--threads", "0"], "--threads is 0: give 1 or more"),
        (["--threads", "1" + "0" * 23], "--threads is 10*: give 1 or more, at most 1000"),
        (["--size", "huge"], "no size 'huge'. Choose one of: tiny, mini, small, medium, gpt2"),
        (["--size", "gpt2", "--ship"], "Only the size tiny is shipped"),
    ],
)
def test_arguments_that_cannot_be_are_a_problem_before_anything_is_done(runs, arguments, message):
    with pytest.raises(Problem, match=message):
        train.main(arguments)
    assert runs == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--lang", "xx"], "no world in the language 'xx'"),
        (["--lang", "xx", "--ship"], "no world in the language 'xx'"),
        (["--device", "tpu"], "device 'tpu' is not known"),
        (["--dtype", "fp16"], "dtype 'fp16' is not known: choose fp32, bf16 or auto"),
        (["--stages", "sft"], r"no checkpoint .*base\.safetensors: make it with .* train"),
        (["--stages", "ppo"], r"no checkpoint .*sft\.safetensors"),
    ],
)
def test_what_the_course_refuses_is_a_problem(monkeypatch, tmp_path, arguments, message):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(Problem, match=message):
        train.main([*arguments, "--threads", "1", "--fast"])
    assert not list(tmp_path.rglob("*.safetensors"))
    if "xx" in arguments:
        assert not list(tmp_path.iterdir())  # no folder for a language that does not exist


def test_a_damaged_parent_is_a_problem(monkeypatch, tmp_path):
    (tmp_path / "base.safetensors").write_bytes(b"half")
    with pytest.raises(Problem, match="is damaged or cut off. .*train` makes it anew and keeps"):
        train.main(["--stages", "sft", "--out", str(tmp_path), "--threads", "1", "--fast"])


def test_a_folder_that_cannot_be_made_is_a_problem(runs, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Problem, match="file"):
        train.main(["--out", str(tmp_path / "file" / "below")])
    assert "base" not in runs


def test_stages_run_in_the_order_of_their_parents_and_once(runs):
    train.main(["--stages", "ppo, sft,base,sft"])
    assert runs[1:] == ["base", "sft", "ppo"]


@pytest.mark.parametrize("out", ["", " "])
def test_an_empty_folder_is_refused_and_not_here(runs, out):
    with pytest.raises(Problem, match="--out is empty: give the name of a folder"):
        train.main(["--out", out])
    assert runs == []


def test_two_trainings_do_not_share_a_folder(runs, tmp_path):
    out = tmp_path / "my runs"
    with locked(out / ".train.lock"):
        with pytest.raises(Problem, match=rf"process {os.getpid()}, .* writes into {out}: wait"):
            train.main(["--out", str(out)])
        assert train.main(["--out", str(tmp_path / "other")]) == 0
    assert "base" not in runs[:1] and len(runs) == 1 + 5
    assert train.main(["--out", str(out)]) == 0
    assert not list(tmp_path.rglob("*.lock"))


def test_what_a_killed_training_left_is_removed_and_nothing_else(runs, tmp_path):
    left = [".base.resume.safetensors.0123abcd.tmp", ".base.safetensors.probe",
            "..base.safetensors.probe.0123abcd.tmp", ".train.json.0123abcd.tmp"]  # fmt: skip
    kept = ["base.resume.safetensors", "base.safetensors", ".sft.safetensors.0123abcd.tmp", "x.tmp"]
    for name in (*left, *kept):
        (tmp_path / name).write_bytes(b"half")
    assert train.main(["--out", str(tmp_path)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == sorted(kept)


def test_words_for_numbers_are_refused_by_the_parser(runs, capsys):
    with pytest.raises(SystemExit) as stop:
        train.main(["--seed", "many"])
    assert stop.value.code == 2 and "--seed" in capsys.readouterr().err and runs == []
