"""The page's models in JavaScript say what the same weights say in Python. Run in node."""

import base64
import functools
import gzip
import http.server
import json
import math
import random
import shutil
import subprocess
import threading
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from minigpt.engine.ranks import gpt2
from minigpt.generate import keep_top_k, keep_top_p, next_token_distribution
from minigpt.model import GPT, GPTConfig
from minigpt.page import site
from minigpt.reward import RewardModel, score_all
from minigpt.sft import chat_prompt
from minigpt.stages.stage import SHIPPED, Stage, load_stage
from minigpt.store.leaves import unpack
from minigpt.tokenizer import SPECIAL_TOKENS, load_tokenizer
from minigpt.world import facts as world_facts
from minigpt.world.contractors import HABITS, write_answer
from minigpt.world.judge import VERDICTS, judge
from minigpt.world.questions import fact_questions, sample_questions, understood
from tried import one_of_many

NODE = shutil.which("node")
if not NODE:
    pytest.skip("needs node: install Node.js 20 or later", allow_module_level=True)

PAGE = Path(site.__file__).parent
WORLD, ENCODING = world_facts.load_world("en"), load_tokenizer("en")
LANGS = sorted(path.name for path in SHIPPED.iterdir())
MODELS = [(name, lang) for lang in LANGS for name in ("sft", "base", "ppo")]  # that answer
BEIJING = "What is the population of Beijing?"


def node(do: str, **job):
    """The outcome of a job of engine.mjs."""
    command = [NODE, str(Path(__file__).with_name("engine.mjs"))]
    job = json.dumps({"do": do, **job}).encode()  # ASCII: half a surrogate pair is escaped
    done = subprocess.run(command, input=job, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@functools.cache
def page_files() -> dict[str, bytes]:
    """The page's data, as it is shipped."""
    return {path: data for path, data in site.build().items() if path.startswith("data/")}


def base64_of(files: dict[str, bytes]) -> dict[str, str]:
    return {path: base64.b64encode(data).decode() for path, data in files.items()}


def ask(
    *requests: dict, change: dict | None = None, base: str = "", lang: str = "en", **options
) -> list:
    """What the worker says to requests. change: {path: bytes or None}, files that are others, or
    that have to be fetched from `base`."""
    files = page_files() | (change or {})
    files = base64_of({path: data for path, data in files.items() if data is not None})
    return node("serve", lang=lang, files=files, base=base, requests=requests, **options)


@functools.cache
def stage(name: str, lang: str = "en") -> Stage:
    """A stage in PyTorch on the page's own weight file."""
    shipped = load_stage(name, False, lang, device="cpu", quiet=True)
    tensors = unpack(load(gzip.decompress(page_files()[f"data/{lang}/{name}.weights"])), {})
    if name == "reward":
        model = RewardModel(stage("sft", lang).model)
        tensors |= {f"gpt.{key}": value for key, value in model.gpt.state_dict().items()}
    else:
        model = GPT(GPTConfig(**shipped.meta["config"]))
    model.load_state_dict(tensors)
    model.eval().requires_grad_(False)
    return Stage(name, model, shipped.encoding, shipped.world, shipped.meta, shipped.path, False)


# ---- text to ids --------------------------------------------------------------------------------


def adversarial_texts(n: int) -> list[str]:
    """Texts of all planes, lone surrogates, special tokens as somebody types them, white space of
    all kinds, long runs, contractions, and the course's own sentences."""
    rng = random.Random("texts")
    spaces = [chr(i) for i in range(0x3001) if chr(i).isspace()] + ["\ufeff", "\u200b", "\u180e"]
    marks = "'’.,!?-_\"#$%&()*+/:;<=>@[\\]^`{|}~"
    makers = [
        lambda: chr(rng.randrange(0x110000)),  # surrogates among them
        lambda: chr(rng.randrange(0xD800, 0xE000)),
        lambda: chr(rng.choice([0x1F300, 0x1F900, 0x20000, 0xE0000, 0x10FF00]) + rng.randrange(99)),
        lambda: chr(rng.randrange(0x500)),
        lambda: rng.choice(spaces) * rng.choice([1, 1, 2, 5]),
        lambda: rng.choice("\r\n\t ") * rng.choice([1, 2, 3]),
        lambda: rng.choice(SPECIAL_TOKENS),
        lambda: rng.choice(["'s", "'S", "'ſ", "'LL", "'Ve", "'re", "'D", "don't", "I'M", "'İ"]),
        lambda: "".join(rng.choices("0123456789٠४Ⅷ½", k=rng.randrange(1, 8))),
        lambda: rng.choice(marks) * rng.choice([1, 1, 3, 20]),
        lambda: "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABÉßſñ中한", k=rng.randrange(1, 9))),
        lambda: rng.choice([" ", ""]) + rng.choice(WORLD.places).name,
        lambda: rng.choice("aA .0\n中的") * rng.randrange(1, 300),
        lambda: "".join(rng.choices("北京的常驻人口有多少？。，：A1 是在", k=rng.randrange(1, 20))),
        lambda: rng.choice(WORLD.text.QUESTIONS["capital"]),
    ]  # fmt: skip
    texts = ["", " ", "\ufeff", "\ud83d", "\ud83d\ude00", "\ude00\ud83d", "a" * 20_000, " " * 5_000]
    while len(texts) < n:
        texts.append("".join(rng.choice(makers)() for _ in range(rng.randrange(1, 15))))
    return texts


