"""The command `together`: what it prints and writes, and that nobody's name is in it."""

import csv
import io
import json

import pytest

from labeling import longer
from minigpt.commands import together
from minigpt.lessons.reward_model.labeler import labeling_pairs, scripted
from minigpt.sft import chat_answer
from minigpt.stages.labels import Label, labels_contents, own_labels
from minigpt.stages.stage import load_stage
from minigpt.store.files import ROOT, Problem
from minigpt.tokenizer import load_tokenizer
from minigpt.world.labelers import chooser, shorter

ENCODING = load_tokenizer()
STUDENTS = {  # folder: (name in the file, file, how they label)
    "ottoline": ("Featherstone", "hatbox", "expert"),
    "zebedee": ("Pumpernickel", "umbrella", "coin"),
    "quentina": ("Marchbanks", "teapot", shorter(ENCODING)),
    "barnaby": ("Snodgrass", "lantern", longer(ENCODING)),
}
PRIVATE = [word for who, (name, file, _) in STUDENTS.items() for word in (who, name, file)]
PRIVATE += ["griselda", "candlestick", "77.625", "handed_in"]  # who is refused; a time; the folder


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """Four students' labels and a broken file, as nbgrader collects them."""
    folder = tmp_path_factory.mktemp("handed_in")
    sft = load_stage("sft", own=False, quiet=True)
    pairs = labeling_pairs(sft, 24)
    for who, (name, file, taste) in STUDENTS.items():
        choose = chooser(sft.world, taste) if isinstance(taste, str) else taste
        labels = scripted(sft, pairs, choose)
        answers = [chat_answer(ENCODING, text) for text in (f"I am {who}", "Peru")]
        labels.append(Label(f"Where is {who}?", *answers, "a"))  # a name in a label's own text
        contents = labels_contents(labels, ENCODING, f"{who} {name}")
        for row in contents["labels"]:
            row["seconds"] = 77.625
        path = folder / "submitted" / who / "05_reward_model" / f"{file}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(contents), encoding="utf-8")
    broken = folder / "submitted" / "griselda" / "candlestick.json"
    broken.parent.mkdir()
    broken.write_text('{"format": "minigpt labels 1", "labels": [', encoding="utf-8")
    return folder


def assert_private(out, *texts):
    files = [path for path in out.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert not path.name.startswith(".")
        data = (path.name.encode() + path.read_bytes()).lower()
        assert not [word for word in PRIVATE if word.lower().encode() in data], path
    for text in texts:
        assert not [word for word in PRIVATE if word.lower() in text.lower()]


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_labels_of_a_class(handed_in, tmp_path, capsys):
    out, names = tmp_path / "out", tmp_path / "who.csv"
    argv = [str(handed_in), "--key", "k", "--out", str(out)]
    assert together.main([*argv, "--names", str(names)]) == 0
    printed = capsys.readouterr()
    assert_private(out, printed.out)
    assert "griselda/candlestick.json' is no labels file" in printed.err
    names_of_files = sorted(p.name for p in out.iterdir())
    assert names_of_files == ["agreement.csv", "labels.csv", "preferences.csv"]
    comment, *lines = names.read_text(encoding="utf-8").splitlines()
    assert comment.startswith("# Keep this file apart")
    who = {row["student"]: row["pseudonym"] for row in csv.DictReader(lines)}
    assert who.keys() == {*STUDENTS, "griselda"}
    weights = {(r["who"], r["feature"]): r for r in table(out / "preferences.csv")}
    short, long = (weights[who[name], "longer"] for name in ("quentina", "barnaby"))
    assert float(short["weight in nats"]) < 0 < float(long["weight in nats"])
    assert ("class", "honest") in weights and (who["griselda"], "rude") not in weights
    agreed = {frozenset((r["student"], r["other"])): r for r in table(out / "agreement.csv")}
    opposite = agreed[frozenset((who["quentina"], who["barnaby"]))]
    assert float(opposite["agreement"]) == 0 and int(opposite["common pairs"]) > 12
    assert len(agreed) == 6 and all(r["labels"] == "25" for r in table(out / "labels.csv"))


def test_the_same_key_gives_the_same_bytes_and_another_key_another_order(handed_in, tmp_path):
    for name, key in (("one", "k"), ("same", "k"), ("other", "l")):
        argv = [str(handed_in), "--key", key, "--out", str(tmp_path / name)]
        assert together.main(argv) == 0

    def read(name):
        return {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}

    assert read("one") == read("same") != read("other")
    tastes = [table(tmp_path / name / "preferences.csv") for name in ("one", "other")]
    mine, theirs = ([row for row in rows if row["who"] == "class"] for rows in tastes)
    assert [r["weight in nats"] for r in mine] == [r["weight in nats"] for r in theirs]


def test_without_out_nothing_is_written(handed_in, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(handed_in.rglob("*"))
    assert together.main([str(handed_in)]) == 0
    assert "No --key" in capsys.readouterr().out
    assert sorted(handed_in.rglob("*")) == before and not list(tmp_path.iterdir())
    assert own_labels() == []
    assert together.main([str(handed_in), "--key", "k", "--names"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["names.csv"]


def test_ties_alone_have_no_common_pair(tmp_path, capsys):
    labels = [Label("Where is Rome?", *(chat_answer(ENCODING, t) for t in ("x", "y")), "tie")]
    contents = json.dumps(labels_contents(labels, ENCODING, "you"))
    (tmp_path / "one.json").write_text(contents, encoding="utf-8")
    assert together.main([str(tmp_path), "--key", "k"]) == 0
    assert "no common pair" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, message",
    [
        (["{tmp}/none"], "There is no folder"),
        (["{tmp}/empty"], "There are no labels in"),
        (["{tmp}", "--out", "{tmp}/empty"], "lies inside"),
        (["{tmp}/empty", "--out", "{tmp}/full"], "nothing is overwritten"),
        (["{tmp}/empty", "--out", "{tmp}/full/file.txt"], "nothing is overwritten"),
        (["{tmp}/empty", "--names", "{tmp}/full/file.txt"], "nothing is overwritten"),
        (["{tmp}/empty", "--out", "{tmp}/o", "--names", "{tmp}/o/n.csv"], "outside"),
        (["{tmp}/empty", "--out", f"{ROOT}/results"], "the course's own folder"),
        (["{tmp}/empty", "--names", f"{ROOT}/names.csv"], "the course's own folder"),
        (["{tmp}/empty", "--lang", "xx"], "language 'xx'"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_lost(tmp_path, argv, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(Problem, match=message):
        together.main([part.format(tmp=tmp_path) for part in argv])
    assert (tmp_path / "full" / "file.txt").read_text(encoding="utf-8") == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]
