"""What the report says of each stage, measured on facts of split E against the known truth.

Each function takes loaded stages and returns {key: Measure}. Shares are fractions. Intervals are
95 % bootstrap intervals, drawn by entity, for the questions about one place hang together.
"""

import random
from dataclasses import dataclass

import numpy as np
import torch

from minigpt.engine.answers import answer_mask, kl_and_entropy
from minigpt.engine.batching import pad_right
from minigpt.model import GPT
from minigpt.ppo import PPOConfig, token_logprobs
from minigpt.pretrain import evaluate_loss
from minigpt.reward import (
    best_of_n,
    kl_bound,
    reward_input,
    reward_inputs,
    sample_answers,
    score_all,
)
from minigpt.sft import answer_text, chat_answer, chat_prompt
from minigpt.stages.scoring import (
    Score,
    bootstrap,
    chat_answers,
    document_completions,
    few_shots,
    judged,
    macro,
    majority_accuracy,
    more_questions,
    qa_prompt,
)
from minigpt.stages.stage import Stage
from minigpt.world.facts import World
from minigpt.world.judge import gold, judge
from minigpt.world.labelers import LABELERS, rank, utility
from minigpt.world.names import TEST_MAKERS, unknown_places
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
ATTEMPTS = ("correct", "wrong value", "wrong subject", "several values")


@dataclass
class Measure:
    """A number, its 95 % interval where it has one, and what it is."""

    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


def entity(question: Question) -> str:
    return question.place.id if question.place else question.text


def share(
    questions: list[Question], hits: list[bool], note: str = "", by_attribute=False
) -> Measure:
    """A share with its interval; `by_attribute`: the mean of the attributes' shares."""
    hits = list(map(bool, hits))
    if not hits:
        return Measure(float("nan"), note=note or "nothing to count")

    def statistic(rows):
        if by_attribute:
            return macro([questions[i] for i in rows], [hits[i] for i in rows])
        return float(np.mean([hits[i] for i in rows]))

    low, high = bootstrap([entity(q) for q in questions], statistic, 300)
    return Measure(statistic(range(len(hits))), low, high, note)


def read_questions(stage: Stage, least: int, most: float = float("inf")) -> Questions:
    """Questions of split E about places that the base read so often."""
    reads = stage.meta["place_reads"]
    return Questions(
        q for q in fact_questions(stage.world, "E") if least <= reads.get(q.place.id, 0) <= most
    )


def qa_score(stage: Stage, questions, shots=0, form="Q: {q}\nA:{a}") -> Score:
    """A base model's greedy answers to questions put as a document with a gap."""
    prompts = [qa_prompt(q, few_shots(stage.world, q, shots), form) for q in questions]
    lines = document_completions(stage.model, stage.encoding, prompts, 24, 0.0, line=True)
    return judged(stage.world, questions, [line.strip() for line in lines])


def measure_base(base: Stage) -> dict[str, Measure]:
    """Stage 1: what a base model does with a question, and what it knows."""
    world = base.world
    head = fact_questions(world, "E").head(100)
    bare = document_completions(
        base.model, base.encoding, [q.text + "\n" for q in head for _ in range(3)], 80, 1.0
    )
    asked = [q for q in head for _ in range(3)]
    first = judged(world, asked, [text.split("\n")[0].strip() for text in bare])
    answered = [v in ("correct", "wrong value", "several values") for v in first.verdicts]
    qa, three = qa_score(base, head), qa_score(base, head, 3)
    often, rarely = read_questions(base, 50), read_questions(base, 0, 3)
    population = [i for i, q in enumerate(head) if q.attribute == "population"]
    forms = world.text.UNSEEN_FORMATS  # each question is asked in every one of them
    zero, shown = (
        [hit for form in forms for hit in qa_score(base, head, shots, form).correct]
        for shots in (0, 3)
    )
    beijing = document_completions(base.model, base.encoding, [BEIJING], 24, 0.0, line=True)[0]
    truth = world.facts["beijing", "population"].value
    return {
        "base.bare_continues_with_questions": share(asked, [more_questions(t) >= 2 for t in bare]),
        "base.bare_answered": share(asked, answered),
        "base.qa_accuracy_head": share(head, qa.correct, by_attribute=True),
        "base.qa_population_head": share(
            [head[i] for i in population], [qa.correct[i] for i in population]
        ),
        "base.qa_majority_head": Measure(majority_accuracy(world, head)),
        "base.qa_accuracy_often": share(often, qa_score(base, often).correct, by_attribute=True),
        "base.qa_accuracy_tail": share(rarely, qa_score(base, rarely).correct, by_attribute=True),
        "base.qa_majority_tail": Measure(majority_accuracy(world, rarely)),
        "base.three_shot_head": share(head, three.correct, by_attribute=True),
        "base.three_shot_often": share(often, qa_score(base, often, 3).correct, by_attribute=True),
        "base.three_shot_unseen_phrasing": share(
            often, qa_score(base, unseen_phrasings(world, often), 3).correct, by_attribute=True
        ),
        "base.unseen_format_zero_shot": share([*head] * len(forms), zero, by_attribute=True),
        "base.unseen_format_three_shot": share([*head] * len(forms), shown, by_attribute=True),
        "base.beijing_fewshot_correct": Measure(float(beijing.strip() == truth), note=beijing),
    }


