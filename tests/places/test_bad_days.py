"""Bad days: a full disk, a read-only folder, files of another version, two notebooks at once, a
kernel that is killed. Each time there is a clear message, and nothing of the learner's is lost.

`full` stands for a full disk; a limit on the size of files is a real one. Tests may run as root,
whom no folder refuses: there the writing is done by another user, in a process of its own.
"""

import datetime
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from minigpt.classroom.notebook import read_notebook
from minigpt.commands import lab, reset, train
from minigpt.lessons.arena import vote as arena
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, pretrain
from minigpt.setup import working_copy
from minigpt.sft import chat_answer
from minigpt.show import concept_items
from minigpt.show import concept_quiz as concept_test
from minigpt.stages.labels import Label, keep_labels, own_labels, write_labels
from minigpt.stages.stage import load_stage, own_checkpoints
from minigpt.stages.train import Course, run
from minigpt.store import checkpoint, kept
from minigpt.store import files as common
from minigpt.store.checkpoint import SHIPPED, aside_path, load_model, read_meta, save_checkpoint
from minigpt.store.files import ROOT, NotWritten, Problem, atomic_write
from minigpt.store.kept import Kept, keep_writing_time, writing_seconds
from minigpt.store.resume import KEY, read_resume
from minigpt.tokenizer import load_tokenizer

predictions = importlib.import_module("minigpt.show.predict")  # its name is a function's, too

CONFIG = GPTConfig(block_size=32, n_layer=1, n_head=2, n_embd=16)
ENCODING = load_tokenizer()
OPTIONS = ["yes", "no"]
ITEMS = [item["id"] for item in concept_items.ITEMS["en"][:2]]  # of the concept test
NOTEBOOKS = sorted((ROOT / "notebooks" / "source" / "en").glob("*.ipynb"))
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has neither such users nor limits")


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def full(monkeypatch):
    """Calling it fills the disk; calling it with False frees it."""
    real = os.fsync

    def refuse(file):
        raise OSError(28, "No space left on device")

    def fill(on: bool = True) -> None:
        monkeypatch.setattr(os, "fsync", refuse if on else real)

    return fill


def model(seed: int = 0) -> GPT:
    return GPT(CONFIG, seed=seed)


def meta(**change) -> dict:
    found = {"stage": "base", "kind": "language model", "config": asdict(CONFIG), "parent": None}
    return found | change


