"""The sizes: parameters, memory and FLOPs, as README has them, against the models themselves."""

import json
import re
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from minigpt.engine.optim import make_optimizer
from minigpt.model import GPT, GPTConfig, next_token_loss
from minigpt.pretrain import PretrainConfig
from minigpt.stages.sizes import (
    DEFAULT,
    EDITIONS,
    SIZES,
    Size,
    flops_per_token,
    size_of,
)
from minigpt.stages.stage import load_stage, own_checkpoints
from minigpt.store.files import ROOT
from minigpt.tokenizer import load_tokenizer

README = (ROOT / "README.md").read_text(encoding="utf-8")


def parameters(config):
    """How many numbers training adjusts: the blocks' matrices, embedding, head and gain."""
    C = config.n_embd
    return 12 * config.n_layer * C * C + 2 * config.vocab_size * C + 1


def training_memory(size):
    """About how many bytes pretraining takes in one process, PyTorch itself aside.

    Weights, gradients and the optimizer's averages: three numbers of 4 bytes for each weight in
    the blocks (Muon) and four for the others (AdamW). On top the larger of two: what the backward
    pass needs, 20 widths a layer and three logits for each token, and Muon's working space, three
    more numbers for each weight in the blocks.
    """
    config = size.model
    blocks = 12 * config.n_layer * config.n_embd**2
    kept = 3 * blocks + 4 * (parameters(config) - blocks)
    tokens = size.batch_size * config.block_size
    backward = tokens * (20 * config.n_layer * config.n_embd + 3 * config.vocab_size)
    return 4 * (kept + max(backward, 3 * blocks))


@pytest.fixture
def fused(monkeypatch):
    """Attention as on a card: by hand it leaves out a part of the products, and keeps scores."""
    monkeypatch.setattr("minigpt.model.by_hand_is_faster", lambda q: False)


@pytest.fixture
def meta_model(monkeypatch):
    """Makes models without numbers: shapes alone."""
    monkeypatch.setattr(GPT, "init_weights", lambda self, generator: None)
    return lambda config: GPT(config).to("meta")


@pytest.mark.parametrize("name", SIZES)
def test_parameters_and_shapes(meta_model, name):
    size = SIZES[name]
    model = meta_model(size.model)  # GPTConfig checks itself when it is made
    assert parameters(size.model) == model.num_params()
    ids = torch.zeros(2, size.model.block_size, dtype=torch.long, device="meta")
    assert model(ids).shape == (*ids.shape, size.model.vocab_size)
    updates = size.tokens // (size.batch_size * size.model.block_size)
    assert updates >= 800 and 2.5 < size.tokens / parameters(size.model) < 3.5


@pytest.mark.parametrize("lang", EDITIONS)
def test_a_languages_models_differ_in_vocabulary_and_corpus_alone(lang):
    for name, size in SIZES.items():
        own, edition = size_of(name, lang), EDITIONS[lang]
        assert own.model.vocab_size == edition.vocab_size == load_tokenizer(lang).n_vocab
        assert replace(own.model, vocab_size=size.model.vocab_size) == size.model
        assert own.tokens == int(edition.tokens * size.tokens)
        assert own.batch_size == size.batch_size
        assert list(edition.snapshots) == sorted(edition.snapshots)
    assert EDITIONS["en"].tokens == 1 and [*EDITIONS] == ["en", "zh"]


def test_the_ladder_rises_from_the_course_to_gpt2s_shape(meta_model):
    numbers = [parameters(size.model) for size in SIZES.values()]
    assert numbers == sorted(numbers) and numbers[-1] == 86_507_521
    assert next(iter(SIZES)) == DEFAULT and SIZES[DEFAULT].model == GPTConfig()
    assert SIZES[DEFAULT].batch_size == PretrainConfig().batch_size
    assert SIZES[DEFAULT].head_lr(0.01) == 0.01
    c = SIZES["gpt2"].model
    assert (c.n_layer, c.n_head, c.n_embd, c.block_size) == (12, 12, 768, 1024)
    assert SIZES["gpt2"].head_lr(0.01) == pytest.approx(0.01 / 6)
    # GPT-2's other parameters: its larger tied embedding, positions, biases and norms.
    biases = 12 * (3 + 1 + 4 + 1) * 768
    norms = (2 * 12 + 1) * 2 * 768
    tables = (50257 + 1024) * 768 - 2 * 1024 * 768 - 1
    assert numbers[-1] + tables + biases + norms == 124_439_808


