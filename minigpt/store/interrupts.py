"""Ctrl-C and ■ wait for the update in hand, so that a run stops whole and can go on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_interrupts(*signals: int, together: bool = False) -> Iterator[list[int]]:
    """Inside, these signals are put on the list that this gives, and nothing else happens; a second
    one is KeyboardInterrupt at once, unless several processes are to stop `together`. Signals
    belong to the main thread: elsewhere nothing is held."""
    caught: list[int] = []
    ended = False
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def hold(signum: int, frame) -> None:
        if ended:  # a later one put this back
            signal.signal(signum, before[signum])
            return signal.raise_signal(signum)
        if caught and not together:
            raise KeyboardInterrupt
        caught.append(signum)

    before = {signum: signal.signal(signum, hold) for signum in signals}
    try:
        yield caught
    finally:
        ended = True
        for signum, handler in before.items():
            if signal.getsignal(signum) is hold:  # a run that was dropped may end within another
                signal.signal(signum, handler)