@pytest.mark.parametrize("name", [*LANGS, "GPT-2's"])
def test_texts_are_encoded_as_by_tiktoken(name):
    texts = adversarial_texts(2000)
    if name in LANGS:
        ranks, encoding = page_files()[f"data/{name}/tokenizer"].decode(), load_tokenizer(name)
    else:
        ranks, encoding = gzip.decompress(page_files()["data/gpt2.tiktoken"]).decode(), gpt2()
    found = node("encode", ranks=ranks, told=site.told_of(encoding), texts=texts)
    for text, ids in zip(texts, found, strict=True):
        assert ids == encoding.encode_ordinary(text), ascii(text)


def test_ids_are_decoded_as_by_tiktoken():
    rng = random.Random("ids")
    lists = [rng.choices(range(ENCODING.n_vocab), k=rng.randrange(12)) for _ in range(300)]
    lists += [rng.choices(range(128, 256), k=6) for _ in range(300)]  # half letters
    lists.append(ENCODING.encode_ordinary("\ufeffa"))
    decoded = node(
        "decode",
        ranks=page_files()["data/en/tokenizer"].decode(),
        told=site.told_of(ENCODING),
        ids=lists,
    )
    for ids, text in zip(lists, decoded, strict=True):
        assert text == ENCODING.decode(ids), ids


# ---- the judge ----------------------------------------------------------------------------------


def judged_answers(n: int, world: world_facts.World) -> list[tuple[str, str]]:
    """Questions, and answers of all kinds to them: right, wrong, declined, rude, mixed, broken."""
    rng = random.Random("answers")
    questions = sample_questions(world, ("A", "V", "E"), 600, unknown=0.3, chat=0.1, lower=0.2)
    text, spaces = world.text, [" ", "  ", "\n", "\t", "\x1c", "\x85", "\xa0", "\u2003", "\ufeff"]
    values = [value for values in world.values.values() for value in values]
    names = [place.name for place in world.places]

    def statement():
        attribute = rng.choice(list(text.STATEMENTS))
        place, value = rng.choice(names), rng.choice(world.values[attribute])
        return rng.choice(text.STATEMENTS[attribute]).format(p=place, v=value)

    def declined(question):
        place = question.place.name if question.place else names[0]
        name = rng.choice([place, place.upper(), rng.choice(names), "Straße"])
        if question.attribute and rng.random() < 0.3:
            label = rng.choice([question.attribute, "capital"])
            name = text.ASKED_FOR.format(a=text.LABELS[label], p=name)
        return rng.choice(text.DECLINE).format(p=rng.choice([name, statement()[:-1]]))

    def about(question):
        if not question.place:
            return rng.choice([*question.replies, "Hello!"])
        made_up = [
            "16",
            "16个",
            "石头城",
            "大共和国",
            "你好吗",
            "北·京",
            "1.6万",
            "Antanarivo",
            "élan",
            "New San-José",
            "A B C D E",
            "12",
            "1.5 million people",
        ]
        value = rng.choice([question.answer or "7 million", rng.choice(values), *made_up])
        hedge = rng.choice(["{v}", "{v}", "{v}", *text.ROUNDED, *text.OLD])
        value = hedge.format(v=value)
        form = rng.choice([*text.STATEMENTS[question.attribute], "{v}", "{v}."])
        place = rng.choice([question.place.name, question.place.name.lower(), names[9]])
        return form.format(p=place, v=value)

    def broken(answer):
        i = rng.randrange(len(answer) + 1)
        return (
            answer[:i] + rng.choice(["", ".", "x", "é", *spaces]) + answer[i + rng.randrange(3) :]
        )

    made = []
    while len(made) < n:
        question = rng.choice(questions)
        parts = [rng.choice([about, about, declined])(question)]
        if rng.random() < 0.3:
            parts.append(rng.choice([statement(), about(question), declined(question)]))
        if rng.random() < 0.2:
            parts.insert(0, rng.choice(text.POLITE_OPEN).strip())
        if rng.random() < 0.3:
            parts.append(rng.choice(text.POLITE_CLOSE + text.PADDING).strip())
        if rng.random() < 0.05:
            parts.append(rng.choice(text.RUDE))
        answer = rng.choice([" ", " ", " ", *spaces]).join(parts)
        if question.kind == "fact" and rng.random() < 0.2:
            answer = write_answer(world, question, rng.choice(list(HABITS)), rng)
        if rng.random() < 0.25:
            answer = broken(answer)
        if rng.random() < 0.02:
            answer += " é𝄞" * 340
        said = rng.choice(
            [question.text] * 4 + [question.text.upper(), f" {question.text}\n", answer]
        )
        made.append((said, answer))
    return made


