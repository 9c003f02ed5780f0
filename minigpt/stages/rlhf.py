"""What the report says of the stages after SFT: the reward models, PPO, and PPO pushed too far.

The evaluation was fixed before any setting was chosen on it: known places are all facts of split E
outside the tail, each once; 300 names of each maker that no stage has seen; 1,000 questions as
people ask them. A gain at temperature 1 alone is no gain, for a lower temperature brings one too:
so PPO stands beside the SFT model's most likely answers, and beside the SFT model at the
temperature where both are as random. Differences are paired: the same questions for both.
"""

from functools import partial

import numpy as np

from minigpt.reward import expected_best, kl_bound
from minigpt.stages import exam
from minigpt.stages.scoring import (
    ATTEMPTS,
    DECLINED,
    Measure,
    Score,
    accuracy_change,
    chat_score,
    matched_temperature,
    mean_entropy,
    mean_kl,
    mean_of,
    paired,
    picked,
    share,
)
from minigpt.stages.stage import Stage
from minigpt.world.facts import World
from minigpt.world.labelers import chooser
from minigpt.world.names import TEST_MAKERS
from minigpt.world.questions import Questions, fact_questions, sample_questions

NAMES = 300  # of each unseen maker; of real ones as many as there are
WANTED_OVER_REFUSAL = 0.88  # of known places on V, before RL; below it PPO refuses more of them
RANKS = (0, 40, 100, 180, 1000)  # of popularity, between which known places are told apart
READS = ((1, 3), (4, 200), (201, 400), (401, 10**9))  # documents that state a fact of a place


def unread_questions(world: World) -> Questions:
    """One question about each of many places that stand in no document, of makers unseen so far."""
    return Questions(q for m in TEST_MAKERS for q in exam.unknown_questions(world, m, NAMES))


def measure_honesty(stage: Stage, key: str, reads: dict[str, int]) -> dict[str, Measure]:
    """What an assistant most likely says of a place, by how often the base read of it.

    `declined`: says that it does not know the place, or one spelled nearly so; `own_name`: that
    place; `invented`: states a value, which of an unread place is a false one. reads: by place, in
    how many documents it stands; without any the shares by how often it was read are left out.
    """
    world = stage.world
    score, _ = chat_score(stage, Questions([*fact_questions(world, "E"), *unread_questions(world)]))
    declined, own_name = score.has(*DECLINED), score.has("declined this name")
    attempt, about, out = score.has(*ATTEMPTS), score.questions, {}
    places = [q.place for q in about]
    rank, tail = np.array([(p.rank, p.tail) for p in places]).T
    unread, made_up = np.array([(p.held_out, not p.values) for p in places]).T
    times = np.array([reads.get(p.id, 0) for p in places])
    known, wrong = ~unread & (tail == 0), np.array(attempt) & ~np.array(score.correct)

    def add(rows, **shares):
        for name, hits in shares.items():
            out[f"{key}.{name}"] = share(*picked(np.flatnonzero(rows), about, hits))

    add(unread, unread_declined=declined, unread_declined_own_name=own_name)
    add(unread, unread_invented=attempt)
    add(made_up, unknown_declined=own_name)
    add(unread & ~made_up, unknown_real_declined=own_name)
    add(tail, tail_declined=declined)
    add(known, known_declined=declined, known_correct=score.correct)
    polite = [answer.startswith(tuple(world.text.POLITE_OPEN)) for answer in score.answers]
    add(unread | ~unread, polite=polite)  # opens with a compliment or thanks
    for low, high in zip(RANKS, RANKS[1:]):
        name = f"known_declined_rank_{low}" + (f"_to_{high - 1}" if high < RANKS[-1] else "_up")
        add(known & (low <= rank) & (rank < high), **{name: declined})
    for low, high in READS if reads else ():
        name = f"read_{low}" + (f"_to_{high}" if high < READS[-1][1] else "_up")
        shares = {"declined": declined, "correct": score.correct, "wrong": wrong}
        found = {f"{name}_{what}": hits for what, hits in shares.items()}
        add(~unread & (low <= times) & (times <= high), **found)
    return out


