"""Notebook 03: its loop against the package, its limits, and every number of its text."""

import re
import warnings
from functools import cache

import pytest
import torch

from editions import edition_outputs, printed, said
from minigpt.classroom.notebook import read_notebook
from minigpt.generate import generate, keep_top_k, keep_top_p, next_token_distribution
from minigpt.lessons.prompting import in_english
from minigpt.lessons.prompting.prompt_lab import COUNT
from minigpt.stages.exam import known_questions
from minigpt.stages.keep import head_facts_by_qa
from minigpt.stages.report import BEIJING
from minigpt.stages.stage import load_stage
from minigpt.store.files import ROOT
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import CARELESS, MIXTURE, build_corpus, documents
from minigpt.world.facts import load_world
from minigpt.world.questions import ask, fact_questions
from toys import awake_gpt
from wrong import each, told

SOURCE = ROOT / "notebooks/source/en/03_prompting.ipynb"
ENCODING, WORLD = load_tokenizer("en"), load_world("en")
END = ENCODING.encode_single_token("<|endoftext|>")


@cache
def cells() -> dict[str, dict]:
    return {cell["id"]: cell for cell in read_notebook(SOURCE)["cells"]}


def source(name: str) -> str:
    return cells()[name]["source"]


def markdown(name: str) -> str:
    return " ".join(source(name).split())


def words(text: str) -> list[str]:
    return re.findall(r"[\w'’-]+", re.sub(r"</?\w+>|\]\([^)]*\)", " ", text))


@pytest.fixture(scope="module")
def edition() -> dict[str, list]:
    """The executed edition's outputs, by cell."""
    return edition_outputs("03_prompting", cells())


def percents(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"(\d+)%", text)]


@cache
def corpus():
    return build_corpus(WORLD, ENCODING, 150_000)


@cache
def read_by_base():
    """All that the shipped base model read."""
    return build_corpus(WORLD, ENCODING, 3_300_000)


# ---- limits -------------------------------------------------------------------------------------


def test_the_page_is_short_and_a_model_answers_soon():
    order = [*cells()]
    assert order.index("lab") - order.index("environment") == 1
    before = [c for c in [*cells().values()][: order.index("lab")] if c["cell_type"] == "markdown"]
    assert sum(len(words(c["source"])) for c in before) <= 150


# ---- the loop -----------------------------------------------------------------------------------


@pytest.fixture
def write():
    """The notebook's loop, on a toy, with the package's knobs."""
    names = {"torch": torch, "encoding": ENCODING, "yours": lambda name, stand_in: stand_in,
             "course_top_k": keep_top_k, "course_top_p": keep_top_p}  # fmt: skip

    class Base:
        model = awake_gpt(block_size=64)

    names["base"] = Base
    exec(source("loop").split("\n\nstart =")[0], names)
    return names["write"]


def greedy(text: str, n: int) -> str:
    ids = [END, *ENCODING.encode_ordinary(text)]
    (sample,) = generate(awake_gpt(block_size=64), [ids], n, temperature=0)
    return text + ENCODING.decode(sample.ids)


@pytest.mark.parametrize("knobs", [{"temperature": 1e-4}, {"top_k": 1}, {"top_p": 1e-6}])
def test_each_knob_at_its_end_takes_the_likeliest_token(write, knobs):
    assert write("Rome is", 9, **knobs) == greedy("Rome is", 9)


def test_without_knobs_it_draws(write):
    texts = {write("Rome is", 4, seed=seed) for seed in range(6)}
    assert len(texts) > 1 and write("Rome is", 4, seed=1) in texts
    ids = [END, *ENCODING.encode_ordinary("Rome is")]
    likely = awake_gpt(block_size=64)(torch.tensor([ids]))[0, -1].topk(3).indices.tolist()
    first = {write("Rome is", 1, top_k=3, seed=seed) for seed in range(40)}
    assert first <= {"Rome is" + ENCODING.decode([i]) for i in likely} and len(first) > 1


def test_top_p_is_of_what_top_k_leaves_as_in_the_package(write):
    ids = [END, *ENCODING.encode_ordinary("Rome is")]
    probs = awake_gpt(block_size=64)(torch.tensor([ids]))[:, -1].softmax(-1)
    kept = keep_top_p(keep_top_k(probs, 8), 0.5)[0].nonzero()[:, 0].tolist()
    found = {write("Rome is", 1, top_k=8, top_p=0.5, seed=seed) for seed in range(60)}
    assert 1 < len(kept) < 8 and found == {"Rome is" + ENCODING.decode([i]) for i in kept}


