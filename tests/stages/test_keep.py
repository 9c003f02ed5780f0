"""Keeping what the learner trained: what is written, put aside, stale, refused, and taken."""

import copy
import re
import sys
import threading
from dataclasses import asdict

import pytest
import tomllib
import torch

from minigpt.commands import chat, train
from minigpt.model import GPT, GPTConfig
from minigpt.reward import RewardModel
from minigpt.stages import stage as stage_module
from minigpt.stages.exam import known_questions
from minigpt.stages.folder import Course
from minigpt.stages.keep import (
    Checked,
    go_back,
    head_facts_by_qa,
    head_facts_in_chat,
    keep,
    true_above_false,
    yours_or_shipped,
)
from minigpt.stages.own import own_checkpoints, stale_stages
from minigpt.stages.replies import Reply, load_stages, replies
from minigpt.stages.scoring import judged
from minigpt.stages.stage import Stage, load_stage
from minigpt.store import checkpoint, files
from minigpt.store.checkpoint import aside_path, file_hash, load_tensors, read_meta, save_checkpoint
from minigpt.store.files import ROOT, Problem
from toys import awake, awake_gpt, says, toy_stage, write_stage

BACK = "from minigpt.stages import go_back; go_back"
FOUR = ("base", "sft", "reward", "ppo")


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch, home):
    """Shipped checkpoints of one layer, each made from the one before; a home that is not there."""
    folder = tmp_path / "shipped" / "en"
    write_stage(folder, "base", 1)
    for seed, (name, parent) in enumerate({"sft": "base", "reward": "sft", "ppo": "sft"}.items()):
        at = folder / f"{parent}.safetensors"
        write_stage(folder, name, seed + 2, meta={"parent": file_hash(at)})
    for where in (stage_module, checkpoint):
        monkeypatch.setattr(where, "SHIPPED", folder.parent)
    return folder


def path_of(name):
    return own_checkpoints() / f"{name}.safetensors"


def trained(name, seed=0, own=True):
    """A copy of a stage's model whose weights are others, as training leaves it."""
    return awake(copy.deepcopy(load_stage(name, own=own, quiet=True).model), seed, 0.2)


def judge_on(stage, seed=0):
    return RewardModel(stage.model, seed=seed)


def kept_chain(seed=10):
    """All four of the learner's, each made from theirs before."""
    base = keep(awake_gpt(seed), "base")
    sft = keep(trained("base", seed + 1), "sft")
    reward = keep(judge_on(sft, seed), "reward")
    return base, sft, reward, keep(trained("sft", seed + 2), "ppo", judge=reward)


def stale():
    return {name: (s.parent, s.hash) for name, s in stale_stages(own_checkpoints()).items()}


# ---- what is written ------------------------------------------------------------------------


def test_a_kept_model_is_loaded_as_it_was_and_said_in_a_line(capsys):
    model = awake_gpt(7)
    stage = keep(model, "base", tokens=1234, seed=7, place_reads={"beijing": 3})
    assert capsys.readouterr().out == (
        'Kept as your base: load_stage("base") takes it, load_stage("base", own=False) the '
        "course's.\n"
    )
    assert model.training and model.head.weight.requires_grad  # the learner's is not touched
    found = load_stage("base")
    hashed = file_hash(path_of("base"))
    assert capsys.readouterr().out == (
        f"base (your own run, {hashed}, parent none). "
        'The course\'s: load_stage("base", own=False)\n'
    )
    assert found.own and found.path == stage.path == path_of("base")
    for name, tensor in model.state_dict().items():
        expected = tensor.bfloat16().float()
        assert torch.equal(found.model.state_dict()[name], expected), name
        assert torch.equal(stage.model.state_dict()[name], expected), name
    assert not load_stage("base", own=False, quiet=True).own
    assert found.meta == stage.meta == {
        "stage": "base", "kind": "language model", "lang": "en", "minigpt": checkpoint.VERSION,
        "config": asdict(model.config), "parent": None, "tokens": 1234, "seed": 7,
        "place_reads": {"beijing": 3}, "format": checkpoint.FORMAT,
    }  # fmt: skip


