"""How much should leaving the SFT model cost, and how fast should PPO learn? Both, three seeds.

Every run starts from the shipped SFT model and reward model and takes the same number of rounds.
`prices` varies β, the price of KL, at the course's rates; `rates` multiplies all of the policy's
rates at the course's β. The course's own setting belongs to both. A run that ends with less gold
than the SFT model has is a failure that the reward model's own score may not show.

    python3 -m minigpt.lessons.ppo.kl_strength        # half an hour on one core

Each run of the results holds `kl_coef`, `rate` (the factor), `seed` and `points`, what
`ppo_runs.measure` finds after 0, 8, 16 and 24 rounds. A call goes on where an earlier one stopped.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from minigpt.engine.device import set_threads
from minigpt.lessons.ppo.runs import Setup, Sizes, at_rate, follow_ppo
from minigpt.ppo import PPOConfig
from minigpt.show import results as experiments
from minigpt.stages.stage import load_stage

NAME = "kl_strength"
PRICES = (0.0, 0.05, 0.2, 0.8)  # β, in rewards a nat
RATES = (1.0, 3.0, 10.0)  # times the course's rates
SEEDS = (0, 1, 2)


def settings() -> list[tuple[float, float]]:
    """(β, factor) of each setting, the course's own once."""
    usual = PPOConfig().kl_coef
    return [(price, 1.0) for price in PRICES] + [(usual, r) for r in RATES if r != 1.0]


def config(kl_coef: float, rate: float, seed: int, sizes: Sizes) -> PPOConfig:
    """The course's settings with another price of KL and all of the policy's rates multiplied."""
    return at_rate(PPOConfig(sizes.rounds, sizes.answers, kl_coef=kl_coef, seed=seed), rate)


def ends_below_sft(run: dict) -> bool:
    """Whether the policy has less gold after the last round than before the first."""
    return run["points"][-1]["gold"] < run["points"][0]["gold"]


def run(
    seeds=SEEDS, sizes: Sizes | None = None, out: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Run what the results lack, seed by seed, and save them after each run."""
    sizes = sizes or Sizes()
    setup, reward = Setup(sizes), load_stage("reward", own=False, device="cpu", quiet=True).model

    def one(**key) -> dict:
        say(f"{key}")
        return {"points": follow_ppo(setup, reward, config(**key, sizes=sizes), say=say)}

    keys = [{"kl_coef": k, "rate": r, "seed": seed} for seed in seeds for k, r in settings()]
    return experiments.complete(NAME, {"sizes": asdict(sizes), "threads": 1}, keys, one, out)


def main(argv: list[str] | None = None) -> None:
    args = experiments.arguments(NAME, __doc__, SEEDS).parse_args(argv)
    set_threads(1)
    run(args.seeds, out=args.out)


if __name__ == "__main__":
    main()
