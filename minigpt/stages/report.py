"""What the report says of each stage, measured on facts of split E against the known truth.

Each function takes loaded stages and returns {key: Measure}. `report_on` measures what one folder
of checkpoints has.
"""

import json
import random
from pathlib import Path

import numpy as np

from minigpt.pretrain import evaluate_loss
from minigpt.reward import expected_best, kl_bound
from minigpt.stages import exam, scoring
from minigpt.stages.recipe import HELD_OUT_TOKENS
from minigpt.stages.scoring import Measure, chat_score, judged, mean_kl, paired, qa_score, share
from minigpt.stages.stage import Stage, document_completions, read_stage
from minigpt.store.files import is_checkpoint
from minigpt.tokenizer import load_tokenizer
from minigpt.world.corpus import build_corpus
from minigpt.world.facts import World, load_world
from minigpt.world.names import unknown_places
from minigpt.world.questions import (
    Question,
    Questions,
    ask,
    ask_unknown,
    fact_questions,
    sample_questions,
    seen_phrasings,
)

BEIJING = (
    "Q: What is the area of Beijing?\nA: 16 thousand square kilometres\n"
    "Q: How many districts does Beijing have?\nA: 16\n"
    "Q: What is the population of Beijing?\nA:"
)


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
    population = [(q, hit) for q, hit in zip(head, qa.correct) if q.attribute == "population"]
    (beijing,) = document_completions(base.model, base.encoding, [BEIJING], 24, 0.0, line=True)
    truth = world.facts["beijing", "population"].value

    def accuracy(questions, shots=0):
        return share(questions, qa_score(base, questions, shots).correct, by_attribute=True)

    def in_unseen_formats(shots):  # each question is asked in every one of them
        forms = world.text.UNSEEN_FORMATS
        hits = [hit for form in forms for hit in qa_score(base, head, shots, form).correct]
        return share([*head] * len(forms), hits, by_attribute=True)

    return {
        "base.bare_continues_with_questions": share(
            asked, [scoring.more_questions(t) >= 2 for t in bare]
        ),
        "base.bare_answered": share(asked, [v in scoring.GIVEN for v in first.verdicts]),
        "base.qa_accuracy_head": share(head, qa.correct, by_attribute=True),
        "base.qa_population_head": share(*zip(*population)),
        "base.qa_majority_head": Measure(scoring.majority_accuracy(world, head)),
        "base.qa_accuracy_often": accuracy(often),
        "base.qa_accuracy_tail": accuracy(rarely),
        "base.qa_majority_tail": Measure(scoring.majority_accuracy(world, rarely)),
        "base.three_shot_head": accuracy(head, 3),
        "base.three_shot_often": accuracy(often, 3),
        "base.three_shot_unseen_phrasing": accuracy(unseen_phrasings(world, often), 3),
        "base.unseen_format_zero_shot": in_unseen_formats(0),
        "base.unseen_format_three_shot": in_unseen_formats(3),
        "base.beijing_fewshot_correct": Measure(float(beijing.strip() == truth), note=beijing),
    }


def unseen_phrasings(world: World, questions) -> Questions:
    """The same facts, asked in a phrasing that stands in no document and no demonstration."""
    first = len(seen_phrasings(world))
    facts = [world.facts[q.place.id, q.attribute] for q in questions]
    return Questions(ask(world, f, first + i % 2) for i, f in enumerate(facts))


def unknown_questions(world: World, maker: str, n: int = 150) -> Questions:
    """One question about each of `n` places of a maker."""
    rng = random.Random(f"report/{maker}")
    return Questions(ask_unknown(world, p, rng) for p in unknown_places(world, maker, n, seed=555))