def chat_score(stage: Stage, questions, temperature=0.0, seed=0) -> tuple[Score, list[bool]]:
    """An assistant's answers, judged, and whether each ended by itself."""
    texts = [q.text for q in questions]
    answers, ended = chat_answers(stage.model, stage.encoding, texts, temperature, seed)
    return judged(stage.world, questions, answers), ended


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
    attempts = [i for i, v in enumerate(sampled.verdicts) if v in ATTEMPTS]
    made_up, _ = chat_score(stage, unknown_questions(world, "syllables"))
    real, _ = chat_score(stage, unknown_questions(world, "real"))
    talk = [
        Question(a, "chat", replies=tuple(r)) for asks, r in world.text.SMALL_TALK for a in asks
    ]
    talked, _ = chat_score(stage, talk)
    beijing = stage.answer("What is the population of Beijing?")
    own = [v == "declined this name" for v in made_up.verdicts]
    hits = lambda score, verdict: [v == verdict for v in score.verdicts]  # noqa: E731
    refused = [v.startswith("declined") for v in greedy.verdicts]
    return {
        f"{key}.ends": share(often, ended),
        f"{key}.accuracy": share(often, greedy.correct, by_attribute=True),
        f"{key}.accuracy_unseen_phrasing": share(
            often, chat_score(stage, unseen_phrasings(world, often))[0].correct, by_attribute=True
        ),
        f"{key}.attempt_accuracy": share(
            [often[i] for i in attempts], [sampled.correct[i] for i in attempts], by_attribute=True
        ),
        f"{key}.attempted": Measure(len(attempts) / len(often)),
        f"{key}.rude": share(often, hits(sampled, "rude")),
        f"{key}.unknown_declined": share(made_up.questions, own),
        f"{key}.unknown_real_declined": share(real.questions, hits(real, "declined this name")),
        f"{key}.known_declined": share(often, refused),
        f"{key}.small_talk": share(talk, talked.correct),
        f"{key}.beijing_correct": Measure(
            float(world.facts["beijing", "population"].value in beijing), note=beijing
        ),
    }


def perplexity_ratio(stage: Stage, base: Stage, tokens: np.ndarray) -> Measure:
    """How much worse the stage predicts pretraining documents than the base does."""
    change = evaluate_loss(stage.model, tokens) - evaluate_loss(base.model, tokens)
    return Measure(float(np.exp(change)))


def inputs_of(stage: Stage, questions, answers) -> list[list[int]]:
    """What the reward model reads for each question and answer."""
    encoding = stage.encoding
    return [
        reward_input(encoding, chat_prompt(encoding, q.text), chat_answer(encoding, a))
        for q, a in zip(questions, answers)
    ]


def report_questions(world: World, n: int = 1000) -> Questions:
    """Questions as people would ask them, of split E; three in ten about places that nobody has
    written about, from the two makers that no stage has seen."""
    return sample_questions(world, "E", n, seed=4242, makers=TEST_MAKERS)


def measure_reward(reward: Stage, sft: Stage, labeler="expert") -> dict[str, Measure]:
    """Stage 3: how well the reward model orders answers about facts that were never labeled."""
    world, encoding = reward.world, reward.encoding
    questions = report_questions(world, 400)
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    samples = sample_answers(sft.model, encoding, prompts, 4, seed=99)
    rng, who = random.Random(f"report/{labeler}"), LABELERS[labeler]
    agreed, certain, ceiling, of_pair, of_certain = [], [], [], [], []
    for question, prompt, answers in zip(questions, prompts, samples):
        texts = [answer_text(encoding, s.ids) for s in answers]
        whole = [i for i, s in enumerate(answers) if s.ended]
        scores = reward.model.score([reward_input(encoding, prompt, s.ids) for s in answers])
        true = [utility(world, who, question, text) for text in texts]
        pairs, _ = rank(world, who, question, texts, rng)
        for i, j in pairs:
            if i in whole and j in whole:
                agreed.append(bool(scores[i] > scores[j]))
                ceiling.append(0.5 if true[i] == true[j] else float(true[i] > true[j]))
                of_pair.append(question)
        for i in whole:
            for j in whole:
                if true[i] - true[j] >= 0.5:
                    certain.append(bool(scores[i] > scores[j]))
                    of_certain.append(question)
    right, about = right_over_wrong(reward)
    return {
        "reward.pair_accuracy": share(of_pair, agreed),
        "reward.ceiling": Measure(float(np.mean(ceiling)) if ceiling else float("nan")),
        "reward.gold_preference_accuracy": share(of_certain, certain),
        "reward.right_over_wrong": share(about, right, by_attribute=True),
    }


