"""How much should leaving the SFT model cost, and how fast should PPO learn? Both, three seeds.

Every run starts from the shipped SFT model and reward model and takes the same number of rounds.
`prices` varies β, the price of KL, at the course's rates; `rates` multiplies all of the policy's
rates at the course's β. The course's own setting belongs to both. A run that ends with less gold
than the SFT model has is a failure that the reward model's own score may not show.

    python3 -m minigpt experiment kl_strength        # half an hour on one core

Each run of the results holds `kl_coef`, `rate` (the factor), `seed` and `points`, what
`runs.measure` finds after 0, 8, 16 and 24 rounds. A call goes on where an earlier one stopped.
"""

from dataclasses import asdict
from pathlib import Path

from minigpt.lessons.ppo.runs import SIZES, Setup, Sizes, at_rate, follow_ppo
from minigpt.ppo import PPOConfig
from minigpt.show.results import complete

NAME = "kl_strength"
PRICES = (0.0, 0.05, 0.2, 0.8)  # β, in rewards a nat
RATES = (1.0, 3.0, 10.0)  # times the course's rates
SEEDS = (0, 1, 2)


def settings() -> list[tuple[float, float]]:
    """(β, factor) of each setting, the course's own once."""
    usual = PPOConfig().kl_coef
    return [(price, 1.0) for price in PRICES] + [(usual, r) for r in RATES if r != 1.0]


OPTIONS = {"seeds": SEEDS}


def run(seeds=SEEDS, out: Path | None = None, sizes: Sizes = SIZES) -> dict:
    """Run what the results lack, seed by seed."""
    setup = Setup(sizes)

    def one(kl_coef: float, rate: float, seed: int) -> dict:
        config = at_rate(setup.config(seed, kl_coef=kl_coef), rate)
        points, *_ = follow_ppo(setup, setup.reward.model, config)
        return {"points": points}

    keys = [{"kl_coef": k, "rate": r, "seed": seed} for seed in seeds for k, r in settings()]
    return complete(NAME, {"sizes": asdict(sizes)}, keys, one, out)