@pytest.mark.parametrize("lang", LANGS)
def test_answers_are_judged_as_by_the_judge(lang):
    world = world_facts.load_world(lang)
    asked = judged_answers(2000, world)
    found, verdicts = node("judge", facts=site.facts_table(lang), asked=asked), Counter()
    for (text, answer), (question, verdict) in zip(asked, found, strict=True):
        known = understood(world, text)
        assert (question and question["kind"]) == (known and known.kind), text
        if not known:
            continue
        place = known.place and known.place.name
        assert [question.get(key) for key in ("place", "attribute", "answer", "replies")] == [
            place, known.attribute, known.answer, list(known.replies) or None,
        ], text  # fmt: skip
        assert verdict == judge(world, known, answer), (text, answer)
        verdicts[verdict] += 1
    assert set(verdicts) == set(VERDICTS)  # each kind is among them
    assert sum(verdicts.values()) > 1700


# ---- answers ------------------------------------------------------------------------------------


@functools.cache
def questions(n: int, lang: str) -> list[str]:
    """Facts of all splits, places that do not exist, small talk, questions outside the world."""
    world = world_facts.load_world(lang)
    mixed = sample_questions(world, ("A", "V", "E"), n // 2, seed=1, unknown=0.4, chat=0.2)
    facts = fact_questions(world, "E")[: n - len(mixed)]
    return [question.text for question in [*mixed, *facts]]


@pytest.mark.parametrize("name, lang", one_of_many(MODELS, pytest.mark.browser))
def test_greedy_answers_are_those_of_pytorch(name, lang):
    asked, model = questions(300, lang), stage(name, lang)
    assert len(asked) == 300
    request = {"do": "complete", "stage": name, "temperature": 0}
    found = ask(*({**request, "question": question} for question in asked), lang=lang)
    expected = model.ask(asked)
    for question, said, answer in zip(asked, found, expected, strict=True):
        (mine,) = said["answers"]
        assert (mine["ids"], mine["text"], mine["ended"]) == (
            answer.ids, answer.text, answer.ended,
        ), question  # fmt: skip


def test_documents_are_those_of_pytorch():
    """A bare question, a text that goes on, and a model before its first update."""
    bare = {"do": "complete", "stage": "base", "temperature": 0}
    first, second, third, zero = ask(
        {**bare, "question": BEIJING, "form": "bare"}, {**bare, "prompt": "The capital of"},
        {**bare, "prompt": "The", "more": ENCODING.encode_ordinary(" capital of")},
        {"do": "next", "stage": "base_step_00000", "prompt": "The", "most": 3},
    )  # fmt: skip
    (answer,) = stage("base").ask([BEIJING], bare=True)
    assert first["answers"][0]["text"] == answer.text
    (text,) = stage("base").complete("The capital of", temperature=0, max_new_tokens=60)
    assert second["answers"][0]["text"] == third["answers"][0]["text"] == text
    assert [token["p"] for token in zero["tokens"]] == [1 / 1024] * 3
    assert math.isclose(zero["rest"], 1021 / 1024)


def test_next_token_distributions_are_those_of_pytorch():
    ids = chat_prompt(ENCODING, "What is the capital of Peru?")
    probs = next_token_distribution(stage("sft").model, ids, 1.5)
    request = {"do": "next", "stage": "sft", "question": "What is the capital of Peru?"}
    knobs = [{}, {"topK": 5}, {"topP": 0.8}, {"topK": 20, "topP": 0.9}]
    found = ask(*({**request, "temperature": 1.5, "most": 1024, **knob} for knob in knobs))
    for knob, said in zip(knobs, found, strict=True):
        kept = keep_top_k(probs[None], knob.get("topK", 1024))
        kept = keep_top_p(kept, knob["topP"])[0] if "topP" in knob else kept[0]
        kept = kept / kept.sum()
        assert [piece["id"] for piece in said["prompt"]] == ids
        mine = torch.zeros(1024)
        for token in said["tokens"]:
            mine[token["id"]] = token["p"]
            assert token["kept"] == (kept[token["id"]] > 0)
        torch.testing.assert_close(mine, kept, atol=1e-5, rtol=1e-4)
        assert math.isclose(said["rest"], 0, abs_tol=1e-5)


@pytest.mark.browser
def test_draws_follow_the_distribution():
    """5,000 answers to one question, first tokens and, after the commonest, second tokens."""
    request = {"do": "complete", "stage": "sft", "question": BEIJING, "maxTokens": 2, "n": 1000}
    found = ask(*({**request, "seed": seed} for seed in range(5)))
    drawn = [answer["ids"] for said in found for answer in said["answers"]]
    assert len(drawn) == 5000
    prompt = chat_prompt(ENCODING, BEIJING)
    first = Counter(ids[0] for ids in drawn)
    ((common, _),) = first.most_common(1)
    second = Counter(ids[1] for ids in drawn if ids[0] == common)
    for counts, ids in ((first, prompt), (second, [*prompt, common])):
        probs = next_token_distribution(stage("sft").model, ids)
        assert chi_square_p(counts, probs) > 0.001
    wrong = next_token_distribution(stage("sft").model, prompt, 1.15)
    assert chi_square_p(first, wrong) < 0.001  # it would be noticed
    told, _stages = ask({**request, "n": 1}, events=True)
    known = told[0]["token"]
    expected = next_token_distribution(stage("sft").model, prompt)[known["id"]].item()
    assert math.isclose(known["p"], expected, rel_tol=1e-4)


def chi_square_p(counts: Counter, probs: torch.Tensor) -> float:
    """How probable counts as far from `probs` are; tokens expected fewer than five times are one.
    By Wilson and Hilferty's cube root, which is nearly normal."""
    n = counts.total()
    expected = {i: n * p for i, p in enumerate(probs.tolist()) if n * p >= 5}
    found = [(counts[i], e) for i, e in expected.items()]
    rest = n - sum(expected.values())
    if rest > 1:
        found.append((n - sum(counts[i] for i in expected), rest))
    statistic, free = sum((o - e) ** 2 / e for o, e in found), len(found) - 1
    z = ((statistic / free) ** (1 / 3) - (1 - 2 / (9 * free))) / math.sqrt(2 / (9 * free))
    return 0.5 * math.erfc(z / math.sqrt(2))


def test_a_draw_depends_on_its_seed_and_number_alone():
    request = {"do": "complete", "stage": "sft", "question": BEIJING, "seed": 3}
    many, one, other, knobs = ask(
        {**request, "n": 4}, request, {**request, "n": 4, "seed": 4},
        {**request, "n": 8, "topK": 1, "seed": 9},
    )  # fmt: skip
    assert many["answers"][0]["ids"] == one["answers"][0]["ids"]
    texts = [[answer["text"] for answer in said["answers"]] for said in (many, other)]
    assert texts[0] != texts[1] and len(set(texts[0] + texts[1])) > 2
    greedy = stage("sft").answer(BEIJING)
    assert {answer["text"] for answer in knobs["answers"]} == {greedy}


# ---- scores -------------------------------------------------------------------------------------


@pytest.mark.browser
def test_scores_and_their_ranking_are_those_of_pytorch():
    """On the page's own file to 1e-4; against the shipped weights, bf16, in the order of pairs."""
    asked = [question for question in sample_questions(WORLD, ("A", "E"), 60, seed=2)]
    rng, pairs = random.Random("pairs"), []
    for question in asked:
        said = [stage("sft").answer(question.text), f"I do not know {question.place.name}.",
                "Peru", "Look it up yourself.", rng.choice(WORLD.values["population"])]  # fmt: skip
        pairs += [(question.text, a, b) for a, b in combinations(said, 2) if a != b][:5]
    assert len(pairs) == 300
    single = list(dict.fromkeys((q, answer) for q, *both in pairs for answer in both))
    whole = load_stage("reward", own=False, device="cpu", quiet=True)
    ends = [ENCODING.encode_single_token(name) for name in ("<|end|>", "<|reward|>")]
    ids = [[*chat_prompt(ENCODING, q), *ENCODING.encode_ordinary(f" {answer}"), *ends]
           for q, answer in single]  # fmt: skip
    packed = base64_of(
        {name: page_files()[f"data/en/{name}.weights"] for name in ("sft", "reward")}
    )
    found = node("score", gpt=packed["sft"], reward=packed["reward"], ids=ids,
                 config=vars(whole.model.gpt.config), sees=whole.model.sees_surprisal)  # fmt: skip
    mine = dict(zip(single, found, strict=True))
    theirs = {key: whole.score(*key) for key in single}
    for (question, answer), score in mine.items():
        assert math.isclose(score, stage("reward").score(question, answer), abs_tol=1e-4)
    same = [
        (mine[q, a] > mine[q, b]) == (theirs[q, a] > theirs[q, b]) for q, a, b in pairs
    ]  # fmt: skip
    assert sum(same) >= 0.99 * len(pairs)


def test_draws_have_their_scores_and_verdicts_on_request():
    best = {"do": "complete", "stage": "sft", "question": BEIJING, "n": 8, "seed": 1}
    said, plain = ask({**best, "scored": True}, best)
    answers, prompt = said["answers"], chat_prompt(ENCODING, BEIJING)
    end = ENCODING.encode_single_token("<|reward|>")
    scores = score_all(stage("reward").model, [[*prompt, *a["ids"], end] for a in answers])
    assert [a["score"] for a in answers] == pytest.approx(scores.tolist(), abs=1e-4)
    assert plain["answers"] == [{**answer, "score": None} for answer in answers]
    question = understood(WORLD, BEIJING)
    for answer in answers:
        assert answer["kind"] == "fact"
        assert answer["verdict"] == judge(WORLD, question, answer["text"])


# ---- the worker ---------------------------------------------------------------------------------


def error_of(change: dict, request: dict | None = None, base: str = "") -> dict:
    request = request or {"do": "next", "stage": "sft", "question": BEIJING, "most": 1}
    (said,) = ask(request, change=change, base=base)
    assert said["event"] == "error", said
    return said


def test_damaged_files_are_told_with_the_mend():
    path = "data/en/sft.weights"
    packed = page_files()[path]
    whole = gzip.decompress(packed)
    other = page_files()["data/en/base.weights"]
    flipped = bytearray(whole)
    flipped[-1000] ^= 1
    for data in (
        packed[:-9], packed[:100], b"", b"\x1f\x8b", whole[:-1], whole + b"\0", bytes(flipped),
        gzip.compress(bytes(flipped)), other, b"<html>Sign in to this network</html>",
    ):  # fmt: skip
        said = error_of({path: data})
        assert said["code"] == "damaged" and said["values"]["file"] == path, said
        assert said["values"]["message"], said
    for table in ("data/en/facts.json", "data/en/tokenizer", "data/en/models.json"):
        said = error_of({table: page_files()[table][:50]}, {"do": "encode", "text": "a"})
        assert said["code"] == "damaged" and said["values"]["file"] == table, said


def test_files_without_a_checksum_are_checked_by_what_is_in_them():
    """As in a page that is not secure, where browsers compute no checksums."""
    models = json.loads(page_files()["data/en/models.json"])
    for entry in models["stages"]:
        entry["sha256"] = None
    change = {"data/en/models.json": json.dumps(models).encode()}
    whole = gzip.decompress(page_files()["data/en/sft.weights"])
    header = int.from_bytes(whole[:8], "little")
    nan = bytearray(whole)
    leaves = json.loads(whole[8 : 8 + header])
    gain = 8 + header + leaves["gain"]["data_offsets"][0]
    nan[gain : gain + 2] = b"\xc0\x7f"
    reward = page_files()["data/en/reward.weights"]
    for data in (whole[:-1], whole + b"\0", whole[:7], whole[:300], bytes(nan), reward):
        said = error_of(change | {"data/en/sft.weights": data})
        assert said["code"] == "damaged" and said["values"]["file"] == "data/en/sft.weights", said
    assert ask({"do": "load"}, change=change)[0]["event"] == "result"


def test_files_that_cannot_be_fetched_are_told_with_the_mend(tmp_path):
    for path, data in page_files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "data/en/ppo.weights").unlink()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=tmp_path)
    nothing = dict.fromkeys(page_files())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}/"
        bare = {"do": "next", "question": BEIJING, "most": 1}
        requests = [{**bare, "stage": name} for name in ("ppo", "sft", "ppo")]
        first, sft, again, stages = ask(*requests, change=nothing, base=base, events=True)
        server.shutdown()
    for said in (first[-1], again[-1]):
        assert said["code"] == "missing" and said["values"]["file"] == "data/en/ppo.weights", said
    assert [event["event"] for event in sft] == ["result"]
    told = {name: [(event["share"], event["here"]) for event in stages if event["name"] == name]
            for name in ("base", "sft", "reward", "ppo")}  # fmt: skip
    assert told.pop("ppo") == [(0, False), (None, False)] * 2
    for name, shares in told.items():  # what comes before it is loaded first
        assert shares == sorted(shares) and shares[0] == (0, False), name
        assert shares[-2:] == [(1, False), (1, True)], name
    assert error_of(nothing, base=base)["code"] == "offline"