def right_over_wrong(reward: Stage) -> tuple[list[bool], list[Question]]:
    """Whether the right value scores above a wrong one of the same attribute, in one sentence."""
    world = reward.world
    rng = random.Random("right over wrong")
    questions = [q for q in fact_questions(world, "E") if not q.place.tail]
    good, bad = [], []
    for q in questions:
        template = rng.choice(world.text.STATEMENTS[q.attribute][:3])
        wrong = rng.choice([v for v in world.values[q.attribute] if v != q.answer])
        good.append(template.format(p=q.place.name, v=q.answer))
        bad.append(template.format(p=q.place.name, v=wrong))
    high = score_all(reward.model, inputs_of(reward, questions, good))
    low = score_all(reward.model, inputs_of(reward, questions, bad))
    return (high > low).tolist(), questions


def paired(questions, statistic, draws=500) -> tuple[float, float, float]:
    """A statistic of row indices and its interval, drawn by entity."""
    low, high = bootstrap([entity(q) for q in questions], statistic, draws)
    return statistic(range(len(questions))), low, high


def proxy_scores(
    reward: Stage, score: Score, ended: list[bool], cut_off: float = PPOConfig.cut_off_reward
) -> np.ndarray:
    """The reward model's score of each answer; a cut-off answer has PPO's fixed penalty."""
    scores = (
        score_all(reward.model, inputs_of(reward, score.questions, score.answers)).cpu().numpy()
    )
    return np.where(ended, scores, cut_off)


def mean_kl(policy: GPT, reference: GPT, encoding, questions, n: int = 200) -> float:
    """Mean KL of the policy from the reference along its own answers, in nats an answer."""
    prompts = [chat_prompt(encoding, q.text) for q in questions[:n]]
    answers = [row[0].ids for row in sample_answers(policy, encoding, prompts, 1, seed=5)]
    return answer_kl(policy, reference, prompts, answers)


@torch.no_grad()
def answer_kl(
    policy: GPT, reference: GPT, prompts: list[list[int]], answers: list[list[int]],
    temperature: float = 1.0, batch: int = 64,
) -> float:  # fmt: skip
    """Mean KL of the policy at a temperature from the reference at 1, in nats an answer.

    Exact over the vocabulary along answers that the policy sampled at that temperature. At 0 the
    policy is certain of its answer, and the KL is the answer's surprisal under the reference.
    """
    total, device = 0.0, policy.embedding.weight.device
    for start in range(0, len(prompts), batch):
        part = slice(start, start + batch)
        idx, last = pad_right([p + a for p, a in zip(prompts[part], answers[part])], device)
        mask, ref = answer_mask(prompts[part], last, idx.shape[1]), reference(idx)
        if temperature:
            kl, _ = kl_and_entropy(policy(idx)[:, :-1] / temperature, ref[:, :-1])
        else:
            kl = -token_logprobs(ref, idx)
        total += (kl * mask).sum().item()
    return total / len(prompts)


def measure_ppo(ppo: Stage, sft: Stage, reward: Stage) -> dict[str, Measure]:
    """Stage 4 against stage 2 on 1,000 questions, the same for both, at temperature 1."""
    questions = report_questions(ppo.world)
    before, _ = chat_score(sft, questions, 1.0)
    after, _ = chat_score(ppo, questions, 1.0)
    cool, _ = chat_score(sft, questions, 0.5)
    b, a, best = (np.array(x) for x in (before.gold, after.gold, before.best))

    def closed(rows):
        rows = list(rows)
        return float((a[rows].mean() - b[rows].mean()) / (best[rows].mean() - b[rows].mean()))

    known = [i for i, q in enumerate(questions) if q.kind == "fact"]
    unknown = [i for i, q in enumerate(questions) if q.kind == "unknown"]
    value, low, high = paired(questions, closed)
    out = {"ppo.gold_gap_closed": Measure(value, low, high)}
    rows = {"sft": b, "ppo": a, "sft_cool": np.array(cool.gold), "best": best}
    for name, gold_of in rows.items():
        out[f"gold.{name}"] = Measure(float(gold_of.mean()))
        out[f"gold.{name}_known"] = Measure(float(gold_of[known].mean()))
        out[f"gold.{name}_unknown"] = Measure(float(gold_of[unknown].mean()))
    few = questions[:300]
    chosen, kl_bound = best_of_answers(sft, reward, few, 16)
    out["gold.best_of_16"] = Measure(float(np.mean(chosen.gold)), note=f"KL at most {kl_bound:.2f}")
    out["ppo.kl"] = Measure(
        mean_kl(ppo.model, sft.model, ppo.encoding, questions), note="nats an answer"
    )
    return out


