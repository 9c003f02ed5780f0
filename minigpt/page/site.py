"""What the page consists of, as bytes: its own files, the weights, the tokenizer, the facts.

Weights are int8 with one scale a row (`store/leaves.py`), half of bf16: of 300 greedy answers 98 %
or more stay as they were. They are gzipped here, for servers leave what they do not know as it is.
The same models give the same bytes, and the hash of all of them is the page's version.
"""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import tiktoken
from safetensors.torch import save

from minigpt.engine.ranks import DATA, gpt2
from minigpt.reward import RewardModel
from minigpt.show.diagrams import pipeline
from minigpt.show.diagrams.svg import Diagram
from minigpt.show.style import amount
from minigpt.stages import stage as trained
from minigpt.store import words
from minigpt.store.checkpoint import as_text, find_parent
from minigpt.store.files import is_checkpoint
from minigpt.store.leaves import pack
from minigpt.store.words import _
from minigpt.world import judge
from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import documents
from minigpt.world.facts import load_world

SOURCE = Path(__file__).parent
SOURCES = (".html", ".css", ".js", ".svg", ".webmanifest")  # what of this folder is the page's
STAGES = ("base", "sft", "reward", "ppo")  # in the order in which they are fetched
SNAPSHOTS = 3  # of pretraining; with one more, all files of English would pass 7 MB
WORKER, ENTRY, GPT2 = "sw.js", "index.html", "data/gpt2.tiktoken"
MANIFEST = "data/" + "manifest.json"
MODELS, DRAWING = "data/{}/models.json", "data/{}/stages.svg"  # of a language
STAMP = 'const VERSION = "{}";\nconst FILES = {};\n'  # two lines of the service worker


def build(own: bool = False, links: dict | None = None) -> dict[str, bytes]:
    """All files of the page by their paths: its own, and of each language the models and the words.

    own: take the learner's models where there are some. links: what stands for {{KEY}} in the
    page; without them it has no links to the course. FileNotFoundError or ValueError that names
    a checkpoint which cannot be used.
    """
    files = {path.name: path.read_bytes() for path in SOURCE.iterdir() if path.suffix in SOURCES}
    html = page = files[ENTRY].decode()
    if not links:
        page = re.sub(r"(?s)<!-- links -->.*?<!-- /links -->|git clone [^\n]*\n", "", page)
    for key, address in (links or {}).items():
        page = page.replace(f"{{{{{key}}}}}", address)
    files[ENTRY] = page.encode()
    files[GPT2] = gzip.compress((DATA / "tiktoken/r50k_base.tiktoken").read_bytes(), 9, mtime=0)
    langs, before = [path.stem for path in words.CATALOGUES.glob("*.po")], words.language()
    for lang in sorted(langs):
        words.use_language(lang)
        try:
            found = data(lang, own) if (trained.SHIPPED / lang).is_dir() else {}
        finally:
            words.use_language(before)
        if lang != "en":
            known = words.read_catalogue(words.CATALOGUES / f"{lang}.po")
            told = {text: known[text] for text in words.page_words(html) if known.get(text)}
            told = {"lang": lang, "models": lang if found else "en", "words": told}
            files[f"{lang}.json"] = as_text(told).encode()
        files |= found
    hashes = {path: f"sha256-{sha256(data)}" for path, data in files.items() if path != WORKER}
    version = sha256(as_text([hashes, files[WORKER].decode()]).encode())[:16]
    told = {"own": own, "version": version, "files": sorted([*files, MANIFEST])}
    files[MANIFEST] = as_text(told).encode()
    hashes[MANIFEST] = f"sha256-{sha256(files[MANIFEST])}"
    kept: dict[str, dict] = {"all": {}}  # by language
    for path, found in hashes.items():
        lang = path.split("/")[1] if path.count("/") > 1 else path.removesuffix(".json")
        kept.setdefault(lang if lang in langs else "all", {})[path] = found
    stamp = STAMP.format(version, as_text(kept))
    files[WORKER] = files[WORKER].decode().replace(STAMP.format("", "{}"), stamp).encode()
    return dict(sorted(files.items()))


