"""How many demonstrations an assistant needs, how good ones, and what it does where it had none.

All runs finetune the shipped base model with the course's SFT settings. A seed draws the
demonstrations and their order; the base is one and the same. A set is read as often as makes at
least 150 updates, so that a small one is not also a short training: 30 demonstrations 100 times,
10,000 once (313 updates).

- mixed: the contractors as they are; 30 to 10,000 demonstrations.
- clean: flawless contractors; 1,000 to 10,000. Is better data worth more than more data?
- left out: mixed, with no demonstration that asks for a population, about whatever place, and none
  in one phrasing, which the base read in documents. What is answered all the same?
- longer: 300 mixed ones, with as many updates as 10,000 make. Is it the training or the data?
- base: the model before, asked in the template and in documents, with shots and without.

Facts of split E alone are scored; they stand in no demonstration.
`python3 -m minigpt.lessons.sft.demonstrations` writes data/results/demonstrations.json after each
run, and goes on where an earlier call stopped.
"""

import argparse
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from minigpt.engine.device import set_threads
from minigpt.pretrain import evaluate_loss
from minigpt.sft import SFTConfig, chat_answer, chat_prompt, introduce_chat_tokens, sft
from minigpt.show import results as experiments
from minigpt.stages.report import unknown_questions, unseen_phrasings
from minigpt.stages.scoring import (
    ATTEMPTS,
    Score,
    chat_score,
    few_shots,
    macro,
    prompt_score,
    qa_prompt,
    share,
)
from minigpt.stages.stage import Stage, load_stage
from minigpt.world.contractors import CLEAN, CLEAN_UNKNOWN, Demonstration, demonstrations
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import World
from minigpt.world.questions import Question, Questions, ask, fact_questions

SEEDS = (0, 1, 2)
LEAST_UPDATES = 100  # a set is read again until it has made so many
LEFT_OUT_ATTRIBUTE = "population"
LEFT_OUT_PHRASING = 1  # an index into the language's QUESTIONS, one that documents use
REPLAYED_TOKENS = 600_000  # of pretraining documents, to mix in: more than any run reads
HELD_OUT_TOKENS = 60_000  # of documents that no training read, for the held-out loss
CHAT_FORM = "User: {q}\nAssistant:{a}"


