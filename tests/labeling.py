"""A labeler for tests: whoever prefers long answers."""

from minigpt.world.labelers import Chooser


def longer(encoding) -> Chooser:
    """Prefers the answer with more tokens."""
    return Chooser(lambda question, text: len(encoding.encode_ordinary(" " + text)))