def data(lang: str, own: bool) -> dict[str, bytes]:
    """The files of one language's models, and what is told of them: models.json."""
    stages = [trained.load_stage(n, own, lang, device="cpu", quiet=True) for n in STAGES]
    base, sft, reward, _ppo = stages
    parent = getattr(sft.model, "origin", {}).get("hash")
    if reward.meta["parent"] != parent:  # it has another SFT model in it
        inside = find_parent(reward.path, reward.meta)
        stages.insert(2, trained.read_stage(inside, lang, "cpu", reward.own))
        stages[2].name = "reward_sft"
    beside = base.path.parent.glob("base_step_*.safetensors")
    steps = sorted(p for p in beside if is_checkpoint(p) and p.stem != trained.STEP_0)
    steps = [base.path.with_name(f"{trained.STEP_0}.safetensors"), *steps[:SNAPSHOTS]]
    history = [trained.read_stage(path, lang, "cpu", base.own) for path in steps]
    here, drawn = f"data/{lang}/", stages_drawn(lang)
    told, files = {history[0].name: entry(history[0])}, {}
    for stage in [*stages, *history[1:]]:  # of a reward model only what was trained
        model, file = stage.model, f"{here}{stage.name}.weights"
        state = model.trained() if isinstance(model, RewardModel) else model.state_dict()
        whole = save(pack(state, "int8"))
        files[file] = gzip.compress(whole, 9, mtime=0)
        told[stage.name] = entry(stage, file, whole)
    for before, stage in zip(stages, stages[1:]):
        told[stage.name]["after"] = before.name
    facts = json.dumps(facts_table(lang), ensure_ascii=False).encode()
    ranks = (DATA / f"tokenizer-{lang}.tiktoken").read_bytes()
    models = {
        "lang": lang, "facts": {"file": f"{here}facts.json", "size": len(facts)},
        "tokenizer": {"file": f"{here}tokenizer", "size": len(ranks)} | told_of(base.encoding),
        "gpt2": {"file": GPT2, **told_of(gpt2())}, "examples": base.world.text.EXAMPLES,
        "stages": [told[stage.name] for stage in stages], "drawing": drawn.desc,
        "snapshots": [told[stage.name] for stage in [*history, base]],
    }  # fmt: skip
    return files | {f"{here}facts.json": facts, f"{here}tokenizer": ranks,
                    DRAWING.format(lang): drawn.svg.encode(),
                    MODELS.format(lang): as_text(models).encode()}  # fmt: skip


