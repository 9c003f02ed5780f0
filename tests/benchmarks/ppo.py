"""PPO against the first version of it that worked, in this repository's own history.

    git worktree add FOLDER 25ca900
    python tests/benchmarks/ppo.py --long --first FOLDER

Each version trains its own shipped SFT model against its own shipped reward model with its own
settings, both in rounds of 128 answers of at most 40 tokens; three seeds, in turns. The ratio is of
the seconds a round. A faster round that learned less would be no gain, so what was gained stands in
the note, as means over the seeds: the expert's votes on 400 questions above the SFT model's, with
the KL of that round; of ours at the end, and where its KL first reached the first version's.
"""

import json
import os
import subprocess
import sys
from statistics import mean, median

from side_by_side import Row, main, skipped

from minigpt.commands.common import ROOT

SEEDS, GOAL, STRETCH = 3, 2.0, 4.0
RUN = """
import json, sys, time
from minigpt.core.course import Course
from minigpt.core.device import set_threads
from minigpt.core.stages import SHIPPED
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
validation = course.validation()
gold = lambda: course.vote(policy, reward, validation)["gold"]
args = policy, reward.model, prompts, course.corpus.tokens, course.encoding
run, start, rounds = ppo(*args, PPOConfig(seed=seed)), gold(), []
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
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def gains(ours: list[dict], first: list[dict]) -> str:
    """What both versions gained, at what KL; each is a list of `train`'s runs, a seed each."""
    pairs = list(zip(ours, first, strict=True))
    same_kl = [
        next((r for r in run["rounds"] if r["kl"] >= other["rounds"][-1]["kl"]), run["rounds"][-1])
        for run, other in pairs
    ]

    def told(rounds: list[dict]) -> str:
        return f"+{mean(r['gain'] for r in rounds):.2f} at {mean(r['kl'] for r in rounds):.2f} nats"

    last = [run["rounds"][-1] for run in first]
    end = [run["rounds"][-1] for run in ours]
    return (
        f"gold gained: first version {told(last)} after {last[0]['step']} rounds; "
        f"ours {told(end)}, "
        f"and {told(same_kl)} after {mean(r['step'] for r in same_kl):.0f} rounds"
    )


def rows(args):
    name = "PPO round of 128 answers: the first version"
    if not args.long or not args.first:
        yield skipped(name, "takes minutes a run; give --long and --first", GOAL, STRETCH)
        return
    pairs = [(train(ROOT, seed), train(args.first, seed)) for seed in range(SEEDS)]
    ours, first = zip(*pairs, strict=True)
    seconds = [median(run["seconds"] for run in runs) for runs in (ours, first)]
    share = tuple(round(median(run["share"] for run in runs), 2) for runs in (ours, first))
    ratio = round(seconds[1] / seconds[0], 2)
    yield Row(
        name, ratio, GOAL, STRETCH, ratio >= GOAL, SEEDS, share,
        *(float(f"{s:.4g}") for s in seconds), gains(ours, first),
    )  # fmt: skip


if __name__ == "__main__":
    main(rows, __doc__)