def labels(*texts: str) -> list[Label]:
    other = chat_answer(ENCODING, "It is 16.")
    return [Label("How many?", chat_answer(ENCODING, text), other, "a") for text in texts]


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def python(code: str, *arguments, **environment) -> subprocess.CompletedProcess:
    """Run code in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=env, capture_output=True,
        text=True, encoding="utf-8", cwd=tempfile.gettempdir(),
    )  # fmt: skip


# ---- a full disk ------------------------------------------------------------------------------


WHOLE = {  # what writes a file at once, with a number that the contents depend on
    "checkpoint": lambda path, n: save_checkpoint(path, model(n).state_dict(), meta(seed=n)),
    "labels": lambda path, n: write_labels(path, labels(str(n)), ENCODING),
    "any file": lambda path, n: atomic_write(path, b"%d" % n),
}


@pytest.mark.parametrize("write", WHOLE.values(), ids=WHOLE)
def test_a_full_disk_leaves_the_older_file_and_says_what_to_do(write, home, tmp_path, full):
    inside, outside = home / "mine", tmp_path / "out" / "mine"
    for path, mend in ((inside, "set MINIGPT_HOME to another"), (outside, "choose another")):
        write(path, 1)
        before = contents(path.parent)
        full()
        with pytest.raises(NotWritten) as error:
            write(path, 2)
        full(False)
        assert str(error.value) == (
            f"{path} could not be written: the disk is full; free some space, or {mend} "
            "folder on another disk. What was there before is as it was."
        )
        assert contents(path.parent) == before and len(before) == 1
        write(path, 2)
        assert contents(path.parent) != before


def vote(n: int, say) -> None:
    row = dict.fromkeys(arena.FIELDS, str(n)) | {"left": "sft", "right": "ppo", "choice": "tie"}
    change = lambda c: c.setdefault("en", []).append(row)  # noqa: E731
    arena.KEPT.change(change, say)


def answered(n: int, say) -> None:
    change = lambda c: c.setdefault("before", {}).update({ITEMS[n - 1]: 0})  # noqa: E731
    concept_test.KEPT.change(change, say)


def votes() -> list[str]:
    return [row["question"] for row in arena.read_rows()]


CLICKS = {  # what a click keeps; and what is kept after the clicks 1 and 2
    "predictions": (lambda n, say: predictions.keep(str(n), OPTIONS, 1, say),
                    lambda: list(predictions.read()), ["1", "2"]),
    "labels-en": (lambda n, say: keep_labels(labels(*"12"[:n]), say=say),
                  own_labels, labels("1", "2")),
    "arena_votes": (vote, votes, ["1", "2"]),
    "writing_times": (lambda n, say: keep_writing_time(n, say=say), writing_seconds, [1, 2]),
    "concept_test": (answered, lambda: list(concept_test.KEPT.read().get("before", {})), ITEMS),
}  # fmt: skip


@pytest.mark.parametrize("name", CLICKS)
def test_a_click_on_a_full_disk_is_told_counts_and_is_written_later(name, home, full):
    click, read, both = CLICKS[name]
    said = []
    full()
    click(1, said.append)
    assert len(said) == 1 and f"could not be written to {name}.json (the disk is full" in said[0]
    assert "set MINIGPT_HOME" in said[0] and "until you close the notebook" in said[0]
    assert read() == both[:1] and contents(home) == {}
    full(False)
    click(2, said.append)
    assert read() == both and len(said) == 1
    kept._unsaved.clear()  # as in another notebook: from the disk alone
    assert read() == both and list(contents(home)) == [f"{name}.json"]


def test_what_another_notebook_wrote_meanwhile_stays(home, full):
    full()
    keep_writing_time(1.0, say=lambda text: None)
    full(False)
    mine, kept._unsaved = kept._unsaved, {}
    keep_writing_time(2.0)  # another notebook's
    kept._unsaved = mine
    keep_writing_time(3.0)
    kept._unsaved = {}
    assert writing_seconds() == [2.0, 1.0, 3.0]


@POSIX
def test_a_real_limit_of_the_disk(tmp_path, home):
    path = home / "base.safetensors"
    save_checkpoint(path, model().state_dict(), meta())
    before = contents(home)
    code = """
import resource, sys
from minigpt.store.files import atomic_write
from minigpt.store.kept import keep_writing_time, writing_seconds
data = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))  # bytes; Python ignores the signal
try:
    atomic_write(sys.argv[1], data)
except OSError as error:
    print(error)
