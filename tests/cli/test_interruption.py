"""What a signal does at each moment: asks to stop, waits for a publish, ends at once, or comes too late."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import pytest

from instar.cli.interruption import CODES, ONE_WISH, Interrupted, Interruption

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")


@pytest.fixture
def interruption() -> Iterator[Interruption]:
    kept = {number: signal.signal(number, usual(number)) for number in CODES}  # a test run in the background ignores some
    made = Interruption()
    made.listen()
    yield made
    for number, handler in kept.items():
        signal.signal(number, handler)


def usual(number: int) -> Any:
    return signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.01)


@pytest.mark.parametrize("number", list(CODES))
def test_the_first_one_unwinds(number: signal.Signals, interruption: Interruption) -> None:
    for step in ("inventory", "plan", "stage", "prove"):
        interruption.at_step(step)
    with pytest.raises(Interrupted):
        send(number)
    assert interruption.signal == number
    send(number)  # the same wish, said twice


def test_a_publish_is_brought_to_its_end(interruption: Interruption) -> None:
    interruption.at_step("publish")
    send(signal.SIGINT)
    interruption.heed()
    with pytest.raises(Interrupted):
        interruption.at_step("stage")  # the next batch


def test_one_that_was_lost_on_the_way_is_raised_at_the_next_safe_point(interruption: Interruption) -> None:
    def library() -> None:
        try:
            send(signal.SIGTERM)
        except Interrupted:
            raise RuntimeError("Query interrupted") from None

    with pytest.raises(RuntimeError, match="Query interrupted"):
        library()
    with pytest.raises(Interrupted):
        interruption.heed()


def test_after_the_command_there_is_nothing_to_interrupt(interruption: Interruption) -> None:
    interruption.over()
    send(signal.SIGTERM)
    assert interruption.signal is None


def test_one_that_was_switched_off_stays_so() -> None:
    """By nohup, or by `&` in a script."""
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        Interruption().listen()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, kept)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, usual(number))


def test_a_second_one_ends_at_once_whatever_the_first_is_busy_with() -> None:
    program = """
        import time
        from instar.cli.interruption import Interrupted, Interruption
        Interruption().listen()
        try:
            print("ready", flush=True)
            time.sleep(60)
        except Interrupted:
            print("unwinding", flush=True)
            time.sleep(60)  # somebody's cleaning up that hangs
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in ("ready\n", "unwinding\n"):
            assert process.stdout.readline() == line
            time.sleep(ONE_WISH * 1.2 if line == "unwinding\n" else 0)
            process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
    finally:
        process.kill()
        process.communicate()


def test_a_library_installs_nothing() -> None:
    program = """
        import signal, instar
        import instar.transforms.migrate, instar.transforms.restore, instar.transforms.run.executors
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
