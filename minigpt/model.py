"""The model: a small GPT, as small models are built today.

Token ids go in, and for each position come out the logits (scores before softmax) of the next
token. GPT-2's plan, with what later models changed, each because it learns faster or is simpler:

- norms have no parameters, and stand before each layer, after the embedding and before the head;
  only the last has one number, its gain: the larger, the surer the model is of each next token;
- positions are rotations of queries and keys (RoPE), so only distances matter, not places;
- queries and keys are normalised per head (QK-norm), so no attention score can blow up;
- the MLP uses ReLU squared; there are no biases; the head does not share the embedding's weights;
- what each layer adds starts at zero, and so do all logits: the loss starts at exactly ln V.

The norm is layer norm and not RMSNorm, as most large models have it, because on a CPU layer norm
without parameters is one fused kernel and RMSNorm is not. Simplified against the real thing:
float32 (bfloat16 on request), one device, no dropout, no grouped keys, no mixture of experts.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.engine.layers import (
    Embedding,
    Linear,
    ReluSquared,
    attention_by_hand,
    by_hand_is_faster,
    use_cpu_well,
)

IGNORE = -100  # a target with this value is not scored
# Normalised queries and keys have length sqrt(head size), so the usual 1 / sqrt(32) would keep all
# attention scores within ±5.7: too flat to look at one token of 256. With 0.5 they reach ±16.
SHARPNESS = 0.5


@dataclass
class GPTConfig:
    vocab_size: int = 1024  # token ids, special tokens included
    block_size: int = 256  # the longest context, in tokens
    n_layer: int = 4  # blocks, each attention + MLP
    n_head: int = 4  # attention heads a block
    n_embd: int = 128  # width of the residual stream, n_head times an even number

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"GPTConfig.{name} is {value!r}: give a whole number of 1 or more")
        if self.n_embd % (2 * self.n_head):
            raise ValueError(f"GPTConfig.n_embd is {self.n_embd}: it must be n_head "
                             f"({self.n_head}) times an even number, so that each head gets pairs "
                             "of numbers to rotate")  # fmt: skip


class KVCache:
    """Keys and values of all tokens read so far, so that generation reads each token once.

    One tensor for all layers, allocated once: (n_layer, 2, B, n_head, length, head size). To be
    used without gradients, since it is overwritten.
    """

    def __init__(self, config: GPTConfig, batch_size: int, length: int, device=None) -> None:
        head_size = config.n_embd // config.n_head
        shape = (config.n_layer, 2, batch_size, config.n_head, length, head_size)
        self.kv = torch.empty(shape, device=device)
        self.length = 0  # tokens read so far

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write one layer's new keys and values; return those of all tokens so far."""
        end = self.length + k.shape[2]
        keys, values = self.kv[layer, 0], self.kv[layer, 1]  # (B, n_head, length, head size) each
        keys[:, :, self.length : end] = k
        values[:, :, self.length : end] = v
        return keys[:, :, :end], values[:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Drop all rows of the batch but these."""
        self.kv = self.kv[:, :, rows]


def norm(x: Tensor) -> Tensor:
    """Layer norm without parameters: mean 0 and variance 1 over the last dimension."""
    return F.layer_norm(x, (x.shape[-1],))


class Block(nn.Module):
    """One layer: tokens look at earlier tokens (attention), then each thinks alone (MLP)."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        C = config.n_embd
        self.layer, self.n_head = layer, config.n_head
        self.qkv = Linear(C, 3 * C)
        self.attn_out = Linear(C, C)
        self.mlp_in = Linear(C, 4 * C)
        self.mlp_out = Linear(4 * C, C)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        for layer in (self.qkv, self.mlp_in):
            layer.weight.normal_(std=layer.in_features**-0.5, generator=generator)
        self.attn_out.weight.zero_()
        self.mlp_out.weight.zero_()

    def forward(self, x: Tensor, rotation: Tensor, mask: Tensor | None, cache=None) -> Tensor:
        x = x + self.attention(norm(x), rotation, mask, cache)
        return x + self.mlp_out(ReluSquared.apply(self.mlp_in(norm(x))))

    def attention(self, x: Tensor, rotation: Tensor, mask: Tensor | None, cache=None) -> Tensor:
        B, T, C = x.shape
        q, k, v = self.queries_keys_values(x, rotation)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        causal = mask is None and T > 1
        if causal and by_hand_is_faster(q):
            y = attention_by_hand(q, k, v, SHARPNESS)
        else:
            y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=SHARPNESS)
        return self.attn_out(y.transpose(1, 2).reshape(B, T, C))

    def queries_keys_values(self, x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each head looks for, is found by, and hands on: (B, h, T, C / h) each."""
        B, T, C = x.shape
        h = self.n_head
        qk, v = self.qkv(x).view(B, T, 3 * h, C // h).split((2 * h, h), dim=2)
        qk = rotate(norm(qk), rotation)  # queries and keys at once
        return *qk.transpose(1, 2).split(h, dim=1), v.transpose(1, 2)


class GPT(nn.Module):
    """A GPT. The same `seed` gives the same weights, and torch's global seed is left alone."""

    def __init__(self, config: GPTConfig, seed: int = 0) -> None:
        super().__init__()
        use_cpu_well()
        self.config = config
        self.dtype = torch.float32  # that layers compute in, or bfloat16; weights stay float32
        self.embedding = Embedding(config.vocab_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.gain = nn.Parameter(torch.ones(()))  # of the last norm
        self.head = Linear(config.n_embd, config.vocab_size)
        rotation = rotations(config.block_size, config.n_embd // config.n_head)
        self.register_buffer("rotation", rotation, persistent=False)
        self.init_weights(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        self.embedding.weight.normal_(generator=generator)
        self.head.weight.zero_()
        for block in self.blocks:
            block.init_weights(generator)

    def hidden(
        self, idx: Tensor, cache: KVCache | None = None, pad: Tensor | None = None
    ) -> Tensor:
        """Hidden states after the last norm: what the head, a reward or a value head reads.

        idx: (B, T) token ids; with a `cache`, those that follow the tokens in it, and they are
        added to it. pad: (B,) how many tokens at the left of each row are padding that no other
        token may see; distances stay right, because rotary positions are relative. Returns
        (B, T, C); at padding it is meaningless. ValueError if the context would pass block_size.
        """
        T, past = idx.shape[1], cache.length if cache is not None else 0
        if past + T > self.config.block_size:
            raise ValueError(f"{past + T} tokens do not fit into the context of "
                             f"{self.config.block_size}: shorten the input or build the model with "
                             "a larger block_size")  # fmt: skip
        rotation = self.rotation[past : past + T, None]  # (T, 1, head size / 2)
        mask = attention_mask(T, past, pad, idx.device)
        x = norm(self.embedding(idx))  # (B, T, C)
        if cache is None and pad is None:  # to read one token at a time, bfloat16 is no faster
            x = x.to(self.dtype)
        for block in self.blocks:
            x = block(x, rotation, mask, cache)
        if cache is not None:
            cache.length = past + T
        return norm(x) * self.gain

    def forward(self, idx: Tensor, pad: Tensor | None = None) -> Tensor:
        """Logits of the next token at each position: (B, T) ids → (B, T, V)."""
        return self.head(self.hidden(idx, pad=pad)).float()

    def num_params(self) -> int:
        """How many numbers training adjusts."""
        return sum(p.numel() for p in self.parameters())


def rotations(length: int, head_size: int, base: float = 1000.0) -> Tensor:
    """RoPE's rotations (Su et al. 2021, eq. 15) as complex numbers: (length, head_size / 2).

    Pair i of a head turns by base^(-2i / head_size) radians a position: the first pairs tell near
    tokens apart, the last ones far tokens.
    """
    speed = base ** (-torch.arange(0, head_size, 2) / head_size)
    angle = torch.outer(torch.arange(length), speed)
    return torch.polar(torch.ones_like(angle), angle)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn each pair of numbers of x (..., head size) by its angle: one complex product."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2).type_as(x)


def attention_mask(T: int, past: int, pad: Tensor | None, device) -> Tensor | None:
    """What T new tokens after `past` old ones may see: 0, or -inf for what they may not.

    None if the plain rule does: every token sees itself and all before it.
    """
    if pad is None and (past == 0 or T == 1):
        return None
    query = torch.arange(past, past + T, device=device)[:, None]  # (T, 1)
    key = torch.arange(past + T, device=device)  # (past + T,)
    allowed = key <= query
    if pad is not None:  # padding may see itself, or its softmax would divide 0 by 0
        allowed = (allowed & (key >= pad[:, None, None]) | (key == query))[:, None]
    return torch.zeros(allowed.shape, device=device).masked_fill_(~allowed, -torch.inf)


def next_token_loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy of the next token, in nats.

    logits: (..., V), where logits[..., t, :] scores targets[..., t], the token after position t.
    targets: (...), -100 where nothing is scored. reduction: "mean" over the scored tokens, "sum",
    or "none" for a loss per target (0 where nothing is scored). A mean of nothing is a ValueError,
    or NaN on a GPU, which would have to finish all its work to be asked.
    """
    if reduction == "mean" and targets.device.type == "cpu" and bool((targets == IGNORE).all()):
        raise ValueError("all targets are -100: there is no token to score, so no mean loss")
    flat = logits.flatten(0, -2), targets.flatten()
    loss = F.cross_entropy(*flat, ignore_index=IGNORE, reduction=reduction)
    return loss.view(targets.shape) if reduction == "none" else loss
