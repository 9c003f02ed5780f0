"""The course's own runs: how each shipped checkpoint is made.

`python3 -m minigpt train` runs these; the notebooks show the same steps one at a time. Each stage
starts from its parent's saved file, so a notebook that starts from the shipped parent gets the
same child. Under torchrun the processes share base and SFT, and rank 0 alone does the rest.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import numpy as np

from minigpt.engine.optim import make_optimizer
from minigpt.engine.parallel import any_rank, is_first, over_ranks, replicated
from minigpt.model import GPT, GPTConfig
from minigpt.ppo import PPOConfig, Steps, ppo
from minigpt.pretrain import evaluate_loss, pretrain
from minigpt.reward import RewardModel, normalise, reward_inputs, train_reward
from minigpt.sft import introduce_chat_tokens, sft
from minigpt.stages.exam import sampled_score
from minigpt.stages.folder import Course
from minigpt.stages.from_labels import simulated_pairs
from minigpt.stages.scoring import mean_kl
from minigpt.stages.sizes import EDITIONS, flops_per_token
from minigpt.stages.stage import Stage
from minigpt.store.checkpoint import file_hash
from minigpt.store.resume import SUFFIX, Progress, fingerprint
from minigpt.world.contractors import HONEST_UNKNOWN
from minigpt.world.labelers import LABELERS, chooser, utility
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
        course.watch(step)
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
    kept = {max(1, int(share * total)) for share in EDITIONS[course.lang].snapshots}
    names = {n: f"base_step_{n:05d}" for n in kept}
    if not going.start and is_first():
        course.make_room(model, set(names.values()))
    for step in follow(course, going.kept(steps), "base"):
        if step.step in names:
            keep(names[step.step], step)
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


def make_reward(
    course: Course, name: str = "reward", labeler: str = "expert", sees_surprisal: bool = True
) -> None:
    """Stage 3: a labeler's reward model."""
    started = clock()
    questions, samples = course.answers_to_compare
    sequences = reward_inputs(course.encoding, course.prompts(questions), samples)
    choose = chooser(course.world, labeler, course.seed)
    pairs, ties = simulated_pairs(course.encoding, questions, samples, choose)
    sft_model, config = course.load("sft").model, course.settings("reward")
    model = RewardModel(sft_model, course.seed, sees_surprisal).to(course.device)
    *_, step = follow(course, train_reward(model, sequences, pairs, config), name)
    n = course.recipe.answers_per_prompt  # the written one is not among those that set the scale
    normalise(model, [s for answers in sequences[:256] for s in answers[:n]])
    whole, layers = chat_flops(model.gpt.config)
    flops = step.tokens * (whole // 3 + layers)  # the SFT model only reads
    took = {"tokens": step.tokens, "flops": flops, "examples": sum(map(len, pairs)), "ties": ties}
    said = {"labeler": labeler, "sees_surprisal": sees_surprisal}
    course.save(name, model, config, {"parent": course.hash("sft"), **said, **took, "metrics": {}})
    course.record(name, started, **took)


def vote(course: Course, policy: GPT, reward: Stage, questions: Questions, labeler: str) -> dict:
    """The labeler's own utility, gold and the reward model's score of one sampled answer to each
    question."""
    score, proxy = sampled_score(policy, reward, questions, course.seed)
    who = LABELERS[labeler]
    own = [utility(course.world, who, q, a) for q, a in zip(score.questions, score.answers)]
    found = {"gold": score.gold, "proxy": proxy, "utility": own}
    means = {key: round(float(np.mean(values)), 4) for key, values in found.items()}
    return {**means, "verdicts": dict(sorted(score.counts().items()))}


def make_ppo(
    course: Course, best: str | None = "ppo", config: PPOConfig | None = None, every: int = 4,
    reward: str = "reward", last: str | None = None, steps: Steps = Steps(),  # noqa: B008
) -> None:  # fmt: skip
    """Stage 4: PPO against a reward model. Every few rounds its labeler votes on V, in place of a
    human evaluation, and the candidate that they like best is kept as `best`; as `last` the last
    one."""
    name = best or last
    started, policy, scorer = clock(), course.trainable("sft"), course.load(reward)
    config = course.shortened(config) if config else course.settings("ppo")
    prompts = course.prompts(course.questions("practised"))
    validation, labeler = course.questions("validation"), scorer.meta.get("labeler", "expert")
    curve, liked, kept = [], None, {}
    data = prompts, course.corpus.tokens, course.encoding
    run = ppo(policy, scorer.model, *data, config, steps)
    for step in follow(course, run, name, every):
        if step.step % every == 0 or step.step == step.steps:
            votes = {"step": step.step, **vote(course, policy, scorer, validation, labeler)}
            curve.append(votes)
            course.say(f"  {name} on V: {votes}")
            if liked is None or votes["utility"] > liked["utility"]:
                liked = votes
                kept = {key: tensor.clone() for key, tensor in policy.state_dict().items()}
    whole, layers = chat_flops(policy.config)
    # Sampled; read by policy, reference and the reward model's SFT model; learned from. The
    # layers of reward and value function read, and the latter's learn.
    flops = step.tokens * ((4 * whole + 2 * layers) // 3 + config.epochs * (whole + layers))
    took = {"tokens": step.tokens, "flops": flops, "examples": config.prompts * step.step}
    parents = {"parent": course.hash("sft"), "reward": file_hash(scorer.path)}

    def keep(name: str, done: int) -> None:
        kl = mean_kl(policy, course.load("sft").model, course.encoding, validation).value
        found = {"step": done, "curve": curve, "metrics": {"kl": round(kl, 3)}}
        course.save(name, policy, config, {**parents, "labeler": labeler, **took, **found})

    if last:
        keep(last, step.step)
    if best:
        policy.load_state_dict(kept)
        keep(best, liked["step"])
    course.record(name, started, **took)


STAGES = {"base": make_base, "sft": make_sft, "reward": make_reward, "ppo": make_ppo}


PUSHED = PPOConfig(64, 128, muon_lr=0.008, lr=2e-3, ptx_coef=0.0, kl_coef=0.0)  # hard, at no price


def make_overoptimised(course: Course) -> None:
    """PPO with no price on KL against the ordinary judge: kept where the expert likes it best, and
    at the end. Then the same with a price."""
    pushed, to = replace(PUSHED, seed=course.seed), {"reward": "reward_ordinary"}
    make_ppo(course, "ppo_early", pushed, last="ppo_overoptimised", **to)
    make_ppo(course, None, replace(pushed, kl_coef=0.1), last="ppo_priced", **to)


EXTRAS = {
    # demonstrations of contractors who know what the model knows
    "sft_honest": partial(make_sft, name="sft_honest", unknown_habits=HONEST_UNKNOWN),
    "reward_ordinary": partial(make_reward, name="reward_ordinary", sees_surprisal=False),
    "ppo_overoptimised": make_overoptimised,
}
