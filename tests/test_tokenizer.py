"""The tokenizer against tiktoken, OpenAI's published encodings and a brute-force trainer."""

import hashlib
import random
import socket
from collections import Counter
from itertools import islice, pairwise

import pytest
import tiktoken
import tiktoken_ext.openai_public as openai_public
from hypothesis import given, settings
from hypothesis import strategies as st

from minigpt import tokenizer
from minigpt.tokenizer import (
    GPT2_PATTERN,
    GPT4_PATTERN,
    SPECIAL_TOKENS,
    SPLIT_PATTERN,
    Merge,
    bpe_encode,
    bpe_merges,
    build_encoding,
    gpt2,
    gpt4,
    load_ranks,
    load_tokenizer,
    merge_pair,
    save_ranks,
    special,
    split_text,
    train_bpe,
)

PATTERNS = [SPLIT_PATTERN, GPT2_PATTERN, GPT4_PATTERN]
WORDS = r"\S+"  # no space inside a word: small examples can be checked by hand
TEXTS = [
    "",
    "Hello,",
    "Hello, world! It's 2024, they'LL say; 21.84 million.\n\n\tdef f(x):\n        return x\n",
    "runs of      spaces \n\n\n   and\r\nlines  \u3000 end   ",
    "北京有多少人口？北京市的常住人口约为2184万，有16个区。\n",
    "emoji 👩‍👩‍👧‍👦🙂🙂🙂 e\u0301 ﷽ \x00\x7f\ufffd",
    "<|end|><|user|>",
    "aaaaaaa" * 40 + "ababab" * 40,
]
CORPUS = "\n".join(TEXTS) + "She sells sea shells by the sea shore, the shells she sells. " * 3

quick = settings(max_examples=60, deadline=None, database=None)
# Characters without a category are left out: the two regex engines know different Unicode versions.
characters = st.characters(exclude_categories=("Cs", "Cn"))
any_text = st.text(characters, max_size=40)
dense_text = st.text(st.sampled_from("aab \n'1,é北🙂"), max_size=60)  # many repeated pairs


def brute_force(texts: list[str], pattern: str) -> list[Merge]:
    """Recount all pairs of all words before each merge, by the same tie rule."""
    words = [
        [bytes([b]) for b in word.encode("utf-8")] for t in texts for word in split_text(t, pattern)
    ]
    merges = []
    while True:
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            return merges
        left, right = min(counts, key=lambda pair: (-counts[pair], pair[0], pair[1]))
        merges.append(Merge(left, right, left + right, counts[left, right]))
        for word in words:
            for i in range(len(word)):
                if word[i : i + 2] == [left, right]:
                    word[i : i + 2] = [left + right]


@pytest.fixture(scope="module")
def ranks() -> dict[bytes, int]:
    return train_bpe(CORPUS, 440)


# Training


@quick
@given(st.lists(dense_text | any_text, max_size=3), st.sampled_from([*PATTERNS, WORDS, r"(?s).+"]))
def test_merges_equal_brute_force(texts, pattern):
    merges = list(bpe_merges(texts, pattern))
    assert merges == brute_force(texts, pattern)
    tokens = [merge.token for merge in merges]
    assert len(set(tokens)) == len(tokens) and all(len(token) > 1 for token in tokens)


def test_merges_of_real_text_equal_brute_force():
    merges = list(bpe_merges(CORPUS))
    assert merges == brute_force([CORPUS], SPLIT_PATTERN) and len(merges) > 150


def test_worked_example():
    """aaabdaaabac becomes XdXac with X = aaab, the example of the Wikipedia article on BPE."""
    merges = bpe_merges("aaabdaaabac")
    assert next(merges) == Merge(b"a", b"a", b"aa", 4)  # the two in aaa both count
    assert next(merges) == Merge(b"a", b"b", b"ab", 2)
    assert next(merges) == Merge(b"aa", b"ab", b"aaab", 2)
    ranks = train_bpe("aaabdaaabac", 256 + 3)
    assert bpe_encode(b"aaabdaaabac", ranks) == [258, ord("d"), 258, ord("a"), ord("c")]


