"""The course's own runs: how each shipped checkpoint is made.

`python3 -m minigpt train` runs these; the notebooks show the same steps one at a time. Each stage
starts from its parent's saved file, so a notebook that starts from the shipped parent gets the
same child. Under torchrun the processes share base and SFT, and rank 0 alone does the rest.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import numpy as np

from minigpt.engine.optim import make_optimizer
from minigpt.engine.parallel import any_rank, is_first, over_ranks, replicated
from minigpt.model import GPT, GPTConfig
from minigpt.ppo import PPOConfig, ppo
from minigpt.pretrain import evaluate_loss, pretrain
from minigpt.reward import RewardModel, normalise, reward_inputs, train_reward
from minigpt.sft import introduce_chat_tokens, sft
from minigpt.stages.exam import report_questions, sampled_score
from minigpt.stages.folder import Course
from minigpt.stages.from_labels import simulated_pairs
from minigpt.stages.recipe import SNAPSHOTS
from minigpt.stages.scoring import chat_score, mean_kl
from minigpt.stages.sizes import flops_per_token
from minigpt.stages.stage import Stage
from minigpt.store.checkpoint import file_hash
from minigpt.store.files import atomic_write
from minigpt.store.resume import SUFFIX, Progress, fingerprint
from minigpt.world.contractors import CLEAN, CLEAN_UNKNOWN
from minigpt.world.labelers import chooser
from minigpt.world.questions import Questions


def run(course: Course, stage: str) -> None:
    """Run one of the four stages; with `resume` only if it is not finished."""
    done = course.resume and is_first() and course.finished(stage)
    if stage in ("base", "sft"):  # the others are rank 0's alone
        done = any_rank(done)
    if done:
        course.say(f"{stage}: finished before, {course.path(stage).name} stays as it is")
    else:
        STAGES[stage](course)


def clock() -> tuple[float, float]:
    """Wall clock and CPU time, as `Course.record` takes them."""
    return time.perf_counter(), time.process_time()


def follow(course: Course, steps, name: str, every: int = 20) -> Iterator:
    """Iterate over a run and say now and then how it goes."""
    begin, before = time.perf_counter(), None
    for step in steps:
        if before is None:  # tokens that were read before this run went on
            before = step.tokens * (step.step - 1) // step.step
        yield step
        if step.step % every == 0 or step.step == step.steps:
            rate = (step.tokens - before) / (time.perf_counter() - begin)
            extra = f" reward {step.reward:.2f} KL {step.kl:.2f}" if hasattr(step, "kl") else ""
            course.say(
                f"{name} {step.step}/{step.steps} loss {step.loss:.3f}{extra} "
                f"({rate:,.0f} tokens/s)"
            )


def progress(course: Course, name: str, model: GPT, config, data: str, started) -> Progress:
    """The model with its optimizer; as they were where the stage was broken off, if it was."""
    optimizer = make_optimizer(model, config.muon_lr, config.embedding_lr, config.head_lr)
    parent = None if name == "base" else course.hash("base")
    shape = {f"model's {key}": value for key, value in asdict(model.config).items()}
    identity = {"stage": name, "lang": course.lang, "seed": course.seed, "parent": parent, **shape,
                "dtype": course.dtype_name, **asdict(config), "data": data}  # fmt: skip
    path = course.out / f"{name}{SUFFIX}"
    return Progress(path, model, optimizer, identity, course.resume, course.say, started)


def chat_flops(config: GPTConfig) -> tuple[int, int]:
    """FLOPs to train a model on one token of a chat, and to train a reward model's layers."""
    layers = replace(config, n_layer=2, vocab_size=1)
    return flops_per_token(config, 64), flops_per_token(layers, 64)


def make_base(course: Course) -> None:
    """Stage 1: pretraining, with snapshots; step 0 needs none, its seed makes it again."""
    started, model = clock(), course.new_model()
    config, tokens = course.settings("base"), course.corpus.tokens
    going = progress(course, "base", model, config, fingerprint(tokens), started)
    steps = pretrain(replicated(model), tokens, config, going.optimizer, going.start, over_ranks)
    per_token = flops_per_token(model.config, config.block_size)

    def keep(name, step):
        if not is_first():
            return
        loss = evaluate_loss(model, course.held_out_corpus.tokens, config.block_size)
        meta = {"parent": None, "step": step.step, "tokens": step.tokens,
                "flops": step.tokens * per_token, "metrics": {"held_out_loss": round(loss, 4)},
                "place_reads": dict(course.corpus.place_reads)}  # fmt: skip
        course.save(name, model, config, meta)

    total = len(tokens) // config.block_size // config.batch_size
    wanted = {max(1, int(share * total)) for share in SNAPSHOTS}
    if not going.start and is_first():
        course.make_room(model)
    for step in follow(course, going.kept(steps), "base"):
        if step.step in wanted:
            keep(f"base_step_{step.step:05d}", step)
    last = going.last
    keep("base", last)
    going.done()
    course.record("base", going.begin, tokens=last.tokens, flops=last.tokens * per_token,
                  documents=len(course.corpus.documents))  # fmt: skip


def make_sft(course: Course, name: str = "sft", **habits) -> None:
    """Stage 2: supervised finetuning on the contractors' demonstrations."""
    started = clock()
    model = course.trainable("base") if is_first() else course.new_model()
    introduce_chat_tokens(model, course.encoding)
    config, pairs = course.settings("sft"), course.demonstrations(**habits)
    tokens, pad = course.corpus.tokens, course.encoding.encode_single_token("<|pad|>")
    data = fingerprint(tokens) + fingerprint(pairs)
    going = progress(course, name, model, config, data, started)
    shared, optimizer = replicated(model), going.optimizer
    steps = sft(shared, pairs, tokens, config, pad, optimizer, going.start, over_ranks)
    for _ in follow(course, going.kept(steps), name):
        pass
    n, per_token = going.last.tokens, chat_flops(model.config)[0]
    took = {"tokens": n, "flops": n * per_token, "examples": len(pairs)}
    course.save(name, model, config, {"parent": course.hash("base"), **took, "metrics": {}})
    going.done()
    course.record(name, going.begin, **took)


