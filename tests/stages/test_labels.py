import json
import random

import pytest

from minigpt.sft import chat_answer
from minigpt.stages import labels as module
from minigpt.stages.labels import (
    Label,
    keep_labels,
    labels_contents,
    own_labels,
    parse_labels,
    read_labels,
    write_labels,
)
from minigpt.tokenizer import load_tokenizer
from toys import turned
from tried import tenth_or_all

ENCODING = load_tokenizer()
QUESTION = "What is the population of Beijing?"


def label(a="21.84 million.", b="It is 16.", choice="a", question=QUESTION, seconds=2.5):
    return Label(question, chat_answer(ENCODING, a), chat_answer(ENCODING, b), choice, seconds)


SOME = [label(), label("Europe.", choice="tie", seconds=None), label("Asia.", "<|end|>\n$x", "b")]


def contents(labels=SOME, labeler="ann"):
    return labels_contents(labels, ENCODING, labeler)


def refused(change, match):
    """The file that `change` makes of a good one is refused with this message."""
    data = contents()
    change(data)
    with pytest.raises(ValueError, match=match):
        parse_labels(data, ENCODING)


@pytest.fixture
def read(tmp_path):
    """Reads the file that has these bytes."""

    def read(data, **options):
        (tmp_path / "some.json").write_bytes(data)
        return read_labels(tmp_path / "some.json", ENCODING, **options)

    return read


# ---- files ------------------------------------------------------------------------------------


def test_written_labels_are_read_back(read, tmp_path):
    path = tmp_path / "labels.json"
    write_labels(path, SOME, ENCODING, "ann")
    assert read_labels(path, ENCODING) == SOME
    assert read(b"\xef\xbb\xbf" + path.read_bytes()) == SOME  # an editor's mark


def test_a_file_shows_the_texts():
    row = contents()["labels"][0]
    assert (row["a"], row["b"], row["choice"]) == ("21.84 million.", "It is 16.", "a")


def test_a_pair_written_twice_the_same_counts_once_even_with_its_sides_exchanged():
    again = Label(QUESTION, SOME[0].b, SOME[0].a, "b")
    assert parse_labels(contents([SOME[0], SOME[0], again]), ENCODING) == [SOME[0]]


@pytest.mark.parametrize("other", [label(choice="b"), label(choice="tie"), turned(SOME[0])])
def test_a_contradiction_names_both_labels(other):
    with pytest.raises(ValueError, match="labels 1 and 3 compare the same"):
        parse_labels(contents([SOME[0], SOME[1], other]), ENCODING)


def test_every_cut_of_a_file_is_refused_and_the_file_stays(tmp_path):
    path = tmp_path / "cut.json"
    write_labels(path, SOME, ENCODING)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 3, 29):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="no labels file, or it was cut off"):
            read_labels(path, ENCODING)
        assert path.read_bytes() == whole[:length]


@pytest.mark.parametrize("data", [b"\x89PNG\r\n", b"\xff\xfe{\0", b"[" * 10**5, b"{" * 10**4])
def test_bytes_of_other_kinds_are_refused(read, data):
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read(data)


@pytest.mark.parametrize("version", [0, 2])
def test_labels_of_another_version_are_refused_by_its_name(read, version):
    data = json.dumps({"format": f"minigpt labels {version}"}).encode()
    message = (
        f"has the format 'minigpt labels {version}'.* reads 'minigpt labels 1'.* Update the older"
    )
    with pytest.raises(ValueError, match=message):
        read(data)


@pytest.mark.parametrize("text", ["3", "null", "[]", "{}", '{"format": "votes 1"}'])
def test_other_json_is_refused(read, text):
    with pytest.raises(ValueError, match="not a labels file of this course"):
        read(text.encode())


def test_an_oversized_file_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(module.json, "loads", lambda text: pytest.fail("it was parsed"))
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (module.LARGEST + 1))
    with pytest.raises(ValueError, match="more than 4 million bytes"):
        read_labels(path, ENCODING)
    with pytest.raises(ValueError, match="'mine.json' has more than"):
        read_labels(path, ENCODING, name="mine.json")


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="none.json' cannot be read: No such file"):
        read_labels(tmp_path / "none.json", ENCODING)
    with pytest.raises(ValueError, match="cannot be read: "):
        read_labels(tmp_path, ENCODING)


def test_another_language_is_refused():
    refused(lambda d: d.update(lang="zh"), "language 'zh', and these models speak en")


