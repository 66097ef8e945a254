"""Signals that ask to stop, while a step is under way and otherwise."""

import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from hirl_experiments.command_line.interrupts import deferred_interrupts, exit_code, like_ctrl_c, raised_interrupts

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


def test_signal_handlers_are_left_alone_outside_the_main_thread():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with deferred_interrupts() as received:
            seen.append((signal.getsignal(signal.SIGTERM) is before, list(received)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(True, [])]


@pytest.mark.parametrize("name", CODES)
def test_the_first_signal_is_collected_and_the_second_raises(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with raised_interrupts():
        with deferred_interrupts() as received:
            signal.raise_signal(number)
            assert received == [number]
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert exit_code() == CODES[name]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_is_arranged_for_ctrl_c_serves_others_too():
    seen = []
    with raised_interrupts(), like_ctrl_c():
        signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
        signal.raise_signal(signal.SIGTERM)
        assert seen == [signal.SIGINT]
        assert exit_code() == 143


def test_what_was_ignored_from_the_start_is_ignored_on():
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised_interrupts(), deferred_interrupts() as received:
            signal.raise_signal(signal.SIGHUP)
            assert not received
    finally:
        signal.signal(signal.SIGHUP, before)


COMMAND = """
import sys, time
from pathlib import Path
from hirl_experiments import cli
from hirl_experiments.command_line import interrupts

def imported(module):
    Path(sys.argv[2]).touch()
    time.sleep(600)

def trained(module):
    with interrupts.deferred_interrupts() as received:
        Path(sys.argv[2]).touch()
        while not received:
            time.sleep(0.01)
        print("stopping", flush=True)
        Path(sys.argv[2]).write_text("saved")
    raise KeyboardInterrupt("stopped at step 3")

cli.import_module = locals()[sys.argv[1]]
sys.argv[1:] = ["train", sys.argv[2]]
cli.main()
"""


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize(("when", "words"), [("imported", "interrupted"), ("trained", "stopped at step 3")])
def test_a_command_says_by_its_code_what_ended_it(name, when, words, tmp_path, until):
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", COMMAND, when, str(begun)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        until(begun.exists, process)
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate()
    assert process.returncode == CODES[name]
    assert errors == f"hirl: {words}\n"
    assert (begun.read_text() == "saved") == (when == "trained")


def test_a_terminal_that_is_closed_is_no_error_while_saving(tmp_path, until):
    begun = tmp_path / "begun"
    shown, terminal = pty.openpty()
    command = [sys.executable, "-c", COMMAND, "trained", str(begun)]
    with subprocess.Popen(command, stderr=terminal, stdout=terminal) as process:
        until(begun.exists, process)
        os.close(terminal)
        os.close(shown)
        process.send_signal(signal.SIGHUP)
        process.wait()
    assert process.returncode == 129
    assert begun.read_text() == "saved"