def test_the_version_is_the_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert checkpoint.VERSION == project["version"]


def test_each_stage_names_what_it_was_made_from(shipped):
    base, sft, reward, ppo = kept_chain()
    at = {stage.name: file_hash(stage.path) for stage in (base, sft, reward, ppo)}
    assert base.meta["parent"] is None and "parent_file" not in base.meta
    for stage, parent in ((sft, "base"), (reward, "sft"), (ppo, "sft")):
        assert stage.meta["parent"] == at[parent]
        assert stage.meta["parent_file"] == f"{parent}.safetensors"
    assert (ppo.meta["reward"], ppo.meta["reward_file"]) == (at["reward"], "reward.safetensors")
    assert reward.meta["kind"] == "reward" and reward.meta["sees_surprisal"] is True
    assert stale() == {}


def test_a_copy_and_a_model_trained_in_place_know_their_file(shipped):
    wanted = file_hash(shipped / "base.safetensors")
    base = load_stage("base", quiet=True)
    moved = copy.deepcopy(base.model)
    for model in (moved, base.model):
        assert keep(awake(model, 3), "sft").meta["parent"] == wanted


def test_the_parent_may_be_said(shipped):
    base, other = load_stage("base", quiet=True), keep(awake_gpt(5), "base")
    assert keep(awake_gpt(8), "sft", parent=base).meta["parent"] == file_hash(base.path)
    assert keep(awake_gpt(8), "sft", parent=other).meta["parent"] == file_hash(other.path)


def test_the_parent_is_the_file_that_was_loaded_not_the_one_there_now():
    first = keep(awake_gpt(1), "base")
    hashed = file_hash(first.path)
    keep(awake_gpt(2), "base")
    assert keep(awake(first.model, 3), "sft").meta["parent"] == hashed


def test_a_model_that_goes_on_with_its_own_stage_keeps_its_parent(shipped):
    base, sft, reward, ppo = kept_chain()
    at = {stage.name: file_hash(stage.path) for stage in (base, sft, reward, ppo)}
    again = keep(trained("sft", 30), "sft")
    assert (again.meta["parent"], again.meta["continues"]) == (at["base"], at["sft"])
    again = keep(trained("ppo", 31), "ppo")
    assert again.meta["reward"] == at["reward"] and again.meta["parent"] == at["sft"]
    longer = keep(trained("base", 32, own=False), "base")
    assert longer.meta["continues"] == file_hash(shipped / "base.safetensors")
    assert longer.meta.get("parent") is None


def test_a_reward_model_scores_as_it_did_and_needs_the_sft_model_it_was_built_on():
    sft = keep(trained("base"), "sft")
    judge, rows = judge_on(sft, 4).eval(), [[1, 2, 3, 4], [5, 6, 7]]
    for p in judge.layers.parameters():
        p.data = p.data.bfloat16().float()
    judge.mean.fill_(0.5)
    keep(judge, "reward", labeler="me")
    found = load_stage("reward", quiet=True)
    assert torch.equal(found.model.score(rows), judge.score(rows))
    assert found.meta["labeler"] == "me"
    awake(sft.model, 9)  # trained on in memory
    with pytest.raises(ValueError, match="was trained on since it was loaded: keep that one first"):
        keep(judge_on(sft), "reward")


