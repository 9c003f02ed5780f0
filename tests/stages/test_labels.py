import json

import numpy as np
import pytest
import torch

from minigpt.reward import reward_input, sample_answers, score_all
from minigpt.sft import chat_answer, chat_prompt
from minigpt.stages import labels as module
from minigpt.stages.from_labels import (
    few_labels_config,
    grouped,
    reward_from_labels,
    simulated_labels,
)
from minigpt.stages.labels import (
    Label,
    agreement,
    keep_labels,
    labeler_of,
    labels_bytes,
    merge_labels,
    own_labels,
    own_path,
    read_labels,
    write_labels,
)
from minigpt.stages.stage import load_stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from minigpt.world.labelers import chooser, longer, shorter
from minigpt.world.questions import sample_questions

ENCODING = load_tokenizer()
QUESTION = "What is the population of Beijing?"


def label(a="21.84 million.", b="It is 16.", choice="a", question=QUESTION, seconds=2.5):
    return Label(question, chat_answer(ENCODING, a), chat_answer(ENCODING, b), choice, seconds)


SOME = [label(), label("Europe.", choice="tie", seconds=None), label("Asia.", "<|end|>\n$x", "b")]


def contents(labels=SOME, labeler="ann"):
    return json.loads(labels_bytes(labels, ENCODING, labeler))


def refused(change, match):
    """The file that `change` makes of a good one is refused with this message."""
    data = contents()
    change(data)
    with pytest.raises(ValueError, match=match):
        read_labels(json.dumps(data).encode(), ENCODING)


# ---- files ------------------------------------------------------------------------------------


def test_written_labels_are_read_back(tmp_path):
    path = tmp_path / "labels.json"
    write_labels(path, SOME, ENCODING, "ann")
    assert read_labels(path, ENCODING) == SOME
    assert read_labels(path.read_bytes(), ENCODING) == SOME
    assert read_labels(b"\xef\xbb\xbf" + path.read_bytes(), ENCODING) == SOME  # an editor's mark
    assert labeler_of(path) == "ann"


def test_a_file_shows_the_texts():
    row = contents()["labels"][0]
    assert (row["a"], row["b"], row["choice"]) == ("21.84 million.", "It is 16.", "a")


def test_a_pair_written_twice_the_same_counts_once_even_with_its_sides_exchanged():
    again = Label(QUESTION, SOME[0].b, SOME[0].a, "b")
    assert read_labels(labels_bytes([SOME[0], SOME[0], again], ENCODING), ENCODING) == [SOME[0]]


@pytest.mark.parametrize("turned", [label(choice="b"), label(choice="tie"), SOME[0].turned()])
def test_a_contradiction_names_both_labels(turned):
    with pytest.raises(ValueError, match="labels 1 and 3 compare the same"):
        labels_bytes([SOME[0], SOME[1], turned], ENCODING)


def test_every_cut_of_a_file_is_refused_and_the_file_stays(tmp_path):
    whole = labels_bytes(SOME, ENCODING)
    path = tmp_path / "cut.json"
    for length in range(0, len(whole) - 3, 29):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="no labels file, or it was cut off"):
            read_labels(path, ENCODING)
        assert path.read_bytes() == whole[:length]


@pytest.mark.parametrize("data", [b"\x89PNG\r\n", b"\xff\xfe{\0", b"[" * 10**5, b"{" * 10**4])
def test_bytes_of_other_kinds_are_refused(data):
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read_labels(data, ENCODING)


@pytest.mark.parametrize("version", [0, 2])
def test_labels_of_another_version_are_refused_by_its_name(version):
    data = json.dumps({"format": f"minigpt labels {version}"}).encode()
    message = (
        f"has the format 'minigpt labels {version}'.* reads 'minigpt labels 1'.* Update the older"
    )
    with pytest.raises(ValueError, match=message):
        read_labels(data, ENCODING)


@pytest.mark.parametrize("text", ["3", "null", "[]", "{}", '{"format": "votes 1"}'])
def test_other_json_is_refused(text):
    with pytest.raises(ValueError, match="not a labels file of this course"):
        read_labels(text.encode(), ENCODING)


def test_an_oversized_file_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(module.json, "loads", lambda text: pytest.fail("it was parsed"))
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (module.LARGEST + 1))
    with pytest.raises(ValueError, match="more than 4 million bytes"):
        read_labels(path, ENCODING)
    with pytest.raises(ValueError, match="'mine.json' has more than"):
        read_labels(path.read_bytes(), ENCODING, name="mine.json")


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_labels(tmp_path / "none.json", ENCODING)
    with pytest.raises(ValueError, match="is a folder"):
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
        labels_bytes([label("Asia.", "Asia.")], ENCODING)


