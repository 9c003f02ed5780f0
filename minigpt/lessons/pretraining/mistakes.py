"""What a wrong loss, or wrong weights of attention, come from: for the checks of notebook 02."""

import torch
from torch import Tensor

from minigpt.lessons.pretraining.attention import attention_weights
from minigpt.model import next_token_loss


def loss_like(found: Tensor, logits: Tensor, targets: Tensor) -> tuple[Tensor, str]:
    """The mean of -ln p(target), and what was done in its place where the found one is another."""

    def of_true(x):
        return x.gather(-1, targets[..., None])

    right, p = next_token_loss(logits, targets), of_true(logits.softmax(-1))
    made = {
        "the sign: ln p is negative, a loss is not": -right,
        "that is the sum of the guesses, and the mean is wanted": targets.numel() * right,
        "that is in bits: take the natural logarithm": right / 0.693147,
        "that is the mean probability: take -ln of each": p.mean(),
        "take the logarithm of each guess, then the mean, not the other way round": -p.mean().log(),
        "that is the mean logit: make probabilities of the logits first": -of_true(logits).mean(),
        "softmax goes along the last dimension, V": -of_true(logits.softmax(1)).log().mean(),
        "that is the loss of the likeliest token, not of the target":
            -logits.log_softmax(-1).amax(-1).mean(),
    }  # fmt: skip
    return right, _first(made, found) or "softmax, the target's part of it, minus ln, mean"


def attention_mistake(found: Tensor, q: Tensor, k: Tensor, scale: float) -> str:
    """What was done in place of the weights of attention, from what came out."""
    scores, future = q @ k.mT * scale, torch.ones(len(q), len(q)).triu(1) > 0
    hidden, root = scores.masked_fill(future, -torch.inf), q.shape[-1] ** -0.5
    made = {
        "a token sees what comes after it: set those scores to -inf before the softmax":
            scores.softmax(-1),
        "the past is hidden instead of what comes after: triu(1), not tril":
            scores.masked_fill(future.mT, -torch.inf).softmax(-1),
        "set scores to -inf before the softmax; weights set to 0 after it leave rows that do not "
        "sum to 1": scores.softmax(-1).tril(),
        "a score of 0 is no mask, e to the power of 0 is 1: -inf is wanted":
            scores.tril().softmax(-1),
        "the scale is missing": attention_weights(q, k, 1.0),
        "you divided by scale: multiply by it": attention_weights(q, k, 1 / scale),
        "queries and keys have changed places": attention_weights(k, q, scale),
        "scale replaces 1 / sqrt(d): multiply by it": attention_weights(q, k, root),
        "scale is all: do not divide by sqrt(d) besides": attention_weights(q, k, scale * root),
        "those are the scores: softmax makes weights of them": hidden,
        "the softmax goes along the columns: each row sums to 1, softmax(-1)": hidden.softmax(0),
    }  # fmt: skip
    if why := _first(made, found):
        return why
    if (found[future] == 0).all():
        return "scores, mask, softmax"
    return "what comes after keeps some weight: set its scores to -inf before the softmax"


def _first(made: dict[str, Tensor], found: Tensor) -> str | None:
    """The first reason that makes what was found."""
    near = (why for why, x in made.items() if torch.allclose(found, x.to(found), atol=1e-4))
    return next(near, None)