@dataclass(frozen=True)
class Run:
    """One training run, but for its seed."""

    kind: str  # "mixed", "clean", "left out" or "longer"
    size: int  # demonstrations
    least_updates: int = LEAST_UPDATES

    @property
    def epochs(self) -> int:
        """How often the set is read."""
        per_epoch = -(-self.size // SFTConfig.batch_size)
        return -(-self.least_updates // per_epoch)


RUNS = (
    *(Run("mixed", size) for size in (10_000, 1000, 100, 300, 30, 3000)),
    Run("left out", 10_000),
    *(Run("clean", size) for size in (1000, 10_000, 3000)),
    Run("longer", 300, 313),
)
BASE_PROMPTS = ("template", "template introduced", "Q: A:", "Q: A:, three shots",
                "User: Assistant:", "User: Assistant:, three shots")  # fmt: skip


# ---- data and training ------------------------------------------------------------------------


def asked_in(world: World, question: Question, phrasing: int) -> bool:
    """Whether a question about a place is in that phrasing, in capitals or not."""
    if question.place is None:
        return False
    template = world.text.QUESTIONS[question.attribute][phrasing]
    return template.format(p=question.place.name).casefold() == question.text.casefold()


def left_out(world: World, question: Question) -> bool:
    """Whether a question is of the attribute or in the phrasing that is never demonstrated."""
    same = question.attribute == LEFT_OUT_ATTRIBUTE
    return same or asked_in(world, question, LEFT_OUT_PHRASING)


def data(world: World, run: Run, seed: int) -> list[Demonstration]:
    """The demonstrations of a run."""
    if run.kind == "clean":
        return demonstrations(world, run.size, seed, CLEAN, CLEAN_UNKNOWN)
    if run.kind != "left out":
        return demonstrations(world, run.size, seed)
    more = demonstrations(world, 2 * run.size, seed)
    return [d for d in more if not left_out(world, d.question)][: run.size]


def train(base: Stage, run: Run, seed: int, replayed) -> tuple[Stage, int]:
    """An assistant made from `base`, which is left as it is, and its number of updates.

    replayed: (N,) ids of pretraining documents that are mixed in.
    """
    encoding = base.encoding
    model = copy.deepcopy(base.model).train().requires_grad_(True)
    introduce_chat_tokens(model, encoding)
    pairs = [
        (chat_prompt(encoding, d.question.text), chat_answer(encoding, d.answer))
        for d in data(base.world, run, seed)
    ]
    config = SFTConfig(epochs=run.epochs, seed=seed)
    *_, last = sft(model, pairs, replayed, config, encoding.encode_single_token("<|pad|>"))
    return as_assistant(base, model), last.step


def as_assistant(base: Stage, model) -> Stage:
    """The model as a stage, to be asked and not to be trained."""
    model.eval().requires_grad_(False)
    return Stage("sft", model, base.encoding, base.world, {}, base.path, own=True)


# ---- measuring --------------------------------------------------------------------------------


def report_facts(world: World) -> Questions:
    """Every fact of split E that documents tell often enough to be known."""
    return Questions(q for q in fact_questions(world, "E") if not q.place.tail)


def accuracies(score: Score) -> dict:
    """Accuracy over attributes with its 95 % interval, and within each attribute."""
    whole = share(score.questions, score.correct, by_attribute=True)
    out = {"accuracy": whole.value, "accuracy_low": whole.low, "accuracy_high": whole.high}
    for attribute in sorted({q.attribute for q in score.questions}):
        rows = [i for i, q in enumerate(score.questions) if q.attribute == attribute]
        hits = [score.correct[i] for i in rows]
        out[f"accuracy_{attribute}"] = sum(hits) / len(hits)
    return out


def measure(stage: Stage, asked: Questions, held_out, unknown: int = 150) -> dict:
    """What an assistant does, as shares but for `held_out_loss` (nats a token) and `beijing`.

    `accuracy…`: greedy. `sampled_accuracy`, `rude`, `known_declined`, `attempt_accuracy` (right of
    the answers that give a value): at temperature 1. `unknown_declined`, `unknown_real_declined`:
    says of made-up names, and of real places that stand nowhere, that it does not know them.
    `new_phrasing`: accuracy in two phrasings that stand in no demonstration and no document;
    `left_out_phrasing`: in the one that the run "left out" has not, without its attribute;
    `left_out_declined`: says of questions for that attribute that it does not know.
    """
    world = stage.world
    greedy, ended = chat_score(stage, asked)
    sampled, _ = chat_score(stage, asked, 1.0)
    tried = [i for i, v in enumerate(sampled.verdicts) if v in ATTEMPTS]
    others = [q for q in asked if q.attribute != LEFT_OUT_ATTRIBUTE]
    in_phrasing = [ask(world, world.facts[q.place.id, q.attribute], LEFT_OUT_PHRASING)
                   for q in others]  # fmt: skip
    own = "declined this name"
    refused = [v.startswith("declined") for q, v in zip(asked, greedy.verdicts)
               if q.attribute == LEFT_OUT_ATTRIBUTE]  # fmt: skip
    return rounded({
        **accuracies(greedy),
        "ends": sum(ended) / len(ended),
        "sampled_accuracy": sampled.accuracy,
        "attempt_accuracy": macro(
            [asked[i] for i in tried], [sampled.correct[i] for i in tried]
        ),
        "rude": sampled.share("rude"),
        "known_declined": sampled.share(own, "declined another name"),
        "unknown_declined": chat_score(
            stage, unknown_questions(world, "syllables", unknown)
        )[0].share(own),
        "unknown_real_declined": chat_score(
            stage, unknown_questions(world, "real", unknown)
        )[0].share(own),
        "new_phrasing": chat_score(stage, unseen_phrasings(world, asked))[0].accuracy,
        "left_out_declined": sum(refused) / len(refused),
        "left_out_phrasing": chat_score(stage, in_phrasing)[0].accuracy,
        "held_out_loss": evaluate_loss(stage.model, held_out),
        "beijing": stage.answer(ask(world, world.facts["beijing", "population"]).text),
    })  # fmt: skip


def measure_base(base: Stage, prompt: str, asked: Questions) -> dict:
    """What the base model makes of questions in one of BASE_PROMPTS, cut at the end of a line."""
    if prompt.startswith("template"):
        stage = base
        if prompt.endswith("introduced"):
            model = copy.deepcopy(base.model)
            introduce_chat_tokens(model, base.encoding)
            stage = as_assistant(base, model)
        scores = [chat_score(stage, asked, t)[0] for t in (0.0, 1.0)]
    else:
        form = CHAT_FORM if prompt.startswith("User") else "Q: {q}\nA:{a}"
        shots = 3 if prompt.endswith("three shots") else 0
        prompts = [qa_prompt(q, few_shots(base.world, q, shots), form) for q in asked]
        scores = [prompt_score(base, asked, prompts, t) for t in (0.0, 1.0)]
    found = {**accuracies(scores[0]), "sampled_accuracy": scores[1].accuracy}
    return rounded({**found, "example": scores[0].answers[0]})


def rounded(values: dict) -> dict:
    """Numbers to four places; None for one that there is not: a share of no answers."""
    return {
        k: v if isinstance(v, str) else None if math.isnan(v) else round(float(v), 4)
        for k, v in values.items()
    }


# ---- all runs ---------------------------------------------------------------------------------


def key(run: dict) -> tuple:
    """What tells a run of the results from the others."""
    return run["kind"], run.get("prompt", ""), run["size"], run["seed"]


def missing(results: dict, runs, seeds) -> Iterator[tuple[Run, int]]:
    """The runs that the results lack; all seeds of one before the next."""
    done = {key(run) for run in results["runs"]}
    for run in runs:
        for seed in seeds:
            if (run.kind, "", run.size, seed) not in done:
                yield run, seed


def start() -> dict:
    """The results that are there, or empty ones."""
    try:
        return experiments.load_results("demonstrations")
    except FileNotFoundError:
        return {"threads": torch.get_num_threads(), "least_updates": LEAST_UPDATES,
                "left_out": [LEFT_OUT_ATTRIBUTE, LEFT_OUT_PHRASING], "runs": []}  # fmt: skip


def run(
    runs=RUNS, seeds=SEEDS, base: Stage | None = None, asked: Questions | None = None,
    held_out_tokens: int = HELD_OUT_TOKENS, say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Train and measure what the results lack, and save them after each run."""
    base = base or load_stage("base", own=False, quiet=True)
    world, encoding = base.world, base.encoding
    asked, results = asked or report_facts(world), start()
    replayed = build_corpus(world, encoding, REPLAYED_TOKENS, seed=0).tokens
    held_out = build_corpus(world, encoding, held_out_tokens, seed=1000).tokens

    def add(found: dict) -> None:
        results["runs"] = sorted([*results["runs"], found], key=key)
        experiments.save_results("demonstrations", results)
        say(str(found))

    done = {key(run) for run in results["runs"]}
    for prompt in BASE_PROMPTS:
        settings = {"kind": "base", "prompt": prompt, "size": 0, "seed": 0}
        if key(settings) not in done:
            found = measure_base(base, prompt, asked)
            loss = round(evaluate_loss(base.model, held_out), 4)
            add({**settings, **found, "held_out_loss": loss})
    for chosen, seed in list(missing(results, runs, seeds)):
        stage, updates = train(base, chosen, seed, replayed)
        found = measure(stage, asked, held_out)
        settings = {"kind": chosen.kind, "size": chosen.size, "seed": seed}
        add({**settings, "epochs": chosen.epochs, "updates": updates, **found})
    return results


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog=experiments.command("demonstrations"), description=__doc__.split("\n")[0]
    )
    kinds = sorted({run.kind for run in RUNS})
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--out", type=Path, help="folder of the results (default: the package's)")
    args = parser.parse_args(argv)
    if args.out:
        experiments.RESULTS = args.out
    set_threads()
    run([run for run in RUNS if run.kind in args.kinds], args.seeds)


if __name__ == "__main__":
    main()