def test_ties_go_to_the_smallest_bytes_not_the_smallest_ids():
    merges = [(m.left, m.right) for m in bpe_merges("bx abd abc", WORDS)]
    # By id, b (98) would come before ab (256).
    assert merges == [(b"a", b"b"), (b"ab", b"c"), (b"ab", b"d"), (b"b", b"x")]
    merges = [(m.left, m.right) for m in bpe_merges("ac ab", WORDS)]
    assert merges == [(b"a", b"b"), (b"a", b"c")]  # equal left bytes: the right ones decide


def test_highest_count_first_and_order_of_texts_is_irrelevant():
    texts = CORPUS.splitlines()
    counts = [merge.count for merge in bpe_merges(texts)]
    assert counts == sorted(counts, reverse=True)
    expected = train_bpe(texts, 600)
    random.Random(0).shuffle(texts)
    assert list(train_bpe(iter(texts), 600)) == list(expected)


def test_ranks_are_bytes_then_merges_in_order():
    merged = [merge.token for merge in islice(bpe_merges(CORPUS), 44)]
    ranks = train_bpe(CORPUS, 300)
    assert list(ranks) == [bytes([b]) for b in range(256)] + merged
    assert list(ranks.values()) == list(range(300))
    assert len(train_bpe(CORPUS, 256)) == 256


def test_training_stops_early_when_no_pair_is_left():
    assert list(train_bpe("ab", 1024))[256:] == [b"ab"]
    assert list(bpe_merges("a b", WORDS)) == []
    for nothing in ("", [], ["", ""]):
        assert len(train_bpe(nothing, 1024)) == 256


def test_a_long_run_ends_in_one_token():
    tokens = [merge.token for merge in bpe_merges("a" * 1000)]
    assert tokens[:3] == [b"aa", b"aaaa", b"aaaaaaaa"] and tokens[-1] == b"a" * 1000


@quick
@given(st.lists(st.sampled_from([b"a", b"b", b"aa"]), max_size=12), st.data())
def test_merge_pair_joins_each_occurrence_from_left_to_right(tokens, data):
    pair = tuple(data.draw(st.lists(st.sampled_from([b"a", b"b", b"aa"]), min_size=2, max_size=2)))
    expected = []  # a second way to say it: read once, look one back
    for token in tokens:
        joined = expected and (expected[-1], token) == pair and expected[-1] is not None
        if joined:
            expected[-1:] = [pair[0] + pair[1], None]  # None: what was joined is not joined again
        else:
            expected = [t for t in expected if t is not None] + [token]
    merge_pair(tokens, pair)
    assert tokens == [t for t in expected if t is not None]


def test_half_a_surrogate_pair_does_not_stop_training_or_encoding(ranks):
    assert list(train_bpe("\ud83d\ud83d", 300))[256:] == [b"??"]
    assert build_encoding("t", ranks).encode_ordinary("\ud83d")


# Splitting


def test_numbers_are_cut_into_two_digits_ours_and_three_gpt4():
    assert split_text("in 21840000") == ["in", " ", "21", "84", "00", "00"]
    assert split_text("in 21840000", GPT4_PATTERN) == ["in", " ", "218", "400", "00"]
    assert split_text("in 21840000", GPT2_PATTERN) == ["in", " 21840000"]
    assert split_text("IT'SHE it'she") == ["IT", "'S", "HE", " it", "'s", "he"]
    assert split_text("end \n  ") == ["end", " \n  "]
    assert split_text("Hello, it's  on") == ["Hello", ",", " it", "'s", " ", " on"]


@quick
@given(any_text | dense_text, st.sampled_from(PATTERNS))
def test_split_loses_nothing(text, pattern):
    assert "".join(split_text(text, pattern)) == text


# Encoding


@quick
@given(any_text | dense_text | st.sampled_from(TEXTS), st.sampled_from(PATTERNS))
def test_bpe_encode_equals_tiktoken(text, pattern):
    ranks = train_bpe([text, CORPUS], 400, pattern)
    enc = build_encoding("t", ranks, pattern)
    words = [word.encode("utf-8") for word in split_text(text, pattern)]
    assert [i for word in words for i in bpe_encode(word, ranks)] == enc.encode_ordinary(text)
    whole = text.encode("utf-8")  # one word, long enough for tiktoken's other algorithm
    if whole:
        uncut = build_encoding("t", ranks, r"(?s).+")
        assert bpe_encode(whole, ranks) == uncut.encode_ordinary(text)


