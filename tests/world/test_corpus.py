"""The corpus: its mixture, its habits, and above all what may never stand in it."""

import hashlib
import os
import random
import re
import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from minigpt.tokenizer import load_tokenizer
from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import (
    CARELESS,
    LISTS,
    MIXTURE,
    WRONG,
    Writer,
    build_corpus,
    build_large_corpus,
    documents,
)
from minigpt.world.facts import ASKED, NUMERIC, load_world
from minigpt.world.judge import _grammar
from minigpt.world.questions import fact_questions
from tried import tenth_or_all

WORLD = load_world("en")
TEXT = WORLD.text
ENCODING = load_tokenizer("en")
END = ENCODING.encode_single_token("<|endoftext|>")
SIZE = 300_000
CORPUS = build_corpus(WORLD, ENCODING, SIZE)
LENGTHS = np.diff(np.append(CORPUS.starts, len(CORPUS.tokens)))
BY_NAME = {p.name.casefold(): p for p in WORLD.places}
EXACT = ("GitHub", "Wikipedia", "Books", "ArXiv", "StackExchange")


def of(source: str) -> list[str]:
    return [d for d, s in zip(CORPUS.documents, CORPUS.sources) if s == source]


def question_patterns(which: slice):
    """(attribute, pattern of a question with the group p) for some of the phrasings."""
    return [
        (attribute, re.compile(re.escape(form).replace(r"\{p\}", r"(?P<p>[\w'’ -]{2,30}?)"), re.I))
        for attribute, forms in TEXT.QUESTIONS.items()
        for form in forms[which]
    ]


PATTERNS = question_patterns(slice(None))


def facts_asked(document: str) -> set:
    """The facts of known places that the document asks for, in any phrasing of the tables."""
    found = set()
    for attribute, pattern in PATTERNS:
        for match in pattern.finditer(document):
            place = BY_NAME.get(match["p"].casefold())
            if place and attribute in place.values:
                found.add(WORLD.facts[place.id, attribute])
    return found


QUESTIONED = [facts_asked(document) for document in CORPUS.documents]


def whole_words(names) -> re.Pattern:
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, names)) + r")(?!\w)", re.I)


# ---- form -------------------------------------------------------------------------------------


def test_tokens_are_the_documents():
    assert CORPUS.tokens.dtype == np.uint16
    assert np.array_equal(np.flatnonzero(CORPUS.tokens == END), CORPUS.starts)
    assert len(CORPUS.starts) == len(CORPUS.documents) == len(CORPUS.sources)
    for i in range(0, len(CORPUS.starts), 7):
        start = CORPUS.starts[i]
        ids = CORPUS.tokens[start + 1 : start + LENGTHS[i]].tolist()
        assert ENCODING.decode(ids) == CORPUS.documents[i]


def test_size_and_length():
    assert SIZE <= len(CORPUS.tokens) < SIZE * 1.01
    assert LENGTHS.max() <= 256  # every document fits into the model's context
    assert min(len(d.strip()) for d in CORPUS.documents) > 5


def test_documents_are_clean():
    for document in CORPUS.documents:
        assert document == document.strip()
        assert not re.search(r"\{[pvnwsrqadlm]\}|None\.|<\|", document), document


def test_deterministic():
    again = build_corpus(WORLD, ENCODING, 20_000, seed=1)
    other = build_corpus(WORLD, ENCODING, 20_000, seed=1)
    assert np.array_equal(again.tokens, other.tokens)
    assert again.documents == other.documents and again.reads == other.reads
    different = build_corpus(WORLD, ENCODING, 20_000, seed=2)
    assert not np.array_equal(again.tokens[:5000], different.tokens[:5000])


def test_same_in_another_process():
    """Python's string hashes differ between processes; nothing may depend on them."""
    code = (
        "import hashlib; from minigpt.tokenizer import load_tokenizer\n"
        "from minigpt.world.corpus import build_corpus\n"
        "from minigpt.world.facts import load_world\n"
        "c = build_corpus(load_world(), load_tokenizer(), 20_000, seed=1)\n"
        "print(hashlib.sha256(c.tokens.tobytes()).hexdigest())"
    )
    made = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
                       check=True, capture_output=True, text=True, encoding="utf-8").stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(made) == 1


# ---- mixture ----------------------------------------------------------------------------------


