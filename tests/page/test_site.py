"""The page as files: they agree with each other and with the checkpoints, and are small enough."""

import base64
import gzip
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import pytest
import torch
from safetensors.torch import load

from minigpt.page import site, writing
from minigpt.stages.keep import keep
from minigpt.stages.stage import load_stage
from minigpt.store.files import NotWritten, Problem
from minigpt.store.leaves import unpack
from minigpt.world.facts import load_world

FIRST, ALL = 2_000_000, 7_000_000  # bytes that travel to the first answer, and in all
LATER = ("ppo", "sft", "reward", "base_step", "gpt2")  # what the first answer does not need


@pytest.fixture(scope="module")
def files():
    return site.build()


def manifest(files):
    return json.loads(files[site.MANIFEST])


def tensors(files, told):
    return unpack(load(gzip.decompress(files[told["file"]])), {})


def test_the_manifest_tells_of_the_files_as_they_are(files):
    told = manifest(files)
    assert told["files"] == sorted(files)
    assert [stage["name"] for stage in told["stages"]] == ["base", "sft", "reward", "ppo"]
    assert [stage["after"] for stage in told["stages"]] == [None, "base", "sft", "reward"]
    weights = [stage for stage in told["stages"] + told["snapshots"] if stage["file"]]
    for entry in (told["tokenizer"], told["facts"], told["gpt2"]):
        whole = files[entry["file"]]
        whole = gzip.decompress(whole) if whole[:2] == b"\x1f\x8b" else whole
        assert len(whole) == entry["size"]
    for stage in weights:
        assert len(files[stage["file"]]) == stage["bytes"]
        whole = gzip.decompress(files[stage["file"]])
        assert (len(whole), site.sha256(whole)) == (stage["size"], stage["sha256"])
    named = {stage["file"] for stage in weights}
    assert named == {path for path in files if path.endswith(".weights")}
    steps = [snapshot["step"] for snapshot in told["snapshots"]]
    assert steps == sorted(set(steps)) and steps[0] == 0 and told["snapshots"][0]["file"] is None
    assert told["snapshots"][-1] == told["stages"][0]
    losses = [snapshot["loss"] for snapshot in told["snapshots"]]
    assert losses == sorted(losses, reverse=True)


def test_what_travels_is_small(files):
    travels = {path: len(gzip.compress(data, 9)) for path, data in files.items()}
    assert sum(travels.values()) < ALL
    first = [path for path in files if not path.startswith(tuple(f"data/{n}" for n in LATER))]
    assert "data/base.weights" in first and "data/sft.weights" not in first
    assert sum(travels[path] for path in first) < FIRST


def test_weights_are_the_checkpoints_up_to_the_rounding_of_int8(files):
    """No weight is further from its checkpoint's than half a step of its row, and what is rounded
    once more is the same."""
    for told in [*manifest(files)["stages"], *manifest(files)["snapshots"][1:]]:
        stage = load_stage(told["name"], own=False, quiet=True)
        model, found = stage.model, tensors(files, told)
        state = model.trained() if told["kind"] == "reward" else model.state_dict()
        assert found.keys() == state.keys() and stage.model.origin["hash"] == told["hash"]
        for name, weight in state.items():
            if weight.dim() < 2:
                assert torch.equal(found[name], weight)
                continue
            step = weight.abs().amax(1, keepdim=True) / 127
            assert ((found[name] - weight).abs() <= 0.51 * step + 127 * step * 2**-8).all(), name
        again = site.pack(found, "int8")
        stored = load(gzip.decompress(files[told["file"]]))
        assert all(torch.equal(again[name], stored[name]) for name in stored if "/" not in name)


def test_the_models_say_the_same_as_before(files):
    """Most likely answers to some questions, from the page's weights and from the checkpoint."""
    world = load_world()
    asked = [f"What is the capital of {p.name}?" for p in world.places if "capital" in p.values]
    asked = [*asked[:20], *(f"How many people live in {p.name}?" for p in world.held_out[:20])]
    for told in (t for t in manifest(files)["stages"] if t["kind"] != "reward"):
        stage = load_stage(told["name"], own=False, quiet=True)
        before = stage.answer(asked)
        stage.model.load_state_dict(tensors(files, told))
        same = sum(a == b for a, b in zip(before, stage.answer(asked)))
        assert same >= 0.9 * len(asked), told["name"]