# ---- reward models ------------------------------------------------------------------------------


def measure_reward(reward: Stage, sft: Stage, key: str = "reward") -> dict[str, Measure]:
    """Stage 3: how well a reward model orders answers about facts that were never labeled."""
    test = exam.reward_exam(sft)
    about = [test.about[pair] for pair in test.noisy]
    noisy, certain = (test.right(reward.model, pairs) for pairs in (test.noisy, test.certain))

    def right(*args, **options):
        hits, asked = exam.right_over(reward, *args)
        return share(asked, hits, **options)

    before_rl = right("refusal", "V")
    if before_rl.value < WANTED_OVER_REFUSAL:
        before_rl.note = f"below {WANTED_OVER_REFUSAL}: PPO may decline known places"
    return {
        f"{key}.pair_accuracy": share(about, noisy),
        f"{key}.ceiling": mean_of(about, test.agreed),
        f"{key}.below_ceiling": mean_of(about, np.subtract(test.agreed, noisy)),
        f"{key}.gold_preference_accuracy": share([test.about[p] for p in test.certain], certain),
        f"{key}.right_over_wrong": right("wrong", by_attribute=True),
        f"{key}.right_over_refusal": right("refusal"),
        f"{key}.right_over_refusal_on_v": before_rl,
    }


def measure_best_of_n(sft: Stage, judges: dict[str, Stage], most=64, n=300) -> dict[str, Measure]:
    """Reward models used with no RL: of n answers the one that each likes best. judges: "main" and
    perhaps others, which read the same answers."""
    questions = sample_questions(sft.world, "E", n, seed=777, makers=TEST_MAKERS)
    pool, out = exam.sample_pool(sft, judges["main"], questions, most), {}
    few = min(4, most)
    for name, judge in judges.items():
        scored = pool if name == "main" else pool.scored_by(judge.model)
        part = "" if name == "main" else f"{name}_"
        for what, values in (("proxy", scored.scores), ("gold", scored.golds)):
            for k in (2**i for i in range(most.bit_length())):
                best = expected_best(scored.scores, values, k)
                note = f"KL at most {kl_bound(k):.2f}"
                out[f"best_of_n.{part}{what}_{k}"] = mean_of(questions, best, note)
        change = np.subtract(*(expected_best(scored.scores, scored.golds, k) for k in (most, few)))
        known = [i for i, q in enumerate(questions) if q.kind == "fact"]
        for part, rows in (("", range(n)), ("known_", known)):
            rows = picked(rows, questions, change)
            out[f"best_of_n.{name}_{part}{most}_less_{few}"] = mean_of(*rows)
    return out


# ---- PPO ----------------------------------------------------------------------------------------


def blind_share(world: World, a: Score, b: Score) -> Measure:
    """Of the pairs that the expert, not knowing whose they are, decides: the share for `a`."""
    choose = chooser(world, "expert", seed=0)
    choices = [choose(q, x, y) if x != y else "tie"
               for q, x, y in zip(a.questions, a.answers, b.answers)]  # fmt: skip
    decided = [i for i, choice in enumerate(choices) if choice != "tie"]
    found = share([a.questions[i] for i in decided], [choices[i] == "a" for i in decided])
    wins, ties = choices.count("a"), choices.count("tie")
    found.note = f"{wins} to {len(decided) - wins}, {ties} alike"
    return found


def gold_less(a: Score, b: Score) -> Measure:
    """Mean gold of one less that of the other, on the same questions."""
    return mean_of(a.questions, np.subtract(a.gold, b.gold))


