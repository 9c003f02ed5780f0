"""The command `together`: what it prints and writes, and that nobody's name is in it."""

import csv
import io
import json
import re
import shutil

import pytest

from minigpt.classroom.class_work import players as class_arena
from minigpt.commands import together
from minigpt.lessons.reward_model.labeler import labeling_pairs, scripted
from minigpt.sft import chat_answer
from minigpt.stages import labels as labels_module
from minigpt.stages.labels import Label, labels_contents, own_labels, read_labels
from minigpt.stages.stage import SHIPPED, load_stage
from minigpt.store.files import ROOT, Problem
from minigpt.tokenizer import load_tokenizer
from minigpt.world.labelers import chooser, longer, shorter

ENCODING = load_tokenizer()
STUDENTS = {  # folder: (name in the file, file, how they label)
    "ottoline": ("Featherstone", "hatbox", "expert"),
    "zebedee": ("Pumpernickel", "umbrella", "coin"),
    "quentina": ("Marchbanks", "teapot", shorter(ENCODING)),
    "barnaby": ("Snodgrass", "lantern", longer(ENCODING)),
}
PRIVATE = [word for who, (name, file, _) in STUDENTS.items() for word in (who, name, file)]
PRIVATE += ["griselda", "candlestick", "77.625", "handed_in"]  # who is refused; a time; the folder


def secret(who, what):
    """A label whose text has a student's name, as one may be typed or trained into a model."""
    answers = [chat_answer(ENCODING, text) for text in (f"I am {who}", "Peru")]
    return Label(what, *answers, "a")


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """Four students' labels and a broken file, as nbgrader collects them."""
    folder = tmp_path_factory.mktemp("handed_in")
    sft = load_stage("sft", own=False, quiet=True)
    pairs = labeling_pairs(sft, 24)
    for who, (name, file, taste) in STUDENTS.items():
        choose = chooser(sft.world, taste) if isinstance(taste, str) else taste
        labels = scripted(sft, pairs, choose)
        shared = secret("ottoline", "Where is Blorvia?")  # all have it, so it could be rated
        labels += [shared.turned() if who == "quentina" else shared]
        labels += [secret("x", f"Where is {who}?")]
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


@pytest.fixture
def quick(monkeypatch):
    """Training with few updates, on a scale set by few answers."""
    reference = labels_module.reference_answers
    monkeypatch.setattr(labels_module, "PASSES", 1)
    monkeypatch.setattr(labels_module, "reference_answers", lambda stage: reference(stage, 6, 2))


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


# ---- labels -----------------------------------------------------------------------------------


def test_labels_of_a_class(handed_in, tmp_path, capsys):
    out, names = tmp_path / "out", tmp_path / "who.csv"
    argv = ["labels", str(handed_in), "--key", "k", "--out", str(out), "--no-train"]
    assert together.main([*argv, "--names", str(names)]) == 0
    printed = capsys.readouterr()
    assert_private(out, printed.out)
    assert "griselda/candlestick.json' is no labels file" in printed.err
    files = "agreement answers labels preferences".split()
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [*(f"{name}.csv" for name in files), "class-labels.json"]
    )
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
    assert len(agreed) == 6 and all(r["labels"] == "26" for r in table(out / "labels.csv"))
    merged = read_labels(out / "class-labels.json", ENCODING)
    assert len(merged) == 24 and all(x.seconds is None for x in merged)
    assert "5 of 29 pairs stay out" in re.sub(r"\s+", " ", printed.out)  # those with names
    assert {row["students"] for row in table(out / "answers.csv")} == {"4"}


def test_the_same_key_gives_the_same_bytes_and_another_key_another_order(handed_in, tmp_path):
    for name, key in (("one", "k"), ("same", "k"), ("other", "l")):
        argv = ["labels", str(handed_in), "--key", key, "--out", str(tmp_path / name)]
        assert together.main([*argv, "--no-train"]) == 0

    def read(name):
        return {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}

    assert read("one") == read("same")
    other = read("other")
    assert other["class-labels.json"] != read("one")["class-labels.json"]
    found = [read_labels(tmp_path / n / "class-labels.json", ENCODING) for n in ("one", "other")]
    assert [{x.pair: x.preferred for x in labels} for labels in found][0] == {
        x.pair: x.preferred for x in found[1]
    }


