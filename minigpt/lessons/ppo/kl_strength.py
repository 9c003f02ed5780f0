"""How much should leaving the SFT model cost? Four prices of KL, three seeds.

Every run starts from the shipped SFT model and reward model and takes the same number of rounds.

    python3 -m minigpt experiment kl_strength        # five minutes on two cores

Each run of the results holds `kl_coef`, `seed` and `points`, what `runs.measure` finds after 0, 10
and 20 rounds. A call goes on where an earlier one stopped.
"""

from dataclasses import asdict
from pathlib import Path

from minigpt.lessons.ppo.runs import SIZES, Setup, Sizes, follow_ppo
from minigpt.show.results import complete

NAME = "kl_strength"
PRICES = (0.0, 0.05, 0.2, 0.8)  # β, in rewards a nat
SEEDS = (0, 1, 2)
OPTIONS = {"seeds": SEEDS}


def run(seeds=SEEDS, out: Path | None = None, sizes: Sizes = SIZES) -> dict:
    """Run what the results lack, seed by seed."""
    setup = Setup(sizes)

    def one(kl_coef: float, seed: int) -> dict:
        config = setup.config(seed, kl_coef=kl_coef)
        return {"points": follow_ppo(setup, setup.reward.model, config, setup.policy())[0]}

    keys = [{"kl_coef": price, "seed": seed} for seed in seeds for price in PRICES]
    return complete(NAME, {"sizes": asdict(sizes)}, keys, one, out)
