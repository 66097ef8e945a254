"""Ctrl-C and SIGTERM while a step is under way."""

import signal
import threading

import pytest

from hirl_experiments.training.interrupts import deferred_interrupts


def test_signal_handlers_are_left_alone_outside_the_main_thread():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with deferred_interrupts() as received:
            seen.append((signal.getsignal(signal.SIGTERM) is before, list(received)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(True, [])]


def test_the_first_signal_is_collected_and_the_second_raises():
    before = signal.getsignal(signal.SIGTERM)
    with deferred_interrupts() as received:
        signal.raise_signal(signal.SIGTERM)
        assert received == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
