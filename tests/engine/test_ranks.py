"""Rank files against the published ones, and OpenAI's encodings against tiktoken's own."""

import hashlib
import socket

import pytest
import tiktoken
import tiktoken_ext.openai_public as openai_public
from hypothesis import given, settings
from hypothesis import strategies as st

from minigpt.engine.ranks import DATA, gpt2, gpt4, load_ranks, save_ranks
from minigpt.tokenizer import build_encoding, special, train_bpe

quick = settings(max_examples=60, deadline=None, database=None)
# Characters without a category are left out: the two regex engines know different Unicode versions.
any_text = st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=40)
dense_text = st.text(st.sampled_from("aab \n'1,é北🙂"), max_size=60)  # many repeated pairs
TEXTS = [
    "Hello, world! It's 2024, they'LL say; 21.84 million.\n\n\tdef f(x):\n        return x\n",
    "runs of      spaces \n\n\n   and\r\nlines  \u3000 end   ",
    "北京有多少人口？北京市的常住人口约为2184万，有16个区。\n",
    "emoji 👩‍👩‍👧‍👦🙂🙂🙂 e\u0301 ﷽ \x00\x7f\ufffd",
    "<|end|><|user|>",
    "aaaaaaa" * 40 + "ababab" * 40,
]


@pytest.fixture(scope="module")
def ranks() -> dict[bytes, int]:
    return train_bpe(TEXTS, 440)


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
    path = DATA / "tiktoken" / f"{name}.tiktoken"
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
    path = DATA / "tiktoken" / f"{name}.tiktoken"
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
    lines = (DATA / "tiktoken" / "r50k_base.tiktoken").read_bytes().splitlines(True)
    (tmp_path / "tiktoken").mkdir()
    (tmp_path / "tiktoken" / "r50k_base.tiktoken").write_bytes(b"".join(lines[:40000]))
    monkeypatch.setattr("minigpt.engine.ranks.DATA", tmp_path)
    with pytest.raises(ValueError, match="r50k_base.tiktoken is damaged: 40000 ranks"):
        gpt2.__wrapped__()


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
