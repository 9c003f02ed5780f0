"""How the merges build the tokens of a word from its bytes."""

from minigpt.show.diagrams.svg import Diagram


def merge_tree(tokenizer, word: str) -> Diagram:
    """The merges that make the tokens of a word, from its bytes at the bottom, in their order.

    tokenizer: a `tiktoken.Encoding`, or ranks {token's bytes: rank} as `train_bpe` returns them
    (a list of merges is `{a + b: 256 + i for i, (a, b) in enumerate(merges)}`; bytes may be left
    out). word: a single word, up to about 14 letters; a space before it counts. ValueError if it
    is empty or too long to draw.
    """
    return Diagram("merge tree", "not drawn yet", 0, "")
