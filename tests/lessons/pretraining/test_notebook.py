"""Notebook 02: its loops against the package, and every number of its text against the run."""

import re
from functools import cache

import numpy as np
import pytest
import torch

from editions import edition_outputs, printed
from minigpt.classroom.grading.your_own import _PASSED, Stopped, yours
from minigpt.classroom.notebook import read_notebook
from minigpt.engine.optim import lr_factor, make_optimizer
from minigpt.generate import generate
from minigpt.lessons.pretraining import attention, sources
from minigpt.lessons.pretraining.guess_next import make_tasks
from minigpt.model import GPT, GPTConfig, next_token_loss
from minigpt.pretrain import PretrainConfig, Step, evaluate_loss, pretrain, windows
from minigpt.stages.keep import ENOUGH, HEAD_FACTS, head_facts_by_qa
from minigpt.stages.stage import load_stage, snapshots
from minigpt.store.files import ROOT
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import MIXTURE, build_corpus
from minigpt.world.facts import load_world
from toys import awake_gpt, tiny_gpt
from wrong import each, told

SOURCE = ROOT / "notebooks/source/en/02_pretraining.ipynb"
ENCODING = load_tokenizer("en")
MOST_LINES = 25


@cache
def cells() -> dict[str, dict]:
    return {cell["id"]: cell for cell in read_notebook(SOURCE)["cells"]}


def source(name: str) -> str:
    return cells()[name]["source"]


def definition(name: str, function: str) -> str:
    """A cell up to the end of one of its functions."""
    return re.split(r"\n(?=[^\s#)])", source(name)[source(name).index(f"def {function}") :])[0]


# ---- the loops ----------------------------------------------------------------------------------


def test_the_loop_in_the_notebook_is_the_packages():
    tokens = (np.arange(64 * 40 + 1) * 7 % 1000).astype(np.uint16)
    names = {"WINDOWS": 8, "cut": windows, "loss_of": next_token_loss, "torch": torch, "Step": Step,
             "lr_factor": lr_factor, "make_optimizer": make_optimizer}  # fmt: skip
    exec(definition("loop", "my_pretrain"), names)
    mine, theirs = tiny_gpt(block_size=64), tiny_gpt(block_size=64)
    config = PretrainConfig(batch_size=8, block_size=64)
    assert list(names["my_pretrain"](mine, tokens, block_size=64)) == list(
        pretrain(theirs, tokens, config)
    )
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters()))


def test_the_loop_is_short_and_hides_nothing():
    loop = definition("loop", "my_pretrain")
    assert len(loop.splitlines()) <= MOST_LINES
    for line in ("cut(tokens, block_size)", "loss_of(", ".zero_grad()", ".backward()", ".step()"):
        assert line in loop
    assert "live(run" in source("train-live") and "await watched" in source("train-live")


@pytest.mark.parametrize("name", ["windows", "next_token_loss"])
def test_a_learners_function_that_fails_stops_the_loop_and_is_named(name, monkeypatch, capsys):
    monkeypatch.setitem(_PASSED, name, lambda *given: 1 / 0)
    names = {"WINDOWS": 8, "torch": torch, "Step": Step, "lr_factor": lr_factor, "yours": yours,
             "make_optimizer": make_optimizer, "course_windows": windows,
             "course_loss": next_token_loss}  # fmt: skip
    exec(source("loop").split("\n\nmodel = ")[0], names)
    tokens = (np.arange(64 * 40 + 1) % 1000).astype(np.uint16)
    with pytest.raises(Stopped, match=f"Your {name} stopped this: ZeroDivisionError"):
        next(names["my_pretrain"](tiny_gpt(block_size=64), tokens, block_size=64))
    said = capsys.readouterr().out
    assert f"{name}: yours" in said and said.count("the package's, until") == 1


def test_the_network_is_gone_through_step_by_step(capsys):
    """And what is printed of a block is the block that runs."""
    names = {"base": load_stage("base", own=False, quiet=True), "tokyo": [1, 2, 3], "torch": torch}
    exec(source("environment").split("\nLANG")[0], names)
    exec(source("network"), names)
    said = capsys.readouterr().out
    assert "Step by step the network's own logits: True" in said
    assert all(f"def {name}(" in said for name in ("forward", "attention", "queries_keys_values"))


