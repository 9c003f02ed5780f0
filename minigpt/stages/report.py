"""What the report says of each stage, measured on facts of split E against the known truth.

Each function takes loaded stages and returns {key: Measure}. `report_on` measures what one folder
of checkpoints has.
"""

import json
from pathlib import Path

import numpy as np

from minigpt.pretrain import evaluate_loss
from minigpt.stages import rlhf, scoring
from minigpt.stages.exam import known_questions
from minigpt.stages.recipe import HELD_OUT_TOKENS
from minigpt.stages.scoring import (
    Measure,
    accuracy_change,
    bootstrap,
    chat_score,
    judged,
    picked,
    qa_score,
    share,
)
from minigpt.stages.stage import SHIPPED, Stage, document_completions, read_stage
from minigpt.store.files import is_checkpoint
from minigpt.tokenizer import load_tokenizer
from minigpt.world import en
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import DATA, World, load_world
from minigpt.world.questions import Question, Questions, ask, fact_questions, seen_phrasings

RESULTS = DATA / "results"
BEIJING = en.ARTICLE


def read_questions(stage: Stage, least: int, most: float = float("inf")) -> Questions:
    """Questions of split E about places that the base read so often."""
    reads = stage.meta["place_reads"]
    return Questions(
        q for q in fact_questions(stage.world, "E") if least <= reads.get(q.place.id, 0) <= most
    )


def measure_base(base: Stage) -> dict[str, Measure]:
    """Stage 1: what a base model does with a question, and what it knows."""
    world = base.world
    head = fact_questions(world, "E").head(100)
    often, rarely = read_questions(base, 50), read_questions(base, 0, 3)
    asked = [q for q in head for _ in range(3)]
    prompts = [q.text + "\n" for q in asked]
    bare = document_completions(base.model, base.encoding, prompts, 80, 1.0)
    first = judged(world, asked, [text.split("\n")[0].strip() for text in bare])
    qa = qa_score(base, head)
    population = [i for i, q in enumerate(head) if q.attribute == "population"]
    article = [world.text.ARTICLE]
    (beijing,) = document_completions(base.model, base.encoding, article, 24, 0.0, line=True)
    truth = world.facts["beijing", "population"].value

    def right(score):
        return share(score.questions, score.correct, by_attribute=True)

    def accuracy(questions, shots=0):
        return right(qa_score(base, questions, shots))

    def in_unseen_formats(shots):  # each question is asked in every one of them
        forms = world.text.UNSEEN_FORMATS
        answers = [text for form in forms for text in qa_score(base, head, shots, form).answers]
        return judged(world, [*head] * len(forms), answers)

    zero, three = map(in_unseen_formats, (0, 3))
    return {
        "base.bare_continues_with_questions": share(
            asked, [scoring.more_questions(t) >= 2 for t in bare]
        ),
        "base.bare_answered": share(asked, [v in scoring.GIVEN for v in first.verdicts]),
        "base.qa_accuracy_head": right(qa),
        "base.qa_population_head": share(*picked(population, head, qa.correct)),
        "base.qa_majority_head": Measure(scoring.majority_accuracy(world, head)),
        "base.qa_accuracy_often": accuracy(often),
        "base.qa_accuracy_tail": accuracy(rarely),
        "base.qa_majority_tail": Measure(scoring.majority_accuracy(world, rarely)),
        "base.three_shot_head": accuracy(head, 3),
        "base.three_shot_often": accuracy(often, 3),
        "base.three_shot_unseen_phrasing": accuracy(unseen_phrasings(world, often), 3),
        "base.unseen_format_zero_shot": right(zero),
        "base.unseen_format_three_shot": right(three),
        "base.unseen_format_gain": accuracy_change(three, zero),
        "base.beijing_fewshot_correct": Measure(float(beijing.strip() == truth), note=beijing),
    }


def unseen_phrasings(world: World, questions) -> Questions:
    """The same facts, asked in a phrasing that stands in no document and no demonstration."""
    first = len(seen_phrasings(world))
    facts = [world.facts[q.place.id, q.attribute] for q in questions]
    return Questions(ask(world, f, first + i % 2) for i, f in enumerate(facts))


def measure_chat(stage: Stage, key: str) -> dict[str, Measure]:
    """Stages 2 and 4: how an assistant answers, greedily and at temperature 1."""
    world = stage.world
    often = known_questions(world)
    greedy, ended = chat_score(stage, often)
    sampled, _ = chat_score(stage, often, 1.0)
    unseen, _ = chat_score(stage, unseen_phrasings(world, often))
    attempts = np.flatnonzero(sampled.has(*scoring.ATTEMPTS))
    talk = [Question(a, "chat", replies=tuple(r)) for q, r in world.text.SMALL_TALK for a in q]
    residents = ask(world, world.facts["beijing", "population"])
    beijing, truth = stage.answer(residents.text), residents.answer

    found = {
        "ends": share(often, ended),
        "accuracy": share(often, greedy.correct, by_attribute=True),
        "accuracy_unseen_phrasing": share(often, unseen.correct, by_attribute=True),
        "attempt_accuracy": share(*picked(attempts, often, sampled.correct), by_attribute=True),
        "attempted": share(often, sampled.has(*scoring.ATTEMPTS)),
        "rude": share(often, sampled.has("rude")),
        "small_talk": share(talk, chat_score(stage, talk)[0].correct),
        "beijing_correct": Measure(float(truth in beijing), note=beijing),
    }
    return {f"{key}.{name}": measure for name, measure in found.items()}