keep_writing_time(1.0)
print(writing_seconds())
"""
    done = python(code, path)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert f"{path} could not be written: it is larger than a file may be here" in first
    assert "This could not be written to writing_times.json" in second and third == "[1.0]"
    assert contents(home) == before


def test_a_trained_model_outlives_the_save_that_failed(home, full):
    trained, tokens = model(), torch.arange(700).numpy() % 1000
    run = pretrain(trained, tokens, PretrainConfig(batch_size=2, block_size=16, steps=3))
    assert len(list(run)) == 3
    path = home / "base.safetensors"
    full()
    with pytest.raises(NotWritten):
        save_checkpoint(path, trained.state_dict(), meta())
    full(False)
    save_checkpoint(path, trained.state_dict(), meta())  # the cell that saves, run again
    for name, tensor in load_model(path)[0].state_dict().items():
        assert torch.equal(tensor, trained.state_dict()[name].bfloat16().float()), name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_lesson_writes_files_but_what_is_clicked(path):
    """So no training cell of the notebooks can end in a failed save."""
    writes = (
        r"save_checkpoint|write_labels|atomic_write|write_(text|bytes)|open\(.*[\"'][wax]|\.save\("
    )
    for cell in read_notebook(path)["cells"]:
        if cell["cell_type"] == "code":
            assert not re.search(writes, cell["source"]), cell["id"]


def test_train_on_a_full_disk_says_how_to_go_on(monkeypatch, home, full, capsys):
    before = model()

    def run(course, stage):
        course.save(stage, before, None, {})

    monkeypatch.setattr("minigpt.stages.train.run", run)
    full()
    with pytest.raises(Problem) as problem:
        train.main(["--seed", "3", "--threads", "1", "--device", "cpu"])
    assert "base.safetensors could not be written: the disk is full" in str(problem.value)
    assert str(problem.value).endswith("To go on after that: "
                                       f"{common.PROGRAM} train --seed 3 --threads 1 --device cpu "
                                       "--resume")  # fmt: skip
    assert contents(home) == {}


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with two notebooks; the folder that they are in."""
    root = tmp_path / "course"
    for name in ("00_overview", "03_prompting"):
        atomic_write(root / "notebooks" / "en" / f"{name}.ipynb", name.encode())
    (root / "requirements.txt").touch()
    monkeypatch.setattr(common, "ROOT", root)
    monkeypatch.setattr(working_copy, "ROOT", root)
    return root / "notebooks" / "en"


def test_reset_on_a_full_disk_puts_the_learners_notebook_back(course, home, full):
    working_copy.update_copies("en")
    (home / "notebooks" / "en" / "03_prompting.ipynb").write_bytes(b"my answers")
    before = contents(home)
    full()
    with pytest.raises(Problem, match="03_prompting.ipynb could not be written: the disk is full"):
        reset.main(["03"])
    assert contents(home) == before


def test_lab_on_a_full_disk_keeps_all_copies(course, home, full):
    working_copy.update_copies("en")
    before = contents(home)
    (course / "03_prompting.ipynb").write_bytes(b"second edition")
    full()
    with pytest.raises(Problem, match="03_prompting.ipynb could not be written: the disk is full"):
        lab.main([])
    assert contents(home) == before


