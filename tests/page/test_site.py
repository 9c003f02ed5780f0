"""The page as files: they agree with each other and with the checkpoints, and are small enough."""

import base64
import gzip
import json
import re
import shutil
from html import escape
from html.parser import HTMLParser

import pytest
import torch
from safetensors.torch import load

from minigpt.maintain.words import strings
from minigpt.page import site, writing
from minigpt.stages.keep import keep
from minigpt.stages.stage import load_stage
from minigpt.store.files import NotWritten, Problem
from minigpt.store.leaves import unpack
from minigpt.store.words import CATALOGUES, page_words, read_catalogue
from minigpt.world.facts import load_world
from minigpt.world.questions import understood

FIRST, ALL = 2_000_000, 7_000_000  # bytes that travel to the first answer, and in one language
LANGS = sorted(path.name for path in site.trained.SHIPPED.iterdir())
LATER = ("ppo", "sft", "reward", "base_step", "gpt2")  # what the first answer does not need


@pytest.fixture(scope="module")
def files():
    return site.build()


def manifest(files):
    return json.loads(files[site.MANIFEST])


def models(files, lang="en"):
    return json.loads(files[site.MODELS.format(lang)])


def kept(files):
    """What the service worker keeps, by language: {path: hash}."""
    return json.loads(re.search(r"^const FILES = (.*);$", files["sw.js"].decode(), re.M)[1])


def tensors(files, told):
    return unpack(load(gzip.decompress(files[told["file"]])), {})


@pytest.mark.parametrize("lang", LANGS)
def test_the_manifest_tells_of_the_files_as_they_are(lang, files):
    told = models(files, lang)
    assert manifest(files)["files"] == sorted(files)
    assert [stage["name"] for stage in told["stages"]] == ["base", "sft", "reward", "ppo"]
    assert [stage["after"] for stage in told["stages"]] == [None, "base", "sft", "reward"]
    weights = [stage for stage in told["stages"] + told["snapshots"] if stage["file"]]
    for entry in (told["tokenizer"], told["facts"]):
        assert len(files[entry["file"]]) == entry["size"]
    assert told["gpt2"]["file"] in files
    for stage in weights:
        whole = gzip.decompress(files[stage["file"]])
        assert (len(whole), site.sha256(whole)) == (stage["size"], stage["sha256"])
    named = {stage["file"] for stage in weights}
    assert named == {p for p in files if p.endswith(".weights") and p.startswith(f"data/{lang}/")}
    steps = [snapshot["step"] for snapshot in told["snapshots"]]
    assert steps == sorted(set(steps)) and steps[0] == 0 and told["snapshots"][0]["file"] is None
    assert told["snapshots"][-1] == told["stages"][0]
    losses = [snapshot["loss"] for snapshot in told["snapshots"]]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("lang", sorted({*LANGS, "zh"}))
def test_what_travels_is_small(lang, files):
    known = kept(files)
    needed = {*known["all"], *known[lang], site.WORKER}
    travels = {path: len(gzip.compress(files[path], 9)) for path in needed}
    assert sum(travels.values()) < ALL
    first = [path for path in needed if not path.split("/")[-1].startswith(LATER)]
    assert any(path.endswith("/base.weights") for path in first)
    assert not any(path.endswith("/sft.weights") for path in first)
    assert sum(travels[path] for path in first) < FIRST


def test_a_language_needs_no_file_of_another(files):
    known = kept(files)
    assert {*known["all"], site.WORKER, *(p for lang in known for p in known[lang])} == set(files)
    for lang in {"en", "zh", *LANGS}:
        folder = json.loads(files["zh.json"])["models"] if lang == "zh" else lang
        others = {f"data/{other}/" for other in LANGS} - {f"data/{folder}/"}
        assert not any(path.startswith(tuple(others)) for path in {*known["all"], *known[lang]})
        assert ("zh.json" in known[lang]) == (lang == "zh") and "zh.json" not in known["all"]
        assert site.MODELS.format(folder) in known[lang]


def test_every_word_of_the_page_has_a_translation(files):
    html = (site.SOURCE / site.ENTRY).read_text(encoding="utf-8")
    said = page_words(html)
    assert len(said) > 100 and "Ask all stages" in said and "Try again" in said
    assert list(json.loads(files["zh.json"])["words"]) == sorted(said)
    assert set(LANGS) <= {"en", "zh"}


@pytest.mark.parametrize("lang", LANGS)
def test_the_drawing_is_in_the_pages_language(lang, files):
    svg, told = files[site.DRAWING.format(lang)].decode(), models(files, lang)["drawing"]
    catalogue = read_catalogue(CATALOGUES / f"{lang}.po")
    ours = [text for text, file in strings().items() if file.endswith("diagrams/pipeline.py")]
    assert len(ours) > 10
    for text in ours:
        assert escape(catalogue[text] or text, quote=False) in svg + told, text
    if lang == "zh":
        said = " ".join(re.findall(">([^<>]+)<", svg.split("</style>")[1]))
        assert not re.search("[A-Za-z]{4}", said), said


@pytest.mark.parametrize("lang", LANGS)
def test_examples_are_of_the_kinds_that_their_labels_name(lang, files):
    world, found = load_world(lang), models(files, lang)["examples"]
    kinds = {part: [getattr(understood(world, text), "kind", None) for text in found[part]]
             for part in ("ask", "best")}  # fmt: skip
    assert kinds == {"ask": ["fact", "unknown", "chat", "other"],
                     "best": ["fact", "fact", "unknown"]}  # fmt: skip
    assert found["next"][1] == found["ask"][0] and len(found["pretraining"]) == 3
    table = json.loads(re.search(r'(?s)id="words">(.*?)</script>', files[site.ENTRY].decode())[1])
    assert {part: len(found[part]) for part in table["presets"]} == {
        part: len(labels) for part, labels in table["presets"].items()
    }