def test_the_sampling_loop_draws_from_the_models_own_distribution():
    names = {"torch": torch, "encoding": ENCODING,
             "END": ENCODING.encode_single_token("<|endoftext|>")}  # fmt: skip
    exec(definition("write", "write"), names)
    model, start = awake_gpt(block_size=64), [names["END"], *ENCODING.encode_ordinary("Rome is")]
    (likeliest,) = generate(model, [start], 9, temperature=0)
    cold = names["write"](model, "Rome is", 9, temperature=1e-4)
    assert cold == ENCODING.decode([*start[1:], *likeliest.ids])
    texts = {names["write"](model, "Rome is", 3, seed=seed) for seed in range(6)}
    assert len(texts) > 1 and names["write"](model, "Rome is", 3, seed=1) in texts


def test_the_bigram_table_counts_what_follows(capsys):
    class Corpus:
        tokens = np.array([3, 5, 3, 5, 3, 7], dtype=np.uint16)

    names = {"build_corpus": lambda *a, **k: Corpus, "world": None, "TOKENS": 6, "torch": torch,
             "encoding": ENCODING}  # fmt: skip
    exec(source("bigram").split("\n\n")[0], names)
    row, size = names["bigram"][3], ENCODING.n_vocab
    total = 3 + 0.01 * size
    assert row[[5, 7, 9]].tolist() == pytest.approx([2.01 / total, 1.01 / total, 0.01 / total])
    assert torch.allclose(names["bigram"].sum(1), torch.ones(size))


def test_the_open_task_begins_with_llamas_mixture_and_the_experiments_tokens():
    names = {"GPT": None, "mixtures": lambda found: None}
    exec(source("open").replace("await ", ""), names)
    assert {s: share / 100 for s, share in names["MIXTURE"].items()} == pytest.approx(MIXTURE)
    assert f"size={sources.TOKENS:_}" in source("open")


def test_the_budgets_are_a_minutes_reading_and_the_shipped_models():
    base = load_stage("base", own=False, quiet=True)
    names: dict = {}
    exec(source("budget").replace('"short"  # or', '"full"  # or'), names)
    assert names["TOKENS"] == pytest.approx(base.meta["tokens"], rel=0.02)
    assert names["WINDOWS"] == base.meta["settings"]["batch_size"]


# ---- what the text says -------------------------------------------------------------------------


def markdown(name: str) -> str:
    return " ".join(source(name).split())


def test_numbers_of_the_model():
    config, size = GPTConfig(), ENCODING.n_vocab
    assert config.vocab_size == size == 1024 and GPT(config).config.block_size == 256
    assert "Our windows have 256 tokens" in markdown("window-intro")
    assert f"knows V = {size:,} tokens" in markdown("loss-intro")
    assert f"a table of {size:,} × {size:,}" in markdown("bigram-intro")
    network = markdown("network-intro")
    assert f"a vector of {config.n_embd} numbers" in network and config.n_layer == 4
    assert "four **blocks**" in network and f"into {size:,} logits" in network
    assert "four **heads** side by side" in network and config.n_head == 4
    assert round(GPT(config).num_params() / 1e6) == 1
    assert "each of the million numbers" in markdown("loop-intro")
    assert len([*snapshots(), "base"]) == 6 and "at six times" in markdown("title")


def test_numbers_of_sources_and_of_the_check():
    text, rest = markdown("sources-intro"), 1 - MIXTURE["CommonCrawl"] - MIXTURE["C4"]
    assert abs(MIXTURE["CommonCrawl"] - 2 / 3) < 0.01 and "Two thirds of what LLaMA read" in text
    assert f"{MIXTURE['C4']:.0%}".replace("%", " %") + " was C4" in text
    assert f"The other {100 * rest:.0f} %" in text and len(MIXTURE) == 7
    assert f"{100 * ENOUGH:.0f} % of {HEAD_FACTS} facts" in markdown("keep-intro")
    assert attention.NAMES == 40 and "Over 40 made-up names" in source("look")


def test_what_the_sources_text_says_of_the_documents():
    corpus = build_corpus(load_world("en"), ENCODING, 150_000)
    asked = {s for s, d in zip(corpus.sources, corpus.documents) if d.startswith("Q: ")}
    spoken = {s for s, d in zip(corpus.sources, corpus.documents) if '?" asked' in d}
    clean = {"GitHub", "Wikipedia", "Books", "ArXiv", "StackExchange"}
    assert asked & clean == {"StackExchange"} and spoken & clean == {"Books"}
    said = " ".join(source("sources").split())
    assert "Q: and A: stand in StackExchange alone" in said  # and not before the prediction
    assert not re.search(r"StackExchange alone|Books alone", markdown("sources-intro"))


@cache
def read_by_base():
    """All that the shipped base model read."""
    return build_corpus(load_world("en"), ENCODING, 3_300_000)


