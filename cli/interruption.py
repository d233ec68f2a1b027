"""Ctrl-C and SIGTERM: unwind what runs, and remember which it was."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "stopped by SIGTERM"}


class Interrupted(BaseException):
    """A signal arrived: passes through everything that catches errors, as KeyboardInterrupt does."""


class Interruption:
    """The signal that arrived, if one did.

    It is kept, because the exception may not come back as it was raised: DuckDB answers a signal during a query with an error of
    its own ("Query interrupted"), and so may any library that was calling Python in that moment.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def listen(self) -> None:
        """Answer the signals from now on; one that whoever started us had switched off (nohup, `&` in a script) stays so."""
        for number in CODES:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._arrived)

    def _arrived(self, number: int, frame: FrameType | None) -> NoReturn:
        self.signal = signal.Signals(number)
        raise Interrupted
