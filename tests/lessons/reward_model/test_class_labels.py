"""A class's labels: the agreement matrix, and uploads of which some are refused."""

from minigpt.lessons.reward_model.class_labels import ClassMerger, agreement_table, merge_class
from minigpt.sft import chat_answer
from minigpt.stages.labels import Label, labels_bytes
from minigpt.tokenizer import load_tokenizer

ENCODING = load_tokenizer("en")


def label(i, choice):
    return Label(f"Question {i}?", chat_answer(ENCODING, "a"), chat_answer(ENCODING, "b"), choice)


ANN = [label(0, "a"), label(1, "a"), label(2, "tie")]
BOB = [label(0, "a"), label(1, "b"), label(2, "b"), label(3, "b")]


def test_agreement_is_in_a_table_with_the_number_of_pairs():
    table = agreement_table({"ann": ANN, "<bob>": BOB, "eve": []})
    assert table.rows[0] == ["ann", 3, "100% of 2", "50% of 2", ""]
    assert table.rows[1] == ["<bob>", 4, "50% of 2", "100% of 4", ""]
    assert "&lt;bob&gt;" in table._repr_html_()


def files(**contents):
    class Upload:
        value = {f"{name}.json": {"content": data} for name, data in contents.items()}

    return Upload


def test_good_files_count_and_bad_ones_are_named():
    merger = ClassMerger(ENCODING)
    assert merger.merged == [] and "No file yet" in merger.shown.value
    good = labels_bytes(ANN, ENCODING, "ann"), labels_bytes(BOB, ENCODING, "bob")
    merger.upload = files(one=good[0], two=good[1], bad=b"{", cut=good[0][:50])
    merger.read()
    assert list(merger.people) == ["ann (one.json)", "bob (two.json)"]
    assert merger.merged == ANN + BOB
    assert "50% of 2" in merger.shown.value
    assert merger.shown.value.count("Refused:") == 2
    assert "bad.json" in merger.shown.value and "cut.json" in merger.shown.value


def test_files_of_a_second_upload_are_added_and_the_same_file_counts_once():
    merger = ClassMerger(ENCODING)
    for upload in (
        files(one=labels_bytes(ANN, ENCODING, "ann")),
        files(one=labels_bytes(ANN, ENCODING, "ann"), two=labels_bytes(BOB, ENCODING, "bob")),
    ):
        merger.upload = upload
        merger.read()
    assert len(merger.people) == 2 and len(merger.merged) == 7


def test_refused_files_alone_leave_no_table():
    merger = ClassMerger(ENCODING)
    merger.upload = files(bad=b"{}")
    merger.read()
    assert "<table" not in merger.shown.value and "Refused:" in merger.shown.value


def test_merge_class_gives_the_widget(capsys):
    assert isinstance(merge_class(), ClassMerger)