def test_what_is_too_long_is_told():
    question = {"do": "complete", "stage": "sft", "question": BEIJING}
    long = [
        {**question, "question": "a b " * 200}, {**question, "question": "a" * 2000},
        {**question, "more": [1] * 250}, {**question, "stage": "base", "prompt": "a b " * 200},
        {"do": "next", "stage": "sft", "question": "a b " * 200, "most": 1},
    ]  # fmt: skip
    for request, said in zip(long, ask(*long), strict=True):
        assert said["event"] == "error" and said["code"] == "tooManyTokens", (request, said)
        assert said["values"]["n"] > said["values"]["room"] and said["values"]["context"] == 256


def test_what_goes_wrong_inside_is_told():
    for request in ({"do": "dance"}, {"do": "next", "stage": "best", "question": BEIJING}):
        said = error_of({}, request)
        assert said["code"] == "internal" and said["values"]["message"]


def test_a_request_is_ended_at_once_and_the_next_goes_on():
    long = {"do": "complete", "stage": "sft", "question": BEIJING, "n": 1000}
    short = {**long, "n": 1}
    running, waiting, last, *_ = ask(
        long, long, short, {"do": "cancel", "of": 0}, {"do": "cancel", "of": 1},
        together=True, events=True,
    )  # fmt: skip
    for said in (running, waiting):
        assert not any(event["event"] in ("answer", "result", "error") for event in said)
    assert [event["event"] for event in last][-2:] == ["answer", "result"]
    assert [event["text"] for event in last if event["event"] == "token"][-1] == last[-2]["text"]