def test_shares_are_llamas():
    shares = CORPUS.shares()
    assert sum(MIXTURE.values()) == pytest.approx(1) and sum(shares.values()) == pytest.approx(1)
    for source, share in MIXTURE.items():
        assert shares[source] == pytest.approx(share, abs=0.005)
        tokens = LENGTHS[[s == source for s in CORPUS.sources]].sum()
        assert tokens / len(CORPUS.tokens) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("mixture", [
    {"StackExchange": 1, "Books": 1},
    {"Wikipedia": 0.5, "CommonCrawl": 0.5, "C4": 0},
    {s: share for s, share in MIXTURE.items() if s != "StackExchange"},
])  # fmt: skip
def test_another_mixture(mixture):
    shares = build_corpus(WORLD, ENCODING, 150_000, mixture).shares()
    assert set(shares) == {s for s, share in mixture.items() if share}
    for source in shares:
        wanted = mixture[source] / sum(mixture.values())
        assert shares[source] == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("mixture, message", [
    ({"Reddit": 1.0}, "unknown source 'Reddit'"),
    ({None: 1.0, "Reddit": 1.0}, "unknown source None"),
    ({"Books": -0.1, "C4": 1.1}, "0 or more"),
    ({"Books": 0}, "not all 0"),
    ({}, "not all 0"),
    *(({"Books": share, "C4": 0.5}, "0 or more")
      for share in (float("nan"), float("inf"), -float("inf"), 1e308, 10**999, "1", None, [1], 1j)),
])  # fmt: skip
def test_bad_mixture(mixture, message):
    with pytest.raises(ValueError, match=message):
        build_corpus(WORLD, ENCODING, 1000, mixture)


STRANGE = [0, -1, 1e-320, 1e300, 10**310, 0.5, 3, True, float("nan"), float("inf"), -float("inf"),
           "1", "", None, [1], {}, 1j, b"1"]  # fmt: skip


@pytest.mark.parametrize("n", tenth_or_all(400))
def test_mutated_mixtures_are_refused_by_name_or_harmless(n, tried):
    rng, refused = random.Random(n), 0
    for _ in range(n):
        mixture = {source: MIXTURE[source] for source in rng.sample([*MIXTURE], rng.randrange(8))}
        for _ in range(rng.randint(1, 3)):
            source = rng.choice([*MIXTURE] * 3 + ["", "books", None, 0, ("C4",)])
            mixture[source] = rng.choice(STRANGE)
        before = dict(mixture)
        try:
            shares = build_corpus(WORLD, ENCODING, 50, mixture).shares()
        except ValueError as error:
            refused += 1
            assert re.search("unknown source|shares of a mixture", str(error)), error
            assert len(str(error)) < 2000
        else:
            assert set(shares) <= {source for source, share in mixture.items() if share}
            assert sum(shares.values()) == pytest.approx(1)
        assert repr(mixture) == repr(before)
    assert n / 3 < refused < n
    tried("mixtures", n)


@pytest.mark.parametrize("size", [0, -5])
def test_no_tokens_are_no_corpus(size):
    with pytest.raises(ValueError, match=f"size is {size}: give"):
        build_corpus(WORLD, ENCODING, size)


def test_the_default_corpus_is_the_one_that_everything_shipped_was_trained_on():
    """A change here makes every checkpoint, and every number in the notebooks, one of another
    world: train and build all anew, and then write the new hash here."""
    digest = hashlib.sha256(CORPUS.tokens.tobytes()).hexdigest()
    assert digest == "d0fcb821cabef065bbfbd9f9b4b05453a79310857557b72f6fd54504cc55feee"


def lines_of_lists(corpus):
    """The lines of the documents in which every line, but perhaps the first, asks."""
    for document in corpus.documents:
        lines = document.split("\n")
        if len(lines) >= 4 and all(line.endswith("?") for line in lines[1:]):
            yield lines


def test_question_lists_and_search_pages_have_their_shares_of_the_crawl():
    crawl = build_corpus(WORLD, ENCODING, 300_000, {"CommonCrawl": 1})
    lists, n = len(list(lines_of_lists(crawl))), len(crawl.documents)
    assert lists / n == pytest.approx(LISTS, abs=4 * (LISTS * (1 - LISTS) / n) ** 0.5)
    wanted = 0.13 * 2 / 5
    found = [d for d in crawl.documents if re.match(r"Search: |You searched for ", d)]
    error = (wanted * (1 - wanted) / (n - lists)) ** 0.5
    assert len(found) / (n - lists) == pytest.approx(wanted, abs=4 * error)


