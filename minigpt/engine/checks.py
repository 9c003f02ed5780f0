"""What no run goes on with: settings that cannot be, and losses or weights that are no numbers."""

import math
from numbers import Integral, Real

from torch import nn


def is_whole(x) -> bool:
    return isinstance(x, Integral) and not isinstance(x, bool)


# What a setting has to be: in words, and the test.
COUNT = "a whole number of 1 or more", lambda x: is_whole(x) and x >= 1
SEED = "a whole number from 0 to 2**62", lambda x: is_whole(x) and 0 <= x <= 2**62
ANY = "a finite number", math.isfinite
AMOUNT = "a finite number of 0 or more", lambda x: 0 <= x < math.inf
ABOVE_0 = "a number above 0", lambda x: x > 0
SHARE = "a number from 0 to 1", lambda x: 0 <= x <= 1
RULES = {  # of all configs, by name
    **dict.fromkeys(
        "batch_size block_size steps epochs pretraining_windows prompts_per_batch iterations "
        "prompts max_new_tokens minibatch ptx_windows corpus_tokens demonstrations "
        "comparison_prompts answers_per_prompt rl_prompts validation_questions".split(), COUNT),
    **dict.fromkeys("muon_lr embedding_lr head_lr lr value_lr pretraining_weight "
                    "ptx_coef".split(), AMOUNT),
    **dict.fromkeys(("clip_ratio", "value_clip", "kl_budget", "max_grad_norm"), ABOVE_0),
    **dict.fromkeys(("kl_coef", "cut_off_reward"), ANY),  # a price below 0 is a bug that 06 shows
    "gamma": SHARE, "lam": SHARE, "seed": SEED,
}  # fmt: skip


class Settings:
    """A config whose settings are looked at whenever they are set: ValueError that names the one
    which cannot be. None stands only where it is the default."""

    def __setattr__(self, name: str, value) -> None:
        absent = value is None and getattr(type(self), name, 0) is None
        if name in RULES and not absent:
            words, fits = RULES[name]
            if not isinstance(value, Real) or not fits(value):
                raise ValueError(f"{type(self).__name__}.{name} is {value!r}: give {words}")
        super().__setattr__(name, value)


def finite_step(step, config, model: nn.Module):
    """The step as it came in; ValueError that names it, the rates and what to try, if its loss, its
    reward or its KL is no finite number, or after the last one a weight of the model."""
    read = [name for name in ("loss", "reward", "kl") if hasattr(step, name)]
    lost = [f"{name} is {x}" for name in read if not math.isfinite(x := getattr(step, name))]
    if not lost and step.step == step.steps:
        lost = [f"{name} is not finite" for name, p in model.named_parameters()
                if not p.isfinite().all()][:1]  # fmt: skip
    if lost:
        rates = ", ".join(f"{k}={x:g}" for k, x in vars(config).items() if k.endswith("lr"))
        raise ValueError(
            f"step {step.step} of {step.steps}: the {lost[0]}, so the run has diverged. Make the "
            f"model anew and train it with a third of the rates ({rates}); if that ends there too, "
            "look for numbers that are not finite in its data or in the model that it starts from"
        )
    return step