def test_another_tokenizer_is_refused():
    def shift(data):  # as if token numbers meant something else
        for row in data["labels"]:
            row["a_ids"] = [(i + 1) % 900 for i in row["a_ids"][:-1]] + row["a_ids"][-1:]

    refused(shift, "another tokenizer: in label 1")
    refused(lambda d: d["labels"][1].update(a="Asia."), "another tokenizer: in label 2")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("question", 3), ("question", " "), ("question", "\ud800"), ("a", None), ("b", ["x"]),
        ("a", "\udfff"), ("a_ids", []), ("a_ids", "12"), ("a_ids", [True]), ("a_ids", [1.0]),
        ("b_ids", [-1]), ("b_ids", [10**9]), ("b_ids", [5]), ("a_ids", [1020, 5]),
        ("choice", "c"), ("choice", None), ("choice", ["a"]), ("seconds", -1), ("seconds", "2"),
        ("seconds", True), ("seconds", float("nan")), ("seconds", float("inf")),
        ("seconds", 10**400),
    ],
)  # fmt: skip
def test_an_impossible_value_is_refused_by_label_and_field(field, value):
    refused(lambda d: d["labels"][1].update({field: value}), f'label 2, "{field}"')


def test_missing_and_surplus_fields_are_refused():
    refused(lambda d: d["labels"][2].pop("choice"), "label 3 has not the fields")
    refused(lambda d: d["labels"][2].update(more=1), "label 3 has not the fields")
    refused(lambda d: d["labels"].append(7), "label 4 has not the fields")
    refused(lambda d: d.update(labels={}), "not a labels file")
    refused(lambda d: d.update(labeler=""), "name of its labeler")
    refused(lambda d: d.update(labeler="x" * 1000), "name of its labeler")


def test_too_long_for_the_context_is_refused():
    refused(lambda d: d["labels"][0].update(question="population " * 250), "do(es)? not fit")


def test_an_answer_against_itself_is_refused():
    with pytest.raises(ValueError, match="label 1 compares an answer with itself"):
        parse_labels(contents([label("Asia.", "Asia.")]), ENCODING)


def test_writing_what_could_not_be_read_back_leaves_the_old_file(tmp_path):
    path = tmp_path / "labels.json"
    write_labels(path, SOME, ENCODING)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="contradicts itself"):
        write_labels(path, [SOME[0], turned(SOME[0])], ENCODING)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["labels.json"]


# ---- the learner's own ------------------------------------------------------------------------


def test_own_labels_are_kept_and_found(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    assert own_labels() == []
    keep_labels(SOME)
    assert own_labels() == SOME
    assert (
        read_labels(tmp_path / "labels-en.json", ENCODING) == SOME
    )  # the file is one that can be handed on
    keep_labels([])
    assert own_labels() == []


def test_second_decisions_have_a_file_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    keep_labels(SOME)
    keep_labels(SOME[:1], again=True)
    assert own_labels() == list(SOME) and own_labels(again=True) == list(SOME[:1])


def test_a_damaged_file_of_ones_own_is_put_aside_and_told(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    keep_labels(SOME)
    path = tmp_path / "labels-en.json"
    damaged = path.read_bytes()[:-40]
    path.write_bytes(damaged)
    said = []
    assert own_labels(say=said.append) == []
    assert (tmp_path / "labels-en.damaged-1.json").read_bytes() == damaged
    assert "labels-en.damaged-1.json" in said[0]


# ---- damaged in all ways ------------------------------------------------------------------------

WRONG = [None, 0, -1, 2**70, 0.5, float("nan"), "", "x" * 10**5, "\ud800", [], {}, [[]], True]


def mutated(rng: random.Random) -> bytes:
    """A labels file in which something is another: a byte, its length, or a value anywhere."""
    data, kind = contents(), rng.randrange(4)
    if kind == 0:
        raw = bytearray(json.dumps(data).encode())
        raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw)
    if kind == 1:
        raw = json.dumps(data).encode()
        return raw[: rng.randrange(len(raw))]
    inside, key = data, rng.choice([*data])
    while isinstance(inside[key], (dict, list)) and inside[key] and rng.random() < 0.8:
        inside = inside[key]
        key = rng.choice([*inside] if isinstance(inside, dict) else range(len(inside)))
    if kind == 2 and isinstance(inside, dict):
        del inside[key]
    else:
        inside[key] = rng.choice(WRONG)
    return json.dumps(data).encode()


@pytest.mark.parametrize("n", tenth_or_all(400))
def test_mutated_labels_files_are_refused_by_name_or_harmless(n, tmp_path, tried):
    path, rng, refused = tmp_path / "hers.json", random.Random(n), 0
    for _ in range(n):
        path.write_bytes(data := mutated(rng))
        try:
            found = read_labels(path, ENCODING)
        except ValueError as error:
            refused += 1
            assert "hers.json" in str(error) and len(str(error)) < 1000
        else:
            assert all(isinstance(label, Label) for label in found)
            assert parse_labels(contents(found), ENCODING) == found
        assert path.read_bytes() == data
    assert refused > n / 2
    tried("labels", n)