def test_bpe_encode_equals_tiktoken_with_published_ranks():
    for enc, file, pattern in [
        (gpt2(), "r50k_base", GPT2_PATTERN),
        (gpt4(), "cl100k_base", GPT4_PATTERN),
    ]:
        ranks = load_ranks(tokenizer.DATA / "tiktoken" / f"{file}.tiktoken")
        for text in TEXTS:
            words = [word.encode("utf-8") for word in split_text(text, pattern)]
            ids = [i for word in words for i in bpe_encode(word, ranks)]
            assert ids == enc.encode_ordinary(text)


def test_a_token_encodes_to_itself(ranks):
    for token, rank in ranks.items():
        assert bpe_encode(token, ranks) == [rank]
    assert bpe_encode(b"", ranks) == []


@quick
@given(any_text | dense_text | st.sampled_from(TEXTS))
def test_round_trip_is_lossless(text):
    for enc in (build_encoding("t", train_bpe(text, 300)), gpt2(), gpt4()):
        assert enc.decode(enc.encode_ordinary(text)) == text


@quick
@given(st.text())  # any code point, assigned or not, that the training text never held
def test_round_trip_of_unseen_text(text):
    enc = build_encoding("t", train_bpe("the cat sat on the mat", 300))
    assert enc.decode(enc.encode_ordinary(text)) == text


# Special tokens


def test_special_ids_follow_the_ranks_in_order(ranks):
    enc = build_encoding("t", ranks)
    assert [special(enc, token) for token in SPECIAL_TOKENS] == list(range(440, 446))
    assert enc.n_vocab == 446 and enc.name == "t"
    assert enc.decode([special(enc, "<|end|>")]) == "<|end|>"
    assert build_encoding("t", ranks, special_tokens=()).n_vocab == 440


def test_typed_special_tokens_are_ordinary_text(ranks):
    enc = build_encoding("t", ranks)
    typed = "".join(SPECIAL_TOKENS)
    ids = enc.encode_ordinary(typed)
    assert max(ids) < len(ranks) and enc.decode(ids) == typed
    with pytest.raises(ValueError):  # tiktoken refuses to guess
        enc.encode("<|end|>")
    assert enc.encode("<|end|>", allowed_special={"<|end|>"}) == [special(enc, "<|end|>")]


def test_unknown_special_token(ranks):
    with pytest.raises(ValueError, match=r"t has no special token '<\|eos\|>'.*<\|end\|>"):
        special(build_encoding("t", ranks), "<|eos|>")
    with pytest.raises(ValueError, match="it has: none"):
        special(build_encoding("t", ranks, special_tokens=()), "<|end|>")
    with pytest.raises(ValueError, match="no special token 'a'"):  # an ordinary token is not one
        special(build_encoding("t", ranks), "a")


# GPT-2 and GPT-4


def test_known_encodings():
    assert gpt2().n_vocab == 50257 and gpt4().n_vocab == 100277
    assert gpt2().encode_ordinary("Hello,") == [15496, 11]
    assert gpt2().encode_ordinary("hello world") == [31373, 995]
    assert gpt4().encode_ordinary("hello world") == [15339, 1917]
    assert gpt4().encode_ordinary("tiktoken is great!") == [83, 1609, 5963, 374, 2294, 0]
    assert special(gpt2(), "<|endoftext|>") == 50256
    assert special(gpt4(), "<|endoftext|>") == 100257
    assert gpt2() is gpt2() and gpt4() is gpt4()


@pytest.mark.parametrize("ours, name", [(gpt2, "r50k_base"), (gpt4, "cl100k_base")])
def test_equal_to_the_encoding_that_tiktoken_would_download(ours, name, monkeypatch):
    path = tokenizer.DATA / "tiktoken" / f"{name}.tiktoken"
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *a, **k: load_ranks(path))
    theirs = tiktoken.Encoding(**getattr(openai_public, name)())
    assert ours().special_tokens_set == theirs.special_tokens_set
    for token in theirs.special_tokens_set:
        assert special(ours(), token) == theirs.encode_single_token(token)

    def same(text):
        text += "."  # releases of tiktoken differ on white space at the very end
        assert ours().encode_ordinary(text) == theirs.encode_ordinary(text)

    for text in TEXTS:
        same(text)
    quick(given(any_text | dense_text)(same))()