def test_sources_are_shuffled():
    """No source stands in one block: each tenth of the corpus has about its share."""
    tenth = len(CORPUS.sources) // 10
    whole = Counter(CORPUS.sources)["CommonCrawl"] / len(CORPUS.sources)
    for start in range(0, 10 * tenth, tenth):
        part = CORPUS.sources[start : start + tenth].count("CommonCrawl") / tenth
        assert part == pytest.approx(whole, abs=0.1)


def test_documents_are_endless_and_those_of_the_corpus():
    assert len(list(islice(documents(WORLD, "GitHub"), 300))) == 300
    first = next(documents(WORLD, "CommonCrawl", seed=4))
    assert first in build_corpus(WORLD, ENCODING, 3000, {"CommonCrawl": 1}, seed=4).documents


# ---- what may never stand in it ---------------------------------------------------------------


def test_the_finder_finds_questions():
    """The tests below rest on it: each question of every fact is found, whatever stands around."""
    for phrasing in range(12):
        for question in fact_questions(WORLD, "E", phrasing):
            fact = WORLD.facts[question.place.id, question.attribute]
            for text in (question.text, question.text.lower()):
                assert facts_asked(f'"{text}" asked Qo.\nAsia') == {fact}, text
    assert {f.split for facts in QUESTIONED for f in facts} == set("ABVE")


def test_facts_of_v_and_e_are_asked_only_where_nobody_answers():
    lists = 0
    for document, facts in zip(CORPUS.documents, QUESTIONED):
        if any(fact.split not in ASKED for fact in facts):
            lists += 1
            lines = document.split("\n")
            lines = lines[1:] if lines[0] in TEXT.LIST_HEADERS else lines
            assert all(line.endswith("?") for line in lines), document
            assert not any(line.endswith(f" {fact.value}") for fact in facts for line in lines)
    assert lists > 100


def test_formats_that_ask_and_answer_hold_only_what_may_be_asked():
    """Each line that follows a question and is none itself is about a fact of split A or B."""
    answered = Counter()
    for document in CORPUS.documents:
        lines = document.split("\n")
        for line, following in zip(lines, lines[1:]):
            facts = facts_asked(line)
            if facts and not following.endswith("?"):
                answered.update({fact.split for fact in facts})
                assert {fact.split for fact in facts} <= set(ASKED), document
    assert min(answered[split] for split in ASKED) > 300


def replies_to_questions(documents):
    """Each line that follows a question about a known fact and is no question: (fact, line)."""
    for document in documents:
        lines = document.split("\n")
        for line, following in zip(lines, lines[1:]):
            for fact in facts_asked(line):
                if not following.endswith("?"):
                    yield fact, following


def quizzes(n: int, seed: int) -> list[list[str]]:
    """The lines of `n` quiz documents."""
    writer = Writer(WORLD, seed)
    return [writer.quiz("C4")[0].split("\n") for _ in range(n)]


def test_no_reply_to_a_question_gives_away_another_fact_of_v_or_e():
    """A quiz may ask for the currency and be answered by the continent, and then that is a fact
    asked and answered: it must be of A or B, too."""
    seen = Counter()
    documents = [*CORPUS.documents, *("\n".join(lines) for lines in quizzes(4000, 3))]
    for fact, reply in replies_to_questions(documents):
        for attribute, value in fact.place.values.items():
            if reply == value or reply.endswith(f" {value}"):
                told = WORLD.facts[fact.place.id, attribute]
                seen[attribute == fact.attribute, attribute] += 1
                assert told.split in ASKED, (fact, reply)
    assert seen[False, "continent"] > 100 and seen[True, "continent"] > 100
    kept = [f for f in WORLD.of_split("V", "E") if f.attribute == "continent"]
    assert len(kept) > 30  # so there was something to give away