def sha256(data: bytes) -> str:
    """A checksum as browsers write it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def entry(stage: trained.Stage, file: str | None = None, whole: bytes = b"") -> dict:
    """What is told of a stage; it has no file where all its logits are zero."""
    meta = stage.meta
    return {
        "name": stage.name, "own": stage.own, "kind": meta.get("kind"), "after": None,
        "hidden": stage.name not in STAGES, "chat": stage.is_chat or stage.name == "reward_sft",
        "config": vars(getattr(stage.model, "gpt", stage.model).config),
        "file": file, "size": len(whole), "sha256": sha256(whole),
        "tokens": meta.get("tokens"), "step": meta.get("step"),
        "loss": meta.get("metrics", {}).get("held_out_loss"),
        "sees_surprisal": getattr(stage.model, "sees_surprisal", None),
    }  # fmt: skip


def facts_table(lang: str = "en") -> dict:
    """What judge.js needs to give the verdicts of `world/judge.py` and to read questions as
    `world/questions.py` does: places, phrases and forms, of which the order counts."""
    world, grammar = load_world(lang), judge._grammar(lang)
    text, joined = world.text, lambda phrases: "|".join(map(re.escape, phrases))

    def form(pattern: str | re.Pattern, flags: str = "su", whole: str = "^(?:{})$") -> dict:
        source = javascript(getattr(pattern, "pattern", pattern))
        return {"regex": whole.replace("{}", source), "flags": flags}

    def asked(template: str) -> dict:
        return form(re.sub(r"\\\{\w\\\}", "(.+)", re.escape(template)), "isu")

    numbers = {a: list(map(form, ways)) for a, ways in grammar.numbers.items()}
    old = [p.pattern.replace("?P<v>", "?:") for p in grammar.old]  # a value as it is
    numbers["population"] += [form(f"(?P<v>{way})") for way in old]
    return {
        "stop": text.STOP, "rude": text.RUDE, "small_talk": text.SMALL_TALK,
        "off_world_reply": text.OFF_WORLD_REPLY, "counted": text.COUNTED,
        "places": [{"name": p.name, "values": p.values} for p in world.places],
        "questions": [(a, asked(q)) for a, forms in text.QUESTIONS.items() for q in forms],
        "off_world": list(map(asked, text.OFF_WORLD)), "decline": list(map(form, grammar.decline)),
        "forms": [(attribute, form(pattern)) for attribute, pattern in grammar.forms],
        "leads": grammar.leads, "longest": judge.LONGEST, "numbers": numbers,
        "values": {a: v for a, v in world.values.items() if a not in numbers},
        "inside": {a: form(p, "gu", "{}") for a, p in grammar.inside.items()},
        "asked_for": {a: grammar.asked_for(a, "\n").split("\n") for a in world.values},
        "manners": form(f"(?:{joined(text.POLITE_OPEN)})?(.*?)"
                        f"(?:{joined(text.POLITE_CLOSE + text.PADDING)})*"),
        "between": form(text.SENTENCE_END, "u", "{}"),
        "tidy": [(form(old, "gu", "{}"), new) for old, new in text.TIDY],
        "invented": form(text.NAME),
    }  # fmt: skip


def told_of(encoding: tiktoken.Encoding) -> dict:
    """What gpt.js needs of a tokenizer beside its ranks."""
    spelled = r"'(?:[sdmtSDMTſ]|[lL]{2}|[vV][eE]|[rR][eE])"  # ſ is an s there
    split = encoding._pat_str.replace("'(?i:[sdmt]|ll|ve|re)", spelled)
    split = split.replace("{Han}", "{Script=Han}")
    special = sorted(encoding._special_tokens, key=encoding._special_tokens.get)
    return {"split": javascript(split, r"\p{White_Space}"), "special": special}


def javascript(pattern: str, space: str = r"\p{White_Space}\x1c-\x1f") -> str:
    """A regular expression as one of JavaScript's with the flag "u"; letters are what they are in
    Python. space: what white space is."""
    within = {r"\w": r"\p{L}\p{N}_", r"\s": space, r"\d": r"\p{Nd}"}
    alone = {short: f"[{said}]" for short, said in within.items()} | {r"\S": f"[^{space}]"}
    alone |= {"(?P": "(?", "+": ""}  # a possessive quantifier is just greedy

    def part(match: re.Match) -> str:
        found = match[0]
        if found[0] == "[":
            return re.sub(r"\\[wsd]", lambda inside: within[inside[0]], found)
        needless = re.match(r"\\[^\w^$.*+?()[\]{}|/\\]", found)  # an error there
        return alone.get(found, found[1] if needless else found)

    return re.sub(r"(?s)\\.|\[[^]]*\]|\(\?P|(?:(?<=[*+?])|(?<=\d}))\+", part, pattern)


def stages_drawn(lang: str) -> Diagram:
    """The four stages and what the course's own of a language were trained on."""
    base, sft, reward, ppo = (trained.load_stage(n, False, lang, "cpu", True) for n in STAGES)
    read = next(d for d in documents(base.world, "CommonCrawl") if d.endswith("?") and "\n" in d)
    told = demonstrations(base.world, 100)
    asked, shown = next((d.question.text, d.answer) for d in told if d.question.kind == "fact")
    scored = sorted((reward.score(asked, answer), answer) for answer in sft.sample(asked, 8))
    best, worst = (answer_score[::-1] for answer_score in (scored[-1], scored[0]))
    kinds = _("demonstrations"), _("comparisons"), _("answers scored")
    samples = [asked, shown], [best[0], worst[0]], [best, worst]
    counts = [f"{round(stage.meta['examples'], -2):,}" for stage in (sft, reward, ppo)]
    first = (amount(base.meta["tokens"]), _("tokens of text"), [read])
    return pipeline([first, *zip(counts, kinds, samples)])
