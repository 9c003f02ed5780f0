"""The course's own runs, on a recipe so small that both of two trainings take seconds."""

import json
import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch

from minigpt.commands.report import train_seed
from minigpt.engine.bpe import fast_merges
from minigpt.model import GPTConfig
from minigpt.ppo import PPOConfig
from minigpt.pretrain import evaluate_loss
from minigpt.reward import RewardModel
from minigpt.stages import recipe
from minigpt.stages import train as module
from minigpt.stages.from_labels import simulated_pairs
from minigpt.stages.recipe import Recipe, tokenizer_text
from minigpt.stages.scoring import Measure
from minigpt.stages.sizes import SIZES, flops_per_token
from minigpt.stages.train import Course, clean_control, extras, make_ppo, make_reward, run
from minigpt.store.checkpoint import file_hash, load_tensors, read_meta
from minigpt.tokenizer import load_tokenizer, train_bpe
from minigpt.world.facts import load_world
from minigpt.world.labelers import chooser

TINY = Recipe(corpus_tokens=1_200_000, demonstrations=1280, comparison_prompts=1280,
              answers_per_prompt=4, rl_prompts=1280, validation_questions=100)  # fmt: skip
STAGES = ("base", "sft", "reward", "ppo")
CONFIG = GPTConfig(n_layer=1, n_head=2, n_embd=32)