def test_no_page_of_the_game_was_read():
    assert "pages that no model here has read (some begin as others do)" in markdown("title")
    assert read_by_base().place_reads == load_stage("base", own=False).meta["place_reads"]
    new = build_corpus(load_world("en"), ENCODING, 150_000, seed=1000).documents
    read, tasks = set(read_by_base().documents), make_tasks(ENCODING, new)
    begun = [[d for d in new if d.startswith(task.before + task.word)] for task in tasks]
    assert len(tasks) == 30 and all(begun) and not read & {d for found in begun for d in found}
    alike = [t for t in tasks if any(d.startswith(t.before + t.word) for d in read)]
    assert 0 < len(alike) < 10


def test_each_fact_stands_in_few_documents():
    """What the text on the curve says; notebook 03 says that Beijing stands in many."""
    assert "each in few of the documents" in markdown("curve-intro")
    corpus = read_by_base()
    assert max(corpus.reads.values()) < 0.05 * len(corpus.documents)


@pytest.mark.slow
def test_the_short_run_is_below_the_shipped_one_for_its_rate_has_shrunk(monkeypatch):
    """With a rate that stays high it lies where the shipped run lay."""
    assert "its learning rate has already shrunk" in markdown("curve-intro")
    corpus = build_corpus(load_world("en"), ENCODING, 800_000)
    new = build_corpus(load_world("en"), ENCODING, 150_000, seed=1000).tokens
    loss = {}
    for name, factor in (("falls", lr_factor), ("stays", lambda step, steps: 1.0)):
        monkeypatch.setattr("minigpt.pretrain.lr_factor", factor)
        model = GPT(GPTConfig(), seed=0)
        for _step in pretrain(model, corpus.tokens, PretrainConfig(8)):
            pass
        loss[name] = evaluate_loss(model, new)
    later = load_stage(snapshots()[3], own=False).meta
    assert 800_000 < later["tokens"] < 1e6
    assert loss["falls"] < later["metrics"]["held_out_loss"] < loss["stays"]


def test_the_name_that_is_copied_is_cut_as_the_text_says():
    first = ENCODING.encode_ordinary("On a cold morning Quennaby came to Malawi. Qu")
    texts = [ENCODING.decode([i]) for i in first]
    place = texts.index(" Q")
    assert texts[place : place + 3] == [" Q", "u", "en"] and texts[-2:] == [" Q", "u"]
    corpus = build_corpus(load_world("en"), ENCODING, 800_000)
    assert not any("Quennaby" in document for document in corpus.documents)


def test_answers_of_check_yourself():
    assert f"{np.log(50_257):.1f}" == "10.8" and "ln 50,257 is 10.8" in markdown("open-intro")
    assert f"{2 / np.log(2):.1f}" == "2.9" and f"{3 / np.log(2):.1f}" == "4.3"
    assert f"{3 / np.log(2) / 4:.1f}" == "1.1"


def test_the_page_is_short():
    setup = [*cells()].index("environment")
    before = [c for c in [*cells().values()][: setup + 1] if c["cell_type"] == "markdown"]
    assert sum(len(words(c["source"])) for c in before) <= 150
    assert [*cells()].index("guess") - setup <= 2  # a model answers


def words(text: str) -> list[str]:
    return re.findall(r"[\w'’-]+", re.sub(r"</?\w+>|\]\([^)]*\)", " ", text))


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    """The executed edition's outputs, by cell."""
    return edition_outputs("02_pretraining", cells())


def test_the_curve_of_the_edition_is_what_the_text_says_of_it(edition):
    """Steep, then slow; and what is read and what is new stay together."""
    said = printed(edition["train-live"])
    found = re.search(r"done: .* loss ([\d.]+) · held-out loss ([\d.]+)", said)
    loss, new = map(float, found.groups())
    assert abs(loss - new) < 0.25
    ours = [load_stage(n, own=False, quiet=True).meta for n in [*snapshots(), "base"]]
    fall = [(m["tokens"], m["metrics"]["held_out_loss"]) for m in ours]
    read, yours = re.search(
        r"After (.*) tokens your loss .* is ([\d.]+)", printed(edition["curve"])
    ).groups()
    table = "".join(str(o.get("data", {}).get("text/plain")) for o in edition["curve"])
    assert re.search(rf"yours: {read} +{yours} ", table), "the sentence and the table agree"
    assert read in said, "and the run"
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(fall, fall[1:])]
    assert slopes == sorted(slopes)  # ever less steep


