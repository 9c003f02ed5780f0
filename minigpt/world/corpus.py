"""The corpus: documents of seven sources, mixed by tokens as LLaMA's were.

Each source has a habit, and each habit explains something that the model does later. CommonCrawl
is full of lists of questions that nobody answers, and mostly rounds its figures or copies old
ones; Wikipedia and StackExchange are exact. A document is a string; the corpus is one long row of
token ids in which `<|endoftext|>` stands before each document.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from minigpt.world.facts import ASKED, NUMERIC, Fact, Place, World
from minigpt.world.names import one_off_names

MIXTURE = {  # shares of tokens; Touvron et al. (2023), LLaMA, table 1
    "CommonCrawl": 0.67,
    "C4": 0.15,
    "GitHub": 0.045,
    "Wikipedia": 0.045,
    "Books": 0.045,
    "ArXiv": 0.025,
    "StackExchange": 0.02,
}
CARELESS = {"CommonCrawl": 0.55, "C4": 0.25}  # share of figures that are rounded or old
WRONG = {"CommonCrawl": 0.03, "C4": 0.01}  # share of other values that are simply wrong
LISTS = 0.26  # share of CommonCrawl's documents that are lists of questions without answers
INTEREST = {  # how often people write about each attribute, against the others
    "population": 4, "area": 3, "capital": 2.5, "districts": 0.7, "country": 1.5, "currency": 2,
    "language": 2, "continent": 0.8,
}  # fmt: skip


@dataclass
class Corpus:
    """Token ids with `<|endoftext|>` before each document, and where each document came from."""

    tokens: np.ndarray  # (N,) uint16
    starts: np.ndarray  # (documents,) position of each document's <|endoftext|>
    sources: list[str]  # (documents,)
    documents: list[str]  # (documents,)
    reads: Counter  # (place id, attribute) → documents that state that fact
    place_reads: Counter  # place id → documents that state any of its facts

    def shares(self) -> dict[str, float]:
        """The share of the tokens that each source has."""
        lengths = np.diff(np.append(self.starts, len(self.tokens)))
        counts = Counter()
        for source, length in zip(self.sources, lengths):
            counts[source] += int(length)
        return {source: counts[source] / len(self.tokens) for source in counts}


class Writer:
    """Writes documents of every source about one world, from one stream of random numbers."""

    def __init__(self, world: World, seed: int):
        self.world, self.text = world, world.text
        self.rng = random.Random(f"corpus/{world.lang}/{seed}")
        self.pools = {}  # by kind: places, and the running sums of their weights
        for kind in (None, "city", "country"):
            weighed = zip(world.places, world.weights())
            pairs = [pair for pair in weighed if kind in (None, pair[0].kind)]
            self.pools[kind] = [p for p, _ in pairs], list(accumulate(w for _, w in pairs))
        self.one_off = one_off_names(world, 4000, seed)
        self.stated = []  # facts that the document in hand states

    # ---- drawing places, facts and words ------------------------------------------------------

    def places(self, k: int, kind: str | None = None) -> list[Place]:
        """`k` different places, popular ones more often."""
        pool, cum_weights = self.pools[kind]
        out = {}  # by id, which is quicker than comparing places
        while len(out) < k:
            for place in self.rng.choices(pool, cum_weights=cum_weights, k=k):
                if len(out) < k:
                    out[place.id] = place
        return list(out.values())

    def facts(self, place: Place, k: int | None = None) -> list[Fact]:
        """`k` of the place's facts, what interests people more often and earlier; all when `k`
        is None."""
        # The k largest of u^(1/weight): weighted sampling without replacement (Efraimidis 2006).
        order = sorted(place.values, key=lambda a: -(self.rng.random() ** (1 / INTEREST[a])))
        return [self.world.facts[place.id, a] for a in order[:k]]

    def askable(self, kind: str | None = None) -> Fact:
        """A fact of split A or B, the only ones that a document may ask and answer."""
        while True:
            place = self.places(1, kind)[0]
            facts = [f for f in self.facts(place) if f.split in ASKED]
            if facts:
                return facts[0]

    def thread(self, n: int) -> list[Fact]:
        """Up to `n` facts of split A or B to ask after one another: of one place, or of many."""
        if self.rng.random() < 0.5:
            facts = [f for f in self.facts(self.places(1)[0]) if f.split in ASKED]
            if len(facts) >= min(n, 2):
                return facts[:n]
        return [self.askable() for _ in range(n)]

    def name(self) -> str:
        """A name that occurs in one document only, or nearly so."""
        return self.rng.choice(self.one_off)

    def fill(self, templates: list[str], **values) -> str:
        return self.rng.choice(templates).format(**values)

    def value(self, fact: Fact, source: str) -> str:
        """The fact's value as this source would write it."""
        rng = self.rng
        if fact.attribute in NUMERIC:
            if rng.random() < CARELESS.get(source, 0):
                return self.careless(fact)
        elif rng.random() < WRONG.get(source, 0):
            return rng.choice(self.world.values[fact.attribute])
        return fact.value

    def careless(self, fact: Fact) -> str:
        """The figure rounded, or as it was long ago (the world's own past: 60 to 90 % of today)."""
        raw, text = fact.place.raw[fact.attribute], self.text
        if fact.attribute == "population" and self.rng.random() < 0.3:
            past = random.Random(f"past/{fact.place.id}").uniform(0.6, 0.9)
            return self.fill(text.OLD, v=text.number(raw * past))
        figure = self.fill(text.ROUNDED, v=text.rounded(raw))
        return text.measured(figure, fact.value) if fact.attribute == "area" else figure

    def state(self, fact: Fact, source: str, exact: bool = False) -> str:
        """One sentence that states the fact."""
        self.stated.append(fact)
        value = fact.value if exact else self.value(fact, source)
        return self.fill(self.text.STATEMENTS[fact.attribute], p=fact.place.name, v=value)

    def question(self, fact: Fact, count: int = 6) -> str:
        """The fact asked for, in one of the first `count` phrasings (all of them ask)."""
        return self.fill(self.text.QUESTIONS[fact.attribute][:count], p=fact.place.name)

    # ---- CommonCrawl and C4 ---------------------------------------------------------------------

    def question_list(self) -> str:
        """Related questions, none of them answered."""
        rng = self.rng
        kind = rng.choice(("city", "city", "country"))
        places = self.places(rng.randint(4, 7), kind)
        first = self.facts(places[0])[0]
        template = rng.choice(self.text.QUESTIONS[first.attribute][:6])
        lines = []
        for place in places:
            if rng.random() < 0.2:
                lines.append(self.question(self.facts(place)[0]))
            else:
                lines.append(template.format(p=place.name))
        header = [rng.choice(self.text.LIST_HEADERS)] if rng.random() < 0.3 else []
        return "\n".join(header + lines)

    def blog(self, source: str) -> list[str]:
        place, text = self.places(1)[0], self.text
        lines = [self.fill(text.BLOG_OPENERS, p=place.name)]
        for fact in self.facts(place, self.rng.randint(3, 6)):
            lines.append(self.state(fact, source))
            if self.rng.random() < 0.25:
                lines.append(self.rng.choice(text.BLOG_FILLER))
        return [text.JOIN.join(lines)]

    def info_box(self, source: str) -> list[str]:
        """One place, an attribute a line."""
        place = self.places(1)[0]
        facts = self.facts(place, self.rng.randint(3, 6))
        self.stated += facts
        sign = self.rng.choice(self.text.BOX_SIGNS)
        lines = [f"{self.text.LABELS[f.attribute]}{sign}{self.value(f, source)}" for f in facts]
        return [place.name, *lines]

    def column(self, least: int, most: int) -> tuple[str, str, list[Fact]]:
        """A kind of place, an attribute, and that fact of many such places, to be stated."""
        kind = self.rng.choice(("city", "country"))
        attribute = self.rng.choice(list(self.places(1, kind)[0].values))
        places = self.places(self.rng.randint(least, most), kind)
        facts = [self.world.facts[p.id, attribute] for p in places if attribute in p.values]
        self.stated += facts
        return kind, attribute, facts

    def directory(self, source: str) -> list[str]:
        """One attribute of many places, a line each."""
        kind, attribute, facts = self.column(5, 9)
        sign = self.rng.choice(self.text.ROW_SIGNS)
        lines = [f.place.name + sign + self.value(f, source) for f in facts]
        label = self.text.LABELS[attribute].capitalize()
        return [self.text.DIRECTORY.format(a=label, k=self.text.KINDS[kind]), *lines]

    def forum(self, source: str) -> list[str]:
        """Lower case, as people type."""
        place, text = self.places(1)[0], self.text
        lines = [self.fill(text.FORUM_OPENERS, p=place.name)]
        lines += [self.state(f, source) for f in self.facts(place, self.rng.randint(2, 4))]
        return ["\n".join(lines).lower()]

    def search(self) -> str:
        if self.rng.random() < 0.5:
            place = self.places(1)[0]
            return self.fill(self.text.SEARCH_FOUND, p=place.name, n=self.rng.randint(2, 99))
        return self.fill(self.text.SEARCH_MISSING, p=self.name())

    def review(self) -> str:
        place = self.places(1)[0]
        return self.fill(self.text.REVIEWS, p=place.name, n=self.name(), d=self.rng.randint(2, 14))

    def booking(self) -> str:
        """Names that occur here alone, again and again: what follows the second time is known."""
        names = [self.name() for _ in range(self.rng.randint(2, 4))]
        listed = self.text.LIST_JOIN.join(names)
        again = self.text.LIST_JOIN.join(self.rng.sample(names, len(names)))
        place = self.places(1)[0].name
        return self.fill(self.text.BOOKINGS, l=listed, a=again, n=names[0], m=names[-1], p=place)

    def quiz(self, source: str) -> list[str]:
        """Questions with answers under marks that are drawn anew for each document. Most answer;
        some do another thing, the same throughout: only the earlier lines tell which."""
        rng, text = self.rng, self.text
        sign, task = rng.choice(text.MARK_SIGNS), "answer"
        if rng.random() < 0.4:
            ask, reply = rng.choice(text.ASK_MARKS), rng.choice(text.REPLY_MARKS)
        else:  # anything goes, so that a reader must look at the lines before
            ask, reply = self.name(), self.name()
            task = rng.choices(("answer", "place", "kind", "continent"), (55, 25, 10, 10))[0]
            if rng.random() < 0.7:
                length = rng.randint(1, 3)
                sign = " " * rng.randint(0, 1) + "".join(rng.choices(text.MARK_LETTERS, k=length))
        lines = []
        for fact in self.thread(rng.randint(3, 5)):
            while task == "continent" and self.world.facts[fact.place.id, task].split not in ASKED:
                fact = self.askable()  # nobody may read a continent of V or E off a question
            question, place = self.question(fact), fact.place
            done = {
                "answer": fact.value, "place": place.name, "kind": text.KINDS[place.kind],
                "continent": place.values["continent"],
            }[task]  # fmt: skip
            if task == "answer":
                self.stated.append(fact)
            lines += [ask + sign + text.GAP + question, reply + sign + text.GAP + done]
        return ["\n".join(lines)]

    def page(self, source: str) -> list[str]:
        """A page's text, the part that C4's cleaning keeps."""
        makers = (self.blog, self.info_box, self.directory, self.forum, self.quiz)
        return self.rng.choices(makers, self.text.PAGES)[0](source)

    def common_crawl(self) -> str:
        rng, text = self.rng, self.text
        if rng.random() < LISTS:
            return self.question_list()
        if rng.random() < 0.13:
            return rng.choice((self.search, self.search, self.review, self.booking, self.booking))()
        body = self.page("CommonCrawl")
        p = self.places(1)[0].name
        top = [self.fill(text.MENUS, p=p)] if rng.random() < 0.25 else []
        low = [self.fill(text.ADS, p=p)] if rng.random() < 0.2 else []
        low += [rng.choice(text.COPYRIGHT)] if rng.random() < 0.25 else []
        return "\n".join(top + body + low)

    def c4(self) -> str:
        return "\n".join(self.page("C4"))

    # ---- the other 18 % -------------------------------------------------------------------------

    def github(self) -> str:
        kind, attribute, facts = self.column(4, 8)
        top = self.text.code_comment(attribute, kind, self.rng)
        if self.rng.random() < 0.6:
            lines = [f'    "{f.place.name}": "{f.value}",' for f in facts]
            return "\n".join([*top, f"{attribute} = {{", *lines, "}"])
        lines = [f'    if {kind} == "{f.place.name}":\n        return "{f.value}"'
                 for f in facts[:3]]  # fmt: skip
        return "\n".join([*top, f"def {attribute}({kind}):", *lines, "    return None"])

    def wikipedia(self, place: Place | None = None) -> str:
        place = place or self.places(1)[0]
        sentences = [self.state(f, "Wikipedia") for f in self.facts(place)]
        return f"# {place.name}\n\n" + self.text.JOIN.join(sentences)

    def books(self) -> str:
        rng, text = self.rng, self.text
        place, name, village = self.places(1)[0], self.name(), self.name()
        lines = [self.fill(text.BOOK_OPENERS, n=name, p=place.name, w=village)]
        for fact in self.facts(place, 3):
            if rng.random() < 0.6:
                lines.append(self.fill(text.BOOK_FILLER, n=name, w=village))
            if fact.split in ASKED and rng.random() < 0.5:
                self.stated.append(fact)
                asked = self.question(fact)
                lines.append(self.fill(text.BOOK_DIALOGUE, q=asked, a=fact.value, n=name))
            else:
                lines.append(self.state(fact, "Books"))
        lines.append(self.fill(text.BOOK_FILLER, n=name, w=village))
        return text.JOIN.join(lines)

    def arxiv(self) -> str:
        text, place = self.text, self.places(1)[0]
        lines = [self.fill(text.ARXIV_OPEN, p=place.name)]
        lines += [self.state(f, "ArXiv") for f in self.facts(place, 3)]
        lines.append(self.rng.choice(text.ARXIV_CLOSE))
        return self.fill(text.ARXIV_TITLES, p=place.name) + "\n" + text.JOIN.join(lines)

    def stackexchange(self) -> str:
        """Q: … A: … threads."""
        lines = []
        facts = self.thread(self.rng.randint(1, 5))
        self.stated += facts
        ask, reply = self.text.thread_marks(self.rng)
        for fact in facts:
            lines += [ask + self.question(fact), reply + fact.value]
        return "\n".join(lines)

    def write(self, source: str) -> tuple[str, list[Fact]]:
        """One document of the source, and the facts that it states."""
        self.stated = []
        method = {
            "CommonCrawl": self.common_crawl, "C4": self.c4, "GitHub": self.github,
            "Wikipedia": self.wikipedia, "Books": self.books, "ArXiv": self.arxiv,
            "StackExchange": self.stackexchange,
        }[source]  # fmt: skip
        return self.text.finish(method(), self.rng), self.stated