SMALL_DISK = """
import os
from pathlib import Path
from minigpt.store import kept
from minigpt.store.files import NotWritten, atomic_write
from minigpt.store.kept import keep_writing_time, writing_seconds

home, said, others = Path(os.environ["MINIGPT_HOME"]), [], []
atomic_write(home / "model", b"old" * 50_000)
try:
    while len(others) < 500:
        others.append(home / f"other {len(others)}")
        others[-1].write_bytes(bytes(4096))
except OSError:
    print("full")
before = sorted(home.iterdir())
try:
    atomic_write(home / "model", b"new" * 50_000)
except NotWritten as error:
    print(error.strerror)
keep_writing_time(1.0, say=said.append)
print(len(said), writing_seconds(), sorted(home.iterdir()) == before)
for other in others:
    other.unlink(missing_ok=True)
keep_writing_time(2.0, say=said.append)
kept._unsaved.clear()  # as in another notebook: from the disk alone
print(len(said), writing_seconds(), (home / "model").read_bytes() == b"old" * 50_000)
atomic_write(home / "model", b"new" * 50_000)
print(*sorted(path.name for path in home.iterdir()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
@pytest.mark.parametrize("limit", ["size=512k", "nr_inodes=20"])
def test_a_small_disk_that_is_really_full(limit, home):
    """Of bytes, or of files; it is made of memory, and this process alone sees it."""
    home.mkdir()
    mount = 'mount -t tmpfs -o "$1" tmpfs "$MINIGPT_HOME" || exit 77; exec "$2" -c "$3"'
    spaces = ["unshare", "--user", "--map-root-user", "--mount"] if shutil.which("unshare") else []
    done = subprocess.run(
        [*spaces, "sh", "-c", mount if spaces else "exit 77", "sh", limit, sys.executable,
         SMALL_DISK], capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"nobody may mount a disk of memory here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    why = "the disk is full; free some space, or set MINIGPT_HOME to another folder on another disk"
    assert done.stdout.splitlines() == [
        "full", why, "1 [1.0] True", "1 [1.0, 2.0] True", "model writing_times.json"
    ]  # fmt: skip
    assert list(home.iterdir()) == []  # nothing was beside that disk


# ---- a clock that is set back -----------------------------------------------------------------


def test_a_clock_that_is_set_back_costs_no_answers(course, home, monkeypatch):
    """Backups of a notebook have the time in their names, and it may come twice, or backwards."""
    moments = [datetime.datetime(2026, 10, 25, 2, m, tzinfo=datetime.timezone.utc)
               for m in (30, 30, 59, 0, 30, 0)]  # fmt: skip

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return moments.pop(0)

    working_copy.update_copies("en")
    mine = home / "notebooks" / "en" / "03_prompting.ipynb"
    monkeypatch.setattr(working_copy.datetime, "datetime", Clock)
    written = [f"answers of day {n}".encode() for n in range(6)]
    for answers in written:
        mine.write_bytes(answers)
        reset.main(["03"])
    assert moments == [] and mine.read_bytes() not in written
    kept_files = [p.read_bytes() for p in mine.parent.glob("03_prompting.*.ipynb")]
    assert sorted(kept_files) == written


# ---- a folder that cannot be written to -------------------------------------------------------


@POSIX
def test_a_read_only_folder(home):
    """The learner's folder is another user's: all is told, all that was there can be read."""
    code = """
import os, sys
from pathlib import Path
from minigpt.setup import working_copy
from minigpt.store.files import Problem, atomic_write
from minigpt.store.kept import keep_writing_time, writing_seconds

working_copy.course_notebooks = lambda lang: [Path(sys.argv[1])]
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for action in (
    lambda: atomic_write(Path(os.environ["MINIGPT_HOME"]) / "x", b"x"),
    lambda: working_copy.update_copies("en"),
    lambda: (keep_writing_time(2.0), print(writing_seconds())),
):
    try:
        action()
    except Problem as problem:
        print(problem)
"""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "home").mkdir()
        (folder / "home" / "writing_times.json").write_text('{"en": [1.0]}', encoding="utf-8")
        (folder / "00.ipynb").write_bytes(b"{}")
        before = contents(folder)
        for path, mode in ((folder, 0o755), (folder / "home", 0o555)):
            path.chmod(mode)
        done = python(code, folder / "00.ipynb", MINIGPT_HOME=str(folder / "home"))
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        why = "it is read-only, or open in another program; close that program, or set MINIGPT_HOME"
        assert f"{folder / 'home' / 'x'} could not be written: {why}" in lines[0]
        assert f"00.ipynb could not be written: {why}" in lines[1]
        assert f"This could not be written to writing_times.json ({why}" in lines[2]
        assert lines[3] == "[1.0, 2.0]" and contents(folder) == before
    finally:
        (folder / "home").chmod(0o755)
        shutil.rmtree(folder)


def test_a_home_that_is_a_file(course, home, capsys):
    home.write_bytes(b"a file")
    message = "could not be written: a file is in the place of its folder; move that file away"
    for command, arguments in ((lab, []), (reset, ["03"]), (train, ["--threads", "1"])):
        with pytest.raises(Problem, match=message):
            command.main(arguments)
    predictions.keep("one", OPTIONS, 0)
    assert "predictions.json (a file is in the place" in capsys.readouterr().out
    assert predictions.read()["one"]["choice"] == 0
    assert not load_stage("base", quiet=True).own
    assert home.read_bytes() == b"a file"


def test_at_the_command_line_there_is_no_traceback(home):
    home.write_bytes(b"a file")
    done = subprocess.run(
        [sys.executable, "-m", "minigpt", "reset", "03"], cwd=ROOT, capture_output=True, text=True,
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "a file is in the place of its folder" in done.stderr


# ---- files of another version, and damaged ones -----------------------------------------------


def written(home: Path, state=None, **change) -> Path:
    """The learner's base model, with what is changed in its metadata."""
    path = own_checkpoints() / "base.safetensors"
    save_checkpoint(path, state or model().state_dict(), meta(**change))
    return path


