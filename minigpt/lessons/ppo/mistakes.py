"""What the commonest mistakes in notebook 06's exercises give, by the package's own functions and
changed inputs: each function here tells what is right, and which mistake an answer is like."""

from functools import partial

from torch import Tensor, allclose

from minigpt.ppo import clipped_loss, gae, kl_rewards


def like(found: Tensor, right: Tensor, whys: dict[str, Tensor], other: str, mask=1):
    """What is right, and the first reason whose tensor the found one is, else `other`."""
    if found.shape != right.shape:
        return right, f"its shape is {tuple(found.shape)}, not {tuple(right.shape)}"
    close = (w for w, x in whys.items() if allclose(found.float() * mask, x * mask, atol=1e-4))
    return right, next(close, other)


def rewards_like(found, logp, ref_logp, score, last, kl_coef, mask):
    given = {"score": score, "last": last, "kl_coef": kl_coef, "mask": mask}
    of = partial(kl_rewards, logp, ref_logp, **given)
    right, price = of(), of(score=0 * score)
    return like(found, right, {
        "leaving earns a reward here: take its price off": of(kl_coef=-kl_coef),
        "the score is added at every token": price + score[:, None],
        "the score is missing": price,
        "the score belongs to the last token, whose column is in `last`": of(last=0 * last),
        "a short answer's row goes on: its last column is in `last`": of(last=0 * last + 2),
        "`[:, last]` takes these columns of every row": price + (right - price).sum(0),
        "β is the price of KL alone": of(score=kl_coef * score),
        "outside the mask the reward is 0": right,
    }, "go through one row by hand", mask)  # fmt: skip


def loss_like(found, logp, old_logp, advantages, mask, clip_ratio):
    right, free = (clipped_loss(logp, old_logp, advantages, mask, x) for x in (clip_ratio, 1e9))
    smaller = -clipped_loss(logp, old_logp, -advantages, mask, clip_ratio)
    return like(found, right, {
        "this is the sum: take the mean": right * mask.sum(),
        "take the mean over the mask alone": right * mask.sum() / mask.numel(),
        "the sign is turned: a loss is −A · ratio": -right,
        "of the two losses take the LARGER": smaller,
        "no ratio is held within 1 ± clip_ratio": free,
        "a loss is never cut: take the LARGER of the two": right + smaller - free,
        "the ratio is new over old": clipped_loss(old_logp, logp, advantages, mask, clip_ratio),
    }, "is the ratio e^(logp − old_logp), held from 1 − clip_ratio to 1 + clip_ratio?")  # fmt: skip


def advantages_like(found, rewards, values, mask, gamma, lam):
    """Of the advantages and of the returns."""
    given = {"rewards": rewards, "values": values, "mask": mask, "gamma": gamma, "lam": lam}
    right, returns = gae(**given)
    of = lambda **other: gae(**{**given, **other})[0]  # noqa: E731
    return like(found[0], right, {
        "go from the last token to the first":
            gae(rewards.flip(1), values.flip(1), mask.flip(1), gamma, lam)[0].flip(1),
        "γ λ A of the token after is missing": of(lam=0),
        "these are the rewards ahead minus the values, as if λ were 1": of(lam=1),
        "γ and λ both stand before A of the token after": of(lam=lam / gamma),
        "γ stands before V of the token after, too": of(gamma=1, lam=gamma * lam),
        "γ V of the token after is missing": of(rewards=rewards - values, values=0 * values),
        "V of the token itself is taken off": of(rewards=rewards + values),
    }, "after the end, where the mask is 0, nothing is expected and nothing summed on"
    ), like(found[1], returns, {}, "returns are A + V, and 0 outside the mask")  # fmt: skip