def test_the_loop_hides_nothing_and_takes_the_learners_functions():
    loop = source("loop")
    for line in ("softmax(-1)", "multinomial", "ids.append(", "top_k_of(p", "top_p_of(p"):
        assert line in loop
    for name, cell in (("keep_top_k", "loop"), ("keep_top_p", "loop"), ("qa_prompt", "headline")):
        assert f'yours("{name}", course_' in source(cell)


# ---- what the text says -------------------------------------------------------------------------


def test_what_it_says_of_beijing():
    value = WORLD.facts["beijing", "population"].value
    assert f"*{value}* people live in Beijing" in markdown("title")
    reads = load_stage("base", own=False, quiet=True).meta["place_reads"]
    assert "in many documents" in markdown("title") and reads["beijing"] > 100
    assert "area and number of districts are given" in markdown("gap-intro")
    lines = BEIJING.split("\n")
    assert "area" in lines[0] and "districts" in lines[2] and "population" in lines[4]


def test_what_it_says_of_the_documents():
    assert "StackExchange, the smallest of the seven sources" in markdown("gap-intro")
    assert len(MIXTURE) == 7 and min(MIXTURE, key=MIXTURE.get) == "StackExchange"
    bare = {ask(WORLD, fact, n).text for fact in WORLD.facts.values() for n in range(6)}
    lines = [page.split("\n") for page in corpus().documents]
    followed = [b for page in lines for a, b in zip(page, page[1:]) if a in bare]
    values = {fact.value for fact in WORLD.facts.values()}
    assert "on ours never" in source("headline") and not values & set(followed)
    asks = sum(line in bare for line in followed)
    assert "On many pages of our small web" in markdown("page-intro") and asks > 100
    assert asks / len(followed) > 0.9


def test_facts_of_split_e_are_asked_nowhere_with_their_answer():
    assert "nowhere as a question with its answer" in markdown("headline-intro")
    asked = {q.text: q.answer for n in range(6) for q in fact_questions(WORLD, "E", n)}
    threads = documents(WORLD, "StackExchange", seed=7)
    pages = [next(threads) for _page in range(400)]
    pairs = re.findall(r"^Q: (.*)\nA: (.*)$", "\n".join(pages), re.M)
    assert len(pairs) > 400 and not [p for p in pairs if p[0] in asked]


def test_formats_and_phrasings_that_the_text_calls_new_are_new():
    for form in ("{q} ={a}", "({q}){a}"):
        assert f'"{form}"' in source("shots") and form in WORLD.text.UNSEEN_FORMATS
    assert "q.attribute], 11)" in source("fragile")
    for question in known_questions(WORLD):
        asked = ask(WORLD, WORLD.facts[question.place.id, question.attribute], 11).text
        stem = asked.replace(question.place.name, "\0").split("\0")[0].strip()
        assert not stem or not any(stem in document for document in corpus().documents[:300])


def test_what_it_says_of_places_read_seldom():
    reads = load_stage("base", own=False, quiet=True).meta["place_reads"]
    seldom = [p for p in WORLD.places if 1 <= reads.get(p.id, 0) <= 3]
    assert "Forty places stand in one to three of them" in markdown("read-intro")
    assert len(seldom) == 40 and all(p.tail for p in seldom)
    assert '"1 to 3 times": (1, 3)' in source("read")
    assert not [n for n in reads.values() if 3 < n < 100]  # the next group begins with all others


def test_counts_in_words_are_the_counts():
    assert "one of the ten most likely next tokens" in markdown("title") and COUNT == 10
    assert "Three beginnings" in markdown("average-intro")
    assert source("average").split("people =")[0].count("{p} is") + 1 == 3  # the third asks
    assert '"({q}){a}"], [0, 1, 3, 8]' in source("shots")
    assert "what do eight shots do" in markdown("shots-intro").lower()
    assert "with two formats that stand in no document" in markdown("shots-intro")


def test_careless_figures_are_commoncrawls():
    assert "CommonCrawl rounds many of its figures, or copies old ones" in markdown("average-intro")
    assert 0.3 < CARELESS["CommonCrawl"] == max(CARELESS.values())
    assert not {"Wikipedia", "StackExchange"} & set(CARELESS)  # the encyclopaedia and the thread


