"""How many demonstrations an assistant needs, how good ones, and what it does where it had none.

All runs finetune the shipped base model with the course's SFT settings. A seed draws the
demonstrations and their order; the base is one and the same. A set is read as often as makes at
least 100 updates, so that a small one is not also a short training: 30 demonstrations 100 times,
10,000 once (313 updates).

- mixed: the contractors as they are; 30 to 10,000 demonstrations.
- clean: flawless contractors who know what the model knows. Is better data worth more than more?
- left out: mixed, with no demonstration that asks for a population, about whatever place, and none
  in one phrasing, which the base read in documents. What is answered all the same?
- base: the model before, asked in the template and in documents, with shots and without.

Facts of split E alone are scored; they stand in no demonstration.
`python3 -m minigpt experiment demonstrations` writes data/results/demonstrations.json after each
run, and goes on where an earlier call stopped.
"""

import copy
from pathlib import Path

import numpy as np

from minigpt.sft import SFTConfig, chat_answer, chat_prompt, introduce_chat_tokens, sft
from minigpt.show.results import complete
from minigpt.stages.exam import known_questions, unknown_questions
from minigpt.stages.report import unseen_phrasings
from minigpt.stages.scoring import DECLINED, Score, chat_score, few_shots, prompt_score, qa_prompt
from minigpt.stages.stage import Stage, assistant, load_stage
from minigpt.world.contractors import CLEAN, CLEAN_UNKNOWN, Demonstration, demonstrations
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import World
from minigpt.world.questions import Question, Questions, ask

NAME = "demonstrations"
SEEDS = (0,)
LEAST_UPDATES = 100  # a set is read again until it has made so many
LEFT_OUT_ATTRIBUTE = "population"
LEFT_OUT_PHRASING = 1  # an index into the language's QUESTIONS, one that documents use
REPLAYED_TOKENS = 600_000  # of pretraining documents, to mix in: more than any run reads

RUNS = (
    *(("mixed", size) for size in (10_000, 300, 30, 3000)),
    *(("clean", size) for size in (1000, 10_000)),
    ("left out", 10_000),
)
BASE_PROMPTS = ("template introduced", "Q: A:", "Q: A:, three shots")


# ---- data and training ------------------------------------------------------------------------


def left_out(world: World, question: Question) -> bool:
    """Whether a question is of the attribute or in the phrasing that is never demonstrated."""
    same = question.attribute == LEFT_OUT_ATTRIBUTE
    if same or question.place is None:
        return same
    template = world.text.QUESTIONS[question.attribute][LEFT_OUT_PHRASING]
    return template.format(p=question.place.name).casefold() == question.text.casefold()


def data(world: World, kind: str, size: int, seed: int) -> list[Demonstration]:
    """The demonstrations of a run of that kind."""
    if kind == "clean":
        return demonstrations(world, size, seed, CLEAN, CLEAN_UNKNOWN)
    if kind != "left out":
        return demonstrations(world, size, seed)
    more = demonstrations(world, 2 * size, seed)
    return [d for d in more if not left_out(world, d.question)][:size]