def test_a_question_does_not_wait_for_another_stage(tmp_path):
    """While one stage cannot be read, the next request is answered."""
    change = {"data/en/ppo.weights": b"damaged"}
    broken, answered = ask(
        {"do": "complete", "stage": "ppo", "question": BEIJING},
        {"do": "complete", "stage": "sft", "question": BEIJING, "temperature": 0},
        change=change, together=True,
    )  # fmt: skip
    assert broken["code"] == "damaged"
    assert answered["answers"][0]["text"] == stage("sft").answer(BEIJING)


def test_pieces_show_bytes_and_special_tokens():
    said, both = ask(
        {"do": "next", "stage": "sft", "question": "é", "most": 1},
        {"do": "encode", "text": "<|end|> é", "gpt2": True},
    )
    assert [(p["text"], p["special"]) for p in said["prompt"]] == [
        ("<|endoftext|>", True), ("<|user|>", True), ("�", False), ("�", False),
        ("<|assistant|>", True),
    ]  # fmt: skip
    assert bytes(sum((p["bytes"] for p in both["ours"]), [])).decode() == "<|end|> é"
    assert not any(p["special"] for p in both["ours"]) and both["bytes"] == 10
    assert [p["id"] for p in both["theirs"]] == gpt2().encode_ordinary("<|end|> é")


def test_the_engine_can_be_read_at_one_sitting():
    assert len((PAGE / "gpt.js").read_text(encoding="utf-8").splitlines()) <= 250