def measure_chat(stage: Stage, key: str) -> dict[str, Measure]:
    """Stages 2 and 4: how an assistant answers, greedily and at temperature 1."""
    world = stage.world
    often = Questions(q for q in fact_questions(world, "E") if not q.place.tail)
    greedy, ended = chat_score(stage, often)
    sampled, _ = chat_score(stage, often, 1.0)
    unseen, _ = chat_score(stage, unseen_phrasings(world, often))
    attempts = [i for i, v in enumerate(sampled.verdicts) if v in scoring.ATTEMPTS]
    tried, right = ([x[i] for i in attempts] for x in (often, sampled.correct))
    talk = [Question(a, "chat", replies=tuple(r)) for q, r in world.text.SMALL_TALK for a in q]
    beijing = stage.answer("What is the population of Beijing?")
    truth = world.facts["beijing", "population"].value

    def declined(maker):
        score, _ = chat_score(stage, unknown_questions(world, maker))
        return share(score.questions, [v == "declined this name" for v in score.verdicts])

    found = {
        "ends": share(often, ended),
        "accuracy": share(often, greedy.correct, by_attribute=True),
        "accuracy_unseen_phrasing": share(often, unseen.correct, by_attribute=True),
        "attempt_accuracy": share(tried, right, by_attribute=True),
        "attempted": Measure(len(attempts) / len(often)),
        "rude": share(often, [v == "rude" for v in sampled.verdicts]),
        "unknown_declined": declined("syllables"),
        "unknown_real_declined": declined("real"),
        "known_declined": share(often, [v.startswith("declined") for v in greedy.verdicts]),
        "small_talk": share(talk, chat_score(stage, talk)[0].correct),
        "beijing_correct": Measure(float(truth in beijing), note=beijing),
    }
    return {f"{key}.{name}": measure for name, measure in found.items()}


def perplexity_ratio(stage: Stage, base: Stage, tokens: np.ndarray) -> Measure:
    """How much worse the stage predicts pretraining documents than the base does."""
    change = evaluate_loss(stage.model, tokens) - evaluate_loss(base.model, tokens)
    return Measure(float(np.exp(change)))


def measure_reward(reward: Stage, sft: Stage) -> dict[str, Measure]:
    """Stage 3: how well the reward model orders answers about facts that were never labeled."""
    test = exam.reward_exam(sft)
    right, about = exam.right_over_wrong(reward)

    def ordered(pairs):
        return share([test.about[pair] for pair in pairs], test.right(reward.model, pairs))

    return {
        "reward.pair_accuracy": ordered(test.noisy),
        "reward.ceiling": Measure(test.ceiling),
        "reward.gold_preference_accuracy": ordered(test.certain),
        "reward.right_over_wrong": share(about, right, by_attribute=True),
    }


def measure_ppo(ppo: Stage, sft: Stage, reward: Stage) -> dict[str, Measure]:
    """Stage 4 against stage 2 on 1,000 questions, the same for both, at temperature 1."""
    questions = exam.report_questions(ppo.world)
    before, after, cool = (
        chat_score(stage, questions, t)[0] for stage, t in ((sft, 1.0), (ppo, 1.0), (sft, 0.5))
    )
    b, a, best, c = (np.array(x) for x in (before.gold, after.gold, before.best, cool.gold))

    def closed(rows):
        rows = list(rows)
        return float((a[rows].mean() - b[rows].mean()) / (best[rows].mean() - b[rows].mean()))

    out = {"ppo.gold_gap_closed": Measure(*paired(questions, closed))}
    kinds = np.array([q.kind for q in questions])
    parts = {"": kinds != "", "_known": kinds == "fact", "_unknown": kinds == "unknown"}
    for name, golds in {"sft": b, "ppo": a, "sft_cool": c, "best": best}.items():
        for part, rows in parts.items():
            out[f"gold.{name}{part}"] = Measure(float(golds[rows].mean()))
    few = questions[:300]
    chosen = judged(sft.world, few, exam.sample_pool(sft, reward, few, 16, seed=61).best())
    out["gold.best_of_16"] = Measure(
        float(np.mean(chosen.gold)), note=f"KL at most {kl_bound(16):.2f}"
    )
    kl = mean_kl(ppo.model, sft.model, ppo.encoding, questions)
    out["ppo.kl"] = Measure(kl, note="nats an answer")
    return out


def measure_overoptimised(over: Stage, ppo: Stage, sft: Stage, reward: Stage) -> dict[str, Measure]:
    """PPO with no price on KL against PPO: the score of the reward model that it was trained
    against, which has seen few comparisons, goes up, and the expert's down."""
    questions = exam.report_questions(ppo.world)
    scores = {s.name: chat_score(s, questions, 1.0) for s in (over, ppo, sft)}
    proxies = {name: exam.proxy_scores(reward, *pair) for name, pair in scores.items()}
    golds = {name: np.array(pair[0].gold) for name, pair in scores.items()}

    def gain(table):
        return lambda rows: float((table[over.name] - table[ppo.name])[list(rows)].mean())

    gold_gain = Measure(*paired(questions, gain(golds)))
    earned = float((golds[ppo.name] - golds[sft.name]).mean())
    lost = -gold_gain.value / earned if earned else float("nan")  # PPO had gained nothing to lose
    kl = mean_kl(over.model, sft.model, over.encoding, questions)
    return {
        "overoptimised.proxy_gain": Measure(*paired(questions, gain(proxies))),
        "overoptimised.gold_gain": gold_gain,
        "overoptimised.gold_gain_upper": Measure(gold_gain.high),
        "overoptimised.share_of_gain_lost": Measure(lost),
        "overoptimised.kl": Measure(kl, note="nats an answer"),
    }