def test_reward_models_of_a_class(quick, handed_in, tmp_path, capsys, monkeypatch):
    out, two = tmp_path / "out", tmp_path / "handed_in"
    for who in ("ottoline", "quentina"):
        shutil.copytree(handed_in / "submitted" / who, two / who)
    argv = ["labels", str(two), "--key", "k", "--out", str(out), "--questions", "8"]
    assert together.main(argv) == 0
    printed = capsys.readouterr()
    assert_private(out, printed.out)
    said = re.sub(r"\s+", " ", printed.out)
    assert "Training 9 reward models" in said and "takes about" in said
    assert said.index("takes about") < said.index("class-00: reward model of class, 1 of 3")
    rows = table(out / "reward_models.csv")
    assert [row["reward model of"] for row in rows][0] == "class" and len(rows) == 3
    orders = table(out / "reward_orders.csv")
    assert len(orders) == 3 * 2
    for row in rows:
        saved = out / f"{row['file']}.safetensors"
        assert saved.is_file() and 0 <= float(row["expert"]) <= 1
        home = tmp_path / "home" / row["file"]
        (home / "checkpoints" / "en").mkdir(parents=True)
        (home / "checkpoints" / "en" / saved.name).write_bytes(saved.read_bytes())
        monkeypatch.setenv("MINIGPT_HOME", str(home))
        stage = load_stage(row["file"], quiet=True)  # as a student would use it
        assert stage.own and isinstance(stage.score("Where is Rome?", "Italy"), float)


