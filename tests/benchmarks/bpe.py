"""BPE training and encoding, against minbpe (readable Python) and tokenizers (Rust).

    python tests/benchmarks/bpe.py --tinyshakespeare FILE --minbpe FOLDER

Without --tinyshakespeare the text is the course's own corpus. All train to the end, with GPT-4's
split pattern and a vocabulary of 512 on 100 kB; on the whole text with 1,024.
"""

import sys

from side_by_side import compare, main, skipped

from minigpt.engine.bpe import fast_merges
from minigpt.engine.ranks import GPT4_PATTERN
from minigpt.stages.recipe import tokenizer_text
from minigpt.tokenizer import build_encoding, train_bpe


def rust(text: str, vocab_size: int):
    """A tokenizer trained by Hugging Face's tokenizers on the same pre-tokens."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(GPT4_PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def rows(args):
    if args.tinyshakespeare:
        text = args.tinyshakespeare.read_text(encoding="utf-8")
    else:
        text = "".join(tokenizer_text("en"))
    small = text.encode("utf-8")[:100_000].decode("utf-8", "ignore")
    source = "tinyshakespeare" if args.tinyshakespeare else "the course's corpus"

    def ours(text, vocab_size):
        return lambda: train_bpe(text, vocab_size, GPT4_PATTERN, fast_merges)

    for name, size, part, goals in (
        ("BPE, 100 kB, vocabulary 512: minbpe", 512, small, (80, None)),
        ("BPE, whole text, vocabulary 1,024: minbpe", 1024, text, (80, 500)),
    ):
        if not args.minbpe:
            yield skipped(name, "give --minbpe, a checkout of karpathy/minbpe", *goals)
        elif part is text and not args.long:
            yield skipped(name, "takes minutes a run; give --long", *goals)
        else:
            sys.path.insert(0, str(args.minbpe))
            from minbpe import RegexTokenizer

            yield compare(
                name, ours(part, size), lambda t=part, n=size: RegexTokenizer().train(t, n), *goals,
                pairs=args.pairs, warm_up=part is small, note=source,
            )  # fmt: skip
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        yield skipped("BPE: tokenizers (Rust)", "pip install tokenizers", 0.9, 1.0)
        return
    yield compare(
        "BPE, 100 kB, vocabulary 512, ten times: tokenizers (Rust)",
        lambda: [train_bpe(small, 512, GPT4_PATTERN, fast_merges) for _ in range(10)],
        lambda: [rust(small, 512) for _ in range(10)], 0.9, 1.0, args.pairs, note=source,
    )  # fmt: skip
    yield compare(
        "BPE, whole text, vocabulary 1,024: tokenizers (Rust)", ours(text, 1024),
        lambda: rust(text, 1024), 0.9, 1.0, args.pairs, note=source,
    )  # fmt: skip
    encoding = build_encoding("bench", train_bpe(text, 1024, GPT4_PATTERN, fast_merges))
    other = rust(text, 1024)
    yield compare(
        "encoding the whole text: tokenizers (Rust)", lambda: encoding.encode_ordinary(text),
        lambda: other.encode(text), 3.0, None, args.pairs, note=source,
    )  # fmt: skip


if __name__ == "__main__":
    main(rows, __doc__)