def format_of(path: Path, version: str) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b'\\"format\\": 2', b'\\"format\\": ' + version.encode()))


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


WRONG = {
    "older": (lambda home: format_of(written(home), "0"), "format 0, .* another version of"),
    "newer": (lambda home: format_of(written(home), "3"),
              "a newer version of the course made it. Update the course"),
    "a bit of a weight": (lambda home: flip(written(home)), "is damaged or cut off"),
    "no config": (lambda home: written(home, config={}), "base.safetensors does not fit|no usable"),
    "an unknown setting": (lambda home: written(home, config={"width": 3}),
                           "no usable model config"),
    "another shape": (lambda home: written(home, config=asdict(CONFIG) | {"n_embd": 32}),
                      "does not fit the model"),
    "another vocabulary": (
        lambda home: written(home, GPT(GPTConfig(900, 32, 1, 2, 16)).state_dict(),
                             config=asdict(GPTConfig(900, 32, 1, 2, 16))),
        "a vocabulary of 900 tokens, and the course's has 1024"),
    "cut off": (lambda home: cut(written(home)), "is damaged or cut off"),
    "no file of ours": (lambda home: atomic_write(written(home), b"hello"),
                        "is damaged or cut off"),
    "no parent": (lambda home: written(home, kind="reward", config=asdict(CONFIG)),
                  "cannot be used: it does not say what its parent is"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_checkpoint_that_cannot_be_used_is_named_and_the_course_goes_on(name, home):
    make, message = WRONG[name]
    make(home)
    path, before = own_checkpoints() / "base.safetensors", contents(home)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        load_stage("base")
    assert str(path) in str(error.value)
    assert 'load_stage("base", own=False), or always' in str(error.value)
    assert str(error.value).endswith('import go_back; go_back("base")')
    assert contents(home) == before
    assert not load_stage("base", own=False, quiet=True).own
    path.rename(path.with_name("old base"))
    assert not load_stage("base", quiet=True).own


@pytest.mark.parametrize("name", ["older", "cut off", "no file of ours"])
def test_training_anew_keeps_what_it_cannot_read(name, home):
    WRONG[name][0](home)
    path, said = own_checkpoints() / "base.safetensors", []
    old = path.read_bytes()
    course = Course(path.parent, device="cpu", say=said.append, resume=True)
    assert course.meta("base") is None
    course.save("base", model(), None, {})
    aside = aside_path(path, hashlib.sha256(old).hexdigest()[:16])
    assert aside.read_bytes() == old and read_meta(path)["seed"] == 0
    assert said[-1] == f"the base.safetensors that was there is now {aside.name}"
    course.save("base", model(), None, {})  # the same bytes: nothing to put aside
    assert set(contents(path.parent)) == {"base.safetensors", aside.name}


def test_a_damaged_record_of_times_does_not_stop_the_training(tmp_path):
    course, said = Course(tmp_path, device="cpu", say=(lambda text: said.append(text))), []
    for damage in (b"{", b"[]", b'{"stages": 3}'):
        (tmp_path / "train.json").write_bytes(damage)
        course.record("base", (0.0, 0.0))
        stages = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))["stages"]
        assert list(stages) == ["base"]
    assert [(tmp_path / f"train.damaged-{n}.json").read_bytes() for n in (1, 2, 3)] == [
        b"{", b"[]", b'{"stages": 3}'
    ]  # fmt: skip