@pytest.fixture(scope="module", autouse=True)
def small():
    """A model, a held-out corpus and rounds of PPO that are small as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", replace(SIZES["tiny"], model=CONFIG))
        patch.setattr(recipe, "HELD_OUT_TOKENS", 12_000)
        for part in (module, recipe):
            patch.setattr(part, "PPOConfig", partial(PPOConfig, prompts=32, minibatch=16))
        yield


def tiny(out, seed=0, **options) -> Course:
    return Course(out, seed=seed, device="cpu", recipe=TINY, fast=True, say=quiet, **options)


def quiet(text: str) -> None:
    pass


def train(out, seed=0) -> Course:
    torch.set_num_threads(1)  # module fixtures come before the hook that does this for each test
    course = tiny(out, seed)
    for stage in STAGES:
        run(course, stage)
    return course


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("first"))


def metas(course: Course) -> dict:
    return {name: read_meta(course.path(name)) for name in STAGES}


def test_every_stage_leaves_its_file_and_no_other(trained):
    found = {path.name for path in trained.out.iterdir()}
    snapshots = {name for name in found if name.startswith("base_step_")}
    assert found - snapshots == {f"{stage}.safetensors" for stage in STAGES} | {"train.json"}
    steps = [int(name[10:15]) for name in sorted(snapshots)]
    base = read_meta(trained.path("base"))
    assert steps[0] > 0 and steps == sorted(set(steps)) and len(steps) >= 3
    assert steps[-1] < base["step"]
    for name, step in zip(sorted(snapshots), steps):
        meta = read_meta(trained.out / name)
        assert meta["step"] == step and meta["settings"] == base["settings"]
        assert meta["tokens"] == step * 16 * 256 and meta["parent"] is None


def test_each_stage_names_the_file_that_it_started_from(trained):
    meta = metas(trained)
    assert meta["base"]["parent"] is None
    for child, parent in (("sft", "base"), ("reward", "sft"), ("ppo", "sft")):
        assert meta[child]["parent"] == file_hash(trained.path(parent)), child
    assert meta["ppo"]["reward"] == file_hash(trained.path("reward"))


def test_metadata_say_what_was_done(trained):
    for name, meta in metas(trained).items():
        assert meta["stage"] == name and meta["lang"] == "en" and meta["seed"] == 0
        assert meta["kind"] == ("reward" if name == "reward" else "language model")
        assert meta["config"] == vars(CONFIG)
        assert meta["settings"]["seed"] == 0 and meta["threads"] == 1
        assert meta["tokens"] > 0 and meta["flops"] > 0
        text = json.dumps(meta)
        assert str(trained.out) not in text and "seconds" not in text
    meta = metas(trained)
    assert meta["base"]["flops"] == meta["base"]["tokens"] * flops_per_token(CONFIG, 256)
    assert meta["base"]["tokens"] == meta["base"]["step"] * 16 * 256
    assert 0 <= len(trained.corpus.tokens) - meta["base"]["tokens"] < 2 * 16 * 256
    assert meta["sft"]["examples"] == 64 and meta["reward"]["labeler"] == "expert"
    pairs = meta["reward"]["examples"] + meta["reward"]["ties"]
    assert 0 < meta["reward"]["examples"] and pairs <= 64 * 6
    assert meta["ppo"]["examples"] == 32 * meta["ppo"]["settings"]["iterations"]


def test_the_base_knows_how_often_each_place_was_read(trained):
    reads = read_meta(trained.path("base"))["place_reads"]
    assert reads == trained.corpus.place_reads
    places = {p.id: p for p in load_world("en").places}
    assert set(reads) <= set(places) and all(reads[p.id] for p in places.values() if p.tail)


def test_the_base_learned_and_says_so_on_documents_that_it_did_not_read(trained):
    untrained = trained.load("base_step_00000")
    first = evaluate_loss(untrained.model, trained.held_out_corpus.tokens, 256)
    last = read_meta(trained.path("base"))["metrics"]["held_out_loss"]
    assert first == pytest.approx(6.9315, abs=1e-3)  # ln 1024: all logits are zero
    assert untrained.meta["metrics"]["held_out_loss"] == round(first, 4) and last < first - 1
    both = set(trained.held_out_corpus.documents) & set(trained.corpus.documents)
    assert len(both) < 0.2 * len(trained.held_out_corpus.documents)


def test_ppo_keeps_the_candidate_with_the_most_votes(trained):
    meta = read_meta(trained.path("ppo"))
    curve = meta["curve"]
    assert [vote["step"] for vote in curve] == [meta["settings"]["iterations"]]
    assert meta["step"] in [vote["step"] for vote in curve]
    assert sum(curve[0]["verdicts"].values()) == len(trained.questions("validation"))
    assert meta["metrics"]["kl"] >= 0


@pytest.mark.parametrize("choose, best", [
    (lambda vote: vote["gold"], max), (lambda vote: -vote["gold"], min),
])  # fmt: skip
def test_of_several_candidates_the_chosen_ones_weights_are_saved(
    trained, monkeypatch, choose, best
):
    votes, seen = {1: 0.25, 2: -0.5, 3: 0.75, 4: 0.5}, []

    def vote(course, policy, reward, questions):
        seen.append({name: p.detach().clone() for name, p in policy.state_dict().items()})
        return {"gold": votes[len(seen)], "proxy": 0.0, "verdicts": {}}

    monkeypatch.setattr(module, "vote", vote)
    monkeypatch.setattr(module, "mean_kl", lambda *a: Measure(0.0))
    config = PPOConfig(prompts=8, minibatch=8, iterations=80)
    make_ppo(trained, "trial", config=config, every=1, choose=choose)
    path = trained.path("trial")
    meta, tensors = read_meta(path), load_tensors(path)
    path.unlink()
    assert [v["step"] for v in meta["curve"]] == [1, 2, 3, 4]
    chosen = best(votes, key=votes.get)
    assert meta["step"] == chosen
    for name, p in seen[chosen - 1].items():
        assert torch.equal(tensors[name], p.bfloat16().float()), name
    assert any(not torch.equal(seen[0][name], seen[3][name]) for name in seen[0])


def test_validation_is_of_v_and_the_stages_before_are_of_a(trained):
    world = load_world("en")
    split = {q.text: world.facts[q.place.id, q.attribute].split
             for q in trained.questions("validation") if q.kind == "fact"}  # fmt: skip
    assert set(split.values()) == {"V"}
    asked, samples = trained.answers_to_compare
    known = {world.facts[q.place.id, q.attribute].split for q in asked if q.kind == "fact"}
    assert known == {"A"} and {len(row) for row in samples} == {4}


def test_an_answer_that_was_cut_off_is_in_no_pair(trained):
    questions, samples = trained.answers_to_compare
    choose = chooser(trained.world, "expert", trained.seed)
    pairs, ties = simulated_pairs(trained.encoding, questions, samples, choose)
    meta = read_meta(trained.path("reward"))
    assert (sum(map(len, pairs)), ties) == (meta["examples"], meta["ties"])
    assert any(not s.ended for row in samples for s in row)  # so there was one to leave out
    for row, found in zip(samples, pairs):
        assert all(row[i].ended for pair in found for i in pair)


def test_train_json_says_what_each_stage_took(trained):
    table = json.loads((trained.out / "train.json").read_text(encoding="utf-8"))["stages"]
    assert set(table) >= set(STAGES)
    for name in STAGES:
        row, meta = table[name], read_meta(trained.path(name))
        assert {"seconds", "cpu_over_wall", "tokens", "flops"} <= set(row)
        assert (row["tokens"], row["flops"]) == (meta["tokens"], meta["flops"])
        assert row["seconds"] >= 0 and row["cpu_over_wall"] > 0


def test_what_is_saved_is_loaded_again(trained):
    for name in STAGES:
        stage = trained.load(name)
        assert stage.name == name and stage.own
        assert isinstance(stage.model, RewardModel) == (name == "reward")
        assert not any(p.requires_grad for p in stage.model.parameters())
    model = trained.trainable("sft")
    assert model.training and all(p.requires_grad for p in model.parameters())
    std = trained.load("reward").model.std.item()
    assert std > 0 and std != 1  # normalised on the SFT model's answers


def test_the_same_seed_gives_the_same_bytes(trained, tmp_path):
    """Byte for byte, snapshots and all, although other random numbers were drawn meanwhile."""
    torch.manual_seed(123)
    again = train(tmp_path)
    first = {path.name: path.read_bytes() for path in trained.out.glob("*.safetensors")}
    second = {path.name: path.read_bytes() for path in again.out.glob("*.safetensors")}
    assert set(first) == set(second) and len(first) >= 7
    assert [name for name in first if first[name] != second[name]] == []


def test_another_seed_gives_other_weights_and_documents(trained, tmp_path):
    other = tiny(tmp_path, seed=1)
    run(other, "base")
    theirs, ours = load_tensors(other.path("base")), load_tensors(trained.path("base"))
    assert all(not torch.equal(theirs[name], ours[name]) for name in ours if name != "gain")
    assert other.corpus.documents != trained.corpus.documents


def test_a_new_base_leaves_no_snapshot_of_an_older_run(tmp_path):
    course = tiny(tmp_path)
    old = tmp_path / "base_step_09999.safetensors"
    old.write_bytes(b"of a longer run")
    run(course, "base")
    assert not old.exists() and course.path("base").is_file()


def test_resume_leaves_out_what_is_finished(trained):
    before, said = {p.name: p.read_bytes() for p in trained.out.iterdir()}, []
    again = tiny(trained.out, resume=True)
    again.say = said.append
    for stage in STAGES:
        run(again, stage)
    assert {p.name: p.read_bytes() for p in trained.out.iterdir()} == before
    assert [text for text in said if "finished before" in text] == [
        f"{stage}: finished before, {stage}.safetensors stays as it is" for stage in STAGES
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_of_another_run_is_not_finished(trained, tmp_path, stage):
    for path in trained.out.glob("*.safetensors"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = []
    assert tiny(tmp_path, resume=True).finished(stage)
    other = tiny(tmp_path, seed=1, resume=True)
    other.say = said.append
    assert not other.finished(stage) and f"{stage}.safetensors is of another run" in said[-1]
    whole = Course(tmp_path, device="cpu", recipe=TINY, say=quiet, resume=True)  # not --fast
    assert not whole.finished(stage)
    parent = {"base": "none", "sft": "base", "reward": "sft", "ppo": "reward"}[stage]
    (tmp_path / f"{parent}.safetensors").write_bytes(b"another")
    assert tiny(tmp_path, resume=True).finished(stage) == (stage == "base")
    (tmp_path / f"{stage}.safetensors").unlink()
    assert not tiny(tmp_path, resume=True).finished(stage)


@pytest.mark.parametrize("stage, parent", [("sft", "base"), ("reward", "sft"), ("ppo", "sft")])
def test_without_the_stage_before_it_is_a_clear_error(tmp_path, stage, parent):
    with pytest.raises(FileNotFoundError, match=rf"no checkpoint .*{parent}\.safetensors.* train"):
        run(tiny(tmp_path), stage)
    assert not list(tmp_path.iterdir())


def test_a_cut_off_parent_is_a_clear_error(trained, tmp_path):
    whole = trained.path("base").read_bytes()
    (tmp_path / "base.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ValueError, match=r"base\.safetensors is damaged or cut off\. .*makes it anew"
    ):
        run(tiny(tmp_path), "sft")


def test_an_interrupted_stage_leaves_the_older_file_as_it_was(trained, tmp_path, monkeypatch):
    for name in ("base", "sft"):
        (tmp_path / f"{name}.safetensors").write_bytes(trained.path(name).read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    course = tiny(tmp_path, seed=5)

    def stopped(course, steps, name, every=20):
        yield next(steps)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "follow", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(course, "sft")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_control_is_measured_and_not_kept(trained, monkeypatch):
    monkeypatch.setattr(
        module, "report_questions", lambda world: trained.questions("validation")[:8]
    )
    clean_control(trained)
    file = trained.out / "controls.json"
    table = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    assert set(table) == {"gold.sft_clean", "kl.sft_clean"} and table["kl.sft_clean"] >= 0
    assert not trained.path("sft_clean").exists()


def test_extras_are_runs_of_their_own_beside_the_four_stages(trained, monkeypatch):
    """Whose labels they learned from, what they began with, and which round was kept."""
    monkeypatch.setattr(
        module, "report_questions", lambda world: trained.questions("validation")[:8]
    )
    before = {path.name: path.read_bytes() for path in trained.out.glob("*.safetensors")}
    monkeypatch.setattr(trained, "shrink", 5)  # 12 rounds
    trained.recipe.few_prompts = 32
    extras(trained)
    new = {path.stem for path in trained.out.glob("*.safetensors")} - {n[:-12] for n in before}
    assert new == {"reward_few", "ppo_overoptimised"}
    over = read_meta(trained.path("ppo_overoptimised"))
    assert over["settings"]["kl_coef"] == 0 and over["settings"]["seed"] == trained.seed
    assert over["reward"] == file_hash(trained.path("reward_few"))
    assert [vote["step"] for vote in over["curve"]] == [5, 10, 12]
    widest = max(over["curve"], key=lambda vote: vote["proxy"] - vote["gold"])
    assert over["step"] == widest["step"]
    for name in new:
        trained.path(name).unlink()
    (trained.out / "controls.json").unlink()
    assert before == {p.name: p.read_bytes() for p in trained.out.glob("*.safetensors")}


def test_the_report_trains_a_seed_only_as_far_as_it_is_not_there(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    tiny_course = partial(Course, device="cpu", recipe=replace(TINY, few_prompts=8), fast=True)
    monkeypatch.setattr(module, "Course", tiny_course)
    out = tmp_path.resolve() / "seeds" / "0" / "en"
    shutil.copytree(trained.out, out)
    (out / "ppo.safetensors").unlink()
    there = {path: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
    assert train_seed(0, "en", quiet=True) == out
    assert {path: path.stat().st_mtime_ns for path in there} == there
    new = {path.stem for path in out.glob("*.safetensors")} - {path.stem for path in there}
    assert new == {"ppo", "ppo_overoptimised", "reward_few"}
    assert file_hash(out / "ppo.safetensors") == file_hash(trained.path("ppo"))


def test_a_reward_model_of_few_comparisons_has_seen_only_those(trained):
    trained.recipe.few_prompts = 8
    make_reward(trained, few=True)
    few, all_of_them = (read_meta(trained.path(n)) for n in ("reward_few", "reward"))
    questions, samples = trained.answers_to_compare
    choose = chooser(trained.world, "expert", trained.seed)
    pairs, ties = simulated_pairs(trained.encoding, questions[:8], samples[:8], choose)
    assert few["examples"] == sum(map(len, pairs)) < all_of_them["examples"]
    assert few["ties"] == ties and few["settings"]["prompts_per_batch"] == 4
    trained.path("reward_few").unlink()


def test_fast_is_a_twentieth_and_never_too_few(tmp_path):
    fast, whole = Course(tmp_path, fast=True), Course(tmp_path)
    assert (whole.count(8000), fast.count(8000), fast.count(400)) == (8000, 400, 64)


def test_a_language_or_device_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="no world in the language 'xx'"):
        Course(tmp_path, lang="xx")
    with pytest.raises(ValueError, match="device 'tpu' is not known"):
        Course(tmp_path, device="tpu")


def test_tokenizer_text_is_of_every_source_and_the_same_each_time():
    text = tokenizer_text("en", characters=30_000)
    assert text == tokenizer_text("en", characters=30_000)
    whole = "\n".join(text[1:])
    for mark in ("# ", "Abstract. ", "Q: ", "return ", "said the guide", "?\n"):
        assert mark in whole, mark
    held_out = {p.name for p in load_world("en").held_out}
    assert not any(name in whole for name in held_out)


def test_two_digits_are_one_token():
    """What the page of numbers is for, in the shipped ranks and in those of a small training."""
    ranks = train_bpe(tokenizer_text("en", characters=20_000)[:1], 256 + 100, merges=fast_merges)
    encoding = load_tokenizer("en")
    for n in range(100):
        assert f"{n:02d}".encode() in ranks
        assert len(encoding.encode_ordinary(f"{n:02d}")) == 1, n
