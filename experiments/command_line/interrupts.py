"""Signals that ask to stop: Ctrl-C, a termination, or a closed terminal. Each has its own exit code."""

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
    """Raises KeyboardInterrupt for each of the signals, not only for Ctrl-C."""

    def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    _received.clear()
    with _handled(interrupt):
        yield


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Collects signals instead of raising, so that no step is left half done; a second signal raises."""
    collected: list[int] = []

    def collect(number: int) -> None:
        if collected:
            raise KeyboardInterrupt
        collected.append(number)

    with _handled(collect):
        yield collected


@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Handles each of the signals with the handler that is installed for Ctrl-C."""
    with _handled(lambda number: signal.raise_signal(signal.SIGINT), *SIGNALS[1:]):
        yield


def exit_code() -> int:
    """The exit code of a process that was asked to stop: 128 plus the number of the first signal; 130 without one."""
    return 128 + (_received[0] if _received else signal.SIGINT)


@contextlib.contextmanager
def _handled(receive: Callable[[int], None], *numbers: int) -> Iterator[None]:
    """Calls a function with the number of each signal that arrives.

    It does nothing outside the main thread, which alone receives signals. Signals that the process was started to
    ignore (``nohup``, a script's background job) stay ignored.
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
    """Redirects output from a closed terminal to nowhere, because writing to it would raise in the midst of saving."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):  # isatty() is False for a closed terminal
            os.dup2(nowhere, stream)
    os.close(nowhere)
