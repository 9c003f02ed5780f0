"""The course's own runs, on a recipe so small that both of two trainings take seconds."""

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from minigpt.commands.report import train_seed
from minigpt.engine.bpe import fast_merges
from minigpt.model import GPTConfig
from minigpt.ppo import PPOConfig
from minigpt.pretrain import evaluate_loss
from minigpt.reward import RewardModel, reward_inputs, score_all
from minigpt.sft import answer_text
from minigpt.stages import controls, recipe
from minigpt.stages import train as module
from minigpt.stages.exam import report_questions
from minigpt.stages.folder import form_of
from minigpt.stages.from_labels import simulated_pairs
from minigpt.stages.recipe import SHARE, Recipe, tokenizer_text
from minigpt.stages.scoring import Measure
from minigpt.stages.sizes import SIZES, flops_per_token
from minigpt.stages.train import EXTRAS, Course, make_ppo, make_reward, run
from minigpt.store.checkpoint import SHIPPED, file_hash, load_tensors, read_meta
from minigpt.tokenizer import load_tokenizer, train_bpe
from minigpt.world.facts import load_world
from minigpt.world.judge import judge
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
        pushed = replace(module.PUSHED, iterations=12 * SHARE, prompts=16, minibatch=8)
        patch.setattr(module, "PUSHED", pushed)
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
    assert 0 < meta["reward"]["examples"] and pairs <= 64 * 10  # of four answers and a refusal
    assert meta["reward"]["sees_surprisal"] is True
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
    assert curve[0]["utility"] == curve[0]["gold"]  # for the expert, who is the labeler
    assert sum(curve[0]["verdicts"].values()) == len(trained.questions("validation"))
    assert meta["metrics"]["kl"] >= 0


def test_what_its_labeler_likes_best_is_kept_and_the_last_beside_it(trained, monkeypatch):
    """Chosen by the labeler's utility: by gold or the reward model another would be."""
    likes, seen = {1: 0.25, 2: -0.5, 3: 0.75, 4: 0.5}, []

    def vote(course, policy, reward, questions, labeler):
        seen.append({name: p.detach().clone() for name, p in policy.state_dict().items()})
        assert labeler == "expert" and reward.meta["stage"] == "reward"
        assert questions == course.questions("validation")
        n = len(seen)
        return {"utility": likes[n], "gold": -likes[n], "proxy": float(n), "verdicts": {}}

    monkeypatch.setattr(module, "vote", vote)
    monkeypatch.setattr(module, "mean_kl", lambda *a: Measure(0.0))
    make_ppo(trained, "trial", PPOConfig(prompts=8, minibatch=8, iterations=80), 1, last="trial_z")
    for name, step in (("trial", 3), ("trial_z", 4)):
        meta, tensors = read_meta(trained.path(name)), load_tensors(trained.path(name))
        trained.path(name).unlink()
        assert meta["step"] == step and [v["step"] for v in meta["curve"]] == [1, 2, 3, 4]
        assert meta["labeler"] == "expert" and meta["reward"] == file_hash(trained.path("reward"))
        for key, p in seen[step - 1].items():
            assert torch.equal(tensors[key], p.bfloat16().float()), key
    assert any(not torch.equal(seen[2][name], seen[3][name]) for name in seen[0])


def test_validation_is_of_v_and_the_stages_before_are_of_a(trained):
    world = load_world("en")
    split = {q.text: world.facts[q.place.id, q.attribute].split
             for q in trained.questions("validation") if q.kind == "fact"}  # fmt: skip
    assert set(split.values()) == {"V"}
    asked, samples = trained.answers_to_compare
    for questions in (asked, trained.questions("practised")):
        known = {world.facts[q.place.id, q.attribute].split for q in questions if q.kind == "fact"}
        assert known == {"A", "B"}
    for q, row in zip(asked, samples):  # beside four samples, who asks of a place is refused once
        assert len(row) == (5 if q.place else 4)
        text = answer_text(trained.encoding, row[-1].ids)
        assert not q.place or judge(world, q, text) == "declined this name"


def test_what_is_compared_and_practised_is_of_all_places_alike_and_of_both_makers_names():
    """Against them the questions that people ask, of V; and practice has fewer unread names."""
    course, shares, ranks = tiny("."), {}, {}
    course.shrink = 1  # enough questions to tell shares
    for use in ("compared", "practised", "validation"):
        questions = course.questions(use)
        shares[use] = np.mean([q.kind == "unknown" for q in questions])
        ranks[use] = np.mean([q.place.rank for q in questions if q.kind == "fact"])
        makers = {q.place.id.split("-")[0] for q in questions if q.kind == "unknown"}
        assert makers == {"markov", "anagrams"}
    assert shares["practised"] < shares["compared"] - 0.05
    assert min(ranks["compared"], ranks["practised"]) > ranks["validation"] + 15


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