@pytest.mark.parametrize(
    "name, digest",
    [
        ("r50k_base", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"),
        ("cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    ],
)
def test_rank_files_are_the_published_ones(name, digest, tmp_path):
    path = tokenizer.DATA / "tiktoken" / f"{name}.tiktoken"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    save_ranks(load_ranks(path), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the tokenizer reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    gpt2.cache_clear()
    gpt4.cache_clear()
    assert gpt2().encode_ordinary("Hello,") == [15496, 11]
    assert gpt4().encode_ordinary("hello world") == [15339, 1917]


def test_a_cut_rank_file_is_noticed(tmp_path, monkeypatch):
    lines = (tokenizer.DATA / "tiktoken" / "r50k_base.tiktoken").read_bytes().splitlines(True)
    (tmp_path / "tiktoken").mkdir()
    (tmp_path / "tiktoken" / "r50k_base.tiktoken").write_bytes(b"".join(lines[:40000]))
    monkeypatch.setattr(tokenizer, "DATA", tmp_path)
    with pytest.raises(ValueError, match="r50k_base.tiktoken is damaged: 40000 ranks"):
        gpt2.__wrapped__()


# Files


def test_save_and_load(ranks, tmp_path):
    path = tmp_path / "ranks.tiktoken"
    save_ranks(dict(reversed(ranks.items())), path)
    assert list(load_ranks(str(path)).items()) == list(ranks.items())
    assert path.read_bytes().splitlines()[97] == b"YQ== 97"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))  # as Git may leave it on Windows
    assert load_ranks(path) == ranks


@pytest.mark.parametrize(
    "line",
    [b"YQ==", b"YQ== x", b"Zm!Zm 300", b"YQ 300", b"YQ== 300", b"", b"<html> <body>", b"a b c"],
)
def test_damaged_line(line, ranks, tmp_path):
    path = tmp_path / "bad.tiktoken"
    save_ranks(ranks, path)
    lines = path.read_bytes().splitlines()
    lines[299] = line
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match=r"bad\.tiktoken is damaged at line 300: "):
        load_ranks(path)


def test_ranks_with_faults(ranks, tmp_path):
    gap = {token: rank + (rank >= 400) for token, rank in ranks.items()}
    twice = {token: rank - (rank == 400) for token, rank in ranks.items()}
    negative = {token: rank - (rank == 0) for token, rank in ranks.items()}
    no_byte = {token: rank for token, rank in ranks.items() if token != b"A"}
    for bad, fault in [
        (gap, "401 stands for 400"),
        (twice, "399 stands for 400"),
        (negative, "-1 stands for 0"),
        (no_byte, "byte 0x41 has no rank"),
        ({}, "byte 0x00 has no rank"),
    ]:
        with pytest.raises(ValueError, match=f"mine: .*{fault}"):
            build_encoding("mine", bad)
        with pytest.raises(ValueError, match=f"out: .*{fault}"):
            save_ranks(bad, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ValueError, match="empty: byte 0x00 has no rank"):
        load_ranks(tmp_path / "empty")


def test_load_tokenizer(ranks, tmp_path, monkeypatch):
    monkeypatch.setattr(tokenizer, "DATA", tmp_path)
    load_tokenizer.cache_clear()
    try:
        with pytest.raises(FileNotFoundError, match="tokenizer-en.*python3 -m minigpt train"):
            load_tokenizer()
        save_ranks(ranks, tmp_path / "tokenizer-en.tiktoken")
        enc = load_tokenizer("en")  # a failure is not remembered
        assert enc.n_vocab == 446 and enc is load_tokenizer("en")
        with pytest.raises(ValueError, match="no tokenizer for the language 'fr'.*en.*zh"):
            load_tokenizer("fr")
    finally:
        load_tokenizer.cache_clear()


# Bad input


def test_bad_input():
    with pytest.raises(ValueError, match="vocab_size is 255"):
        train_bpe("text", 255)
    with pytest.raises(TypeError, match="decode"):
        train_bpe(b"text", 300)
    with pytest.raises(ValueError, match=r"\(\?:"):
        train_bpe("text", 300, pattern=r"(\w)+")