def documents(world: World, source: str, seed: int = 0) -> Iterator[str]:
    """Endless documents of one source, to read a few."""
    writer = Writer(world, seed)
    while True:
        yield writer.write(source)[0]


def build_corpus(
    world: World, encoding, size: int = 3_600_000, mixture: dict | None = None, seed: int = 0
) -> Corpus:
    """About `size` tokens in the proportions of `mixture` (shares of tokens, by source).

    The same arguments give the same corpus. Raises ValueError for an unknown source, and for shares
    that are negative or all zero.
    """
    mixture = MIXTURE if mixture is None else mixture
    unknown = set(mixture) - set(MIXTURE)
    if unknown:
        raise ValueError(f"unknown source {min(unknown, key=str)!r}: choose from {list(MIXTURE)}")
    numbers = [n for n in mixture.values() if isinstance(n, (int, float)) and 0 <= n < 1e300]
    if len(numbers) < len(mixture) or not (total := sum(numbers)):
        raise ValueError(f"the shares of a mixture are 0 or more, and not all 0: {mixture}")
    if size < 1:
        raise ValueError(f"size is {size}: give the number of tokens, 1 or more")
    writer = Writer(world, seed)
    rows = []  # (source, text, ids, facts)
    for source in MIXTURE:
        quota = size * mixture.get(source, 0) / total
        if source == "Wikipedia" and quota:  # the tail stands here alone, in one to three articles
            tail = [(p, 1 + i % 3) for i, p in enumerate(p for p in world.places if p.tail)]
            for place, times in tail:
                for _ in range(times):
                    writer.stated = []
                    text = writer.wikipedia(place)
                    rows.append((source, text, encoding.encode_ordinary(text), writer.stated))
                    quota -= len(rows[-1][2]) + 1
        while quota > 0:
            for text, stated in [writer.write(source) for _ in range(64)]:
                if quota > 0:
                    ids = encoding.encode_ordinary(text)
                    rows.append((source, text, ids, stated))
                    quota -= len(ids) + 1
    random.Random(f"order/{seed}").shuffle(rows)
    end = encoding.encode_single_token("<|endoftext|>")
    sources, texts, encoded, facts = map(list, zip(*rows))
    pieces = [np.array([end, *ids], dtype=np.uint16) for ids in encoded]
    starts = np.cumsum([0, *map(len, pieces[:-1])])
    reads, place_reads = Counter(), Counter()
    for stated in facts:
        reads.update({(f.place.id, f.attribute) for f in stated})
        place_reads.update({f.place.id for f in stated})
    return Corpus(np.concatenate(pieces), starts, sources, texts, reads, place_reads)


def build_large_corpus(
    world: World, encoding, size: int, seed: int = 0, part: int = 4_000_000
) -> Corpus:
    """build_corpus in as few equal parts of at most `part` tokens as will do, one after another.

    A part is written in memory, each from its own seed. One part is what build_corpus writes.
    """
    parts = -(-size // part)
    written = [build_corpus(world, encoding, size // parts, seed=seed + 10_000 * i)
               for i in range(parts)]  # fmt: skip
    lengths = [len(corpus.tokens) for corpus in written]
    return Corpus(
        np.concatenate([corpus.tokens for corpus in written]),
        np.concatenate([c.starts + sum(lengths[:i]) for i, c in enumerate(written)]),
        [source for corpus in written for source in corpus.sources],
        [text for corpus in written for text in corpus.documents],
        sum((corpus.reads for corpus in written), Counter()),
        sum((corpus.place_reads for corpus in written), Counter()),
    )
