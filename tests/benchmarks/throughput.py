"""Training speed at a fixed shape, the optimizer's step included, against nanoGPT and transformers.

    python tests/benchmarks/throughput.py --nanogpt FOLDER

Four layers of 128, vocabulary 1,024, batches of 32 windows of 128 tokens. Ours learns as the course
pretrains (Muon and AdamW); nanoGPT with its own AdamW and clipping, as in its train.py;
transformers' GPT-2 with fused AdamW. A run is 20 updates. All in fp32; where the processor has
instructions for bfloat16 there is a row in bf16 too, nanoGPT's by autocast, as its train.py has it.
"""

from contextlib import nullcontext

import torch
from generation import transformers_model
from side_by_side import compare, main, nanogpt, skipped

from minigpt.engine.device import has_bf16, set_threads
from minigpt.engine.optim import make_optimizer
from minigpt.model import GPT, GPTConfig, next_token_loss

V, B, T, UPDATES = 1024, 32, 128, 20


def updates(optimizer, loss_of, parameters=None, context=None):
    """A program that makes the updates; with `parameters` their gradient is clipped at 1.
    context: to compute the loss in."""

    def run():
        for _ in range(UPDATES):
            with context or nullcontext():
                loss = loss_of()
            optimizer.zero_grad()  # PyTorch's too sets them to None
            loss.backward()
            if parameters is not None:
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            loss.item()

    return run


def rows(args):
    set_threads()
    torch.manual_seed(0)
    idx, targets = torch.randint(V, (B, T)), torch.randint(V, (B, T))
    model = GPT(GPTConfig(vocab_size=V, n_layer=4, n_head=4, n_embd=128, block_size=T))
    ours = updates(make_optimizer(model), lambda: next_token_loss(model(idx), targets))
    name = f"training, {B} x {T} tokens an update, fp32: "
    if not args.nanogpt:
        yield skipped(name + "nanoGPT", "give --nanogpt", 1.0, 1.3)
    else:
        module = nanogpt(args.nanogpt)
        nano = module.GPT(module.GPTConfig(
            block_size=T, vocab_size=V, n_layer=4, n_head=4, n_embd=128, dropout=0.0, bias=False
        ))  # fmt: skip
        adamw = nano.configure_optimizers(0.1, 1e-3, (0.9, 0.99), "cpu")
        theirs = updates(adamw, lambda: nano(idx, targets)[1], list(nano.parameters()))
        yield compare(name + "nanoGPT", ours, theirs, 1.0, 1.3, args.pairs)
        bf16 = name.replace("fp32", "bf16") + "nanoGPT"
        if not has_bf16(torch.device("cpu")):
            yield skipped(bf16, "this processor has neither AMX nor AVX512-BF16", 1.7, 2.5)
        else:
            context = torch.autocast("cpu", torch.bfloat16)
            theirs = updates(adamw, lambda: nano(idx, targets)[1], list(nano.parameters()), context)
            model.dtype = torch.bfloat16
            yield compare(bf16, ours, theirs, 1.7, 2.5, args.pairs)
            model.dtype = torch.float32
    try:
        peer = transformers_model().train()
    except ImportError:
        yield skipped(name + "transformers", "pip install transformers", 1.5, 2.0)
        return
    adamw = torch.optim.AdamW(peer.parameters(), lr=1e-3, fused=True)
    theirs = updates(adamw, lambda: peer(idx, labels=idx).loss)
    yield compare(name + "transformers", ours, theirs, 1.5, 2.0, args.pairs)


if __name__ == "__main__":
    main(rows, __doc__)
