"""The loss curves of the shipped SFT and reward models: their runs again, for the losses alone.

Seed 0 is the shipped one; another seed draws other data, so what lies between two curves is noise.
A learner's own curve is drawn beside them. `python3 -m minigpt experiment recorded` writes
data/results/recorded.json.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from minigpt.reward import RewardConfig
from minigpt.sft import SFTConfig
from minigpt.show.results import complete, means
from minigpt.stages.folder import Course
from minigpt.stages.recipe import Recipe
from minigpt.stages.stage import SHIPPED
from minigpt.stages.train import STAGES

NAME = "recorded"
EXAMPLES = {"sft": SFTConfig.batch_size, "reward": RewardConfig.prompts_per_batch}  # an update
UPDATES = {"sft": 8, "reward": 3}  # whose mean loss is one point of a curve
PARENTS = {"sft": "base", "reward": "sft"}
RECIPE, SEEDS = Recipe(), (0, 1)
OPTIONS, THREADS = {"seeds": SEEDS}, 2


def losses(stage: str, seed: int) -> list[float]:
    """The loss of each update of the run that makes a stage, from the shipped parent's file."""
    found: list[float] = []
    with TemporaryDirectory() as folder:
        shutil.copy(SHIPPED / "en" / f"{PARENTS[stage]}.safetensors", folder)
        course = Course(Path(folder), seed=seed, recipe=RECIPE, say=lambda said: None)
        course.watch = lambda step: found.append(step.loss)
        STAGES[stage](course)
    return found


def run(seeds=SEEDS, out: Path | None = None) -> dict:
    """Run them again and keep the curves that the results lack."""

    def one(stage: str, seed: int) -> dict:
        return {"losses": means(losses(stage, seed), UPDATES[stage])}

    keys = [{"stage": stage, "seed": seed} for stage in UPDATES for seed in seeds]
    return complete(NAME, {"examples": EXAMPLES, "updates": UPDATES}, keys, one, out)