def test_what_stays_between_updates_is_counted_exactly():
    """Weights, gradients and averages, where nothing else is needed: a batch of no windows."""
    size = Size(GPTConfig(64, 32, 2, 2, 16), 3, 4000)
    model = GPT(size.model)
    optimizer = make_optimizer(model)
    ids = torch.zeros(3, 32, dtype=torch.long)
    next_token_loss(model(ids), ids).backward()
    optimizer.step()
    averages = [*optimizer.momentum.values()]
    averages += [t for state in optimizer.adamw.state.values() for t in state.values()]
    tensors = [t for p in model.parameters() for t in (p, p.grad)] + averages
    found = sum(4 * t.numel() for t in tensors)
    kept = training_memory(Size(size.model, 0, 0)) - 4 * 3 * 12 * 2 * 16**2
    assert found - 4 * 3 == kept  # AdamW's three counters of steps are left out


def test_what_the_backward_pass_needs_is_near_the_formula(fused):
    size = Size(GPTConfig(256, 128, 3, 2, 64), 4, 4000)
    model, saved = GPT(size.model), {}

    def pack(t):
        saved[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    ids = torch.zeros(4, 128, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        logits = model(ids)
        next_token_loss(logits, ids).backward  # noqa: B018
    for p in (*model.parameters(), model.rotation):
        saved.pop(p.data_ptr(), None)
    logit_bytes = 4 * logits.numel()  # the log-probabilities are saved; logits and gradient exist
    found = sum(saved.values()) + 2 * logit_bytes
    config = size.model
    formula = 4 * 4 * 128 * (20 * config.n_layer * config.n_embd + 3 * config.vocab_size)
    assert found == pytest.approx(formula, rel=0.1)


def test_readme_says_what_each_size_costs():
    rows = re.findall(r"^\| `(\w+)`.*", README, re.MULTILINE)
    assert rows == list(SIZES)
    for name, size in SIZES.items():
        c, flops = size.model, size.tokens * flops_per_token(size.model)
        tokens, memory = f"{size.tokens / 1e6:.2g}", training_memory(size) / 1e9
        cells = [f"{n:,}" for n in (c.n_layer, c.n_head, c.n_embd, c.block_size, parameters(c))]
        cells += [f"{float(tokens):g} M", f"{flops:.1e}".replace("+", ""), f"{memory:.1f} GB"]
        line = re.search(rf"^\| `{name}`[^|]*\|(.*)$", README, re.MULTILINE)[1]
        assert line.split(" | ")[: len(cells)] == [" " + cells[0], *cells[1:]]


def test_stages_of_a_size_are_loaded_from_its_folder(monkeypatch, tmp_path):
    from minigpt.stages import recipe
    from minigpt.stages import train as course

    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    toy = Size(GPTConfig(1024, 320, 1, 2, 32), 4, 20_000)
    monkeypatch.setitem(SIZES, "mini", toy)
    monkeypatch.setattr(recipe, "HELD_OUT_TOKENS", 3000)
    out, said = own_checkpoints("en", "mini"), []
    runs = course.Course(out, device="cpu", say=said.append, size="mini")
    runs.recipe.demonstrations = 64
    course.run(runs, "base")
    course.run(runs, "sft")
    for name in ("base", "sft"):
        stage = load_stage(name, size="mini", quiet=True)
        assert stage.path.parent == tmp_path / "checkpoints" / "en-mini"
        assert stage.model.config == toy.model
        rate = {"base": 0.01, "sft": 0.003}[name]
        assert stage.meta["settings"]["head_lr"] == pytest.approx(4 * rate)
    assert load_stage("base", size="mini", quiet=True).meta["settings"]["block_size"] == 320
    with pytest.raises(FileNotFoundError, match="train --size mini` makes them"):
        load_stage("ppo", size="mini")
    assert json.loads((out / "train.json").read_text(encoding="utf-8"))["stages"]["sft"]
    with pytest.raises(ValueError, match="another size, .*give its --size, or another --out"):
        course.run(course.Course(out, device="cpu", say=said.append), "sft")


def test_flops_against_pytorchs_counter(fused):
    config = GPTConfig(vocab_size=31, block_size=24, n_layer=3, n_head=2, n_embd=16)
    model, idx = GPT(config), torch.arange(24)[None]
    plain_attention = sdpa_kernel(SDPBackend.MATH)  # of the fused one, it counts nothing on a CPU
    with FlopCounterMode(display=False) as counter, plain_attention:
        forward = model(idx)
        forward_flops = counter.get_total_flops()
        next_token_loss(forward, idx).backward()
    assert counter.get_total_flops() == 24 * flops_per_token(config)
    assert forward_flops * 3 == counter.get_total_flops()
    weights = config.vocab_size * 16 + 12 * 3 * 16**2
    assert flops_per_token(config, context=1) == 6 * weights + 12 * 3 * 16
