"""The tokenizer against tiktoken, published ranks and a brute-force trainer."""

import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigpt import tokenizer
from minigpt.engine.bpe import fast_merges
from minigpt.engine.ranks import (
    DATA,
    GPT2_PATTERN,
    GPT4_PATTERN,
    gpt2,
    gpt4,
    load_ranks,
    save_ranks,
    whole,
)
from minigpt.tokenizer import (
    SPECIAL_TOKENS,
    SPLIT_PATTERN,
    bpe_encode,
    bpe_merges,
    build_encoding,
    count_words,
    load_tokenizer,
    merge_pair,
    special,
    split_text,
    train_bpe,
)
from tried import tenth_or_all

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


def brute_force(texts: list[str], pattern: str) -> list[tuple]:
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
        merges.append(((left, right), counts[left, right]))
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
    words = count_words(texts, pattern)
    merges = list(bpe_merges(words))
    assert merges == brute_force(texts, pattern)
    assert list(fast_merges(words)) == merges
    tokens = [left + right for (left, right), _ in merges]
    assert len(set(tokens)) == len(tokens) and all(len(token) > 1 for token in tokens)


def test_merges_of_real_text_equal_brute_force():
    words = count_words(CORPUS)
    merges = list(bpe_merges(words))
    assert merges == brute_force([CORPUS], SPLIT_PATTERN) and len(merges) > 150
    assert list(fast_merges(words)) == merges


def test_worked_example():
    """aaabdaaabac becomes XdXac with X = aaab, the example of the Wikipedia article on BPE."""
    merges = bpe_merges(count_words("aaabdaaabac"))
    assert next(merges) == ((b"a", b"a"), 4)  # the two in aaa both count
    assert next(merges) == ((b"a", b"b"), 2)
    assert next(merges) == ((b"aa", b"ab"), 2)
    ranks = train_bpe("aaabdaaabac", 256 + 3)
    assert bpe_encode(b"aaabdaaabac", ranks) == [258, ord("d"), 258, ord("a"), ord("c")]


@pytest.mark.parametrize("n", tenth_or_all(2000))
def test_merges_of_strange_corpora_equal_brute_force(n, tried):
    rng = random.Random(n)
    for _ in range(n):
        letters = rng.choice(["a", "ab", "abc", "ACGT", "aab \n'1,é北🙂", "01=/+xyz"])
        texts = ["".join(rng.choices(letters, k=rng.randrange(25))) for _ in range(3)]
        pattern = rng.choice([*PATTERNS, WORDS, r"(?s).+"])
        words = count_words(texts, pattern)
        merges = brute_force(texts, pattern)
        assert list(bpe_merges(words)) == list(fast_merges(words)) == merges, (texts, pattern)
    tried("corpora", n)


def lines_run(program) -> int:
    """How many lines of `engine/bpe.py` a program runs: its work, on any machine."""
    count = 0

    def trace(frame, event, _argument):
        nonlocal count
        if frame.f_code is not fast_merges.__code__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        program()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("letters", ["ACGT", "ab", "a", "abcdefghijklmnopqrstuvwxyz0123456789+/"])
def test_the_work_of_training_grows_as_a_word_does(letters):
    rng, work = random.Random(0), []
    for n in (2000, 16_000):
        word = "".join(rng.choices(letters, k=n)) if len(letters) > 2 else letters * n
        work.append(lines_run(lambda: list(islice(fast_merges({word: 1}), 300))))  # noqa: B023
    assert work[1] < 10 * work[0]  # eight times the word; all pairs of places would be 64 times


@pytest.mark.parametrize("trainer", [bpe_merges, fast_merges])
def test_ties_go_to_the_smallest_bytes_not_the_smallest_ids(trainer):
    merges = [pair for pair, _ in trainer(count_words("bx abd abc", WORDS))]
    # By id, b (98) would come before ab (256).
    assert merges == [(b"a", b"b"), (b"ab", b"c"), (b"ab", b"d"), (b"b", b"x")]
    merges = [pair for pair, _ in trainer(count_words("ac ab", WORDS))]
    assert merges == [(b"a", b"b"), (b"a", b"c")]  # equal left bytes: the right ones decide


def test_highest_count_first_and_order_of_texts_is_irrelevant():
    texts = CORPUS.splitlines()
    counts = [count for _, count in bpe_merges(count_words(texts))]
    assert counts == sorted(counts, reverse=True)
    expected = train_bpe(texts, 600)
    random.Random(0).shuffle(texts)
    assert list(train_bpe(iter(texts), 600)) == list(expected)


def test_ranks_are_bytes_then_merges_in_order():
    merges = islice(bpe_merges(count_words(CORPUS)), 44)
    merged = [left + right for (left, right), _ in merges]
    ranks = train_bpe(CORPUS, 300)
    assert list(ranks) == [bytes([b]) for b in range(256)] + merged
    assert list(ranks.values()) == list(range(300))
    assert list(train_bpe(CORPUS, 300, merges=fast_merges)) == list(ranks)
    assert len(train_bpe(CORPUS, 256)) == 256