@pytest.mark.parametrize("lacking", ["identity", "last", "took", "sha256"])
def test_a_broken_off_run_of_another_version(tmp_path, lacking):
    from safetensors.torch import save

    tensors = {"model.w": torch.ones(2)}
    last = {"step": 1, "steps": 2, "loss": 0.5, "tokens": 7}
    whole = {"identity": {}, "last": last, "took": [0, 0]}
    sums = {"sha256": checkpoint.checksum(tensors, whole)}
    path = tmp_path / "base.resume.safetensors"
    data = save(tensors, {KEY: json.dumps(whole | sums)})
    assert read_resume(path, data)[0]["last"].step == 1
    whole.pop(lacking, None)
    sums = {"sha256": checkpoint.checksum(tensors, whole)} if lacking != "sha256" else {}
    with pytest.raises(ValueError, match="of another program or version: move it away, and the"):
        read_resume(path, save(tensors, {KEY: json.dumps(whole | sums)}))


@pytest.mark.parametrize("name", CLICKS)
@pytest.mark.parametrize("other", [b'{"en": {"format": 9}, "before": 7}', b"\xff", b"{"])
def test_clicks_kept_by_another_version_are_put_aside(name, other, home):
    click, read, both = CLICKS[name]
    atomic_write(home / f"{name}.json", other)
    said = []
    click(1, said.append)
    assert said == [
        f"Your file {name}.json could not be read: it is damaged, or of another version of the "
        f"course. It is now {name}.damaged-1.json, and a new one begins."
    ]
    assert read() == both[:1] and (home / f"{name}.damaged-1.json").read_bytes() == other


def test_a_damaged_file_that_cannot_be_put_aside_is_never_written_over(home, monkeypatch):
    atomic_write(home / "writing_times.json", b"{")
    said = []

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        patch.setattr(os, "replace", refuse)
        for n in (1.0, 2.0):
            keep_writing_time(n, say=said.append)
        assert writing_seconds(say=said.append) == [1.0, 2.0]
        assert "not be put aside either (Permission denied). It stays as it is" in said[0]
        assert contents(home) == {"writing_times.json": b"{"}
    keep_writing_time(3.0, say=said.append)
    assert writing_seconds() == [1.0, 2.0, 3.0] and not kept._unsaved
    assert (home / "writing_times.damaged-1.json").read_bytes() == b"{"


# ---- two notebooks at once, and a kernel that is killed ----------------------------------------


WRITER = """
import sys
from minigpt.store.files import atomic_write
data = open(sys.argv[1], "rb").read()
print("begun", flush=True)
while True:
    atomic_write(sys.argv[2], data)
"""


def test_two_notebooks_that_save_the_same_stage_until_both_are_killed(tmp_path):
    """A reader finds one of the two models, whole, at any moment; the last one stays."""
    path, env = tmp_path / "base.safetensors", {**os.environ, "PYTHONPATH": str(ROOT)}
    for n in (1, 2):
        save_checkpoint(tmp_path / f"{n}", model(n).state_dict(), meta(seed=n))
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / f"{n}"), str(path)],
                         env=env, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        for n in (1, 2)
    ]  # fmt: skip
    try:
        for writer in writers:
            assert writer.stdout.readline() == "begun\n"
        seen, reads = set(), 0
        while len(seen) < 2 or reads < 50:
            if path.is_file():
                seen.add(load_model(path)[1]["seed"])
                reads += 1
            assert all(writer.poll() is None for writer in writers)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert seen == {1, 2} and load_model(path)[1]["seed"] in seen
    save_checkpoint(path, model(3).state_dict(), meta(seed=3))  # what they left is in no way
    assert load_model(path)[1]["seed"] == 3