def test_a_new_model_of_no_file_cannot_be_a_later_stage():
    for model, name, first in (
        (awake_gpt(), "sft", "base"), (awake_gpt(), "ppo", "sft"),
        (RewardModel(awake_gpt()), "reward", "sft"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=rf"this was made from a model of no file: .*"
                                             rf'load_stage\("{first}"\)'):  # fmt: skip
            keep(model, name)
    assert not own_checkpoints().exists()


@pytest.mark.parametrize("name, start, made", [("sft", "ppo", "ppo"), ("ppo", "base", "base"),
                                               ("base", "sft", "sft")])  # fmt: skip
def test_a_stage_of_the_wrong_parent_is_refused(name, start, made):
    with pytest.raises(ValueError, match=f"a {name} model is made from .* made from a {made} mod"):
        keep(trained(start), name)


def test_what_cannot_be_kept_is_said_and_nothing_written():
    sft = load_stage("sft", quiet=True)
    broken = awake_gpt()
    broken.head.weight.data[0, 0] = float("nan")
    for model, name, message in (
        (awake_gpt(), "sft_mine", "there is no stage 'sft_mine': keep one of base, sft, reward"),
        (awake_gpt(), "reward", "a language model, which cannot be kept as 'reward'"),
        (judge_on(sft), "ppo", "a reward model, which cannot be kept as 'ppo'"),
        (GPT(GPTConfig(900, 32, 1, 2, 16)), "base", "has 900 tokens and the course's have 1024"),
        (broken, "base", "numbers that are NaN or infinite: the run has diverged"),
    ):
        with pytest.raises(ValueError, match=message):
            keep(model, name)
    assert not list(own_checkpoints().glob("*"))


# ---- what is there is put aside ---------------------------------------------------------------


def test_what_is_there_is_put_aside_and_the_line_takes_it_again(capsys):
    first, second = awake_gpt(1), awake_gpt(2)
    keep(first, "base")
    path, old = path_of("base"), path_of("base").read_bytes()
    capsys.readouterr()
    hashed = file_hash(path)
    keep(second, "base")
    said = capsys.readouterr().out
    assert said.endswith(f'Back to the one before it: {BACK}("base", "{hashed}")\n')
    new = file_hash(path)
    assert aside_path(path, hashed).read_bytes() == old
    exec(said.rpartition(": ")[2])
    assert path.read_bytes() == old and file_hash(aside_path(path, new)) == new
    assert not aside_path(path, hashed).exists()
    assert capsys.readouterr().out == f"base (your own run, {hashed}, parent none)\n"


def test_the_same_model_twice_is_one_file(capsys):
    for _time in range(3):
        keep(awake_gpt(1), "base")
    assert [file.name for file in own_checkpoints().iterdir()] == ["base.safetensors"]
    assert "before" not in capsys.readouterr().out
    for seed in (2, 1, 2):
        keep(awake_gpt(seed), "base")
    assert len(list(own_checkpoints().iterdir())) == 2


def test_keep_and_train_put_each_other_aside():
    keep(awake_gpt(1), "base")
    kept, said = path_of("base").read_bytes(), []
    course = Course(own_checkpoints(), device="cpu", say=said.append)
    course.save("base", awake_gpt(2), None, {"parent": None})
    made = path_of("base").read_bytes()
    assert [file.read_bytes() for file in own_checkpoints().glob("base.?*.safetensors")] == [kept]
    assert re.fullmatch(r"the base.safetensors that was there is now base\.\w{16}\.safe.*", *said)
    keep(awake_gpt(3), "base")
    aside = {file.read_bytes() for file in own_checkpoints().glob("base.?*.safetensors")}
    assert aside == {kept, made}


def test_snapshots_of_another_run_are_put_aside(tmp_path):
    for step in (9, 137):
        write_stage(tmp_path, f"base_step_{step:05d}", step)
    old = (tmp_path / "base_step_00137.safetensors").read_bytes()
    course = Course(tmp_path, device="cpu", say=lambda text: None)
    for _time in range(2):
        course.make_room(awake_gpt(), {"base_step_00009"})
    there = sorted(file.name.count(".") for file in tmp_path.glob("*.safetensors"))
    assert there == [1, 2] and (tmp_path / "base_step_00009.safetensors").is_file()
    assert next(tmp_path.glob("base_step_00137.*.safetensors")).read_bytes() == old


@pytest.mark.parametrize("links", [True, False])
def test_a_disk_that_refuses_leaves_the_older_model_in_its_place(links, monkeypatch, capsys):
    keep(awake_gpt(1), "base")
    before = {file.name: file.read_bytes() for file in own_checkpoints().iterdir()}
    capsys.readouterr()

    def fail(*paths):
        raise OSError(28, "no space")

    if not links:
        monkeypatch.setattr(files.os, "link", fail)
    with monkeypatch.context() as full:
        full.setattr(files.os, "replace", fail)
        stage = keep(awake_gpt(2), "base")
    assert "the disk is full; free some space" in capsys.readouterr().out
    assert {file.name: file.read_bytes() for file in own_checkpoints().iterdir()} == before
    assert torch.equal(stage.model.head.weight, awake_gpt(2).head.weight)  # in memory
    keep(awake_gpt(2), "base")
    assert len(list(own_checkpoints().iterdir())) == 2


def test_notebooks_that_keep_at_once_lose_no_model():
    models = [awake_gpt(seed) for seed in range(6)]
    path = path_of("base")
    threads = [
        threading.Thread(target=save_checkpoint, args=(path, m.state_dict(), {"seed": seed}))
        for seed, m in enumerate(models)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {read_meta(file)["seed"] for file in path.parent.glob("base*.safetensors")}
    assert found == set(range(6)) and len(list(path.parent.iterdir())) == 6


# ---- going back -------------------------------------------------------------------------------


def test_back_to_the_courses_and_to_ones_own(capsys):
    hashed = file_hash(keep(awake_gpt(1), "base").path)
    assert not go_back("base").own and not load_stage("base").own
    assert not go_back("base").own  # nothing there to put aside
    assert go_back("base", hashed[:5]).own
    assert go_back("base", hashed).own  # it is in use
    assert [file.name for file in own_checkpoints().iterdir()] == ["base.safetensors"]


def test_going_back_to_what_is_not_there_or_damaged_moves_nothing():
    with pytest.raises(ValueError, match="which base. There are none"):
        go_back("base", "0123")
    hashes = [file_hash(keep(awake_gpt(seed), "base").path) for seed in (1, 2)]
    with pytest.raises(ValueError, match=f"There are {', '.join(sorted(hashes))}"):
        go_back("base", "x")
    before = {file.name for file in own_checkpoints().iterdir()}
    aside = aside_path(path_of("base"), hashes[0])
    aside.write_bytes(aside.read_bytes()[:-10])
    with pytest.raises(ValueError, match="is damaged or cut off"):
        go_back("base", file_hash(aside))
    assert {file.name for file in own_checkpoints().iterdir()} == before


# ---- stale ------------------------------------------------------------------------------------


def test_a_new_base_makes_the_later_stages_stale_and_going_back_heals_them(capsys):
    old = file_hash(kept_chain()[0].path)
    capsys.readouterr()
    keep(awake_gpt(50), "base")
    line = (
        "Stale, made from another base than the one in use: {}. Make anew in this order "
        f'(notebook {{}}), or take that one again: {BACK}("base", "{old}")'
    )
    assert capsys.readouterr().out.splitlines()[1:] == [
        line.format("sft, reward, ppo", "04, 05, 06")
    ]
    for name, notebook in (("sft", "04"), ("reward", "05"), ("ppo", "06")):
        assert load_stage(name).own
        assert capsys.readouterr().out.splitlines()[1:] == [line.format(name, notebook)]
    go_back("base", old)
    assert stale() == {} and "Stale" not in capsys.readouterr().out
    go_back("base")  # to the course's, from which they were not made either
    assert stale() == dict.fromkeys(("sft", "reward", "ppo"), ("base", old))


def test_stages_made_anew_in_order_are_stale_no_more():
    kept_chain()
    keep(awake_gpt(50), "base")
    sft = keep(trained("base", 51), "sft")
    assert set(stale()) == {"reward", "ppo"}
    reward = keep(judge_on(sft), "reward")
    assert set(stale()) == {"ppo"}
    keep(trained("sft", 52), "ppo", judge=reward)
    assert stale() == {}


def test_a_new_reward_model_makes_ppo_stale_alone():
    sft, reward = kept_chain()[1:3]
    hashed = file_hash(reward.path)
    keep(judge_on(sft, 77), "reward")
    assert stale() == {"ppo": ("reward", hashed)}


def test_a_reward_model_still_finds_its_sft_model_where_it_was_put_aside():
    rows, reward = [[1, 2, 3]], kept_chain()[2]
    scores = reward.model.score(rows)
    keep(trained("base", 60), "sft")
    assert torch.equal(load_stage("reward", quiet=True).model.score(rows), scores)


def test_what_was_made_from_the_shipped_one_is_not_stale():
    keep(awake_gpt(1), "base")
    keep(trained("base", own=False), "sft")
    ordinary = load_stage("reward", own=False, quiet=True)
    ordinary.model.origin["stage"] = "reward_ordinary"
    assert stale() == {}
    write_stage(own_checkpoints(), "reward_ordinary", 3)
    judge = stage_module.read_stage(path_of("reward_ordinary"))
    assert keep(trained("sft", 4), "ppo", judge=judge).meta["reward_file"] == (
        "reward_ordinary.safetensors"
    )
    assert stale() == {}


def test_a_parent_that_is_nowhere_leaves_the_courses(capsys):
    base = keep(awake_gpt(1), "base")
    keep(trained("base"), "sft")
    base.path.unlink()
    capsys.readouterr()
    load_stage("sft")
    assert capsys.readouterr().out.splitlines()[1] == (
        "Stale, made from another base than the one in use: sft. Make anew in this order "
        f'(notebook 04), or take the course\'s: {BACK}("sft")'
    )
    assert stale() == {"sft": ("base", "")}


def test_a_damaged_stage_hides_no_other(capsys):
    old = file_hash(kept_chain()[0].path)
    path_of("sft").write_bytes(b"nothing")
    keep(awake_gpt(50), "base")
    assert stale() == {"reward": ("sft", ""), "ppo": ("sft", "")}
    go_back("base", old)
    assert set(stale()) == {"reward", "ppo"}


def test_training_says_what_it_made_stale(monkeypatch, capsys):
    keep(awake_gpt(1), "base")
    old = file_hash(path_of("base"))
    keep(trained("base"), "sft")

    def run(course, stage):
        course.save(stage, awake_gpt(2), None, {"parent": None})

    monkeypatch.setattr("minigpt.stages.train.run", run)
    capsys.readouterr()
    assert train.main(["--stages", "base", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert f"is now base.{old}.safetensors" in said
    assert "another base than the one in use: sft. Make anew in this order (notebook 04)" in said
    assert f'or take that one again: {BACK}("base", "{old}")' in said


# ---- another version, damaged -----------------------------------------------------------------


def rewritten(name, **change):
    path = path_of(name)
    save_checkpoint(path, load_tensors(path), read_meta(path) | change, say=lambda text: None)


@pytest.mark.parametrize("version", ["0.0.9", "1.0.0", "0.2"])
def test_a_model_of_another_version_is_refused_with_the_ways_out(version, capsys):
    keep(awake_gpt(1), "base")
    rewritten("base", minigpt=version)
    capsys.readouterr()
    with pytest.raises(ValueError) as error:
        load_stage("base")
    message = str(error.value)
    assert f"was kept by minigpt {version}, and this is {checkpoint.VERSION}" in message
    assert message.endswith(
        'Until then take the one that came with the course: once with load_stage("base", '
        f'own=False), or always, with yours put aside: {BACK}("base")'
    )
    exec(message.rpartition(": ")[2])
    assert not load_stage("base").own
    keep(awake_gpt(1), "base")
    assert load_stage("base").own


def test_a_later_patch_of_the_same_version_is_taken():
    keep(awake_gpt(1), "base")
    rewritten("base", minigpt=checkpoint.VERSION.rpartition(".")[0] + ".99")
    assert load_stage("base").own


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda data: b"", lambda data: b"hi"])
def test_a_damaged_one_is_refused_and_keeping_again_puts_it_aside(damage):
    keep(awake_gpt(1), "base")
    path = path_of("base")
    path.write_bytes(damage(path.read_bytes()))
    broken = path.read_bytes()
    with pytest.raises(ValueError, match=r"damaged or cut off.*own=False\), or always"):
        load_stage("base")
    keep(awake_gpt(2), "base")
    assert load_stage("base", quiet=True).own
    assert [f.read_bytes() for f in path.parent.glob("base.?*.safetensors")] == [broken]


# ---- yours, if it is good enough --------------------------------------------------------------


def passes(right):
    return lambda stage: Checked(right, 30, 18)


def test_yours_is_taken_where_it_passes(shipped, capsys):
    hashed = file_hash(shipped / "base.safetensors")
    assert not yours_or_shipped("base", passes(30)).own
    there = f"base (shipped, {hashed}, parent none)"
    assert capsys.readouterr().out == f"{there}, for none of yours is kept.\n"
    mine = file_hash(keep(awake_gpt(3), "base").path)
    capsys.readouterr()
    assert yours_or_shipped("base", passes(18)).own
    assert capsys.readouterr().out == (
        "Yours passed the check (18 of 30 facts about well-known places, 18 needed): base (your "
        f"own run, {mine}, parent "
        'none). The course\'s: load_stage("base", own=False)\n'
    )
    assert not yours_or_shipped("base", passes(17)).own
    assert capsys.readouterr().out == (
        f"{there}, for yours did not pass the check: 17 of 30 facts about well-known places, 18 "
        "needed.\n"
    )

    def says_hello(stage):
        return False

    assert not yours_or_shipped("base", says_hello).own
    assert capsys.readouterr().out.endswith("did not pass the check: says_hello.\n")


def test_a_damaged_one_is_not_taken_and_the_line_says_why(capsys):
    keep(awake_gpt(3), "base")
    path_of("base").write_bytes(b"?")
    capsys.readouterr()
    assert not yours_or_shipped("base", passes(30)).own
    assert re.search(
        "did not pass the check: .*base.safetensors is damaged", capsys.readouterr().out
    )


@pytest.mark.parametrize("right, passed", [(30, True), (18, True), (17, False), (0, False)])
def test_six_in_ten_of_thirty_head_facts_are_needed(right, passed, monkeypatch):
    asked = []

    def score(stage, questions):
        asked.append(questions)
        answers = [q.answer if i < right else "nobody knows" for i, q in enumerate(questions)]
        return judged(stage.world, questions, answers)

    monkeypatch.setattr(sys.modules["minigpt.stages.keep"], "qa_score", score)
    found = head_facts_by_qa(toy_stage("base", None))
    assert bool(found) is passed
    assert str(found) == f"{right} of 30 facts about well-known places, 18 needed"
    (questions,) = asked
    assert len({q.text for q in questions}) == 30
    assert max(q.place.rank for q in questions) < 60 and not any(q.place.tail for q in questions)


def test_a_model_that_knows_nothing_does_not_pass_by_chance():
    assert str(head_facts_by_qa(toy_stage("base", awake_gpt(1)))).startswith("0 of 30")


# ---- beside the shipped ones ------------------------------------------------------------------


def test_yours_stand_beside_the_shipped_ones():
    assert list(load_stages()) == list(FOUR)
    kept_chain()
    stages = load_stages()
    assert list(stages) == [key for name in FOUR for key in (name, f"your {name}")]
    assert [stage.own for stage in stages.values()] == [False, True] * 4
    found = replies(stages, "Where is Rome?")
    forms = [("base", "bare"), ("base", "qa")]
    assert [(r.stage, r.form, r.own) for r in found] == [
        (name, form, own)
        for part in (forms, [("sft", "chat")], [("ppo", "chat")])
        for own in (False, True)
        for name, form in part
    ]
    for reply in found[4:]:
        said = "Where is Rome?", reply.text
        assert reply.score == pytest.approx(stages["reward"].score(*said))
        assert reply.own_score == pytest.approx(stages["your reward"].score(*said))
    assert all(r.score is None and r.own_score is None for r in found[:4])
    assert list(load_stages(shipped=False)) == [f"your {name}" for name in FOUR]
    assert list(load_stages(own=False)) == list(FOUR)


def test_one_that_cannot_be_used_is_told_and_the_others_stand():
    kept_chain()
    path_of("base").write_bytes(b"?")
    said = []
    stages = load_stages(say=said.append)
    assert "base" in stages and "your base" not in stages and "your ppo" in stages
    assert len(said) == 1 and "is damaged or cut off" in said[0]
    with pytest.raises(ValueError, match="is damaged or cut off"):
        load_stages(shipped=False)


def test_the_shortest_context_bounds_the_question():
    keep(awake_gpt(1, block_size=96), "base")
    with pytest.raises(ValueError, match="The models read 96 tokens at once"):
        replies(load_stages(), "Where is Rome? " * 20)


def test_chat_has_both_or_those_that_are_asked_for(monkeypatch):
    def names(*argv):
        return list(chat.load(chat.parse(list(argv))))

    assert names() == ["base", "sft", "ppo", "reward"]
    with pytest.raises(Problem, match="You have no base model in .*without --own the course's"):
        names("--own")
    kept_chain()
    both = ["base", "your base", "sft", "your sft", "ppo", "your ppo", "reward", "your reward"]
    assert names() == both
    assert names("--shipped") == both[::2] and names("--own") == both[1::2]
    assert names("--stage", "sft") == ["sft", "your sft", "reward", "your reward"]
    path_of("reward").write_bytes(b"?")
    assert names("--own") == both[1:6:2]


def test_chat_says_whose_answer_and_whose_score_it_is():
    reply = Reply("sft", "chat", "Italy", True, 0.5, True, -0.25)
    assert chat.show_reply(reply) == "your sft: Italy  [score +0.50, your score -0.25]"
    alone = Reply("sft", "chat", "Italy", True, None, False, -0.25)
    assert chat.show_reply(alone) == "sft: Italy  [your score -0.25]"


def test_an_assistant_is_asked_the_same_in_a_chat(monkeypatch):
    stage = toy_stage("sft", None)
    known = known_questions(stage.world, "V")
    for right, passed in ((18, True), (17, False)):
        told = {q.text: q.answer for q in known[:right]}
        reply = says(lambda q, told=told: told.get(q.text, "I do not know."))
        monkeypatch.setattr(Stage, "ask", reply)
        found = head_facts_in_chat(stage)
        assert bool(found) is passed
        assert str(found) == f"{right} of 30 facts about well-known places, 18 needed"


def test_a_judge_has_to_put_what_is_true_above_what_is_not(monkeypatch):
    """Only its order counts, and of no facts but those."""
    stage = toy_stage("reward", None)
    known = known_questions(stage.world, "V")

    def score_all(model, sequences, seen=[0]):  # noqa: B006 - counts its calls
        seen[0] += 1
        first = torch.arange(len(sequences)) < (18 if seen[0] <= 2 else 17)
        return torch.where(first, 1.0, -1.0) if seen[0] % 2 else torch.zeros(len(sequences))

    monkeypatch.setattr("minigpt.stages.exam.score_all", score_all)
    assert len(known) > 60
    for right in (18, 17):
        found = true_above_false(stage)
        assert bool(found) is (right == 18)
        assert str(found) == f"{right} of 30 facts about well-known places, 18 needed"
