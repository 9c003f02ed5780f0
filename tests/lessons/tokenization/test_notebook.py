"""Notebook 01: what its prose says of outputs is so, and the commonest mistakes get a sentence."""

import ast
import re
import symtable
import warnings
from itertools import islice

import numpy as np
import pytest

from editions import edition_outputs, printed, said
from minigpt.classroom.grading.your_own import (
    _PASSED,
    Stopped,
    check_passed,
    trial_random,
    your_own,
)
from minigpt.classroom.notebook import is_exercise, read_notebook
from minigpt.engine.bpe import fast_merges
from minigpt.engine.ranks import DATA, GPT2_PATTERN, GPT4_PATTERN, gpt2, load_ranks
from minigpt.lessons.tokenization.token_explorer import OUR_SIZES, encodings
from minigpt.lessons.tokenization.vocabulary import SIZES
from minigpt.show.results import load_results
from minigpt.stages.recipe import tokenizer_text
from minigpt.stages.stage import load_stage
from minigpt.store.files import ROOT
from minigpt.tokenizer import SPLIT_PATTERN, count_words, load_tokenizer, split_text
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import load_world

NOTEBOOK = read_notebook(ROOT / "notebooks" / "source" / "en" / "01_tokenization.ipynb")["cells"]
CELLS = {cell["id"]: cell["source"] for cell in NOTEBOOK}
CODE = {cell["id"]: cell["source"] for cell in NOTEBOOK if cell["cell_type"] == "code"}


def cell_table(source: str) -> symtable.SymbolTable:
    code = re.sub(r"^( *)await ", r"\1", source, flags=re.M)
    return symtable.symtable(code, "cell", "exec")


# ---- what the prose says ------------------------------------------------------------------------


def test_after_a_colon_of_an_answer_a_lone_space_stood_before_numbers_alone():
    """Not so elsewhere: there a lone space is followed by words, too."""
    encoding = load_tokenizer("en")
    corpus = build_corpus(load_world("en"), encoding, 400_000, seed=0)
    a, colon, space = (encoding.encode_single_token(t) for t in ("A", ":", " "))
    assert "more than a million characters" in CELLS["unknown"]
    told = "on the pages that the model read only numbers ever followed that token after A:"
    assert told in re.sub(r'\\n"\s+"', " ", CELLS["one-space"])
    assert 1e6 < sum(map(len, corpus.documents)) < 1.5e6
    ids, digits = np.array(corpus.tokens), []
    at = np.flatnonzero((ids[:-3] == a) & (ids[1:-2] == colon) & (ids[2:-1] == space))
    for token in ids[at + 3]:
        digits.append(encoding.decode_single_token_bytes(int(token))[:1].isdigit())
    assert len(digits) > 100 and all(digits)
    assert not encoding.encode_ordinary(" Rome")[0] == space


def test_the_split_patterns_differ_as_told():
    assert SPLIT_PATTERN.replace("{1,2}", "{1,3}") == GPT4_PATTERN
    assert r"\p{N}++" in GPT2_PATTERN and "two digits" in CELLS["split"]
    assert "six tokenizers: ours with four sizes" in CELLS["explorer"]
    assert split_text("a (or") == ["a", " (", "or"] and split_text("(or #1") == ["(or", " #", "1"]
    assert "a word with the space or sign before it" in CELLS["split"]
    assert (len(encodings()), len(OUR_SIZES)) == (6, 4)
    assert {f"{n:02d}" for n in range(100)} <= set(tokenizer_text("en")[0].split())


def test_a_trainer_is_two_functions_and_eight_lines():
    lines = CELLS["train"].split("\n")
    start = lines.index("def train(text, n_merges):")
    loop = lines[start + 1 : lines.index("", start)]
    assert "eight lines more" in CELLS["count-pairs-task"] and len(loop) + 1 == 8
    assert "count(words)" in "".join(loop) and "join(tokens, pair)" in "".join(loop)


def test_counts_in_words_are_the_counts():
    assert "five vocabularies" in CELLS["sizes"] and len(SIZES) == 5
    listed = re.search(r"\((\w+(\|\w+)+)\)\"\)", CELLS["endings-figure"])[1].split("|")
    assert "ten common endings" in CELLS["endings"] and len(listed) == 10
    assert "nine tenths" in CELLS["open"] and "if i % 10]" in CELLS["own-tokenizer"]
    assert gpt2().encode_ordinary(" SolidGoldMagikarp") == [43453]


def test_each_language_is_dear_in_the_others_tokenizer():
    english = re.search(r'english = "(.*)"', CELLS["tax-table"])[1]
    chinese = ast.literal_eval(re.search(r"chinese = (.*)", CELLS["tax-table"])[1])
    cost = {
        lang: [len(load_tokenizer(lang).encode_ordinary(text)) for text in (english, chinese)]
        for lang in ("en", "zh")
    }
    assert cost["en"][1] > 3 * cost["en"][0] and cost["zh"][0] > 3 * cost["zh"][1]
    assert "and now English pays" in CELLS["tax-table"]


