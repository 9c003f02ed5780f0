"""What each source of the mixture teaches: models trained from scratch on other mixtures.

Every run reads the same number of tokens, so whatever is left out is made up for by the rest. A
seed gives the corpus, the model's first weights and the order of the windows.

- CommonCrawl, C4, and the other 18 % (five sources in their own proportions), each alone.
- A double dissociation within the 18 %, where `Q: … A:` stands in StackExchange alone and dialogue
  in Books alone. Without StackExchange the one prompt should fail and the other work; without
  Books the reverse; a statement is completed either way.
- The same in the full mix. There quiz pages of the crawl ask and answer under marks of all kinds,
  and so teach what StackExchange teaches: they are left out with it. Dialogue is too rare to be
  answered well after so few tokens.
- Lists of unanswered questions as 0, 5, 20 and 45 % of CommonCrawl's documents (full mix: 26 %).

`python3 -m minigpt experiment sources` writes data/results/sources.json after each run,
and goes on where an earlier call stopped.
"""

from dataclasses import dataclass
from pathlib import Path

from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, evaluate_loss, pretrain
from minigpt.show.results import complete
from minigpt.stages.recipe import HELD_OUT_TOKENS
from minigpt.stages.scoring import Score, judged, qa_score
from minigpt.stages.stage import Stage, document_completions
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import LISTS, MIXTURE, build_corpus
from minigpt.world.facts import World, load_world
from minigpt.world.questions import Question, Questions, fact_questions

NAME = "sources"
TOKENS = 1_200_000  # read by each model
SEEDS = (0, 1, 2)
PLACES = 100  # the best known ones, whose facts are asked for
NARRATOR = "Quennaby"  # a name that stands in no document, as the names in the stories do


@dataclass(frozen=True)
class Variant:
    """A corpus: its sources in the proportions of the full mix, and what else differs."""

    sources: tuple = tuple(MIXTURE)
    lists: float = LISTS  # share of CommonCrawl's documents
    quizzes: bool = True

    def corpus(self, world: World, encoding, tokens: int, seed: int):
        mixture = {source: MIXTURE[source] for source in self.sources}
        return build_corpus(world, encoding, tokens, mixture, seed, self.lists, self.quizzes)


def _but(*left_out: str) -> tuple:
    return tuple(source for source in MIXTURE if source not in left_out)


VARIANTS = {
    "full": Variant(),
    "without StackExchange": Variant(_but("StackExchange"), quizzes=False),
    "without Books": Variant(_but("Books")),
    "CommonCrawl alone": Variant(("CommonCrawl",)),
    "C4 alone": Variant(("C4",)),
    "the other 18 % alone": Variant(_but("CommonCrawl", "C4")),
    "lists 0 %": Variant(lists=0.0),
    "lists 5 %": Variant(lists=0.05),
    "lists 20 %": Variant(lists=0.2),
    "lists 45 %": Variant(lists=0.45),
    "18 % without StackExchange": Variant(_but("CommonCrawl", "C4", "StackExchange")),
    "18 % without Books": Variant(_but("CommonCrawl", "C4", "Books")),
}


def train(variant: Variant, tokens: int, seed: int) -> GPT:
    """A base model of the course's shape and settings that has read `tokens` tokens, rounded down
    to whole batches. ValueError where they make no batch."""
    config = PretrainConfig(seed=seed)
    batch = config.batch_size * config.block_size
    config.steps = tokens // batch
    if not config.steps:
        raise ValueError(f"{tokens} tokens make no batch: give at least {batch}")
    model = GPT(GPTConfig(), seed=seed)
    # One window more, so that no variant reads a window twice.
    corpus = variant.corpus(load_world(), load_tokenizer(), tokens + config.block_size, seed)
    for _ in pretrain(model, corpus.tokens, config):
        pass
    return model.eval().requires_grad_(False)


def head_questions(world: World) -> Questions:
    """Facts of split E of the best known places. Districts are left out: "Beijing has" may go on in
    many ways."""
    asked = fact_questions(world, "E").head(PLACES)
    return Questions(q for q in asked if q.attribute != "districts")


