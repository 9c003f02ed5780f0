"""What each source of the mixture teaches: models trained from scratch on other mixtures.

Every run reads the same number of tokens, so whatever is left out is made up for by the rest. A
seed gives the corpus, the first weights and the order of the windows. Within "the other 18 %",
`Q: … A:` stands in StackExchange alone and dialogue in Books alone. Without StackExchange the one
way of asking should fail and the other work; without Books the reverse; a statement works anyhow.
"""

from pathlib import Path

import numpy as np

from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, evaluate_loss, pretrain
from minigpt.show.figure import figure, show
from minigpt.show.results import complete, load_results
from minigpt.show.table import Table
from minigpt.stages.scoring import judged, qa_score
from minigpt.stages.stage import Stage, document_completions
from minigpt.store.words import _
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import MIXTURE, build_corpus
from minigpt.world.facts import World, load_world
from minigpt.world.questions import Questions, fact_questions

NAME = "sources"
TOKENS = 1_000_000  # read by each model
HELD_OUT = 40_000  # of documents of the full mixture, for the loss
SEEDS = (0, 1)
PLACES = 100  # the best known ones, whose facts are asked for
NARRATOR = "Quennaby"  # a name that stands in no document, as the names in the stories do
WHOLE, CUT = "the other 18 %", ("18 % without StackExchange", "18 % without Books")
_small = {s: share for s, share in MIXTURE.items() if s not in ("CommonCrawl", "C4")}
VARIANTS = {  # shares, in any unit
    "full": MIXTURE,
    WHOLE: _small,
    **{name: {s: m for s, m in _small.items() if s not in name} for name in CUT},
}
WAYS = {"qa": "Q: and A:", "dialogue": "dialogue", "statement": "statement"}


def train(mixture: dict[str, float], seed: int) -> GPT:
    """A base model of the course's shape that has read TOKENS tokens of a mixture."""
    config, model = PretrainConfig(8, seed=seed), GPT(GPTConfig(), seed=seed)
    config.steps = TOKENS // (config.batch_size * config.block_size)
    size = TOKENS + config.block_size  # one window more, so that none is read twice
    corpus = build_corpus(load_world(), load_tokenizer(), size, mixture, seed)
    for _step in pretrain(model, corpus.tokens, config):
        pass
    return model.eval().requires_grad_(False)


def head_questions(world: World) -> Questions:
    """Facts of split E of the best known places, districts apart: "Beijing has" goes on anyhow."""
    asked = fact_questions(world, "E").head(PLACES)
    return Questions(q for q in asked if q.attribute != "districts")


def accuracy(stage: Stage, questions: Questions, way: str) -> float:
    """The share right of facts that are asked for in one of the WAYS. A statement is begun, such as
    "The capital of France is", after a page's first sentence; in a dialogue somebody is asked."""
    if way == "qa":
        return qa_score(stage, questions).accuracy
    text, prompts, starts = stage.world.text, [], []
    for q in questions:
        place = q.place.name
        if way == "statement":
            form = text.STATEMENTS[q.attribute][0].partition("{v}")[0].rstrip()
            starts.append(form.format(p=place))
            prompts.append(text.BLOG_OPENERS[2].format(p=place) + text.JOIN + starts[-1])
        else:
            form = text.BOOK_DIALOGUE[1].partition("{a}")[0].format(q=q.text, n=NARRATOR)
            prompts.append(text.BOOK_OPENERS[1].format(n=NARRATOR, p=place) + " " + form)
    lines = document_completions(stage.model, stage.encoding, prompts, 24, 0.0, line=True)
    if way == "statement":  # to the sentence's end; a point within a figure has no space after it
        ends = [(line + " ").split(text.STOP + " ")[0].rstrip() + text.STOP for line in lines]
        answers = [start + end for start, end in zip(starts, ends)]
    else:  # to the closing quotation mark
        answers = [line.split('"')[0].rstrip(" ,.") for line in lines]
    return judged(stage.world, questions, answers).accuracy


def measure(model: GPT, seed: int = 0) -> dict[str, float]:
    """For each of the WAYS the accuracy on facts of split E, which stand in the corpus as
    statements alone; and the `loss` on the full mixture, in nats a token."""
    world, encoding = load_world(), load_tokenizer()
    stage = Stage("base", model, encoding, world, {}, Path(), own=True)
    found = {way: accuracy(stage, head_questions(world), way) for way in WAYS}
    documents = build_corpus(world, encoding, HELD_OUT, seed=seed + 1000)
    found["loss"] = evaluate_loss(model, documents.tokens)
    return {name: round(value, 4) for name, value in found.items()}


OPTIONS = {"seeds": SEEDS, "variants": tuple(VARIANTS)}


def run(seeds=SEEDS, variants=tuple(VARIANTS), out: Path | None = None) -> dict:
    """Train and measure what the results lack; an early stop leaves whole seeds."""
    keys = [{"variant": name, "seed": seed} for seed in seeds for name in variants]

    def one(variant: str, seed: int) -> dict:
        return measure(train(VARIANTS[variant], seed), seed)

    return complete(NAME, {"tokens": TOKENS}, keys, one, out)


# ---- as the notebook shows it -------------------------------------------------------------------


def kept(variant: str, measure: str) -> np.ndarray:
    """A measure of all seeds of a variant, from the results: (seeds,)."""
    return np.array([r[measure] for r in load_results(NAME)["runs"] if r["variant"] == variant])


def ways_of_asking() -> dict[str, list[str]]:
    """Draw what is right without one source or the other; the ways that fall below half."""
    names = (WHOLE, *CUT)
    means = {name: {way: kept(name, way).mean() for way in WAYS} for name in names}
    fallen = {n: [w for w in WAYS if means[n][w] < means[WHOLE][w] / 2] for n in CUT}
    fig, axes = figure(7.0, 2.1, columns=len(WAYS))
    for (way, title), ax in zip(WAYS.items(), axes):
        for y, name in enumerate(names):
            weight = "bold" if way in fallen.get(name, ()) else "normal"
            ax.barh(y, means[name][way], 0.6, color="#d8dde2")
            ax.text(1.4, y, f"{means[name][way]:.0%}", weight=weight, ha="right", va="center")
            ax.plot(kept(name, way), [y] * len(kept(name, way)), "k.", markersize=4)
        ax.set(xlim=(0, 1.42), xticks=())
        ax.set_yticks(range(3), names if ax is axes[0] else ("", "", ""))
        ax.set_title(title, loc="left", fontsize=10)
        ax.invert_yaxis()
    told = [f"{n}: " + ", ".join(f"{WAYS[w]} {m:.0%}" for w, m in means[n].items()) for n in names]
    show(fig, _("Share right; each dot is one training run.") + f" {'; '.join(told)}.")
    return fallen


def mixtures(mine: dict[str, float] | None = None) -> Table:
    """What models of each mixture do, means over the seeds, and yours as `measure` found it."""
    columns = {**WAYS, "loss": _("loss on the full mixture")}
    found = {name: {c: kept(name, c).mean() for c in columns} for name in VARIANTS}
    found = {_("LLaMA's mixture"): found.pop("full"), **found}
    if mine:
        found[_("yours")] = mine
    rows = [[name, *(format(m[c], ".2f" if c == "loss" else ".0%") for c in columns)]
            for name, m in found.items()]  # fmt: skip
    return Table([_("what it read"), *columns.values()], rows)