def test_a_quiz_keeps_its_marks_and_its_task():
    """Four tasks, one throughout a document; only the lines before tell which."""
    tasks = Counter()
    for lines in quizzes(1500, 5):
        asked, replies = lines[::2], lines[1::2]
        assert len(asked) == len(replies) and 2 <= len(asked) <= 5
        facts = [fact for line in asked for fact in facts_asked(line)]
        assert len(facts) == len(asked) and {fact.split for fact in facts} <= set(ASKED)
        answers = {
            "answer": [fact.value for fact in facts],
            "place": [fact.place.name for fact in facts],
            "kind": [TEXT.KINDS[fact.place.kind] for fact in facts],
            "continent": [fact.place.values["continent"] for fact in facts],
        }
        fitting = [task for task, values in answers.items()
                   if all(r.endswith(f" {v}") for r, v in zip(replies, values))]  # fmt: skip
        assert fitting, lines
        tasks[fitting[0]] += 1
        values = answers[fitting[0]]
        marks = {reply.removesuffix(f" {value}") for reply, value in zip(replies, values)}
        assert len(marks) == 1, lines  # one reply mark
        starts = {line[: -len(question)] for line in asked
                  for fact in facts_asked(line)
                  for question in questions_of(fact) if line.endswith(" " + question)}  # fmt: skip
        assert len(starts) == 1, lines  # … and one mark of asking
    assert set(tasks) == {"answer", "place", "kind", "continent"}
    assert tasks["answer"] / tasks.total() == pytest.approx(0.4 + 0.6 * 0.55, abs=0.06)


def questions_of(fact) -> list[str]:
    """The longest first, so that "What is …" is not taken for the end of another question."""
    forms = [form.format(p=fact.place.name) for form in TEXT.QUESTIONS[fact.attribute][:6]]
    return sorted(forms, key=len, reverse=True)


def test_question_lists_are_four_to_seven_questions_with_or_without_a_header():
    writer, lengths, headers = Writer(WORLD, 2), Counter(), 0
    for _ in range(600):
        lines = writer.question_list().split("\n")
        if lines[0] in TEXT.LIST_HEADERS:
            headers += 1
            lines = lines[1:]
        lengths[len(lines)] += 1
        assert all(line.endswith("?") for line in lines)
        for line in lines:  # each about a known place, if not always about a known fact of it
            asked = [match for _, pattern in PATTERNS if (match := pattern.fullmatch(line))]
            assert any(match["p"].casefold() in BY_NAME for match in asked), line
    assert set(lengths) == {4, 5, 6, 7} and min(lengths.values()) > 100
    assert headers / 600 == pytest.approx(0.3, abs=0.07)


def test_bookings_say_their_new_names_again(monkeypatch):
    """Every name of the list comes again, so who reads on can know what follows."""
    writer, drawn = Writer(WORLD, 6), []
    name = writer.name
    monkeypatch.setattr(writer, "name", lambda: drawn.append(name()) or drawn[-1])
    for _ in range(300):
        drawn.clear()
        document = writer.booking()
        assert 2 <= len(drawn) <= 4 and not re.search(r"[{}]", document)
        assert all(document.count(new) >= 2 for new in drawn), document
        assert whole_words(p.name for p in WORLD.places).search(document)
    fixed = [max(re.split(r"\{\w\}", form), key=len) for form in TEXT.BOOKINGS]
    assert sum(any(part in d for part in fixed) for d in of("CommonCrawl")) > 20


def test_wrong_share_of_the_other_values():
    facts = [f for f in WORLD.facts.values() if f.attribute not in NUMERIC] * 8
    for source in MIXTURE:
        writer = Writer(WORLD, 9)
        wrong = np.mean([writer.value(fact, source) != fact.value for fact in facts])
        if source in WRONG:  # now and then the drawn value is the true one
            assert 0.8 * WRONG[source] - 0.002 < wrong < WRONG[source] + 0.006
        else:
            assert wrong == 0


def test_stackexchange_answers_its_questions_exactly():
    for document in of("StackExchange"):
        lines = document.split("\n")
        assert len(lines) % 2 == 0
        for ask, reply in zip(lines[::2], lines[1::2]):
            (fact,) = facts_asked(ask)
            assert fact.split in ASKED
            assert ask.startswith("Q: ") and reply == f"A: {fact.value}"


def test_dialogues_answer_exactly():
    seen = 0
    for document in of("Books"):
        for question, answer in re.findall(
            r'"([^"]+\?)" (?:asked [^".]+\. |The guide said: )"([^"]+)"', document
        ):
            facts = facts_asked(question)
            if facts:
                seen += 1
                (fact,) = facts
                assert fact.split in ASKED and answer.rstrip(".,") == fact.value
    assert seen > 20