def test_the_facts_are_the_worlds(files):
    table, world = json.loads(files["data/facts.json"]), load_world()
    asked = [(a, form) for a, forms in world.text.QUESTIONS.items() for form in forms]
    assert [a for a, _form in table["questions"]] == [a for a, _form in asked]  # the order counts
    assert [p["name"] for p in table["places"]] == [p.name for p in world.places]
    for (place, attribute), fact in world.facts.items():
        known = next(p for p in world.places if p.id == place)
        assert table["places"][known.rank]["values"][attribute] == fact.value
    forms = [attribute for attribute, forms in world.text.STATEMENTS.items() for _ in forms]
    assert [attribute for attribute, _form in table["forms"]] == forms


def test_a_regular_expression_reads_the_same_in_javascript():
    """What is spelled otherwise there is spelled out; what is an error there is not escaped."""
    for pattern, expected in (
        (r"a\ b\-c\#\+\.", r"a b-c#\+\."), (r"(?P<p>[^.]+?)", r"(?<p>[^.]+?)"),
        (r"(?P<v>.++)\s\w", r"(?<v>.+)[\p{White_Space}\x1c-\x1f][\p{L}\p{N}_]"),
        (r"[^\W\d_的]", r"(?![\p{Nd}_的])[\p{L}\p{N}_]"),
        (r"(?<![\w.])x(?![\w.]*\w)",
         r"(?<![\p{L}\p{N}_.])x(?![\p{L}\p{N}_.]*[\p{L}\p{N}_])"),
        (re.escape("\n(a) 北京"), "\n\\(a\\) 北京"),
    ):  # fmt: skip
        assert site.javascript(pattern) == expected


def test_the_same_models_give_the_same_bytes(files):
    assert site.build() == files


def test_the_version_goes_with_every_file_and_the_service_worker_knows_all(files, monkeypatch):
    script = files["sw.js"].decode()
    version = manifest(files)["version"]
    assert f'const VERSION = "{version}";' in script
    kept = json.loads(re.search(r"^const FILES = (.*);$", script, re.M)[1])
    assert kept == {p: f"sha256-{site.sha256(d)}" for p, d in files.items() if p != site.WORKER}
    monkeypatch.setattr(site, "SNAPSHOTS", 2)
    assert manifest(site.build())["version"] != version


def test_links_and_what_wants_them(files):
    assert b"{{" not in files[site.ENTRY]
    links = {"repository": "https://github.com/a/b", "name": "b", "colab": "C1", "binder": "B1"}
    assert "git clone" not in files[site.ENTRY].decode()
    html = site.filled((site.SOURCE / site.ENTRY).read_text(encoding="utf-8"), links, "en")
    assert "git clone --depth 1 https://github.com/a/b &amp;&amp; cd b\n" in html
    assert "{{" not in html and all(address in html for address in ("github.com/a/b", "C1", "B1"))
    assert "C1" not in files[site.ENTRY].decode()


def test_the_drawing_is_allowed_by_the_pages_policy(files):
    html = files[site.ENTRY].decode()
    (style,) = re.findall(r"<style>(.*?)</style>", html)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)', html)[1]
    assert f"'sha256-{allowed}'" in policy and "'unsafe-inline'" not in policy


# ---- the learner's own ----------------------------------------------------------------------


def test_own_models_are_taken_where_there_are_some(tmp_path, monkeypatch, files):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    stage = load_stage("sft", own=False, quiet=True)
    with torch.no_grad():
        stage.model.gain.mul_(0.5)
    mine = keep(stage.model, "sft")
    found = site.build(own=True)
    told = {stage["name"]: stage for stage in manifest(found)["stages"]}
    assert list(told) == ["base", "sft", "reward_sft", "reward", "ppo"]
    assert [name for name, entry in told.items() if entry["own"]] == ["sft"]
    assert told["sft"]["label"] == "SFT model, yours"
    assert torch.equal(tensors(found, told["sft"])["gain"], mine.model.gain)
    # The reward model was made from another SFT model, which it brings along.
    assert told["reward"]["after"] == "reward_sft" and told["reward_sft"]["hidden"]
    assert found["data/reward_sft.weights"] == files["data/sft.weights"]
    assert found["data/reward.weights"] == files["data/reward.weights"]
    assert manifest(found)["version"] != manifest(files)["version"]
    assert site.build(own=False) == files


