"""Ctrl-C, SIGTERM and SIGHUP: what runs is unwound at once, but a publish that has begun is brought to its end first.

The first signal asks to stop, a second one ends the process without asking: the journal is written for that, and workers die with
their coordinator. Nothing of this is installed where Instar is used as a library.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "stopped by SIGTERM"}
if hasattr(signal, "SIGHUP"):  # not on Windows
    CODES[signal.SIGHUP], WORDS[signal.SIGHUP] = 143, "stopped, the terminal being closed (SIGHUP)"
SETTLED = "The next command on this dataset settles what was left."
ONE_WISH = 0.5
"""Seconds within which a second signal is the same wish: `timeout` and process groups send theirs twice."""


class Interrupted(BaseException):
    """A signal arrived: passes through everything that catches errors, as KeyboardInterrupt does."""


class Interruption:
    """The signal that arrived, if one did.

    It is kept, because the exception may not come back as it was raised: DuckDB answers a signal during a query with an error of
    its own ("Query interrupted"), and so may any library that was calling Python in that moment. One that was lost on the way is
    raised again at the next safe point (`heed`).
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.reading = False
        """Does the command only read, so that whatever ends it leaves nothing?"""
        self._since = 0.0
        self._waits = self._over = False

    def listen(self) -> None:
        """Answer the signals from now on; one that whoever started us had switched off (nohup, `&` in a script) stays so."""
        for number in CODES:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._arrived)

    def at_step(self, name: str) -> None:
        """A step of a run begins. From `publish` to the next step, or the end, a signal waits.

        Raises:
            Interrupted: one has arrived.
        """
        self._waits = False
        self.heed()
        self._waits = name == "publish"

    def heed(self) -> None:
        """A safe point.

        Raises:
            Interrupted: a signal has arrived, and nothing has to be brought to its end first.
        """
        if self.signal is not None and not self._waits:
            raise Interrupted

    def over(self) -> None:
        """The command is done: there is nothing left to interrupt."""
        self._over = True

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self.signal is not None:
            if time.monotonic() - self._since > ONE_WISH:
                end_at_once(CODES[signal.Signals(number)], "" if self.reading else SETTLED)
            return
        self.signal, self._since = signal.Signals(number), time.monotonic()
        if not self._waits:
            raise Interrupted
        _say("The publish that has begun comes to its end first. Once more ends at once; the next command then settles it.")


def end_at_once(code: int, then: str) -> NoReturn:
    """Leave without another word of Python's: no cleaning up that could hang. `then`: what becomes of what is left."""
    _say(f"\x1b[?25hEnded at once. {then}".rstrip())  # the cursor that a bar had hidden
    os._exit(code)


def _say(text: str) -> None:
    """To the person at the terminal, if there is one; by one write, as a signal's handler may."""
    try:
        if os.isatty(2):
            os.write(2, f"\r\n{text}\n".encode(sys.stderr.encoding or "ascii", "backslashreplace"))
    except OSError:  # the terminal is gone
        return