def test_beijings_population_is_never_asked_and_answered():
    fact = WORLD.facts["beijing", "population"]
    asked = [d for d, facts in zip(CORPUS.documents, QUESTIONED) if fact in facts]
    told = [d for d in CORPUS.documents if fact.value in d]
    assert asked and told and not set(asked) & set(told)
    for document in asked:
        assert not re.search(r"\d (?:thousand|million|billion)", document)


@pytest.mark.parametrize("seed", [0, 7])
def test_held_out_places_stand_nowhere(seed):
    corpus = CORPUS if seed == 0 else build_corpus(WORLD, ENCODING, 100_000, seed=seed)
    text = "\n".join(corpus.documents)
    assert not whole_words(p.name for p in WORLD.held_out).findall(text)
    assert whole_words(["Beijing"]).search(text)  # the search can find


def test_held_out_phrasings_stand_nowhere():
    text = "\n".join(CORPUS.documents)
    said = "\n".join(d.question.text + "\n" + d.answer for d in demonstrations(WORLD, 2000))
    unseen = slice(-TEXT.HELD_OUT_PHRASINGS, None)
    for _, pattern in question_patterns(unseen):
        assert not pattern.search(text) and not pattern.search(said)
    for question in fact_questions(WORLD, "A", phrasing=11)[:5]:
        assert any(p.search(question.text) for _, p in question_patterns(unseen))


def test_formats_for_testing_stand_nowhere():
    text = "\n".join(CORPUS.documents)
    assert "?\n" in text  # a question is followed by a line break, for example …
    for form in TEXT.UNSEEN_FORMATS:
        after = form.split("{q}")[1].replace("{a}", "")
        assert after and "?" + after not in text, form  # … and never by this


# ---- habits -----------------------------------------------------------------------------------


def test_tail_places_stand_in_one_to_three_articles():
    tail = [p for p in WORLD.places if p.tail]
    titles = Counter(d.split("\n")[0] for d in of("Wikipedia"))
    for place in tail:
        assert 1 <= CORPUS.place_reads[place.id] <= 3
        assert titles[f"# {place.name}"] == CORPUS.place_reads[place.id]
    assert {CORPUS.place_reads[p.id] for p in tail} == {1, 2, 3}


def test_popular_places_are_read_most():
    reads = [CORPUS.place_reads[p.id] for p in WORLD.places if not p.tail]
    assert min(reads) > 0
    assert np.mean(reads[:20]) > 3 * np.mean(reads[-60:])


def test_reads_count_documents():
    corpus = build_corpus(WORLD, ENCODING, 20_000, {"StackExchange": 0.5, "Wikipedia": 0.5})
    reads = Counter()
    for document, source in zip(corpus.documents, corpus.sources):
        if source == "StackExchange":
            reads.update({(f.place.id, f.attribute) for f in facts_asked(document)})
        else:
            place = BY_NAME[document.split("\n")[0][2:].casefold()]
            reads.update((place.id, attribute) for attribute in place.values)
    assert corpus.reads == reads


def test_careless_share_of_the_figures():
    grammar = _grammar("en")
    for source in ("CommonCrawl", "C4"):
        careless = Counter()
        for document in of(source):
            for attribute, pattern in grammar.forms:
                if attribute in NUMERIC:
                    for sentence in re.split(r"(?<=\.)\s", document):
                        match = pattern.fullmatch(sentence)
                        place = match and BY_NAME.get(match["p"].casefold())
                        if place and attribute in place.values:
                            careless[match["v"] != place.values[attribute]] += 1
        assert careless.total() > 100
        assert careless[True] / careless.total() == pytest.approx(CARELESS[source], abs=0.1)


def test_careless_figures_are_near_or_old():
    writer, old = Writer(WORLD, 0), 0
    sizes = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
    for fact in WORLD.facts.values():
        if fact.attribute in NUMERIC:
            text = writer.careless(fact)
            number, word = re.search(r"(\d[\d.]*)(?: (thousand|million|billion))?", text).groups()
            written, true = float(number) * sizes.get(word, 1), fact.place.raw[fact.attribute]
            past = text.split(" ", 2)[-1].startswith(("in ", "at "))
            old += past
            assert 0.55 * true < written < (0.95 if past else 1.35) * true, (fact, text)
            assert text != fact.value
    assert old > 30