# ---- one file -------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.data, self.script = [], {}, None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.script = dict(attrs).get("data-file") if tag == "script" else None

    def handle_endtag(self, tag):
        self.script = None

    def handle_data(self, data):
        if self.script:
            self.data[self.script] = self.data.get(self.script, "") + data


def test_the_one_file_asks_for_nothing(files):
    html = writing.single(files).decode()
    page = Tags(html)
    for tag, attributes in page.tags:
        for key in ("src", "href", "srcset", "data", "poster"):
            address = attributes.get(key) or "#"
            assert address.startswith(("#", "data:")) or tag == "a", (tag, address)
    assert not re.search(r"@import|url\((?!#)", files["page.css"].decode())
    assert "default-src 'none'" in html and "connect-src" not in html.split("</head>")[0]
    for path in files:
        if path.startswith("data/"):
            assert base64.b64decode(page.data[path], validate=True) == files[path]
    assert writing.single(files) == html.encode()


def test_modules_are_joined_in_the_order_in_which_they_need_each_other():
    modules = {
        "a.js": b'import { b } from "./b.js";\nimport {c, d} from "./c.js";\nb(c);\n',
        "b.js": b'import { c } from "./c.js";\nexport function b() {}\nexport { e };\n',
        "c.js": b"export const c = 1;\nexport async function d() {}\nexport class E {}\n",
    }
    assert writing.joined(modules, "a.js") == (
        '(() => {\n"use strict";\nconst c = 1;\nasync function d() {}\nclass E {}\n'
        "function b() {}\nb(c);\n})();\n"
    )
    for bad in (b'import x from "./b.js";\n', b"export default 1;\n", b"'</script>';\n"):
        with pytest.raises(ValueError, match="cannot stand in one script"):
            writing.joined({"a.js": bad}, "a.js")


def test_a_page_without_one_of_its_parts_is_told(files):
    with pytest.raises(ValueError, match="0 times"):
        writing.single(files | {site.ENTRY: b"<!doctype html><body></body>"})


# ---- on disk --------------------------------------------------------------------------------

SMALL = {"index.html": b"1", site.MANIFEST: b'{"files": ["index.html", "data/manifest.json"]}'}


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*")
            if p.is_file()}  # fmt: skip


def test_a_page_takes_an_earlier_ones_place_whole(tmp_path):
    writing.write(tmp_path / "site", SMALL | {"old.js": b"2", site.MANIFEST: json.dumps(
        {"files": ["index.html", "old.js", site.MANIFEST]}).encode()})  # fmt: skip
    writing.write(tmp_path / "site", SMALL)
    assert contents(tmp_path / "site") == SMALL
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    (tmp_path / "site" / "CNAME").write_text("mine", encoding="utf-8")
    with pytest.raises(Problem, match="CNAME"):
        writing.write(tmp_path / "site", SMALL)
    assert contents(tmp_path / "site") == SMALL | {"CNAME": b"mine"}


@pytest.mark.parametrize("fails_at", [1, 2])
def test_where_the_disk_refuses_the_earlier_page_stays(tmp_path, monkeypatch, fails_at):
    writing.write(tmp_path / "site", SMALL)
    replace, calls = writing.os.replace, []

    def refuse(old, new):
        calls.append(new)
        if len(calls) == fails_at:
            raise OSError(28, "No space left on device")
        replace(old, new)

    monkeypatch.setattr(writing.os, "replace", refuse)
    with pytest.raises(NotWritten, match="the disk is full"):
        writing.write(tmp_path / "site", {**SMALL, "index.html": b"new"})
    assert contents(tmp_path / "site") == SMALL
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_snapshot_that_is_missing_is_left_out(tmp_path, monkeypatch):
    shipped = tmp_path / "checkpoints"
    shutil.copytree(site.trained.SHIPPED / "en", shipped / "en")
    for path in (shipped / "en").glob("base_step_*"):
        path.unlink()
    monkeypatch.setattr(site.trained, "SHIPPED", shipped)
    steps = [snapshot["step"] for snapshot in manifest(site.build())["snapshots"]]
    assert steps == [0, load_stage("base", own=False, quiet=True).meta["step"]]
