"""The course's own runs: which data and which settings make each shipped checkpoint.

`python3 -m minigpt train` runs these; the notebooks show the same steps one at a time. Each stage
starts from its parent's saved file, so a notebook that starts from the shipped parent gets the
same child. Under torchrun the processes share base and SFT, and rank 0 alone does the rest.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import comb
from pathlib import Path

import numpy as np
import torch

from minigpt.engine.bpe import fast_merges
from minigpt.engine.device import pick_device, pick_dtype
from minigpt.engine.optim import make_optimizer
from minigpt.engine.parallel import any_rank, is_first, over_ranks, replicated, world_size
from minigpt.engine.ranks import save_ranks
from minigpt.model import GPT, GPTConfig
from minigpt.ppo import PPOConfig, ppo
from minigpt.pretrain import PretrainConfig, evaluate_loss, pretrain
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    normalise,
    reward_inputs,
    sample_answers,
    train_reward,
)
from minigpt.sft import SFTConfig, answer_text, chat_answer, chat_prompt, introduce_chat_tokens, sft
from minigpt.stages.fast import SHARE
from minigpt.stages.report import chat_score, mean_kl, proxy_scores, report_questions
from minigpt.stages.scoring import chat_answers, judged
from minigpt.stages.sizes import DEFAULT, SIZES, flops_per_token
from minigpt.stages.stage import Stage, read_stage
from minigpt.store.checkpoint import check_not_shipped, file_hash, read_meta, save_checkpoint
from minigpt.store.files import atomic_write, put_aside, try_writing
from minigpt.store.resume import SUFFIX, Progress, fingerprint
from minigpt.tokenizer import SPECIAL_TOKENS, load_tokenizer, train_bpe
from minigpt.world.contractors import CLEAN, CLEAN_UNKNOWN, demonstrations
from minigpt.world.corpus import MIXTURE, build_corpus, build_large_corpus, documents
from minigpt.world.facts import DATA, load_world
from minigpt.world.labelers import LABELERS, rank
from minigpt.world.questions import Questions, sample_questions

HELD_OUT_TOKENS = 150_000  # documents that are read for the held-out loss alone
SNAPSHOTS = (0.04, 0.12, 0.3, 0.6)  # shares of pretraining after which a snapshot is kept


@dataclass
class Recipe:
    """How much of everything the course uses. The stages' own settings are in their configs."""

    corpus_tokens: int = SIZES[DEFAULT].tokens  # tokens of the pretraining corpus, read once
    demonstrations: int = 22_000  # answers that contractors wrote
    comparison_prompts: int = 5000  # questions whose answers were ranked
    answers_per_prompt: int = 4  # answers ranked a question
    few_prompts: int = 200  # questions ranked for the reward model that is over-optimised
    rl_prompts: int = 4000  # questions that PPO draws from
    validation_questions: int = 400  # questions of split V on which checkpoints are chosen


def tokenizer_text(lang: str, characters: int = 1_500_000) -> list[str]:
    """The texts that the shipped tokenizer was trained on: documents in the corpus's proportions,
    and a page that counts, so that each two-digit group is one token. GPT-4's vocabulary holds all
    numbers up to three digits for the same reason: a figure is then recalled in few steps."""
    out = [" ".join(f"{n:02d}" for n in range(100)) * 2000]
    for source, share in MIXTURE.items():
        left = characters * share
        for text in documents(load_world(lang), source, seed=12345):
            if left <= 0:
                break
            out.append(text)
            left -= len(text)
    return out


def make_tokenizer(lang: str, vocab_size: int = 1024) -> None:
    """Train the course's tokenizer anew and write it into the package."""
    text, size = tokenizer_text(lang), vocab_size - len(SPECIAL_TOKENS)
    ranks = train_bpe(text, size, merges=fast_merges)
    save_ranks(ranks, DATA / f"tokenizer-{lang}.tiktoken")
    load_tokenizer.cache_clear()


