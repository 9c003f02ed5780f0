"""What each source of the mixture teaches: models trained from scratch on other mixtures.

Every run reads the same number of tokens, so whatever is left out is made up for by the rest. A
seed gives the corpus, the model's first weights and the order of the windows.

- CommonCrawl, C4, and the other 18 % (five sources in their own proportions), each alone.
- A double dissociation within the 18 %, where `Q: … A:` stands in StackExchange alone and dialogue
  in Books alone. Without StackExchange the one prompt should fail and the other work; without
  Books the reverse; a statement is completed either way.
- The same in the full mix. There quiz pages of the crawl ask and answer under marks of all kinds,
  and so teach what StackExchange teaches: they are left out with it. Dialogue is too rare to be
  answered well after so few tokens; look at whether a value is given at all.
- Lists of unanswered questions as 0, 5, 20 and 45 % of CommonCrawl's documents (full mix: 26 %).

`python3 -m minigpt.lessons.pretraining.sources` writes data/results/sources.json after each run,
and goes on where an earlier call stopped.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from minigpt.engine.device import set_threads
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, evaluate_loss, pretrain
from minigpt.show import results as experiments
from minigpt.stages.recipe import HELD_OUT_TOKENS
from minigpt.stages.scoring import ATTEMPTS, Score, judged, majority_accuracy, qa_score
from minigpt.stages.stage import Stage, document_completions
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import LISTS, MIXTURE, build_corpus
from minigpt.world.facts import NUMERIC, World, load_world
from minigpt.world.questions import Question, Questions, fact_questions

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


# ---- training and measuring -------------------------------------------------------------------


def train(variant: Variant, tokens: int, seed: int, model: GPT | None = None) -> GPT:
    """A base model of the course's shape and settings that has read `tokens` tokens, rounded down
    to whole batches. ValueError where they make no batch."""
    config = PretrainConfig(seed=seed)
    steps = tokens // (config.batch_size * config.block_size)
    if steps < 1:
        raise ValueError(
            f"{tokens} tokens make no batch: give at least {config.batch_size * config.block_size}"
        )
    config.steps = steps
    model = model or GPT(GPTConfig(), seed=seed)
    # One window more, so that no variant reads a window twice.
    corpus = variant.corpus(load_world(), load_tokenizer(), tokens + config.block_size, seed)
    for _ in pretrain(model, corpus.tokens, config):
        pass
    return model.eval().requires_grad_(False)


def head_questions(world: World, split: str, places: int) -> Questions:
    """The split's facts of the best known places. Districts are left out: "Beijing has" may go on
    in many ways."""
    asked = fact_questions(world, split).head(places)
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


def without_figures(score: Score) -> Score:
    """The part of a score that is about words: capitals, currencies and so on."""
    kept = [i for i, q in enumerate(score.questions) if q.attribute not in NUMERIC]
    lists = (score.questions, score.answers, score.verdicts)
    return Score(*([values[i] for i in kept] for values in lists))


def measure(model: GPT, seed: int, places: int = PLACES, held_out: int = HELD_OUT_TOKENS) -> dict:
    """The measures of one trained model, as shares but for `held_out_loss` (nats a token).

    `qa`, `dialogue`, `statement`: accuracy on facts of split E, which stand in the corpus as
    statements alone; ending in `_a`: on split A, which stands there asked and answered, too; in
    `_given`: share of E's answers that give a value of any kind, right or wrong: the form works,
    whatever is known. `statement_words`: accuracy on E without figures. `wrong`, `wrong_words`:
    share of these statements completed with another value, of which a rounded figure is one.
    """
    world, encoding = load_world(), load_tokenizer()
    stage = Stage("base", model, encoding, world, {}, Path(), own=True)
    asked = {split: head_questions(world, split, places) for split in "EA"}
    ways, out = {"qa": qa_score, "dialogue": dialogue_score, "statement": statement_score}, {}
    for name, way in ways.items():
        score = way(stage, asked["E"])
        out[name], out[f"{name}_given"] = score.accuracy, score.share(*ATTEMPTS)
        out[f"{name}_a"] = way(stage, asked["A"]).accuracy
        if name == "statement":
            out["wrong"], words = score.share("wrong value"), without_figures(score)
            out["statement_words"], out["wrong_words"] = words.accuracy, words.share("wrong value")
    whole, first = bare_scores(stage, asked["E"])
    out["bare_questions"], out["bare_answered"] = whole.continued, first.answered
    documents = build_corpus(world, encoding, held_out, seed=seed + 1000)
    out["held_out_loss"] = evaluate_loss(model, documents.tokens)
    return {"seed": seed, **{name: round(value, 4) for name, value in out.items()}}


# ---- all runs ---------------------------------------------------------------------------------


def missing(results: dict, names: list[str], seeds: list[int]) -> Iterator[tuple[str, int]]:
    """The runs that the results lack, seed by seed, so that an early stop leaves whole seeds."""
    for seed in seeds:
        for name in names:
            done = {run["seed"] for run in results["variants"].get(name, [])}
            if seed not in done:
                yield name, seed


def add(results: dict, name: str, run: dict) -> dict:
    """The results with one run more; the runs of a variant are in order of their seeds."""
    variants = dict(results["variants"])
    variants[name] = sorted([*variants.get(name, []), run], key=lambda r: r["seed"])
    seeds = sorted({r["seed"] for runs in variants.values() for r in runs})
    return {**results, "seeds": seeds, "variants": variants}


def start(tokens: int) -> dict:
    """The results that are there, or empty ones. ValueError where they are of other models."""
    try:
        results = experiments.load_results("sources")
    except FileNotFoundError:
        asked = head_questions(load_world(), "E", PLACES)
        chance = round(majority_accuracy(load_world(), asked), 4)
        return {"tokens": tokens, "seeds": [], "variants": {}, "majority": chance}
    if results["tokens"] != tokens:
        raise ValueError(
            f"{experiments.RESULTS / 'sources.json'} holds models of {results['tokens']} tokens, "
            f"not {tokens}: give --tokens {results['tokens']}, another --out, or delete it"
        )
    return results


def run(
    tokens: int = TOKENS, seeds=SEEDS, names=tuple(VARIANTS), say: Callable[[str], None] = print
) -> dict:
    """Train and measure what the results lack, and save them after each model."""
    for name in names:
        if name not in VARIANTS:
            raise ValueError(f"there is no variant {name!r}: choose from {list(VARIANTS)}")
    results = start(tokens)
    for name, seed in list(missing(results, names, seeds)):
        found = measure(train(VARIANTS[name], tokens, seed), seed)
        results = add(results, name, found)
        experiments.save_results("sources", results)
        say(f"{name}: {found}")
    return results


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog=experiments.command("sources"), description=__doc__.split("\n")[0]
    )
    parser.add_argument("--tokens", type=int, default=TOKENS, help="read by each model")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--variants", nargs="+", default=tuple(VARIANTS), metavar="NAME",
                        help=f"some of: {'; '.join(VARIANTS)}".replace("%", "%%"))  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder of the results (default: the package's)")
    args = parser.parse_args(argv)
    if args.out:
        experiments.RESULTS = args.out
    set_threads()
    try:
        run(args.tokens, args.seeds, args.variants)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