def changes(sft: dict, ppo: dict) -> dict[str, Measure]:
    """PPO's accuracies less SFT's, from what `measure_chat` says of each."""
    return {
        "ppo.greedy_accuracy_change": Measure(
            ppo["ppo.accuracy"].value - sft["sft.accuracy"].value
        ),
        "ppo.attempt_accuracy_change": Measure(
            ppo["ppo.attempt_accuracy"].value - sft["sft.attempt_accuracy"].value
        ),
    }


def measure_overoptimised(over: Stage, ppo: Stage, sft: Stage, reward: Stage) -> dict[str, Measure]:
    """PPO with no price on KL against PPO: the score of the reward model that it was trained
    against, which has seen few comparisons, goes up, and the expert's down."""
    questions = report_questions(ppo.world)
    scores = {s.name: chat_score(s, questions, 1.0) for s in (over, ppo, sft)}
    proxies = {name: proxy_scores(reward, *pair) for name, pair in scores.items()}
    golds = {name: np.array(pair[0].gold) for name, pair in scores.items()}

    def gain(table):
        return lambda rows: float((table[over.name] - table[ppo.name])[list(rows)].mean())

    proxy = Measure(*paired(questions, gain(proxies)))
    gold_gain = Measure(*paired(questions, gain(golds)))
    earned = float((golds[ppo.name] - golds[sft.name]).mean())
    return {
        "overoptimised.proxy_gain": proxy,
        "overoptimised.gold_gain": gold_gain,
        "overoptimised.gold_gain_upper": Measure(gold_gain.high),
        "overoptimised.share_of_gain_lost": Measure(
            -gold_gain.value / earned if earned else float("nan")  # PPO had gained nothing to lose
        ),
        "overoptimised.kl": Measure(
            mean_kl(over.model, sft.model, over.encoding, questions), note="nats an answer"
        ),
    }


def best_of_answers(sft: Stage, reward: Stage, questions, n: int) -> tuple[Score, float]:
    """The best scored of `n` sampled answers to each question, judged; and the bound on its KL."""
    encoding = sft.encoding
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    samples = sample_answers(sft.model, encoding, prompts, n, seed=61)
    flat = [ids for row in reward_inputs(encoding, prompts, samples) for ids in row]
    best = best_of_n(score_all(reward.model, flat).view(len(questions), n), n).tolist()
    answers = [answer_text(encoding, row[i].ids) for row, i in zip(samples, best)]
    return judged(sft.world, questions, answers), kl_bound(n)


def measure_best_of_n(
    sft: Stage, reward: Stage, most: int = 64, n: int = 150
) -> dict[str, Measure]:
    """The reward model used with no RL: of n answers the best scored, on known places alone."""
    world, encoding = sft.world, sft.encoding
    questions = sample_questions(world, "E", n, seed=777, unknown=0.0)
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    samples = sample_answers(sft.model, encoding, prompts, most, seed=31)
    flat = [ids for row in reward_inputs(encoding, prompts, samples) for ids in row]
    scores = score_all(reward.model, flat).view(n, most).cpu()
    ended = torch.tensor([[s.ended for s in row] for row in samples])
    scores = torch.where(ended, scores, torch.tensor(PPOConfig.cut_off_reward))
    golds = torch.tensor([
        [gold(q, judge(world, q, answer_text(encoding, s.ids))) for s in row]
        for q, row in zip(questions, samples)
    ])  # fmt: skip
    out, peak = {}, None
    for k in [2**i for i in range(int(np.log2(most)) + 1)]:
        best = best_of_n(scores, k)[:, None]
        proxy, true = scores.gather(1, best).mean().item(), golds.gather(1, best).mean().item()
        out[f"best_of_n.proxy_{k}"] = Measure(proxy)
        out[f"best_of_n.gold_{k}"] = Measure(true, note=f"KL at most {kl_bound(k):.2f}")
        if peak is None or true > peak[1]:
            peak = k, true
    out["best_of_n.gold_peak_n"] = Measure(float(peak[0]))
    out["best_of_n.fall_from_peak"] = Measure(peak[1] - out[f"best_of_n.gold_{most}"].value)
    return out