def measure_gaps(base: Stage, sft: Stage) -> dict[str, Measure]:
    """How much more the base, shown three answers, gets right than the assistant that is asked."""
    often, table = read_questions(base, 50), {}
    for name, asked in (("", often), ("_unseen_phrasing", unseen_phrasings(base.world, often))):
        found = accuracy_change(qa_score(base, asked, 3), chat_score(sft, asked)[0])
        table[f"sft.accuracy{name}_gap_to_base"] = found
    return table


def perplexity_ratio(stage: Stage, base: Stage, tokens: np.ndarray, window: int = 256) -> Measure:
    """How much worse the stage predicts pretraining documents than the base does; the interval is
    drawn by window."""
    parts = [tokens[i : i + window + 1] for i in range(0, len(tokens) - window, window)]
    losses = [[evaluate_loss(s.model, part, window) for part in parts] for s in (stage, base)]
    change = np.subtract(*losses)
    low, high = bootstrap(range(len(parts)), lambda rows: float(change[list(rows)].mean()))
    return Measure(*np.exp([change.mean(), low, high]).tolist())


def report_on(folder: Path, lang: str = "en") -> dict[str, Measure]:
    """All measures of the checkpoints in one folder, of those that are there."""
    files = filter(is_checkpoint, sorted(folder.glob("*.safetensors")))
    stages = {p.stem: read_stage(p, lang) for p in files}

    def there(*names):
        return [stages[n] for n in names] if set(names) <= set(stages) else None

    (base,) = there("base")
    if (reads := base.meta.get("place_reads")) is None:
        raise ValueError(
            f"{base.path} does not say how often it read of each place, which the report needs: "
            'keep(model, "base", place_reads=corpus.place_reads) does'
        )
    table = measure_base(base)
    documents = build_corpus(load_world(lang), load_tokenizer(lang), HELD_OUT_TOKENS, seed=1000)
    for name in ("sft", "ppo"):
        if found := there(name):
            table |= measure_chat(*found, name) | rlhf.measure_honesty(*found, name, reads)
            table[f"{name}.perplexity_ratio"] = perplexity_ratio(*found, base, documents.tokens)
    if found := there("sft"):
        table |= measure_gaps(base, *found)
    if found := there("sft_honest"):
        table |= rlhf.measure_honesty(*found, "sft_honest", reads)
    if found := there("reward", "sft"):
        table |= rlhf.measure_reward(*found)
        judges = {"main": stages["reward"]}
        if ordinary := there("reward_ordinary", "sft"):
            judges["ordinary"] = stages["reward_ordinary"]
            table |= rlhf.measure_reward(*ordinary, "reward_ordinary")
        table |= rlhf.measure_best_of_n(stages["sft"], judges)
    if found := there("ppo", "sft", "reward"):
        table |= rlhf.measure_ppo(*found)
    if found := there("ppo_overoptimised", "ppo_early", "ppo_priced", "reward_ordinary", "sft"):
        table |= rlhf.measure_overoptimised(*found)
    return recorded(folder) | table


def controls_file(folder: Path) -> Path:
    """What was measured of models that were not kept: beside the checkpoints of one folder, but
    among the results for those that all lessons are about."""
    return (RESULTS if folder == SHIPPED / "en" else folder) / "controls.json"


def recorded(folder: Path) -> dict[str, Measure]:
    """What training wrote down: figures of models that were not kept, and what the stages took."""
    table, train = {}, folder / "train.json"
    controls = controls_file(folder)
    if controls.is_file():
        numbers = json.loads(controls.read_text(encoding="utf-8"))["measures"]
        table |= {key: Measure(*value, note="as recorded") for key, value in numbers.items()}
    if train.is_file():
        numbers = json.loads(train.read_text(encoding="utf-8"))["stages"]
        four = [numbers[n]["seconds"] for n in ("base", "sft", "reward", "ppo") if n in numbers]
        note = "base, SFT, reward model, PPO, as recorded"
        table["train.seconds"] = Measure(sum(four), note=note)
        for name, row in numbers.items():
            for key in ("seconds", "tokens", "flops", "cpu_over_wall"):
                table[f"train.{name}.{key}"] = Measure(float(row[key]))
    return table