def epochs(size: int) -> int:
    """How often a set of `size` demonstrations is read."""
    return -(-LEAST_UPDATES // -(-size // SFTConfig.batch_size))


def train(base: Stage, kind: str, size: int, seed: int, replayed) -> tuple[Stage, int]:
    """An assistant made from `base`, which is left as it is, and its number of updates.

    replayed: (N,) ids of pretraining documents that are mixed in.
    """
    encoding = base.encoding
    model = copy.deepcopy(base.model).train().requires_grad_(True)
    introduce_chat_tokens(model, encoding)
    pairs = [
        (chat_prompt(encoding, d.question.text), chat_answer(encoding, d.answer))
        for d in data(base.world, kind, size, seed)
    ]
    config = SFTConfig(epochs=epochs(size), seed=seed)
    *_, last = sft(model, pairs, replayed, config, encoding.encode_single_token("<|pad|>"))
    return as_assistant(base, model), last.step


def as_assistant(base: Stage, model) -> Stage:
    """The model as a stage, to be asked and not to be trained."""
    return assistant(model.eval().requires_grad_(False), base.encoding, base.world)


# ---- measuring --------------------------------------------------------------------------------


def accuracies(score: Score) -> dict:
    """Accuracy over attributes, and within each attribute."""
    parts, found = [q.attribute for q in score.questions], {"accuracy": score.accuracy}
    for name in dict.fromkeys(parts):
        found[f"accuracy_{name}"] = np.mean(np.array(score.correct)[np.array(parts) == name])
    return found


def measure(stage: Stage, asked: Questions) -> dict:
    """What an assistant does, as shares but for `beijing`.

    `accuracy…`: greedy. `sampled_accuracy`, `rude`: at temperature 1. `unknown_declined`: says of
    made-up places that it does not know them, `…_own_name`: by their own name.
    `new_phrasing`: accuracy in two phrasings that stand in no demonstration and no document;
    `left_out_phrasing`: in the one that the run "left out" has not, without its attribute;
    `left_out_declined`: says of questions for that attribute that it does not know.
    """
    world, (greedy, ended) = stage.world, chat_score(stage, asked)
    sampled, _ = chat_score(stage, asked, 1.0)
    others = [world.facts[q.place.id, q.attribute] for q in asked
              if q.attribute != LEFT_OUT_ATTRIBUTE]  # fmt: skip
    refused = [declined for q, declined in zip(asked, greedy.has(*DECLINED))
               if q.attribute == LEFT_OUT_ATTRIBUTE]  # fmt: skip

    def said(questions) -> Score:
        return chat_score(stage, questions)[0]

    made_up = said(unknown_questions(world, "syllables"))
    return rounded({
        **accuracies(greedy),
        "ends": sum(ended) / len(ended),
        "sampled_accuracy": sampled.accuracy,
        "rude": sampled.share("rude"),
        "unknown_declined": made_up.share(*DECLINED),
        "unknown_declined_own_name": made_up.share("declined this name"),
        "new_phrasing": said(unseen_phrasings(world, asked)).accuracy,
        "left_out_declined": sum(refused) / len(refused),
        "left_out_phrasing": said([ask(world, f, LEFT_OUT_PHRASING) for f in others]).accuracy,
        "beijing": stage.answer(ask(world, world.facts["beijing", "population"]).text),
    })  # fmt: skip


def measure_base(base: Stage, prompt: str, asked: Questions) -> dict:
    """What the base model makes of questions in one of BASE_PROMPTS, cut at the end of a line."""
    if prompt == "template introduced":
        model = copy.deepcopy(base.model)
        introduce_chat_tokens(model, base.encoding)
        scores = [chat_score(as_assistant(base, model), asked, t)[0] for t in (0.0, 1.0)]
    else:
        shots = 3 if prompt.endswith("three shots") else 0
        prompts = [qa_prompt(q, few_shots(base.world, q, shots)) for q in asked]
        scores = [prompt_score(base, asked, prompts, t) for t in (0.0, 1.0)]
    return rounded({**accuracies(scores[0]), "sampled_accuracy": scores[1].accuracy})


def rounded(values: dict) -> dict:
    """Numbers to four places."""
    return {k: v if isinstance(v, str) else round(float(v), 4) for k, v in values.items()}


OPTIONS, THREADS = {"seeds": SEEDS}, 2


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Train and measure what the results lack; all seeds of one set before the next."""
    base = load_stage("base", own=False, quiet=True)
    asked = known_questions(base.world)
    replayed = build_corpus(base.world, base.encoding, REPLAYED_TOKENS, seed=0).tokens

    def one(kind: str, size: int, seed: int, prompt: str = "") -> dict:
        if kind == "base":
            return measure_base(base, prompt, asked)
        stage, updates = train(base, kind, size, seed, replayed)
        return {"epochs": epochs(size), "updates": updates, **measure(stage, asked)}

    keys = [{"kind": "base", "prompt": p, "size": 0, "seed": 0} for p in BASE_PROMPTS]
    keys += [{"kind": kind, "size": n, "seed": seed} for kind, n in RUNS for seed in seeds]
    fixed = {"least_updates": LEAST_UPDATES, "left_out": [LEFT_OUT_ATTRIBUTE, LEFT_OUT_PHRASING]}
    return complete(NAME, fixed, keys, one, out)
