"""A prompt is a place in a document: what follows there is what the model writes."""

import difflib
from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram
from minigpt.store.words import _

STEP, ROOM, TOP = 30, 448, 38


def prompt_in_document(
    page: Sequence[str], prompt: str, continuation: str, place: int | None = None
) -> Diagram:
    """A page that the model read, and the prompt as the same place in a page of its own.

    page: lines of a document of the training corpus, up to five are drawn around the place. prompt:
    what was typed, several lines if it has examples. continuation: what the model wrote next, its
    first three lines are drawn. place: the line of the page, from 0, that is like the prompt's last
    line; without it the one whose spelling is nearest. ValueError if page or prompt is empty.
    """
    page = [str(line) for line in page]
    typed, written = ([t for t in s.split("\n") if t.strip()] for s in (prompt, continuation))
    if not page or not typed:
        raise ValueError("give the lines of a page, and a prompt")
    if place is None:
        near = [difflib.SequenceMatcher(None, line, typed[-1]).ratio() for line in page]
        place = near.index(max(near))
    first = max(0, min(place - 1, len(page) - 5))
    page, place = page[first : first + 5], place - first
    goes_on = not prompt.endswith("\n") and not continuation.startswith("\n")  # in the same line
    typed, written = typed[-4:], written[:3] or ["…"]
    more = written[1:] if goes_on else written

    pic = Diagram(_("A prompt is a place in a document"))
    pic.text(12, 26, _("a page that it read"), "s")
    pic.box(12, TOP, 496, STEP * len(page) + 16, "sheet", 3)
    for i, line in enumerate(page):
        pic.text(32, TOP + STEP * i + 28, line, "" if i == place else "s", room=ROOM)
    pic.box(22, TOP + STEP * place + 7, 466, STEP, "frame")
    top = TOP + STEP * len(page) + 56
    pic.text(12, top - 12, _("the same place: your prompt"), "s")
    pic.box(12, top, 496, STEP * (len(typed) + len(more)) + 22, "sheet", 3)
    for i, line in enumerate(typed):
        bold = " " + written[0].strip() if goes_on and i + 1 == len(typed) else ""
        pic.text(32, top + STEP * i + 28, line, "", bold, room=ROOM)
    low = top + STEP * len(typed)
    pic.box(22, low - STEP + 7, 466, STEP, "frame")
    pic.path(f"M498 {TOP + STEP * place + 22}V{low - STEP + 22}", "same")
    if more:
        pic.box(22, low + 11, 466, STEP * len(more) + 2, "base model thin")
    for i, line in enumerate(more):
        pic.text(32, low + STEP * i + 32, line, "b", room=ROOM)
    end = low + STEP * len(more) + 22
    pic.text(508, end + 26, _("bold: what it writes"), "s e")
    told = _("On a page that the model read, the line {line} is followed by {next}. The prompt "
             "ends in the same place, {prompt}, and the model continues: {text}.", line=page[place],
             next=" / ".join(page[place + 1 :]) or _("the end"), prompt=typed[-1],
             text=" / ".join(written))  # fmt: skip
    return pic.done(told, end + 42)