def make_reward(course: Course, few: bool = False) -> None:
    """Stage 3: the expert's reward model; `few`: from the first `few_prompts` questions alone."""
    started, name = clock(), "reward_few" if few else "reward"
    questions, samples = course.answers_to_compare
    sequences = reward_inputs(course.encoding, course.prompts(questions), samples)
    n = course.recipe.few_prompts if few else len(questions)
    choose = chooser(course.world, "expert", course.seed)
    pairs, ties = simulated_pairs(course.encoding, questions[:n], samples[:n], choose)
    model = RewardModel(course.load("sft").model, seed=course.seed).to(course.device)
    config = course.settings("reward")
    if few:  # smaller batches, or there would be too few updates to learn anything
        config = replace(config, prompts_per_batch=4)
    *_, step = follow(course, train_reward(model, sequences[:n], pairs, config), name)
    normalise(model, [s for answers in sequences[:256] for s in answers])
    whole, layers = chat_flops(model.gpt.config)
    flops = step.tokens * (whole // 3 + layers)  # the SFT model only reads
    took = {"tokens": step.tokens, "flops": flops, "examples": sum(map(len, pairs)), "ties": ties}
    meta = {"parent": course.hash("sft"), "labeler": "expert", **took, "metrics": {}}
    course.save(name, model, config, meta)
    course.record(name, started, **took)


def vote(course: Course, policy: GPT, reward: Stage, questions: Questions) -> dict:
    """The expert's votes and the reward model's score on one sampled answer a question."""
    score, proxy = sampled_score(policy, reward, questions, course.seed)
    gold, mean = (round(float(np.mean(x)), 4) for x in (score.gold, proxy))
    return {"gold": gold, "proxy": mean, "verdicts": dict(sorted(score.counts().items()))}


def make_ppo(
    course: Course, name: str = "ppo", config: PPOConfig | None = None, every: int = 5,
    choose: Callable[[dict], float] = lambda vote: vote["gold"], reward: str = "reward",
) -> None:  # fmt: skip
    """Stage 4: PPO against a reward model. Of the candidates, one every `every` rounds,
    the one is kept that `choose` ranks highest by its votes on V; by default by gold, the
    expert's, which stand for a human evaluation."""
    started, policy, scorer = clock(), course.trainable("sft"), course.load(reward)
    config = course.shortened(config) if config else course.settings("ppo")
    prompts = course.prompts(course.questions("practised"))
    validation = course.questions("validation")
    curve, best, kept = [], None, {}
    steps = ppo(policy, scorer.model, prompts, course.corpus.tokens, course.encoding, config)
    for step in follow(course, steps, name, every):
        if step.step % every == 0 or step.step == step.steps:
            votes = {"step": step.step, **vote(course, policy, scorer, validation)}
            curve.append(votes)
            course.say(f"  {name} on V: {votes}")
            if best is None or choose(votes) > choose(best):
                best = votes
                kept = {key: tensor.clone() for key, tensor in policy.state_dict().items()}
    policy.load_state_dict(kept)
    kl = mean_kl(policy, course.load("sft").model, course.encoding, validation)
    whole, layers = chat_flops(policy.config)
    # Sampled; read by policy, reference and the reward model's SFT model; learned from. The
    # layers of reward and value function read, and the latter's learn.
    flops = step.tokens * ((4 * whole + 2 * layers) // 3 + config.epochs * (whole + layers))
    took = {"tokens": step.tokens, "flops": flops, "examples": config.prompts * step.step}
    found = {"step": best["step"], "curve": curve, "metrics": {"kl": round(kl, 3)}}
    parents = {"parent": course.hash("sft"), "reward": file_hash(scorer.path)}
    course.save(name, policy, config, {**parents, "labeler": "expert", **took, **found})
    course.record(name, started, **took)


STAGES = {"base": make_base, "sft": make_sft, "reward": make_reward, "ppo": make_ppo}


def make_overoptimised(course: Course) -> None:
    """PPO with no price on KL, against a reward model that has seen few comparisons: of its
    checkpoints the one where that model's score and the expert's votes on V are furthest apart.
    The reward model of all comparisons leaves less to exploit."""
    make_reward(course, few=True)
    config = PPOConfig(seed=course.seed, kl_coef=0.0, muon_lr=0.004, lr=4e-4, iterations=60)
    make_ppo(
        course, "ppo_overoptimised", config=config, reward="reward_few",
        choose=lambda vote: vote["proxy"] - vote["gold"],
    )  # fmt: skip


def clean_control(course: Course) -> None:
    """SFT on flawless demonstrations, measured and not kept: what better data would bring."""
    make_sft(course, "sft_clean", habits=CLEAN, unknown_habits=CLEAN_UNKNOWN)
    stage, questions = course.load("sft_clean"), report_questions(course.world)
    gold = float(np.mean(chat_score(stage, questions, 1.0)[0].gold))
    kl = mean_kl(stage.model, course.load("sft").model, course.encoding, questions)
    table = {"gold.sft_clean": round(gold, 4), "kl.sft_clean": round(kl, 3)}
    atomic_write(course.out / "controls.json", json.dumps(table, indent=1).encode("utf-8"))
    course.path("sft_clean").unlink()


def extras(course: Course) -> None:
    """The over-optimised model, and the control."""
    make_overoptimised(course)
    clean_control(course)