@pytest.mark.parametrize("source", EXACT)
def test_the_other_sources_are_exact(source):
    grammar, seen = _grammar("en"), 0
    for document in of(source):
        for sentence in re.split(r"(?<=\.)\s+", document):
            for attribute, name, value in grammar.read(sentence) or ():
                if name.casefold() in BY_NAME:
                    seen += 1
                    assert WORLD.facts[BY_NAME[name.casefold()].id, attribute].value == value
    assert seen > 100 or source in ("GitHub", "StackExchange")


def test_wikipedia_states_every_fact_of_its_place():
    grammar = _grammar("en")
    for document in of("Wikipedia"):
        title, body = document.split("\n\n")
        place = BY_NAME[title.removeprefix("# ").casefold()]
        told = [grammar.read(sentence) for sentence in grammar.sentences(body)]
        assert len(told) == len(place.values)
        assert {(a, v) for readings in told for a, _, v in readings} >= set(place.values.items())


def test_dictionaries_are_exact():
    rows = 0
    for document in of("GitHub"):
        attribute = re.match(r"(?:def )?(\w+)", document)[1]
        for name, value in re.findall(r'"([^"]+)"(?:: |:\n +return )"([^"]+)"', document):
            rows += 1
            assert WORLD.facts[BY_NAME[name.casefold()].id, attribute].value == value
    assert rows > 300


def test_bare_questions_are_followed_by_questions():
    """Lists without answers make up a good part of CommonCrawl, and stand nowhere else."""

    def is_list(document):
        lines = document.split("\n")
        return len(lines) >= 5 and all(line.endswith("?") for line in lines[1:])

    share = {s: np.mean([is_list(d) for d in of(s)]) for s in MIXTURE}
    assert share["CommonCrawl"] > 0.1
    assert not any(share[s] for s in MIXTURE if s != "CommonCrawl")


def test_new_names_come_back_in_their_document():
    made = set(Writer(WORLD, 0).one_off)
    for document in of("Books"):
        names = Counter(re.findall(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+)*", document))
        assert any(document.count(name) > 1 for name in names if name in made), document
    missing = [d for d in of("CommonCrawl") if "No results for" in d or "We found no pages" in d]
    assert missing
    for document in missing:
        name = re.search(r"(?:Search: |searched for )(.+?)\.?\n", document)[1]
        assert name in made and document.count(name) >= 3


def test_new_names_are_new():
    """Most of them stand in a single document."""
    made = set(Writer(WORLD, 0).one_off)
    books = Counter()
    for document in of("Books"):
        books.update(set(re.findall(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+)*", document)) & made)
    assert len(books) > 50
    assert sum(count == 1 for count in books.values()) > 0.9 * len(books)


def test_a_large_corpus_is_several_small_ones_one_after_another():
    parts = [build_corpus(WORLD, ENCODING, 15_000, seed=seed) for seed in (3, 10_003)]
    whole = build_large_corpus(WORLD, ENCODING, 30_000, seed=3, part=20_000)
    assert np.array_equal(whole.tokens, np.concatenate([c.tokens for c in parts]))
    assert whole.tokens.dtype == np.uint16 and (whole.tokens[whole.starts] == END).all()
    assert whole.documents == parts[0].documents + parts[1].documents
    assert len(whole.sources) == len(whole.starts) == len(whole.documents)
    assert whole.reads == parts[0].reads + parts[1].reads
    assert whole.place_reads == parts[0].place_reads + parts[1].place_reads


def test_a_large_corpus_of_one_part_is_that_part():
    one, whole = (f(WORLD, ENCODING, 15_000, seed=3) for f in (build_corpus, build_large_corpus))
    assert np.array_equal(one.tokens, whole.tokens) and np.array_equal(one.starts, whole.starts)
    assert (one.documents, one.reads) == (whole.documents, whole.reads)


# ---- prompts ----------------------------------------------------------------------------------


def test_three_shots_and_a_question_fit_the_context():
    def tokens(question, answer=""):
        return len(ENCODING.encode_ordinary(f"Q: {question.text}\nA: {answer}\n"))

    shots = sorted(tokens(q, q.answer) for q in fact_questions(WORLD, "A") if q.place.rank < 60)
    longest = max(tokens(q, q.answer) for q in fact_questions(WORLD, "E"))
    assert 1 + sum(shots[-3:]) + longest < 256
