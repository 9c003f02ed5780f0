"""Interrupts that wait for the update in hand."""

import signal

import pytest

from minigpt.store.interrupts import held_interrupts

BOTH = signal.SIGINT, signal.SIGTERM


def test_a_second_ctrl_c_stops_at_once_and_handlers_come_back():
    before = [signal.getsignal(s) for s in BOTH]
    with pytest.raises(KeyboardInterrupt), held_interrupts(*BOTH) as caught:
        signal.raise_signal(signal.SIGTERM)
        assert caught == [signal.SIGTERM]
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(s) for s in BOTH] == before


def test_processes_that_stop_together_hold_the_second_one_too():
    with held_interrupts(*BOTH, together=True) as caught:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert caught == [signal.SIGINT] * 2


def test_other_signals_are_not_held():
    terminate = signal.getsignal(signal.SIGTERM)
    with held_interrupts(signal.SIGINT):
        assert signal.getsignal(signal.SIGTERM) is terminate


def test_a_run_that_was_dropped_takes_no_interrupts_from_a_later_one():
    """A dropped generator ends when it is collected, which may be while another run holds them."""
    dropped, before = held_interrupts(signal.SIGINT), signal.getsignal(signal.SIGINT)
    dropped.__enter__()
    with held_interrupts(signal.SIGINT) as caught:
        dropped.__exit__(None, None, None)
        signal.raise_signal(signal.SIGINT)
        assert caught == [signal.SIGINT]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