def test_two_notebooks_that_keep_clicks_lose_none(home):
    code = """
import sys
from minigpt.store.kept import Kept
for n in range(25):
    Kept("clicks.json", lambda c: True).change(lambda c: c.setdefault(sys.argv[1], []).append(n))
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([sys.executable, "-c", code, who], env=env) for who in ("one", "two")]
    assert [process.wait() for process in both] == [0, 0]
    wanted = {who: list(range(25)) for who in ("one", "two")}
    assert Kept("clicks.json", lambda c: True).read() == wanted
    assert list(contents(home)) == ["clicks.json"]


def test_the_lock_of_a_killed_kernel_is_not_waited_for(home, monkeypatch):
    monkeypatch.setattr(kept, "WAIT", 1e9)
    atomic_write(home / ".writing_times.json.lock", b"")
    keep_writing_time(1.0)
    assert writing_seconds() == [1.0] and list(contents(home)) == ["writing_times.json"]


# ---- the checkpoints that came with the course ------------------------------------------------


def shipped_hashes() -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in contents(SHIPPED).items()}


def test_shipped_checkpoints_are_never_written_over(monkeypatch):
    before = shipped_hashes()
    assert "en/base.safetensors" in before

    def fail(*arguments, **options):
        pytest.fail("something was trained or written")

    monkeypatch.setattr("minigpt.stages.train.run", fail)
    monkeypatch.setattr(checkpoint, "atomic_write", fail)
    message = "among the checkpoints that came with the course"
    for out in (SHIPPED / "en", SHIPPED, SHIPPED / "en" / ".." / "en" / "new"):
        with pytest.raises(Problem, match=message):
            train.main(["--out", str(out), "--threads", "1"])
    monkeypatch.chdir(SHIPPED.parent)
    with pytest.raises(Problem, match=message):
        train.main(["--out", "checkpoints/en", "--threads", "1"])
    stage = load_stage("base", own=False, quiet=True)
    with pytest.raises(ValueError, match=message):
        save_checkpoint(stage.path, stage.model.state_dict(), stage.meta)
    monkeypatch.setenv("MINIGPT_HOME", str(SHIPPED.parent))
    assert own_checkpoints() == SHIPPED / "en"
    with pytest.raises(Problem, match="or by setting MINIGPT_HOME"):
        train.main(["--threads", "1"])
    assert shipped_hashes() == before


def test_a_course_without_ship_removes_no_shipped_snapshot(tmp_path, monkeypatch):
    """In a copy: a mistake here would cost the real ones."""
    copy = tmp_path / "shipped" / "en"
    shutil.copytree(SHIPPED / "en", copy, ignore=shutil.ignore_patterns("[!b]*"))
    before = contents(copy)
    assert "base_step_00032.safetensors" in before
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr("minigpt.stages.recipe.HELD_OUT_TOKENS", 3000)
    course = Course(copy, device="cpu", fast=True, say=lambda text: None)
    course.recipe.corpus_tokens = 200_000
    with pytest.raises(ValueError, match="came with the course"):
        run(course, "base")
    assert contents(copy) == before


@pytest.mark.parametrize("command, arguments", [(lab, []), (reset, ["03"])])
def test_a_home_that_is_the_course_itself_is_refused(course, monkeypatch, command, arguments):
    monkeypatch.setenv("MINIGPT_HOME", str(course.parents[1]))
    before = contents(course)
    with pytest.raises(Problem, match="MINIGPT_HOME is .*, the course's own folder"):
        command.main(arguments)
    assert contents(course) == before


def test_a_run_that_the_kernel_forgot_leaves_nothing_half_done(home):
    """Training in a notebook writes no file: after a restart, all is as before the run."""
    save_checkpoint(home / "base", model().state_dict(), meta())
    before = contents(home)
    run = pretrain(model(), torch.arange(700).numpy(), PretrainConfig(2, 16, steps=9))
    assert next(run).step == 1
    del run
    assert contents(home) == before
