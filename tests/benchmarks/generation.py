"""Generation: 128 sequences at once and one alone, against nanoGPT and transformers.

    python tests/benchmarks/generation.py --nanogpt FOLDER

All models have four layers of 128, a vocabulary of 1,024, weights as they are made, and 20 tokens
of prompt; all draw at temperature 1 from the whole vocabulary, in fp32. nanoGPT keeps no keys and
values, transformers does.
"""

from functools import partial

import torch
from side_by_side import compare, main, nanogpt, skipped

from minigpt.engine.device import set_threads
from minigpt.generate import generate
from minigpt.model import GPT, GPTConfig

PROMPT, V, CONTEXT = 20, 1024, 256
# (what, sequences, new tokens, goals and stretches against nanoGPT and transformers)
TASKS = [
    ("128 x 40 tokens", 128, 40, (8, 12), (2, 3)),
    ("1 x 200 tokens", 1, 200, (3.8, 6), (2.8, 4)),
]


def transformers_model():
    """transformers' GPT-2 of the same shape."""
    import transformers

    transformers.logging.set_verbosity_error()
    config = transformers.GPT2Config(
        vocab_size=V, n_positions=CONTEXT, n_embd=128, n_layer=4, n_head=4, resid_pdrop=0,
        embd_pdrop=0, attn_pdrop=0, bos_token_id=0, eos_token_id=V - 1, pad_token_id=V - 2,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config).eval()


def rows(args):
    set_threads()
    model = GPT(GPTConfig(vocab_size=V, n_layer=4, n_head=4, n_embd=128, block_size=CONTEXT)).eval()
    torch.manual_seed(0)
    peer = None
    try:
        peer = transformers_model()
    except ImportError:
        pass
    nano = None
    if args.nanogpt:
        module = nanogpt(args.nanogpt)
        nano = module.GPT(module.GPTConfig(
            block_size=CONTEXT, vocab_size=V, n_layer=4, n_head=4, n_embd=128, dropout=0.0,
            bias=False,
        )).eval()  # fmt: skip
    for what, B, new, nano_goals, peer_goals in TASKS:
        prompts = torch.randint(V - 2, (B, PROMPT), generator=torch.Generator().manual_seed(0))

        ours = partial(generate, model, prompts.tolist(), new)
        if nano is None:
            yield skipped(f"generation, {what}: nanoGPT", "give --nanogpt", *nano_goals)
        else:
            yield compare(
                f"generation, {what}: nanoGPT", ours,
                partial(nano.generate, prompts, new), *nano_goals, args.pairs,
            )  # fmt: skip
        if peer is None:
            yield skipped(
                f"generation, {what}: transformers", "pip install transformers", *peer_goals
            )
            continue

        def theirs(idx=prompts, new=new):
            with torch.inference_mode():
                peer.generate(
                    idx, attention_mask=torch.ones_like(idx), do_sample=True, top_k=0,
                    max_new_tokens=new, min_new_tokens=new, use_cache=True,
                )  # fmt: skip

        yield compare(f"generation, {what}: transformers", ours, theirs, *peer_goals, args.pairs)


if __name__ == "__main__":
    main(rows, __doc__)