def test_the_two_languages_are_shown_without_a_warning():
    shown, picked, names = [], [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(CELLS["environment"], names)
        names |= {"ours": load_tokenizer("en"), "display": shown.append}
        names["predict"] = lambda _, options, answer: picked.append(options[answer()])
        exec(CELLS["tax-table"], names)
        page = shown[0]._repr_html_()
    assert picked == ["ours"] and "北京有2184万" in page
    assert "<img" not in page  # no figure, whose font might lack a character


def test_the_best_vocabulary_is_one_of_the_options_and_bytes_alone_are_worst():
    by_size = {}
    for run in load_results("vocabulary")["runs"]:
        by_size.setdefault(run["vocab_size"], []).append(run["bits_per_byte"])
    assert all(len(found) == 3 for found in by_size.values()) and len(by_size) == len(SIZES)
    mean = {size: np.mean(found) for size, found in by_size.items()}
    assert sorted(mean, key=mean.get)[2:] == [1024, 512, 262]
    assert max(by_size[512]) < min(by_size[262]) and max(by_size[1024]) < min(by_size[262])


def test_a_late_answer_finds_what_its_cell_left():
    """It is computed when a button is pressed, perhaps after all cells have run."""
    bound = {}
    for name, source in CODE.items():
        for symbol in cell_table(source).get_symbols():
            if symbol.is_assigned() or symbol.is_namespace():
                bound.setdefault(symbol.get_name(), set()).add(name)
    seen = 0
    for name, source in CODE.items():
        for answer in cell_table(source).get_children() if "\npredict(" in source else ():
            read = {s.get_name() for s in answer.get_symbols() if s.is_global()}
            assert {n: bound[n] for n in read if len(bound.get(n, ())) > 1} == {}, name
            seen += bool(read)
    assert seen == 9


# Numbers that no output could contradict: definitions, examples, headings, the literature.
BY_DEFINITION = {
    "bytes": ["0", "255", "8"],
    "split": ["2183", "2184"],
    "unknown": ["1"],
    "sizes": ["2"],
    "endings": ["3"],
    "open": ["50,000"],
    "found": ["2024", "2407.13623"],
}
READ = {  # by the tests of this file
    "count-pairs-task": ["1"],
    "merge-task": ["2"],
    "encode-task": ["256", "3"],
    "decode-task": ["2"],
    "tax": ["16", "21.84"],
    "found": ["00", "99"],
}


def test_every_number_of_the_text_is_known():
    for cell in NOTEBOOK:
        if cell["cell_type"] == "markdown":
            text = re.sub(r"\[[^\]]*\]\([^)]*\)|`[^`]*`|GPT-\d|notebook \d\d", "", cell["source"])
            found = re.findall(r"\d+(?:[.,]\d+)*", text)
            known = BY_DEFINITION.get(cell["id"], []) + READ.get(cell["id"], [])
            assert sorted(found) == sorted(known), cell["id"]


def test_points_bytes_and_the_sentence_about_beijing():
    points = {c["metadata"]["nbgrader"]["grade_id"]: c["metadata"]["nbgrader"].get("points")
              for c in NOTEBOOK if is_exercise(c)}  # fmt: skip
    told = {c["id"]: re.search(r"\((\d) points?\)", c["source"]) for c in NOTEBOOK}
    named = {name.removesuffix("-task"): int(found[1]) for name, found in told.items() if found}
    assert named == {n.removesuffix("-check"): p for n, p in points.items() if p}
    assert "the 256 bytes, then the merges" in CELLS["encode-task"]
    ranks = load_ranks(DATA / "tokenizer-en.tiktoken")
    assert sum(len(token) == 1 for token in ranks) == 256
    facts = load_world("en").facts
    sentence = re.search(r'english = "(.*)"', CELLS["tax-table"])[1]
    assert sentence in CELLS["tax"] and facts["beijing", "districts"].value == "16"
    assert f"has {facts['beijing', 'population'].value} residents" in sentence


# ---- wrong answers ------------------------------------------------------------------------------

GREEDY = """
def encode(word, ranks):
    ids = []
    while word:
        n = max(n for n in range(1, len(word) + 1) if word[:n] in ranks)
        ids.append(ranks[word[:n]])
        word = word[n:]
    return ids
"""
EACH = """
def merge(tokens, pair):
    out = []
    for i in range(len(tokens) - 1):
        joined = (tokens[i], tokens[i + 1]) == pair
        out.append(tokens[i] + tokens[i + 1] if joined else tokens[i])
    return out
"""
TOLD = [  # (exercise, what went wrong in the solution or instead of it, what is said)
    ("count-pairs", ("    return counts", ""), "gave None, expected a dictionary: return it"),
    ("count-pairs", (", 0) + n", ", 0) + 1"), "counts as often as its word, and adds up"),
    ("count-pairs", ("counts[pair] = counts.get(pair, 0)",
                     'counts[b"".join(pair)] = counts.get(b"".join(pair), 0)'), "key is a pair"),
    ("count-pairs", ("in words:", "in [([t for w, n in words for t in w], 1)]:"), "never reaches"),
    ("merge", ("while i < len(tokens):", "while i < len(tokens) - 1:"), "the last token was lost"),
    ("merge", ("i += 2", "i += 1"), "a token that was joined was used again"),
    ("merge", ("i += 2", "return out + tokens[i + 2 :]"), "each occurrence is joined"),
    ("merge", ("    return out", "    tokens[:] = out; return out"), "build a new one"),
    ("merge", ("    return out", "    tokens[:] = out"), "gave None.*return the new list"),
    ("merge", ("    return out", "    return tuple(out)"), "return the new list"),
    ("merge", ("tokens[i] + tokens[i + 1])", "pair)"), "a pair becomes one token"),
    ("merge", ("    return out", "    return out[:-1]"), "the last token was lost"),
    ("merge", EACH, "used again: after a pair, go on behind both"),
    ("merge", ("tuple(pair):", "list(pair):"), "nothing was joined"),
    ("encode-solution", GREEDY, "takes the longest token at each place; BPE joins by rank"),
    ("encode-solution", ("[ranks[token] for token in tokens]", "tokens"), "return their ranks"),
    ("encode-solution", ("[ranks[token] for token in tokens]", "(*(ranks[t] for t in tokens),)"),
     "return a list of ranks"),
    ("encode-solution", ("min(known)", "known[0]"), "an has the lowest rank, so"),
    ("decode", ('b"".join(vocabulary[i] for i in ids).decode("utf-8", errors="replace")',
     '"".join(vocabulary[i].decode("utf-8", errors="replace") for i in ids)'),
     "decoded alone: join the bytes first"),
    ("decode", (', errors="replace"', ""), "an error.*half a character becomes"),
]  # fmt: skip


@pytest.mark.parametrize("name, change, said", TOLD)
def test_a_common_mistake_gets_a_sentence_of_its_own(name, change, said):
    """With what was returned and what was expected."""
    answer = CELLS[name].replace(*change) if isinstance(change, tuple) else change
    assert answer != CELLS[name]
    given = {"check_passed": check_passed, "trial_random": trial_random, "your_own": your_own}
    names = dict(given)
    exec(answer, names)
    with pytest.raises(AssertionError) as caught:
        exec(CELLS[name.removesuffix("-solution") + "-check"], names)
    message = str(caught.value)
    assert re.search(said, message), message
    assert " gave " in message and "expected" in message or "build a new one" in message


def test_a_lesson_with_a_wrong_function_stops_and_names_it(capsys, monkeypatch):
    """One that had passed: what it reads may have changed since."""
    monkeypatch.setitem(_PASSED, "count_pairs", lambda words: 1 / 0)
    names = {}
    exec(CODE["environment"].split("\n\n")[0], names)
    with pytest.raises(Stopped, match="Your count_pairs stopped this: ZeroDivisionError"):
        exec(CODE["train"], names)


# ---- limits -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    return edition_outputs("01_tokenization", CELLS)


def test_the_model_is_asked_soon():
    prose = {c["id"]: words(c["source"]) for c in NOTEBOOK if c["cell_type"] == "markdown"}
    order = [*CELLS]
    before = order[order.index("environment") + 1 : order.index("one-space") + 1]
    assert before == ["oddities", "one-space"] and prose["title"] + prose["oddities"] <= 150


def words(text: str) -> int:
    return len(re.sub(r"\]\([^)]*\)|^\|.*$", "]", text, flags=re.M).split())


# ---- what is said of outputs --------------------------------------------------------------------


def test_frequent_merges_come_first_and_words_that_occur_once_last():
    text = re.search(r'PARAGRAPH = """(.*?)"""', CODE["train"], re.S)[1]
    times = [n for _pair, n in islice(fast_merges(count_words(text)), 60)]
    assert min(times[:8]) > 4 and max(times[-6:]) == 1
    assert "merges[:8]" in CODE["train"] and "merges[-6:]" in CODE["train"]
    assert "First what is frequent, at the end words that occur once" in CODE["train"]


def test_all_tables_count_the_same_tokens_of_a_tokenizer(edition):
    said_of = printed(edition["decode-and-special"])
    counts = re.findall(r"= ([\d,]+) tokens", said_of)
    assert len(counts) == 3 and all(any(f"{n} ids" in name for name in encodings()) for n in counts)
    rows = " ".join(said(edition["tax-table"]).split())
    assert [n for n in counts if f", {n}" not in rows] == []


def test_how_much_longer_our_base_model_trained():
    flops = load_stage("base", own=False, quiet=True).meta["flops"]
    assert flops / load_results("vocabulary")["operations"] == pytest.approx(8, abs=0.5)
    assert load_stage("base", own=False, quiet=True).model.config.vocab_size == 1024


def test_the_words_that_are_unknown_are_mostly_names(edition):
    """They are one-off names, and places' names spelled without a capital."""
    shown = " ".join(printed(edition["unknown-words"]).split())
    assert int(re.search(r"but (\d+)% of them begin with a capital", shown)[1]) > 80
    assert "they are mostly names" in shown
