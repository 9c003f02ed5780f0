"""The sizes of `python3 -m minigpt train --size NAME`; README says what each costs.

From the course's model up to the body of GPT-2's smallest: 12 layers, 12 heads, width 768, context
1,024. That one is called the 124M model, for 124,439,808 parameters; `gpt2` here has 86,507,521.
What is missing is the vocabulary: GPT-2's 50,257 tokens have 38.6 million numbers in its embedding,
our 1,024 tokens have 0.8 million each in embedding and head; nor are there position embeddings,
biases or parameters of norms. The corpus grows with the model, about three tokens a parameter, but
it tells of the same places: above `tiny` it is the same facts in ever more documents.
"""

from dataclasses import dataclass, replace

from minigpt.model import GPTConfig

DEFAULT = "tiny"


@dataclass(frozen=True)
class Size:
    """One rung: a model, and what pretrains it."""

    model: GPTConfig
    batch_size: int  # windows of block_size tokens an update
    tokens: int  # tokens of the pretraining corpus, read once

    def head_lr(self, rate: float) -> float:
        """A head's rate for this width, from that for 128. Muon's rate is the same for all."""
        return rate * 128 / self.model.n_embd


SIZES = {  # from small to large; block_size, n_layer, n_head, n_embd
    "tiny": Size(GPTConfig(1024, 256, 4, 4, 128), 16, 3_300_000),
    "mini": Size(GPTConfig(1024, 256, 6, 4, 256), 16, 16_000_000),
    "small": Size(GPTConfig(1024, 512, 8, 6, 384), 16, 48_000_000),
    "medium": Size(GPTConfig(1024, 512, 10, 8, 512), 32, 100_000_000),
    "gpt2": Size(GPTConfig(1024, 1024, 12, 12, 768), 16, 270_000_000),
}


@dataclass(frozen=True)
class Edition:
    """In what the models of one language differ from those of another."""

    vocab_size: int  # token ids, special tokens included
    tokens: float  # tokens of the corpus, as a share of a size's
    snapshots: tuple[float, ...]  # shares of pretraining after which one is kept
    forms: dict[str, tuple[str, str | None]]  # of checkpoints that are not bf16 (`leaves.py`)


COMPARED = {"sft_honest": ("delta", "base"), "ppo_early": ("delta", "sft"),
            "ppo_overoptimised": ("delta", "sft"), "ppo_priced": ("delta", "sft")}  # fmt: skip
SMALL = {"sft": ("int8", None), "reward": ("int8", None), "ppo": ("delta", "sft")}
EDITIONS = {
    "en": Edition(1024, 1.0, (0.04, 0.12, 0.3, 0.6), COMPARED),
    "zh": Edition(2048, 0.9, (0.04, 0.3), COMPARED | SMALL),
}


def size_of(name: str, lang: str = "en") -> Size:
    """One of SIZES for the models of a language."""
    size, edition = SIZES[name], EDITIONS[lang]
    model = replace(size.model, vocab_size=edition.vocab_size)
    return replace(size, model=model, tokens=int(size.tokens * edition.tokens))


def flops_per_token(config: GPTConfig, context: int | None = None) -> int:
    """FLOPs of matrix products to train on one token: 6 N + 12 n_layer n_embd context.

    N counts the weights of the blocks and the head: 2 FLOPs each forward, 4 backward. The second
    term is attention's two products, counted in full, without the causal mask's half (PaLM,
    appendix B). `context` is block_size unless given. Generating takes a third of it.
    """
    L, C = config.n_layer, config.n_embd
    n = 12 * L * C * C + config.vocab_size * C
    return 6 * n + 12 * L * C * (context or config.block_size)