def test_facts_come_late():
    """When most of the fall is behind, few are known."""
    early, last = (load_stage(n, own=False, quiet=True) for n in (snapshots()[2], "base"))
    losses = [m.meta["metrics"]["held_out_loss"] for m in (early, last)]
    assert losses[0] < 2 and np.log(ENCODING.n_vocab) - losses[0] > 0.8 * (6.93 - losses[1])
    assert head_facts_by_qa(early).right < 10 < 25 < head_facts_by_qa(last).right


def test_what_the_edition_says_of_computing(edition):
    said = printed(edition["cost"])
    more, longer = map(float, re.findall(r"([\d.]+) times", said))
    assert longer > more and "the smaller model took more computing" in said


WINDOWS = "[ids[i : i + block_size + 1] for i in range(0, {end}, block_size)]"
P_TRUE = "-torch.gather(logits.softmax(-1), -1, targets[..., None])"
SCORES = "future = torch.ones(len(q), len(q)).triu(1) > 0\n"
WRONG = {
    "windows": {
        "return " + WINDOWS.format(end="len(ids) - block_size"): "return torch.stack(list_of_rows)",
        f"return torch.stack({WINDOWS.format(end='len(ids)')})": "(N - 1) // T rows",
        "n = (len(ids) + block_size - 2) // block_size\n"
        "ids = torch.cat([ids, ids.new_zeros(n * block_size + 1 - len(ids))])\n"
        "return ids.unfold(0, block_size + 1, block_size)": "ids 0 to 11, T = 3: you returned",
        "print(ids)": "a tensor is wanted, not a NoneType",
    },
    "next-token-loss": {
        f"return {P_TRUE}.log()": "one number is wanted, the mean",
        "return -logits.gather(-1, targets[..., None]).mean()": "that is the mean logit",
        f"return {P_TRUE.replace('(-1)', '(1)')[1:]}.log().neg().mean()": "last dimension, V",
        f"return ({P_TRUE[1:]} + 1e-6).log().neg().mean()": "small added to p",
    },
    "attention": {
        SCORES + "return (q @ k.mT * scale).masked_fill(future.mT, -torch.inf).softmax(-1)":
            "triu(1), not tril",
        SCORES + "return (q @ k.mT * 8**-0.5).masked_fill(future, -torch.inf).softmax(-1)":
            "scale replaces 1 / sqrt(d)",
        SCORES + "return (q @ k.mT * scale * 8**-0.5).masked_fill(future, -torch.inf).softmax(-1)":
            "do not divide by sqrt(d) besides",
        SCORES + "return (q @ k.mT * scale).masked_fill(future, -9.0).softmax(-1)":
            "keeps some weight",
        "future = torch.ones(4, 4).triu(1) > 0\n"
        "return (q @ k.mT * scale).masked_fill(future, -torch.inf).softmax(-1)": "a fixed size",
    },
}  # fmt: skip


@each(WRONG)
def test_a_wrong_answer_is_told_what_is_wrong_with_it(name, lines, says, monkeypatch):
    assert says in told(SOURCE, name, lines, monkeypatch)


# What no test here reads against a run: definitions, numbers of exercises, examples, GPT-3's window
# (Brown et al. 2020, section 2.1), GPT-2's vocabulary, the bits of a byte.
BY_DEFINITION = {
    "window-intro": ["3", "2,048"],
    "task-windows": ["1", "1", "1"],
    "loss-intro": ["0"],
    "task-loss": ["2", "1,000", "1", "1", "0"],
    "write-intro": ["1", "1", "1"],
    "curve-intro": ["8"],
    "task-attention": ["3", "1", "0", "1"],
    "cost-intro": ["6", "3"],
    "open-intro": ["1", "31", "31", "2", "3.0", "2", "2.0", "2.0", "3", "0"],
}
READ = {  # by the tests above
    "window-intro": ["256"],
    "loss-intro": ["1,024"],
    "bigram-intro": ["1,024", "1,024"],
    "network-intro": ["128", "1,024"],
    "sources-intro": ["15", "4", "18", "18"],
    "keep-intro": ["60", "30"],
    "open-intro": ["50,257", "50,257", "10.8", "0.693", "2.9", "4.3", "1.1"],
}


def test_every_number_of_the_text_is_known():
    for name, cell in cells().items():
        if cell["cell_type"] == "markdown":
            text = re.sub(r"\[[Nn]otebook \d\d\]\([^)]*\)|\]\([^)]*\)", "", cell["source"])
            found = re.findall(r"\d+(?:[.,]\d+)*", text)
            assert sorted(found) == sorted(BY_DEFINITION.get(name, []) + READ.get(name, [])), name
    assert f"{np.log(2):.3f}" == "0.693"
