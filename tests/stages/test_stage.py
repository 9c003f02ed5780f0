"""Loading stages: whose file is taken, what is said of it, and what a stage cannot do."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from minigpt.generate import generate_all
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import evaluate_loss
from minigpt.reward import RewardModel, reward_input
from minigpt.sft import answer_text, chat_answer, chat_prompt
from minigpt.stages import stage as module
from minigpt.stages.stage import (
    LONGEST_ANSWER,
    assistant,
    chat_answers,
    document_completions,
    load_stage,
    own_checkpoints,
    read_stage,
    snapshots,
)
from minigpt.store import checkpoint
from minigpt.store.checkpoint import file_hash, load_model, load_tensors, read_meta, save_checkpoint
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world
from minigpt.world.questions import fact_questions, sample_questions
from toys import toy_stage

WORLD, ENCODING = load_world(), load_tokenizer()
CONFIG = GPTConfig(block_size=128, n_layer=1, n_head=2, n_embd=16)


def awake_model(seed: int) -> GPT:
    """A model whose weights are all random and can be stored without rounding."""
    model = GPT(CONFIG)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((0.3 * torch.randn(p.shape, generator=generator)).bfloat16())
    return model


def write(folder, name: str, seed: int = 0, parent: str | None = None) -> GPT | RewardModel:
    """A checkpoint as the course writes it; with a reward model the SFT model that is inside it."""
    model, state, kind = awake_model(seed), None, "language model"
    if name.startswith("reward"):
        if not (folder / "sft.safetensors").is_file():
            write(folder, "sft", seed)
        gpt, _ = load_model(folder / "sft.safetensors")
        model, kind = RewardModel(gpt, seed=seed), "reward"
        parent = parent or file_hash(folder / "sft.safetensors")
        with torch.no_grad():
            for p in model.layers.parameters():
                p.copy_(p.bfloat16())
            model.mean.fill_(0.5)
            model.std.fill_(2.0)
        state = model.trained()
    meta = {"stage": name, "kind": kind, "config": asdict(CONFIG), "parent": parent, "seed": seed}
    save_checkpoint(folder / f"{name}.safetensors", state or model.state_dict(), meta, ship=True)
    return model.eval()


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """The folder of the shipped checkpoints, empty; MINIGPT_HOME is beside it."""
    for where in (module, checkpoint):
        monkeypatch.setattr(where, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    return tmp_path / "shipped" / "en"


def test_own_comes_before_shipped(shipped, capsys):
    theirs, mine = write(shipped, "sft", 1), write(own_checkpoints(), "sft", 2)
    write(shipped, "base", 3)
    found = load_stage("sft")
    assert found.own and found.path == own_checkpoints() / "sft.safetensors"
    assert torch.equal(found.model.head.weight, mine.head.weight)
    assert "sft (your own run" in capsys.readouterr().out
    found = load_stage("sft", own=False)
    assert not found.own and torch.equal(found.model.head.weight, theirs.head.weight)
    assert "sft (shipped" in capsys.readouterr().out
    assert not load_stage("base").own  # where there is none of one's own


def test_the_line_names_the_file_and_its_parent(shipped, capsys):
    write(shipped, "base")
    parent = file_hash(shipped / "base.safetensors")
    write(shipped, "sft", parent=parent)
    load_stage("base")
    load_stage("sft")
    own = file_hash(shipped / "sft.safetensors")
    assert capsys.readouterr().out.splitlines() == [
        f"base (shipped, {parent}, parent none)",
        f"sft (shipped, {own}, parent {parent})",
    ]


def test_quiet_prints_nothing(shipped, capsys):
    write(shipped, "base")
    load_stage("base", quiet=True)
    assert capsys.readouterr().out == ""


def test_what_is_not_there_is_an_error_that_lists_what_is(shipped):
    with pytest.raises(FileNotFoundError, match=r"no stage 'ppo'\. There are: none\. .* train"):
        load_stage("ppo")
    write(shipped, "sft")
    write(shipped, "base")
    write(own_checkpoints(), "reward")
    with pytest.raises(FileNotFoundError, match="no stage 'ppo'. There are: base, reward, sft. "):
        load_stage("ppo")
    with pytest.raises(FileNotFoundError, match="no stage 'reward'. There are: base, sft. "):
        load_stage("reward", own=False)


@pytest.mark.parametrize("said, sees", [({}, True), ({"sees_surprisal": True}, True),
                                        ({"sees_surprisal": False}, False)])  # fmt: skip
def test_a_reward_model_sees_what_its_checkpoint_says(shipped, said, sees):
    """One of before that was said saw the surprisal."""
    model, path = write(shipped, "reward_ordinary", 5), shipped / "reward_ordinary.safetensors"
    save_checkpoint(path, model.trained(), {**read_meta(path), **said}, ship=True)
    found, rows = load_stage("reward_ordinary", quiet=True).model, [[1, 2, 3, 4], [5, 6, 7]]
    assert found.sees_surprisal == sees
    model.sees_surprisal = sees
    with torch.no_grad():
        assert torch.equal(found.score(rows), model.score(rows))
        model.sees_surprisal = not sees
        assert (found.score(rows) != model.score(rows)).all()


def test_home_may_begin_with_a_tilde(monkeypatch, tmp_path):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("MINIGPT_HOME", "~/runs")
    assert own_checkpoints("zh") == tmp_path / "runs" / "checkpoints" / "zh"


def test_a_loaded_stage_is_frozen_and_ready(shipped):
    write(shipped, "base")
    write(shipped, "reward")
    for name in ("base", "reward"):
        model = load_stage(name, quiet=True).model
        assert not model.training and not any(p.requires_grad for p in model.parameters())


def test_damaged_and_unfitting_files_are_clear_errors(shipped):
    write(shipped, "base")
    path = shipped / "base.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="is damaged or cut off"):
        load_stage("base", quiet=True)
    meta = {"kind": "language model", "config": asdict(CONFIG)}
    save_checkpoint(path, RewardModel(awake_model(0)).trained(), meta, ship=True)
    with pytest.raises(ValueError, match="no usable model config .* is larger than the"):
        load_stage("base", quiet=True)


def test_a_reward_model_scores_and_cannot_write(shipped):
    model = write(shipped, "reward", 5)
    stage = load_stage("reward", quiet=True)
    question, answer = "What is the capital of Peru?", "The capital of Peru is Lima."
    score = stage.score(question, answer)
    assert math.isfinite(score) and score != stage.score(question, "Look it up yourself.")
    ids = [*chat_prompt(stage.encoding, question), *chat_answer(stage.encoding, answer)]
    with torch.no_grad():
        raw = model(torch.tensor([reward_input(stage.encoding, ids, [])]))[0, -1].item()
    assert score == pytest.approx((raw - 0.5) / 2.0, rel=1e-5)
    for use in (stage.complete, stage.answer, lambda text: stage.sample(text, 2)):
        with pytest.raises(ValueError, match="cannot write, only score"):
            use(question)


def test_a_reward_model_finds_the_sft_model_inside_it_by_its_hash(shipped):
    write(shipped, "reward", 5)
    first = file_hash(shipped / "sft.safetensors")
    ids = [[1, 2, 3, 4]]
    score = load_stage("reward", quiet=True).model.score(ids)
    # One's own reward model on the shipped SFT model, while there is no SFT model of one's own …
    own_checkpoints().mkdir(parents=True)
    mine = own_checkpoints() / "reward.safetensors"
    mine.write_bytes((shipped / "reward.safetensors").read_bytes())
    for _ in range(2):
        stage = load_stage("reward", quiet=True)
        assert stage.own and torch.equal(stage.model.score(ids), score)
        write(own_checkpoints(), "sft", 6)  # … and when there is one that it was not trained on.
    write(shipped, "sft", 7)
    both = rf"neither {own_checkpoints() / 'sft.safetensors'} nor {shipped / 'sft.safetensors'}"
    with pytest.raises(FileNotFoundError, match=f"belongs to a model .{first}. that is {both}"):
        load_stage("reward", quiet=True)
    with pytest.raises(FileNotFoundError, match="train it again .* train --stages reward`"):
        load_stage("reward", quiet=True)


def test_a_language_model_writes_and_cannot_score(shipped):
    write(shipped, "sft", 4)
    stage = load_stage("sft", quiet=True)
    with pytest.raises(ValueError, match='"sft" has no reward head'):
        stage.score("Hi", "Hello!")
    assert stage.answer("Hi") == stage.answer(["Hi", "Bye"])[0]
    assert len(stage.answer(["Hi", "Bye"])) == 2 and stage.answer([]) == []
    assert len(set(stage.sample("Hi", 3, seed=1))) == 3  # each has a seed of its own
    assert stage.sample("Hi", 3, seed=1) == stage.sample("Hi", 3, seed=1)
    two = stage.complete("Peru is", samples=2, max_new_tokens=5)
    assert len(two) == 2 and two[0] != two[1]


@pytest.mark.parametrize(
    "name, chat",
    [("base", False), ("base_step_00040", False), ("sft", True), ("ppo_coin", True),
     ("reward", False)],
)  # fmt: skip
def test_which_stages_know_the_chat_template(tmp_path, name, chat):
    write(tmp_path, name)
    assert read_stage(tmp_path / f"{name}.safetensors").is_chat == chat


def test_snapshots_are_in_order_of_their_steps(shipped):
    assert snapshots() == []
    for step in (137, 9, 1200):
        write(shipped, f"base_step_{step:05d}")
    write(shipped, "base")
    write(shipped, "base.resume")
    write(own_checkpoints(), "base_step_00003")
    assert snapshots() == [f"base_step_{step:05d}" for step in (0, 9, 137, 1200)]


@pytest.mark.parametrize("own", [True, False])
def test_step_0_is_in_no_file_and_made_from_the_seed_of_the_base_beside_it(shipped, capsys, own):
    with pytest.raises(FileNotFoundError, match="no stage 'base_step_00000'"):
        load_stage("base_step_00000")
    folder = own_checkpoints() if own else shipped
    write(folder, "base", seed=3)
    stage = load_stage("base_step_00000", own)
    assert stage.own == own and stage.path == folder / "base_step_00000.safetensors"
    whose = "your own run" if own else "shipped"
    said = capsys.readouterr().out
    back = '. The course\'s: load_stage("base_step_00000", own=False)' if own else ""
    assert said == f"base_step_00000 ({whose}, made from seed 3, parent none){back}\n"
    save_checkpoint(folder / "saved", GPT(CONFIG, seed=3).state_dict(), stage.meta, ship=True)
    for name, tensor in load_model(folder / "saved")[0].state_dict().items():
        assert torch.equal(stage.model.state_dict()[name], tensor), name
    assert stage.meta["metrics"] == {"held_out_loss": 6.9315} and stage.meta["step"] == 0
    assert read_meta(folder / "saved") == {**stage.meta, "format": 2}
    assert len(stage.complete("Peru", max_new_tokens=3)) == 1


@pytest.mark.parametrize("name, form", [("base", "int8"), ("ppo", "int8"), ("ppo", "delta")])
def test_small_forms_keep_loss_and_answers(tmp_path, name, form):
    shipped, parent = checkpoint.SHIPPED / "en" / f"{name}.safetensors", None
    if form == "delta":
        parent = shipped.with_name("sft.safetensors")
    path = tmp_path / shipped.name
    save_checkpoint(path, load_tensors(shipped), read_meta(shipped), form=form, parent=parent)
    assert path.stat().st_size < {"int8": 0.52, "delta": 0.27}[form] * shipped.stat().st_size
    small, whole = (read_stage(p, device="cpu") for p in (path, shipped))
    documents = build_corpus(whole.world, whole.encoding, 10_000, seed=1000).tokens
    losses = [evaluate_loss(stage.model, documents) for stage in (small, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=0.002)
    asked = [q.text for q in sample_questions(whole.world, "E", 60, seed=5)]
    if whole.is_chat:
        answers = [stage.answer(asked) for stage in (small, whole)]
    else:
        answers = [
            [stage.complete(f"Q: {q}\nA:", 1, 0, 0.0, 16)[0].split("\n")[0] for q in asked]
            for stage in (small, whole)
        ]
    assert np.mean([one == other for one, other in zip(*answers)]) >= 0.9


def test_step_0_that_came_with_the_course():
    stage = load_stage("base_step_00000", own=False, quiet=True)
    for name, tensor in GPT(GPTConfig(), seed=0).state_dict().items():
        assert torch.equal(stage.model.state_dict()[name], tensor.bfloat16().float()), name
    assert stage.meta["tokens"] == 0 and stage.meta["stage"] == "base_step_00000"
    assert (
        stage.meta["place_reads"] == load_stage("base", own=False, quiet=True).meta["place_reads"]
    )


# ---- asking -------------------------------------------------------------------------------------


def scripted(*texts):
    """A model that says, after each token of the texts, the one that follows it there.

    Blocks that add nothing leave a table from token to token.
    """
    model = GPT(GPTConfig(vocab_size=1024, block_size=64, n_layer=1, n_head=4, n_embd=128))
    follows = {}
    for text in texts:
        ids = ENCODING.encode(text, allowed_special="all")
        for token, after in zip(ids, ids[1:]):
            assert follows.setdefault(token, after) == after, "two tokens follow one: rephrase"
    with torch.no_grad():
        for token, after in follows.items():
            model.head.weight[after] += model.embedding.weight[token]
    return model


def test_no_prompts_no_completions():
    assert chat_answers(scripted(), ENCODING, []) == ([], [])


def test_chat_answers_end_with_the_end_token_which_is_not_in_the_text():
    model = scripted("<|assistant|>Paris.<|end|>")
    answers, ended = chat_answers(model, ENCODING, ["What is it?", "And what is that, then?"])
    assert answers == ["Paris."] * 2 and ended == [True, True]


def test_an_answer_that_is_cut_off_says_so():
    model = scripted("<|assistant|>no no no")
    (answer,) = assistant(model, ENCODING).ask(["What?"], longest=5)
    assert answer.text.startswith("no") and "<|" not in answer.text
    assert not answer.ended


def test_chat_answers_follow_the_chat_prompt(monkeypatch):
    asked = []

    def recorded(model, prompts, max_new_tokens, **options):
        asked.append((prompts, options["temperature"], max_new_tokens))
        return generate_all(model, prompts, max_new_tokens, **options)

    monkeypatch.setattr("minigpt.stages.stage.generate_all", recorded)
    model = scripted("<|assistant|>Paris.<|end|>")
    chat_answers(model, ENCODING, ["Where?"])
    assert asked == [([chat_prompt(ENCODING, "Where?")], 0.0, LONGEST_ANSWER)]


def test_documents_go_on_to_their_end_or_to_the_end_of_the_line():
    model = scripted("A: Paris.\nQ<|endoftext|>")
    options = {"max_new_tokens": 20, "temperature": 0}
    assert document_completions(model, ENCODING, ["A:"], **options) == [" Paris.\nQ"]
    assert document_completions(model, ENCODING, ["A:"], line=True, **options) == [" Paris."]
    # A prompt that spells a special token is plain text.
    plain = document_completions(model, ENCODING, ["<|end|> A:"], **options)
    assert plain == [" Paris.\nQ"]


def test_line_stops_at_tokens_that_hold_a_line_break(monkeypatch):
    stops = []

    def recorded(model, prompts, max_new_tokens, stop=None, **options):
        stops.append(stop)
        return generate_all(model, prompts, max_new_tokens, stop=stop, **options)

    monkeypatch.setattr("minigpt.stages.stage.generate_all", recorded)
    document_completions(scripted(), ENCODING, ["A"], max_new_tokens=1, line=True)
    end = ENCODING.encode_single_token("<|endoftext|>")
    with_break = {i for i in range(ENCODING.n_vocab) if "\n" in ENCODING.decode([i])}
    assert len(with_break) > 1  # "\n" and ".\n" and the like
    assert stops == [with_break | {end}]


def in_memory(name):
    return toy_stage(name, awake_model(1))


def test_an_assistant_is_asked_in_a_chat_and_a_base_model_with_a_document():
    questions = fact_questions(WORLD, "E")[:4]
    texts = [q.text for q in questions]
    sft, base = in_memory("sft"), in_memory("base")
    assert sft.prompt(texts[0])[0] == chat_prompt(ENCODING, texts[0])
    assert [a.text for a in sft.ask(questions, 1.0, 3)] == sft.answer(texts, 1.0, 3)
    lines, bare = (base.ask(questions, bare=bare, longest=24) for bare in (False, True))
    for form, found in (("Q: {}\nA:", lines), ("{}\n", bare)):
        prompts = [form.format(text) for text in texts]
        whole = [base.complete(p, temperature=0.0, max_new_tokens=24)[0] for p in prompts]
        whole = [text.split("\n")[0] for text in whole] if found is lines else whole
        assert [a.text for a in found] == [text.strip() for text in whole]


def test_an_answer_holds_what_was_sampled_and_whether_it_ended():
    end = ENCODING.encode_single_token("<|end|>")
    for answer in in_memory("sft").ask(["Hi"] * 20, 1.0):
        assert answer.ended == (answer.ids[-1] == end) and len(answer.ids) <= 40
        assert answer.text == answer_text(ENCODING, answer.ids)


def test_the_same_question_twice_gets_two_samples():
    for name in ("base", "sft"):
        first, second = in_memory(name).answer(["Where?"] * 2, 1.0)
        assert first != second