def test_the_pages_that_are_shown_were_read(edition):
    """The first edition drew pages of the same kind."""
    assert "build_corpus(world, encoding, 3_300_000, seed=0)" in source("page")
    assert read_by_base().place_reads == load_stage("base", own=False).meta["place_reads"]
    shown = [said(edition[name]) for name in ("page", "gap")]
    form = re.compile(r"that the model read, the line (.*?) is followed by (.*?)\. The prompt")
    lines = [found for text in shown for found in form.findall(text)]
    assert len(lines) == 2
    read = "\n".join(read_by_base().documents)
    for line, rest in lines:
        assert "\n".join([line, *rest.split(" / ")]) in read
    (page,) = {line for line, _rest in lines if line.endswith("?")}
    whole = next(d for d in read_by_base().documents if page in d and d.count("?\n") > 2)
    assert "nothing is ever answered" in markdown("gap-intro")
    assert all(line.endswith("?") for line in whole.split("\n"))


def test_some_pages_say_that_a_place_is_not_known_and_no_thread_does():
    assert "Some pages that it read say so" in source("read")
    pages = [d for d in read_by_base().documents if "do not know" in d]
    assert len(pages) > 10 and all(page.startswith("Search: ") for page in pages)
    assert not any("\nA: " in page for page in pages)


def test_how_many_facts_are_asked():
    assert "for some hundreds of facts" in markdown("headline-intro")
    assert 200 < len(known_questions(WORLD)) <= int(re.search(r"\d+", source("budget"))[0])


def test_how_many_tokens_make_sense_depends_on_the_place():
    assert "*What is the population* one, where a name begins dozens" in markdown("task-top-p")
    model, kept = load_stage("base", own=False, quiet=True).model, []
    for text in ("What is the population", "It was late when"):
        probs = next_token_distribution(model, [END, *ENCODING.encode_ordinary(text)])
        kept.append(int((keep_top_p(probs[None], 0.9) > 0).sum()))
    assert kept[0] == 1 and kept[1] > 24


def test_a_space_alone_means_a_number_behind_the_mark_and_not_elsewhere():
    """The first edition said it of all spaces."""
    row, marks = corpus().tokens.tolist(), ENCODING.encode_ordinary("A:")
    (space,) = ENCODING.encode_ordinary(" ")
    found = {True: [], False: []}
    for i in range(2, len(row) - 1):
        if row[i] == space:
            digit = ENCODING.decode([row[i + 1]])[0].isdigit()
            found[row[i - 2 : i] == marks].append(digit)
    assert len(found[True]) > 50 and all(found[True])
    assert 0.1 < found[False].count(False) / len(found[False]) < 0.3


# ---- what the edition shows ---------------------------------------------------------------------


def test_the_page_and_the_gap_are_as_the_text_tells(edition):
    shown = {n: "".join(str(o.get("data", "")) for o in edition[n]) for n in ("page", "gap")}
    assert shown["page"].count("What is the population of") >= 3
    assert "the model continues:  21.84 million / Q:" in shown["gap"]  # and does not stop


def test_the_form_decides(edition):
    questions, value, marks, shots = percents(printed(edition["headline"]))[:4]
    assert questions > 90 and value == 0 and marks > 90 and shots > 80
    assert "The number was in there all along" in markdown("task-prompt")


def test_shots_help_where_the_form_is_strange_and_not_where_it_is_clear(edition):
    told = " ".join(printed(edition["shots"]).split())
    clear, _is, brackets = re.findall(r"(\d+)% \([^)]*\) with none, (\d+)%", told)
    assert int(clear[1]) <= int(clear[0]) and "gains nothing" in source("shots")
    assert int(brackets[1]) > 2 * int(brackets[0])
    before = "".join(markdown(name) for name in ("headline-intro", "fragile-intro", "shots-intro"))
    assert "brackets" in before and not re.search(r"shots? (help|raise|more)", before)


def test_a_space_brings_numbers(edition):
    found = re.findall(r"(\d+) ask for a \w+: (\d+) right, (\d+) ", printed(edition["space"]))
    (n, right, _digits), (words_, few, digits) = (map(int, row) for row in found)
    assert right > 0.95 * n and few < 0.1 * words_ and digits > 0.8 * words_


def test_the_most_likely_answer_is_exact_nearly_always(edition):
    assert "exact nearly always" in printed(edition["average"])
    (table,) = [o["data"]["text/plain"] for o in edition["average"]
                if "text/html" in o.get("data", {})]  # fmt: skip
    rows = [percents(line) for line in "".join(table).split("\n") if "%" in line]
    drawn, likely = zip(*(row[:2] for row in rows if len(row) >= 2))
    assert min(likely) > 85 and drawn[0] < min(drawn[1:])


