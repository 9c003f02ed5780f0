"""PPO against the first version of it that worked, in this repository's own history.

    git worktree add FOLDER 25ca900
    python tests/benchmarks/ppo.py --long --first FOLDER

Each version trains its own shipped SFT model against its own shipped reward model with its own
settings, both in rounds of 128 answers of at most 40 tokens; three seeds, in turns. The ratio is of
the seconds a round, and then of the seconds until the first version's last gold score was reached
at no more KL. The gold score is the expert's votes on 400 questions, taken every five rounds; what
was gained on the SFT model stands in the note, as means over the seeds.
"""

import json
import os
import subprocess
import sys
from statistics import mean, median

from side_by_side import Row, main, skipped

from minigpt.store.files import ROOT

SEEDS, GOAL, STRETCH = 3, 2.0, 4.0
RUN = """
import json, sys, time
from minigpt.stages.train import Course, vote
from minigpt.engine.device import set_threads
from minigpt.stages.stage import SHIPPED
from minigpt.ppo import PPOConfig, ppo
from minigpt.sft import chat_prompt
from minigpt.world.questions import sample_questions
set_threads()
seed = int(sys.argv[1])
course = Course(SHIPPED / "en", seed=seed, say=lambda text: None)
course.recipe.corpus_tokens = 300_000  # for the pretraining term
policy, reward = course.trainable("sft"), course.load("reward")
questions = sample_questions(course.world, "A", course.recipe.rl_prompts, seed + 23)
prompts = [chat_prompt(course.encoding, q.text) for q in questions]
validation = course.questions("validation")
labeler = ["expert"] if "labeler" in vote.__annotations__ else []  # the first version has none
gold = lambda: vote(course, policy, reward, validation, *labeler)["gold"]
args = policy, reward.model, prompts, course.corpus.tokens, course.encoding
run, start, rounds = ppo(*args, PPOConfig(prompts=128, seed=seed)), gold(), []
wall = cpu = 0
while True:
    before = time.perf_counter(), time.process_time()
    step = next(run, None)
    wall, cpu = wall + time.perf_counter() - before[0], cpu + time.process_time() - before[1]
    if step is None:
        break
    if step.step % 5 == 0:
        rounds.append({"step": step.step, "kl": step.kl, "gain": gold() - start})
print(json.dumps({"seconds": wall / rounds[-1]["step"], "share": cpu / wall, "rounds": rounds}))
"""


def train(folder, seed: int) -> dict:
    """One run in a process of its own, with the package that lies in `folder`."""
    env = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", RUN, str(seed)]
    done = subprocess.run(
        command, cwd=folder, env=env, check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return json.loads(done.stdout.splitlines()[-1])


def told(rounds: list[dict]) -> str:
    """The means over the seeds of what was gained, and at what KL."""
    gain, kl, step = (mean(r[key] for r in rounds) for key in ("gain", "kl", "step"))
    return f"+{gain:.2f} at {kl:.2f} nats after {step:.0f} rounds"


def as_good(run: dict, first: dict) -> dict | None:
    """The earliest measured round of a run with no less gold and no more KL than where the first
    version ended; None if there is none."""
    end = first["rounds"][-1]
    good = (r for r in run["rounds"] if r["gain"] >= end["gain"] and r["kl"] <= end["kl"])
    return next(good, None)


def row(name: str, ours: list[float], first: list[float], share: tuple, note: str) -> Row:
    seconds = [median(runs) for runs in (ours, first)]
    ratio = round(seconds[1] / seconds[0], 2)
    rounded = (float(f"{s:.4g}") for s in seconds)
    return Row(name, ratio, GOAL, STRETCH, ratio >= GOAL, len(ours), share, *rounded, note)


def rows(args):
    names = "PPO, a round of 128 answers: the first version", "PPO, to the gold and KL of its end"
    if not args.long or not args.first:
        for name in names:
            yield skipped(name, "takes minutes a run; give --long and --first", GOAL, STRETCH)
        return
    pairs = [(train(ROOT, seed), train(args.first, seed)) for seed in range(SEEDS)]
    ours, first = zip(*pairs, strict=True)
    share = tuple(round(median(run["share"] for run in runs), 2) for runs in (ours, first))
    last = [told([run["rounds"][-1] for run in runs]) for runs in (first, ours)]
    note = f"gold gained: first version {last[0]}; ours {last[1]}"
    yield row(names[0], *([run["seconds"] for run in runs] for runs in (ours, first)), share, note)
    reached = [as_good(*pair) for pair in pairs]
    if None in reached:
        yield skipped(names[1], "one of our seeds has no such round", GOAL, STRETCH)
        return
    needed = [run["seconds"] * r["step"] for run, r in zip(ours, reached, strict=True)]
    whole = [run["seconds"] * run["rounds"][-1]["step"] for run in first]
    yield row(names[1], needed, whole, share, f"ours {told(reached)}")


if __name__ == "__main__":
    main(rows, __doc__)