def test_training_stops_early_when_no_pair_is_left():
    assert list(train_bpe("ab", 1024))[256:] == [b"ab"]
    assert list(bpe_merges(count_words("a b", WORDS))) == []
    assert list(fast_merges({})) == []
    for nothing in ("", [], ["", ""]):
        assert len(train_bpe(nothing, 1024)) == 256


def test_a_long_run_ends_in_one_token():
    tokens = [left + right for (left, right), _ in bpe_merges({"a" * 1000: 1})]
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
    given = list(tokens)
    assert merge_pair(tokens, pair) == [t for t in expected if t is not None]
    assert tokens == given, "the list that was given stays as it was"


def test_half_a_surrogate_pair_is_read_as_tiktoken_reads_it(ranks):
    both, alone = "🙂".encode(), "\ufffd".encode()
    for trainer in (bpe_merges, fast_merges):
        assert list(train_bpe("\ud83d\ude42", 300, merges=trainer))[-1] == both  # a pair is one
        assert list(train_bpe("\ud83d\ud83d", 300, merges=trainer))[-1] == alone * 2
        assert [p for p, _ in trainer({"\ud83d": 1})] == [p for p, _ in trainer({"\ufffd": 1})]
    enc = build_encoding("t", ranks)
    for text in ("\ud83d", "a\ude42b", "\ud83d\ude42", "\ude42\ud83d 1"):
        assert ours(text, ranks, SPLIT_PATTERN) == enc.encode_ordinary(text)


# Splitting


def test_numbers_are_cut_into_two_digits_ours_and_three_gpt4():
    assert SPLIT_PATTERN == GPT4_PATTERN.replace("{1,3}", "{1,2}")
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
        ranks = load_ranks(DATA / "tiktoken" / f"{file}.tiktoken")
        for text in TEXTS:
            words = [word.encode("utf-8") for word in split_text(text, pattern)]
            ids = [i for word in words for i in bpe_encode(word, ranks)]
            assert ids == enc.encode_ordinary(text)


def ours(text: str, ranks: dict[bytes, int], pattern: str) -> list[int]:
    """The ids of a text by the code that is read."""
    words = split_text(text, pattern)
    return [i for word in words for i in bpe_encode(word.encode("utf-8"), ranks)]


def strange_texts(n: int, seed: int) -> Iterator[str]:
    """Texts of characters from all planes: letters, halves of surrogate pairs, controls, marks that
    turn or join, and special tokens as somebody types them."""
    rng = random.Random(seed)
    parts = [*SPECIAL_TOKENS, "<|endoftext", "|>", "\r\n", "  ", "'ll", "12345", "\u202e", "\u200d",
             "\ufeff", "\x00", "e\u0301", "北京", " the", "\ud83d", "\ude42"]  # fmt: skip
    for _ in range(n):
        text = []
        for _ in range(rng.randrange(1, 7)):
            if rng.random() < 0.5:
                text.append(rng.choice(parts))
                continue
            plane = rng.choice([0, 0, 1, 2, 3, 14, 15, 16])
            c = chr(plane << 16 | rng.randrange(2**16))
            # The two regex engines know different versions of Unicode: what has a category in one
            # may have none in the other.
            if unicodedata.category(c) != "Cn" or plane in (14, 16):
                text.append(c * rng.choice([1, 1, 1, 2, 9]))
        yield "".join(text)


@pytest.mark.parametrize("n", tenth_or_all(100_000))
def test_strange_texts_equal_tiktoken(n, tried):
    course = load_ranks(DATA / "tokenizer-en.tiktoken")
    enc = load_tokenizer("en")
    for text in strange_texts(n, seed=n):
        ids = enc.encode_ordinary(text)
        assert ours(text, course, SPLIT_PATTERN) == ids, ascii(text)
        assert max(ids, default=0) < len(course)  # a typed special token is text
        assert enc.decode(ids) == whole(text), ascii(text)
    tried("strings", n)


@pytest.mark.parametrize("character", ["a", " ", "1", "北", "\ud83d"])
def test_a_megabyte_of_one_character(character):
    enc = load_tokenizer("en")
    text = character * (10**6 // len(whole(character).encode()))
    assert enc.decode(enc.encode_ordinary(text)) == whole(text)
    merges = islice(fast_merges(count_words(text)), 1000)
    assert len({left + right for (left, right), _ in merges}) <= 1000
    some = text[:600]
    ranks = train_bpe(some, 270, merges=fast_merges)
    assert ours(some, ranks, SPLIT_PATTERN) == build_encoding("t", ranks).encode_ordinary(some)


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


# Our own


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