def test_without_out_nothing_is_written(handed_in, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(handed_in.rglob("*"))
    assert together.main(["labels", str(handed_in), "--no-train"]) == 0
    assert "No --key" in capsys.readouterr().out
    assert sorted(handed_in.rglob("*")) == before and not list(tmp_path.iterdir())
    assert own_labels() == []
    assert together.main(["labels", str(handed_in), "--no-train", "--key", "k", "--names"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["names.csv"]


def test_ties_alone_train_nothing(tmp_path, capsys):
    labels = [Label("Where is Rome?", *(chat_answer(ENCODING, t) for t in ("x", "y")), "tie")]
    contents = json.dumps(labels_contents(labels, ENCODING, "you"))
    (tmp_path / "one.json").write_text(contents, encoding="utf-8")
    assert together.main(["labels", str(tmp_path), "--key", "k"]) == 0
    said = capsys.readouterr().out
    assert "All labels are ties" in said and "no common pair" in said


@pytest.mark.parametrize(
    "argv, message",
    [
        (["labels", "{tmp}/none"], "There is no folder"),
        (["labels", "{tmp}/empty"], "There are no labels in"),
        (["arena", "{tmp}/empty"], "There are no models in"),
        (["labels", "{tmp}", "--out", "{tmp}/empty"], "lies inside"),
        (["labels", "{tmp}/empty", "--out", "{tmp}/full"], "nothing is overwritten"),
        (["labels", "{tmp}/empty", "--out", "{tmp}/full/file.txt"], "nothing is overwritten"),
        (["labels", "{tmp}/empty", "--names", "{tmp}/full/file.txt"], "nothing is overwritten"),
        (["labels", "{tmp}/empty", "--out", "{tmp}/o", "--names", "{tmp}/o/n.csv"], "outside"),
        (["arena", "{tmp}/empty", "--export", "{tmp}/full/file.txt"], "nothing is overwritten"),
        (["labels", "{tmp}/empty", "--out", f"{ROOT}/results"], "the course's own folder"),
        (["labels", "{tmp}/empty", "--names", f"{ROOT}/names.csv"], "the course's own folder"),
        (["arena", "{tmp}/empty", "--export", f"{ROOT}/pairs.json"], "the course's own folder"),
        (["arena", "{tmp}/empty", "--judge", "nobody"], "There is no labeler 'nobody'"),
        (["arena", "{tmp}/empty", "--questions", "1"], "give 2 or more"),
        (["labels", "{tmp}/empty", "--seed", "-1"], "give 0 or more"),
        (["labels", "{tmp}/empty", "--lang", "xx"], "language 'xx'"),
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


# ---- arena ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handed_in")
    for who, stage in (("ottoline", "sft"), ("zebedee", "sft"), ("quentina", "ppo")):
        path = folder / who / ".minigpt" / "checkpoints" / "en" / f"{stage}.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes((SHIPPED / "en" / f"{stage}.safetensors").read_bytes())
    (folder / "griselda").mkdir()
    whole = (SHIPPED / "en" / "ppo.safetensors").read_bytes()
    (folder / "griselda" / "ppo.safetensors").write_bytes(whole[:50_000])
    return folder


def test_arena_of_a_class(models, tmp_path, capsys):
    out, export, names = tmp_path / "out", tmp_path / "exported" / "pairs.json", tmp_path / "n.csv"
    argv = ["arena", str(models), "--key", "k", "--questions", "40"]
    files = ["--out", str(out), "--export", str(export), "--names", str(names)]
    assert together.main([*argv, *files]) == 0
    printed = capsys.readouterr()
    assert_private(out, printed.out)
    assert_private(export.parent)
    assert "griselda/ppo.safetensors is damaged or cut off" in printed.err
    lines = names.read_text(encoding="utf-8").splitlines()[1:]
    who = {row["student"]: row["pseudonym"] for row in csv.DictReader(lines)}
    rows = {row["player"]: row for row in table(out / "ratings.csv")}
    assert rows.keys() == {who[n] for n in ("ottoline", "zebedee", "quentina")} | {
        "shipped sft", "shipped ppo",
    }  # fmt: skip
    ppo, *copies = (rows[who[name]] for name in ("quentina", "ottoline", "zebedee"))
    for copy in copies:
        assert float(ppo["rating"]) > float(copy["rating"])
        assert float(ppo["low"]) > float(copy["high"])
    one, two = copies
    assert float(one["low"]) <= float(two["rating"]) <= float(one["high"])
    assert ppo["same file as"] == "shipped ppo"
    assert len(table(out / "ratings.csv")) == 5

    blind = class_arena.read_matches(
        export
    )  # somebody votes for the left answer wherever it is longer
    cast = [
        {"question": m.question.text, "group": "", "left": m.left, "right": m.right,
         "left_text": m.left_text, "right_text": m.right_text,
         "choice": "left" if len(m.left_text) > len(m.right_text) else "right"}
        for m in blind
    ]  # fmt: skip
    voted = tmp_path / "umbrella.json"
    voted.write_text(json.dumps({"en": cast}), encoding="utf-8")
    broken = tmp_path / "teapot.json"
    broken.write_text("{", encoding="utf-8")
    again = tmp_path / "again"
    votes = ["--votes", str(voted), str(broken), "--out", str(again)]
    assert together.main([*argv, *votes]) == 0
    printed = capsys.readouterr()
    assert_private(again, printed.out)
    assert "teapot.json holds no votes" in printed.err
    assert "Ratings by the votes of 1 people" in printed.out and "other pairs" not in printed.out
    assert (again / "ratings.csv").read_bytes() == (out / "ratings.csv").read_bytes()
    people = {row["player"]: row for row in table(again / "ratings_by_people.csv")}
    assert people.keys() == rows.keys()
    assert all(row["tied"] == "0" for row in people.values())


def test_another_judge_has_another_taste(models, capsys):
    argv = ["arena", str(models), "--key", "k", "--questions", "12", "--judge", "long_winded"]
    assert together.main(argv) == 0
    assert "Ratings by long_winded's" in capsys.readouterr().out
