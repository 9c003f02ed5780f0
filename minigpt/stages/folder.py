"""The folder of the course's own runs: what is written there, what it says of itself, what is done.

A checkpoint names the file that it started from, and the settings and data that it was made with:
so a later run can tell whether it would make the same file again.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from math import comb
from pathlib import Path

import torch

from minigpt.engine.device import pick_device, pick_dtype
from minigpt.engine.parallel import is_first, world_size
from minigpt.generate import Sample
from minigpt.model import GPT
from minigpt.reward import RewardModel, sample_answers
from minigpt.stages.from_labels import with_refusals
from minigpt.stages.own import hash_of
from minigpt.stages.recipe import SHARE, Plan, Recipe
from minigpt.stages.sizes import DEFAULT, EDITIONS
from minigpt.stages.stage import Stage, read_stage
from minigpt.store import checkpoint
from minigpt.store.files import atomic_write, is_checkpoint, put_aside, try_writing
from minigpt.world.questions import Questions


def form_of(name: str, lang: str = "en") -> tuple[str, str | None]:
    """How a checkpoint is stored: whole, or small (`leaves.py`): what it differs in from its
    parent, which then goes with it."""
    if name.startswith("base_step_"):
        return "int8", None
    return EDITIONS[lang].forms.get(name, ("bf16", None))


class Course(Plan):
    """All runs of one seed and size, written to one folder. `say(text)` gets a line of progress.

    resume: leave out what is finished, and go on where base or SFT was broken off. ship: for the
    course's makers, who alone write among the shipped checkpoints. `watch` may be set: it is given
    each step of a run.
    """

    watch: Callable = staticmethod(lambda step: None)

    def __init__(
        self, out: Path, lang="en", seed=0, device="auto", recipe: Recipe | None = None,
        fast: bool = False, say: Callable[[str], None] = print, size: str = DEFAULT,
        resume: bool = False, dtype: str = "fp32", ship: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(lang, seed, recipe, fast, size, say)
        self.out, self.resume, self.ship = Path(out), resume, ship
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.dtype_name = str(self.dtype).removeprefix("torch.")  # as checkpoints record it

    # ---- models -------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        return self.out / f"{name}.safetensors"

    def hash(self, name: str) -> str | None:
        """The hash of a checkpoint, None where there is none."""
        return hash_of(self.path(name))

    def load(self, name: str) -> Stage:
        stage = read_stage(self.path(name), self.lang, str(self.device), own=True)
        getattr(stage.model, "gpt", stage.model).dtype = self.dtype
        return stage

    def new_model(self) -> GPT:
        model = GPT(self.size.model, seed=self.seed).to(self.device)
        model.dtype = self.dtype
        return model

    def trainable(self, name: str):
        """The stage's model, ready to be trained on. ValueError if it is not of this size."""
        model = self.load(name).model
        if model.config != self.size.model:
            raise ValueError(f"{self.path(name)} holds a model of another size, {model.config}: "
                             "give its --size, or another --out")  # fmt: skip
        return model.train().requires_grad_(True)

    def make_room(self, model: GPT, wanted: set[str]) -> None:
        """Try to write what a base model takes, and put snapshots of another run aside."""
        if not self.ship:
            checkpoint.check_not_shipped(self.out)
        try_writing(self.path("base"), 2 * sum(p.numel() for p in model.parameters()))
        for stale in self.out.glob("base_step_*.safetensors"):
            if is_checkpoint(stale) and stale.stem not in wanted:
                stale.unlink() if self.ship else checkpoint.put_aside(stale)

    def save(self, name: str, model, config, meta: dict) -> None:
        """Write one checkpoint; `meta` has no times, so that the same run gives the same bytes.

        What is in its place gets another name.
        """
        if not is_first():
            return
        if isinstance(model, RewardModel):
            kind, gpt, state = checkpoint.REWARD, model.gpt, model.trained()
        else:
            kind, gpt, state = checkpoint.LANGUAGE_MODEL, model, model.state_dict()
        full = {"stage": name, "kind": kind, "lang": self.lang, "seed": self.seed,
                "threads": torch.get_num_threads(), "dtype": self.dtype_name,
                "config": asdict(gpt.config), "settings": asdict(config) if config else {},
                **({"ranks": world_size()} if world_size() > 1 else {}), **meta}  # fmt: skip
        if self.path(name).is_file():
            self.meta(name)  # says it if that is damaged
        form, of = form_of(name, self.lang)
        parent = self.path(of) if of else None
        checkpoint.save_checkpoint(self.path(name), state, full, self.ship, form, parent, self.say)

    @cached_property
    def answers_to_compare(self) -> tuple[Questions, list[list[Sample]]]:
        """The questions whose answers are ranked, and the SFT model's answers to each."""
        policy, questions = self.load("sft").model, self.questions("compared")
        n, prompts = self.recipe.answers_per_prompt, self.prompts(questions)
        self.say(f"sampling {len(questions)} x {n} answers")
        samples = sample_answers(policy, self.encoding, prompts, n, self.seed + 11)
        return questions, with_refusals(self.world, self.encoding, questions, samples)

    # ---- what was done ------------------------------------------------------------------------

    def meta(self, name: str) -> dict | None:
        """What a checkpoint says of itself; None, and a line, if it is damaged or another's."""
        try:
            return checkpoint.read_meta(self.path(name))
        except ValueError as error:
            self.say(str(error))
            return None

    def record(self, name: str, started: tuple[float, float], **numbers) -> None:
        """Add what a stage took to train.json beside the checkpoints."""
        if not is_first():
            return
        wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        file, stages = self.out / "train.json", {}
        if file.is_file():
            try:
                stages = dict(json.loads(file.read_text(encoding="utf-8"))["stages"])
            except (ValueError, KeyError, TypeError):
                self.say(f"{file} is damaged; it is now {put_aside(file).name}")
        took = {"seconds": round(wall, 1), "cpu_over_wall": round(cpu / wall, 2)}
        table = {"stages": {**stages, name: {**took, **numbers}}}
        atomic_write(file, json.dumps(table, indent=1, sort_keys=True).encode("utf-8"))
        self.say(f"{name}: {wall:.0f} s, CPU ÷ wall {cpu / wall:.2f}, {numbers}")

    def finished(self, stage: str) -> bool:
        """Whether the stage's checkpoint is what this course would make again."""
        if not self.path(stage).is_file() or (meta := self.meta(stage)) is None:
            return False
        wanted = self.wanted(stage)
        other = [name for name in wanted if meta.get(name) != wanted[name]]
        if stage == "reward":  # how many were compared says whether it was --fast
            asked = self.count(self.recipe.comparison_prompts)
            most = asked * comb(self.recipe.answers_per_prompt + 1, 2)
            if not most / SHARE < meta.get("examples", 0) + meta.get("ties", 0) <= most:
                other.append("examples")
        if other:
            self.say(f"{self.path(stage).name} is of another run ({other[0]} differs): made anew")
        return not other

    def wanted(self, stage: str) -> dict:
        """What the metadata of the stage's checkpoint must say, or it is another run's."""
        config = self.settings(stage)
        wanted = {"seed": self.seed, "lang": self.lang, "config": asdict(self.size.model),
                  "dtype": self.dtype_name, "settings": asdict(config)}  # fmt: skip
        if stage == "base":
            updates = (len(self.corpus.tokens) - 1) // config.block_size // config.batch_size
            return wanted | {"parent": None, "step": max(1, updates),
                             "place_reads": dict(self.corpus.place_reads)}  # fmt: skip
        wanted["parent"] = self.hash("base" if stage == "sft" else "sft")
        if stage == "sft":
            return wanted | {"examples": self.count(self.recipe.demonstrations)}
        wanted["labeler"] = "expert"
        return wanted | ({"reward": self.hash("reward")} if stage == "ppo" else {})