def test_the_scale_of_scores_is_that_of_sampled_answers_not_of_the_written_ones(trained):
    model, (questions, samples) = trained.load("reward").model, trained.answers_to_compare
    rows = reward_inputs(trained.encoding, trained.prompts(questions), samples)
    sampled = score_all(model, [s for row in rows for s in row[:4]])
    # Before it is divided by the spread, which is small here; the file has rounded weights.
    assert (sampled.mean() * model.std).item() == pytest.approx(0, abs=0.01)
    assert sampled.std().item() == pytest.approx(1, abs=0.05)
    with_refusals = score_all(model, [s for row in rows for s in row])
    assert abs((with_refusals.mean() - sampled.mean()).item()) > 0.01  # another scale otherwise


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


@pytest.mark.parametrize("name, form, parent", [
    ("base", "bf16", None), ("base_step_00120", "int8", None), ("sft", "bf16", None),
    ("sft_honest", "delta", "base"), ("reward", "bf16", None), ("reward_ordinary", "bf16", None),
    ("ppo", "bf16", None), ("ppo_early", "delta", "sft"), ("ppo_overoptimised", "delta", "sft"),
    ("ppo_priced", "delta", "sft"), ("ppo_flattered", "bf16", None),
])  # fmt: skip
def test_forms_that_lose_something_are_for_what_nothing_starts_from(name, form, parent):
    assert form_of(name) == (form, parent)
    assert parent is None or form_of(parent) == ("bf16", None)


def test_chinese_models_are_small_but_for_the_base():
    """Eight megabytes hold them all."""
    assert form_of("base", "zh") == ("bf16", None) and form_of("ppo", "zh") == ("delta", "sft")
    for name in ("base_step_00029", "sft", "reward"):
        assert form_of(name, "zh") == ("int8", None)
    shipped = [*(SHIPPED / "zh").glob("*.safetensors")]
    assert {p.stem.split("_")[0] for p in shipped} == {"base", "sft", "reward", "ppo"}
    assert len(shipped) == 6 and sum(p.stat().st_size for p in shipped) < 8e6


def test_extras_are_runs_of_their_own_beside_the_four_stages(trained, monkeypatch):
    """What each began with, whose scores it learned from, which round was kept, in which form."""
    before = {path.name: path.read_bytes() for path in trained.out.glob("*.safetensors")}
    for make in EXTRAS.values():
        make(trained)
    new = {path.stem for path in trained.out.glob("*.safetensors")} - {n[:-12] for n in before}
    late = {"ppo_early", "ppo_overoptimised", "ppo_priced"}
    assert new == {"sft_honest", "reward_ordinary", *late}
    meta = {name: read_meta(trained.path(name)) for name in new}
    models = {name: trained.load(name).model for name in (*new, "sft", "base")}
    kinds = {name: {t.dtype for t in load_file(trained.path(name)).values()} for name in new}
    for name in new:
        trained.path(name).unlink()
    for name in {*late, "reward_ordinary"}:
        assert meta[name]["parent"] == file_hash(trained.path("sft"))
    assert meta["sft_honest"]["parent"] == file_hash(trained.path("base"))
    assert not torch.equal(models["sft_honest"].head.weight, models["sft"].head.weight)
    assert not models["reward_ordinary"].sees_surprisal
    assert all((torch.uint8 in kinds[name]) == (form_of(name)[0] == "delta") for name in new)

    early, over, priced = (meta[name] for name in ("ppo_early", "ppo_overoptimised", "ppo_priced"))
    assert len({meta[name]["reward"] for name in late}) == 1 and early["curve"] == over["curve"]
    assert early["reward"] != file_hash(trained.path("reward"))
    assert over["settings"] == early["settings"] == {**priced["settings"], "kl_coef": 0.0}
    assert priced["settings"]["kl_coef"] == 0.1 and over["settings"]["seed"] == trained.seed
    assert [vote["step"] for vote in over["curve"]] == [4, 8, 12]
    assert over["step"] == priced["step"] == 12
    best = max(vote["utility"] for vote in early["curve"])
    assert early["step"] == next(v["step"] for v in early["curve"] if v["utility"] == best)
    assert before == {p.name: p.read_bytes() for p in trained.out.glob("*.safetensors")}