def test_weights_are_the_checkpoints_up_to_the_rounding_of_int8(files):
    """No weight is further from its checkpoint's than half a step of its row, and what is rounded
    once more is the same."""
    for told in [*models(files)["stages"], *models(files)["snapshots"][1:]]:
        stage = load_stage(told["name"], own=False, quiet=True)
        model, found = stage.model, tensors(files, told)
        state = model.trained() if told["kind"] == "reward" else model.state_dict()
        assert found.keys() == state.keys()
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
    for told in (t for t in models(files)["stages"] if t["kind"] != "reward"):
        stage = load_stage(told["name"], own=False, quiet=True)
        before = stage.answer(asked)
        stage.model.load_state_dict(tensors(files, told))
        same = sum(a == b for a, b in zip(before, stage.answer(asked)))
        assert same >= 0.9 * len(asked), told["name"]


def test_the_facts_are_the_worlds(files):
    table, world = json.loads(files["data/en/facts.json"]), load_world()
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
        (r"\p{L}++\p{N}{1,2}+ ?+", r"\p{L}+\p{N}{1,2} ?"),
        (r"(?P<v>.++)\s\w", r"(?<v>.+)[\p{White_Space}\x1c-\x1f][\p{L}\p{N}_]"),
        (r"(?![\d_的])\w", r"(?![\p{Nd}_的])[\p{L}\p{N}_]"),
        (r"(?<![\w.])x(?![\w.]*\w)",
         r"(?<![\p{L}\p{N}_.])x(?![\p{L}\p{N}_.]*[\p{L}\p{N}_])"),
        (re.escape("\n(a) 北京"), "\n\\(a\\) 北京"),
    ):  # fmt: skip
        assert site.javascript(pattern) == expected


def test_the_same_models_give_the_same_bytes(files):
    assert site.build() == files


def test_the_version_goes_with_every_file_and_the_service_worker_knows_all(files, monkeypatch):
    version = manifest(files)["version"]
    assert f'const VERSION = "{version}";' in files["sw.js"].decode()
    known = {path: found for part in kept(files).values() for path, found in part.items()}
    assert known == {p: f"sha256-{site.sha256(d)}" for p, d in files.items() if p != site.WORKER}
    monkeypatch.setattr(site, "SNAPSHOTS", 2)
    assert manifest(site.build())["version"] != version


def test_links_and_what_wants_them(files):
    assert b"{{" not in files[site.ENTRY]
    links = {"repository": "https://github.com/a/b", "name": "b", "colab": "C1", "binder": "B1"}
    assert "git clone" not in files[site.ENTRY].decode()
    html = site.build(links=links)[site.ENTRY].decode()
    assert "git clone --depth 1 https://github.com/a/b &amp;&amp; cd b\n" in html
    assert "{{" not in html and all(address in html for address in ("github.com/a/b", "C1", "B1"))
    assert "C1" not in files[site.ENTRY].decode()


def test_the_policy_allows_nothing_inside_the_page(files):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)', files[site.ENTRY].decode())[1]
    assert "'unsafe-inline'" not in policy and "style-src 'self';" in policy


# ---- the learner's own ----------------------------------------------------------------------


def test_own_models_are_taken_where_there_are_some(tmp_path, monkeypatch, files):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    stage = load_stage("sft", own=False, quiet=True)
    with torch.no_grad():
        stage.model.gain.mul_(0.5)
    mine = keep(stage.model, "sft")
    found = site.build(own=True)
    told = {stage["name"]: stage for stage in models(found)["stages"]}
    assert list(told) == ["base", "sft", "reward_sft", "reward", "ppo"]
    assert [name for name, entry in told.items() if entry["own"]] == ["sft"]
    assert torch.equal(tensors(found, told["sft"])["gain"], mine.model.gain)
    # The reward model was made from another SFT model, which it brings along.
    assert told["reward"]["after"] == "reward_sft" and told["reward_sft"]["hidden"]
    assert found["data/en/reward_sft.weights"] == files["data/en/sft.weights"]
    assert found["data/en/reward.weights"] == files["data/en/reward.weights"]
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


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_one_file_asks_for_nothing(lang, files):
    html = writing.single(files, lang).decode()
    page = Tags(html)
    for tag, attributes in page.tags:
        for key in ("src", "href", "srcset", "data", "poster"):
            address = attributes.get(key) or "#"
            assert address.startswith(("#", "data:")) or tag == "a", (tag, address)
    assert not re.search(r"@import|url\((?!#)", files["page.css"].decode())
    assert "default-src 'none'" in html and "connect-src" not in html.split("</head>")[0]
    known = kept(files)
    for path in known[lang]:
        if path.startswith("data/"):
            assert base64.b64decode(page.data[path], validate=True) == files[path]
    assert set(page.data) == {p for p in known[lang] if p.startswith("data/")} | {site.GPT2}
    assert ("预训练" in html) == (lang == "zh") and 'id="languages"' not in html
    assert writing.single(files, lang) == html.encode()


def test_one_file_of_a_language_without_words_is_refused(files):
    with pytest.raises(ValueError, match="no page in the language 'xx': choose en or zh"):
        writing.single(files, "xx")


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
    steps = [snapshot["step"] for snapshot in models(site.build())["snapshots"]]
    assert steps == [0, load_stage("base", own=False, quiet=True).meta["step"]]