def test_writing_what_could_not_be_read_back_leaves_the_old_file(tmp_path):
    path = tmp_path / "labels.json"
    write_labels(path, SOME, ENCODING)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="contradicts itself"):
        write_labels(path, [SOME[0], SOME[0].turned()], ENCODING)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["labels.json"]


# ---- the learner's own ------------------------------------------------------------------------


def test_own_labels_are_kept_and_found(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    assert own_labels() == []
    keep_labels(SOME)
    assert own_labels() == SOME
    assert read_labels(own_path(), ENCODING) == SOME  # the file is one that can be handed on
    keep_labels([])
    assert own_labels() == []


def test_a_damaged_file_of_ones_own_is_put_aside_and_told(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    keep_labels(SOME)
    damaged = own_path().read_bytes()[:-40]
    own_path().write_bytes(damaged)
    said = []
    assert own_labels(say=said.append) == []
    assert (tmp_path / "labels-en.damaged-1.json").read_bytes() == damaged
    assert "labels-en.damaged-1.json" in said[0]


# ---- who labels -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sft():
    return load_stage("sft", own=False, quiet=True)


def asked(sft, split, n, seed, each=2):
    questions = sample_questions(sft.world, split, n, seed=seed)
    prompts = [chat_prompt(sft.encoding, q.text) for q in questions]
    return questions, sample_answers(sft.model, sft.encoding, prompts, each, seed=seed)


def test_shorter_and_longer_count_tokens():
    assert shorter(ENCODING)(None, "16.", "It has 16 districts.") == "a"
    assert longer(ENCODING)(None, "16.", "It has 16 districts.") == "b"
    assert shorter(ENCODING)(None, "16.", "17.") == longer(ENCODING)(None, "16.", "17.") == "tie"


def test_simulated_labels_are_of_all_pairs_that_differ(sft):
    questions, samples = asked(sft, "A", 6, 3, each=4)
    found = simulated_labels(sft.world, ENCODING, questions, samples, shorter(ENCODING))
    assert {x.question for x in found} <= {q.text for q in questions}
    assert all(len(x.preferred) == min(len(x.a), len(x.b)) for x in found if x.preferred)
    texts = [{ENCODING.decode(s.ids) for s in row if s.ended} for row in samples]
    assert len({x.pair for x in found}) == sum(len(t) * (len(t) - 1) // 2 for t in texts)


def test_a_labelers_pairs_are_transitive_and_right_where_it_is_sure(sft):
    world = load_world()
    choose = chooser(world, "expert", seed=1)
    question = sample_questions(world, "A", 1, seed=1, unknown=0.0)[0]
    texts = [question.answer, "Look it up yourself.", "the moon", "I do not know."]
    assert choose(question, texts[0], texts[1]) == "a"  # 2 against -2, noise 0.5
    order = {
        (i, j): choose(question, texts[i], texts[j]) for i in range(4) for j in range(4) if i != j
    }
    for i, j in order:
        assert {"a": "b", "b": "a", "tie": "tie"}[order[i, j]] == order[j, i]
        for k in {0, 1, 2, 3} - {i, j}:
            if order[i, j] == order[j, k] == "a":
                assert order[i, k] == "a"


def test_slips_are_drawn_anew_when_a_question_comes_again():
    world = load_world()
    first, second = sample_questions(world, "A", 2, seed=1, unknown=0.0)
    texts = [f"It is {n}." for n in range(30)]  # all malformed, so slips decide

    def choices(choose, question):
        return [choose(question, a, b) for a, b in zip(texts, texts[1:])]

    choose = chooser(world, "hurried", seed=1)
    once = choices(choose, first)
    assert choices(choose, first) == once
    choices(choose, second)
    assert choices(choose, first) != once
    assert choices(chooser(world, "hurried", seed=1), first) == once
    assert choices(chooser(world, "hurried", seed=2), first) != once


def test_each_ranking_is_a_group():
    ranking = [label("x", "y"), label("y", "z"), label("x", "z", "b"), label("x", "w", "tie")]
    other = label(question="What is the capital of Peru?")
    sequences, pairs = grouped([*ranking, other, label("y", "x")], ENCODING)
    assert pairs == [[(0, 1), (1, 2), (2, 0)], [(0, 1)], [(0, 1)]]
    assert [len(answers) for answers in sequences] == [3, 2, 2]
    prompt = chat_prompt(ENCODING, QUESTION)
    assert sequences[2][0] == reward_input(ENCODING, prompt, chat_answer(ENCODING, "y"))


# ---- learning ---------------------------------------------------------------------------------


def test_labels_of_ties_alone_train_nothing(sft):
    with pytest.raises(ValueError, match="all are ties"):
        reward_from_labels([label(choice="tie")], sft)


@pytest.fixture(scope="module")
def new_pairs(sft):
    """Pairs about facts that nobody labeled, ordered by their length."""
    questions, samples = asked(sft, "E", 120, 901)
    found = simulated_labels(sft.world, ENCODING, questions, samples, shorter(ENCODING))
    return [x for x in found if x.preferred]


def order_accuracy(model, labels):
    """Share of the labels that the model orders alike."""
    rows = [
        reward_input(ENCODING, chat_prompt(ENCODING, x.question), list(ids))
        for x in labels
        for ids in (x.preferred, x.turned().preferred)
    ]
    better, worse = score_all(model, rows).view(-1, 2).T
    return (better > worse).float().mean().item()


@pytest.mark.slow
def test_thirty_labels_carry_a_taste(sft, new_pairs):
    """The median of three seeds: thirty pairs may happen to agree with another taste, too."""
    found = []
    for seed in range(3):
        questions, samples = asked(sft, "A", 60, 100 + seed)
        labels = simulated_labels(sft.world, ENCODING, questions, samples, shorter(ENCODING))
        labels = [x for x in labels if x.preferred][:30]
        assert len(labels) == 30 and len(new_pairs) > 80
        model = reward_from_labels(labels, sft, seed)
        found.append(order_accuracy(model, new_pairs))
        scores = score_all(model, module.reference_answers(sft))
        assert abs(scores.mean().item()) < 1e-4 and abs(scores.std().item() - 1) < 1e-4
    assert np.median(found) >= 0.85 and min(found) >= 0.7, found


def test_the_opposite_labels_carry_the_opposite_taste(sft, new_pairs):
    questions, samples = asked(sft, "A", 60, 100)
    labels = simulated_labels(sft.world, ENCODING, questions, samples, longer(ENCODING))
    model = reward_from_labels([x for x in labels if x.preferred][:30], sft, 0)
    assert order_accuracy(model, new_pairs) <= 0.15


def test_even_attention_is_an_even_mean_and_stays_one(sft):
    model = reward_from_labels([label()] * 4, sft)
    for block in model.layers.blocks:
        queries, keys, values = block.qkv.weight.chunk(3)
        assert queries.abs().max() == keys.abs().max() == 0 < values.abs().max()
    x = torch.randn(1, 7, 128, generator=torch.manual_seed(0))
    block = model.layers.blocks[0]
    seen = block.attention(x, model.layers.rotation[:7, None], None)
    values = x @ block.qkv.weight.chunk(3)[2].T
    even = values.cumsum(1) / torch.arange(1, 8)[:, None] @ block.attn_out.weight.T
    assert torch.allclose(seen, even, atol=1e-5)


def test_settings_for_few_and_many_questions():
    for questions in (1, 30, 200, 799, 5000):
        config, passes = few_labels_config(questions)
        assert passes >= 1
        updates = -(-questions * passes // config.prompts_per_batch)
        assert updates <= 2 * module.UPDATES
        assert questions < 8 or updates >= 20


# ---- several labelers -------------------------------------------------------------------------


def test_merging_keeps_all_votes():
    assert merge_labels([SOME, [SOME[0].turned()]]) == [*SOME, SOME[0].turned()]


def test_agreement_is_the_share_of_the_pairs_that_both_decided():
    ann = [label(question=str(i)) for i in range(4)]
    # the same with the sides exchanged, one turned round, one a tie
    bob = [Label(x.question, x.b, x.a, "b") for x in ann[:2]]
    bob += [ann[2].turned(), label(question="3", choice="tie")]
    shares, counts = agreement([ann, bob, [label(question="other")]])
    assert counts.tolist() == [[4, 3, 0], [3, 3, 0], [0, 0, 1]]
    assert np.allclose(shares[:2, :2], [[1, 2 / 3], [2 / 3, 1]])
    assert np.isnan(shares[0, 2]) and shares[2, 2] == 1
