"""A prompt is a place in a document: what follows there is what the model writes."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram


def prompt_in_document(
    page: Sequence[str], prompt: str, continuation: str, place: int | None = None
) -> Diagram:
    """A page that the model read, and the prompt as the same place in a page of its own.

    page: lines of a document of the training corpus, up to six are drawn around the place. prompt:
    what was typed, several lines if it has examples. continuation: what the model wrote next, its
    first three lines are drawn. place: the line of the page, from 0, that is like the prompt's last
    line; without it the one whose spelling is nearest. ValueError if the page is empty.
    """
    return Diagram("prompt in document", "not drawn yet", 0, "")