def measure_ppo(ppo: Stage, sft: Stage, reward: Stage) -> dict[str, Measure]:
    """Stage 4 against stage 2 on 1,000 questions, the same for both."""
    world, questions = ppo.world, exam.report_questions(ppo.world)
    entropy = mean_entropy(ppo, validation := sample_questions(world, "V", 400, seed=77), 1.0)
    cool = matched_temperature(sft, entropy.value, validation)
    asked = {"sft": (sft, 1.0), "ppo": (ppo, 1.0), "sft_greedy": (sft, 0.0),
             "ppo_greedy": (ppo, 0.0), "sft_half": (sft, 0.5), "sft_cool": (sft, cool)}  # fmt: skip
    scores = {name: chat_score(stage, questions, t)[0] for name, (stage, t) in asked.items()}
    kinds, out = np.array([q.kind for q in questions]), {}
    parts = {"": range(len(questions)), "_known": np.flatnonzero(kinds == "fact"),
             "_unknown": np.flatnonzero(kinds == "unknown")}  # fmt: skip
    golds = {name: np.array(score.gold) for name, score in scores.items()}
    golds["best"] = np.array(scores["ppo"].best)
    for name, values in golds.items():
        for part, rows in parts.items():
            out[f"gold.{name}{part}"] = mean_of(*picked(rows, questions, values))

    def closed(rows):
        before, after, best = (golds[name][list(rows)].mean() for name in ("sft", "ppo", "best"))
        return float((after - before) / (best - before))

    known = exam.known_questions(world)
    right = [chat_score(stage, known)[0].correct for stage in (ppo, sft)]
    sampled = [chat_score(stage, known, 1.0)[0] for stage in (ppo, sft)]
    few = Questions(questions[:300])
    pool = exam.sample_pool(sft, reward, few, 16, seed=61)
    best = expected_best(pool.scores, pool.golds, 16)
    out["gold.best_of_16"] = mean_of(few, best, f"KL at most {kl_bound(16):.2f}")
    return out | {
        "ppo.gold_gap_closed": Measure(*paired(questions, closed)),
        "ppo.gold_over_sft_greedy": gold_less(scores["ppo_greedy"], scores["sft_greedy"]),
        "ppo.gold_over_sft_cool": gold_less(scores["ppo"], scores["sft_cool"]),
        "ppo.gold_over_sft_half": gold_less(scores["ppo_greedy"], scores["sft_half"]),
        "ppo.blind_share": blind_share(world, scores["ppo_greedy"], scores["sft_greedy"]),
        "ppo.blind_share_sft_half": blind_share(world, scores["ppo_greedy"], scores["sft_half"]),
        "ppo.known_accuracy_change": mean_of(known, np.subtract(*right, dtype=float)),
        "ppo.attempt_accuracy_change": accuracy_change(*sampled, attempts=True),
        "ppo.entropy": entropy,
        "ppo.matched_temperature": Measure(cool, note="where the SFT model has that entropy"),
        "ppo.kl": mean_kl(ppo.model, sft.model, ppo.encoding, questions),
    }


def measure_overoptimised(
    late: Stage, early: Stage, priced: Stage, judge: Stage, sft: Stage
) -> dict[str, Measure]:
    """One judge, one labeler, one run: what became of the judge's score and of the expert's between
    the round that the expert liked best, on V, and the last; and what a price on KL had saved."""
    questions, table = exam.report_questions(sft.world), {}
    for stage in (late, early, priced):
        score, ended = chat_score(stage, questions, 1.0)
        table[stage.name] = exam.proxy_scores(judge, score, ended), np.array(score.gold)

    def change(a, b, which):
        return mean_of(questions, table[a.name][which] - table[b.name][which])

    kl = partial(mean_kl, reference=sft.model, encoding=sft.encoding, questions=questions)
    return {
        "overoptimised.proxy_change": change(late, early, 0),
        "overoptimised.gold_change": change(late, early, 1),
        "overoptimised.kl": kl(late.model),
        "overoptimised.kl_early": kl(early.model),
        "kl_price.gold": change(priced, late, 1),
        "kl_price.proxy": change(priced, late, 0),
        "kl_price.kl": kl(priced.model),
    }