def test_other_labelers_models_are_measured_and_not_kept(trained, monkeypatch):
    monkeypatch.setattr(controls, "OTHERS", ("mediocre",))
    monkeypatch.setattr(controls, "report_questions", lambda world: report_questions(world, 20))
    monkeypatch.setattr(controls.rlhf, "NAMES", 10)
    before = {path.name: path.read_bytes() for path in trained.out.glob("*.safetensors")}
    controls.make_controls(trained)
    assert before == {p.name: p.read_bytes() for p in trained.out.glob("*.safetensors")}
    file = trained.out / "controls.json"
    contents = json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    file.unlink()
    assert set(contents) == {"measures", "answers", "asked", "command"}
    assert {name: len(said) for name, said in contents["answers"].items()} == {
        name: len(contents["asked"]) for name in ("sft", "expert", "mediocre", "oracle")
    }
    shares = {"polite", "unread_declined", "unread_invented", "known_declined", "known_correct"}
    changes = {"gold_over_sft_greedy", "proxy_change", "utility_change", "gold_change"}
    found, names = contents["measures"], list(contents["answers"])
    keys = {name: {key.split(".")[1] for key in found if key.split(".")[0] == name}
            for name in names}  # fmt: skip
    assert keys["mediocre"] - {"invents_over_expert"} == keys["sft"] == keys["oracle"]
    assert keys["sft"] == keys["expert"] >= {*shares, *changes, "tokens", "kl"}
    for key, (value, *interval) in found.items():
        assert len(interval) == 2 and not interval[0] > value and not interval[1] < value, key
        assert 0 <= value <= 1 or key.split(".")[1] not in shares, key
    assert all(found[f"sft.{key}"] == [0.0, 0.0, 0.0] for key in (*changes, "kl"))  # beside itself
    invented = [found[f"{name}.unread_invented"][0] for name in ("mediocre", "expert")]
    difference = found["mediocre.invents_over_expert"][0]
    assert difference == pytest.approx(invented[0] - invented[1], abs=2e-4)


def test_the_report_trains_a_seed_only_as_far_as_it_is_not_there(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    tiny_course = partial(Course, device="cpu", recipe=TINY, fast=True)
    monkeypatch.setattr(module, "Course", tiny_course)
    out = tmp_path.resolve() / "seeds" / "0" / "en"
    shutil.copytree(trained.out, out)
    (out / "ppo.safetensors").unlink()
    there = {path: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
    assert train_seed(0, "en", quiet=True) == out
    assert {path: path.stat().st_mtime_ns for path in there} == there
    new = {path.stem for path in out.glob("*.safetensors")} - {path.stem for path in there}
    assert new - {"ppo"} == {"sft_honest", "reward_ordinary", "ppo_early", "ppo_overoptimised",
                             "ppo_priced"}  # fmt: skip
    assert file_hash(out / "ppo.safetensors") == file_hash(trained.path("ppo"))


def test_another_labelers_reward_model_has_seen_their_choices(trained):
    make_reward(trained, "reward_trial", "hurried", sees_surprisal=False)
    theirs, stage = read_meta(trained.path("reward_trial")), trained.load("reward_trial")
    trained.path("reward_trial").unlink()
    assert (theirs["labeler"], theirs["sees_surprisal"]) == ("hurried", False)
    assert not stage.model.sees_surprisal and theirs["parent"] == file_hash(trained.path("sft"))
    questions, samples = trained.answers_to_compare
    counts = {}
    for name in ("hurried", "expert"):
        choose = chooser(trained.world, name, trained.seed)
        pairs, ties = simulated_pairs(trained.encoding, questions, samples, choose)
        counts[name] = sum(map(len, pairs)), ties
    assert (theirs["examples"], theirs["ties"]) == counts["hurried"] != counts["expert"]


@pytest.mark.parametrize("compared, finished", [
    (64 * 10, True), (64 * 10 + 1, False), (64 * 10 // 20 + 1, True), (64 * 10 // 20, False),
])  # fmt: skip
def test_a_reward_model_is_finished_with_as_many_pairs_as_five_answers_have(
    trained, monkeypatch, compared, finished
):
    """A twentieth of them, and no more, would be those of --fast."""
    course = tiny(trained.out, resume=True)
    known = {**read_meta(trained.path("reward")), "examples": compared - 3, "ties": 3}
    monkeypatch.setattr(course, "meta", lambda name: known)
    assert course.finished("reward") == finished


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
