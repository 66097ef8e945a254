"""Signals that ask to stop: Ctrl-C, a termination, a terminal that was closed. Each ends in an exit code of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))  # Windows has no SIGHUP
_received: list[int] = []


@contextlib.contextmanager
def raised_interrupts() -> Iterator[None]:
    """Raises KeyboardInterrupt at each of the signals, and not at Ctrl-C alone."""

    def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    _received.clear()
    with _handled(interrupt):
        yield


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Collects the signals instead of raising, so that no step is left half done; a second one raises."""
    collected: list[int] = []

    def collect(number: int) -> None:
        if collected:
            raise KeyboardInterrupt
        collected.append(number)

    with _handled(collect):
        yield collected


@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Does at each of the signals what others have arranged for Ctrl-C."""
    with _handled(lambda number: signal.raise_signal(signal.SIGINT), *SIGNALS[1:]):
        yield


def exit_code() -> int:
    """What a process exits with that was asked to stop: 128 and the number of the first signal; 130 without one."""
    return 128 + (_received[0] if _received else signal.SIGINT)


@contextlib.contextmanager
def _handled(receive: Callable[[int], None], *numbers: int) -> Iterator[None]:
    """Calls a function with the number of each signal that arrives.

    Outside the main thread there are no signals to handle, and those that a process was started to ignore (``nohup``,
    the background of a script) it ignores.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: object) -> None:
        _received.append(number)
        if number == getattr(signal, "SIGHUP", None):
            _leave_terminal()
        receive(number)

    before = {number: signal.getsignal(number) for number in numbers or SIGNALS}
    handled = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in handled:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)


def _leave_terminal() -> None:
    """Writes nowhere what would go to a terminal that is gone, where writing is an error in the midst of saving."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):  # isatty() denies one that is gone
            os.dup2(nowhere, stream)
    os.close(nowhere)