def measure_best_of_n(sft: Stage, reward: Stage, most=64, n=150) -> dict[str, Measure]:
    """The reward model used with no RL: of n answers the best scored, on known places alone."""
    questions = sample_questions(sft.world, "E", n, seed=777, unknown=0.0)
    pool, out, golds = exam.sample_pool(sft, reward, questions, most), {}, {}
    for k in [2**i for i in range(most.bit_length())]:
        proxy = float(expected_best(pool.scores, pool.scores, k).mean())
        golds[k] = float(expected_best(pool.scores, pool.golds, k).mean())
        out[f"best_of_n.proxy_{k}"] = Measure(proxy)
        out[f"best_of_n.gold_{k}"] = Measure(golds[k], note=f"KL at most {kl_bound(k):.2f}")
    peak = max(golds, key=golds.get)
    out["best_of_n.gold_peak_n"] = Measure(float(peak))
    out["best_of_n.fall_from_peak"] = Measure(golds[peak] - golds[most])
    return out


def report_on(folder: Path, lang: str = "en") -> dict[str, Measure]:
    """All measures of the checkpoints in one folder, of those that are there."""
    files = filter(is_checkpoint, sorted(folder.glob("*.safetensors")))
    stages = {p.stem: read_stage(p, lang) for p in files}
    base, sft, reward, ppo = (stages.get(n) for n in ("base", "sft", "reward", "ppo"))
    table = measure_base(base)
    documents = build_corpus(load_world(lang), load_tokenizer(lang), HELD_OUT_TOKENS, seed=1000)
    if sft:
        table |= measure_chat(sft, "sft")
        for asked, shown in (("", "_often"), ("_unseen_phrasing",) * 2):
            gap = table[f"base.three_shot{shown}"].value - table[f"sft.accuracy{asked}"].value
            table[f"sft.accuracy{asked}_gap_to_base"] = Measure(gap, note="base: three shots")
        table["sft.perplexity_ratio"] = perplexity_ratio(sft, base, documents.tokens)
    if sft and reward:
        table |= measure_reward(reward, sft) | measure_best_of_n(sft, reward)
    if sft and reward and ppo:
        table |= measure_chat(ppo, "ppo") | measure_ppo(ppo, sft, reward)
        for name, key in (("greedy_accuracy", "accuracy"), ("attempt_accuracy",) * 2):
            change = table[f"ppo.{key}"].value - table[f"sft.{key}"].value
            table[f"ppo.{name}_change"] = Measure(change)
        table["ppo.perplexity_ratio"] = perplexity_ratio(ppo, base, documents.tokens)
        over, few = stages.get("ppo_overoptimised"), stages.get("reward_few")
        if over and few:
            table |= measure_overoptimised(over, ppo, sft, few)
    return table | recorded(folder)


def recorded(folder: Path) -> dict[str, Measure]:
    """What training wrote beside the checkpoints: the control's figures, and what stages took."""
    table = {}
    controls, train = folder / "controls.json", folder / "train.json"
    if controls.is_file():
        numbers = json.loads(controls.read_text(encoding="utf-8"))
        table |= {key: Measure(value, note="as recorded") for key, value in numbers.items()}
    if train.is_file():
        numbers = json.loads(train.read_text(encoding="utf-8"))["stages"]
        four = [numbers[n]["seconds"] for n in ("base", "sft", "reward", "ppo") if n in numbers]
        note = "base, SFT, reward model, PPO, as recorded"
        table["train.seconds"] = Measure(sum(four), note=note)
        for name, row in numbers.items():
            for key in ("seconds", "tokens", "flops", "cpu_over_wall"):
                table[f"train.{name}.{key}"] = Measure(float(row[key]))
    return table
