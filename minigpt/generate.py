"""Generation: draw the next token from the model's own distribution, append it, repeat.

All prompts of a batch go on together. Keys and values of the tokens read so far are kept (KV
cache), so a step reads one new token a row and not the whole text again. Each row draws from
random numbers of its own, so what a row says does not depend on who else is in the batch.
Simplified against a real server: the batch only shrinks, nobody joins, and the memory for all
tokens to come is set aside at the start.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from minigpt.engine.batching import (
    check_finite,
    check_prompts,
    check_sampling,
    check_temperature,
    pad_left,
    similar_lengths,
    uniform_numbers,
)
from minigpt.engine.decoding import Decoder
from minigpt.model import GPT, KVCache


@dataclass
class Sample:
    ids: list[int]  # the new tokens, with the stop token if it was drawn
    logprobs: list[float]  # of each new token, before top_k and top_p: see generate
    ended: bool  # True if a stop token was drawn, False if the row was cut off


@torch.inference_mode()
def generate(
    model: GPT, prompts: list[list[int]], max_new_tokens: int, *, temperature: float = 1.0,
    top_k: int | None = None, top_p: float | None = None, stop: int | set[int] | None = None,
    seeds: list[int] | int | None = 0,
) -> list[Sample]:  # fmt: skip
    """Continue each prompt (token ids) by up to `max_new_tokens` tokens.

    temperature: logits are divided by it; 0 takes the most likely token. top_k, top_p: draw only
    among the k most likely tokens; among the fewest whose probability reaches p. stop: token
    id(s) that end a row. seeds: one a prompt; or one for the batch, from which each row gets its
    own; or None, new ones each time. The same model, prompt and seed give the same sample in any
    batch, but for the rounding of sums.

    `Sample.logprobs` are taken at this temperature (at 1 if it is 0) and before top_k and top_p:
    without those two, they are under exactly the distribution sampled from, as PPO needs them.
    Raises ValueError if the arguments do not fit the model or each other.
    """
    check_prompts(model, prompts, max_new_tokens)
    check_sampling(max_new_tokens, temperature, top_k, top_p)
    if not prompts:
        return []
    device = model.embedding.weight.device
    uniform = uniform_numbers(seeds, len(prompts), max_new_tokens).to(device)  # (B, new)
    stop_ids = {stop} if isinstance(stop, int) else set(stop or ())
    stops = torch.tensor(sorted(stop_ids), dtype=torch.long, device=device)
    idx, pad = pad_left(prompts, device)
    cache = KVCache(model.config, len(idx), idx.shape[1] + max_new_tokens - 1, device)
    hidden = read(model, idx, cache, pad)  # (B, C)
    decoder = Decoder(model, cache, pad)

    tokens = torch.zeros(uniform.shape, dtype=torch.long, device=device)  # (B, new)
    logprobs = torch.zeros_like(uniform)  # (B, new)
    rows: slice | Tensor = slice(None)  # the prompts that are still in the batch: all
    going = torch.ones(len(idx), dtype=torch.bool, device=device)  # have not drawn a stop token
    # A GPU that is asked how many go on must first finish all that it was told to do.
    ask_every = 1 if device.type == "cpu" else 8
    for t in range(max_new_tokens):
        token, logprob = draw(model.head(hidden), uniform[rows, t], temperature, top_k, top_p)
        tokens[rows, t], logprobs[rows, t] = token, logprob
        if t + 1 == max_new_tokens:
            break
        if stop_ids:
            going &= (token[:, None] != stops).all(dim=1)
        if stop_ids and t % ask_every == 0:
            n_going = int(going.sum())
            if n_going == 0:
                break
            if n_going < 0.75 * len(going):  # not at each end: to drop rows is to copy the cache
                decoder.keep(going)
                rows = torch.arange(len(idx), device=device)[rows][going]
                token, going = token[going], going[going]
        hidden = decoder.read(token)
    check_finite(logprobs)
    return [cut(*row, stop_ids) for row in zip(tokens.tolist(), logprobs.tolist(), strict=True)]


@torch.inference_mode()
def next_token_distribution(model: GPT, ids: list[int], temperature: float = 1.0) -> Tensor:
    """Probability of each token of the vocabulary to come after `ids`: (V,)."""
    check_prompts(model, [ids], 0)
    check_temperature(temperature)
    idx = torch.tensor([ids], device=model.embedding.weight.device)
    return torch.softmax(model.head(read(model, idx))[0] / temperature, dim=-1)


def read(model: GPT, idx: Tensor, cache: KVCache | None = None, pad=None) -> Tensor:
    """Hidden state of the last position only, for that is where the next token is: (B, C)."""
    return check_finite(model.hidden(idx, cache, pad)[:, -1])


def draw(
    logits: Tensor, uniform: Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> tuple[Tensor, Tensor]:
    """Draw one token a row from logits (B, V) with one random number of [0, 1) each (B,).

    Returns the tokens (B,) and their log-probabilities (B,) before top_k and top_p.
    """
    if temperature not in (0, 1):
        logits = logits / temperature
    probs = logits.softmax(dim=-1)  # (B, V)
    if temperature == 0:
        token = logits.argmax(dim=-1)
    else:
        kept = probs
        if top_k is not None:
            kept = keep_top_k(kept, top_k)
        if top_p is not None:
            kept = keep_top_p(kept, top_p)
        token = inverse_cdf(kept, uniform)
    return token, probs.gather(-1, token[:, None])[:, 0].log()


def inverse_cdf(probs: Tensor, uniform: Tensor) -> Tensor:
    """Lay the probabilities end to end on a line; take the token that the random number falls on.

    probs: (B, V), in any unit. As torch.multinomial draws, but in a tenth of the time.
    """
    cdf = probs.cumsum(dim=-1)
    point = uniform.clamp(max=1 - 2**-22)[:, None] * cdf[:, -1:]  # below the end, rounded up too
    token = torch.searchsorted(cdf, point, right=True)[:, 0]
    return token.clamp_(max=probs.shape[-1] - 1)  # past the end only where a sum is NaN


def keep_top_k(probs: Tensor, k: int) -> Tensor:
    """Set all but the k largest probabilities of each row (B, V) to 0."""
    values, ids = probs.topk(min(k, probs.shape[-1]))
    return torch.zeros_like(probs).scatter_(-1, ids, values)


def keep_top_p(probs: Tensor, p: float) -> Tensor:
    """Set to 0 all but the fewest largest probabilities of each row (B, V) that reach share p."""
    values, ids = probs.sort(dim=-1, descending=True)
    before = values.cumsum(dim=-1) - values  # what the more likely tokens have already
    before[:, 0] = 0  # exactly: the first one always stays
    values[before >= p * values.sum(dim=-1, keepdim=True)] = 0
    return torch.zeros_like(probs).scatter_(-1, ids, values)


def cut(ids: list[int], logprobs: list[float], stop_ids: set[int]) -> Sample:
    """A row up to its first stop token, which is kept: the model chose to stop, PPO rates that."""
    for n, token in enumerate(ids, start=1):
        if token in stop_ids:
            return Sample(ids[:n], logprobs[:n], ended=True)
    return Sample(ids, logprobs, ended=False)


def generate_all(
    model: GPT, prompts: list[list[int]], max_new_tokens: int, *, n: int = 1,
    temperature: float = 1.0, top_p: float | None = None, stop: int | set[int] | None = None,
    seed: int = 0, batch: int = 256,
) -> list[list[Sample]]:  # fmt: skip
    """`n` samples of each of many prompts; those of similar length are generated together.

    Each sample has a seed of its own, so all differ, and `batch` rows at a time or another number
    of them say the same. The other arguments are generate's. Returns a list of `n` a prompt.
    """
    rows = [prompt for prompt in prompts for _ in range(n)]
    samples: list = [None] * len(rows)
    for part in similar_lengths(list(map(len, rows)), batch):
        new = generate(
            model, [rows[i] for i in part], max_new_tokens, temperature=temperature, top_p=top_p,
            stop=stop, seeds=[seed * 10**7 + i for i in part],
        )  # fmt: skip
        for i, sample in zip(part, new, strict=True):
            samples[i] = sample
    return [samples[i * n : (i + 1) * n] for i in range(len(prompts))]