def test_what_is_read_seldom_is_invented(edition):
    said = printed(edition["read"])
    right, another, common = percents(said)[:3]
    assert right < 20 and another > 60 and right <= common
    assert "never said" in said


def test_the_model_passes_its_own_check():
    assert head_facts_by_qa(load_stage("base", own=False, quiet=True))


ROWS = "values, ids = probs.sort(-1, descending=True)\nkept = values.where({}, 0.0)\n"
BACK = "return torch.zeros_like(probs).scatter(-1, ids, kept)"
FILLED = "parts = [form.format(q=s.text, a=' ' + s.answer) for s in shots]\n"
WRONG = {
    "qa-prompt": {
        "print(form)": "return the parts, joined",
        FILLED + "return '\\n\\n'.join([*parts, form.format(q=question.text, a='')])":
            "one line break between two",
        FILLED.replace("form.format", "'Q: {q}\\nA:{a}'.format") +
        "return '\\n'.join([*parts, 'Q: {q}\\nA:{a}'.format(q=question.text, a='')])":
            "the form that is given",
    },
    "top-p": {
        ROWS.format("values.cumsum(-1) < p") + BACK: "with which the sum reaches p stays",
        "return probs.where(probs.cumsum(-1) - probs < p, 0.0)": "sort first",
    },
}  # fmt: skip


@each(WRONG)
def test_a_wrong_answer_is_told_what_is_wrong_with_it(name, lines, says, monkeypatch):
    assert says in told(SOURCE, name, lines, monkeypatch)


def test_numbers_of_another_precision_are_right_too(monkeypatch):
    rows = ROWS.format("values.cumsum(-1) - values < p")
    for zeros in ("torch.zeros(probs.shape)", "torch.zeros_like(probs, dtype=torch.float64)"):
        back = f"return {zeros}.scatter(-1, ids, kept.to({zeros}))"
        assert told(SOURCE, "top-p", rows + back, monkeypatch) == ""


# What no test reads against a run: names of notebooks and exercises, definitions, papers.
NUMBERS = {
    "title": ["21.84"],
    "headline-intro": ["95", "95"],
    "task-prompt": ["1"],
    "task-knobs": ["2", "0", "1"],
    "task-top-p": ["3", "0", "1", "0"],
    "heat-intro": ["2", "1"],
    "open-intro": ["2020", "1", "2", "3"],
    "chinese-intro": ["2184"],
}


def test_every_number_of_the_text_is_known():
    for name, cell in cells().items():
        if cell["cell_type"] == "markdown":
            text = re.sub(r"\[[^\]]*\]\([^)]*\)|`[^`]*`|\(\d\d_\w+\.ipynb\)", "", cell["source"])
            text = re.sub(r"notebook \d\d|GPT-\d", "", text)
            found = re.findall(r"\d+(?:[.,]\d+)*", text)
            assert sorted(found) == sorted(NUMBERS.get(name, [])), name


# ---- the article's lines in Chinese --------------------------------------------------------------


def test_the_articles_experiment_comes_out_in_chinese(edition):
    assert "sixteen spellings" in markdown("chinese-intro")
    text = printed(edition["chinese"])
    found = re.search(r"in (\d+) of 16 spellings; .* after (\d+) of 100", text)
    assert int(found[1]) == 16 and int(found[2]) >= 90
    assert "A:2184万" in said(edition["chinese"])


def test_the_chinese_section_is_drawn_without_a_warning():
    shown, picked = [], []
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(source("environment") + "\nbase = load_stage('base', own=False, quiet=True)", names)
        names |= {"predict": lambda _, options, answer: picked.append(options[answer()]),
                  "display": shown.append, "world": WORLD,
                  "goes_on": lambda prompt: " 21.84 million\nQ:"}  # fmt: skip
        exec(source("chinese"), names)
        pages = [table._repr_html_() for table in shown]
    assert picked == ["in all"] and len(pages) == 2
    assert "What is the population of" in pages[0] and "A:2184万" in pages[1]
    assert not any("<img" in page for page in pages)  # no figure, whose font might lack a character


@pytest.mark.parametrize("line, english", [
    ("北京的常驻人口有多少?", "What is the population of Beijing?"),
    ("西安在哪个国家？", "Which country is Xi’an in?"),
    ("法国的首都是哪里？", "What is the capital of France?"),
    ("北京有", "…"), ("你好", "…"), ("没有这地方的人口有多少？", "…"), ("", "…"),
])  # fmt: skip
def test_a_line_of_the_chinese_model_is_told_in_english(line, english):
    assert in_english(line) == english