def statement_score(stage: Stage, questions: list[Question]) -> Score:
    """The verdicts on statements that the model completes, such as "The capital of France is".

    A page's first sentence stands before it, for no document begins with such a statement."""
    text = stage.world.text
    forms = {
        a: templates[0].partition("{v}")[0].rstrip() for a, templates in text.STATEMENTS.items()
    }
    starts = [forms[q.attribute].format(p=q.place.name) for q in questions]
    prompts = [
        text.BLOG_OPENERS[2].format(p=q.place.name) + text.JOIN + start
        for q, start in zip(questions, starts)
    ]
    lines = document_completions(stage.model, stage.encoding, prompts, 24, 0.0, line=True)
    # To the end of the sentence; a point within a figure has no space after it.
    ends = [(line + " ").split(text.STOP + " ")[0].rstrip() + text.STOP for line in lines]
    return judged(stage.world, questions, [start + end for start, end in zip(starts, ends)])


def dialogue_score(stage: Stage, questions: list[Question]) -> Score:
    """The verdicts on what somebody in a story answers, up to the closing quotation mark."""
    form = stage.world.text.BOOK_DIALOGUE[1].partition("{a}")[0]
    scene = stage.world.text.BOOK_OPENERS[1]
    prompts = [
        f"{scene.format(n=NARRATOR, p=q.place.name)} {form.format(q=q.text, n=NARRATOR)}"
        for q in questions
    ]
    lines = document_completions(stage.model, stage.encoding, prompts, 24, 0.0, line=True)
    return judged(stage.world, questions, [line.split('"')[0].rstrip(" ,.") for line in lines])


def bare_scores(stage: Stage, questions: list[Question]) -> tuple[Score, Score]:
    """What follows a bare question: all of it, and the first line, as an answer; a thread of
    StackExchange does both, answers and goes on asking. Sampled at temperature 1, for this is
    about what documents look like, not about the likeliest one."""
    prompts = [q.text + "\n" for q in questions]
    texts = document_completions(stage.model, stage.encoding, prompts, 80, 1.0)
    # "A: Europe" is an answer, too: so StackExchange would have it.
    first = [text.split("\n")[0].removeprefix("A:").strip() for text in texts]
    return judged(stage.world, questions, texts), judged(stage.world, questions, first)


def measure(model: GPT, seed: int) -> dict:
    """The measures of one trained model, as shares but for `held_out_loss` (nats a token).

    `qa`, `dialogue`, `statement`: accuracy on facts of split E, which stand in the corpus as
    statements alone. `wrong`: share of the statements completed with another value, of which a
    rounded figure is one. `bare_questions`, `bare_answered`: of what follows a bare question.
    """
    world, encoding = load_world(), load_tokenizer()
    stage = Stage("base", model, encoding, world, {}, Path(), own=True)
    asked = head_questions(world)
    statements, (whole, first) = statement_score(stage, asked), bare_scores(stage, asked)
    documents = build_corpus(world, encoding, HELD_OUT_TOKENS, seed=seed + 1000)
    found = {
        "qa": qa_score(stage, asked).accuracy,
        "dialogue": dialogue_score(stage, asked).accuracy,
        "statement": statements.accuracy,
        "wrong": statements.share("wrong value"),
        "bare_questions": whole.continued,
        "bare_answered": first.answered,
        "held_out_loss": evaluate_loss(model, documents.tokens),
    }
    return {name: round(value, 4) for name, value in found.items()}


OPTIONS = {"seeds": SEEDS, "variants": tuple(VARIANTS)}
THREADS = None  # as many as pay


def run(seeds=SEEDS, variants=tuple(VARIANTS), out: Path | None = None) -> dict:
    """Train and measure what the results lack; an early stop leaves whole seeds."""
    keys = [{"variant": name, "seed": seed} for seed in seeds for name in variants]

    def one(variant: str, seed: int) -> dict:
        return measure(train(VARIANTS[variant], TOKENS, seed), seed)

    return complete(NAME, {"tokens": TOKENS}, keys, one, out)
