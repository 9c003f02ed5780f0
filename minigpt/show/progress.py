"""How far some work is: for what takes more than three seconds and is no training run."""

import sys
import time
from collections.abc import Iterator, Sequence

from IPython import get_ipython
from IPython.display import display

from minigpt.show.live import minutes
from minigpt.show.widget import has_learner
from minigpt.store.words import _


def progress(items: Sequence, said: str, by: int = 0) -> Iterator:
    """Iterate over `items`, or over lists of `by` of them, and show how far one is and how long it
    will take; the last line has no times, which differ from run to run, and goes where a learner
    saw it. said: of what."""
    parts = [items[i : i + by] for i in range(0, len(items), by)] if by else [*items]
    begin, done, handle = time.perf_counter(), 0, None

    def tell(left: str = "") -> None:
        nonlocal handle
        line = _("{said}: {n:,} of {all:,}", said=said, n=done, all=len(items)) + left
        if get_ipython() is None:
            print(line, file=sys.stderr if left else sys.stdout)
        elif handle:
            handle.update({"text/plain": line if left or not has_learner() else ""}, raw=True)
        else:
            handle = display({"text/plain": line}, raw=True, display_id=True)

    tell(" …")
    for part in parts:
        yield part
        done += len(part) if by else 1
        rest = (time.perf_counter() - begin) / done * (len(items) - done)
        tell(_(", {time} left", time=minutes(rest)) if done < len(items) else "")
