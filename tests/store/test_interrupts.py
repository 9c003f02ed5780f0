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