class Course:
    """All runs of one seed and size, written to one folder. `say(text)` gets a line of progress.

    resume: leave out what is finished, and go on where base or SFT was broken off. ship: for the
    course's makers, who alone write among the shipped checkpoints.
    """

    def __init__(
        self, out: Path, lang="en", seed=0, device="auto", recipe: Recipe | None = None,
        fast: bool = False, say: Callable[[str], None] = print, size: str = DEFAULT,
        resume: bool = False, dtype: str = "fp32", ship: bool = False,
    ) -> None:  # fmt: skip
        self.out, self.lang, self.seed, self.say = Path(out), lang, seed, say
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.dtype_name = str(self.dtype).removeprefix("torch.")  # as checkpoints record it
        self.size, self.resume, self.ship = SIZES[size], resume, ship
        self.recipe = recipe or Recipe(corpus_tokens=self.size.tokens)
        self.shrink = SHARE if fast else 1  # the same code, figures not meant
        self.world, self.encoding = load_world(lang), load_tokenizer(lang)
        self.pad = self.encoding.encode_single_token("<|pad|>")

    # ---- data ---------------------------------------------------------------------------------

    @cached_property
    def corpus(self):
        self.say("writing the corpus")
        tokens = self.recipe.corpus_tokens // self.shrink
        return build_large_corpus(self.world, self.encoding, tokens, self.seed)

    @cached_property
    def held_out_corpus(self):
        """Other documents about the same world, for the held-out loss."""
        return build_corpus(self.world, self.encoding, HELD_OUT_TOKENS, seed=self.seed + 1000)

    def count(self, n: int) -> int:
        return max(64, n // self.shrink)

    def validation(self) -> Questions:
        """Questions on which checkpoints are chosen: split V, and names of the training maker."""
        n = self.count(self.recipe.validation_questions)
        return sample_questions(self.world, "V", n, seed=self.seed + 77)

    # ---- files --------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        return self.out / f"{name}.safetensors"

    def load(self, name: str) -> Stage:
        stage = read_stage(self.path(name), self.lang, str(self.device), own=True)
        language_model = stage.model.gpt if isinstance(stage.model, RewardModel) else stage.model
        language_model.dtype = self.dtype
        return stage

    def new_model(self) -> GPT:
        model = GPT(self.size.model, seed=self.seed).to(self.device)
        model.dtype = self.dtype
        return model

    def trainable(self, name: str):
        """The stage's model, ready to be trained on. ValueError if it is not of this size."""
        model = self.load(name).model
        if model.config != self.size.model:
            raise ValueError(
                f"{self.path(name)} holds a model of another size, {model.config}: "
                "give its --size, or another --out"
            )
        return model.train().requires_grad_(True)

    def save(self, name: str, model, config, meta: dict) -> None:
        """Write one checkpoint; `meta` has no times, so that the same run gives the same bytes.

        A file in its place that is damaged or of another version is kept under another name.
        """
        if not is_first():
            return
        gpt_config = model.gpt.config if isinstance(model, RewardModel) else model.config
        full = {
            "stage": name,
            "kind": "reward" if isinstance(model, RewardModel) else "language model",
            "lang": self.lang,
            "seed": self.seed,
            "threads": torch.get_num_threads(),
            "dtype": self.dtype_name,
            "config": asdict(gpt_config),
            "settings": asdict(config) if config else {},
            **({"ranks": world_size()} if world_size() > 1 else {}),
            **meta,
        }
        state = model.trained() if isinstance(model, RewardModel) else model.state_dict()
        if self.path(name).is_file() and self.meta(name) is None:
            self.say(f"it is now {put_aside(self.path(name)).name}")
        save_checkpoint(self.path(name), state, full, self.ship)

    def meta(self, name: str) -> dict | None:
        """What a checkpoint says of itself; None, and a line, if it is damaged or another's."""
        try:
            return read_meta(self.path(name))
        except ValueError as error:
            self.say(str(error))
            return None

    def record(self, name: str, started: tuple[float, float], **numbers) -> None:
        """Add what a stage took to train.json beside the checkpoints."""
        if not is_first():
            return
        wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        file, table = self.out / "train.json", {"stages": {}}
        if file.is_file():
            try:
                table = {"stages": dict(json.loads(file.read_text(encoding="utf-8"))["stages"])}
            except (ValueError, KeyError, TypeError):
                self.say(f"{file} is damaged; it is now {put_aside(file).name}")
        table["stages"][name] = {
            "seconds": round(wall, 1),
            "cpu_over_wall": round(cpu / wall, 2),
            **numbers,
        }
        atomic_write(file, json.dumps(table, indent=1, sort_keys=True).encode("utf-8"))
        self.say(f"{name}: {wall:.0f} s, CPU ÷ wall {cpu / wall:.2f}, {numbers}")

    def follow(self, run, name: str, every: int = 20):
        """Iterate over a run and say now and then how it goes."""
        begin, before = time.perf_counter(), None
        for step in run:
            if before is None:  # tokens that were read before this run went on
                before = step.tokens * (step.step - 1) // step.step
            yield step
            if step.step % every == 0 or step.step == step.steps:
                rate = (step.tokens - before) / (time.perf_counter() - begin)
                extra = f" reward {step.reward:.2f} KL {step.kl:.2f}" if hasattr(step, "kl") else ""
                self.say(
                    f"{name} {step.step}/{step.steps} loss {step.loss:.3f}{extra} "
                    f"({rate:,.0f} tokens/s)"
                )

    def settings(self, stage: str):
        """The config of one of the four stages for this seed and size."""
        if stage == "base":
            config = PretrainConfig(self.size.batch_size, self.size.model.block_size)
        else:
            config = {"sft": SFTConfig, "reward": RewardConfig, "ppo": PPOConfig}[stage]()
        if stage in ("base", "sft"):
            config.head_lr = self.size.head_lr(config.head_lr)
        config.seed = self.seed
        return self.shortened(config) if stage == "ppo" else config

    def shortened(self, config: PPOConfig) -> PPOConfig:
        return replace(config, iterations=max(2, config.iterations // self.shrink))

    # ---- stages -------------------------------------------------------------------------------

    def run(self, stage: str) -> None:
        """Run one of the four stages; with `resume` only if it is not finished."""
        done = self.resume and is_first() and self.finished(stage)
        if stage in ("base", "sft"):  # the others are rank 0's alone
            done = any_rank(done)
        if done:
            self.say(f"{stage}: finished before, {self.path(stage).name} stays as it is")
        else:
            getattr(self, stage)()

    def finished(self, stage: str) -> bool:
        """Whether the stage's checkpoint is what this course would make again."""
        if not self.path(stage).is_file():
            return False
        config = self.settings(stage)
        wanted = {"seed": self.seed, "lang": self.lang, "config": asdict(self.size.model),
                  "dtype": self.dtype_name, "settings": asdict(config)}  # fmt: skip
        if stage == "base":
            updates = (len(self.corpus.tokens) - 1) // config.block_size // config.batch_size
            wanted |= {"parent": None, "step": max(1, updates),
                       "place_reads": dict(self.corpus.place_reads)}  # fmt: skip
        else:
            wanted["parent"] = self.hash("base" if stage == "sft" else "sft")
        if stage == "sft":
            wanted["examples"] = self.count(self.recipe.demonstrations)
        if stage in ("reward", "ppo"):
            wanted["labeler"] = "expert"
        if stage == "ppo":
            wanted["reward"] = self.hash("reward")
        meta = self.meta(stage)
        if meta is None:
            return False
        other = [name for name in wanted if meta.get(name) != wanted[name]]
        if stage == "reward":  # how many were compared says whether it was --fast
            asked = self.count(self.recipe.comparison_prompts)
            most = asked * comb(self.recipe.answers_per_prompt, 2)
            if not most / SHARE < meta.get("examples", 0) + meta.get("ties", 0) <= most:
                other.append("examples")
        if other:
            self.say(f"{self.path(stage).name} is of another run ({other[0]} differs): made anew")
        return not other

    def hash(self, name: str) -> str | None:
        """The hash of a checkpoint, None where there is none."""
        return file_hash(self.path(name)) if self.path(name).is_file() else None

    def progress(self, name: str, model: GPT, config, data: str, started) -> Progress:
        """The model with its optimizer; as they were where the stage was broken off, if it was."""
        optimizer = make_optimizer(model, config.muon_lr, config.embedding_lr, config.head_lr)
        parent = None if name == "base" else self.hash("base")
        shape = {f"model's {key}": value for key, value in asdict(model.config).items()}
        identity = {"stage": name, "lang": self.lang, "seed": self.seed, "parent": parent, **shape,
                    "dtype": self.dtype_name, **asdict(config), "data": data}  # fmt: skip
        path = self.out / f"{name}{SUFFIX}"
        return Progress(path, model, optimizer, identity, self.resume, self.say, started)

    def base(self) -> None:
        """Stage 1: pretraining, with snapshots; step 0 needs none, its seed makes it again."""
        started = time.perf_counter(), time.process_time()
        model = self.new_model()
        config, tokens = self.settings("base"), self.corpus.tokens
        progress = self.progress("base", model, config, fingerprint(tokens), started)
        run = pretrain(replicated(model), tokens, config, progress.optimizer, progress.start,
                       over_ranks)  # fmt: skip
        per_token = flops_per_token(model.config, config.block_size)

        def keep(name, step, tokens):
            if not is_first():
                return
            loss = evaluate_loss(model, self.held_out_corpus.tokens, config.block_size)
            meta = {"parent": None, "step": step, "tokens": tokens, "flops": tokens * per_token,
                    "place_reads": dict(self.corpus.place_reads),
                    "metrics": {"held_out_loss": round(loss, 4)}}  # fmt: skip
            self.save(name, model, config, meta)

        total = len(tokens) // config.block_size // config.batch_size
        wanted = {max(1, int(share * total)) for share in SNAPSHOTS}
        if not progress.start and is_first():
            if not self.ship:
                check_not_shipped(self.out)
            try_writing(self.path("base"), 2 * sum(p.numel() for p in model.parameters()))
            for stale in self.out.glob("base_step_*.safetensors"):
                stale.unlink()  # of another run, whose steps were others
        for step in self.follow(progress.kept(run), "base"):
            if step.step in wanted:
                keep(f"base_step_{step.step:05d}", step.step, step.tokens)
        last = progress.last
        keep("base", last.step, last.tokens)
        progress.done()
        self.record("base", progress.begin, tokens=last.tokens, flops=last.tokens * per_token,
                    documents=len(self.corpus.documents))  # fmt: skip

    def sft(self, name: str = "sft", **demonstration_options) -> None:
        """Stage 2: supervised finetuning on the contractors' demonstrations."""
        started = time.perf_counter(), time.process_time()
        model = self.trainable("base") if is_first() else self.new_model()
        introduce_chat_tokens(model, self.encoding)
        config = self.settings("sft")
        demos = demonstrations(
            self.world, self.count(self.recipe.demonstrations), self.seed, **demonstration_options
        )
        pairs = [
            (chat_prompt(self.encoding, d.question.text), chat_answer(self.encoding, d.answer))
            for d in demos
        ]
        tokens = self.corpus.tokens
        data = fingerprint(tokens) + fingerprint(pairs)
        progress = self.progress(name, model, config, data, started)
        run = sft(replicated(model), pairs, tokens, config, self.pad, progress.optimizer,
                  progress.start, over_ranks)  # fmt: skip
        for _ in self.follow(progress.kept(run), name):
            pass
        last = progress.last
        flops = last.tokens * self.flops(model.config)[0]
        meta = {"parent": self.hash("base"), "tokens": last.tokens, "flops": flops,
                "examples": len(demos), "metrics": {}}  # fmt: skip
        self.save(name, model, config, meta)
        progress.done()
        self.record(name, progress.begin, tokens=last.tokens, flops=flops, examples=len(demos))

    @cached_property
    def comparison_data(self):
        """Questions of split A, and four answers of the SFT model to each."""
        policy = self.load("sft").model
        questions = sample_questions(
            self.world, "A", self.count(self.recipe.comparison_prompts), self.seed + 11
        )
        prompts = [chat_prompt(self.encoding, q.text) for q in questions]
        self.say(f"sampling {len(prompts)} x {self.recipe.answers_per_prompt} answers")
        samples = sample_answers(
            policy, self.encoding, prompts, self.recipe.answers_per_prompt, self.seed + 11
        )
        return questions, prompts, samples

    def label(self, labeler: str, questions, samples):
        """The pairs that a labeler prefers among each question's answers, and the ties."""
        rng = random.Random(f"labels/{labeler}/{self.seed}")
        pairs, ties = [], 0
        for question, answers in zip(questions, samples):
            found, tied = rank(self.world, LABELERS[labeler], question, self.texts(answers), rng)
            # An answer that was cut off has a fixed penalty later; nobody is asked about it.
            pairs.append([p for p in found if all(answers[i].ended for i in p)])
            ties += tied
        return pairs, ties

    def texts(self, samples) -> list[str]:
        """The answers as people read them."""
        return [answer_text(self.encoding, s.ids) for s in samples]

    def reward(self, labeler: str = "expert", name: str | None = None, few: bool = False) -> None:
        """Stage 3: the reward model of one labeler, from the same answers for each; `few`: from
        the first `few_prompts` questions alone."""
        started = time.perf_counter(), time.process_time()
        name = name or ("reward" if labeler == "expert" else f"reward_{labeler}")
        questions, prompts, samples = self.comparison_data
        sequences = reward_inputs(self.encoding, prompts, samples)
        n = self.recipe.few_prompts if few else len(prompts)
        pairs, ties = self.label(labeler, questions[:n], samples[:n])
        model = RewardModel(self.load("sft").model, seed=self.seed).to(self.device)
        config = self.settings("reward")
        if few:  # smaller batches, or there would be too few updates to learn anything
            config = replace(config, prompts_per_batch=4)
        *_, step = self.follow(train_reward(model, sequences[:n], pairs, config), name)
        normalise(model, [s for answers in sequences[:256] for s in answers])
        n_pairs = sum(map(len, pairs))
        whole, layers = self.flops(model.gpt.config)
        flops = step.tokens * (whole // 3 + layers)  # the SFT model only reads
        meta = {"parent": file_hash(self.path("sft")), "tokens": step.tokens, "flops": flops,
                "labeler": labeler, "examples": n_pairs, "ties": ties, "metrics": {}}  # fmt: skip
        self.save(name, model, config, meta)
        self.record(name, started, tokens=step.tokens, flops=flops, examples=n_pairs, ties=ties)

    @staticmethod
    def flops(config: GPTConfig) -> tuple[int, int]:
        """FLOPs to train a model on one token of a chat, and to train a reward model's layers."""
        layers = replace(config, n_layer=2, vocab_size=1)
        return flops_per_token(config, 64), flops_per_token(layers, 64)

    def vote(self, policy: GPT, reward: Stage, questions: Questions) -> dict:
        """The expert's votes and the reward model's score on one sampled answer a question."""
        texts = [q.text for q in questions]
        answers, ended = chat_answers(policy, self.encoding, texts, 1.0, seed=self.seed)
        score = judged(self.world, questions, answers)
        return {
            "gold": round(float(np.mean(score.gold)), 4),
            "proxy": round(float(proxy_scores(reward, score, ended).mean()), 4),
            "verdicts": dict(sorted(score.counts().items())),
        }

    def ppo(self, name="ppo", labeler="expert", config: PPOConfig | None = None, every=5,
            choose: Callable[[dict], float] = lambda vote: vote["gold"],
            reward: str | None = None) -> None:  # fmt: skip
        """Stage 4: PPO against a labeler's reward model. Of the candidates, one every `every`
        rounds, the one is kept that `choose` ranks highest by its votes on V; by default by gold,
        the expert's, which stand for a human evaluation."""
        started = time.perf_counter(), time.process_time()
        policy = self.trainable("sft")
        reward = self.load(reward or ("reward" if labeler == "expert" else f"reward_{labeler}"))
        config = self.shortened(config) if config else self.settings("ppo")
        questions = sample_questions(
            self.world, "A", self.count(self.recipe.rl_prompts), self.seed + 23
        )
        prompts = [chat_prompt(self.encoding, q.text) for q in questions]
        validation, curve, best, kept = self.validation(), [], None, {}
        run = ppo(policy, reward.model, prompts, self.corpus.tokens, self.encoding, config)
        for step in self.follow(run, name, every):
            if step.step % every == 0 or step.step == step.steps:
                vote = {"step": step.step, **self.vote(policy, reward, validation)}
                curve.append(vote)
                self.say(f"  {name} on V: {vote}")
                if best is None or choose(vote) > choose(best):
                    best = vote
                    kept = {key: tensor.clone() for key, tensor in policy.state_dict().items()}
        policy.load_state_dict(kept)
        kl = mean_kl(policy, self.load("sft").model, self.encoding, validation)
        whole, layers = self.flops(policy.config)
        # Sampled; read by policy, reference and the reward model's SFT model; learned from. The
        # layers of reward and value function read, and the latter's learn.
        flops = step.tokens * ((4 * whole + 2 * layers) // 3 + config.epochs * (whole + layers))
        examples = config.prompts * step.step
        meta = {"parent": file_hash(self.path("sft")), "reward": file_hash(reward.path),
                "labeler": labeler, "tokens": step.tokens, "flops": flops, "step": best["step"],
                "examples": examples, "curve": curve, "metrics": {"kl": round(kl, 3)}}  # fmt: skip
        self.save(name, policy, config, meta)
        self.record(name, started, tokens=step.tokens, flops=flops, examples=examples)

    def overoptimised(self) -> None:
        """PPO with no price on KL, against a reward model that has seen few comparisons: of its
        checkpoints the one where that model's score and the expert's votes on V are furthest
        apart. The reward model of all comparisons leaves less to exploit."""
        self.reward(name="reward_few", few=True)
        config = PPOConfig(seed=self.seed, kl_coef=0.0, muon_lr=0.004, lr=4e-4, iterations=60)
        self.ppo(
            "ppo_overoptimised", config=config, reward="reward_few",
            choose=lambda vote: vote["proxy"] - vote["gold"],
        )  # fmt: skip

    def clean_control(self) -> None:
        """SFT on flawless demonstrations, measured and not kept: what better data would bring."""
        self.sft("sft_clean", habits=CLEAN, unknown_habits=CLEAN_UNKNOWN)
        stage, questions = self.load("sft_clean"), report_questions(self.world)
        gold = float(np.mean(chat_score(stage, questions, 1.0)[0].gold))
        kl = mean_kl(stage.model, self.load("sft").model, self.encoding, questions)
        table = {"gold.sft_clean": round(gold, 4), "kl.sft_clean": round(kl, 3)}
        atomic_write(self.out / "controls.json", json.dumps(table, indent=1).encode("utf-8"))
        self.path("sft_clean").unlink()

    def extras(self) -> None:
        """The over-optimised model, and the control."""
        self.overoptimised()
        self.clean_control()
